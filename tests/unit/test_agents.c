/* The agents that ship: what their patterns find in what the programs print, and what their rules make of it. The
 * shapes of the output are those that the programs were seen to print. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/output.h"
#include "graph/project.h"
#include "lang/load.h"
#include "os/zone.h"
#include "sched/recover.h"
#include "util/diag.h"
#include "util/json.h"
#include "util/regex.h"
#include "util/strbuf.h"
#include "util/textwatch.h"

#define NOW INT64_C(1795255200000) /* 2026-11-21 10:00 UTC */

static struct project project;
static struct diag_list diags;

static bool utc(void *data, const char *name, int64_t epoch_s, int32_t *offset_s)
{
	(void)data;
	return zone_offset(NULL, name ? name : "UTC", epoch_s, offset_s);
}

static const struct when_zones zones = {utc, NULL};

static int load(void **state)
{
	struct load_options options = {.path = "Orchfile", .dir = "/", .isolated = true, .agents = true};
	struct orch_error err = {0};

	(void)state;
	project_init(&project);
	if (load_text(&project, &options, "", 0, &diags, &err) == 0)
		return 0;
	for (size_t i = 0; i < diags.count; i++)
		print_error("%s\n", diags.items[i].message);
	return -1;
}

static int unload(void **state)
{
	(void)state;
	diag_list_release(&diags);
	project_release(&project);
	return 0;
}

/* one attempt of an agent that printed `text` */
struct attempt {
	struct output_patterns *patterns;
	struct output output;
};

static void begin(struct attempt *attempt, const char *agent, const struct meter *before)
{
	struct orch_error err = {0};
	const struct agent *found = project_agent(&project, agent);

	if (!found)
		fail_msg("no agent '%s'", agent);
	if (output_patterns_new(
		    &attempt->patterns, found, project.recoveries, project.recovery_count, OUTPUT_OF_WORK, &err) < 0)
		fail_msg("%s", err.message);
	output_init(&attempt->output, attempt->patterns, before);
}

static void print(struct attempt *attempt, const char *agent, const char *text)
{
	begin(attempt, agent, NULL);
	output_feed(&attempt->output, text, strlen(text));
	output_finish(&attempt->output);
}

static void end(struct attempt *attempt)
{
	assert_null(output_gave_up(&attempt->output));
	output_release(&attempt->output);
	output_patterns_free(attempt->patterns);
}

static void decide(const struct attempt *attempt, enum failure_kind kind, struct recover_decision *out)
{
	struct recover_failure failure = {.kind = kind,
		.rules = project.recoveries,
		.matches = attempt->output.matches,
		.rule_count = project.recovery_count,
		.now_ms = NOW,
		.zones = &zones};
	struct recovery recovery = {0};
	uint64_t random = 1;

	recover_decide(&failure, &recovery, &random, out);
	recovery_release(&recovery);
}

static void every_pattern_can_be_compiled_and_has_its_groups(void **state)
{
	static const struct {
		size_t offset;
		const char *group;
	} rows[] = {
		{offsetof(struct agent, own), NULL},
		{offsetof(struct agent, done), NULL},
		{offsetof(struct agent, failed), NULL},
		{offsetof(struct agent, session), "session"},
		{offsetof(struct agent, cost), "cost"},
		{offsetof(struct agent, tokens), NULL},
		{offsetof(struct agent, note), "note"},
		{offsetof(struct agent, summary), "summary"},
	};
	struct orch_error err = {0};
	struct regex *regex;
	size_t where;

	(void)state;
	assert_int_equal(project.profile_count, 12);
	for (uint32_t i = 0; i < project.profile_count; i++) {
		const struct agent *agent = &project.profiles[i];

		assert_int_equal(agent->origin, SHIPPED);
		assert_non_null(agent->run.bytes);
		for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
			const char *pattern;

			memcpy(&pattern, (const char *)agent + rows[k].offset, sizeof pattern);
			if (!pattern)
				continue;
			if (regex_new(&regex, pattern, strlen(pattern), &where, &err) < 0)
				fail_msg("agent %s: %s: %s at %zu", agent->name, pattern, err.message, where);
			assert_true(!rows[k].group || regex_has_group(regex, rows[k].group) ||
				(rows[k].offset == offsetof(struct agent, note) && regex_has_group(regex, "more")));
			/* only at the start of a line, or with a text of their own: else long lines are dear */
			assert_true(regex_starts_lines(regex) || *pattern == '"' ||
				rows[k].offset == offsetof(struct agent, own));
			regex_free(regex);
		}
	}
	assert_true(project.recovery_count >= 10);
	for (uint32_t i = 0; i < project.recovery_count; i++) {
		const struct rule *rule = &project.recoveries[i];

		if (regex_new(&regex, rule->match, strlen(rule->match), &where, &err) < 0)
			fail_msg("rule %s: %s at %zu", rule->name, err.message, where);
		if (rule->wait.late)
			assert_true(regex_has_group(regex, "until"));
		regex_free(regex);
	}
	assert_true(project_agent(&project, "claude")->chooses_session);
	assert_false(project_agent(&project, "codex")->chooses_session);
}

