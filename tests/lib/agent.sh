#!/bin/sh
# An agent that does as it is told: it prints what the real program prints (claude, codex, gemini, aider) in the outcome that the test
# wants, and works on the prompt by writing it to work.txt. agent.sh PROGRAM run|resume SESSION < PROMPT
#
# $AGENT_PLAN is a directory: STREAM.ATTEMPT, or STREAM, has the word for what happens; without either it is "ok". What it was given is
# kept there too: STREAM.calls has a line for each start, STREAM.ATTEMPT.prompt its prompt.
program=$1 how=$2 session=$3
plan=$AGENT_PLAN/$ORCH_STREAM
what=ok
[ -e "$plan" ] && what=$(cat "$plan")
[ -e "$plan.$ORCH_ATTEMPT" ] && what=$(cat "$plan.$ORCH_ATTEMPT")
echo "$program $how ${session:--} $ORCH_ATTEMPT" >>"$plan.calls"
if [ "$program" = aider ]; then cat "$session"; else cat; fi >"$plan.$ORCH_ATTEMPT.prompt"

result() { # is_error text
	echo "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":$1,\"duration_ms\":5,\"result\":\"$2\",\"session_id\":\"$session\",\"total_cost_usd\":0.25,\"usage\":{\"input_tokens\":100,\"output_tokens\":20},\"modelUsage\":{}}"
}
say() {
	echo "{\"type\":\"assistant\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]},\"session_id\":\"$session\"}"
}
work() { cat "$plan.$ORCH_ATTEMPT.prompt" >work.txt; }

begin() {
	case $program in
	claude) echo "{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"$PWD\",\"session_id\":\"$session\",\"tools\":[]}" ;;
	codex) echo "{\"type\":\"thread.started\",\"thread_id\":\"thread-$ORCH_STREAM\"}" ;;
	gemini) echo "{\"type\":\"init\",\"timestamp\":\"x\",\"session_id\":\"$session\",\"model\":\"m\"}" ;;
	esac
}
good() {
	case $program in
	claude)
		say "I wrote work.txt"
		result false "Done: work.txt has it."
		;;
	codex)
		echo '{"type":"error","message":"Reconnecting... 1/5 (stream disconnected before completion)"}'
		echo '{"type":"item.completed","item":{"id":"1","type":"agent_message","text":"Codex wrote work.txt"}}'
		echo '{"type":"turn.completed","usage":{"input_tokens":300,"cached_input_tokens":10,"output_tokens":30}}'
		;;
	gemini) echo '{"type":"result","timestamp":"x","status":"success","stats":{"total_tokens":77}}' ;;
	aider)
		echo 'Commit 1234567 feat: write work.txt'
		echo 'Tokens: 2.1k sent, 100 received. Cost: $0.02 message, $0.03 session.'
		;;
	esac
}

case $what in missing-session) [ "$how" = resume ] && { echo "No conversation found with session ID: $session" >&2; exit 1; } ;; esac
begin
case $what in
ok | missing-session) work; good ;;
nothing) good ;;
slow)
	echo begin >>"$AGENT_PLAN/all"
	sleep 0.2
	echo end >>"$AGENT_PLAN/all"
	good ;;
failed) result true "I could not do it"; exit 0 ;;
crash) work; exit 1 ;;
quiet-exit) work; exit 0 ;;
half) work; printf '{"type":"result","subtype":"succ'; exit 0 ;;
linger)
	work; good
	trap '' INT
	sleep 300 & echo "$$ $!" >"$plan.pids"; wait ;;
question)
	echo 'Do you want to continue? [y/N]'
	read -r answer || answer=none
	echo "$$" >"$plan.pids"
	exec sleep 300 ;;
limit)
	echo "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":$(($(date +%s) + ${AGENT_RESET:-2000})),\"rateLimitType\":\"five_hour\"},\"session_id\":\"$session\"}"
	result true "You've hit your session limit"
	exit 1 ;;
limit-text) result true "You've hit your session limit · resets in ${AGENT_RESET:-2000}s"; exit 1 ;;
codex-limit) echo '{"type":"turn.failed","error":{"message":"You’ve hit your usage limit. Upgrade to Pro or try again in 2 hours 5 minutes."}}'; exit 1 ;;
gemini-limit) echo '{"type":"result","timestamp":"x","status":"error","error":{"type":"unknown","message":"[API Error: You have exhausted your daily quota on this model.]\nPlease wait"}}'; exit 173 ;;
aider-auth) echo 'litellm.AuthenticationError: the API provider is not able to authenticate you. Check your API key.'; exit 0 ;;
overload) result true 'API Error: 529 Overloaded. This is a server-side issue'; exit 1 ;;
login) result true 'Invalid API key · Fix external API key'; exit 1 ;;
prose) work; say 'Your docs say: usage limit reached|1795255200 and 429 Too Many Requests, ECONNRESET'; result true 'I cannot go on with this'; exit 1 ;;
big) work; head -c 30000000 /dev/zero | tr '\0' x | fold -w 1000; good ;;
edit) echo "edited by $ORCH_STREAM" >shared; good ;;
resolve) grep -v '^[<=>|]' shared >shared.new; mv shared.new shared; git add shared; git commit -qm resolved; good ;;
wait-crash) work; while [ ! -e "$plan.go" ]; do sleep 0.05; done; exit 1 ;;
wait) work; while [ ! -e "$plan.go" ]; do sleep 0.05; done; good ;;
esac
