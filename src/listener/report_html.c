/* The report as a page that stands alone: nothing is loaded, no script is needed to read it, and whatever came from
 * outside is text. The policy in its head allows this page's own style and script and nothing else, by a number that
 * nobody could know before it was written. */
#include "config.h"

#include "listener/report_html.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listener/ansi.h"
#include "listener/markup.h"
#include "listener/report_assets.h"
#include "orch/project.h"
#include "os/system.h"
#include "util/strbuf.h"
#include "util/units.h"

static const char *state_class(const struct orch_stream_status *stream)
{
	switch (stream->state) {
	case ORCH_TASK_COMPLETED:
		return stream->outcome == ORCH_OUTCOME_UNCHANGED ? "idle" : "good";
	case ORCH_TASK_FAILED:
		return "bad";
	case ORCH_TASK_SKIPPED:
	case ORCH_TASK_CANCELLED:
		return "warn";
	case ORCH_TASK_RUNNING:
	case ORCH_TASK_BACKOFF:
		return "run";
	default:
		return "idle";
	}
}

const char *html_state_class(const struct report *report, size_t stream)
{
	return state_class(&report->status.streams[stream]);
}

const char *html_attempt_class(const struct report *report, const struct report_attempt *attempt)
{
	if (attempt->outcome < 0)
		return report->running ? "run" : "warn";
	if (attempt->outcome == ORCH_OUTCOME_SUCCESS || attempt->outcome == ORCH_OUTCOME_UNCHANGED)
		return "good";
	return attempt->next != REPORT_NONE || attempt->outcome == ORCH_OUTCOME_STOPPED ? "warn" : "bad";
}

void html_add_duration(struct strbuf *out, int64_t ms)
{
	char text[UNITS_TEXT_MAX];

	strbuf_addstr(out, units_duration(text, ms > 0 ? ms : 0));
}

/* --- the top --- */

static const char *run_class(const char *state)
{
	if (strcmp(state, "completed") == 0)
		return "good";
	if (strcmp(state, "running") == 0)
		return "run";
	return strcmp(state, "failed") == 0 || strcmp(state, "crashed") == 0 ? "bad" : "warn";
}

/* "2026-11-21 05:37:01 UTC" */
static void add_time(struct strbuf *out, int64_t ms)
{
	char text[UNITS_TEXT_MAX];

	units_time_utc(text, ms);
	strbuf_addf(out, "<time datetime=\"%s\">", text);
	text[10] = ' ';
	text[19] = '\0';
	strbuf_addf(out, "%s UTC</time>", text);
}

static void add_top(struct html *html)
{
	const struct orch_status *status = &html->report->status;
	const char *state = report_state(html->report);

	strbuf_addstr(html->out, "<header class=\"top\">\n<div class=\"crumb\">orch report");
	if (status->run) {
		strbuf_addstr(html->out, " · run ");
		markup_addstr(html->out, status->run, MARKUP_ONE_LINE);
	}
	strbuf_addstr(html->out, "</div>\n<h1><span>");
	markup_addstr(html->out, status->project ? status->project : "orch", MARKUP_ONE_LINE);
	strbuf_addf(
		html->out, "</span><span class=\"pill %s\">%s</span></h1>\n<p class=\"sub\">", run_class(state), state);
	add_time(html->out, status->started_ms);
	strbuf_addf(html->out, " · %s <b>", html->report->running ? "for" : "took");
	html_add_duration(html->out, html->report->wall_ms);
	strbuf_addstr(html->out, "</b>");
	if (status->jobs > 0)
		strbuf_addf(html->out, " · at most <b>%lld</b> at once", (long long)status->jobs);
	if (status->message && status->stream_count > 0) {
		strbuf_addstr(html->out, " · ");
		markup_add_short(html->out, status->message, 200, MARKUP_ONE_LINE);
	}
	if (status->stopping) {
		strbuf_addstr(html->out, " · stopped: <b>");
		markup_add_short(html->out, status->stopping, 200, MARKUP_ONE_LINE);
		strbuf_addstr(html->out, "</b>");
	}
	strbuf_addstr(html->out, "</p>\n</header>\n");
}

static void begin_card(struct strbuf *out, const char *what)
{
	strbuf_addf(out, "<div class=\"card\"><p class=\"k\">%s</p><p class=\"v\">", what);
}

