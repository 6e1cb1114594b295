#include "config.h"

#include "exec/executor_private.h"

#include "event/bus.h"
#include "event/event.h"
#include "exec/agents.h"
#include "exec/attempt.h"
#include "exec/hooks.h"
#include "exec/redaction.h"
#include "exec/reporting.h"
#include "exec/stint.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/loop.h"
#include "sched/run.h"
#include "state/journal.h"
#include "state/reportfile.h"
#include "state/ticks.h"
#include "util/alloc.h"
#include "util/error.h"

#include <stdlib.h>

void tell_failure(struct executor *ex, const struct orch_error *err)
{
	if (ex->failed_itself)
		return;
	ex->failed_itself = true;
	ex->error = *err;
	executor_stop(ex, ORCH_STOP_TERM, err->message);
}

void tell(struct executor *ex, struct orch_event *event)
{
	struct orch_error err = {0};
	struct redacted_event clean;
	const struct orch_event *told;

	event->time_ms = clock_wall_ms();
	if (event_is_durable(event->type))
		event->seq = ++ex->seq;
	told = redacted_event_make(&clean, ex->redact, event);
	if (event_is_durable(event->type)) {
		if (journal_append(ex->journal, told, &err) < 0)
			tell_failure(ex, &err);
		if (!ex->settling)
			loop_idle_arm(ex->settle);
	}
	if (bus_publish(ex->bus, told, &err) < 0)
		tell_failure(ex, &err);
	redacted_event_release(&clean);
}

void tell_flush(struct executor *ex, bool sync)
{
	struct orch_error err = {0};

	if (journal_flush(ex->journal, sync, &err) < 0)
		tell_failure(ex, &err);
}

void tell_warning(struct executor *ex, const char *stream, const char *message)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_WARNING);
	event.stream = stream;
	event.message = message;
	tell(ex, &event);
}

void tell_recovery(struct executor *ex, const struct attempt *attempt, const char *message)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_RECOVERY);
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	event.message = message;
	tell(ex, &event);
}

void tell_message(void *data, struct attempt *attempt, const char *text, const char *from)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_MESSAGE);
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	event.message = text;
	event.from = from;
	tell(data, &event);
}

void tell_hold(struct executor *ex, const struct hold *hold)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_ACCOUNT_HELD);
	event.account = hold->account;
	if (hold->until_ms != INT64_MAX)
		event.until = hold->until_ms;
	event.message = hold->reason;
	tell(ex, &event);
}

void tell_free(struct executor *ex, const char *account, const char *message)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_ACCOUNT_FREE);
	event.account = account;
	event.message = message;
	tell(ex, &event);
}

void tell_warning_to(void *data, const char *stream, const char *message)
{
	tell_warning(data, stream, message);
}

/* why a stale stream is stale, as the first event of its task says it */
static char *stale_reason(const struct executor *ex, uint32_t stream)
{
	const struct plan_item *item = &ex->plan->items[stream];

	if (item->reason == REASON_DEP_RUNS && item->other != NO_STREAM)
		return xasprintf("depends on %s, which runs", ex->project->streams[item->other].name);
	return xstrdup(plan_reason_text(item->reason));
}

/* its tasks, and how many of them are done: none of one that begins afresh */
static void count_ticks(struct executor *ex, const struct stream *stream, bool afresh, struct orch_event *event)
{
	const struct words *tasks = &stream->set->tasks;
	struct orch_error err = {0};
	size_t ticked = 0;
	bool *done = NULL;

	if (!tasks->count)
		return;
	if (!afresh && ticks_read(ex->dir, stream->name, tasks->items, tasks->count, &done, &ticked, &err) < 0)
		tell_warning(ex, stream->name, err.message);
	event->tasks = tasks->count;
	event->ticked = (int64_t)ticked;
	free(done);
}

