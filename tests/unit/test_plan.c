#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lib/sim.h"

#include <stdlib.h>

/* a project that was completed, about to be changed */
static void init_complete(struct sim *sim, const char *text)
{
	sim_init(sim, text);
	sim_complete_all(sim);
}

static void expect_plan(struct sim *sim, const char *targets, bool only, const char *expected)
{
	char *text;

	sim_plan(sim, targets, only);
	text = sim_plan_text(sim);
	assert_string_equal(text, expected);
	free(text);
}

static struct plan_facts *facts(struct sim *sim, const char *name)
{
	return &sim->facts[sim_id(sim, name)];
}

static void first_run(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, "a:\nb: a\nall [group]: b\n");
	expect_plan(&sim, NULL, false, "a:run(never completed) b:run(never completed) all:perhaps(b)");
	assert_int_equal(sim.plan.wanted_count, 3);
	assert_int_equal(sim.plan.run_count, 2);
	assert_int_equal(sim.plan.perhaps_count, 0);
	sim_release(&sim);
}

static void nothing_to_do(void **state)
{
	struct sim sim;

	(void)state;
	init_complete(&sim, "all [group]: b c\na:\nb: a\nc: all2\nall2 [group]: a b\n");
	expect_plan(&sim, NULL, false, "all:complete a:complete b:complete c:complete all2:complete");
	assert_int_equal(plan_makespan(&sim.plan, 4, SCHED_PLANNED), 0);
	sim_release(&sim);
}

static void own_reasons(void **state)
{
	struct sim sim;

	(void)state;
	init_complete(&sim, "a:\nb:\nc:\nd:\ne:\nf:\n");
	facts(&sim, "a")->recipe++;
	facts(&sim, "b")->inputs++;
	facts(&sim, "c")->output_missing = true;
	facts(&sim, "d")->forced = true;
	facts(&sim, "e")->unreadable = true;
	facts(&sim, "f")->stamp.present = false;
	expect_plan(&sim, NULL, false,
		"a:run(recipe changed) b:run(inputs changed) c:run(an output is missing) d:run(forced) e:run(inputs changed) f:run(never completed)");
	sim_release(&sim);
}

static void dependents_are_perhaps(void **state)
{
	struct sim sim;

	(void)state;
	init_complete(&sim, "a:\nb: a\nc: b\nd: c\ne: | a\n");
	facts(&sim, "a")->recipe++;
	facts(&sim, "c")->inputs++;
	expect_plan(
		&sim, NULL, false, "a:run(recipe changed) b:perhaps(a) c:run(inputs changed) d:perhaps(c) e:complete");
	sim_release(&sim);
}

static void result_of_dependency_differs(void **state)
{
	struct sim sim;

	(void)state;
	/* through a group as well */
	init_complete(&sim, "a:\nb: a\ng [group]: a\nc: g\nd: | a\n");
	facts(&sim, "a")->stamp.result++;
	expect_plan(&sim, NULL, false,
		"a:complete b:run(a dependency changed) g:complete c:run(a dependency changed) d:complete");
	sim_release(&sim);
}

static void results_are_not_interchangeable(void **state)
{
	struct sim sim;
	uint64_t swapped;

	(void)state;
	init_complete(&sim, "a:\nb:\nc: a b\nd: b a\n");
	swapped = facts(&sim, "a")->stamp.result;
	facts(&sim, "a")->stamp.result = facts(&sim, "b")->stamp.result;
	facts(&sim, "b")->stamp.result = swapped;
	sim_plan(&sim, NULL, false);
	assert_int_equal(sim.plan.items[2].reason, REASON_DEPS);
	/* the order they are written in does not count */
	assert_true(plan_deps_digest(&sim.plan, 2) == plan_deps_digest(&sim.plan, 3));
	sim_release(&sim);
}

static void rerun_bits(void **state)
{
	struct sim sim;

	(void)state;
	init_complete(&sim, "a:\nb [rerun=1]: a\nc [rerun=0]: a\nd [rerun=0]:\ne [rerun=4]:\nf [rerun=2]:\n");
	for (uint32_t s = 0; s < sim.graph.count; s++) {
		sim.facts[s].recipe++;
		sim.facts[s].inputs++;
	}
	facts(&sim, "b")->recipe--;
	facts(&sim, "d")->output_missing = true;
	expect_plan(&sim, NULL, false,
		"a:run(recipe changed) b:complete c:complete d:run(an output is missing) e:complete f:run(inputs changed)");
	sim_release(&sim);
}

