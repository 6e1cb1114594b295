/* Targets of the command line to a set of streams: NAME, a glob, /pattern/, tag:x, each with `+` behind for what
 * depends on it. */
#ifndef GRAPH_SELECT_H
#define GRAPH_SELECT_H

#include "graph/graph.h"

#include "orch/error.h"

/* marks the streams that `target` names (not their dependencies). ORCH_EUSAGE if it names none: the message offers the
 * nearest name */
int select_target(const struct project *project, const struct graph *graph, const char *target, bool *marked,
	struct orch_error *err);

#endif
