#include "config.h"

#include "sched/sched.h"

#include "sched/run_private.h"
#include "util/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum sched_policy sched_policy_of(const char *name)
{
	if (name && strcmp(name, "critical-path") == 0)
		return SCHED_CRITICAL_PATH;
	return name && strcmp(name, "fifo") == 0 ? SCHED_FIFO : SCHED_PLANNED;
}

void sched_enqueue(struct run *run, uint32_t stream)
{
	struct queue_item item = {.stream = stream};
	uint64_t key;

	switch (run->options.policy) {
	case SCHED_PLANNED:
		item.priority = run_settings(run, stream)->priority;
		item.rank = run->plan->turn ? run->plan->turn[stream] : run->plan->items[stream].rank;
		break;
	case SCHED_CRITICAL_PATH:
		item.priority = run_settings(run, stream)->priority;
		item.rank = run->plan->items[stream].rank;
		break;
	case SCHED_FIFO:
		item.rank = -++run->ready_seq;
		break;
	case SCHED_SHUFFLE:
		/* of the seed and the stream alone, so that an order can be had again however long attempts take */
		key = run->options.seed ^ ((uint64_t)stream + 1) * 0xd6e8feb86659fd93u;
		item.rank = (int64_t)(retry_random(&key) >> 1);
		break;
	}
	queue_push(&run->ready, item);
}

/* the item may be of a wait that a person has ended since */
static bool is_waiting(const struct run *run, const struct queue_item *item)
{
	const struct task *task = &run->tasks[item->stream];

	return task->state == ORCH_TASK_BACKOFF && task->wake_ms == -item->rank;
}

void sched_ready_again(struct run *run, uint32_t stream, const char *reason)
{
	bool is_cleanup = run_is_cleanup(run, stream);
	uint32_t bad = is_cleanup ? NO_STREAM : run_bad_dep(run, stream);

	if (bad == NO_STREAM && run->tasks[stream].blockers == 0) {
		run_set_state(run, stream, ORCH_TASK_READY, reason);
		sched_enqueue(run, stream);
		return;
	}
	run_set_state(run, stream, ORCH_TASK_WAITING, reason);
	if (bad != NO_STREAM) {
		run_skip(run, stream, bad);
		run_work_off(run);
	}
}

/* tasks whose backoff is over are ready */
static void wake(struct run *run, int64_t now_ms)
{
	while (run->backoff.count > 0 && -run->backoff.items[0].rank <= now_ms) {
		struct queue_item item = queue_pop(&run->backoff);

		if (is_waiting(run, &item))
			sched_ready_again(run, item.stream, NULL);
	}
}

void run_begin(struct run *run, uint32_t stream, const char *reason)
{
	struct task *task = &run->tasks[stream];

	if (task->attempts < UINT16_MAX)
		task->attempts++;
	run_set_state(run, stream, ORCH_TASK_RUNNING, reason);
}

void sched_set_attempts(struct run *run, uint32_t stream, unsigned attempts)
{
	run->tasks[stream].attempts = attempts < UINT16_MAX ? (uint16_t)attempts : UINT16_MAX;
}

void sched_forgive(struct run *run, uint32_t stream)
{
	run->tasks[stream].forgiven = run->tasks[stream].attempts;
}

void sched_begin(struct run *run, uint32_t stream, const char *reason)
{
	/* what is in a queue but not READY is passed over there */
	pool_take(run, stream);
	run_begin(run, stream, reason);
}

/* false: it is HELD now, and out of the queue */
static bool admit(struct run *run, uint32_t stream)
{
	const char *why = run->options.admit ? run->options.admit(run->options.data, stream) : NULL;

	if (!why)
		return true;
	queue_pop(&run->ready);
	run_set_state(run, stream, ORCH_TASK_HELD, why);
	pool_unblock(run, stream);
	return false;
}

/* those that are neither used nor lent */
static unsigned free_slots(const struct run *run)
{
	unsigned usable = run->room > 0 && run->room < run->jobs ? run->room : run->jobs;

	return run->used + run->lent < usable ? usable - run->used - run->lent : 0;
}

