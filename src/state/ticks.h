/*
 * Which of a stream's `tasks:` its work has called done: one small file each under .orch/ticks/, named as the stream,
 * so that they are still ticked after a retry, in a later run, and for whoever only looks. A task is known by its
 * number and its text: where the list was edited since, by its text.
 */
#ifndef STATE_TICKS_H
#define STATE_TICKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct statedir;

/* which of the `count` tasks are done, by what was written down: *done (of `count` bools; the caller frees; NULL where
 * none is) and how many in *ticked. No file is none; a file that says nothing, too */
int ticks_read(const struct statedir *dir, const char *stream, const char *const *tasks, size_t count, bool **done,
	size_t *ticked, struct orch_error *err);
/* replaces what there is for that stream; none ticked: removes it */
int ticks_write(const struct statedir *dir, const char *stream, const char *const *tasks, size_t count,
	const bool *done, struct orch_error *err);
/* absent is fine */
int ticks_remove(const struct statedir *dir, const char *stream, struct orch_error *err);

#endif
