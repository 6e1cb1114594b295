# Looking: -n, plan, why, graph, list, show, status, logs, history. None of it writes anything.
# $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	cat >Orchfile <<'END'
fetch "Get it":
	inputs = in.txt
	cat in.txt
left: fetch
	echo left
right: fetch
	echo right
both: left | right
	echo both
everything: both
END
	echo one >in.txt
}

json() {
	python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["v"] == 1; print(eval(sys.argv[1]))' "$1"
}

@test "-n prints what would run, in order, with reasons, and writes nothing" {
	run --separate-stderr "$ORCH" -n
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "fetch"*"never completed" ]]
	[[ "${lines[3]}" == "both"* ]]
	[ "${lines[4]}" = "4 streams to run, 0 complete" ]
	[ ! -e .orch ]
	run "$ORCH" -n -v left
	[[ "$output" == *$'\n    echo left\n'* ]]
	[ "$("$ORCH" -n --json | json '[s["stream"] for s in d["streams"]][0]')" = fetch ]
}

@test "-n after a change" {
	"$ORCH" -s >/dev/null
	run "$ORCH" -n
	[ "$output" = "0 streams to run, 4 complete" ]
	run "$ORCH" -n -W in.txt
	[[ "${lines[0]}" == "fetch "* ]]
	mkdir sub
	run "$ORCH" -C sub -n -W ../in.txt
	[[ "${lines[0]}" == "fetch "* ]]
	echo two >in.txt
	run "$ORCH" -n
	[[ "${lines[0]}" == "fetch "*"in.txt"* ]]
}

@test "plan: phases, critical path, times" {
	run "$ORCH" plan -j2
	[ "$status" -eq 0 ]
	[[ "$output" == *"Phase 1"*fetch*"Phase 2"*left*right*"Phase 3"*both* ]]
	[[ "$output" == *"Critical path"*"fetch -> "*" -> both"* ]]
	[[ "$output" == *"Critical path (3 streams): "*"None of these has a recorded time yet"* ]]
	[ "$("$ORCH" plan --json | json '[[s["stream"] for s in p] for p in d["phases"]]')" = "[['fetch'], ['left', 'right'], ['both']]" ]
	[ "$("$ORCH" plan --json | json 'd["critical_path"][0] + d["critical_path"][-1]')" = fetchboth ]
	run "$ORCH" plan --format dot
	[[ "${lines[0]}" == digraph* ]]
	run "$ORCH" plan --format mermaid
	[[ "$output" == flowchart*":::stale"* ]]
	[ ! -e .orch ]
	"$ORCH" -s >/dev/null
	run "$ORCH" plan -j2 -B
	[[ "$output" == *"Expected at -j2"*speedup* ]]
}

@test "plan when nothing is stale" {
	"$ORCH" -s >/dev/null
	run "$ORCH" plan
	[ "$status" -eq 0 ]
	[[ "$output" == *"0 streams to run, 4 complete" ]]
	[ "$("$ORCH" plan --json | json 'd["phases"], d["critical_path"]')" = "([], [])" ]
}

@test "what only a failure starts is not counted as to run" {
	printf 'a:\n\ttrue\nb: a\n\ttrue\nmend: b\n\twhen = failure\n\techo mend\nlast: mend\n\techo last\n' >Orchfile
	run "$ORCH" -n
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 4 ]
	[ "${lines[3]}" = "3 streams to run, 1 only if something fails, 0 complete" ]
	[ "$("$ORCH" -n --json | json 'd["wanted"], d["run"], d["perhaps"], d["on_failure"], len(d["streams"])')" = "(4, 3, 0, 1, 3)" ]
	[ "$("$ORCH" plan --json | json 'd["run"], d["on_failure"], d["critical_path"], len(d["phases"])')" = "(3, 1, ['a', 'b', 'last'], 3)" ]
	run "$ORCH" why mend
	[[ "${lines[0]}" == "mend runs only if something it depends on fails" ]]
	"$ORCH" -s >/dev/null
	run "$ORCH" -n
	[ "$output" = "0 streams to run, 4 complete" ]
	run "$ORCH" why mend
	[[ "${lines[0]}" == "mend runs only if something it depends on fails, and nothing of that is to run" ]]
}

