/*
 * Worktrees: each stream's own checkout, on the stream's own branch. A worktree of orch is locked
 * (git-worktree(1)), and the reason says whose it is and whether it is complete:
 *
 *   "orch: making STREAM"     half made: nothing has run in it yet, so it may be made again from nothing
 *   "orch: STREAM"            complete
 *   "orch: removing STREAM"   its work is held by refs; its removal has begun
 *
 * Each call is complete in itself: killed at any moment, the next call of the same kind goes on from
 * what is there.
 */
#ifndef VCS_WORKTREE_H
#define VCS_WORKTREE_H

#include <stdbool.h>

#include "util/strvec.h"
#include "vcs/git.h"

struct repo;

struct worktree_spec {
	const char *stream;
	const char *branch; /* "orch/STREAM": made at `base` if there is none, without upstream */
	const char *path;   /* absolute; parents are made */
	const char *base;   /* the commit it starts from */
	/* start at `base` again: what the branch and the worktree have is saved (save.h), then reset; ignored files
	 * stay. false: an existing branch and worktree are taken as they are */
	bool afresh;
	const char *reason; /* for saving: "before the retry" */
	/* untracked files to copy into a worktree that is made: globs below `copy_from`, the user's checkout; NULL:
	 * what .worktreeinclude there says. What the worktree has already is not written over. copy_from NULL: nothing
	 */
	const struct strvec *copy;
	const char *copy_from;
};

struct worktree_made {
	bool fresh;            /* made now */
	bool set_up;           /* worktree_mark_set_up() was called for it */
	char oid[GIT_OID_MAX]; /* what is checked out in it */
	char *path;            /* without symbolic links */
	char *git_dir;         /* of this worktree */
	struct strvec saved;   /* refs that now hold what was in its way or was reset */
	char *moved_aside;     /* where what was at `path`, and no worktree, is now; NULL: nothing was */
	struct strvec copied;
};

/* `made` is NULL unless VCS_OK; valid during the call. VCS_REFUSED: the branch is checked out elsewhere, or no branch
 * can have that name */
typedef void worktree_added(void *data, const struct vcs_end *end, const struct worktree_made *made);
/* additions to one repository wait for each other, their checkouts run side by side (each with git's own
 * checkout.workers) */
void worktree_add(struct repo *repo, const struct worktree_spec *spec, worktree_added *done, void *data);
/* notes that the worktree is set up, so that it is not done again; cleared when it is made again */
int worktree_mark_set_up(const char *git_dir, struct orch_error *err);

struct worktree_removal {
	const char *stream;
	const char *path;
	bool save;    /* what no ref holds is saved first; else it is VCS_REFUSED with what it is */
	/* of commits that only its log has: they are saved all the same */
	bool save_log;
	bool dry_run; /* say only whether it would be, and why */
};

struct worktree_removed {
	bool there;          /* it was there */
	struct strvec saved; /* refs made to hold its work */
	char *why;           /* "all its work is on branch 'orch/a'", for people */
};

/* the branch stays. `removed` is NULL unless VCS_OK */
typedef void worktree_removed_done(void *data, const struct vcs_end *end, const struct worktree_removed *removed);
void worktree_remove(struct repo *repo, const struct worktree_removal *spec, worktree_removed_done *done, void *data);

struct worktree {
	char *path;
	char oid[GIT_OID_MAX]; /* "" if unborn or damaged */
	char *branch;          /* NULL: detached or bare */
	char *reason;          /* why it is locked; NULL: it is not */
	bool bare, gone;       /* gone: there is nothing at its path */
};

struct worktree_list {
	struct worktree *items; /* the main one first */
	size_t count, capacity;
};

/* `list` is NULL unless VCS_OK; valid during the call */
typedef void worktree_listed(void *data, const struct vcs_end *end, const struct worktree_list *list);
void worktree_list(struct repo *repo, worktree_listed *done, void *data);
/* the stream whose worktree it is, as its reason says; NULL: not one of orch's. Points into the reason */
const char *worktree_stream(const struct worktree *worktree);
/* the one at that path, as git writes it; NULL: none */
const struct worktree *worktree_at(const struct worktree_list *list, const char *path);
/* its own git directory, as the worktree's `.git` says; "" if that cannot be read. The caller frees */
char *worktree_git_dir(const char *path);
/* What is at `path` (without symbolic links), and in no list: a worktree of the stream that was moved or copied
 * together with its repository? 1: both are linked with each other again; 0: it is none, or there is nothing; -1: it
 * cannot be */
int worktree_relink(const struct repo *repo, const char *stream, const char *path, struct orch_error *err);
/* of a copy that the caller made */
void worktree_list_release(struct worktree_list *list);

/* private to vcs/ */
struct op;
enum worktree_state { WORKTREE_FOREIGN, WORKTREE_MAKING, WORKTREE_COMPLETE, WORKTREE_REMOVING };
enum worktree_state worktree_state(const struct worktree *worktree);
void worktree_list_read(struct worktree_list *list, const struct git_result *result);
/* `path` as git would write it, even if it is not there; the caller frees. NULL with the message */
char *worktree_real_path(const char *path, struct orch_error *err);
/* removes what a killed `git worktree add` left below COMMON/worktrees without completing it, for `own_stream`, whose
 * lock is held (may be NULL), and for every stream at which nobody is at work; how many; -1: cannot */
int worktree_clear_half_made(const struct repo *repo, const char *own_stream, struct orch_error *err);
/* the list failed because of such a one, which has been removed: list again */
bool worktree_list_mended(struct op *op, const struct repo *repo, const struct git_result *result);
/* the text of a small file without its last newline, "" if it is not there; the caller frees */
char *worktree_file_text(const char *dir, const char *name);
void worktree_remove_locked(struct repo *repo, const struct worktree_removal *spec, const struct op *holder,
	worktree_removed_done *done, void *data);
int worktree_write_reason(const char *git_dir, const char *state, const char *stream, struct orch_error *err);

#endif
