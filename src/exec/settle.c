#include "config.h"

#include "exec/executor_private.h"

#include "exec/agents.h"
#include "exec/attempt.h"
#include "exec/facts.h"
#include "exec/stint_prompt.h"
#include "exec/syncer.h"
#include "exec/values.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/loop.h"
#include "sched/sched.h"
#include "state/fingerprint.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

void settle_later(void *data, struct attempt *attempt)
{
	struct executor *ex = data;

	attempt->next = ex->ended;
	ex->ended = attempt;
	loop_idle_arm(ex->settle);
}

/* into the store, and into `text` for the journal */
static int put_stamp(struct executor *ex, const struct attempt *attempt, const struct stamp_detail *detail,
	struct strbuf *text, struct orch_error *err)
{
	const char *stream = attempt->stream->name;

	stamp_write(text, stream, detail);
	return stamp_store_put_text(ex->store, stream, &detail->stamp, text->data, text->len, err);
}

/* what it declared is there, and its stamp says what it was made from, as that was when it began. On failure the
 * outcome becomes one */
static void complete(struct executor *ex, struct attempt *attempt)
{
	struct stamp_detail detail = {0};
	const char *missing = attempt->workspace ? NULL : fingerprint_missing_output(attempt->stream, NULL);
	struct orch_error err = {0};
	struct orch_event event;
	struct strbuf text = {0};
	int values;

	if (missing) {
		attempt->outcome = ORCH_OUTCOME_OUTPUTS;
		attempt->message = xasprintf("it succeeded, but its output '%s' does not exist", missing);
		return;
	}
	if (!generate_keep(ex, attempt))
		return;
	values = values_read(&detail, ex->redact, attempt->run, attempt->stream->name, attempt->number, &err);
	if (values > 0) {
		attempt->outcome = ORCH_OUTCOME_OUTPUTS;
		attempt->message = xstrdup(err.message);
	} else if (values < 0 ||
		facts_describe(&detail, attempt->plan, attempt->id, ex->cache, attempt->run, attempt->number,
			attempt->duration_ms, attempt->workspace, &err) < 0 ||
		(attempt->stream->set->when != WHEN_FAILURE && put_stamp(ex, attempt, &detail, &text, &err) < 0)) {
		attempt->outcome = ORCH_OUTCOME_INTERNAL;
		attempt->message = xasprintf("its work succeeded, but that could not be recorded: %s", err.message);
	} else {
		if (stream_has_prompt(attempt->stream) && stint_keep_summary(attempt, &err) < 0)
			tell_warning(ex, attempt->stream->name, err.message);
		if (attempt->task != NO_STREAM)
			ex->plan->facts[attempt->task].stamp = detail.stamp;
		if (attempt->stream->set->when != WHEN_FAILURE) {
			orch_event_init(&event, ORCH_EVENT_STAMPED);
			event.stream = attempt->stream->name;
			event.attempt = attempt->number;
			event.stamp = strbuf_cstr(&text);
			tell(ex, &event);
		}
	}
	strbuf_release(&text);
	stamp_detail_release(&detail);
}

/* in the order in which they ended */
static struct attempt *take_ended(struct executor *ex)
{
	struct attempt *list = NULL;

	while (ex->ended) {
		struct attempt *attempt = ex->ended;

		ex->ended = attempt->next;
		attempt->next = list;
		list = attempt;
	}
	return list;
}

static const char *failure_reason(const struct attempt *attempt)
{
	if (attempt->message)
		return attempt->message;
	return attempt->outcome == ORCH_OUTCOME_SUCCESS ? NULL : orch_outcome_name(attempt->outcome);
}

/* While what has ended is being written down, others can run already: where all went well, and nothing waits for it
 * that would have to come first */
static void refill(struct executor *ex, struct attempt *list)
{
	bool freed = false;

	for (struct attempt *attempt = list; attempt; attempt = attempt->next) {
		if (attempt->outcome != ORCH_OUTCOME_SUCCESS || attempt->outdated || attempt->task == NO_STREAM ||
			attempt->stream->set->outputs.count > 0 || attempt->stream->set->generates)
			return;
	}
	for (struct attempt *attempt = list; attempt; attempt = attempt->next)
		freed |= sched_free_slot(ex->run, attempt->task);
	if (freed)
		executor_fill_slots(ex);
}

