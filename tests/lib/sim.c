#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sim.h"

#include "sched/reload.h"
#include "util/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct words one_word(struct sim *sim, const char *value)
{
	struct arena *arena = &sim->project.arena;
	const char *copy = arena_strdup(arena, value);

	return (struct words){.items = memcpy(arena_alloc(arena, sizeof copy), &copy, sizeof copy), .count = 1};
}

static void read_attribute(
	struct sim *sim, struct settings *set, struct sim_stream *more, struct stream *stream, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	if (strcmp(word, "group") == 0)
		stream->run.bytes = NULL;
	else if (strcmp(word, "keep") == 0)
		more->keep = true;
	else if (strcmp(word, "approve") == 0)
		set->approve = true;
	else if (!value)
		fail_msg("attribute '%s'", word);
	else if (strcmp(word, "ms") == 0)
		more->ms = atol(value);
	else if (strcmp(word, "recipe") == 0)
		more->recipe = (uint64_t)atoi(value);
	else if (strcmp(word, "fail") == 0)
		more->fail = (unsigned)atoi(value);
	else if (strcmp(word, "pool") == 0)
		set->pool = arena_strdup(&sim->project.arena, value);
	else if (strcmp(word, "weight") == 0)
		set->weight = atoi(value);
	else if (strcmp(word, "priority") == 0)
		set->priority = atoi(value);
	else if (strcmp(word, "retries") == 0)
		set->retries = atoi(value);
	else if (strcmp(word, "backoff") == 0)
		set->backoff_ms = atoi(value);
	else if (strcmp(word, "max") == 0)
		set->backoff_max_ms = atoi(value);
	else if (strcmp(word, "rerun") == 0)
		set->rerun = (unsigned)atoi(value);
	else if (strcmp(word, "tag") == 0)
		set->tags = one_word(sim, value);
	else if (strcmp(word, "touches") == 0)
		set->touches = one_word(sim, value);
	else if (strcmp(word, "when") == 0)
		set->when = strcmp(value, "always") == 0 ? WHEN_ALWAYS
			: strcmp(value, "failure") == 0  ? WHEN_FAILURE
							 : WHEN_SUCCESS;
	else
		fail_msg("attribute '%s'", word);
}

