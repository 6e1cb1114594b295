/*
 * A repository as seen from one of its checkouts. Opening looks, and changes nothing; what may change
 * later (branch, head) is what it was then.
 */
#ifndef VCS_REPO_H
#define VCS_REPO_H

#include <stdbool.h>

#include "vcs/git.h"

/* what a person has begun in a checkout and not ended */
enum repo_doing {
	REPO_NOTHING,
	REPO_MERGE,
	REPO_REBASE,
	REPO_AM,
	REPO_CHERRY_PICK,
	REPO_REVERT,
	REPO_BISECT,
};

struct repo {
	struct git *git;        /* borrowed */
	char *top;              /* of the checkout, absolute; NULL in a bare repository */
	char *git_dir;          /* of this checkout, absolute */
	char *common_dir;       /* shared by all its worktrees, absolute */
	char *branch;           /* checked out: "main"; NULL if HEAD is detached */
	char *head_ref;         /* "refs/heads/main"; NULL if HEAD is detached */
	char head[GIT_OID_MAX]; /* the commit; "" if the branch is unborn */
	bool bare, shallow, sha256;
	enum repo_doing doing;
	bool has_identity; /* git knows whom to commit as */
	/* private: those that add a worktree, one after the other; the first has its turn */
	struct repo_turn *turns, **turns_end;
};

/* `repo` is NULL unless VCS_OK, else the caller's, for repo_free(). VCS_ABSENT: `dir` is in no repository; VCS_FAILED
 * with git's message: git refuses it (it is somebody else's: safe.directory) or it is damaged */
typedef void repo_opened(void *data, const struct vcs_end *end, struct repo *repo);
void repo_open(struct git *git, const char *dir, repo_opened *done, void *data);
/* nothing of it may be under way. NULL is fine */
void repo_free(struct repo *repo);
/* "a merge", "a rebase"; NULL for REPO_NOTHING */
const char *repo_doing_text(enum repo_doing doing);
/* what has been begun in the checkout that has this git directory */
enum repo_doing repo_doing_in(const char *git_dir);

/* private to vcs/: what a commit's environment needs, NULL where git knows an identity; the file that is locked while
 * something is done to a stream's worktree or branch, the caller frees */
const char *const *repo_identity(const struct repo *repo);
struct op;
struct git_result;
/* calls `next` of `op` when it is its turn to add a worktree; then repo_end_turn(), which does nothing without a turn
 */
void repo_take_turn(struct repo *repo, struct op *op, void (*next)(struct op *op, const struct git_result *result));
void repo_end_turn(struct repo *repo, const struct op *op);
char *repo_stream_lock(const struct repo *repo, const char *stream);

#endif
