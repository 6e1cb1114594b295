/*
 * What the parts of exec/attempt.h share: attempt.c leads from phase to phase, attempt_watch.c looks at its output and
 * its time, attempt_late.c at what it should have made, attempt_end.c ends what runs, attempt_adopt.c takes over what
 * an orch that is gone began.
 */
#ifndef EXEC_ATTEMPT_PRIVATE_H
#define EXEC_ATTEMPT_PRIVATE_H

#include "exec/attempt.h"

struct kill_step;
struct strbuf;

/* --- attempt.c --- */

/* the phase has begun: says so */
void attempt_announce(struct attempt *attempt);
/* what its runner calls */
struct job_callbacks attempt_callbacks(struct attempt *attempt);
/* the phase's command has ended, now or while nobody was there to see it; data: the attempt */
void attempt_job_ended(void *data, const struct job_exit *how);
/* what was noted down when its check began, for one that is adopted in it */
void attempt_read_check_note(struct attempt *attempt);
/* its work has gone well: its outputs are looked at, and what is in its worktree is committed */
void attempt_succeed(struct attempt *attempt);
/* the last of its check-ins that still ran; data: the attempt */
void attempt_checkins_gone(void *data);

/* --- attempt_queue.c --- */

/* what its runner is to be asked for, if that is runner_queue. `label` and *results_path are filled, and outlive the
 * command; the caller frees the latter */
void attempt_ask_queue(
	const struct attempt *attempt, struct command *command, struct strbuf *label, char **results_path);
/* is it run by somebody who has it in a queue? */
bool attempt_is_queued_stream(const struct attempt *attempt);
/* job_callbacks `queued` and `output`; data: the attempt */
void attempt_job_queued(void *data);
void attempt_job_output(void *data);
/* it is in the queue no more */
void attempt_left_queue(struct attempt *attempt);
/* its directory is not there where it was to run: what has to be done, behind `message`; the caller frees */
char *attempt_not_shared_text(const struct attempt *attempt, const char *whose, const char *message);
/* what a fate other than JOB_ENDED is as an outcome */
enum orch_outcome attempt_outcome_of(enum job_fate fate);

/* --- attempt_late.c --- */

/* the first file that it should have made, and that is not there; NULL: all is. Borrowed */
const char *attempt_missing_output(const struct attempt *attempt);
/* It may be there, and not to be seen here yet: attempt_succeed() is called again in a while. False: it is missing */
bool attempt_looks_again(struct attempt *attempt);
/* for people; the caller frees */
char *attempt_missing_text(const struct attempt *attempt, const char *missing);
/* its end is asked for while that is waited for. False: it is not */
bool attempt_end_looking(struct attempt *attempt, enum orch_outcome outcome);

/* --- attempt_watch.c --- */

/* its time limits stand still, and go on: what it waited in a queue does not count */
void attempt_pause_watch(struct attempt *attempt);
void attempt_resume_watch(struct attempt *attempt);
/* its log may have grown */
void attempt_look_at_log(struct attempt *attempt);


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
