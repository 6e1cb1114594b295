# The setting `redact`: what matches, and values of variables named like secrets, reaches no log, event or view.
# $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	orch_setup
	unset API_TOKEN
}

teardown() {
	touch go
	orch_teardown
}

log_of() { cat .orch/runs/*/logs/"$1".log; }

# nothing that orch has written, or shown last, has it
nowhere() {
	lacks "$1" -r .orch || return 1
	! grep -e "$1" <<<"${output-}${stderr-}"
}

# lacks PATTERN ARGUMENT...: grep finds it nowhere
lacks() {
	local status=0
	grep -e "$@" || status=$?
	[ "$status" -eq 1 ]
}

@test "a log, its views and the event stream, without what matches" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/ /password: \K.*/
say:
  . ./say.sh
E
	cat >say.sh <<-'E'
		echo "key sk-abc1, sk-def2."
		echo 'password: hunter2' >&2
		printf 'last sk-zzz'
	E
	run --separate-stderr "$ORCH" -O stream
	[ "$status" -eq 0 ]
	[ "$(log_of say.1)" = "$(printf 'key [redacted], [redacted].\npassword: [redacted]\nlast [redacted]')" ]
	[[ $output == *'key [redacted], [redacted].'* ]]
	nowhere 'sk-[a-z0-9]'
	nowhere hunter2
	run --separate-stderr "$ORCH" -B --json
	[ "$status" -eq 0 ]
	[[ $output == *'"type":"attempt_finished"'* ]]
	nowhere 'sk-[a-z0-9]'
	nowhere hunter2
	expect 0 logs say
	has 'password: [redacted]'
	expect 0 status --json
	nowhere 'sk-[a-z0-9]'
}

@test "the reason of a failure, what an agent says of itself, values, warnings, hooks" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/
on stream-failure:
  cat >hook.json; . ./hook.sh
agent mine:
  run: . ./agent.sh
  failed = /^FAILED (?<failed>.*)$/
  note = /^NOTE (?<note>.*)$/
talk:
  agent = mine
  isolate = none
  prompt: work
value:
  . ./value.sh
use: value
  echo got {{value.key}} {{value.open}} > got
E
	echo 'echo "NOTE using sk-note1"; "$ORCH" report note "now sk-report2"; echo "FAILED no sk-why3"; exit 1' >agent.sh
	echo 'printf "key=sk-value4\nopen=yes\n" >"$ORCH_OUTPUT"; "$ORCH" report output more=sk-value5' >value.sh
	echo 'echo "hook sk-hook6"; exit 2' >hook.sh
	"$ORCH" -k --json >events.json || [ $? -eq 1 ]
	grep -q 'it failed: using \[redacted\]' events.json
	grep -q 'now \[redacted\]' events.json
	grep -q 'more=\[redacted\]' events.json
	[ "$(cat got)" = "got [redacted] yes" ]
	[ -s hook.json ]
	lacks 'sk-[a-z0-9]' hook.json events.json
	grep -q 'hook \[redacted\]' .orch/runs/*/hooks.log
	lacks 'sk-[a-z0-9]' -r .orch/runs/*/journal.jsonl .orch/runs/*/hooks.log .orch/stamps .orch/runs/*/logs
	for command in "status talk" "status --json" history "report --format md" "show value"; do
		# shellcheck disable=SC2086
		run "$ORCH" $command
		[ "$status" -le 1 ]
		lacks 'sk-[a-z0-9]' <<<"$output"
	done
}

@test "values of variables named like secrets: of the environment, the stream, a file, the command line" {
	export API_TOKEN=fromenviron DEPLOY_AUTH=/etc/passwd
	orchfile <<'E'
project:
  redact = /nothing-matches-this/
DB_PASSWORD = fromorchfile
say:
  dotenv = .secrets
  env = MY_KEY=fromsettings OPEN=shown
  . ./say.sh; echo {{DB_PASSWORD}}
E
	echo 'FILE_SECRET=fromdotenv' >.secrets
	echo 'echo "$API_TOKEN $MY_KEY $FILE_SECRET $OPEN $DEPLOY_AUTH"; "$ORCH" report note "using $FILE_SECRET"' >say.sh
	expect 0 DB_PASSWORD=fromcommand
	[ "$(log_of say.1)" = "$(printf '[redacted] [redacted] [redacted] shown /etc/passwd\n[redacted]')" ]
	grep -q '"type":"note".*using \[redacted\]' .orch/runs/*/journal.jsonl
	lacks 'from[a-z]*' .orch/runs/*/journal.jsonl .orch/stamps/*
}

has_progress() { grep -q 'progress 1' .orch/runs/*/logs/slow.1.log; }

@test "a secret in two writes, an unfinished line, many short writes, bytes that are no text" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+;/
slow:
  printf 'progress 1'; until grep -q 'progress 1' .orch/runs/*/logs/slow.1.log; do sleep 0.02; done
  printf ' sk-ab'; until test -e go; do sleep 0.02; done; printf 'c;'
many:
  python3 many.py
E
	cat >many.py <<-'E'
		import os
		for i in range(3000):
		    for piece in b"n", b"\xff\x00", b"s", b"k-a", b"b", b";\n":
		        os.write(1, piece)
	E
	background -j2 -O none
	until_true has_progress
	touch go
	ends 0
	[ "$(log_of slow.1)" = 'progress 1 [redacted]' ]
	python3 -c 'import glob
log = open(glob.glob(".orch/runs/*/logs/many.1.log")[0], "rb").read()
assert log == b"n\xff\x00[redacted]\n" * 3000, log[:200]'
}