struct expected {
	const char *agent, *text;
	bool done, failed;
	const char *session, *note, *summary;
	int64_t cost, tokens; /* -1: not said */
};

static void successes_are_read(void **state)
{
	static const struct expected cases[] = {
		{"claude",
			"{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"/w\",\"session_id\":\"1f0c-aa\",\"tools\":[]}\n"
			"{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"allowed\",\"resetsAt\":1783173600}}\n"
			"{\"type\":\"assistant\",\"message\":{\"id\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"Done \\\"it\\\"\\nall \\u20ac\"}],\"usage\":{\"input_tokens\":9,\"output_tokens\":1}},\"session_id\":\"1f0c-aa\"}\n"
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"duration_ms\":5123,\"num_turns\":3,\"result\":\"All good.\",\"session_id\":\"1f0c-aa\",\"total_cost_usd\":0.0404804,\"usage\":{\"input_tokens\":12,\"cache_read_input_tokens\":900,\"output_tokens\":34},\"permission_denials\":[]}\n",
			true, false, "1f0c-aa", "Done \"it\"\nall \xe2\x82\xac", "All good.", 40480, 46},
		{"codex",
			"{\"type\":\"thread.started\",\"thread_id\":\"0199-bb\"}\n{\"type\":\"turn.started\"}\n"
			"{\"type\":\"error\",\"message\":\"Reconnecting... 1/5 (stream disconnected before completion)\"}\n"
			"{\"type\":\"item.completed\",\"item\":{\"id\":\"item_1\",\"type\":\"agent_message\",\"text\":\"Finished.\"}}\n"
			"{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":100,\"cached_input_tokens\":80,\"output_tokens\":20}}\n",
			true, false, "0199-bb", "Finished.", "Finished.", -1, 120},
		{"gemini",
			"{\"type\":\"init\",\"timestamp\":\"t\",\"session_id\":\"g-1\",\"model\":\"x\"}\n"
			"{\"type\":\"message\",\"role\":\"user\",\"content\":\"what about usage limit reached?\"}\n"
			"{\"type\":\"result\",\"timestamp\":\"t\",\"status\":\"success\",\"stats\":{\"total_tokens\":77,\"input_tokens\":70}}\n",
			true, false, "g-1", "", "", -1, 77},
		{"opencode",
			"{\"type\":\"step_start\",\"timestamp\":1,\"sessionID\":\"ses_1\",\"part\":{}}\n"
			"{\"type\":\"text\",\"timestamp\":1,\"sessionID\":\"ses_1\",\"part\":{\"type\":\"text\",\"text\":\"Hello\"}}\n"
			"{\"type\":\"step_finish\",\"timestamp\":1,\"sessionID\":\"ses_1\",\"part\":{\"reason\":\"tool-calls\",\"cost\":0.01,\"tokens\":{\"input\":10,\"output\":2,\"reasoning\":0}}}\n"
			"{\"type\":\"step_finish\",\"timestamp\":2,\"sessionID\":\"ses_1\",\"part\":{\"reason\":\"stop\",\"cost\":0.02,\"tokens\":{\"total\":9,\"input\":5,\"output\":1,\"reasoning\":0}}}\n",
			true, false, "ses_1", "Hello", "Hello", 30000, 18},
		{"qwen",
			"{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"q-1\"}\n"
			"{\"type\":\"result\",\"subtype\":\"success\",\"uuid\":\"u\",\"session_id\":\"q-1\",\"is_error\":false,\"duration_ms\":3,\"result\":\"ok\",\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}\n",
			true, false, "q-1", "", "ok", -1, 10},
		{"aider",
			"Aider v0.86.1\nTokens: 12k sent, 1.2k received. Cost: $0.03 message, $0.10 session.\nCommit a1b2c3d feat: x\n",
			true, false, "", "a1b2c3d feat: x", "a1b2c3d feat: x", 100000, -1},
		{"cursor",
			"{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"c-1\"}\n"
			"{\"type\":\"result\",\"subtype\":\"success\",\"duration_ms\":1,\"is_error\":false,\"result\":\"fin\",\"session_id\":\"c-1\"}\n",
			true, false, "c-1", "", "fin", -1, -1},
		/* in pieces, with something else between two messages */
		{"gemini",
			"{\"type\":\"init\",\"timestamp\":\"t\",\"session_id\":\"g-2\",\"model\":\"x\"}\n"
			"{\"type\":\"message\",\"timestamp\":\"t\",\"role\":\"user\",\"content\":\"do it\"}\n"
			"{\"type\":\"message\",\"timestamp\":\"t\",\"role\":\"assistant\",\"content\":\"I look\",\"delta\":true}\n"
			"{\"type\":\"tool_use\",\"timestamp\":\"t\",\"tool_name\":\"x\"}\n"
			"{\"type\":\"tool_result\",\"timestamp\":\"t\",\"status\":\"success\"}\n"
			"{\"type\":\"message\",\"timestamp\":\"t\",\"role\":\"assistant\",\"content\":\"It \\\"is\\\" \",\"delta\":true}\n"
			"{\"type\":\"message\",\"timestamp\":\"t\",\"role\":\"assistant\",\"content\":\"done\\n\",\"delta\":true}\n"
			"{\"type\":\"result\",\"timestamp\":\"t\",\"status\":\"success\",\"stats\":{\"total_tokens\":5}}\n",
			true, false, "g-2", "It \"is\" done\n", "It \"is\" done\n", -1, 5},
		{"amp",
			"{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"/w\",\"session_id\":\"T-019e\",\"tools\":[\"Bash\"]}\n"
			"{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"4\"}]},\"session_id\":\"T-019e\"}\n"
			"{\"type\":\"result\",\"subtype\":\"success\",\"duration_ms\":1,\"is_error\":false,\"num_turns\":1,\"result\":\"4\",\"session_id\":\"T-019e\"}\n",
			true, false, "T-019e", "4", "4", -1, -1},
		{"droid",
			"{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"d-1\",\"model\":\"m\"}\n"
			"{\"type\":\"tool_result\",\"id\":\"c\",\"toolId\":\"Execute\",\"isError\":true,\"value\":\"no\",\"session_id\":\"d-1\"}\n"
			"{\"type\":\"message\",\"role\":\"assistant\",\"id\":\"a\",\"text\":\"Done, \\\"isError\\\":true no more.\",\"session_id\":\"d-1\"}\n"
			"{\"type\":\"completion\",\"finalText\":\"Done, \\\"isError\\\":true no more.\",\"numTurns\":2,\"durationMs\":3264,\"session_id\":\"d-1\",\"usage\":{\"input_tokens\":100,\"output_tokens\":20,\"cache_read_input_tokens\":7}}\n",
			true, false, "d-1", "Done, \"isError\":true no more.", "Done, \"isError\":true no more.", -1, 120},
		{"copilot",
			"{\"type\":\"session.mcp_server_status_changed\",\"data\":{},\"ephemeral\":true}\n"
			"{\"id\":\"3\",\"timestamp\":\"t\",\"parentId\":null,\"type\":\"assistant.message\",\"data\":{\"messageId\":\"m\",\"content\":\"Ready\",\"toolRequests\":[]}}\n"
			"{\"type\":\"result\",\"timestamp\":\"t\",\"sessionId\":\"s\",\"exitCode\":0,\"usage\":{\"premiumRequests\":1}}\n",
			true, false, "", "Ready", "Ready", -1, -1},
		{"goose",
			"{\"type\":\"message\",\"message\":{\"id\":null,\"role\":\"assistant\",\"created\":1,\"content\":[{\"type\":\"text\",\"text\":\"Hello \"}]}}\n"
			"{\"type\":\"message\",\"message\":{\"id\":null,\"role\":\"assistant\",\"created\":1,\"content\":[{\"type\":\"text\",\"text\":\"there\"}]}}\n"
			"{\"type\":\"complete\",\"total_tokens\":14366}\n",
			true, false, "", "Hello there", "Hello there", -1, 14366},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct expected *want = &cases[i];
		struct attempt a;

		print(&a, want->agent, want->text);
		if (a.output.done != want->done || a.output.failed != want->failed)
			fail_msg("%s: done %d, failed %d", want->agent, a.output.done, a.output.failed);
		assert_string_equal(strbuf_cstr(&a.output.session), want->session);
		assert_string_equal(strbuf_cstr(&a.output.note), want->note);
		assert_string_equal(strbuf_cstr(&a.output.summary), want->summary);
		assert_int_equal(a.output.meter.has_cost ? a.output.meter.cost.of_attempt : -1, want->cost);
		assert_int_equal(a.output.meter.has_tokens ? a.output.meter.tokens.of_attempt : -1, want->tokens);
		/* nothing of it looks like a failure */
		for (uint32_t r = 0; r < project.recovery_count; r++) {
			if (a.output.matches[r].matched && strcmp(want->agent, "codex") != 0)
				fail_msg("%s: rule %s matched", want->agent, project.recoveries[r].name);
		}
		end(&a);
	}
}

