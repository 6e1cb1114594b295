/*
 * Money and tokens: what attempts have cost so far, against the limit of the run. Pure.
 *
 * What a program reports is its own: of the attempt, of the whole session that the attempt went on with, or of one step
 * (enum agent_counts). A meter makes the attempt's own figure of it.
 */
#ifndef SCHED_BUDGET_H
#define SCHED_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/agent.h"

/* a sum as it was reported: money in millionths, so that adding up ten thousand attempts is exact */
struct meter_value {
	int64_t of_attempt;
	int64_t of_session; /* as reported last, for the session's next attempt; 0: nothing was reported */
};

struct meter {
	enum agent_counts counts;
	struct meter_value cost, tokens; /* cost: millionths */
	int64_t cost_before, tokens_before;
	bool has_cost, has_tokens; /* something was reported */
};

/* before the attempt; `before` is the meter of the same session's last attempt, NULL for a new session */
void meter_start(struct meter *meter, enum agent_counts counts, const struct meter *before);
/* a report; gives what the attempt's figure grew by, in millionths or tokens (less than 0 if a report took something
 * back). Text that is no number of at most 15 digits is no report: false */
bool meter_add_cost(struct meter *meter, const char *text, int64_t *grown);
/* tokens: `input` and `output`, output may be NULL */
bool meter_add_tokens(struct meter *meter, const char *input, const char *output, int64_t *grown);

struct budget {
	int64_t limit; /* millionths; 0: none */
	int64_t spent;
};

int64_t budget_millionths(double amount);
/* true from now on if the limit is reached: nothing new starts */
bool budget_spend(struct budget *budget, int64_t millionths);
bool budget_is_reached(const struct budget *budget);

#endif
