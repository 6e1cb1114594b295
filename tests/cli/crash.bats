# What a killed orch leaves, and what the next one makes of it. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	plain_setup
	cd "$BATS_TEST_TMPDIR" || return 1
	long= plain= orch=
	# two blanks stand for a tab
	sed 's/^  /\t/' >Orchfile <<-'E'
	defaults:
	  kill = TERM 1s KILL
	long "Goes on":
	  detach = yes
	  check: echo checked
	  echo begun; echo $$ > pid; until test -e go; do sleep 0.02; done; echo over; echo "value=$ORCH_ATTEMPT" > "$ORCH_OUTPUT"
	plain:
	  echo $$ > plain.pid; until test -e go; do sleep 0.02; done
	after: long
	  echo "after {{long.value}}" > after
	E
}

# only what a test itself started, by its id; and what waits for this file goes
teardown() {
	touch go
	[ -z "$orch" ] || kill -KILL "$orch" 2>/dev/null || :
}

# and orch has written down that they do
both_run() { [ -s pid ] && [ -s plain.pid ] && [ "$(grep -c '"type":"attempt_started"' .orch/runs/*/journal.jsonl)" -eq 2 ]; }

# starts orch, waits until both run, and kills it
crash() {
	"$ORCH" -j3 >out 2>&1 &
	orch=$!
	until_true both_run
	kill -KILL "$orch"
	wait "$orch" 2>/dev/null || true
	long=$(cat pid)
	plain=$(cat plain.pid)
}

has_ended() { [ -s .orch/runs/*/attempts/long.1.running.exit ]; }

is_gone() { ! kill -0 "$1" 2>/dev/null; }

@test "a stream with detach goes on, a plain one is ended" {
	crash
	until_true is_gone "$plain"
	kill -0 "$long"
	run "$ORCH" status
	[[ "$output" == *"crashed"* ]]
	[[ "$output" == *"1 attempt goes on by itself; 'orch' adopts"* ]]
	[[ "$output" == *"long "*"goes on by itself"* ]]
	[[ "$output" == *"plain "*"was ended when the run crashed"* ]]
	"$ORCH" status --json | python3 -c 'import json, sys; s = {t["stream"]: t for t in json.load(sys.stdin)["status"]["streams"]}; assert s["long"]["left"] == "running" and "left" not in s["plain"]'
}

@test "the next orch adopts it, and its end counts" {
	crash
	(until_true grep -q 'goes on' second; touch go) &
	"$ORCH" -j3 >second 2>&1
	wait
	grep -q 'resume left by the run before: 1 attempt goes on' second
	[ "$(cat pid)" = "$long" ]
	[ "$(cat after)" = "after 1" ]
	grep -q '^checked' .orch/runs/*/logs/long.1.log
	[ "$(grep -c '^over' .orch/runs/*/logs/long.1.log | cut -d: -f2)" = 1 ]
	"$ORCH" -q
	[ -z "$(ls .orch/detached)" ]
}

@test "one that has ended meanwhile is settled, with its check and its stamp" {
	crash
	touch go
	until_true has_ended
	run "$ORCH" -j3
	[ "$status" -eq 0 ]
	[[ "$output" == *"1 ended meanwhile"* ]]
	[ "$(cat after)" = "after 1" ]
	[ "$(cat pid)" = "$long" ]
	"$ORCH" -q
}

@test "one that failed meanwhile has failed, and is tried again as its retries say" {
	sed -i 's/^\tdetach = yes/&\n\tretries = 1\n\tbackoff = 10ms/; s/echo over/[ $ORCH_ATTEMPT = 2 ]/' Orchfile
	crash
	touch go
	until_true has_ended
	run "$ORCH" -j3 long
	[ "$status" -eq 0 ]
	[[ "$output" == *"1 ended meanwhile"* ]]
	[[ "$output" == *"exit status 1"* ]]
	grep -q '^checked' .orch/runs/*/logs/long.2.log
}

@test "one of which nothing is left is tried again without counting" {
	crash
	# as after a reboot: its supervisor and all it had are gone, and wrote nothing
	supervisor=$(sed -n 's/^supervisor \([0-9]*\) .*/\1/p' .orch/runs/*/attempts/long.1.running.job)
	kill -KILL "$supervisor" "$long"
	until_true is_gone "$long"
	touch go
	run "$ORCH" -j3 long
	[ "$status" -eq 0 ]
	[[ "$output" == *"1 was interrupted and is tried again"* ]]
	[ -n "$(ls .orch/runs/*/logs/long.1.log)" ]
	"$ORCH" -q long
}

@test "one whose supervisor alone was killed is ended before it is tried again" {
	crash
	supervisor=$(sed -n 's/^supervisor \([0-9]*\) .*/\1/p' .orch/runs/*/attempts/long.1.running.job)
	kill -KILL "$supervisor"
	(until_true is_gone "$long"; touch go) &
	run "$ORCH" -j3 long
	wait
	[ "$status" -eq 0 ]
	[ "$(cat pid)" != "$long" ]
}

@test "one of another recipe is let end, then the new one runs" {
	crash
	sed -i 's/echo begun;/echo begun anew;/' Orchfile
	(until_true grep -q 'goes on' second; touch go) &
	"$ORCH" -j3 >second 2>&1
	wait
	[ "$(cat pid)" != "$long" ]
	grep -q 'begun anew' .orch/runs/*/logs/long.1.log
	"$ORCH" -q
}

@test "one that nobody asks for is left alone, and said" {
	crash
	run "$ORCH" --except long --except after plain -n
	[ "$status" -eq 0 ]
	(until_true test -s plain.pid; sleep 0.1; echo >go.plain) &
	sed -i 's/until test -e go; do sleep 0.02; done$/:/' Orchfile
	run "$ORCH" plain
	[ "$status" -eq 0 ]
	[[ "$output" == *"1 more of streams that are not in this run"* ]]
	kill -0 "$long"
	touch go
	until_true is_gone "$long"
	run "$ORCH"
	[ "$status" -eq 0 ]
	wait
}

@test "the rest of its timeout is enforced" {
	sed -i 's/^\tdetach = yes/&\n\ttimeout = 1s/' Orchfile
	crash
	until_true is_gone "$plain"
	sed -i 's/until test -e go; do sleep 0.02; done$/:/' Orchfile
	run "$ORCH" -j3
	[ "$status" -eq 1 ]
	[[ "$output" == *"long"*"timed out"* ]]
	until_true is_gone "$long"
}

@test "stopping an adopted one ends it" {
	crash
	"$ORCH" -j3 long >second 2>&1 &
	orch=$!
	until_true grep -q 'goes on' second
	kill -TERM "$orch"
	wait "$orch" || true
	until_true is_gone "$long"
	[ -z "$(ls .orch/detached)" ]
}
