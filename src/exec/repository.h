/*
 * The project's repository for a command line that has no run: opened on a loop of its own. Operations of vcs/ are
 * begun, then waited for with repository_wait().
 */
#ifndef EXEC_REPOSITORY_H
#define EXEC_REPOSITORY_H

#include <stdbool.h>

#include "util/map.h"
#include "util/strvec.h"
#include "vcs/git.h"
#include "vcs/worktree.h"

struct children;
struct loop;
struct project;
struct stream;

struct repository {
	const struct project *project;
	struct loop *loop;
	struct children *children;
	struct git *git;
	struct repo *repo;
	char *base_name;           /* what worktrees are cut from now: "main"; "HEAD" if it is detached */
	char base[GIT_OID_MAX];    /* its commit; "" if there is none yet */
	struct worktree_list list; /* once repository_look() was called: all worktrees, */
	struct strvec names, oids; /* and all branches, each in full with its commit */
	struct map branches;       /* full name to a pointer to its commit in `oids` */
};

/* -1; with ORCH_ENOTFOUND: the project is in no repository */
int repository_open(struct repository **out, const struct project *project, struct orch_error *err);
/* NULL is fine */
void repository_close(struct repository *repository);
/* until all that was begun has called back */
void repository_wait(struct repository *repository);
/* reads worktrees and branches */
int repository_look(struct repository *repository, struct orch_error *err);
/* the commit of a branch ("orch/a"), NULL: there is none */
const char *repository_branch(const struct repository *repository, const char *branch);
/* where the stream's worktree is, or would be, as git writes it; NULL: there is not even the directory above. The
 * caller frees */
char *repository_worktree_path(const struct repository *repository, const char *stream);
/* the stream's worktree, as git has it (its directory may be gone); NULL: it has none */
const struct worktree *repository_worktree(const struct repository *repository, const char *stream);

#endif