static void read_stream(struct sim *sim, const char *text, char *line, uint16_t source)
{
	struct project *project = &sim->project;
	size_t start = (size_t)(line - text), name_len = strcspn(line, " :[");
	char *body = strchr(line, ':');
	char *attributes = strchr(line, '[');
	struct stream *stream = project_add_stream(project, line, name_len);
	struct settings *set = arena_alloc(&project->arena, sizeof *set);
	bool order_only = false;
	char *rest, *word;

	assert_non_null(stream);
	assert_non_null(body);
	sim->streams = xreallocarray(sim->streams, project->stream_count, sizeof *sim->streams);
	sim->streams[project->stream_count - 1] = (struct sim_stream){.ms = 1};
	*set = (struct settings){.rerun = RERUN_ALL, .weight = 1};
	stream->set = set;
	stream->place = (struct place){.source = source, .offset = (uint32_t)start, .length = (uint16_t)name_len};
	stream->run = (struct text){.bytes = "true", .len = 4};
	for (word = strtok_r(body + 1, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if (strcmp(word, "|") == 0)
			order_only = true;
		else
			project_add_dep(project, stream, project_symbol(project, word, strlen(word)),
				(uint32_t)(word - text), order_only);
	}
	if (!attributes || attributes > body)
		return;
	*strchr(attributes, ']') = '\0';
	for (word = strtok_r(attributes + 1, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		read_attribute(sim, set, &sim->streams[project->stream_count - 1], stream, word);
}

int sim_build(struct sim *sim, const char *text)
{
	size_t len = strlen(text);
	char *copy = xcalloc(len + 2, 1), *kept = xcalloc(len + 2, 1);
	struct project *project = &sim->project;
	uint16_t source;
	char *rest, *line;
	int status;

	*sim = (struct sim){.options = {.jobs = 2, .retries = -1}};
	project_init(project);
	memcpy(copy, text, len);
	memcpy(kept, text, len);
	source = source_add(&project->sources, "Orchfile", kept, len, (struct place){0});
	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char name[64];
		unsigned limit;

		if (strcmp(line, "serialize") == 0) {
			project->set.overlap = arena_strdup(&project->arena, line);
			continue;
		}
		if (sscanf(line, "pool %63s %u", name, &limit) != 2) {
			read_stream(sim, copy, line, source);
			continue;
		}
		project->pools = xreallocarray(project->pools, project->pool_count + 1, sizeof *project->pools);
		project->pools[project->pool_count++] =
			(struct pool){.name = arena_strdup(&project->arena, name), .limit = limit};
	}
	free(copy);
	status = graph_build(&sim->graph, project, NULL, &sim->diags);
	sim->facts = xcalloc(project->stream_count + 1u, sizeof *sim->facts);
	for (uint32_t s = 0; s < project->stream_count; s++)
		sim->facts[s].recipe = sim->streams[s].recipe;
	sim->pool_used = xcalloc(project->pool_count + 1u, sizeof *sim->pool_used);
	return status;
}

void sim_init(struct sim *sim, const char *text)
{
	int status = sim_build(sim, text);

	if (status != 0)
		fail_msg("%s", sim->diags.items[0].message);
}

uint32_t sim_id(const struct sim *sim, const char *name)
{
	uint32_t id = project_find(&sim->project, name);

	assert_true(id != NO_STREAM);
	return id;
}

static bool is_group(const struct sim *sim, uint32_t s)
{
	return stream_is_group(&sim->project.streams[s]);
}

void sim_complete_all(struct sim *sim)
{
	struct plan plan;
	uint32_t count = sim->graph.count;
	struct plan_facts *facts = xcalloc(count + 1u, sizeof *facts);

	for (uint32_t s = 0; s < count; s++)
		sim->facts[s].stamp.result = 1000 + s;
	memcpy(facts, sim->facts, count * sizeof *facts);
	/* a plan, for the results of groups */
	plan_build(&plan, &sim->project, &sim->graph, facts, NULL, false);
	for (uint32_t s = 0; s < count; s++) {
		if (!is_group(sim, s))
			sim->facts[s].stamp = (struct stamp){.present = true,
				.recipe = sim->facts[s].recipe,
				.inputs = sim->facts[s].inputs,
				.deps = plan_deps_digest(&plan, s),
				.result = 1000 + s,
				.duration_ms = (uint32_t)sim->streams[s].ms};
	}
	plan_release(&plan);
}

void sim_plan(struct sim *sim, const char *targets, bool only)
{
	bool *wanted = NULL;

	if (targets) {
		char *copy = xstrdup(targets), *rest;

		wanted = xcalloc(sim->graph.count + 1u, sizeof *wanted);
		for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
			wanted[sim_id(sim, word)] = true;
		free(copy);
	}
	plan_build(&sim->plan, &sim->project, &sim->graph, sim->facts, wanted, only);
}

static unsigned weight_of(const struct sim *sim, uint32_t s)
{
	unsigned weight = (unsigned)sim->project.streams[s].set->weight;

	return weight > sim->options.jobs ? sim->options.jobs : weight;
}

/* what must hold when a task starts, by the project alone */
static void check_start(struct sim *sim, uint32_t stream)
{
	const struct settings *set = sim->project.streams[stream].set;
	const edge *deps = graph_deps(&sim->graph, stream);

	for (uint32_t i = 0; i < graph_dep_count(&sim->graph, stream); i++) {
		const struct task *dep = run_task(sim->run, EDGE_STREAM(deps[i]));

		if (!dep->in_run)
			continue;
		assert_true(dep->state >= ORCH_TASK_COMPLETED);
		if (set->when == WHEN_SUCCESS)
			assert_true(dep->state == ORCH_TASK_COMPLETED || dep->state == ORCH_TASK_SKIPPED);
	}
	assert_int_equal(run_task(sim->run, stream)->blockers, 0);
	if (set->pool) {
		const struct pool *pool = project_pool(&sim->project, set->pool);

		assert_true(++sim->pool_used[pool - sim->project.pools] <= pool->limit);
	}
	sim->weight += weight_of(sim, stream);
	assert_true(sim->weight <= sim->options.jobs);
	if (sim->weight > sim->most_weight)
		sim->most_weight = sim->weight;
	assert_true(sched_slot(sim->run, stream) < sim->options.jobs);
}

static void on_change(
	void *data, uint32_t stream, enum orch_task_state from, enum orch_task_state to, const char *reason)
{
	struct sim *sim = data;
	const struct settings *set;

	while (sim->next)
		sim = sim->next;
	set = sim->project.streams[stream].set;
	sim->changes++;
	if (reason)
		snprintf(sim->streams[stream].reason, sizeof sim->streams[stream].reason, "%s", reason);
	if (from == ORCH_TASK_RUNNING) {
		sim->weight -= weight_of(sim, stream);
		if (set->pool)
			sim->pool_used[project_pool(&sim->project, set->pool) - sim->project.pools]--;
	}
	if (to == ORCH_TASK_RUNNING)
		check_start(sim, stream);
}

void sim_start(struct sim *sim)
{
	sim->options.on_change = on_change;
	sim->options.data = sim;
	sim->run = run_new(&sim->plan, &sim->options);
}

static void start_one(struct sim *sim, uint32_t s)
{
	const struct plan_facts *facts = &sim->plan.facts[s];

	if (!plan_settle(&sim->plan, s, facts->recipe, facts->inputs)) {
		sched_finish(sim->run, s, ORCH_OUTCOME_UNCHANGED, NULL, sim->now);
		return;
	}
	if (sim->order.len > 0)
		strbuf_addch(&sim->order, ' ');
	strbuf_addstr(&sim->order, sim->project.streams[s].name);
	queue_push(&sim->ends, (struct queue_item){.stream = s, .rank = -(sim->now + sim->streams[s].ms)});
	if (sim->ends.count > sim->most_running)
		sim->most_running = (unsigned)sim->ends.count;
}

static void end_one(struct sim *sim, uint32_t s)
{
	struct plan_facts *facts = &sim->plan.facts[s];

	if (sim->streams[s].fail > 0) {
		sim->streams[s].fail--;
		sched_finish(sim->run, s, ORCH_OUTCOME_EXIT, "exit status 1", sim->now);
		return;
	}
	facts->stamp.present = true;
	facts->stamp.recipe = facts->recipe;
	facts->stamp.inputs = facts->inputs;
	facts->stamp.deps = plan_deps_digest(&sim->plan, s);
	facts->stamp.result += sim->streams[s].keep ? 0 : 1000000;
	sched_finish(sim->run, s, ORCH_OUTCOME_SUCCESS, NULL, sim->now);
}

bool sim_step(struct sim *sim)
{
	uint32_t s;
	int64_t wake;

	while (sched_next(sim->run, sim->now, &s))
		start_one(sim, s);
	wake = sched_next_wake(sim->run);
	if (sim->ends.count == 0) {
		if (wake < 0)
			return false;
		sim->now = wake;
		return true;
	}
	if (wake >= 0 && wake < -sim->ends.items[0].rank) {
		sim->now = wake;
		return true;
	}
	sim->now = -sim->ends.items[0].rank;
	while (sim->ends.count > 0 && -sim->ends.items[0].rank == sim->now)
		end_one(sim, queue_pop(&sim->ends).stream);
	return true;
}

void sim_run(struct sim *sim)
{
	size_t total = 0;

	sim_end_outside(sim);
	while (sim_step(sim))
		;
	assert_true(run_is_done(sim->run));
	assert_int_equal(sim->weight, 0);
	assert_int_equal(sched_ready(sim->run), 0);
	for (int state = ORCH_TASK_COMPLETED; state < ORCH_TASK_STATES; state++)
		total += run_count(sim->run, (enum orch_task_state)state);
	for (uint32_t s = 0; s < sim->graph.count; s++)
		total -= run_task(sim->run, s)->in_run;
	assert_int_equal(total, 0);
}

static void carry_end(struct sim *to, const struct sim *from, struct queue_item end)
{
	uint32_t id = project_find(&to->project, from->project.streams[end.stream].name);
	const struct settings *set;

	if (id == NO_STREAM || !run_task(to->run, id)->in_run) {
		to->outside_slots = xreallocarray(to->outside_slots, to->outside + 1, sizeof *to->outside_slots);
		to->outside_slots[to->outside++] = sched_slot(from->run, end.stream);
		return;
	}
	assert_int_equal(run_task(to->run, id)->state, ORCH_TASK_RUNNING);
	assert_int_equal(sched_slot(to->run, id), sched_slot(from->run, end.stream));
	set = to->project.streams[id].set;
	end.stream = id;
	queue_push(&to->ends, end);
	to->weight += weight_of(to, id);
	if (set->pool)
		to->pool_used[project_pool(&to->project, set->pool) - to->project.pools]++;
}

void sim_reload(struct sim *to, struct sim *from, const char *text, const char *targets)
{
	uint32_t *before;

	sim_init(to, text);
	before = reload_map(&to->project, &from->project);
	for (uint32_t s = 0; s < to->graph.count; s++) {
		if (before[s] != NO_STREAM)
			to->facts[s].stamp = from->plan.facts[before[s]].stamp;
	}
	reload_facts(to->facts, &to->project, from->run, before);
	free(before);
	sim_plan(to, targets, false);
	to->options = from->options;
	to->now = from->now;
	strbuf_addstr(&to->order, strbuf_cstr(&from->order));
	from->next = to;
	to->run = reload_run(from->run, &to->plan, NULL, 0);
	for (size_t i = 0; i < from->ends.count; i++)
		carry_end(to, from, from->ends.items[i]);
}

void sim_end_outside(struct sim *sim)
{
	while (sim->outside > 0)
		reload_give_back(sim->run, sim->outside_slots[--sim->outside]);
}

enum orch_task_state sim_state(const struct sim *sim, const char *name)
{
	const struct task *task = run_task(sim->run, sim_id(sim, name));

	assert_true(task->in_run);
	return task->state;
}

const char *sim_reason(const struct sim *sim, const char *name)
{
	return sim->streams[sim_id(sim, name)].reason;
}

char *sim_plan_text(const struct sim *sim)
{
	struct strbuf text = {0};

	for (uint32_t s = 0; s < sim->graph.count; s++) {
		static const char *const actions[] = {"-", "complete", "perhaps", "run"};
		const struct plan_item *item = &sim->plan.items[s];

		if (item->action == PLAN_NOT_WANTED)
			continue;
		strbuf_addf(&text, "%s%s:%s", text.len ? " " : "", sim->project.streams[s].name, actions[item->action]);
		if (item->other != NO_STREAM)
			strbuf_addf(&text, "(%s)", sim->project.streams[item->other].name);
		else if (item->reason != REASON_NONE)
			strbuf_addf(&text, "(%s)", plan_reason_text((enum plan_reason)item->reason));
	}
	return strbuf_detach(&text);
}

void sim_release(struct sim *sim)
{
	run_free(sim->run);
	if (sim->plan.graph)
		plan_release(&sim->plan);
	else
		free(sim->facts);
	graph_release(&sim->graph);
	diag_list_release(&sim->diags);
	queue_release(&sim->ends);
	strbuf_release(&sim->order);
	free(sim->streams);
	free(sim->pool_used);
	free(sim->outside_slots);
	sim->project.pool_count = 0;
	free(sim->project.pools);
	sim->project.pools = NULL;
	project_release(&sim->project);
	*sim = (struct sim){0};
}
