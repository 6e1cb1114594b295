# The Orchfile is read again during a run in which agents work, rules act, accounts are held and streams have worktrees.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0
load ../lib/git

setup() {
	case $srcdir in /*) ;; *) srcdir=$PWD/$srcdir ;; esac
	git_setup
	export AGENT_PLAN=$BATS_TEST_TMPDIR/plan
	mkdir -p "$AGENT_PLAN"
	agent=$srcdir/tests/lib/agent.sh
	repository
	pid=
}

# what a failed test has left waiting goes on, and ends
teardown() {
	local stream
	for stream in a b c d one two; do : >"$AGENT_PLAN/$stream.go"; done
	: >"$BATS_TEST_TMPDIR/project/finish"
	[ -z "${pid:-}" ] || kill -TERM "$pid" 2>/dev/null || :
}

# the Orchfile is standard input; two blanks stand for a tab. The agents run the script. It is there whole, or not at all
agents() {
	{
		for name in claude codex; do
			printf 'agent %s: %s:\n\trun: sh %s %s run {{session}} < {{prompt}}\n' $name $name "$agent" $name
			printf '\tresume: sh %s %s resume {{session}} < {{prompt}}\n' "$agent" $name
		done | sed 's/\(codex run\) {{session}}/\1 -/'
		sed 's/^      /\t\t\t/; s/^    /\t\t/; s/^  /\t/'
	} >Orchfile.new
	mv Orchfile.new Orchfile
}

plan() { printf '%s' "$2" >"$AGENT_PLAN/$1"; }
calls() { cut -d' ' -f1,2 "$AGENT_PLAN/$1.calls" | paste -sd, -; }
session_of() { sed -n "${2}p" "$AGENT_PLAN/$1.calls" | cut -d' ' -f3; }
events() { cat .orch/runs/*/journal.jsonl; }

@test "what an agent works on goes on; what has not started has its new prompt and its new agent" {
	agents <<-'E'
	a:
	  agent = claude
	  prompt: First form.
	b: a
	  agent = claude
	  prompt: Old words.
	gone: a
	  agent = claude
	  prompt: Gone.
	E
	plan a wait
	background
	until_there "$AGENT_PLAN/a.1.prompt"
	agents <<-'E'
	agent own: codex:
	a:
	  agent = claude
	  prompt: Second form.
	b: a
	  agent = own
	  prompt: New words, after {{a.summary}}
	c: b
	  agent = claude
	  prompt: Joined.
	E
	expect 0 reload
	[[ $output == *"1 added, 1 removed, 2 changed"* ]]
	is a running
	: >"$AGENT_PLAN/a.go"
	ends 0
	[ "$(calls a)" = 'claude run' ]
	[ "$(calls b)" = 'codex run' ]
	[ "$(calls c)" = 'claude run' ]
	[ ! -e "$AGENT_PLAN/gone.calls" ]
	grep -q 'First form' "$AGENT_PLAN/a.1.prompt"
	grep -q '^New words, after Done: work.txt has it\.$' "$AGENT_PLAN/b.1.prompt"
	git show orch/c:work.txt | grep -q 'Joined'
	[ "$(events | grep '"type":"run_finished"' | grep -o '"cost_micros":[0-9]*')" = '"cost_micros":500000' ]
	# it was made from what it was then
	expect 0 why a
	[[ $output == *"prompt"* || $output == *"recipe"* ]]
}

@test "agents and rules join a run that began without them, and go again" {
	printf 'w:\n\techo w; until [ -e finish ]; do sleep 0.02; done\n' >Orchfile
	background
	until_true is w running
	agents <<-'E'
	recover again:
	  kind    = exit
	  retries = 1
	  backoff = 0s
	w:
	  echo w; until [ -e finish ]; do sleep 0.02; done
	one:
	  agent = claude
	  prompt: Make it.
	two:
	  echo try >> tries; [ "$(wc -l < tries)" -gt 1 ]
	E
	expect 0 reload
	until_true is one completed
	until_true is two completed
	[ "$(calls one)" = 'claude run' ]
	[ "$(wc -l <tries)" -eq 2 ]
	events | grep '"type":"recovery"' | grep -q "rule 'again'"
	printf 'w:\n\techo w; until [ -e finish ]; do sleep 0.02; done\n' >Orchfile
	expect 0 reload
	touch finish
	ends 0
}

