/*
 * A terminal of its own for what a supervisor starts (os/supervisor.h): a pair of pseudo-terminals. What comes out of
 * it goes to the log, byte for byte, and to whoever has connected to its socket (os/terminal_frame.h) and looks on;
 * what those type goes in. They come and go, but for one: with `window`, it is somebody's window that the command runs
 * in, and when that goes the terminal is lost.
 */
#ifndef OS_TERMINAL_H
#define OS_TERMINAL_H

#include <stdbool.h>

#include "orch/error.h"

struct loop;
struct terminal;

/* what was lost besides an errno of the log: the window */
#define TERMINAL_LOST_WINDOW EPIPE

struct terminal_spec {
	int listener;     /* a listening socket, taken over */
	const char *path; /* of that socket: removed at the end; borrowed */
	int log;          /* borrowed; opened O_APPEND */
	unsigned columns, rows;
	bool window;
};

struct terminal_calls {
	/* with `window`: it is there. Either call may free the terminal */
	void (*ready)(void *data);
	/* once: the window is gone, or the log cannot be written (errno; FILTER_LOST: what it was diverted to is) */
	void (*lost)(void *data, int error_number);
	void *data;
};

/* takes over spec->listener in any case. -1 with *error_number: EAGAIN where there are no more terminals */
int terminal_new(struct terminal **out, struct loop *loop, const struct terminal_spec *spec,
	const struct terminal_calls *calls, int *error_number, struct orch_error *err);
/* From now on what comes out goes to `fd`, of which a copy is kept, on its way to the log (os/filter.h). -1: errno */
int terminal_divert(struct terminal *terminal, int fd);
/* the command's end, to become its 0, 1 and 2; borrowed */
int terminal_slave(const struct terminal *terminal);
/* Nobody writes to it any more: what is still in it goes to the log. 0, or the errno of `lost` if that was not called
 * yet, since the log could not be written */
int terminal_drain(struct terminal *terminal);
/* those who are connected are told that it has ended. NULL is fine */
void terminal_free(struct terminal *terminal);

#endif
