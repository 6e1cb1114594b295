#include "config.h"

#include "ui/board.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"

const char *board_sort_name(enum board_sort sort)
{
	static const char *const names[BOARD_SORTS] = {"as started", "by state", "by name", "by time"};

	return names[sort];
}

const char *board_show_name(enum board_show show)
{
	static const char *const names[BOARD_SHOWS] = {"all", "active", "trouble"};

	return names[show];
}

int64_t board_time_ms(const struct orch_stream_status *stream, int64_t now_ms)
{
	if (stream->attempt == 0)
		return -1;
	if (stream->state != ORCH_TASK_RUNNING)
		return stream->duration_ms;
	return now_ms > stream->started_ms ? now_ms - stream->started_ms : 0;
}

static bool is_shown(const struct board *board, const struct orch_stream_status *stream)
{
	enum orch_task_state state = stream->state;

	if (board->show == BOARD_ACTIVE && state != ORCH_TASK_RUNNING && state != ORCH_TASK_BACKOFF &&
		state != ORCH_TASK_HELD && state != ORCH_TASK_READY)
		return false;
	if (board->show == BOARD_TROUBLE && state != ORCH_TASK_FAILED && state != ORCH_TASK_SKIPPED &&
		state != ORCH_TASK_CANCELLED && state != ORCH_TASK_HELD && state != ORCH_TASK_BACKOFF)
		return false;
	return board->filter == NULL || strcasestr(stream->name, board->filter) != NULL ||
		(stream->title != NULL && strcasestr(stream->title, board->filter) != NULL) ||
		strcasestr(orch_task_state_name(state), board->filter) != NULL;
}

/* ---- order: each key ends with the position, so that equal rows stay where they are ---- */

struct sorted {
	const struct orch_stream_status *stream;
	int64_t key;
	uint32_t position;
};

static int by_key(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->position < y->position ? -1 : x->position > y->position;
}

static int by_name(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	int order = strcmp(x->stream->name, y->stream->name);

	return order != 0 ? order : by_key(a, b);
}

static void sort_rows(struct board *board, int64_t now_ms)
{
	/* what matters most first */
	static const int64_t rank[ORCH_TASK_STATES] = {
		[ORCH_TASK_FAILED] = 0,
		[ORCH_TASK_RUNNING] = 1,
		[ORCH_TASK_HELD] = 2,
		[ORCH_TASK_BACKOFF] = 3,
		[ORCH_TASK_READY] = 4,
		[ORCH_TASK_WAITING] = 5,
		[ORCH_TASK_SKIPPED] = 6,
		[ORCH_TASK_CANCELLED] = 7,
		[ORCH_TASK_COMPLETED] = 8,
	};
	struct sorted *sorted;

	if (board->sort == BOARD_BY_ORDER || board->count == 0)
		return;
	sorted = xmalloc(board->count * sizeof *sorted);
	for (size_t i = 0; i < board->count; i++) {
		const struct orch_stream_status *stream = &board->status->streams[board->rows[i]];

		sorted[i] = (struct sorted){.stream = stream, .position = board->rows[i]};
		if (board->sort == BOARD_BY_STATE)
			sorted[i].key = rank[stream->state];
		else if (board->sort == BOARD_BY_TIME)
			sorted[i].key = -board_time_ms(stream, now_ms);
	}
	qsort(sorted, board->count, sizeof *sorted, board->sort == BOARD_BY_NAME ? by_name : by_key);
	for (size_t i = 0; i < board->count; i++)
		board->rows[i] = sorted[i].position;
	free(sorted);
}

void board_update(struct board *board, int64_t now_ms)
{
	size_t streams = board->status->stream_count;

	if (streams > board->capacity) {
		board->capacity = streams * 2;
		board->rows = xreallocarray(board->rows, board->capacity, sizeof *board->rows);
	}
	board->count = 0;
	for (size_t i = 0; i < streams; i++) {
		if (is_shown(board, &board->status->streams[i]))
			board->rows[board->count++] = (uint32_t)i;
	}
	sort_rows(board, now_ms);
	for (size_t i = 0; board->has_picked && i < board->count; i++) {
		if (board->rows[i] == board->position) {
			board->picked = i;
			return;
		}
	}
	board_pick(board, board->picked);
}

void board_filter(struct board *board, const char *text)
{
	free(board->filter);
	board->filter = text != NULL && *text != '\0' ? xstrdup(text) : NULL;
}

void board_pick(struct board *board, size_t row)
{
	board->picked = row < board->count ? row : board->count > 0 ? board->count - 1 : 0;
	board->has_picked = board->count > 0;
	if (board->has_picked)
		board->position = board->rows[board->picked];
}

void board_move(struct board *board, int64_t rows)
{
	size_t by = (size_t)(rows < 0 ? -rows : rows);

	if (rows < 0)
		board_pick(board, board->picked > by ? board->picked - by : 0);
	else
		board_pick(board, board->picked + by);
}

void board_scroll(struct board *board, size_t rows)
{
	size_t last = board->count > rows ? board->count - rows : 0;

	if (board->picked < board->top)
		board->top = board->picked;
	if (rows > 0 && board->picked >= board->top + rows)
		board->top = board->picked - rows + 1;
	if (board->top > last)
		board->top = last;
}

const struct orch_stream_status *board_stream(const struct board *board)
{
	return board->count > 0 ? &board->status->streams[board->rows[board->picked]] : NULL;
}

void board_release(struct board *board)
{
	free(board->filter);
	free(board->rows);
	*board = (struct board){0};
}
