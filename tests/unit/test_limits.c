/* Thirty streams on three accounts, each of which runs into its usage limit twice, in virtual time: the scheduler and the
 * rules of recovery together, as the executor has them work. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/sim.h"
#include "os/zone.h"
#include "sched/recover.h"

enum { STREAMS = 30, ACCOUNTS = 3, JOBS = 9, LIMITS = 2 };

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
/* 2026-11-21 10:00 UTC is instant 0 of the run */
#define EPOCH INT64_C(1795255200000)

static const struct agent agents[ACCOUNTS] = {
	{.name = "claude", .account = "claude"},
	{.name = "codex", .account = "codex"},
	{.name = "gemini", .account = "gemini"},
};

/* what the service knows of an account */
struct service {
	int64_t used_ms, quota_ms; /* of work, since its limit ended last */
	int64_t until_ms;          /* over its limit until then; 0: it is not */
	unsigned limits;
};

struct world {
	struct sim sim;
	struct holds holds;
	struct service services[ACCOUNTS];
	struct recovery recoveries[STREAMS];
	unsigned starts[STREAMS], hit[STREAMS];
	uint64_t random;
};

static bool utc(void *data, const char *name, int64_t epoch_s, int32_t *offset_s)
{
	(void)data;
	return zone_offset(NULL, name ? name : "UTC", epoch_s, offset_s);
}

static const struct when_zones zones = {utc, NULL};

static unsigned account_of(uint32_t stream)
{
	return stream % ACCOUNTS;
}

static const char *admit(void *data, uint32_t stream)
{
	const struct world *world = data;
	const struct hold *hold = holds_find(&world->holds, agents[account_of(stream)].account);

	return hold ? hold->reason : NULL;
}

static void on_change(
	void *data, uint32_t stream, enum orch_task_state from, enum orch_task_state to, const char *reason)
{
	struct world *world = data;

	(void)from;
	(void)reason;
	if (to != ORCH_TASK_RUNNING)
		return;
	world->starts[stream]++;
	/* nobody starts on an account that is held */
	assert_null(holds_find(&world->holds, agents[account_of(stream)].account));
}

/* the message is the one that the account's program prints; the reset has the precision of a minute */
static void fail_by_limit(struct world *world, uint32_t stream)
{
	static const struct rule rules[] = {{.name = "usage-limit",
		.retries = -1,
		.backoff_ms = -1,
		.backoff_max_ms = -1,
		.margin_ms = -1,
		.match = "x",
		.wait = {"{{until}}", 9, true},
		.account = true}};
	const struct service *service = &world->services[account_of(stream)];
	const struct agent *const chain[] = {&agents[account_of(stream)]};
	char value[64], name[] = "until";
	struct rule_group group = {name, value};
	struct rule_match match = {true, &group, 1};
	int64_t clock_s = (EPOCH + service->until_ms) / 1000 % 86400;
	struct recover_failure failure = {.kind = FAILURE_EXIT,
		.rules = rules,
		.matches = &match,
		.rule_count = 1,
		.chain = chain,
		.chain_count = 1,
		.holds = &world->holds,
		.now_ms = EPOCH + world->sim.now,
		.zones = &zones};
	struct recover_decision out;

	snprintf(value, sizeof value, "resets %d:%02d (UTC)", (int)(clock_s / 3600), (int)(clock_s / 60 % 60));
	recover_decide(&failure, &world->recoveries[stream], &world->random, &out);
	assert_int_equal(out.action, RECOVER_WAIT);
	assert_false(out.blind);
	/* never before it is over, and not much later */
	assert_true(out.hold_until_ms >= EPOCH + service->until_ms);
	assert_true(out.hold_until_ms <= EPOCH + service->until_ms + RECOVER_MARGIN_MS + MINUTE);
	holds_add(&world->holds, out.hold, out.hold_until_ms, "usage limit");
	world->hit[stream]++;
	sched_hold(world->sim.run, stream, "usage limit");
}

