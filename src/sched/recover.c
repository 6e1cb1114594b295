#include "config.h"

#include "sched/recover.h"

#include <stdlib.h>
#include <string.h>

#include "sched/run_private.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/template.h"

enum { WAIT_TEXT_MAX = 4096 };

#define DEFAULT_BACKOFF_MS 5000
#define DEFAULT_BACKOFF_MAX_MS 300000

/* --- holds --- */

void holds_add(struct holds *holds, const char *account, int64_t until_ms, const char *reason)
{
	struct hold *hold = NULL;

	for (size_t i = 0; i < holds->count && !hold; i++) {
		if (strcmp(holds->items[i].account, account) == 0)
			hold = &holds->items[i];
	}
	if (hold && hold->until_ms >= until_ms)
		return;
	if (!hold) {
		if (holds->count == holds->capacity) {
			holds->capacity = holds->capacity ? 2 * holds->capacity : 4;
			holds->items = xreallocarray(holds->items, holds->capacity, sizeof *holds->items);
		}
		hold = &holds->items[holds->count++];
		hold->account = xstrdup(account);
	} else {
		free(hold->reason);
	}
	hold->until_ms = until_ms;
	hold->reason = xstrdup(reason);
}

static void remove_hold(struct holds *holds, size_t index)
{
	free(holds->items[index].account);
	free(holds->items[index].reason);
	memmove(&holds->items[index], &holds->items[index + 1], (holds->count - index - 1) * sizeof *holds->items);
	holds->count--;
}

size_t holds_end(struct holds *holds, const char *account)
{
	size_t before = holds->count;

	for (size_t i = holds->count; i-- > 0;) {
		if (!account || strcmp(holds->items[i].account, account) == 0)
			remove_hold(holds, i);
	}
	return before - holds->count;
}

size_t holds_expire(struct holds *holds, int64_t now_ms)
{
	size_t before = holds->count;

	for (size_t i = holds->count; i-- > 0;) {
		if (holds->items[i].until_ms <= now_ms)
			remove_hold(holds, i);
	}
	return before - holds->count;
}

const struct hold *holds_find(const struct holds *holds, const char *account)
{
	for (size_t i = 0; holds && i < holds->count; i++) {
		if (strcmp(holds->items[i].account, account) == 0)
			return &holds->items[i];
	}
	return NULL;
}

int64_t holds_next(const struct holds *holds)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < holds->count; i++) {
		if (holds->items[i].until_ms < first)
			first = holds->items[i].until_ms;
	}
	return first;
}

void holds_release(struct holds *holds)
{
	holds_end(holds, NULL);
	free(holds->items);
	memset(holds, 0, sizeof *holds);
}

int recover_pick_agent(const struct agent *const *chain, uint32_t count, const struct holds *holds)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!holds_find(holds, chain[i]->account))
			return (int)i;
	}
	return -1;
}

/* --- a failure --- */

static const char *const kind_names[FAILURE_KINDS] = {
	"exit", "signal", "timeout", "stalled", "check", "spawn", "merge", "outputs", "changes", "memory", "node",
	"preempted", "cancelled"};

const char *failure_kind_name(enum failure_kind kind)
{
	return kind_names[kind];
}

void recovery_release(struct recovery *recovery)
{
	free(recovery->used);
	memset(recovery, 0, sizeof *recovery);
}

static bool fits(const struct recover_failure *failure, uint32_t index)
{
	const struct rule *rule = &failure->rules[index];

	if (rule->kinds && !(rule->kinds & 1u << failure->kind))
		return false;
	return !rule->match || (failure->matches && failure->matches[index].matched);
}

static const char *value_of(
	const struct recover_failure *failure, const struct rule_match *match, const char *name, size_t len)
{
	for (uint32_t i = 0; match && i < match->group_count; i++) {
		if (strlen(match->groups[i].name) == len && memcmp(match->groups[i].name, name, len) == 0)
			return match->groups[i].value;
	}
	if (len == 4 && memcmp(name, "kind", 4) == 0)
		return failure_kind_name(failure->kind);
	return "";
}

/* when the rule says that it may go on; false: nothing that is understood */
static bool wait_until(const struct recover_failure *failure, const struct rule *rule, const struct rule_match *match,
	int64_t *until_ms)
{
	struct strbuf text = {.limit = WAIT_TEXT_MAX};
	const char *rest = rule->wait.bytes;
	size_t len = rule->wait.len;
	struct template_part part;
	bool understood;

	if (!rule->wait.late) {
		strbuf_add(&text, rest, len);
	} else {
		while (template_next(&rest, &len, &part)) {
			if (part.kind == TEMPLATE_NAME)
				strbuf_addstr(&text, value_of(failure, match, part.name, part.name_len));
			else
				strbuf_add(&text, part.text, part.len);
		}
	}
	understood = when_parse(strbuf_cstr(&text), text.len, failure->now_ms, failure->zones, until_ms);
	strbuf_release(&text);
	if (understood && *until_ms < failure->now_ms)
		*until_ms = failure->now_ms;
	return understood;
}

