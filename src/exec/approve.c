/* What needs a person's word before it starts (`approve = yes`): who asks for it, who has given it, and how long that
 * is waited for. */
#include "config.h"

#include "exec/executor_private.h"

#include "exec/attempt.h"
#include "exec/hooks.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/loop.h"
#include "sched/sched.h"
#include "state/approval.h"
#include "util/alloc.h"
#include "util/error.h"

#include <stdlib.h>

static void tell_approved(struct executor *ex, const char *stream, const char *message)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_APPROVED);
	event.stream = stream;
	event.message = message;
	tell(ex, &event);
}

/* 1: it was approved of before, as it is now; 0: it was not, *by (to be freed) is who has approved of what it was then,
 * or NULL */
static int look(struct executor *ex, uint32_t id, char **by)
{
	const char *name = ex->project->streams[id].name;
	const struct plan_facts *facts = &ex->plan->facts[id];
	struct approval approval;
	struct orch_error err = {0};
	int found = approval_read(ex->dir, name, &approval, &err);

	*by = NULL;
	if (found < 0)
		tell_warning(ex, name, err.message);
	if (found <= 0)
		return 0;
	found = approval_fits(&approval, facts->recipe, facts->inputs, plan_deps_digest(ex->plan, id));
	if (found) {
		char *message = xasprintf("by %s, before it was ready", approval.by);

		tell_approved(ex, name, message);
		free(message);
	} else {
		*by = xstrdup(approval.by);
	}
	approval_release(&approval);
	return found;
}

const char *approve_ask(void *data, uint32_t id)
{
	struct executor *ex = data;
	const char *name = ex->project->streams[id].name;
	struct orch_error err = {0};
	char *by;

	/* it will be found complete, or its start will say what is wrong */
	if (executor_must_run(ex, id, &err) <= 0 || look(ex, id, &by))
		return NULL;
	free(ex->asked);
	ex->asked = by ? xasprintf("approval: 'orch approve %s'; it is not what %s approved of any more", name, by)
		       : xasprintf("approval: 'orch approve %s'", name);
	free(by);
	return ex->asked;
}

void approve_used(struct executor *ex, const struct attempt *attempt)
{
	struct orch_error err = {0};

	if (attempt->stream->set->approve && approval_remove(ex->dir, attempt->stream->name, &err) < 0)
		tell_warning(ex, attempt->stream->name, err.message);
}

/* --- waiting for it --- */

bool approve_may_wait(struct executor *ex)
{
	int64_t most = ex->options->approval_wait_ms, now = clock_mono_ms(), left;

	if (sched_asking(ex->run) == 0)
		return false;
	if (most < 0)
		return true;
	if (ex->asking_since_ms == 0)
		ex->asking_since_ms = now;
	left = ex->asking_since_ms + most - now;
	if (left <= 0)
		return false;
	loop_timer_arm(ex->approval_end, left);
	return true;
}

void approve_need_not_wait(struct executor *ex)
{
	ex->asking_since_ms = 0;
	loop_timer_disarm(ex->approval_end);
}

void approve_on_end(void *data)
{
	struct executor *ex = data;

	loop_idle_arm(ex->settle);
}

/* --- giving it --- */

static bool may_be_approved(const struct executor *ex, uint32_t id)
{
	const struct task *task = run_task(ex->run, id);

	return task->in_run && task->state < ORCH_TASK_COMPLETED && !task->approved &&
		ex->project->streams[id].set->approve && !stream_is_group(&ex->project->streams[id]);
}

static int approve_one(struct executor *ex, uint32_t id, const char *who, struct orch_error *err)
{
	const char *name = ex->project->streams[id].name;
	const struct plan_facts *facts = &ex->plan->facts[id];
	struct approval approval = {.at_ms = clock_wall_ms(),
		.recipe = facts->recipe,
		.inputs = facts->inputs,
		.deps = plan_deps_digest(ex->plan, id),
		/* of what has still to wait nobody knows what it will start from */
		.made_known = run_task(ex->run, id)->asks};
	char *message;
	int result;

	approval.by = xstrdup(who);
	result = approval_write(ex->dir, name, &approval, err);
	approval_release(&approval);
	if (result < 0)
		return -1;
	message = xasprintf("by %s", who);
	tell_approved(ex, name, message);
	free(message);
	message = xasprintf("approved by %s", who);
	sched_approve(ex->run, id, message);
	free(message);
	return 0;
}

/* nothing could be approved: why not */
static int refuse(const struct executor *ex, const uint32_t *streams, size_t count, struct orch_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct stream *stream = &ex->project->streams[streams[i]];
		const struct task *task = run_task(ex->run, streams[i]);

		if (stream->set->approve && task->in_run && task->approved && task->state < ORCH_TASK_RUNNING)
			return error_code(err, ORCH_EUSAGE, "%s has been approved already", stream->name);
		if (stream->set->approve && !stream_is_group(stream))
			return steer_refuse(ex, &streams[i], 1, "approved", err);
	}
	return error_code(err, ORCH_EUSAGE, "%s needs no approval: it has no 'approve = yes'",
		count ? ex->project->streams[streams[count - 1]].name : "it");
}

int executor_approve(
	struct executor *ex, const char *const *targets, const char *who, size_t *count, struct orch_error *err)
{
	uint32_t *streams;
	size_t found, approved = 0;
	int result = 0;

	if (executor_is_under_way(ex, err) < 0 || steer_find_targets(ex, targets, &streams, &found, err) < 0)
		return -1;
	executor_withdraw(ex);
	for (size_t i = 0; i < found && result == 0; i++) {
		if (!may_be_approved(ex, streams[i]))
			continue;
		result = approve_one(ex, streams[i], who, err);
		approved += result == 0;
	}
	if (result == 0 && approved == 0)
		result = refuse(ex, streams, found, err);
	if (count)
		*count = approved;
	free(streams);
	loop_idle_arm(ex->settle);
	return result;
}
