#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lib/sim.h"

#include "graph/select.h"
#include "graph/topo.h"
#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

static void edges_both_ways(void **state)
{
	static const edge deps_of_d[] = {2, 1}, users_of_a[] = {1, 2};
	struct sim sim;

	(void)state;
	sim_init(&sim, "a:\nb: a\nc: a | d0\nd: c b c\nd0:\n");
	assert_int_equal(graph_dep_count(&sim.graph, 3), 2);
	assert_memory_equal(graph_deps(&sim.graph, 3), deps_of_d, sizeof deps_of_d);
	assert_int_equal(graph_user_count(&sim.graph, 0), 2);
	assert_memory_equal(graph_users(&sim.graph, 0), users_of_a, sizeof users_of_a);
	assert_true(EDGE_ORDER_ONLY(graph_deps(&sim.graph, 2)[1]));
	assert_true(EDGE_ORDER_ONLY(graph_users(&sim.graph, 4)[0]));
	assert_int_equal(EDGE_STREAM(graph_users(&sim.graph, 4)[0]), 2);
	sim_release(&sim);
}

static void real_edge_wins(void **state)
{
	static const uint32_t both[][2] = {{1, 0x80000000u}, {1, 0}, {2, 1}, {2, 0x80000001u}};
	struct graph graph;

	(void)state;
	assert_int_equal(graph_from_pairs(&graph, 3, both, 4), 0);
	assert_int_equal(graph.dep_start[3], 2);
	assert_int_equal(graph.deps[0], 0);
	assert_int_equal(graph.deps[1], 1);
	graph_release(&graph);
}

static void order_is_smallest_first(void **state)
{
	static const uint32_t pairs[][2] = {{0, 3}, {1, 4}, {2, 0}}, expected[] = {3, 0, 2, 4, 1};
	struct graph graph;

	(void)state;
	assert_int_equal(graph_from_pairs(&graph, 5, pairs, 3), 0);
	assert_memory_equal(graph.order, expected, sizeof expected);
	graph_release(&graph);
	assert_int_equal(graph_from_pairs(&graph, 0, NULL, 0), 0);
	graph_release(&graph);
}

static void expect_errors(const char *text, const char *expected)
{
	struct strbuf all = {0};
	struct sim sim;

	assert_int_equal(sim_build(&sim, text), -1);
	assert_int_equal(sim.graph.count, 0);
	assert_null(sim.graph.deps);
	for (size_t i = 0; i < sim.diags.count; i++)
		strbuf_addf(&all, "%u+%u: %s\n", sim.diags.items[i].place.offset, sim.diags.items[i].place.length,
			sim.diags.items[i].message);
	assert_string_equal(strbuf_cstr(&all), expected);
	strbuf_release(&all);
	sim_release(&sim);
}

static void errors(void **state)
{
	(void)state;
	expect_errors("Stream-A: Stream-C\nStream-B: Stream-A\nStream-C: Stream-B\n",
		"0+8: circular dependency: Stream-A -> Stream-C -> Stream-B -> Stream-A\n");
	expect_errors("a: a\n", "3+1: stream 'a' depends on itself\n");
	expect_errors("alpha:\nq: alpa\n", "10+4: no stream is named 'alpa'; did you mean 'alpha'?\n");
	/* all at once: unknown names, and the cycles among the known */
	expect_errors("z: y zzzzzzz a\ny: z\na: b\nb: a\n",
		"5+7: no stream is named 'zzzzzzz'\n0+1: circular dependency: z -> y -> z\n20+1: circular dependency: a -> b -> a\n");
	/* the shortest way round, from the first in the file */
	expect_errors("x:\na: b c\nb: d\nc: a\nd: a\n", "3+1: circular dependency: a -> c -> a\n");
}

static bool only_data_csv(const char *name)
{
	return strcmp(name, "data.csv") == 0;
}

static void file_as_dependency(void **state)
{
	struct graph graph;
	struct sim sim;

	(void)state;
	assert_int_equal(sim_build(&sim, "a: data.csv\n"), -1);
	diag_list_release(&sim.diags);
	assert_int_equal(graph_build(&graph, &sim.project, only_data_csv, &sim.diags), -1);
	assert_string_equal(sim.diags.items[0].message, "'data.csv' is a file, not a stream; use 'inputs = data.csv'");
	sim_release(&sim);
}

static void cycle_of_1000_is_printed_whole(void **state)
{
	struct strbuf text = {0};
	struct sim sim;
	unsigned arrows = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		strbuf_addf(&text, "s%u: s%u\n", i, (i + 1) % 1000);
	assert_int_equal(sim_build(&sim, strbuf_cstr(&text)), -1);
	assert_int_equal(sim.diags.count, 1);
	for (const char *at = sim.diags.items[0].message; (at = strstr(at, " -> ")); at += 4)
		arrows++;
	assert_int_equal(arrows, 1000);
	assert_non_null(strstr(sim.diags.items[0].message, ": s0 -> s1 -> "));
	assert_non_null(strstr(sim.diags.items[0].message, " -> s999 -> s0"));
	strbuf_release(&text);
	sim_release(&sim);
}

static void count_cycles(void *data, const uint32_t *ids, size_t count)
{
	(void)ids;
	*(size_t *)data += count;
}

