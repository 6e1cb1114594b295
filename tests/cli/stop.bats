# Ending a run, and what streams leave behind: signals, daemons, two runs at once, a killed orch.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	plain_setup
	cd "$BATS_TEST_TMPDIR" || return 1
	export LOG=$BATS_TEST_TMPDIR/log
	# in the arguments of every process that must not stay
	export MARK=orch-stop-$$-$RANDOM$RANDOM
	: >"$LOG"
}

teardown() { orch_teardown; }

# background ARGUMENT...: orch with job control, so that SIGINT is not ignored in it; $pid
# shellcheck disable=SC2120
background() {
	python3 - "$ORCH" "$@" >out 2>&1 3>&- <<-'END' &
		import os, signal, sys
		signal.signal(signal.SIGINT, signal.SIG_DFL)
		os.execv(sys.argv[1], sys.argv[1:])
	END
	pid=$!
}

# ends STATUS: the orch in the background ends with it
ends() {
	local got=0
	wait "$pid" || got=$?
	pid=
	echo "status $got:"
	cat out
	[ "$got" -eq "$1" ]
}

logged() {
	grep -qx -- "$1" "$LOG"
}

# the python of a stream that leaves a daemon of each kind, once all are there
daemons() {
	cat >daemons.py <<-'END'
		import os, signal, sys, time
		mark = sys.argv[1]
		def sleeper(kind):
		    os.execvp("python3", ["python3", "-c",
		        "import signal, time, sys, os\n"
		        "[signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)]\n"
		        "open(sys.argv[2] + '.ready', 'w')\n"
		        "time.sleep(100)", mark, kind])
		if os.fork() == 0:              # a session of its own
		    os.setsid()
		    sleeper("setsid")
		child = os.fork()
		if child == 0:                  # forked twice, all descriptors closed
		    os.setsid()
		    if os.fork() == 0:
		        os.closerange(0, 3)
		        sleeper("double")
		    os._exit(0)
		os.waitpid(child, 0)
		if os.fork() == 0:              # in a group of its own, without our environment
		    os.setpgid(0, 0)
		    os.environ.clear()
		    os.environ["PATH"] = "/usr/bin:/bin"
		    sleeper("group")
		while not all(os.path.exists(k + ".ready") for k in ("setsid", "double", "group")):
		    time.sleep(0.01)
	END
}

@test "SIGINT: attempts end politely, what completed stays, the next run goes on" {
	orchfile <<-'END'
		one:
		  echo one >>"$LOG"
		two: one
		  test ! -e again || { echo two >>"$LOG"; exit 0; }
		  trap 'echo polite >>"$LOG"; exit 1' TERM
		  echo up >>"$LOG"
		  while :; do sleep 0.02; done
		three: two
		  echo three >>"$LOG"
	END
	background
	until_true logged up
	kill -INT "$pid"
	ends 130
	logged polite
	[ "$(tr '\n' ' ' <"$LOG")" = "one up polite " ]
	grep -q two out
	touch again
	: >"$LOG"
	expect 0
	[ "$(tr '\n' ' ' <"$LOG")" = "two three " ]
}

@test "an attempt that is asked to end and ends well has not completed" {
	orchfile <<-'END'
		s:
		  trap 'exit 0' TERM
		  echo up >>"$LOG"
		  while :; do sleep 0.02; done
	END
	background
	until_true logged up
	kill -INT "$pid"
	ends 130
	expect 1 -q
}

@test "a second SIGINT kills" {
	orchfile <<-'END'
		s:
		  kill = TERM 1h KILL
		  trap 'echo asked >>"$LOG"' INT TERM
		  echo up >>"$LOG"
		  while :; do sleep 0.02 || :; done
	END
	background
	until_true logged up
	kill -INT "$pid"
	until_true logged asked
	kill -0 "$pid"
	kill -INT "$pid"
	ends 130
}

@test "SIGTERM and SIGHUP" {
	orchfile <<-'END'
		s:
		  trap 'echo polite >>"$LOG"; exit 1' TERM
		  echo up >>"$LOG"
		  while :; do sleep 0.02; done
	END
	background
	until_true logged up
	kill -TERM "$pid"
	ends 143
	logged polite
	: >"$LOG"
	background
	until_true logged up
	kill -HUP "$pid"
	ends 129
	logged polite
}

@test "SIGINT during a backoff ends at once" {
	orchfile <<-'END'
		s:
		  retries = 5
		  backoff = 1h
		  echo up >>"$LOG"
		  exit 1
	END
	background
	until_true grep -rq '"state":"backoff"' .orch/runs
	kill -INT "$pid"
	ends 130
	[ "$(wc -l <"$LOG")" -eq 1 ]
}

