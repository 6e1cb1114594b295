/*
 * What goes over the socket of an attempt's terminal (os/terminal.h): frames, each a head and so many bytes. Both ends
 * are of the same machine, so structs go as they are.
 */
#ifndef OS_TERMINAL_FRAME_H
#define OS_TERMINAL_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct strbuf;

enum { TERMINAL_VERSION = 1, TERMINAL_FRAME_MAX = 128 * 1024 };

enum terminal_frame_type {
	/* from a client: who it is (first of all), keys, its size, a message to be typed */
	FRAME_HELLO = 1,
	FRAME_INPUT,
	FRAME_SIZE,
	FRAME_TYPE,
	/* to a client: what the screen is to show; of a message: it was typed and read, or why not; the command has
	 * ended */
	FRAME_OUTPUT,
	FRAME_TYPED,
	FRAME_UNTYPED,
	FRAME_END,
};

struct terminal_frame {
	uint32_t type, len;
};

enum terminal_client {
	TERMINAL_WINDOW = 1, /* without it there is no terminal any more */
	TERMINAL_VIEW,       /* comes and goes */
	TERMINAL_TYPIST,     /* gets no output */
};

/* of FRAME_SIZE: without the first two */
struct terminal_hello {
	uint32_t version, kind, columns, rows;
};

/* appends a whole frame */
void terminal_frame_add(struct strbuf *out, enum terminal_frame_type type, const void *bytes, size_t len);
/* The first frame of *text, of *len bytes: 1: its head, and *bytes is moved to what it carries; 0: it is not there
 * whole; -1: it is none, or too long */
int terminal_frame_read(const char *text, size_t len, struct terminal_frame *head, const char **bytes);

#endif
