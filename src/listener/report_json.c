/* The report as one JSON document; doc/json.md has its members. */
#include "config.h"

#include "listener/report.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/units.h"

static void add_text(struct json_writer *w, const char *key, const char *text)
{
	if (!text)
		return;
	json_add_key(w, key);
	json_add_string(w, text);
}

/* -1: not known */
static void add_number(struct json_writer *w, const char *key, int64_t number)
{
	if (number == -1)
		return;
	json_add_key(w, key);
	json_add_int(w, number);
}

static void add_time(struct json_writer *w, const char *key, int64_t ms)
{
	char text[UNITS_TEXT_MAX];

	if (ms > 0)
		add_text(w, key, units_time_utc(text, ms));
}

static void add_names(
	struct json_writer *w, const struct report *report, const char *key, const uint32_t *ids, size_t count)
{
	json_add_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < count; i++)
		json_add_string(w, report->status.streams[ids[i]].name);
	json_end_array(w);
}

static void add_cost(struct json_writer *w, bool has_cost, int64_t cost_micros, int64_t tokens)
{
	add_number(w, "cost_micros", has_cost ? cost_micros : -1);
	add_number(w, "tokens", tokens > 0 ? tokens : -1);
}

static void add_attempt(struct json_writer *w, const struct report_attempt *attempt)
{
	json_begin_object(w);
	add_number(w, "attempt", attempt->number);
	add_number(w, "slot", attempt->slot);
	add_time(w, "started", attempt->started_ms);
	add_time(w, "finished", attempt->ended_ms);
	add_number(w, "duration_ms", attempt->duration_ms);
	if (attempt->outcome >= 0)
		add_text(w, "outcome", orch_outcome_name((enum orch_outcome)attempt->outcome));
	add_number(w, "exit_code", attempt->exit_code);
	add_number(w, "signal", attempt->signal);
	add_number(w, "user_ms", attempt->user_ms);
	add_number(w, "system_ms", attempt->system_ms);
	add_number(w, "max_rss_kb", attempt->max_rss_kb);
	add_number(w, "memory_peak_kb", attempt->memory_peak_kb);
	add_text(w, "agent", attempt->agent);
	add_number(w, "cost_micros", attempt->cost_micros);
	add_number(w, "tokens", attempt->tokens);
	add_text(w, "message", attempt->message);
	add_text(w, "log", attempt->log);
	json_end_object(w);
}

/* *edge: the first edge of this stream or a later one; moved behind its own */
static void add_stream(struct json_writer *w, const struct report *report, size_t id, size_t *edge)
{
	const struct orch_stream_status *stream = &report->status.streams[id];
	struct strbuf why = {0};

	report_add_why(&why, report, id);
	json_begin_object(w);
	add_text(w, "stream", stream->name);
	add_text(w, "title", stream->title);
	add_text(w, "state", orch_task_state_name(stream->state));
	if (stream->outcome >= 0)
		add_text(w, "outcome", orch_outcome_name((enum orch_outcome)stream->outcome));
	if (why.len)
		add_text(w, "why", strbuf_cstr(&why));
	add_number(w, "sum_ms", report_stream_ms(report, id));
	if (stream->tasks > 0) {
		add_number(w, "ticked", stream->ticked);
		add_number(w, "tasks", stream->tasks);
	}
	add_text(w, "agent", stream->agent);
	add_cost(w, stream->cost_micros > 0, stream->cost_micros, stream->tokens);
	json_add_key(w, "critical");
	json_add_bool(w, report->streams.items[id].critical && report->streams.items[id].first != REPORT_NONE);
	json_add_key(w, "deps");
	json_begin_array(w);
	while (*edge < report->edges.count && report->edges.items[*edge].stream < id)
		++*edge;
	for (; *edge < report->edges.count && report->edges.items[*edge].stream == id; ++*edge)
		json_add_string(w, report->status.streams[report->edges.items[*edge].dependency].name);
	json_end_array(w);
	json_add_key(w, "attempts");
	json_begin_array(w);
	for (uint32_t i = report->streams.items[id].first; i != REPORT_NONE; i = report->attempts.items[i].next)
		add_attempt(w, &report->attempts.items[i]);
	json_end_array(w);
	json_end_object(w);
	strbuf_release(&why);
}

static void add_states(struct json_writer *w, const struct orch_status *status)
{
	json_add_key(w, "states");
	json_begin_object(w);
	for (int i = 0; i < ORCH_TASK_STATES; i++)
		add_number(w, orch_task_state_name((enum orch_task_state)i), (int64_t)status->count[i]);
	json_end_object(w);
}

static void add_before(struct json_writer *w, const struct orch_status *before)
{
	if (!before->run)
		return;
	json_add_key(w, "before");
	json_begin_object(w);
	add_text(w, "run", before->run);
	add_time(w, "started", before->started_ms);
	add_time(w, "finished", before->finished_ms);
	if (before->finished_ms > 0)
		add_number(w, "wall_ms", before->finished_ms - before->started_ms);
	add_number(w, "sum_ms", before->sum_ms);
	add_cost(w, before->has_cost, before->cost_micros, before->tokens);
	add_states(w, before);
	json_end_object(w);
}

static void add_accounts(struct json_writer *w, const struct orch_status *status)
{
	if (!status->account_count)
		return;
	json_add_key(w, "accounts");
	json_begin_array(w);
	for (size_t i = 0; i < status->account_count; i++) {
		const struct orch_account_status *account = &status->accounts[i];

		json_begin_object(w);
		add_text(w, "account", account->name);
		add_cost(w, account->has_cost, account->cost_micros, account->tokens);
		json_end_object(w);
	}
	json_end_array(w);
}

void report_write_json(struct strbuf *out, const struct report *report)
{
	const struct orch_status *status = &report->status;
	struct json_writer w = {.out = out, .pretty = true};
	size_t edge = 0;

	json_begin_object(&w);
	add_number(&w, "v", REPORT_VERSION);
	add_text(&w, "run", status->run);
	add_text(&w, "project", status->project);
	add_text(&w, "state", report_state(report));
	add_time(&w, "started", status->started_ms);
	add_time(&w, "finished", status->finished_ms);
	add_number(&w, "exit_code", status->exit_code);
	add_number(&w, "jobs", status->jobs);
	add_number(&w, "wall_ms", report->wall_ms);
	add_number(&w, "sum_ms", report->sum_ms);
	add_cost(&w, status->has_cost, status->cost_micros, status->tokens);
	add_accounts(&w, status);
	add_number(&w, "critical_ms", report->critical_ms);
	if (report_speedup(report) > 0) {
		json_add_key(&w, "speedup");
		json_add_double(&w, report_speedup(report));
	}
	add_text(&w, "stopping", status->stopping);
	add_text(&w, "message", status->message);
	add_states(&w, status);
	add_number(&w, "unchanged", (int64_t)status->unchanged);
	add_names(&w, report, "critical_path", report->critical.items, report->critical.count);
	json_add_key(&w, "streams");
	json_begin_array(&w);
	for (size_t i = 0; i < status->stream_count; i++)
		add_stream(&w, report, i, &edge);
	json_end_array(&w);
	json_add_key(&w, "warnings");
	json_begin_array(&w);
	for (size_t i = 0; i < status->warning_count; i++)
		json_add_string(&w, status->warnings[i]);
	json_end_array(&w);
	add_before(&w, &report->before);
	json_end_object(&w);
	strbuf_addch(out, '\n');
}
