# What work says of itself from inside an attempt: orch report, its file, ticks, and what becomes of them. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	orch_setup
	unset ORCH_REPORT ORCH_OUTPUT
	export OWN=$ORCH
}

# what waits for this file goes
teardown() {
	touch go
	orch_teardown
}

# of all runs, oldest first
events() {
	local run
	for run in $(printf '%s\n' .orch/runs/* | sort -V); do cat "$run/journal.jsonl"; done
}
said() { events | grep -E '"type":"(progress|task_done|note|value)"' | sed -E 's/.*"type":"([a-z_]+)","stream":"([^"]*)","attempt":([0-9]+),?/\2.\3 \1 /; s/,?"(bytes|sum)":.*//'; }
# members of one stream, from `orch status --json`
status_of() { "$ORCH" status --json | python3 -c 'import json, sys; s = next(t for t in json.load(sys.stdin)["status"]["streams"] if t["stream"] == sys.argv[1]); print(*(s.get(k, "-") for k in sys.argv[2:]))' "$@"; }

crash() {
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	pid=
}

@test "work says how far it is, and is told of in the order in which it says it" {
	orchfile <<-'E'
	a "First":
	  tasks:
	    Write it
	    Test it
	    Say so
	  "$OWN" report progress 1/3
	  "$OWN" report done 1
	  "$OWN" report note "--what it does:" "a  b"
	  "$OWN" report progress 45%
	  "$OWN" report done 3 1
	  "$OWN" report output version=1.2
	E
	expect 0
	[[ "$output" == *'tick   a (1/3): Write it'*'tick   a (2/3): Say so'* ]]
	said >said
	diff said - <<-'E'
	a.1 progress "done":1,"total":3
	a.1 task_done "item":1,"message":"Write it","ticked":1,"tasks":3
	a.1 note "message":"--what it does: a  b"
	a.1 progress "done":45,"total":100
	a.1 task_done "item":3,"message":"Say so","ticked":2,"tasks":3
	a.1 value "message":"version=1.2"
	E
	[ "$(status_of a done total ticked tasks note)" = '45 100 2 3 --what it does: a  b' ]
}

@test "it is seen also where it was said before orch knew that the work runs" {
	orchfile <<-'E'
	a:
	  until test -e first; do sleep 0.02; done
	b:
	  "$OWN" report note early
	  touch began
	  until test -e go; do sleep 0.02; done
	E
	background -j1
	runs() { events | grep -q '"type":"attempt_started","stream":"a"'; }
	until_true runs
	# b stands by at its supervisor, which starts it when a has ended
	kill -STOP "$pid"
	touch first
	until_true test -e began
	kill -CONT "$pid"
	seen() { [ "$(status_of b state note)" = 'running early' ]; }
	until_true seen
	touch go
	ends 0
}

@test "it is seen while the work goes on" {
	orchfile <<-'E'
	a:
	  tasks:
	    one
	    two
	  "$OWN" report progress 3/7
	  "$OWN" report note "half way"
	  "$OWN" report done 2
	  until test -e go; do sleep 0.02; done
	E
	background
	seen() { [ "$(status_of a state done total ticked tasks note)" = 'running 3 7 1 2 half way' ]; }
	until_true seen
	run "$ORCH" status
	[[ "$output" =~ running\ +a\ .*\ 1/2 ]]
	run "$ORCH" status a
	[[ "$output" == *$'tasks     1 of 2 done\n  progress  3/7\n  note      half way\n'* ]]
	run "$ORCH" list
	[[ "$output" =~ a\ +never\ +-\ +1/2$ ]]
	run "$ORCH" show a
	[[ "$output" == *$'tasks:\n\t\tone\n\t\ttwo    # done\n'* ]]
	touch go
	ends 0
	[ "$("$ORCH" list --json | python3 -c 'import json, sys; print(*[(s["ticked"], s["tasks"]) for s in json.load(sys.stdin)["streams"]])')" = '(1, 2)' ]
	[ "$("$ORCH" show a --json | python3 -c 'import json, sys; print(*[(t["text"], t["done"]) for t in json.load(sys.stdin)["tasks"]])')" = "('one', False) ('two', True)" ]
	[ "$("$ORCH" report --format json | python3 -c 'import json, sys; print(*[(s["ticked"], s["tasks"]) for s in json.load(sys.stdin)["streams"]])')" = '(1, 2)' ]
	"$ORCH" report --format html | grep -q '1/2 tasks done'
	expect 0 reset a
	[ ! -e .orch/ticks/a ]
}

@test "a value that is reported is the same as a line in \$ORCH_OUTPUT" {
	orchfile <<-'E'
	a:
	  echo one=1 >> "$ORCH_OUTPUT"
	  "$OWN" report output one=2
	  "$OWN" report output two=a b
	  printf 'three=no newline' >> "$ORCH_OUTPUT"
	  "$OWN" report output "four='; echo oops"
	b: a
	  printf '%s\n' {{a.one}} {{a.two}} {{a.three}} {{a.four}}
	E
	expect 0
	[ "$(cat .orch/runs/*/logs/b.1.log)" = $'2\na b\nno newline\n\'; echo oops' ]
}

@test "outside of an attempt it says what is wrong, and so it does of what is no report" {
	expect 2 report progress 3/7
	[[ "$output" == *"orch report progress: this is said by a stream's own work, from inside an attempt"*"ORCH_REPORT is not set"* ]]
	expect 2 report output k=v
	[[ "$output" == *"ORCH_REPORT is not set"* ]]
	expect 2 report note
	export ORCH_REPORT=$PWD/report ORCH_OUTPUT=$PWD/output
	for words in 'progress 8/7' 'progress seven' 'progress 3/0' 'done 0' 'done two' 'done -1' 'done' 'note' 'output k' 'output =v' 'output a.b=c'; do
		# shellcheck disable=SC2086
		expect 2 report $words
	done
	expect 2 report done 1 x
	expect 2 report note $' \t\n'
	expect 2 report output $'k=a\nb=c'
	expect 2 report output $'k=\xff'
	expect 2 report output "k=$(head -c 70000 /dev/zero | tr '\0' x)"
	[ ! -e report ] && [ ! -e output ]
	expect 0 report note -h is text
	expect 0 report note --help
	[[ "$output" == 'Usage: orch report'* ]]
	expect 0 report done 2 1
	expect 0 report output k=v=w
	[ "$(cat report)" = $'note -h is text\ndone 2\ndone 1\noutput k=v=w' ]
	[ "$(cat output)" = 'k=v=w' ]
	ORCH_REPORT=/dev/null expect 2 report note x
	[[ "$output" == *"'/dev/null' is no regular file"* ]]
	ORCH_REPORT=$PWD/nowhere/report expect 2 report note x
	unset ORCH_REPORT ORCH_OUTPUT
	# the other meaning of the word
	printf 'a:\n\ttrue\n' >Orchfile
	expect 0
	expect 0 report --format md
	[[ "$output" == *'a'* ]]
	expect 2 report nosuch
	expect 2 report nosuch other
	[[ "$output" == *"one RUN"* ]]
}

@test "ticks stay through retries and later runs, until the stream begins afresh" {
	orchfile <<-'E'
	a:
	  retries = 1
	  tasks:
	    one
	    two
	    three
	  "$OWN" report done $ORCH_ATTEMPT
	  test -e pass
	E
	expect 1
	[ "$(status_of a ticked tasks)" = '2 3' ]
	[ "$(events | grep -c '"type":"attempt_started".*"ticked":1,"tasks":3')" -eq 1 ]
	sed -i 's/done \$ORCH_ATTEMPT/done 3/; s/\tone/\tzero\n\t\tone/' Orchfile
	touch pass
	expect 0
	# the list has another first task now, and the third is the one that was done as the second
	[[ "$output" != *'tick '* ]]
	events | grep '"type":"task".*"waiting"' | tail -n 1 | grep -q '"ticked":2,"tasks":4'
	[ "$(status_of a ticked tasks)" = '2 4' ]
	expect 0 -B
	[ "$(status_of a ticked tasks)" = '1 4' ]
	grep -qx '3 two' .orch/ticks/a
}

@test "what work writes itself is cleaned, bounded, and what is no report is said once" {
	orchfile <<-'E'
	a:
	  tasks:
	    one
	  {
	    printf 'note \033[31mred\033[0m \007\303\251 \377\n'
	    printf 'bogus\nmore bogus\n\n\n'
	    printf 'done 2\ndone 3\n'
	    printf 'note '; head -c 100000 /dev/zero | tr '\0' x; printf '\n'
	    printf 'progress 1/2'
	  } >> "$ORCH_REPORT"
	b:
	  rm -f "$ORCH_REPORT"; ln -s /etc/passwd "$ORCH_REPORT"
	c:
	  rm -f "$ORCH_REPORT"; mkfifo "$ORCH_REPORT"
	d:
	  rm -f "$ORCH_REPORT"; mkdir "$ORCH_REPORT"
	e:
	  echo 'note long enough' >> "$ORCH_REPORT"
	  until grep -q '"note","stream":"e"' .orch/runs/*/journal.jsonl; do sleep 0.02; done
	  echo x > "$ORCH_REPORT"
	E
	expect 0 -j5
	python3 - .orch/runs/*/journal.jsonl <<-'E'
	import json, sys
	events = [json.loads(line) for line in open(sys.argv[1])]
	notes = [e["message"] for e in events if e["type"] == "note" and e["stream"] == "a"]
	assert notes[0] == "red \u00e9 \ufffd", notes[0]
	assert notes[1] == "x" * 1024, len(notes[1])
	assert len(notes) == 2
	warnings = {}
	for e in events:
	    if e["type"] == "warning":
	        warnings.setdefault(e["stream"], []).append(e["message"])
	assert len(warnings["a"]) == 2, warnings
	assert "'bogus'" in warnings["a"][0] and "task 2 is done, and it has 1" in warnings["a"][1], warnings
	for stream, why in (("b", "no regular file"), ("c", "no regular file"), ("d", "no regular file"), ("e", "shorter")):
	    assert len(warnings[stream]) == 1 and why in warnings[stream][0], warnings
	assert not any("root" in json.dumps(e) for e in events if e["type"] == "note")
	assert [(e["done"], e["total"]) for e in events if e["type"] == "progress"] == [(1, 2)]
	E
}

@test "whoever talks without end is told of in part, and its last word is" {
	orchfile <<-'E'
	a:
	  tasks:
	    one
	  awk 'BEGIN { for (i = 1; i <= 200000; i++) print "note number " i; print "done 1" }' >> "$ORCH_REPORT"
	E
	expect 0
	[ "$(events | grep -c '"type":"note"')" -lt 1100 ]
	[ "$(status_of a note ticked)" = 'number 200000 1' ]
}

@test "after a crash the next orch reads on: each line is told once" {
	orchfile <<-'E'
	a:
	  detach = yes
	  tasks:
	    one
	    two
	    three
	  "$OWN" report progress 1/9
	  "$OWN" report done 1
	  "$OWN" report note before
	  until test -e between; do sleep 0.02; done
	  "$OWN" report done 2
	  "$OWN" report note between
	  "$OWN" report output k=v
	  touch done
	  until test -e go; do sleep 0.02; done
	  "$OWN" report note after
	  "$OWN" report done 3
	b: a
	  echo {{a.k}} > b
	E
	background
	told() { events | grep -q '"message":"before"'; }
	until_true told
	crash
	touch between
	until_true test -e done
	background
	resumed() { events | grep -q '"message":"between"'; }
	until_true resumed
	# also what was said before is still known
	[ "$(status_of a done total ticked tasks note)" = '1 9 2 3 between' ]
	crash
	touch go
	ended() { [ -s .orch/runs/*/attempts/a.1.running.exit ]; }
	until_true ended
	expect 0
	[ "$(cat b)" = v ]
	said >said
	diff said - <<-'E'
	a.1 progress "done":1,"total":9
	a.1 task_done "item":1,"message":"one","ticked":1,"tasks":3
	a.1 note "message":"before"
	a.1 task_done "item":2,"message":"two","ticked":2,"tasks":3
	a.1 note "message":"between"
	a.1 value "message":"k=v"
	a.1 note "message":"after"
	a.1 task_done "item":3,"message":"three","ticked":3,"tasks":3
	E
	[ "$(status_of a done total ticked tasks note)" = '1 9 3 3 after' ]
}