static void when_streams(void **state)
{
	static const char text[] = "a:\nclean [when=failure]: a\nreport [when=always]: a\nnext: report\n";
	struct sim sim;

	(void)state;
	init_complete(&sim, text);
	expect_plan(&sim, NULL, false, "a:complete clean:complete report:complete next:complete");
	sim_release(&sim);
	init_complete(&sim, text);
	facts(&sim, "a")->recipe++;
	expect_plan(&sim, NULL, false, "a:run(recipe changed) clean:run(a) report:run(a) next:perhaps(report)");
	assert_int_equal(sim.plan.items[1].reason, REASON_ALWAYS);
	sim_release(&sim);
	init_complete(&sim, text);
	facts(&sim, "report")->stamp.present = false;
	expect_plan(&sim, NULL, false, "a:complete clean:complete report:run(never completed) next:perhaps(report)");
	sim_release(&sim);
}

static void targets_and_only(void **state)
{
	static const char text[] = "a:\nb: a\nc: b\nd:\n";
	struct sim sim;

	(void)state;
	sim_init(&sim, text);
	expect_plan(&sim, "b", false, "a:run(never completed) b:run(never completed)");
	sim_release(&sim);
	sim_init(&sim, text);
	expect_plan(&sim, "c", true, "c:run(never completed)");
	sim_start(&sim);
	sim_run(&sim);
	assert_string_equal(strbuf_cstr(&sim.order), "c");
	sim_release(&sim);
	/* what is not wanted is taken as it is */
	init_complete(&sim, text);
	facts(&sim, "a")->recipe++;
	expect_plan(&sim, "b c", true, "b:complete c:complete");
	sim_release(&sim);
}

static void settle(void **state)
{
	struct sim sim;

	(void)state;
	init_complete(&sim, "a:\nb: a\nc: b\n");
	facts(&sim, "a")->recipe++;
	sim_plan(&sim, NULL, false);
	assert_false(plan_settle(&sim.plan, 1, 0, 0));
	assert_int_equal(sim.plan.items[1].reason, REASON_NONE);
	assert_true(plan_settle(&sim.plan, 1, 0, 1));
	assert_int_equal(sim.plan.items[1].reason, REASON_INPUTS);
	sim.plan.facts[0].stamp.result++;
	assert_true(plan_settle(&sim.plan, 1, 0, 0));
	assert_int_equal(sim.plan.items[1].reason, REASON_DEPS);
	assert_true(plan_settle(&sim.plan, 0, 1, 0));
	assert_int_equal(sim.plan.items[0].reason, REASON_RECIPE);
	sim_release(&sim);
}

static void unchanged_result_stops_the_wave(void **state)
{
	struct sim sim;

	(void)state;
	init_complete(&sim, "a [keep]:\nb: a\nall [group]: b\nc: all\n");
	facts(&sim, "a")->recipe++;
	expect_plan(&sim, NULL, false, "a:run(recipe changed) b:perhaps(a) all:perhaps(b) c:perhaps(all)");
	sim_start(&sim);
	sim_run(&sim);
	assert_string_equal(strbuf_cstr(&sim.order), "a");
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_COMPLETED);
	assert_int_equal(run_task(sim.run, 1)->attempts, 0);
	sim_release(&sim);
	/* the group's result follows what is in it */
	init_complete(&sim, "a:\ng [group]: a\nb: g\nc [rerun=3]: g\n");
	facts(&sim, "a")->recipe++;
	sim_plan(&sim, NULL, false);
	sim_start(&sim);
	sim_run(&sim);
	assert_string_equal(strbuf_cstr(&sim.order), "a b");
	assert_true(plan_deps_digest(&sim.plan, 2) == sim.plan.facts[2].stamp.deps);
	sim_release(&sim);
}

static void ranks_and_critical_path(void **state)
{
	struct sim sim;
	uint32_t *path;
	size_t count;
	int64_t length;

	(void)state;
	init_complete(&sim, "a [ms=5]:\nb [ms=7]: a\nc [ms=9]: a\nd [ms=1]: b c\ne [ms=3]:\nf:\n");
	for (uint32_t s = 0; s < 5; s++)
		sim.facts[s].recipe++;
	facts(&sim, "f")->stamp.present = false;
	sim_plan(&sim, NULL, false);
	assert_int_equal(sim.plan.items[0].rank, 15);
	assert_int_equal(sim.plan.items[1].rank, 8);
	assert_int_equal(plan_expected_ms(&sim.plan, 5), 5); /* median of 1 3 5 7 9 */
	path = plan_critical_path(&sim.plan, &count, &length);
	assert_int_equal(count, 3);
	assert_int_equal(path[0], 0);
	assert_int_equal(path[1], 2);
	assert_int_equal(path[2], 3);
	assert_int_equal(length, 15);
	free(path);
	assert_int_equal(plan_makespan(&sim.plan, 1, SCHED_PLANNED), 30);
	assert_int_equal(plan_makespan(&sim.plan, 16, SCHED_PLANNED), 15);
	sim_release(&sim);
}

