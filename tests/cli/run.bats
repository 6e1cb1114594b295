# Running: order, slots, failures, retries, how an attempt is started and ended, hooks.
# $ORCH names the program. Streams tell what they did in files, so that nothing here depends on how long it took.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	plain_setup
	cd "$BATS_TEST_TMPDIR" || return 1
	export LOG=$BATS_TEST_TMPDIR/log
	: >"$LOG"
}

# event FILTER: the lines of the last run's journal that python's expression on `e` is true for
event() {
	python3 - "$1" .orch/runs/*/journal.jsonl <<-'END'
		import json, sys
		def age(path):
		    parts = path.split("/")[-2].split("-")
		    return parts[0], parts[1], int(parts[2]) if len(parts) > 2 else 1
		for line in open(max(sys.argv[2:], key=age)):
		    e = json.loads(line)
		    if eval(sys.argv[1]):
		        print(json.dumps(e, sort_keys=True))
	END
}

# finished STREAM KEY: what the last attempt_finished of the stream says about KEY
finished() {
	event "e['type'] == 'attempt_finished' and e['stream'] == '$1'" | tail -n 1 |
		python3 -c "import json, sys; print(json.load(sys.stdin).get('$2'))"
}

# state STREAM: what it was in at the end
state() {
	event "e['type'] == 'task' and e['stream'] == '$1'" | tail -n 1 |
		python3 -c "import json, sys; print(json.load(sys.stdin)['state'])"
}

reason() {
	event "e['type'] == 'task' and e['stream'] == '$1'" | tail -n 1 |
		python3 -c "import json, sys; print(json.load(sys.stdin).get('reason'))"
}

# most: how many streams were between "+" and "-" lines in $LOG at once
most() {
	awk '/^\+/ { n++; if (n > most) most = n } /^-/ { n-- } END { print most + 0 }' "$LOG"
}

# before A B: the line A stands above the line B in $LOG
before() {
	local a b
	a=$(grep -nx -- "$1" "$LOG" | head -n 1 | cut -d: -f1)
	b=$(grep -nx -- "$2" "$LOG" | head -n 1 | cut -d: -f1)
	echo "$1 at ${a:-none}, $2 at ${b:-none}"
	[ -n "$a" ] && [ -n "$b" ] && [ "$a" -lt "$b" ]
}

busy='echo "+ $ORCH_STREAM" >>"$LOG"; sleep 0.05; echo "- $ORCH_STREAM" >>"$LOG"'

@test "never more than -j at once, and all of -j is used" {
	orchfile <<-END
		for n in 1 2 3 4 5 6 7 8 9:
		  s{{n}}:
		    $busy
	END
	expect 0 -j3
	[ "$(most)" -eq 3 ]
	[ "$(grep -c '^-' "$LOG")" -eq 9 ]
	: >"$LOG"
	expect 0 -B -j1
	[ "$(most)" -eq 1 ]
	printf '\nproject:\n\tjobs = 2\n' >>Orchfile
	: >"$LOG"
	expect 0 -B
	[ "$(most)" -eq 2 ]
}

@test "edges are respected, whatever the order in the file" {
	orchfile <<-END
		d: b c
		  $busy
		b: a
		  $busy
		c: a | o
		  $busy
		o:
		  $busy
		a:
		  $busy
	END
	for options in "-j4" "-j1" "-j4 --shuffle=7" "-j2 --shuffle" "-j3 --shuffle=12345"; do
		: >"$LOG"
		# shellcheck disable=SC2086
		expect 0 -B $options
		before '- a' '+ b'
		before '- a' '+ c'
		before '- o' '+ c'
		before '- b' '+ d'
		before '- c' '+ d'
	done
}

@test "a seed gives the same order again" {
	orchfile <<-END
		for n in 1 2 3 4 5 6 7 8:
		  s{{n}}:
		    echo {{n}} >>"\$LOG"
	END
	expect 0 -j1 --shuffle=42
	first=$(cat "$LOG")
	: >"$LOG"
	expect 0 -B -j1 --shuffle=42
	[ "$first" = "$(cat "$LOG")" ]
	[ "$(sort "$LOG" | tr -d '\n')" = 12345678 ]
	: >"$LOG"
	expect 0 -B -j1 --shuffle=43
	[ "$first" != "$(cat "$LOG")" ]
}

@test "pools and weights" {
	orchfile <<-END
		pool db = 1
		for n in 1 2 3 4:
		  p{{n}}:
		    pool = db
		    $busy
	END
	expect 0 -j4
	[ "$(most)" -eq 1 ]
	orchfile <<-END
		for n in 1 2 3 4:
		  w{{n}}:
		    weight = 2
		    $busy
		heavy:
		  weight = 9
		  $busy
	END
	: >"$LOG"
	expect 0 -j4
	[ "$(most)" -eq 2 ]
	[ "$(grep -c '^-' "$LOG")" -eq 5 ]
}

@test "priority first, then the longer path, then the order of the file" {
	orchfile <<-'END'
		defaults:
		  env = X=1
		first:
		  echo first >>"$LOG"
		second:
		  echo second >>"$LOG"
		head:
		  echo head >>"$LOG"
		tail: head
		  echo tail >>"$LOG"
		urgent:
		  priority = 5
		  echo urgent >>"$LOG"
		last:
		  priority = -1
		  echo last >>"$LOG"
	END
	expect 0 -j1
	[ "$(tr '\n' ' ' <"$LOG")" = "urgent head first second tail last " ]
}

@test "a failure stops new starts, -k only what depends on it" {
	orchfile <<-'END'
		bad:
		  priority = 1
		  exit 7
		user: bad
		  echo user >>"$LOG"
		far: user
		  echo far >>"$LOG"
		other:
		  echo other >>"$LOG"
	END
	expect 1 -j1
	[ ! -s "$LOG" ]
	[ "$(state bad)" = failed ]
	[ "$(finished bad exit)" = 7 ] || [ "$(finished bad exit_code)" = 7 ]
	[ "$(finished bad outcome)" = exit ]
	[ "$(state other)" = cancelled ]
	[[ "$(reason other)" == *"bad failed"* ]]
	[[ "$output" == *bad*"exit status 7"* ]]
	expect 1 -j1 -k
	[ "$(cat "$LOG")" = other ]
	[ "$(state user)" = skipped ]
	[[ "$(reason user)" == *"depends on bad, which failed"* ]]
	[ "$(state far)" = skipped ]
	[[ "$(reason far)" == *"depends on user, which was skipped"* ]]
	[ "$(state other)" = completed ]
	[[ "$output" == *user*bad* ]]
}

@test "what runs at a failure is let finish" {
	orchfile <<-'END'
		long:
		  until test -e failed; do sleep 0.01; done
		  sleep 0.1
		  echo long >>"$LOG"
		bad:
		  touch failed
		  exit 1
		next: long
		  echo next >>"$LOG"
	END
	expect 1 -j2
	[ "$(cat "$LOG")" = long ]
	[ "$(state long)" = completed ]
	[ "$(state next)" = cancelled ]
}

@test "--max-failures" {
	orchfile <<-'END'
		for n in 1 2 3 4 5:
		  f{{n}}:
		    echo {{n}} >>"$LOG"
		    exit 1
	END
	expect 1 -j1 --max-failures 3
	[ "$(wc -l <"$LOG")" -eq 3 ]
}

@test "when: success, failure, always" {
	orchfile <<-'END'
		work:
		  test ! -e break
		onsuccess: work
		  echo success >>"$LOG"
		onfailure: work
		  when = failure
		  echo failure >>"$LOG"
		ever: work
		  when = always
		  echo always >>"$LOG"
		behind: onfailure
		  echo behind >>"$LOG"
	END
	expect 0 -j1
	[ "$(sort "$LOG" | tr '\n' ' ')" = "always behind success " ]
	[ "$(state onfailure)" = skipped ]
	: >"$LOG"
	expect 0 -j1
	[ ! -s "$LOG" ]
	[[ "$output" == *"nothing"* ]]
	touch break
	: >"$LOG"
	expect 1 -B -j1
	[ "$(sort "$LOG" | tr '\n' ' ')" = "always failure " ] || [ "$(sort "$LOG" | tr '\n' ' ')" = "always behind failure " ]
	rm break
	: >"$LOG"
	expect 0 -j1
	grep -qx success "$LOG"
	! grep -qx failure "$LOG"
}

@test "who ran again and failed is not complete any more" {
	orchfile <<-'END'
		work:
		  inputs = in
		  echo "ran" >>"$LOG"
		  test ! -e break
	END
	echo one >in
	expect 0
	touch break
	expect 1 -B
	rm break
	expect 1 -q
	expect 0
	# also when its inputs are again what they were at its success
	touch break
	echo two >in
	expect 1
	echo one >in
	rm break
	expect 0
	[ "$(wc -l <"$LOG")" -eq 5 ]
	expect 0 -q
}

@test "a clean-up stream waits for all that is behind a group, also when the group was skipped early" {
	orchfile <<-'END'
		bad:
		  exit 1
		slow:
		  until grep -q '"stream":"over"' .orch/runs/*/journal.jsonl; do sleep 0.01; done
		  sleep 0.1
		  echo slow >>"$LOG"
		tests: bad slow
		over: tests
		  echo over >>"$LOG"
		clean: tests
		  when = always
		  retries = 1
		  backoff = 20ms
		  echo "clean $ORCH_ATTEMPT" >>"$LOG"
		  test "$ORCH_ATTEMPT" -eq 2
		report: over clean
		  when = always
		  echo report >>"$LOG"
	END
	expect 1 -j3
	[ "$(tr '\n' ' ' <"$LOG")" = "slow clean 1 clean 2 report " ]
	[ "$(state over)" = skipped ]
	[[ "$(reason over)" == *"depends on tests, which was skipped"* ]]
	: >"$LOG"
	expect 1 -j3 -k
	[ "$(tr '\n' ' ' <"$LOG")" = "clean 1 clean 2 report " ] || [ "$(tr '\n' ' ' <"$LOG")" = "slow clean 1 clean 2 report " ]
}

