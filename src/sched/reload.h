/*
 * A run goes on by another plan, because the Orchfile was read again. Pure. Streams are the same where their names are.
 *
 *   running       goes on as what it was when it began; its end counts for the stream as it is now
 *   backoff       waits on, with its attempts counted
 *   not begun     as if the new plan had been the first
 *   completed     stays so, unless the new plan has it stale for another reason than files that changed meanwhile
 *   failed        stays so, unless its recipe or its dependencies are other ones, or one of these runs again
 *   cancelled     stays so, unless its recipe or its dependencies are other ones, or the failure that was the reason is
 *                 no more
 *   skipped       stays so as long as the reason does
 *
 * What begins anew has all of its retries. An attempt whose stream is gone, or is not wanted any more, keeps its slot
 * and its place in its pool until it ends.
 */
#ifndef SCHED_RELOAD_H
#define SCHED_RELOAD_H

#include "sched/run.h"

/* an attempt under way whose stream had no part in the run any more, and may have one again */
struct reload_attempt {
	uint32_t stream; /* of the new plan; NO_STREAM: still none */
	unsigned slot, number;
};

/* [stream of `from`]: which it is in `to`, or NO_STREAM; malloc'd */
uint32_t *reload_map(const struct project *from, const struct project *to);
/* Before plan_build(): what the run knows better than who looked at the files. `before` is reload_map() from `project`
 * to that of the run */
void reload_facts(struct plan_facts *facts, const struct project *project, const struct run *run,
	const uint32_t *before);
/* has stream `id` of the plan another recipe, or other dependencies, than stream `was` of `before`? */
bool reload_is_changed(const struct plan *plan, uint32_t id, const struct plan *before, uint32_t was);
/* The run by `plan`. `old` stays as it is, to be freed with run_free(); on_change is as it was there, and is called
 * with streams of `plan`: with those that begin anew as with those of a new run */
struct run *reload_run(const struct run *old, struct plan *plan, const struct reload_attempt *attempts, size_t count);
/* an attempt whose stream has no part in the run has ended */
void reload_give_back(struct run *run, unsigned slot);

#endif
