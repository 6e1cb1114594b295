# `orchfile`: a stream that is a project of its own. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	orch_setup
}

teardown() {
	: >"$BATS_TEST_TMPDIR/project/lib/finish" 2>/dev/null || :
	orch_teardown
}

says() {
	local pattern
	for pattern; do
		grep -qE -- "$pattern" <<<"$output" || { echo "not said: $pattern"; return 1; }
	done
}

@test "a project runs as a stream, in its own directory, and is stale when one of its streams is" {
	mkdir -p lib 'other dir'
	orchfile lib/Orchfile <<-'E'
	word = inner
	defaults:
	  retries = 1
	part: more
	  inputs = part.in
	  echo "{{word}} part" >> log
	more:
	  echo more >> log
	E
	echo 1 >lib/part.in
	orchfile 'other dir/some.orch' <<-'E'
	it:
	  echo it >> log
	E
	orchfile <<-'E'
	word = outer
	lib:
	  orchfile = lib
	some: | lib
	  orchfile = other dir/some.orch
	app: lib
	  echo "{{word}} app" >> log
	E
	expect 0 check
	expect 0
	says '3 streams: 3 completed'
	[ "$(paste -sd, lib/log)" = 'more,inner part' ]
	[ "$(cat log)" = 'outer app' ]
	[ "$(cat 'other dir/log')" = it ]
	expect 0
	says 'nothing to do: 3 streams are complete'
	# by itself it is what it was here
	expect 0 -C lib
	says 'nothing to do: 2 streams are complete'
	echo 2 >lib/part.in
	expect 0 -n
	says '^lib  *lib has streams to run' '^app .*depends on lib'
	! says '^some'
	expect 0
	[ "$(paste -sd, lib/log)" = 'more,inner part,inner part' ]
	[ "$(wc -l <'other dir/log')" -eq 1 ]
	# its log has what its run says
	expect 0 logs lib
	says 'done   part'
}

@test "no more streams run at once than the slots that it takes" {
	mkdir lib
	{
		printf 'jobs = 0\nproject:\n\tjobs = 8\n'
		for i in 1 2 3 4 5 6; do
			printf 's%s:\n\techo + >> log; sleep 0.05; echo - >> log\n' "$i"
		done
	} >lib/Orchfile
	printf 'lib:\n\torchfile = lib/Orchfile\n\tweight = 3\n\tjobserver = off\na b c:\n\techo {{stream}}\n' >Orchfile
	expect 0 -j2
	# three, cut to the two that there are
	awk '/\+/ { if (++n > most) most = n } /-/ { n-- } END { exit most > 2 }' lib/log
	[ "$(grep -c + lib/log)" -eq 6 ]
}

@test "slots that are free are lent to it, and never more than there are" {
	local i
	mkdir lib
	for i in 1 2 3 4 5 6; do
		printf 's%s:\n\techo + >> ../log; sleep 0.05; echo - >> ../log\n' "$i"
	done >lib/Orchfile
	# two of them wait for each other: they need a slot more than the stream has
	printf 'm:\n\ttouch m; until [ -e n ]; do sleep 0.02; done\nn:\n\ttouch n; until [ -e m ]; do sleep 0.02; done\n' >>lib/Orchfile
	printf 'lib:\n\torchfile = lib\nx y z:\n\techo + >> log; sleep 0.05; echo - >> log\n' >Orchfile
	expect 0 -j3
	says '4 streams: 4 completed'
	awk '/\+/ { if (++n > most) most = n } /-/ { n-- } END { exit most > 3 }' log
	[ "$(grep -c + log)" -eq 9 ]
}

@test "it fails, and its check, its retries and its dependents are as with any stream" {
	mkdir lib
	printf 'a:\n\ttest -e ok\nb: a\n\ttouch made\n' >lib/Orchfile
	orchfile <<-'E'
	lib:
	  orchfile = lib/Orchfile
	  outputs = lib/made
	  retries = 1
	  backoff = 0s
	  check: test -e lib/made
	after: lib
	  touch after
	E
	expect 1
	says 'FAILED lib .*exit status 1'
	says "FAILED a"
	[ ! -e after ]
	[ "$(ls .orch/runs/*/logs | grep -c lib)" -eq 2 ]
	touch lib/ok
	expect 0
	[ -e after ]
	# what is gone is made again, by its own orch
	rm lib/made
	expect 0 -n
	says '^lib  *output lib/made does not exist'
}

@test "a stop ends what it runs" {
	mkdir lib
	printf 'a:\n\techo $$ > pid; until [ -e finish ]; do sleep 0.02; done\n' >lib/Orchfile
	printf 'lib:\n\torchfile = lib\n' >Orchfile
	background
	until_true test -s lib/pid
	expect 0 stop --now
	ends 1
	! kill -0 "$(cat lib/pid)" 2>/dev/null
	# and its project goes on from there, from here or by itself
	touch lib/finish
	expect 0 -C lib
	expect 0
	says '1 stream: 1 completed'
}

@test "what cannot be: itself, round about, in the same directory, with commands, in a worktree" {
	mkdir lib
	printf 'a:\n\torchfile = ../Orchfile\n' >lib/Orchfile
	printf 'lib:\n\torchfile = lib\n' >Orchfile
	expect 1
	says "'\.\./Orchfile' is this Orchfile, or one that it is run from: it cannot be a stream of itself"
	printf 'lib:\n\torchfile = Orchfile\n' >Orchfile
	expect 2 check
	says "Orchfile:2:2: error: 'Orchfile' is this Orchfile"
	printf 'b:\n\ttrue\n' >other.orch
	printf 'lib:\n\torchfile = other.orch\n' >Orchfile
	expect 2 check
	says "'other.orch' is in the directory of this Orchfile, and would share its '.orch'"
	printf 'lib:\n\torchfile = gone/Orchfile\n\ttrue\n' >Orchfile
	expect 2 check
	says "stream 'lib' is another project, and so has no commands or prompt of its own"
	printf 'lib:\n\torchfile = gone/Orchfile\n\tisolate = worktree\n' >Orchfile
	expect 2 check
	says 'it has no worktree'
	# one that is not there fails when its turn comes: another stream may make it
	printf 'lib: make\n\torchfile = made/Orchfile\nmake:\n\tmkdir -p made; cp made.in made/Orchfile\n' >Orchfile
	printf 'x:\n\ttouch x\n' >made.in
	expect 0
	[ -e made/x ]
	rm -r made .orch
	sed -i 's,= made/Orchfile,= made,' Orchfile
	expect 0
	[ -e made/x ]
}
