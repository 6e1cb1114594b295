# Runners that are declared: what a scheduler does, forgets and does wrong (tests/lib/scheduler.py), and what orch makes of it.
# $ORCH names the program, $srcdir the source directory.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	S="python3 -IS ${srcdir:?names the source directory}/tests/lib/scheduler.py $PWD/sched"
	orch= private=
	mkdir sched
	$S serve 3>&- &
	scheduler=$!
	wait_for test -e sched/ready
	# two blanks stand for a tab
	sed "s/^  /\t/;s|^\t  |\t\t|;s|SCHED|$S|" >runner.orch <<-'E'
	runner here:
	  interval = 100ms
	  lost = 2s
	  submit: SCHED submit "$ORCH_JOB_SCRIPT" "$ORCH_JOB_OUTPUT"
	  poll: SCHED poll
	  cancel: SCHED cancel
	defaults:
	  runner = here
	  kill = TERM 1s KILL
	E
}

# only what a test itself started, by its id
teardown() {
	touch go
	[ -z "$orch" ] || kill -KILL "$orch" 2>/dev/null || :
	[ -z "$private" ] || rm -r "$private"
	$S quit || kill -KILL "$scheduler"
	wait
}

orchfile() { { cat runner.orch; sed 's/^  /\t/;s|^\t  |\t\t|'; } >Orchfile; }

wait_for() {
	local until=$((SECONDS + 30))
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$until" ] || { echo "waited in vain for: $*"; cat out; return 1; }
		sleep 0.02
	done
}

begin() { "$ORCH" "$@" >out 2>&1 3>&- & orch=$!; }
end() { local status=0; wait "$orch" || status=$?; orch=; cat out; [ "$status" -eq "$1" ]; }
crash() { kill -KILL "$orch"; wait "$orch" 2>/dev/null || :; orch=; }
lines() { [ "$(wc -l <"$1")" -eq "$2" ]; }
phase() { grep -q "\"stream\":\"$1\",\"attempt\":[0-9]*,\"phase\":\"$2\"" .orch/runs/*/journal.jsonl; }
# of all its attempts
outcome() { [ "$(cat .orch/runs/*/journal.jsonl | jq -r "select(.type == \"attempt_finished\" and .stream == \"$1\") | .outcome" | xargs)" = "$2" ]; }

@test "streams run where the runner puts them, with their checks, values and failures" {
	orchfile <<-'E'
	one:
	  check: echo checked
	  echo "value=$ORCH_STREAM" >"$ORCH_OUTPUT"; echo one >>effects; echo said
	two: one
	  echo "{{one.value}}" >>effects
	bad: one
	  echo it went wrong; exit 3
	E
	begin -j4 && end 1
	grep -q 'FAILED bad .*exit status 3' out
	[ "$(cat effects | xargs)" = 'one one' ]
	[ "$("$ORCH" logs one | grep -c '^said$\|^checked$')" -eq 2 ]
	phase one queued
	phase one check
	# the secrets in an environment stay no longer than they have to
	run ! ls .orch/runs/*/attempts/*.spec
	begin && end 1
	lines effects 2
}

@test "the time in the queue is told apart from that in which it runs, and is no part of a time limit" {
	orchfile <<-'E'
	late:
	  timeout = 1s
	  echo ran >>effects
	E
	$S hold
	begin
	wait_for phase late queued
	wait_for eval '[ -n "$($S ids)" ]'
	run -0 "$ORCH" status
	[[ $output == *'(queued)'* ]]
	run -0 "$ORCH" status --json
	[[ $output == *'"queued_since"'* ]]
	# longer than its timeout
	sleep 1.2
	$S release
	end 0
	[ "$(jq 'select(.type == "attempt_finished") | .queued_ms > 1000 and .duration_ms < 1000' .orch/runs/*/journal.jsonl)" = true ]
}

@test "orch is killed again and again: each effect once" {
	orchfile <<-'E'
	for n in 1 2 3 4 5 6 7 8:
	  s{{n}}:
	    echo begun >>begun; until test -e go; do sleep 0.05; done; echo {{n}} >>effects
	last: s1 s2 s3 s4 s5 s6 s7 s8
	  echo last >>effects
	E
	for round in 1 2 3; do
		begin -j8
		# somewhere in the middle, each time a bit later
		wait_for eval "[ \$(ls .orch/runs/*/attempts/*.job | wc -l) -ge $((round * 2)) ]"
		crash
	done
	begin -j8
	wait_for grep -q 'attempts go on' out
	wait_for lines begun 8
	crash
	touch go
	wait_for lines effects 8
	begin -j8 && end 0
	lines begun 8
	lines effects 9
	[ "$(sort effects | uniq -d)" = '' ]
	[ "$($S ids | wc -l)" -eq 9 ]
}

