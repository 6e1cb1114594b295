/*
 * What a stream's work comes to: what it left uncommitted is committed, its branch has it all, and its
 * tree and changed files are known. Commits that were made by the work itself stay as they are.
 */
#ifndef VCS_COMMIT_H
#define VCS_COMMIT_H

#include <stdbool.h>

#include "util/strvec.h"
#include "vcs/git.h"

struct repo;

struct commit_spec {
	const char *stream;
	const char *dir;     /* top of the stream's worktree */
	const char *branch;  /* "orch/STREAM": must hold the work in the end; NULL: whatever is checked out */
	const char *subject; /* of the message; a blank line and `body` follow */
	const char *body;    /* NULL: none */
	/* of the trailers Orch-Stream, Orch-Run, Orch-Attempt; run NULL: none of them */
	const char *run;
	unsigned attempt;
	bool look_only; /* commit nothing: VCS_REFUSED with the files if there is something to commit */
};

struct commit_result {
	bool committed;         /* there was something left */
	char oid[GIT_OID_MAX];  /* the branch's commit now */
	char tree[GIT_OID_MAX]; /* its tree: equal trees are equal results */
	/* repositories that the work made within, below the top: not committed; saved instead, under `saved_ref`, as is
	 * what was staged and then changed again */
	struct strvec nested;
	char *saved_ref;
	/* where the work had left the branch: another branch, or "" for a detached HEAD. NULL: it had not. The branch
	 * was moved on to that work, which began with it */
	char *strayed;
	struct strvec unresolved; /* with VCS_CONFLICT: files that still have conflicts */
};

/*
 * `result` is NULL unless VCS_OK or VCS_CONFLICT; valid during the call. VCS_REJECTED: a hook said no, and the work is
 * as it was, staged. VCS_REFUSED: HEAD is elsewhere, with work that did not begin with the branch. Author and committer
 * are git's, "orch" if it has none. Killed at any time, the next call completes it.
 */
typedef void commit_done(void *data, const struct vcs_end *end, const struct commit_result *result);
void commit_work(struct repo *repo, const struct commit_spec *spec, commit_done *done, void *data);

/* `paths` are those that differ between two commits or trees, renames as both their names; valid during the call */
typedef void commit_changes_done(void *data, const struct vcs_end *end, const struct strvec *paths);
void commit_changes(struct repo *repo, const char *from, const char *to, commit_changes_done *done, void *data);

#endif
