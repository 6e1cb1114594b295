#include "config.h"

#include "ui/watch_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "orch/history.h"
#include "ui/plain.h"
#include "ui/statusline.h"
#include "ui/term.h"
#include "ui/words.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/units.h"
#include "util/utf8.h"

enum {
	NAME_MIN = 8,
	NAME_MAX = 40,
	STATE_COLUMNS = 9,
	TIME_COLUMNS = 7,
	TRY_COLUMNS = 4,
	AGENT_COLUMNS = 10,
	COST_COLUMNS = 7,
	DONE_COLUMNS = 7,
	TAIL_BYTES = 4096,
	BAR_COLUMNS = 24,
	BAR_FROM = 100, /* columns from which on there is room for it */
};

struct watch_tail {
	int64_t attempt, size;
	char *line;
};

void watch_tails_release(struct watch_tails *tails)
{
	for (size_t i = 0; i < tails->count; i++)
		free(tails->items[i].line);
	free(tails->items);
	*tails = (struct watch_tails){0};
}

/* the last line of its log; "" if there is none */
static const char *last_line(const struct watch_rows *rows, const struct orch_stream_status *stream)
{
	size_t position = (size_t)(stream - rows->status->streams), len;
	struct watch_tails *tails = rows->tails;
	struct watch_tail *tail;
	struct stat info;
	int64_t size;
	char *text;

	if (stream->log == NULL || stat(stream->log, &info) != 0)
		return "";
	if (position >= tails->count) {
		size_t count = rows->status->stream_count;

		tails->items = xreallocarray(tails->items, count, sizeof *tails->items);
		memset(tails->items + tails->count, 0, (count - tails->count) * sizeof *tails->items);
		tails->count = count;
	}
	tail = &tails->items[position];
	if (tail->line != NULL && tail->attempt == stream->attempt && tail->size == (int64_t)info.st_size)
		return tail->line;
	text = orch_log_end(stream->log, 1, TAIL_BYTES, &len, &size);
	if (text == NULL)
		return "";
	free(tail->line);
	tail->line = xstrndup(text, len);
	free(text);
	tail->size = size;
	tail->attempt = stream->attempt;
	return tail->line;
}

/* ---- words ---- */

static const char *elapsed_text(char buffer[UNITS_TEXT_MAX], int64_t ms)
{
	statusline_elapsed(buffer, UNITS_TEXT_MAX, ms);
	return buffer;
}

static unsigned state_look(enum orch_task_state state)
{
	static const enum canvas_look looks[ORCH_TASK_STATES] = {
		[ORCH_TASK_WAITING] = CANVAS_DIM,
		[ORCH_TASK_HELD] = CANVAS_WARN,
		[ORCH_TASK_READY] = CANVAS_DIM,
		[ORCH_TASK_RUNNING] = CANVAS_BOLD,
		[ORCH_TASK_BACKOFF] = CANVAS_WARN,
		[ORCH_TASK_COMPLETED] = CANVAS_GOOD,
		[ORCH_TASK_FAILED] = CANVAS_BAD,
		[ORCH_TASK_SKIPPED] = CANVAS_WARN,
		[ORCH_TASK_CANCELLED] = CANVAS_WARN,
	};

	return looks[state];
}

static const char *state_mark(const struct watch_rows *rows, enum orch_task_state state)
{
	static const char *const marks[ORCH_TASK_STATES][2] = {
		[ORCH_TASK_WAITING] = {".", "\xc2\xb7"},
		[ORCH_TASK_HELD] = {"=", "\xe2\x80\x96"},
		[ORCH_TASK_READY] = {".", "\xc2\xb7"},
		[ORCH_TASK_RUNNING] = {">", "\xe2\x96\xb8"},
		[ORCH_TASK_BACKOFF] = {"~", "\xe2\x86\xbb"},
		[ORCH_TASK_COMPLETED] = {"+", "\xe2\x9c\x93"},
		[ORCH_TASK_FAILED] = {"!", "\xe2\x9c\x97"},
		[ORCH_TASK_SKIPPED] = {"-", "\xe2\x80\x93"},
		[ORCH_TASK_CANCELLED] = {"-", "\xe2\x80\x93"},
	};

	return marks[state][rows->term->unicode];
}

