#include "config.h"

#include "exec/executor_private.h"

#include "exec/attempt.h"
#include "exec/hooks.h"
#include "exec/message.h"
#include "exec/jobserver.h"
#include "graph/project.h"
#include "graph/select.h"
#include "os/loop.h"
#include "sched/sched.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strvec.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void executor_stop(struct executor *ex, enum orch_stop how, const char *why)
{
	struct orch_event event;

	if (ex->finishing) {
		/* only hooks can be left */
		if (how != ORCH_STOP_DRAIN)
			hooks_stop(ex->hooks, how == ORCH_STOP_KILL ? SIGKILL : SIGTERM);
		return;
	}
	if (!ex->run)
		return; /* nothing has begun: executor_execute() looks again */
	orch_event_init(&event, ORCH_EVENT_STOPPING);
	event.message = why;
	tell(ex, &event);
	executor_withdraw(ex);
	sched_stop(ex->run, why);
	if (how != ORCH_STOP_DRAIN) {
		for (uint32_t s = 0; s < ex->project->stream_count; s++) {
			/* what can go on without us has no part in our own trouble: settle() lets it go */
			if (ex->running[s] && !(ex->failed_itself && attempt_outlives_us(ex->running[s])))
				attempt_end(ex->running[s], ORCH_OUTCOME_STOPPED, how == ORCH_STOP_KILL);
		}
		for (size_t i = 0; i < ex->outside.count; i++) {
			if (!(ex->failed_itself && attempt_outlives_us(ex->outside.items[i])))
				attempt_end(ex->outside.items[i], ORCH_OUTCOME_STOPPED, how == ORCH_STOP_KILL);
		}
	}
	loop_idle_arm(ex->settle);
}

/* --- by name --- */

int executor_is_under_way(const struct executor *ex, struct orch_error *err)
{
	if (ex->run && !ex->finishing)
		return 0;
	return error_code(err, ORCH_EUSAGE, ex->run ? "the run is over" : "the run has not begun yet");
}

int steer_find_targets(
	struct executor *ex, const char *const *targets, uint32_t **out, size_t *count, struct orch_error *err)
{
	const struct graph *graph = ex->plan->graph;
	bool *marked = xcalloc((size_t)graph->count + 1, sizeof *marked);

	for (; *targets; targets++) {
		if (select_target(ex->project, graph, *targets, marked, err) < 0) {
			free(marked);
			return -1;
		}
	}
	for (uint32_t i = graph->count; i-- > 0;) {
		uint32_t s = graph->order[i];
		const edge *deps = graph_deps(graph, s);

		if (!marked[s] || !stream_is_group(&ex->project->streams[s]))
			continue;
		for (uint32_t d = 0; d < graph_dep_count(graph, s); d++)
			marked[EDGE_STREAM(deps[d])] = true;
	}
	*out = xcalloc((size_t)graph->count + 1, sizeof **out);
	*count = 0;
	for (uint32_t i = 0; i < graph->count; i++) {
		if (marked[graph->order[i]])
			(*out)[(*count)++] = graph->order[i];
	}
	free(marked);
	return 0;
}

int steer_refuse(
	const struct executor *ex, const uint32_t *streams, size_t count, const char *what, struct orch_error *err)
{
	const struct task *task;
	const char *name;
	size_t first = 0;

	while (first + 1 < count && stream_is_group(&ex->project->streams[streams[first]]))
		first++;
	task = run_task(ex->run, streams[first]);
	name = ex->project->streams[streams[first]].name;
	if (!task->in_run)
		return error_code(err, ORCH_EUSAGE,
			"%s has no part in this run, so it cannot be %s: it was complete or not asked for", name, what);
	if (task->state == ORCH_TASK_SKIPPED)
		return error_code(err, ORCH_EUSAGE,
			"%s was skipped because of what it depends on, so it cannot be %s; 'orch status %s' says of which",
			name, what, name);
	if (task->state == ORCH_TASK_CANCELLED && sched_is_stopping(ex->run))
		return error_code(err, ORCH_EUSAGE, "the run is being stopped, so %s cannot be %s", name, what);
	if (task->state == ORCH_TASK_CANCELLED)
		return error_code(err, ORCH_EUSAGE, "%s was cancelled, so it cannot be %s", name, what);
	if (task->state >= ORCH_TASK_COMPLETED)
		return error_code(err, ORCH_EUSAGE, "%s has %s already, so it cannot be %s", name,
			orch_task_state_name((enum orch_task_state)task->state), what);
	return error_code(err, ORCH_EUSAGE, "%s is %s, so it cannot be %s", name,
		orch_task_state_name((enum orch_task_state)task->state), what);
}

/* under way, and of a stream that is in the run no more; or NULL */
static struct attempt *find_outside(const struct executor *ex, const char *name)
{
	for (size_t i = 0; i < ex->outside.count; i++) {
		if (!ex->outside.items[i]->done && strcmp(ex->outside.items[i]->stream->name, name) == 0)
			return ex->outside.items[i];
	}
	return NULL;
}

int executor_stop_streams(struct executor *ex, const char *const *targets, bool now, const char *why, size_t *count,
	struct orch_error *err)
{
	uint32_t *streams = NULL;
	size_t found = 0, stopped = 0;
	struct strvec rest = {0};
	int result = 0;

