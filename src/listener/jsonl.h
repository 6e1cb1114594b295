/* --json: each event as a line of JSON. */
#ifndef LISTENER_JSONL_H
#define LISTENER_JSONL_H

#include <stdio.h>

#include "orch/event.h"

struct jsonl;
struct loop;

/*
 * `file` is borrowed. With a loop, lines are flushed once a turn of the loop, and at the end of the run; without, each.
 * A reader that went away (EPIPE; SIGPIPE must be ignored) ends the writing quietly; any other error of writing is
 * returned by the listener, which is required, and by jsonl_close().
 */
struct jsonl *jsonl_new(FILE *file, struct loop *loop);
const struct orch_listener *jsonl_listener(struct jsonl *jsonl);
/* flushes what is left. 0, or -1 if anything could not be written */
int jsonl_close(struct jsonl *jsonl, struct orch_error *err);
/* NULL is fine */
void jsonl_free(struct jsonl *jsonl);

#endif
