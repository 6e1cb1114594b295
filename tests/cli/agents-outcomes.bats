# Every outcome of an agent, in the format of every program that is known: tests/lib/agent.sh prints what they print.
# $ORCH names the program.

bats_require_minimum_version 1.5.0

PROGRAMS='claude codex gemini opencode qwen aider amp cursor droid copilot goose'

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE XDG_CONFIG_HOME
	: "${ORCH:?names the program to test}"
	export HOME=$BATS_TEST_TMPDIR/home AGENT_PLAN=$BATS_TEST_TMPDIR/plan GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR
	mkdir -p "$HOME/.config/orch" "$BATS_TEST_TMPDIR/project" "$AGENT_PLAN"
	case $srcdir in /*) ;; *) srcdir=$PWD/$srcdir ;; esac
	agent=$srcdir/tests/lib/agent.sh
	cd "$BATS_TEST_TMPDIR/project" || return 1
	# the rules for what passes by itself as they ship, but for the time that they wait
	{
		sed -n '/^recover overload:/,/^$/p' "$srcdir/src/lang/agents.orch"
		sed -n '/^recover network:/,/^$/p' "$srcdir/src/lang/agents.orch"
	} | sed 's/backoff = .*/backoff = 0s/' >"$HOME/.config/orch/agents.orch"
	grep -q 'server_is_overloaded' "$HOME/.config/orch/agents.orch"
}

teardown() {
	local file pid
	for file in "$AGENT_PLAN"/*.pids; do
		[ -e "$file" ] || continue
		for pid in $(cat "$file"); do kill -KILL "$pid" 2>/dev/null || true; done
	done
}

# one stream for each program, each with an account of its own; the lines of standard input are settings of all
streams() {
	local program settings
	settings=$(sed 's/^/\t/')
	for program in $PROGRAMS; do
		printf 'agent my-%s: %s:\n' "$program" "$program"
		if [ "$program" = aider ]; then
			printf '\trun: sh %s aider run {{prompt}}\n' "$agent"
		else
			printf '\trun: sh %s %s run %s < {{prompt}}\n' "$agent" "$program" \
				"$(grep -A40 "^agent $program:" "$srcdir/src/lang/agents.orch" | sed -n '/run:/{n;p;q}' | grep -o '{{session}}' || echo -)"
			printf '\tresume: sh %s %s resume {{session}} < {{prompt}}\n' "$agent" "$program"
		fi
		printf '%s:\n\tagent = my-%s\n\tisolate = none\n\tbackoff = 0s\n%s\n\tprompt: Make it.\n' \
			"$program" "$program" "$settings"
	done >Orchfile
}

all_do() { # what, attempt
	local program
	for program in $PROGRAMS; do printf '%s' "$1" >"$AGENT_PLAN/$program${2:+.$2}"; done
}

expect() {
	local want=$1
	shift
	run "$ORCH" "$@"
	echo "status $status: $output"
	[ "$status" -eq "$want" ]
}

ended() { # the member of each attempt's end: PROGRAM VALUE...
	cat .orch/runs/*/journal.jsonl | python3 -c '
import json, sys
seen = {}
for line in sys.stdin:
    e = json.loads(line)
    if e.get("type") == "attempt_finished":
        seen.setdefault(e["stream"], []).append(str(eval(sys.argv[1], {}, e | {"e": e})))
for name in sorted(seen):
    print(name, *seen[name])' "$1"
}

same() { # what is, what should be
	diff <(printf '%s\n' "$1" | sort) <(printf '%s\n' "$2" | sed 's/^[ \t]*//' | sort)
}

each_is() { # word: what ended() should say of every program
	local program
	for program in $PROGRAMS; do printf '%s %s\n' "$program" "$1"; done
}

calls() { cut -d' ' -f2 "$AGENT_PLAN/$1.calls" | paste -sd' '; }

