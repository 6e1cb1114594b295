#include "config.h"

#include "orch/status.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "event/accounts.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/map.h"
#include "util/strbuf.h"
#include "util/units.h"

enum { WARNINGS_MAX = 100 };

static const char *const left_names[] = {
	[ORCH_LEFT_RUNNING] = "running",
	[ORCH_LEFT_ENDED] = "ended",
	[ORCH_LEFT_LOST] = "lost",
};

/* most events repeat what is known: the copy is made only when the text is another one */
static void set_text(char **to, const char *from)
{
	if (!from) {
		free(*to);
		*to = NULL;
		return;
	}
	if (*to && strcmp(*to, from) == 0)
		return;
	free(*to);
	*to = xstrdup(from);
}

static void set_number(int64_t *to, int64_t from)
{
	if (from != -1)
		*to = from;
}

void orch_status_init(struct orch_status *status)
{
	*status = (struct orch_status){.pid = -1, .jobs = -1, .exit_code = -1, .expected_ms = -1};
}

/* positions are kept in the map as position + 1, since NULL is "not there"; keys are the names that the streams own */
static struct orch_stream_status *find_stream(const struct orch_status *status, const char *name)
{
	void *value;

	if (!status->index || !name)
		return NULL;
	value = map_get(status->index, name);
	return value ? &status->streams[(size_t)value - 1] : NULL;
}

const struct orch_stream_status *orch_status_find(const struct orch_status *status, const char *stream)
{
	return find_stream(status, stream);
}

static struct orch_stream_status *add_stream(struct orch_status *status, const char *name)
{
	struct orch_stream_status *stream;

	if (status->stream_count == status->stream_capacity) {
		status->stream_capacity = status->stream_capacity ? status->stream_capacity * 2 : 64;
		status->streams = xreallocarray(status->streams, status->stream_capacity, sizeof *status->streams);
	}
	stream = &status->streams[status->stream_count++];
	*stream = (struct orch_stream_status){
		.name = xstrdup(name),
		.state = ORCH_TASK_WAITING,
		.outcome = -1,
		.slot = -1,
		.pid = -1,
		.exit_code = -1,
		.signal = -1,
		.expected_ms = -1,
		.done = -1,
		.total = -1,
	};
	if (!status->index)
		status->index = xcalloc(1, sizeof(struct map));
	map_set(status->index, stream->name, (void *)status->stream_count);
	status->count[ORCH_TASK_WAITING]++;
	return stream;
}

static void set_state(struct orch_status *status, struct orch_stream_status *stream, int state)
{
	if (state < 0 || state >= ORCH_TASK_STATES)
		return;
	status->count[stream->state]--;
	stream->state = (enum orch_task_state)state;
	status->count[stream->state]++;
	if (state != ORCH_TASK_RUNNING) {
		set_text(&stream->phase, NULL);
		stream->slot = stream->pid = -1;
	}
}

static void set_progress(struct orch_stream_status *stream, int64_t done, int64_t total, const char *text)
{
	stream->done = done;
	stream->total = total;
	set_text(&stream->progress, text);
}

static void start_attempt(struct orch_stream_status *stream, const struct orch_event *event)
{
	set_number(&stream->attempt, event->attempt);
	stream->slot = event->slot;
	stream->pid = event->pid;
	stream->outcome = -1;
	stream->exit_code = stream->signal = -1;
	/* an adopted one began before */
	stream->started_ms = event->duration_ms > 0 ? event->time_ms - event->duration_ms : event->time_ms;
	stream->duration_ms = stream->queued_ms = stream->queued_since_ms = 0;
	stream->log_bytes = 0;
	set_text(&stream->log, event->log);
	set_text(&stream->agent, event->agent);
	set_text(&stream->last_line, NULL);
	set_progress(stream, event->done, event->total, NULL);
	set_text(&stream->note, event->message);
	set_number(&stream->ticked, event->ticked);
	set_number(&stream->tasks, event->tasks);
}

/* its time in a queue is told apart from that in which it runs */
static void take_phase(struct orch_stream_status *stream, const struct orch_event *event)
{
	bool queued = event->phase && strcmp(event->phase, "queued") == 0;

	if (stream->queued_since_ms && !queued) {
		stream->queued_ms += event->time_ms - stream->queued_since_ms;
		/* what is shown as its time is the time in which it ran */
		stream->started_ms += event->time_ms - stream->queued_since_ms;
	}
	stream->queued_since_ms = queued ? event->time_ms : 0;
}

