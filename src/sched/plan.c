#include "config.h"

#include "sched/plan.h"

#include "graph/project.h"
#include "graph/topo.h"
#include "util/alloc.h"
#include "util/digest.h"

#include <stdlib.h>
#include <string.h>

/* mixes one dependency's key and result so that their sum says which had which (the finalizer of SplitMix64, Steele et
 * al., OOPSLA 2014) */
static uint64_t mix_dep(uint64_t key, uint64_t result)
{
	uint64_t x = key + 0x9e3779b97f4a7c15u * (result + 1);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline bool is_stale(const struct plan *plan, uint32_t stream)
{
	return plan->items[stream].action >= PLAN_PERHAPS;
}

static inline bool is_group(const struct plan *plan, uint32_t stream)
{
	return stream_is_group(&plan->project->streams[stream]);
}

bool plan_waits_for_failure(const struct plan *plan, uint32_t stream)
{
	const struct stream *what = &plan->project->streams[stream];

	return what->set->when == WHEN_FAILURE && !stream_is_group(what);
}

uint64_t plan_deps_digest(const struct plan *plan, uint32_t stream)
{
	const edge *deps = graph_deps(plan->graph, stream);
	uint64_t sum = 0;

	for (uint32_t i = graph_dep_count(plan->graph, stream); i-- > 0;) {
		uint32_t dep = EDGE_STREAM(deps[i]);

		if (!EDGE_ORDER_ONLY(deps[i]))
			sum += mix_dep(plan->dep_keys[dep], plan->facts[dep].stamp.result);
	}
	return sum;
}

/* the first dependency that is stale, or NO_STREAM */
static uint32_t find_stale_dep(const struct plan *plan, uint32_t stream, bool order_only_too)
{
	const edge *deps = graph_deps(plan->graph, stream);

	for (uint32_t i = 0; i < graph_dep_count(plan->graph, stream); i++) {
		if ((order_only_too || !EDGE_ORDER_ONLY(deps[i])) && is_stale(plan, EDGE_STREAM(deps[i])))
			return EDGE_STREAM(deps[i]);
	}
	return NO_STREAM;
}

/* why the stream must run whatever its dependencies make; REASON_NONE: it need not */
static enum plan_reason own_reason(const struct plan *plan, uint32_t stream)
{
	const struct plan_facts *facts = &plan->facts[stream];
	unsigned rerun = plan->project->streams[stream].set->rerun;

	if (facts->forced)
		return REASON_FORCED;
	if (!facts->stamp.present)
		return REASON_NEVER;
	if ((rerun & RERUN_RECIPE) && facts->recipe != facts->stamp.recipe)
		return REASON_RECIPE;
	if ((rerun & RERUN_INPUTS) && (facts->unreadable || facts->inputs != facts->stamp.inputs))
		return REASON_INPUTS;
	if (facts->output_missing)
		return REASON_OUTPUT_MISSING;
	return REASON_NONE;
}

static enum plan_reason deps_reason(const struct plan *plan, uint32_t stream)
{
	if ((plan->project->streams[stream].set->rerun & RERUN_DEPS) &&
		plan_deps_digest(plan, stream) != plan->facts[stream].stamp.deps)
		return REASON_DEPS;
	return REASON_NONE;
}

static void set_item(
	struct plan *plan, uint32_t stream, enum plan_action action, enum plan_reason reason, uint32_t other)
{
	struct plan_item *item = &plan->items[stream];

	item->action = (uint8_t)action;
	item->reason = (uint8_t)reason;
	item->other = other;
}

/* a group has no stamp: it is what its dependencies are, and its result is made of theirs */
static void decide_group(struct plan *plan, uint32_t group)
{
	uint32_t other = find_stale_dep(plan, group, true);

	plan->facts[group].stamp.result = plan_deps_digest(plan, group);
	if (!plan->wanted[group])
		set_item(plan, group, PLAN_NOT_WANTED, REASON_NONE, NO_STREAM);
	else if (other != NO_STREAM)
		set_item(plan, group, PLAN_PERHAPS, REASON_GROUP, other);
	else
		set_item(plan, group, PLAN_COMPLETE, REASON_NONE, NO_STREAM);
}

static void decide(struct plan *plan, uint32_t stream)
{
	const struct settings *set = plan->project->streams[stream].set;
	enum plan_reason reason;
	uint32_t other;

	if (!plan->wanted[stream]) {
		set_item(plan, stream, PLAN_NOT_WANTED, REASON_NONE, NO_STREAM);
		return;
	}
	/* nobody runs what is done, whatever it was made from */
	if (set->complete && !plan->facts[stream].forced) {
		set_item(plan, stream, PLAN_COMPLETE, REASON_NONE, NO_STREAM);
		return;
	}
	if (set->when != WHEN_SUCCESS) {
		other = find_stale_dep(plan, stream, true);
		if (other != NO_STREAM) {
			set_item(plan, stream, PLAN_RUN, REASON_ALWAYS, other);
			return;
		}
		if (set->when == WHEN_FAILURE) {
			set_item(plan, stream, PLAN_COMPLETE, REASON_NONE, NO_STREAM);
			return;
		}
	}
	reason = own_reason(plan, stream);
	if (reason != REASON_NONE) {
		set_item(plan, stream, PLAN_RUN, reason, NO_STREAM);
		return;
	}
	other = set->rerun & RERUN_DEPS ? find_stale_dep(plan, stream, false) : NO_STREAM;
	if (other != NO_STREAM) {
		set_item(plan, stream, PLAN_PERHAPS, REASON_DEP_RUNS, other);
		return;
	}
	reason = deps_reason(plan, stream);
	set_item(plan, stream, reason == REASON_NONE ? PLAN_COMPLETE : PLAN_RUN, reason, NO_STREAM);
}

static void rank_items(struct plan *plan)
{
	uint32_t count = plan->graph->count;
	bool *included = xmalloc(count * sizeof *included);
	int64_t *cost = xmalloc(count * sizeof *cost);
	int64_t *rank = xmalloc(count * sizeof *rank);

	for (uint32_t s = 0; s < count; s++) {
		included[s] = is_stale(plan, s);
		cost[s] = plan_waits_for_failure(plan, s) ? 0 : plan_expected_ms(plan, s);
	}
	topo_ranks(plan->graph, included, cost, rank);
	for (uint32_t s = 0; s < count; s++)
		plan->items[s].rank = rank[s];
	free(rank);
	free(cost);
	free(included);
}

void plan_build(struct plan *plan, const struct project *project, const struct graph *graph, struct plan_facts *facts,
	bool *wanted, bool only)
{
	size_t room = (size_t)graph->count + 1;

	*plan = (struct plan){.project = project, .graph = graph, .facts = facts, .wanted = wanted};
	plan->items = xcalloc(room, sizeof *plan->items);
	plan->dep_keys = xmalloc(room * sizeof *plan->dep_keys);
	if (!wanted) {
		plan->wanted = xmalloc(room * sizeof *plan->wanted);
		memset(plan->wanted, true, room);
	} else if (!only) {
		topo_close_deps(graph, wanted);
	}
	for (uint32_t s = 0; s < graph->count; s++)
		plan->dep_keys[s] = digest_bytes(project->streams[s].name, strlen(project->streams[s].name));
	for (uint32_t n = 0; n < graph->count; n++) {
		uint32_t s = graph->order[n];

		plan->wanted_count += plan->wanted[s];
		if (is_group(plan, s)) {
			decide_group(plan, s);
			continue;
		}
		decide(plan, s);
		plan->run_count += plan->items[s].action == PLAN_RUN;
		plan->perhaps_count += plan->items[s].action == PLAN_PERHAPS;
	}
	plan_find_times(plan);
	if (plan->run_count + plan->perhaps_count > 0)
		rank_items(plan);
}

bool plan_settle(struct plan *plan, uint32_t stream, uint64_t recipe, uint64_t inputs)
{
	struct plan_item *item = &plan->items[stream];
	enum plan_reason reason;

	plan->facts[stream].recipe = recipe;
	plan->facts[stream].inputs = inputs;
	/* they were read just now: what could not be before may be what it was */
	plan->facts[stream].unreadable = false;
	if (item->reason == REASON_ALWAYS)
		return true;
	reason = own_reason(plan, stream);
	if (reason == REASON_NONE)
		reason = deps_reason(plan, stream);
	item->reason = (uint8_t)reason;
	item->other = NO_STREAM;
	return reason != REASON_NONE;
}

void plan_release(struct plan *plan)
{
	free(plan->facts);
	free(plan->items);
	free(plan->wanted);
	free(plan->dep_keys);
	free(plan->kind_ms);
	free(plan->turn);
	*plan = (struct plan){0};
}

const char *plan_reason_text(enum plan_reason reason)
{
	switch (reason) {
	case REASON_NONE:
		return "complete";
	case REASON_FORCED:
		return "forced";
	case REASON_NEVER:
		return "never completed";
	case REASON_RECIPE:
		return "recipe changed";
	case REASON_INPUTS:
		return "inputs changed";
	case REASON_OUTPUT_MISSING:
		return "an output is missing";
	case REASON_DEPS:
		return "a dependency changed";
	case REASON_DEP_RUNS:
		return "a dependency runs";
	case REASON_ALWAYS:
		return "what it depends on runs";
	case REASON_GROUP:
		return "a group";
	}
	return "";
}

uint32_t *plan_critical_path(const struct plan *plan, size_t *count, int64_t *length_ms)
{
	const struct graph *graph = plan->graph;
	uint32_t *path = xmalloc(((size_t)graph->count + 1) * sizeof *path);
	uint32_t at = NO_STREAM;

	*count = 0;
	*length_ms = 0;
	for (uint32_t s = 0; s < graph->count; s++) {
		if (is_stale(plan, s) && (at == NO_STREAM || plan->items[s].rank > plan->items[at].rank))
			at = s;
	}
	if (at != NO_STREAM)
		*length_ms = plan->items[at].rank;
	while (at != NO_STREAM) {
		const edge *users = graph_users(graph, at);
		uint32_t next = NO_STREAM;

		if (!plan_waits_for_failure(plan, at))
			path[(*count)++] = at;
		for (uint32_t i = 0; i < graph_user_count(graph, at); i++) {
			uint32_t user = EDGE_STREAM(users[i]);

			if (is_stale(plan, user) &&
				(next == NO_STREAM || plan->items[user].rank > plan->items[next].rank))
				next = user;
		}
		at = next;
	}
	return path;
}
