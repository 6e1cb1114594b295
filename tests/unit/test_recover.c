#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "os/zone.h"
#include "sched/budget.h"
#include "sched/recover.h"

#define NOW INT64_C(1795255200000) /* 2026-11-21 10:00 UTC */
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static bool utc(void *data, const char *name, int64_t epoch_s, int32_t *offset_s)
{
	(void)data;
	return zone_offset(NULL, name ? name : "UTC", epoch_s, offset_s);
}

static const struct when_zones zones = {utc, NULL};

#define TEXT(literal) \
	{ \
		literal, sizeof(literal) - 1, false \
	}
#define LATE(literal) \
	{ \
		literal, sizeof(literal) - 1, true \
	}
#define NO_TEXT \
	{ \
		NULL, 0, false \
	}
/* `again`: retries, -1 for not given; first, most: of the backoff */
#define RULE(rule_name, again, first, most, ...) \
	{ \
		.name = (rule_name), .retries = (again), .backoff_ms = (first), .backoff_max_ms = (most), \
		.margin_ms = -1, __VA_ARGS__ \
	}
#define PLAIN(rule_name, ...) RULE(rule_name, -1, -1, -1, __VA_ARGS__)

static const struct agent claude = {.name = "claude", .account = "anthropic"},
			  opus = {.name = "opus", .account = "anthropic"},
			  codex = {.name = "codex", .account = "openai"},
			  gemini = {.name = "gemini", .account = "google"};

static char until[] = "until", value[256];
static struct rule_group groups[] = {{until, value}};

/* a failure of `kind` in which the patterns of all rules match, and found `until` */
struct fixture {
	struct recover_failure failure;
	struct rule_match matches[8];
	struct recovery recovery;
	uint64_t random;
	struct recover_decision out;
};

static void set_up(
	struct fixture *f, enum failure_kind kind, const struct rule *rules, uint32_t count, const char *found)
{
	memset(f, 0, sizeof *f);
	for (uint32_t i = 0; i < count; i++)
		f->matches[i] = (struct rule_match){true, found ? groups : NULL, found ? 1 : 0};
	if (found)
		strncpy(value, found, sizeof value - 1);
	f->failure = (struct recover_failure){.kind = kind,
		.rules = rules,
		.matches = f->matches,
		.rule_count = count,
		.now_ms = NOW,
		.zones = &zones};
	f->random = 7;
}

static void decide(struct fixture *f)
{
	recover_decide(&f->failure, &f->recovery, &f->random, &f->out);
}

static void assert_within(int64_t got, int64_t low, int64_t high)
{
	assert_true(got >= low);
	assert_true(got <= high);
}

static void without_a_rule_the_stream_decides(void **state)
{
	static const struct rule rules[] = {
		PLAIN("other-kind", .kinds = 1u << FAILURE_CHECK, .fail = true),
		PLAIN("other-text", .match = "x", .fail = true),
		RULE("slower", -1, 60000, 90000, .kinds = 1u << FAILURE_TIMEOUT),
	};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_EXIT, rules, 3, NULL);
	f.matches[1].matched = false;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_BY_STREAM);
	assert_null(f.out.rule);
	assert_int_equal(f.out.backoff_ms, -1);
	/* no output at all */
	f.failure.matches = NULL;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_BY_STREAM);
	/* a rule that only says how long to wait */
	f.failure.kind = FAILURE_TIMEOUT;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_BY_STREAM);
	assert_string_equal(f.out.rule->name, "slower");
	assert_int_equal(f.out.backoff_ms, 60000);
	assert_int_equal(f.out.backoff_max_ms, 90000);
	recovery_release(&f.recovery);
}

static void the_first_rule_that_fits_decides(void **state)
{
	static const struct rule rules[] = {
		RULE("one", 1, -1, -1, .kinds = 1u << FAILURE_EXIT | 1u << FAILURE_SIGNAL, .match = "a"),
		PLAIN("two", .match = "b", .fail = true),
		RULE("three", 3, -1, -1, .match = NULL),
	};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_EXIT, rules, 3, NULL);
	decide(&f);
	assert_string_equal(f.out.rule->name, "one");
	f.failure.kind = FAILURE_STALLED;
	decide(&f);
	assert_string_equal(f.out.rule->name, "two");
	assert_int_equal(f.out.action, RECOVER_FAIL);
	assert_false(f.out.used_up);
	f.matches[1].matched = false;
	decide(&f);
	assert_string_equal(f.out.rule->name, "three");
	assert_int_equal(f.out.action, RECOVER_RETRY);
	recovery_release(&f.recovery);
}

