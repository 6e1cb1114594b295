# The Orchfile of a run under way is read again: orch reload, SIGUSR1.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() { orch_setup; }

teardown() { orch_teardown; }

# journal TEXT: how many events have it
journal() {
	cat .orch/runs/*/journal.jsonl | grep -c -- "$1"
}

reloads() {
	[ "$(journal '"type":"reloaded"')" -eq "$1" ]
}

# a stream that runs until the file `finish` is there
waiter() {
	printf '%s:\n\techo %s %s >> log; touch %s.begun; until [ -e finish ]; do sleep 0.02; done\n' "$1" "$1" "$2" "$1"
}

@test "streams that have not started take their new form, new ones join, removed ones are skipped" {
	{
		waiter a 1
		cat
	} <<-END | orchfile
		b: a
		  echo old >> b
		c: a
		  touch c
	END
	background
	until_true test -e a.begun
	{
		cat
		waiter a 1
	} <<-END | orchfile
		d: b
		  echo new >> d
		b: a
		  echo new >> b
	END
	expect 0 reload
	[[ $output == *"1 added, 1 removed, 1 changed"* ]]
	is c skipped
	is d waiting
	touch finish
	ends 0
	grep -q 'reload orch reload: 1 added (d), 1 removed (c), 1 changed (b)' "$BATS_TEST_TMPDIR/out"
	[ "$(cat b d log)" = $'new\nnew\na 1' ]
	[ ! -e c ]
	[ "$(journal '"type":"reloaded","count":3,"added":1,"removed":1,"changed":1,')" -eq 1 ]
	[ "$(journal '"exit_code":0,"completed":3,"failed":0,"skipped":1,"cancelled":0')" -eq 1 ]
	# as the next one sees it too
	expect 0 -q
	expect 0 status
	[[ $output == *"3 completed"* ]]
	for form in html junit json md trace tsv; do
		[ "$form" = junit ] || [ "$form" = md ] || expect 0 report --format "$form"
	done
	expect 0 report --format junit
	[[ $output == *'name="d"'* && $output == *'name="c"'* ]]
}

@test "SIGUSR1 does the same" {
	waiter a 1 | orchfile
	background
	until_true test -e a.begun
	{
		waiter a 1
		cat
	} <<-END | orchfile
		b: a
		  touch b
	END
	until_true test -e .orch/control.sock
	kill -USR1 "$pid"
	until_true reloads 1
	# and an Orchfile with an error, which is told in full
	printf 'b: nosuch\nc: c\n' | orchfile
	kill -USR1 "$pid"
	until_true grep -q "Orchfile:2:4: stream 'c' depends on itself" "$BATS_TEST_TMPDIR/out"
	grep -q "Orchfile:1:4: no stream is named 'nosuch'" "$BATS_TEST_TMPDIR/out"
	grep -q 'SIGUSR1: nothing has changed: Orchfile has 2 errors' "$BATS_TEST_TMPDIR/out"
	touch finish
	ends 0
	[ -e b ]
	reloads 1
}

@test "an Orchfile with errors changes nothing: cycle, syntax, a target that is gone, none, no streams" {
	{
		waiter a 1
		cat
	} <<-END | orchfile
		b: a
		  echo old > b
	END
	background a b
	until_true test -e a.begun
	orchfile <<-END
		a: c
		  echo new >> log
		b: a
		  echo new > b
		c: b
		  true
	END
	expect 2 reload
	[[ $output == *"Orchfile:1:1: error: circular dependency: a -> c -> b -> a"* && $output == *"nothing has changed: Orchfile has 1 error"* ]]
	printf 'a:\n\ttimeout = soon\n\ttrue\nb: zzz\n\ttrue\n' | orchfile
	expect 2 reload
	[[ $output == *"Orchfile:2:"*"soon"*"Orchfile:4:4: error: no stream is named 'zzz'"*"has 2 errors"* ]]
	waiter a 1 | orchfile
	expect 2 reload
	[[ $output == *"nothing has changed"*"'b'"* ]]
	: | orchfile
	expect 2 reload
	[[ $output == *"Orchfile has no streams"* ]]
	rm Orchfile
	run "$ORCH" -f Orchfile reload
	echo "$output"
	[ "$status" -eq 2 ]
	[[ $output == *"nothing has changed"*"Orchfile"* ]]
	touch finish
	ends 0
	[ "$(cat b)" = old ]
	[ "$(cat log)" = "a 1" ]
	[ "$(journal '"type":"reloaded"')" -eq 0 ]
	grep -q 'warn *orch reload: nothing has changed: Orchfile has 2 errors' "$BATS_TEST_TMPDIR/out"
}

@test "a running stream goes on under the recipe that it began with, and is stale the next time" {
	{
		waiter a old
		cat
	} <<-END | orchfile
		b: a
		  touch b
	END
	background
	until_true test -e a.begun
	{
		waiter a new
		cat
	} <<-END | orchfile
		b: a
		  touch b
	END
	expect 0 reload
	touch finish
	ends 0
	grep -q '1 goes on as it began (a)' "$BATS_TEST_TMPDIR/out"
	[ "$(cat log)" = "a old" ]
	[ -e b ]
	expect 0 why a
	[[ $output == *"recipe"* ]]
	expect 0
	[ "$(cat log)" = $'a old\na new' ]
	expect 0 -q
}

@test "one that fails under its old recipe is tried again under the new one" {
	orchfile <<-END
		a:
		  touch begun; until [ -e finish ]; do sleep 0.02; done; exit 1
		b: a
		  touch b
	END
	background
	until_true test -e begun
	orchfile <<-END
		a:
		  touch better
		b: a
		  touch b
	END
	expect 0 reload
	touch finish
	ends 0
	[ -e better ] && [ -e b ]
	ls .orch/runs/*/logs/a.1.log .orch/runs/*/logs/a.2.log
}

@test "a running stream that is removed ends on its own, with its stamp; one that fails is told" {
	{
		waiter good 1
		printf 'bad:\n\ttouch bad.begun; until [ -e finish ]; do sleep 0.02; done; exit 3\n'
		printf 'z: good bad\n\ttouch z\n'
	} | orchfile
	background -k
	until_true test -e good.begun -a -e bad.begun
	printf 'z:\n\techo z > z\n' | orchfile
	expect 0 reload
	[[ $output == *"0 added, 2 removed, 1 changed"* ]]
	until_true is z completed
	is good running
	expect 2 stop nosuch
	touch finish
	ends 1
	[ "$(journal '"type":"stamped","stream":"good"')" -eq 1 ]
	[ "$(journal '"stream":"good","state":"completed"')" -eq 1 ]
	[ "$(journal '"stream":"bad","state":"failed"')" -eq 1 ]
	[ "$(journal '"exit_code":1,"completed":2,"failed":1,"skipped":0,"cancelled":0')" -eq 1 ]
	grep -q '2 go on as they began (good, bad)' "$BATS_TEST_TMPDIR/out"
	# back again, with the recipe that it had: it is complete
	{
		waiter good 1
		printf 'z:\n\techo z > z\n'
	} | orchfile
	expect 0 -q
}

@test "a running stream that is removed can be stopped, and comes back with its attempt" {
	{
		waiter a 1
		waiter b 1
		printf 'c: b\n\ttouch c\n'
	} | orchfile
	cp Orchfile first
	background
	until_true test -e a.begun -a -e b.begun
	waiter n 1 | orchfile
	expect 0 reload
	until_true test -e n.begun
	expect 0 stop a
	until_true is a cancelled
	# b is a stream again, and was never started twice
	cp first Orchfile
	expect 0 reload
	is b running
	is n running
	# a had been stopped as another stream than the one that is there now
	until_true is a running
	touch finish
	ends 0
	[ "$(grep -c '^b' log)" -eq 1 ]
	[ "$(grep -c '^a' log)" -eq 2 ]
	[ -e c ]
	ls .orch/runs/*/logs/a.2.log
	reloads 2
}

