#include "config.h"

#include "ui/plain.h"

#include <stdlib.h>
#include <string.h>

#include "orch/history.h"
#include "ui/ci.h"
#include "ui/term.h"
#include "ui/words.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/units.h"

enum { TEXT_COLUMNS = 400, TAIL_COLUMNS = 2000 };

/* what a stream's picture does not keep */
struct plain_note {
	const char *reason;   /* why it runs: of its first event; a key of `reasons` */
	int64_t told_attempt; /* whose failure was told as a retry */
};

static struct plain_note *note_of(
	struct plain *plain, const struct orch_status *status, const struct orch_stream_status *stream)
{
	size_t position = (size_t)(stream - status->streams);

	if (position >= plain->note_count) {
		size_t count = plain->note_count > 0 ? plain->note_count : 64;
		while (count <= position)
			count *= 2;
		plain->notes = xreallocarray(plain->notes, count, sizeof *plain->notes);
		memset(plain->notes + plain->note_count, 0, (count - plain->note_count) * sizeof *plain->notes);
		plain->note_count = count;
	}
	return &plain->notes[position];
}

/* a run has many streams and few different reasons */
static const char *keep_reason(struct plain *plain, const char *reason)
{
	char *kept = map_get(&plain->reasons, reason);

	if (kept == NULL) {
		kept = xstrdup(reason);
		map_set(&plain->reasons, kept, kept);
	}
	return kept;
}

void plain_release(struct plain *plain)
{
	size_t position = 0;
	const char *key;
	void *value;

	while (map_next(&plain->reasons, &position, &key, &value))
		free(value);
	map_release(&plain->reasons);
	free(plain->notes);
	plain->notes = NULL;
	plain->note_count = 0;
}

bool plain_is_retry(const struct orch_event *event, const struct orch_stream_status *stream)
{
	return (event->state == ORCH_TASK_BACKOFF || event->state == ORCH_TASK_READY) && stream->attempt > 0 &&
		stream->outcome > ORCH_OUTCOME_UNCHANGED;
}

bool plain_is_unchanged(const struct orch_stream_status *stream, bool *group)
{
	bool never_ran =
		stream->state == ORCH_TASK_COMPLETED && stream->attempt == 0 && stream->outcome != ORCH_OUTCOME_SUCCESS;

	*group = never_ran && stream->outcome < 0 && stream->reason == NULL;
	return stream->outcome == ORCH_OUTCOME_UNCHANGED || (never_ran && !*group);
}

size_t plain_ended(const struct orch_status *status)
{
	return status->count[ORCH_TASK_COMPLETED] + status->count[ORCH_TASK_FAILED] + status->count[ORCH_TASK_SKIPPED] +
		status->count[ORCH_TASK_CANCELLED];
}

size_t plain_total(const struct orch_status *status)
{
	size_t stale = status->stale > 0 ? (size_t)status->stale : 0;

	return stale > status->stream_count ? stale : status->stream_count;
}

static void add_clean(const struct term *term, struct strbuf *out, const char *text)
{
	term_line(out, text, strlen(text), TEXT_COLUMNS, term->unicode);
}

static void add_reason(const struct term *term, struct strbuf *out, const char *before, const char *reason)
{
	if (reason == NULL || *reason == '\0')
		return;
	strbuf_addstr(out, before);
	add_clean(term, out, reason);
}

static void add_tag(const struct plain *plain, struct strbuf *out, const char *tag, enum term_style style)
{
	strbuf_addf(out, "orch: %s%-6s%s ", term_style(plain->term, style), tag, term_style(plain->term, TERM_RESET));
}

static void add_ended(struct strbuf *out, const struct orch_status *status)
{
	strbuf_addf(out, " (%zu/%zu)", plain_ended(status), plain_total(status));
}

void plain_tail(const struct term *term, const struct ci *ci, struct strbuf *out,
	const struct orch_stream_status *stream, unsigned lines)
{
	char *tail, *line, *next;

	if (stream->log == NULL || lines == 0)
		return;
	tail = orch_log_tail(stream->log, lines);
	for (line = tail; line != NULL && *line != '\0'; line = next) {
		size_t len = strcspn(line, "\n"), from;
		next = line + len + (line[len] == '\n');
		strbuf_addf(out, "    %s|%s ", term_style(term, TERM_DIM), term_style(term, TERM_RESET));
		from = out->len;
		term_line(out, line, len, TAIL_COLUMNS, term->unicode);
		ci_defuse(ci, out, from);
		strbuf_addch(out, '\n');
	}
	strbuf_addstr(out, "    ");
	if (tail != NULL && *tail == '\0')
		strbuf_addstr(out, "without output");
	else
		words_logs_command(out, stream->name);
	strbuf_addch(out, '\n');
	free(tail);
}

