/* What run.c, pool.c, reload.c, retry.c, sched.c and standby.c share; nobody else includes it. */
#ifndef SCHED_RUN_PRIVATE_H
#define SCHED_RUN_PRIVATE_H

#include "graph/project.h"
#include "sched/queue.h"
#include "sched/sched.h"

#define NO_POOL UINT32_MAX
#define NO_SLOT UINT32_MAX
/* who has a slot: an attempt whose stream has no part in the run any more (reload.h) */
#define OUTSIDE (UINT32_MAX - 1)

/* a declared pool, in this run */
struct run_pool {
	unsigned limit, used;
	uint32_t ready;       /* tasks of it that are READY, wherever they are queued */
	struct queue blocked; /* READY tasks that came to the top while it was full */
};

/* a slot number and who has it */
struct run_slot {
	uint32_t stream; /* NO_STREAM: free */
	unsigned weight; /* slots taken: the stream's weight as it was cut to the jobs at its start */
	uint32_t pool;   /* in which it has a place, or NO_POOL: as it was at its start */
	uint32_t agent;  /* the same of the pool that an agent's limit is */
	/* of one of OUTSIDE: what it expects to change, as its own project has it; else NULL */
	const struct words *touches;
};

struct run {
	const struct plan *plan;
	struct plan *results; /* where results of groups are written; NULL in virtual time */
	struct run_options options;
	struct task *tasks; /* [stream] */
	size_t count[ORCH_TASK_STATES];
	size_t asking; /* of the HELD: those that sched_approve() releases */
	/* slots and pools: pool.c */
	unsigned jobs, used;
	unsigned lent; /* of the slots that are not used: sched_set_lent() */
	unsigned room; /* of the slots, how many may be used: sched_set_room(); 0: all */
	struct run_slot *slots;
	uint32_t slot_count, first_free; /* no slot number below first_free is free */
	uint32_t *slot_of;               /* [stream] */
	struct run_pool *pools;
	uint32_t *pool_of; /* [stream]; NULL without pools */
	/* agents that have a limit of their own: pools too, behind those that are declared */
	uint32_t *agent_pool; /* [profile]; NULL: none has one */
	uint32_t *agent_of;   /* [stream]: the pool of its agent, or NO_POOL; NULL likewise */
	uint32_t pool_total;
	size_t ready_unpooled;
	struct apart *apart; /* apart.c; NULL: none is kept apart from another */
	/* queues */
	struct queue ready; /* READY tasks, but for those in a pool's `blocked`; may hold some that are READY no more */
	struct queue backoff; /* BACKOFF tasks, rank is -wake_ms */
	int64_t ready_seq;
	/* see sched_stand_by() */
	size_t standing_by, running_not_plain;
	/* tasks that reached a final state whose users have not been told: a work list, so that nothing recurses */
	uint32_t *settled; /* [twice the count of tasks in the run]: a task is here when it ends and when it is over */
	size_t settled_head, settled_tail;
	/* the end */
	uint64_t random;
	unsigned failures;
	uint32_t culprit; /* the failure that keeps new tasks from starting */
	bool stopping;    /* nothing but clean-up streams starts */
	bool stopped;     /* sched_stop(): nothing starts */
	bool drained;     /* what cannot start any more has been cancelled */
	bool paused;      /* nothing starts until it is resumed */
};

/* run.c */
/* as run_new(), but the plan stays as it is: for virtual time, where no result changes */
struct run *run_new_virtual(const struct plan *plan, const struct run_options *options);
/* nothing is in it yet: no task has a part */
struct run *run_new_empty(const struct plan *plan, struct plan *results, const struct run_options *options);
void run_set_state(struct run *run, uint32_t stream, enum orch_task_state to, const char *reason);
/* has it ended in a way that keeps those who need it from starting? */
bool run_is_bad(const struct run *run, uint32_t stream);
/* the first dependency that is bad, or NO_STREAM */
uint32_t run_bad_dep(const struct run *run, uint32_t stream);
/* SKIPPED because of that one; run_work_off() follows */
void run_skip(struct run *run, uint32_t stream, uint32_t dep);
static inline const struct settings *run_settings(const struct run *run, uint32_t stream)
{
	return run->plan->project->streams[stream].set;
}
static inline bool run_is_group(const struct run *run, uint32_t stream)
{
	return stream_is_group(&run->plan->project->streams[stream]);
}
/* `when = failure|always`: it also starts behind failures */
static inline bool run_is_cleanup(const struct run *run, uint32_t stream)
{
	return run_settings(run, stream)->when != WHEN_SUCCESS;
}
/* the task reached a final state: users that need its success are skipped at once if it has none; when all that it
 * depends on has ended too, blockers are counted down, and users are released or completed (groups). Then theirs in
 * turn. So a clean-up stream starts when nothing behind it can be running any more, also behind a group that was
 * skipped early
 */
