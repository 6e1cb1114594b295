# What an attempt may have of the machine, and what it may take: memory, time, processes.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	pid=
	elsewhere=
}

# only what a test itself started, by its id; whatever else a failure leaves ends by itself
teardown() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || :
	[ -z "$elsewhere" ] || rm -rf "$elsewhere"
}

# the Orchfile is standard input; two blanks stand for a tab
orchfile() {
	sed 's/^    /\t\t/; s/^  /\t/' >Orchfile
}

expect() {
	local want=$1
	shift
	run "$ORCH" "$@"
	echo "status $status: $output"
	[ "$status" -eq "$want" ]
}

has() {
	local text=$1
	[[ $output == *"$text"* ]] || {
		echo "not in the output: $text"
		return 1
	}
}

lacks() {
	local text=$1
	[[ $output != *"$text"* ]] || {
		echo "in the output: $text"
		return 1
	}
}

# what a run must not leave behind; those of others that run now are not ours
groups_of() {
	find /sys/fs/cgroup -type d -name "orch-*-$1-*" 2>/dev/null
}

# until the command succeeds, for a minute at most
until_ok() {
	local i
	for ((i = 0; i < 1200; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	echo "never: $*"
	return 1
}

# ended, if maybe not yet reaped by whoever has to
gone() {
	[ ! -e "/proc/$1" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null || [ ! -e "/proc/$1" ]
}

# more memory than the streams of these tests may have
HOG='x=$(head -c 200000000 /dev/zero | tr "\0" x)'

# orch as a user who may make no control group; as root only, since nobody else can become another
as_nobody() {
	[ "$(id -u)" = 0 ] || skip 'only root can become another user'
	command -v setpriv >/dev/null || skip 'setpriv is not installed'
	elsewhere=$(mktemp -d /tmp/orch-limits-XXXXXX)
	cp Orchfile "$elsewhere"
	cd "$elsewhere" || return 1
	chown -R 54321:54321 .
	run other test -x "$ORCH" -a -r Orchfile
	[ "$status" -eq 0 ] || skip 'another user cannot reach the program'
}

other() {
	HOME=$elsewhere setpriv --reuid 54321 --regid 54321 --clear-groups -- "$@"
}

@test "memory: what needs more fails, and says what it had" {
	orchfile <<-E
		defaults:
		  memory = 48M
		hog:
		  $HOG
		small: | hog
		  when = always
		  echo small
		detached:
		  detach = yes
		  $HOG
		checked:
		  check:
		    $HOG
		  echo work
	E
	expect 1 -k
	[[ $output != *'cannot be limited here'* ]] || skip 'no control group with a memory limit can be had here'
	has 'FAILED hog'
	has 'out of memory: limit 48.0 MiB, most in use 4'
	has 'FAILED detached'
	has 'out of memory: its check: limit 48.0 MiB'
	has 'done   small'
	run grep -h '"attempt_finished"' .orch/runs/*/journal.jsonl
	[ "$(grep -c '"outcome":"memory"' <<<"$output")" -eq 3 ]
	[ "$(grep -c '"memory_peak_kb":' <<<"$output")" -eq 4 ]
	run "$ORCH" status --json
	has '"outcome": "memory"'
	expect 0 list
	run find /sys/fs/cgroup -type d -name 'orch-*' -newer Orchfile
	[ -z "$output" ]
}

@test "memory: an attempt that copes is warned of" {
	orchfile <<-E
		copes:
		  memory = 48M
		  ($HOG) 2>/dev/null || echo less
	E
	expect 0
	[[ $output != *'cannot be limited here'* ]] || skip 'no control group with a memory limit can be had here'
	has 'it succeeded, though 1 of its processes had been ended for want of memory'
}

@test "memory: what left its session dies with the attempt, and its group goes" {
	orchfile <<-'E'
		a:
		  memory = 64M
		  mkfifo held
		  setsid env -i sh -c 'trap "" TERM; exec 3<>held; echo $$ > pid; while :; do sleep 1; done' &
		  until [ -s pid ]; do sleep 0.05; done
	E
	expect 0
	gone "$(cat pid)"
	run grep -h '"left_behind":' .orch/runs/*/journal.jsonl
	[ "$status" -eq 0 ]
}

@test "memory: where it cannot be enforced a warning says why, once" {
	orchfile <<-'E'
		defaults:
		  memory = 1G
		a:
		  ulimit -v
		b: a
		  ulimit -v
	E
	as_nobody
	run other "$ORCH"
	echo "status $status: $output"
	[ "$status" -eq 0 ]
	has "warn   a: 'memory' cannot be limited here, so this stream and others run without: "
	[ "$(grep -c 'cannot be limited' <<<"$output")" -eq 1 ]
	has unlimited
	lacks 1048576
}

@test "memory: rlimit limits each process where no group can be had" {
	orchfile <<-'E'
		defaults:
		  memory = 1G rlimit
		a:
		  ulimit -v
		  ulimit -H -v
		b:
		  detach = yes
		  ulimit -v
	E
	expect 0 show a
	has 'memory = 1G rlimit'
	as_nobody
	run other "$ORCH"
	echo "status $status: $output"
	[ "$status" -eq 0 ]
	has "so each process of it may have that much address space"
	[ "$(grep -c 1048576 <<<"$output")" -eq 3 ]
	lacks unlimited
}

@test "memory: what a crash left behind is ended and removed by the next run" {
	orchfile <<-'E'
		a:
		  memory = 64M
		  detach = yes
		  setsid env -i sh -c 'echo $$ > pid; exec sleep 600' &
		  [ -e second ] || sleep 600
	E
	"$ORCH" >out 2>&1 &
	pid=$!
	until_ok test -s pid
	! grep -q 'cannot be limited' out || skip 'no control group with a memory limit can be had here'
	supervisor=$(sed -n 's/^supervisor \([0-9]*\) .*/\1/p' .orch/runs/*/attempts/a.1.running.job)
	[ -n "$(groups_of "$supervisor")" ]
	# both at once, as an exhausted machine does it
	kill -STOP "$pid"
	kill -KILL "$supervisor" "$pid"
	wait "$pid" || :
	pid=
	left=$(cat pid)
	rm pid
	touch second
	expect 0
	[ -z "$(groups_of "$supervisor")" ]
	until_ok gone "$left"
}