void tell_change(void *data, uint32_t stream, enum orch_task_state from, enum orch_task_state to, const char *reason)
{
	struct executor *ex = data;
	struct orch_event event;
	char *first = NULL;

	/* ready for a slot is told as waiting: most tasks are it for no time at all */
	if (to == ORCH_TASK_READY && from == ORCH_TASK_WAITING)
		return;
	orch_event_init(&event, ORCH_EVENT_TASK);
	event.stream = ex->project->streams[stream].name;
	event.state = (int)to;
	event.reason = reason;
	if (stream == ex->unchanged && to == ORCH_TASK_COMPLETED)
		event.outcome = ORCH_OUTCOME_UNCHANGED;
	if (to == ORCH_TASK_BACKOFF && run_task(ex->run, stream)->wake_ms > 0) {
		event.duration_ms = run_task(ex->run, stream)->wake_ms - clock_mono_ms();
		if (event.duration_ms < 0)
			event.duration_ms = 0;
	}
	/* whatever else holds a task back does so when it is ready */
	if (from == ORCH_TASK_WAITING && to == ORCH_TASK_HELD)
		event.asks = "approval";
	/* and the run ends for want of it */
	if (to == ORCH_TASK_CANCELLED && ex->held_to_the_end && run_task(ex->run, stream)->asks)
		event.asks = "approval";
	if (from == to) {
		event.title = ex->project->streams[stream].title;
		if (plan_knows_time(ex->plan, stream) || stream_is_group(&ex->project->streams[stream]))
			event.expected_ms = plan_expected_ms(ex->plan, stream);
		if (!reason)
			event.reason = first = stale_reason(ex, stream);
		/* what completed begins anew */
		count_ticks(ex, &ex->project->streams[stream], ex->plan->facts[stream].stamp.present, &event);
	}
	tell(ex, &event);
	/* for hooks: a task has no log, its attempts have */
	if (ex->settled && ex->settled->task == stream)
		event.log = ex->settled->log;
	if (to == ORCH_TASK_HELD && event.asks)
		hooks_fire(ex->hooks, HOOK_PAUSE, &event);
	else if (to == ORCH_TASK_FAILED)
		hooks_fire(ex->hooks, HOOK_STREAM_FAILURE, &event);
	else if (to == ORCH_TASK_COMPLETED && stream != ex->unchanged &&
		!stream_is_group(&ex->project->streams[stream]))
		hooks_fire(ex->hooks, HOOK_STREAM_SUCCESS, &event);
	if (hooks_running(ex->hooks) > 0)
		workspaces_note_others(ex->workspaces, 0);
	free(first);
}

/* from here on it is listened to */
static void begin_reports(struct executor *ex, struct attempt *attempt, struct orch_event *event)
{
	struct orch_error err = {0};
	bool afresh = attempt->afresh && !attempt->adopted;

	if (afresh && attempt->stream->set->tasks.count && ticks_remove(ex->dir, attempt->stream->name, &err) < 0)
		tell_warning(ex, attempt->stream->name, err.message);
	count_ticks(ex, attempt->stream, afresh, event);
	attempt->reporting = reporting_new(ex->reportings, attempt, &err);
	if (attempt->reporting)
		reporting_recalled(attempt->reporting, &event->done, &event->total, &event->message);
	else
		tell_failure(ex, &err);
}

void tell_phase(void *data, struct attempt *attempt)
{
	struct executor *ex = data;
	struct orch_event event;

	if (!attempt->announced) {
		orch_event_init(&event, ORCH_EVENT_ATTEMPT_STARTED);
		event.slot = attempt->slot;
		event.pid = attempt->pid > 0 ? attempt->pid : -1;
		event.log = attempt->log;
		if (attempt->memory && agents_next(attempt->agents, attempt->id))
			event.agent = agents_next(attempt->agents, attempt->id)->name;
		begin_reports(ex, attempt, &event);
		if (attempt->adopted) {
			event.run = attempt->run;
			event.duration_ms = clock_mono_ms() - attempt->started_ms;
		}
	} else {
		orch_event_init(&event, ORCH_EVENT_ATTEMPT_PHASE);
		event.phase = attempt->queued_since_ms ? "queued" : attempt_phase_name(attempt->phase);
		event.pid = attempt->pid > 0 ? attempt->pid : -1;
	}
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	tell(ex, &event);
}

void tell_output(void *data, struct attempt *attempt, const char *last_line, int64_t bytes)
{
	struct executor *ex = data;
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_OUTPUT);
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	event.message = last_line;
	event.bytes = bytes;
	event.log = attempt->log;
	tell(ex, &event);
}

/* 1: it is done as of now; 0: it was already, or there is no such task */
static int tick(struct executor *ex, struct attempt *attempt, struct orch_event *event)
{
	const struct words *tasks = &attempt->stream->set->tasks;
	struct orch_error err = {0};
	bool *done = NULL;
	size_t ticked = 0, item = (size_t)event->item;
	int result = 0;

	if (item > tasks->count) {
		char *message = tasks->count ? xasprintf("it says that its task %zu is done, and it has %u", item,
						       tasks->count)
					     : xasprintf("it says that its task %zu is done, and it has no 'tasks:'", item);

		if (!attempt->misticked)
			tell_warning(ex, attempt->stream->name, message);
		attempt->misticked = true;
		free(message);
		return 0;
	}
	if (ticks_read(ex->dir, attempt->stream->name, tasks->items, tasks->count, &done, &ticked, &err) < 0)
		tell_warning(ex, attempt->stream->name, err.message);
	if (!done)
		done = xcalloc(tasks->count, sizeof *done);
	if (!done[item - 1]) {
		done[item - 1] = true;
		if (ticks_write(ex->dir, attempt->stream->name, tasks->items, tasks->count, done, &err) < 0)
			tell_warning(ex, attempt->stream->name, err.message);
		event->message = tasks->items[item - 1];
		event->ticked = (int64_t)ticked + 1;
		event->tasks = tasks->count;
		result = 1;
	}
	free(done);
	return result;
}