static void deep_chain(void **state)
{
	enum { LENGTH = 100000 };
	uint32_t(*pairs)[2] = xmalloc((LENGTH + 1) * sizeof *pairs);
	uint32_t *level = xmalloc(LENGTH * sizeof *level);
	int64_t *rank = xmalloc(LENGTH * sizeof *rank);
	bool *marked = xcalloc(LENGTH, sizeof *marked);
	struct graph graph;
	size_t in_cycles = 0;

	(void)state;
	/* the first in the file is the last of the chain */
	for (uint32_t i = 0; i + 1 < LENGTH; i++) {
		pairs[i][0] = i;
		pairs[i][1] = i + 1;
	}
	assert_int_equal(graph_from_pairs(&graph, LENGTH, (const uint32_t(*)[2])pairs, LENGTH - 1), 0);
	topo_levels(&graph, NULL, level);
	topo_ranks(&graph, NULL, NULL, rank);
	assert_int_equal(level[0], LENGTH - 1);
	assert_int_equal(rank[LENGTH - 1], LENGTH);
	marked[0] = true;
	topo_close_deps(&graph, marked);
	assert_true(marked[LENGTH - 1]);
	memset(marked, 0, LENGTH);
	marked[LENGTH - 1] = true;
	topo_close_users(&graph, marked);
	assert_true(marked[0]);
	graph_release(&graph);

	pairs[LENGTH - 1][0] = LENGTH - 1;
	pairs[LENGTH - 1][1] = 0;
	assert_int_equal(graph_from_pairs(&graph, LENGTH, (const uint32_t(*)[2])pairs, LENGTH), -1);
	topo_cycles(&graph, count_cycles, &in_cycles);
	assert_int_equal(in_cycles, LENGTH);
	graph_release(&graph);
	free(pairs);
	free(level);
	free(rank);
	free(marked);
}

static void levels_and_ranks_among_included(void **state)
{
	static const uint32_t pairs[][2] = {{1, 0}, {2, 1}, {3, 2}, {3, 0}};
	static const bool included[] = {true, false, true, true};
	static const int64_t cost[] = {1, 10, 100, 1000};
	uint32_t level[4];
	int64_t rank[4];
	struct graph graph;

	(void)state;
	assert_int_equal(graph_from_pairs(&graph, 4, pairs, 4), 0);
	topo_levels(&graph, included, level);
	topo_ranks(&graph, included, cost, rank);
	assert_int_equal(level[0], 0);
	assert_int_equal(level[2], 0);
	assert_int_equal(level[3], 1);
	assert_int_equal(rank[0], 1001);
	assert_int_equal(rank[1], 0);
	assert_int_equal(rank[2], 1100);
	graph_release(&graph);
}

/* "b c": what the target names */
static void expect_selected(const struct sim *sim, const char *target, const char *expected)
{
	struct strbuf names = {0};
	struct orch_error err = {0};
	bool marked[16] = {0};

	if (select_target(&sim->project, &sim->graph, target, marked, &err) != 0) {
		assert_int_equal(err.code, ORCH_EUSAGE);
		strbuf_addstr(&names, err.message);
	}
	for (uint32_t s = 0; s < sim->graph.count; s++) {
		if (marked[s])
			strbuf_addf(&names, "%s%s", names.len ? " " : "", sim->project.streams[s].name);
	}
	assert_string_equal(strbuf_cstr(&names), expected);
	strbuf_release(&names);
}

static void targets(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, "AUTH-1 [tag=backend]:\nAUTH-2: AUTH-1\nweb [tag=frontend]: AUTH-1\nall [group]: AUTH-2 web\n");
	expect_selected(&sim, "web", "web");
	expect_selected(&sim, "web+", "web all");
	expect_selected(&sim, "AUTH-*", "AUTH-1 AUTH-2");
	expect_selected(&sim, "/^AUTH-[12]$/", "AUTH-1 AUTH-2");
	expect_selected(&sim, "/2$/+", "AUTH-2 all");
	expect_selected(&sim, "/w+/", "web");
	expect_selected(&sim, "tag:backend", "AUTH-1");
	expect_selected(&sim, "tag:backend+", "AUTH-1 AUTH-2 web all");
	expect_selected(&sim, "", "a target is empty");
	expect_selected(&sim, "Q-*", "no stream's name matches 'Q-*'");
	expect_selected(&sim, "/zzz/", "no stream's name matches /zzz/");
	expect_selected(&sim, "/zzz", "'/zzz' is no target; a pattern is written /PATTERN/");
	expect_selected(&sim, "tag:backnd", "no stream has the tag 'backnd'; did you mean 'tag:backend'?");
	expect_selected(&sim, "wbe", "no stream is named 'wbe'; did you mean 'web'?");
	sim_release(&sim);
}

static void bad_pattern(void **state)
{
	struct orch_error err = {0};
	bool marked[2] = {0};
	struct sim sim;

	(void)state;
	sim_init(&sim, "a:\n");
	assert_int_equal(select_target(&sim.project, &sim.graph, "/(a/", marked, &err), -1);
	assert_int_equal(err.code, ORCH_EUSAGE);
	assert_non_null(strstr(err.message, "pattern /(a/"));
	sim_release(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_both_ways),
		cmocka_unit_test(real_edge_wins),
		cmocka_unit_test(order_is_smallest_first),
		cmocka_unit_test(errors),
		cmocka_unit_test(file_as_dependency),
		cmocka_unit_test(cycle_of_1000_is_printed_whole),
		cmocka_unit_test(deep_chain),
		cmocka_unit_test(levels_and_ranks_among_included),
		cmocka_unit_test(targets),
		cmocka_unit_test(bad_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
