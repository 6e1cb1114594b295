#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sched/room.h"

#include "lib/sim.h"

#include <stdio.h>
#include <string.h>

static void begin(struct sim *sim, const char *text, unsigned jobs)
{
	sim_init(sim, text);
	sim_plan(sim, NULL, false);
	sim->options.jobs = jobs;
	sim_start(sim);
}

static void run_text(struct sim *sim, const char *text, unsigned jobs, bool keep_going)
{
	sim_init(sim, text);
	sim_plan(sim, NULL, false);
	sim->options.jobs = jobs;
	sim->options.keep_going = keep_going;
	sim_start(sim);
	sim_run(sim);
}

static void expect_order(const struct sim *sim, const char *order)
{
	assert_string_equal(strbuf_cstr(&sim->order), order);
}

static void expect_state(const struct sim *sim, const char *name, enum orch_task_state state, const char *reason)
{
	assert_int_equal(sim_state(sim, name), state);
	assert_string_equal(sim_reason(sim, name), reason);
}

static void longest_path_first(void **state)
{
	struct sim sim;

	(void)state;
	run_text(&sim, "a:\nb:\nc:\nd: c\ne: d\n", 1, false);
	expect_order(&sim, "c d a b e");
	sim_release(&sim);
	run_text(&sim, "a:\nb [priority=-1]:\nc:\nd [priority=1]:\ne: c\n", 1, false);
	expect_order(&sim, "d c a e b");
	sim_release(&sim);
}

static void diamond_runs_both_arms_at_once(void **state)
{
	struct sim sim;

	(void)state;
	run_text(&sim, "a [ms=5]:\nb [ms=3]: a\nc [ms=4]: a\nd: b c\n", 2, false);
	expect_order(&sim, "a b c d");
	assert_int_equal(sim.most_running, 2);
	assert_int_equal(sim.now, 10);
	assert_int_equal(run_count(sim.run, ORCH_TASK_COMPLETED), 4);
	sim_release(&sim);
}

static void fifo_and_shuffle(void **state)
{
	static const char text[] = "a:\nb:\nc: a\nd: c\ne:\nf:\ng:\n";
	struct sim sim;
	char first[32];
	bool differs = false;

	(void)state;
	sim_init(&sim, text);
	sim_plan(&sim, NULL, false);
	sim.options = (struct run_options){.jobs = 1, .policy = SCHED_FIFO, .retries = -1};
	sim_start(&sim);
	sim_run(&sim);
	expect_order(&sim, "a b e f g c d");
	sim_release(&sim);
	for (unsigned seed = 0; seed < 20; seed++) {
		sim_init(&sim, text);
		sim_plan(&sim, NULL, false);
		sim.options = (struct run_options){.jobs = 1, .policy = SCHED_SHUFFLE, .seed = seed / 2, .retries = -1};
		sim_start(&sim);
		sim_run(&sim);
		/* twice with each seed: the same order */
		if (seed % 2)
			assert_string_equal(strbuf_cstr(&sim.order), first);
		else if (seed > 0)
			differs = differs || strcmp(strbuf_cstr(&sim.order), first) != 0;
		strcpy(first, strbuf_cstr(&sim.order));
		sim_release(&sim);
	}
	assert_true(differs);
}

static void pools(void **state)
{
	struct sim sim;

	(void)state;
	/* a full pool stops only its own */
	run_text(&sim, "pool p 1\na [pool=p ms=4]:\nb [pool=p ms=4]:\nc [ms=1]:\nd [pool=p ms=1]:\ne [ms=1]:\n", 3,
		false);
	expect_order(&sim, "a c e b d");
	assert_int_equal(sim.now, 9);
	sim_release(&sim);
	begin(&sim, "pool p 2\na [pool=p]:\nb [pool=p]:\nc [pool=p]:\nd:\n", 8);
	assert_int_equal(sched_ready(sim.run), 3);
	sim_release(&sim);
}

static void pool_place_is_not_lost_to_what_may_not_start(void **state)
{
	struct sim sim;

	(void)state;
	/* when x fails, b is put aside and will not start: the report's place in the pool must not go to it */
	run_text(&sim,
		"pool p 1\na [pool=p ms=5]:\nb [pool=p priority=5 ms=2]: q\nq:\nx [fail=1 ms=4]:\nreport [pool=p when=always]: q\n",
		4, false);
	expect_order(&sim, "q a x report");
	expect_state(&sim, "b", ORCH_TASK_CANCELLED, "not started: x failed");
	expect_state(&sim, "report", ORCH_TASK_COMPLETED, "");
	sim_release(&sim);
}

