# Past runs: history of runs and of streams, logs of past attempts, prune. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	plain_setup
	cd "$BATS_TEST_TMPDIR" || return 1
	orch=
	cat >Orchfile <<'END'
steady:
	echo "steady in $ORCH_RUN"
moody: steady
	retries = 1
	backoff = 1ms
	echo "try $ORCH_ATTEMPT"
	[ ! -e bad ] && [ "$ORCH_ATTEMPT" = 2 ]
late: moody
	echo late
dot.2:
	echo "dot two"
END
}

# only what a test itself started, by its id; and what waits for this file goes
teardown() {
	touch go
	[ -z "$orch" ] || kill -KILL "$orch" 2>/dev/null || :
}

json() {
	python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["v"] == 1; print(eval(sys.argv[1]))' "$1"
}

# three runs: good, bad, good; in $first, $second, $third
three_runs() {
	"$ORCH" -s -B >/dev/null 2>&1
	first=$(ls .orch/runs)
	touch bad
	run "$ORCH" -s -k -B
	[ "$status" -eq 1 ]
	second=$(ls .orch/runs | tail -1)
	rm bad
	"$ORCH" -s -B >/dev/null 2>&1
	third=$(ls .orch/runs | tail -1)
}

# makes a run N days old
age() {
	touch -d "$2 days ago" ".orch/runs/$1/journal.jsonl"
}

runs() {
	ls -A .orch/runs | tr '\n' ' '
}

@test "history of a stream" {
	run "$ORCH" history moody
	[ "$status" -eq 2 ]
	three_runs
	run "$ORCH" history moody
	[ "$status" -eq 0 ]
	[[ "${lines[1]}" == "$third "*completed*" 2" ]]
	[[ "${lines[2]}" == "$second "*failed*"exit status 1" ]]
	[[ "${lines[3]}" == "$first "*completed* ]]
	[[ "${lines[4]}" == "moody: 3 runs, 33 % failed, 100 % tried again; median time "* ]]
	# where it was not started it took no part
	[ "$("$ORCH" history late --json | json '[r["run"] for r in d["runs"]]')" = "['$third', '$first']" ]
	[ "$("$ORCH" history moody --json | json 'd["count"], d["completed"], d["failed"], d["retried"], round(d["failure_rate"], 2)')" = "(3, 2, 1, 3, 0.33)" ]
	[ "$("$ORCH" history moody --last 1 --json | json 'len(d["runs"])')" = 1 ]
	run "$ORCH" history moddy
	[ "$status" -eq 2 ]
	[[ "$output" == *"did you mean 'moody'?"* ]]
	run "$ORCH" history --streams moody
	[ "$status" -eq 2 ]
}

@test "trends of all streams" {
	run "$ORCH" history --streams
	[ "$status" -eq 0 ]
	[ "$output" = "No stream has been run yet." ]
	three_runs
	run "$ORCH" history --streams
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == STREAM*RUNS*FAILED*RETRIED*MEDIAN*LAST* ]]
	[ "${#lines[@]}" -eq 5 ]
	[[ "$output" == *"moody "*" 3 "*"33 %"*"100 %"* ]]
	[ "$("$ORCH" history --streams --json | json 'd["runs"], sorted((s["stream"], s["count"], s["failed"]) for s in d["streams"])')" \
		= "(3, [('dot.2', 3, 0), ('late', 2, 0), ('moody', 3, 1), ('steady', 3, 0)])" ]
	# the median is one of the completed
	[ "$("$ORCH" history --streams --json | json 'all(s["median_ms"] >= 0 for s in d["streams"])')" = True ]
	[ "$("$ORCH" history --last 2 --json | json 'len(d["runs"])')" = 2 ]
	# one that is damaged does not hide the others
	rm ".orch/runs/$second/journal.jsonl"
	run --separate-stderr "$ORCH" history --streams --json
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"$second"* ]]
	[ "$(json 'd["runs"]' <<<"$output")" = 2 ]
}

@test "logs of past attempts" {
	three_runs
	[ "$("$ORCH" logs "$first:moody.1")" = "try 1" ]
	[ "$("$ORCH" logs "$second:moody.2")" = "try 2" ]
	[ "$("$ORCH" logs "$first:moody")" = "try 2" ]
	[ "$("$ORCH" logs "$first:steady")" = "steady in $first" ]
	[ "$("$ORCH" logs "$second:steady.1")" = "steady in $second" ]
	# a name that ends like an attempt is a name first
	[ "$("$ORCH" logs "$first:dot.2")" = "dot two" ]
	[ "$("$ORCH" logs "$first:dot.2.1")" = "dot two" ]
	run "$ORCH" logs "$first:"
	[ "$status" -eq 0 ]
	[[ "$output" == *"steady | steady in $first"*"late"*"| late"* ]]
	run "$ORCH" logs "$first:moody.3"
	[ "$status" -eq 2 ]
	[[ "$output" == *"'moody' has no attempt 3 in run $first; its last one is 2"* ]]
	run "$ORCH" logs "$second:late"
	[ "$status" -eq 2 ]
	[[ "$output" == *"'late' was not started in run $second"* ]]
	run "$ORCH" logs "$first:nobody"
	[ "$status" -eq 2 ]
	[[ "$output" == *"took no part"* ]]
	for run in 20000101-000000 ../x; do
		run "$ORCH" logs "$run:moody"
		[ "$status" -eq 2 ]
	done
	run "$ORCH" logs -f "$first:moody"
	[ "$status" -eq 2 ]
	run "$ORCH" logs --attempt 1 "$first:moody"
	[ "$status" -eq 2 ]
}