void plain_retry_text(const struct term *term, struct strbuf *out, const struct orch_event *event,
	const struct orch_stream_status *stream)
{
	char time[UNITS_TEXT_MAX];
	const char *reason = event->reason;

	if (event->state == ORCH_TASK_BACKOFF && event->duration_ms >= 0) {
		strbuf_addf(out, "; again in %s", units_duration(time, event->duration_ms));
		return;
	}
	if (reason != NULL && strcmp(reason, orch_outcome_name((enum orch_outcome)stream->outcome)) != 0 &&
		(stream->message == NULL || strcmp(reason, stream->message) != 0))
		add_reason(term, out, "; ", reason);
	else
		strbuf_addstr(out, event->state == ORCH_TASK_BACKOFF ? "; again after a while" : "; again");
}

static void add_failed(const struct plain *plain, struct strbuf *out, const struct orch_stream_status *stream,
	const struct orch_status *status)
{
	char time[UNITS_TEXT_MAX];

	add_tag(plain, out, "FAILED", TERM_BAD);
	add_clean(plain->term, out, stream->name);
	add_ended(out, status);
	strbuf_addstr(out, ": ");
	words_outcome(out, stream, plain->term->unicode);
	if (stream->duration_ms >= 0 &&
		(stream->outcome == ORCH_OUTCOME_EXIT || stream->outcome == ORCH_OUTCOME_SIGNAL))
		strbuf_addf(out, " after %s", units_duration(time, stream->duration_ms));
	if (stream->attempt > 1)
		strbuf_addf(out, ", attempt %lld", (long long)stream->attempt);
	strbuf_addch(out, '\n');
	plain_tail(plain->term, plain->ci, out, stream, plain->log_lines);
}

static void add_done(const struct plain *plain, struct strbuf *out, const struct orch_stream_status *stream,
	const struct orch_status *status, const char *reason)
{
	char time[UNITS_TEXT_MAX];
	bool group, same = plain_is_unchanged(stream, &group);

	add_tag(plain, out, same ? "same" : "done", same ? TERM_DIM : TERM_GOOD);
	add_clean(plain->term, out, stream->name);
	add_ended(out, status);
	if (same)
		add_reason(
			plain->term, out, ": ", reason != NULL ? reason : "what it depends on gave the same results");
	else if (stream->attempt > 0)
		strbuf_addf(out, " in %s", units_duration(time, stream->duration_ms > 0 ? stream->duration_ms : 0));
	strbuf_addch(out, '\n');
}

static void add_simple(const struct plain *plain, struct strbuf *out, const char *tag,
	const struct orch_stream_status *stream, const struct orch_status *status, const char *reason)
{
	add_tag(plain, out, tag, status != NULL ? TERM_WARN : TERM_RESET);
	add_clean(plain->term, out, stream->name);
	if (status != NULL)
		add_ended(out, status);
	add_reason(plain->term, out, ": ", reason);
	strbuf_addch(out, '\n');
}

static void add_retry(const struct plain *plain, struct strbuf *out, const struct orch_stream_status *stream,
	const struct orch_event *event)
{
	char time[UNITS_TEXT_MAX];

	add_tag(plain, out, "retry", TERM_WARN);
	add_clean(plain->term, out, stream->name);
	strbuf_addf(out, " attempt %lld: ", (long long)stream->attempt);
	words_outcome(out, stream, plain->term->unicode);
	if (stream->outcome == ORCH_OUTCOME_EXIT || stream->outcome == ORCH_OUTCOME_SIGNAL)
		strbuf_addf(out, " after %s", units_duration(time, stream->duration_ms > 0 ? stream->duration_ms : 0));
	plain_retry_text(plain->term, out, event, stream);
	strbuf_addch(out, '\n');
}

static void task_changed(
	struct plain *plain, struct strbuf *out, const struct orch_event *event, const struct orch_status *status)
{
	const struct orch_stream_status *stream = orch_status_find(status, event->stream);

	struct plain_note *note;

