#!/bin/sh
# An agent that does as it is told: it prints what the real program prints in the outcome that the test wants, in the program's own format
# (claude, codex, gemini, opencode, qwen, aider, amp, cursor, droid, copilot, goose), and works on the prompt by writing it to work.txt.
# agent.sh PROGRAM run|resume SESSION < PROMPT; aider has the prompt's file instead of the session.
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
# what others choose themselves
case $program in
codex) session=thread-$ORCH_STREAM ;;
opencode) session=ses-$ORCH_STREAM ;;
amp) session=T-$ORCH_STREAM ;;
cursor | droid) session=chat-$ORCH_STREAM ;;
esac

work() { cat "$plan.$ORCH_ATTEMPT.prompt" >work.txt; }

begin() {
	case $program in
	claude) echo "{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"$PWD\",\"session_id\":\"$session\",\"tools\":[]}" ;;
	codex) printf '{"type":"thread.started","thread_id":"%s"}\n{"type":"turn.started"}\n' "$session" ;;
	gemini)
		echo "{\"type\":\"init\",\"timestamp\":\"x\",\"session_id\":\"$session\",\"model\":\"m\"}"
		# the prompt is echoed
		echo '{"type":"message","timestamp":"x","role":"user","content":"Why is it: 429 Too Many Requests, usage limit reached|1795255200?"}'
		;;
	opencode) echo "{\"type\":\"step_start\",\"timestamp\":1,\"sessionID\":\"$session\",\"part\":{\"type\":\"step-start\"}}" ;;
	qwen | amp | cursor | droid) echo "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"$session\",\"model\":\"m\"}" ;;
	aider) printf 'Aider v0.86.1\nModel: m with diff edit format\n' ;;
	goose) echo '{"type":"notification","extension_id":"developer","log":{"message":"running"}}' ;;
	copilot) echo '{"type":"session.mcp_server_status_changed","data":{"status":"connected"},"ephemeral":true}' ;;
	esac
}

# the model speaks; the text is for a JSON string
say() { # text
	case $program in
	codex) echo "{\"type\":\"item.completed\",\"item\":{\"id\":\"1\",\"type\":\"agent_message\",\"text\":\"$1\"}}" ;;
	gemini)
		echo "{\"type\":\"message\",\"timestamp\":\"x\",\"role\":\"assistant\",\"content\":\"$1\",\"delta\":true}"
		;;
	opencode) echo "{\"type\":\"text\",\"timestamp\":1,\"sessionID\":\"$session\",\"part\":{\"type\":\"text\",\"text\":\"$1\"}}" ;;
	aider) printf '%s\n' "$1" ;;
	droid) echo "{\"type\":\"message\",\"role\":\"assistant\",\"id\":\"a1\",\"text\":\"$1\",\"session_id\":\"$session\"}" ;;
	copilot) echo "{\"id\":\"3\",\"timestamp\":\"x\",\"parentId\":null,\"type\":\"assistant.message\",\"data\":{\"messageId\":\"m\",\"content\":\"$1\",\"toolRequests\":[]}}" ;;
	goose) echo "{\"type\":\"message\",\"message\":{\"id\":null,\"role\":\"assistant\",\"created\":1,\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]}}" ;;
	*) echo "{\"type\":\"assistant\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]},\"session_id\":\"$session\"}" ;;
	esac
}

