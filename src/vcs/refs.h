/*
 * Refs: read, compare, change several at once or none.
 *
 * orch has these, and no others:
 *   refs/heads/orch/STREAM        the branch a stream works on (or what `branch =` says)
 *   refs/orch/wip/STREAM/N        work saved before something was ended, reset or removed, from N = 1 upwards
 *   refs/orch/merged/STREAM       the branch's tip when it was squashed into another branch
 */
#ifndef VCS_REFS_H
#define VCS_REFS_H

#include <stdbool.h>
#include <stddef.h>

#include "vcs/git.h"

struct repo;

#define REFS_BRANCH "refs/heads/"
#define REFS_WIP "refs/orch/wip/"
#define REFS_MERGED "refs/orch/merged/"

/* may it be the name of a branch (git-check-ref-format(1))? NULL: yes; else what is wrong with it */
const char *ref_problem(const char *branch);

/* `oid` is "" if there is none of that name (then VCS_ABSENT) */
typedef void ref_resolved(void *data, const struct vcs_end *end, const char *oid);
/* the commit that a branch, tag, ref or object name means */
void ref_resolve(struct repo *repo, const char *name, ref_resolved *done, void *data);

/* one change; new_oid NULL: delete it; old_oid NULL: whatever it is now, "": it must not exist, else it must be that */
struct ref_change {
	const char *name; /* in full */
	const char *new_oid;
	const char *old_oid;
};

typedef void vcs_done(void *data, const struct vcs_end *end);
/* all of them or none; `message` is for the log of refs. VCS_CONFLICT: one is not what old_oid says */
void refs_change(struct repo *repo, const struct ref_change *changes, size_t count, const char *message, vcs_done *done,
	void *data);

typedef void ref_answer(void *data, const struct vcs_end *end, bool yes);
/* is `ancestor` reachable from `descendant`? A commit is its own ancestor */
void ref_is_ancestor(struct repo *repo, const char *ancestor, const char *descendant, ref_answer *done, void *data);

struct ref {
	const char *name; /* in full */
	char oid[GIT_OID_MAX];
};
typedef void refs_listed(void *data, const struct vcs_end *end, const struct ref *refs, size_t count);
/* those below a prefix ("refs/heads/orch/", "refs/orch/"), sorted by name; numbers are sorted as numbers */
void refs_list(struct repo *repo, const char *prefix, refs_listed *done, void *data);

/* private to vcs/: a line of `update-ref --stdin -z`; does git say that a ref is not what it was expected to be */
struct git_result;
struct strbuf;
void refs_add_change(struct strbuf *input, const struct ref_change *change);
bool refs_changed_meanwhile(const struct git_result *result);

#endif
