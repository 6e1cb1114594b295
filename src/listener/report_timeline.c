/* What ran when: a lane for each slot, a bar for each attempt. */
#include "config.h"

#include "listener/markup.h"
#include "listener/report_html.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS_MAX = 400, /* lanes drawn */
	BARS_MAX = 4000, /* more are drawn as one where they are too short to be seen */
	TICKS_MAX = 8,
	AXIS_HEIGHT = 22,
	NAME_MAX_CHARACTERS = 60,
};

/* thousandths of a percent: what no screen can show */
#define SHORT_PERCENT 0.05
#define FAILURE_PERCENT 0.2

struct lane {
	double from, to; /* percent; a bar that is not written yet */
	const char *class;
	uint32_t attempt;
	size_t count; /* attempts in it; 0: none */
};

struct timeline {
	struct strbuf *out;
	const struct report *report;
	int height; /* of a lane */
	bool merge;
	struct lane *lanes;
};

static double percent(const struct report *report, int64_t ms)
{
	double wall = report->wall_ms > 0 ? (double)report->wall_ms : 1, value;

	value = 100.0 * (double)(ms - report->status.started_ms) / wall;
	return value < 0 ? 0 : value > 100 ? 100 : value;
}

static void add_bar_title(struct timeline *timeline, const struct lane *lane)
{
	const struct report_attempt *attempt = &timeline->report->attempts.items[lane->attempt];
	int64_t end = report_attempt_end(timeline->report, attempt);

	strbuf_addstr(timeline->out, "<title>");
	if (lane->count > 1) {
		strbuf_addf(timeline->out, "%zu short attempts", lane->count);
	} else {
		markup_add_short(timeline->out, timeline->report->status.streams[attempt->stream].name,
			NAME_MAX_CHARACTERS, MARKUP_ONE_LINE);
		if (attempt->number > 1)
			strbuf_addf(timeline->out, ", attempt %lld", (long long)attempt->number);
		strbuf_addstr(timeline->out, ": ");
		html_add_duration(timeline->out, end - attempt->started_ms);
		if (attempt->outcome >= 0)
			strbuf_addf(timeline->out, ", %s", orch_outcome_name((enum orch_outcome)attempt->outcome));
		else
			strbuf_addstr(timeline->out, ", running");
	}
	strbuf_addstr(timeline->out, "</title>");
}

static void write_bar(struct timeline *timeline, unsigned slot)
{
	struct lane *lane = &timeline->lanes[slot];
	const struct report_attempt *attempt = &timeline->report->attempts.items[lane->attempt];
	bool critical = lane->count == 1 && timeline->report->streams.items[attempt->stream].critical;
	int gap = timeline->height >= 10 ? 2 : timeline->height >= 5 ? 1 : 0;
	int y = (int)slot * timeline->height + gap, height = timeline->height - 2 * gap;
	double width = lane->to - lane->from;

	if (lane->count == 0)
		return;
	if (width < SHORT_PERCENT)
		width = SHORT_PERCENT;
	/* one failure among thousands is what is looked for */
	if (strcmp(lane->class, "bad") == 0 && width < FAILURE_PERCENT)
		width = FAILURE_PERCENT;
	if (lane->count == 1)
		strbuf_addf(timeline->out, "<a href=\"#s%u\">", attempt->stream);
	if (width > 2.5 && timeline->height >= 18 && lane->count == 1) {
		/* the inner picture cuts the name off at the bar's end */
		strbuf_addf(timeline->out,
			"<svg x=\"%.3f%%\" y=\"%d\" width=\"%.3f%%\" height=\"%d\"><rect width=\"100%%\" height=\"100%%\" rx=\"4\" class=\"f-%s%s\"/><text x=\"7\" y=\"%d\">",
			lane->from, y, width, height, lane->class, critical ? " on-path" : "", height / 2 + 4);
		markup_add_short(timeline->out, timeline->report->status.streams[attempt->stream].name,
			NAME_MAX_CHARACTERS, MARKUP_ONE_LINE);
		strbuf_addstr(timeline->out, "</text>");
		add_bar_title(timeline, lane);
		strbuf_addstr(timeline->out, "</svg>");
	} else {
		strbuf_addf(timeline->out,
			"<rect x=\"%.3f%%\" y=\"%d\" width=\"%.3f%%\" height=\"%d\" class=\"f-%s%s\">", lane->from, y,
			width, height, lane->class, critical && !timeline->merge ? " on-path" : "");
		add_bar_title(timeline, lane);
		strbuf_addstr(timeline->out, "</rect>");
	}
	strbuf_addstr(timeline->out, lane->count == 1 ? "</a>\n" : "\n");
	lane->count = 0;
}

static void add_attempt(struct timeline *timeline, uint32_t at)
{
	const struct report_attempt *attempt = &timeline->report->attempts.items[at];
	double from = percent(timeline->report, attempt->started_ms);
	double to = percent(timeline->report, report_attempt_end(timeline->report, attempt));
	const char *class = html_attempt_class(timeline->report, attempt);
	struct lane *lane;

	if (attempt->slot < 0 || attempt->slot >= SLOTS_MAX)
		return;
	lane = &timeline->lanes[attempt->slot];
	if (lane->count > 0 && timeline->merge && to - from < SHORT_PERCENT && from - lane->to < SHORT_PERCENT &&
		strcmp(lane->class, class) == 0) {
		lane->to = to > lane->to ? to : lane->to;
		lane->count++;
		return;
	}
	write_bar(timeline, (unsigned)attempt->slot);
	*lane = (struct lane){.from = from, .to = to, .class = class, .attempt = at, .count = 1};
}

