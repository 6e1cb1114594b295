# Approvals: what waits for a person, how it is given, before, during and between runs; what CI does.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	orch_setup
	me=$(id -un)
}

teardown() { orch_teardown; }

journal() {
	cat .orch/runs/*/journal.jsonl
}

release() {
	orchfile <<-END
		build:
		  echo built > built
		ship: build
		  approve = yes
		  echo shipped >> shipped
		tell: ship
		  touch told
	END
}

@test "a stream waits for its approval, says so everywhere, and goes on" {
	release
	background -j1
	until_true is ship held
	expect 0 status
	has "approval: 'orch approve ship'"
	expect 0 status --json
	has '"asks": "approval"'
	[ ! -e shipped ]
	expect 2 approve build
	has "build needs no approval: it has no 'approve = yes'"
	expect 2 approve nosuch
	expect 0 approve ship
	has "1 stream approved"
	ends 0
	[ -e told ]
	grep -F "hold   ship" "$BATS_TEST_TMPDIR/out"
	grep -F "approve ship by $me" "$BATS_TEST_TMPDIR/out"
	journal | grep -F '"type":"task","stream":"ship","state":"held"' | grep -F '"asks":"approval"'
	journal | grep -F '"type":"approved","stream":"ship","message":"by '"$me"'"'
	journal | grep -F '"state":"ready","reason":"approved by '"$me"'"'
	# it was for this once
	[ ! -e .orch/approvals/ship ]
}

@test "an approval that comes before its turn is asked for no more" {
	orchfile <<-END
		first:
		  until [ -e go ]; do sleep 0.02; done
		ship: first
		  approve = yes
		  touch shipped
		also: first
		  approve = yes
		  touch also
	END
	background
	until_true is first running
	expect 0 approve '*'
	has "2 streams approved"
	expect 2 approve ship
	has "ship has been approved already"
	touch go
	ends 0
	! grep -q "hold" "$BATS_TEST_TMPDIR/out"
	expect 0
	# what is complete may be forced to run, and asks then
	CI=true expect 75 -B --only ship
	expect 2 approve first
	has "first needs no approval: it has no 'approve = yes'"
	expect 0 approve ship
	CI=true expect 0 -B --only ship
	CI=true expect 75 -B --only ship
	# what it depends on runs again too, so it is something else then
	expect 0 approve ship
	CI=true expect 75 -B ship
	has "it is not what $me approved of any more"
}

@test "without a run it is kept for the next one, as long as the stream stays the same" {
	release
	expect 0 -n
	has "never completed; waits for 'orch approve'"$'\n'
	expect 0 -n --json
	has '"asks": "approval"'
	expect 0 plan
	has "ship   never completed; waits for 'orch approve'"
	expect 0 why ship
	has "it waits for 'orch approve ship' before it starts"
	expect 0 why ship --json
	has '"asks": "approval"'
	expect 0 approve ship
	has "1 stream approved, for the next run that starts it"
	grep -qx "by $me" .orch/approvals/ship
	expect 0 -n
	[[ $output != *approve* ]]
	# from elsewhere, by its file
	mkdir sub
	cd sub
	expect 0 approve -f ../Orchfile ship
	cd ..
	# another recipe is another thing
	sed -i 's/echo shipped/echo Shipped/' Orchfile
	expect 0 why ship
	has "waits for 'orch approve ship'"
	sed -i 's/echo Shipped/echo shipped/' Orchfile
	expect 0
	[ "$(cat shipped)" = shipped ]
	[ ! -e .orch/approvals/ship ]
	journal | grep -F '"type":"approved","stream":"ship","message":"by '"$me"', before it was ready"'
}

@test "what was approved when it could be seen is that, and not what comes after" {
	orchfile <<-END
		build:
		  inputs = source
		  outputs = built
		  cp source built
		ship: build
		  approve = yes
		  inputs = built
		  touch shipped
	END
	echo one >source
	export CI=true
	expect 75
	expect 0 approve ship
	grep -E '^made-from [0-9a-f]{16} [0-9a-f]{16} [0-9a-f]{16}$' .orch/approvals/ship
	echo two >source
	expect 75
	has "approval: 'orch approve ship'; it is not what $me approved of any more"
	expect 0 approve ship
	expect 0
	[ -e shipped ]
	# a stream that has failed is still approved of
	unset CI
}

@test "in CI a run that waits for nothing else ends with 75, and the next one goes on" {
	release
	export CI=true
	expect 75
	[ -e built ]
	[ ! -e shipped ]
	has "not approved: 'orch approve ship', and the next run goes on with it"
	has "next: 'orch approve ship', then run 'orch' again"
	journal | grep -F '"state":"cancelled"' | grep -F '"asks":"approval"'
	has "tell"
	journal | grep -F '"type":"run_finished"' | grep -F '"exit_code":75'
	expect 75
	expect 0 approve ship
	expect 0
	[ -e told ]
	# with a time to wait, and none outside CI
	unset CI
	rm -rf .orch built shipped
	expect 75 --approval-wait 10ms
	expect 0 --approval-wait 10s build
}

@test "a failure comes before what waits: 1, and not 75" {
	orchfile <<-END
		ship:
		  approve = yes
		  touch shipped
		bad:
		  exit 3
	END
	CI=true expect 1
	CI=true expect 1 -k
	[ ! -e shipped ]
}

@test "it takes no slot while it waits, and a stop ends it" {
	orchfile <<-END
		ship:
		  approve = yes
		  priority = 9
		  touch shipped
		other:
		  touch other
	END
	background -j1
	until_true is other completed
	until_true is ship held
	expect 0 pause
	expect 0 resume
	is ship held
	expect 0 stop ship
	ends 1
	[ ! -e shipped ]
	grep -q '"state":"cancelled","reason":"orch stop"' .orch/runs/*/journal.jsonl
}

@test "an approval survives the death of orch, until the stream has completed" {
	orchfile <<-END
		ship:
		  approve = yes
		  echo try >> tries
		  [ -e good ]
	END
	background
	until_true is ship held
	expect 0 approve ship
	ends 1
	# it failed: whoever mends what was wrong need not be asked again
	touch good
	expect 0
	[ "$(grep -c try tries)" -eq 2 ]
	expect 0 reset ship
	background
	until_true is ship held
	expect 0 approve ship
	ends 0
}

@test "nobody has to be asked about what turns out to be complete" {
	orchfile <<-END
		build:
		  inputs = source
		  outputs = built
		  echo same > built
		ship: build
		  approve = yes
		  touch shipped
	END
	echo one >source
	expect 0 approve ship
	expect 0
	echo two >source
	expect 0 -n
	has "waits for 'orch approve'"
	CI=true expect 0
	[ "$(journal | grep -c '"state":"held"')" -eq 0 ]
}

@test "a reload that changes a stream asks anew; one that does not keeps the approval" {
	orchfile <<-END
		first:
		  until [ -e go ]; do sleep 0.02; done
		ship: first
		  approve = yes
		  echo one > shipped
	END
	background
	until_true is first running
	expect 0 approve ship
	expect 0 reload
	sed -i 's/echo one/echo two/' Orchfile
	expect 0 reload
	touch go
	until_true is ship held
	grep -F "it is not what $me approved of any more" "$BATS_TEST_TMPDIR/out"
	expect 0 approve ship
	ends 0
	[ "$(cat shipped)" = two ]
}

@test "a hook is told that somebody is waited for" {
	release
	printf 'on pause:\n\tcat > told-of\n' >>Orchfile
	CI=true expect 75
	grep -F '"stream":"ship","state":"held"' told-of
}
