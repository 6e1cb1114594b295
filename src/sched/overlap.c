#include "config.h"

#include "sched/overlap.h"

#include <stdlib.h>

#include "graph/project.h"
#include "sched/plan.h"
#include "util/alloc.h"
#include "util/path.h"

enum {
	COMPARED_MAX = 1000000, /* globs with each other: most take nanoseconds, none more than some microseconds */
	WALKED_MAX = 20000000,  /* edges */
};

struct search {
	const struct plan *plan;
	uint32_t *list; /* of streams that run and have `touches` */
	uint32_t count;
	/* [stream]: number + 1 of the one in the list that it was last found to be ordered with */
	uint32_t *ordered_with;
	uint32_t *stack;
	uint32_t compared, walked;
};

static void walk(struct search *all, uint32_t from, uint32_t mark, bool up)
{
	const struct graph *graph = all->plan->graph;
	uint32_t depth = 0;

	all->stack[depth++] = from;
	while (depth > 0 && all->walked < WALKED_MAX) {
		uint32_t at = all->stack[--depth];
		const edge *next = up ? graph_deps(graph, at) : graph_users(graph, at);
		uint32_t count = up ? graph_dep_count(graph, at) : graph_user_count(graph, at);

		all->walked += count;
		for (uint32_t i = 0; i < count; i++) {
			uint32_t stream = EDGE_STREAM(next[i]);

			if (all->ordered_with[stream] != mark) {
				all->ordered_with[stream] = mark;
				all->stack[depth++] = stream;
			}
		}
	}
}

/* is there a way from the one to the other? */
static bool are_ordered(struct search *all, uint32_t number, uint32_t other)
{
	uint32_t stream = all->list[number], mark = number + 1;

	if (all->ordered_with[stream] != mark) {
		all->ordered_with[stream] = mark;
		walk(all, stream, mark, true);
		walk(all, stream, mark, false);
	}
	return all->ordered_with[other] == mark;
}

static bool meet(struct search *all, uint32_t one, uint32_t other, struct overlap *out)
{
	const struct project *project = all->plan->project;
	const struct words *a = &project->streams[one].set->touches, *b = &project->streams[other].set->touches;

	for (uint32_t i = 0; i < a->count; i++) {
		for (uint32_t j = 0; j < b->count; j++) {
			all->compared++;
			if (!path_globs_meet(a->items[i], b->items[j]))
				continue;
			*out = (struct overlap){one, other, a->items[i], b->items[j]};
			return true;
		}
	}
	return false;
}

size_t overlap_find(const struct plan *plan, struct overlap *out, size_t max, bool *complete)
{
	const struct project *project = plan->project;
	struct search all = {.plan = plan};
	size_t found = 0;

	*complete = true;
	all.list = xcalloc((size_t)project->stream_count + 1, sizeof *all.list);
	for (uint32_t s = 0; s < project->stream_count; s++) {
		unsigned action = plan->items[s].action;

		if (project->streams[s].set->touches.count > 0 && (action == PLAN_RUN || action == PLAN_PERHAPS))
			all.list[all.count++] = s;
	}
	all.ordered_with = xcalloc((size_t)project->stream_count + 1, sizeof *all.ordered_with);
	all.stack = xcalloc((size_t)project->stream_count + 1, sizeof *all.stack);
	for (uint32_t i = 0; i < all.count && *complete; i++) {
		for (uint32_t j = i + 1; j < all.count && *complete; j++) {
			struct overlap pair;

			if (all.compared >= COMPARED_MAX || all.walked >= WALKED_MAX)
				*complete = false;
			else if (meet(&all, all.list[i], all.list[j], &pair) && !are_ordered(&all, i, all.list[j]) &&
				all.walked < WALKED_MAX) {
				if (found == max)
					*complete = false;
				else
					out[found++] = pair;
			}
		}
	}
	free(all.list);
	free(all.ordered_with);
	free(all.stack);
	return found;
}

struct overlap *overlap_find_all(const struct plan *plan, size_t *count, bool *complete)
{
	struct overlap *pairs = NULL;
	size_t room = 32;

	do {
		room *= 2;
		pairs = xreallocarray(pairs, room, sizeof *pairs);
		*count = overlap_find(plan, pairs, room, complete);
	} while (*count == room && !*complete);
	return pairs;
}
