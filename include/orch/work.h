/* What streams have made in git: what changed, what collides, and what of it is no longer needed. */
#ifndef ORCH_WORK_H
#define ORCH_WORK_H

#include "orch/project.h"

#ifdef __cplusplus
extern "C" {
#endif

/* what a run leaves behind */
enum orch_remnant {
	ORCH_REMNANT_WORKTREE,  /* name: its path */
	ORCH_REMNANT_DIRECTORY, /* where worktrees are, and none of git's; name: its path */
	ORCH_REMNANT_BRANCH,    /* name: "orch/a" */
	ORCH_REMNANT_SAVED,     /* work that was saved; name: the ref, in full */
	ORCH_REMNANT_RUN,       /* name: its id */
};
enum { ORCH_REMNANTS = ORCH_REMNANT_RUN + 1 };

struct orch_cleaned {
	enum orch_remnant kind;
	const char *name;
	const char *stream; /* whose it is; NULL: nobody's */
	bool removed;       /* with a dry run: would be */
	bool failed;        /* it was to be removed, and could not be */
	const char *why;    /* it goes, or stays: one line for people */
};

/* "worktree", "directory", "branch", "saved", "run" */
const char *orch_remnant_name(enum orch_remnant kind);

/*
 * Removes what is provably not needed any more: worktrees whose work is on a branch, of streams that have completed;
 * branches of orch's whose commits another branch or a tag has, or whose work was squashed; saved work whose files
 * other branches have; runs in which nothing ran. `each` is called for all that there is, what stays too; what it is
 * given is valid during the call. ORCH_EBUSY: a run is under way (not with `dry_run`). On another error what could be
 * removed is, and `each` was called for it.
 */
int orch_clean(struct orch *orch, bool dry_run, void (*each)(void *data, const struct orch_cleaned *item), void *data,
	struct orch_error *err);

struct orch_diff_options {
	bool stat; /* which files, and how much */
	bool color;
	int width; /* of the statistics, in columns; 0: git's own */
};

/* What a stream has changed, as git shows it, with what lies uncommitted in its worktree; "" if nothing. The caller
 * frees. ORCH_EUSAGE: it works in no worktree, or has not begun */
int orch_diff(
	struct orch *orch, size_t stream, const struct orch_diff_options *options, char **text, struct orch_error *err);

/* two whose work does not go together */
struct orch_collision {
	const char *ours, *theirs; /* branches: "orch/a"; the base itself is always ours */
	int64_t our_stream;        /* its position, ORCH_NO_STREAM: the base */
	size_t their_stream;
	const char *const *files;
	size_t file_count;
};

/* Merges every two in memory of what streams have on their branches, or in their worktrees as they are now, and of what
 * the base has. `each` is called for those that collide; what it is given is valid during the call. *compared: how many
 * branches there were, the base included. What the base has already is not compared */
int orch_conflicts(struct orch *orch, void (*each)(void *data, const struct orch_collision *collision), void *data,
	size_t *compared, struct orch_error *err);

#ifdef __cplusplus
}
#endif
#endif
