/* Who waited for whom: the graph in layers (Sugiyama et al., IEEE SMC 11(2), 1981: order in a layer by the mean of the
 * neighbours), for large ones the layers' sizes; and the longest chain. */
#include "config.h"

#include "listener/markup.h"
#include "listener/report_html.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>

enum {
	NODES_MAX = 160,
	EDGES_MAX = 800,
	COLUMNS_MAX = 80,
	SWEEPS = 6,
	NODE_WIDTH = 160,
	NODE_HEIGHT = 34,
	GAP_X = 52,
	GAP_Y = 12,
	NAME_SHOWN = 20,
	CHAIN_SHOWN = 12, /* at each end of a longer chain */
};

struct layout {
	const struct report *report;
	uint32_t *order;       /* streams, layer by layer */
	uint32_t *layer_start; /* of each layer in order; one more at the end */
	double *place;         /* of each stream in its layer, centred */
	double *wish;
	uint32_t widest;
};

static void set_places(struct layout *layout, uint32_t layer)
{
	uint32_t from = layout->layer_start[layer], to = layout->layer_start[layer + 1];

	for (uint32_t i = from; i < to; i++)
		layout->place[layout->order[i]] = (double)(i - from) - (double)(to - from - 1) / 2;
}

/* by wish, stable: layers are small, and nearly sorted after the first sweep */
static void sort_layer(struct layout *layout, uint32_t layer)
{
	uint32_t from = layout->layer_start[layer], to = layout->layer_start[layer + 1];

	for (uint32_t i = from + 1; i < to; i++) {
		uint32_t id = layout->order[i], j = i;

		for (; j > from && layout->wish[layout->order[j - 1]] > layout->wish[id]; j--)
			layout->order[j] = layout->order[j - 1];
		layout->order[j] = id;
	}
	set_places(layout, layer);
}

/* every stream wishes to be where the mean of its dependencies (or of its users) is */
static void make_wishes(struct layout *layout, bool by_dependencies)
{
	const struct report *report = layout->report;
	double *count = xcalloc(report->streams.count + 1, sizeof *count);

	for (size_t i = 0; i < report->streams.count; i++)
		layout->wish[i] = 0;
	for (size_t i = 0; i < report->edges.count; i++) {
		const struct report_edge *edge = &report->edges.items[i];
		uint32_t who = by_dependencies ? edge->stream : edge->dependency;

		layout->wish[who] += layout->place[by_dependencies ? edge->dependency : edge->stream];
		count[who] += 1;
	}
	for (size_t i = 0; i < report->streams.count; i++)
		layout->wish[i] = count[i] > 0 ? layout->wish[i] / count[i] : layout->place[i];
	free(count);
}

static void make_layout(struct layout *layout)
{
	const struct report *report = layout->report;
	size_t count = report->streams.count;
	uint32_t *next;

	layout->order = xcalloc(count + 1, sizeof *layout->order);
	layout->layer_start = xcalloc(report->levels + 1, sizeof *layout->layer_start);
	layout->place = xcalloc(count + 1, sizeof *layout->place);
	layout->wish = xcalloc(count + 1, sizeof *layout->wish);
	next = xcalloc(report->levels + 1, sizeof *next);
	for (size_t i = 0; i < count; i++)
		layout->layer_start[report->streams.items[i].level + 1]++;
	for (uint32_t l = 0; l < report->levels; l++) {
		if (layout->layer_start[l + 1] > layout->widest)
			layout->widest = layout->layer_start[l + 1];
		layout->layer_start[l + 1] += layout->layer_start[l];
		next[l] = layout->layer_start[l];
	}
	for (size_t i = 0; i < count; i++)
		layout->order[next[report->streams.items[i].level]++] = (uint32_t)i;
	free(next);
	for (uint32_t l = 0; l < report->levels; l++)
		set_places(layout, l);
	for (int sweep = 0; sweep < SWEEPS; sweep++) {
		bool down = sweep % 2 == 0;

		for (uint32_t n = 0; n < report->levels; n++) {
			make_wishes(layout, down);
			sort_layer(layout, down ? n : report->levels - 1 - n);
		}
	}
}

static double node_x(const struct layout *layout, uint32_t id)
{
	return 2 + (double)layout->report->streams.items[id].level * (NODE_WIDTH + GAP_X);
}

static double node_y(const struct layout *layout, uint32_t id)
{
	return 2 + (layout->place[id] + (double)(layout->widest - 1) / 2) * (NODE_HEIGHT + GAP_Y);
}

