/*
 * Saving work: the whole state of a checkout, untracked files too, as a commit under
 * refs/orch/wip/STREAM/N, without touching its files, its index or its HEAD. What is ignored is not
 * saved. To be called before anything is ended, reset or removed.
 */
#ifndef VCS_SAVE_H
#define VCS_SAVE_H

#include <stdbool.h>

#include "util/strvec.h"
#include "vcs/git.h"

struct op;
struct repo;

struct save_spec {
	const char *stream;
	const char *dir;    /* top of the checkout */
	const char *reason; /* "before the retry": into the message */
	bool deep;          /* submodules that are as they should be count too: before the directory goes */
	bool no_ref;        /* only make the commit, for looking at it now: nothing holds it */
};

struct saved_work {
	bool saved;            /* false: it is clean, there is nothing that HEAD has not */
	char oid[GIT_OID_MAX]; /* the commit; HEAD's if nothing was saved */
	char *ref;             /* refs/orch/wip/STREAM/N; NULL without one */
	/* repositories within, below the top: their files are in the commit, their commits under
	 * refs/orch/nested/STREAM/N.K/ */
	struct strvec nested;
	char *missing; /* not NULL: what could not be read, and so is not in the commit, as git says it */
};

/*
 * The commit's parents: HEAD; the commit that is being merged, if a merge is under way; and, where the
 * index has contents that the files have not, a commit of the index. `work` is NULL unless VCS_OK, and
 * valid during the call. Safe to be killed: the ref is made last.
 */
typedef void save_done(void *data, const struct vcs_end *end, const struct saved_work *work);
void save_work(struct repo *repo, const struct save_spec *spec, save_done *done, void *data);
/* a commit under the next refs/orch/wip/STREAM/N, so that it stays reachable; work->saved is false if one of the
 * stream's refs there is that commit already */
void save_commit(struct repo *repo, const char *stream, const char *oid, save_done *done, void *data);

/* private to vcs/: under the lock that `holder` has */
void save_work_locked(
	struct repo *repo, const struct save_spec *spec, const struct op *holder, save_done *done, void *data);
void save_commit_locked(
	struct repo *repo, const char *stream, const char *oid, const struct op *holder, save_done *done, void *data);

#endif