@test "prune by age: says what and why, and only then" {
	run "$ORCH" prune --age 1d
	[ "$status" -eq 0 ]
	[ ! -e .orch ]
	three_runs
	run "$ORCH" prune
	[ "$status" -eq 2 ]
	age "$first" 40
	age "$second" 20
	age "$third" 40
	run "$ORCH" prune --age 30d -n
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "remove  $first "*"it ended 40d"* ]]
	[[ "${lines[1]}" == "kept    $third "*"it is the last run" ]]
	[[ "${lines[2]}" == "1 run to be removed "*", 2 kept "* ]]
	[ "$(runs)" = "$first $second $third " ]
	run "$ORCH" prune --age 30d -v
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "removed $first "* ]]
	[[ "${lines[1]}" == "kept    $second "*"within the limits" ]]
	[ "$(runs)" = "$second $third " ]
	[ "$("$ORCH" prune --age 1h --json -n | json '[(r["run"], r["removed"]) for r in d["runs"]]')" = "[('$second', True), ('$third', False)]" ]
	run "$ORCH" prune --age 1h --keep 2
	[[ "$output" == *"kept    $second "*"it is one of the last 2"* ]]
	[ "$(runs)" = "$second $third " ]
	# what is complete stays complete
	"$ORCH" prune --age 1h >/dev/null
	[ "$(runs)" = "$third " ]
	"$ORCH" -q
	run "$ORCH" history
	[ "${#lines[@]}" -eq 2 ]
}

@test "prune by size: the oldest go, until the rest fits" {
	three_runs
	dd if=/dev/zero of=".orch/runs/$second/logs/more.1.log" bs=1024 count=512 2>/dev/null
	run "$ORCH" prune --size 10M
	[ "$(runs)" = "$first $second $third " ]
	run "$ORCH" prune --size 300k
	[ "$status" -eq 0 ]
	[ "$(runs)" = "$third " ]
	# never the last one
	run "$ORCH" prune --size 1k
	[ "$status" -eq 0 ]
	[ "$(runs)" = "$third " ]
}

@test "prune: a newest run without a journal does not make the one before it go" {
	three_runs
	mkdir .orch/runs/29991231-235959
	run "$ORCH" prune --size 1 -v
	[ "$status" -eq 0 ]
	[ "$(runs)" = "$third 29991231-235959 " ]
	[[ "$output" == *"kept    $third "*"the runs after it have no journal"* ]]
}

@test "prune: what an earlier one left half removed goes; what is no run stays" {
	three_runs
	mkdir -p ".orch/runs/.pruned-20200101-000000/logs" .orch/runs/notes
	"$ORCH" prune --age 1000d >/dev/null
	[ "$(runs)" = "$first $second $third notes " ]
}

@test "prune while a run is under way: not now; --dry-run says what would go" {
	three_runs
	age "$first" 40
	printf 'wait:\n\techo x; until test -e go; do sleep 0.02; done\n' >Orchfile
	"$ORCH" -s >/dev/null 2>&1 3>&- &
	orch=$!
	# shellcheck disable=SC2016
	until_true sh -c 'test -s "$(ls -d .orch/runs/* | tail -1)/logs/wait.1.log"'
	run "$ORCH" prune --age 30d
	[ "$status" -eq 3 ]
	run "$ORCH" prune --age 30d -n
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "remove  $first "* ]]
	[ -d ".orch/runs/$first" ]
	touch go
	wait "$orch"
	orch=
	"$ORCH" prune --age 30d >/dev/null
	[ ! -d ".orch/runs/$first" ]
}

@test "prune: a run whose attempt goes on, and one that another went on with, stay" {
	cat >Orchfile <<'END'
long:
	detach = yes
	echo begun; echo $$ >pid; until test -e go; do sleep 0.02; done
other:
	echo other
END
	"$ORCH" -s long >/dev/null 2>&1 3>&- &
	orch=$!
	until_true test -s pid
	kill -KILL "$orch"
	wait "$orch" 2>/dev/null || true
	orch=
	first=$(ls .orch/runs)
	# not the last run any more, and old
	mkdir .orch/runs/29991231-235959
	cp ".orch/runs/$first/journal.jsonl" .orch/runs/29991231-235959/
	age "$first" 40
	run "$ORCH" prune --age 30d
	[ "$status" -eq 0 ]
	[[ "$output" == *"kept    $first "*"its attempt of long goes on, or is not settled yet"* ]]
	[ -d ".orch/runs/$first/logs" ]
	rm -r .orch/runs/29991231-235959
	touch go
	run "$ORCH" -s
	[ "$status" -eq 0 ]
	second=$(ls .orch/runs | tail -1)
	[ "$second" != "$first" ]
	age "$first" 40
	run "$ORCH" prune --age 30d
	[ "$status" -eq 0 ]
	[[ "$output" == *"kept    $first "*"run $second went on with its attempt of long"* ]]
	[[ "$("$ORCH" logs "$second:long")" == *begun* ]]
	# once nothing that stays needs it, it goes
	"$ORCH" -s -B other >/dev/null 2>&1
	age "$second" 40
	"$ORCH" prune --age 30d >/dev/null
	[ "$(ls .orch/runs | wc -l)" -eq 1 ]
}