@test "a rename is one removed and one added" {
	{
		waiter a 1
		printf 'old: a\n\ttouch out\n'
	} | orchfile
	background
	until_true test -e a.begun
	{
		waiter a 1
		printf 'new: a\n\ttouch out\n'
	} | orchfile
	expect 0 reload
	[[ $output == *"1 added, 1 removed, 0 changed"* ]]
	touch finish
	ends 0
	is new completed
	is old skipped
}

@test "what failed with the same recipe stays so; with another one it runs, and what was skipped for it" {
	{
		waiter w 1
		cat
	} <<-END | orchfile
		a:
		  echo a >> tries; exit 1
		b:
		  echo b >> tries; exit 1
		ua: a
		  touch ua
		ub: b
		  touch ub
	END
	background -k
	until_true is ua skipped
	until_true is ub skipped
	{
		cat
		waiter w 1
	} <<-END | orchfile
		a:
		  echo a >> tries; exit 1
		b:
		  echo b >> tries; true
		ua: a
		  touch ua
		ub: b
		  touch ub
	END
	expect 0 reload
	until_true is ub completed
	is a failed
	is ua skipped
	touch finish
	ends 1
	[ "$(sort tries | tr '\n' ' ')" = "a b b " ]
	[ ! -e ua ]
}

@test "without -k a failure that is put right lets the run go on" {
	{
		waiter w 1
		printf 'a:\n\texit 1\nb: w\n\ttouch b\n'
	} | orchfile
	background
	until_true is a failed
	{
		waiter w 1
		printf 'a:\n\ttouch a\nb: w\n\ttouch b\n'
	} | orchfile
	expect 0 reload
	until_true is a completed
	touch finish
	ends 0
	[ -e a ] && [ -e b ]
}

