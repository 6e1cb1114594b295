/* What a person asks of a run under way. */
#include "config.h"

#include "sched/sched.h"

#include "sched/run_private.h"
#include "util/alloc.h"

#include <stdlib.h>

void sched_pause(struct run *run, bool paused)
{
	run->paused = paused;
}

bool sched_is_paused(const struct run *run)
{
	return run->paused;
}

bool sched_approve(struct run *run, uint32_t stream, const char *reason)
{
	struct task *task = &run->tasks[stream];

	if (!task->in_run || task->state >= ORCH_TASK_COMPLETED || task->approved ||
		!run_settings(run, stream)->approve)
		return false;
	task->approved = 1;
	if (task->asks) {
		run_set_state(run, stream, ORCH_TASK_READY, reason);
		sched_enqueue(run, stream);
	}
	return true;
}

size_t sched_asking(const struct run *run)
{
	return run->asking;
}

size_t sched_cancel(struct run *run, const uint32_t *streams, size_t count, const char *reason)
{
	uint32_t *cancelled = xreallocarray(NULL, count + 1, sizeof *cancelled);
	size_t found = 0;

	/* all of them before any user is told: none of them shall be called skipped for it */
	for (size_t i = 0; i < count; i++) {
		const struct task *task = &run->tasks[streams[i]];

		if (!task->in_run || task->state >= ORCH_TASK_COMPLETED || task->state == ORCH_TASK_RUNNING)
			continue;
		run_set_state(run, streams[i], ORCH_TASK_CANCELLED, reason);
		cancelled[found++] = streams[i];
	}
	for (size_t i = 0; i < found; i++)
		run_settle(run, cancelled[i]);
	free(cancelled);
	return found;
}

/* has it ended in a way that keeps those who need it from starting? `again`: the tasks that begin anew */
static bool is_bad(const struct run *run, const bool *again, uint32_t stream)
{
	const struct task *task = &run->tasks[stream];

	if (!task->in_run || again[stream] || task->state < ORCH_TASK_COMPLETED)
		return false;
	if (task->state == ORCH_TASK_SKIPPED && !task->dep_failed && run_settings(run, stream)->when == WHEN_FAILURE)
		return false;
	return task->state != ORCH_TASK_COMPLETED;
}

/* Decided for its dependencies already: does it begin anew? It was chosen (`again`), or skipped for one that does; and
 * nothing else keeps it from starting */
static bool begins_anew(const struct run *run, const bool *again, uint32_t stream)
{
	const struct graph *graph = run->plan->graph;
	const edge *deps = graph_deps(graph, stream);
	bool is_skipped = run->tasks[stream].state == ORCH_TASK_SKIPPED && !run_is_cleanup(run, stream);
	bool chosen = again[stream];

	if (!run->tasks[stream].in_run)
		return false;
	for (uint32_t i = 0; (chosen || is_skipped) && i < graph_dep_count(graph, stream); i++) {
		if (!run_is_cleanup(run, stream) && is_bad(run, again, EDGE_STREAM(deps[i])))
			return false;
		chosen |= is_skipped && again[EDGE_STREAM(deps[i])];
	}
	return chosen;
}

/* its dependencies as they are now; they are dealt with already */
static void count_blockers(struct run *run, const bool *again, uint32_t stream)
{
	struct task *task = &run->tasks[stream];
	const edge *deps = graph_deps(run->plan->graph, stream);
	bool failed = false;

	task->blockers = 0;
	for (uint32_t i = 0; i < graph_dep_count(run->plan->graph, stream); i++) {
		const struct task *dep = &run->tasks[EDGE_STREAM(deps[i])];

		task->blockers += dep->in_run && !dep->over;
		failed |= dep->over && is_bad(run, again, EDGE_STREAM(deps[i]));
	}
	if (again[stream] || task->state == ORCH_TASK_WAITING)
		task->dep_failed = failed;
	task->over = !again[stream] && task->state >= ORCH_TASK_COMPLETED && task->blockers == 0;
}

/* new tasks start again after a failure that kept them from it */
static void go_on(struct run *run)
{
	run->stopping = run->drained = false;
	run->failures = 0;
	run->culprit = NO_STREAM;
	for (uint32_t s = 0; s < run->plan->graph->count; s++) {
		const struct task *task = &run->tasks[s];

		/* it may have been taken from the queue since, and to be there twice does no harm */
		if (task->in_run && task->state == ORCH_TASK_READY)
			sched_enqueue(run, s);
	}
}

bool sched_retry(struct run *run, uint32_t stream, const char *reason)
{
	const struct graph *graph = run->plan->graph;
	const struct task *task = &run->tasks[stream];
	bool *again;

	if (run->stopped || !task->in_run)
		return false;
	if (task->state == ORCH_TASK_BACKOFF) {
		sched_ready_again(run, stream, reason);
		return true;
	}
	if (task->state != ORCH_TASK_FAILED && task->state != ORCH_TASK_CANCELLED)
		return false;
	again = xcalloc(graph->count, sizeof *again);
	for (uint32_t s = 0; s < graph->count; s++)
		again[s] = s == stream ||
			(run->drained && run->tasks[s].drained && run->tasks[s].state == ORCH_TASK_CANCELLED);
	/* each behind its dependencies, so nothing has to be looked at twice */
	for (uint32_t i = 0; i < graph->count; i++)
		again[graph->order[i]] = begins_anew(run, again, graph->order[i]);
	if (!again[stream]) {
		free(again);
		return false;
	}
	for (uint32_t i = 0; i < graph->count; i++) {
		if (run->tasks[graph->order[i]].in_run)
			count_blockers(run, again, graph->order[i]);
	}
	for (uint32_t s = 0; s < graph->count; s++) {
		const struct task *user = &run->tasks[s];

		/* a clean-up stream: what it waited for is not over any more */
		if (user->in_run && user->blockers > 0 &&
			(user->state == ORCH_TASK_READY || user->state == ORCH_TASK_BACKOFF))
			run_set_state(run, s, ORCH_TASK_WAITING, reason);
		if (!again[s])
			continue;
		run->tasks[s].forgiven = run->tasks[s].attempts;
		run->tasks[s].drained = 0;
		run_set_state(run, s, ORCH_TASK_WAITING, reason);
	}
	if (run->stopping)
		go_on(run);
	for (uint32_t s = 0; s < graph->count; s++) {
		if (run->tasks[s].in_run && run->tasks[s].state == ORCH_TASK_WAITING && run->tasks[s].blockers == 0)
			run_release(run, s);
	}
	run_work_off(run);
	free(again);
	return true;
}
