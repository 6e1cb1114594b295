/* Whole-file checks that need the graph. */
#include "config.h"

#include <stdlib.h>

#include "graph/graph.h"
#include "graph/project.h"
#include "lang/load.h"
#include "util/alloc.h"
#include "util/diag.h"

struct reference {
	uint32_t target, user, ref;
};

static int by_target(const void *a, const void *b)
{
	const struct reference *x = a, *y = b;

	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	return x->ref < y->ref ? -1 : x->ref > y->ref;
}

static bool is_direct(const struct graph *graph, uint32_t user, uint32_t target)
{
	const edge *deps = graph_deps(graph, user);

	for (uint32_t i = 0; i < graph_dep_count(graph, user); i++) {
		if (EDGE_STREAM(deps[i]) == target)
			return true;
	}
	return false;
}

/* marks with `round` all that depends on `target`, however far */
static void mark_users(const struct graph *graph, uint32_t target, uint32_t *mark, uint32_t *queue, uint32_t round)
{
	uint32_t head = 0, tail = 0;

	queue[tail++] = target;
	mark[target] = round;
	while (head < tail) {
		uint32_t at = queue[head++];

		for (uint32_t i = 0; i < graph_user_count(graph, at); i++) {
			uint32_t user = EDGE_STREAM(graph_users(graph, at)[i]);

			if (mark[user] != round) {
				mark[user] = round;
				queue[tail++] = user;
			}
		}
	}
}

static void complain(const struct project *project, const struct value_ref *ref, struct diag_list *diags)
{
	if (project_find(project, ref->name) == ref->user)
		diag_error(diags, ref->place, "stream '%s' cannot use a value of its own", ref->name);
	else
		diag_error(diags, ref->place,
			"stream '%s' uses a value of '%s', which is not among its dependencies; write it behind the ':'",
			project->streams[ref->user].name, ref->name);
}

int load_check(const struct project *project, const struct graph *graph, struct diag_list *diags)
{
	struct reference *far = xcalloc((size_t)project->ref_count + 1, sizeof *far);
	uint32_t count = 0, round = 0;
	uint32_t *mark, *queue;
	size_t errors = diags->errors;

	/* what is written behind the colon is seen at once; for the rest there is one walk for each stream that is
	 * referred to */
	for (uint32_t i = 0; i < project->ref_count; i++) {
		const struct value_ref *ref = &project->refs[i];
		uint32_t target = project_find(project, ref->name);

		if (target == NO_STREAM || ref->user >= graph->count || target >= graph->count ||
			is_direct(graph, ref->user, target))
			continue;
		far[count++] = (struct reference){target, ref->user, i};
	}
	if (count) {
		qsort(far, count, sizeof *far, by_target);
		mark = xcalloc(graph->count, sizeof *mark);
		queue = xcalloc(graph->count, sizeof *queue);
		for (uint32_t i = 0; i < count; i++) {
			if (i == 0 || far[i].target != far[i - 1].target)
				mark_users(graph, far[i].target, mark, queue, ++round);
			if (mark[far[i].user] != round || far[i].user == far[i].target)
				complain(project, &project->refs[far[i].ref], diags);
		}
		free(mark);
		free(queue);
	}
	free(far);
	diag_sort(diags);
	return diags->errors > errors ? -1 : 0;
}
