#include "config.h"

#include "exec/workspace.h"

#include "exec/attempt.h"
#include "exec/context.h"
#include "exec/escape.h"
#include "graph/graph.h"
#include "graph/project.h"
#include "os/fs.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "vcs/commit.h"
#include "vcs/held.h"
#include "vcs/merge.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/save.h"
#include "vcs/worktree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MAX = 5 }; /* files named in a message */

struct workspaces {
	struct git *git;
	char *dir; /* the repository, or below it where the project is */
	struct stamp_store *store;
	struct workspaces_calls calls;
	struct escape *escape;
	bool distrusts;     /* hooks that streams could change */
	char *hooks_inside; /* where those are, if they are not left out yet; NULL: there are none */
	struct repo *repo;
	bool opening, opened;
	struct orch_error refusal; /* why there is no repository to work in, once opened */
	char *base_name; /* NULL until it is known, unless `project: base` says it */
	char *into; /* the branch that base is, where work comes home to; NULL: it is none */
	char base[GIT_OID_MAX];
	workspaces_opened *asked; /* who waits for it besides; NULL: nobody */
	void *asked_data;
	struct task *waiting; /* for the repository to be opened, newest first */
};

/* one call, from its begin to its `done` */
struct task {
	struct workspaces *all;
	struct attempt *attempt;
	struct task *next;
	bool afresh, saved;
	workspace_done *done;
	size_t home;                         /* of what the dependencies made: contained in the run's base */
	struct strvec side_names, side_oids; /* what the dependencies made */
	size_t looked_up;                    /* of them: found to be there */
	char *problem;                       /* what is to be said if all are */
	size_t checked;                      /* of them: contained in the stream's branch */
	char tip[GIT_OID_MAX];               /* of that branch */
	enum orch_outcome outcome;           /* what there is to tell once the checkout has been looked at */
	char *message;
	size_t stuck;                        /* which of them does not go together with those before it; 0: none */
};

static void prepare(struct task *task);

/* --- what is what --- */

bool workspace_is_wanted(const struct stream *stream)
{
	enum isolate isolate = stream->set->isolate;

	if (isolate == ISOLATE_DEFAULT)
		return (stream->prompt.bytes || stream->set->prompt_file) && !stream->outside_repository;
	return isolate == ISOLATE_WORKTREE;
}

char *workspace_path(const struct project *project, const char *stream)
{
	const char *where = project->set.worktrees ? project->set.worktrees : ".orch/worktrees";
	char *parent = path_join(project->dir, where), *path = path_join(parent, stream);

	free(parent);
	return path;
}

char *workspace_branch(const struct stream *stream)
{
	return stream->set->branch ? xstrdup(stream->set->branch) : xasprintf("orch/%s", stream->name);
}

void workspace_free(struct workspace *workspace)
{
	if (!workspace)
		return;
	free(workspace->dir);
	free(workspace->cwd);
	free(workspace->git_dir);
	free(workspace->branch);
	free(workspace->base_name);
	free(workspace->into);
	suspect_free(workspace->suspect);
	free(workspace);
}

/* beside the worktree's index, so that it goes with it */
#define BASE_NOTE "orch-base"

bool workspace_read_base(const char *git_dir, char base[GIT_OID_MAX])
{
	char *path = path_join(git_dir, BASE_NOTE), *text = NULL;
	size_t len = 0;
	bool there = fs_read(path, GIT_OID_MAX, &text, &len, NULL) == 0;

	if (there) {
		len = strcspn(text, "\n");
		there = len > 0 && len < GIT_OID_MAX;
	}
	if (there) {
		memcpy(base, text, len);
		base[len] = '\0';
	}
	free(text);
	free(path);
	return there;
}

static int write_base(const struct workspace *workspace, struct orch_error *err)
{
	char *path = path_join(workspace->git_dir, BASE_NOTE);
	int result = fs_replace(AT_FDCWD, path, workspace->base, strlen(workspace->base), false, err);

	free(path);
	return result;
}

static struct task *task_new(struct workspaces *all, struct attempt *attempt, workspace_done *done)
{
	struct task *task = xcalloc(1, sizeof *task);