@test "retries, ORCH_ATTEMPT, a log of its own for each attempt" {
	orchfile <<-'END'
		flaky:
		  retries = 3
		  backoff = 10ms 20ms
		  echo "attempt $ORCH_ATTEMPT {{attempt}}"
		  echo "$ORCH_ATTEMPT" >>"$LOG"
		  test "$ORCH_ATTEMPT" -ge 3
	END
	expect 0
	[ "$(tr '\n' ' ' <"$LOG")" = "1 2 3 " ]
	run "$ORCH" logs flaky --attempt 2
	[ "$output" = "attempt 2 2" ]
	run "$ORCH" logs flaky
	[ "$output" = "attempt 3 3" ]
	: >"$LOG"
	expect 1 -B --retries 1
	[ "$(tr '\n' ' ' <"$LOG")" = "1 2 " ]
	: >"$LOG"
	expect 1 -B --retries 0
	[ "$(tr '\n' ' ' <"$LOG")" = "1 " ]
}

@test "no slot is held during a backoff" {
	orchfile <<-'END'
		flaky:
		  priority = 1
		  retries = 1
		  backoff = 50ms
		  echo "flaky $ORCH_ATTEMPT" >>"$LOG"
		  test "$ORCH_ATTEMPT" -eq 2
		other:
		  echo other >>"$LOG"
	END
	expect 0 -j1 -k
	[ "$(tr '\n' ' ' <"$LOG")" = "flaky 1 other flaky 2 " ]
}