static void add_edge(struct strbuf *out, const struct layout *layout, const struct report_edge *edge, bool on_path)
{
	double x1 = node_x(layout, edge->dependency) + NODE_WIDTH,
	       y1 = node_y(layout, edge->dependency) + NODE_HEIGHT / 2.0;
	double x2 = node_x(layout, edge->stream), y2 = node_y(layout, edge->stream) + NODE_HEIGHT / 2.0,
	       bend = (x2 - x1) / 2;

	if (bend > GAP_X)
		bend = GAP_X;
	strbuf_addf(out, "<path class=\"edge%s\" d=\"M%.0f %.1fC%.0f %.1f %.0f %.1f %.0f %.1f\"/>\n",
		on_path ? " path" : "", x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2);
}

static void add_node(struct strbuf *out, const struct layout *layout, uint32_t id)
{
	const struct report *report = layout->report;
	double x = node_x(layout, id), y = node_y(layout, id);
	const struct report_stream *stream = &report->streams.items[id];

	strbuf_addf(out,
		"<a class=\"node%s\" href=\"#s%u\"><rect x=\"%.0f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"7\"/><rect class=\"f-%s\" x=\"%.0f\" y=\"%.1f\" width=\"4\" height=\"%d\" rx=\"2\"/><text x=\"%.0f\" y=\"%.1f\">",
		stream->critical && report->critical.count > 1 ? " path" : "", id, x, y, NODE_WIDTH, NODE_HEIGHT,
		html_state_class(report, id), x + 5, y + 6, NODE_HEIGHT - 12, x + 15, y + NODE_HEIGHT / 2.0 + 4);
	markup_add_ends(out, report->status.streams[id].name, NAME_SHOWN, MARKUP_ONE_LINE);
	strbuf_addstr(out, "</text>");
	if (stream->first != REPORT_NONE && strlen(report->status.streams[id].name) < NAME_SHOWN - 5) {
		strbuf_addf(out, "<text class=\"dim\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">", x + NODE_WIDTH - 8,
			y + NODE_HEIGHT / 2.0 + 4);
		html_add_duration(out, report_stream_ms(report, id));
		strbuf_addstr(out, "</text>");
	}
	strbuf_addstr(out, "<title>");
	markup_addstr(out, report->status.streams[id].name, MARKUP_ONE_LINE);
	strbuf_addf(out, ": %s</title></a>\n", orch_task_state_name(report->status.streams[id].state));
}

/* neighbours on the longest chain, in its order */
static bool is_on_path(const struct report *report, const uint32_t *position, const struct report_edge *edge)
{
	return report->critical.count > 1 && position[edge->stream] > 0 &&
		position[edge->dependency] + 1 == position[edge->stream] && position[edge->dependency] > 0;
}

static void draw(struct html *html)
{
	const struct report *report = html->report;
	struct layout layout = {.report = report};
	uint32_t *position = xcalloc(report->streams.count + 1, sizeof *position);

	make_layout(&layout);
	for (size_t i = 0; i < report->critical.count; i++)
		position[report->critical.items[i]] = (uint32_t)i + 1;
	strbuf_addf(html->out,
		"<div class=\"wide tall\"><svg width=\"%u\" height=\"%u\" role=\"img\" aria-label=\"Graph of the streams; what a stream waits for is to its left\">\n",
		report->levels * (NODE_WIDTH + GAP_X) - GAP_X + 4, layout.widest * (NODE_HEIGHT + GAP_Y) - GAP_Y + 4);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < report->edges.count; i++) {
			bool on_path = is_on_path(report, position, &report->edges.items[i]);

			if (on_path == (pass == 1))
				add_edge(html->out, &layout, &report->edges.items[i], on_path);
		}
	}
	for (uint32_t i = 0; i < report->streams.count; i++)
		add_node(html->out, &layout, i);
	strbuf_addstr(html->out, "</svg></div>\n");
	free(layout.order);
	free(layout.layer_start);
	free(layout.place);
	free(layout.wish);
	free(position);
}

/* --- large graphs: how many streams are in each phase --- */

enum { CLASSES = 5, CHART_HEIGHT = 150 };
static const char *const classes[CLASSES] = {"good", "bad", "warn", "run", "idle"};