struct failure {
	const char *agent, *text, *rule; /* NULL: none */
	enum recover_action action;
	int64_t wake_ms; /* from NOW; -1: whenever */
	bool done, failed;
};

#define HOUR INT64_C(3600000)
#define MINUTE INT64_C(60000)

static void failures_are_known(void **state)
{
	static const struct failure cases[] = {
		/* the result event says an error, and the process may exit 0 */
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":429,\"result\":\"You've hit your session limit \xc2\xb7 resets 5:16pm (UTC)\",\"session_id\":\"s\"}\n",
			"usage-limit", RECOVER_WAIT, 7 * HOUR + 16 * MINUTE, true, true},
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"You've hit your weekly limit \xc2\xb7 resets Nov 24, 3:40pm (UTC)\"}\n",
			"usage-limit", RECOVER_WAIT, 77 * HOUR + 40 * MINUTE, true, true},
		/* the event knows it to the second */
		{"claude",
			"{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":1795262400,\"rateLimitType\":\"five_hour\"}}\n"
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"You've hit your session limit \xc2\xb7 resets 1pm\"}\n",
			"usage-limit-event", RECOVER_WAIT, 2 * HOUR, true, true},
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"Credit balance is too low\"}\n",
			"out-of-credit", RECOVER_FAIL, -1, true, true},
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"Not logged in \xc2\xb7 Please run /login\"}\n",
			"login", RECOVER_FAIL, -1, true, true},
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"API Error: 529 Overloaded. https://docs\"}\n",
			"overload", RECOVER_RETRY, -1, true, true},
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"API Error: Server is temporarily limiting requests (not your usage limit) \xc2\xb7 Rate limited\"}\n",
			"overload", RECOVER_RETRY, -1, true, true},
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"API Error: Request rejected (429) \xc2\xb7 slow down\"}\n",
			"rate-limit", RECOVER_WAIT, -1, true, true},
		{"claude",
			"--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons\n",
			"agent-usage", RECOVER_FAIL, -1, false, false},
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"error_max_turns\",\"is_error\":false,\"num_turns\":5}\n{\"type\":\"result\",\"subtype\":\"error_max_budget_usd\",\"is_error\":true}\n",
			"agent-budget", RECOVER_FAIL, -1, true, true},
		/* a good end, and then a check failed: the final message is prose */
		{"claude",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"You've hit your session limit \xc2\xb7 resets 5:16pm\"}\n",
			NULL, RECOVER_BY_STREAM, -1, true, false},
		/* half a line: it was killed */
		{"claude", "{\"type\":\"result\",\"subtype\":\"succ", NULL, RECOVER_BY_STREAM, -1, false, false},
		/* tools and prose talk about limits */
		{"claude",
			"{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"tool_use_id\":\"t\",\"type\":\"tool_result\",\"content\":\"Error: 429 Too Many Requests rate limit exceeded\",\"is_error\":true}]}}\n"
			"{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"You've hit your usage limit|1795262400\"}]}}\n"
			"{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\",\"input\":{\"type\":\"result\",\"is_error\":true,\"x\":\"Credit balance is too low\"}}]}}\n",
			NULL, RECOVER_BY_STREAM, -1, false, false},
		{"codex",
			"{\"type\":\"turn.failed\",\"error\":{\"message\":\"You\xe2\x80\x99ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/pro) or try again at 5:03 PM.\"}}\n",
			"usage-limit", RECOVER_WAIT, 7 * HOUR + 3 * MINUTE, false, true},
		{"codex",
			"{\"type\":\"turn.failed\",\"error\":{\"message\":\"You\xe2\x80\x99ve hit your usage limit. Try again at Nov 24th, 2026 3:40 PM.\"}}\n",
			"usage-limit", RECOVER_WAIT, 77 * HOUR + 40 * MINUTE, false, true},
		{"codex",
			"{\"type\":\"turn.failed\",\"error\":{\"message\":\"Quota exceeded. Check your plan and billing details.\"}}\n",
			"out-of-credit", RECOVER_FAIL, -1, false, true},
		{"codex",
			"{\"type\":\"turn.failed\",\"error\":{\"message\":\"exceeded retry limit, last status: 429 Too Many Requests\"}}\n",
			"rate-limit", RECOVER_WAIT, -1, false, true},
		{"codex",
			"{\"type\":\"turn.failed\",\"error\":{\"message\":\"stream disconnected before completion: x\"}}\n",
			"network", RECOVER_RETRY, -1, false, true},
		{"codex",
			"{\"type\":\"turn.failed\",\"error\":{\"message\":\"unexpected status 401 Unauthorized: Missing bearer\"}}\n",
			"login", RECOVER_FAIL, -1, false, true},
		{"codex",
			"{\"type\":\"turn.failed\",\"error\":{\"message\":\"Codex ran out of room in the model's context window. Start a new conversation\"}}\n",
			"context-full", RECOVER_RETRY, -1, false, true},
		{"codex",
			"{\"type\":\"turn.failed\",\"error\":{\"message\":\"Selected model is at capacity. Please try another\"}}\n",
			"overload", RECOVER_RETRY, -1, false, true},
		{"gemini",
			"{\"type\":\"result\",\"timestamp\":\"t\",\"status\":\"error\",\"error\":{\"type\":\"unknown\",\"message\":\"[API Error: You have exhausted your daily quota on this model.]\\nPlease wait\"},\"stats\":{}}\n",
			"usage-limit", RECOVER_WAIT, -1, false, true},
		{"gemini",
			"Attempt 3 failed with status 429. Retrying with backoff... ApiError: {\"error\":{\"code\":429}}\n",
			"rate-limit", RECOVER_WAIT, -1, false, false},
		{"opencode",
			"{\"type\":\"error\",\"timestamp\":1,\"sessionID\":\"ses_1\",\"error\":{\"name\":\"APIError\",\"data\":{\"message\":\"Overloaded\",\"statusCode\":503,\"isRetryable\":true}}}\n",
			"overload", RECOVER_RETRY, -1, false, true},
		{"opencode",
			"{\"type\":\"error\",\"error\":{\"name\":\"APIError\",\"data\":{\"message\":\"Insufficient balance. Manage your billing here\"}}}\n",
			"out-of-credit", RECOVER_FAIL, -1, false, true},
		/* success in every field but the text */
		{"qwen",
			"{\"type\":\"result\",\"subtype\":\"success\",\"session_id\":\"q\",\"is_error\":false,\"result\":\"[API Error: 401 Invalid API key]\"}\n",
			"login", RECOVER_FAIL, -1, true, true},
		{"qwen",
			"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"[API Error: Quota exhausted: Your token-plan 5-hour quota has been exhausted. It will reset at 11-21 15:12:00 UTC]\"}\n",
			"usage-limit", RECOVER_WAIT, 5 * HOUR + 12 * MINUTE, true, true},
		{"droid", "You've reached your weekly standard usage limit (resets in 1 day).\n", "usage-limit",
			RECOVER_WAIT, 24 * HOUR, false, false},
		{"droid", "Error: You've reached your 5-hour standard usage limit (resets in 1h 48min)\n",
			"usage-limit", RECOVER_WAIT, HOUR + 48 * MINUTE, false, false},
		{"copilot",
			"{\"type\":\"session.error\",\"data\":{\"errorType\":\"quota\",\"message\":\"402 You have no quota\"}}\n",
			"out-of-credit", RECOVER_FAIL, -1, false, true},
		{"copilot",
			"{\"type\":\"result\",\"timestamp\":\"t\",\"sessionId\":\"s\",\"exitCode\":1,\"usage\":{\"premiumRequests\":0}}\n",
			NULL, RECOVER_BY_STREAM, -1, false, true},
		{"droid",
			"{\"type\":\"completion\",\"finalText\":\"You've reached your 5-hour standard usage limit (resets in 1h 48min)\",\"session_id\":\"d\",\"isError\":true}\n",
			"usage-limit", RECOVER_WAIT, HOUR + 48 * MINUTE, true, true},
		{"goose", "{\"type\":\"error\",\"error\":\"Rate limit exceeded: slow down\"}\n", "rate-limit", RECOVER_WAIT, -1,
			false, true},
		{"aider", "The API provider has rate limited you. Try again later or check your quotas.\n",
			"rate-limit", RECOVER_WAIT, -1, false, true},
		{"aider",
			"litellm.AuthenticationError: x\nThe API provider is not able to authenticate you. Check your API key.\n",
			"login", RECOVER_FAIL, -1, false, true},
		{"cursor", "You're out of usage. Switch to Auto, or ask your admin to raise your limit\n",
			"out-of-credit", RECOVER_FAIL, -1, false, false},
		{"amp", "Error: You must have at least $1 in available credits\n", "out-of-credit", RECOVER_FAIL, -1,
			false, false},
		{"claude",
			"{\"type\":\"result\",\"is_error\":true,\"result\":\"You're out of extra usage \xc2\xb7 resets 9pm\"}\n",
			"usage-limit", RECOVER_WAIT, 11 * HOUR, true, true},
		{"claude",
			"{\"type\":\"result\",\"is_error\":true,\"result\":\"You've hit your monthly spend limit\"}\n",
			"out-of-credit", RECOVER_FAIL, -1, true, true},
	};
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct failure *want = &cases[i];
		struct recover_decision got;
		struct attempt a;
		int64_t wake;

		print(&a, want->agent, want->text);
		decide(&a, FAILURE_EXIT, &got);
		/* what an account waits for is waited for five minutes more */
		wake = got.wake_ms - NOW - (got.rule && got.rule->account ? RECOVER_MARGIN_MS : 0);
		if (strcmp(got.rule ? got.rule->name : "none", want->rule ? want->rule : "none") != 0 ||
			got.action != want->action || (want->wake_ms >= 0 && wake != want->wake_ms) ||
			(want->wake_ms >= 0 && got.blind) || a.output.done != want->done ||
			a.output.failed != want->failed) {
			print_error("%s: %.150s\n  rule %s, action %d, wake %lld, blind %d, done %d, failed %d\n",
				want->agent, want->text, got.rule ? got.rule->name : "none", (int)got.action,
				(long long)wake, got.blind, a.output.done, a.output.failed);
			wrong++;
		}
		end(&a);
	}
	assert_int_equal(wrong, 0);
}

