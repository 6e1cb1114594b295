/*
 * Where an isolated attempt works: a worktree of its own, on its stream's branch, cut from what its dependencies made
 * (RUNTIME.md "Git"). All of it goes on beside the loop; each call ends by one call of `done`, maybe from within.
 */
#ifndef EXEC_WORKSPACE_H
#define EXEC_WORKSPACE_H

#include <stdbool.h>

#include "orch/event.h"
#include "vcs/git.h"

struct attempt;
struct children;
struct loop;
struct project;
struct stamp_store;
struct stream;
struct suspect;
struct workspaces; /* of a run: the repository, and the commit that the run began with */

/* an attempt's */
struct workspace {
	char *dir;                /* the worktree, absolute */
	char *cwd;                /* where in it the stream runs; NULL until it is there */
	char *git_dir;            /* of the worktree */
	char *branch;             /* "orch/STREAM" */
	char *base_name;          /* what it was cut from, for people: "main", "orch/a", "orch/a and orch/b" */
	char *into;               /* the branch that the run began on, where its work comes home to; NULL: none */
	char base[GIT_OID_MAX];   /* the commit it was cut from */
	bool set_up;              /* `setup:` has been done in it */
	char commit[GIT_OID_MAX]; /* once the work is committed: the branch's, */
	char tree[GIT_OID_MAX];   /* and its tree */
	struct suspect *suspect;  /* see exec/escape.h; NULL: its commands cannot write elsewhere, or have not begun */
};

struct workspaces_calls {
	void (*warning)(void *data, const char *stream, const char *message);
	void (*idle)(void *data); /* nothing is under way any more */
	bool (*hooks_run)(void *data); /* scripts that may write into the checkout */
	void *data;
};

/* Borrows all but the project, whose `base` and `repository` hold for all of the run; what streams are comes from their
 * attempts. Nothing is looked at before the first isolated stream */
struct workspaces *workspaces_new(struct loop *loop, struct children *children, const struct project *project,
	struct stamp_store *store, const struct workspaces_calls *calls);
/* after it is idle, or after children_free(). NULL is fine */
void workspaces_free(struct workspaces *all);
/* Calls back with the repository, or with NULL and why there is none; from the loop, or at once where it has been
 * opened. One call at a time */
struct repo;
typedef void workspaces_opened(void *data, struct repo *repo, const char *problem);
void workspaces_open(struct workspaces *all, workspaces_opened *call, void *data);
bool workspaces_are_busy(const struct workspaces *all);
/* an attempt whose business it is to write into the checkout has begun (+1) or is over (-1), or a hook has begun (0) */
void workspaces_note_others(struct workspaces *all, int change);
/* a stream is confined: hooks that it could change are not to be run by git any more */
void workspaces_distrust_hooks(struct workspaces *all);
/* some of them are over; once a turn of the loop */
void workspaces_others_over(struct workspaces *all);
/* what is under way ends soon, and badly; later calls go on as ever */
void workspaces_stop(struct workspaces *all);

/* the checkout of the user, and the directory that it shares with its worktrees; NULL before the first workspace is
 * there */
const char *workspaces_top(const struct workspaces *all);
const char *workspaces_git_dir(const struct workspaces *all);

/* does the stream work in a worktree? */
bool workspace_is_wanted(const struct stream *stream);
/* where the stream's worktree is, whether it exists or not; absolute, the caller frees */
char *workspace_path(const struct project *project, const char *stream);
/* the branch it works on; the caller frees */
char *workspace_branch(const struct stream *stream);
/* the commit that its worktree (git_dir) was cut from, as noted there; false: there is no such note */
bool workspace_read_base(const char *git_dir, char base[GIT_OID_MAX]);
/* what its stamp says: the "commit" that it came to, its "tree", the "@base" that it was cut from; NULL: nothing */
struct stamp_detail;
const char *workspace_stamped(const struct stamp_detail *detail, const char *what);
void workspace_free(struct workspace *workspace);

/* SUCCESS, or what became of it, with a message that is valid during the call */
typedef void workspace_done(void *data, enum orch_outcome outcome, const char *message);

/* Fills attempt->workspace. `afresh`: from its base again, what its branch has is kept under a ref; else it goes on
 * with what there is. MERGE: the dependencies' work does not go together, and the worktree has the conflict, where it
 * could be made */
void workspace_prepare(struct workspaces *all, struct attempt *attempt, bool afresh, workspace_done *done);
/* `setup:` has been done */
int workspace_mark_set_up(struct workspace *workspace, struct orch_error *err);
/* both of the following look whether the checkout was written to in the meantime (exec/escape.h).
 *
 * the work has succeeded: what it left is committed (as `commit` says), `changes` and `touches` are looked at. CHANGES:
 * it did not do to the tree what it should have; CHECK: a hook refused the commit, and its words are in the log; MERGE:
 * conflicts are not resolved */
void workspace_commit(struct workspaces *all, struct attempt *attempt, workspace_done *done);
/* the work has not succeeded: all of it, untracked files too, is kept under a ref before anything else happens to it */
void workspace_save(struct workspaces *all, struct attempt *attempt, const char *reason, workspace_done *done);
/* the attempt is over: its worktree goes, or stays, as `keep` says. In the background; what cannot go is a warning */
void workspace_leave(struct workspaces *all, const struct attempt *attempt, bool success);

#endif