static void draw_phases(struct html *html)
{
	const struct report *report = html->report;
	uint32_t per_column = (report->levels + COLUMNS_MAX - 1) / COLUMNS_MAX;
	uint32_t columns = (report->levels + per_column - 1) / per_column;
	size_t(*count)[CLASSES] = xcalloc(columns, sizeof *count), most = 1;

	for (size_t i = 0; i < report->streams.count; i++) {
		size_t *column = count[report->streams.items[i].level / per_column], sum = 0;

		for (int c = 0; c < CLASSES; c++) {
			column[c] += strcmp(classes[c], html_state_class(report, i)) == 0;
			sum += column[c];
		}
		most = sum > most ? sum : most;
	}
	strbuf_addf(html->out,
		"<svg width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"Streams in each phase\">\n",
		CHART_HEIGHT + 20);
	for (uint32_t column = 0; column < columns; column++) {
		double width = 100.0 / columns, x = width * column, y = CHART_HEIGHT;
		size_t sum = 0;

		strbuf_addstr(html->out, "<g>");
		for (int c = 0; c < CLASSES; c++) {
			double height = (double)(CHART_HEIGHT - 16) * (double)count[column][c] / (double)most;

			sum += count[column][c];
			if (count[column][c] == 0)
				continue;
			height = height < 1 ? 1 : height;
			y -= height;
			strbuf_addf(html->out,
				"<rect x=\"%.3f%%\" y=\"%.1f\" width=\"%.3f%%\" height=\"%.1f\" class=\"f-%s\"/>",
				x + width * 0.08, y, width * 0.84, height, classes[c]);
		}
		strbuf_addf(html->out, "<title>phase %u", column * per_column + 1);
		if (per_column > 1)
			strbuf_addf(html->out, " to %u", (column + 1) * per_column);
		strbuf_addf(html->out, ": %zu streams</title></g>\n", sum);
		if (columns <= 12 || column % (columns / 8) == 0)
			strbuf_addf(html->out, "<text class=\"dim\" x=\"%.3f%%\" y=\"%d\">%u</text>", x + width * 0.08,
				CHART_HEIGHT + 16, column * per_column + 1);
		if (columns <= 12)
			strbuf_addf(html->out, "<text class=\"dim\" x=\"%.3f%%\" y=\"%.1f\">%zu</text>",
				x + width * 0.08, y - 4, sum);
	}
	strbuf_addf(html->out,
		"</svg><p class=\"note\">%zu streams are too many to draw one by one: how many there are in each phase. A stream waits for one of the phase before it.</p>\n",
		report->streams.count);
	free(count);
}

void html_add_graph(struct html *html)
{
	const struct report *report = html->report;

	if (report->edges.count == 0)
		return;
	strbuf_addf(html->out, "<section id=\"graph\"><h2>Graph <small>%zu streams, %zu %s, %u phases</small></h2>\n",
		report->streams.count, report->edges.count, report->edges.count == 1 ? "edge" : "edges",
		report->levels);
	if (report->streams.count <= NODES_MAX && report->edges.count <= EDGES_MAX)
		draw(html);
	else
		draw_phases(html);
	strbuf_addstr(html->out, "</section>\n");
}

/* --- the longest chain --- */

static void add_link(struct html *html, const uint32_t id)
{
	const struct report *report = html->report;
	double wall = report->wall_ms > 0 ? (double)report->wall_ms : 1;
	double x = 100.0 * (double)(report_stream_started(report, id) - report->status.started_ms) / wall;
	double width = 100.0 * (double)(report_stream_ended(report, id) - report_stream_started(report, id)) / wall;

	x = x < 0 ? 0 : x > 99.7 ? 99.7 : x;
	width = width < 0.3 ? 0.3 : width + x > 100 ? 100 - x : width;
	strbuf_addf(html->out, "<li><a class=\"name\" href=\"#s%u\">", id);
	markup_addstr(html->out, report->status.streams[id].name, MARKUP_ONE_LINE);
	strbuf_addf(html->out,
		"</a><svg aria-hidden=\"true\"><rect class=\"lane\" width=\"100%%\" height=\"100%%\" rx=\"4\"/><rect class=\"f-%s\" x=\"%.3f%%\" width=\"%.3f%%\" height=\"100%%\" rx=\"3\"/></svg><span class=\"num\">",
		html_state_class(report, id), x, width);
	html_add_duration(html->out, report_stream_ms(report, id));
	strbuf_addstr(html->out, "</span></li>\n");
}

void html_add_chain(struct html *html)
{
	const struct report *report = html->report;
	size_t count = report->critical.count;

	if (count < 2)
		return;
	strbuf_addf(html->out, "<section id=\"chain\"><h2>Critical path <small>%zu streams, ", count);
	html_add_duration(html->out, report->critical_ms);
	strbuf_addstr(html->out, ": the least time at any number of slots</small></h2>\n<ol class=\"chain\">\n");
	for (size_t i = 0; i < count; i++) {
		if (i == CHAIN_SHOWN && count > 2 * CHAIN_SHOWN + 1) {
			strbuf_addf(html->out, "<li class=\"dim\">and %zu more</li>\n", count - 2 * CHAIN_SHOWN);
			i = count - CHAIN_SHOWN;
		}
		add_link(html, report->critical.items[i]);
	}
	strbuf_addstr(html->out, "</ol></section>\n");
}
