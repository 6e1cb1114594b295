/*
 * Merges that count: git's own strategy, attributes and drivers (git-merge-tree(1)), without touching
 * any checkout, in memory until a ref is set.
 */
#ifndef VCS_MERGE_H
#define VCS_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/strvec.h"
#include "vcs/git.h"

struct repo;

/* one of what is merged */
struct merge_side {
	const char *name; /* as people know it: "orch/api" */
	const char *oid;
};

/* what does not merge */
struct merge_conflict {
	const char *ours, *theirs; /* names of the sides */
	struct strvec files;
	char *text; /* git's messages, one a line: "CONFLICT (content): Merge conflict in a" */
};

struct merge_base_result {
	char oid[GIT_OID_MAX]; /* a commit with all of them; with a conflict: with those before the one in conflict */
	bool made;             /* false: it is one of them, which has all the others */
	/* with VCS_CONFLICT: which of the sides could not be added; the sides from it on are not in oid */
	size_t stuck;
	struct merge_conflict conflict;
};

/*
 * The base of a stream with several dependencies: the merge of exactly their branches, in their order, as one commit
 * with all of them as parents (but those that another contains). `what`: for whom, in the message. No ref is made: the
 * caller's worktree_add() holds it. `result` is NULL unless VCS_OK or VCS_CONFLICT; valid during the call.
 */
typedef void merge_base_done(void *data, const struct vcs_end *end, const struct merge_base_result *result);
void merge_base(struct repo *repo, const char *what, const struct merge_side *sides, size_t count,
	merge_base_done *done, void *data);

/* `conflict` is NULL unless VCS_CONFLICT */
typedef void merge_done(void *data, const struct vcs_end *end, const struct merge_conflict *conflict);
/*
 * `git merge` of `theirs` in the stream's worktree at `dir`: commits it, or leaves the files with conflict markers, for
 * a person or an agent; commit_work() then ends the merge. The worktree has to be clean (else VCS_REFUSED); a merge
 * that is under way there already is left as it is, as VCS_CONFLICT with what is unresolved.
 */
void merge_in_worktree(struct repo *repo, const char *stream, const char *dir, const struct merge_side *theirs,
	merge_done *done, void *data);

struct merge_home {
	const char *stream; /* whose work it is */
	const char *into;   /* a branch: "main" */
	struct merge_side work;
	const char *subject; /* of the message; a blank line and `body` (may be NULL) follow */
	const char *body;
	bool squash; /* one commit without the branch's history; refs/orch/merged/STREAM notes what was taken */
	bool dry_run;
	const char *onto; /* with dry_run: as if `into` were that commit; NULL: as it is */
};

struct merge_home_result {
	char oid[GIT_OID_MAX]; /* what `into` is now, or would be */
	bool nothing;          /* it had all of it */
	char *checkout;        /* the checkout that was brought up to date; NULL: `into` is checked out nowhere */
	char *saved; /* the ref that holds what a checkout was before an interrupted merge was ended; or NULL */
	struct merge_conflict conflict; /* with VCS_CONFLICT */
};

/*
 * Merges a stream's branch into another, which is moved on in one step, and with it the checkout that has it, if that
 * has no uncommitted changes and nothing else under way; else VCS_REFUSED, and nothing is changed. Untracked files
 * stay; one that is in the way is a refusal too. A conflict changes nothing. Merges into one branch wait for each
 * other. When it was killed in between, the next one (of any stream into that branch) brings it to its end first.
 * `result` is NULL unless VCS_OK or VCS_CONFLICT; valid during the call.
 */
typedef void merge_home_done(void *data, const struct vcs_end *end, const struct merge_home_result *result);
void merge_home(struct repo *repo, const struct merge_home *spec, merge_home_done *done, void *data);

/* private to vcs/: reads what `merge-tree --write-tree -z` printed. 0: it merges, 1: it does not, -1: neither */
int merge_tree_read(const struct git_result *result, char tree[GIT_OID_MAX], struct merge_conflict *conflict);
void merge_conflict_release(struct merge_conflict *conflict);

#endif
