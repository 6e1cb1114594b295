/*
 * Work that comes home: the branches of streams that have completed, merged into the branch that their run began on,
 * or pushed, one after the other. At the end of a run (`merge = auto`), or when somebody asks for it.
 */
#ifndef EXEC_HOME_H
#define EXEC_HOME_H

#include <stdbool.h>

#include "orch/merge.h"
#include "orch/status.h"

struct graph;
struct project;
struct repo;
struct stamp_store;

struct home_spec {
	struct repo *repo;
	const struct project *project;
	const struct graph *graph;
	struct stamp_store *store;
	const struct orch_merge_options *options; /* not its targets */
	orch_merge_told *told;
	/* what the run that completed the stream tells of it, NULL: nothing. May be NULL; only asked for what is pushed
	 */
	const struct orch_stream_status *(*past)(void *data, const char *run, const char *stream);
	void (*done)(void *data, bool well); /* once, last */
	void *data;
};

/* Streams that work in a worktree, and from which no other such stream goes on: [stream], the caller frees. One pass
 * over the edges */
bool *home_leaves(const struct project *project, const struct graph *graph);
/* Borrows all of `spec` but itself until `done`, which comes from the loop. `chosen`: [stream], those to bring home, is
 * read before it returns; each has to work in a worktree. What has not completed is told as LEFT, and no harm */
void home_begin(const struct home_spec *spec, const bool *chosen);

#endif