@test "it began, or ended, while there was no orch" {
	orchfile <<-'E'
	one:
	  echo one >>effects
	two:
	  echo two >>effects; exit 4
	E
	$S hold
	begin
	wait_for eval '[ "$($S ids | wc -l)" -eq 2 ] && [ "$(grep -l ^id .orch/runs/*/attempts/*.remote | wc -l)" -eq 2 ]'
	crash
	$S release
	wait_for eval '[ "$(ls .orch/runs/*/attempts/*.exit | wc -l)" -eq 2 ]'
	begin && end 1
	grep -q 'FAILED two .*exit status 4' out
	lines effects 2
	outcome one success
}

@test "a job that waits is taken back when its run is stopped" {
	orchfile <<-'E'
	one:
	  echo one >>effects
	E
	$S hold
	begin
	wait_for eval '[ -n "$($S ids)" ] && grep -q ^id .orch/runs/*/attempts/*.remote'
	kill -INT "$orch"
	end 130
	[[ $($S poll) == *cancelled* ]]
	$S release
	begin && end 0
	lines effects 1
}

@test "what runs is ended, by its own steps, when its run is stopped" {
	orchfile <<-'E'
	one:
	  trap 'echo term >>effects; exit 1' TERM; echo begun >>begun; while :; do sleep 0.05; done
	E
	begin
	wait_for lines begun 1
	kill -INT "$orch"
	end 130
	lines effects 1
}

@test "'orch stop' ends what an orch that was killed has left in a queue" {
	orchfile <<-'E'
	one:
	  echo one >>effects
	E
	$S hold
	begin
	wait_for eval 'grep -q ^id .orch/runs/*/attempts/*.remote'
	crash
	run -0 "$ORCH" stop
	$S release
	wait_for eval '[[ $($S poll) == *failed* ]]'
	[ ! -e effects ]
	begin && end 0
	lines effects 1
}

@test "a job that was forgotten before it began is handed over again; one that runs is not" {
	orchfile <<-'E'
	waits:
	  echo waits >>effects
	E
	$S hold
	begin
	wait_for eval 'grep -q ^id .orch/runs/*/attempts/*.remote'
	$S forget all
	wait_for grep -q 'has forgotten its job' out
	$S release
	end 0
	lines effects 1
	orchfile <<-'E'
	runs:
	  echo begun >>begun; until test -e go; do sleep 0.05; done; echo runs >>effects
	E
	begin
	wait_for lines begun 1
	$S forget all
	sleep 1
	touch go
	end 0
	lines begun 1
	lines effects 2
}

@test "a submit that fails is tried again, also when it was carried out all the same" {
	orchfile <<-'E'
	one:
	  echo one >>effects
	E
	$S hold
	$S lose
	begin
	wait_for grep -q 'could not be handed' out
	$S release
	end 0
	lines effects 1
	[ "$($S ids | wc -l)" -le 2 ]
	$S refuse 2
	begin -B && end 0
	lines effects 2
}

@test "a submit that cannot work fails the stream with what it said" {
	orchfile <<-'E'
	one:
	  echo one >>effects
	E
	sed -i 's|submit: .*|submit: echo "no such partition" >\&2; exit 1|' Orchfile
	begin && end 1
	outcome one spawn
	grep -q 'FAILED one .*no such partition' out
}

