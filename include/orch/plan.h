/* Selection; what is stale, and why; what a run would take. Nothing is opened for writing. */
#ifndef ORCH_PLAN_H
#define ORCH_PLAN_H

#include "orch/project.h"

#ifdef __cplusplus
extern "C" {
#endif

struct orch_plan_options {
	const char *const *targets; /* NAME, GLOB, /pattern/, tag:x, each with + behind; NULL-terminated; NULL or empty:
				       the project's default, else everything */
	const char *const *only;    /* exactly these, without their dependencies; NULL or NULL-terminated */
	const char *const *except;  /* all but these */
	const char *const *what_if; /* -W: files that count as changed */
	bool always;                /* -B */
	unsigned jobs;              /* for the expected time; 0: the project's, else 4 */
};

enum orch_plan_action {
	ORCH_PLAN_NOT_WANTED,
	ORCH_PLAN_COMPLETE,
	ORCH_PLAN_PERHAPS, /* a dependency runs; if its result is the same this one stays complete */
	ORCH_PLAN_RUN,
};

struct orch_plan;

/* ORCH_EUSAGE: a target names nothing. Borrows orch */
int orch_plan_new(
	struct orch_plan **out, struct orch *orch, const struct orch_plan_options *options, struct orch_error *err);
void orch_plan_free(struct orch_plan *plan);

enum orch_plan_action orch_plan_action(const struct orch_plan *plan, size_t stream);
/* one short line: "never completed", "input src/a.c changed", "recipe changed", "depends on fetch, which runs"; NULL if
 * complete or not wanted. Valid until the plan is freed */
const char *orch_plan_reason(struct orch_plan *plan, size_t stream);
/* would it wait for 'orch approve' before it starts? False too if that was given. It has to be to run, or perhaps */
bool orch_plan_asks(struct orch_plan *plan, size_t stream);
/* how many are wanted, surely to run, perhaps to run, to run only if something that they depend on fails ('when =
 * failure'); groups not counted */
size_t orch_plan_wanted(const struct orch_plan *plan);
size_t orch_plan_run_count(const struct orch_plan *plan);
size_t orch_plan_perhaps_count(const struct orch_plan *plan);
size_t orch_plan_failure_count(const struct orch_plan *plan);
/* With `merge` = auto or squash: nothing is to run, but the last run was killed before its end, so what is wanted may
 * not have come home. A run sees to that, and does nothing else */
bool orch_plan_owes_merge(const struct orch_plan *plan);
/* streams to run (RUN and PERHAPS; groups left out), in an order in which they could run one at a time by the
 * scheduler's rules; *count; borrowed */
const uint32_t *orch_plan_order(struct orch_plan *plan, size_t *count);
/* 0 for a stream that waits for nothing that runs, else one more than what it waits for */
unsigned orch_plan_phase(struct orch_plan *plan, size_t stream);
unsigned orch_plan_phase_count(struct orch_plan *plan);
/* the longest chain, ids in order; borrowed */
const uint32_t *orch_plan_critical_path(struct orch_plan *plan, size_t *count);
/* expected: this stream; all one at a time; at `jobs` slots; the bound that no number of slots beats. `known`: how many
 * of the streams to run have a recorded time or an estimate */
int64_t orch_plan_expected_ms(struct orch_plan *plan, size_t stream);
void orch_plan_times(
	struct orch_plan *plan, int64_t *serial_ms, int64_t *at_jobs_ms, int64_t *critical_ms, size_t *known);
/* two streams that may run at the same time and expect to change the same files, by these of their `touches` */
struct orch_overlap {
	size_t first, second;
	const char *first_glob, *second_glob; /* borrowed */
};
/* the first `max` of them among the streams to run; returns how many. *complete: there are no more */
size_t orch_plan_overlaps(const struct orch_plan *plan, struct orch_overlap *out, size_t max, bool *complete);
/* when it last completed (ms since 1970), 0: never; how long it took */
int64_t orch_plan_completed_ms(const struct orch_plan *plan, size_t stream);
int64_t orch_plan_last_duration_ms(const struct orch_plan *plan, size_t stream);
/* how many `tasks:` it has, and in *ticked how many of them are done, as its work has said */
size_t orch_plan_tasks(const struct orch_plan *plan, size_t stream, size_t *ticked);
/* why it would run or not, in full, for people: the files, the lines of the recipe, the dependencies that differ, and
 * the parts of its fingerprint; the caller frees */
char *orch_plan_why(struct orch_plan *plan, size_t stream);
/* the same as JSON ("v":1); the caller frees */
char *orch_plan_why_json(struct orch_plan *plan, size_t stream);

#ifdef __cplusplus
}
#endif
#endif