static void end_attempt(struct world *world, uint32_t stream)
{
	struct sim *sim = &world->sim;
	struct service *service = &world->services[account_of(stream)];

	if (service->until_ms && service->until_ms <= sim->now) {
		service->until_ms = 0;
		service->used_ms = 0;
	}
	if (!service->until_ms) {
		service->used_ms += sim->streams[stream].ms;
		if (service->used_ms > service->quota_ms && service->limits < LIMITS) {
			service->limits++;
			service->until_ms = sim->now + 3 * HOUR;
		}
	}
	if (service->until_ms)
		fail_by_limit(world, stream);
	else
		sched_finish(sim->run, stream, ORCH_OUTCOME_SUCCESS, NULL, sim->now);
}

static void release_held(struct world *world)
{
	if (holds_expire(&world->holds, EPOCH + world->sim.now) == 0)
		return;
	for (uint32_t s = 0; s < STREAMS; s++) {
		if (run_task(world->sim.run, s)->state == ORCH_TASK_HELD && !admit(world, s))
			sched_release(world->sim.run, s, "its hold is over");
	}
}

/* to the next instant at which something happens; false: there is none */
static bool step(struct world *world)
{
	struct sim *sim = &world->sim;
	int64_t next = INT64_MAX, hold = holds_next(&world->holds);
	uint32_t s;

	release_held(world);
	while (sched_next(sim->run, sim->now, &s))
		queue_push(&sim->ends, (struct queue_item){.stream = s, .rank = -(sim->now + sim->streams[s].ms)});
	/* a slot is free only where nobody may use it */
	if (sim->ends.count < JOBS)
		assert_int_equal(sched_ready(sim->run), 0);
	if (sim->ends.count)
		next = -sim->ends.items[0].rank;
	if (hold != INT64_MAX && hold - EPOCH < next)
		next = hold - EPOCH;
	if (next == INT64_MAX)
		return false;
	assert_true(next >= sim->now);
	sim->now = next;
	while (sim->ends.count && -sim->ends.items[0].rank == sim->now)
		end_attempt(world, queue_pop(&sim->ends).stream);
	return true;
}

static void all_come_through_two_limits_of_each_account(void **state)
{
	struct world world = {.random = 7};
	struct sim *sim = &world.sim;
	struct strbuf text = {0};
	int64_t work = 0;
	unsigned hits = 0;

	(void)state;
	/* ten on each account; the last ten need one of another account each */
	for (unsigned s = 0; s < STREAMS; s++) {
		strbuf_addf(&text, "s%u [ms=%u]:", s, (unsigned)((20 + 7 * (s % 5)) * MINUTE));
		if (s >= 20)
			strbuf_addf(&text, " s%u", s - 19);
		strbuf_addch(&text, '\n');
	}
	sim_init(sim, strbuf_cstr(&text));
	sim_plan(sim, NULL, false);
	sim->options = (struct run_options){
		.jobs = JOBS, .retries = 0, .admit = admit, .on_change = on_change, .data = &world};
	for (unsigned a = 0; a < ACCOUNTS; a++)
		world.services[a].quota_ms = (80 + 10 * a) * MINUTE;
	sim->run = run_new(&sim->plan, &sim->options);
	for (unsigned steps = 0; step(&world); steps++)
		assert_true(steps < 10000);
	assert_true(run_is_done(sim->run));
	/* a limit is a wait: it takes from nobody's retries, of which there are none here */
	assert_int_equal(run_count(sim->run, ORCH_TASK_COMPLETED), STREAMS);
	for (unsigned a = 0; a < ACCOUNTS; a++)
		assert_int_equal(world.services[a].limits, LIMITS);
	for (unsigned s = 0; s < STREAMS; s++) {
		work += sim->streams[s].ms;
		hits += world.hit[s];
		assert_int_equal(world.starts[s], world.hit[s] + 1);
		recovery_release(&world.recoveries[s]);
	}
	/* those that ran when their account came to its limit, and nobody else: at most a third of the slots is its own, but
	 * for what was lent */
	assert_true(hits >= ACCOUNTS * LIMITS);
	assert_true(hits <= LIMITS * JOBS * ACCOUNTS);
	/* the accounts wait side by side: two limits, not six, and the work on one account at least */
	assert_true(sim->now >= LIMITS * 3 * HOUR);
	assert_true(sim->now <= LIMITS * (3 * HOUR + RECOVER_MARGIN_MS + MINUTE) + work / ACCOUNTS);
	holds_release(&world.holds);
	run_free(sim->run);
	sim->run = NULL;
	strbuf_release(&text);
	sim_release(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_come_through_two_limits_of_each_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