/* what there is to know in this state; foreign text in it is cleaned when it is drawn */
static void add_note(const struct watch_rows *rows, struct strbuf *out, const struct orch_stream_status *stream)
{
	switch (stream->state) {
	case ORCH_TASK_RUNNING:
		if (rows->run == WATCH_CRASHED) {
			strbuf_addstr(out, words_left(stream->left));
			break;
		}
		if (stream->phase != NULL && strcmp(stream->phase, "run") != 0)
			strbuf_addf(out, "(%s) ", stream->phase);
		strbuf_addstr(out, words_noted(stream) != NULL ? words_noted(stream) : last_line(rows, stream));
		break;
	case ORCH_TASK_WAITING:
	case ORCH_TASK_READY:
		if (rows->run != WATCH_RUNNING)
			strbuf_addstr(out, "was never started");
		else if (stream->reason != NULL)
			strbuf_addf(out, "to run: %s", stream->reason);
		break;
	case ORCH_TASK_BACKOFF:
		strbuf_addstr(out, "waits for its next attempt");
		if (stream->outcome > ORCH_OUTCOME_UNCHANGED) {
			strbuf_addstr(out, "; ");
			words_outcome(out, stream, rows->term->unicode);
		}
		break;
	case ORCH_TASK_FAILED:
		words_outcome(out, stream, rows->term->unicode);
		break;
	case ORCH_TASK_COMPLETED:
		if (stream->outcome == ORCH_OUTCOME_UNCHANGED)
			strbuf_addstr(out, "unchanged");
		else if (stream->title != NULL)
			strbuf_addstr(out, stream->title);
		break;
	case ORCH_TASK_HELD:
	case ORCH_TASK_SKIPPED:
	case ORCH_TASK_CANCELLED:
		strbuf_addstr(out, stream->reason != NULL ? stream->reason : "");
		break;
	}
}

/* ---- the run ---- */

/* text from left to right on one row */
struct pen {
	struct canvas *canvas;
	unsigned row, column, end;
};

static void pen_add(struct pen *pen, unsigned look, const char *text)
{
	if (pen->column < pen->end)
		pen->column += canvas_text(
			pen->canvas, pen->row, pen->column, pen->end - pen->column, look, text, strlen(text));
}

__attribute__((format(printf, 3, 4))) static void pen_addf(struct pen *pen, unsigned look, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	pen_add(pen, look, text);
	free(text);
}

static void pen_skip(struct pen *pen, unsigned columns)
{
	pen->column += columns;
}

