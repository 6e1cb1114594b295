/*
 * The run's socket: other processes of the same user ask for things, one JSON object a line, and each is answered with
 * one. doc/control.md is the protocol. Nothing that comes in can end the run, grow without a limit or make it wait.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "orch/run.h"

/* relative to the project's directory */
#define CONTROL_PATH ".orch/control.sock"

enum {
	CONTROL_VERSION = 1,
	CONTROL_LINE_MAX = 256 * 1024, /* bytes of a request: a message of 64 KiB, as JSON has it */
	CONTROL_CLIENTS_MAX = 64,     /* at once: one more, and the one that was quiet for longest is dropped */
};

struct control;
struct loop;

/* Listens in the current directory, which is the project's, while `run` is under way; both are borrowed. The run holds
 * the lock, so a socket that is there is of somebody who is gone */
int control_new(struct control **out, struct loop *loop, struct orch_run *run, struct orch_error *err);
/* its clients see the end of their connections. NULL is fine */
void control_free(struct control *control);

#endif
