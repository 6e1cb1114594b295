/* The parts of a queue: queue.c asks the scheduler, queue_job.c follows a job by its files. */
#ifndef RUNNER_QUEUE_PRIVATE_H
#define RUNNER_QUEUE_PRIVATE_H

#include "os/remote.h"
#include "runner/queue.h"
#include "runner/queue_state.h"
#include "runner/runner.h"
#include "util/strbuf.h"
#include "util/strvec.h"

struct loop_timer;
struct loop_watch;
struct query;

struct queue {
	struct queues *all;
	struct queue *next;
	char *name, *submit, *poll, *cancel;
	int64_t interval_ms, lost_ms, latency_ms;
	struct job *jobs, **last; /* in the order in which they came */
	struct loop_timer *tick;

	unsigned submitting;

	struct query *asking; /* NULL: no question is open */
	struct loop_timer *ask;
	int64_t asked_ms, answered_ms; /* monotonic: when the last question was asked, and answered */
	unsigned unchanged, failures;  /* in a row */
	bool changed, warned;

	struct strbuf to_cancel, cancelling_ids; /* ids, one a line */
	struct query *cancelling;
	struct loop_timer *cancel_again;
	unsigned cancel_failures;
	unsigned cancels, cancelled; /* calls so far: begun, and of them, all up to which have been dealt with */
};

struct queues {
	struct runner *runner;
	char *dir, *scratch;
	struct loop_watch *watch; /* of the directory of the jobs' files, where the system can tell of changes */
	struct loop_timer *look;
	struct strvec env;
	struct queue *first;
	void (*warn)(void *data, const char *message);
	void *data;
};

enum job_stage { JOB_TO_SUBMIT, JOB_SUBMITTING, JOB_SUBMITTED };

struct job {
	struct queue *queue;
	struct job *next, **link;
	struct job_callbacks on;
	char *record, *log, *results, *label, *options; /* log and results may be empty; options may be NULL */
	struct remote_note note;
	enum job_stage stage;

	struct query *submission;
	int64_t submit_at_ms; /* JOB_TO_SUBMIT: not before */
	unsigned submit_failures;

	struct sight sight;
	int64_t submitted_ms;    /* monotonic; only questions that were asked later tell of it */
	enum queue_word answer;  /* to the question that is open, so far */
	char reason[128];        /* that the scheduler gave last */
	char word[32];           /* its own word */
	struct supervised_record record_of;
	char host[REMOTE_NAME_SIZE];
	bool queued_told, started_told;
	bool withdrawn;       /* the claim is ours: it never begins */
	unsigned cancel_call; /* see queue_cancel(); 0: it was not taken back */
	int signo;      /* that it was asked to end with */
	bool warned;    /* of files that cannot be read */
	int64_t whole_until_ms; /* its log and results are waited for until then; 0: they are not */
};

/* --- queue.c --- */

/* hands over what is due, as many at once as may be */
void queue_pump(struct queue *queue);
/* asks the scheduler now, if it was not just asked */
void queue_ask_soon(struct queue *queue);
/* takes back a job by its id; `cancelled` of the queue is this or more once that has been done, or cannot be */
unsigned queue_cancel(struct queue *queue, const char *id);
void queue_warn(struct queue *queue, const char *message);
struct queue *queues_find(struct queues *queues, const char *name);
/* what the directory of the jobs' files tells is listened to from now on */
void queues_watch(struct queues *queues, const char *record);

/* --- queue_job.c --- */

/* looks at its files (`closely`: at those too that change all the time), and does what follows; it may be gone
 * afterwards */
void job_look(struct job *job, bool closely, int64_t now_ms);
/* the next try to hand it over is under a token of its own. 1: done; 0: it has begun under the one it has; -1 */
int job_renew(struct job *job, struct orch_error *err);
/* it was handed over */
void job_submitted(struct job *job, const char *id, size_t len);
/* it could not be handed over, and is gone afterwards */
void job_refused(struct job *job, const char *message);
void job_free(struct job *job);

#endif
