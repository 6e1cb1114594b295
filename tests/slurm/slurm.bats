# Streams on a real cluster: munge, slurmctld and three slurmd of Debian's packages, started and ended by this test
# (tests/slurm/cluster). $ORCH names the program, $srcdir the source directory.

bats_require_minimum_version 1.5.0

setup_file() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}" "${srcdir:?names the source directory}"
	export CLUSTER=$srcdir/tests/slurm/cluster WHERE=$BATS_FILE_TMPDIR/cluster LIMITED=$BATS_FILE_TMPDIR/limited
	"$CLUSTER" start "$WHERE" 3
	# the shipped runner, in more of a hurry
	sed 's/interval = 5s/interval = 500ms/;s/lost     = 2m/lost = 8s/' "$srcdir/src/lang/runners.orch" >"$BATS_FILE_TMPDIR/runner.orch"
	printf 'defaults:\n\trunner = slurm\n\tkill = TERM 2s KILL\n' >>"$BATS_FILE_TMPDIR/runner.orch"
	# a time limit is a whole minute at least, which passes while the other tests run
	mkdir "$LIMITED"
	{
		cat "$BATS_FILE_TMPDIR/runner.orch"
		printf 'slow:\n\tslurm = --time=1\n\techo begun; while :; do sleep 0.2; done\n'
	} >"$LIMITED/Orchfile"
	. "$WHERE/env"
	"$ORCH" -C "$LIMITED" >"$LIMITED/out" 2>&1 3>&- 4>&- &
	echo $! >"$LIMITED/pid"
}

teardown_file() {
	kill -KILL "$(cat "$LIMITED/pid")" 2>/dev/null || :
	[ ! -f "$WHERE/env" ] || (. "$WHERE/env" && squeue -h -o %i | xargs -r scancel) || :
	"$CLUSTER" stop "$WHERE"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	. "$WHERE/env"
	orch=
}

# only what a test itself started, by its id
teardown() {
	touch go
	[ -z "$orch" ] || kill -KILL "$orch" 2>/dev/null || :
	# what went wrong is said by others too
	[ -n "$BATS_TEST_COMPLETED" ] || { squeue -t all | tail -n 20; tail -n 5 "$WHERE"/log/slurmctld.log; }
}

orchfile() { { cat "$BATS_FILE_TMPDIR/runner.orch"; sed 's/^  /\t/;s|^\t  |\t\t|'; } >Orchfile; }

wait_for() {
	local until=$((SECONDS + 240))
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$until" ] || { echo "waited in vain for: $*"; tail -n 30 out; return 1; }
		sleep 0.1
	done
}

begin() { "$ORCH" "$@" >out 2>&1 3>&- & orch=$!; }
end() { local status=0; wait "$orch" || status=$?; orch=; cat out; [ "$status" -eq "$1" ]; }
crash() { kill -KILL "$orch"; wait "$orch" 2>/dev/null || :; orch=; }
at_least() { [ "$(cat "$1" | wc -l)" -ge "$2" ]; }
outcomes() { cat .orch/runs/*/journal.jsonl | jq -r "select(.type == \"attempt_finished\" and .stream == \"$1\") | .outcome" | xargs; }
job_of() { sed -n 's/^id //p' .orch/runs/*/attempts/"$1".*.remote; }

# each depends on two of the layer before it
layered() { # LAYERS WIDTH [COMMANDS]
	local layer i
	for layer in $(seq "$1"); do
		for i in $(seq "$2"); do
			printf 's%d-%d:' "$layer" "$i"
			[ "$layer" = 1 ] || printf ' s%d-%d s%d-%d' $((layer - 1)) "$i" $((layer - 1)) $((i % $2 + 1))
			printf '\n\t%s echo s%d-%d >>effects\n' "${3:-}" "$layer" "$i"
		done
	done
}

once_each() { # COUNT
	[ "$(wc -l <effects)" -eq "$1" ]
	[ -z "$(sort effects | uniq -d)" ]
}

