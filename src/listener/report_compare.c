/* The run against the one before it, in the HTML report. */
#include "config.h"

#include "listener/markup.h"
#include "listener/report_html.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>

/* smaller differences are noise */
enum { LIST_MAX = 10, LEAST_PERCENT = 10, LEAST_MS = 100 };

struct change {
	uint32_t stream;
	int64_t by_ms;
};

struct changes {
	struct change *items;
	size_t count;
};

static int compare_changes(const void *a, const void *b)
{
	const struct change *left = a, *right = b;

	if (left->by_ms != right->by_ms)
		return left->by_ms < right->by_ms ? 1 : -1;
	return (left->stream > right->stream) - (left->stream < right->stream);
}

static int64_t before_wall(const struct orch_status *before)
{
	int64_t end = before->finished_ms > 0 ? before->finished_ms : before->last_ms;

	return end > before->started_ms ? end - before->started_ms : 0;
}

static void add_times(struct strbuf *out, const char *what, int64_t now, int64_t then)
{
	int64_t percent = then > 0 ? (now - then) * 100 / then : 0;

	strbuf_addf(out, "<tr><td>%s</td><td class=\"num\">", what);
	html_add_duration(out, then);
	strbuf_addstr(out, "</td><td class=\"num\">");
	html_add_duration(out, now);
	strbuf_addf(out, "</td><td class=\"num%s\">",
		percent >= LEAST_PERCENT            ? " worse"
			: percent <= -LEAST_PERCENT ? " better"
						    : "");
	if (then > 0)
		strbuf_addf(out, "%s%lld %%",
			percent > 0           ? "+"
				: percent < 0 ? "−"
					      : "",
			(long long)(percent < 0 ? -percent : percent));
	strbuf_addstr(out, "</td></tr>\n");
}

static void add_costs(struct strbuf *out, const struct orch_status *now, const struct orch_status *then)
{
	char text[UNITS_TEXT_MAX];
	int64_t percent = then->cost_micros > 0 ? (now->cost_micros - then->cost_micros) * 100 / then->cost_micros : 0;

	if (!now->has_cost && !then->has_cost)
		return;
	strbuf_addf(out, "<tr><td>cost</td><td class=\"num\">%s</td>",
		then->has_cost ? units_cost(text, then->cost_micros) : "–");
	strbuf_addf(out, "<td class=\"num\">%s</td><td class=\"num%s\">",
		now->has_cost ? units_cost(text, now->cost_micros) : "–",
		percent >= LEAST_PERCENT            ? " worse"
			: percent <= -LEAST_PERCENT ? " better"
						    : "");
	if (now->has_cost && then->cost_micros > 0)
		strbuf_addf(out, "%s%lld %%",
			percent > 0           ? "+"
				: percent < 0 ? "−"
					      : "",
			(long long)(percent < 0 ? -percent : percent));
	strbuf_addstr(out, "</td></tr>\n");
}

static void add_counts(struct strbuf *out, const char *what, size_t now, size_t then)
{
	if (now == 0 && then == 0)
		return;
	strbuf_addf(out, "<tr><td>%s</td><td class=\"num\">%zu</td><td class=\"num\">%zu</td><td class=\"num\">", what,
		then, now);
	if (now != then)
		strbuf_addf(out, "%s%zu", now > then ? "+" : "−", now > then ? now - then : then - now);
	strbuf_addstr(out, "</td></tr>\n");
}

static bool was(const struct report *report, size_t stream, enum orch_task_state state)
{
	uint32_t at = report->streams.items[stream].before;

	return at != REPORT_NONE && report->before.streams[at].state == state;
}

/* those that are `now`, and were `then` */
static void add_names(struct html *html, const char *what, enum orch_task_state now, enum orch_task_state then)
{
	const struct report *report = html->report;
	size_t count = 0;

	for (uint32_t i = 0; i < report->streams.count; i++) {
		if (report->status.streams[i].state != now || !was(report, i, then))
			continue;
		if (count == 0)
			strbuf_addf(html->out, "<div><h3>%s</h3><ul class=\"plain\">\n", what);
		if (count++ >= LIST_MAX)
			continue;
		strbuf_addf(html->out, "<li><a class=\"name\" href=\"#s%u\">", i);
		markup_addstr(html->out, report->status.streams[i].name, MARKUP_ONE_LINE);
		strbuf_addstr(html->out, "</a></li>\n");
	}
	if (count > LIST_MAX)
		strbuf_addf(html->out, "<li class=\"dim\">and %zu more</li>\n", count - LIST_MAX);
	if (count)
		strbuf_addstr(html->out, "</ul></div>\n");
}

