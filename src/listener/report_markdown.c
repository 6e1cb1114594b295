/* For a pull request or the summary of a CI service: what it takes to know what happened, failures first. Everything
 * from outside is inside <code> or <pre>, without a character that Markdown, or the service, gives a meaning. */
#include "config.h"

#include "listener/markup.h"
#include "listener/report.h"
#include "listener/report_log.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>

/* GitHub takes a summary of 1 MiB, and a comment of 64 KiB */
enum { FAILED_MAX = 20, LOG_LINES = 30, LOG_BYTES = 2000, ROWS_MAX = 50, TEXT_MAX = 200, WARNINGS_MAX = 10 };

static void add_code(struct strbuf *out, const char *text)
{
	strbuf_addstr(out, "<code>");
	markup_add_short(out, text, TEXT_MAX, MARKUP_ONE_LINE | MARKUP_MARKDOWN);
	strbuf_addstr(out, "</code>");
}

static const char *mark(const struct report *report, size_t stream)
{
	switch (report->status.streams[stream].state) {
	case ORCH_TASK_COMPLETED:
		return "✅";
	case ORCH_TASK_FAILED:
		return "❌";
	case ORCH_TASK_RUNNING:
		return "🔄";
	case ORCH_TASK_SKIPPED:
	case ORCH_TASK_CANCELLED:
		return "⏭️";
	default:
		return "⏳";
	}
}

static void add_heading(struct strbuf *out, const struct report *report)
{
	static const char *const states[] = {"completed", "✅", "failed", "❌", "running", "🔄", NULL};
	const char *state = report_state(report), *sign = "⚠️";

	for (size_t i = 0; states[i]; i += 2) {
		if (strcmp(states[i], state) == 0)
			sign = states[i + 1];
	}
	strbuf_addf(out, "## %s ", sign);
	add_code(out, report->status.project ? report->status.project : "orch");
	strbuf_addf(out, ": %s\n\n", state);
}

static void add_summary(struct strbuf *out, const struct report *report)
{
	const struct orch_status *status = &report->status;
	char wall[UNITS_TEXT_MAX], sum[UNITS_TEXT_MAX];
	bool first = true;

	if (status->stream_count == 0) {
		add_code(out, status->message ? status->message : "no stream took part");
		strbuf_addstr(out, "\n");
		return;
	}
	for (int i = ORCH_TASK_STATES; i-- > 0;) {
		size_t count = status->count[i];

		if (count == 0)
			continue;
		strbuf_addf(
			out, "%s**%zu** %s", first ? "" : ", ", count, orch_task_state_name((enum orch_task_state)i));
		first = false;
	}
	strbuf_addf(out, "%sin %s", first ? "" : " ", units_duration(wall, report->wall_ms));
	if (report->attempts.count > 1 && report_speedup(report) > 0)
		strbuf_addf(out, " (one at a time: %s, speedup %.1f)", units_duration(sum, report->sum_ms),
			report_speedup(report));
	if (status->has_cost)
		strbuf_addf(out, ", cost **%s**", units_cost(sum, status->cost_micros));
	if (status->has_cost && report->before.has_cost)
		strbuf_addf(out, " (the run before: %s)", units_cost(sum, report->before.cost_micros));
	for (size_t i = 0, said = 0; status->account_count > 1 && i < status->account_count; i++) {
		if (!status->accounts[i].has_cost)
			continue;
		strbuf_addstr(out, said++ ? ", " : "; ");
		add_code(out, status->accounts[i].name);
		strbuf_addf(out, " %s", units_cost(sum, status->accounts[i].cost_micros));
	}
	strbuf_addstr(out, ". Run ");
	add_code(out, status->run ? status->run : "");
	strbuf_addstr(out, ".\n");
	if (status->stopping) {
		strbuf_addstr(out, "\nStopped: ");
		add_code(out, status->stopping);
		strbuf_addstr(out, "\n");
	}
}

