# draft: a planning agent writes the Orchfile. The agent is a script that prints what claude or codex prints; its answers
# are in files. $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE agent
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	export GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR HOME=$BATS_TEST_TMPDIR/home
	mkdir -p bin home project/src answers
	export ANSWERS=$BATS_TEST_TMPDIR/answers PATH=$BATS_TEST_TMPDIR/bin:$PATH
	# answer N to the N-th prompt, the last one again and again; prompts and arguments are kept
	cat >bin/claude <<-'EOF'
		#!/bin/sh
		[ "$1" = --version ] && { echo 2.1.0; exit; }
		n=$(($(cat "$ANSWERS/count" 2>/dev/null || echo 0) + 1))
		echo $n >"$ANSWERS/count"
		cat >"$ANSWERS/prompt.$n"
		echo "$*" >"$ANSWERS/arguments.$n"
		[ -e "$ANSWERS/$n.md" ] || n=last
		[ -e "$ANSWERS/hang" ] && { sleep 300 & echo $! >"$ANSWERS/sleeper"; wait; }
		echo '{"type":"system","subtype":"init","session_id":"s"}'
		jq -cn --rawfile text "$ANSWERS/$n.md" '{type: "result", subtype: "success", is_error: false, result: $text, session_id: "s", total_cost_usd: 0.1}'
	EOF
	chmod +x bin/claude
	cd project || return 1
	echo 'int main(void) { return 0; }' >src/main.c
}

good() {
	cat <<-'EOF'
		I looked at it. This is my plan:

		```orchfile
		base "Types":
		  touches = src/types.h
		  estimate = 10m
		  prompt: Write src/types.h. Say {{{{x}} in it.
		  check: true

		api: base
		  touches = src/api.c
		  estimate = 20m
		  prompt: Write src/api.c.

		web: base
		  touches = src/web.c
		  estimate = 20m
		  prompt: Write src/web.c.
		```

		Good luck.
	EOF
}

@test "a request: the agent is told what there is, its answer is shown as a plan and written in canonical form" {
	good | sed 's/^  /\t/' >../answers/last.md
	run --separate-stderr "$ORCH" draft 'Add an API and a' 'web page'
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ "$stderr" == *"'claude' is asked for a plan"* ]]
	[[ "$stderr" == *"the plan: 3 streams"*"phase 1: base"*"phase 2: "*"critical path: base -> "* ]]
	[[ "$stderr" == *"expected time: 30m00s instead of 50m00s one after the other, 1.7 times as fast"* ]]
	[[ "$stderr" != *"not worth splitting"* ]]
	"$ORCH" fmt --check
	[ "$(head -n 4 Orchfile)" = $'agent ?= claude\n\ndefaults:\n\tagent = {{agent}}' ]
	run "$ORCH" check
	[ "$output" = 'Orchfile: 3 streams, no errors' ]
	grep -qxF 'Add an API and a web page' ../answers/prompt.1
	grep -qxF 'src/main.c' ../answers/prompt.1
	grep -q '^- Split where the work falls apart' ../answers/prompt.1
	[ "$(cat ../answers/count)" -eq 1 ]
	# nothing has run, and a second time writes nothing over it
	[ ! -e src/types.h ]
	cp Orchfile before
	run --separate-stderr "$ORCH" draft again
	[ "$status" -eq 0 ]
	[[ "$output" == *'base "Types":'* ]]
	[[ "$output" != *'agent ?='* ]]
	[[ "$stderr" == *"stays as it is"* ]]
	cmp Orchfile before
	run "$ORCH" draft --run again
	[ "$status" -eq 2 ]
}

@test "what is wrong goes back to it, in the same session, until it is right" {
	printf 'Here:\n```\nbase: nothing\n\tprompt: do\n\ttimout = 3\n```\n' >../answers/1.md
	printf '```orchfile\nx != touch pwned\nbase:\n\tprompt: do\n```\n' >../answers/2.md
	printf 'base "A":\n\tprompt: do it\n' >../answers/3.md
	echo 'Do it.' >spec.md
	run --separate-stderr "$ORCH" draft --spec spec.md
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ ! -e pwned ]
	[ "$(cat ../answers/count)" -eq 3 ]
	grep -qF "no stream is named 'nothing'" ../answers/prompt.2
	grep -qF "unknown setting 'timout'; did you mean 'timeout'?" ../answers/prompt.2
	grep -qF "Orchfile:1:7: error" ../answers/prompt.2
	grep -q -- '--resume' ../answers/arguments.2
	grep -qF 'must not run commands when it is read' ../answers/prompt.3
	grep -q '^base "A":' Orchfile
	[[ "$stderr" == *"not worth splitting: it is one piece of work"* ]]
}