static void budgets_are_per_rule(void **state)
{
	static const struct rule rules[] = {
		RULE("network", 2, 30 * SECOND, 45 * SECOND, .match = "a"),
		RULE("overload", 1, -1, -1, .match = "b"),
	};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_EXIT, rules, 2, NULL);
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_RETRY);
	/* a fifth less at most */
	assert_within(f.out.wake_ms, NOW + 24 * SECOND, NOW + 30 * SECOND);
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_RETRY);
	assert_within(f.out.wake_ms, NOW + 36 * SECOND, NOW + 45 * SECOND);
	assert_int_equal(f.out.attempt, 2);
	/* another failure has a budget of its own */
	f.matches[0].matched = false;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_RETRY);
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_FAIL);
	assert_true(f.out.used_up);
	f.matches[0].matched = true;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_FAIL);
	assert_true(f.out.used_up);
	assert_string_equal(f.out.rule->name, "network");
	recovery_release(&f.recovery);
}

static void a_limit_is_waited_for_and_holds_the_account(void **state)
{
	static const struct rule rules[] = {RULE("usage-limit", -1, 30 * MINUTE, 2 * HOUR, .match = "x",
		.wait = LATE("resets {{until}}"), .account = true)};
	const struct agent *const chain[] = {&claude};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_EXIT, rules, 1, "3:45pm (Europe/Berlin)");
	f.failure.chain = chain;
	f.failure.chain_count = 1;
	/* as often as it takes */
	for (int i = 0; i < 50; i++) {
		decide(&f);
		assert_int_equal(f.out.action, RECOVER_WAIT);
		assert_int_equal(f.out.wake_ms, NOW + 4 * HOUR + 45 * MINUTE + RECOVER_MARGIN_MS);
		assert_string_equal(f.out.hold, "anthropic");
		assert_int_equal(f.out.hold_until_ms, f.out.wake_ms);
		assert_false(f.out.blind);
	}
	recovery_release(&f.recovery);
	/* a time that has just passed is now */
	set_up(&f, FAILURE_EXIT, rules, 1, "9:59am");
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_WAIT);
	assert_int_equal(f.out.wake_ms, NOW + RECOVER_MARGIN_MS);
	/* a command has no account */
	assert_null(f.out.hold);
	recovery_release(&f.recovery);
	/* no time that is understood: longer each time */
	set_up(&f, FAILURE_EXIT, rules, 1, "soon");
	f.failure.chain = chain;
	f.failure.chain_count = 1;
	decide(&f);
	assert_true(f.out.blind);
	assert_within(f.out.wake_ms, NOW + 24 * MINUTE, NOW + 30 * MINUTE);
	for (int i = 0; i < 9; i++)
		decide(&f);
	assert_within(f.out.wake_ms, NOW + 96 * MINUTE, NOW + 2 * HOUR);
	assert_int_equal(f.out.hold_until_ms, f.out.wake_ms);
	recovery_release(&f.recovery);
}

static void a_rule_may_have_its_own_margin(void **state)
{
	static const struct rule rules[] = {{.name = "short",
		.retries = -1,
		.backoff_ms = -1,
		.backoff_max_ms = -1,
		.margin_ms = 500,
		.match = "x",
		.wait = LATE("{{until}}"),
		.account = true}};
	const struct agent *const chain[] = {&claude};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_EXIT, rules, 1, "in 2 seconds");
	f.failure.chain = chain;
	f.failure.chain_count = 1;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_WAIT);
	assert_int_equal(f.out.hold_until_ms, NOW + 2 * SECOND + 500);
	recovery_release(&f.recovery);
}

static void a_wait_may_be_limited_and_plain(void **state)
{
	static const struct rule rules[] = {RULE("short", 2, -1, -1, .wait = TEXT("90s"))};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_SPAWN, rules, 1, NULL);
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_WAIT);
	assert_int_equal(f.out.wake_ms, NOW + 90 * SECOND);
	decide(&f);
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_FAIL);
	assert_true(f.out.used_up);
	recovery_release(&f.recovery);
}

static void a_person_is_asked_for(void **state)
{
	static const struct rule rules[] = {
		PLAIN("out-of-credit", .match = "x", .fail = true, .account = true, .run = TEXT("notify"))};
	const struct agent *const chain[] = {&claude, &opus};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_EXIT, rules, 1, NULL);
	f.failure.chain = chain;
	f.failure.chain_count = 2;
	decide(&f);
	/* the other agent is of the same account */
	assert_int_equal(f.out.action, RECOVER_FAIL);
	assert_true(f.out.script);
	assert_string_equal(f.out.hold, "anthropic");
	assert_true(f.out.hold_until_ms == INT64_MAX);
	recovery_release(&f.recovery);
}