/* tests/data/limits: each message that is a limit is one, with its time; each that is not is not */
static void messages_are_what_they_are(void **state)
{
	static const struct {
		const char *expect, *rules;
	} meanings[] = {
		{"limit", "usage-limit rate-limit out-of-credit"},
		{"transient", "rate-limit overload"},
		{"network", "network"},
		{"context", "context-full"},
		{"auth", "login out-of-credit"},
		{"missing-tool", "agent-usage"},
		{"usage-error", "agent-usage"},
		{"budget", "agent-budget"},
		{"oom", "agent-memory"},
		{"worktree", "none"},
		{"none", "none"},
	};
	char path[4096], line[8192];
	const char *srcdir = getenv("srcdir");
	unsigned wrong = 0, count = 0;
	FILE *file;

	(void)state;
	snprintf(path, sizeof path, "%s/tests/data/limits/messages.jsonl", srcdir ? srcdir : ".");
	file = fopen(path, "r");
	if (!file)
		fail_msg("cannot read %s", path);
	while (fgets(line, sizeof line, file)) {
		struct json_value *root;
		const char *agent, *expect, *name, *rules = NULL;
		struct recover_decision got;
		struct attempt a;

		assert_int_equal(json_read(&root, line, strlen(line), NULL), 0);
		agent = json_member_string(root, "agent");
		expect = json_member_string(root, "expect");
		for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
			if (strcmp(meanings[i].expect, expect) == 0)
				rules = meanings[i].rules;
		}
		assert_non_null(rules);
		print(&a, strcmp(agent, "any") == 0 ? "claude" : agent, json_member_string(root, "text"));
		decide(&a, FAILURE_EXIT, &got);
		name = got.rule ? got.rule->name : "none";
		/* one that says when is waited for until then */
		if (!strstr(rules, name) ||
			(json_member_string(root, "reset") && (got.action != RECOVER_WAIT || got.blind))) {
			print_error("%s %s: rule %s, action %d, blind %d: %s\n", json_member_string(root, "id"), expect,
				name, (int)got.action, got.blind, json_member_string(root, "text"));
			wrong++;
		}
		count++;
		end(&a);
		json_value_free(root);
	}
	fclose(file);
	assert_int_equal(count, 36);
	assert_int_equal(wrong, 0);
}