@test "completed streams stay so, also where they changed their own inputs; with another recipe they run again" {
	echo 1 >file
	{
		waiter w 1
		cat
	} <<-END | orchfile
		format:
		  inputs = file
		  echo changed >> file
		made:
		  outputs = made.txt
		  echo old > made.txt; echo made >> runs
		user: made
		  cat made.txt >> used
	END
	background
	until_true is user completed
	until_true is format completed
	{
		waiter w 1
		cat
	} <<-END | orchfile
		format:
		  inputs = file
		  echo changed >> file
		made:
		  outputs = made.txt
		  echo new > made.txt; echo made >> runs
		user: made
		  cat made.txt >> used
	END
	expect 0 reload
	[[ $output == *"0 added, 0 removed, 1 changed"* ]]
	touch finish
	ends 0
	[ "$(cat file)" = $'1\nchanged' ]
	[ "$(cat used)" = $'old\nnew' ]
	[ "$(cat runs)" = $'made\nmade' ]
}

@test "pause, jobs and a wait for the next attempt go on" {
	{
		printf 'a:\n\tretries = 2\n\tbackoff = 1h\n\ttest -e ok\nb: w\n\ttouch b\n'
		waiter w 1
	} | orchfile
	background -j2
	until_true is a backoff
	until_true test -e w.begun
	expect 0 jobs 3
	expect 0 pause
	{
		waiter w 1
		printf 'a:\n\tretries = 2\n\tbackoff = 1h\n\ttest -e ok\nb: w\n\techo b > b\nc:\n\ttouch c\n'
	} | orchfile
	expect 0 reload
	expect 0 status
	[[ $output == *"Paused"* ]]
	[ "$("$ORCH" status --json | grep -o '"jobs": *[0-9]*')" = '"jobs": 3' ]
	is a backoff
	[ ! -e c ]
	expect 0 resume
	until_true test -e c
	is a backoff
	touch ok
	expect 0 retry a
	touch finish
	ends 0
	[ "$(cat b)" = b ]
	ls .orch/runs/*/logs/a.2.log
}

@test "a pool smaller than what is in it starts nothing until there is room" {
	{
		printf 'pool p = 3\n'
		for s in a b c; do
			printf '%s:\n\tpool = p\n\ttouch %s.begun; until [ -e finish ]; do sleep 0.02; done\n' "$s" "$s"
		done
		printf 'd:\n\tpool = p\n\t[ ! -e running ]; touch d\n'
	} | orchfile
	background -j8
	until_true test -e a.begun -a -e b.begun -a -e c.begun
	sed -i 's/^pool p = 3/pool p = 1/; s/^d:/e:\n\tpool = p\n\ttouch e\nd:/' Orchfile
	expect 0 reload
	expect 0 reload
	is d waiting
	is e waiting
	[ ! -e d ] && [ ! -e e ]
	touch finish
	ends 0
	[ -e d ] && [ -e e ]
}

@test "a detached run; reload again and again, with streams that stand by and hooks" {
	{
		printf 'on stream-success:\n\tcat > /dev/null; echo hook >> hooks\n'
		waiter w 1
		for i in {1..60}; do printf 's%s:\n\techo s%s >> log\n' "$i" "$i"; done
	} | orchfile
	expect 0 --detach -j3
	for i in {61..75}; do
		printf 's%s:\n\techo s%s >> log\n' "$i" "$i" >>Orchfile
		expect 0 reload
	done
	touch finish
	until_true eval '[ -z "$("$ORCH" ps | grep -F "$PWD")" ]'
	# each once, whether it joined or not
	[ -z "$(sort log | uniq -d)" ]
	[ "$(grep -c . log)" -eq 76 ]
	expect 0 -q
}

@test "streams that outlive orch: reload, SIGKILL, adoption" {
	{
		printf 'a:\n\tdetach = yes\n\techo a >> log; touch a.begun; until [ -e finish ]; do sleep 0.02; done\n'
		printf 'b:\n\tdetach = yes\n\techo b >> log; touch b.begun; until [ -e finish ]; do sleep 0.02; done\n'
	} | orchfile
	cp Orchfile first
	background
	until_true test -e a.begun -a -e b.begun
	# b goes on without a stream; c is new
	{
		printf 'a:\n\tdetach = yes\n\techo a >> log; touch a.begun; until [ -e finish ]; do sleep 0.02; done\n'
		printf 'c: a\n\techo c >> log\n'
	} | orchfile
	expect 0 reload
	kill -KILL "$pid"
	wait "$pid" || :
	# the next one adopts a alone, and b when it is a stream again
	background
	until_true is a running
	# what is seen may still be the run before, so it is asked until this one answers
	until_true "$ORCH" reload
	printf 'a:\n\tdetach = yes\n\techo a >> log; touch a.begun; until [ -e finish ]; do sleep 0.02; done\nc: a\n\techo c >> log\n' >Orchfile
	sed -n '/^b:/,$p' first >>Orchfile
	expect 0 reload
	until_true is b running
	touch finish
	ends 0
	[ "$(sort log | tr '\n' ' ')" = "a b c " ]
}

@test "a reload while the run ends" {
	orchfile <<-END
		on finish:
		  until [ -e finish ]; do sleep 0.02; done
		a:
		  true
	END
	background
	until_true is a completed
	printf 'b:\n\ttouch b\n' >>Orchfile
	until_true grep -q run_finished .orch/runs/*/journal.jsonl
	expect 2 reload
	[[ $output == *"the run is over"* ]]
	kill -USR1 "$pid"
	touch finish
	ends 0
	[ ! -e b ]
	# and while it is being stopped
	orchfile <<-END
		a:
		  grace = 1h
		  trap 'until [ -e finish2 ]; do sleep 0.02; done; exit 1' TERM INT
		  touch begun; while :; do sleep 0.02; done
	END
	background
	until_true test -e begun
	kill -TERM "$pid"
	until_true grep -q '"type":"stopping"' .orch/runs/*/journal.jsonl
	expect 2 reload
	[[ $output == *"being stopped"* ]]
	touch finish2
	ends 143
}

@test "without a run it says so" {
	waiter a 1 | orchfile
	expect 1 reload
	[[ $output == *"nothing is running here"* ]]
	expect 2 reload a
	[ ! -e .orch ]
}