static void finish_attempt(
	struct orch_status *status, struct orch_stream_status *stream, const struct orch_event *event)
{
	set_number(&stream->attempt, event->attempt);
	stream->outcome = event->outcome;
	stream->exit_code = event->exit_code;
	stream->signal = event->signal;
	stream->pid = stream->slot = -1;
	stream->duration_ms = event->duration_ms > 0 ? event->duration_ms : 0;
	stream->queued_ms = event->queued_ms > 0 ? event->queued_ms : 0;
	stream->queued_since_ms = 0;
	stream->total_ms += stream->duration_ms;
	status->sum_ms += stream->duration_ms;
	if (event->agent)
		set_text(&stream->agent, event->agent);
	if (event->cost_micros >= 0) {
		stream->cost_micros += event->cost_micros;
		status->cost_micros += event->cost_micros;
		status->has_cost = true;
	}
	if (event->tokens >= 0) {
		stream->tokens += event->tokens;
		status->tokens += event->tokens;
	}
	set_text(&stream->phase, NULL);
	if (event->log)
		set_text(&stream->log, event->log);
	if (event->outcome != ORCH_OUTCOME_SUCCESS && event->outcome != ORCH_OUTCOME_UNCHANGED)
		set_text(&stream->message, event->message);
}

static bool is_unchanged(const struct orch_stream_status *stream)
{
	return stream->state == ORCH_TASK_COMPLETED && stream->outcome == ORCH_OUTCOME_UNCHANGED;
}

static void apply_to_stream(struct orch_status *status, const struct orch_event *event)
{
	struct orch_stream_status *stream;

	if (!event->stream)
		return;
	stream = find_stream(status, event->stream);
	if (!stream)
		stream = add_stream(status, event->stream);
	if (is_unchanged(stream))
		status->unchanged--;
	switch (event->type) {
	case ORCH_EVENT_TASK:
		if (event->title)
			set_text(&stream->title, event->title);
		set_number(&stream->expected_ms, event->expected_ms);
		set_text(&stream->reason, event->reason);
		set_text(&stream->asks, event->asks);
		if (event->outcome >= 0)
			stream->outcome = event->outcome;
		set_number(&stream->ticked, event->ticked);
		set_number(&stream->tasks, event->tasks);
		set_state(status, stream, event->state);
		break;
	case ORCH_EVENT_ATTEMPT_STARTED:
		start_attempt(stream, event);
		break;
	case ORCH_EVENT_ATTEMPT_PHASE:
		set_text(&stream->phase, event->phase);
		take_phase(stream, event);
		break;
	case ORCH_EVENT_OUTPUT:
		if (event->message)
			set_text(&stream->last_line, event->message);
		set_number(&stream->log_bytes, event->bytes);
		break;
	case ORCH_EVENT_ATTEMPT_FINISHED:
		finish_attempt(status, stream, event);
		break;
	case ORCH_EVENT_PROGRESS:
		set_progress(stream, event->done, event->total, event->done < 0 ? event->message : NULL);
		break;
	case ORCH_EVENT_TASK_DONE:
		set_number(&stream->ticked, event->ticked);
		set_number(&stream->tasks, event->tasks);
		break;
	case ORCH_EVENT_NOTE:
		set_text(&stream->note, event->message);
		break;
	default:
		break;
	}
	if (is_unchanged(stream))
		status->unchanged++;
}

static void add_warning(struct orch_status *status, const struct orch_event *event)
{
	char *text;

	if (!event->message)
		return;
	text = event->stream ? xasprintf("%s: %s", event->stream, event->message) : xstrdup(event->message);
	if (!status->warnings)
		status->warnings = xcalloc(WARNINGS_MAX, sizeof *status->warnings);
	if (status->warning_count == WARNINGS_MAX) {
		free(status->warnings[0]);
		memmove(status->warnings, status->warnings + 1, (WARNINGS_MAX - 1) * sizeof *status->warnings);
		status->warning_count--;
	}
	status->warnings[status->warning_count++] = text;
}

