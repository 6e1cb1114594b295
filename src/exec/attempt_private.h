/*
 * What the parts of exec/attempt.h share: attempt.c leads from phase to phase, attempt_watch.c looks at its output and
 * its time, attempt_end.c ends what runs, attempt_adopt.c takes over what an orch that is gone began.
 */
#ifndef EXEC_ATTEMPT_PRIVATE_H
#define EXEC_ATTEMPT_PRIVATE_H

#include "exec/attempt.h"

struct kill_step;

/* --- attempt.c --- */

/* the phase has begun: says so */
void attempt_announce(struct attempt *attempt);
/* what its runner calls */
struct job_callbacks attempt_callbacks(struct attempt *attempt);
/* the phase's command has ended, now or while nobody was there to see it; data: the attempt */
void attempt_job_ended(void *data, const struct job_exit *how);
/* what was noted down when its check began, for one that is adopted in it */
void attempt_read_check_note(struct attempt *attempt);
/* the last of its check-ins that still ran; data: the attempt */
void attempt_checkins_gone(void *data);

/* --- attempt_watch.c --- */

/* its time and its output, once a command of it runs; does nothing the second time */
void attempt_watch(struct attempt *attempt);
/* how long it is silent is counted from now on, by the limit of the phase that has begun */
void attempt_watch_silence(struct attempt *attempt);
/* says that the log grew, if it did */
void attempt_tell_output(struct attempt *attempt);
/* no timer and no watch of it is left */
void attempt_disarm(struct attempt *attempt);

/* --- attempt_end.c --- */

/* by its stream, else by the agent at work; borrowed */
const struct kill_step *attempt_kill_steps(const struct attempt *attempt, uint32_t *count);
/* milliseconds, likewise; 0 or less: none */
int64_t attempt_idle_limit(const struct attempt *attempt);

#endif
