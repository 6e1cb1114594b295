/*
 * What streams have changed, committed or not, and which two of them do not go together: for looking, during a run too.
 * Nothing is changed; a worktree's uncommitted files become a commit that no ref holds.
 */
#ifndef EXEC_COMPARE_H
#define EXEC_COMPARE_H

#include "orch/work.h"

struct project;
struct stamp_store;
struct stream;

/* see orch/work.h; `names` of the streams are their positions in the project */
int compare_diff(const struct project *project, struct stamp_store *store, const struct stream *stream,
	const struct orch_diff_options *options, char **text, struct orch_error *err);
int compare_conflicts(const struct project *project, struct stamp_store *store,
	void (*each)(void *data, const struct orch_collision *collision), void *data, size_t *compared,
	struct orch_error *err);

#endif