@test "a failure of one ends the waiting of another for its retry" {
	orchfile <<-'END'
		flaky:
		  priority = 1
		  retries = 1
		  backoff = 1h
		  exit 1
		bad:
		  exit 1
	END
	expect 1 -j1
	[ "$(state flaky)" = failed ]
	[ "$(state bad)" = failed ]
}

@test "timeout" {
	orchfile <<-'END'
		slow:
		  timeout = 100ms
		  trap 'echo asked >>"$LOG"; exit 0' TERM
		  while :; do sleep 0.02; done
	END
	expect 1
	[ "$(finished slow outcome)" = timeout ]
	[ "$(cat "$LOG")" = asked ]
	[[ "$output" == *slow*"timeout"* || "$output" == *slow*"timed out"* ]]
	expect 1 -q
	orchfile <<-'END'
		slow:
		  timeout = 1h
		  while :; do sleep 0.02; done
	END
	expect 1 --timeout 50ms
	[ "$(finished slow outcome)" = timeout ]
	# of one attempt, its check included
	orchfile <<-'END'
		slow:
		  timeout = 200ms
		  check: while :; do sleep 0.02; done
		  echo done
	END
	expect 1
	[ "$(finished slow outcome)" = timeout ]
}

@test "kill = INT TERM KILL, in steps" {
	orchfile <<-'END'
		stubborn:
		  timeout = 100ms
		  kill = INT 100ms TERM 100ms KILL
		  trap 'echo int >>"$LOG"' INT
		  trap 'echo term >>"$LOG"' TERM
		  while :; do sleep 0.02 || :; done
	END
	expect 1
	[ "$(uniq "$LOG" | tr '\n' ' ')" = "int term " ]
	[ "$(finished stubborn outcome)" = timeout ]
	orchfile <<-'END'
		stubborn:
		  timeout = 100ms
		  grace = 50ms
		  trap '' INT TERM
		  while :; do sleep 0.02 || :; done
	END
	expect 1
	[ "$(finished stubborn outcome)" = timeout ]
}