static void the_next_agent_takes_over(void **state)
{
	static const struct rule rules[] = {
		PLAIN("usage-limit", .match = "x", .wait = LATE("{{until}}"), .account = true),
	};
	const struct agent *const chain[] = {&claude, &opus, &codex, &gemini};
	struct holds holds = {0};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_EXIT, rules, 1, "in 2 hours");
	f.failure.chain = chain;
	f.failure.chain_count = 4;
	f.failure.holds = &holds;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_NEXT);
	assert_int_equal(f.out.next, 2);
	assert_int_equal(f.out.wake_ms, NOW);
	assert_int_equal(f.out.hold_until_ms, NOW + 2 * HOUR + RECOVER_MARGIN_MS);
	holds_add(&holds, f.out.hold, f.out.hold_until_ms, "usage limit");
	assert_int_equal(recover_pick_agent(chain, 4, &holds), 2);
	f.failure.agent = 2;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_NEXT);
	assert_int_equal(f.out.next, 3);
	holds_add(&holds, f.out.hold, f.out.hold_until_ms, "usage limit");
	f.failure.agent = 3;
	decide(&f);
	/* all are held: the last one's end is waited for, whoever comes first goes on */
	assert_int_equal(f.out.action, RECOVER_WAIT);
	holds_add(&holds, f.out.hold, f.out.hold_until_ms + HOUR, "usage limit");
	assert_int_equal(recover_pick_agent(chain, 4, &holds), -1);
	assert_int_equal(holds_expire(&holds, holds_next(&holds)), 2);
	assert_int_equal(recover_pick_agent(chain, 4, &holds), 0);
	holds_release(&holds);
	recovery_release(&f.recovery);
}

static void somebody_works_on_it_first(void **state)
{
	static const struct rule rules[] = {
		RULE("fix", 2, -1, -1, .kinds = 1u << FAILURE_CHECK, .agent = "claude", .prompt = TEXT("Mend it.")),
		RULE("clean", -1, 10 * SECOND, 10 * SECOND, .kinds = 1u << FAILURE_EXIT, .run = TEXT("make clean"),
			.fresh = true),
		PLAIN("tell", .wait = TEXT("1h"), .run = TEXT("notify")),
	};
	struct fixture f;

	(void)state;
	set_up(&f, FAILURE_CHECK, rules, 3, NULL);
	for (int i = 0; i < 2; i++) {
		decide(&f);
		assert_int_equal(f.out.action, RECOVER_FIX);
		assert_string_equal(f.out.fixer, "claude");
		assert_false(f.out.script);
		assert_int_equal(f.out.wake_ms, NOW);
	}
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_FAIL);
	assert_true(f.out.used_up);
	/* a script: once */
	f.failure.kind = FAILURE_EXIT;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_FIX);
	assert_null(f.out.fixer);
	assert_true(f.out.script);
	assert_true(f.out.fresh);
	assert_within(f.out.wake_ms, NOW + 8 * SECOND, NOW + 10 * SECOND);
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_FAIL);
	assert_false(f.out.script);
	/* behind a wait it only tells */
	f.failure.kind = FAILURE_SPAWN;
	decide(&f);
	assert_int_equal(f.out.action, RECOVER_WAIT);
	assert_true(f.out.script);
	assert_int_equal(f.out.wake_ms, NOW + HOUR);
	recovery_release(&f.recovery);
}

/* an agent's text goes into `wait`: whatever it is, the decision is a wait with an end */
static void hostile_texts_end_in_a_wait(void **state)
{
	static const struct rule rules[] = {
		PLAIN("limit", .match = "x", .wait = LATE("{{until}}{{kind}}{{other}} {{{{"), .account = true)};
	static const char *const texts[] = {"", "99999999999999999999", "in 99999 days", "{{until}}", "\xff\xfe",
		"resets", "1/0", "-5s", "resets 3pm (../../../etc/passwd)"};
	const struct agent *const chain[] = {&claude};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		set_up(&f, FAILURE_EXIT, rules, 1, texts[i]);
		f.failure.chain = chain;
		f.failure.chain_count = 1;
		decide(&f);
		assert_int_equal(f.out.action, RECOVER_WAIT);
		assert_within(f.out.wake_ms, NOW, NOW + 24 * HOUR);
		recovery_release(&f.recovery);
	}
}

static void holds_are_kept_by_account(void **state)
{
	struct holds holds = {0};

	(void)state;
	assert_true(holds_next(&holds) == INT64_MAX);
	assert_null(holds_find(NULL, "a"));
	holds_add(&holds, "a", 100, "first");
	holds_add(&holds, "a", 50, "shorter");
	assert_string_equal(holds_find(&holds, "a")->reason, "first");
	holds_add(&holds, "a", 200, "longer");
	assert_int_equal(holds_find(&holds, "a")->until_ms, 200);
	assert_string_equal(holds_find(&holds, "a")->reason, "longer");
	for (char name[] = "b"; *name < 'k'; (*name)++)
		holds_add(&holds, name, INT64_MAX, "a person");
	assert_int_equal(holds.count, 10);
	assert_int_equal(holds_next(&holds), 200);
	assert_int_equal(holds_expire(&holds, 199), 0);
	assert_int_equal(holds_expire(&holds, 200), 1);
	assert_int_equal(holds_end(&holds, "c"), 1);
	assert_int_equal(holds_end(&holds, "c"), 0);
	assert_int_equal(holds_end(&holds, NULL), 8);
	holds_release(&holds);
}

