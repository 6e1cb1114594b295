/*
 * The executor's own parts: executor.c starts tasks and ends the run, settle.c deals with attempts that have ended,
 * tell.c publishes what happened, approve.c has somebody asked before a task starts, standby.c hands over what is next,
 * steer.c does what somebody asks for meanwhile, reload.c goes on by an Orchfile that was read again, generate.c by
 * what a stream has added to it, overlaps.c says who may get into whose way.
 */
#ifndef EXEC_EXECUTOR_PRIVATE_H
#define EXEC_EXECUTOR_PRIVATE_H

#include "exec/context.h"
#include "exec/executor.h"
#include "orch/merge.h"
#include "runner/runner.h"
#include "sched/room.h"
#include "util/array.h"

struct agents;
struct attempt;
struct bus;
struct confiner;
struct detached;
struct hold;
struct hooks;
struct jobserver;
struct journal;
struct loop_idle;
struct loop_timer;
struct reportfile_line;
struct redact;
struct reportings;
struct makeclient;
struct run;
struct syncer;
struct workspaces;

/* An Orchfile as it was read once, and what belongs to it. Attempts go on in the one in which they began */
struct generation {
	struct generation *before; /* those before it that still have attempts, newest first */
	struct plan *plan;
	struct context context;
	struct agents *agents;
	size_t attempts; /* of one before: how many it has */
	void (*release)(void *owner);
	void *owner;
};

/* a task that has no part in the run any more, since the Orchfile was read again */
struct gone {
	char *name;
	unsigned attempts;
	enum orch_task_state state; /* final */
};

struct executor {
	const struct orch_run_options *options;
	const char *targets;
	struct plan *plan;
	const struct project *project;
	struct statedir *dir;
	struct stamp_store *store;
	struct file_cache *cache;
	struct loop *loop;

	struct run *run;
	struct children *children;
	struct supervision *supervision;
	long files; /* about how many could be open when the run began */
	struct runner runner;
	struct workspaces *workspaces;
	struct confiner *confiner;
	struct jobserver *jobserver;
	struct makeclient *around;     /* the make that started us; NULL: none, or it is not to be asked */
	struct orch_error not_around;  /* why it cannot be asked */
	struct generation *generation; /* the present one */
	struct agents *agents;         /* its own */
	struct reportings *reportings;
	struct executor_generate generate;
	struct bus *bus;
	struct journal *journal;
	struct hooks *hooks;
	struct redact *redact; /* what is kept out of logs and events; NULL: nothing is */
	char *run_id;
	uint64_t seq;

	struct detached *detached; /* attempts that a run before has left to be adopted */
	size_t detached_count;
	const struct detached **open; /* [stream] those of them that nobody has dealt with yet; NULL: there are none */

	struct attempt **running; /* [stream], NULL: none */
	bool *afresh; /* [stream] its next attempt begins again from its base; until that has been done, then not */
	ARRAY(struct attempt *) outside; /* those whose task is NO_STREAM, until they are settled */
	ARRAY(struct gone) gone;
	struct attempt *ended;         /* to be settled, newest first */
	const struct attempt *settled; /* the one whose end the schedule is being told; NULL: none */
	struct loop_idle *settle;
	struct syncer *syncer;
	struct loop_timer *wake, *retry_start, *hold_end, *approval_end;
	uint32_t unchanged;      /* stream whose end as UNCHANGED is being told, else NO_STREAM */
	bool memory_looked_at;   /* whether `memory` can be enforced has been told */
	bool sharing_looked_at;  /* whether a cluster can have the worktrees has been told */
	bool short_of_resources; /* nothing starts until retry_start fires or an attempt ends */
	struct room room;        /* how many may run at once, where the machine has said that not all may */

	int64_t started_ms, sum_ms;
	int64_t cost_micros, tokens; /* of all attempts */
	bool has_cost, has_tokens;   /* some attempt said so */
	struct orch_merge_options home_options;
	bool coming_home, came_home; /* at the end of a run that went well; that is under way, or behind us */
	bool *to_bring;              /* [stream], then; NULL before */
	bool not_home;               /* it was to come home, and could not */
	bool held_to_the_end;        /* it ended since all that was left was held */
	char *asked;                 /* what approve_ask() gave out last */
	int64_t asking_since_ms;     /* nothing but approvals is waited for; 0: something else is */
	bool settling, finishing, finished, failed_itself;
	struct orch_error error; /* why, if failed_itself */
};

