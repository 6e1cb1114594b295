/* What a command is given: its environment, and the values of what can be expanded only now (ORCHFILE.md section 6). */
#ifndef EXEC_CONTEXT_H
#define EXEC_CONTEXT_H

#include "graph/stream.h"
#include "orch/error.h"
#include "util/strvec.h"

struct attempt;
struct command;
struct graph;
struct project;
struct redact;
struct stamp_store;
struct strbuf;

/* the same for all attempts of a run */
struct context {
	const struct project *project;
	const struct graph *graph;
	struct stamp_store *store;
	const char *run;           /* id */
	struct redact *redact;     /* borrowed: what is kept out of logs and events; NULL: nothing is */
	struct strvec environment; /* ours, without what belongs to an enclosing agent or orch */
	struct strvec slots;       /* what context_environment() leaves out, of each slot */
};

void context_init(struct context *context, const struct project *project, const struct graph *graph,
	struct stamp_store *store, const char *run);
void context_release(struct context *context);

enum { CONTEXT_SLOT_VARIABLES = 2, CONTEXT_SLOTS_MAX = 64 };
/* the variables of slots 0 to `count` - 1 (at most CONTEXT_SLOTS_MAX), CONTEXT_SLOT_VARIABLES each: for attempts whose
 * slot is not known yet (attempt->slot is NO_SLOT_YET). Borrowed */
char *const *context_slots(struct context *context, unsigned count);

/* names that are not in `attempt`'s reach were refused when the file was read; what can still be wrong is a value that
 * the dependency did not write */
int context_expand(const struct context *context, const struct attempt *attempt, const struct text *text,
	bool is_script, struct strbuf *out, struct orch_error *err);
/* The text of a prompt's file as it is now: what its names mean is known from when the Orchfile was read, or, of those
 * that came since, looked up now. -1 with *err: one has no value, or is a stream's that is no dependency */
int context_expand_prompt(const struct context *context, const struct attempt *attempt, const struct text *text,
	struct strbuf *out, struct orch_error *err);
/* of one command: what is the run's is borrowed, what is the attempt's is owned */
struct environment {
	char **items; /* for execve(2) */
	struct strvec own;
	const char *mark; /* the entry by which the command's processes are known */
};

/* the whole environment of a command of this attempt, or of a `part` of it whose processes are to be told from the
 * others (NULL: none), but for what context_slots() has if it has no slot yet; to be released in any case. `command`:
 * what has been said of it already (jobserver_prepare()); NULL: it has no part in that. -1: a dotenv file cannot be
 * read, or a value has none yet */
int context_environment(const struct context *context, const struct attempt *attempt, const char *part,
	const struct command *command, struct environment *env, struct orch_error *err);
void environment_release(struct environment *env);

#endif