@test "success: what each says in the end, its session, its cost and tokens" {
	streams </dev/null
	printf 'after: %s\n\tisolate = none\n\tprintf "%%s\\n"%s >said\n' "$PROGRAMS" \
		"$(for program in $PROGRAMS; do printf ' {{%s.summary}}' "$program"; done)" >>Orchfile
	expect 0 -j4
	same "$(cat said)" 'Done: work.txt has it.
		Codex wrote work.txt
		Gemini wrote work.txt
		opencode wrote work.txt
		qwen wrote work.txt
		1234567 feat: write work.txt
		amp wrote work.txt
		cursor wrote work.txt
		droid wrote work.txt
		copilot wrote work.txt
		goose wrote work.txt'
	same "$(ended 'e.get("cost_micros")' | grep -v after)" 'claude 250000
		codex None
		gemini None
		opencode 30000
		qwen None
		aider 30000
		amp None
		cursor None
		droid None
		copilot None
		goose None'
	same "$(ended 'e.get("tokens")' | grep -v after)" 'claude 120
		codex 330
		gemini 77
		opencode 18
		qwen 10
		aider None
		amp None
		cursor None
		droid 44
		copilot None
		goose 1234'
	# the session is what the program says, or what was chosen
	same "$(ended '"chosen" if len(e.get("session", "")) == 36 else e.get("session")' | grep -v after)" 'claude chosen
		codex thread-codex
		gemini chosen
		opencode ses-opencode
		qwen chosen
		aider None
		amp T-amp
		cursor chat-cursor
		droid chat-droid
		copilot chosen
		goose chosen'
	[ "$(ended 'e.get("agent")' | grep -v after | cut -d' ' -f2 | paste -sd' ')" = 'my-aider my-amp my-claude my-codex my-copilot my-cursor my-droid my-gemini my-goose my-opencode my-qwen' ]
	expect 0
	[[ "$output" == *'nothing to do'* ]]
}

@test "its result says an error, and its exit status 0" {
	streams </dev/null
	all_do bad
	# amp and cursor print theirs on standard error and end with 1
	expect 1 -k -j4
	same "$(ended 'e["outcome"]')" "$(each_is exit)"
	expect 1 -k -j4
	# each is told with what it said, as far as it said so to programs
	same "$(sed -n "s/^  failed   \([a-z]*\): my-[a-z]* said that it failed: .*I could not do it.*/\1/p" <<<"$output")" \
		"$(printf '%s\n' claude codex gemini opencode qwen droid copilot goose)"
}

@test "exit 1 without a word, a crash, half a line: the next attempt goes on with its session" {
	streams <<<'retries = 3'
	all_do crash 1
	all_do killed 2
	all_do half 3
	# a shell says a signal as a status, 139
	expect 0 -k -j4
	same "$(ended 'e["outcome"]')" "$(each_is 'exit exit exit success')"
	for program in $PROGRAMS; do
		case $program in
		aider) [ "$(calls aider)" = 'run run run run' ] ;;
		*) [ "$(calls "$program")" = 'run resume resume resume' ] ;;
		esac || { echo "$program: $(calls "$program")"; false; }
	done
}

@test "silent until the end, and then all of it at once" {
	streams <<<'idle = 60s'
	all_do silent-end
	expect 0 -j4
	same "$(ended 'e["outcome"]')" "$(each_is success)"
}

