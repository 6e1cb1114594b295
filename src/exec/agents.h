/*
 * The agents of a run: who works on a stream next, whose account is held, what is known of a stream from one attempt to
 * the next (its session, its last failure, how often each rule has acted), what all of it has cost. And what is done
 * about a failure: sched/recover.h decides, this carries it out as far as it concerns agents.
 */
#ifndef EXEC_AGENTS_H
#define EXEC_AGENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "exec/output.h"
#include "orch/error.h"
#include "sched/budget.h"
#include "sched/recover.h"

struct agents;
struct attempt;
struct project;
struct statedir;
struct stream;

struct agents_options {
	const struct project *project;
	struct statedir *dir;
	int64_t limit_wait_ms; /* -1: as long as it takes */
	double budget;         /* 0: none */
	void (*warn)(void *data, const char *stream, const char *message);
	void *data;
};

/* what a stream's attempts hand on. Owned by struct agents */
struct memory {
	uint64_t recipe; /* of the stream, as this run has it */
	uint32_t agent;  /* of its chain: who works next */
	/* the session to go on with; NULL: a new one */
	char *session;
	const struct agent *session_agent;
	struct meter before; /* what it has cost so far */
	struct recovery recovery;
	/* the last failure; what NULL: none */
	char *what;
	unsigned attempt;
	char *log;
	int64_t check_from; /* in the log; -1: no check was run */
	bool found_wrong;   /* what is there was found wrong by us, and is not what a check printed */
	bool interrupted;   /* it was no failure of its own: nothing has to be mended */
	/* the rule that decided about it, and what its pattern had found */
	const struct rule *rule;
	enum failure_kind kind;
	struct rule_match match;
	bool fix; /* the rule's agent or script works first in the next attempt */
};

/* Reads the holds that are in force, and the preamble. Borrows the options' content. `before`: those of the Orchfile as
 * it was read before in this run, NULL: none; the holds and what has been spent are one with theirs */
int agents_new(struct agents **out, const struct agents_options *options, const struct agents *before,
	struct orch_error *err);
void agents_free(struct agents *agents);
/* The Orchfile was read again: what is known of stream `was` of `from` goes on with stream `id`, as far as it is the
 * same (`recipe`), its agents are in its chain and its rules are there by name. Not while an attempt is under way: that
 * goes by what it began with, and hands on when it has ended */
void agents_carry(struct agents *to, uint32_t id, uint64_t recipe, const struct agents *from, uint32_t was);

/* is there anything to be done for this stream: an agent, or a rule that could fit? */
bool agents_are_wanted(const struct agents *agents, const struct stream *stream);
bool stream_has_prompt(const struct stream *stream);
/* of the stream, made at the first call: then with what a run before has left of `recipe` */
struct memory *agents_memory(struct agents *agents, uint32_t id, uint64_t recipe, bool fresh);
/* the agents of the stream, in order; *count */
const struct agent *const *agents_chain(struct agents *agents, const struct stream *stream, uint32_t *count);
/* who works on it next, as far as the chain goes; the fixer, where one is to work first. NULL: nobody, a command */
const struct agent *agents_next(struct agents *agents, uint32_t id);
/* does a rule's agent or script work first in the stream's next attempt? */
bool agents_will_mend(const struct agents *agents, uint32_t id);
/* compiled once; `agent` NULL: a command's. NULL with *err */
const struct output_patterns *agents_patterns(
	struct agents *agents, const struct agent *agent, enum output_of of, struct orch_error *err);
/* where the run keeps what it knows */
const struct statedir *agents_state(const struct agents *agents);
/* the text of `project: preamble`; NULL: the one that is built in */
const char *agents_preamble(const struct agents *agents);

/* a READY stream is next, and agents_memory() was called for it: NULL, it may start, with *profile its agent's number
 * (UINT32_MAX: it has none); else why it has to wait, valid until the next call */
const char *agents_admit(struct agents *agents, uint32_t id, uint32_t *profile);

/* --- holds --- */

const struct holds *agents_holds(const struct agents *agents);
/* ends those whose time has come; all: every one. How many ended */
size_t agents_end_holds(struct agents *agents, bool all);
/* is there a hold whose end may be waited for? *left_ms: until the first one ends, -1: none does. False: all that there
 * are last until somebody ends them, or longer than `limit-wait` allows */
bool agents_may_wait(const struct agents *agents, int64_t *left_ms);

/* --- what happened --- */

/* the session of an attempt under way is known: it is written down */
void agents_note_session(struct agents *agents, const struct attempt *attempt);
/* more was spent; true once, when the budget is reached by it */
bool agents_spend(struct agents *agents, int64_t millionths);
bool agents_budget_is_reached(const struct agents *agents);
/* an attempt has succeeded: what was kept for the next one goes */
void agents_succeeded(struct agents *agents, const struct attempt *attempt);
/* an attempt has failed: what is to be done. The memory of the stream follows, holds are written down. `reason` gets
 * what people are told of it, the caller frees; NULL: no rule has to do with it */
void agents_failed(struct agents *agents, struct attempt *attempt, struct recover_decision *out, char **reason);

#endif