void run_settle(struct run *run, uint32_t stream);

/* of a task that is WAITING and has no blockers left: READY, or, a group, COMPLETED */
void run_release(struct run *run, uint32_t stream);
/* tells the users of what such a group completed */
void run_work_off(struct run *run);

/* pool.c */
void pool_init(struct run *run);
void pool_finish(struct run *run);
/* one more (+1) or one fewer (-1) task of the stream's pool is READY */
void pool_count_ready(struct run *run, uint32_t stream, int change);
/* who works on it next: a profile's number */
void pool_set_agent(struct run *run, uint32_t stream, uint32_t profile);
bool pool_is_full(const struct run *run, uint32_t stream);
/* a READY task came to the top of the queue while its pool was full: it is put aside */
void pool_block(struct run *run, struct queue_item item);
/* the stream does not use its chance at a place of its pool: the best of those put aside competes again with all the
 * others */
void pool_unblock(struct run *run, uint32_t stream);
unsigned pool_weight(const struct run *run, uint32_t stream);
void pool_take(struct run *run, uint32_t stream);
/* the same, with a slot that another one has or had, whose attempt is over */
void pool_hand_over(struct run *run, uint32_t stream, unsigned slot);
/* gives slot and place in the pool back */
void pool_give_back(struct run *run, uint32_t stream);
/* After another plan: `stream` (or OUTSIDE) has the slot, and the places in the pool and among its agent's streams,
 * that it had in the `old` run. `touches`: of what is under way in it */
void pool_carry(struct run *run, uint32_t stream, uint32_t slot, const struct run *old, const struct words *touches);
/* what OUTSIDE has, given back */
void pool_give_back_slot(struct run *run, uint32_t slot);
/* READY tasks whose pool has room */
size_t pool_startable(const struct run *run);

/* apart.c: streams that are kept apart, since they expect to change the same files */
void apart_init(struct run *run);
void apart_finish(struct run *run);
bool apart_has_peers(const struct run *run, uint32_t stream);
/* has one of those that it is kept apart from a slot? */
bool apart_is_busy(const struct run *run, uint32_t stream);
/* it came to the top of the queue while one of them had: it is put aside until none has */
void apart_park(struct run *run, struct queue_item item);
/* it has a slot, and has given it back */
void apart_began(struct run *run, uint32_t stream);
void apart_ended(struct run *run, uint32_t stream);
/* the same of one of OUTSIDE */
void apart_outside_began(struct run *run, const struct words *touches);
void apart_outside_ended(struct run *run, const struct words *touches);

/* retry.c */
uint64_t retry_random(uint64_t *state);
/* the wait before attempt `attempt` + 1: `first` doubled each time up to `most`, less a random fifth; recover.c too */
int64_t retry_backoff_ms(int64_t first, int64_t most, unsigned attempt, uint64_t *random);
bool retry_is_left(const struct run *run, uint32_t stream);
/* how long to wait before the next attempt */
int64_t retry_delay_ms(struct run *run, uint32_t stream);

/* sched.c */
/* one attempt more, in the slot that has been taken for it: RUNNING */
void run_begin(struct run *run, uint32_t stream, const char *reason);
void sched_enqueue(struct run *run, uint32_t stream);
/* after a failure, when the last running task has ended: what was not started never will be. Clean-up streams behind it
 * are let start */
void sched_drain(struct run *run);
/* of a task that ran, or waited for its next attempt: READY again; WAITING, where another plan has given it something
 * to wait for meanwhile; SKIPPED, where that failed */
void sched_ready_again(struct run *run, uint32_t stream, const char *reason);

/* standby.c */
/* one more (+1) or one fewer (-1) task is RUNNING: this one */
void standby_count_running(struct run *run, uint32_t stream, int change);

#endif
