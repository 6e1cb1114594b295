/*
 * orch started by a recipe of a GNU make that has a jobserver (`+orch`, or a line with $(MAKE)): its slots are make's
 * then. It has one without asking, takes a token from make for each that it needs beside it, and gives it back when it
 * does not need it any more, and at its end.
 */
#ifndef EXEC_MAKECLIENT_H
#define EXEC_MAKECLIENT_H

#include <stdbool.h>

#include "orch/error.h"

struct loop;
struct makeclient;

/*
 * 0: *out NULL where MAKEFLAGS says nothing of a jobserver. -1: it does, and it cannot be reached; the message says
 * what to do. `changed`: a token may be had by now, see makeclient_wait()
 */
int makeclient_new(struct makeclient **out, struct loop *loop, void (*changed)(void *data), void *data,
	struct orch_error *err);
/* gives everything back; NULL is fine */
void makeclient_free(struct makeclient *client);
/* how many run at once in all, as far as make says it; 0: it does not */
unsigned makeclient_jobs(const struct makeclient *client);
/* the descriptors for what reads and writes tokens itself; NULL: it does by MAKEFLAGS as it is */
const int *makeclient_descriptors(const struct makeclient *client);

/* how many may run: one, and one for each token */
unsigned makeclient_slots(const struct makeclient *client);
/* one more; false: none is to be had just now */
bool makeclient_take(struct makeclient *client);
/* of its slots (at least 1) these are kept, and the others given back */
void makeclient_keep(struct makeclient *client, unsigned slots);
/* whether `changed` is called while a token can be had */
void makeclient_wait(struct makeclient *client, bool wait);

#endif
