#include "config.h"

#include "ui/watch_private.h"

#include <stdio.h>
#include <string.h>

#include "orch/run.h"
#include "os/clock.h"
#include "os/loop.h"
#include "ui/keys.h"
#include "ui/term.h"

enum {
	HEAD_ROWS = 2,
	BESIDE_FROM = 160, /* columns from which on the log stands beside the streams */
	LOG_ROWS_MIN = 4,
	HELP_COLUMN = 14,
};

static void lay_out(struct watch *watch, unsigned columns, unsigned rows)
{
	unsigned body = rows > HEAD_ROWS + 1 ? rows - HEAD_ROWS - 1 : 0, wanted, half = body / 2;

	watch->streams = watch->log = (struct canvas_area){.row = HEAD_ROWS, .columns = columns};
	if (watch->zoomed) {
		watch->log.rows = body;
	} else if (columns >= BESIDE_FROM) {
		watch->streams.columns = columns / 2 - 1;
		watch->streams.rows = watch->log.rows = body;
		watch->log.column = columns / 2;
		watch->log.columns = columns - columns / 2;
	} else {
		wanted = watch->board.count + 1 < body ? (unsigned)watch->board.count + 1 : body;
		if (wanted < 2)
			wanted = 2;
		watch->streams.rows = body < 2 * LOG_ROWS_MIN ? body : wanted < half ? wanted : half;
		watch->log.row = HEAD_ROWS + watch->streams.rows;
		watch->log.rows = body - watch->streams.rows;
	}
}

static void draw_log(struct watch *watch)
{
	const struct orch_stream_status *stream = board_stream(&watch->board);
	const struct canvas_area *area = &watch->log;
	unsigned look = watch->in_log ? CANVAS_TITLE : CANVAS_DIM, used;
	struct canvas_area text = *area;
	struct strbuf title = {0};
	char position[60];

	if (area->rows < 2)
		return;
	strbuf_addf(&title, "log of %s", stream != NULL ? stream->name : "nothing");
	if (stream != NULL && stream->attempt > 0)
		strbuf_addf(&title, ", attempt %lld", (long long)stream->attempt);
	if (watch->in_log)
		canvas_fill(watch->canvas, area->row, area->column, area->columns, look);
	used = canvas_text(
		watch->canvas, area->row, area->column + 1, area->columns - 1, look, strbuf_cstr(&title), title.len);
	strbuf_release(&title);
	text.row++;
	text.rows--;
	pager_draw(watch->pager, watch->canvas, &text);
	pager_position(watch->pager, position, sizeof position);
	if (used + strlen(position) + 4 < area->columns)
		canvas_text(watch->canvas, area->row, area->column + area->columns - 1 - (unsigned)strlen(position),
			(unsigned)strlen(position), look, position, strlen(position));
}

static void draw_help(struct watch *watch, unsigned columns, unsigned rows)
{
	unsigned row = HEAD_ROWS;

	for (size_t i = 0; i < key_row_count && row + 1 < rows; i++) {
		const struct key_row *key = &key_rows[i];

		if (key->keys == NULL)
			continue;
		canvas_text(watch->canvas, row, 1, columns - 1, CANVAS_BOLD, key->keys, strlen(key->keys));
		if (columns > HELP_COLUMN)
			canvas_text(watch->canvas, row, HELP_COLUMN, columns - HELP_COLUMN, CANVAS_PLAIN, key->help,
				strlen(key->help));
		row++;
	}
}

static void add_question(const struct watch *watch, struct strbuf *out)
{
	if (watch->request == WATCH_APPROVE)
		strbuf_addf(out, "Approve of %s? It starts then. [y/N]", watch->request_stream);
	else if (watch->request == WATCH_STOP)
		strbuf_addf(out, "Stop %s? What needs it is skipped. [y/N]", watch->request_stream);
	else
		strbuf_addstr(out, "Stop the run? What runs is ended, its work is kept. [y/N]");
}

static const char *hints(const struct watch *watch)
{
	const struct orch_stream_status *stream = board_stream(&watch->board);

	if (watch->mode == MODE_HELP)
		return "q leave  any other key: back";
	if (watch->in_log)
		return "q leave  ? help  Esc back  / search  n N matches  G follow  Enter whole screen";
	if (watch->run == WATCH_RUNNING && stream != NULL && stream->asks != NULL)
		return "q leave  ? help  a approve  / filter  f show  o order  s stop  p pause";
	if (watch->run == WATCH_RUNNING && stream != NULL && stream->agent != NULL &&
		stream->state == ORCH_TASK_RUNNING)
		return "q leave  ? help  m message  Enter log  / filter  f show  s stop  p pause";
	if (watch->run == WATCH_RUNNING)
		return "q leave  ? help  Enter log  / filter  f show  o order  s stop  r retry  p pause";
	return "q leave  ? help  Enter log  / filter  f show  o order";
}

static void draw_entry(struct watch *watch, unsigned columns, unsigned rows)
{
	struct strbuf label = {0};

	if (watch->typing == TYPE_MESSAGE)
		strbuf_addf(&label, "message to %s", watch->request_stream);
	else
		strbuf_addstr(&label, watch->typing == TYPE_SEARCH ? "search" : "filter");
	entry_draw(&watch->typed, watch->canvas, rows - 1, columns, strbuf_cstr(&label), watch->options.term->unicode);
	strbuf_release(&label);
}

static void draw_foot(struct watch *watch, unsigned columns, unsigned rows)
{
	struct strbuf text = {0};
	unsigned look = CANVAS_DIM;

	if (rows <= HEAD_ROWS)
		return;
	if (watch->mode == MODE_TYPE) {
		draw_entry(watch, columns, rows);
		return;
	}
	if (watch->mode == MODE_CONFIRM) {
		add_question(watch, &text);
		look = watch->request == WATCH_APPROVE ? CANVAS_WARN : CANVAS_BAD;
	} else if (watch->said.len > 0) {
		strbuf_add(&text, watch->said.data, watch->said.len);
		look = watch->said_bad ? CANVAS_BAD : CANVAS_BOLD;
	} else {
		strbuf_addstr(&text, hints(watch));
	}
	canvas_text(watch->canvas, rows - 1, 1, columns - 1, look, strbuf_cstr(&text), text.len);
	strbuf_release(&text);
}

void watch_draw(struct watch *watch)
{
	int64_t now_ms = clock_wall_ms();
	struct watch_rows rows = {
		.term = watch->options.term,
		.status = watch->options.status,
		.run = watch->run,
		.now_ms = now_ms,
		.tails = &watch->tails,
	};
	unsigned columns, lines;

	canvas_size(watch->canvas, &columns, &lines);
	board_update(&watch->board, now_ms);
	watch_follow_log(watch);
	pager_refresh(watch->pager);
	lay_out(watch, columns, lines);
	canvas_clear(watch->canvas);
	watch_draw_head(&rows, watch->canvas, columns);
	if (watch->mode == MODE_HELP) {
		draw_help(watch, columns, lines);
	} else {
		if (watch->streams.rows > 0) {
			board_scroll(&watch->board, watch->streams.rows - 1);
			watch_draw_streams(&rows, watch->canvas, &watch->streams, &watch->board);
		}
		draw_log(watch);
	}
	draw_foot(watch, columns, lines);
	canvas_show(watch->canvas);
	watch->last_frame_ms = loop_now(watch->options.loop);
}
