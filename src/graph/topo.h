/* Orders over a graph. Kahn's algorithm (Commun. ACM 5(11), 1962) for the order; Tarjan's components (SIAM J. Comput.
 * 1(2), 1972), iterative, for cycles. */
#ifndef GRAPH_TOPO_H
#define GRAPH_TOPO_H

#include "graph/graph.h"

#include <stddef.h>

/* fills graph->order, always the smallest id that is free next; -1 if there is a cycle */
int topo_sort(struct graph *graph);
/* calls `found` with one whole cycle (ids in order of dependency, first id not repeated) for each knot of the graph */
void topo_cycles(const struct graph *graph, void (*found)(void *data, const uint32_t *ids, size_t count), void *data);
/* the phase of each stream: 0 without dependencies among `included` (NULL: all), else one more than the largest of its
 * dependencies */
void topo_levels(const struct graph *graph, const bool *included, uint32_t *level);
/* rank[s] = cost[s] + the largest rank of its users (among included): the longest way to the end. NULL cost: one each
 */
void topo_ranks(const struct graph *graph, const bool *included, const int64_t *cost, int64_t *rank);
/* marks what `marked` streams depend on, or what depends on them (users) */
void topo_close_deps(const struct graph *graph, bool *marked);
void topo_close_users(const struct graph *graph, bool *marked);

#endif
