#include "config.h"

#include "listener/report.h"

#include <stdlib.h>
#include <string.h>

#include "orch/history.h"
#include "util/alloc.h"
#include "util/map.h"
#include "util/strbuf.h"
#include "util/units.h"

void report_init(struct report *report)
{
	*report = (struct report){0};
	orch_status_init(&report->status);
	orch_status_init(&report->before);
}

static uint32_t find(const struct report *report, const char *name)
{
	const struct orch_stream_status *stream = name ? orch_status_find(&report->status, name) : NULL;

	return stream ? (uint32_t)(stream - report->status.streams) : REPORT_NONE;
}

static void add_edge(struct report *report, uint32_t stream, uint32_t dependency)
{
	if (stream == REPORT_NONE || dependency == REPORT_NONE || stream == dependency)
		return;
	*ARRAY_PUSH(&report->edges) = (struct report_edge){stream, dependency};
}

void report_add_dependency(struct report *report, const char *stream, const char *dependency)
{
	add_edge(report, find(report, stream), find(report, dependency));
}

static void start_attempt(struct report *report, uint32_t id, const struct orch_event *event)
{
	struct report_stream *stream = &report->streams.items[id];
	uint32_t at = (uint32_t)report->attempts.count;
	struct report_attempt *attempt = ARRAY_PUSH(&report->attempts);

	*attempt = (struct report_attempt){
		.stream = id,
		.next = REPORT_NONE,
		.number = event->attempt > 0 ? event->attempt : 1,
		.slot = event->slot,
		.pid = event->pid,
		/* one that outlived the run before had begun before */
		.started_ms = event->duration_ms > 0 ? event->time_ms - event->duration_ms : event->time_ms,
		.duration_ms = -1,
		.user_ms = -1,
		.system_ms = -1,
		.max_rss_kb = -1,
		.memory_peak_kb = -1,
		.exit_code = -1,
		.signal = -1,
		.cost_micros = -1,
		.tokens = -1,
		.outcome = -1,
		.agent = event->agent ? xstrdup(event->agent) : NULL,
		.log = event->log ? xstrdup(event->log) : NULL,
	};
	if (stream->last == REPORT_NONE)
		stream->first = at;
	else
		report->attempts.items[stream->last].next = at;
	stream->last = at;
	if (event->slot >= 0 && event->slot < INT32_MAX && (unsigned)event->slot + 1 > report->slots)
		report->slots = (unsigned)event->slot + 1;
}

static bool is_open(const struct report *report, uint32_t at, int64_t number)
{
	return at != REPORT_NONE && report->attempts.items[at].ended_ms == 0 &&
		(number < 0 || report->attempts.items[at].number == number);
}

static void finish_attempt(struct report *report, uint32_t id, const struct orch_event *event)
{
	struct report_stream *stream = &report->streams.items[id];
	struct report_attempt *attempt;

	/* one that could not even be started has no event of its start */
	if (!is_open(report, stream->last, event->attempt)) {
		start_attempt(report, id, event);
		report->attempts.items[stream->last].slot = -1;
	}
	attempt = &report->attempts.items[stream->last];
	attempt->ended_ms = event->time_ms > attempt->started_ms ? event->time_ms : attempt->started_ms;
	attempt->duration_ms = event->duration_ms >= 0 ? event->duration_ms : 0;
	attempt->user_ms = event->user_ms;
	attempt->system_ms = event->system_ms;
	attempt->max_rss_kb = event->max_rss_kb;
	attempt->memory_peak_kb = event->memory_peak_kb;
	attempt->exit_code = event->exit_code;
	attempt->signal = event->signal;
	attempt->outcome = event->outcome;
	attempt->cost_micros = event->cost_micros;
	attempt->tokens = event->tokens;
	if (!attempt->agent && event->agent)
		attempt->agent = xstrdup(event->agent);
	if (event->message)
		attempt->message = xstrdup(event->message);
	if (!attempt->log && event->log)
		attempt->log = xstrdup(event->log);
}

struct edges_of {
	struct report *report;
	uint32_t stream;
};

static void on_dependency(void *data, const char *dependency)
{
	struct edges_of *of = data;

	add_edge(of->report, of->stream, find(of->report, dependency));
}

