#include "config.h"

#include "graph/topo.h"

#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* a binary heap of ids, the smallest on top */
struct id_heap {
	uint32_t *ids;
	uint32_t count;
};

static void heap_push(struct id_heap *heap, uint32_t id)
{
	uint32_t at = heap->count++;

	while (at > 0 && heap->ids[(at - 1) / 2] > id) {
		heap->ids[at] = heap->ids[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->ids[at] = id;
}

static uint32_t heap_pop(struct id_heap *heap)
{
	uint32_t top = heap->ids[0];
	uint32_t last = heap->ids[--heap->count];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count && heap->ids[child + 1] < heap->ids[child])
			child++;
		if (heap->ids[child] >= last)
			break;
		heap->ids[at] = heap->ids[child];
		at = child;
	}
	heap->ids[at] = last;
	return top;
}

/* is each stream behind what it depends on, as the file has them? most files are written so */
static bool is_sorted(const struct graph *graph)
{
	for (uint32_t s = 0; s < graph->count; s++) {
		for (uint32_t i = graph->dep_start[s]; i < graph->dep_start[s + 1]; i++) {
			if (EDGE_STREAM(graph->deps[i]) >= s)
				return false;
		}
	}
	return true;
}

int topo_sort(struct graph *graph)
{
	struct id_heap free_ids = {0};
	uint32_t *missing;
	uint32_t done = 0;

	if (is_sorted(graph)) {
		for (uint32_t s = 0; s < graph->count; s++)
			graph->order[s] = s;
		return 0;
	}
	missing = xmalloc(graph->count * sizeof *missing);
	free_ids.ids = xmalloc(graph->count * sizeof *free_ids.ids);
	for (uint32_t s = 0; s < graph->count; s++) {
		missing[s] = graph_dep_count(graph, s);
		if (missing[s] == 0)
			heap_push(&free_ids, s);
	}
	while (free_ids.count > 0) {
		uint32_t s = heap_pop(&free_ids);

		graph->order[done++] = s;
		for (uint32_t i = graph->user_start[s]; i < graph->user_start[s + 1]; i++) {
			uint32_t user = EDGE_STREAM(graph->users[i]);

			if (--missing[user] == 0)
				heap_push(&free_ids, user);
		}
	}
	free(free_ids.ids);
	free(missing);
	return done == graph->count ? 0 : -1;
}

/* Tarjan's algorithm with its call stack as an array. knot[s] becomes the number of the component of s; *sizes the
 * number of streams in each */
struct tarjan {
	uint32_t *index, *low, *next_edge; /* [stream] */
	uint32_t *calls, *stack;
	uint32_t call_count, stack_count, counter, knot_count;
};

static void tarjan_enter(struct tarjan *t, const struct graph *graph, uint32_t s)
{
	t->index[s] = t->low[s] = ++t->counter;
	t->next_edge[s] = graph->dep_start[s];
	t->calls[t->call_count++] = s;
	t->stack[t->stack_count++] = s;
}

static void tarjan_walk(struct tarjan *t, const struct graph *graph, uint32_t root, uint32_t *knot)
{
	tarjan_enter(t, graph, root);
	while (t->call_count > 0) {
		uint32_t s = t->calls[t->call_count - 1];

		if (t->next_edge[s] < graph->dep_start[s + 1]) {
			uint32_t dep = EDGE_STREAM(graph->deps[t->next_edge[s]++]);

			if (t->index[dep] == 0)
				tarjan_enter(t, graph, dep);
			else if (knot[dep] == NONE && t->index[dep] < t->low[s])
				t->low[s] = t->index[dep];
			continue;
		}
		t->call_count--;
		if (t->call_count > 0) {
			uint32_t caller = t->calls[t->call_count - 1];

			if (t->low[s] < t->low[caller])
				t->low[caller] = t->low[s];
		}
		if (t->low[s] == t->index[s]) {
			uint32_t member;

			do {
				member = t->stack[--t->stack_count];
				knot[member] = t->knot_count;
			} while (member != s);
			t->knot_count++;
		}
	}
}

