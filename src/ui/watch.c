#include "config.h"

#include "ui/watch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "orch/run.h"
#include "os/clock.h"
#include "os/loop.h"
#include "ui/board.h"
#include "ui/canvas.h"
#include "ui/entry.h"
#include "ui/keys.h"
#include "ui/pager.h"
#include "ui/term.h"
#include "ui/watch_rows.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

enum {
	FRAME_MS = 100,
	TICK_MS = 1000,
	HEAD_ROWS = 2,
	BESIDE_FROM = 160, /* columns from which on the log stands beside the streams */
	LOG_ROWS_MIN = 4,
	WHEEL_ROWS = 3,
	TYPED_MAX = 200,
	HELP_COLUMN = 14,
};

/* what keys mean */
enum mode { MODE_NORMAL, MODE_HELP, MODE_TYPE, MODE_CONFIRM };

/* what is typed */
enum typing { TYPE_FILTER, TYPE_SEARCH, TYPE_MESSAGE };

struct watch {
	struct watch_options options;
	struct canvas *canvas;
	struct loop_fd *keys;
	struct loop_timer *timer;
	struct loop_signal *signals[6];
	struct loop_watch *log_watch;
	char *log_watched;
	struct board board;
	struct pager *pager;
	struct watch_tails tails;
	enum watch_run run;
	enum mode mode;
	bool reordered;      /* rows are to be made anew */
	bool in_log, zoomed; /* the log has the keys; it has the screen */
	enum typing typing;
	struct entry typed;
	bool pasting; /* what comes was pasted */
	struct strbuf said;
	bool said_bad;
	enum watch_request request; /* that is to be confirmed */
	char *request_stream;       /* that, or the message, is about */
	struct canvas_area streams, log; /* as of the last frame; no rows: not shown. Without their titles */
	int64_t last_frame_ms, due_ms;
	int signal;
	bool ended;
};

/* ---- when to draw ---- */

static void arm(struct watch *watch, int64_t delay_ms)
{
	int64_t due;

	if (delay_ms < 0)
		delay_ms = 0;
	due = loop_now(watch->options.loop) + delay_ms;
	if (watch->due_ms != 0 && watch->due_ms <= due)
		return;
	watch->due_ms = due > 0 ? due : 1;
	loop_timer_arm(watch->timer, delay_ms);
}

static void wake(struct watch *watch)
{
	if (!watch->ended)
		arm(watch, watch->last_frame_ms + FRAME_MS - loop_now(watch->options.loop));
}

static void leave(struct watch *watch, int signo)
{
	if (watch->ended)
		return;
	watch->ended = true;
	watch->signal = signo;
	loop_stop(watch->options.loop);
}

static void on_log_grown(void *data)
{
	wake(data);
}

/* the log of the stream that is picked, and to hear of it when it grows */
static void follow_log(struct watch *watch)
{
	const struct orch_stream_status *stream = board_stream(&watch->board);
	const char *path = stream != NULL ? stream->log : NULL;

	pager_open(watch->pager, path);
	if (path != NULL && watch->log_watched != NULL && strcmp(path, watch->log_watched) == 0)
		return;
	loop_watch_free(watch->log_watch);
	watch->log_watch = NULL;
	free(watch->log_watched);
	watch->log_watched = NULL;
	if (path == NULL)
		return;
	watch->log_watch = loop_watch_new(watch->options.loop, path, on_log_grown, watch);
	/* where it cannot be waited for the tick looks */
	if (watch->log_watch != NULL)
		watch->log_watched = xstrdup(path);
}

/* ---- frames ---- */

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
		return "any key: back";
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

static void draw(struct watch *watch)
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
	follow_log(watch);
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

static void on_timer(void *data)
{
	struct watch *watch = data;

	watch->due_ms = 0;
	if (watch->run == WATCH_RUNNING && watch->options.tick != NULL)
		watch->options.tick(watch->options.data);
	if (watch->ended)
		return;
	draw(watch);
	if (watch->run == WATCH_RUNNING)
		arm(watch, TICK_MS);
}

/* ---- keys ---- */

static void ask(
	struct watch *watch, enum watch_request request, const char *stream, int64_t number, const char *text)
{
	if (watch->run != WATCH_RUNNING) {
		watch_say(watch, true, "the run is over; 'orch' starts another");
		return;
	}
	watch->options.ask(watch->options.data, request, stream, number, text);
}

static void remember_stream(struct watch *watch, const char *stream)
{
	free(watch->request_stream);
	watch->request_stream = stream != NULL ? xstrdup(stream) : NULL;
}

