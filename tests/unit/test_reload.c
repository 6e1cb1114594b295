#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lib/sim.h"
#include "sched/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANDOM_RUNS = 3000, STREAMS_MAX = 10 };

static void begin(struct sim *sim, const char *text, unsigned jobs, bool keep_going)
{
	sim_init(sim, text);
	sim_plan(sim, NULL, false);
	sim->options.jobs = jobs;
	sim->options.keep_going = keep_going;
	sim_start(sim);
}

static void expect_order(const struct sim *sim, const char *order)
{
	assert_string_equal(strbuf_cstr(&sim->order), order);
}

static void expect_state(const struct sim *sim, const char *name, enum orch_task_state state)
{
	if (sim_state(sim, name) != state)
		fail_msg("%s is %s", name, orch_task_state_name(sim_state(sim, name)));
}

static void release(struct sim *to, struct sim *from)
{
	sim_release(to);
	sim_release(from);
}

static void what_has_not_begun_takes_its_new_form(void **state)
{
	struct sim from, to;

	(void)state;
	begin(&from, "a [ms=5]:\nb: a\nc: a\n", 2, false);
	sim_step(&from);
	/* c is gone, d is new, b waits for both */
	sim_reload(&to, &from, "d [ms=2]: a\nb [recipe=2]: d\na [ms=5]:\n", NULL);
	sim_run(&to);
	expect_order(&to, "a d b");
	expect_state(&to, "b", ORCH_TASK_COMPLETED);
	assert_int_equal(run_count(to.run, ORCH_TASK_COMPLETED), 3);
	release(&to, &from);
}

/* one instant has passed when sim_step() returns: the first is over then, the second is under way */
static void running_ones_go_on(void **state)
{
	struct sim from, to;
	uint32_t id;

	(void)state;
	begin(&from, "x [ms=1]:\na [ms=5]:\nb: a\n", 2, false);
	sim_step(&from);
	expect_state(&from, "a", ORCH_TASK_RUNNING);
	sim_reload(&to, &from, "b: a\na [recipe=2 ms=5]:\nx:\n", NULL);
	expect_state(&to, "a", ORCH_TASK_RUNNING);
	expect_state(&to, "x", ORCH_TASK_COMPLETED);
	expect_state(&to, "b", ORCH_TASK_WAITING);
	assert_int_equal(run_task(to.run, sim_id(&to, "a"))->attempts, 1);
	assert_false(sched_next(to.run, to.now, &id));
	sim_run(&to);
	/* not a second time, though its recipe is another one */
	expect_order(&to, "a x b");
	assert_int_equal(to.now, 6);
	release(&to, &from);
}

static void a_running_one_is_gone(void **state)
{
	struct sim from, to;
	uint32_t id;

	(void)state;
	begin(&from, "pool p 1\nx [ms=1]:\na [ms=5 pool=p]:\nb: a\n", 2, false);
	sim_step(&from);
	sim_reload(&to, &from, "pool p 1\nx:\nb [pool=p]:\nc:\n", NULL);
	assert_int_equal(to.outside, 1);
	/* it has one of two slots, and the only place of the pool */
	assert_true(sched_next(to.run, to.now, &id));
	assert_int_equal(id, sim_id(&to, "c"));
	assert_int_equal(sched_slot(to.run, id), 1);
	assert_false(sched_next(to.run, to.now, &id));
	sched_finish(to.run, sim_id(&to, "c"), ORCH_OUTCOME_SUCCESS, NULL, to.now);
	assert_false(sched_next(to.run, to.now, &id));
	sim_end_outside(&to);
	assert_true(sched_next(to.run, to.now, &id));
	assert_int_equal(id, sim_id(&to, "b"));
	release(&to, &from);
}

