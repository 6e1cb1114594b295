/*
 * For a program that takes a terminal over: it goes on in a copy of the process, and this one only waits, so that there
 * is somebody to give the terminal back when the copy is killed. The copy hears when the other way round happens.
 */
#ifndef OS_GUARD_H
#define OS_GUARD_H

#include "orch/error.h"

struct guard {
	int parent; /* in the copy: can be read (its end) when the waiting process is gone */
};

/*
 * 0 in the copy, 1 in the process that waited, when the copy has ended: *status is the exit status then. If a signal
 * ended the copy, `restore` (control sequences) was written to the terminal `fd` and its modes are as they were before.
 * -1: there is no copy. Call it before there are threads
 */
int guard_terminal(struct guard *guard, int fd, const char *restore, int *status, struct orch_error *err);

#endif
