/*
 * What holds work: which branches and tags have a commit, and what a commit has that they have not. For deciding what
 * may be removed, and for showing what a stream has done. Only looks.
 */
#ifndef VCS_HELD_H
#define VCS_HELD_H

#include <stddef.h>

#include "vcs/git.h"

struct repo;
struct strvec;

/* `refs`: in full; valid during the call */
typedef void held_refs(void *data, const struct vcs_end *end, const struct strvec *refs);
/* `oids` are valid during the call */
typedef void held_oids(void *data, const struct vcs_end *end, const struct strvec *oids);
/* the commits that the log of a ref (git-reflog(1)) has and no ref has, newest first */
void held_log(struct repo *repo, const char *ref, held_oids *done, void *data);

/* the branches, remote branches and tags that have the commit */
void held_by(struct repo *repo, const char *oid, held_refs *done, void *data);

typedef void held_count(void *data, const struct vcs_end *end, size_t count);
/* how many commits are reachable from `oid`, and not from the refs or commits in `by` */
void held_commits(struct repo *repo, const char *oid, const struct strvec *by, held_count *done, void *data);
/* how many contents of files; some that `by` had at some time may be counted too */
void held_files(struct repo *repo, const char *oid, const struct strvec *by, held_count *done, void *data);

typedef void held_commit(void *data, const struct vcs_end *end, const char *oid);
/* the last commit that both have; VCS_ABSENT: there is none */
void held_fork(struct repo *repo, const char *a, const char *b, held_commit *done, void *data);

/* `git diff` of two commits, as it would be shown: `arguments` ("--stat") before them, NULL at the end. `text` is valid
 * during the call */
typedef void held_text(void *data, const struct vcs_end *end, const char *text, size_t len);
void held_diff(
	struct repo *repo, const char *from, const char *to, const char *const *arguments, held_text *done, void *data);

#endif