@test "idle: stalled without output, not with" {
	orchfile <<-'END'
		chatty:
		  idle = 1s
		  for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 0.2; done
		silent:
		  idle = 200ms
		  echo hello
		  while :; do sleep 0.02; done
	END
	expect 1 -k -j2
	[ "$(finished silent outcome)" = stalled ]
	[ "$(state chatty)" = completed ]
}

@test "outputs have to be there" {
	orchfile <<-'END'
		maker:
		  outputs = made.txt
		  :
		user: maker
		  echo user >>"$LOG"
	END
	expect 1
	[ "$(finished maker outcome)" = outputs ]
	[[ "$output" == *"'made.txt'"* ]]
	[ ! -s "$LOG" ]
}

@test "a check has to hold" {
	orchfile <<-'END'
		work:
		  check: test -e good
		  echo "run $ORCH_ATTEMPT" >>"$LOG"
	END
	expect 1
	[ "$(finished work outcome)" = check ]
	touch good
	expect 0
	[ "$(wc -l <"$LOG")" -eq 2 ]
	expect 0
	[ "$(wc -l <"$LOG")" -eq 2 ]
	# without anything to run before it
	orchfile <<-'END'
		work:
		  check: echo only the check
	END
	expect 0
	run "$ORCH" logs work
	[ "$output" = "only the check" ]
}

@test "a script with #! is its interpreter's" {
	orchfile <<-'END'
		snake:
		  run:
		    #!/usr/bin/env python3
		    import os
		    print("stream", os.environ["ORCH_STREAM"], 6 * 7)
	END
	expect 0
	run "$ORCH" logs snake
	[ "$output" = "stream snake 42" ]
	orchfile <<-'END'
		snake:
		  run:
		    #!/no/such/interpreter
		    print
	END
	expect 1
	[ "$(finished snake outcome)" = spawn ] || [ "$(finished snake outcome)" = exit ]
	[[ "$output" == *snake* ]]
}

@test "a script of more than 128 KiB" {
	{
		printf 'big:\n'
		for ((n = 0; n < 4000; n++)); do
			printf '\t: a line of a script that is much longer than an argument can be %d\n' $n
		done
		printf '\tx=1\n\tfalse || echo done >>"$LOG"\n'
	} >Orchfile
	expect 0
	[ "$(cat "$LOG")" = "done" ]
	# still -eu
	printf '\tfalse\n\techo no >>"$LOG"\n' >>Orchfile
	expect 1
	[ "$(tail -n 1 "$LOG")" = "done" ]
}