static void weights(void **state)
{
	struct sim sim;

	(void)state;
	/* b needs two slots; c, below it, does not overtake it */
	run_text(&sim, "a [ms=2 priority=2]:\nb [ms=2 weight=2 priority=1]:\nc [ms=1]:\n", 2, false);
	expect_order(&sim, "a b c");
	assert_int_equal(sim.now, 5);
	assert_int_equal(sim.most_weight, 2);
	sim_release(&sim);
	/* more than there are: all of them */
	run_text(&sim, "a [weight=99]:\nb [weight=99]:\n", 2, false);
	assert_int_equal(sim.now, 2);
	sim_release(&sim);
}

static void slots_are_the_lowest_free(void **state)
{
	struct sim sim;
	uint32_t s;

	(void)state;
	begin(&sim, "a:\nb:\nc:\nd:\n", 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(sched_next(sim.run, 0, &s));
		assert_int_equal(sched_slot(sim.run, s), i);
	}
	assert_false(sched_next(sim.run, 0, &s));
	assert_int_equal(sched_ready(sim.run), 1);
	sched_finish(sim.run, 1, ORCH_OUTCOME_SUCCESS, NULL, 1);
	assert_true(sched_next(sim.run, 1, &s));
	assert_int_equal(sched_slot(sim.run, s), 1);
	sim_release(&sim);
}

static void jobs_can_change(void **state)
{
	struct sim sim;
	uint32_t s;

	(void)state;
	begin(&sim, "a:\nb:\nc:\n", 2);
	assert_true(sched_next(sim.run, 0, &s));
	assert_true(sched_next(sim.run, 0, &s));
	sched_set_jobs(sim.run, 1);
	assert_int_equal(sched_jobs(sim.run), 1);
	sched_finish(sim.run, 0, ORCH_OUTCOME_SUCCESS, NULL, 0);
	assert_false(sched_next(sim.run, 0, &s));
	sched_set_jobs(sim.run, 4);
	assert_true(sched_next(sim.run, 0, &s));
	sim_release(&sim);
}

static void put_back(void **state)
{
	struct sim sim;
	uint32_t s;

	(void)state;
	begin(&sim, "a:\n", 1);
	assert_true(sched_next(sim.run, 0, &s));
	sched_put_back(sim.run, s);
	assert_int_equal(run_task(sim.run, s)->attempts, 0);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_READY);
	sim_run(&sim);
	assert_int_equal(run_task(sim.run, s)->attempts, 1);
	sim_release(&sim);
}

static uint32_t standing_by(struct sim *sim, const char *name)
{
	uint32_t s = NO_STREAM;

	assert_true(sched_stand_by(sim->run, &s));
	assert_int_equal(s, sim_id(sim, name));
	assert_int_equal(sim_state(sim, name), ORCH_TASK_READY);
	return s;
}

static void next_ones_stand_by(void **state)
{
	struct sim sim;
	uint32_t a, b, c, s;

	(void)state;
	begin(&sim, "x:\ny:\na:\nb:\nc [priority=-1]:\nd [priority=-2 weight=2]:\n", 2);
	assert_true(sched_next(sim.run, 0, &s));
	/* while a slot is free there is nothing to wait for */
	assert_false(sched_stand_by(sim.run, &s));
	assert_true(sched_next(sim.run, 0, &s));
	a = standing_by(&sim, "a");
	b = standing_by(&sim, "b");
	c = standing_by(&sim, "c");
	assert_false(sched_stand_by(sim.run, &s)); /* d needs more than the next slot */
	assert_int_equal(sched_standing_by(sim.run), 3);
	sched_finish(sim.run, sim_id(&sim, "y"), ORCH_OUTCOME_SUCCESS, NULL, 1);
	assert_false(sched_next(sim.run, 1, &s)); /* that slot is a's */
	sched_standby_began(sim.run, a, 1);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_RUNNING);
	assert_int_equal(sched_slot(sim.run, a), 1);
	assert_int_equal(run_task(sim.run, a)->attempts, 1);
	sched_finish(sim.run, sim_id(&sim, "x"), ORCH_OUTCOME_SUCCESS, NULL, 1);
	sched_standby_began(sim.run, b, 0);
	assert_int_equal(sched_slot(sim.run, b), 0);
	assert_false(sched_next(sim.run, 1, &s));
	/* what is taken back is the next again */
	sched_stand_down(sim.run, c);
	assert_int_equal(sched_standing_by(sim.run), 0);
	assert_int_equal(run_task(sim.run, c)->attempts, 0);
	sched_finish(sim.run, b, ORCH_OUTCOME_SUCCESS, NULL, 2);
	assert_true(sched_next(sim.run, 2, &s));
	assert_int_equal(s, c);
	assert_int_equal(sched_slot(sim.run, c), 0);
	sim_release(&sim);
}