static void add_change(struct html *html, const struct change *change)
{
	const struct report *report = html->report;
	int64_t by = change->by_ms < 0 ? -change->by_ms : change->by_ms;

	strbuf_addf(html->out, "<li><a class=\"name\" href=\"#s%u\">", change->stream);
	markup_addstr(html->out, report->status.streams[change->stream].name, MARKUP_ONE_LINE);
	strbuf_addf(html->out, "</a><span class=\"num %s\">%s", change->by_ms > 0 ? "worse" : "better",
		change->by_ms > 0 ? "+" : "−");
	html_add_duration(html->out, by);
	strbuf_addstr(html->out, "</span></li>\n");
}

static struct changes find_changes(const struct report *report)
{
	struct changes changes = {.items = xcalloc(report->streams.count + 1, sizeof *changes.items)};

	for (uint32_t i = 0; i < report->streams.count; i++) {
		int64_t then, by;

		if (report->status.streams[i].state != ORCH_TASK_COMPLETED || !was(report, i, ORCH_TASK_COMPLETED) ||
			report->streams.items[i].first == REPORT_NONE)
			continue;
		then = report->before.streams[report->streams.items[i].before].total_ms;
		by = report_stream_ms(report, i) - then;
		if (then > 0 && (by >= LEAST_MS || by <= -LEAST_MS) &&
			(by < 0 ? -by : by) * 100 / then >= LEAST_PERCENT)
			changes.items[changes.count++] = (struct change){i, by};
	}
	qsort(changes.items, changes.count, sizeof *changes.items, compare_changes);
	return changes;
}

static void add_changes(struct html *html)
{
	struct changes changes = find_changes(html->report);
	size_t slower = 0, shown = 0;

	while (slower < changes.count && changes.items[slower].by_ms > 0)
		slower++;
	if (slower > 0) {
		strbuf_addstr(html->out, "<div><h3>Slower</h3><ul class=\"plain\">\n");
		for (size_t i = 0; i < slower && i < LIST_MAX; i++)
			add_change(html, &changes.items[i]);
		strbuf_addstr(html->out, "</ul></div>\n");
	}
	if (slower < changes.count) {
		strbuf_addstr(html->out, "<div><h3>Faster</h3><ul class=\"plain\">\n");
		for (size_t i = changes.count; i > slower && shown < LIST_MAX; i--, shown++)
			add_change(html, &changes.items[i - 1]);
		strbuf_addstr(html->out, "</ul></div>\n");
	}
	free(changes.items);
}

void html_add_comparison(struct html *html)
{
	const struct report *report = html->report;
	const struct orch_status *now = &report->status, *then = &report->before;
	char time[UNITS_TEXT_MAX];

	if (!then->run || now->stream_count == 0)
		return;
	units_time_utc(time, then->started_ms)[16] = '\0';
	time[10] = ' ';
	strbuf_addstr(html->out, "<section id=\"compare\"><h2>Against the run before <small>");
	markup_addstr(html->out, then->run, MARKUP_ONE_LINE);
	strbuf_addf(html->out,
		", %s UTC</small></h2>\n<div class=\"two\"><div><table><thead><tr><th></th><th class=\"num\">then</th><th class=\"num\">now</th><th></th></tr></thead><tbody>\n",
		time);
	add_times(html->out, "time", report->wall_ms, before_wall(then));
	add_times(html->out, "all streams together", report->sum_ms, then->sum_ms);
	add_costs(html->out, now, then);
	add_counts(html->out, "streams", now->stream_count, then->stream_count);
	add_counts(html->out, "completed", now->count[ORCH_TASK_COMPLETED], then->count[ORCH_TASK_COMPLETED]);
	add_counts(html->out, "failed", now->count[ORCH_TASK_FAILED], then->count[ORCH_TASK_FAILED]);
	add_counts(html->out, "skipped", now->count[ORCH_TASK_SKIPPED], then->count[ORCH_TASK_SKIPPED]);
	strbuf_addstr(html->out, "</tbody></table></div>\n");
	add_names(html, "Failed now, completed then", ORCH_TASK_FAILED, ORCH_TASK_COMPLETED);
	add_names(html, "Failed both times", ORCH_TASK_FAILED, ORCH_TASK_FAILED);
	add_names(html, "Completed now, failed then", ORCH_TASK_COMPLETED, ORCH_TASK_FAILED);
	add_changes(html);
	strbuf_addstr(html->out, "</div></section>\n");
}
