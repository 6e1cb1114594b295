/*
 * A copy of this process that goes on in the background: in a session of its own, deaf to the end of the terminal,
 * while this one waits only until it is told that what was asked for has begun. To be called before anything is open,
 * and before there are threads: the copy keeps standard output and error, until it redirects them, and nothing else.
 */
#ifndef OS_DETACH_H
#define OS_DETACH_H

#include <sys/types.h>

#include "orch/error.h"

struct detach {
	int fd;    /* of the pipe between the two */
	pid_t pid; /* of the copy; 0 in the copy itself */
};

/* 1 in the caller, 0 in the copy; -1: there is none */
int detach_start(struct detach *detach, struct orch_error *err);

/* --- in the caller --- */

/* Waits for the copy. *text is what it has said so far, malloc'd. 0: it has begun; 1: it has ended before, *status is
 * that of waitpid(2) */
int detach_wait(struct detach *detach, char **text, int *status);

/* --- in the copy --- */

/* standard output and error go to the file at `path` from here on (made, 0600; appended to) */
int detach_redirect(const char *path, struct orch_error *err);
/* a line for the caller; -1: it is gone */
int detach_say(const struct detach *detach, const char *line);
/* it has begun: the caller goes its way */
void detach_let_go(struct detach *detach);

#endif