void report_apply(struct report *report, const struct orch_event *event)
{
	struct edges_of of = {.report = report};

	orch_status_apply(&report->status, event);
	while (report->streams.count < report->status.stream_count)
		*ARRAY_PUSH(&report->streams) =
			(struct report_stream){.first = REPORT_NONE, .last = REPORT_NONE, .before = REPORT_NONE};
	of.stream = find(report, event->stream);
	if (of.stream == REPORT_NONE)
		return;
	if (event->type == ORCH_EVENT_ATTEMPT_STARTED) {
		start_attempt(report, of.stream, event);
	} else if (event->type == ORCH_EVENT_ATTEMPT_FINISHED) {
		finish_attempt(report, of.stream, event);
	} else if (event->type == ORCH_EVENT_STAMPED) {
		report->streams.items[of.stream].has_stamp = true;
		orch_event_dependencies(event, on_dependency, &of);
	}
}

/* --- what follows from the whole --- */

static int compare_edges(const void *a, const void *b)
{
	const struct report_edge *left = a, *right = b;

	if (left->stream != right->stream)
		return left->stream < right->stream ? -1 : 1;
	return (left->dependency > right->dependency) - (left->dependency < right->dependency);
}

static void sort_edges(struct report *report)
{
	size_t kept = 0;

	if (report->edges.count < 2)
		return;
	qsort(report->edges.items, report->edges.count, sizeof *report->edges.items, compare_edges);
	for (size_t i = 1; i < report->edges.count; i++) {
		if (compare_edges(&report->edges.items[kept], &report->edges.items[i]) != 0)
			report->edges.items[++kept] = report->edges.items[i];
	}
	report->edges.count = kept + 1;
}

/*
 * Levels and the longest chain, in the order of Kahn. Edges come from what is recorded and from the Orchfile as it is
 * now, which may contradict each other: what is on a cycle stays on level 0 and on no chain.
 */
