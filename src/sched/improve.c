/*
 * An order of the streams that is better than the longest remaining path alone. A list schedule is run forward, then
 * backward from its end (each stream as late as it can be), then forward again in the order that this gives
 * (forward-backward improvement: Li and Willis, Eur. J. Oper. Res. 56(3), 1992); again from a few starts where the
 * ranks are shaken a little. Times that are equal in rank need no rule of their own then: on random graphs the number
 * of successors, their ranks or all the work behind them, used for ties, change the mean by less than a thousandth.
 */
#include "config.h"

#include "sched/plan.h"

#include "sched/run_private.h"
#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

enum {
	ROUNDS = 2,          /* forward and backward, from each start */
	SHAKEN_STARTS = 8,   /* beside the ranks as they are */
	WORK_MAX = 60000,    /* streams started in virtual time, in all */
	NEAR_ENOUGH = 1000,  /* a schedule within one part in so many of the lower bound is not worth more work */
};

struct trial {
	const struct plan *plan;
	unsigned jobs;
	uint32_t count; /* of all streams */
	uint32_t stale;
	uint32_t *blockers, *work_list;
	int64_t *ms;    /* [stream]; -1: it has no part in it */
	int64_t *start; /* [stream], of the last schedule */
	struct queue ready, ends;
	size_t work;
};

static const edge *next_of(const struct trial *trial, uint32_t stream, bool backward, uint32_t *count)
{
	const struct graph *graph = trial->plan->graph;

	*count = backward ? graph_dep_count(graph, stream) : graph_user_count(graph, stream);
	return backward ? graph_deps(graph, stream) : graph_users(graph, stream);
}

static void count_blockers(struct trial *trial, bool backward)
{
	for (uint32_t s = 0; s < trial->count; s++) {
		uint32_t count;
		const edge *before;

		if (trial->ms[s] < 0)
			continue;
		before = next_of(trial, s, !backward, &count);
		trial->blockers[s] = 0;
		for (uint32_t i = 0; i < count; i++)
			trial->blockers[s] += trial->ms[EDGE_STREAM(before[i])] >= 0;
	}
}

static void enqueue(struct trial *trial, uint32_t stream, const int64_t *turn, bool backward)
{
	queue_push(&trial->ready,
		(struct queue_item){.stream = stream,
			.rank = turn[stream],
			.priority = backward ? 0 : trial->plan->project->streams[stream].set->priority});
}

/* it is over at `now`: what waits only for it is ready; groups end at once */
static void release(struct trial *trial, uint32_t stream, int64_t now, const int64_t *turn, bool backward)
{
	uint32_t left = 0;

	trial->work_list[left++] = stream;
	while (left > 0) {
		uint32_t count, at = trial->work_list[--left];
		const edge *next = next_of(trial, at, backward, &count);

		for (uint32_t i = 0; i < count; i++) {
			uint32_t id = EDGE_STREAM(next[i]);

			if (trial->ms[id] < 0 || --trial->blockers[id] > 0)
				continue;
			if (stream_is_group(&trial->plan->project->streams[id])) {
				trial->start[id] = now;
				trial->work_list[left++] = id;
			} else {
				enqueue(trial, id, turn, backward);
			}
		}
	}
}

/* a list schedule by `turn`; its length */
static int64_t run_list(struct trial *trial, const int64_t *turn, bool backward)
{
	int64_t now = 0;
	unsigned used = 0;

	trial->work += trial->stale;
	count_blockers(trial, backward);
	for (uint32_t s = 0; s < trial->count; s++) {
		if (trial->ms[s] < 0 || trial->blockers[s] > 0)
			continue;
		if (!stream_is_group(&trial->plan->project->streams[s]))
			enqueue(trial, s, turn, backward);
		trial->blockers[s] = UINT32_MAX;
	}
	/* now that all of those are known: what a group releases is none of them */
	for (uint32_t s = 0; s < trial->count; s++) {
		if (trial->ms[s] < 0 || trial->blockers[s] != UINT32_MAX ||
			!stream_is_group(&trial->plan->project->streams[s]))
			continue;
		trial->start[s] = 0;
		release(trial, s, 0, turn, backward);
	}
	for (;;) {
		while (used < trial->jobs && trial->ready.count > 0) {
			uint32_t stream = queue_pop(&trial->ready).stream;

			trial->start[stream] = now;
			queue_push(&trial->ends,
				(struct queue_item){.stream = stream, .rank = -(now + trial->ms[stream])});
			used++;
		}
		if (trial->ends.count == 0)
			return now;
		now = -trial->ends.items[0].rank;
		while (trial->ends.count > 0 && -trial->ends.items[0].rank == now) {
			used--;
			release(trial, queue_pop(&trial->ends).stream, now, turn, backward);
		}
	}
}

