/*
 * An agent at work in an attempt: on the stream's own prompt, or on what a rule has it mend first. Its prompt, its
 * session, its command; its log is followed while it grows and read to its end when the process has ended.
 */
#ifndef EXEC_STINT_H
#define EXEC_STINT_H

#include <stdbool.h>
#include <stdint.h>

#include "exec/output.h"
#include "graph/agent.h"
#include "orch/error.h"

struct agents;
struct attempt;

enum { STINT_SAID_MAX = 1024 };

struct stint {
	struct attempt *attempt;
	const struct agent *agent;
	const struct rule *fix; /* it mends what this rule is about; NULL: it works on the stream's prompt */
	char *session;          /* chosen, or seen in its log, or gone on with; NULL: not known yet */
	bool resumed;
	char *prompt; /* path of the file, relative to the project's directory */
	int64_t from; /* where in the log its output begins */
	int64_t read; /* up to where it was looked at */
	int64_t told; /* up to where somebody before us has looked: what it said there is no news, but for the last */
	int64_t to;   /* where it ends; -1: at the log's end */
	struct output output;
	bool session_seen;
	bool lingered; /* it had said that it was done, and was ended since it stayed */
	bool over;     /* its log was read to its end */
	struct loop_watch *watch;
	struct loop_timer *look, *linger;
};

/*
 * Before its command starts: the prompt is built and written. 0; 1 with *err: it cannot work on that (a prompt too
 * long, or that has no value for one of its names); -1 with *err: the files cannot be written.
 */
int stint_new(struct stint **out, struct attempt *attempt, struct agents *agents, const struct agent *agent,
	const struct rule *fix, struct orch_error *err);
/* of an attempt that somebody else started, from what was noted then. 1: it has none; -1 with *err */
int stint_adopt(struct stint **out, struct attempt *attempt, struct agents *agents, struct orch_error *err);
/* the command's template */
const struct text *stint_command(const struct stint *stint);
/* its process runs: the log is followed from here on */
void stint_follow(struct stint *stint);
/* the log may have grown, which the system did not say */
void stint_look(struct stint *stint);
/* its process has ended: the rest of the log is read, what it said in the end is kept for its dependents */
void stint_end(struct stint *stint);
/* NULL: what it said does not speak against success; else what does, the caller frees. After stint_end() */
char *stint_objection(const struct stint *stint);
/* what it said in the end, its beginning, at most STINT_SAID_MAX bytes; NULL: nothing, or that it failed. The caller
 * frees */
char *stint_said(const struct stint *stint);
/* one line for people about what it does; "" if it did not say yet */
const char *stint_last_words(const struct stint *stint);
/* the work was done in attempt `from`, and only mended in this one: what was said then is said */
void stint_carry_summary(struct attempt *attempt, unsigned from);
void stint_free(struct stint *stint);

#endif