@test "a retry goes on with its session, by the profile as it is now; what the rules have done is counted on" {
	local rules='
	recover never:
	  kind = signal
	  fail = yes
	recover again:
	  kind    = exit
	  retries = 2
	  backoff = 1h
	'
	{
		sed 's/^	//' <<<"$rules"
		cat
	} <<-'E' | agents
	a:
	  agent = claude
	  prompt: Make it.
	E
	plan a.1 crash; plan a.2 crash; plan a.3 crash
	background
	until_true is a backoff
	# the same rules in another order, a profile that says where it comes from, and a stream more
	{
		printf 'recover other:\n\tkind = memory\n\tfail = yes\n'
		sed 's/^	//' <<<"$rules"
		cat
	} <<-'E' | agents
	a:
	  agent = claude
	  prompt: Make it.
	d:
	  echo d
	E
	sed -i 's/claude resume/claude resumed-anew/' Orchfile
	expect 0 reload
	until_true is d completed
	is a backoff
	expect 0 retry a
	until_true test -s "$AGENT_PLAN/a.2.prompt"
	until_true is a backoff
	expect 0 reload
	# the third attempt is one too many for the rule, whatever it was read as
	expect 0 retry a
	ends 1
	[ "$(calls a)" = 'claude run,claude resumed-anew,claude resumed-anew' ]
	[ "$(session_of a 1)" = "$(session_of a 2)" ]
	[ "$(session_of a 1)" = "$(session_of a 3)" ]
	grep -q "rule 'again': its retries are used up" "$BATS_TEST_TMPDIR/out"
}

@test "one that fails after a reload is dealt with by the rules that it began with, and goes on by the new ones" {
	agents <<-'E'
	recover again:
	  kind    = exit
	  retries = 1
	  backoff = 0s
	a:
	  agent = claude
	  prompt: Make it.
	b:
	  agent = claude
	  prompt: Old.
	E
	plan a.1 wait-crash; plan a.2 wait-crash; plan b.1 wait-crash
	background -k -j2
	until_there "$AGENT_PLAN/a.1.prompt"
	until_there "$AGENT_PLAN/b.1.prompt"
	agents <<-'E'
	recover end:
	  kind = exit
	  fail = yes
	a:
	  agent = claude
	  prompt: Make it.
	b:
	  agent = claude
	  prompt: New.
	E
	expect 0 reload
	: >"$AGENT_PLAN/a.go"; : >"$AGENT_PLAN/b.go"
	ends 1
	# a: the old rule tries it again, the new one ends it. b: it is another one now, which goes well
	[ "$(calls a)" = 'claude run,claude resume' ]
	[ "$(calls b)" = 'claude run,claude run' ]
	grep -q 'New' "$AGENT_PLAN/b.2.prompt"
	! grep -q 'Old' "$AGENT_PLAN/b.2.prompt"
	is b completed
	is a failed
	grep -q "rule 'end' ends it" "$BATS_TEST_TMPDIR/out"
}

@test "an account that is held stays so; who waits for it may get another agent, and new ones wait too" {
	agents <<-'E'
	a:
	  agent = claude
	  prompt: Make it.
	b:
	  agent = claude
	  priority = -1
	  prompt: Make that.
	E
	plan a.1 limit
	background -j1 -k
	until_true is b held
	is a held
	agents <<-'E'
	a:
	  agent = claude
	  prompt: Make it.
	b:
	  agent = codex
	  priority = -1
	  prompt: Make that.
	c:
	  agent = claude
	  prompt: A new one.
	E
	expect 0 reload
	until_true is b completed
	[ "$(calls b)" = 'codex run' ]
	until_true is c held
	is a held
	"$ORCH" status | grep -q "account 'claude' is held until"
	[ ! -e "$AGENT_PLAN/c.calls" ]
	expect 0 resume
	ends 0
	# the session of before, although the Orchfile was read again
	[ "$(calls a)" = 'claude run,claude resume' ]
	[ "$(session_of a 1)" = "$(session_of a 2)" ]
	[ "$(calls c)" = 'claude run' ]
}

@test "the limit of an agent counts those that were under way" {
	local file='
	agent one: claude:
	  account = one
	  limit   = 1
	a:
	  agent = one
	  prompt: Make it.
	'
	sed 's/^	//' <<<"$file" | agents
	plan a wait
	background -j4
	until_there "$AGENT_PLAN/a.1.prompt"
	{
		sed 's/^	//' <<<"$file"
		printf 'b:\n\tagent = one\n\tprompt: That too.\nd:\n\techo d\n'
	} | agents
	expect 0 reload
	until_true is d completed
	[ ! -e "$AGENT_PLAN/b.calls" ]
	is b waiting
	: >"$AGENT_PLAN/a.go"
	ends 0
	[ "$(calls b)" = 'claude run' ]
}