@test "silent for ever" {
	streams <<<'idle = 1s'
	sed -i 's/^agent my-.*/&\n\tkill = TERM 5s KILL/' Orchfile
	all_do question
	expect 1 -k -j12
	same "$(ended 'e["outcome"]')" "$(each_is stalled)"
	for file in "$AGENT_PLAN"/*.pids; do ! kill -0 "$(cat "$file")" 2>/dev/null; done
}

@test "it has said that it is done, and stays" {
	streams <<-'E'
	linger = 1s
	kill   = INT 1s KILL
	E
	all_do linger
	expect 0 -j12
	same "$(ended 'e["outcome"]')" "$(each_is success)"
	for file in "$AGENT_PLAN"/*.pids; do
		for pid in $(cat "$file"); do ! kill -0 "$pid" 2>/dev/null; done
	done
}

@test "a usage limit, in the words of each" {
	streams </dev/null
	all_do limit-text
	# that of aider and goose is a rate, which is waited for in a minute
	expect 1 -k -j4 --limit-wait 1s claude codex gemini opencode qwen amp cursor droid copilot
	for program in $PROGRAMS; do
		case $program in aider | goose) continue ;; esac
		[ "$(calls "$program")" = run ]
	done
	same "$(sed -n 's/.*rule *\([a-z]*\): .*rule .\([a-z-]*\).*/\1 \2/p' <<<"$output")" 'claude usage-limit
		codex usage-limit
		gemini usage-limit
		opencode usage-limit
		qwen usage-limit
		amp out-of-credit
		cursor out-of-credit
		droid usage-limit
		copilot out-of-credit'
	# accounts that a clock sets free, and those that only a person does
	same "$(cut -f1,2 .orch/holds | sed 's/^-/never/; s/^2.*T[^\t]*/time/' | awk '{ print $2, $1 }')" 'claude time
		codex time
		gemini time
		opencode time
		qwen time
		droid time
		amp never
		cursor never
		copilot never'
	# that of the message, and five minutes more: codex 2h05, droid 1h48, claude 2000 s; none is understood: half an hour
	python3 - <<'E'
import datetime, os
now = datetime.datetime.now(datetime.timezone.utc)
left = {}
for line in open(".orch/holds"):
    until, account = line.split("\t")[:2]
    if until != "-":
        left[account] = (datetime.datetime.fromisoformat(until.replace("Z", "+00:00")) - now).total_seconds() / 60
for account, low, high in (("codex", 120, 130.1), ("droid", 103, 113.1), ("claude", 28, 38.4), ("qwen", 115, 125.1),
                           ("gemini", 14, 35.1), ("opencode", 14, 35.1)):
    assert low < left[account] <= high, (account, left[account])
E
}

@test "overloaded, and then it is fine" {
	streams </dev/null
	all_do overload 1
	all_do overload 2
	expect 0 -k -j4
	same "$(ended 'e["outcome"]')" "$(each_is 'exit exit success')"
	[ "$(grep -c "rule 'overload'" <<<"$output")" -eq 22 ]
	[ ! -e .orch/holds ]
}

@test "a login that is not accepted is not tried again" {
	streams <<<'retries = 3'
	all_do login
	expect 1 -k -j4
	same "$(ended 'e["outcome"]')" "$(each_is exit)"
	[ "$(grep -c "rule 'login'" <<<"$output")" -eq 11 ]
	[ "$(grep -c '^-' .orch/holds)" -eq 11 ]
}

@test "the model does not want to: most programs call that a success, 'changes' does not" {
	streams <<<'changes = required'
	git init -q
	git config user.name x
	git config user.email x@localhost
	sed -i '/isolate/d' Orchfile
	git add Orchfile
	git commit -qm first
	all_do refusal
	expect 1 -k -j4
	same "$(ended 'e["outcome"]')" "$(each_is changes | sed 's/opencode changes/opencode exit/')"
}

@test "prose and tools that talk about limits are no limit, whether it succeeds or not" {
	streams </dev/null
	all_do prose-good
	expect 0 -j4
	[[ "$output" != *'orch: rule'* ]]
	rm -rf .orch
	all_do prose
	expect 1 -k -j4
	[[ "$output" != *'orch: rule'* ]]
	[ ! -e .orch/holds ]
	same "$(ended 'e["outcome"]')" "$(each_is exit)"
}

# also in `make check-long`, with ten times as much
@test "10 MB of output from each" {
	streams </dev/null
	all_do big
	export AGENT_MEGABYTES=10
	[ -z "${ORCH_TEST_LONG-}" ] || AGENT_MEGABYTES=100
	expect 0 -s -j4
	same "$(ended 'e["outcome"]')" "$(each_is success)"
	[ ! -e .orch/holds ]
}