@test "200 streams in layers, and orch is killed five times: each effect once" {
	layered 8 25 | orchfile
	for round in 1 2 3 4 5; do
		begin -j60
		wait_for at_least effects $((round * 25))
		crash
	done
	begin -j60
	end 0
	once_each 200
	grep -q 'go on\|ended meanwhile' out
	begin && end 0
	once_each 200
}

@test "a node dies with all that runs there: that is a kind of failure, and tried again elsewhere" {
	orchfile <<-'E'
	recover dead-node:
	  kind = node
	  retries = 5
	  backoff = 1s
	for n in 1 2 3 4 5 6:
	  s{{n}}:
	    slurm = --cpus-per-task=12
	    echo $$ >pid.$SLURMD_NODENAME.{{n}}; until test -e go; do sleep 0.1; done; echo s{{n}} >>effects
	E
	begin -j6
	wait_for eval '[ "$(cat pid.* | wc -l)" -eq 6 ]'
	# the shells, their supervisors, and what Slurm has there
	for pid in $(cat pid.n3.*); do
		kill -KILL "$(ps -o ppid= -p "$pid" | tr -d ' ')" "$pid"
	done
	"$CLUSTER" kill "$WHERE" n3
	scontrol update nodename=n3 state=down reason=test
	wait_for eval '[ "$(cat .orch/runs/*/journal.jsonl | grep -c "\"outcome\":\"node\"")" -ge 2 ]'
	touch go
	end 0
	"$CLUSTER" again "$WHERE" n3
	# it may be back by itself
	scontrol update nodename=n3 state=resume || :
	[ "$(wc -l <effects)" -eq 6 ]
	[ -z "$(sort effects | uniq -d)" ]
}

@test "a slurmd that dies alone takes nothing with it" {
	orchfile <<-'E'
	one:
	  echo $SLURMD_NODENAME >node; until test -e go; do sleep 0.1; done; echo one >>effects
	E
	begin
	wait_for test -s node
	node=$(cat node)
	"$CLUSTER" kill "$WHERE" "$node"
	touch go
	end 0
	[ "$(cat effects)" = one ]
	"$CLUSTER" again "$WHERE" "$node"
}

@test "scancel by somebody else, and a stop of the run" {
	orchfile <<-'E'
	one:
	  echo begun >>begun; until test -e go; do sleep 0.1; done
	two:
	  echo begun >>begun; until test -e go; do sleep 0.1; done; echo two >>effects
	waits:
	  slurm = --begin=now+1hour
	  true
	E
	begin -k
	wait_for at_least begun 2
	wait_for eval '[ -n "$(job_of waits)" ]'
	scancel "$(job_of one)"
	wait_for grep -q 'FAILED one .*its job was cancelled by somebody else' out
	run -0 "$ORCH" status
	[[ $output == *queued* ]]
	kill -INT "$orch"
	end 130
	[ "$(outcomes one)" = cancelled ]
	[ ! -e effects ]
	# nothing of it is left in the queue
	wait_for eval '[ -z "$(squeue -h -o %j | grep -F "$(ls .orch/runs | tail -n 1)")" ]'
}

@test "slurmctld is killed in the middle, and started again later: each effect once" {
	# what it has forgotten that runs, Slurm ends when it is back
	{ printf 'recover ended:\n\tkind = node cancelled\n\tretries = 5\n\tbackoff = 1s\n'; layered 4 12 'sleep 1;'; } | orchfile
	begin -k -j24
	wait_for at_least effects 6
	"$CLUSTER" kill "$WHERE" slurmctld
	# what runs goes on, and ends, meanwhile
	sleep 2
	"$CLUSTER" again "$WHERE" slurmctld
	end 0
	once_each 48
}

@test "a job that runs into its time limit" {
	cd "$LIMITED"
	local until=$((SECONDS + 180))
	while kill -0 "$(cat pid)" 2>/dev/null; do
		[ "$SECONDS" -lt "$until" ] || { cat out; squeue -t all; return 1; }
		sleep 0.2
	done
	cat out
	[ "$(outcomes slow)" = timeout ]
	grep -q 'FAILED slow .*time limit of its job (slurm job [0-9]*, TIMEOUT' out
}
