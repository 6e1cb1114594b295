/*
 * The scheduler against makespans known from elsewhere, in virtual time: exact ones of three list schedulers on real
 * graphs, best known ones of random graphs. Data: tests/data/README.md. ORCH_TEST_DATA names a directory with more of
 * it.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "graph/graph.h"
#include "graph/project.h"
#include "sched/queue.h"
#include "sched/sched.h"
#include "util/alloc.h"
#include "util/diag.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct workload {
	struct project project;
	struct graph graph;
	struct settings set;
	int64_t *ms;
	uint32_t capacity;
};

static void workload_init(struct workload *w)
{
	*w = (struct workload){.set = {.rerun = RERUN_ALL, .weight = 1}};
	project_init(&w->project);
}

/* the next task; parents: ids with commas, "-" or "" for none */
static void workload_add(struct workload *w, double seconds, const char *parents)
{
	struct project *project = &w->project;
	uint32_t id = project->stream_count;
	struct stream *stream;
	char name[16];

	snprintf(name, sizeof name, "%u", id);
	stream = project_add_stream(project, name, strlen(name));
	assert_non_null(stream);
	stream->set = &w->set;
	stream->run = (struct text){.bytes = "true", .len = 4};
	if (id == w->capacity) {
		w->capacity = w->capacity ? 2 * w->capacity : 64;
		w->ms = xreallocarray(w->ms, w->capacity, sizeof *w->ms);
	}
	w->ms[id] = llround(seconds * 1000);
	while (*parents >= '0' && *parents <= '9') {
		size_t len = strspn(parents, "0123456789");

		project_add_dep(project, stream, project_symbol(project, parents, len), 0, false);
		parents += len + (parents[len] == ',');
	}
}

static void workload_finish(struct workload *w)
{
	struct diag_list diags = {0};

	assert_int_equal(graph_build(&w->graph, &w->project, NULL, &diags), 0);
	diag_list_release(&diags);
}

static void workload_release(struct workload *w)
{
	graph_release(&w->graph);
	project_release(&w->project);
	free(w->ms);
}

/* everything is stale; its durations are known from an earlier run, or not */
static void make_plan(struct plan *plan, const struct workload *w, bool known)
{
	struct plan_facts *facts = xcalloc(w->graph.count, sizeof *facts);

	for (uint32_t s = 0; s < w->graph.count; s++) {
		facts[s].recipe = 1;
		facts[s].stamp.present = known;
		facts[s].stamp.duration_ms = (uint32_t)w->ms[s];
	}
	plan_build(plan, &w->project, &w->graph, facts, NULL, false);
	assert_int_equal(plan->run_count, w->graph.count);
}

static int64_t schedule(struct plan *plan, const struct workload *w, unsigned jobs, enum sched_policy policy)
{
	struct run_options options = {.jobs = jobs, .policy = policy, .retries = -1};
	struct run *run = run_new(plan, &options);
	struct queue ends = {0};
	int64_t now = 0;
	uint32_t s;

	for (;;) {
		while (sched_next(run, now, &s))
			queue_push(&ends, (struct queue_item){.stream = s, .rank = -(now + w->ms[s])});
		assert_true(ends.count <= jobs);
		if (ends.count == 0)
			break;
		now = -ends.items[0].rank;
		while (ends.count > 0 && -ends.items[0].rank == now)
			sched_finish(run, queue_pop(&ends).stream, ORCH_OUTCOME_SUCCESS, NULL, now);
	}
	assert_int_equal(run_count(run, ORCH_TASK_COMPLETED), w->graph.count);
	queue_release(&ends);
	run_free(run);
	return now;
}

/* DIR/NAME, or DIR/NAME.gz unpacked; NULL if there is neither */
static FILE *open_data(const char *dir, const char *name, bool *is_pipe)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *file = fopen(path, "r");

	*is_pipe = false;
	if (!file) {
		free(path);
		path = xasprintf("gzip -dc -- '%s/%s.gz'", dir, name);
		/* strlen("gzip -dc -- '") */
		path[strlen(path) - 1] = '\0';
		*is_pipe = access(path + 13, R_OK) == 0;
		path[strlen(path)] = '\'';
		if (*is_pipe)
			file = popen(path, "r");
	}
	free(path);
	return file;
}

