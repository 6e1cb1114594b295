/*
 * The streams of a run as rows that can be sorted, filtered and picked one of. It reads the run's status and knows no
 * screen.
 */
#ifndef UI_BOARD_H
#define UI_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/status.h"

enum board_sort { BOARD_BY_ORDER, BOARD_BY_STATE, BOARD_BY_NAME, BOARD_BY_TIME, BOARD_SORTS };
enum board_show { BOARD_ALL, BOARD_ACTIVE, BOARD_TROUBLE, BOARD_SHOWS };

struct board {
	const struct orch_status *status; /* borrowed */
	enum board_sort sort;
	enum board_show show;
	char *filter;   /* text that a stream's name, title or state has; NULL: any */
	uint32_t *rows; /* positions in status->streams */
	size_t count, capacity;
	size_t picked;     /* row */
	size_t top;        /* row that is shown first */
	uint32_t position; /* of the stream that is picked, also while it is not shown */
	bool has_picked;
};

const char *board_sort_name(enum board_sort sort);
const char *board_show_name(enum board_show show);
/* after events, or when sort, show or filter were changed: the rows anew; the same stream stays picked if it is there.
 * `now_ms`: wall clock */
void board_update(struct board *board, int64_t now_ms);
/* takes a copy; NULL or "": none */
void board_filter(struct board *board, const char *text);
/* by so many rows, as far as there are any */
void board_move(struct board *board, int64_t rows);
void board_pick(struct board *board, size_t row);
/* the row that is picked is among `rows` rows from `top` on, after this */
void board_scroll(struct board *board, size_t rows);
/* the stream that is picked, NULL: there is none */
const struct orch_stream_status *board_stream(const struct board *board);
/* how long its last attempt runs, or ran; -1 before */
int64_t board_time_ms(const struct orch_stream_status *stream, int64_t now_ms);
void board_release(struct board *board);

#endif
