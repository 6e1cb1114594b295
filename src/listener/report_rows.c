/* The streams in the HTML report: failures first, then a row for each, which unfolds. */
#include "config.h"

#include "listener/markup.h"
#include "listener/report_html.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>

enum {
	FAILURES_SHOWN = 50, /* with their logs, above everything else */
	FAILURES_OPEN = 5,
	FAILURE_LINES = 200,
	FAILURE_BYTES = 32 * 1024,
	ROWS_MAX = 20000,
	ROW_LINES = 60,
	ROW_BYTES = 8 * 1024,
	ROW_LEAST = 200,              /* fewer bytes of a log say nothing */
	LOGS_BYTES = 4 * 1024 * 1024, /* of all rows */
	DEPENDENCIES_MAX = 40,        /* named in a row */
	ATTEMPTS_MAX = 20,
};

static void add_name(struct strbuf *out, const char *name)
{
	strbuf_addstr(out, "<span class=\"name\">");
	markup_addstr(out, name, MARKUP_ONE_LINE);
	strbuf_addstr(out, "</span>");
}

static void add_fact(struct strbuf *out, const char *what, const char *value)
{
	strbuf_addf(out, "<span>%s <b>", what);
	markup_addstr(out, value, MARKUP_ONE_LINE);
	strbuf_addstr(out, "</b></span>");
}

static void add_fact_number(struct strbuf *out, const char *what, int64_t value)
{
	if (value >= 0)
		strbuf_addf(out, "<span>%s <b>%lld</b></span>", what, (long long)value);
}

static void add_facts(struct html *html, const struct report_attempt *attempt)
{
	struct strbuf *out = html->out;
	char text[UNITS_TEXT_MAX];

	strbuf_addstr(out, "<p class=\"facts\">");
	if (html->report->streams.items[attempt->stream].first != html->report->streams.items[attempt->stream].last)
		add_fact_number(out, "attempt", attempt->number);
	if (attempt->outcome >= 0)
		add_fact(out, "outcome", orch_outcome_name((enum orch_outcome)attempt->outcome));
	if (attempt->exit_code > 0)
		add_fact_number(out, "exit status", attempt->exit_code);
	if (attempt->signal > 0)
		add_fact_number(out, "signal", attempt->signal);
	/* "exit status 2" has been said */
	if (attempt->outcome > ORCH_OUTCOME_SIGNAL && attempt->message)
		add_fact(out, "message", attempt->message);
	if (attempt->duration_ms >= 0)
		add_fact(out, "time", units_duration(text, attempt->duration_ms));
	add_fact(out, "began at", units_duration(text, attempt->started_ms - html->report->status.started_ms));
	if (attempt->slot >= 0)
		add_fact_number(out, "slot", attempt->slot);
	if (attempt->user_ms >= 0 && attempt->system_ms >= 0)
		add_fact(out, "processor", units_duration(text, attempt->user_ms + attempt->system_ms));
	/* of all its processes together, where that is known; else of the largest */
	if (attempt->memory_peak_kb > 0)
		add_fact(out, "memory", units_size(text, attempt->memory_peak_kb * 1024));
	else if (attempt->max_rss_kb > 0)
		add_fact(out, "memory", units_size(text, attempt->max_rss_kb * 1024));
	if (attempt->agent)
		add_fact(out, "agent", attempt->agent);
	if (attempt->cost_micros >= 0)
		add_fact(out, "cost", units_cost(text, attempt->cost_micros));
	if (attempt->tokens >= 0)
		add_fact_number(out, "tokens", attempt->tokens);
	strbuf_addstr(out, "</p>\n");
}