	task->all = all;
	task->attempt = attempt;
	task->done = done;
	return task;
}

static void task_end(struct task *task, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = task->attempt;
	workspace_done *done = task->done;

	strvec_release(&task->side_names);
	strvec_release(&task->side_oids);
	free(task);
	done(attempt, outcome, message);
}

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
	struct task *list = NULL, *next;

	say_opened(all);

	for (; all->waiting; all->waiting = next) {
		next = all->waiting->next;
		all->waiting->next = list;
		list = all->waiting;
	}
	for (; list; list = next) {
		next = list->next;
		prepare(list);
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
	message = xasprintf("the repository's hooks lie in its work tree (%s), where streams with a 'sandbox' could change "
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

static void open_repository(struct workspaces *all)
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
		open_repository(all);
}

/* --- preparing --- */

static void add_side(struct task *task, const char *name, const char *oid)
{
	for (size_t i = 0; i < task->side_oids.count; i++) {
		if (strcmp(task->side_oids.items[i], oid) == 0)
			return;
	}
	strvec_push(&task->side_names, name);
	strvec_push(&task->side_oids, oid);
}

/* part 'g', "commit OID" */
const char *workspace_stamped(const struct stamp_detail *detail, const char *what)
{
	size_t len = strlen(what);

	for (size_t i = 0; i < detail->part_count; i++) {
		const char *name = detail->parts[i].name;

		if (detail->parts[i].kind == 'g' && strncmp(name, what, len) == 0 && name[len] == ' ')
			return name + len + 1;
	}
	return NULL;
}

/* What it depends on, through groups: each that has a branch of its own is a side. -1 with *err: one has no commit */
static int find_sides(struct task *task, struct orch_error *err)
{
	struct workspaces *all = task->all;
	const struct project *project = task->attempt->context->project;
	const struct graph *graph = task->attempt->context->graph;
	ARRAY(uint32_t) stack = {0};
	bool *seen = xcalloc(project->stream_count, sizeof *seen);
	int result = 0;

	*ARRAY_PUSH(&stack) = task->attempt->id;
	for (size_t next = 0; next < stack.count && result == 0; next++) {
		uint32_t id = stack.items[next];
		const edge *deps = graph_deps(graph, id);

		for (uint32_t i = 0; i < graph_dep_count(graph, id) && result == 0; i++) {
			uint32_t dep = EDGE_STREAM(deps[i]);
			const struct stream *stream = &project->streams[dep];
			struct stamp_detail detail = {0};

			if (EDGE_ORDER_ONLY(deps[i]) || seen[dep])
				continue;
			seen[dep] = true;
			if (stream_is_group(stream)) {
				*ARRAY_PUSH(&stack) = dep;
				continue;
			}
			if (!workspace_is_wanted(stream))
				continue;
			if (stamp_store_read(all->store, stream->name, &detail, err) != 0) {
				result = -1;
			} else if (!workspace_stamped(&detail, "commit")) {
				result = error_set(err,
					"'%s' completed without a branch of its own; 'orch reset %s' makes it run again",
					stream->name, stream->name);
			} else {
				char *branch = workspace_branch(stream);

				add_side(task, branch, workspace_stamped(&detail, "commit"));
				free(branch);
			}
			stamp_detail_release(&detail);
		}
	}
	ARRAY_RELEASE(&stack);
	free(seen);
	return result;
}

static enum orch_outcome outcome_of(const struct vcs_end *end)
{
	switch (end->status) {
	case VCS_OK:
		return ORCH_OUTCOME_SUCCESS;
	case VCS_CONFLICT:
		return ORCH_OUTCOME_MERGE;
	case VCS_REJECTED:
		return ORCH_OUTCOME_CHECK;
	case VCS_STOPPED:
		return ORCH_OUTCOME_STOPPED;
	default:
		return ORCH_OUTCOME_SPAWN;
	}
}

/* the first of `count` names, as people list them: "a", "a and b", "a, b and c" */
static void add_names(struct strbuf *out, const struct strvec *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		strbuf_addf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", names->items[i]);
}

static char *conflict_text(const struct task *task, const struct merge_conflict *conflict)
{
	struct strbuf text = {0};

	strbuf_addstr(&text, "the work of ");
	add_names(&text, &task->side_names, task->stuck);
	strbuf_addf(&text, " and of %s does not go together in", task->side_names.items[task->stuck]);
	for (size_t i = 0; i < conflict->files.count; i++)
		strbuf_addf(&text, "%s %s", i ? "," : "", conflict->files.items[i]);
	strbuf_addf(&text, "; its worktree %s has both: put it right there and commit, or change one of them",
		task->attempt->workspace->dir);
	return strbuf_detach(&text);
}

static void merge_next(struct task *task);

static void on_merged_there(void *data, const struct vcs_end *end, const struct merge_conflict *conflict)
{
	struct task *task = data;
	char *text;

	if (end->status == VCS_OK) {
		task->stuck++;
		merge_next(task);
		return;
	}
	text = end->status == VCS_CONFLICT && conflict ? conflict_text(task, conflict)
						       : xasprintf("merging what it depends on: %s", end->err.message);
	task_end(task, outcome_of(end), text);
	free(text);
}

/* what did not go together in memory, in the worktree: there a person, or a rule, may have put it right meanwhile */
static void merge_next(struct task *task)
{
	struct merge_side theirs;

	if (task->stuck == 0 || task->stuck >= task->side_oids.count) {
		struct attempt *attempt = task->attempt;
		const char *escape = attempt->context->project->set.escape;
		bool fails = escape && strcmp(escape, "fail") == 0;

		if (attempt->stream->set->sandbox == SANDBOX_OFF && !attempt->workspace->suspect)
			attempt->workspace->suspect = suspect_new(task->all->escape, attempt->stream->name, fails);
		task_end(task, ORCH_OUTCOME_SUCCESS, NULL);
		return;
	}
	theirs.name = task->side_names.items[task->stuck];
	theirs.oid = task->side_oids.items[task->stuck];
	merge_in_worktree(task->all->repo, task->attempt->stream->name, task->attempt->workspace->dir, &theirs,
		on_merged_there, task);
}

/* where in the worktree the stream runs: as the project's directory is in the repository, or the one it names */
static char *place_in(const struct workspaces *all, const char *dir)
{
	size_t len = strlen(all->repo->top);
	const char *below = all->dir;

	if (strncmp(below, all->repo->top, len) == 0 && below[len] == '/')
		return path_join(dir, below + len + 1);
	return xstrdup(dir);
}

/* What it was cut from is noted with it, and counts as long as it is gone on with: the branch that the run began on may
 * have moved since. -1: that cannot be noted */
static int settle_base(struct task *task, const struct worktree_made *made, struct orch_error *err)
{
	struct workspace *workspace = task->attempt->workspace;
	char noted[GIT_OID_MAX];

	if (!made->fresh && !task->afresh && workspace_read_base(workspace->git_dir, noted)) {
		memcpy(workspace->base, noted, sizeof workspace->base);
		return 0;
	}
	return write_base(workspace, err);
}

static void on_forked(void *data, const struct vcs_end *end, const char *oid)
{
	struct task *task = data;
	struct orch_error err = {0};

	/* without a commit in common, all of it is the stream's */
	if (end->status == VCS_OK)
		memcpy(task->attempt->workspace->base, oid, strlen(oid) + 1);
	if (write_base(task->attempt->workspace, &err) < 0)
		task_end(task, ORCH_OUTCOME_INTERNAL, err.message);
	else
		merge_next(task);
}

static void on_added(void *data, const struct vcs_end *end, const struct worktree_made *made)
{
	struct task *task = data;
	struct workspace *workspace = task->attempt->workspace;
	struct orch_error err = {0};

	if (end->status != VCS_OK) {
		char *message = xasprintf("its worktree: %s", end->err.message);

		task_end(task, outcome_of(end), message);
		free(message);
		return;
	}
	free(workspace->dir);
	workspace->dir = xstrdup(made->path);
	workspace->git_dir = xstrdup(made->git_dir);
	workspace->set_up = made->set_up;
	for (size_t i = 0; i < made->saved.count; i++) {
		char *message = xasprintf("what its branch had before is kept as %s", made->saved.items[i]);

		task->all->calls.warning(task->all->calls.data, task->attempt->stream->name, message);
		free(message);
	}
	if (made->moved_aside) {
		char *message = xasprintf("what was in the way of its worktree is now %s", made->moved_aside);

		task->all->calls.warning(task->all->calls.data, task->attempt->stream->name, message);
		free(message);
	}
	workspace->cwd = place_in(task->all, workspace->dir);
	if (made->fresh && !task->afresh && strcmp(made->oid, workspace->base) != 0)
		/* a branch that was there without a worktree: it was cut where both part */
		held_fork(task->all->repo, workspace->base, made->oid, on_forked, task);
	else if (settle_base(task, made, &err) < 0)
		task_end(task, ORCH_OUTCOME_INTERNAL, err.message);
	else
		merge_next(task);
}

static void add_worktree(struct task *task)
{
	const struct stream *stream = task->attempt->stream;
	struct workspace *workspace = task->attempt->workspace;
	struct strvec copy = {0};
	struct worktree_spec spec = {
		.stream = stream->name,
		.branch = workspace->branch,
		.path = workspace->dir,
		.base = workspace->base,
		.afresh = task->afresh,
		.reason = "before it was started afresh",
		.copy_from = task->all->repo->top,
	};

	for (uint32_t i = 0; i < stream->set->copy.count; i++)
		strvec_push(&copy, stream->set->copy.items[i]);
	spec.copy = copy.count ? &copy : NULL;
	worktree_add(task->all->repo, &spec, on_added, task);
	strvec_release(&copy);
}

/* A branch that lacks some of what it is to start from was made for other parents: it is kept under a ref, and begun
 * again */
static void on_is_ancestor(void *data, const struct vcs_end *end, bool yes)
{
	struct task *task = data;

	if (end->status != VCS_OK || !yes)
		task->afresh = true;
	else if (++task->checked < task->side_oids.count) {
		ref_is_ancestor(task->all->repo, task->side_oids.items[task->checked], task->tip, on_is_ancestor, task);
		return;
	}
	add_worktree(task);
}

static void on_tip(void *data, const struct vcs_end *end, const char *oid)
{
	struct task *task = data;

	if (end->status != VCS_OK) {
		add_worktree(task);
		return;
	}
	memcpy(task->tip, oid, strlen(oid) + 1);
	ref_is_ancestor(task->all->repo, task->side_oids.items[0], task->tip, on_is_ancestor, task);
}

static void start_from(struct task *task, const char *base)
{
	struct workspace *workspace = task->attempt->workspace;
	char *ref;

	memcpy(workspace->base, base, strlen(base) + 1);
	/* a merge that somebody is putting right in the worktree is left to them */
	if (task->afresh || task->stuck > 0 || task->side_oids.count == 0) {
		add_worktree(task);
		return;
	}
	ref = xasprintf("%s%s", REFS_BRANCH, workspace->branch);
	ref_resolve(task->all->repo, ref, on_tip, task);
	free(ref);
}

/* What it depends on cannot be taken: perhaps one of their commits is gone, with the repository that had it. Asked
 * until one is found; `problem` if none is */
static void on_looked_up(void *data, const struct vcs_end *end, const char *oid)
{
	struct task *task = data;
	char *problem = task->problem, *message;

	(void)oid;
	if (end->status == VCS_OK && ++task->looked_up < task->side_oids.count) {
		ref_resolve(task->all->repo, task->side_oids.items[task->looked_up], on_looked_up, task);
		return;
	}
	if (end->status == VCS_OK || end->status == VCS_STOPPED) {
		message = xstrdup(problem);
	} else {
		message = xasprintf("the work of %s, %.10s, is not in the repository any more: 'orch reset' makes that "
				    "stream run again",
			task->side_names.items[task->looked_up], task->side_oids.items[task->looked_up]);
	}
	task->problem = NULL;
	task_end(task, end->status == VCS_STOPPED ? ORCH_OUTCOME_STOPPED : ORCH_OUTCOME_SPAWN, message);
	free(message);
	free(problem);
}

static void fail_for_sides(struct task *task, const struct vcs_end *end)
{
	if (end->status == VCS_STOPPED) {
		task_end(task, ORCH_OUTCOME_STOPPED, end->err.message);
		return;
	}
	task->problem = xasprintf("merging what it depends on: %s", end->err.message);
	ref_resolve(task->all->repo, task->side_oids.items[0], on_looked_up, task);
}

static void on_merged(void *data, const struct vcs_end *end, const struct merge_base_result *result)
{
	struct task *task = data;

	if (!result) {
		fail_for_sides(task, end);
		return;
	}
	if (end->status == VCS_CONFLICT)
		task->stuck = result->stuck;
	start_from(task, result->oid);
}

static void on_stream_base(void *data, const struct vcs_end *end, const char *oid)
{
	struct task *task = data;
	char *message;

	if (end->status == VCS_OK) {
		start_from(task, oid);
		return;
	}
	message = xasprintf("base = %s: %s", task->attempt->stream->set->base, end->err.message);
	task_end(task, ORCH_OUTCOME_SPAWN, message);
	free(message);
}

static void start_from_sides(struct task *task)
{
	struct workspace *workspace = task->attempt->workspace;
	struct strbuf names = {0};
	ARRAY(struct merge_side) sides = {0};

	for (size_t i = 0; i < task->side_oids.count; i++) {
		*ARRAY_PUSH(&sides) =
			(struct merge_side){.name = task->side_names.items[i], .oid = task->side_oids.items[i]};
	}
	add_names(&names, &task->side_names, task->side_names.count);
	workspace->base_name = strbuf_detach(&names);
	if (sides.count == 1)
		start_from(task, sides.items[0].oid);
	else
		merge_base(task->all->repo, task->attempt->stream->name, sides.items, sides.count, on_merged, task);
	ARRAY_RELEASE(&sides);
}

/* Where all that it depends on has come home already, its base has it: from an older state its work would collide with
 * what it made itself before that */
static void on_is_home(void *data, const struct vcs_end *end, bool yes)
{
	struct task *task = data;
	const struct workspaces *all = task->all;

	if (end->status != VCS_OK) {
		fail_for_sides(task, end);
	} else if (!yes) {
		start_from_sides(task);
	} else if (++task->home < task->side_oids.count) {
		ref_is_ancestor(all->repo, task->side_oids.items[task->home], all->base, on_is_home, task);
	} else {
		task->attempt->workspace->base_name = xstrdup(all->base_name);
		start_from(task, all->base);
	}
}

static void prepare(struct task *task)
{
	struct workspaces *all = task->all;
	const struct stream *stream = task->attempt->stream;
	struct workspace *workspace = task->attempt->workspace;
	struct orch_error err = {0};

	if (all->refusal.message[0]) {
		char *message = xasprintf("it works in a worktree: %s", all->refusal.message);

		task_end(task, ORCH_OUTCOME_SPAWN, message);
		free(message);
		return;
	}
	workspace->dir = workspace_path(task->attempt->context->project, stream->name);
	workspace->branch = workspace_branch(stream);
	workspace->into = all->into ? xstrdup(all->into) : NULL;
	if (stream->set->base) {
		workspace->base_name = xstrdup(stream->set->base);
		ref_resolve(all->repo, stream->set->base, on_stream_base, task);
		return;
	}
	if (find_sides(task, &err) != 0) {
		task_end(task, ORCH_OUTCOME_SPAWN, err.message);
		return;
	}
	if (task->side_oids.count == 0) {
		workspace->base_name = xstrdup(all->base_name);
		start_from(task, all->base);
		return;
	}
	ref_is_ancestor(all->repo, task->side_oids.items[0], all->base, on_is_home, task);
}

void workspace_prepare(struct workspaces *all, struct attempt *attempt, bool afresh, workspace_done *done)
{
	struct task *task = task_new(all, attempt, done);

	task->afresh = afresh;
	attempt->workspace = xcalloc(1, sizeof *attempt->workspace);
	if (all->opened) {
		prepare(task);
		return;
	}
	task->next = all->waiting;
	all->waiting = task;
	open_repository(all);
}

int workspace_mark_set_up(struct workspace *workspace, struct orch_error *err)
{
	if (worktree_mark_set_up(workspace->git_dir, err) != 0)
		return -1;
	workspace->set_up = true;
	return 0;
}

/* --- what the work comes to --- */

/* the first few that no glob of `touches` names; NULL: none */
static char *untouched(const struct stream *stream, const struct strvec *paths)
{
	struct strbuf text = {0};
	size_t count = 0;

	for (size_t i = 0; i < paths->count; i++) {
		bool named = false;

		for (uint32_t t = 0; t < stream->set->touches.count && !named; t++)
			named = path_match(stream->set->touches.items[t], paths->items[i]);
		if (!named && count++ < SHOWN_MAX)
			strbuf_addf(&text, "%s%s", text.len ? ", " : "", paths->items[i]);
	}
	if (count > SHOWN_MAX)
		strbuf_addf(&text, " and %zu more", count - SHOWN_MAX);
	return count ? strbuf_detach(&text) : NULL;
}

static void on_looked(void *data, const char *finding)
{
	struct task *task = data;
	char *message = task->message;

	task->message = NULL;
	if (finding && task->outcome == ORCH_OUTCOME_SUCCESS && !task->saved)
		task_end(task, ORCH_OUTCOME_CHANGES, finding);
	else {
		/* it has failed for another reason already */
		if (finding)
			task->all->calls.warning(task->all->calls.data, task->attempt->stream->name, finding);
		task_end(task, task->outcome, message);
	}
	free(message);
}

/* that is how it ends, but for what it may have done to the checkout */
static void end_after_look(struct task *task, enum orch_outcome outcome, const char *message)
{
	struct suspect *suspect = task->attempt->workspace->suspect;

	task->outcome = outcome;
	task->message = message ? xstrdup(message) : NULL;
	if (suspect)
		escape_look(suspect, on_looked, task);
	else
		on_looked(task, NULL);
}

static void on_changes(void *data, const struct vcs_end *end, const struct strvec *paths)
{
	struct task *task = data;
	const struct stream *stream = task->attempt->stream;
	char *text;

	if (end->status != VCS_OK) {
		task_end(task, ORCH_OUTCOME_INTERNAL, end->err.message);
		return;
	}
	if (stream->set->changes == CHANGES_REQUIRED && paths->count == 0) {
		task_end(task, ORCH_OUTCOME_CHANGES, "it was to change something, and changed nothing");
		return;
	}
	if (stream->set->changes == CHANGES_FORBIDDEN && paths->count > 0) {
		text = xasprintf("it was to change nothing, and changed %s%s", paths->items[0],
			paths->count > 1 ? " and more" : "");
		task_end(task, ORCH_OUTCOME_CHANGES, text);
		free(text);
		return;
	}
	text = stream->set->touches.count ? untouched(stream, paths) : NULL;
	if (text) {
		char *message = xasprintf("it changed what its 'touches' does not name: %s", text);

		task->all->calls.warning(task->all->calls.data, stream->name, message);
		free(message);
		free(text);
	}
	end_after_look(task, ORCH_OUTCOME_SUCCESS, NULL);
}

static void warn_of(struct task *task, const struct commit_result *result)
{
	const struct workspaces_calls *calls = &task->all->calls;
	const char *stream = task->attempt->stream->name;

	if (result->strayed) {
		char *message = xasprintf("it left its branch for %s; '%s' was moved on to what it did there",
			*result->strayed ? result->strayed : "a detached HEAD", task->attempt->workspace->branch);

		calls->warning(calls->data, stream, message);
		free(message);
	}
	for (size_t i = 0; i < result->nested.count; i++) {
		char *message = xasprintf("'%s' is a repository of its own: not committed%s%s", result->nested.items[i],
			result->saved_ref ? ", kept as " : "", result->saved_ref ? result->saved_ref : "");

		calls->warning(calls->data, stream, message);
		free(message);
	}
}

static void on_committed(void *data, const struct vcs_end *end, const struct commit_result *result)
{
	struct task *task = data;
	struct workspace *workspace = task->attempt->workspace;
	struct strbuf text = {0};

	if (result)
		warn_of(task, result);
	if (end->status == VCS_OK) {
		memcpy(workspace->commit, result->oid, sizeof workspace->commit);
		memcpy(workspace->tree, result->tree, sizeof workspace->tree);
		commit_changes(task->all->repo, workspace->base, workspace->commit, on_changes, task);
		return;
	}
	strbuf_addf(&text, "committing its work: %s", end->err.message);
	for (size_t i = 0; result && i < result->unresolved.count; i++)
		strbuf_addf(&text, "%s %s", i ? "," : ":", result->unresolved.items[i]);
	/* git's words, and a hook's, are for its log, like a check's */
	if (end->said && *end->said)
		(void)fs_write_all(task->attempt->log_fd, end->said, strlen(end->said));
	task_end(task, outcome_of(end), strbuf_cstr(&text));
	strbuf_release(&text);
}

void workspace_commit(struct workspaces *all, struct attempt *attempt, workspace_done *done)
{
	struct task *task = task_new(all, attempt, done);
	const struct stream *stream = attempt->stream;
	const char *setting = stream->set->commit;
	bool is_message = setting && strcmp(setting, "auto") != 0 && strcmp(setting, "off") != 0;
	char *subject = is_message ? xstrdup(setting)
		: stream->title    ? xasprintf("%s: %s", stream->name, stream->title)
				   : xstrdup(stream->name);
	struct commit_spec spec = {
		.stream = stream->name,
		.dir = attempt->workspace->dir,
		.branch = attempt->workspace->branch,
		.subject = subject,
		.run = attempt->run,
		.attempt = attempt->number,
		.look_only = setting && strcmp(setting, "off") == 0,
	};

	commit_work(all->repo, &spec, on_committed, task);
	free(subject);
}

static void on_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct task *task = data;
	const struct workspaces_calls *calls = &task->all->calls;
	const char *stream = task->attempt->stream->name;
	char *message = NULL;

	if (end->status != VCS_OK)
		message = xasprintf("what it left in '%s' could not be kept under a ref: %s",
			task->attempt->workspace->dir, end->err.message);
	else if (work->missing)
		message = xasprintf("some of what it left could not be read, and is not in %s: %s",
			work->ref ? work->ref : "what was kept", work->missing);
	if (message)
		calls->warning(calls->data, stream, message);
	free(message);
	task->saved = true;
	end_after_look(task, end->status == VCS_OK ? ORCH_OUTCOME_SUCCESS : ORCH_OUTCOME_INTERNAL,
		end->status == VCS_OK ? NULL : end->err.message);
}