static void draw_title(const struct watch_rows *rows, struct canvas *canvas, unsigned columns)
{
	const struct orch_status *status = rows->status;
	struct pen pen = {.canvas = canvas, .end = columns, .column = 1};
	char time[UNITS_TEXT_MAX];
	int64_t left;

	canvas_fill(canvas, 0, 0, columns, CANVAS_TITLE);
	if (rows->run == WATCH_NONE) {
		pen_add(&pen, CANVAS_TITLE, "orch: nothing has run here yet; a run is shown when it begins");
		return;
	}
	pen_add(&pen, CANVAS_TITLE, status->project != NULL ? status->project : "orch");
	pen_skip(&pen, 2);
	pen_addf(&pen, CANVAS_TITLE, "run %s", status->run != NULL ? status->run : "");
	pen_skip(&pen, 2);
	if (rows->run == WATCH_FINISHED) {
		pen_addf(&pen, CANVAS_TITLE, "finished in %s, exit status %lld",
			units_duration(time, status->finished_ms - status->started_ms), (long long)status->exit_code);
		return;
	}
	if (rows->run == WATCH_CRASHED) {
		pen_addf(&pen, CANVAS_TITLE, "crashed after %s; 'orch' goes on from what was completed",
			elapsed_text(time, status->last_ms - status->started_ms));
		return;
	}
	pen_add(&pen, CANVAS_TITLE, elapsed_text(time, rows->now_ms - status->started_ms));
	left = status->stopping == NULL && status->paused == NULL ? orch_status_left_ms(status, rows->now_ms) : -1;
	if (left > 0)
		pen_addf(&pen, CANVAS_TITLE, ", about %s left", elapsed_text(time, left + 999));
	pen_skip(&pen, 2);
	if (status->stopping != NULL)
		pen_addf(&pen, CANVAS_TITLE, "stopping: %s", status->stopping);
	else if (status->paused != NULL)
		pen_add(&pen, CANVAS_TITLE, "paused");
	else if (status->strained != NULL)
		pen_addf(&pen, CANVAS_TITLE, "%lld of %lld slots: %s", (long long)status->usable,
			(long long)status->jobs, status->strained);
}

static void draw_bar(const struct watch_rows *rows, struct canvas *canvas, unsigned columns, size_t done, size_t all)
{
	const char *full = rows->term->unicode ? "\xe2\x96\x88" : "#",
		   *empty = rows->term->unicode ? "\xe2\x96\x91" : ".";
	struct pen pen = {.canvas = canvas, .row = 1, .column = columns - BAR_COLUMNS - 1, .end = columns};
	unsigned filled = all > 0 ? (unsigned)(done * BAR_COLUMNS / all) : 0;

	for (unsigned i = 0; i < BAR_COLUMNS; i++)
		pen_add(&pen, i < filled ? CANVAS_GOOD : CANVAS_DIM, i < filled ? full : empty);
}

static void draw_counts(const struct watch_rows *rows, struct canvas *canvas, unsigned columns)
{
	static const enum orch_task_state order[] = {ORCH_TASK_FAILED, ORCH_TASK_RUNNING, ORCH_TASK_HELD,
		ORCH_TASK_BACKOFF, ORCH_TASK_READY, ORCH_TASK_WAITING, ORCH_TASK_SKIPPED, ORCH_TASK_CANCELLED,
		ORCH_TASK_COMPLETED};
	const struct orch_status *status = rows->status;
	bool bar = columns >= BAR_FROM;
	struct pen pen = {.canvas = canvas, .row = 1, .column = 1, .end = bar ? columns - BAR_COLUMNS - 2 : columns};
	size_t done = plain_ended(status), all = plain_total(status);
	char *holds;

	if (rows->run == WATCH_NONE)
		return;
	pen_addf(&pen, CANVAS_BOLD, "[%zu/%zu]", done, all);
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		size_t count = status->count[order[i]];

		if (count == 0)
			continue;
		pen_skip(&pen, 1);
		pen_addf(&pen, state_look(order[i]), "%zu %s", count, orch_task_state_name(order[i]));
	}
	pen_skip(&pen, 2);
	if (rows->run == WATCH_RUNNING && status->jobs > 0)
		pen_addf(&pen, CANVAS_DIM, "%lld at once", (long long)status->jobs);
	if (status->has_cost) {
		char cost[UNITS_TEXT_MAX];

		pen_skip(&pen, 2);
		statusline_cost(cost, sizeof cost, status->cost_micros);
		pen_addf(&pen, CANVAS_PLAIN, "cost %s", cost);
	}
	holds = rows->run == WATCH_RUNNING ? orch_status_holds(status, rows->now_ms) : NULL;
	if (holds != NULL) {
		pen_skip(&pen, 2);
		pen_addf(&pen, CANVAS_WARN, "%s", holds);
		free(holds);
	}
	if (bar)
		draw_bar(rows, canvas, columns, done, all);
}

