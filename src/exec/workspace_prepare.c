#include "config.h"

#include "exec/workspace_private.h"

#include "exec/attempt.h"
#include "exec/context.h"
#include "exec/escape.h"
#include "graph/graph.h"
#include "graph/project.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "vcs/held.h"
#include "vcs/merge.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/worktree.h"

#include <stdlib.h>
#include <string.h>

static void add_side(struct workspace_task *task, const char *name, const char *oid)
{
	for (size_t i = 0; i < task->side_oids.count; i++) {
		if (strcmp(task->side_oids.items[i], oid) == 0)
			return;
	}
	strvec_push(&task->side_names, name);
	strvec_push(&task->side_oids, oid);
}
/* What it depends on, through groups: each that has a branch of its own is a side. -1 with *err: one has no commit */
static int find_sides(struct workspace_task *task, struct orch_error *err)
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
				/* done before orch came: its work is where everything starts from */
				if (!stream->set->complete || err->code != ORCH_ENOTFOUND)
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
/* the first of `count` names, as people list them: "a", "a and b", "a, b and c" */
static void add_names(struct strbuf *out, const struct strvec *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		strbuf_addf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", names->items[i]);
}

static char *conflict_text(const struct workspace_task *task, const struct merge_conflict *conflict)
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

static void merge_next(struct workspace_task *task);

static void on_merged_there(void *data, const struct vcs_end *end, const struct merge_conflict *conflict)
{
	struct workspace_task *task = data;
	char *text;

	if (end->status == VCS_OK) {
		task->stuck++;
		merge_next(task);
		return;
	}
	text = end->status == VCS_CONFLICT && conflict ? conflict_text(task, conflict)
						       : xasprintf("merging what it depends on: %s", end->err.message);
	workspace_task_end(task, workspace_outcome(end), text);
	free(text);
}

/* what did not go together in memory, in the worktree: there a person, or a rule, may have put it right meanwhile */
static void merge_next(struct workspace_task *task)
{
	struct merge_side theirs;

	if (task->stuck == 0 || task->stuck >= task->side_oids.count) {
		struct attempt *attempt = task->attempt;
		const char *escape = attempt->context->project->set.escape;
		bool fails = escape && strcmp(escape, "fail") == 0;

		if (attempt->stream->set->sandbox == SANDBOX_OFF && !attempt->workspace->suspect)
			attempt->workspace->suspect = suspect_new(task->all->escape, attempt->stream->name, fails);
		workspace_task_end(task, ORCH_OUTCOME_SUCCESS, NULL);
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
static int settle_base(struct workspace_task *task, const struct worktree_made *made, struct orch_error *err)
{
	struct workspace *workspace = task->attempt->workspace;
	char noted[GIT_OID_MAX];

	if (!made->fresh && !task->afresh && workspace_read_base(workspace->git_dir, noted)) {
		memcpy(workspace->base, noted, sizeof workspace->base);
		return 0;
	}
	return workspace_write_base(workspace, err);
}

static void on_forked(void *data, const struct vcs_end *end, const char *oid)
{
	struct workspace_task *task = data;
	struct orch_error err = {0};

	/* without a commit in common, all of it is the stream's */
	if (end->status == VCS_OK)
		memcpy(task->attempt->workspace->base, oid, strlen(oid) + 1);
	if (workspace_write_base(task->attempt->workspace, &err) < 0)
		workspace_task_end(task, ORCH_OUTCOME_INTERNAL, err.message);
	else
		merge_next(task);
}

static void on_added(void *data, const struct vcs_end *end, const struct worktree_made *made)
{
	struct workspace_task *task = data;
	struct workspace *workspace = task->attempt->workspace;
	struct orch_error err = {0};

	if (end->status != VCS_OK) {
		char *message = xasprintf("its worktree: %s", end->err.message);

		workspace_task_end(task, workspace_outcome(end), message);
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
		workspace_task_end(task, ORCH_OUTCOME_INTERNAL, err.message);
	else
		merge_next(task);
}

static void add_worktree(struct workspace_task *task)
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
	struct workspace_task *task = data;

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
	struct workspace_task *task = data;

	if (end->status != VCS_OK) {
		add_worktree(task);
		return;
	}
	memcpy(task->tip, oid, strlen(oid) + 1);
	ref_is_ancestor(task->all->repo, task->side_oids.items[0], task->tip, on_is_ancestor, task);
}

static void start_from(struct workspace_task *task, const char *base)
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
	struct workspace_task *task = data;
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
	workspace_task_end(task, end->status == VCS_STOPPED ? ORCH_OUTCOME_STOPPED : ORCH_OUTCOME_SPAWN, message);
	free(message);
	free(problem);
}

static void fail_for_sides(struct workspace_task *task, const struct vcs_end *end)
{
	if (end->status == VCS_STOPPED) {
		workspace_task_end(task, ORCH_OUTCOME_STOPPED, end->err.message);
		return;
	}
	task->problem = xasprintf("merging what it depends on: %s", end->err.message);
	ref_resolve(task->all->repo, task->side_oids.items[0], on_looked_up, task);
}

static void on_merged(void *data, const struct vcs_end *end, const struct merge_base_result *result)
{
	struct workspace_task *task = data;

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
	struct workspace_task *task = data;
	char *message;

	if (end->status == VCS_OK) {
		start_from(task, oid);
		return;
	}
	message = xasprintf("base = %s: %s", task->attempt->stream->set->base, end->err.message);
	workspace_task_end(task, ORCH_OUTCOME_SPAWN, message);
	free(message);
}

static void start_from_sides(struct workspace_task *task)
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
	struct workspace_task *task = data;
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

void workspace_task_begin(struct workspace_task *task)
{
	struct workspaces *all = task->all;
	const struct stream *stream = task->attempt->stream;
	struct workspace *workspace = task->attempt->workspace;
	struct orch_error err = {0};

	if (all->refusal.message[0]) {
		char *message = xasprintf("it works in a worktree: %s", all->refusal.message);

		workspace_task_end(task, ORCH_OUTCOME_SPAWN, message);
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
		workspace_task_end(task, ORCH_OUTCOME_SPAWN, err.message);
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
	struct workspace_task *task = workspace_task_new(all, attempt, done);

	task->afresh = afresh;
	attempt->workspace = xcalloc(1, sizeof *attempt->workspace);
	if (all->opened) {
		workspace_task_begin(task);
		return;
	}
	task->next = all->waiting;
	all->waiting = task;
	workspaces_open_repository(all);
}