@test "SIGINT ends a hook at the end of the run" {
	orchfile <<-'END'
		on finish:
		  echo hook >>"$LOG"
		  sleep 50
		s:
		  :
	END
	background
	until_true logged hook
	kill -INT "$pid"
	ends 130
	expect 0 -q
}

@test "no daemon is left after success" {
	daemons
	orchfile <<-'END'
		s:
		  python3 daemons.py "$MARK"
		next: s
		  for file in /proc/[0-9]*/cmdline; do
		    if tr '\0' ' ' <"$file" 2>/dev/null | grep -q -- "time.sleep(100) $MARK"; then echo left >>"$LOG"; fi
		  done
	END
	expect 0
	[ ! -s "$LOG" ]
	nothing_left
}

@test "no daemon is left after a timeout, nor after SIGINT" {
	daemons
	orchfile <<-'END'
		s:
		  grace = 100ms
		  python3 daemons.py "$MARK"
		  echo up >>"$LOG"
		  sleep 100 # {{stream}}
	END
	expect 1 --timeout 3s
	nothing_left
	logged up
	rm ./*.ready
	: >"$LOG"
	background
	until_true logged up
	kill -INT "$pid"
	ends 130
	nothing_left
}

@test "no daemon is left after two SIGINTs" {
	daemons
	orchfile <<-'END'
		s:
		  kill = TERM 1h KILL
		  trap '' TERM
		  python3 daemons.py "$MARK"
		  echo up >>"$LOG"
		  while :; do sleep 0.02 || :; done
	END
	background
	until_true logged up
	kill -INT "$pid"
	kill -INT "$pid"
	sleep 0.05
	kill -INT "$pid" 2>/dev/null || :
	ends 130
	nothing_left
}

@test "a background child that holds the log does not hold the run" {
	orchfile <<-'END'
		s:
		  python3 -c 'import time; time.sleep(100)' "$MARK" &
		  echo "done"
		closes:
		  exec >&- 2>&-
		  touch closed
	END
	expect 0 -j2
	[ -e closed ]
	nothing_left
	run "$ORCH" logs s
	[ "$output" = "done" ]
}

@test "killed by a signal, no such command" {
	orchfile <<-'END'
		segv:
		  kill -SEGV $$
		none:
		  no-such-command --x
		shellless:
		  run:
		    #!/no/such/interpreter
		    x
	END
	expect 1 -k
	[[ "$output" == *segv*SIGSEGV* ]]
	[[ "$output" == *none*"127"* ]]
	[[ "$output" == *shellless*interpreter* ]]
	printf 'project:\n\tshell = no-such-shell -x\na:\n\techo\n' >Orchfile
	expect 1
	[[ "$output" == *no-such-shell* ]]
}

@test "binary output stands in the log as it came" {
	orchfile <<-'END'
		s:
		  head -c 100000 /dev/urandom | tee random
		  printf '\033[2J\000\377\n'
	END
	for mode in none stream line; do
		rm -rf .orch
		"$ORCH" -B -O $mode >out 2>&1
		"$ORCH" status --json | python3 -m json.tool >/dev/null
		"$ORCH" logs s >logged
		head -c 100000 .orch/runs/*/logs/s.1.log | cmp - random
		[ -s logged ]
	done
	"$ORCH" -B --json | while read -r line; do
		python3 -m json.tool >/dev/null <<<"$line"
	done
}

@test "200 MB of output, quickly" {
	orchfile <<-'END'
		s:
		  head -c 200000000 /dev/zero
	END
	expect 0 -O none
	[ "$(stat -c %s .orch/runs/*/logs/s.1.log)" -eq 200000000 ]
	rm -r .orch
	orchfile <<-'END'
		s:
		  yes "a line of output that is not short but not long either" | head -n 300000
	END
	"$ORCH" -O line >lines 2>&1
	[ "$(grep -c 'not short but' lines)" -eq 300000 ]
}

@test "two at once: the second ends with 3 and says who holds the project" {
	orchfile <<-'END'
		s:
		  echo up >>"$LOG"
		  until test -e go; do sleep 0.02; done
	END
	background
	until_true logged up
	for words in "" "-B" "-t" "touch s" "reset s"; do
		# shellcheck disable=SC2086
		expect 3 $words
		[[ "$output" == *"$pid"* ]]
	done
	expect 1 -q
	expect 0 -n
	expect 0 status
	[[ "$output" == *s* ]]
	touch go
	ends 0
	expect 0
	[ "$(wc -l <"$LOG")" -eq 1 ]
}