/* --- executor.c --- */

/* of a task that has its slot, RUNNING */
void executor_start_task(struct executor *ex, uint32_t id);
/* that, and ends the run if nothing is left to do */
void executor_pump(struct executor *ex);

/* of a running task, or of one that stands by; `run` NULL: a new one, else the one of that run and number */
struct attempt *executor_new_attempt(struct executor *ex, uint32_t id, const char *run, unsigned number, unsigned slot);
/* must it run, now that its dependencies are done and its inputs are what they are? 1, 0, or -1 with *err */
int executor_must_run(struct executor *ex, uint32_t id, struct orch_error *err);
/* an attempt that ends before it began, for a reason of its own */
struct attempt *executor_stillborn(struct executor *ex, uint32_t id, enum orch_outcome outcome, const char *message);

/* of any generation: frees it */
void executor_drop(struct executor *ex, struct attempt *attempt);

/* --- overlaps.c --- */

/* warns of them; `before` NULL: at the beginning of the run, else by which plan it went until now, with `map`: which
 * each stream was there */
void tell_overlaps(struct executor *ex, const struct plan *before, const uint32_t *map);

/* --- slots.c --- */

/* starts what is ready, as far as there are slots */
void executor_fill_slots(struct executor *ex);
/* that, and what is done with those that are left over */
void slots_pump(struct executor *ex);
/* a running task cannot be started for want of resources: fewer at a time, and it again later */
void slots_put_off(struct executor *ex, uint32_t id, const char *why);
/* the timer's: some more than before are tried, until the machine says otherwise */
void slots_on_retry(void *data);

/* --- reload.c --- */

/* NULL with *err: it cannot be, and `owner` is the caller's still */
struct generation *generation_new(
	struct executor *ex, struct plan *plan, void (*release)(void *owner), void *owner, struct orch_error *err);
/* all of them; nothing of them is used any more */
void generations_free(struct executor *ex);
/* an attempt of a generation before the present one is gone */
void generation_leave(struct executor *ex, const struct plan *plan);
/* one of ex->outside has ended, or never began: no longer there, told, and its slot free */
void outside_over(struct executor *ex, struct attempt *attempt, enum orch_task_state state, const char *reason);
/* how many tasks that have no part in the run any more ended so */
size_t gone_count(const struct executor *ex, enum orch_task_state state);

/* --- approve.c --- */

/* run_options.approval */
const char *approve_ask(void *data, uint32_t stream);
/* its stream has completed: what was approved of has happened */
void approve_used(struct executor *ex, const struct attempt *attempt);
/* nothing else can go on: is somebody's approval waited for? */
bool approve_may_wait(struct executor *ex);
/* something else can */
void approve_need_not_wait(struct executor *ex);
/* the timer's: it has been waited for long enough */
void approve_on_end(void *data);

/* --- generate.c --- */

/* An attempt has gone well; if its stream generates, what it has generated is read and kept. False: that is wrong, and
 * the attempt has failed for it */
bool generate_keep(struct executor *ex, struct attempt *attempt);
/* that is recorded: its streams join the run, before anybody is told that it is complete */
void generate_grow(struct executor *ex, const struct attempt *attempt);

/* --- run_queues.c --- */

/* the runners that it declares are there from now on */
void run_queues_declare(struct executor *ex, const struct project *project);
/* the stream is about to start: a worktree that no node of the cluster can have is warned of, once a run */
void run_queues_look_at_sharing(struct executor *ex, const struct stream *stream);

/* --- agents of the run: hold.c --- */

