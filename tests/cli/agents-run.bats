# Streams that agents work on: scripted agents that print what the real ones do (tests/lib/agent.sh), in every outcome. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE XDG_CONFIG_HOME
	: "${ORCH:?names the program to test}"
	export HOME=$BATS_TEST_TMPDIR/home GIT_CONFIG_NOSYSTEM=1 AGENT_PLAN=$BATS_TEST_TMPDIR/plan
	mkdir -p "$HOME" "$BATS_TEST_TMPDIR/project" "$AGENT_PLAN"
	git config --global user.name 'A User'
	git config --global user.email user@example.org
	git config --global init.defaultBranch main
	case $srcdir in /*) ;; *) srcdir=$PWD/$srcdir ;; esac
	agent=$srcdir/tests/lib/agent.sh
	cd "$BATS_TEST_TMPDIR/project" || return 1
	git init -q
	printf 'one\n' >shared
	git add shared
	git commit -qm first
}

teardown() {
	local file pid
	for file in "$AGENT_PLAN"/*.pids; do
		[ -e "$file" ] || continue
		for pid in $(cat "$file"); do kill -KILL "$pid" 2>/dev/null || true; done
	done
}

# the Orchfile is standard input; two blanks stand for a tab. The agents run the script
orchfile() {
	{
		for name in claude codex gemini; do
			printf 'agent %s: %s:\n\trun: sh %s %s run {{session}} < {{prompt}}\n' $name $name "$agent" $name
			printf '\tresume: sh %s %s resume {{session}} < {{prompt}}\n' "$agent" $name
		done | sed 's/\(codex run\) {{session}}/\1 -/'
		printf 'agent aider: aider:\n\trun: sh %s aider run {{prompt}}\n' "$agent"
		sed 's/^    /\t\t/; s/^  /\t/'
	} >Orchfile
}

plan() { printf '%s' "$2" >"$AGENT_PLAN/$1"; }

calls() { cut -d' ' -f1,2 "$AGENT_PLAN/$1.calls" | paste -sd, -; }
session_of() { sed -n "${2}p" "$AGENT_PLAN/$1.calls" | cut -d' ' -f3; }
events() { cat .orch/runs/*/journal.jsonl; }

wait_for() { # a command that becomes true
	local tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ]
		sleep 0.05
	done
}