@test "a budget that is changed holds from then on" {
	local file='
	for i in 1 2 3 4:
	  s{{i}}:
	    agent = claude
	    prompt: Make it.
	a:
	  agent = claude
	  priority = 1
	  prompt: First.
	'
	{ printf 'project:\n\tbudget = 100\n'; sed 's/^	//' <<<"$file"; } | agents
	plan a wait
	background -j1
	until_there "$AGENT_PLAN/a.1.prompt"
	{ printf 'project:\n\tbudget = 0.40\n'; sed 's/^	//' <<<"$file"; } | agents
	expect 0 reload
	: >"$AGENT_PLAN/a.go"
	ends 1
	grep -q 'the budget is spent' "$BATS_TEST_TMPDIR/out"
	[ "$(cat "$AGENT_PLAN"/*.calls | wc -l)" -eq 2 ]
	# one that is spent already when it is read
	plan s4 wait
	rm -f "$AGENT_PLAN"/s*.calls
	{ printf 'project:\n\tbudget = 100\n'; sed 's/^	//' <<<"$file"; printf 'z: s4\n\ttouch z\n'; } | agents
	background -j2 s1 s2 s3 s4 z
	until_there "$AGENT_PLAN/s4.1.prompt"
	until_true is s2 completed
	sed -i 's/budget = 100/budget = 0.1/' Orchfile
	expect 0 reload
	until_true grep -q 'the budget, as it is now, is spent' "$BATS_TEST_TMPDIR/out"
	events | grep '"type":"reloaded"' | grep -q '"budget_micros":100000,'
	"$ORCH" status --json | grep -q '"budget_micros": 100000'
	: >"$AGENT_PLAN/s4.go"
	ends 1
	[ ! -e z ]
	is s4 completed
}

@test "streams in worktrees that are under way go on in theirs; what builds on them has their work" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a > a.txt; touch "$BATS_TEST_TMPDIR/a.begun"; until [ -e "$BATS_TEST_TMPDIR/go" ]; do sleep 0.02; done
	gone:
	  echo gone > gone.txt; touch "$BATS_TEST_TMPDIR/gone.begun"; until [ -e "$BATS_TEST_TMPDIR/go" ]; do sleep 0.02; done
	b: a
	  echo old > b.txt
	E
	git add Orchfile
	git commit -qm Orchfile
	background -j3
	until_there "$BATS_TEST_TMPDIR/a.begun"
	until_there "$BATS_TEST_TMPDIR/gone.begun"
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	a:
	  echo a > a.txt; touch "$BATS_TEST_TMPDIR/a.begun"; until [ -e "$BATS_TEST_TMPDIR/go" ]; do sleep 0.02; done
	b: a
	  branch = work/b
	  echo new > b.txt
	c: b
	  test -e a.txt; cat b.txt > c.txt
	d:
	  echo d > d.txt
	E
	expect 0 reload
	# another one at once, beside those under way
	until_true is d completed
	is a running
	is gone running
	expect 0 reload
	touch "$BATS_TEST_TMPDIR/go"
	ends 0
	git show orch/a:a.txt orch/gone:gone.txt orch/d:d.txt
	[ "$(git show work/b:b.txt)" = new ]
	[ "$(git show orch/c:c.txt)" = new ]
	git merge-base --is-ancestor orch/a work/b
	git merge-base --is-ancestor work/b orch/c
	! git rev-parse -q --verify orch/b
	[ ! -e a.txt ]
	expect 0 -q
	grep -q '1 goes on as it began (gone)' "$BATS_TEST_TMPDIR/out"
	# the Orchfile was written by nobody but us
	! grep -q 'outside its worktree' "$BATS_TEST_TMPDIR/out"
}

@test "streams that expect to change the same files: new ones are said, and kept apart from what is under way" {
	local run='touch $ORCH_STREAM.begun; until [ -e $ORCH_STREAM.end ]; do sleep 0.02; done'
	printf '%s:\n\ttouches = src/*\n\t'"$run"'\n' a b >Orchfile
	background -j4
	until_there a.begun
	until_there b.begun
	# the pair of before is not told again; b is gone, and still at work
	printf 'a:\n\ttouches = src/*\n\t%s\nc:\n\ttouches = src/c\n\ttouch c.begun\n' "$run" >Orchfile
	printf 'project:\n\toverlap = warn\n' >>Orchfile
	expect 0 reload
	until_true is c completed
	[ "$(grep -c "both expect to change 'src/\*'" "$BATS_TEST_TMPDIR/out")" -eq 1 ]
	grep -q "it and 'c' may run at the same time, and expect to change the same files: 'src/\*' and 'src/c'" "$BATS_TEST_TMPDIR/out"
	# now they are kept apart: d from both, e from b alone, which has no stream any more
	{
		printf 'project:\n\toverlap = serialize\n'
		printf 'a:\n\ttouches = lib/*\n\t%s\n' "$run"
		printf 'c:\n\ttouches = src/c\n\ttouch c.begun\n'
		printf 'e:\n\ttouches = src/e\n\ttouch e.begun\n'
		printf 'f:\n\ttouches = doc/f\n\ttouch f.begun\n'
	} >Orchfile
	expect 0 reload
	until_true is f completed
	is e waiting
	expect 0 reload
	[ ! -e e.begun ]
	touch b.end
	until_true is e completed
	is a running
	touch a.end
	ends 0
}
