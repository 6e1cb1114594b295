#include "config.h"

#include "sched/plan.h"

#include "sched/run_private.h"

#include "util/alloc.h"

int64_t plan_makespan(const struct plan *plan, unsigned jobs, enum sched_policy policy)
{
	struct run_options options = {.jobs = jobs, .keep_going = true, .policy = policy};
	struct queue ends = {0}; /* of running tasks: by time, then by id */
	struct run *run = run_new_virtual(plan, &options);
	int64_t now = 0;
	uint32_t stream;

	for (;;) {
		while (sched_next(run, now, &stream))
			queue_push(&ends,
				(struct queue_item){.stream = stream, .rank = -(now + plan_expected_ms(plan, stream))});
		if (ends.count == 0)
			break;
		now = -ends.items[0].rank;
		/* all that ends at one instant has ended before anything starts */
		while (ends.count > 0 && -ends.items[0].rank == now)
			sched_finish(run, queue_pop(&ends).stream, ORCH_OUTCOME_SUCCESS, NULL, now);
	}
	queue_release(&ends);
	run_free(run);
	return now;
}

uint32_t *plan_run_order(const struct plan *plan, size_t *count)
{
	struct run_options options = {.jobs = 1, .keep_going = true, .policy = SCHED_CRITICAL_PATH};
	struct run *run = run_new_virtual(plan, &options);
	uint32_t *order = xcalloc(plan->graph->count ? plan->graph->count : 1, sizeof *order);
	uint32_t stream;

	*count = 0;
	while (sched_next(run, 0, &stream)) {
		order[(*count)++] = stream;
		sched_finish(run, stream, ORCH_OUTCOME_SUCCESS, NULL, 0);
	}
	run_free(run);
	return order;
}
