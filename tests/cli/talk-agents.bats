# What agents say of their work, what they are told of it, and what their prompts are made of. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

# an agent that writes down its prompt and does what the script $DOES says; it has no worktree
setup() {
	orch_setup
	unset ORCH_REPORT ORCH_OUTPUT
	export OWN=$ORCH XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config DOES=$BATS_TEST_TMPDIR/does
	mkdir -p "$BATS_TEST_TMPDIR/prompts"
	export PROMPTS=$BATS_TEST_TMPDIR/prompts
	echo 'echo "SAYS did $ORCH_STREAM"' >"$DOES"
}

teardown() {
	touch go
	orch_teardown
}

agents() {
	cat <<-'E' | sed 's/^  /\t/'
	agent teller:
	  progress = /^AT (?<progress>.*)/
	  note = /^NOTE (?<note>.*)/
	  summary = /^SAYS (?<summary>.*)/
	  run: cat < {{prompt}} > "$PROMPTS/$ORCH_STREAM.$ORCH_ATTEMPT"; sh -eu "$DOES"
	defaults:
	  agent = teller
	  isolate = none
	E
}

# the Orchfile is standard input, behind those; two blanks stand for a tab
orchfile() { { agents; sed 's/^    /\t\t/; s/^  /\t/'; } >Orchfile; }
events() { cat .orch/runs/*/journal.jsonl; }
of_type() { events | grep "\"type\":\"$1\"" | sed -E 's/.*"attempt":[0-9]+,//; s/,?"(bytes|sum)":.*//'; }

@test "the patterns of an agent lead to the same events as orch report" {
	orchfile <<-'E'
	a:
	  prompt: work
	E
	cat >"$DOES" <<-'E'
	echo 'AT 3/7'
	printf 'NOTE reading \033[31mthe code\033[0m\n'
	"$OWN" report progress 5/7
	until grep -q '"done":5' .orch/runs/*/journal.jsonl; do sleep 0.02; done
	echo 'AT nearly there'
	echo 'NOTE writing'
	E
	expect 0
	events | grep -q '"type":"progress","stream":"a","attempt":1,"done":3,"total":7,"sum"'
	events | grep -q '"type":"progress","stream":"a","attempt":1,"done":5,"total":7,"bytes"'
	[ "$(of_type progress | tail -n 1)" = '"message":"nearly there"' ]
	[ "$(of_type note)" = $'"message":"reading the code"\n"message":"writing"' ]
	"$ORCH" status --json | grep -q '"progress": "nearly there"'
}

@test "an agent is told how to report, and it works as it is told" {
	orchfile <<-'E'
	a:
	  prompt: work
	  tasks:
	    Write it
	    Test it
	b: a
	  prompt: from {{a.found}}
	E
	cat >"$DOES" <<-'E'
	[ "$ORCH_STREAM" = a ] || exit 0
	prompt=$PROMPTS/a.1
	command=$(grep -o '`[^`]* report done N`' "$prompt" | tr -d '`')
	eval "${command% N} 2"
	command=$(grep -o '`[^`]* report output KEY=VALUE`' "$prompt" | tr -d '`')
	eval "${command% *} found=it"
	E
	expect 0
	grep -q '^1\. Write it$' "$PROMPTS/a.1"
	[[ "$output" == *'(1/2): Test it'* ]]
	grep -qx 'from it' "$PROMPTS/b.1"
	# what has no tasks is not told how to tick them
	! grep -q 'report done' "$PROMPTS/b.1"
	grep -q 'report note TEXT' "$PROMPTS/b.1"
}

@test "a retry, and a later run, know what is done already" {
	orchfile <<-'E'
	a:
	  retries = 1
	  prompt: work
	  tasks:
	    one
	    two
	    three
	E
	cat >"$DOES" <<-'E'
	"$OWN" report done $ORCH_ATTEMPT
	test -e pass
	E
	expect 1
	grep -qx '1. one (done)' "$PROMPTS/a.2"
	grep -qx '2. two' "$PROMPTS/a.2"
	touch pass
	expect 0
	grep -qx '1. one (done)' "$PROMPTS/a.1"
	grep -qx '2. two (done)' "$PROMPTS/a.1"
	grep -qx '3. three' "$PROMPTS/a.1"
	# what is complete begins anew
	expect 0 -B
	grep -qx '1. one' "$PROMPTS/a.1"
}

@test "what an agent said in the end is there for its dependents, also when it completed long ago" {
	orchfile <<-'E'
	a:
	  prompt: begin
	b: a
	  prompt: It said: {{a.summary}}
	c: b
	  printf '%s\n' {{a.summary}} {{b.summary}} > c
	E
	cat >"$DOES" <<-'E'
	echo "SAYS it's \$(done) by $ORCH_STREAM"
	E
	expect 0
	for again in 1 2; do
		grep -Fqx "It said: it's \$(done) by a" "$PROMPTS/b.1"
		grep -Fq "> it's \$(done) by a" "$PROMPTS/b.1"
		[ "$(cat c)" = $'it\'s $(done) by a\nit\'s $(done) by b' ]
		[ "$again" = 1 ] || break
		rm "$PROMPTS"/* c
		sed -i 's/It said/It has said/' Orchfile
		expect 0
		sed -i 's/It has said/It said/' "$PROMPTS/b.1"
		[ ! -e "$PROMPTS/a.1" ]
		[ -e c ] || expect 0 -B c
	done
}

@test "what an agent said in the end outlives the run in which it did" {
	orchfile <<-'E'
	a:
	  prompt: begin
	b: a
	  printf '%s\n' {{a.summary}} > b
	E
	expect 0
	for i in 1 2; do expect 0 -B --only b; done
	expect 0 prune --age 1ms
	[ "$(ls .orch/runs | wc -l)" -eq 1 ]
	rm b
	expect 0 -B --only b
	[ "$(cat b)" = 'did a' ]
	# of another attempt it is not
	sed -i 's/^attempt 1$/attempt 7/' .orch/summaries/a
	expect 0 -B --only b
	[ "$(cat b)" = '' ]
}

@test "the file of a prompt is expanded like a prompt" {
	mkdir prompts
	printf 'Do {{what}} of {{stream}} ({{title}}), attempt {{attempt}}, in {{part}}, with {{{{this}}, {{env.NO_SUCH or none}}.\n{{first.key}} {{first.summary}}\n' >prompts/work.md
	orchfile <<-'E'
	what = things
	first:
	  prompt: begin
	for part in x y:
	  work-{{part}} "The {{part}}": first
	    prompt = prompts/work.md
	E
	cat >"$DOES" <<-'E'
	echo "SAYS said by $ORCH_STREAM"
	[ "$ORCH_STREAM" != first ] || "$OWN" report output key=value
	E
	expect 0
	[ "$(tail -n 2 "$PROMPTS/work-x.1")" = $'Do things of work-x (The x), attempt 1, in x, with {{this}}, none.\nvalue said by first' ]
	grep -q 'of work-y (The y), attempt 1, in y' "$PROMPTS/work-y.1"
	expect 0 -q
	# another value makes another prompt
	expect 0 -n what=stuff
	[[ "$output" == *'work-x  recipe changed'* && "$output" == *'work-y  recipe changed'* && "$output" == *'2 streams to run, 1 complete'* ]]
	expect 0 why work-x what=stuff
	[[ "$output" == *'prompt-value: what = '* ]]
}

@test "a wrong name in the file of a prompt is an error before anything runs, with its place" {
	printf 'Do\nit {{wat}} and {{other.key}} and {{nosuch.key}}.\n' >work.md
	orchfile <<-'E'
	what = things
	a:
	  prompt = work.md
	b:
	  prompt = work.md
	other:
	  true
	E
	expect 2
	[[ "$output" == *"work.md:2:6: error: unknown variable 'wat'; did you mean 'what'?"* ]]
	[[ "$output" == *"work.md:2:36: error: there is no stream 'nosuch'"* ]]
	printf 'it {{other.key}}' >work.md
	expect 2
	[[ "$output" == *"work.md:1:6: error: stream 'a' uses a value of 'other', which is not among its dependencies"* ]]
	printf 'it {{unclosed' >work.md
	expect 2 check
	[[ "$output" == *"work.md:1:4: error"* ]]
	[ ! -e .orch ]
	# what has nothing to expand is as it is
	printf 'a } b }} c \377' >work.md
	expect 0
	grep -aq '^a } b }} c' "$PROMPTS/a.1"
}

@test "a prompt that a stream writes is expanded when it is there" {
	orchfile <<-'E'
	what = things
	plan:
	  outputs = made/prompt.md
	  mkdir -p made
	  echo "k=v" >> "$ORCH_OUTPUT"
	  cat "$WRITES" > made/prompt.md
	for part in x:
	  work-{{part}}: plan
	    prompt = made/prompt.md
	other:
	  true
	E
	export WRITES=$BATS_TEST_TMPDIR/writes
	echo 'Do {{what}} of {{part}}: {{plan.k}}' >"$WRITES"
	expect 0
	[ "$(tail -n 1 "$PROMPTS/work-x.1")" = 'Do things of x: v' ]
	for wrong in 'no {{such}}' '{{other.k}}' '{{plan.nothing}}' '{{broken'; do
		echo "$wrong" >"$WRITES"
		expect 1 -B
		[[ "$output" == *"its prompt, 'made/prompt.md'"* ]]
	done
}

@test "an agent that goes on after a crash of orch is not heard twice" {
	orchfile <<-'E'
	a:
	  prompt: work
	E
	cat >"$DOES" <<-'E'
	echo 'AT 1/3'
	echo 'NOTE first'
	until grep -q '"message":"first"' .orch/runs/*/journal.jsonl; do sleep 0.02; done
	touch said
	until test -e go; do sleep 0.02; done
	echo 'AT 2/3'
	echo 'NOTE second'
	E
	background
	until_true test -e said
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	touch go
	expect 0
	[ "$(of_type progress | sort)" = $'"done":1,"total":3\n"done":2,"total":3' ]
	[ "$(of_type note | sort)" = $'"message":"first"\n"message":"second"' ]
	"$ORCH" status --json | grep -q '"note": "second"'
}