static void add_share(struct html *html)
{
	static const char *const classes[] = {"good", "idle", "bad", "warn", "run"};
	const struct report *report = html->report;
	double x = 0;

	strbuf_addstr(html->out,
		"<svg class=\"share\" role=\"presentation\"><rect width=\"100%\" height=\"100%\" class=\"f-idle\"/>");
	for (size_t c = 0; c < sizeof classes / sizeof *classes; c++) {
		size_t count = 0;

		for (size_t i = 0; i < report->streams.count; i++)
			count += strcmp(html_state_class(report, i), classes[c]) == 0;
		if (count > 0)
			strbuf_addf(html->out, "<rect x=\"%.2f%%\" width=\"%.2f%%\" height=\"100%%\" class=\"f-%s\"/>",
				x, 100.0 * (double)count / (double)report->streams.count, classes[c]);
		x += 100.0 * (double)count / (double)report->streams.count;
	}
	strbuf_addstr(html->out, "</svg>");
}

static void add_stream_card(struct html *html)
{
	const struct orch_status *status = &html->report->status;
	const char *separator = "";

	begin_card(html->out, "Streams completed");
	strbuf_addf(html->out, "%zu <span class=\"dim\">of %zu</span></p>", status->count[ORCH_TASK_COMPLETED],
		status->stream_count);
	strbuf_addstr(html->out, "<p class=\"n\">");
	for (int i = ORCH_TASK_STATES; i-- > 0;) {
		if (i == ORCH_TASK_COMPLETED || status->count[i] == 0)
			continue;
		strbuf_addf(html->out, "%s%zu %s", separator, status->count[i],
			orch_task_state_name((enum orch_task_state)i));
		separator = ", ";
	}
	if (status->unchanged > 0)
		strbuf_addf(html->out, "%s%zu unchanged", separator, status->unchanged);
	strbuf_addstr(html->out, "</p>");
	add_share(html);
	strbuf_addstr(html->out, "</div>\n");
}

static void add_cards(struct html *html)
{
	const struct report *report = html->report;
	struct strbuf *out = html->out;

	if (report->streams.count == 0)
		return;
	strbuf_addstr(out, "<div class=\"cards\">\n");
	add_stream_card(html);
	begin_card(out, report->running ? "Time so far" : "Time");
	html_add_duration(out, report->wall_ms);
	strbuf_addstr(out, "</p><p class=\"n\">one at a time: ");
	html_add_duration(out, report->sum_ms);
	strbuf_addstr(out, "</p></div>\n");
	if (report->attempts.count > 1 && report_speedup(report) > 0) {
		begin_card(out, "Speedup");
		strbuf_addf(out, "%.1f×</p><p class=\"n\">over one at a time", report_speedup(report));
		if (report->critical_ms > 0 && report->critical.count > 1)
			strbuf_addf(out, "; %.1f× at most", (double)report->sum_ms / (double)report->critical_ms);
		strbuf_addstr(out, "</p></div>\n");
	}
	if (report->status.has_cost) {
		char text[UNITS_TEXT_MAX];

		begin_card(out, "Cost");
		strbuf_addf(out, "%s</p><p class=\"n\">", units_cost(text, report->status.cost_micros));
		if (report->status.tokens > 0)
			strbuf_addf(out, "%lld tokens", (long long)report->status.tokens);
		strbuf_addstr(out, "</p></div>\n");
	}
	if (report->critical.count > 1 && report->wall_ms > 0) {
		begin_card(out, "Critical path");
		html_add_duration(out, report->critical_ms);
		strbuf_addf(out, "</p><p class=\"n\">%zu streams, %lld %% of the time</p></div>\n",
			report->critical.count, (long long)(report->critical_ms * 100 / report->wall_ms));
	}
	strbuf_addstr(out, "</div>\n");
}

static void add_navigation(struct html *html)
{
	const struct report *report = html->report;
	const struct {
		bool is_there;
		const char *id, *text;
	} links[] = {
		{report->status.count[ORCH_TASK_FAILED] > 0, "failures", "Failed"},
		{report->slots > 0, "timeline", "Timeline"},
		{report->critical.count > 1, "chain", "Critical path"},
		{report->edges.count > 0, "graph", "Graph"},
		{report->status.has_cost, "cost", "Cost"},
		{report->before.run && report->streams.count > 0, "compare", "Run before"},
		{report->status.warning_count > 0, "warnings", "Warnings"},
		{true, "streams", "Streams"},
	};

	strbuf_addstr(html->out, "<nav aria-label=\"Sections\"><div>");
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		if (links[i].is_there)
			strbuf_addf(html->out, "<a href=\"#%s\">%s</a>", links[i].id, links[i].text);
	}
	strbuf_addstr(html->out, "</div></nav>\n");
}

