/* Forgetting one stream's work, kept under refs. */
#include "config.h"

#include "exec/clean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/repository.h"
#include "exec/workspace.h"
#include "graph/stream.h"
#include "util/alloc.h"
#include "util/error.h"
#include "vcs/held.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/save.h"
#include "vcs/worktree.h"

struct forgetting {
	struct strvec *kept;
	enum vcs_status status;
	struct orch_error err;
	char left[GIT_OID_MAX]; /* a commit that only the branch's log has; "" for none */
	bool yes;
};

static void on_removed(void *data, const struct vcs_end *end, const struct worktree_removed *removed)
{
	struct forgetting *forgetting = data;

	forgetting->status = end->status;
	forgetting->err = end->err;
	for (size_t i = 0; removed && i < removed->saved.count; i++)
		strvec_push(forgetting->kept, removed->saved.items[i]);
}

static void on_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct forgetting *forgetting = data;

	forgetting->status = end->status;
	forgetting->err = end->err;
	if (work && work->ref)
		strvec_push(forgetting->kept, work->ref);
}

static void on_is_ancestor(void *data, const struct vcs_end *end, bool yes)
{
	((struct forgetting *)data)->yes = end->status == VCS_OK && yes;
}

static void on_deleted(void *data, const struct vcs_end *end)
{
	struct forgetting *forgetting = data;

	forgetting->status = end->status;
	forgetting->err = end->err;
}

static void on_log(void *data, const struct vcs_end *end, const struct strvec *oids)
{
	struct forgetting *forgetting = data;

	forgetting->status = end->status;
	forgetting->err = end->err;
	snprintf(forgetting->left, sizeof forgetting->left, "%s", oids->count > 0 ? oids->items[0] : "");
}

/* A branch goes with its log: commits that were made and left. Each that is saved holds those before it */
static void save_log(
	struct repository *repository, const struct stream *stream, const char *ref, struct forgetting *forgetting)
{
	do {
		held_log(repository->repo, ref, on_log, forgetting);
		repository_wait(repository);
		if (forgetting->status != VCS_OK || !forgetting->left[0])
			return;
		save_commit(repository->repo, stream->name, forgetting->left, on_saved, forgetting);
		repository_wait(repository);
	} while (forgetting->status == VCS_OK);
}

static int forget_branch(struct repository *repository, const struct stream *stream, const char *branch,
	const char *tip, struct forgetting *forgetting)
{
	char *ref = xasprintf(REFS_BRANCH "%s", branch);
	const struct ref_change change = {.name = ref, .old_oid = tip};

	if (repository->base[0]) {
		ref_is_ancestor(repository->repo, tip, repository->base, on_is_ancestor, forgetting);
		repository_wait(repository);
	}
	if (!forgetting->yes) {
		save_commit(repository->repo, stream->name, tip, on_saved, forgetting);
		repository_wait(repository);
	}
	if (forgetting->status == VCS_OK)
		save_log(repository, stream, ref, forgetting);
	if (forgetting->status == VCS_OK) {
		refs_change(repository->repo, &change, 1, "orch: reset", on_deleted, forgetting);
		repository_wait(repository);
	}
	free(ref);
	return forgetting->status == VCS_OK ? 0 : -1;
}

/* whoever else has the branch checked out would lose it from under their feet */
static const struct worktree *other_checkout(
	const struct repository *repository, const char *branch, const struct worktree *own)
{
	for (size_t i = 0; i < repository->list.count; i++) {
		const struct worktree *worktree = &repository->list.items[i];

		if (worktree != own && worktree->branch && strcmp(worktree->branch, branch) == 0)
			return worktree;
	}
	return NULL;
}

int clean_stream(
	struct repository *repository, const struct stream *stream, struct strvec *kept, struct orch_error *err)
{
	char *branch = workspace_branch(stream);
	const char *tip = repository_branch(repository, branch);
	const struct worktree *own = repository_worktree(repository, stream->name), *other;
	struct forgetting forgetting = {.kept = kept};
	char *path = repository_worktree_path(repository, stream->name);
	int result = own || !path ? 0 : worktree_relink(repository->repo, stream->name, path, err);
	bool there = own || result > 0;

	other = other_checkout(repository, branch, own);
	if (result < 0) {
		; /* it says why */
	} else if (other && !other->gone && !worktree_stream(other)) {
		result = error_code(err, ORCH_EUSAGE,
			"branch '%s' is checked out in '%s': check out another one there first", branch, other->path);
	} else if (there) { /* its directory may be gone, what it has staged not */
		worktree_remove(repository->repo,
			&(struct worktree_removal){.stream = stream->name, .path = path, .save = true}, on_removed,
			&forgetting);
		repository_wait(repository);
		result = forgetting.status == VCS_OK ? 0 : error_set(err, "%s", forgetting.err.message);
	}
	if (result == 0 && tip && forget_branch(repository, stream, branch, tip, &forgetting) < 0)
		result = error_set(err, "%s", forgetting.err.message);
	if (result < 0)
		error_prefix(err, "'%s' is not reset", stream->name);
	free(path);
	free(branch);
	return result;
}
