/* A connection to the socket of a job's terminal (os/terminal_frame.h), to type messages. Private to runner/. */
#ifndef RUNNER_TYPIST_H
#define RUNNER_TYPIST_H

#include <stddef.h>

#include "orch/error.h"

struct loop;
struct typist;

/* `unsent`: a message that was taken did not arrive after all. -1: nobody listens there */
int typist_new(struct typist **out, struct loop *loop, const char *path, void (*unsent)(void *data, const char *why),
	void *data, struct orch_error *err);
/* as runner_ops.send */
int typist_type(struct typist *typist, const char *text, size_t len, struct orch_error *err);
/* nothing more is told. NULL is fine */
void typist_free(struct typist *typist);

#endif