static void one_that_was_gone_is_back(void **state)
{
	struct sim from, to, back;
	struct reload_attempt attempt;
	struct plan *plan = &back.plan;
	struct run *run;
	uint32_t id;

	(void)state;
	begin(&from, "x [ms=1]:\na [ms=5]:\n", 2, false);
	sim_step(&from);
	sim_reload(&to, &from, "x:\nc [ms=9]:\n", NULL);
	sim_init(&back, "a:\nx:\nc:\n");
	sim_plan(&back, NULL, false);
	attempt = (struct reload_attempt){.stream = sim_id(&back, "a"), .slot = to.outside_slots[0], .number = 3};
	to.next = &back;
	run = reload_run(to.run, plan, &attempt, 1);
	assert_int_equal(run_task(run, attempt.stream)->state, ORCH_TASK_RUNNING);
	assert_int_equal(run_task(run, attempt.stream)->attempts, 3);
	assert_int_equal(sched_slot(run, attempt.stream), attempt.slot);
	back.run = run;
	back.weight = 1;
	sched_finish(run, attempt.stream, ORCH_OUTCOME_SUCCESS, NULL, 0);
	assert_true(sched_next(run, 0, &id));
	sim_release(&back);
	release(&to, &from);
}

static void failed_ones(void **state)
{
	struct sim from, to;

	(void)state;
	begin(&from, "a [fail=9]:\nb [fail=9]:\nc [fail=9]:\nua: a\nub: b\nuc: c\nz [ms=9]:\n", 4, true);
	sim_step(&from);
	expect_state(&from, "a", ORCH_TASK_FAILED);
	expect_state(&from, "ua", ORCH_TASK_SKIPPED);
	/* a as it was; b another recipe; c a dependency that it lacked */
	sim_reload(&to, &from, "a:\nb [recipe=2]:\nc: n\nua: a\nub: b\nuc: c\nn:\nz [ms=9]:\n", NULL);
	expect_state(&to, "a", ORCH_TASK_FAILED);
	expect_state(&to, "ua", ORCH_TASK_SKIPPED);
	expect_state(&to, "b", ORCH_TASK_READY);
	expect_state(&to, "ub", ORCH_TASK_WAITING);
	expect_state(&to, "c", ORCH_TASK_WAITING);
	sim_run(&to);
	expect_state(&to, "ub", ORCH_TASK_COMPLETED);
	expect_state(&to, "uc", ORCH_TASK_COMPLETED);
	expect_state(&to, "ua", ORCH_TASK_SKIPPED);
	assert_int_equal(run_count(to.run, ORCH_TASK_FAILED), 1);
	release(&to, &from);
}

static void retries_are_new_and_numbers_go_on(void **state)
{
	struct sim from, to;

	(void)state;
	begin(&from, "a [fail=9 retries=1]:\nz [ms=9]:\n", 4, true);
	sim_step(&from);
	sim_step(&from);
	sim_step(&from);
	expect_state(&from, "a", ORCH_TASK_FAILED);
	sim_reload(&to, &from, "a [recipe=2 fail=1 retries=1]:\nz [ms=9]:\n", NULL);
	sim_run(&to);
	expect_state(&to, "a", ORCH_TASK_COMPLETED);
	assert_int_equal(run_task(to.run, sim_id(&to, "a"))->attempts, 4);
	release(&to, &from);
}

static void a_failure_that_is_gone_stops_nobody(void **state)
{
	struct sim from, to;

	(void)state;
	/* without keep_going */
	begin(&from, "a [fail=9]:\nb:\nc: b\nz [ms=9]:\n", 1, false);
	while (from.order.len == 0 || run_count(from.run, ORCH_TASK_FAILED) == 0)
		sim_step(&from);
	assert_true(sched_is_stopping(from.run));
	sim_reload(&to, &from, "a:\nb:\nc: b\nz [ms=9]:\n", NULL);
	assert_true(sched_is_stopping(to.run));
	release(&to, &from);
	begin(&from, "a [fail=9]:\nb:\nc: b\nz [ms=9]:\n", 2, false);
	sim_step(&from);
	sim_step(&from);
	assert_true(sched_is_stopping(from.run));
	sim_reload(&to, &from, "b:\nc: b\nz [ms=9]:\n", NULL);
	assert_false(sched_is_stopping(to.run));
	sim_run(&to);
	expect_state(&to, "c", ORCH_TASK_COMPLETED);
	release(&to, &from);
}