/* edges are sorted by stream: the first of `id` */
static size_t first_edge(const struct report *report, uint32_t id)
{
	size_t from = 0, to = report->edges.count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (report->edges.items[middle].stream < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static void add_dependencies(struct html *html, uint32_t id)
{
	const struct report *report = html->report;
	size_t count = 0;

	for (size_t i = first_edge(report, id); i < report->edges.count && report->edges.items[i].stream == id;
		i++, count++) {
		if (count >= DEPENDENCIES_MAX)
			continue;
		strbuf_addf(html->out, "%s<a href=\"#s%u\">", count ? ", " : "<p class=\"note\">Depends on ",
			report->edges.items[i].dependency);
		markup_addstr(
			html->out, report->status.streams[report->edges.items[i].dependency].name, MARKUP_ONE_LINE);
		strbuf_addstr(html->out, "</a>");
	}
	if (count > DEPENDENCIES_MAX)
		strbuf_addf(html->out, " and %zu more", count - DEPENDENCIES_MAX);
	if (count)
		strbuf_addstr(html->out, "</p>\n");
}

/* --- failures --- */

static void add_failure(struct html *html, uint32_t id, bool open)
{
	const struct report *report = html->report;
	uint32_t last = report->streams.items[id].last;
	struct strbuf why = {0};

	report_add_why(&why, report, id);
	strbuf_addf(html->out, "<details class=\"failure\"%s><summary>", open ? " open" : "");
	add_name(html->out, report->status.streams[id].name);
	strbuf_addstr(html->out, "<span class=\"what\">");
	markup_addstr(html->out, strbuf_cstr(&why), MARKUP_ONE_LINE);
	strbuf_addstr(html->out, "</span></summary><div class=\"in\">\n");
	strbuf_release(&why);
	if (last == REPORT_NONE) {
		strbuf_addstr(html->out, "<p class=\"note\">It was not started.</p>\n");
	} else {
		add_facts(html, &report->attempts.items[last]);
		html_add_log(html, &report->attempts.items[last], FAILURE_LINES, FAILURE_BYTES);
	}
	strbuf_addstr(html->out, "</div></details>\n");
}

void html_add_failures(struct html *html)
{
	const struct report *report = html->report;
	size_t failed = report->status.count[ORCH_TASK_FAILED], shown = 0;

	if (failed == 0)
		return;
	strbuf_addf(html->out, "<section id=\"failures\"><h2>Failed <small>%zu %s</small></h2>\n", failed,
		failed == 1 ? "stream" : "streams");
	for (uint32_t i = 0; i < report->streams.count && shown < FAILURES_SHOWN; i++) {
		if (report_is_bad(report, i))
			add_failure(html, i, shown++ < FAILURES_OPEN);
	}
	if (failed > shown)
		strbuf_addf(html->out,
			"<p class=\"note\">%zu more failed; they come first <a href=\"#streams\">below</a>.</p>\n",
			failed - shown);
	strbuf_addstr(html->out, "</section>\n");
}

/* --- rows --- */

static void add_difference(struct html *html, uint32_t id)
{
	const struct report *report = html->report;
	uint32_t at = report->streams.items[id].before;
	int64_t now = report_stream_ms(report, id), then, by;

	strbuf_addstr(html->out, "<span class=\"num");
	if (at == REPORT_NONE || report->before.streams[at].total_ms == 0 ||
		report->streams.items[id].first == REPORT_NONE ||
		report->before.streams[at].state != ORCH_TASK_COMPLETED ||
		report->status.streams[id].state != ORCH_TASK_COMPLETED) {
		strbuf_addstr(html->out, "\"></span>");
		return;
	}
	then = report->before.streams[at].total_ms;
	by = (now - then) * 100 / then;
	strbuf_addf(html->out, "%s\">%s%lld %%</span>",
		by >= 10            ? " worse"
			: by <= -10 ? " better"
				    : " dim",
		by > 0           ? "+"
			: by < 0 ? "−"
				 : "",
		(long long)(by < 0 ? -by : by));
}

static void add_time_bar(struct html *html, uint32_t id, int64_t longest)
{
	const struct report *report = html->report;
	int64_t ms = report_stream_ms(report, id);
	double width = longest > 0 ? 100.0 * (double)ms / (double)longest : 0;

	if (report->streams.items[id].first == REPORT_NONE)
		strbuf_addstr(html->out, "<span></span><span class=\"num dim\">–</span>");
	else {
		strbuf_addf(html->out,
			"<svg aria-hidden=\"true\"><rect class=\"f-%s\" width=\"%.2f%%\" height=\"100%%\" rx=\"3\"/></svg><span class=\"num\">",
			html_state_class(report, id), width < 0.6 ? 0.6 : width);
		html_add_duration(html->out, ms);
		strbuf_addstr(html->out, "</span>");
	}
}

static void add_inside(struct html *html, uint32_t id, size_t log_max)
{
	const struct report *report = html->report;
	const struct report_stream *stream = &report->streams.items[id];
	size_t count = 0;

	strbuf_addstr(html->out, "<div class=\"in\">");
	add_dependencies(html, id);
	for (uint32_t i = stream->first; i != REPORT_NONE; i = report->attempts.items[i].next) {
		/* of very many only the first ones and the last */
		if (count++ >= ATTEMPTS_MAX && i != stream->last)
			continue;
		add_facts(html, &report->attempts.items[i]);
		html_add_log(html, &report->attempts.items[i], ROW_LINES, log_max);
	}
	if (stream->first == REPORT_NONE)
		strbuf_addstr(html->out, "<p class=\"note\">It was not run.</p>");
	strbuf_addstr(html->out, "</div>");
}

static void add_row(struct html *html, uint32_t id, size_t place, int64_t longest, size_t log_max)
{
	const struct report *report = html->report;
	const struct orch_stream_status *status = &report->status.streams[id];
	struct strbuf why = {0};
	size_t attempts = 0;

	for (uint32_t i = report->streams.items[id].first; i != REPORT_NONE; i = report->attempts.items[i].next)
		attempts++;
	report_add_why(&why, report, id);
	strbuf_addf(html->out,
		"<details class=\"row\" id=\"s%u\" data-n=\"%zu\" data-ms=\"%lld\" data-at=\"%lld\" data-state=\"%s\"><summary><span><span class=\"pill %s\">%s</span></span><span>",
		id, place, (long long)report_stream_ms(report, id),
		(long long)(report_stream_started(report, id) > 0
				? report_stream_started(report, id) - report->status.started_ms + 1
				: 0),
		orch_task_state_name(status->state), html_state_class(report, id), orch_task_state_name(status->state));
	add_name(html->out, status->name);
	if (status->title) {
		strbuf_addstr(html->out, "<span class=\"title\">");
		markup_addstr(html->out, status->title, MARKUP_ONE_LINE);
		strbuf_addstr(html->out, "</span>");
	}
	if (why.len) {
		strbuf_addstr(html->out, "<span class=\"why\">");
		markup_addstr(html->out, strbuf_cstr(&why), MARKUP_ONE_LINE);
		strbuf_addstr(html->out, "</span>");
	}
	strbuf_addstr(html->out, "</span>");
	strbuf_release(&why);
	add_time_bar(html, id, longest);
	add_difference(html, id);
	strbuf_addstr(html->out, "<span class=\"num dim\">");
	if (attempts > 1)
		strbuf_addf(html->out, "%zu tries", attempts);
	strbuf_addstr(html->out, "</span></summary>\n");
	add_inside(html, id, log_max);
	strbuf_addstr(html->out, "</details>\n");
}

static void add_tools(struct html *html)
{
	const struct orch_status *status = &html->report->status;

	strbuf_addstr(html->out,
		"<div class=\"tools\" id=\"tools\" hidden><input type=\"search\" placeholder=\"Search streams\" aria-label=\"Search streams\">");
	for (int i = ORCH_TASK_STATES; i-- > 0;) {
		const char *name = orch_task_state_name((enum orch_task_state)i);

		if (status->count[i] > 0 && status->count[i] < status->stream_count)
			strbuf_addf(html->out,
				"<button type=\"button\" data-state=\"%s\" aria-pressed=\"false\">%s %zu</button>",
				name, name, status->count[i]);
	}
	strbuf_addstr(html->out,
		"<button type=\"button\" data-sort=\"first\" aria-pressed=\"true\">failures first</button>"
		"<button type=\"button\" data-sort=\"time\" aria-pressed=\"false\">longest first</button>"
		"<button type=\"button\" data-sort=\"start\" aria-pressed=\"false\">by start</button><output class=\"dim\"></output></div>\n");
}

void html_add_rows(struct html *html)
{
	const struct report *report = html->report;
	size_t count = report->streams.count, shown = count < ROWS_MAX ? count : ROWS_MAX, log_max;
	uint32_t *order = report_order(report);
	int64_t longest = 0;

	if (count == 0) {
		strbuf_addstr(html->out, "<section id=\"streams\"><h2>Streams</h2><p class=\"note\">");
		markup_addstr(html->out,
			report->status.message ? report->status.message : "None took part in this run.",
			MARKUP_ONE_LINE);
		strbuf_addstr(html->out, "</p></section>\n");
		free(order);
		return;
	}
	for (size_t i = 0; i < count; i++)
		longest = report_stream_ms(report, i) > longest ? report_stream_ms(report, i) : longest;
	log_max = LOGS_BYTES / (report->attempts.count ? report->attempts.count : 1);
	log_max = log_max > ROW_BYTES ? ROW_BYTES : log_max < ROW_LEAST ? 0 : log_max;
	strbuf_addf(html->out, "<section id=\"streams\"><h2>Streams <small>%zu</small></h2>\n", count);
	add_tools(html);
	strbuf_addf(html->out,
		"<div class=\"head\" aria-hidden=\"true\"><span></span><span>state</span><span>stream</span><span></span><span class=\"num\">time</span><span class=\"num\">%s</span><span></span></div>\n<div id=\"rows\">\n",
		report->before.run ? "before" : "");
	for (size_t i = 0; i < shown; i++)
		add_row(html, order[i], i, longest, log_max);
	strbuf_addstr(html->out, "</div>\n");
	if (count > shown)
		strbuf_addf(html->out,
			"<p class=\"note\">%zu more streams are left out here; --format json has all.</p>\n",
			count - shown);
	strbuf_addstr(html->out, "</section>\n");
	free(order);
}
