/*
 * `sandbox`: a stream's commands may write only where it works, and `offline` ones reach no network (os/sandbox.h).
 * All of them: setup, run, check and check-ins. What cannot be confined is not run.
 */
#ifndef EXEC_CONFINE_H
#define EXEC_CONFINE_H

#include <stdbool.h>

#include "orch/error.h"
#include "util/strvec.h"

struct agent;
struct attempt;
struct command;
struct confiner; /* of a run: what there is to confine with */
struct workspaces;

/* borrows it; nothing is looked at before the first confined stream */
struct confiner *confiner_new(struct workspaces *workspaces);
/* NULL is fine */
void confiner_free(struct confiner *confiner);

/* what a command borrows while it is started; a zeroed one is empty */
struct confinement {
	struct strvec wrap, writable;
};

/* Adds to the command what confines it; nothing, if its stream's `sandbox` is off. `part` tells the attempt's commands
 * from each other ("run", "check", ...). `agent`: the command is this agent's, which may write its `state` too; NULL: it
 * is none's. -1: it cannot be confined here, and is not to be started */
int confine(struct confinement *out, struct command *command, struct attempt *attempt, const char *part,
	const struct agent *agent, struct orch_error *err);
void confinement_release(struct confinement *confinement);
/* The command has ended, with a status of failure if `failed`. NULL: it had its sandbox; else what is the matter, and
 * the caller frees */
char *confine_problem(const struct attempt *attempt, const char *part, bool failed);
/* NULL: git may work in its worktree. Else what the command did to the file by which git finds the repository of that:
 * git would take the user's checkout, or run something outside its sandbox. That is undone; where it cannot be,
 * attempt->workspace->cwd is NULL from now on */
char *confine_tampering(struct attempt *attempt);
/* the attempt is over: what only it needed goes */
void confine_end(const struct attempt *attempt);

#endif