@test "a second copy of a job does nothing" {
	orchfile <<-'E'
	one:
	  echo begun >>begun; until test -e go; do sleep 0.05; done; echo one >>effects
	E
	begin
	wait_for lines begun 1
	$S again "$($S ids)"
	wait_for grep -q 'another copy' .orch/runs/*/attempts/*.out
	touch go
	end 0
	lines begun 1
	lines effects 1
}

@test "a node that fails: its copy is ended before the next one begins, by a rule for that kind" {
	orchfile <<-'E'
	recover lost-node:
	  kind = node preempted
	  retries = 2
	  backoff = 10ms
	one:
	  echo "begun $ORCH_ATTEMPT" >>begun; until test -e go; do echo "$ORCH_ATTEMPT" >>alive; sleep 0.05; done; echo "$ORCH_ATTEMPT" >>effects
	E
	begin
	wait_for lines begun 1
	first=$($S ids)
	$S say "$first" NODE_FAIL
	wait_for lines begun 2
	# what the first one still wrote it wrote before
	[ "$(grep -n 1 alive | tail -n 1 | cut -d: -f1)" -lt "$(grep -n 2 alive | head -n 1 | cut -d: -f1 || echo 999999)" ] || [ "$(grep -c 2 alive)" -eq 0 ]
	second=$($S ids | tail -n 1)
	$S say "$second" PREEMPTED
	wait_for lines begun 3
	touch go
	end 0
	[ "$(cat effects)" = 3 ]
	outcome one 'node preempted success'
}

@test "a job that vanishes with its node is lost" {
	orchfile <<-'E'
	one:
	  echo begun >>begun; until test -e go; do sleep 0.05; done
	E
	begin
	wait_for lines begun 1
	job=$($S ids)
	$S kill "$job"
	$S forget "$job"
	end 1
	outcome one node
	grep -q 'FAILED one .*its node failed' out
}

know_ids() { [ "$(cat .orch/runs/*/attempts/*.remote 2>/dev/null | grep -c '^id ')" -eq "$1" ]; }

@test "why its scheduler ended it is the kind of its failure" {
	orchfile <<-'E'
	one:
	  echo begun >>begun; until test -e go; do sleep 0.05; done
	two:
	  echo begun >>begun; until test -e go; do sleep 0.05; done
	three:
	  echo begun >>begun; until test -e go; do sleep 0.05; done
	E
	begin -k
	wait_for lines begun 3
	# a job may begin before orch has been told its id
	wait_for know_ids 3
	set -- $(for s in one two three; do sed -n 's/^id //p' .orch/runs/*/attempts/$s.1.*.remote; done)
	$S say "$1" TIMEOUT TimeLimit
	$S say "$2" OUT_OF_MEMORY OutOfMemory
	$S say "$3" CANCELLED
	printf '%s\n' "$@" | $S cancel
	end 1
	outcome one timeout
	outcome two memory
	outcome three cancelled
	grep -q 'FAILED one .*time limit of its job (here job [0-9]*, TIMEOUT, TimeLimit' out
}

@test "a scheduler that cannot be asked changes nothing" {
	orchfile <<-'E'
	one:
	  echo begun >>begun; until test -e go; do sleep 0.05; done; echo one >>effects
	E
	begin
	wait_for lines begun 1
	$S down
	wait_for grep -q 'cannot be asked about its jobs' out
	touch go
	end 0
	lines effects 1
}

@test "a directory that the node does not have is a failure to start, which says where and what to do" {
	git init -q -b main .
	git -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m begin
	orchfile <<-'E'
	one:
	  echo one >>effects
	two:
	  isolate = worktree
	  echo two >>effects
	E
	cp Orchfile as-it-was
	# even the log
	sed -i "s|^\tsubmit: |&sed -i 's:$PWD:/nowhere:g' \"\${ORCH_JOB_SCRIPT%.sh}.spec\"; |" Orchfile
	begin one && end 1
	outcome one spawn
	grep -q "FAILED one .*on $(uname -n): cannot open its log '/nowhere/" out
	sed "s|^\tsubmit: |&sed -i 's:\\\\x00$PWD\\\\x00:\\\\x00/nowhere\\\\x00:;s:$PWD/.orch/worktrees:/nowhere:g' \"\${ORCH_JOB_SCRIPT%.sh}.spec\"; |" as-it-was >Orchfile
	begin -k && end 1
	grep -q "FAILED one .*on $(uname -n): its directory '/nowhere' is not there: No such file or directory; it has to be on a file system that the machines of the runner 'here' share" out
	grep -q "FAILED two .*on $(uname -n): its directory '/nowhere/two' is not there: .*; it is a worktree, and .*'worktrees = DIR' in 'project:'" out
	[ ! -e effects ]
	# where nothing of it is there, not even the place for a complaint
	sed "s|^\tsubmit: .*|\tsubmit: echo exit 1 >silent; $S submit $PWD/silent /dev/null|" as-it-was >Orchfile
	begin one && end 1
	grep -q "FAILED one .*before its command could begin (here job .*), and said nothing: is '$PWD' there, on the machines of 'here'?" out
}

@test "worktrees on a file system that only this machine has are warned of before they go to a cluster" {
	git init -q -b main .
	git -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m begin
	# each Linux has a tmpfs there
	private=$(mktemp -d /dev/shm/orch-runners.XXXXXX)
	orchfile <<-'E'
	project:
	  worktrees = WHERE
	one:
	  isolate = worktree
	  true
	two:
	  isolate = worktree
	  true
	three:
	  true
	E
	sed -i "s|WHERE|$private/of/mine|;s/here/slurm/" Orchfile
	begin three && end 0
	run ! grep warning out
	begin -j1 one two && end 0
	[ "$(grep -c "worktrees are made in '$private/of/mine', on a file system that only this machine has (tmpfs).*'worktrees = DIR' in 'project:'" out)" -eq 1 ]
}