static void waits_are_kept(void **state)
{
	struct sim from, to;
	uint32_t id;

	(void)state;
	begin(&from, "a [fail=1 retries=3 backoff=1000]:\nb [fail=1 retries=3 backoff=1000]:\nz [ms=5]:\n", 4, false);
	sim_step(&from);
	expect_state(&from, "a", ORCH_TASK_BACKOFF);
	/* b has something to wait for now, which is not done when its time comes */
	sim_reload(&to, &from, "n [ms=5000]:\nb [retries=3]: n\na [retries=3]:\nz [ms=5]:\n", NULL);
	expect_state(&to, "a", ORCH_TASK_BACKOFF);
	expect_state(&to, "b", ORCH_TASK_WAITING);
	assert_true(run_task(to.run, sim_id(&to, "a"))->wake_ms > 700);
	assert_int_equal(sched_next_wake(to.run), run_task(to.run, sim_id(&to, "a"))->wake_ms);
	assert_true(sched_next(to.run, to.now, &id));
	assert_int_equal(id, sim_id(&to, "n"));
	assert_false(sched_next(to.run, to.now, &id));
	release(&to, &from);
}

static void a_running_one_has_a_new_dependency(void **state)
{
	struct sim from, to;

	(void)state;
	/* which fails, and it too: it is not tried again */
	begin(&from, "x [ms=1]:\na [ms=5]:\nu: a\n", 2, true);
	sim_step(&from);
	sim_reload(&to, &from, "n [fail=9 ms=1]:\na [ms=5 fail=1 retries=9]: n\nu: a\nx:\n", NULL);
	sim_run(&to);
	expect_state(&to, "a", ORCH_TASK_SKIPPED);
	expect_state(&to, "u", ORCH_TASK_SKIPPED);
	release(&to, &from);
	/* which fails, but it does not */
	begin(&from, "x [ms=1]:\na [ms=5]:\nu: a\n", 2, true);
	sim_step(&from);
	sim_reload(&to, &from, "n [fail=9 ms=1]:\na [ms=5]: n\nu: a\nx:\n", NULL);
	sim_run(&to);
	expect_state(&to, "a", ORCH_TASK_COMPLETED);
	expect_state(&to, "u", ORCH_TASK_COMPLETED);
	release(&to, &from);
	/* which takes longer than it: what needs it waits for both */
	begin(&from, "x [ms=1]:\na [ms=5]:\nu: a\n", 2, true);
	sim_step(&from);
	sim_reload(&to, &from, "n [ms=20]:\na [ms=5]: n\nu: a\nx:\n", NULL);
	sim_run(&to);
	expect_order(&to, "a x n u");
	assert_int_equal(to.now, 22);
	release(&to, &from);
}

static void completed_ones(void **state)
{
	struct sim from, to;

	(void)state;
	begin(&from, "a:\nb: a\nc: a\nz [ms=9]:\n", 4, false);
	sim_step(&from);
	sim_step(&from);
	expect_state(&from, "b", ORCH_TASK_COMPLETED);
	/* the files of one were written to since: that is not what it is about */
	from.plan.facts[sim_id(&from, "b")].stamp.inputs = 77;
	sim_reload(&to, &from, "a:\nb: a\nc [recipe=3]: a\nz [ms=9]:\n", NULL);
	expect_state(&to, "a", ORCH_TASK_COMPLETED);
	expect_state(&to, "b", ORCH_TASK_COMPLETED);
	expect_state(&to, "c", ORCH_TASK_READY);
	sim_run(&to);
	expect_order(&to, "a z b c c");
	release(&to, &from);
	/* a changes: b and c are looked at again, and one whose result is the same changes nothing */
	begin(&from, "a [keep]:\nb: a\nz [ms=9]:\n", 4, false);
	sim_step(&from);
	sim_step(&from);
	sim_reload(&to, &from, "a [recipe=2 keep]:\nb: a\nz [ms=9]:\n", NULL);
	expect_state(&to, "b", ORCH_TASK_WAITING);
	sim_run(&to);
	expect_order(&to, "a z b a");
	release(&to, &from);
}

