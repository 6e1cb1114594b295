/* Coming home, outside of a run: which streams. */
#include "config.h"

#include "orch/merge.h"

#include "api/orch.h"
#include "exec/home.h"
#include "exec/repository.h"
#include "exec/workspace.h"
#include "orch/history.h"
#include "state/journal.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/map.h"
#include "util/path.h"

#include <stdlib.h>

struct merging {
	const struct orch_merge_options *options;
	struct orch *orch;
	struct orch_plan *plan;
	bool *chosen;
	orch_merge_told *told;
	void *data;
	bool well;
	struct map runs; /* id to struct orch_status: those that were asked for */
	struct orch_error *err;
};

/* Those named, by `only` of the plan; a group stands for what it depends on. -1: none of them has a branch */
static int choose_named(struct merging *merging)
{
	const struct orch *orch = merging->orch;
	bool *seen = xcalloc(orch->graph.count ? orch->graph.count : 1, sizeof *seen);
	ARRAY(uint32_t) stack = {0};
	size_t found = 0;

	for (uint32_t id = 0; id < orch->graph.count; id++) {
		if (orch_plan_action(merging->plan, id) != ORCH_PLAN_NOT_WANTED) {
			*ARRAY_PUSH(&stack) = id;
			seen[id] = true;
		}
	}
	for (size_t at = 0; at < stack.count; at++) {
		uint32_t id = stack.items[at];
		const struct stream *stream = &orch->project.streams[id];
		const edge *deps = graph_deps(&orch->graph, id);

		if (!stream_is_group(stream)) {
			merging->chosen[id] = workspace_is_wanted(stream);
			found += merging->chosen[id];
			continue;
		}
		for (uint32_t i = 0; i < graph_dep_count(&orch->graph, id); i++) {
			uint32_t dep = EDGE_STREAM(deps[i]);

			if (!seen[dep])
				*ARRAY_PUSH(&stack) = dep;
			seen[dep] = true;
		}
	}
	ARRAY_RELEASE(&stack);
	free(seen);
	return found ? 0
		     : error_code(merging->err, ORCH_EUSAGE,
			       "no stream that is named works in a worktree, so none has a branch to merge");
}

/* the leaves that are complete; one that was completed, and is stale by now, is told */
static int choose_leaves(struct merging *merging)
{
	const struct orch *orch = merging->orch;
	bool *leaf = home_leaves(&orch->project, &orch->graph);
	size_t found = 0;

	for (uint32_t i = 0; i < orch->graph.count; i++) {
		uint32_t id = orch->graph.order[i];
		const struct stream *stream = &orch->project.streams[id];
		struct orch_merged left = {
			.end = ORCH_MERGE_LEFT, .stream = stream->name, .title = stream->title, .message = NULL};
		char *message;

		if (!leaf[id])
			continue;
		/* a clean-up stream is never complete */
		if (stream->set->when != WHEN_SUCCESS && !merging->plan->plan.facts[id].stamp.present)
			continue;
		if (stream->set->complete && !merging->plan->plan.facts[id].stamp.present)
			continue;
		found++;
		merging->chosen[id] = orch_plan_action(merging->plan, id) == ORCH_PLAN_COMPLETE;
		if (merging->chosen[id])
			continue;
		message = merging->plan->plan.facts[id].stamp.present
			? xasprintf("not complete any more: %s; 'orch merge %s' merges it as it is",
				  orch_plan_reason(merging->plan, id), stream->name)
			: xasprintf("not complete: %s", orch_plan_reason(merging->plan, id));
		left.message = message;
		merging->told(merging->data, &left);
		free(message);
	}
	free(leaf);
	return found ? 0
		     : error_code(merging->err, ORCH_EUSAGE,
			       "no stream works in a worktree, so there is no branch to merge");
}

static void on_told(void *data, const struct orch_merged *merged)
{
	struct merging *merging = data;

	merging->told(merging->data, merged);
}