	if (executor_is_under_way(ex, err) < 0)
		return -1;
	for (const char *const *target = targets; *target; target++) {
		if (!find_outside(ex, *target))
			strvec_push(&rest, *target);
	}
	if (rest.count > 0)
		result = steer_find_targets(ex, (const char *const *)rest.items, &streams, &found, err);
	strvec_release(&rest);
	if (result < 0)
		return -1;
	executor_withdraw(ex);
	for (; *targets; targets++) {
		struct attempt *attempt = find_outside(ex, *targets);

		if (attempt) {
			attempt_end(attempt, ORCH_OUTCOME_STOPPED, now);
			stopped++;
		}
	}
	for (size_t i = 0; i < found; i++) {
		if (ex->running[streams[i]] && !ex->running[streams[i]]->done) {
			attempt_end(ex->running[streams[i]], ORCH_OUTCOME_STOPPED, now);
			stopped++;
		}
	}
	stopped += sched_cancel(ex->run, streams, found, why);
	if (stopped == 0)
		result = steer_refuse(ex, streams, found, "stopped", err);
	if (count)
		*count = stopped;
	free(streams);
	loop_idle_arm(ex->settle);
	return result;
}

int executor_retry(
	struct executor *ex, const char *const *targets, const char *why, size_t *count, struct orch_error *err)
{
	uint32_t *streams;
	size_t found, retried = 0;
	int result = 0;

	if (executor_is_under_way(ex, err) < 0 || steer_find_targets(ex, targets, &streams, &found, err) < 0)
		return -1;
	executor_withdraw(ex);
	for (size_t i = 0; i < found; i++)
		retried += sched_retry(ex->run, streams[i], why);
	if (retried == 0)
		result = steer_refuse(ex, streams, found, "tried again", err);
	if (count)
		*count = retried;
	free(streams);
	loop_idle_arm(ex->settle);
	return result;
}

/* it does not run: why nobody can be told anything there */
static int refuse_message(const struct executor *ex, const char *stream, struct orch_error *err)
{
	uint32_t id = project_find(ex->project, stream);
	const struct task *task;

	if (id == NO_STREAM)
		return error_code(err, ORCH_EUSAGE, "no stream is named '%s'; 'orch status' shows what runs", stream);
	task = run_task(ex->run, id);
	if (!task->in_run)
		return error_code(err, ORCH_EUSAGE, "%s has no part in this run: nobody is there to read a message", stream);
	if (task->state >= ORCH_TASK_COMPLETED)
		return error_code(err, ORCH_EUSAGE, "%s has ended (%s): nobody is there to read a message", stream,
			orch_task_state_name((enum orch_task_state)task->state));
	return error_code(err, ORCH_EUSAGE, "%s does not run yet (%s): nobody is there to read a message", stream,
		orch_task_state_name((enum orch_task_state)task->state));
}

int executor_send(struct executor *ex, const char *stream, const char *text, size_t len, const char *from, bool *typed,
	struct orch_error *err)
{
	uint32_t id = project_find(ex->project, stream);
	struct attempt *attempt = NULL;

	if (executor_is_under_way(ex, err) < 0)
		return -1;
	/* what stands by may begin at any moment: then it runs, or is ready again */
	executor_withdraw(ex);
	loop_idle_arm(ex->settle);
	if (id != NO_STREAM)
		attempt = ex->running[id];
	if (!attempt)
		attempt = find_outside(ex, stream);
	if (!attempt || attempt->done)
		return refuse_message(ex, stream, err);
	return message_send(attempt, text, len, from, typed, err);
}

int executor_pause(struct executor *ex, bool paused, const char *why, struct orch_error *err)
{
	struct orch_event event;

	if (executor_is_under_way(ex, err) < 0)
		return -1;
	/* whoever lets it go on wants what is held to go on too */
	if (!paused)
		hold_release(ex, true, why);
	if (sched_is_paused(ex->run) == paused)
		return 0;
	executor_withdraw(ex);
	sched_pause(ex->run, paused);
	orch_event_init(&event, paused ? ORCH_EVENT_PAUSED : ORCH_EVENT_UNPAUSED);
	event.message = why;
	tell(ex, &event);
	if (paused)
		hooks_fire(ex->hooks, HOOK_PAUSE, &event);
	loop_idle_arm(ex->settle);
	return 0;
}

int executor_set_jobs(struct executor *ex, unsigned jobs, const char *why, struct orch_error *err)
{
	struct orch_event event;

	if (executor_is_under_way(ex, err) < 0)
		return -1;
	if (jobs < 1)
		return error_code(err, ORCH_EUSAGE, "a run needs at least one slot");
	if (sched_jobs(ex->run) == jobs)
		return 0;
	executor_withdraw(ex);
	sched_set_jobs(ex->run, jobs);
	jobserver_set(ex->jobserver, ex->project, jobs);
	orch_event_init(&event, ORCH_EVENT_JOBS);
	event.jobs = jobs;
	event.message = why;
	tell(ex, &event);
	loop_idle_arm(ex->settle);
	return 0;
}