# what a job leaves as `hidden` is `made` only when its end was written down, and a second later: as with a file system
# over a network
see_late() {
	sed -i 's|^\tsubmit: .*|\tsubmit: . ./submit|' Orchfile
	cat >submit <<-E
		printf 'sh "%s"; s=\$?; sleep 1; cd "\$(cat $PWD/where)" && mv hidden made; exit \$s\n' "\$ORCH_JOB_SCRIPT" >"\$ORCH_JOB_SCRIPT.late"
		$S submit "\$ORCH_JOB_SCRIPT.late" "\$ORCH_JOB_OUTPUT"
	E
}

@test "outputs that are seen late are looked for again, in the project and in a worktree" {
	git init -q -b main .
	git -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m begin
	orchfile <<-'E'
	one:
	  outputs = made
	  pwd >where; echo one >hidden; echo one >>effects
	two: one
	  isolate = worktree
	  outputs = ma*
	  pwd >HERE/where; cat HERE/made >hidden; echo two >>HERE/effects
	E
	sed -i "s|HERE|$PWD|g" Orchfile
	see_late
	begin && end 0
	[ "$(cat effects | xargs)" = 'one two' ]
	[ "$(git show orch/two:made)" = one ]
	outcome one success
	outcome two success
}

@test "an output that there is not is looked for no longer than the runner's latency" {
	orchfile <<-'E'
	one:
	  outputs = made
	  echo one >>effects
	E
	sed -i 's|^\tlost = .*|&\n\tlatency = 300ms|' Orchfile
	begin && end 1
	outcome one outputs
	grep -q "FAILED one .*'made' does not exist, or was not to be seen here within 300ms ('latency' of its runner)" out
	sed -i 's|latency = .*|latency = 0s|' Orchfile
	begin && end 1
	outcome one 'outputs outputs'
	grep -q "FAILED one .*'made' does not exist$" out
	lines effects 2
}

@test "while an output is looked for, the run can be stopped, or orch killed" {
	orchfile <<-'E'
	one:
	  timeout = 5s
	  outputs = made
	  echo one >>effects
	E
	sed -i 's|^\tlost = .*|&\n\tlatency = 10m|' Orchfile
	begin
	wait_for eval 'ls .orch/runs/*/attempts/*.exit'
	# its files are looked at twice a second
	sleep 1.2
	kill -INT "$orch"
	end 130
	outcome one stopped
	begin
	wait_for lines effects 2
	wait_for eval 'ls ".orch/runs/$(ls .orch/runs | tail -n 1)"/attempts/*.exit'
	crash
	begin
	wait_for grep -q 'go on\|ended meanwhile' out
	echo made >made
	end 0
	lines effects 2
}

@test "the end of what it wrote to ORCH_OUTPUT is waited for" {
	orchfile <<-'E'
	one:
	  never runs
	two: one
	  runner = process
	  echo {{one.value}} >>effects
	E
	# a node that says how it ended, and of which the rest is seen late
	sed -i 's|^\tsubmit: .*|\tsubmit: . ./submit|' Orchfile
	cat >submit <<-E
		SCHED="$S"
	E
	cat >>submit <<-'E'
		job=${ORCH_JOB_SCRIPT%.sh} record=${ORCH_JOB_SCRIPT%.*.sh}
		results=$(tr '\0' '\n' <"$job.spec" | sed -n 's/^ORCH_OUTPUT=//p')
		printf 'orch-job 1\nsupervisor 1 1\nleader 0 0\nboot x\nstarted 1 1\nhost far\nend\n' >"$job.job"
		printf 'value=' >"$results"
		printf 'orch-exit 1\nstatus 0\nresults-size 11\nend\n' >"$job.new"
		mv "$job.new" "$job.exit"
		echo "sleep 1.5; echo late >>'$results'" >"$job.late"
		$SCHED submit "$job.late" "$ORCH_JOB_OUTPUT"
	E
	begin && end 0
	[ "$(cat effects)" = late ]
}

@test "what is wrong in the Orchfile is said before anything runs" {
	orchfile <<-'E'
	one:
	  runner = hree
	  true
	two:
	  detach = no
	  true
	runner half:
	  poll: true
	  interval = 1ms
	E
	run -2 "$ORCH" -n
	[[ $output == *"unknown runner 'hree'; did you mean 'here'?"* ]]
	[[ $output == *"'detach = no': what is handed to the runner 'here' goes on when orch is killed"* ]]
	[[ $output == *"runner 'half' has no 'submit:'"* ]]
	[[ $output == *"runner 'half' has no 'cancel:'"* ]]
	[[ $output == *"'interval = 1ms': expected at least 100ms"* ]]
}

@test "a runner is printed as it was written" {
	orchfile <<-'E'
	one:
	  job-options = -q long
	  true
	E
	run -0 "$ORCH" fmt
	run -0 "$ORCH" fmt --check
	grep -q '^runner here:$' Orchfile
	run -0 "$ORCH" dump
	[[ $output == *'runner here:'* ]]
	[[ $output == *'job-options = -q long'* ]]
}