/* a run that was pruned, or cannot be read, tells nothing */
static const struct orch_stream_status *past_of(void *data, const char *run, const char *stream)
{
	struct merging *merging = data;
	struct orch_status *status = map_get(&merging->runs, run);

	if (!status) {
		status = xcalloc(1, sizeof *status);
		orch_status_init(status);
		map_set(&merging->runs, run, status);
		if (orch_history_replay(merging->orch->project.dir, run, status, NULL, NULL) < 0)
			return NULL;
	}
	return orch_status_find(status, stream);
}

static void release_runs(struct merging *merging)
{
	size_t position = 0;
	const char *run;
	void *status;

	while (map_next(&merging->runs, &position, &run, &status)) {
		orch_status_release(status);
		free(status);
	}
	map_release(&merging->runs);
}

static void on_done(void *data, bool well)
{
	struct merging *merging = data;

	merging->well &= well;
}

static int bring_home(struct merging *merging)
{
	struct repository *repository = NULL;
	struct home_spec spec = {.project = &merging->orch->project,
		.graph = &merging->orch->graph,
		.store = merging->plan->store,
		.options = merging->options,
		.told = on_told,
		.past = past_of,
		.done = on_done,
		.data = merging};

	if (repository_open(&repository, spec.project, merging->err) < 0)
		return -1;
	spec.repo = repository->repo;
	home_begin(&spec, merging->chosen);
	repository_wait(repository);
	repository_close(repository);
	return 0;
}

int orch_merge(struct orch *orch, const struct orch_merge_options *options, orch_merge_told *told, void *data,
	struct orch_error *err)
{
	static const char *const everything[] = {"*", NULL};
	bool named = options->targets && options->targets[0];
	const struct orch_plan_options wanted = {.only = named ? options->targets : everything};
	struct merging merging = {
		.options = options, .orch = orch, .told = told, .data = data, .well = true, .err = err};
	int status;

	if (orch_plan_new(&merging.plan, orch, &wanted, err) < 0)
		return -1;
	map_init_owning(&merging.runs);
	merging.chosen = xcalloc(orch->graph.count ? orch->graph.count : 1, sizeof *merging.chosen);
	status = named ? choose_named(&merging) : choose_leaves(&merging);
	if (status == 0)
		status = bring_home(&merging);
	release_runs(&merging);
	free(merging.chosen);
	orch_plan_free(merging.plan);
	return status < 0 ? -1 : merging.well ? 0 : 1;
}

char *orch_repository(const struct orch *orch)
{
	return project_repository(&orch->project);
}

/* --- what a run that was killed has not brought home --- */

static int note_end(void *data, const struct orch_event *event)
{
	bool *ended = data;

	*ended |= event->type == ORCH_EVENT_RUN_FINISHED;
	return 0;
}

/* a journal that cannot be read tells of no end */
static bool was_cut_short(const struct orch_plan *plan, const char *run)
{
	char *relative = statedir_journal(run), *path = path_join(plan->orch->project.dir, relative);
	bool ended = statedir_is_synced(&plan->dir, run);

	if (!ended)
		journal_read(path, 0, note_end, &ended, NULL, NULL);
	free(path);
	free(relative);
	return !ended;
}

bool orch_plan_owes_merge(const struct orch_plan *plan)
{
	const struct orch *orch = plan->orch;
	char **runs = NULL;
	size_t count = 0;
	bool *leaf, any = false, owes = false;

	if (orch->project.set.merge == MERGE_MANUAL || plan->dir.fd < 0 ||
		orch_plan_run_count(plan) + orch_plan_perhaps_count(plan) > 0)
		return false;
	leaf = home_leaves(&orch->project, &orch->graph);
	for (uint32_t id = 0; id < orch->project.stream_count && !any; id++)
		any = leaf[id] && plan->plan.wanted[id] && plan->plan.facts[id].stamp.present;
	free(leaf);
	if (any && statedir_runs(&plan->dir, &runs, &count, NULL) == 0)
		owes = count > 0 && was_cut_short(plan, runs[count - 1]);
	for (size_t i = 0; i < count; i++)
		free(runs[i]);
	free(runs);
	return owes;
}