static void a_pool_is_smaller_than_what_is_in_it(void **state)
{
	struct sim from, to;
	uint32_t id;

	(void)state;
	begin(&from, "pool p 3\nx:\na [pool=p ms=5]:\nb [pool=p ms=5]:\nc [pool=p ms=7]:\nd [pool=p]: x\n", 8, false);
	sim_step(&from);
	sim_reload(&to, &from, "pool p 1\nx:\na [pool=p ms=5]:\nb [pool=p ms=5]:\nc [pool=p ms=7]:\nd [pool=p]: x\n", NULL);
	assert_false(sched_next(to.run, to.now, &id));
	assert_int_equal(sched_ready(to.run), 0);
	sim_run(&to);
	assert_int_equal(to.now, 8);
	release(&to, &from);
}

static void those_under_way_keep_others_apart(void **state)
{
	struct sim from, to;

	(void)state;
	begin(&from, "x [ms=1]:\na [ms=9 touches=src/a]:\nb [ms=5 touches=src/b]:\n", 4, false);
	sim_step(&from);
	/* c meets a, which goes on, and d meets b, which goes on without a stream; e meets nobody */
	sim_reload(&to, &from,
		"serialize\na [touches=src/a]:\nc [touches=src/a*]:\nd [touches=src/b*]:\ne [touches=doc/*]:\n", NULL);
	sim_step(&to);
	expect_state(&to, "e", ORCH_TASK_COMPLETED);
	expect_state(&to, "d", ORCH_TASK_READY);
	assert_int_equal(to.outside, 1);
	sim_end_outside(&to);
	sim_step(&to);
	expect_state(&to, "c", ORCH_TASK_READY);
	sim_run(&to);
	expect_order(&to, "x a b e d c");
	release(&to, &from);
	/* nobody is kept apart but from one that has no stream any more */
	begin(&from, "x [ms=1]:\nb [ms=5 touches=src/b]:\n", 4, false);
	sim_step(&from);
	sim_reload(&to, &from, "serialize\nd [touches=src/*]:\ne:\n", NULL);
	sim_step(&to);
	expect_state(&to, "d", ORCH_TASK_READY);
	sim_end_outside(&to);
	sim_run(&to);
	expect_order(&to, "x b e d");
	release(&to, &from);
}

static void paused_and_jobs_are_kept(void **state)
{
	struct sim from, to;
	uint32_t id;

	(void)state;
	begin(&from, "a:\nb:\nc:\n", 1, false);
	sched_pause(from.run, true);
	sched_set_jobs(from.run, 2);
	sim_reload(&to, &from, "a:\nb:\nc:\nd:\n", NULL);
	assert_true(sched_is_paused(to.run));
	assert_int_equal(sched_jobs(to.run), 2);
	assert_false(sched_next(to.run, 0, &id));
	release(&to, &from);
}

static void cleanup_streams(void **state)
{
	struct sim from, to;

	(void)state;
	/* `report` ran because a failed, and does not again; `tidy` waits, and what it waits for is complete by now */
	begin(&from, "a [fail=9]:\nb:\nreport [when=failure]: a\ntidy [when=always ms=5]: b z\nz [ms=4]:\n", 8, true);
	while (run_count(from.run, ORCH_TASK_COMPLETED) < 3)
		sim_step(&from);
	expect_state(&from, "report", ORCH_TASK_COMPLETED);
	sim_reload(&to, &from, "a:\nb:\nreport [when=failure]: a\ntidy [when=always ms=5]: b\nz [ms=4]:\n", NULL);
	expect_state(&to, "report", ORCH_TASK_COMPLETED);
	sim_run(&to);
	expect_state(&to, "tidy", ORCH_TASK_COMPLETED);
	expect_state(&to, "report", ORCH_TASK_COMPLETED);
	assert_non_null(strstr(strbuf_cstr(&to.order), "report"));
	assert_null(strstr(strstr(strbuf_cstr(&to.order), "report") + 1, "report"));
	release(&to, &from);
}