bool sched_next(struct run *run, int64_t now_ms, uint32_t *stream)
{
	wake(run, now_ms);
	/* the next slots are theirs that stand by */
	if (run->paused || run->standing_by > 0)
		return false;
	while (run->ready.count > 0 && free_slots(run) > 0) {
		struct queue_item top = run->ready.items[0];
		struct task *task = &run->tasks[top.stream];

		if (task->state != ORCH_TASK_READY || (run->stopping && !run_is_cleanup(run, top.stream))) {
			queue_pop(&run->ready);
			pool_unblock(run, top.stream);
			continue;
		}
		if (!admit(run, top.stream))
			continue;
		if (apart_is_busy(run, top.stream)) {
			apart_park(run, queue_pop(&run->ready));
			pool_unblock(run, top.stream);
			continue;
		}
		if (pool_is_full(run, top.stream)) {
			pool_block(run, queue_pop(&run->ready));
			continue;
		}
		/* where nothing runs, nothing more will be free either */
		if (pool_weight(run, top.stream) > free_slots(run) && run->used > 0)
			return false;
		queue_pop(&run->ready);
		pool_take(run, top.stream);
		run_begin(run, top.stream, NULL);
		*stream = top.stream;
		return true;
	}
	return false;
}

unsigned sched_slot(const struct run *run, uint32_t stream)
{
	assert(run->tasks[stream].state == ORCH_TASK_RUNNING);
	return run->slot_of[stream];
}

unsigned sched_weight(const struct run *run, uint32_t stream)
{
	return pool_weight(run, stream);
}

void sched_drain(struct run *run)
{
	uint32_t *cancelled;
	size_t count = 0;
	char reason[256];

	if (!run->stopping || run->drained || run->stopped || run->count[ORCH_TASK_RUNNING] > 0)
		return;
	run->drained = true;
	cancelled =
		xmalloc((run->count[ORCH_TASK_WAITING] + run->count[ORCH_TASK_HELD] + run->count[ORCH_TASK_READY] + 1) *
			sizeof *cancelled);
	snprintf(reason, sizeof reason, "not started: %s failed", run->plan->project->streams[run->culprit].name);
	/* all of them before any user is told: none shall be called skipped for it */
	for (uint32_t s = 0; s < run->plan->graph->count; s++) {
		unsigned state = run->tasks[s].state;

		if (!run->tasks[s].in_run || run_is_cleanup(run, s))
			continue;
		if (state == ORCH_TASK_WAITING || state == ORCH_TASK_HELD || state == ORCH_TASK_READY) {
			run_set_state(run, s, ORCH_TASK_CANCELLED, reason);
			run->tasks[s].drained = 1;
			cancelled[count++] = s;
		}
	}
	for (size_t i = 0; i < count; i++)
		run_settle(run, cancelled[i]);
	free(cancelled);
}

/* one failure too many: what waits for another attempt has failed, except clean-up streams */
static void begin_stopping(struct run *run, uint32_t culprit)
{
	struct queue waiting = run->backoff;
	char reason[256];

	run->stopping = true;
	run->culprit = culprit;
	run->backoff = (struct queue){0};
	snprintf(reason, sizeof reason, "not tried again: %s failed", run->plan->project->streams[culprit].name);
	while (waiting.count > 0) {
		struct queue_item item = queue_pop(&waiting);

		if (!is_waiting(run, &item))
			continue;
		if (run_is_cleanup(run, item.stream)) {
			queue_push(&run->backoff, item);
			continue;
		}
		run_set_state(run, item.stream, ORCH_TASK_FAILED, reason);
		run_settle(run, item.stream);
	}
	queue_release(&waiting);
}

static bool may_go_on(const struct run *run, uint32_t stream)
{
	return !run->stopped && (!run->stopping || run_is_cleanup(run, stream));
}

static void back_off(struct run *run, uint32_t stream, int64_t wake_ms, const char *reason)
{
	run->tasks[stream].wake_ms = wake_ms;
	run_set_state(run, stream, ORCH_TASK_BACKOFF, reason);
	queue_push(&run->backoff, (struct queue_item){.stream = stream, .rank = -wake_ms});
}

static void fail_now(struct run *run, uint32_t stream, const char *reason)
{
	unsigned limit = run->options.max_failures;

	run->failures++;
	run_set_state(run, stream, ORCH_TASK_FAILED, reason);
	if (limit == 0 && !run->options.keep_going)
		limit = 1;
	if (limit > 0 && run->failures >= limit && !run->stopping)
		begin_stopping(run, stream);
	run_settle(run, stream);
}

static void fail(struct run *run, uint32_t stream, const char *reason, int64_t now_ms)
{
	if (may_go_on(run, stream) && retry_is_left(run, stream))
		back_off(run, stream, now_ms + retry_delay_ms(run, stream), reason);
	else
		fail_now(run, stream, reason);
}

