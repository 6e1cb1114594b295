/*
 * A run on the whole screen: its streams, the log of one of them, keys to steer it. It shows a status that somebody
 * else keeps, and asks somebody else for what the keys want; it runs nothing and ends nothing by itself.
 */
#ifndef UI_WATCH_H
#define UI_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/status.h"

struct loop;
struct term;
struct watch;

enum watch_run { WATCH_NONE, WATCH_RUNNING, WATCH_FINISHED, WATCH_CRASHED };

/* what a key asks for */
enum watch_request {
	WATCH_STOP, /* the stream */
	WATCH_STOP_RUN,
	WATCH_RETRY,   /* the stream */
	WATCH_APPROVE, /* the stream */
	WATCH_SEND,    /* text, to the stream */
	WATCH_PAUSE,
	WATCH_RESUME,
	WATCH_JOBS, /* number */
};

struct watch_options {
	const struct term *term;          /* borrowed */
	struct loop *loop;                /* borrowed; stopped when the view is left */
	const struct orch_status *status; /* borrowed */
	/* what has come of it is told by watch_say(), now or later. `stream` (NULL: the run) and `text` hold during
	 * the call */
	void (*ask)(void *data, enum watch_request request, const char *stream, int64_t number, const char *text);
	/* once a second while the run goes on, before the frame */
	void (*tick)(void *data);
	void *data;
};

/* Takes the terminal over. -1: it cannot be done with this one */
int watch_new(struct watch **out, const struct watch_options *options, struct orch_error *err);
/* the status has changed; drawn soon, and not more than ten times a second */
void watch_changed(struct watch *watch, enum watch_run run);
/* the status is that of another run from here on */
void watch_restarted(struct watch *watch);
/* a line at the bottom, until the next key */
void watch_say(struct watch *watch, bool bad, const char *text);
/* the signal that ended it; 0: none */
int watch_signal(const struct watch *watch);
/* the terminal is as it was */
void watch_free(struct watch *watch);

#endif
