/*
 * Sessions of agents that can be gone on with: one small file each under .orch/sessions/, named as the stream, from the
 * moment the session is known until the stream has completed. So the next attempt continues it, also in a later run.
 */
#ifndef STATE_SESSION_H
#define STATE_SESSION_H

#include <stdint.h>

#include "orch/error.h"

struct statedir;

struct session {
	char *agent, *id;
	uint64_t recipe;      /* of the stream as it was started: another one needs a new session */
	int64_t cost, tokens; /* of the whole session so far, as its attempts reported; cost in millionths */
	char *failure;        /* what became of its last attempt, one line; NULL: it was interrupted */
};

/* replaces what there is for that stream */
int session_write(
	const struct statedir *dir, const char *stream, const struct session *session, struct orch_error *err);
/* 1: there is one, to be released; 0: none, or a file that says nothing; -1: it cannot be read */
int session_read(const struct statedir *dir, const char *stream, struct session *out, struct orch_error *err);
/* absent is fine */
int session_remove(const struct statedir *dir, const char *stream, struct orch_error *err);
void session_release(struct session *session);

#endif