@test "an agent works on its prompt in a worktree, and its dependents read what it said in the end" {
	orchfile <<-'E'
	a "Add it":
	  agent = claude
	  prompt: Write the file.
	  check: test -e work.txt
	b: a
	  agent = codex
	  prompt:
	    Go on from there: {{a.summary}}
	c: b
	  echo {{b.summary}}
	E
	git add Orchfile; git commit -qm Orchfile
	expect 0
	[ "$(calls a)" = 'claude run' ]
	[[ "$(session_of a 1)" =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	[ ! -e work.txt ]
	git show orch/a:work.txt | grep -q '^Write the file\.$'
	# the preamble: where it is, what it builds on, what is run at its end
	grep -q "$PWD/.orch/worktrees/a" "$AGENT_PLAN/a.1.prompt"
	grep -q 'test -e work.txt' "$AGENT_PLAN/a.1.prompt"
	grep -q '^Go on from there: Done: work.txt has it\.$' "$AGENT_PLAN/b.1.prompt"
	grep -q '^- a, on the branch orch/a' "$AGENT_PLAN/b.1.prompt"
	[[ "$output" == *'Codex wrote work.txt'* ]]
	# what it cost
	events | grep '"stream":"a"' | grep attempt_finished | grep -q '"agent":"claude".*"cost_micros":250000,"tokens":120'
	events | grep '"stream":"b"' | grep attempt_finished | grep -q '"session":"thread-b","said":"Codex wrote work.txt","tokens":330'
	[ -z "$(ls .orch/sessions 2>/dev/null)" ]
	expect 0
	[[ "$output" == *'nothing to do'* ]]
}

@test "what an agent's program says to programs is not for people, unless they ask for it" {
	orchfile <<-'E'
	a:
	  agent = claude
	  isolate = none
	  prompt: Write the file.
	  check: echo of the check
	b:
	  agent = claude
	  isolate = none
	  prompt: x
	  check: echo wrong; exit 3
	E
	run --separate-stderr "$ORCH" -j1 -k
	[ "$status" -eq 1 ]
	[ "$output" = $'==> a <==\nDone: work.txt has it.\nof the check\n==> b <==\nDone: work.txt has it.\nwrong' ]
	run --separate-stderr "$ORCH" -j1 -B -O stream a
	[[ "$output" == *'{"type":"result"'* ]]
	run --separate-stderr "$ORCH" -j1 -B -v a
	[[ "$output" == *'{"type":"result"'* ]]
	"$ORCH" logs a | grep -q '{"type":"result"'
	plan a bad
	expect 1 -B a
	[[ "$output" == *'FAILED a (1/1): claude said that it failed: I could not do it'* ]]
	[[ "$output" != *'{"type"'* ]]
}

@test "success is more than an exit status" {
	orchfile <<-'E'
	defaults:
	  prompt = task.txt
	  agent = claude
	failed:
	  agent = claude
	  prompt: x
	crash:
	  agent = claude
	  prompt: x
	quiet:
	  agent = claude
	  prompt: x
	half:
	  agent = claude
	  prompt: x
	nothing:
	  agent = claude
	  changes = required
	  prompt: x
	missing:
	  agent = claude
	  outputs = other.txt
	  prompt: x
	question:
	  agent = claude
	  idle = 1s
	  prompt: x
	aider:
	  agent = aider
	  prompt: x
	E
	sed -i '/^defaults:/,+2d' Orchfile
	plan failed failed; plan crash crash; plan quiet quiet-exit; plan half half; plan nothing nothing
	plan question question; plan aider aider-auth
	expect 1 -k -j8
	for stream in failed crash quiet half nothing missing question aider; do
		events | grep attempt_finished | grep "\"stream\":\"$stream\"" | grep -qv '"outcome":"success"'
	done
	events | grep attempt_finished | grep '"stream":"failed"' | grep -q 'claude said that it failed: I could not do it'
	events | grep attempt_finished | grep '"stream":"quiet"' | grep -q 'without saying that it was done'
	events | grep attempt_finished | grep '"stream":"nothing"' | grep -q '"outcome":"changes"'
	events | grep attempt_finished | grep '"stream":"missing"' | grep -q '"outcome":"outputs"'
	events | grep attempt_finished | grep '"stream":"question"' | grep -q '"outcome":"stalled"'
	events | grep '"stream":"aider"' | grep -q "rule 'login'"
	# what was done is kept, and the sessions too
	git for-each-ref --format='%(refname)' refs/orch/wip/ | grep -q crash
	[ -e .orch/sessions/crash ]
}

@test "one that has said it is done and stays is ended, and its success counts" {
	orchfile <<-'E'
	a:
	  agent = claude
	  linger = 1s
	  kill = INT 1s KILL
	  prompt: Stay.
	  check: test -e work.txt
	E
	plan a linger
	expect 0
	[[ "$output" == *"it was ended after 'linger'"* ]]
	for pid in $(cat "$AGENT_PLAN/a.pids"); do ! kill -0 "$pid" 2>/dev/null; done
}

@test "a retry goes on with the session, and is told what failed" {
	orchfile <<-'E'
	a:
	  agent = claude
	  retries = 2
	  backoff = 1ms
	  prompt: Make it.
	  check: echo checked in vain; test -e "$AGENT_PLAN/a.3.prompt"
	E
	sed -i 's/backoff = 1ms/backoff = 0s/' Orchfile
	expect 0
	[ "$(calls a)" = 'claude run,claude resume,claude resume' ]
	[ "$(session_of a 1)" = "$(session_of a 2)" ]
	grep -q '^That did not succeed: exit status 1' "$AGENT_PLAN/a.2.prompt"
	grep -q '^checked in vain$' "$AGENT_PLAN/a.2.prompt"
	! grep -q 'Make it' "$AGENT_PLAN/a.2.prompt"
}

@test "a session that is gone is begun anew" {
	orchfile <<-'E'
	a:
	  agent = claude
	  retries = 1
	  backoff = 0s
	  prompt: Make it.
	E
	plan a.1 crash; plan a missing-session
	expect 0
	[ "$(calls a)" = 'claude run,claude resume,claude run' ]
	[ "$(session_of a 1)" != "$(session_of a 3)" ]
	grep -q 'Make it' "$AGENT_PLAN/a.3.prompt"
}

@test "a usage limit: the account is held, others work, the run ends with 75 and the next one goes on" {
	orchfile <<-'E'
	project:
	  limit-wait = 1s
	a:
	  agent = claude
	  prompt: Make it.
	b: a
	  echo b
	later:
	  agent = claude
	  priority = -1
	  prompt: Later.
	other:
	  agent = codex
	  prompt: Other.
	E
	plan a limit
	expect 75 -j1 -k
	[ "$(calls a)" = 'claude run' ]
	[ ! -e "$AGENT_PLAN/later.calls" ]
	[ "$(calls other)" = 'codex run' ]
	[[ "$output" == *"account 'claude' is held until"* ]]
	grep -q 'claude.*usage-limit' .orch/holds
	# before its time nothing starts
	expect 75 -j1
	[ "$(calls a)" = 'claude run' ]
	# its time has come: the same session goes on
	sed -i 's/^[^\t]*\t/2026-01-01T00:00:00.000Z\t/' .orch/holds
	plan a ok
	expect 0 -j1
	[ "$(calls a)" = 'claude run,claude resume' ]
	[ "$(session_of a 1)" = "$(session_of a 2)" ]
	grep -q '^You were interrupted' "$AGENT_PLAN/a.1.prompt"
	[ "$(calls later)" = 'claude run' ]
	[ ! -e .orch/holds ]
}

@test "a usage limit that is waited for, and 'orch resume' that ends it" {
	orchfile <<-'E'
	a:
	  agent = claude
	  prompt: Make it.
	E
	plan a.1 limit-text
	"$ORCH" >out 2>&1 3>&- &
	pid=$!
	wait_for grep -q "is held until" out
	wait_for sh -c '"$1" status 2>&1 | grep -q "held"' - "$ORCH"
	"$ORCH" status | grep -q "account 'claude' is held until"
	"$ORCH" resume
	wait "$pid"
	[ "$(calls a)" = 'claude run,claude resume' ]
}

@test "the next agent of the chain takes over, in a session of its own" {
	orchfile <<-'E'
	a:
	  agent = claude codex gemini
	  prompt: Make it.
	E
	plan a.1 limit; plan a.2 codex-limit
	expect 0
	[ "$(calls a)" = 'claude run,codex run,gemini run' ]
	grep -q 'Make it' "$AGENT_PLAN/a.3.prompt"
	[ "$(grep -c . .orch/holds)" = 2 ]
	# those that begin later go to the one that is free
	orchfile <<-'E'
	b:
	  agent = claude codex gemini
	  prompt: Make it.
	E
	expect 0
	[ "$(calls b)" = 'gemini run' ]
}

@test "a failed login holds the account until a person ends that" {
	orchfile <<-'E'
	a:
	  agent = claude
	  prompt: Make it.
	b:
	  agent = claude
	  priority = -1
	  prompt: Make it.
	E
	plan a login
	expect 1 -j1 -k
	[[ "$output" == *"rule 'login'"* ]]
	[ ! -e "$AGENT_PLAN/b.calls" ]
	grep -q '^-.claude' .orch/holds
	plan a ok
	expect 75
	"$ORCH" resume
	expect 0
}

@test "an overloaded service is tried again; prose about limits is no limit" {
	orchfile <<-'E'
	recover overload:
	  kind    = exit
	  match   = /529 Overloaded/
	  retries = 2
	  backoff = 0s
	a:
	  agent = claude
	  prompt: Make it.
	b:
	  agent = claude
	  prompt: Write about limits.
	E
	plan a.1 overload; plan a.2 overload; plan b prose
	expect 1 -k
	[ "$(calls a)" = 'claude run,claude resume,claude resume' ]
	[ "$(calls b)" = 'claude run' ]
	[ ! -e .orch/holds ]
}

@test "another agent mends what the check found, and then only the check is run again" {
	orchfile <<-'E'
	recover failing-tests:
	  kind   = check
	  agent  = codex
	  prompt:
	    The checks of {{stream}} fail ({{kind}}). Mend the cause:
	    {{check.tail}}
	a:
	  agent = claude
	  prompt: Make it.
	  check: echo it is missing; test -e "$AGENT_PLAN/a.2.prompt"
	b: a
	  echo {{a.summary}}
	E
	expect 0
	[ "$(calls a)" = 'claude run,codex run' ]
	grep -q '^The checks of a fail (check)' "$AGENT_PLAN/a.2.prompt"
	grep -q '^it is missing$' "$AGENT_PLAN/a.2.prompt"
	[[ "$output" == *'Done: work.txt has it.'* ]]
	events | grep -q '"phase":"recover"'
}

@test "a script mends, and the stream's own script is tried again" {
	orchfile <<-'E'
	recover missing:
	  kind  = exit
	  match = /no such thing: (?<thing>\w+)/
	  run:
	    echo {{thing}} >>made
	a:
	  isolate = none
	  test -e made || { echo "no such thing: widget"; exit 3; }
	E
	expect 0
	[ "$(cat made)" = widget ]
	rm -rf .orch made
	sed -i 's/>>made/>\/dev\/null/' Orchfile
	expect 1
	[[ "$output" == *"its retries are used up"* ]]
}

@test "an agent resolves what does not go together" {
	orchfile <<-'E'
	recover conflict:
	  kind   = merge
	  agent  = claude
	  prompt: Resolve it in {{dir}}.
	a:
	  agent = claude
	  prompt: a
	b:
	  agent = claude
	  prompt: b
	both: a b
	  agent = claude
	  prompt: Both.
	E
	plan a edit; plan b edit; plan both.2 resolve; plan both ok
	expect 0
	[ "$(head -n1 "$AGENT_PLAN/both.calls" | cut -d' ' -f1,2,4)" = 'claude run 2' ]
	git show orch/both:shared | grep -q 'edited by a'
	git show orch/both:shared | grep -q 'edited by b'
}

@test "the budget: what runs is let finish, nothing new starts" {
	orchfile <<-'E'
	project:
	  budget = 0.40
	for i in 1 2 3 4:
	  s{{i}}:
	    agent = claude
	    prompt: Make it.
	E
	expect 1 -j1
	[[ "$output" == *'the budget is spent'* ]]
	[ "$(cat "$AGENT_PLAN"/*.calls | wc -l)" -eq 2 ]
	expect 0 -j1 --budget 100
	[ "$(cat "$AGENT_PLAN"/*.calls | wc -l)" -eq 4 ]
}

@test "at most as many of an agent at once as its limit says" {
	orchfile <<-'E'
	agent one: claude:
	  account = one
	  limit   = 1
	for i in 1 2 3 4:
	  s{{i}}:
	    agent = one
	    prompt: Make it.
	E
	for i in 1 2 3 4; do plan s$i slow; done
	expect 0 -j4
	# never two between a begin and an end
	[ "$(paste -sd' ' "$AGENT_PLAN/all")" = 'begin end begin end begin end begin end' ]
}

@test "orch is killed: the agent goes on, and the next orch adopts it with its session and its cost" {
	orchfile <<-'E'
	a:
	  agent = claude
	  prompt: Make it.
	  check: test -e work.txt
	b: a
	  echo {{a.summary}}
	E
	plan a wait
	"$ORCH" >out 2>&1 3>&- &
	pid=$!
	wait_for test -s "$AGENT_PLAN/a.1.prompt"
	kill -KILL "$pid"
	wait "$pid" || true
	"$ORCH" >out 2>&1 3>&- &
	pid=$!
	wait_for grep -q 'goes on' out
	: >"$AGENT_PLAN/a.go"
	wait "$pid"
	[ "$(calls a)" = 'claude run' ]
	grep -q 'Done: work.txt has it' out
	events | grep attempt_finished | grep '"stream":"a"' | grep -q '"cost_micros":250000'
}

@test "its environment: what the profile sets and removes, and where its prompt is" {
	orchfile <<-'E'
	agent show:
	  env   = COLOUR=red SIZE=1
	  unset = SECRET_OF_MINE
	  run:
	    cat {{prompt}} >/dev/null
	    echo "$COLOUR $SIZE ${SECRET_OF_MINE-unset} ${CLAUDECODE-unset} $ORCH_AGENT"; test "$ORCH_PROMPT" = {{prompt}}
	a:
	  agent = show
	  env   = SIZE=2
	  prompt: x
	E
	SECRET_OF_MINE=1 CLAUDECODE=1 expect 0
	[[ "$output" == *'red 2 unset unset show'* ]]
}

@test "a prompt of 10 MB, and one that is too long for its agent" {
	orchfile <<-'E'
	agent small: claude:
	  prompt-max = 1M
	a:
	  agent = claude
	  prompt = big.txt
	b:
	  agent = small
	  prompt = big.txt
	E
	head -c 9000000 /dev/zero | tr '\0' y | fold -w 100 >big.txt
	expect 1 -k
	[ "$(calls a)" = 'claude run' ]
	[ "$(wc -c <"$AGENT_PLAN/a.1.prompt")" -gt 9000000 ]
	[[ "$output" == *'and small takes at most 1048576'* ]]
	[ ! -e "$AGENT_PLAN/b.calls" ]
}

@test "a preamble of one's own, none, and one that is wrong" {
	orchfile <<-'E'
	project:
	  preamble = before.txt
	a:
	  agent = claude
	  prompt: Make it.
	E
	echo 'You are {{stream}} on {{branch}}.' >before.txt
	expect 0
	grep -q '^You are a on orch/a\.$' "$AGENT_PLAN/a.1.prompt"
	: >before.txt
	rm -rf .orch/stamps
	expect 0
	[ "$(cat "$AGENT_PLAN/a.1.prompt")" = 'Make it.' ]
	echo 'You are {{strem}}.' >before.txt
	rm -rf .orch/stamps
	expect 2
	[[ "$output" == *"unknown name '{{strem}}'"* ]]
}