/* --- money --- */

static void figures_are_made_the_attempts_own(void **state)
{
	struct meter first, second;
	int64_t grown;

	(void)state;
	meter_start(&first, COUNTS_LAST, NULL);
	assert_true(meter_add_cost(&first, "0.5", &grown));
	assert_int_equal(grown, 500000);
	assert_true(meter_add_cost(&first, "0.75", &grown));
	assert_int_equal(grown, 250000);
	assert_int_equal(first.cost.of_attempt, 750000);
	/* what is reported is of the attempt only: nothing is taken off */
	meter_start(&second, COUNTS_LAST, &first);
	assert_true(meter_add_cost(&second, "0.25", &grown));
	assert_int_equal(second.cost.of_attempt, 250000);

	meter_start(&first, COUNTS_SUM, NULL);
	assert_true(meter_add_cost(&first, "0.1", &grown));
	assert_true(meter_add_cost(&first, "0.2", &grown));
	assert_true(meter_add_tokens(&first, "10", "5", &grown));
	assert_true(meter_add_tokens(&first, "100", NULL, &grown));
	assert_int_equal(first.cost.of_attempt, 300000);
	assert_int_equal(first.tokens.of_attempt, 115);

	meter_start(&first, COUNTS_SESSION, NULL);
	assert_true(meter_add_tokens(&first, "1000", "200", &grown));
	meter_start(&second, COUNTS_SESSION, &first);
	assert_false(second.has_tokens);
	assert_true(meter_add_tokens(&second, "1500", "300", &grown));
	assert_int_equal(grown, 600);
	assert_int_equal(second.tokens.of_attempt, 600);
	/* an attempt that reported nothing leaves the session's figure as it was */
	meter_start(&first, COUNTS_SESSION, &second);
	meter_start(&second, COUNTS_SESSION, &first);
	assert_true(meter_add_tokens(&second, "2000", "300", &grown));
	assert_int_equal(second.tokens.of_attempt, 500);
	/* counted from nothing again: never less than nothing */
	meter_start(&first, COUNTS_SESSION, &second);
	assert_true(meter_add_tokens(&first, "100", "0", &grown));
	assert_int_equal(first.tokens.of_attempt, 100);
	assert_true(meter_add_tokens(&first, "2500", "0", &grown));
	assert_int_equal(first.tokens.of_attempt, 2500);
}

static void what_is_no_figure_is_no_report(void **state)
{
	static const char *const bad[] = {"", "x", "-1", "1e5", "inf", "nan", "99999999999999999999", "1.2.3"};
	struct meter meter;
	int64_t grown;

	(void)state;
	meter_start(&meter, COUNTS_LAST, NULL);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(meter_add_cost(&meter, bad[i], &grown));
		assert_false(meter_add_tokens(&meter, bad[i], NULL, &grown));
		assert_false(meter_add_tokens(&meter, "1", bad[i], &grown));
	}
	assert_false(meter.has_cost);
	assert_false(meter.has_tokens);
}

static void a_budget_is_reached_exactly(void **state)
{
	struct budget budget = {.limit = budget_millionths(100)}, none = {0};

	(void)state;
	for (int i = 1; i < 1000; i++)
		assert_false(budget_spend(&budget, budget_millionths(0.1)));
	assert_true(budget_spend(&budget, budget_millionths(0.1)));
	assert_true(budget_is_reached(&budget));
	assert_false(budget_spend(&none, budget_millionths(1e6)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rule_the_stream_decides),
		cmocka_unit_test(the_first_rule_that_fits_decides),
		cmocka_unit_test(budgets_are_per_rule),
		cmocka_unit_test(a_limit_is_waited_for_and_holds_the_account),
		cmocka_unit_test(a_rule_may_have_its_own_margin),
		cmocka_unit_test(a_wait_may_be_limited_and_plain),
		cmocka_unit_test(a_person_is_asked_for),
		cmocka_unit_test(the_next_agent_takes_over),
		cmocka_unit_test(somebody_works_on_it_first),
		cmocka_unit_test(hostile_texts_end_in_a_wait),
		cmocka_unit_test(holds_are_kept_by_account),
		cmocka_unit_test(figures_are_made_the_attempts_own),
		cmocka_unit_test(what_is_no_figure_is_no_report),
		cmocka_unit_test(a_budget_is_reached_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