# what a tool printed, or a file that it read
tool() { # text
	case $program in
	codex) echo "{\"type\":\"item.completed\",\"item\":{\"id\":\"2\",\"type\":\"command_execution\",\"command\":\"cat x\",\"aggregated_output\":\"$1\",\"exit_code\":1,\"status\":\"failed\"}}" ;;
	gemini)
		echo '{"type":"tool_use","timestamp":"x","tool_name":"read","tool_id":"1","parameters":{}}'
		echo "{\"type\":\"tool_result\",\"timestamp\":\"x\",\"tool_id\":\"1\",\"status\":\"error\",\"output\":\"$1\"}"
		;;
	opencode) echo "{\"type\":\"tool_use\",\"timestamp\":1,\"sessionID\":\"$session\",\"part\":{\"type\":\"tool\",\"state\":{\"status\":\"error\",\"error\":\"$1\"}}}" ;;
	aider) printf '> %s\n' "$1" ;;
	droid) echo "{\"type\":\"tool_result\",\"id\":\"c\",\"toolId\":\"Execute\",\"isError\":true,\"value\":\"$1\",\"session_id\":\"$session\"}" ;;
	copilot) echo "{\"type\":\"tool.execution_complete\",\"data\":{\"toolCallId\":\"t\",\"success\":false,\"result\":{\"content\":\"$1\"}}}" ;;
	goose) echo "{\"type\":\"message\",\"message\":{\"id\":null,\"role\":\"user\",\"created\":1,\"content\":[{\"type\":\"toolResponse\",\"toolResult\":{\"status\":\"error\",\"value\":\"$1\"}}]}}" ;;
	*) echo "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"tool_use_id\":\"t\",\"type\":\"tool_result\",\"content\":\"$1\",\"is_error\":true}]},\"session_id\":\"$session\"}" ;;
	esac
}

result() { # is_error text
	echo "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":$1,\"duration_ms\":5,\"result\":\"$2\",\"session_id\":\"$session\",\"total_cost_usd\":0.25,\"usage\":{\"input_tokens\":100,\"output_tokens\":20},\"modelUsage\":{}}"
}

good() {
	case $program in
	claude)
		# comes in every good run with a login
		echo "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"allowed\",\"resetsAt\":1795238165,\"rateLimitType\":\"five_hour\"},\"session_id\":\"$session\"}"
		say "I wrote work.txt"
		result false "Done: work.txt has it."
		;;
	codex)
		echo '{"type":"error","message":"Reconnecting... 1/5 (stream disconnected before completion)"}'
		say "Codex wrote work.txt"
		echo '{"type":"turn.completed","usage":{"input_tokens":300,"cached_input_tokens":10,"output_tokens":30}}'
		;;
	gemini)
		say "Gemini wrote "
		say "work.txt"
		echo '{"type":"result","timestamp":"x","status":"success","stats":{"total_tokens":77}}'
		;;
	opencode)
		echo "{\"type\":\"step_finish\",\"timestamp\":1,\"sessionID\":\"$session\",\"part\":{\"reason\":\"tool-calls\",\"cost\":0.01,\"tokens\":{\"input\":10,\"output\":2,\"reasoning\":0}}}"
		say "opencode wrote work.txt"
		echo "{\"type\":\"step_finish\",\"timestamp\":2,\"sessionID\":\"$session\",\"part\":{\"reason\":\"stop\",\"cost\":0.02,\"tokens\":{\"total\":6,\"input\":5,\"output\":1,\"reasoning\":0}}}"
		;;
	aider)
		echo 'Commit 1234567 feat: write work.txt'
		echo 'Tokens: 2.1k sent, 100 received. Cost: $0.02 message, $0.03 session.'
		;;
	droid)
		say "droid wrote work.txt"
		echo "{\"type\":\"completion\",\"finalText\":\"droid wrote work.txt\",\"numTurns\":2,\"durationMs\":5,\"session_id\":\"$session\",\"usage\":{\"input_tokens\":40,\"output_tokens\":4,\"cache_read_input_tokens\":7}}"
		;;
	copilot)
		say "copilot wrote work.txt"
		echo '{"type":"result","timestamp":"x","sessionId":"s","exitCode":0,"usage":{"premiumRequests":1,"sessionDurationMs":5}}'
		;;
	goose)
		say "goose wrote "
		say "work.txt"
		echo '{"type":"complete","total_tokens":1234}'
		;;
	*)
		say "I wrote work.txt"
		echo "{\"type\":\"result\",\"subtype\":\"success\",\"duration_ms\":5,\"is_error\":false,\"result\":\"$program wrote work.txt\",\"session_id\":\"$session\",\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}"
		;;
	esac
}