static void fewer_are_wanted(void **state)
{
	struct sim from, to;

	(void)state;
	begin(&from, "x:\na [ms=5]:\nb:\nc: b\nd: a\n", 8, false);
	sim_step(&from);
	sim_reload(&to, &from, "x:\na [ms=5]:\nb:\nc: b\nd: a\n", "c");
	assert_int_equal(to.outside, 1);
	assert_false(run_task(to.run, sim_id(&to, "d"))->in_run);
	sim_run(&to);
	expect_state(&to, "c", ORCH_TASK_COMPLETED);
	release(&to, &from);
}

/* --- at random: sim.c holds what must be so at each start, and at the end --- */

static uint32_t random_below(uint64_t *seed, uint32_t limit)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % limit;
}

/* some of ten streams, each depending on some of those before it in an order of the text's own */
static void random_text(char *text, size_t size, uint64_t *seed)
{
	char order[STREAMS_MAX + 1] = "abcdefghij";
	size_t len = (size_t)snprintf(text, size, "pool p %u\n", 1 + random_below(seed, 3));

	for (uint32_t i = STREAMS_MAX; i > 1; i--) {
		uint32_t other = random_below(seed, i);
		char moved = order[other];

		order[other] = order[i - 1];
		order[i - 1] = moved;
	}
	order[4 + random_below(seed, STREAMS_MAX - 4)] = '\0';
	for (uint32_t i = 0; order[i]; i++) {
		static const char *const when[] = {"", "", "", "", " when=always", " when=failure"};

		len += (size_t)snprintf(text + len, size - len, "%c [ms=%u fail=%u retries=%u recipe=%u backoff=%u%s%s%s]:",
			order[i], random_below(seed, 6), random_below(seed, 3) / 2 * random_below(seed, 4),
			random_below(seed, 3), random_below(seed, 3), random_below(seed, 2) * 3,
			order[i] > 'd' ? "" : " pool=p", random_below(seed, 5) ? "" : " group",
			when[random_below(seed, 6)]);
		for (uint32_t d = 0; d < i; d++) {
			if (random_below(seed, 3) == 0)
				len += (size_t)snprintf(text + len, size - len, " %c", order[d]);
		}
		len += (size_t)snprintf(text + len, size - len, "\n");
	}
	assert_true(len < size);
}

static void random_reloads(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < RANDOM_RUNS; n++) {
		uint64_t seed = n;
		struct sim sims[4];
		unsigned count = 1, reloads = 1 + random_below(&seed, 3);
		char text[4096];

		random_text(text, sizeof text, &seed);
		begin(&sims[0], text, 1 + random_below(&seed, 4), random_below(&seed, 2));
		for (; count <= reloads; count++) {
			for (uint32_t steps = random_below(&seed, 5); steps > 0; steps--)
				sim_step(&sims[count - 1]);
			/* what has no stream ends before the next: that it may be back has its own test */
			sim_end_outside(&sims[count - 1]);
			random_text(text, sizeof text, &seed);
			sim_reload(&sims[count], &sims[count - 1], text, NULL);
		}
		sim_run(&sims[count - 1]);
		while (count > 0)
			sim_release(&sims[--count]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_not_begun_takes_its_new_form),
		cmocka_unit_test(running_ones_go_on),
		cmocka_unit_test(a_running_one_is_gone),
		cmocka_unit_test(one_that_was_gone_is_back),
		cmocka_unit_test(failed_ones),
		cmocka_unit_test(retries_are_new_and_numbers_go_on),
		cmocka_unit_test(a_failure_that_is_gone_stops_nobody),
		cmocka_unit_test(waits_are_kept),
		cmocka_unit_test(a_running_one_has_a_new_dependency),
		cmocka_unit_test(completed_ones),
		cmocka_unit_test(a_pool_is_smaller_than_what_is_in_it),
		cmocka_unit_test(those_under_way_keep_others_apart),
		cmocka_unit_test(paused_and_jobs_are_kept),
		cmocka_unit_test(cleanup_streams),
		cmocka_unit_test(fewer_are_wanted),
		cmocka_unit_test(random_reloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