void tell_said(void *data, struct attempt *attempt, const struct reportfile_line *line, int64_t end)
{
	static const enum orch_event_type types[ORCH_REPORT_KINDS] = {
		[ORCH_REPORT_PROGRESS] = ORCH_EVENT_PROGRESS,
		[ORCH_REPORT_DONE] = ORCH_EVENT_TASK_DONE,
		[ORCH_REPORT_NOTE] = ORCH_EVENT_NOTE,
		[ORCH_REPORT_OUTPUT] = ORCH_EVENT_VALUE,
	};
	struct executor *ex = data;
	struct orch_event event;

	orch_event_init(&event, types[line->kind]);
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	event.bytes = end;
	if (line->kind == ORCH_REPORT_DONE) {
		event.item = line->done;
		if (!tick(ex, attempt, &event))
			return;
	} else {
		event.done = line->done;
		event.total = line->total;
		event.message = line->done < 0 ? line->text : NULL;
	}
	tell(ex, &event);
}

/* what was found when its command had ended, and did not end by itself */
static void tell_leftovers(struct executor *ex, const struct attempt *attempt)
{
	const char *before = attempt->names ? ": " : "", *names = attempt->names ? attempt->names : "";
	const char *plural = attempt->left_behind == 1 ? "" : "es";
	char *message = NULL;

	if (attempt->unkillable)
		message = xasprintf("%u of its processes could not be ended, even by SIGKILL%s%s", attempt->unkillable,
			before, names);
	/* of one that was made to end it is no news */
	else if (attempt->left_behind && !attempt->ending)
		message = xasprintf("it left %u process%s behind, which %s ended%s%s", attempt->left_behind, plural,
			attempt->left_behind == 1 ? "was" : "were", before, names);
	if (message)
		tell_warning(ex, attempt->stream->name, message);
	free(message);
}

void tell_finished(struct executor *ex, const struct attempt *attempt)
{
	struct orch_event event;
	char *said = NULL;

	orch_event_init(&event, ORCH_EVENT_ATTEMPT_FINISHED);
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	event.outcome = (int)attempt->outcome;
	event.exit_code = attempt->exit_code;
	event.signal = attempt->signal;
	event.duration_ms = attempt->duration_ms;
	if (attempt->queued_ms > 0)
		event.queued_ms = attempt->queued_ms;
	event.user_ms = attempt->user_us / 1000;
	event.system_ms = attempt->system_us / 1000;
	event.max_rss_kb = attempt->max_rss_kb;
	if (attempt->memory_peak > 0)
		event.memory_peak_kb = attempt->memory_peak / 1024;
	event.left_behind = attempt->left_behind ? (int64_t)attempt->left_behind : -1;
	event.message = attempt->message;
	event.log = attempt->log;
	if (attempt->stint) {
		event.agent = attempt->stint->agent->name;
		event.account = attempt->stint->agent->account;
		event.session = attempt->stint->session;
		event.said = said = stint_said(attempt->stint);
	}
	if (attempt->has_cost) {
		event.cost_micros = attempt->spent;
		ex->cost_micros += attempt->spent;
		ex->has_cost = true;
	}
	if (attempt->has_tokens) {
		event.tokens = attempt->tokens;
		ex->tokens += attempt->tokens;
		ex->has_tokens = true;
	}
	tell(ex, &event);
	free(said);
	if (attempt->stint && attempt->stint->lingered && attempt->outcome == ORCH_OUTCOME_SUCCESS)
		tell_warning(ex, attempt->stream->name,
			"its agent had said that it was done, and stayed: it was ended after 'linger'");
	if (attempt->oom_kills && attempt->outcome == ORCH_OUTCOME_SUCCESS) {
		char *message = xasprintf("it succeeded, though %u of its processes had been ended for want of memory",
			attempt->oom_kills);

		tell_warning(ex, attempt->stream->name, message);
		free(message);
	}
	tell_leftovers(ex, attempt);
}