@test "why" {
	run "$ORCH" why fetch
	[[ "$output" == *"never completed"* ]]
	"$ORCH" -s >/dev/null
	run "$ORCH" why fetch
	[[ "$output" == *"fetch is complete"* ]]
	echo two >in.txt
	run "$ORCH" why fetch
	[[ "$output" == *"in.txt"* ]]
	[ "$("$ORCH" why fetch --json | json 'd["action"]')" = run ]
	run "$ORCH" why fetsh
	[ "$status" -eq 2 ]
	[[ "$output" == *"did you mean 'fetch'?"* ]]
}

@test "titles in graphs are text, whatever stands in them" {
	printf 'a "Vec<T> & \\"x\\" #4; \\\\n":\n\ttrue\n' >Orchfile
	run "$ORCH" graph --format mermaid
	[ "${lines[1]}" = $'\ts0["a<br/>Vec#60;T#62; #38; #34;x#34; #35;4; \\n"]' ]
	run "$ORCH" graph --format dot
	[ "${lines[3]}" = $'\t"a" [label="a\\nVec<T> & \\"x\\" #4; \\\\n"];' ]
}

@test "why a group is not complete" {
	printf 'g: a b\na:\n\tfalse\nb:\n\ttrue\n' >Orchfile
	"$ORCH" -s -k >/dev/null 2>&1 || true
	run "$ORCH" why g
	[ "${lines[0]}" = "g is a group, complete when all it depends on is: not yet" ]
	[ "${lines[1]}" = "  dependency  a: runs" ]
	[ "${lines[2]}" = "  dependency  b: same" ]
}

@test "graph: each stream once" {
	LC_ALL=C run "$ORCH" graph
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 5 ]
	[ "${lines[0]}" = 'fetch "Get it"' ]
	[ "${lines[1]}" = '|- left' ]
	[ "${lines[2]}" = '|  `- both  (also after right [order only])' ]
	[ "${lines[3]}" = '|     `- everything [group]' ]
	[ "${lines[4]}" = '`- right' ]
	run "$ORCH" graph --format dot
	[[ "$output" == *'"right" -> "both" [style=dashed];'* ]]
	run "$ORCH" graph --format mermaid
	[[ "$output" == *"s2 -.-> s3"* ]]
	[ "$("$ORCH" graph --json | json '[(s["name"], s["deps"], s["order_only"]) for s in d["streams"]][3]')" = "('both', ['left'], ['right'])" ]
	run "$ORCH" graph right
	[ "${#lines[@]}" -eq 2 ]
}

@test "a chain of 20 000 streams in every looking command" {
	python3 -c '
print("s0:\n\ttrue")
for i in range(1, 20000): print(f"s{i}: s{i-1}\n\ttrue")' >Orchfile
	for words in -n plan graph "graph --format dot" "graph --format mermaid" "graph --json" list "plan --json" "why s19999" check dump; do
		# shellcheck disable=SC2086
		"$ORCH" $words >out
		[ -s out ]
	done
	[ "$("$ORCH" graph | wc -l)" -eq 20000 ]
	# bounded indentation
	[ "$("$ORCH" graph | wc -L)" -lt 200 ]
}

@test "list: states" {
	run "$ORCH" list
	[[ "${lines[0]}" == fetch*never*"Get it" ]]
	[[ "${lines[4]}" == everything*group* ]]
	"$ORCH" -s fetch >/dev/null
	[ "$("$ORCH" list --json | json '[s["state"] for s in d["streams"]]')" = "['complete', 'never', 'never', 'never', 'group']" ]
	echo two >in.txt
	[ "$("$ORCH" list --json | json 'd["streams"][0]["state"]')" = stale ]
	run "$ORCH" list 'l*'
	[ "${#lines[@]}" -eq 1 ]
}

@test "show" {
	run "$ORCH" show fetch
	[[ "$output" == 'fetch "Get it":'*"inputs = in.txt"*"Orchfile:2"* ]]
	[ "$("$ORCH" show both --json | json 'd["deps"], d["order_only"]')" = "(['left'], ['right'])" ]
}

@test "status, logs and history before the first run" {
	run "$ORCH" status
	[ "$status" -eq 0 ]
	[ "$("$ORCH" status --json | json 'd["state"]')" = none ]
	run "$ORCH" history
	[ "$status" -eq 0 ]
	[ "$("$ORCH" history --json | json 'd["runs"]')" = "[]" ]
	run "$ORCH" logs
	[ "$status" -eq 2 ]
	[ ! -e .orch ]
}