	if (stream == NULL)
		return;
	note = note_of(plain, status, stream);
	if (note->reason == NULL && stream->attempt == 0 && event->state == ORCH_TASK_WAITING && event->reason != NULL)
		note->reason = keep_reason(plain, event->reason);
	if (event->state == ORCH_TASK_FAILED) {
		add_failed(plain, out, stream, status);
		return;
	}
	if (plain->verbosity < 0)
		return;
	if (plain_is_retry(event, stream) && note->told_attempt != stream->attempt) {
		note->told_attempt = stream->attempt;
		add_retry(plain, out, stream, event);
		return;
	}
	switch (event->state) {
	case ORCH_TASK_COMPLETED:
		add_done(plain, out, stream, status, event->reason);
		break;
	case ORCH_TASK_SKIPPED:
		add_simple(plain, out, "skip", stream, status, event->reason);
		break;
	case ORCH_TASK_CANCELLED:
		add_simple(plain, out, "cancel", stream, status, event->reason);
		break;
	case ORCH_TASK_HELD:
		add_simple(plain, out, "hold", stream, NULL, event->reason);
		break;
	case ORCH_TASK_READY:
		if (plain->verbosity > 0)
			add_simple(plain, out, "ready", stream, NULL, event->reason);
		break;
	default:
		break;
	}
}

static void attempt_started(
	struct plain *plain, struct strbuf *out, const struct orch_event *event, const struct orch_status *status)
{
	const struct orch_stream_status *stream = orch_status_find(status, event->stream);

	if (event->attempt <= 1)
		plain->started++;
	if (plain->verbosity < 0)
		return;
	add_tag(plain, out, "start", TERM_RESET);
	add_clean(plain->term, out, event->stream);
	strbuf_addf(out, " (%zu/%zu)", plain->started, plain_total(status));
	if (event->attempt > 1)
		strbuf_addf(out, " attempt %lld", (long long)event->attempt);
	if (stream != NULL && event->attempt <= 1)
		add_reason(plain->term, out, ": ",
			stream->reason != NULL ? stream->reason : note_of(plain, status, stream)->reason);
	strbuf_addch(out, '\n');
}

static void run_started(const struct plain *plain, struct strbuf *out, const struct orch_event *event)
{
	if (plain->verbosity < 0)
		return;
	add_tag(plain, out, "run", TERM_RESET);
	add_clean(plain->term, out, event->run != NULL ? event->run : "");
	strbuf_addf(out, ": %lld of ", (long long)(event->stale > 0 ? event->stale : 0));
	words_count(out, event->count > 0 ? (size_t)event->count : 0, "stream");
	if (event->jobs > 0)
		strbuf_addf(out, ", %lld at once", (long long)event->jobs);
	strbuf_addch(out, '\n');
}

/* a person changed how the run goes on, or the machine did */
static void steered(const struct plain *plain, struct strbuf *out, const struct orch_event *event)
{
	if (event->type == ORCH_EVENT_JOBS) {
		add_tag(plain, out, "jobs", TERM_RESET);
		strbuf_addf(out, "%lld at once", (long long)event->jobs);
	} else if (event->type == ORCH_EVENT_SLOTS) {
		add_tag(plain, out, "slots", TERM_WARN);
		strbuf_addf(out, "%lld at once for now", (long long)event->jobs);
	} else if (event->type == ORCH_EVENT_PAUSED) {
		add_tag(plain, out, "pause", TERM_WARN);
		strbuf_addstr(out, "nothing new starts until 'orch resume'");
	} else {
		add_tag(plain, out, "go on", TERM_RESET);
		strbuf_addstr(out, "new streams start again");
	}
	add_reason(plain->term, out, ": ", event->message);
	strbuf_addch(out, '\n');
}

/* what its work says of itself; a task that is done is a change, the rest is talk */
static void work_said(const struct plain *plain, struct strbuf *out, const struct orch_event *event)
{
	bool done = event->type == ORCH_EVENT_TASK_DONE;

	if (plain->verbosity < (done ? 0 : 1))
		return;
	add_tag(plain, out, done ? "tick" : event->type == ORCH_EVENT_NOTE ? "note" : "at", TERM_RESET);
	add_clean(plain->term, out, event->stream);
	if (done)
		strbuf_addf(out, " (%lld/%lld)", (long long)event->ticked, (long long)event->tasks);
	else if (event->type == ORCH_EVENT_PROGRESS && event->total > 0)
		strbuf_addf(out, " %lld/%lld", (long long)event->done, (long long)event->total);
	add_reason(plain->term, out, ": ", event->message);
	strbuf_addch(out, '\n');
}