static void nobody_stands_by_where_it_could_change_what_is_next(void **state)
{
	static const char *const texts[] = {
		"x:\na [priority=-1]: x\nb [priority=-2]:\n", /* x makes a ready */
		"pool p 1\nx [pool=p]:\nb [priority=-1]:\n",
		"pool p 1\nx:\nb [pool=p priority=-1]:\n",
		"x [weight=2]:\nb [priority=-1]:\n",
		"x [when=always]:\nb [priority=-1]:\n",
		"x:\nb [when=always priority=-1]:\n",
	};
	uint32_t s;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct sim sim;

		begin(&sim, texts[i], 1);
		assert_true(sched_next(sim.run, 0, &s));
		if (sched_stand_by(sim.run, &s))
			fail_msg("%s", texts[i]);
		sim_release(&sim);
	}
}

static void retry_comes_before_what_stood_by(void **state)
{
	struct sim sim;
	uint32_t x, b, s;

	(void)state;
	begin(&sim, "x [retries=1]:\nb [priority=-1]:\n", 1);
	assert_true(sched_next(sim.run, 0, &x));
	b = standing_by(&sim, "b");
	sched_finish(sim.run, x, ORCH_OUTCOME_EXIT, "exit status 1", 0);
	sched_stand_down(sim.run, b);
	assert_true(sched_next(sim.run, run_task(sim.run, x)->wake_ms, &s));
	assert_int_equal(s, x);
	sim_release(&sim);
}

static void standby_ends_with_the_run(void **state)
{
	struct sim sim;
	uint32_t a, b, s;

	(void)state;
	begin(&sim, "x:\na:\nb:\nc:\n", 1);
	assert_true(sched_next(sim.run, 0, &s));
	a = standing_by(&sim, "a");
	b = standing_by(&sim, "b");
	/* refused before and after the end of x is known */
	sched_stand_down(sim.run, a);
	sched_finish(sim.run, s, ORCH_OUTCOME_EXIT, "exit status 1", 0);
	sched_stand_down(sim.run, b);
	expect_state(&sim, "a", ORCH_TASK_CANCELLED, "not started: x failed");
	expect_state(&sim, "b", ORCH_TASK_CANCELLED, "not started: x failed");
	assert_false(sched_next(sim.run, 0, &s));
	assert_true(run_is_done(sim.run));
	sim_release(&sim);
}

static void failure_stops_the_run(void **state)
{
	struct sim sim;

	(void)state;
	run_text(&sim, "x [fail=1]:\ny: x\nz: y\nlong [ms=9]:\nw: long\nv:\nall [group]: z w v\n", 2, false);
	/* what runs is let finish; what it releases does not start */
	expect_order(&sim, "x long");
	expect_state(&sim, "x", ORCH_TASK_FAILED, "exit status 1");
	expect_state(&sim, "y", ORCH_TASK_SKIPPED, "depends on x, which failed");
	expect_state(&sim, "z", ORCH_TASK_SKIPPED, "depends on y, which was skipped");
	expect_state(&sim, "all", ORCH_TASK_SKIPPED, "depends on z, which was skipped");
	expect_state(&sim, "w", ORCH_TASK_CANCELLED, "not started: x failed");
	expect_state(&sim, "v", ORCH_TASK_CANCELLED, "not started: x failed");
	assert_int_equal(sim_state(&sim, "long"), ORCH_TASK_COMPLETED);
	assert_true(sched_is_stopping(sim.run));
	sim_release(&sim);
}

static void keep_going(void **state)
{
	static const char text[] = "x [fail=1 priority=3]:\ny: x\nb [fail=1 priority=2]:\nc:\nd: c\n";
	struct sim sim;

	(void)state;
	run_text(&sim, text, 1, true);
	expect_order(&sim, "x b c d");
	assert_int_equal(sim_state(&sim, "y"), ORCH_TASK_SKIPPED);
	assert_false(sched_is_stopping(sim.run));
	sim_release(&sim);
	sim_init(&sim, text);
	sim_plan(&sim, NULL, false);
	sim.options = (struct run_options){.jobs = 1, .keep_going = true, .max_failures = 2, .retries = -1};
	sim_start(&sim);
	sim_run(&sim);
	expect_order(&sim, "x b");
	expect_state(&sim, "c", ORCH_TASK_CANCELLED, "not started: b failed");
	sim_release(&sim);
}