@test "10 MB are all there, in order; and what was left behind does not keep the stream from its end" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/
big:
  python3 big.py
left:
  (trap "" HUP TERM; echo begun; exec sleep 1000) & until grep -q begun .orch/runs/*/logs/left.1.log; do sleep 0.02; done
  echo over
E
	echo 'for i in range(160000): print("line", i, "sk-abc", "x" * 45)' >big.py
	run "$ORCH" -j2 -O none
	[ "$status" -eq 0 ]
	has 'left 1 process behind'
	python3 -c 'import glob
log = open(glob.glob(".orch/runs/*/logs/big.1.log")[0]).read()
assert log == "".join("line %d [redacted] %s\n" % (i, "x" * 45) for i in range(160000))'
	[ "$(log_of left.1)" = "$(printf 'begun\nover')" ]
}

both_begun() { grep -q begun .orch/runs/*/logs/long.1.log && grep -q begun .orch/runs/*/logs/shell.1.log; }
has_ended() { [ -s .orch/runs/*/attempts/long.1.running.exit ]; }
tells_later() { grep -q 'later \[redacted\]' .orch/runs/*/logs/long.1.log; }

@test "orch is killed: what goes on is written without secrets, and adopted; what ends with orch is whole" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/
long:
  detach = yes
  . ./long.sh
shell:
  echo begun sk-begun0; until test -e go; do sleep 0.02; done
E
	cat >long.sh <<-'E'
		echo begun sk-begun1; until test -e more; do sleep 0.02; done
		echo later sk-later2; until test -e go; do sleep 0.02; done
		"$ORCH" report note "said sk-said3"; echo last sk-last4
	E
	background -j2
	until_true both_begun
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	pid=
	touch more
	until_true tells_later
	background -j2
	until_true grep -q 'goes on' "$BATS_TEST_TMPDIR/out"
	touch go
	ends 0
	[ "$(cat .orch/runs/*/logs/long.1.log)" = "$(printf 'begun [redacted]\nlater [redacted]\nlast [redacted]')" ]
	grep -q 'said \[redacted\]' .orch/runs/*/journal.jsonl
	lacks 'sk-[a-z]*[0-9]' -r .orch/runs/*/logs .orch/runs/*/journal.jsonl
}

@test "ended while nobody looked: the log is whole when .exit is there" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/
long:
  detach = yes
  echo begun; until test -e go; do sleep 0.02; done; seq 20000; printf 'sk-end'
shell:
  echo begun; until test -e never; do sleep 0.02; done
E
	background -j2
	until_true both_begun
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	pid=
	touch go
	until_true has_ended
	[ "$(tail -n 1 .orch/runs/*/logs/long.1.log)" = '[redacted]' ]
	[ "$(wc -l <.orch/runs/*/logs/long.1.log)" -eq 20001 ]
	touch never
	expect 0
}

@test "a terminal: its log is without secrets" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/
typed:
  runner = pty
  test -t 1; echo "on a terminal sk-pty1"; printf 'sk-'; sleep 0.3; printf 'two\nend'
E
	expect 0
	[ "$(log_of typed.1 | tr -d '\r')" = "$(printf 'on a terminal [redacted]\n[redacted]\nend')" ]
}

has_begun() { grep -q begun .orch/runs/*/logs/a.1.log; }

@test "what takes secrets out is killed: the stream fails, and nothing is written as it is" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/
a:
  . ./a.sh
E
	cat >a.sh <<-'E'
		echo begun; until test -e go; do sleep 0.02; done; while :; do echo sk-abc; sleep 0.02; done
	E
	background
	until_true has_begun
	python3 - "$pid" <<-'E'
		# of orch's supervisor the child that is the filter
		import os, signal, sys
		def children(pid):
		    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
		        return [int(word) for word in f.read().split()]
		found = [child for supervisor in children(int(sys.argv[1])) for child in children(supervisor)
		         if open("/proc/%d/comm" % child).read() == "orch-redact\n"]
		assert len(found) == 1, found
		os.kill(found[0], signal.SIGKILL)
	E
	touch go
	ends 1
	grep -q "what keeps secrets out of its log (the setting 'redact') was killed" "$BATS_TEST_TMPDIR/out"
	[ "$(log_of a.1)" = begun ]
}

@test "a log that cannot be written ends its stream" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/
a:
  while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done
E
	run bash -c 'ulimit -f 1024; "$ORCH"'
	[ "$status" -eq 1 ]
	has 'what it prints cannot be written to its log: File too large'
}

@test "a runner of another machine is refused, and without the setting there is no process between" {
	orchfile <<'E'
project:
  redact = /sk-[a-z0-9]+/
a:
  runner = slurm
  true
E
	expect 2
	has "Orchfile:4:2: error: 'redact' does not reach the log of 'a': the runner 'slurm' has it written elsewhere"
	orchfile <<'E'
a:
  readlink /proc/self/fd/1
E
	expect 0
	[[ $(log_of a.1) == *.orch/runs/*/logs/a.1.log ]]
}