void orch_status_apply(struct orch_status *status, const struct orch_event *event)
{
	if (event->seq > status->seq)
		status->seq = event->seq;
	status->last_ms = event->time_ms;
	accounts_apply(status, event);
	switch (event->type) {
	case ORCH_EVENT_RUN_STARTED:
		set_text(&status->run, event->run);
		set_text(&status->project, event->project);
		set_text(&status->message, event->message);
		set_number(&status->pid, event->pid);
		set_number(&status->jobs, event->jobs);
		set_number(&status->wanted, event->count);
		set_number(&status->stale, event->stale);
		set_number(&status->expected_ms, event->expected_ms);
		set_number(&status->budget_micros, event->budget_micros);
		status->started_ms = event->time_ms;
		status->finished_ms = 0;
		status->exit_code = -1;
		break;
	case ORCH_EVENT_WARNING:
		add_warning(status, event);
		break;
	case ORCH_EVENT_STOPPING:
		set_text(&status->stopping, event->message ? event->message : "stopping");
		break;
	case ORCH_EVENT_PAUSED:
		set_text(&status->paused, event->message ? event->message : "paused");
		break;
	case ORCH_EVENT_UNPAUSED:
		set_text(&status->paused, NULL);
		break;
	case ORCH_EVENT_JOBS:
		set_number(&status->jobs, event->jobs);
		break;
	case ORCH_EVENT_SLOTS:
		set_number(&status->usable, event->jobs);
		if (event->jobs >= status->jobs)
			set_text(&status->strained, NULL);
		else if (event->message)
			set_text(&status->strained, event->message);
		break;
	case ORCH_EVENT_RELOADED:
		set_number(&status->wanted, event->count);
		set_number(&status->budget_micros, event->budget_micros);
		break;
	case ORCH_EVENT_RUN_FINISHED:
		status->exit_code = event->exit_code;
		status->finished_ms = event->time_ms;
		set_number(&status->sum_ms, event->sum_ms);
		if (event->message)
			set_text(&status->message, event->message);
		break;
	case ORCH_EVENT_STAMPED:
	case ORCH_EVENT_MERGED:
	case ORCH_EVENT_RECOVERY:
	case ORCH_EVENT_ACCOUNT_HELD:
	case ORCH_EVENT_ACCOUNT_FREE:
	case ORCH_EVENT_VALUE:
		break;
	default:
		apply_to_stream(status, event);
		break;
	}
}

/* what a stream that nothing is known of takes: as the others on average */
static int64_t typical_ms(const struct orch_status *status)
{
	int64_t sum = 0, count = 0;

	for (size_t i = 0; i < status->stream_count; i++) {
		const struct orch_stream_status *stream = &status->streams[i];
		bool ended = stream->state == ORCH_TASK_COMPLETED && stream->outcome != ORCH_OUTCOME_UNCHANGED;

		if (!ended && stream->expected_ms < 0)
			continue;
		sum += ended ? stream->duration_ms : stream->expected_ms;
		count++;
	}
	return count > 0 ? sum / count : -1;
}

int64_t orch_status_left_ms(const struct orch_status *status, int64_t now_ms)
{
	int64_t typical = typical_ms(status), all = 0, left = 0, longest = 0, result;
	int64_t slots = status->jobs > 0 ? status->jobs : 1;

	if (status->finished_ms != 0 || status->exit_code >= 0 || typical < 0)
		return -1;
	for (size_t i = 0; i < status->stream_count; i++) {
		const struct orch_stream_status *stream = &status->streams[i];
		int64_t whole = stream->expected_ms >= 0 ? stream->expected_ms : typical, rest = whole;

		all += whole;
		if (stream->state >= ORCH_TASK_COMPLETED)
			continue;
		if (stream->state == ORCH_TASK_RUNNING)
			rest -= now_ms - stream->started_ms < whole ? now_ms - stream->started_ms : whole;
		left += rest;
		if (rest > longest)
			longest = rest;
	}
	result = left / slots > longest ? left / slots : longest;
	/* what waits for what was known at the start only: as much of that time is left as there is of the work */
	if (status->expected_ms > 0 && all > 0) {
		int64_t share = (int64_t)((double)status->expected_ms * (double)left / (double)all);

		result = share > result ? share : result;
	}
	/* what an account's hold keeps back does not end before that */
	if (status->count[ORCH_TASK_HELD] && accounts_next_ms(status, now_ms) - now_ms > result)
		result = accounts_next_ms(status, now_ms) - now_ms + (typical > 0 ? typical : 0);
	return result;
}

static void write_text(struct json_writer *w, const char *key, const char *text)
{
	if (!text)
		return;
	json_add_key(w, key);
	json_add_string(w, text);
}

static void write_number(struct json_writer *w, const char *key, int64_t number, int64_t absent)
{
	if (number == absent)
		return;
	json_add_key(w, key);
	json_add_int(w, number);
}

static void write_time(struct json_writer *w, const char *key, int64_t time_ms)
{
	char text[UNITS_TEXT_MAX];

	if (time_ms != 0)
		write_text(w, key, units_time_utc(text, time_ms));
}