# its machinery says that it failed, and how; $status is that of the program then
bad() { # text
	status=1
	case $program in
	claude) result true "$1" ;;
	codex)
		echo "{\"type\":\"error\",\"message\":\"$1\"}"
		echo "{\"type\":\"turn.failed\",\"error\":{\"message\":\"$1\"}}"
		;;
	# in its formats of JSON the exit status is that of HTTP, cut to a byte
	gemini)
		printf '{"type":"result","timestamp":"x","status":"error","error":{"type":"unknown","message":"[API Error: %s]\\\\nPlease wait"},"stats":{"total_tokens":3}}\n' "$1"
		status=173
		;;
	opencode) echo "{\"type\":\"error\",\"timestamp\":1,\"sessionID\":\"$session\",\"error\":{\"name\":\"APIError\",\"data\":{\"message\":\"$1\",\"isRetryable\":true}}}" ;;
	qwen)
		echo "{\"type\":\"result\",\"subtype\":\"success\",\"uuid\":\"u\",\"session_id\":\"$session\",\"is_error\":false,\"duration_ms\":3,\"result\":\"[API Error: $1]\",\"usage\":{\"input_tokens\":7,\"output_tokens\":0}}"
		status=0
		;;
	aider)
		printf 'litellm.APIError: x\n%s\n' "$1"
		status=0
		;;
	# on standard error, and without a result
	cursor | amp) printf 'Error: %s\n' "$1" >&2 ;;
	droid) echo "{\"type\":\"completion\",\"finalText\":\"$1\",\"session_id\":\"$session\",\"isError\":true}" ;;
	copilot)
		echo "{\"type\":\"session.error\",\"data\":{\"errorType\":\"x\",\"message\":\"$1\"}}"
		echo '{"type":"result","timestamp":"x","sessionId":"s","exitCode":1,"usage":{"premiumRequests":0}}'
		;;
	goose) echo "{\"type\":\"error\",\"error\":\"$1\"}" ;;
	esac
}

# the words for a limit in which the program itself tells of it
limit_text() {
	case $program in
	claude) echo "You've hit your session limit · resets in ${AGENT_RESET:-2000}s" ;;
	codex) echo "You’ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro) or try again in 2 hours 5 minutes." ;;
	gemini) echo 'You have exhausted your daily quota on this model.' ;;
	opencode) echo 'Monthly usage limit reached' ;;
	qwen) echo "Quota exhausted: Your token-plan 5-hour quota has been exhausted. It will reset at $(date -u -d '+2 hours' '+%m-%d %H:%M:%S') UTC." ;;
	aider) echo 'The API provider has rate limited you. Try again later or check your quotas.' ;;
	amp) echo 'You must have at least $1 in available credits' ;;
	cursor) echo "You're out of usage. Switch to Auto, or ask your admin to raise your limit" ;;
	droid) echo "You've reached your 5-hour standard usage limit (resets in 1h 48min)" ;;
	copilot) echo 'You have exceeded your monthly quota' ;;
	goose) echo 'Rate limit exceeded: try again in 90 seconds' ;;
	esac
}
overload_text() {
	case $program in
	claude) echo 'API Error: 529 Overloaded. This is a server-side issue, usually temporary' ;;
	codex) echo 'Selected model is at capacity. Please try a different model.' ;;
	gemini) echo 'The model is overloaded. Please try again later. (Status: UNAVAILABLE)' ;;
	opencode) echo 'Overloaded' ;;
	qwen) echo '503 Service Unavailable' ;;
	aider) echo "The API provider's servers are down or overloaded." ;;
	*) echo '503 Service Unavailable' ;;
	esac
}
login_text() {
	case $program in
	claude) echo 'Not logged in · Please run /login' ;;
	codex) echo 'unexpected status 401 Unauthorized: Missing bearer or basic authentication in header' ;;
	gemini) echo 'API key not valid. Please pass a valid API key.' ;;
	opencode) echo 'Invalid API key' ;;
	qwen) echo '401 Invalid API key' ;;
	aider) echo 'The API provider is not able to authenticate you. Check your API key.' ;;
	*) echo '401 Unauthorized' ;;
	esac
}