static void retries_and_backoff(void **state)
{
	struct sim sim;

	(void)state;
	run_text(&sim, "a [fail=3 retries=3 backoff=100 max=250]:\nb: a\n", 1, false);
	expect_order(&sim, "a a a a b");
	assert_int_equal(run_task(sim.run, 0)->attempts, 4);
	/* 100 + 200 + 250, each up to a fifth less, and five attempts of 1 */
	assert_in_range(sim.now, 445, 555);
	sim_release(&sim);
	run_text(&sim, "a [fail=3 retries=2 backoff=100]:\nb: a\n", 1, false);
	expect_order(&sim, "a a a");
	expect_state(&sim, "a", ORCH_TASK_FAILED, "exit status 1");
	sim_release(&sim);
	/* the run's own number wins; the slot is free during the wait */
	sim_init(&sim, "a [fail=1 backoff=100]:\nb [ms=20]:\n");
	sim_plan(&sim, NULL, false);
	sim.options = (struct run_options){.jobs = 1, .retries = 1};
	sim_start(&sim);
	assert_int_equal(sched_next_wake(sim.run), -1);
	sim_run(&sim);
	expect_order(&sim, "a b a");
	sim_release(&sim);
}

static void backoff_ends_when_the_run_stops(void **state)
{
	struct sim sim;

	(void)state;
	run_text(&sim, "a [fail=1 retries=1 backoff=1000]:\nb: a\nx [ms=5 fail=1]:\n", 2, false);
	expect_order(&sim, "a x");
	expect_state(&sim, "a", ORCH_TASK_FAILED, "not tried again: x failed");
	expect_state(&sim, "b", ORCH_TASK_SKIPPED, "depends on a, which failed");
	assert_int_equal(sim.now, 5);
	sim_release(&sim);
}

static void cleanup_streams(void **state)
{
	static const char text[] =
		"a [%s]:\nb: a\nundo [when=failure]: b\nreport [when=always]: b undo\nlater: report\nnext: undo\nall [group]: undo b\n";
	char good[256], bad[256];
	struct sim sim;

	(void)state;
	snprintf(good, sizeof good, text, "ms=1");
	snprintf(bad, sizeof bad, text, "fail=1");
	run_text(&sim, good, 2, false);
	expect_order(&sim, "a b report next later");
	expect_state(&sim, "undo", ORCH_TASK_SKIPPED, "nothing it depends on failed");
	assert_int_equal(sim_state(&sim, "all"), ORCH_TASK_COMPLETED);
	sim_release(&sim);
	/* b is skipped, so undo and report run, though the run stops; what depends on them does not */
	run_text(&sim, bad, 2, false);
	expect_order(&sim, "a undo report");
	expect_state(&sim, "later", ORCH_TASK_CANCELLED, "not started: a failed");
	sim_release(&sim);
	run_text(&sim, bad, 2, true);
	expect_order(&sim, "a undo report next later");
	sim_release(&sim);
	/* also behind what was never started */
	run_text(&sim,
		"x [fail=1 priority=1]:\nb:\nc: b\nreport [when=always]: c\nundo [when=failure retries=1 fail=1]: c\n",
		1, false);
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_CANCELLED);
	assert_int_equal(sim_state(&sim, "report"), ORCH_TASK_COMPLETED);
	assert_int_equal(sim_state(&sim, "undo"), ORCH_TASK_COMPLETED);
	sim_release(&sim);
}

static void stop_cancels_what_waits(void **state)
{
	struct sim sim;
	uint32_t s;

	(void)state;
	begin(&sim, "a:\nb: a\nc:\nreport [when=always]: a\nd [fail=1 retries=1 backoff=10 priority=1]:\n", 1);
	sim_step(&sim);
	assert_int_equal(sim_state(&sim, "d"), ORCH_TASK_BACKOFF);
	assert_true(sched_next(sim.run, sim.now, &s));
	sched_stop(sim.run, "interrupted");
	expect_state(&sim, "b", ORCH_TASK_CANCELLED, "interrupted");
	expect_state(&sim, "c", ORCH_TASK_CANCELLED, "interrupted");
	expect_state(&sim, "d", ORCH_TASK_CANCELLED, "interrupted");
	expect_state(&sim, "report", ORCH_TASK_CANCELLED, "interrupted");
	assert_false(run_is_done(sim.run));
	assert_int_equal(sched_next_wake(sim.run), -1);
	sched_finish(sim.run, s, ORCH_OUTCOME_STOPPED, "interrupted", sim.now);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_CANCELLED);
	assert_true(run_is_done(sim.run));
	sim_release(&sim);
}