void workspace_save(struct workspaces *all, struct attempt *attempt, const char *reason, workspace_done *done)
{
	struct save_spec spec = {.stream = attempt->stream->name, .dir = attempt->workspace->dir, .reason = reason};

	save_work(all->repo, &spec, on_saved, task_new(all, attempt, done));
}

/* --- what stays --- */

struct leaving {
	struct workspaces *all;
	char *stream;
};

static void on_removed(void *data, const struct vcs_end *end, const struct worktree_removed *removed)
{
	struct leaving *leaving = data;

	(void)removed;
	/* that it stays is no harm: 'orch clean' says why it does */
	if (end->status != VCS_OK && end->status != VCS_STOPPED && end->status != VCS_REFUSED)
		leaving->all->calls.warning(leaving->all->calls.data, leaving->stream, end->err.message);
	free(leaving->stream);
	free(leaving);
}

void workspace_leave(struct workspaces *all, const struct attempt *attempt, bool success)
{
	enum keep keep = attempt->stream->set->keep;
	struct leaving *leaving;
	struct worktree_removal spec = {.stream = attempt->stream->name, .path = attempt->workspace->dir, .save = true};

	if (!attempt->workspace->git_dir || keep == KEEP_ALWAYS || (keep == KEEP_FAILED && !success))
		return;
	leaving = xcalloc(1, sizeof *leaving);
	leaving->all = all;
	leaving->stream = xstrdup(attempt->stream->name);
	worktree_remove(all->repo, &spec, on_removed, leaving);
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
	const struct escape_calls escape = {
		.warning = calls->warning, .others = calls->hooks_run, .data = calls->data};

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