@test "here-documents and quotes reach the shell as they are" {
	orchfile <<-'END'
		here:
		  cat >out.txt <<EOT
		  key = value
		    run: $ORCH_STREAM "quoted" 'single' \\ # no comment
		  {{{{literal}}
		  EOT
		  printf '%s\n' "a  b" 'c\d' >>out.txt
	END
	expect 0
	printf '%s\n' 'key = value' $'\trun: here "quoted" \'single\' \\ # no comment' '{{literal}}' 'a  b' 'c\d' >want.txt
	diff want.txt out.txt
}

@test "the shell is sh -eu, or the one that is set" {
	orchfile <<-'END'
		e:
		  false
		  echo no >>"$LOG"
		u:
		  echo "$no_such_variable" >>"$LOG"
	END
	expect 1 -k
	[ ! -s "$LOG" ]
	orchfile <<-'END'
		project:
		  shell = bash -eu -o pipefail
		p:
		  [[ abc == a* ]] && echo bash >>"$LOG"
		  false | true
	END
	expect 1
	[ "$(cat "$LOG")" = bash ]
}

@test "env, dotenv and unset" {
	printf '# comment\nFROM_FILE=file\nexport QUOTED="two words"\nOVER=file\r\n' >.env
	orchfile <<-'END'
		who = world
		s:
		  dotenv = .env
		  unset = GONE
		  env:
		    HELLO={{who}} of {{stream}}
		    OVER=env
		  echo "$FROM_FILE|$QUOTED|$OVER|$HELLO|${GONE-none}|$KEPT" >>"$LOG"
	END
	GONE=here KEPT=kept expect 0
	[ "$(cat "$LOG")" = "file|two words|env|world of s|none|kept" ]
	rm .env
	expect 1 -B
	[[ "$output" == *".env"* ]]
}

@test "dotenv: quotes, comments, a byte-order mark, and what is no NAME=value" {
	printf '\xef\xbb\xbfFIRST=1\r\nexport A="two # words" # c\nB=plain#x # c\nC="q \\"x\\" \\\\n"\nD='"'"'$HOME \\"'"'"'\nE=\nF= # c\n  # c\n' >.env
	orchfile <<-'END'
		s:
		  dotenv = .env
		  printf '%s|' "$FIRST" "$A" "$B" "$C" "$D" "$E" "$F" >>"$LOG"
	END
	expect 0
	[ "$(cat "$LOG")" = '1|two # words|plain#x|q "x" \n|$HOME \"|||' ]
	local line
	for line in 'A = 1' '1A=2' 'A.B=1' 'just words'; do
		printf 'X=1\n%s\n' "$line" >.env
		expect 1 -B
		[[ "$output" == *"dotenv: .env:2: expected NAME=value, found '${line%%=*}"* ]]
	done
	printf 'KEY="-----BEGIN\nabc=\n-----END"\n' >.env
	expect 1 -B
	[[ "$output" == *"dotenv: .env:1: KEY: a quote without its end on the same line"* ]]
	printf 'KEY="a" b\n' >.env
	expect 1 -B
	[[ "$output" == *"dotenv: .env:1: KEY: text behind the end of a quote"* ]]
}

@test "every ORCH_ variable, and none of an enclosing orch or agent" {
	orchfile <<-'END'
		a:
		  :
		b c: | a
		  :
		s: a b | c
		  env | grep -E '^(ORCH_|CLAUDE|CODEX|GEMINI|GIT_(DIR|INDEX))' | sort >vars
	END
	GIT_DIR=/nowhere/.git GIT_INDEX_FILE=/nowhere/index CLAUDECODE=1 CLAUDE_CODE_ENTRYPOINT=cli GEMINI_CLI=1 CODEX_SANDBOX=x ORCH_SLOT=77 ORCH_WRONG=1 ORCH_STREAM=outer \
		expect 0 -j1
	cat vars
	id=$(basename "$(echo .orch/runs/*)")
	here=$(pwd -P)
	for want in "ORCH_RUN=$id" ORCH_STREAM=s ORCH_ATTEMPT=1 "ORCH_DIR=$here" "ORCH_DEPS=a b c" ORCH_SLOT=0 \
		"ORCH_OUTPUT=$here/.orch/runs/$id/attempts/s.1.output" "ORCH_INBOX=$here/.orch/runs/$id/attempts/s.1.inbox" \
		"ORCH_REPORT=$here/.orch/runs/$id/attempts/s.1.report"; do
		grep -qxF "$want" vars
	done
	grep -qE '^ORCH_PORT=[0-9]+$' vars
	! grep -E '^(CLAUDE|CODEX|GEMINI|GIT_|ORCH_WRONG|ORCH_SLOT=77)' vars
}

@test "slots and ports of what runs at once differ" {
	orchfile <<-'END'
		for n in 1 2 3:
		  s{{n}}:
		    echo "$ORCH_SLOT $ORCH_PORT {{slot}} {{port}}" >>"$LOG"
		    touch here.{{n}}
		    until test -e here.1 -a -e here.2 -a -e here.3; do sleep 0.01; done
	END
	expect 0 -j3
	[ "$(cut -d' ' -f1 "$LOG" | sort | tr '\n' ' ')" = "0 1 2 " ]
	[ "$(cut -d' ' -f2 "$LOG" | sort -u | wc -l)" -eq 3 ]
	awk '$1 != $3 || $2 != $4 { exit 1 }' "$LOG"
}

@test "values of a dependency are quoted, raw() is not" {
	orchfile <<-'END'
		dep:
		  printf '%s\n' "text=it's \$(touch pwned); \"x\" *" 'words=a   b' 'code=echo raw' 'url=a=b' 'empty=' >>"$ORCH_OUTPUT"
		user: dep
		  env:
		    V={{dep.text}}
		  printf '%s\n' {{dep.text}} {{dep.words}} {{dep.url}} x{{dep.empty}} >>"$LOG"
		  {{raw(dep.code)}} >>"$LOG"
		  printf '%s\n' "$V" >>"$LOG"
	END
	expect 0
	[ ! -e pwned ]
	printf '%s\n' "it's \$(touch pwned); \"x\" *" 'a   b' 'a=b' x raw "it's \$(touch pwned); \"x\" *" >want
	diff want "$LOG"
	# from its stamp, when only the user runs
	: >"$LOG"
	expect 0 --only user -B
	diff want "$LOG"
	# a value that was not written
	orchfile <<-'END'
		dep:
		  :
		user: dep
		  echo {{dep.text}} >>"$LOG"
	END
	expect 1
	[[ "$output" == *"'dep' did not write 'text=...'"* ]]
	# not key=value
	orchfile <<-'END'
		dep:
		  echo nonsense >"$ORCH_OUTPUT"
	END
	expect 1
	[[ "$output" == *"not key=value"* ]]
}

@test "standard input is /dev/null, the session its own" {
	orchfile <<-'END'
		s:
		  readlink /proc/self/fd/0 >>"$LOG"
		  cat >>"$LOG"
		  test "$(ps -o sid= -p $$ | tr -d ' ')" = $$
		  fds() { cd /proc/$$/fd; echo *; }
		  (fds) >>fds
	END
	echo input | expect 0
	[ "$(cat "$LOG")" = /dev/null ]
	# it has no descriptor that it would not have had without orch, but for the two of a jobserver
	echo "fds: $(cat fds)"
	[[ " $(cat fds) " == *" 98 99 "* ]]
	sed -i '1a\\tjobserver = off' Orchfile
	rm fds
	(
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done
		"$ORCH" -B >/dev/null 2>&1
		sh -c 'fds() { cd /proc/$$/fd; echo *; }; (fds) >>want' </dev/null >/dev/null 2>&1
	)
	diff want fds
}

@test "standard error and output stand in the log in their order" {
	orchfile <<-'END'
		s:
		  echo one
		  echo two >&2
		  echo three
	END
	expect 0
	run "$ORCH" logs s
	[ "$output" = "one"$'\n'"two"$'\n'"three" ]
}

@test "hooks for every event, with its JSON" {
	orchfile <<-'END'
		on start:
		  cat >hook.start
		on stream-success:
		  cat >"hook.success.$ORCH_STREAM"
		  echo "$ORCH_EVENT" >hook.event
		on stream-failure:
		  cat >"hook.failure.$ORCH_STREAM"
		on finish:
		  cat >hook.finish
		  exit 3
		good:
		  :
		bad:
		  exit 1
		all: good
	END
	expect 1 -k
	python3 - <<-'END'
		import json
		start, finish = json.load(open("hook.start")), json.load(open("hook.finish"))
		good, bad = json.load(open("hook.success.good")), json.load(open("hook.failure.bad"))
		assert start["type"] == "run_started", start
		assert finish["type"] == "run_finished" and finish["failed"] == 1, finish
		assert good["stream"] == "good" and good["state"] == "completed", good
		assert bad["stream"] == "bad" and bad["state"] == "failed", bad
	END
	[ ! -e hook.success.all ]
	[ "$(cat hook.event)" = stream-success ]
	# a hook that fails is told, and fails nothing
	[[ "$output" == *"on finish"*"exit status 3"* ]]
	expect 1
	orchfile <<-'END'
		on finish: exit 3
		good:
		  :
	END
	expect 0 -B
	[[ "$output" == *"on finish"*"exit status 3"* ]]
}

@test "past -l or --min-free one still runs" {
	orchfile <<-END
		for n in 1 2 3:
		  s{{n}}:
		    $busy
	END
	expect 0 -j3 --min-free 900000G
	[ "$(most)" -eq 1 ]
	[ "$(grep -c '^-' "$LOG")" -eq 3 ]
	if awk '{ exit !($1 > 0.02) }' /proc/loadavg; then
		: >"$LOG"
		expect 0 -B -j3 -l 0.01
		[ "$(most)" -eq 1 ]
	fi
	expect 0 -B -j3 --max-pressure 100
	[ "$(grep -c '^-' "$LOG")" -ge 6 ]
	expect 0 -B -j3 --min-free 900000G
	[[ "$output" =~ "slots  1 at once for now: ".*"of memory are free, less than" ]]
}

@test "schedule: which of the ready ones is first" {
	for schedule in planned critical-path fifo; do
		rm -rf .orch
		: >"$LOG"
		orchfile <<-END
			project:
			  schedule = $schedule
			defaults:
			  estimate = 1s
			short:
			  echo short >>"\$LOG"
			long:
			  estimate = 1m
			  echo long >>"\$LOG"
			behind: between
			  echo behind >>"\$LOG"
			between:
			  estimate = 10s
			  echo between >>"\$LOG"
		END
		expect 0 -j1
		if [ $schedule = fifo ]; then
			[ "$(paste -sd' ' "$LOG")" = "short long between behind" ]
		else
			[ "$(paste -sd' ' "$LOG")" = "long between short behind" ]
		fi
	done
}

@test "groups, several streams in one header, for and include" {
	mkdir -p parts
	printf 'part:\n\techo part >>"$LOG"\n' >parts/one.orch
	orchfile <<-'END'
		include parts/*.orch
		include? parts/none
		x y:
		  echo {{stream}} >>"$LOG"
		for a in 1 2:
		  for b in p q:
		    n{{a}}{{b}}: x
		      echo {{stream}} >>"$LOG"
		both: x y
		all: both part | n1p
	END
	sed -i 's/^\t\t  /\t\t\t/' Orchfile
	expect 0 all -j1
	[ "$(sort "$LOG" | tr '\n' ' ')" = "n1p part x y " ]
	: >"$LOG"
	expect 0 -j2
	[ "$(sort "$LOG" | tr '\n' ' ')" = "n1q n2p n2q " ]
	expect 0 all
	[[ "$output" == *nothing* ]]
}

@test "NAME=value and project: default" {
	orchfile <<-'END'
		word ?= file
		project:
		  default = a
		a:
		  echo "a {{word}}" >>"$LOG"
		b:
		  echo "b {{word}}" >>"$LOG"
	END
	expect 0
	word=environment expect 0
	word=environment expect 0 word=line
	expect 0 b
	printf 'a %s\n' file environment line >want
	echo "b file" >>want
	diff want "$LOG"
}

@test "logs are made where the Orchfile is, from any directory" {
	mkdir -p sub/deep
	orchfile <<-'END'
		s:
		  pwd -P >>"$LOG"
		  test "$ORCH_DIR" = "$(pwd -P)"
	END
	here=$(pwd -P)
	cd sub/deep
	expect 0
	[ "$(cat "$LOG")" = "$here" ]
	[ ! -e .orch ]
	[ -d "$here/.orch/stamps" ]
	[ "$(stat -c %a "$here/.orch")" = 700 ]
}

@test "the limit of open files is raised for orch, and as it was for what it runs" {
	orchfile <<-'EOT'
		limits:
		  detach = no
		  ulimit -Sn >soft
		  ulimit -Hn >hard
		  read -r pid rest <.orch/lock
		  [ ! -r /proc/$pid/limits ] || grep '^Max open files' /proc/$pid/limits >own
		# after it: while orch starts something its own limit is low for a moment
		outliving: limits
		  detach = yes
		  ulimit -Sn >soft-outliving
	EOT
	bash -c 'ulimit -Sn 300 && exec "$ORCH" -s'
	[ "$(cat soft soft-outliving)" = $'300\n300' ]
	[ "$(cat hard)" = "$(ulimit -Hn)" ]
	[ ! -e own ] || [ "$(awk '{ print $4 }' own)" = "$(ulimit -Hn)" ]
}