static void confirm(struct watch *watch, enum watch_request request, const char *stream)
{
	if (watch->run != WATCH_RUNNING) {
		ask(watch, request, stream, 0, NULL);
		return;
	}
	remember_stream(watch, stream);
	watch->request = request;
	watch->mode = MODE_CONFIRM;
}

static void start_typing(struct watch *watch, enum typing what)
{
	entry_begin(&watch->typed, what == TYPE_MESSAGE ? ORCH_MESSAGE_MAX : TYPED_MAX, what == TYPE_MESSAGE);
	watch->typing = what;
	watch->mode = MODE_TYPE;
}

/* to the one that is picked now, whatever is picked when it is written */
static void start_message(struct watch *watch, const struct orch_stream_status *stream)
{
	if (watch->run != WATCH_RUNNING) {
		ask(watch, WATCH_SEND, stream->name, 0, NULL);
	} else if (stream->state != ORCH_TASK_RUNNING) {
		watch_say(watch, true, "it does not run: nobody is there to read a message");
	} else {
		remember_stream(watch, stream->name);
		start_typing(watch, TYPE_MESSAGE);
	}
}

static unsigned log_rows(const struct watch *watch)
{
	return watch->log.rows > 1 ? watch->log.rows - 1 : 1;
}

static void move(struct watch *watch, enum key_action action)
{
	static const enum pager_move moves[] = {
		[KEY_UP] = PAGER_UP,
		[KEY_DOWN] = PAGER_DOWN,
		[KEY_PAGE_UP] = PAGER_PAGE_UP,
		[KEY_PAGE_DOWN] = PAGER_PAGE_DOWN,
		[KEY_START] = PAGER_START,
		[KEY_END] = PAGER_END,
		[KEY_LEFT] = PAGER_LEFT,
		[KEY_RIGHT] = PAGER_RIGHT,
	};
	int64_t page = watch->streams.rows > 2 ? watch->streams.rows - 2 : 1;

	if (watch->in_log || action == KEY_LEFT || action == KEY_RIGHT) {
		pager_move(watch->pager, moves[action], log_rows(watch));
		return;
	}
	switch (action) {
	case KEY_UP:
		board_move(&watch->board, -1);
		break;
	case KEY_DOWN:
		board_move(&watch->board, 1);
		break;
	case KEY_PAGE_UP:
		board_move(&watch->board, -page);
		break;
	case KEY_PAGE_DOWN:
		board_move(&watch->board, page);
		break;
	case KEY_START:
		board_pick(&watch->board, 0);
		break;
	default:
		board_pick(&watch->board, watch->board.count);
		break;
	}
}

static void go_back(struct watch *watch)
{
	if (watch->zoomed || watch->in_log) {
		watch->zoomed = watch->in_log = false;
		pager_search(watch->pager, NULL, NULL);
		pager_follow(watch->pager, true);
	} else {
		watch->reordered = true;
		board_filter(&watch->board, NULL);
		watch->board.show = BOARD_ALL;
	}
}

static void find(struct watch *watch, bool up)
{
	if (!pager_searches(watch->pager))
		watch_say(watch, true, "nothing is searched for: Tab goes to the log, / asks for a pattern");
	else if (!pager_next(watch->pager, up, log_rows(watch)))
		watch_say(watch, true, up ? "no match before this" : "no match behind this");
}

static void steer(struct watch *watch, enum key_action action)
{
	const struct orch_stream_status *stream = board_stream(&watch->board);
	const struct orch_status *status = watch->options.status;
	int64_t jobs = status->jobs > 0 ? status->jobs : 1;

	switch (action) {
	case KEY_STOP:
		if (stream != NULL)
			confirm(watch, WATCH_STOP, stream->name);
		break;
	case KEY_STOP_RUN:
		confirm(watch, WATCH_STOP_RUN, NULL);
		break;
	case KEY_RETRY:
		if (stream != NULL)
			ask(watch, WATCH_RETRY, stream->name, 0, NULL);
		break;
	case KEY_APPROVE:
		if (stream != NULL)
			confirm(watch, WATCH_APPROVE, stream->name);
		break;
	case KEY_MESSAGE:
		if (stream != NULL)
			start_message(watch, stream);
		break;
	case KEY_PAUSE:
		ask(watch, status->paused != NULL ? WATCH_RESUME : WATCH_PAUSE, NULL, 0, NULL);
		break;
	case KEY_MORE_JOBS:
		ask(watch, WATCH_JOBS, NULL, jobs + 1, NULL);
		break;
	default:
		if (jobs > 1)
			ask(watch, WATCH_JOBS, NULL, jobs - 1, NULL);
		else
			watch_say(watch, true, "there is one slot only; p pauses the run");
		break;
	}
}

