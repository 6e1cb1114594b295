#include "config.h"

#include "exec/repository.h"

#include <stdlib.h>
#include <string.h>

#include "exec/workspace.h"
#include "graph/project.h"
#include "os/child.h"
#include "os/fs.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"
#include "vcs/refs.h"
#include "vcs/repo.h"

/* how the last operation ended */
struct answer {
	struct repository *repository;
	enum vcs_status status;
	struct orch_error err;
};

static void keep_end(struct answer *answer, const struct vcs_end *end)
{
	answer->status = end->status;
	answer->err = end->err;
}

static void on_version(void *data, const struct vcs_end *end, const struct git_version *version)
{
	(void)version;
	keep_end(data, end);
}

static void on_opened(void *data, const struct vcs_end *end, struct repo *repo)
{
	struct answer *answer = data;

	keep_end(answer, end);
	answer->repository->repo = repo;
}

static void on_base(void *data, const struct vcs_end *end, const char *oid)
{
	struct answer *answer = data;

	keep_end(answer, end);
	if (end->status == VCS_OK)
		memcpy(answer->repository->base, oid, strlen(oid) + 1);
}

void repository_wait(struct repository *repository)
{
	git_wait(repository->git, repository->loop);
}

static int open_it(struct repository *repository, struct orch_error *err)
{
	const char *base = repository->project->set.base;
	struct answer answer = {.repository = repository};

	git_check_version(repository->git, on_version, &answer);
	repository_wait(repository);
	if (answer.status == VCS_OK) {
		char *dir = project_repository(repository->project);

		if (!fs_is_directory(dir)) {
			error_code(err, ORCH_ENOTFOUND, "there is no repository '%s' yet", dir);
			free(dir);
			return -1;
		}
		repo_open(repository->git, dir, on_opened, &answer);
		repository_wait(repository);
		free(dir);
	}
	if (answer.status == VCS_ABSENT)
		return error_code(err, ORCH_ENOTFOUND, "%s", answer.err.message);
	if (answer.status != VCS_OK)
		return error_set(err, "%s", answer.err.message);
	if (!base) {
		repository->base_name = xstrdup(repository->repo->branch ? repository->repo->branch : "HEAD");
		memcpy(repository->base, repository->repo->head, sizeof repository->base);
		return 0;
	}
	repository->base_name = xstrdup(base);
	ref_resolve(repository->repo, base, on_base, &answer);
	repository_wait(repository);
	/* a base that is not there yet has nothing */
	return answer.status == VCS_OK || answer.status == VCS_ABSENT ? 0 : error_set(err, "%s", answer.err.message);
}

int repository_open(struct repository **out, const struct project *project, struct orch_error *err)
{
	struct repository *repository = xcalloc(1, sizeof *repository);
	int result;

	*out = NULL;
	repository->project = project;
	result = loop_new(&repository->loop, err);
	if (result == 0)
		result = children_new(&repository->children, repository->loop, err);
	if (result == 0) {
		repository->git = git_new(repository->loop, repository->children, 0);
		result = open_it(repository, err);
	}
	if (result == 0)
		*out = repository;
	else
		repository_close(repository);
	return result;
}

void repository_close(struct repository *repository)
{
	if (!repository)
		return;
	worktree_list_release(&repository->list);
	strvec_release(&repository->names);
	strvec_release(&repository->oids);
	map_release(&repository->branches);
	repo_free(repository->repo);
	free(repository->base_name);
	children_free(repository->children);
	git_free(repository->git);
	loop_free(repository->loop);
	free(repository);
}

/* --- what there is --- */

static char *copy_text(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void on_worktrees(void *data, const struct vcs_end *end, const struct worktree_list *list)
{
	struct answer *answer = data;

	keep_end(answer, end);
	for (size_t i = 0; list && i < list->count; i++) {
		struct worktree *copy = ARRAY_PUSH(&answer->repository->list);

		*copy = list->items[i];
		copy->path = xstrdup(copy->path);
		copy->branch = copy_text(copy->branch);
		copy->reason = copy_text(copy->reason);
	}
}

static void on_branches(void *data, const struct vcs_end *end, const struct ref *refs, size_t count)
{
	struct answer *answer = data;
	struct repository *repository = answer->repository;

	keep_end(answer, end);
	for (size_t i = 0; i < count; i++) {
		strvec_push(&repository->names, refs[i].name);
		strvec_push(&repository->oids, refs[i].oid);
	}
	for (size_t i = 0; i < count; i++)
		map_set(&repository->branches, repository->names.items[i], repository->oids.items[i]);
}

int repository_look(struct repository *repository, struct orch_error *err)
{
	struct answer answer = {.repository = repository};

	worktree_list(repository->repo, on_worktrees, &answer);
	repository_wait(repository);
	if (answer.status == VCS_OK) {
		refs_list(repository->repo, REFS_BRANCH, on_branches, &answer);
		repository_wait(repository);
	}
	return answer.status == VCS_OK ? 0 : error_set(err, "%s", answer.err.message);
}

const char *repository_branch(const struct repository *repository, const char *branch)
{
	char *name = xasprintf(REFS_BRANCH "%s", branch);
	const char *oid = map_get(&repository->branches, name);

	free(name);
	return oid;
}

char *repository_worktree_path(const struct repository *repository, const char *stream)
{
	char *path = workspace_path(repository->project, stream), *dir = path_dir(path), *real = realpath(dir, NULL);
	char *where = real ? path_join(real, path_file(path)) : NULL;

	free(real);
	free(dir);
	free(path);
	return where;
}

const struct worktree *repository_worktree(const struct repository *repository, const char *stream)
{
	char *where = repository_worktree_path(repository, stream);
	const struct worktree *found = where ? worktree_at(&repository->list, where) : NULL;

	free(where);
	return found;
}