static void a_session_is_safe_in_a_command(void **state)
{
	static const char *const bad[] = {"$(reboot)", "a b", "-rf", "", "a;b", "a'b", "../x/", "`x`"};
	struct attempt a;
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "{\"type\":\"system\",\"session_id\":\"%s\"}\n", bad[i]);
		print(&a, "claude", text);
		assert_string_equal(strbuf_cstr(&a.output.session), "");
		end(&a);
	}
	print(&a, "claude", "{\"session_id\":\"0a-1.b_C:d@e\"}\n{\"session_id\":\"second\"}\n");
	assert_string_equal(strbuf_cstr(&a.output.session), "0a-1.b_C:d@e");
	end(&a);
}

static void texts_are_cut_and_unescaped(void **state)
{
	struct strbuf text = {0};
	struct attempt a;

	(void)state;
	strbuf_addstr(&text, "{\"type\":\"result\",\"is_error\":false,\"result\":\"");
	for (int i = 0; i < 100000; i++)
		strbuf_addstr(&text, "\xe2\x82\xac\\n");
	strbuf_addstr(&text, "\"}\n");
	print(&a, "claude", strbuf_cstr(&text));
	assert_true(a.output.summary.len <= OUTPUT_SUMMARY_MAX);
	assert_true(a.output.summary.len > OUTPUT_SUMMARY_MAX - 8);
	assert_memory_equal(a.output.summary.data, "\xe2\x82\xac\n\xe2\x82\xac\n", 8);
	end(&a);
	strbuf_release(&text);
}