@test "status, logs and history after a run" {
	printf 'good:\n\techo fine\nbad:\n\techo oops\n\texit 3\nafter: bad\n\techo never\n' >Orchfile
	run "$ORCH" -k -s
	[ "$status" -eq 1 ]
	run "$ORCH" status
	[ "$status" -eq 0 ]
	[[ "$output" == *"exit status 1"*"1 failed"* ]]
	[[ "$output" == *failed*bad*"exit status 3"* ]]
	[[ "$output" == *skipped*after* ]]
	[ "$("$ORCH" status --json | json 'd["state"], d["status"]["states"]["failed"]')" = "('finished', 1)" ]
	run "$ORCH" status bad
	[[ "$output" == *"exit status 3"*"oops"* ]]
	[ "$("$ORCH" status bad --json | json '[s["stream"] for s in d["status"]["streams"]]')" = "['bad']" ]
	run "$ORCH" status bda
	[ "$status" -eq 2 ]
	[[ "$output" == *"did you mean 'bad'?"* ]]
	run "$ORCH" logs bad
	[ "$output" = oops ]
	run "$ORCH" logs
	[ "$output" = "bad | oops" ]
	run "$ORCH" logs good --grep 'f.ne'
	[ "$output" = fine ]
	run "$ORCH" logs good --grep 'x'
	[ -z "$output" ]
	run "$ORCH" logs good --grep '('
	[ "$status" -eq 2 ]
	[[ "$output" == *"--grep"* ]]
	run "$ORCH" logs nobody
	[ "$status" -eq 2 ]
	run "$ORCH" logs after
	[ "$status" -eq 2 ]
	[ "$output" = "orch: 'after' has had no attempt, so it has no log; 'orch status after' says more" ]
	id=$("$ORCH" history --json | json 'd["runs"][0]["run"]')
	run "$ORCH" logs "$id"
	[ "$status" -eq 2 ]
	[ "$output" = "orch: '$id' is a run; 'orch logs $id:' prints all of it" ]
	run "$ORCH" history
	[ "${#lines[@]}" -eq 2 ]
	[ "$("$ORCH" history --json | json 'd["runs"][0]["failed"], d["runs"][0]["exit_code"], d["runs"][0]["state"]')" = "(1, 1, 'finished')" ]
	# the log of a stream that a later run left alone
	run "$ORCH" -s bad
	run "$ORCH" logs good
	[ "$output" = fine ]
	# without an Orchfile, from below
	rm Orchfile
	mkdir sub
	cd sub
	run "$ORCH" logs good
	[ "$output" = fine ]
	run "$ORCH" status
	[ "$status" -eq 0 ]
}

@test "logs of an attempt" {
	printf 'flaky:\n\tretries = 1\n\tbackoff = 10ms\n\techo "try $ORCH_ATTEMPT"\n\tfalse\n' >Orchfile
	run "$ORCH" -s
	[ "$status" -eq 1 ]
	run "$ORCH" logs flaky
	[ "$output" = "try 2" ]
	run "$ORCH" logs flaky --attempt 1
	[ "$output" = "try 1" ]
	run "$ORCH" logs flaky --attempt 9
	[ "$status" -eq 2 ]
	[[ "$output" == *"its last one is 2"* ]]
}