static void add_warnings(struct html *html)
{
	const struct orch_status *status = &html->report->status;

	if (status->warning_count == 0)
		return;
	strbuf_addf(html->out, "<section id=\"warnings\"><h2>Warnings <small>%zu</small></h2><ul>\n",
		status->warning_count);
	for (size_t i = 0; i < status->warning_count; i++) {
		strbuf_addstr(html->out, "<li>");
		markup_addstr(html->out, status->warnings[i], MARKUP_ONE_LINE);
		strbuf_addstr(html->out, "</li>\n");
	}
	strbuf_addstr(html->out, "</ul></section>\n");
}

/* --- the page --- */

static void add_lines(struct strbuf *out, const char *const *lines)
{
	for (; *lines; lines++)
		strbuf_addstr(out, *lines);
}

static bool is_bright(uint32_t rgb)
{
	return 299 * (rgb >> 16) + 587 * (rgb >> 8 & 255) + 114 * (rgb & 255) > 140 * 1000;
}

/* rules for those of the 256 colours that some log has */
static void add_colors(struct strbuf *out, const struct html *html)
{
	/* a background first, with what can be read on it; a colour of the text's own wins */
	for (int color = 16; color < 256; color++) {
		if (html->used_bg[color])
			strbuf_addf(out, ".k%d { background: #%06" PRIx32 "; color: %s; }\n", color, ansi_rgb(color),
				is_bright(ansi_rgb(color)) ? "#000" : "#fff");
	}
	for (int color = 16; color < 256; color++) {
		if (html->used_fg[color])
			strbuf_addf(out, ".f%d { color: #%06" PRIx32 "; }\n", color, ansi_rgb(color));
	}
}

static void add_head(struct strbuf *out, const struct html *html, const char *nonce)
{
	const struct orch_status *status = &html->report->status;
	char script[48] = "'none'", style[48] = "'unsafe-inline'";

	if (*nonce) {
		snprintf(script, sizeof script, "'nonce-%s'", nonce);
		snprintf(style, sizeof style, "'nonce-%s'", nonce);
	}
	strbuf_addf(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"generator\" content=\"orch %s\">\n<title>",
		style, script, orch_version());
	markup_addstr(out, status->project ? status->project : "orch", MARKUP_ONE_LINE);
	strbuf_addf(out, ": %s", report_state(html->report));
	strbuf_addf(out, "</title>\n<style nonce=\"%s\">\n", nonce);
	add_lines(out, report_css);
	add_colors(out, html);
	strbuf_addstr(out, "</style>\n</head>\n<body>\n");
}

void report_write_html(struct strbuf *out, const struct report *report)
{
	struct strbuf body = {0};
	struct html html = {.out = &body, .report = report};
	char nonce[2 * 16 + 1];

	/* without: the page goes without its script */
	if (!system_random_hex(nonce, sizeof nonce))
		nonce[0] = '\0';
	add_top(&html);
	add_navigation(&html);
	strbuf_addstr(&body, "<main>\n");
	add_cards(&html);
	html_add_failures(&html);
	html_add_timeline(&html);
	html_add_chain(&html);
	html_add_graph(&html);
	html_add_cost(&html);
	html_add_comparison(&html);
	add_warnings(&html);
	html_add_rows(&html);
	strbuf_addstr(&body, "</main>\n<footer>Made by orch ");
	strbuf_addstr(&body, orch_version());
	strbuf_addstr(&body, ". Times are in UTC.</footer>\n");
	/* the style comes last, when it is known which colours the logs have */
	add_head(out, &html, nonce);
	strbuf_add(out, body.data, body.len);
	strbuf_addf(out, "<script nonce=\"%s\">\n", nonce);
	add_lines(out, report_js);
	strbuf_addstr(out, "</script>\n</body>\n</html>\n");
	strbuf_release(&body);
}
