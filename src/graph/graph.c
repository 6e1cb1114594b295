#include "config.h"

#include "graph/graph.h"

#include "graph/project.h"
#include "graph/topo.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* work spent on "did you mean": each unknown name is held against all streams, so a file full of them gets no hint at
 * its end */
enum { SUGGEST_BUDGET = 5000000 };

void graph_release(struct graph *graph)
{
	free(graph->dep_start);
	free(graph->deps);
	free(graph->user_start);
	free(graph->users);
	free(graph->order);
	*graph = (struct graph){0};
}

/* `malloc(0)` may be NULL, which would make an empty graph look like none */
static uint32_t *new_ids(size_t count)
{
	return xmalloc((count ? count : 1) * sizeof(uint32_t));
}

/* the deps of `user` lie behind deps[start]: adds one, unless it is there. seen[s]: place behind the last edge to s, of
 * whatever user */
static uint32_t add_dep(edge *deps, uint32_t start, uint32_t end, uint32_t *seen, edge dep)
{
	uint32_t *at = &seen[EDGE_STREAM(dep)];

	if (*at > start) {
		if (!EDGE_ORDER_ONLY(dep))
			deps[*at - 1] = dep;
		return end;
	}
	deps[end] = dep;
	*at = end + 1;
	return end + 1;
}

/* the deps are known: gives back what repeats left unused, turns the edges round, sorts */
static int finish(struct graph *graph)
{
	uint32_t edge_count = graph->dep_start[graph->count];
	uint32_t *start;

	graph->deps = xrealloc(graph->deps, (edge_count ? edge_count : 1) * sizeof *graph->deps);
	graph->users = new_ids(edge_count);
	start = graph->user_start = xcalloc((size_t)graph->count + 1, sizeof *start);
	for (uint32_t i = 0; i < edge_count; i++)
		start[EDGE_STREAM(graph->deps[i])]++;
	/* start[s] is made the end of s first; filling from behind brings it to the start, with the users ascending */
	for (uint32_t s = 0, sum = 0; s <= graph->count; s++)
		start[s] = sum += start[s];
	for (uint32_t s = graph->count; s-- > 0;) {
		for (uint32_t i = graph->dep_start[s]; i < graph->dep_start[s + 1]; i++) {
			edge dep = graph->deps[i];

			graph->users[--start[EDGE_STREAM(dep)]] = s | (dep & ~EDGE_STREAM(dep));
		}
	}
	graph->order = new_ids(graph->count);
	return topo_sort(graph);
}

int graph_from_pairs(struct graph *graph, uint32_t count, const uint32_t (*pairs)[2], uint32_t pair_count)
{
	uint32_t *start = xcalloc((size_t)count + 1, sizeof *start);
	uint32_t *seen = xcalloc((size_t)count + 1, sizeof *seen);
	edge *raw = new_ids(pair_count);
	uint32_t end = 0;

	*graph = (struct graph){.count = count};
	for (uint32_t i = 0; i < pair_count; i++)
		start[pairs[i][0]]++;
	for (uint32_t s = 0, sum = 0; s <= count; s++)
		start[s] = sum += start[s];
	for (uint32_t i = pair_count; i-- > 0;)
		raw[--start[pairs[i][0]]] = pairs[i][1];
	graph->dep_start = new_ids((size_t)count + 1);
	graph->deps = new_ids(pair_count);
	for (uint32_t s = 0; s < count; s++) {
		graph->dep_start[s] = end;
		for (uint32_t i = start[s]; i < start[s + 1]; i++)
			end = add_dep(graph->deps, graph->dep_start[s], end, seen, raw[i]);
	}
	graph->dep_start[count] = end;
	free(raw);
	free(seen);
	free(start);
	return finish(graph);
}

struct resolver {
	const struct project *project;
	bool (*file_exists)(const char *name);
	struct diag_list *diags;
	uint64_t suggest_work;
	bool failed;
};

static struct place dep_place(const struct stream *stream, const struct dep_ref *ref, const char *name)
{
	size_t len = strlen(name);

	return (struct place){.source = stream->place.source,
		.offset = ref->offset,
		.length = (uint16_t)(len > UINT16_MAX ? UINT16_MAX : len)};
}

static void report_unknown(struct resolver *r, struct place place, const char *name)
{
	const char *nearest = NULL;

	r->failed = true;
	if (r->file_exists && r->file_exists(name)) {
		diag_error(r->diags, place, "'%s' is a file, not a stream; use 'inputs = %s'", name, name);
		return;
	}
	if (r->suggest_work < SUGGEST_BUDGET) {
		r->suggest_work += r->project->stream_count;
		nearest = project_suggest(r->project, name);
	}
	if (nearest)
		diag_error(r->diags, place, "no stream is named '%s'; did you mean '%s'?", name, nearest);
	else
		diag_error(r->diags, place, "no stream is named '%s'", name);
}

static void resolve(struct resolver *r, struct graph *graph)
{
	const struct project *project = r->project;
	uint32_t *seen = xcalloc((size_t)graph->count + 1, sizeof *seen);
	uint32_t end = 0;

	for (uint32_t s = 0; s < graph->count; s++) {
		const struct stream *stream = &project->streams[s];

		graph->dep_start[s] = end;
		for (uint32_t i = 0; i < stream->dep_count; i++) {
			const struct dep_ref *ref = &project->deps[stream->first_dep + i];
			const struct symbol *symbol = &project->symbols[ref->symbol];

			if (symbol->stream == NO_STREAM) {
				report_unknown(r, dep_place(stream, ref, symbol->name), symbol->name);
			} else if (symbol->stream == s) {
				diag_error(r->diags, dep_place(stream, ref, symbol->name),
					"stream '%s' depends on itself", stream->name);
				r->failed = true;
			} else {
				end = add_dep(graph->deps, graph->dep_start[s], end, seen,
					symbol->stream | (ref->order_only ? 1u << 31 : 0));
			}
		}
	}
	graph->dep_start[graph->count] = end;
	free(seen);
}

static void report_cycle(void *data, const uint32_t *ids, size_t count)
{
	struct resolver *r = data;
	struct strbuf text = {0};

	for (size_t i = 0; i < count; i++) {
		strbuf_addstr(&text, r->project->streams[ids[i]].name);
		strbuf_addstr(&text, " -> ");
	}
	strbuf_addstr(&text, r->project->streams[ids[0]].name);
	diag_error(r->diags, r->project->streams[ids[0]].place, "circular dependency: %s", strbuf_cstr(&text));
	strbuf_release(&text);
	r->failed = true;
}

int graph_build(struct graph *graph, const struct project *project, bool (*file_exists)(const char *name),
	struct diag_list *diags)
{
	struct resolver r = {.project = project, .file_exists = file_exists, .diags = diags};

	*graph = (struct graph){.count = project->stream_count};
	graph->dep_start = new_ids((size_t)graph->count + 1);
	graph->deps = new_ids(project->dep_count);
	resolve(&r, graph);
	if (finish(graph) != 0)
		topo_cycles(graph, report_cycle, &r);
	if (!r.failed)
		return 0;
	graph_release(graph);
	return -1;
}
