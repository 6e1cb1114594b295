/* What the work of agents has cost, stream by stream, in the HTML report. */
#include "config.h"

#include "listener/markup.h"
#include "listener/report_html.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>

enum { ROWS_MAX = 20 };

struct spent {
	uint32_t stream;
	int64_t cost_micros;
};

static int compare_spent(const void *a, const void *b)
{
	const struct spent *left = a, *right = b;

	if (left->cost_micros != right->cost_micros)
		return left->cost_micros < right->cost_micros ? 1 : -1;
	return (left->stream > right->stream) - (left->stream < right->stream);
}

static void add_row(struct html *html, const struct spent *spent)
{
	const struct orch_stream_status *stream = &html->report->status.streams[spent->stream];
	uint32_t before = html->report->streams.items[spent->stream].before;
	int64_t then = before == REPORT_NONE ? 0 : html->report->before.streams[before].cost_micros;
	char text[UNITS_TEXT_MAX];

	strbuf_addf(html->out, "<tr><td><a class=\"name\" href=\"#s%u\">", spent->stream);
	markup_addstr(html->out, stream->name, MARKUP_ONE_LINE);
	strbuf_addstr(html->out, "</a></td><td>");
	markup_addstr(html->out, stream->agent ? stream->agent : "", MARKUP_ONE_LINE);
	strbuf_addf(html->out, "</td><td class=\"num\">%lld</td><td class=\"num\">", (long long)stream->attempt);
	if (stream->tokens > 0)
		strbuf_addf(html->out, "%lld", (long long)stream->tokens);
	strbuf_addf(html->out, "</td><td class=\"num\">%s</td>", units_cost(text, spent->cost_micros));
	strbuf_addf(html->out, "<td class=\"num dim\">%s</td></tr>\n", then > 0 ? units_cost(text, then) : "");
}

/* where there are several */
static void add_accounts(struct html *html)
{
	const struct orch_status *status = &html->report->status;
	char text[UNITS_TEXT_MAX];

	if (status->account_count < 2)
		return;
	strbuf_addstr(html->out,
		"<table><thead><tr><th>account</th><th class=\"num\">tokens</th><th class=\"num\">cost</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < status->account_count; i++) {
		const struct orch_account_status *account = &status->accounts[i];

		strbuf_addstr(html->out, "<tr><td>");
		markup_addstr(html->out, account->name, MARKUP_ONE_LINE);
		strbuf_addstr(html->out, "</td><td class=\"num\">");
		if (account->tokens > 0)
			strbuf_addf(html->out, "%lld", (long long)account->tokens);
		strbuf_addf(html->out, "</td><td class=\"num\">%s</td></tr>\n",
			account->has_cost ? units_cost(text, account->cost_micros) : "");
	}
	strbuf_addstr(html->out, "</tbody></table>\n");
}

void html_add_cost(struct html *html)
{
	const struct report *report = html->report;
	struct spent *spent;
	size_t count = 0;

	if (!report->status.has_cost)
		return;
	spent = xcalloc(report->streams.count + 1, sizeof *spent);
	for (uint32_t i = 0; i < report->streams.count; i++) {
		if (report->status.streams[i].cost_micros > 0)
			spent[count++] = (struct spent){i, report->status.streams[i].cost_micros};
	}
	qsort(spent, count, sizeof *spent, compare_spent);
	strbuf_addstr(html->out,
		"<section id=\"cost\"><h2>Cost</h2>\n<table><thead><tr><th>stream</th><th>agent</th><th class=\"num\">attempts</th><th class=\"num\">tokens</th><th class=\"num\">cost</th><th class=\"num\">the run before</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < count && i < ROWS_MAX; i++)
		add_row(html, &spent[i]);
	strbuf_addstr(html->out, "</tbody></table>\n");
	if (count > ROWS_MAX)
		strbuf_addf(html->out, "<p class=\"note\">and %zu more</p>\n", count - ROWS_MAX);
	add_accounts(html);
	strbuf_addstr(html->out, "</section>\n");
	free(spent);
}
