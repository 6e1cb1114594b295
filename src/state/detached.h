/*
 * Attempts that go on when orch is gone: one small file each under .orch/detached/, named as the stream, there from
 * before the attempt's command starts until what became of it has been recorded. A stream has at most one.
 */
#ifndef STATE_DETACHED_H
#define STATE_DETACHED_H

#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct statedir;

struct detached {
	char *stream;
	char *run; /* id of the run that started it */
	unsigned attempt;
	uint64_t recipe, inputs, deps; /* digests of what it was started from */
};

/* replaces what there is for that stream */
int detached_write(const struct statedir *dir, const struct detached *attempt, struct orch_error *err);
/* absent is fine */
int detached_remove(const struct statedir *dir, const char *stream, struct orch_error *err);
/* all there are, by name of stream; a file that says nothing (the machine went down while it was written) is left out.
 * No such directory is none */
int detached_list(const struct statedir *dir, struct detached **items, size_t *count, struct orch_error *err);
void detached_list_free(struct detached *items, size_t count);

#endif