@test "three corrections and no more" {
	printf 'I cannot do that.\n' >../answers/last.md
	run --separate-stderr "$ORCH" draft 'Do it'
	echo "$stderr"
	[ "$status" -eq 1 ]
	[ "$(cat ../answers/count)" -eq 4 ]
	[[ "$stderr" == *"no Orchfile came of it"* ]]
	[ ! -e Orchfile ]
	[ -z "$output" ]
}

@test "a chain is not worth splitting; streams that change the same files are named" {
	printf '```orchfile\na:\n\tprompt: x\nb: a\n\tprompt: x\nc: b\n\tprompt: x\n```\n' >../answers/1.md
	run --separate-stderr "$ORCH" draft 'Do it'
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"not worth splitting: 3 streams are hardly faster than one"* ]]
	rm Orchfile ../answers/count
	printf '~~~~\na:\n\ttouches = src/**\n\tprompt: x\nb:\n\ttouches = src/b.c\n\tprompt: x\n~~~~\n' >../answers/1.md
	run --separate-stderr "$ORCH" draft 'Do it'
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"a (src/**) and b (src/b.c) may run together and change the same files"* ]]
}

@test "--run, with an agent of one's own name" {
	printf '```orchfile\na:\n\techo ran >ran.txt\n```\n' >../answers/1.md
	run "$ORCH" draft --agent claude --run 'Do it'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(cat ran.txt)" = ran ]
	run "$ORCH" draft --agent nobody 'Do it'
	[ "$status" -eq 2 ]
	[[ "$output" == *"'nobody'"* ]]
}

@test "codex plans too: its last message is the answer" {
	cat >../bin/codex <<-'EOF'
		#!/bin/sh
		cat >"$ANSWERS/prompt.codex"
		echo '{"type":"thread.started","thread_id":"t"}'
		echo '{"type":"item.completed","item":{"id":"1","type":"agent_message","text":"I look"}}'
		jq -cn --rawfile text "$ANSWERS/1.md" '{type: "item.completed", item: {id: "2", type: "agent_message", text: $text}}'
		echo '{"type":"turn.completed","usage":{"input_tokens":1,"cached_input_tokens":1,"output_tokens":1}}'
	EOF
	chmod +x ../bin/codex
	printf 'So:\n\n1. my plan\n\n   ```orchfile\n   a:\n   \tprompt: x\n   ```\n' >../answers/1.md
	run --separate-stderr "$ORCH" draft --agent codex 'Do it'
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(head -n 1 Orchfile)" = 'agent ?= codex' ]
	grep -q '^a:$' Orchfile
}

@test "the project's own agent plans, by the profile of its Orchfile" {
	cat >Orchfile <<-'EOF'
		agent planner: claude:
		  env = WHO=planner
		defaults:
		  agent = planner
		old:
		  prompt: was here before
	EOF
	sed -i '2i echo "$WHO" >"$ANSWERS/who"' ../bin/claude
	printf '```orchfile\na:\n\tprompt: x\n```\n' >../answers/1.md
	run --separate-stderr "$ORCH" draft 'Do it'
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(cat ../answers/who)" = planner ]
	[ "$output" = $'a:\n\tprompt: x' ]
	# an Orchfile with errors is not guessed about
	echo 'x: nothing' >>Orchfile
	run "$ORCH" draft 'Do it'
	[ "$status" -eq 2 ]
	[[ "$output" == *"orch check"* ]]
}

@test "Ctrl-C: nothing of the agent is left" {
	: >../answers/hang
	printf 'a:\n\ttrue\n' >../answers/last.md
	"$ORCH" draft 'Do it' 2>log &
	orch=$!
	for _ in $(seq 300); do
		[ -s ../answers/sleeper ] && break
		read -r -t 0.1 <> <(:) || true
	done
	sleeper=$(cat ../answers/sleeper)
	kill -INT "$orch"
	status=0
	wait "$orch" || status=$?
	cat log
	[ "$status" -eq 130 ]
	! kill -0 "$sleeper" 2>/dev/null
	[ ! -e Orchfile ]
}

@test "--check looks at an answer; wrong usage" {
	good | sed 's/^  /\t/' >answer
	run "$ORCH" draft --agent claude --check answer
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	printf '```\na:\n\ttrue\n' >answer
	run "$ORCH" draft --check answer
	[ "$status" -eq 2 ]
	[[ "$output" == *"does not end"* ]]
	printf '```\ninclude other\na:\n\ttrue\n```\n' >answer
	run "$ORCH" draft --check answer
	[ "$status" -eq 2 ]
	[[ "$output" == *"must not include"* ]]
	run "$ORCH" draft
	[ "$status" -eq 2 ]
	run "$ORCH" draft --spec answer more
	[ "$status" -eq 2 ]
	run "$ORCH" draft --spec nothing
	[ "$status" -eq 2 ]
	PATH=/nowhere run "$ORCH" draft 'Do it'
	[ "$status" -eq 2 ]
	[[ "$output" == *"no agent is installed"* ]]
}