# many lines that look like its own, each of a tool that prints much
flood() { # megabytes
	line=$(head -c 3900 /dev/zero | tr '\0' x)
	line=$(tool "error: overloaded, you've hit your usage limit, 429: $line")
	yes "$line" | head -c "$(($1 * 1000000))"
	echo
}

case $what in missing-session) [ "$how" = resume ] && { echo "No conversation found with session ID: $session" >&2; exit 1; } ;; esac
case $what in silent-end) ;; *) begin ;; esac
case $what in
ok | missing-session) work; good ;;
# nothing, and then all of it at once
silent-end) work; all=$(begin; good); printf '%s\n' "$all" ;;
nothing) good ;;
slow)
	echo begin >>"$AGENT_PLAN/all"
	sleep 0.2
	echo end >>"$AGENT_PLAN/all"
	good ;;
failed) result true "I could not do it"; exit 0 ;;
# its result says an error, the exit status does not
bad) work; bad "I could not do it"; exit 0 ;;
crash) work; exit 1 ;;
quiet-exit) work; exit 0 ;;
killed) work; say 'I begin'; kill -SEGV $$ ;;
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
limit-text) bad "$(limit_text)"; exit "$status" ;;
say-limit) bad "$(cat "$plan.text")"; exit "$status" ;;
codex-limit) echo '{"type":"turn.failed","error":{"message":"You’ve hit your usage limit. Upgrade to Pro or try again in 2 hours 5 minutes."}}'; exit 1 ;;
gemini-limit) printf '%s\n' '{"type":"result","timestamp":"x","status":"error","error":{"type":"unknown","message":"[API Error: You have exhausted your daily quota on this model.]\nPlease wait"}}'; exit 173 ;;
aider-auth) echo 'litellm.AuthenticationError: the API provider is not able to authenticate you. Check your API key.'; exit 0 ;;
overload) bad "$(overload_text)"; exit "$status" ;;
login) bad "$(login_text)"; exit "$status" ;;
# the model does not want to: nothing is done, and most programs call that a success
refusal)
	case $program in
	opencode) echo "{\"type\":\"error\",\"timestamp\":1,\"sessionID\":\"$session\",\"error\":{\"name\":\"ContentFilterError\",\"data\":{\"message\":\"x\"}}}"; exit 1 ;;
	codex) echo '{"type":"turn.completed","usage":{"input_tokens":300,"cached_input_tokens":10,"output_tokens":0}}' ;;
	*) say "I cannot help with that."; good ;;
	esac ;;
prose | prose-good)
	say 'Your docs say: usage limit reached|1795255200 and 429 Too Many Requests, ECONNRESET, error: overloaded, Not logged in'
	tool "Error: You've hit your usage limit, credit balance is too low, 401 Unauthorized, API Error: 529 Overloaded, rate limit exceeded"
	work
	[ $what = prose-good ] || exit 1
	good ;;
prose-bad) work; say 'Your docs say: usage limit reached|1795255200 and 429 Too Many Requests, ECONNRESET'; result true 'I cannot go on with this'; exit 1 ;;
big) work; flood "${AGENT_MEGABYTES:-10}"; good ;;
edit) echo "edited by $ORCH_STREAM" >shared; good ;;
resolve) grep -v '^[<=>|]' shared >shared.new; mv shared.new shared; git add shared; git commit -qm resolved; good ;;
fragment) cp "$plan.$ORCH_ATTEMPT.fragment" plan.orch; good ;;
wait-crash) work; while [ ! -e "$plan.go" ]; do sleep 0.05; done; exit 1 ;;
wait) work; while [ ! -e "$plan.go" ]; do sleep 0.05; done; good ;;
esac
