/*
 * What an attempt's output says: is it done, did it fail, its session, cost, tokens, progress, last words, and which
 * rules of recovery would know its failure. The patterns are the agent's and the rules'; they are compiled once and
 * serve all attempts, one after the other or side by side on one thread. Reads nothing: the log comes in pieces.
 */
#ifndef EXEC_OUTPUT_H
#define EXEC_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/error.h"
#include "sched/budget.h"
#include "sched/recover.h"
#include "util/strbuf.h"

struct output_patterns;
struct textwatch;

enum output_of {
	OUTPUT_OF_WORK,  /* the command or the agent: for rules of every kind but `check` */
	OUTPUT_OF_CHECK, /* the check: for rules of that kind, and of every kind; all of it is theirs */
};

/* `agent` may be NULL: a command. Borrows both. -1: a pattern cannot be compiled, which was seen when the file was read
 */
int output_patterns_new(struct output_patterns **out, const struct agent *agent, const struct rule *rules,
	uint32_t rule_count, enum output_of of, struct orch_error *err);
void output_patterns_free(struct output_patterns *patterns);

/* what is new: bits */
enum output_news {
	OUTPUT_DONE = 1,
	OUTPUT_FAILED = 2,
	OUTPUT_SESSION = 4,
	OUTPUT_COST = 8,
	OUTPUT_TOKENS = 16,
	OUTPUT_PROGRESS = 32,
	OUTPUT_NOTE = 64,
	OUTPUT_SUMMARY = 128,
};

enum { OUTPUT_NOTE_MAX = 1024, OUTPUT_SUMMARY_MAX = 64 * 1024, OUTPUT_SESSION_MAX = 200 };

struct output {
	bool done, failed;
	bool held_cr; /* the last byte was one, and may belong to an end of line */
	/* NUL-terminated by strbuf_cstr(); "" if nothing was said. The first session counts, of the others the last; the
	 * summary of an agent without a pattern for it is its last note; `why` is what `failed` has of the reason. A
	 * session is letters, digits, `.`, `_`, `:`, `@` and `-` within: it goes into a command */
	struct strbuf session, progress, note, summary, why;
	struct meter meter;
	int64_t cost_grown;         /* millionths since the caller took them (and set it to 0) */
	struct rule_match *matches; /* [rule]: what each pattern found last */
	unsigned news;
	bool note_goes_on; /* the note came in pieces so far, and the next one belongs to it */
	const struct output_patterns *patterns;
	struct textwatch *watch;
};

/* `before`: the meter of the session's last attempt; NULL: a new session */
void output_init(struct output *output, const struct output_patterns *patterns, const struct meter *before);
/* the next piece of the log; what is new since the last call */
unsigned output_feed(struct output *output, const char *bytes, size_t len);
/* the log is at its end */
unsigned output_finish(struct output *output);
/* the name of a pattern that took too long for this log and was given up, or NULL: to be warned of */
const char *output_gave_up(const struct output *output);
void output_release(struct output *output);

#endif