void sched_again(struct run *run, uint32_t stream, int64_t wake_ms, bool counts, const char *reason)
{
	pool_give_back(run, stream);
	if (!counts)
		run->tasks[stream].forgiven++;
	if (may_go_on(run, stream))
		back_off(run, stream, wake_ms, reason);
	else
		fail_now(run, stream, reason);
	sched_drain(run);
}

void sched_hold(struct run *run, uint32_t stream, const char *reason)
{
	pool_give_back(run, stream);
	run->tasks[stream].forgiven++;
	if (may_go_on(run, stream))
		run_set_state(run, stream, ORCH_TASK_HELD, reason);
	else
		fail_now(run, stream, reason);
	sched_drain(run);
}

void sched_fail(struct run *run, uint32_t stream, const char *reason)
{
	pool_give_back(run, stream);
	fail_now(run, stream, reason);
	sched_drain(run);
}

bool sched_may_retry(const struct run *run, uint32_t stream)
{
	return retry_is_left(run, stream);
}

void sched_release(struct run *run, uint32_t stream, const char *reason)
{
	if (run->tasks[stream].state != ORCH_TASK_HELD || run->tasks[stream].asks)
		return;
	run_set_state(run, stream, ORCH_TASK_READY, reason);
	sched_enqueue(run, stream);
}

void sched_set_agent(struct run *run, uint32_t stream, uint32_t agent)
{
	pool_set_agent(run, stream, agent);
}

bool sched_free_slot(struct run *run, uint32_t stream)
{
	if (graph_user_count(run->plan->graph, stream) > 0)
		return false;
	pool_give_back(run, stream);
	return true;
}

void sched_finish(struct run *run, uint32_t stream, enum orch_outcome outcome, const char *reason, int64_t now_ms)
{
	pool_give_back(run, stream);
	switch (outcome) {
	case ORCH_OUTCOME_UNCHANGED:
		run->tasks[stream].attempts--;
		/* fall through */
	case ORCH_OUTCOME_SUCCESS:
		run_set_state(run, stream, ORCH_TASK_COMPLETED, reason);
		run_settle(run, stream);
		break;
	case ORCH_OUTCOME_STOPPED:
		run_set_state(run, stream, ORCH_TASK_CANCELLED, reason);
		run_settle(run, stream);
		break;
	default:
		fail(run, stream, reason, now_ms);
		break;
	}
	sched_drain(run);
}

void sched_put_back(struct run *run, uint32_t stream)
{
	run->tasks[stream].attempts--;
	pool_give_back(run, stream);
	if (run->stopped) {
		run_set_state(run, stream, ORCH_TASK_CANCELLED, "not started: the run was stopped");
		return;
	}
	sched_ready_again(run, stream, NULL);
	sched_drain(run);
}

int64_t sched_next_wake(const struct run *run)
{
	return run->backoff.count > 0 ? -run->backoff.items[0].rank : -1;
}

void sched_stop(struct run *run, const char *reason)
{
	run->stopping = run->stopped = true;
	/* whoever depends on one of these is one of these or has ended: nobody has to be told */
	for (uint32_t s = 0; s < run->plan->graph->count; s++) {
		unsigned state = run->tasks[s].state;

		if (run->tasks[s].in_run && state < ORCH_TASK_COMPLETED && state != ORCH_TASK_RUNNING)
			run_set_state(run, s, ORCH_TASK_CANCELLED, reason);
	}
	queue_release(&run->ready);
	queue_release(&run->backoff);
}

bool sched_is_stopping(const struct run *run)
{
	return run->stopping;
}

bool sched_is_stopped(const struct run *run)
{
	return run->stopped;
}

void sched_set_jobs(struct run *run, unsigned jobs)
{
	run->jobs = jobs > 0 ? jobs : 1;
}

void sched_set_lent(struct run *run, unsigned lent)
{
	run->lent = lent;
}

void sched_set_room(struct run *run, unsigned slots)
{
	run->room = slots;
}

unsigned sched_used(const struct run *run)
{
	return run->used;
}

int sched_spare(const struct run *run)
{
	return (int)run->jobs - (int)run->used - (int)run->lent;
}

bool sched_wants_slots(const struct run *run)
{
	return !run->paused && (run->ready.count > 0 || run->standing_by > 0);
}

unsigned sched_jobs(const struct run *run)
{
	return run->jobs;
}

size_t sched_ready(const struct run *run)
{
	return pool_startable(run);
}
