# The agents that are known: where they come from, which are installed, whether their programs know the flags. Programs
# stand in for the real ones: only PATH of the tests has them. $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir bin config
	export XDG_CONFIG_HOME=$PWD/config
	# nothing of the machine's own
	PATH=$PWD/bin:/usr/bin:/bin
}

# program NAME: a script from standard input
program() {
	{
		echo '#!/bin/sh'
		cat
	} >"bin/$1"
	chmod +x "bin/$1"
}

member() { # agent, expression over `a`
	"$ORCH" agents --json --probe | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert d["v"] == 1
a = [x for x in d["agents"] if x["name"] == sys.argv[1]][0]
print(eval(sys.argv[2]))' "$1" "$2"
}

@test "agents: those that ship, with or without an Orchfile" {
	run --separate-stderr "$ORCH" agents
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	for name in claude codex gemini opencode qwen aider amp cursor droid copilot goose shell; do
		[[ $'\n'"$output" == *$'\n'"$name "* ]]
	done
	[ "${#lines[@]}" -eq 12 ]
	printf 'x:\n\ttrue\n' >Orchfile
	run "$ORCH" agents
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 12 ]
	# asked for by name, an Orchfile must be there
	run "$ORCH" agents -f other
	[ "$status" -eq 2 ]
}

@test "agents: the version of what is installed" {
	program claude <<-'END'
		[ "$*" = --version ] && printf 'WARNING: os error 2\n2.1.197 (Claude Code)\n'
	END
	run "$ORCH" agents
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "claude "*" 2.1.197 (Claude Code)" ]]
	[[ "${lines[1]}" == "codex "*" not installed" ]]
	[ "$(member claude 'a["path"]')" = "$PWD/bin/claude" ]
	[ "$(member codex 'a["path"]')" = None ]
	[ "$(member claude 'a["from"]')" = orch ]
}

@test "agents --probe names the flags that a program does not know, of each command" {
	program codex <<-'END'
		case "$*" in
		--version) echo codex-cli 0.169.0 ;;
		'exec --help') echo '  --json  --skip-git-repo-check, --dangerously-bypass-approvals-and-sandbox' ;;
		'exec resume --help') echo '  --json-lines  --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox' ;;
		*) exit 9 ;;
		esac
	END
	program aider <<-'END'
		case "$*" in
		--version) echo aider 0.86.1 ;;
		--help) echo '--message-file F --yes-always --[no-]stream --pretty, --no-pretty --fancy-input, --no-fancy-input
			--[no-]check-update --[no-]show-release-notes --[no-]gitignore --[no-]detect-urls --[no-]suggest-shell-commands
			--chat-history-file CHAT_HISTORY_FILE --input-history-file INPUT_HISTORY_FILE' ;;
		esac
	END
	run "$ORCH" agents --probe
	[ "$status" -eq 1 ]
	[[ "$output" == *"resume: its --help does not mention --json"* ]]
	[[ "$output" != *"run: its --help"* ]]
	[ "$(member codex 'a["unknown_run"], a["unknown_resume"]')" = "([], ['--json'])" ]
	[ "$(member aider 'a["unknown_run"]')" = "[]" ]
	# asked about the version only, nothing is wrong
	run "$ORCH" agents
	[ "$status" -eq 0 ]
}

@test "agents: a program that fails, hangs on its input or prints rubbish is told of, and stops nothing" {
	program claude <<-'END'
		echo broken >&2
		exit 3
	END
	program codex <<-'END'
		cat
		echo 'codex 1.0'
	END
	program gemini <<-'END'
		kill -9 $$
	END
	program qwen <<-'END'
		head -c 3000000 /dev/zero
		printf '\033[31m7\007'
	END
	run --separate-stderr "$ORCH" agents
	[ "$status" -eq 0 ]
	[[ "$output" == *"'claude --version' ended with status 3"* ]]
	[[ "$output" == *"codex 1.0"* ]]
	[[ "$output" == *"'gemini --version' ended with signal 9"* ]]
	[[ "$output" != *$'\033'* ]]
	[[ "$output" != *$'\007'* ]]
}

# it waits for the ten seconds that a program has
@test "agents --probe: one that hangs and one that never stops printing are ended, with what they started; nothing more is asked of them" {
	program claude <<-'END'
		echo "$$ $*" >>"$(dirname "$0")/asked.claude"
		sleep 1000 &
		echo $! >>"$(dirname "$0")/asked.claude"
		trap '' TERM INT HUP
		wait
		sleep 1000
	END
	program codex <<-'END'
		echo "$$ $*" >>"$(dirname "$0")/asked.codex"
		exec yes "codex 1.0 rubbish"
	END
	program gemini <<-'END'
		case $* in
		--version) echo 0.61.0 ;;
		*) exec yes -- --json ;;
		esac
	END
	program qwen <<-'END'
		echo 0.15.10
		setsid sh -c 'echo $$ >"$0"; exec sleep 1000' "$(dirname "$0")/left.qwen" &
	END
	run --separate-stderr "$ORCH" agents --probe
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"'claude --version' did not end within 10 seconds"* ]]
	[[ "$output" == *"'codex --version' printed more than 16 MiB"* ]]
	[[ "$output" == *"'gemini --help' printed more than 16 MiB"* ]]
	[[ "$output" == *"qwen "*" 0.15.10"* ]]
	[ "$(wc -l <bin/asked.claude)" -eq 2 ]
	[ "$(wc -l <bin/asked.codex)" -eq 1 ]
	for pid in $(cut -d' ' -f1 bin/asked.claude bin/asked.codex) $(cat bin/left.qwen 2>/dev/null); do
		run ! kill -0 "$pid"
	done
}

@test "agents: the user's file and the Orchfile go before what ships" {
	mkdir config/orch
	cat >config/orch/agents.orch <<'END'
model ?= small
agent claude: claude:
	args = --model {{model}}
agent mine:
	account = claude
	run: mine < {{prompt}}
END
	cat >Orchfile <<'END'
model = ours
agent mine: mine:
	limit = 2
agent codex:
	run: other --flag {{prompt}}
x:
	true
END
	program mine <<-'END'
		echo mine 7
	END
	[ "$(member claude 'a["from"]')" = "$PWD/config/orch/agents.orch" ]
	[ "$(member claude 'a["program"]')" = claude ]
	[ "$(member mine 'a["from"], a["account"], a["version"]')" = "('Orchfile', 'claude', 'mine 7')" ]
	[ "$(member codex 'a["program"], a["resume"]')" = "('other', None)" ]
	[ "$(member gemini 'a["from"]')" = orch ]
	"$ORCH" check
}

@test "agents: what is wrong in the user's file is told with its place, when an agent is wanted" {
	mkdir config/orch
	printf 'agent x:\n\tlimt = 3\n\trun: x\n\ny:\n\ttrue\n' >config/orch/agents.orch
	run --separate-stderr "$ORCH" agents
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"orch/agents.orch:2:2: error: unknown setting 'limt'"* ]]
	[[ "$stderr" == *"orch/agents.orch:5:1: error: a file of agents holds agents, recovery rules, runners and variables only"* ]]
	printf 'x:\n\techo fine\n' >Orchfile
	run "$ORCH"
	[ "$status" -eq 0 ]
	rm -r config/orch/agents.orch
	mkdir config/orch/agents.orch
	run --separate-stderr "$ORCH" agents
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"agents.orch"*directory* ]]
}