void watch_draw_head(const struct watch_rows *rows, struct canvas *canvas, unsigned columns)
{
	draw_title(rows, canvas, columns);
	draw_counts(rows, canvas, columns);
}

/* ---- streams ---- */

/* what there is to say of the streams of this run */
struct columns {
	unsigned names; /* their width */
	bool agents, progress, costs;
};

static void choose_columns(struct columns *columns, const struct orch_status *status)
{
	columns->costs = status->has_cost;
	for (size_t i = 0; i < status->stream_count && !(columns->agents && columns->progress); i++) {
		const struct orch_stream_status *stream = &status->streams[i];

		columns->agents |= stream->agent != NULL;
		columns->progress |= stream->tasks > 0 || stream->total > 0 || stream->progress != NULL;
	}
}

static unsigned name_columns(const struct watch_rows *rows, const struct board *board, unsigned columns, size_t shown)
{
	unsigned widest = NAME_MIN, most = columns / 3 < NAME_MAX ? columns / 3 : NAME_MAX;

	for (size_t i = 0; i < shown && board->top + i < board->count; i++) {
		const char *name = rows->status->streams[board->rows[board->top + i]].name;
		unsigned width = utf8_text_width(name, strlen(name));

		if (width > widest)
			widest = width;
	}
	return widest < most ? widest : most;
}

static void draw_right(
	struct canvas *canvas, unsigned row, unsigned column, unsigned columns, unsigned look, const char *text)
{
	unsigned width = (unsigned)strlen(text);

	if (width > columns)
		width = columns;
	canvas_text(canvas, row, column + columns - width, width, look, text, strlen(text));
}

static void draw_stream(const struct watch_rows *rows, struct canvas *canvas, const struct canvas_area *area,
	unsigned row, const struct columns *columns, bool picked, const struct orch_stream_status *stream)
{
	unsigned plus = picked ? CANVAS_SELECTED : 0, column = area->column, end = area->column + area->columns;
	unsigned look = state_look(stream->state) + plus;
	int64_t until = rows->run == WATCH_RUNNING ? rows->now_ms : rows->status->last_ms;
	int64_t time_ms = board_time_ms(stream, until);
	char text[UNITS_TEXT_MAX];
	struct strbuf note = {0};

	if (picked)
		canvas_fill(canvas, row, column, area->columns, CANVAS_SELECTED);
	canvas_text(
		canvas, row, column, 1, look, state_mark(rows, stream->state), strlen(state_mark(rows, stream->state)));
	column += 2;
	canvas_text(canvas, row, column, columns->names, CANVAS_PLAIN + plus, stream->name, strlen(stream->name));
	column += columns->names + 1;
	if (column + STATE_COLUMNS + TIME_COLUMNS + TRY_COLUMNS + 3 > end)
		return;
	canvas_text(canvas, row, column, STATE_COLUMNS, look, orch_task_state_name(stream->state),
		strlen(orch_task_state_name(stream->state)));
	column += STATE_COLUMNS + 1;
	if (time_ms >= 0)
		draw_right(canvas, row, column, TIME_COLUMNS, CANVAS_PLAIN + plus, elapsed_text(text, time_ms));
	column += TIME_COLUMNS + 1;
	if (stream->attempt > 1) {
		snprintf(text, sizeof text, "#%lld", (long long)stream->attempt);
		draw_right(canvas, row, column, TRY_COLUMNS, CANVAS_WARN + plus, text);
	}
	column += TRY_COLUMNS + 1;
	if (columns->agents) {
		if (stream->agent != NULL && column < end)
			canvas_text(canvas, row, column, column + AGENT_COLUMNS < end ? AGENT_COLUMNS : end - column,
				CANVAS_PLAIN + plus, stream->agent, strlen(stream->agent));
		column += AGENT_COLUMNS + 1;
	}
	if (columns->progress) {
		struct strbuf progress = {0};

		if (column + DONE_COLUMNS < end && words_progress(&progress, stream, rows->term->unicode))
			canvas_text(canvas, row, column, DONE_COLUMNS, CANVAS_PLAIN + plus, progress.data,
				progress.len);
		strbuf_release(&progress);
		column += DONE_COLUMNS + 1;
	}
	if (columns->costs) {
		if (stream->cost_micros > 0 && column + COST_COLUMNS < end) {
			statusline_cost(text, sizeof text, stream->cost_micros);
			draw_right(canvas, row, column, COST_COLUMNS, CANVAS_PLAIN + plus, text);
		}
		column += COST_COLUMNS + 1;
	}
	if (column >= end)
		return;
	add_note(rows, &note, stream);
	canvas_text(canvas, row, column, end - column,
		(stream->state == ORCH_TASK_FAILED ? CANVAS_BAD : CANVAS_DIM) + plus, strbuf_cstr(&note), note.len);
	strbuf_release(&note);
}