/* it is in the run no more, and so there is no other attempt: how it ended is how its task did */
static void end_outside(struct executor *ex, struct attempt *attempt)
{
	enum orch_task_state state = attempt->outdated || attempt->outcome == ORCH_OUTCOME_STOPPED ? ORCH_TASK_CANCELLED
		: attempt->outcome == ORCH_OUTCOME_SUCCESS                                         ? ORCH_TASK_COMPLETED
												   : ORCH_TASK_FAILED;
	const char *why = failure_reason(attempt);

	outside_over(ex, attempt, state, why ? why : "it is in the Orchfile no more");
}

static void end_task(struct executor *ex, struct attempt *attempt)
{
	uint32_t id = attempt->task;

	ex->running[id] = NULL;
	/* what failed was the recipe before: the one that it has now is still to be tried */
	if (attempt->plan != ex->plan && attempt->plan->facts[attempt->id].recipe != ex->plan->facts[id].recipe)
		sched_forgive(ex->run, id);
	if (attempt->outdated && attempt->outcome != ORCH_OUTCOME_STOPPED)
		sched_put_back(ex->run, id);
	else if (attempt->memory && attempt->outcome != ORCH_OUTCOME_SUCCESS)
		hold_settle(ex, attempt, failure_reason(attempt));
	else
		sched_finish(ex->run, id, attempt->outcome, failure_reason(attempt), clock_mono_ms());
}

void settle_ended(struct executor *ex)
{
	struct attempt *list = take_ended(ex), *attempt;
	bool at_once = false, was_settling = ex->settling;

	if (!list)
		return;
	ex->settling = true;
	refill(ex, list);
	for (attempt = list; attempt; attempt = attempt->next) {
		if (attempt->outcome == ORCH_OUTCOME_SUCCESS && !attempt->outdated)
			complete(ex, attempt);
		if (attempt->outcome == ORCH_OUTCOME_SUCCESS) {
			agents_succeeded(attempt->agents, attempt);
			approve_used(ex, attempt);
		}
		ex->sum_ms += attempt->duration_ms;
		at_once |= attempt->duration_ms >= SYNC_AT_ONCE_MS;
		tell_finished(ex, attempt);
	}
	if (at_once) {
		tell_flush(ex, true);
		syncer_done(ex->syncer);
	} else {
		syncer_request(ex->syncer);
	}
	ex->short_of_resources = false;
	while (list) {
		attempt = list;
		list = attempt->next;
		/* what could not be recorded is, by the next orch */
		if (attempt_outlives_us(attempt) && attempt->outcome != ORCH_OUTCOME_INTERNAL)
			resume_forget(ex, attempt);
		/* it has begun again from its base: a retry goes on from there */
		if (attempt->task != NO_STREAM &&
			(attempt->workspace ? attempt->workspace->cwd != NULL : !workspace_is_wanted(attempt->stream)))
			ex->afresh[attempt->task] = false;
		if (attempt->workspace)
			workspace_leave(ex->workspaces, attempt, attempt->outcome == ORCH_OUTCOME_SUCCESS);
		ex->settled = attempt;
		generate_grow(ex, attempt);
		if (attempt->task == NO_STREAM)
			end_outside(ex, attempt);
		else
			end_task(ex, attempt);
		ex->settled = NULL;
		executor_drop(ex, attempt);
	}
	workspaces_others_over(ex->workspaces);
	ex->settling = was_settling;
}

void settle(void *data)
{
	struct executor *ex = data;

	ex->settling = true;
	if (ex->failed_itself)
		resume_leave(ex);
	settle_ended(ex);
	executor_pump(ex);
	tell_flush(ex, false);
	ex->settling = false;
	/* what ended while tasks were being started */
	if (ex->ended)
		loop_idle_arm(ex->settle);
}
