/*
 * Stale or not, and why; who is wanted. Pure: facts come in as values, nothing is looked at.
 *
 * A stream is complete when its stamp's recipe, inputs and deps digests are those it has now. A dependency counts by
 * its result, so a stream whose dependency has to run again is only *perhaps* stale (PLAN_PERHAPS): when the dependency
 * has run and made the same, plan_settle() finds the stream complete after all.
 */
#ifndef SCHED_PLAN_H
#define SCHED_PLAN_H

#include "graph/graph.h"
#include "state/stamp.h"

#include <stddef.h>

struct project;

/* what is known of a stream before the plan */
struct plan_facts {
	struct stamp stamp;      /* the last completion; .present false: none */
	uint64_t recipe, inputs; /* as they are now */
	bool output_missing;
	bool forced;     /* -B, or -W named one of its inputs */
	bool unreadable; /* an input cannot be read: let it run, and fail with the message */
};

enum plan_action {
	PLAN_NOT_WANTED,
	PLAN_COMPLETE,
	PLAN_PERHAPS, /* a dependency runs; whether this one must is known when it has */
	PLAN_RUN,
};

enum plan_reason {
	REASON_NONE, /* complete, or not wanted */
	REASON_FORCED,
	REASON_NEVER, /* it has no stamp */
	REASON_RECIPE,
	REASON_INPUTS,
	REASON_OUTPUT_MISSING,
	REASON_DEPS,     /* a dependency's result is another than the stamp's */
	REASON_DEP_RUNS, /* a dependency is to be run (other: which) */
	REASON_ALWAYS,   /* `when = failure|always`: it runs when something it depends on runs */
	REASON_GROUP,    /* a group: it has no work of its own */
};

struct plan_item {
	int64_t rank;   /* longest way to a last stream, own time included, in ms */
	uint32_t other; /* of REASON_DEP_RUNS: the first such dependency; else NO_STREAM */
	uint8_t action; /* enum plan_action */
	uint8_t reason; /* enum plan_reason */
};

struct plan {
	const struct graph *graph;
	const struct project *project;
	struct plan_facts *facts; /* [stream]; results are updated as tasks complete */
	struct plan_item *items;  /* [stream] */
	bool *wanted;             /* [stream] */
	uint64_t *dep_keys;       /* [stream]: digest of its name, for the deps digest */
	int64_t median_ms;        /* of the known durations; 1 if none is known */
	int64_t *kind_ms;         /* [stream]; median of those of its kind, 0: none is known. NULL: nobody needs them */
	int64_t *turn;            /* [stream]; who goes first by plan_improve(): the highest. NULL: the rank says it */
	size_t wanted_count, run_count, perhaps_count; /* groups are in the first only */
};

/* `facts` (one per stream, malloc'd) is taken over; `wanted` marks targets with their dependencies (malloc'd, taken
 * over; NULL: all). `only` (may be NULL, borrowed): exactly these are wanted, what they depend on is taken as it is */
void plan_build(struct plan *plan, const struct project *project, const struct graph *graph, struct plan_facts *facts,
	bool *wanted, bool only);
/* the deps digest of a stream from the results its dependencies have now */
uint64_t plan_deps_digest(const struct plan *plan, uint32_t stream);
/* after its dependencies completed: must this one run? sets facts and the item's reason; true: run. `inputs` is the
 * digest as of now */
bool plan_settle(struct plan *plan, uint32_t stream, uint64_t recipe, uint64_t inputs);
/*
 * The time a stream is expected to take: its last duration, else the median of those of its kind, else its `estimate`,
 * else the median of all that are known, else 1 ms ("one unit"). Streams of one kind are worked on by the same agent,
 * or were written by the same lines, once for each word of a `for`.
 */
int64_t plan_expected_ms(const struct plan *plan, uint32_t stream);
/* is that more than a guess: was it, or one of its kind, completed before, or estimated by who wrote it? */
bool plan_knows_time(const struct plan *plan, uint32_t stream);
/* part of plan_build(): what plan_expected_ms() looks at (duration.c) */
void plan_find_times(struct plan *plan);
void plan_release(struct plan *plan);
/* does the stream run only if something that it depends on has failed? A run without failures does not have it */
bool plan_waits_for_failure(const struct plan *plan, uint32_t stream);
/* "recipe changed", "never completed", ... (static) */
const char *plan_reason_text(enum plan_reason reason);

/*
 * Looks for an order of the stale streams that makes a run on `jobs` slots end earlier than the longest remaining path
 * does, in virtual time; if it finds one it is in plan->turn. Only where times are known; the effort is bounded: a plan
 * of more than some ten thousand stale streams is left as it is.
 */
void plan_improve(struct plan *plan, unsigned jobs);
/* the stale streams that are no groups, in the order in which one slot would take them; malloc'd */
uint32_t *plan_run_order(const struct plan *plan, size_t *count);
/* the longest chain of stale streams: ids in order, malloc'd; *length_ms their expected time */
uint32_t *plan_critical_path(const struct plan *plan, size_t *count, int64_t *length_ms);

#endif