void plain_event(
	struct plain *plain, struct strbuf *out, const struct orch_event *event, const struct orch_status *status)
{
	switch (event->type) {
	case ORCH_EVENT_RUN_STARTED:
		run_started(plain, out, event);
		break;
	case ORCH_EVENT_TASK:
		task_changed(plain, out, event, status);
		break;
	case ORCH_EVENT_ATTEMPT_STARTED:
		attempt_started(plain, out, event, status);
		break;
	case ORCH_EVENT_ATTEMPT_PHASE:
		if (plain->verbosity > 0 && event->phase != NULL) {
			add_tag(plain, out, "phase", TERM_RESET);
			add_clean(plain->term, out, event->stream);
			add_reason(plain->term, out, ": ", event->phase);
			strbuf_addch(out, '\n');
		}
		break;
	case ORCH_EVENT_WARNING:
		add_tag(plain, out, "warn", TERM_WARN);
		if (event->stream != NULL) {
			add_clean(plain->term, out, event->stream);
			strbuf_addstr(out, ": ");
		}
		add_reason(plain->term, out, "", event->message);
		strbuf_addch(out, '\n');
		break;
	case ORCH_EVENT_RECOVERY:
		add_tag(plain, out, "rule", TERM_WARN);
		add_clean(plain->term, out, event->stream);
		add_reason(plain->term, out, ": ", event->message);
		strbuf_addch(out, '\n');
		break;
	case ORCH_EVENT_RESUMED:
		if (plain->verbosity >= 0) {
			add_tag(plain, out, "resume", TERM_RESET);
			add_reason(plain->term, out, "", event->message);
			strbuf_addch(out, '\n');
		}
		break;
	case ORCH_EVENT_MERGED:
		if (plain->verbosity >= 0) {
			add_tag(plain, out, "merge", TERM_RESET);
			add_clean(plain->term, out, event->stream);
			add_reason(plain->term, out, ": ", event->message);
			strbuf_addch(out, '\n');
		}
		break;
	case ORCH_EVENT_APPROVED:
		if (plain->verbosity >= 0) {
			add_tag(plain, out, "approve", TERM_RESET);
			add_clean(plain->term, out, event->stream);
			add_reason(plain->term, out, " ", event->message);
			strbuf_addch(out, '\n');
		}
		break;
	case ORCH_EVENT_MESSAGE:
		if (plain->verbosity >= 0) {
			add_tag(plain, out, "tell", TERM_RESET);
			add_clean(plain->term, out, event->stream);
			add_reason(plain->term, out, " from ", event->from);
			add_reason(plain->term, out, ": ", event->message);
			strbuf_addch(out, '\n');
		}
		break;
	case ORCH_EVENT_STOPPING:
		if (plain->verbosity >= 0) {
			add_tag(plain, out, "stop", TERM_WARN);
			add_reason(plain->term, out, "", event->message != NULL ? event->message : "asked to");
			strbuf_addstr(out, ": nothing new starts\n");
		}
		break;
	case ORCH_EVENT_PAUSED:
	case ORCH_EVENT_UNPAUSED:
	case ORCH_EVENT_JOBS:
	case ORCH_EVENT_SLOTS:
		if (plain->verbosity >= 0)
			steered(plain, out, event);
		break;
	case ORCH_EVENT_RELOADED:
		if (plain->verbosity >= 0) {
			add_tag(plain, out, "reload", TERM_RESET);
			add_reason(plain->term, out, "", event->message);
			strbuf_addch(out, '\n');
		}
		break;
	case ORCH_EVENT_TASK_DONE:
	case ORCH_EVENT_PROGRESS:
	case ORCH_EVENT_NOTE:
		work_said(plain, out, event);
		break;
	/* the tasks that it concerns say so */
	case ORCH_EVENT_ACCOUNT_HELD:
	case ORCH_EVENT_ACCOUNT_FREE:
	case ORCH_EVENT_VALUE:
	case ORCH_EVENT_OUTPUT:
	case ORCH_EVENT_ATTEMPT_FINISHED:
	case ORCH_EVENT_STAMPED:
	case ORCH_EVENT_RUN_FINISHED:
		break;
	}
}