@test "a log's bytes come out as they are when no terminal is there" {
	printf 'bytes:\n\tprintf "\\\\033[2Jx\\\\000\\\\377y"\n' >Orchfile
	"$ORCH" -s -Onone
	"$ORCH" logs bytes >out
	cmp out .orch/runs/*/logs/bytes.1.log
}

@test "lines that end in CR LF are one line each, on a terminal and for --grep" {
	printf 'tty:\n\tprintf "one\\\\r\\\\ntwo\\\\r\\\\n10%%%%\\\\r100%%%%\\\\r\\\\n"\n' >Orchfile
	"$ORCH" -s -Onone
	run "$ORCH" logs tty --grep '^(one|100%|10%.100%)$'
	[ "$output" = $'one\r\n10%\r100%\r' ]
	on_terminal() {
		NO_COLOR=1 script -qec "'$ORCH' $*" /dev/null </dev/null | tr -d '\r'
	}
	[ "$(on_terminal logs tty)" = $'one\ntwo\n10%\n100%' ]
	[ "$(on_terminal logs tty --grep o)" = $'one\ntwo' ]
	[ "$(on_terminal logs)" = $'tty | one\ntty | two\ntty | 10%\ntty | 100%' ]
}

@test "during a run: status, logs -f, --watch" {
	printf 'slow:\n\techo begun\n\twhile ! [ -e go ]; do sleep 0.05; done\n\techo ended\nlater: slow\n\techo late\n' >Orchfile
	"$ORCH" >/dev/null 2>&1 3>&- &
	pid=$!
	for _ in $(seq 200); do
		grep -qs begun .orch/runs/*/logs/slow.1.log && break
		sleep 0.05
	done
	run "$ORCH" status
	[[ "$output" == *"under way"* ]]
	[[ "$output" == *running*slow*begun* ]]
	[[ "$output" == *waiting*later*"waits for slow"* ]]
	[ "$("$ORCH" status --json | json 'd["state"]')" = running ]
	run "$ORCH" logs
	[ "$output" = "slow | begun" ]
	"$ORCH" logs -f >all 3>&- &
	all=$!
	"$ORCH" logs -f slow >one 3>&- &
	one=$!
	"$ORCH" status --watch 1 >watched 3>&- &
	watched=$!
	for _ in $(seq 200); do
		[ -s all ] && [ -s one ] && [ -s watched ] && break
		sleep 0.05
	done
	touch go
	wait "$pid" "$all" "$one" "$watched"
	[ "$(cat one)" = $'begun\nended' ]
	[ "$(cat all)" = $'slow | begun\nslow | ended\nlater | late' ]
	grep -q finished watched
}

@test "a run that crashed is told from one under way" {
	printf 'slow:\n\techo begun\n\tsleep 30\n' >Orchfile
	"$ORCH" >/dev/null 2>&1 3>&- &
	pid=$!
	for _ in $(seq 200); do
		grep -qs '"type":"attempt_started"' .orch/runs/*/journal.jsonl && break
		sleep 0.05
	done
	child=$("$ORCH" status --json | json 'd["status"]["streams"][0]["pid"]')
	kill -KILL "$pid"
	wait "$pid" || true
	[ "$child" -gt 1 ]
	kill -KILL -- "-$child" 2>/dev/null || true
	run "$ORCH" status
	[[ "$output" == *crashed* ]]
	[ "$("$ORCH" status --json | json 'd["state"]')" = crashed ]
	[ "$("$ORCH" history --json | json 'd["runs"][0]["state"]')" = crashed ]
}

@test "a run that was killed has crashed also while what it started is being ended" {
	printf 'slow:\n\tkill = TERM 60s KILL\n\ttrap ": >ending" TERM\n\techo begun\n\tuntil [ -e go ]; do sleep 0.1 || :; done\n' >Orchfile
	"$ORCH" >/dev/null 2>&1 3>&- &
	pid=$!
	for _ in $(seq 600); do
		grep -qs begun .orch/runs/*/logs/slow.1.log && break
		sleep 0.05
	done
	run "$ORCH" status --json
	[ "$(json 'd["state"]' <<<"$output")" = running ]
	kill -KILL "$pid"
	wait "$pid" || true
	for _ in $(seq 600); do
		[ -e ending ] && break
		sleep 0.05
	done
	run "$ORCH" status
	echo "$output"
	: >go
	[ -e ending ]
	[[ "$output" == *crashed* ]]
	# what was left is waited for
	run timeout 60 "$ORCH"
	[ "$status" -eq 0 ]
}

@test "a standard output that cannot be written is an error" {
	[ -e /dev/full ] || skip "no /dev/full"
	for words in list -n plan graph "help" --version "show fetch" dump; do
		# shellcheck disable=SC2086
		run --separate-stderr sh -c '"$@" >/dev/full' sh "$ORCH" $words
		[ "$status" -eq 2 ]
		[[ "$stderr" == "orch: cannot write to standard output: "* ]]
	done
	run sh -c '"$1" list >&-' sh "$ORCH"
	[ "$status" -eq 2 ]
}

@test "a reader that goes away ends a listing quietly" {
	python3 -c '
for i in range(20000): print(f"s{i}:\n\ttrue")' >Orchfile
	"$ORCH" list 2>errors | head -1 >out
	[ -s out ]
	[ ! -s errors ]
}
