/*
 * Edges over stream ids, both ways, in flat arrays. Built once from the project; `generates` appends, nothing else
 * changes it. No function recurses: a chain of 100 000 streams is fine.
 */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

struct diag_list;
struct project;

/* the other end of an edge; the top bit says order-only */
typedef uint32_t edge;
#define EDGE_STREAM(e) ((e)&0x7fffffffu)
#define EDGE_ORDER_ONLY(e) (((e) >> 31) != 0)

struct graph {
	uint32_t count;       /* of streams */
	uint32_t *dep_start;  /* count + 1: deps of s are deps[dep_start[s]] .. deps[dep_start[s + 1] - 1] */
	edge *deps;           /* in the order written, without repeats (a real edge wins over an order-only one) */
	uint32_t *user_start; /* the same for what depends on s */
	edge *users;          /* ascending ids */
	uint32_t *order;      /* all streams, each behind its dependencies, else by id (topo.c) */
};

/* resolves names to edges and sorts: unknown names (with the nearest known one, or "use 'inputs = NAME'" if a file of
 * that name exists: file_exists(name), may be NULL), self-dependency and cycles (each printed whole) become
 * diagnostics. -1 if there was any; the graph is empty then */
int graph_build(struct graph *graph, const struct project *project, bool (*file_exists)(const char *name),
	struct diag_list *diags);
/* from plain arrays, for tests: edges as (user, dep) pairs; -1 on a cycle: the edges are there then, the order is not
 */
int graph_from_pairs(struct graph *graph, uint32_t count, const uint32_t (*pairs)[2], uint32_t pair_count);
void graph_release(struct graph *graph);

static inline uint32_t graph_dep_count(const struct graph *g, uint32_t s)
{
	return g->dep_start[s + 1] - g->dep_start[s];
}
static inline const edge *graph_deps(const struct graph *g, uint32_t s)
{
	return g->deps + g->dep_start[s];
}
static inline uint32_t graph_user_count(const struct graph *g, uint32_t s)
{
	return g->user_start[s + 1] - g->user_start[s];
}
static inline const edge *graph_users(const struct graph *g, uint32_t s)
{
	return g->users + g->user_start[s];
}

#endif
