/* Lock files that a killed git left behind. Private to vcs/. */
#ifndef VCS_STALE_H
#define VCS_STALE_H

#include <stdbool.h>

#include "orch/error.h"

/*
 * Removes the lock files of a stream's worktree (`git_dir`, may be NULL), of its branch (in full, may be NULL) and of
 * its saved work. For a caller that holds the stream's lock, so that no command of ours runs there: after an
 * interruption (`sure`) at once, else only those that have been there for some seconds, which an agent that was killed
 * left. What several share (packed-refs.lock) goes only when it is old, and only if `sure`.
 */
/* 1: a lock file of the worktree is still there, and too young: wait STALE_WAIT_MS and call again; -1: cannot */
enum { STALE_WAIT_MS = 300, STALE_TRIES = 12 };
int stale_locks_remove(const char *common_dir, const char *git_dir, const char *branch_ref, const char *stream,
	bool sure, struct orch_error *err);

#endif