/* the time of one that never completed: its kind's, else its estimate, else the median of all */
static void times_of_a_kind(void **state)
{
	static const char *const agents[] = {"claude"};
	struct settings by_agent, estimated;
	struct sim sim;

	(void)state;
	init_complete(&sim, "a [ms=10]:\nb [ms=30]:\nc [ms=40]:\nd:\ne:\nf:\ng [ms=100]:\nh:\n");
	/* a, b, c and d are of one place in the file; g and h have the same agent; e has an estimate */
	for (uint32_t s = 0; s < 8; s++)
		sim.project.streams[s].place = (struct place){.source = 1, .offset = s < 4 ? 7 : 10 + s};
	by_agent = estimated = *sim.project.streams[0].set;
	by_agent.agent = (struct words){.items = agents, .count = 1};
	by_agent.prompt_file = "p.md";
	estimated.estimate_ms = 77;
	sim.project.streams[6].set = sim.project.streams[7].set = &by_agent;
	sim.project.streams[3].set = sim.project.streams[4].set = &estimated;
	for (const char *const *name = (const char *const[]){"d", "e", "f", "h", NULL}; *name; name++)
		facts(&sim, *name)->stamp.present = false;
	sim_plan(&sim, NULL, false);
	assert_int_equal(plan_expected_ms(&sim.plan, 0), 10);
	assert_int_equal(plan_expected_ms(&sim.plan, 3), 30); /* of 10 30 40, before its estimate */
	assert_int_equal(plan_expected_ms(&sim.plan, 4), 77);
	assert_int_equal(plan_expected_ms(&sim.plan, 5), 30); /* of 10 30 40 100 */
	assert_int_equal(plan_expected_ms(&sim.plan, 7), 100);
	assert_true(plan_knows_time(&sim.plan, 3));
	assert_true(plan_knows_time(&sim.plan, 4));
	assert_false(plan_knows_time(&sim.plan, 5));
	assert_true(plan_knows_time(&sim.plan, 7));
	sim_release(&sim);
}

/* on two slots the longest first end after 12: 6 and 3 and 3, 5 and 4; but 6 and 4, 5 and 3 and 3 end after 11 */
static void better_than_longest_first(void **state)
{
	struct sim sim;

	(void)state;
	init_complete(&sim, "a [ms=6]:\nb [ms=5]:\nc [ms=4]:\nd [ms=3]:\ne [ms=3]:\n");
	for (uint32_t s = 0; s < 5; s++)
		facts(&sim, sim.project.streams[s].name)->recipe++;
	sim_plan(&sim, NULL, false);
	assert_int_equal(plan_makespan(&sim.plan, 2, SCHED_CRITICAL_PATH), 12);
	plan_improve(&sim.plan, 2);
	assert_non_null(sim.plan.turn);
	assert_int_equal(plan_makespan(&sim.plan, 2, SCHED_PLANNED), 11);
	assert_int_equal(plan_makespan(&sim.plan, 2, SCHED_CRITICAL_PATH), 12);
	plan_improve(&sim.plan, 1);
	assert_null(sim.plan.turn);
	sim_release(&sim);
}

/* where no time is known the order stays that of the file */
static void nothing_known_nothing_planned(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, "a:\nb:\nc:\nd:\ne: d\n");
	sim_plan(&sim, NULL, false);
	plan_improve(&sim.plan, 2);
	assert_null(sim.plan.turn);
	sim_release(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_of_a_kind),
		cmocka_unit_test(better_than_longest_first),
		cmocka_unit_test(nothing_known_nothing_planned),
		cmocka_unit_test(first_run),
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(own_reasons),
		cmocka_unit_test(dependents_are_perhaps),
		cmocka_unit_test(result_of_dependency_differs),
		cmocka_unit_test(results_are_not_interchangeable),
		cmocka_unit_test(rerun_bits),
		cmocka_unit_test(when_streams),
		cmocka_unit_test(targets_and_only),
		cmocka_unit_test(settle),
		cmocka_unit_test(unchanged_result_stops_the_wave),
		cmocka_unit_test(ranks_and_critical_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
