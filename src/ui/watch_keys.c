#include "config.h"

#include "ui/watch_private.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "orch/run.h"
#include "os/clock.h"
#include "ui/keys.h"
#include "util/alloc.h"

enum {
	WHEEL_ROWS = 3,
	TYPED_MAX = 200,
};

static void ask(struct watch *watch, enum watch_request request, const char *stream, int64_t number, const char *text)
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
		watch_leave(watch, 0);
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
			watch_leave(watch, 0);
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

void watch_on_input(void *data)
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
		watch_wake(watch);
	}
	if (!watch->ended && gone)
		watch_leave(watch, SIGHUP);
}