static void find_chains(struct report *report)
{
	size_t count = report->streams.count, head = 0, tail = 0;
	uint32_t *queue = xcalloc(count + 1, sizeof *queue), *open = xcalloc(count + 1, sizeof *open);
	uint32_t *start = xcalloc(count + 2, sizeof *start), *users, *from = xcalloc(count + 1, sizeof *from);
	int64_t *until = xcalloc(count + 1, sizeof *until), best = -1;
	uint32_t at = REPORT_NONE;

	users = xcalloc(report->edges.count + 1, sizeof *users);
	for (size_t i = 0; i < report->edges.count; i++) {
		open[report->edges.items[i].stream]++;
		start[report->edges.items[i].dependency + 1]++;
	}
	for (size_t i = 0; i < count; i++)
		start[i + 1] += start[i];
	for (size_t i = report->edges.count; i-- > 0;)
		users[--start[report->edges.items[i].dependency + 1]] = report->edges.items[i].stream;
	/* start[d + 1] is now where the users of d begin: they end where those of d + 1 begin */
	start[count + 1] = (uint32_t)report->edges.count;
	for (size_t i = 0; i < count; i++) {
		from[i] = REPORT_NONE;
		if (open[i] == 0)
			queue[tail++] = (uint32_t)i;
	}
	while (head < tail) {
		uint32_t id = queue[head++];

		until[id] += report_stream_ms(report, id);
		if (report->streams.items[id].first != REPORT_NONE && until[id] > best) {
			best = until[id];
			at = id;
		}
		if (report->streams.items[id].level + 1 > report->levels)
			report->levels = report->streams.items[id].level + 1;
		for (uint32_t u = start[id + 1]; u < start[id + 2]; u++) {
			struct report_stream *user = &report->streams.items[users[u]];

			if (user->level < report->streams.items[id].level + 1)
				user->level = report->streams.items[id].level + 1;
			if (until[id] > until[users[u]] || from[users[u]] == REPORT_NONE) {
				until[users[u]] = until[id];
				from[users[u]] = id;
			}
			if (--open[users[u]] == 0)
				queue[tail++] = users[u];
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (open[i] > 0)
			report->streams.items[i].level = 0;
	}
	if (count > 0 && report->levels == 0)
		report->levels = 1;
	report->critical_ms = best > 0 ? best : 0;
	for (; at != REPORT_NONE; at = from[at]) {
		report->streams.items[at].critical = true;
		if (report->streams.items[at].first != REPORT_NONE)
			*ARRAY_PUSH(&report->critical) = at;
	}
	for (size_t i = 0, j = report->critical.count; i + 1 < j; i++) {
		uint32_t other = report->critical.items[--j];

		report->critical.items[j] = report->critical.items[i];
		report->critical.items[i] = other;
	}
	free(queue);
	free(open);
	free(start);
	free(users);
	free(from);
	free(until);
}

void report_finish(struct report *report, bool running, int64_t now_ms, struct orch_status before)
{
	struct orch_status *status = &report->status;

	report->running = running && status->finished_ms == 0;
	report->crashed = !report->running && status->finished_ms == 0;
	report->end_ms = status->finished_ms > 0 ? status->finished_ms : report->running ? now_ms : status->last_ms;
	if (report->end_ms < status->started_ms)
		report->end_ms = status->started_ms;
	report->wall_ms = report->end_ms - status->started_ms;
	report->sum_ms = 0;
	for (size_t i = 0; i < report->streams.count; i++)
		report->sum_ms += report_stream_ms(report, i);
	report->before = before;
	for (size_t i = 0; before.run && i < report->streams.count; i++) {
		const struct orch_stream_status *then = orch_status_find(&before, status->streams[i].name);

		report->streams.items[i].before = then ? (uint32_t)(then - before.streams) : REPORT_NONE;
	}
	sort_edges(report);
	find_chains(report);
}

void report_release(struct report *report)
{
	for (size_t i = 0; i < report->attempts.count; i++) {
		free(report->attempts.items[i].log);
		free(report->attempts.items[i].message);
		free(report->attempts.items[i].agent);
	}
	ARRAY_RELEASE(&report->attempts);
	ARRAY_RELEASE(&report->streams);
	ARRAY_RELEASE(&report->edges);
	ARRAY_RELEASE(&report->critical);
	orch_status_release(&report->status);
	orch_status_release(&report->before);
}

/* --- what the formats ask --- */

int64_t report_attempt_end(const struct report *report, const struct report_attempt *attempt)
{
	int64_t end = attempt->ended_ms > 0 ? attempt->ended_ms : report->end_ms;

	return end > attempt->started_ms ? end : attempt->started_ms;
}

int64_t report_stream_ms(const struct report *report, size_t stream)
{
	int64_t sum = 0;

	for (uint32_t i = report->streams.items[stream].first; i != REPORT_NONE; i = report->attempts.items[i].next) {
		const struct report_attempt *attempt = &report->attempts.items[i];

		sum += attempt->duration_ms >= 0 ? attempt->duration_ms
						 : report_attempt_end(report, attempt) - attempt->started_ms;
	}
	return sum;
}

int64_t report_stream_started(const struct report *report, size_t stream)
{
	uint32_t first = report->streams.items[stream].first;

	return first == REPORT_NONE ? 0 : report->attempts.items[first].started_ms;
}

int64_t report_stream_ended(const struct report *report, size_t stream)
{
	uint32_t last = report->streams.items[stream].last;

	return last == REPORT_NONE ? 0 : report_attempt_end(report, &report->attempts.items[last]);
}

const char *report_state(const struct report *report)
{
	const struct orch_status *status = &report->status;

	if (report->running)
		return "running";
	if (report->crashed)
		return "crashed";
	if (status->count[ORCH_TASK_FAILED] > 0)
		return "failed";
	if (status->stopping || status->count[ORCH_TASK_CANCELLED] > 0)
		return "stopped";
	return status->exit_code > 0 ? "unfinished" : "completed";
}

double report_speedup(const struct report *report)
{
	return report->wall_ms > 0 && report->sum_ms > 0 ? (double)report->sum_ms / (double)report->wall_ms : 0;
}

static void add_outcome(struct strbuf *out, const struct report_attempt *attempt)
{
	char time[UNITS_TEXT_MAX];

	switch (attempt->outcome) {
	case ORCH_OUTCOME_TIMEOUT:
		strbuf_addf(out, "timed out after %s", units_duration(time, attempt->duration_ms));
		return;
	case ORCH_OUTCOME_STALLED:
		strbuf_addf(out, "gave no sign of life, ended after %s", units_duration(time, attempt->duration_ms));
		return;
	case ORCH_OUTCOME_CHECK:
		strbuf_addstr(out, "check failed");
		break;
	case ORCH_OUTCOME_SPAWN:
		strbuf_addstr(out, "could not be started");
		break;
	case ORCH_OUTCOME_STOPPED:
		strbuf_addstr(out, "stopped");
		break;
	default:
		if (!attempt->message)
			strbuf_addstr(out, orch_outcome_name((enum orch_outcome)attempt->outcome));
		else
			strbuf_addstr(out, attempt->message);
		return;
	}
	if (attempt->message)
		strbuf_addf(out, ": %s", attempt->message);
}

static void add_tasks(struct strbuf *out, const struct orch_stream_status *status, size_t start)
{
	if (status->tasks > 0 && status->attempt > 0)
		strbuf_addf(out, "%s%lld/%lld tasks done", out->len > start ? "; " : "", (long long)status->ticked,
			(long long)status->tasks);
}

void report_add_why(struct strbuf *out, const struct report *report, size_t stream)
{
	const struct orch_stream_status *status = &report->status.streams[stream];
	uint32_t last = report->streams.items[stream].last;
	size_t start = out->len;

	if (status->state == ORCH_TASK_COMPLETED) {
		if (status->outcome == ORCH_OUTCOME_UNCHANGED)
			strbuf_addstr(out, "unchanged");
		add_tasks(out, status, start);
		return;
	}
	if (status->state == ORCH_TASK_FAILED && last != REPORT_NONE && report->attempts.items[last].outcome >= 0)
		add_outcome(out, &report->attempts.items[last]);
	else if (status->state != ORCH_TASK_RUNNING && status->reason)
		strbuf_addstr(out, status->reason);
	add_tasks(out, status, start);
}

bool report_is_bad(const struct report *report, size_t stream)
{
	return report->status.streams[stream].state == ORCH_TASK_FAILED;
}

uint32_t *report_order(const struct report *report)
{
	static const enum orch_task_state states[] = {ORCH_TASK_FAILED, ORCH_TASK_RUNNING, ORCH_TASK_BACKOFF,
		ORCH_TASK_HELD, ORCH_TASK_CANCELLED, ORCH_TASK_SKIPPED, ORCH_TASK_READY, ORCH_TASK_WAITING,
		ORCH_TASK_COMPLETED};
	size_t place[ORCH_TASK_STATES] = {0}, next = 0;
	uint32_t *order = xcalloc(report->streams.count + 1, sizeof *order);

	for (size_t s = 0; s < sizeof states / sizeof *states; s++) {
		place[states[s]] = next;
		next += report->status.count[states[s]];
	}
	for (size_t i = 0; i < report->streams.count; i++)
		order[place[report->status.streams[i].state]++] = (uint32_t)i;
	return order;
}

/* --- the formats --- */

const char *const report_format_names[] = {"html", "junit", "json", "md", "trace", "tsv", NULL};

bool report_format_of(const char *path, enum report_format *format)
{
	static const struct {
		const char *ending;
		enum report_format format;
	} endings[] = {
		{".html", REPORT_HTML},
		{".htm", REPORT_HTML},
		{".xml", REPORT_JUNIT},
		{".trace.json", REPORT_TRACE},
		{".json", REPORT_JSON},
		{".md", REPORT_MARKDOWN},
		{".tsv", REPORT_TSV},
	};
	size_t len = strlen(path);

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		size_t ending = strlen(endings[i].ending);

		if (len > ending && strcmp(path + len - ending, endings[i].ending) == 0) {
			*format = endings[i].format;
			return true;
		}
	}
	return false;
}

void report_write(struct strbuf *out, const struct report *report, enum report_format format)
{
	switch (format) {
	case REPORT_HTML:
		report_write_html(out, report);
		break;
	case REPORT_JUNIT:
		report_write_junit(out, report);
		break;
	case REPORT_JSON:
		report_write_json(out, report);
		break;
	case REPORT_MARKDOWN:
		report_write_markdown(out, report);
		break;
	case REPORT_TRACE:
		report_write_trace(out, report);
		break;
	case REPORT_TSV:
		report_write_tsv(out, report);
		break;
	}
}