static void add_failure(struct strbuf *out, const struct report *report, size_t stream)
{
	uint32_t last = report->streams.items[stream].last;
	struct report_log log;
	struct strbuf why = {0};

	report_add_why(&why, report, stream);
	strbuf_addstr(out, "\n<details><summary>❌ ");
	add_code(out, report->status.streams[stream].name);
	if (why.len) {
		strbuf_addstr(out, " ");
		add_code(out, strbuf_cstr(&why));
	}
	strbuf_addstr(out, "</summary>\n\n");
	strbuf_release(&why);
	if (last == REPORT_NONE) {
		strbuf_addstr(out, "It was not started.\n");
	} else {
		if (report_log_read(&log, &report->attempts.items[last], LOG_LINES, LOG_BYTES)) {
			strbuf_addstr(out, "<pre>");
			report_log_add_plain(out, &log, MARKUP_MARKDOWN);
			strbuf_addstr(out, "</pre>\n");
		} else {
			strbuf_addstr(out, "It printed nothing.\n");
		}
		report_log_release(&log);
	}
	strbuf_addstr(out, "\n</details>\n");
}

static void add_failures(struct strbuf *out, const struct report *report)
{
	size_t shown = 0, failed = report->status.count[ORCH_TASK_FAILED];

	if (failed == 0)
		return;
	strbuf_addstr(out, "\n### Failed\n");
	for (size_t i = 0; i < report->streams.count && shown < FAILED_MAX; i++) {
		if (!report_is_bad(report, i))
			continue;
		add_failure(out, report, i);
		shown++;
	}
	if (failed > shown)
		strbuf_addf(out, "\nand %zu more failed.\n", failed - shown);
}

static void add_row(struct strbuf *out, const struct report *report, size_t id)
{
	const struct orch_stream_status *stream = &report->status.streams[id];
	struct strbuf why = {0};
	char time[UNITS_TEXT_MAX];

	strbuf_addf(out, "| %s | ", mark(report, id));
	add_code(out, stream->name);
	strbuf_addf(out, " | %s | %s | ", orch_task_state_name(stream->state),
		report->streams.items[id].first != REPORT_NONE ? units_duration(time, report_stream_ms(report, id))
							       : "");
	if (report->status.has_cost)
		strbuf_addf(out, "%s | ", stream->cost_micros > 0 ? units_cost(time, stream->cost_micros) : "");
	report_add_why(&why, report, id);
	if (why.len)
		add_code(out, strbuf_cstr(&why));
	strbuf_addstr(out, " |\n");
	strbuf_release(&why);
}

static void add_table(struct strbuf *out, const struct report *report)
{
	uint32_t *order = report_order(report);
	size_t count = report->streams.count, shown = count < ROWS_MAX ? count : ROWS_MAX;

	if (count > 0)
		strbuf_addf(out,
			"\n<details><summary>Streams (%zu)</summary>\n\n|  | stream | state | time | %s|\n| --- | --- | --- | ---: | %s--- |\n",
			count, report->status.has_cost ? "cost | " : "", report->status.has_cost ? "---: | " : "");
	for (size_t i = 0; i < shown; i++)
		add_row(out, report, order[i]);
	if (count > shown)
		strbuf_addf(out, "\nand %zu more.\n", count - shown);
	if (count > 0)
		strbuf_addstr(out, "\n</details>\n");
	free(order);
}

static void add_warnings(struct strbuf *out, const struct orch_status *status)
{
	size_t shown = status->warning_count < WARNINGS_MAX ? status->warning_count : WARNINGS_MAX;

	if (shown)
		strbuf_addstr(out, "\n### Warnings\n\n");
	for (size_t i = 0; i < shown; i++) {
		strbuf_addstr(out, "- ");
		add_code(out, status->warnings[i]);
		strbuf_addch(out, '\n');
	}
	if (status->warning_count > shown)
		strbuf_addf(out, "- and %zu more\n", status->warning_count - shown);
}

void report_write_markdown(struct strbuf *out, const struct report *report)
{
	add_heading(out, report);
	add_summary(out, report);
	add_failures(out, report);
	add_warnings(out, &report->status);
	add_table(out, report);
}
