/* A short command whose output is an answer, run without waiting for it: the scripts of a queue. */
#ifndef RUNNER_QUERY_H
#define RUNNER_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct query;
struct runner;

/* borrowed for the call of query_start() only */
struct query_spec {
	const char *script;  /* for sh -eu */
	const char *dir;
	char *const *env;
	const char *input;   /* its standard input */
	size_t input_len;
	const char *scratch; /* a path that files can be made beside, of which none stays */
	int64_t timeout_ms;  /* then it is killed */
};

/* borrowed for the call of `done` */
struct query_answer {
	bool timed_out;
	bool signalled;
	int code;        /* exit status, or the signal's number; -1: it could not be started */
	const char *out; /* what it printed, NUL-terminated; at most QUERY_OUTPUT_MAX */
	size_t out_len;
	const char *complaint; /* the last line of its standard error, or what else went wrong; "" if it said nothing */
};

enum { QUERY_OUTPUT_MAX = 64 * 1024 * 1024, QUERY_COMPLAINT_MAX = 400 };

/* `done` comes once, from the loop, and the query is freed after it. -1: it cannot be started, and nothing is called */
int query_start(struct query **out, struct runner *runner, const struct query_spec *spec,
	void (*done)(void *data, const struct query_answer *answer), void *data, struct orch_error *err);
/* it is killed, and `done` is not called any more. NULL is fine */
void query_drop(struct query *query);

#endif
