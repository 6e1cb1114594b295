/* The lines of the full-screen view: what is said of the run, and of each stream. */
#ifndef UI_WATCH_ROWS_H
#define UI_WATCH_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "orch/status.h"
#include "ui/board.h"
#include "ui/canvas.h"
#include "ui/watch.h"

struct term;

/* last lines of logs, read when a log has grown */
struct watch_tails {
	struct watch_tail *items; /* by position in status->streams */
	size_t count;
};

void watch_tails_release(struct watch_tails *tails);

struct watch_rows {
	const struct term *term;
	const struct orch_status *status;
	enum watch_run run;
	int64_t now_ms;
	struct watch_tails *tails;
};

/* two rows: project, run, time; counts */
void watch_draw_head(const struct watch_rows *rows, struct canvas *canvas, unsigned columns);
/* the first row of `area` has the names of the columns, the others streams from board->top on */
void watch_draw_streams(const struct watch_rows *rows, struct canvas *canvas, const struct canvas_area *area,
	const struct board *board);

#endif
