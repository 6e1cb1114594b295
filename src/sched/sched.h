/*
 * What to do next: the ready queue, slots and pools, the end of a task, the next wake-up. List scheduling (Graham, Bell
 * Syst. Tech. J. 45(9), 1966): no slot stays idle while a task that fits is ready; by priority, then longest remaining
 * path, then file order. A task whose pool is full waits in the pool's own queue; one that needs more slots (weight)
 * than are free is not overtaken by a lower one for ever: nothing below it starts until it fits. A weight above the
 * number of slots counts as all of them.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "sched/run.h"

/* The next task to start: it is RUNNING then, with its slots and pool taken, attempts counted. False: none now */
bool sched_next(struct run *run, int64_t now_ms, uint32_t *stream);
/* `stream` has been tried so often before this run */
void sched_set_attempts(struct run *run, uint32_t stream, unsigned attempts);
/* what it has been tried so far counts against nothing: it was something else then */
void sched_forgive(struct run *run, uint32_t stream);
/* A READY task whose attempt is under way already, started by somebody who is gone: RUNNING, as with sched_next(), over
 * the limits if need be; `reason` goes to on_change */
void sched_begin(struct run *run, uint32_t stream, const char *reason);
/* slot number (0 .. jobs - 1, the lowest free when it started) of a running task */
unsigned sched_slot(const struct run *run, uint32_t stream);
/* slots that a task takes, or would take now: its weight, cut to the slots that there are */
unsigned sched_weight(const struct run *run, uint32_t stream);
/* the end of an attempt. SUCCESS and UNCHANGED complete the task (its result is in the plan's facts already) and
 * release what waits for it; STOPPED cancels it; everything else is a failure: retried (BACKOFF, with jitter from the
 * run's seed) while retries are left, else FAILED, and what depends on it is skipped (or, `when = failure|always`, let
 * start). `reason` goes to on_change */
void sched_finish(struct run *run, uint32_t stream, enum orch_outcome outcome, const char *reason, int64_t now_ms);
/* The end of an attempt that has failed, where a rule has decided instead of the stream's retries; as sched_finish()
 * otherwise. Again at `wake_ms` (BACKOFF): `counts`, as one of the stream's retries; held (HELD) until sched_release(),
 * not counted; or not at all (FAILED). Where the run is being stopped, all of them are failures */
void sched_again(struct run *run, uint32_t stream, int64_t wake_ms, bool counts, const char *reason);
void sched_hold(struct run *run, uint32_t stream, const char *reason);
void sched_fail(struct run *run, uint32_t stream, const char *reason);
/* has the stream retries left, were it to fail now? */
bool sched_may_retry(const struct run *run, uint32_t stream);
/* a HELD task is READY again, unless it asks for approval */
void sched_release(struct run *run, uint32_t stream, const char *reason);
/* who works on the task next: number `agent` of the project's profiles, whose `limit` counts. For a READY task that is
 * not queued (from `admit`), and for one that sched_begin() is called for */
void sched_set_agent(struct run *run, uint32_t stream, uint32_t agent);
/* A running task's attempt is over and has gone well, and what is left to do about it needs no slot: others may start.
 * Only where nothing waits for it (false, and nothing happens, where something does): a task that its end will make
 * ready is not overtaken. sched_finish() follows */
bool sched_free_slot(struct run *run, uint32_t stream);
/* a running task that could not be started for want of resources goes back to READY, its attempt not counted */
void sched_put_back(struct run *run, uint32_t stream);
/*
 * The next task to start once a slot is free, whichever that is: it stays READY, but is out of the queue, and is to be
 * started by somebody who sees a slot become free before we do. Only where that changes no decision: while all slots
 * are taken by tasks whose good end has no other consequence than a free slot, and the next task, which is such a one
 * too, needs no look at anything in the moment of its start. False: none. While tasks stand by, the slots that become
 * free are theirs: sched_next() gives none. It ends with sched_standby_began() or sched_stand_down()
 */
bool sched_stand_by(struct run *run, uint32_t *stream);
/* it has been started in `slot`, whose task's attempt is over: RUNNING */
void sched_standby_began(struct run *run, uint32_t stream, unsigned slot);
/* it will not be started, since not all went well: back in the queue, if it is READY still */
void sched_stand_down(struct run *run, uint32_t stream);
size_t sched_standing_by(const struct run *run);
/* when the first BACKOFF ends, or -1 */
int64_t sched_next_wake(const struct run *run);
/* nothing new starts: what waits is cancelled (clean-up streams, `when = failure|always`, too) */
void sched_stop(struct run *run, const char *reason);

/* --- what a person asks for meanwhile: steer.c --- */

/* nothing starts while it is paused; what runs goes on */
void sched_pause(struct run *run, bool paused);
bool sched_is_paused(const struct run *run);
/* tasks that have not started, or wait for another attempt, are cancelled, and what needs them is skipped. Others of
 * `streams` are left alone; returns how many were cancelled */
size_t sched_cancel(struct run *run, const uint32_t *streams, size_t count, const char *reason);
/* A task that failed or was cancelled is tried again as if it had not run yet, and what was skipped because of it waits
 * for it again; one in BACKOFF need not wait any longer. A failure that kept new tasks from starting does so no more:
 * who asks for this wants the run to go on. False, and nothing happens: its state is another one, or the run was
 * stopped */
bool sched_retry(struct run *run, uint32_t stream, const char *reason);

/* A task may start when its turn comes: one that asks (HELD) is READY, one that is not so far will not ask. False, and
 * nothing happens: it does not ask for approval, has been given it, or is over */
bool sched_approve(struct run *run, uint32_t stream, const char *reason);
/* how many tasks ask for it: part of those that are HELD */
size_t sched_asking(const struct run *run);

/* true once a failure (without keep_going) or sched_stop() keeps new tasks from starting */
bool sched_is_stopping(const struct run *run);
/* true once sched_stop() does */
bool sched_is_stopped(const struct run *run);
void sched_set_jobs(struct run *run, unsigned jobs);
/* so many of the free slots are lent to what runs in streams (lend.h): nothing starts in them. To be
 * said again when the run goes on by another plan */
void sched_set_lent(struct run *run, unsigned lent);
/* no more than so many slots are used from here on, although there are more, until it is said again; 0: all of them.
 * Where nothing runs a weight that does not fit starts all the same */
void sched_set_room(struct run *run, unsigned slots);
/* slots that are taken, by weight */
unsigned sched_used(const struct run *run);
/* slots that are free and not lent; below 0: there are fewer slots than that by now */
int sched_spare(const struct run *run);
/* after sched_next() has given none: is there a task, or may there be one, that only a slot is missing for? */
bool sched_wants_slots(const struct run *run);
unsigned sched_jobs(const struct run *run);
/* tasks that could start if there were slots: for showing why */
size_t sched_ready(const struct run *run);

#endif