static void write_stream(struct json_writer *w, const struct orch_stream_status *stream)
{
	json_begin_object(w);
	write_text(w, "stream", stream->name);
	write_text(w, "title", stream->title);
	write_text(w, "state", orch_task_state_name(stream->state));
	write_text(w, "reason", stream->reason);
	write_text(w, "asks", stream->asks);
	write_number(w, "attempt", stream->attempt, 0);
	write_text(w, "phase", stream->phase);
	write_number(w, "slot", stream->slot, -1);
	write_number(w, "pid", stream->pid, -1);
	if (stream->outcome >= 0)
		write_text(w, "outcome", orch_outcome_name((enum orch_outcome)stream->outcome));
	if (stream->left != ORCH_LEFT_UNKNOWN)
		write_text(w, "left", left_names[stream->left]);
	write_number(w, "exit_code", stream->exit_code, -1);
	write_number(w, "signal", stream->signal, -1);
	write_time(w, "started", stream->started_ms);
	if (stream->outcome >= 0)
		write_number(w, "duration_ms", stream->duration_ms, -1);
	write_number(w, "queued_ms", stream->queued_ms, 0);
	write_time(w, "queued_since", stream->queued_since_ms);
	write_number(w, "sum_ms", stream->total_ms, 0);
	write_number(w, "expected_ms", stream->expected_ms, -1);
	write_text(w, "log", stream->log);
	write_number(w, "bytes", stream->log_bytes, 0);
	write_text(w, "last_line", stream->last_line);
	write_number(w, "done", stream->done, -1);
	write_number(w, "total", stream->total, -1);
	write_text(w, "progress", stream->progress);
	if (stream->tasks > 0) {
		write_number(w, "ticked", stream->ticked, -1);
		write_number(w, "tasks", stream->tasks, -1);
	}
	write_text(w, "note", stream->note);
	write_text(w, "agent", stream->agent);
	write_number(w, "cost_micros", stream->cost_micros, 0);
	write_number(w, "tokens", stream->tokens, 0);
	write_text(w, "message", stream->message);
	json_end_object(w);
}

char *orch_status_json(const struct orch_status *status)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};

	json_begin_object(&w);
	write_number(&w, "v", ORCH_EVENT_VERSION, -1);
	write_text(&w, "run", status->run);
	write_text(&w, "project", status->project);
	write_number(&w, "seq", (int64_t)status->seq, -1);
	write_time(&w, "time", status->last_ms);
	write_time(&w, "started", status->started_ms);
	write_time(&w, "finished", status->finished_ms);
	write_number(&w, "pid", status->pid, -1);
	write_number(&w, "jobs", status->jobs, -1);
	write_number(&w, "count", status->wanted, -1);
	write_number(&w, "stale", status->stale, -1);
	write_number(&w, "exit_code", status->exit_code, -1);
	write_number(&w, "sum_ms", status->sum_ms, -1);
	write_number(&w, "expected_ms", status->expected_ms, -1);
	if (status->has_cost)
		write_number(&w, "cost_micros", status->cost_micros, -1);
	write_number(&w, "budget_micros", status->budget_micros, 0);
	write_number(&w, "tokens", status->tokens, 0);
	accounts_write(&w, status);
	write_text(&w, "stopping", status->stopping);
	write_text(&w, "paused", status->paused);
	if (status->strained) {
		write_number(&w, "usable", status->usable, -1);
		write_text(&w, "strained", status->strained);
	}
	write_text(&w, "message", status->message);
	json_add_key(&w, "states");
	json_begin_object(&w);
	for (int i = 0; i < ORCH_TASK_STATES; i++)
		write_number(&w, orch_task_state_name((enum orch_task_state)i), (int64_t)status->count[i], -1);
	json_end_object(&w);
	write_number(&w, "unchanged", (int64_t)status->unchanged, -1);
	json_add_key(&w, "streams");
	json_begin_array(&w);
	for (size_t i = 0; i < status->stream_count; i++)
		write_stream(&w, &status->streams[i]);
	json_end_array(&w);
	json_add_key(&w, "warnings");
	json_begin_array(&w);
	for (size_t i = 0; i < status->warning_count; i++)
		json_add_string(&w, status->warnings[i]);
	json_end_array(&w);
	json_end_object(&w);
	return strbuf_detach(&out);
}

void orch_status_release(struct orch_status *status)
{
	for (size_t i = 0; i < status->stream_count; i++) {
		struct orch_stream_status *stream = &status->streams[i];

		free(stream->name);
		free(stream->title);
		free(stream->reason);
		free(stream->asks);
		free(stream->phase);
		free(stream->log);
		free(stream->last_line);
		free(stream->note);
		free(stream->progress);
		free(stream->agent);
		free(stream->message);
	}
	free(status->streams);
	for (size_t i = 0; i < status->warning_count; i++)
		free(status->warnings[i]);
	free(status->warnings);
	accounts_release(status);
	if (status->index) {
		map_release(status->index);
		free(status->index);
	}
	free(status->run);
	free(status->project);
	free(status->message);
	free(status->stopping);
	free(status->paused);
	free(status->strained);
	orch_status_init(status);
}