static int64_t backoff(const struct rule *rule, int64_t first, int64_t most, uint32_t attempt, uint64_t *random)
{
	if (rule->backoff_ms >= 0) {
		first = rule->backoff_ms;
		most = rule->backoff_max_ms;
	}
	return retry_backoff_ms(first, most, attempt, random);
}

/* another agent of the chain, whose account is neither held nor the one that failed; the nearest behind it */
static bool next_agent(const struct recover_failure *failure, uint32_t *next)
{
	const char *account = failure->chain[failure->agent]->account;

	for (uint32_t n = 1; n < failure->chain_count; n++) {
		uint32_t i = (failure->agent + n) % failure->chain_count;

		if (strcmp(failure->chain[i]->account, account) != 0 &&
			!holds_find(failure->holds, failure->chain[i]->account)) {
			*next = i;
			return true;
		}
	}
	return false;
}

/* how often the rule may act for a stream; -1: always */
static int64_t budget_of(const struct rule *rule)
{
	if (rule->retries >= 0)
		return rule->retries;
	return (rule->agent || rule->run.bytes) && !rule->wait.bytes ? 1 : -1;
}

static uint32_t count_use(struct recovery *recovery, uint32_t rule, uint32_t rule_count)
{
	if (recovery->count < rule_count) {
		recovery->used = xreallocarray(recovery->used, rule_count, sizeof *recovery->used);
		memset(recovery->used + recovery->count, 0, (rule_count - recovery->count) * sizeof *recovery->used);
		recovery->count = rule_count;
	}
	return ++recovery->used[rule];
}

static void decide_wait(
	const struct recover_failure *failure, const struct rule *rule, uint64_t *random, struct recover_decision *out)
{
	out->action = RECOVER_WAIT;
	out->blind = !wait_until(failure, rule, out->match, &out->wake_ms);
	if (out->blind)
		out->wake_ms = failure->now_ms +
			backoff(rule, RECOVER_WAIT_BLIND_MS, RECOVER_WAIT_BLIND_MAX_MS, out->attempt, random);
	else if (rule->account)
		out->wake_ms += rule->margin_ms >= 0 ? rule->margin_ms : RECOVER_MARGIN_MS;
}

/* a rule about the account: it is held, and another agent may take over */
static void decide_account(const struct recover_failure *failure, struct recover_decision *out)
{
	if (!failure->chain_count)
		return;
	out->hold = failure->chain[failure->agent]->account;
	out->hold_until_ms = out->action == RECOVER_FAIL ? INT64_MAX : out->wake_ms;
	if (next_agent(failure, &out->next)) {
		out->action = RECOVER_NEXT;
		out->wake_ms = failure->now_ms;
	}
}

void recover_decide(const struct recover_failure *failure, struct recovery *recovery, uint64_t *random,
	struct recover_decision *out)
{
	const struct rule *rule;
	uint32_t index = 0;
	int64_t budget;

	*out = (struct recover_decision){
		.action = RECOVER_BY_STREAM, .wake_ms = failure->now_ms, .backoff_ms = -1, .backoff_max_ms = -1};
	while (index < failure->rule_count && !fits(failure, index))
		index++;
	if (index == failure->rule_count)
		return;
	rule = out->rule = &failure->rules[index];
	out->match = rule->match ? &failure->matches[index] : NULL;
	out->fresh = rule->fresh;
	out->script = rule->run.bytes != NULL;
	out->attempt = count_use(recovery, index, failure->rule_count);
	budget = budget_of(rule);
	if (rule->fail || (budget >= 0 && out->attempt > budget)) {
		out->action = RECOVER_FAIL;
		out->used_up = !rule->fail;
		/* what is tried in vain is not told of each time */
		out->script &= !out->used_up;
	} else if (rule->wait.bytes) {
		decide_wait(failure, rule, random, out);
	} else if (rule->agent || rule->run.bytes) {
		out->action = RECOVER_FIX;
		out->fixer = rule->agent;
		if (rule->backoff_ms > 0)
			out->wake_ms += backoff(rule, 0, 0, out->attempt, random);
	} else if (rule->retries >= 0) {
		out->action = RECOVER_RETRY;
		out->wake_ms += backoff(rule, DEFAULT_BACKOFF_MS, DEFAULT_BACKOFF_MAX_MS, out->attempt, random);
	} else {
		out->backoff_ms = rule->backoff_ms;
		out->backoff_max_ms = rule->backoff_max_ms;
	}
	if (rule->account && !out->used_up)
		decide_account(failure, out);
}
