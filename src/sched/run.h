/*
 * The mutable half of a run: a task per stream. run_set_state() is the only writer of a task's state, so counters and
 * queues cannot drift. Pure: time comes in as an argument, changes leave by on_change.
 *
 * States and what may follow (one table in run.c):
 *   waiting -> ready, skipped, cancelled, completed (a group), held (for a person's approval)
 *   held -> ready, cancelled, skipped, failed
 *   ready -> running, held, cancelled, skipped   running -> completed, failed, backoff, held, cancelled, ready
 *   backoff -> ready, cancelled, failed               completed, failed, skipped, cancelled: final
 * By a retry (sched_retry) failed, skipped, cancelled -> waiting; what waits for it again: ready, backoff -> waiting.
 * By another plan (reload.h) any of them may begin anew; what it gives a new dependency: running, backoff -> waiting,
 * backoff -> skipped
 */
#ifndef SCHED_RUN_H
#define SCHED_RUN_H

#include "orch/event.h"
#include "sched/plan.h"

#include <stdbool.h>
#include <stdint.h>

enum sched_policy {
	SCHED_PLANNED,       /* priority, then as plan_improve() has found; else as the next */
	SCHED_CRITICAL_PATH, /* priority, then longest remaining path, then file order */
	SCHED_FIFO,          /* in the order in which they became ready */
	SCHED_SHUFFLE,       /* a random legal order, from the seed */
};

struct task {
	uint32_t blockers;  /* dependencies that are not over yet */
	uint16_t attempts;  /* started so far */
	uint16_t forgiven;  /* of them, before a person had it retried: they count against nothing */
	uint8_t state;      /* enum orch_task_state */
	uint8_t in_run : 1; /* has a part in this run: its plan item is PERHAPS or RUN */
	uint8_t dep_failed : 1, dep_ran : 1;
	uint8_t standby : 1; /* READY, out of the queue, and to start when a slot is free: sched_stand_by() */
	uint8_t over : 1;    /* in a final state, and so is all that it depends on: its users know */
	uint8_t drained : 1; /* cancelled only because another one failed */
	uint8_t carried : 1; /* RUNNING what another plan had it be */
	uint8_t asks : 1;     /* HELD until sched_approve(); to on_change, also what was that until now */
	uint8_t approved : 1; /* it has been, or has begun: it does not ask again */
	int64_t wake_ms;     /* of BACKOFF: when it becomes ready */
};

struct run_options {
	unsigned jobs; /* at least 1 */
	bool keep_going;
	unsigned max_failures; /* stop starting after that many; 0: one without keep_going, else no limit */
	enum sched_policy policy;
	uint64_t seed;
	int retries; /* -1: each stream's own */
	/* a READY task is next: NULL, it may start; else why it may not, and it is HELD until sched_release(). May call
	 * sched_set_agent() for it. NULL: all may */
	const char *(*admit)(void *data, uint32_t stream);
	/* a task with `approve = yes` has nothing left to wait for: NULL, it is READY; else what it asks for, and it is
	 * HELD until sched_approve(). NULL: none asks */
	const char *(*approval)(void *data, uint32_t stream);
	/* the state of task `stream` changed from `from`; reason may be NULL, valid during the call */
	void (*on_change)(
		void *data, uint32_t stream, enum orch_task_state from, enum orch_task_state to, const char *reason);
	void *data;
};

struct run;

/* of the setting's value: `planned` (also NULL), `critical-path`, `fifo` */
enum sched_policy sched_policy_of(const char *name);
/* what a list schedule of the stale streams on `jobs` slots takes, in virtual time, by the rules of sched.h; 0 if
 * nothing is stale */
int64_t plan_makespan(const struct plan *plan, unsigned jobs, enum sched_policy policy);

/* all tasks of the plan that are PERHAPS or RUN; the rest counts as done. Borrows the plan. on_change is told of each
 * task's first state too (from == to == waiting) */
struct run *run_new(struct plan *plan, const struct run_options *options);
const struct task *run_task(const struct run *run, uint32_t stream);
enum sched_policy run_policy(const struct run *run);
size_t run_count(const struct run *run, enum orch_task_state state);
/* no task is waiting, held, ready, running or in backoff */
bool run_is_done(const struct run *run);
void run_free(struct run *run);

#endif