static void one_stopped_stream(void **state)
{
	struct sim sim;
	uint32_t s;

	(void)state;
	begin(&sim, "a:\nb: a\nc:\n", 1);
	assert_true(sched_next(sim.run, 0, &s));
	sched_finish(sim.run, s, ORCH_OUTCOME_STOPPED, "stopped by a person", 0);
	expect_state(&sim, "b", ORCH_TASK_SKIPPED, "depends on a, which was cancelled");
	sim_run(&sim);
	expect_order(&sim, "c");
	sim_release(&sim);
}

static void groups_take_no_slot(void **state)
{
	struct sim sim;

	(void)state;
	run_text(&sim, "g3 [group]: g2\ng2 [group]: g1 g1b\ng1 [group]: a\ng1b [group]: b\na:\nb:\nc: g3\n", 1, false);
	expect_order(&sim, "a b c");
	assert_int_equal(run_count(sim.run, ORCH_TASK_COMPLETED), 7);
	assert_int_equal(run_task(sim.run, 0)->attempts, 0);
	sim_release(&sim);
}

static void deep_chain_fails(void **state)
{
	struct strbuf text = {0};
	struct sim sim;

	(void)state;
	strbuf_addstr(&text, "s0 [fail=1]:\n");
	for (unsigned i = 1; i < 20000; i++)
		strbuf_addf(&text, "s%u: s%u\n", i, i - 1);
	run_text(&sim, strbuf_cstr(&text), 1, true);
	assert_int_equal(run_count(sim.run, ORCH_TASK_SKIPPED), 19999);
	strbuf_release(&text);
	sim_release(&sim);
}

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* what sim.c checks at every start and end holds on any graph */
static void random_graphs(void **state)
{
	static const char *const when[] = {
		"success", "success", "success", "success", "success", "success", "always", "failure"};
	uint32_t x = 2463534242u;

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		unsigned count = 1 + next_random(&x) % 60, fail_rate = next_random(&x) % 3 * 8;
		struct strbuf text = {0};
		struct sim sim;

		strbuf_addf(&text, "pool p %u\npool q %u\n", 1 + next_random(&x) % 3, 1 + next_random(&x) % 3);
		for (unsigned s = 0; s < count; s++) {
			strbuf_addf(&text, "s%u [ms=%u weight=%u priority=%u when=%s", s, next_random(&x) % 20,
				1 + next_random(&x) % 3, next_random(&x) % 2, when[next_random(&x) % 8]);
			if (next_random(&x) % 3 == 0)
				strbuf_addf(&text, " pool=%c", 'p' + (int)(next_random(&x) % 2));
			if (next_random(&x) % 100 < fail_rate)
				strbuf_addf(&text, " fail=%u retries=%u backoff=%u", 1 + next_random(&x) % 2,
					next_random(&x) % 2, next_random(&x) % 9);
			strbuf_addf(&text, "%s%s]:", next_random(&x) % 8 == 0 ? " group" : "",
				next_random(&x) % 4 == 0 ? " keep" : "");
			for (unsigned d = 0; d < s && d < 4; d++) {
				if (next_random(&x) % 3 == 0)
					strbuf_addf(&text, " s%u", next_random(&x) % s);
			}
			if (s > 0 && next_random(&x) % 10 == 0)
				strbuf_addf(&text, " | s%u", next_random(&x) % s);
			strbuf_addch(&text, '\n');
		}
		sim_init(&sim, strbuf_cstr(&text));
		if (round % 2) {
			sim_complete_all(&sim);
			for (unsigned s = 0; s < count; s++)
				sim.facts[s].recipe += next_random(&x) % 4 == 0;
		}
		sim_plan(&sim, NULL, false);
		sim.options = (struct run_options){.jobs = 1 + next_random(&x) % 5,
			.keep_going = next_random(&x) % 2,
			.policy = (enum sched_policy)(next_random(&x) % 3),
			.seed = round,
			.retries = -1};
		sim_start(&sim);
		sim_run(&sim);
		if (run_count(sim.run, ORCH_TASK_FAILED) == 0) {
			assert_int_equal(run_count(sim.run, ORCH_TASK_CANCELLED), 0);
			/* all is complete: a second plan has nothing to do */
			run_free(sim.run);
			sim.run = NULL;
			sim.facts = sim.plan.facts;
			sim.plan.facts = NULL;
			plan_release(&sim.plan);
			sim_plan(&sim, NULL, false);
			assert_int_equal(sim.plan.run_count, 0);
			assert_int_equal(sim.plan.perhaps_count, 0);
		}
		strbuf_release(&text);
		sim_release(&sim);
	}
}