static void close_data(FILE *file, bool is_pipe)
{
	assert_int_equal(is_pipe ? pclose(file) : fclose(file), 0);
}

static bool load_workload(struct workload *w, const char *dir, const char *name)
{
	char *file_name = xasprintf("%s.tsv", name), *line = NULL;
	size_t capacity = 0;
	bool is_pipe;
	FILE *file = open_data(dir, file_name, &is_pipe);

	free(file_name);
	if (!file)
		return false;
	workload_init(w);
	while (getline(&line, &capacity, file) > 0) {
		char *rest, *id = strtok_r(line, "\t\n", &rest), *seconds = strtok_r(NULL, "\t\n", &rest),
			    *parents = strtok_r(NULL, "\t\n", &rest);

		if (line[0] == '#')
			continue;
		assert_non_null(parents);
		assert_int_equal(strtoul(id, NULL, 10), w->project.stream_count);
		workload_add(w, atof(seconds), parents);
	}
	free(line);
	close_data(file, is_pipe);
	workload_finish(w);
	return true;
}

static const char *data_dir(void)
{
	static char dir[4096];
	const char *source = getenv("srcdir");

	snprintf(dir, sizeof dir, "%s/tests/data/workflows", source ? source : ".");
	return dir;
}

/* what is planned beforehand is never worse, and the run itself keeps to it */
static void check_improved(struct plan *plan, const struct workload *w, unsigned jobs, int64_t cp)
{
	int64_t makespan;

	plan_improve(plan, jobs);
	makespan = plan_makespan(plan, jobs, SCHED_PLANNED);
	assert_true(makespan <= cp);
	assert_int_equal(schedule(plan, w, jobs, SCHED_PLANNED), makespan);
}

/* each line of our expected-makespans.csv whose graph is in `dir` */
static unsigned check_makespans(const char *dir)
{
	char *path = xasprintf("%s/expected-makespans.csv", data_dir()), *line = NULL, loaded[64] = "";
	FILE *file = fopen(path, "r");
	struct workload w = {0};
	struct plan with_times, without;
	size_t capacity = 0;
	unsigned checked = 0;

	free(path);
	assert_non_null(file);
	while (getline(&line, &capacity, file) > 0) {
		char name[64];
		unsigned jobs;
		double fifo, unit, cp;

		if (sscanf(line, "%63[^,],%u,%lf,%lf,%lf", name, &jobs, &fifo, &unit, &cp) != 5)
			continue;
		if (strcmp(name, loaded) != 0) {
			if (loaded[0]) {
				plan_release(&with_times);
				plan_release(&without);
				workload_release(&w);
			}
			loaded[0] = '\0';
			if (!load_workload(&w, dir, name))
				continue;
			strcpy(loaded, name);
			make_plan(&with_times, &w, true);
			make_plan(&without, &w, false);
		}
		assert_int_equal(schedule(&with_times, &w, jobs, SCHED_CRITICAL_PATH), llround(cp * 1000));
		assert_int_equal(plan_makespan(&with_times, jobs, SCHED_CRITICAL_PATH), llround(cp * 1000));
		check_improved(&with_times, &w, jobs, llround(cp * 1000));
		assert_int_equal(schedule(&without, &w, jobs, SCHED_CRITICAL_PATH), llround(unit * 1000));
		assert_int_equal(schedule(&without, &w, jobs, SCHED_FIFO), llround(fifo * 1000));
		checked++;
	}
	if (loaded[0]) {
		plan_release(&with_times);
		plan_release(&without);
		workload_release(&w);
	}
	free(line);
	fclose(file);
	return checked;
}

/* makespan on `jobs` over the best known one */
static double ratio(struct workload *w, unsigned jobs, double best)
{
	struct plan plan;
	double makespan;

	make_plan(&plan, w, true);
	plan_improve(&plan, jobs);
	makespan = (double)plan_makespan(&plan, jobs, SCHED_PLANNED) / 1000;
	plan_release(&plan);
	assert_true(makespan >= best);
	/* Graham's bound holds for any schedule without idle slots */
	assert_true(makespan <= best * (2 - 1.0 / jobs) + 1e-9);
	return makespan / best;
}

