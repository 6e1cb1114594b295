/*
 * What a person has approved (`approve = yes`): one small file each under .orch/approvals/, named as the stream. It
 * counts until the stream completes, and only for what the stream was then; deleting the file takes it back.
 */
#ifndef STATE_APPROVAL_H
#define STATE_APPROVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/error.h"

struct statedir;

struct approval {
	char *by;       /* who, e.g. a user's name */
	int64_t at_ms;  /* wall clock */
	uint64_t recipe;
	/* of what it would have started from; known only where what it depends on was done then: otherwise it is
	 * approved whatever that makes */
	uint64_t inputs, deps;
	bool made_known;
};

/* replaces what there is; on the disk when it returns. What in `by` does not fit in a line becomes a blank */
int approval_write(
	const struct statedir *dir, const char *stream, const struct approval *approval, struct orch_error *err);
/* 1: there is one, to be released; 0: none, or a file that says nothing; -1 with *err */
int approval_read(const struct statedir *dir, const char *stream, struct approval *out, struct orch_error *err);
/* absent is fine */
int approval_remove(const struct statedir *dir, const char *stream, struct orch_error *err);
/* does it hold for a stream of these digests? */
bool approval_fits(const struct approval *approval, uint64_t recipe, uint64_t inputs, uint64_t deps);
void approval_release(struct approval *approval);

#endif