static void start_all(struct sim *sim)
{
	uint32_t s;

	while (sched_next(sim->run, sim->now, &s))
		;
}

static void paused_starts_nothing(void **state)
{
	struct sim sim;

	(void)state;
	begin(&sim, "a:\nb: a\n", 2);
	sched_pause(sim.run, true);
	assert_true(sched_is_paused(sim.run));
	assert_false(sim_step(&sim));
	expect_order(&sim, "");
	assert_false(run_is_done(sim.run));
	sched_pause(sim.run, false);
	sim_run(&sim);
	expect_order(&sim, "a b");
	sim_release(&sim);
}

static void cancelled_tasks_skip_their_users(void **state)
{
	struct sim sim;
	uint32_t ids[3];

	(void)state;
	begin(&sim, "a:\nb:\nc: b\nd: c\nlast [when=always]: d\n", 1);
	ids[0] = sim_id(&sim, "b");
	ids[1] = sim_id(&sim, "c");
	ids[2] = sim_id(&sim, "c");
	assert_int_equal(sched_cancel(sim.run, ids, 3, "stopped"), 2);
	expect_state(&sim, "b", ORCH_TASK_CANCELLED, "stopped");
	expect_state(&sim, "c", ORCH_TASK_CANCELLED, "stopped");
	expect_state(&sim, "d", ORCH_TASK_SKIPPED, "depends on c, which was cancelled");
	assert_int_equal(sched_cancel(sim.run, ids, 3, "stopped"), 0);
	sim_run(&sim);
	expect_order(&sim, "a last");
	sim_release(&sim);
	/* what runs is not cancelled here */
	begin(&sim, "a:\n", 1);
	start_all(&sim);
	ids[0] = sim_id(&sim, "a");
	assert_int_equal(sched_cancel(sim.run, ids, 1, "stopped"), 0);
	sim_release(&sim);
}

static void retry_brings_back_what_was_skipped(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, "a [fail=1]:\nb: a\nc: b other\nother:\nlong [ms=50]:\nclean [when=failure]: b\nend: c clean\n");
	sim_plan(&sim, NULL, false);
	sim.options.jobs = 2;
	sim.options.keep_going = true;
	sim_start(&sim);
	while (sim_state(&sim, "other") != ORCH_TASK_COMPLETED || sim_state(&sim, "clean") != ORCH_TASK_COMPLETED)
		assert_true(sim_step(&sim));
	expect_state(&sim, "b", ORCH_TASK_SKIPPED, "depends on a, which failed");
	assert_int_equal(sim_state(&sim, "end"), ORCH_TASK_SKIPPED);
	/* neither what completed nor what was skipped can be retried */
	assert_false(sched_retry(sim.run, sim_id(&sim, "other"), "again"));
	assert_false(sched_retry(sim.run, sim_id(&sim, "b"), "again"));
	assert_true(sched_retry(sim.run, sim_id(&sim, "a"), "again"));
	expect_state(&sim, "c", ORCH_TASK_WAITING, "again");
	sim_run(&sim);
	assert_int_equal(run_count(sim.run, ORCH_TASK_COMPLETED), 7);
	assert_int_equal(run_task(sim.run, sim_id(&sim, "a"))->attempts, 2);
	sim_release(&sim);
}

static void retry_waits_for_every_failure(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, "a [fail=1]:\nb [fail=1]:\nc: a b\nlong [ms=50]:\n");
	sim_plan(&sim, NULL, false);
	sim.options.jobs = 3;
	sim.options.keep_going = true;
	sim_start(&sim);
	assert_true(sim_step(&sim));
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_SKIPPED);
	assert_true(sched_retry(sim.run, sim_id(&sim, "a"), "again"));
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_SKIPPED);
	assert_true(sched_retry(sim.run, sim_id(&sim, "b"), "again"));
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_WAITING);
	sim_run(&sim);
	assert_int_equal(run_count(sim.run, ORCH_TASK_COMPLETED), 4);
	sim_release(&sim);
}

