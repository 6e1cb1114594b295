#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"
#include "vcs/op.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/worktree.h"

#define REASON "orch: "
#define MAKING REASON "making "
#define REMOVING REASON "removing "

enum worktree_state worktree_state(const struct worktree *worktree)
{
	const char *reason = worktree->reason ? worktree->reason : "";

	if (strncmp(reason, MAKING, strlen(MAKING)) == 0)
		return WORKTREE_MAKING;
	if (strncmp(reason, REMOVING, strlen(REMOVING)) == 0)
		return WORKTREE_REMOVING;
	return strncmp(reason, REASON, strlen(REASON)) == 0 ? WORKTREE_COMPLETE : WORKTREE_FOREIGN;
}

const char *worktree_stream(const struct worktree *worktree)
{
	switch (worktree_state(worktree)) {
	case WORKTREE_MAKING:
		return worktree->reason + strlen(MAKING);
	case WORKTREE_REMOVING:
		return worktree->reason + strlen(REMOVING);
	case WORKTREE_COMPLETE:
		return worktree->reason + strlen(REASON);
	default:
		return NULL;
	}
}

int worktree_write_reason(const char *git_dir, const char *state, const char *stream, struct orch_error *err)
{
	char *path = xasprintf("%s/locked", git_dir), *text = xasprintf(REASON "%s%s\n", state, stream);
	int result = fs_replace(AT_FDCWD, path, text, strlen(text), false, err);

	free(path);
	free(text);
	return result;
}

int worktree_mark_set_up(const char *git_dir, struct orch_error *err)
{
	char *path = xasprintf("%s/orch-set-up", git_dir);
	int result = fs_replace(AT_FDCWD, path, "", 0, false, err);

	free(path);
	return result;
}

char *worktree_real_path(const char *path, struct orch_error *err)
{
	char *clean = path_clean(path), *dir = path_dir(clean), *real = NULL, *result = NULL;

	if (path[0] != '/')
		error_set(err, "'%s' is not absolute", path);
	else if (fs_mkdirs(dir, 0777, err) == 0) {
		real = realpath(dir, NULL);
		if (real)
			result = path_join(real, path_file(clean));
		else
			error_errno(err, "cannot look at '%s'", dir);
	}
	free(clean);
	free(dir);
	free(real);
	return result;
}

/* --- what git lists --- */

static void take_line(struct worktree_list *list, const char *line)
{
	struct worktree *last = list->count > 0 ? &list->items[list->count - 1] : NULL;

	if (strncmp(line, "worktree ", 9) == 0) {
		last = ARRAY_PUSH(list);
		last->path = xstrdup(line + 9);
		last->gone = !fs_is_directory(last->path);
	} else if (!last) {
		return;
	} else if (strncmp(line, "HEAD ", 5) == 0) {
		if (oid_is_valid(line + 5) && strspn(line + 5, "0") < strlen(line + 5))
			memcpy(last->oid, line + 5, strlen(line + 5) + 1);
	} else if (strncmp(line, "branch " REFS_BRANCH, 7 + strlen(REFS_BRANCH)) == 0) {
		last->branch = xstrdup(line + 7 + strlen(REFS_BRANCH));
	} else if (strcmp(line, "locked") == 0) {
		last->reason = xstrdup("");
	} else if (strncmp(line, "locked ", 7) == 0) {
		last->reason = xstrdup(line + 7);
	} else if (strcmp(line, "bare") == 0) {
		last->bare = true;
	}
}

void worktree_list_read(struct worktree_list *list, const struct git_result *result)
{
	const char *at = result->out, *end = at + result->out_len;

	for (; at < end; at += strlen(at) + 1)
		take_line(list, at);
}

void worktree_list_release(struct worktree_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].path);
		free(list->items[i].branch);
		free(list->items[i].reason);
	}
	ARRAY_RELEASE(list);
}

const struct worktree *worktree_at(const struct worktree_list *list, const char *path)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].path, path) == 0)
			return &list->items[i];
	}
	return NULL;
}

char *worktree_git_dir(const char *path)
{
	char *text = worktree_file_text(path, ".git"), *dir;

	dir = strncmp(text, "gitdir: ", 8) == 0 ? path_join(path, text + 8) : xstrdup("");
	free(text);
	return dir;
}

struct list_op {
	struct op op;
	struct repo *repo;
	struct worktree_list list;
	worktree_listed *done;
	void *data;
};

static void finish(struct op *op)
{
	struct list_op *list = (struct list_op *)op;

	list->done(list->data, &op->end, op->end.status == VCS_OK ? &list->list : NULL);
	worktree_list_release(&list->list);
	free(list);
}

static void ask_list(struct op *op, const struct git_result *result);

static void got_list(struct op *op, const struct git_result *result)
{
	struct list_op *list = (struct list_op *)op;

	if (worktree_list_mended(op, list->repo, result)) {
		ask_list(op, NULL);
		return;
	}
	if (!op_succeeded(op, result, "cannot list the worktrees"))
		return;
	worktree_list_read(&list->list, result);
	op_end(op);
}

static void ask_list(struct op *op, const struct git_result *result)
{
	(void)result;
	op_git(op, got_list, "worktree", "list", "--porcelain", "-z", NULL);
}

void worktree_list(struct repo *repo, worktree_listed *done, void *data)
{
	struct list_op *list = xcalloc(1, sizeof *list);

	list->repo = repo;
	list->done = done;
	list->data = data;
	op_begin(&list->op, repo->git, repo->git_dir, finish, ask_list);
}