static void news_is_told_once(void **state)
{
	static const char start[] = "{\"type\":\"system\",\"session_id\":\"s\"}\n";
	static const char result[] =
		"{\"type\":\"result\",\"is_error\":false,\"result\":\"x\",\"total_cost_usd\":1.5,\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}\n";
	struct attempt a;

	(void)state;
	begin(&a, "claude", NULL);
	assert_int_equal(output_feed(&a.output, start, sizeof start - 1), OUTPUT_SESSION);
	assert_int_equal(output_feed(&a.output, start, sizeof start - 1), 0);
	assert_int_equal(output_feed(&a.output, result, sizeof result - 1),
		OUTPUT_DONE | OUTPUT_COST | OUTPUT_TOKENS | OUTPUT_SUMMARY);
	assert_int_equal(a.output.cost_grown, 1500000);
	assert_int_equal(output_finish(&a.output), 0);
	end(&a);
}

/* the output of a check is matched by rules for checks, all of it */
static void checks_have_rules_of_their_own(void **state)
{
	static const struct rule rules[] = {
		{.name = "tests", .kinds = 1u << FAILURE_CHECK, .match = "(?<n>\\d+) failed", .retries = 1},
		{.name = "exit", .kinds = 1u << FAILURE_EXIT, .match = "failed", .retries = 1},
		{.name = "any", .match = "Tests", .retries = 1},
	};
	static const char text[] = "Tests: 3 failed\nTests: 12 failed\n";
	struct output_patterns *patterns;
	struct output output;

	(void)state;
	assert_int_equal(
		output_patterns_new(&patterns, project_agent(&project, "claude"), rules, 3, OUTPUT_OF_CHECK, NULL), 0);
	output_init(&output, patterns, NULL);
	output_feed(&output, text, sizeof text - 1);
	output_finish(&output);
	assert_true(output.matches[0].matched);
	assert_int_equal(output.matches[0].group_count, 1);
	assert_string_equal(output.matches[0].groups[0].name, "n");
	assert_string_equal(output.matches[0].groups[0].value, "12");
	assert_false(output.matches[1].matched);
	assert_true(output.matches[2].matched);
	output_release(&output);
	output_patterns_free(patterns);
}