static uint32_t find_knots(const struct graph *graph, uint32_t *knot)
{
	size_t size = graph->count * sizeof(uint32_t);
	struct tarjan t = {
		.index = xcalloc(graph->count, sizeof(uint32_t)),
		.low = xmalloc(size),
		.next_edge = xmalloc(size),
		.calls = xmalloc(size),
		.stack = xmalloc(size),
	};

	memset(knot, 0xff, size);
	for (uint32_t s = 0; s < graph->count; s++) {
		if (t.index[s] == 0)
			tarjan_walk(&t, graph, s, knot);
	}
	free(t.index);
	free(t.low);
	free(t.next_edge);
	free(t.calls);
	free(t.stack);
	return t.knot_count;
}

/* A shortest cycle through `root` inside its knot, breadth first. `from` and `queue` are scratch; false if there is
 * none (a knot of one). */
static size_t shortest_cycle(
	const struct graph *graph, const uint32_t *knot, uint32_t root, uint32_t *from, uint32_t *queue)
{
	uint32_t head = 0, tail = 0;

	queue[tail++] = root;
	from[root] = root;
	while (head < tail) {
		uint32_t s = queue[head++];

		for (uint32_t i = graph->dep_start[s]; i < graph->dep_start[s + 1]; i++) {
			uint32_t dep = EDGE_STREAM(graph->deps[i]);
			size_t count = 1;

			if (knot[dep] != knot[root] || (dep != root && from[dep] != NONE))
				continue;
			if (dep != root) {
				from[dep] = s;
				queue[tail++] = dep;
				continue;
			}
			for (uint32_t at = s; at != root; at = from[at])
				count++;
			/* the queue is done with: it takes the cycle, from behind */
			for (size_t n = count; n-- > 0; s = from[s])
				queue[n] = s;
			return count;
		}
	}
	return 0;
}

void topo_cycles(const struct graph *graph, void (*found)(void *data, const uint32_t *ids, size_t count), void *data)
{
	size_t size = ((size_t)graph->count + 1) * sizeof(uint32_t);
	uint32_t *knot = xmalloc(size), *from = xmalloc(size), *queue = xmalloc(size);
	uint32_t knot_count;
	bool *visited;

	if (graph->count == 0)
		goto out;
	knot_count = find_knots(graph, knot);
	memset(from, 0xff, size);
	visited = xcalloc(knot_count, sizeof *visited);
	/* the first member met is the one with the smallest id: there the cycle begins */
	for (uint32_t s = 0; s < graph->count; s++) {
		size_t count;

		if (visited[knot[s]])
			continue;
		visited[knot[s]] = true;
		count = shortest_cycle(graph, knot, s, from, queue);
		if (count > 0)
			found(data, queue, count);
	}
	free(visited);
out:
	free(knot);
	free(from);
	free(queue);
}

void topo_levels(const struct graph *graph, const bool *included, uint32_t *level)
{
	for (uint32_t n = 0; n < graph->count; n++) {
		uint32_t s = graph->order[n];

		level[s] = 0;
		if (included && !included[s])
			continue;
		for (uint32_t i = graph->dep_start[s]; i < graph->dep_start[s + 1]; i++) {
			uint32_t dep = EDGE_STREAM(graph->deps[i]);

			if ((!included || included[dep]) && level[dep] >= level[s])
				level[s] = level[dep] + 1;
		}
	}
}

void topo_ranks(const struct graph *graph, const bool *included, const int64_t *cost, int64_t *rank)
{
	for (uint32_t n = graph->count; n-- > 0;) {
		uint32_t s = graph->order[n];
		int64_t longest = 0;

		rank[s] = 0;
		if (included && !included[s])
			continue;
		for (uint32_t i = graph->user_start[s]; i < graph->user_start[s + 1]; i++) {
			uint32_t user = EDGE_STREAM(graph->users[i]);

			if (rank[user] > longest)
				longest = rank[user];
		}
		rank[s] = longest + (cost ? cost[s] : 1);
	}
}

void topo_close_deps(const struct graph *graph, bool *marked)
{
	for (uint32_t n = graph->count; n-- > 0;) {
		uint32_t s = graph->order[n];

		if (!marked[s])
			continue;
		for (uint32_t i = graph->dep_start[s]; i < graph->dep_start[s + 1]; i++)
			marked[EDGE_STREAM(graph->deps[i])] = true;
	}
}

void topo_close_users(const struct graph *graph, bool *marked)
{
	for (uint32_t n = 0; n < graph->count; n++) {
		uint32_t s = graph->order[n];

		if (!marked[s])
			continue;
		for (uint32_t i = graph->user_start[s]; i < graph->user_start[s + 1]; i++)
			marked[EDGE_STREAM(graph->users[i])] = true;
	}
}