static void on_action(struct watch *watch, enum key_action action)
{
	switch (action) {
	case KEY_NOTHING:
		break;
	case KEY_OTHER_PANE:
		watch->in_log = !watch->in_log || watch->zoomed;
		break;
	case KEY_ZOOM:
		watch->zoomed = !watch->zoomed;
		watch->in_log = watch->zoomed;
		break;
	case KEY_BACK:
		go_back(watch);
		break;
	case KEY_SEARCH:
		start_typing(watch, watch->in_log ? TYPE_SEARCH : TYPE_FILTER);
		break;
	case KEY_NEXT:
	case KEY_PREVIOUS:
		find(watch, action == KEY_NEXT);
		break;
	case KEY_SORT:
		watch->reordered = true;
		watch->board.sort = (watch->board.sort + 1) % BOARD_SORTS;
		break;
	case KEY_SHOW:
		watch->reordered = true;
		watch->board.show = (watch->board.show + 1) % BOARD_SHOWS;
		break;
	case KEY_REDRAW:
		canvas_forget(watch->canvas);
		break;
	case KEY_HELP:
		watch->mode = MODE_HELP;
		break;
	case KEY_QUIT:
		leave(watch, 0);
		break;
	case KEY_STOP:
	case KEY_STOP_RUN:
	case KEY_RETRY:
	case KEY_APPROVE:
	case KEY_MESSAGE:
	case KEY_PAUSE:
	case KEY_MORE_JOBS:
	case KEY_FEWER_JOBS:
		steer(watch, action);
		break;
	default:
		move(watch, action);
		break;
	}
}

static void typing_ended(struct watch *watch)
{
	const char *text = strbuf_cstr(&watch->typed.text);
	struct orch_error err;

	if (watch->typing == TYPE_MESSAGE) {
		if (*text)
			ask(watch, WATCH_SEND, watch->request_stream, 0, text);
	} else if (watch->typing == TYPE_FILTER) {
		watch->reordered = true;
		board_filter(&watch->board, text);
	} else if (pager_search(watch->pager, text, &err) != 0) {
		watch_say(watch, true, err.message);
	} else if (*text) {
		find(watch, true);
	}
}

static void on_typed(struct watch *watch, int key)
{
	switch (entry_key(&watch->typed, key, watch->pasting)) {
	case ENTRY_GOES_ON:
		break;
	case ENTRY_DONE:
		watch->mode = MODE_NORMAL;
		typing_ended(watch);
		break;
	case ENTRY_CANCELLED:
		watch->mode = MODE_NORMAL;
		break;
	}
}

static bool is_inside(const struct canvas_area *area, const struct canvas_input *input)
{
	return input->row >= area->row && input->row < area->row + area->rows && input->column >= area->column &&
		input->column < area->column + area->columns;
}

static void on_mouse(struct watch *watch, const struct canvas_input *input)
{
	bool log = is_inside(&watch->log, input);

	if (!log && !is_inside(&watch->streams, input))
		return;
	if (input->key == CANVAS_KEY_CLICK) {
		watch->in_log = log;
		if (!log && input->row > watch->streams.row)
			board_pick(&watch->board, watch->board.top + (input->row - watch->streams.row - 1));
		return;
	}
	for (int i = 0; i < WHEEL_ROWS; i++) {
		bool up = input->key == CANVAS_KEY_WHEEL_UP;

		if (log)
			pager_move(watch->pager, up ? PAGER_UP : PAGER_DOWN, log_rows(watch));
		else
			board_move(&watch->board, up ? -1 : 1);
	}
}

static void on_key(struct watch *watch, const struct canvas_input *input)
{
	strbuf_truncate(&watch->said, 0);
	if (input->key == CANVAS_KEY_PASTE || input->key == CANVAS_KEY_PASTE_END) {
		watch->pasting = input->key == CANVAS_KEY_PASTE;
		return;
	}
	/* what was meant for somebody else is no order */
	if (watch->pasting && watch->mode != MODE_TYPE)
		return;
	switch (watch->mode) {
	case MODE_HELP:
		watch->mode = MODE_NORMAL;
		if (key_action(input->key) == KEY_QUIT)
			leave(watch, 0);
		break;
	case MODE_CONFIRM:
		watch->mode = MODE_NORMAL;
		if (input->key == 'y' || input->key == 'Y')
			ask(watch, watch->request, watch->request_stream, 0, NULL);
		break;
	case MODE_TYPE:
		on_typed(watch, input->key);
		break;
	case MODE_NORMAL:
		if (input->key >= CANVAS_KEY_CLICK && input->key <= CANVAS_KEY_WHEEL_DOWN)
			on_mouse(watch, input);
		else
			on_action(watch, key_action(input->key));
		break;
	}
}