static void retry_ends_the_stop_of_a_failure(void **state)
{
	struct sim sim;

	(void)state;
	/* without keep_going: b and c would never start */
	run_text(&sim, "a [fail=1 retries=1]:\n", 1, false);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_COMPLETED);
	sim_release(&sim);
	begin(&sim, "a [fail=1]:\nlong [ms=50]:\nb: long\nc: a\nd [priority=-1]:\n", 2);
	assert_true(sim_step(&sim));
	assert_true(sched_is_stopping(sim.run));
	assert_true(sched_retry(sim.run, sim_id(&sim, "a"), "again"));
	assert_false(sched_is_stopping(sim.run));
	sim_run(&sim);
	assert_int_equal(run_count(sim.run, ORCH_TASK_COMPLETED), 5);
	sim_release(&sim);
	/* and brings back what was cancelled for it */
	begin(&sim, "a [fail=1]:\nb:\nc: b\nclean [when=always ms=9]: a\n", 1);
	while (sim_state(&sim, "clean") != ORCH_TASK_RUNNING) {
		uint32_t s;

		if (sched_next(sim.run, sim.now, &s) && s != sim_id(&sim, "clean")) {
			sim.streams[s].fail = s == sim_id(&sim, "a");
			sched_finish(sim.run, s, sim.streams[s].fail ? ORCH_OUTCOME_EXIT : ORCH_OUTCOME_SUCCESS, NULL, 0);
		}
	}
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_CANCELLED);
	assert_true(sched_retry(sim.run, sim_id(&sim, "a"), "again"));
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_WAITING);
	sim_release(&sim);
	/* a run that a person stopped stays stopped */
	begin(&sim, "a:\n", 1);
	sched_stop(sim.run, "SIGTERM");
	assert_false(sched_retry(sim.run, sim_id(&sim, "a"), "again"));
	sim_release(&sim);
}

static void retry_ends_a_backoff_and_gives_new_retries(void **state)
{
	struct sim sim;
	uint32_t a, s;

	(void)state;
	begin(&sim, "a [retries=1 backoff=1000]:\n", 1);
	a = sim_id(&sim, "a");
	for (int round = 0; round < 2; round++) {
		assert_true(sched_next(sim.run, 0, &s));
		sched_finish(sim.run, a, ORCH_OUTCOME_EXIT, "exit status 1", 0);
		assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_BACKOFF);
		assert_false(sched_next(sim.run, 0, &s));
		assert_true(sched_retry(sim.run, a, "again"));
		assert_true(sched_next(sim.run, 0, &s));
		sched_finish(sim.run, a, ORCH_OUTCOME_EXIT, "exit status 1", 0);
		assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_FAILED);
		/* the wait that was ended does not come back */
		assert_false(sched_next(sim.run, 5000, &s));
		assert_true(sched_retry(sim.run, a, "again"));
	}
	assert_int_equal(run_task(sim.run, a)->attempts, 4);
	sim_release(&sim);
}

/* whatever is asked for in whatever order: every start is legal (sim.c looks), counters agree, and it comes to an end */
static void random_steering(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct strbuf text = {0};
		struct sim sim;
		uint32_t random = seed;
		unsigned count = 3 + next_random(&random) % 15;

		for (unsigned s = 0; s < count; s++) {
			static const char *const when[] = {"success", "success", "success", "always", "failure"};

			strbuf_addf(&text, "s%u [ms=%u fail=%u when=%s]:", s, 1 + next_random(&random) % 4,
				next_random(&random) % 4 == 0 ? 1u : 0u, when[next_random(&random) % 5]);
			for (unsigned d = 0; d < s; d++) {
				if (next_random(&random) % 4 == 0)
					strbuf_addf(&text, " s%u", d);
			}
			strbuf_addch(&text, '\n');
		}
		sim_init(&sim, strbuf_cstr(&text));
		sim_plan(&sim, NULL, false);
		sim.options.jobs = 2;
		sim.options.keep_going = seed % 2;
		sim_start(&sim);
		for (int step = 0; step < 200; step++) {
			uint32_t one = next_random(&random) % count;

			switch (next_random(&random) % 6) {
			case 0:
				sched_cancel(sim.run, &one, 1, "stopped");
				break;
			case 1:
			case 2:
				sched_retry(sim.run, one, "again");
				break;
			default:
				sim_step(&sim);
				break;
			}
			for (uint32_t s = 0; s < count; s++) {
				const struct task *task = run_task(sim.run, s);
				uint32_t open = 0;

				if (!task->in_run)
					continue;
				for (uint32_t d = 0; d < graph_dep_count(&sim.graph, s); d++) {
					uint32_t dep = EDGE_STREAM(graph_deps(&sim.graph, s)[d]);

					open += run_task(sim.run, dep)->in_run && !run_task(sim.run, dep)->over;
				}
				assert_int_equal(task->blockers, open);
				assert_int_equal(task->over, task->state >= ORCH_TASK_COMPLETED && open == 0);
			}
		}
		sim_run(&sim);
		sim_release(&sim);
		strbuf_release(&text);
	}
}

