/*
 * Says when somebody, we ourselves too, has read from or written to one of some FIFOs: what poll(2) does not tell
 * whoever holds both ends of them himself.
 */
#ifndef OS_USAGE_H
#define OS_USAGE_H

#include "orch/error.h"

struct loop;
struct usage;

/* `call` comes from the loop, once for all that has happened since the last time, wherever it did. -1 with *err: the
 * system cannot, or allows no more of them */
int usage_new(struct usage **out, struct loop *loop, void (*call)(void *data), void *data, struct orch_error *err);
/* NULL is fine */
void usage_free(struct usage *usage);
/* the number of its watch, which ends with the FIFO itself or by usage_ignore(); -1 with *err */
int usage_watch(struct usage *usage, const char *path, struct orch_error *err);
void usage_ignore(struct usage *usage, int watch);

#endif