/* who ends last goes first in the other direction */
static void turn_round(const struct trial *trial, int64_t *turn)
{
	for (uint32_t s = 0; s < trial->count; s++)
		turn[s] = trial->ms[s] < 0 ? 0 : trial->start[s] + trial->ms[s];
}

/* from `turn`; the best that was found is in `best`, if it is shorter than `length`. The shorter length */
static int64_t improve_from(struct trial *trial, int64_t *turn, int64_t *best, int64_t length, int64_t near)
{
	size_t size = trial->count * sizeof *turn;

	for (unsigned round = 0; round <= ROUNDS; round++) {
		int64_t now = run_list(trial, turn, false);

		if (now < length) {
			length = now;
			memcpy(best, turn, size);
		}
		if (length <= near || round == ROUNDS)
			break;
		turn_round(trial, turn);
		(void)run_list(trial, turn, true);
		turn_round(trial, turn);
	}
	return length;
}

/* the ranks, shaken by up to twice the mean time; the same in every run */
static void shake(const struct trial *trial, int64_t *turn, uint64_t *random, int64_t mean)
{
	for (uint32_t s = 0; s < trial->count; s++)
		turn[s] = trial->plan->items[s].rank +
			(int64_t)(retry_random(random) % (2 * (uint64_t)(mean > 0 ? mean : 1)));
}

static void improve(struct trial *trial, struct plan *plan, int64_t work_ms, int64_t longest_ms)
{
	int64_t bound = work_ms / trial->jobs > longest_ms ? work_ms / trial->jobs : longest_ms;
	int64_t near = bound + bound / NEAR_ENOUGH, before = plan_makespan(plan, trial->jobs, SCHED_CRITICAL_PATH);
	int64_t *turn = xmalloc(trial->count * sizeof *turn), *best = xmalloc(trial->count * sizeof *best);
	int64_t length = before;
	uint64_t random = 1;

	for (unsigned start = 0; start <= SHAKEN_STARTS && length > near; start++) {
		if (trial->work + (2 * ROUNDS + 1) * (size_t)trial->stale > WORK_MAX)
			break;
		if (start == 0) {
			for (uint32_t s = 0; s < trial->count; s++)
				turn[s] = plan->items[s].rank;
		} else {
			shake(trial, turn, &random, work_ms / trial->stale);
		}
		length = improve_from(trial, turn, best, length, near);
	}
	free(turn);
	if (length == before) {
		free(best);
		return;
	}
	/* pools, weights and what is kept apart were left out above: whether it is better is told by the scheduler */
	plan->turn = best;
	if (plan_makespan(plan, trial->jobs, SCHED_PLANNED) >= before) {
		free(best);
		plan->turn = NULL;
	}
}

void plan_improve(struct plan *plan, unsigned jobs)
{
	struct trial trial = {.plan = plan, .jobs = jobs, .count = plan->graph->count};
	int64_t work_ms = 0, longest_ms = 0;
	bool knows = false;

	free(plan->turn);
	plan->turn = NULL;
	if (jobs < 2 || plan->run_count + plan->perhaps_count <= jobs ||
		(2 * ROUNDS + 1) * (plan->run_count + plan->perhaps_count) > WORK_MAX)
		return;
	trial.ms = xmalloc((trial.count + 1) * sizeof *trial.ms);
	for (uint32_t s = 0; s < trial.count; s++) {
		bool is_stale = plan->items[s].action >= PLAN_PERHAPS;

		trial.ms[s] = is_stale ? plan_expected_ms(plan, s) : -1;
		knows |= is_stale && plan_knows_time(plan, s);
		trial.stale += is_stale;
		work_ms += is_stale ? trial.ms[s] : 0;
		if (is_stale && plan->items[s].rank > longest_ms)
			longest_ms = plan->items[s].rank;
	}
	if (knows) {
		trial.blockers = xcalloc(trial.count, sizeof *trial.blockers);
		trial.work_list = xmalloc(trial.count * sizeof *trial.work_list);
		trial.start = xcalloc(trial.count, sizeof *trial.start);
		improve(&trial, plan, work_ms, longest_ms);
		free(trial.blockers);
		free(trial.work_list);
		free(trial.start);
		queue_release(&trial.ready);
		queue_release(&trial.ends);
	}
	free(trial.ms);
}