static void real_graphs(void **state)
{
	(void)state;
	assert_int_equal(check_makespans(data_dir()), 35);
}

static void random_graphs_of_50(void **state)
{
	bool is_pipe;
	FILE *file = open_data(data_dir(), "stg-50.txt", &is_pipe);
	char *line = NULL;
	size_t capacity = 0;
	double sum = 0;
	unsigned count = 0;

	(void)state;
	assert_non_null(file);
	while (getline(&line, &capacity, file) > 0) {
		char *rest, *word;
		unsigned tasks;
		double best;
		struct workload w;

		if (line[0] == '#')
			continue;
		workload_init(&w);
		strtok_r(line, " \n", &rest);
		tasks = (unsigned)atoi(strtok_r(NULL, " \n", &rest));
		best = atof(strtok_r(NULL, " \n", &rest));
		for (word = strtok_r(NULL, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
			const char *parents = strchr(word, ':');

			workload_add(&w, atof(word), parents ? parents + 1 : "");
		}
		assert_int_equal(w.project.stream_count, tasks);
		workload_finish(&w);
		sum += ratio(&w, 4, best);
		count++;
		workload_release(&w);
	}
	free(line);
	close_data(file, is_pipe);
	assert_int_equal(count, 180);
	print_message("180 graphs of 50 tasks, 4 slots: mean %.5f of the best known\n", sum / count);
	/* small graphs are the hardest: of 100 tasks it is 1.002, see all_random_graphs */
	assert_true(sum / count <= 1.005);
}

static void all_real_graphs(void **state)
{
	const char *dir = getenv("ORCH_TEST_DATA");

	(void)state;
	if (!dir || access(dir, R_OK) != 0)
		return; /* the committed graphs above are what every machine has */
	assert_true(check_makespans(dir) >= 35);
}

static void all_random_graphs(void **state)
{
	const char *dir = getenv("ORCH_TEST_DATA");
	static const unsigned jobs[] = {2, 4, 8, 16};
	double sums[4] = {0}, best[4] = {0}, small = 0, large = 0;
	unsigned count = 0, tasks = 0, small_count = 0;
	struct workload w;
	char *line = NULL;
	size_t capacity = 0;
	bool is_pipe = false;
	FILE *file;

	(void)state;
	file = dir ? open_data(dir, "stg-360.txt", &is_pipe) : NULL;
	if (!file)
		return; /* the committed graphs above are what every machine has */
	while (getline(&line, &capacity, file) > 0) {
		char seconds[32], parents[1024] = "-";

		if (line[0] == '#')
			continue;
		if (sscanf(line, "graph %*s %u %*s %lf %lf %lf %lf", &tasks, &best[0], &best[1], &best[2], &best[3]) ==
			5) {
			workload_init(&w);
			continue;
		}
		assert_int_equal(sscanf(line, "%*u %31s %1023s", seconds, parents), 2);
		workload_add(&w, atof(seconds), parents);
		if (w.project.stream_count < tasks)
			continue;
		workload_finish(&w);
		for (unsigned i = 0; i < 4; i++) {
			double r = ratio(&w, jobs[i], best[i]);

			sums[i] += r;
			if (jobs[i] == 4 && tasks == 52)
				small += r;
			if (jobs[i] == 4 && tasks != 52)
				large += r;
		}
		small_count += tasks == 52;
		count++;
		workload_release(&w);
	}
	free(line);
	close_data(file, is_pipe);
	assert_int_equal(count, 360);
	print_message(
		"360 graphs, mean of the best known: %.5f on 2, %.5f on 4, %.5f on 8, %.5f on 16; on 4: %.5f of 50 tasks, %.5f of 100\n",
		sums[0] / count, sums[1] / count, sums[2] / count, sums[3] / count, small / small_count,
		large / (count - small_count));
	assert_true(sums[1] / count <= 1.005);
	assert_true(large / (count - small_count) <= 1.005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_graphs),
		cmocka_unit_test(random_graphs_of_50),
		cmocka_unit_test(all_real_graphs),
		cmocka_unit_test(all_random_graphs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
