"""An agent whose account allows so many prompts, and is over its limit then for some seconds; twice (METERED_LIMITS). It prints what
claude, codex or qwen print. metered.py PROGRAM PROMPTS SECONDS run|resume SESSION < PROMPT, in the project's directory: meter.PROGRAM has what the account's owner
counts, calls.jsonl a line for each call."""
import datetime, fcntl, json, math, os, sys, time

program, allowed, seconds, how, session = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5]
stream = os.environ["ORCH_STREAM"]
prompt = sys.stdin.read()
if program == "codex" and how == "run":
    session = "thread-" + stream


def say(**event):
    print(json.dumps(event, ensure_ascii=False, separators=(",", ":")), flush=True)


if program == "codex":
    say(type="thread.started", thread_id=session)
else:
    say(type="system", subtype="init", session_id=session)

with open("meter." + program, "a+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    meter = json.loads(file.read() or '{"used": 0, "limits": 0, "until": 0}')
    now, began = time.time(), False
    if meter["until"] and now >= meter["until"]:
        meter.update(used=0, until=0)
    if not meter["until"]:
        meter["used"] += 1
        if meter["used"] > allowed and meter["limits"] < int(os.environ.get("METERED_LIMITS", 2)):
            # at a whole second: what is printed has no more
            meter.update(until=math.ceil(now + seconds), limits=meter["limits"] + 1)
            began = True
    refused = meter["until"] > 0
    file.truncate(0)
    json.dump(meter, file)
    file.flush()
    with open("calls.jsonl", "a") as calls:
        calls.write(json.dumps({"account": program, "stream": stream, "how": how, "session": session, "refused": refused,
                                "began_limit": began, "until": meter["until"], "time": now}) + "\n")

until = datetime.datetime.fromtimestamp(meter["until"], datetime.timezone.utc)
# some are told at once, some while they work
time.sleep(0.15)
if refused and program == "claude":
    say(type="rate_limit_event", rate_limit_info={"status": "rejected", "resetsAt": meter["until"], "rateLimitType": "five_hour"})
    say(type="result", subtype="success", is_error=True, result="You've hit your session limit", session_id=session, total_cost_usd=0.01)
    sys.exit(1)
if refused and program == "codex":
    say(type="turn.failed", error={"message": "You’ve hit your usage limit. Upgrade to Pro or try again in %d seconds." %
                                   math.ceil(meter["until"] - time.time())})
    sys.exit(1)
if refused:
    say(type="result", subtype="success", session_id=session, is_error=False,
        result="[API Error: Quota exhausted: Your token-plan 5-hour quota has been exhausted. It will reset at %s UTC.]" %
        until.strftime("%m-%d %H:%M:%S"))
    sys.exit(0)
if program == "codex":
    say(type="item.completed", item={"id": "1", "type": "agent_message", "text": "done"})
    say(type="turn.completed", usage={"input_tokens": 10, "cached_input_tokens": 0, "output_tokens": 1})
else:
    say(type="result", subtype="success", is_error=False, duration_ms=5, result="done", session_id=session, total_cost_usd=0.25,
        usage={"input_tokens": 10, "output_tokens": 1})