/* 64 MB in lines that look like the agent's, in the pieces in which a log grows: each byte is looked at a few times by
 * each pattern, no pattern is given up, and what is kept stays small */
static void a_large_log_is_read_in_time(void **state)
{
	enum { TOTAL = 64 * 1024 * 1024, PIECE = 16 * 1024 };
	struct strbuf line = {0};
	struct attempt a;
	size_t fed = 0;

	(void)state;
	strbuf_addstr(&line,
		"{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":\"");
	for (int i = 0; i < 2000; i++)
		strbuf_addf(&line, "line %d: you've hit your limit, error: overloaded \\\"429\\\"\\n", i);
	strbuf_addstr(&line, "\"}]},\"session_id\":\"s\"}\n");
	for (int i = 0; i < 500; i++)
		strbuf_addf(&line,
			"{\"type\":\"stream_event\",\"event\":{\"delta\":{\"text\":\"word %d\"}},\"session_id\":\"s\"}\n",
			i);
	begin(&a, "claude", NULL);
	while (fed < TOTAL) {
		for (size_t at = 0; at < line.len; at += PIECE)
			output_feed(&a.output, line.data + at, line.len - at < PIECE ? line.len - at : PIECE);
		fed += line.len;
	}
	output_finish(&a.output);
	for (uint32_t r = 0; r < project.recovery_count; r++)
		assert_false(a.output.matches[r].matched);
	assert_true(textwatch_work(a.output.watch) <= 4 * (uint64_t)fed * 8);
	end(&a);
	strbuf_release(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pattern_can_be_compiled_and_has_its_groups),
		cmocka_unit_test(successes_are_read),
		cmocka_unit_test(failures_are_known),
		cmocka_unit_test(messages_are_what_they_are),
		cmocka_unit_test(a_session_is_safe_in_a_command),
		cmocka_unit_test(texts_are_cut_and_unescaped),
		cmocka_unit_test(news_is_told_once),
		cmocka_unit_test(checks_have_rules_of_their_own),
		cmocka_unit_test(a_large_log_is_read_in_time),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