/* a round step of which at most TICKS_MAX fit */
static int64_t tick_step(int64_t wall_ms)
{
	static const int64_t steps[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000,
		60000, 120000, 300000, 600000, 900000, 1800000, 3600000, 7200000, 10800000, 21600000, 43200000,
		86400000};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (wall_ms / steps[i] <= TICKS_MAX)
			return steps[i];
	}
	return (wall_ms / 86400000 / TICKS_MAX + 1) * 86400000;
}

/* "0.5s", "2s", "1m30s": as exact as the step */
static void add_tick(struct strbuf *out, int64_t at, int64_t step)
{
	char time[UNITS_TEXT_MAX];

	if (at > 0 && step < 1000 && at < 60000)
		strbuf_addf(out, step >= 100 ? "%.1fs" : step >= 10 ? "%.2fs" : "%.3fs", (double)at / 1000);
	else
		strbuf_addstr(out, units_duration_exact(time, at));
}

static void add_axis(struct timeline *timeline, int height)
{
	const struct report *report = timeline->report;
	int64_t step = tick_step(report->wall_ms);

	for (int64_t at = 0, n = 0; at <= report->wall_ms; at += step, n++) {
		double x = percent(report, report->status.started_ms + at);

		strbuf_addf(timeline->out, "<line class=\"grid\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"0\" y2=\"%d\"/>", x,
			x, height);
		/* the last one would be cut off at the edge */
		if (x >= 96)
			continue;
		strbuf_addf(timeline->out, "<text class=\"dim%s\" x=\"%.3f%%\" dx=\"4\" y=\"%d\">", n % 2 ? " odd" : "",
			x, height + 16);
		add_tick(timeline->out, at, step);
		strbuf_addstr(timeline->out, "</text>\n");
	}
}

static void add_legend(struct strbuf *out, const struct report *report)
{
	static const struct {
		const char *class, *text;
	} kinds[] = {{"good", "succeeded"}, {"bad", "failed"}, {"warn", "stopped, or tried again"}, {"run", "running"}};
	bool used[sizeof kinds / sizeof *kinds] = {false};

	for (size_t i = 0; i < report->attempts.count; i++) {
		const char *class = html_attempt_class(report, &report->attempts.items[i]);

		for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
			used[k] = used[k] || strcmp(kinds[k].class, class) == 0;
	}
	strbuf_addstr(out, "<p class=\"legend\">");
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		if (used[k])
			strbuf_addf(out,
				"<span><svg width=\"12\" height=\"12\"><rect width=\"12\" height=\"12\" rx=\"3\" class=\"f-%s\"/></svg>%s</span>",
				kinds[k].class, kinds[k].text);
	}
	if (report->critical.count > 1 && report->attempts.count <= BARS_MAX)
		strbuf_addstr(out,
			"<span><svg width=\"12\" height=\"12\"><rect x=\"1\" y=\"1\" width=\"10\" height=\"10\" rx=\"3\" class=\"f-idle on-path\"/></svg>on the critical path</span>");
	strbuf_addstr(out, "</p>\n");
}

void html_add_timeline(struct html *html)
{
	const struct report *report = html->report;
	unsigned slots = report->slots < SLOTS_MAX ? report->slots : SLOTS_MAX;
	struct timeline timeline = {.out = html->out, .report = report, .merge = report->attempts.count > BARS_MAX};
	int height;

	if (slots == 0)
		return;
	timeline.height = slots <= 12 ? 28 : slots <= 40 ? 18 : slots <= 120 ? 8 : 4;
	timeline.lanes = xcalloc(slots, sizeof *timeline.lanes);
	height = timeline.height * (int)slots;
	strbuf_addf(html->out,
		"<section id=\"timeline\"><h2>Timeline <small>%u %s, %zu %s</small></h2>\n<div class=\"lanes\"><svg width=\"44\" height=\"%d\">",
		report->slots, report->slots == 1 ? "slot" : "slots", report->attempts.count,
		report->attempts.count == 1 ? "attempt" : "attempts", height + AXIS_HEIGHT);
	for (unsigned slot = 0; timeline.height >= 18 && slot < slots; slot++)
		strbuf_addf(html->out, "<text class=\"dim\" x=\"0\" y=\"%d\">slot %u</text>",
			(int)slot * timeline.height + timeline.height / 2 + 4, slot);
	strbuf_addf(html->out,
		"</svg><svg width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"Timeline of all attempts, by slot\">\n",
		height + AXIS_HEIGHT);
	for (unsigned slot = 0; timeline.height >= 8 && slot < slots; slot++)
		strbuf_addf(html->out, "<rect class=\"lane\" x=\"0\" width=\"100%%\" y=\"%d\" height=\"%d\" rx=\"4\"/>",
			(int)slot * timeline.height + 1, timeline.height - 2);
	add_axis(&timeline, height);
	for (uint32_t i = 0; i < report->attempts.count; i++)
		add_attempt(&timeline, i);
	for (unsigned slot = 0; slot < slots; slot++)
		write_bar(&timeline, slot);
	strbuf_addstr(html->out, "</svg></div>\n");
	if (report->slots > slots)
		strbuf_addf(
			html->out, "<p class=\"note\">The first %u of %u slots are drawn.</p>\n", slots, report->slots);
	add_legend(html->out, report);
	strbuf_addstr(html->out, "</section>\n");
	free(timeline.lanes);
}