static void draw_columns(
	struct canvas *canvas, const struct canvas_area *area, const struct columns *columns, const struct board *board)
{
	unsigned column = area->column + 2, end = area->column + area->columns;
	char right[80];

	canvas_text(canvas, area->row, column, columns->names, CANVAS_DIM, "stream", 6);
	column += columns->names + 1;
	if (column + STATE_COLUMNS + TIME_COLUMNS + TRY_COLUMNS + 3 > end)
		return;
	canvas_text(canvas, area->row, column, STATE_COLUMNS, CANVAS_DIM, "state", 5);
	draw_right(canvas, area->row, column + STATE_COLUMNS + 1, TIME_COLUMNS, CANVAS_DIM, "time");
	draw_right(canvas, area->row, column + STATE_COLUMNS + TIME_COLUMNS + 2, TRY_COLUMNS, CANVAS_DIM, "try");
	column += STATE_COLUMNS + TIME_COLUMNS + TRY_COLUMNS + 3;
	if (columns->agents) {
		if (column + AGENT_COLUMNS < end)
			canvas_text(canvas, area->row, column, AGENT_COLUMNS, CANVAS_DIM, "agent", 5);
		column += AGENT_COLUMNS + 1;
	}
	if (columns->progress) {
		if (column + DONE_COLUMNS < end)
			canvas_text(canvas, area->row, column, DONE_COLUMNS, CANVAS_DIM, "done", 4);
		column += DONE_COLUMNS + 1;
	}
	if (columns->costs) {
		if (column + COST_COLUMNS < end)
			draw_right(canvas, area->row, column, COST_COLUMNS, CANVAS_DIM, "cost");
		column += COST_COLUMNS + 1;
	}
	snprintf(right, sizeof right, "%s, %s", board_show_name(board->show), board_sort_name(board->sort));
	if (board->filter != NULL)
		snprintf(right, sizeof right, "%.40s (/): %zu", board->filter, board->count);
	if (column < end)
		draw_right(canvas, area->row, column, end - column, CANVAS_DIM, right);
}

void watch_draw_streams(
	const struct watch_rows *rows, struct canvas *canvas, const struct canvas_area *area, const struct board *board)
{
	size_t shown = area->rows > 1 ? area->rows - 1 : 0;
	struct columns columns = {
		.names = name_columns(rows, board, area->columns, shown),
	};

	choose_columns(&columns, rows->status);
	draw_columns(canvas, area, &columns, board);
	for (size_t i = 0; i < shown && board->top + i < board->count; i++) {
		size_t row = board->top + i;

		draw_stream(rows, canvas, area, area->row + 1 + (unsigned)i, &columns, row == board->picked,
			&rows->status->streams[board->rows[row]]);
	}
	if (board->count == 0 && shown > 0 && rows->status->stream_count > 0)
		canvas_text(canvas, area->row + 1, area->column + 2, area->columns - 2, CANVAS_DIM,
			"(none; Esc shows all)", 21);
}