/* fewer at once when the machine says so, then more by and by; one always */
static void room_falls_and_recovers(void **state)
{
	struct room room = {0};
	unsigned steps = 0;

	(void)state;
	assert_true(room_is_left(&room, 1000));
	assert_false(room_grow(&room, 8));
	assert_true(room_shrink(&room, 5));
	assert_false(room_is_left(&room, 5));
	assert_true(room_is_left(&room, 4));
	/* no more than before is no news */
	assert_false(room_shrink(&room, 5));
	assert_false(room_shrink(&room, 7));
	assert_true(room_shrink(&room, 0));
	assert_true(room_is_left(&room, 0));
	assert_false(room_is_left(&room, 1));
	while (room_grow(&room, 100))
		assert_true(++steps < 30);
	assert_int_equal(room.limit, 0);
	assert_true(room_is_left(&room, 99));
}

/* slots that are lent, or that may not be used, are as if they were taken; a weight that never fits starts alone */
static void slots_that_are_not_to_be_had(void **state)
{
	struct sim sim;
	uint32_t stream;

	(void)state;
	sim_init(&sim, "a:\nb:\nc:\nd:\nheavy [weight=3]: a b c d\n");
	sim.options = (struct run_options){.jobs = 4, .retries = -1};
	sim_plan(&sim, NULL, false);
	sim.run = run_new(&sim.plan, &sim.options);
	sched_set_lent(sim.run, 3);
	assert_int_equal(sched_spare(sim.run), 1);
	assert_true(sched_next(sim.run, 0, &stream));
	assert_false(sched_next(sim.run, 0, &stream));
	assert_true(sched_wants_slots(sim.run));
	sched_set_lent(sim.run, 0);
	sched_set_room(sim.run, 2);
	assert_true(sched_next(sim.run, 0, &stream));
	assert_false(sched_next(sim.run, 0, &stream));
	assert_int_equal(sched_used(sim.run), 2);
	sched_finish(sim.run, 0, ORCH_OUTCOME_SUCCESS, NULL, 0);
	sched_finish(sim.run, 1, ORCH_OUTCOME_SUCCESS, NULL, 0);
	assert_true(sched_next(sim.run, 0, &stream));
	assert_true(sched_next(sim.run, 0, &stream));
	sched_finish(sim.run, 2, ORCH_OUTCOME_SUCCESS, NULL, 0);
	assert_false(sched_next(sim.run, 0, &stream));
	sched_finish(sim.run, 3, ORCH_OUTCOME_SUCCESS, NULL, 0);
	assert_true(sched_next(sim.run, 0, &stream));
	assert_int_equal(stream, 4);
	assert_int_equal(sched_used(sim.run), 3);
	sim_release(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_falls_and_recovers),
		cmocka_unit_test(slots_that_are_not_to_be_had),
		cmocka_unit_test(longest_path_first),
		cmocka_unit_test(diamond_runs_both_arms_at_once),
		cmocka_unit_test(fifo_and_shuffle),
		cmocka_unit_test(pools),
		cmocka_unit_test(pool_place_is_not_lost_to_what_may_not_start),
		cmocka_unit_test(weights),
		cmocka_unit_test(slots_are_the_lowest_free),
		cmocka_unit_test(jobs_can_change),
		cmocka_unit_test(put_back),
		cmocka_unit_test(next_ones_stand_by),
		cmocka_unit_test(nobody_stands_by_where_it_could_change_what_is_next),
		cmocka_unit_test(retry_comes_before_what_stood_by),
		cmocka_unit_test(standby_ends_with_the_run),
		cmocka_unit_test(failure_stops_the_run),
		cmocka_unit_test(keep_going),
		cmocka_unit_test(retries_and_backoff),
		cmocka_unit_test(backoff_ends_when_the_run_stops),
		cmocka_unit_test(cleanup_streams),
		cmocka_unit_test(stop_cancels_what_waits),
		cmocka_unit_test(one_stopped_stream),
		cmocka_unit_test(groups_take_no_slot),
		cmocka_unit_test(deep_chain_fails),
		cmocka_unit_test(random_graphs),
		cmocka_unit_test(paused_starts_nothing),
		cmocka_unit_test(cancelled_tasks_skip_their_users),
		cmocka_unit_test(retry_brings_back_what_was_skipped),
		cmocka_unit_test(retry_waits_for_every_failure),
		cmocka_unit_test(retry_ends_the_stop_of_a_failure),
		cmocka_unit_test(retry_ends_a_backoff_and_gives_new_retries),
		cmocka_unit_test(random_steering),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
