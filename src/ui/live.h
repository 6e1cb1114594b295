/*
 * A run at the bottom of a terminal: one line per running stream, some for those that are held, one for the whole (or
 * $ORCH_STATUS, see statusline.h); what ended is printed above for
 * good. Draws on the loop: a moment after an event (at most 15 times a second), and once a second while something runs.
 */
#ifndef UI_LIVE_H
#define UI_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/event.h"
#include "orch/status.h"

struct live;
struct loop;
struct term;

struct live_options {
	const struct term *term;          /* borrowed */
	struct loop *loop;                /* borrowed */
	const struct orch_status *status; /* borrowed; every event is folded in before live_event() */
	unsigned log_lines;               /* of a failed stream's log; 0: none */
	int verbosity;                    /* below 0: completed streams leave no line behind */
	int64_t (*now)(void);             /* the time, as events have it; NULL: the clock */
};

struct live *live_new(const struct live_options *options);
void live_event(struct live *live, const struct orch_event *event);
/* lines of text for above the view, each with its newline */
void live_print(struct live *live, const char *text);
/* takes the view away so that others can print, and puts it back. Calls may nest */
void live_pause(struct live *live);
void live_resume(struct live *live);
/* takes it away for good; the lines above stay. Also done by live_free() */
void live_finish(struct live *live);
void live_free(struct live *live);

#endif