/* run_options.admit */
const char *hold_admit(void *data, uint32_t stream);
/* the run begins: what is held since runs before is told */
void hold_tell(struct executor *ex);
/* what is held by nothing any more is READY; `every` hold is ended before that, or those whose time has come */
void hold_release(struct executor *ex, bool every, const char *why);
/* only held tasks are left: the timer for the first hold's end is armed, or, if that is not waited for, they are
 * cancelled and the run ends */
void hold_wait(struct executor *ex);
/* the timer's */
void hold_on_end(void *data);
/* attempt.h `news` */
void hold_news(void *data, struct attempt *attempt, unsigned what);
/* an attempt has failed: what its rules and its stream say becomes of its task */
void hold_settle(struct executor *ex, struct attempt *attempt, const char *reason);

/* --- resume.c --- */

/* Finds what a run that was killed has left: adopts what is to run now, settles what has ended, clears away what is
 * lost, and says so in one line */
void resume_begin(struct executor *ex);
/* a task about to start has an attempt left from before: true, and that one goes on in its place */
bool resume_attempt(struct executor *ex, uint32_t id);
/* a new attempt that is to outlive us is written down before it starts */
int resume_note(struct executor *ex, const struct attempt *attempt, struct orch_error *err);
/* orch itself cannot go on: those that outlive it are let go on */
void resume_leave(struct executor *ex);
/* the streams are other ones: `before` says which they were in the `old` run. The new one is there */
void resume_renumber(struct executor *ex, const struct run *old, const uint32_t *before);
/* it has been dealt with */
void resume_forget(struct executor *ex, const struct attempt *attempt);
void resume_release(struct executor *ex);

/* --- settle.c --- */

/* an attempt is over (attempt.h `ended`) */
void settle_later(void *data, struct attempt *attempt);
/* what has ended so far; part of settle() */
void settle_ended(struct executor *ex);
/* before the loop sleeps, see executor.h */
void settle(void *data);

/* --- steer.c --- */

/* -1 with *err: it has not begun, or is over */
int executor_is_under_way(const struct executor *ex, struct orch_error *err);
/* what the targets name, each behind its dependencies; groups stand for what they depend on. The caller frees */
int steer_find_targets(
	struct executor *ex, const char *const *targets, uint32_t **out, size_t *count, struct orch_error *err);
/* nothing could be done about any of them: why not, by the first that is no group. `what`: "stopped", ... */
int steer_refuse(
	const struct executor *ex, const uint32_t *streams, size_t count, const char *what, struct orch_error *err);

/* --- standby.c --- */

/* has what is certain to be next started as soon as a slot is free, without asking us (sched_stand_by()) */
void executor_stand_by(struct executor *ex);
/* takes that back: what is not running then is READY again. Before anything that could change what is next */
void executor_withdraw(struct executor *ex);

/* --- tell.c --- */

/* numbers, dates, journals and publishes it; a failure to do so ends the run */
void tell(struct executor *ex, struct orch_event *event);
void tell_flush(struct executor *ex, bool sync);
/* `stream` may be NULL */
void tell_warning(struct executor *ex, const char *stream, const char *message);
/* the same as a callback */
void tell_warning_to(void *data, const char *stream, const char *message);
/* what a rule has done about the attempt's failure */
void tell_recovery(struct executor *ex, const struct attempt *attempt, const char *message);
/* attempt.h `messaged` */
void tell_message(void *data, struct attempt *attempt, const char *text, const char *from);
/* the account is held; it is not any more */
void tell_hold(struct executor *ex, const struct hold *hold);
void tell_free(struct executor *ex, const char *account, const char *message);
void tell_finished(struct executor *ex, const struct attempt *attempt);
/* orch itself cannot go on: what runs is ended, what it did is kept */
void tell_failure(struct executor *ex, const struct orch_error *err);
/* run_options.on_change */
void tell_change(void *data, uint32_t stream, enum orch_task_state from, enum orch_task_state to, const char *reason);
/* attempt.h `phase_began` and `output` */
void tell_phase(void *data, struct attempt *attempt);
void tell_output(void *data, struct attempt *attempt, const char *last_line, int64_t bytes);
/* reporting.h `said` */
void tell_said(void *data, struct attempt *attempt, const struct reportfile_line *line, int64_t end);

#endif