static void on_input(void *data)
{
	struct watch *watch = data;
	struct canvas_input input;
	bool gone;

	while (!watch->ended && canvas_key(watch->canvas, &input, &gone)) {
		on_key(watch, &input);
		/* the next key may come before the next frame */
		if (watch->reordered)
			board_update(&watch->board, clock_wall_ms());
		watch->reordered = false;
		wake(watch);
	}
	if (!watch->ended && gone)
		leave(watch, SIGHUP);
}

/* ---- signals ---- */

static void on_resize(void *data)
{
	struct watch *watch = data;

	canvas_resize(watch->canvas);
	wake(watch);
}

static void on_suspend(void *data)
{
	struct watch *watch = data;

	canvas_leave(watch->canvas);
	kill(getpid(), SIGSTOP);
}

static void on_continue(void *data)
{
	struct watch *watch = data;

	canvas_enter(watch->canvas);
	wake(watch);
}

static void on_interrupt(void *data)
{
	leave(data, 0);
}

static void on_terminate(void *data)
{
	leave(data, SIGTERM);
}

static void on_hangup(void *data)
{
	leave(data, SIGHUP);
}

static void listen_to_signals(struct watch *watch)
{
	static const struct {
		int signo;
		loop_callback *call;
	} calls[] = {
		{SIGWINCH, on_resize},
		{SIGTSTP, on_suspend},
		{SIGCONT, on_continue},
		{SIGINT, on_interrupt},
		{SIGTERM, on_terminate},
		{SIGHUP, on_hangup},
	};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		watch->signals[i] = loop_signal_new(watch->options.loop, calls[i].signo, calls[i].call, watch);
}

/* ---- the object ---- */

void watch_changed(struct watch *watch, enum watch_run run)
{
	watch->run = run;
	if (run != WATCH_RUNNING && watch->mode == MODE_CONFIRM)
		watch->mode = MODE_NORMAL;
	wake(watch);
}

void watch_restarted(struct watch *watch)
{
	watch_tails_release(&watch->tails);
	watch->board.has_picked = false;
	watch->board.picked = watch->board.top = 0;
	pager_open(watch->pager, NULL);
	wake(watch);
}

void watch_say(struct watch *watch, bool bad, const char *text)
{
	strbuf_truncate(&watch->said, 0);
	strbuf_addstr(&watch->said, text);
	watch->said_bad = bad;
	wake(watch);
}

int watch_signal(const struct watch *watch)
{
	return watch->signal;
}

int watch_new(struct watch **out, const struct watch_options *options, struct orch_error *err)
{
	struct watch *watch = xcalloc(1, sizeof *watch);

	*out = NULL;
	watch->options = *options;
	watch->board.status = options->status;
	watch->pager = pager_new();
	watch->timer = loop_timer_new(options->loop, on_timer, watch);
	watch->last_frame_ms = loop_now(options->loop) - FRAME_MS;
	listen_to_signals(watch);
	if (canvas_new(&watch->canvas, options->term, err) != 0) {
		watch_free(watch);
		return -1;
	}
	watch->keys = loop_fd_new(options->loop, STDIN_FILENO, on_input, watch);
	if (watch->keys == NULL) {
		watch_free(watch);
		return error_set(err, "standard input cannot be waited for");
	}
	wake(watch);
	*out = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->keys != NULL)
		loop_fd_free(watch->keys);
	loop_watch_free(watch->log_watch);
	loop_timer_free(watch->timer);
	for (size_t i = 0; i < sizeof watch->signals / sizeof *watch->signals; i++) {
		if (watch->signals[i] != NULL)
			loop_signal_free(watch->signals[i]);
	}
	canvas_free(watch->canvas);
	pager_free(watch->pager);
	board_release(&watch->board);
	watch_tails_release(&watch->tails);
	entry_release(&watch->typed);
	strbuf_release(&watch->said);
	free(watch->request_stream);
	free(watch->log_watched);
	free(watch);
}
