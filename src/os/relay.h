/*
 * A terminal that looks into another: ours (standard input and output) shows what the terminal of an attempt
 * (os/terminal.h) does, and types into it. As a window, it is what a tmux window runs: a mode of the program and of
 * orch-supervisor.
 */
#ifndef OS_RELAY_H
#define OS_RELAY_H

#include <stdbool.h>

#include "orch/error.h"

/* the word that makes the program a window, before the path of the terminal's socket */
#define RELAY_WORD "__window"

enum relay_end {
	RELAY_ENDED,    /* the command has */
	RELAY_DETACHED, /* by its key, or a signal to us */
	RELAY_LOST,     /* its supervisor is gone */
};

/* Runs until one of these. `path`: of the socket. `key`: the byte that detaches; -1: none. Our terminal is as it was
 * afterwards. -1 with ORCH_ENOTFOUND: there is no such terminal (any more) */
int relay_run(const char *path, int key, enum relay_end *end, struct orch_error *err);
/* the whole life of a window; the exit status */
int relay_main(const char *path);

#endif