@test "after SIGKILL of orch the lock is free and the next run completes" {
	orchfile <<-'END'
		one:
		  echo one >>"$LOG"
		two: one
		  echo "two $ORCH_ATTEMPT" >>"$LOG"
		  until test -e go; do sleep 0.02; done
	END
	background
	until_true logged "two 1"
	kill -KILL "$pid"
	ends 137
	expect 0 status
	touch go
	: >"$LOG"
	expect 0
	[ "$(tr '\n' ' ' <"$LOG")" = "two 1 " ]
	expect 0
	[[ "$output" == *nothing* ]]
	expect 0 history
}

@test "a torn end of the journal is no hindrance" {
	orchfile <<-'END'
		s:
		  echo s >>"$LOG"
	END
	expect 0
	journal=$(echo .orch/runs/*/journal.jsonl)
	truncate -s -10 "$journal"
	expect 0 status
	expect 0 history
	expect 0
	expect 0 -B
	[ "$(wc -l <"$LOG")" -eq 2 ]
}

@test "a reader that goes away does not end the run" {
	orchfile <<-'END'
		for n in 1 2 3 4 5:
		  s{{n}}:
		    echo {{n}} >>"$LOG"
		    seq 1 1000
	END
	"$ORCH" -j1 -O line 2>&1 | head -n 1
	until_true sh -c '"$ORCH" -q || test $? -eq 3'
	[ "$(wc -l <"$LOG")" -eq 5 ]
	"$ORCH" -B -j1 --json | head -n 1
	[ "$(wc -l <"$LOG")" -ge 6 ]
}

# --- streams that stand by for the next free slot ---

# short OPTION...: one that waits for the file `go` and then does what is in it, and 60 that only say their name
short() {
	{
		printf 'first:\n\tpriority = 1\n\techo up >>"$LOG"\n\twhile ! test -e go; do sleep 0.01; done\n\t. ./go\n'
		for ((n = 0; n < 60; n++)); do
			printf 's%d:\n\techo s%d >>"$LOG"\n' "$n" "$n"
		done
	} >Orchfile
	background "$@"
	until_true logged up
}

logs() {
	ls .orch/runs/*/logs
}

@test "after a failure nothing starts, though others stand by" {
	short -j1
	echo 'exit 3' >go.new && mv go.new go
	ends 1
	[ "$(cat "$LOG")" = up ]
	[ "$(logs)" = first.1.log ]
	grep -q 'not started: first failed' out
}

@test "after SIGINT nothing starts, though others stand by" {
	short -j1
	kill -INT "$pid"
	ends 130
	[ "$(cat "$LOG")" = up ]
	[ "$(logs)" = first.1.log ]
	touch go
	expect 0
	[ "$(sort -u "$LOG" | wc -l)" -eq 61 ]
}

@test "one that runs out of time has failed, also for those that stand by, whatever its status" {
	printf 'first:\n\ttimeout = 100ms\n\tpriority = 1\n\ttrap "exit 0" TERM\n\twhile :; do sleep 0.01; done\n' >Orchfile
	for ((n = 0; n < 60; n++)); do
		printf 's%d:\n\techo s%d >>"$LOG"\n' "$n" "$n"
	done >>Orchfile
	expect 1 -j1
	[ ! -s "$LOG" ]
}

@test "with -k the others go on behind a failure, each once" {
	short -j1 -k
	echo 'exit 3' >go.new && mv go.new go
	ends 1
	[ "$(sort "$LOG" | uniq -d)" = "" ]
	[ "$(grep -c '^s' "$LOG")" -eq 60 ]
	# in the order of the file
	[ "$(grep '^s' "$LOG")" = "$(for ((n = 0; n < 60; n++)); do echo "s$n"; done)" ]
}

@test "slots are exact: never two streams in one, none beyond -j" {
	for ((n = 0; n < 200; n++)); do
		printf 's%d:\n\tmkdir "in.$ORCH_SLOT"\n\ttest "$ORCH_PORT" = "$((20000 + ORCH_SLOT * 100))"\n' "$n"
		printf '\techo "$ORCH_SLOT" >>"$LOG"\n\trmdir "in.$ORCH_SLOT"\n'
	done >Orchfile
	expect 0 -j3
	[ "$(sort "$LOG" | uniq | tr '\n' ' ')" = "0 1 2 " ]
	[ "$(wc -l <"$LOG")" -eq 200 ]
	# what is journaled is what was: never more than three at once, each begun and ended once
	python3 - .orch/runs/*/journal.jsonl <<-'END'
		import json, sys
		running, slots, most, ended = set(), {}, 0, 0
		for line in open(sys.argv[1]):
		    event = json.loads(line)
		    if event["type"] == "attempt_started":
		        assert event["slot"] not in slots.values(), event
		        slots[event["stream"]] = event["slot"]
		        most = max(most, len(slots))
		    elif event["type"] == "attempt_finished":
		        del slots[event["stream"]]
		        ended += 1
		assert most <= 3 and ended == 200 and not slots, (most, ended, slots)
	END
}
