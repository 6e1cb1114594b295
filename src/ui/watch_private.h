/* What watch.c, watch_frame.c and watch_keys.c share. */
#ifndef UI_WATCH_PRIVATE_H
#define UI_WATCH_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ui/board.h"
#include "ui/canvas.h"
#include "ui/entry.h"
#include "ui/pager.h"
#include "ui/watch.h"
#include "ui/watch_rows.h"
#include "util/strbuf.h"

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
	enum watch_request request;      /* that is to be confirmed */
	char *request_stream;            /* that, or the message, is about */
	struct canvas_area streams, log; /* as of the last frame; no rows: not shown. Without their titles */
	int64_t last_frame_ms, due_ms;
	int signal;
	bool ended;
};

/* --- watch.c --- */

/* draws soon */
void watch_wake(struct watch *watch);
/* ends the loop; `signo`: the signal that asked for it, 0: a key */
void watch_leave(struct watch *watch, int signo);
/* the log of the stream that is picked, and to hear of it when it grows */
void watch_follow_log(struct watch *watch);

/* --- watch_frame.c --- */

/* a frame, at once */
void watch_draw(struct watch *watch);

/* --- watch_keys.c --- */

/* something was typed or clicked: of the descriptor of the terminal */
void watch_on_input(void *data);

#endif
