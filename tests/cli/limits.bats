# What an attempt may have of the machine, and what it may take: memory, time, processes.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0
load ../lib/orch

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
		  cat /proc/self/cgroup >> groups
		  $HOG
		small: | hog
		  when = always
		  echo small
		detached:
		  detach = yes
		  cat /proc/self/cgroup >> groups
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
	[ "$(grep -c orch- groups)" -ge 2 ]
	for group in $(grep -o 'orch-.*' groups); do
		[ -z "$(find /sys/fs/cgroup -type d -name "$group")" ]
	done
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

@test "every: a check-in runs at its interval, beside the stream, with its environment and a log of its own" {
	orchfile <<-'E'
		a:
		  env = WHO=me
		  every 50ms:
		    echo "beat $WHO $ORCH_STREAM $ORCH_ATTEMPT"
		    echo >> beats
		  i=0; until [ "$(cat beats 2>/dev/null | wc -l)" -ge 3 ] || [ $((i += 1)) -gt 600 ]; do sleep 0.05; done
	E
	expect 0
	lacks beat
	[ "$(wc -l <beats)" -ge 3 ]
	run cat .orch/runs/*/attempts/a.1.every
	[ "${lines[0]}" = 'beat me a 1' ]
	[ "${#lines[@]}" -ge 3 ]
	expect 0 show a
	has $'\tevery 50ms:\n\t\techo "beat'
}

@test "every: never two at a time, ended with the stream, with what left its session too" {
	orchfile <<-'E'
		a:
		  every 20ms:
		    [ ! -e held ] || touch twice
		    touch held
		    setsid sh -c 'trap "" TERM; echo $$ > pid; while :; do sleep 1; done' &
		    trap 'touch told' TERM
		    while :; do sleep 0.05; done
		  until [ -s pid ]; do sleep 0.05; done
		  sleep 0.2
	E
	expect 0
	[ ! -e twice ]
	[ -e told ]
	gone "$(cat pid)"
	lacks 'check-in'
}

@test "every: a failure is warned of once, and ends nothing" {
	orchfile <<-'E'
		a:
		  every 20ms:
		    echo >> turns
		    exit 7
		  every 1h: touch never
		  until [ "$(cat turns 2>/dev/null | wc -l)" -ge 3 ]; do sleep 0.05; done
	E
	expect 0
	has "warn   a: its check-in 'every 20ms' failed: exit status 7; what it printed is in .orch/runs/"
	[ "$(grep -c 'check-in' <<<"$output")" -eq 1 ]
	[ ! -e never ]
}

@test "every: of the defaults, replaced by a stream's own; the check counts as the stream" {
	orchfile <<-'E'
		defaults:
		  every 30ms: echo >> {{stream}}.default
		a:
		  check:
		    until [ -s a.default ]; do sleep 0.05; done
		  true
		b:
		  every 30ms: echo >> b.own
		  until [ -s b.own ]; do sleep 0.05; done
	E
	expect 0
	[ ! -e b.default ]
}

@test "every: of a stream that goes on without orch, the next orch goes on with it" {
	orchfile <<-'E'
		a:
		  detach = yes
		  every 50ms:
		    echo $$ >> turns
		    [ ! -e go ] || touch seen
		  until [ -e seen ]; do sleep 0.05; done
	E
	"$ORCH" >out 2>&1 &
	pid=$!
	until_ok test -s turns
	kill -KILL "$pid"
	wait "$pid" || :
	pid=
	until_ok gone "$(tail -n1 turns)"
	touch go
	expect 0
	[ -e seen ]
	has '1 attempt goes on'
}

@test "every: a stop ends stream and check-ins" {
	orchfile <<-'E'
		a:
		  every 20ms:
		    echo $$ > pid
		    exec sleep 600
		  exec sleep 600
	E
	"$ORCH" >out 2>&1 &
	pid=$!
	until_ok test -s pid
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	pid=
	[ "$status" -eq 143 ]
	gone "$(cat pid)"
}

@test "every: without a time" {
	orchfile <<-'E'
		a:
		  every 0s: true
		  true
	E
	expect 2
	has "'every 0s': expected a duration"
}

# the next run of orch has a wall clock that is off by the seconds in the file `clock`
set_clock_later() {
	${CC:-cc} -shared -fPIC -D_GNU_SOURCE -o wallclock.so "$BATS_TEST_DIRNAME/../lib/wallclock.c" -ldl 2>/dev/null ||
		skip 'no compiler'
	echo 0 >clock
	export WALLCLOCK=$PWD/clock ASAN_OPTIONS=verify_asan_link_order=0
	preload=$PWD/wallclock.so
}

@test "time: a wall clock that is set changes nothing" {
	set_clock_later
	orchfile <<-'E'
		defaults:
		  timeout = 30m
		  unset = LD_PRELOAD
		talks:
		  idle = 600ms
		  for offset in 0 3600 -7200 0 86400 -40000000; do
		    echo $offset > clock.new
		    mv clock.new clock
		    for i in 1 2 3; do sleep 0.1; echo $i; done
		  done
		retried:
		  retries = 1
		  backoff = 100ms
		  [ $ORCH_ATTEMPT = 2 ]
		beats: talks
		  every 100ms: echo >> beats
		  until [ -s beats ]; do sleep 0.05; done
	E
	LD_PRELOAD=$preload run "$ORCH" -k
	echo "status $status: $output"
	[ "$status" -eq 0 ]
	# the clock was really off
	[ "$(cat clock)" = -40000000 ]
	run grep -h '"type":"run_finished"' .orch/runs/*/journal.jsonl
	has '"time":"20'
	lacks "\"time\":\"$(date -u +%Y-%m)"
	run "$ORCH" status
	[ "$status" -eq 0 ]
}

