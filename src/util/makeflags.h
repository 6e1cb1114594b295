/*
 * What the variable MAKEFLAGS says of GNU make's jobserver, and how it is made to say something else. It has the words
 * of make's command line: first, maybe, single letters without a dash, then options, then `--` and assignments; a
 * backslash makes what follows part of the word.
 */
#ifndef UTIL_MAKEFLAGS_H
#define UTIL_MAKEFLAGS_H

#include <stdbool.h>
#include <stddef.h>

struct strbuf;

struct makeflags {
	bool has_jobserver;
	int read, write;  /* of --jobserver-auth=R,W; -1: it has another form */
	const char *fifo; /* of --jobserver-auth=fifo:PATH: the path, within the text; NULL: it has another form */
	size_t fifo_len;
	unsigned jobs; /* of -jN; 0: not said */
};

/* `text` may be NULL: the variable is not set */
void makeflags_read(struct makeflags *out, const char *text);
/* appends `text` (may be NULL) without what it says of jobs, and with the options `add` (NULL: none) */
void makeflags_write(struct strbuf *out, const char *text, const char *add);

#endif
