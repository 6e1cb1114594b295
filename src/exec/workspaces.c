#include "config.h"

#include "exec/workspace_private.h"

#include "exec/escape.h"
#include "graph/project.h"
#include "util/alloc.h"
#include "util/error.h"
#include "vcs/refs.h"
#include "vcs/repo.h"

#include <stdlib.h>
#include <string.h>

/* --- the repository --- */

static void say_opened(struct workspaces *all)
{
	workspaces_opened *asked = all->asked;
	const char *problem = all->refusal.message[0] ? all->refusal.message : NULL;

	all->asked = NULL;
	if (asked)
		asked(all->asked_data, problem ? NULL : all->repo, problem);
}

static void start_waiting(struct workspaces *all)
{
	struct workspace_task *list = NULL, *next;

	say_opened(all);

	for (; all->waiting; all->waiting = next) {
		next = all->waiting->next;
		all->waiting->next = list;
		list = all->waiting;
	}
	for (; list; list = next) {
		next = list->next;
		workspace_task_begin(list);
	}
}

static void on_checkout_known(void *data)
{
	struct workspaces *all = data;

	all->opened = true;
	start_waiting(all);
}

static void look_at_checkout(struct workspaces *all)
{
	escape_begin(all->escape, all->repo, all->base_name, on_checkout_known, all);
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = dir ? strlen(dir) : 0;

	return dir && strncmp(path, dir, len) == 0 && path[len] == '/';
}

static void leave_out_hooks(struct workspaces *all)
{
	char *message;

	if (!all->distrusts || !all->hooks_inside)
		return;
	git_leave_out_hooks(all->git);
	message = xasprintf(
		"the repository's hooks lie in its work tree (%s), where streams with a 'sandbox' could change "
		"them: git runs none of them in this run",
		all->hooks_inside);
	all->calls.warning(all->calls.data, NULL, message);
	free(message);
	free(all->hooks_inside);
	all->hooks_inside = NULL;
}

void workspaces_distrust_hooks(struct workspaces *all)
{
	all->distrusts = true;
	leave_out_hooks(all);
}

static void on_hooks(void *data, const struct git_result *result)
{
	struct workspaces *all = data;
	char *hooks = xstrndup(result->out ? result->out : "", strcspn(result->out ? result->out : "", "\n"));

	/* those in the git directory nobody can change who is confined */
	if (result->problem || result->code != 0 ||
		(is_below(hooks, all->repo->top) && !is_below(hooks, all->repo->common_dir) &&
			!is_below(hooks, all->repo->git_dir)))
		all->hooks_inside = xstrdup(hooks);
	free(hooks);
	leave_out_hooks(all);
	look_at_checkout(all);
}

/* the base is known, or why there is none */
static void look_around(struct workspaces *all)
{
	static const char *const argv[] = {"rev-parse", "--path-format=absolute", "--git-path", "hooks", NULL};
	struct git_command command = {.argv = argv, .in = -1};

	if (all->refusal.message[0]) {
		all->opened = true;
		start_waiting(all);
		return;
	}
	command.dir = all->repo->top;
	git_start(all->git, &command, on_hooks, all);
}

static void on_base(void *data, const struct vcs_end *end, const char *oid)
{
	struct workspaces *all = data;

	if (end->status != VCS_OK)
		error_set(&all->refusal, "base '%s': %s", all->base_name, end->err.message);
	else
		memcpy(all->base, oid, strlen(oid) + 1);
	all->into = xstrdup(all->base_name);
	look_around(all);
}

static void on_opened(void *data, const struct vcs_end *end, struct repo *repo)
{
	struct workspaces *all = data;

	all->repo = repo;
	if (end->status != VCS_OK)
		all->refusal = end->err;
	else if (repo->bare)
		error_set(&all->refusal, "this is a bare repository: there is no checkout to work from");
	if (all->refusal.message[0]) {
		all->opened = true;
		start_waiting(all);
		return;
	}
	if (all->base_name) {
		ref_resolve(repo, all->base_name, on_base, all);
		return;
	}
	all->base_name = xstrdup(repo->branch ? repo->branch : "HEAD");
	all->into = repo->branch ? xstrdup(repo->branch) : NULL;
	memcpy(all->base, repo->head, sizeof all->base);
	if (!repo->head[0])
		error_set(&all->refusal,
			"branch '%s' has no commit yet, so there is nothing to work from: make a first commit",
			all->base_name);
	else if (repo->doing != REPO_NOTHING) {
		char *message = xasprintf("%s is under way in the checkout: the streams start from the last commit",
			repo_doing_text(repo->doing));

		all->calls.warning(all->calls.data, NULL, message);
		free(message);
	}
	look_around(all);
}

static void on_version(void *data, const struct vcs_end *end, const struct git_version *version)
{
	struct workspaces *all = data;

	(void)version;
	if (end->status == VCS_OK) {
		repo_open(all->git, all->dir, on_opened, all);
		return;
	}
	all->refusal = end->err;
	all->opened = true;
	start_waiting(all);
}

void workspaces_open_repository(struct workspaces *all)
{
	if (!all->opening) {
		all->opening = true;
		git_check_version(all->git, on_version, all);
	}
}

void workspaces_open(struct workspaces *all, workspaces_opened *call, void *data)
{
	all->asked = call;
	all->asked_data = data;
	if (all->opened)
		say_opened(all);
	else
		workspaces_open_repository(all);
}
const char *workspaces_top(const struct workspaces *all)
{
	return all->repo ? all->repo->top : NULL;
}

const char *workspaces_git_dir(const struct workspaces *all)
{
	return all->repo ? all->repo->common_dir : NULL;
}

/* --- life --- */

static void on_git_idle(void *data)
{
	struct workspaces *all = data;

	all->calls.idle(all->calls.data);
}

struct workspaces *workspaces_new(struct loop *loop, struct children *children, const struct project *project,
	struct stamp_store *store, const struct workspaces_calls *calls)
{
	struct workspaces *all = xcalloc(1, sizeof *all);
	const struct escape_calls escape = {.warning = calls->warning, .others = calls->hooks_run, .data = calls->data};

	all->git = git_new(loop, children, 0);
	git_on_idle(all->git, on_git_idle, all);
	all->dir = project_repository(project);
	all->base_name = project->set.base ? xstrdup(project->set.base) : NULL;
	all->store = store;
	all->calls = *calls;
	all->escape = escape_new(project, &escape);
	return all;
}

void workspaces_note_others(struct workspaces *all, int change)
{
	escape_note_others(all->escape, change);
}

void workspaces_others_over(struct workspaces *all)
{
	escape_look_if_quiet(all->escape);
}

bool workspaces_are_busy(const struct workspaces *all)
{
	return git_under_way(all->git) > 0;
}

void workspaces_stop(struct workspaces *all)
{
	git_stop(all->git);
}

void workspaces_free(struct workspaces *all)
{
	if (!all)
		return;
	git_free(all->git);
	escape_free(all->escape);
	free(all->hooks_inside);
	repo_free(all->repo);
	free(all->base_name);
	free(all->into);
	free(all->dir);
	free(all);
}