@test "time: a stream that is silent is ended, whatever the wall clock says" {
	set_clock_later
	orchfile <<-'E'
		silent:
		  idle = 500ms
		  kill = TERM 1s KILL
		  unset = LD_PRELOAD
		  echo once
		  echo -86400 > clock
		  exec sleep 600
	E
	LD_PRELOAD=$preload run timeout 60 "$ORCH"
	echo "status $status: $output"
	[ "$status" -eq 1 ]
	has 'FAILED silent (1/1): stalled after'
}

@test "time: idle looks at bytes, not at a time that somebody gave the log" {
	orchfile <<-'E'
		past:
		  idle = 600ms
		  for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; touch -d '1 hour ago' {{log}}; sleep 0.15; done
		future:
		  idle = 600ms
		  for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; touch -d 'now + 1 hour' {{log}}; sleep 0.15; done
		stalled:
		  idle = 400ms
		  echo once
		  while :; do touch {{log}}; sleep 0.05; done
	E
	expect 1 -k
	has 'done   past'
	has 'done   future'
	[[ $output =~ 'FAILED stalled ('./3'): stalled after' ]]
}

@test "a shortage of processes: fewer run at once, all complete, and a warning says why" {
	orchfile <<-'E'
		for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20:
		  s{{n}}:
		    exec sleep 0.3
	E
	as_nobody
	run other bash -c 'ulimit -u 14; exec "$0" -j20' "$ORCH"
	echo "status $status: $output"
	[ "$status" -eq 0 ]
	has 'cannot be started now: '
	has 'Resource temporarily unavailable; fewer run at once until there is room'
	[ "$(grep -c 'cannot be started now' <<<"$output")" -eq 1 ]
	has '20 streams: 20 completed'
	# fewer slots, and why; then more again
	[[ $output =~ orch:\ slots\ +[0-9]+\ at\ once\ for\ now:\ .*unavailable ]]
	grep -q '"type":"slots","jobs":[0-9]*,"message":".*unavailable' .orch/runs/*/journal.jsonl
}

@test "a shortage of processes: not even enough for threads" {
	orchfile <<-'E'
		for n in 1 2 3 4 5:
		  s{{n}}:
		    exec sleep 0.2
	E
	as_nobody
	for most in 4 5 6 7 8; do
		rm -rf .orch
		run other bash -c 'ulimit -u $1; exec "$0" -j5' "$ORCH" "$most"
		echo "most $most, status $status: $output"
		[ "$status" -eq 0 ]
		has '5 streams: 5 completed'
	done
}

@test "a shortage of processes: of those with supervisors of their own" {
	orchfile <<-'E'
		defaults:
		  detach = yes
		for n in 1 2 3 4 5 6 7 8 9 10:
		  s{{n}}:
		    exec sleep 0.3
	E
	as_nobody
	run other bash -c 'ulimit -u 14; exec "$0" -j10' "$ORCH"
	echo "status $status: $output"
	[ "$status" -eq 0 ]
	has 'fewer run at once until there is room'
	has '10 streams: 10 completed'
}

@test "a shortage of descriptors: fewer run at once, all complete" {
	orchfile <<-'E'
		for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20:
		  s{{n}}:
		    exec sleep 0.3
	E
	run bash -c 'ulimit -n 28; exec "$0" -j20' "$ORCH"
	echo "status $status: $output"
	[ "$status" -eq 0 ]
	has 'Too many open files; fewer run at once until there is room'
	has '20 streams: 20 completed'
}

resident() { # pids: kB of all of them
	local one sum=0
	for one in "$@"; do
		sum=$((sum + $(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$one/status")))
	done
	echo "$sum"
}

wakeups() { # pids: how often they slept and woke
	local one sum=0
	for one in "$@"; do
		sum=$((sum + $(sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/$one/status")))
	done
	echo "$sum"
}

all_began() {
	[ "$(grep -c '^orch: start ' out)" -eq 1000 ]
}

@test "a thousand at once: little memory, no wake-ups while nothing happens, one signal ends all" {
	[ "$(ulimit -u)" = unlimited ] || [ "$(ulimit -u)" -gt 3000 ] || skip 'too few processes allowed'
	awk 'BEGIN { for (n = 0; n < 1000; n++) printf "s%d:\n\texec sleep 600\n", n }' >Orchfile
	"$ORCH" -j1000 --color=never >out 2>&1 &
	pid=$!
	until_ok all_began
	supervisor=$(tr ' ' '\n' <"/proc/$pid/task/$pid/children" | head -n1)
	[ "$(tr ' ' '\n' <"/proc/$supervisor/task/$supervisor/children" | grep -c .)" -eq 1000 ]
	# until what was under way is done
	before=-1
	quiet=0
	for i in $(seq 100); do
		now=$(wakeups "$pid" "$supervisor")
		[ "$now" -ne "$before" ] || quiet=$((quiet + 1))
		[ "$quiet" -lt 10 ] || break
		[ "$now" -eq "$before" ] || quiet=0
		before=$now
		sleep 0.1
	done
	# a whole second without one
	[ "$quiet" -ge 10 ]
	# a build with sanitizers needs much more
	grep -q __asan "$(readlink "/proc/$pid/exe")" || [ "$(resident "$pid" "$supervisor")" -lt 30000 ]
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	grep -q '^1000 streams: 1000 cancelled' out
	[ ! -e "/proc/$supervisor" ] || gone "$supervisor"
	pid=
}
