/* Doing it. */
#ifndef ORCH_RUN_H
#define ORCH_RUN_H

#include "orch/event.h"
#include "orch/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

struct loop;
struct orch_run;

struct orch_run_options {
	unsigned jobs; /* 0: the project's, else 4 */
	bool keep_going;
	unsigned max_failures; /* 0: one without keep_going, else no limit */
	bool shuffle;
	uint64_t seed;         /* of shuffle and of backoff's jitter; 0: random (it is said in run_started's message) */
	double max_load;       /* start nothing while the load average is above; 0: no limit */
	int64_t min_free;      /* start nothing while less memory is free, bytes; 0: no limit */
	double max_pressure;   /* start nothing while processes wait for processor, memory or disk for more than so many
				  percent of the time; 0: no limit */
	int retries;           /* -1: each stream's own */
	int64_t timeout_ms;    /* -1: each stream's own */
	int64_t limit_wait_ms; /* longest wait for a usage limit; -1: the project's */
	int64_t approval_wait_ms; /* longest wait for approvals where nothing else can run; -1: as long as it takes */
	double budget;         /* nothing new starts once the cost reaches it; 0: the project's */
	bool fresh;         /* isolated streams start again from their base, whatever attempts before this run left */
	bool touch;         /* -t: stamps are written, nothing is run */
	bool follow_output; /* ORCH_EVENT_OUTPUT is wanted */
	struct loop
		*loop; /* of the program's own (os/loop.h), on which the views have their timers; NULL: one is made */
};

/* the values that mean "as it is declared" */
#define ORCH_RUN_OPTIONS_INIT \
	{ \
		.retries = -1, .timeout_ms = -1, .limit_wait_ms = -1, .approval_wait_ms = -1 \
	}

/* how a run is brought to its end before its time */
enum orch_stop {
	ORCH_STOP_DRAIN, /* nothing new starts, what runs is let finish */
	ORCH_STOP_TERM,  /* and running attempts get their polite signal, then the steps of `kill` */
	ORCH_STOP_KILL,  /* and are killed now */
};

/*
 * Takes the lock of the state directory (ORCH_EBUSY: another run has it), recovers what a crash left, opens the
 * journal. Borrows orch and plan, which must not be used otherwise until orch_run_free(). Nothing has been started yet:
 * listeners can be added. A plan with nothing to do makes no run directory: orch_run_execute() returns 0 at once.
 */
int orch_run_new(struct orch_run **out, struct orch *orch, struct orch_plan *plan,
	const struct orch_run_options *options, struct orch_error *err);
/* borrowed until orch_run_free() */
void orch_run_listen(struct orch_run *run, const struct orch_listener *listener);
/* Runs it to its end on the loop. The result is the program's exit status: 0, 1 (a stream failed), 75 (what is
 * left is held by a usage limit, or not approved), 128 + signal is the
 * caller's to add. -1: orch itself could not go on (disk full, ...) */
int orch_run_execute(struct orch_run *run, struct orch_error *err);
/* from a listener, a timer, a signal on the loop; `why` goes to the event, e.g. "SIGINT" */
void orch_run_stop(struct orch_run *run, enum orch_stop how, const char *why);

/*
 * Steering a run under way: from a timer, a signal or a descriptor on its loop, not from a listener. `why` goes to the
 * event, e.g. "orch pause". -1 with ORCH_EUSAGE: the message says why it cannot be done, and nothing has changed.
 */

/* Streams by targets as in orch_plan_options, NULL-terminated; a group means what it depends on. Running attempts get
 * the polite signal, then the steps of `kill` (now: they are killed); what has not started is cancelled. What needs
 * them is skipped, the rest goes on. *count (may be NULL): how many it was. ORCH_EUSAGE also where all of them have
 * ended already */
int orch_run_stop_streams(struct orch_run *run, const char *const *targets, bool now, const char *why, size_t *count,
	struct orch_error *err);
/* Streams that failed or were cancelled run again, with all of their retries, and what was skipped because of them
 * waits for them again; those that wait for their next attempt start at once. New streams start again if a failure had
 * kept them from it */
int orch_run_retry(
	struct orch_run *run, const char *const *targets, const char *why, size_t *count, struct orch_error *err);
/* Streams with `approve = yes` that have not started may do so when their turn comes; others of the targets are left
 * alone. `who`: a person, for the event, and for the record that is kept until the stream completes. *count (may be
 * NULL): how many it was. ORCH_EUSAGE also where it is none */
int orch_run_approve(
	struct orch_run *run, const char *const *targets, const char *who, size_t *count, struct orch_error *err);
enum { ORCH_MESSAGE_MAX = 64 * 1024 };

/* Sends a message of 1 to ORCH_MESSAGE_MAX bytes to whoever works on the stream, an agent as a rule: typed into its
 * terminal where it has one (*typed), else left in the file that $ORCH_INBOX names. Control characters but newlines and
 * tabs are left out. `from`: who sends it, for the reader and for the event. ORCH_EUSAGE also where nobody works on it
 */
int orch_run_send(struct orch_run *run, const char *stream, const char *text, size_t len, const char *from, bool *typed,
	struct orch_error *err);
/* paused: nothing new starts; what runs goes on. Twice is fine. Not paused: what is held by a usage limit goes on too
 */
int orch_run_pause(struct orch_run *run, bool paused, const char *why, struct orch_error *err);
/* at most `jobs` slots (at least 1) from now on. What runs goes on, also where it is more */
int orch_run_set_jobs(struct orch_run *run, unsigned jobs, const char *why, struct orch_error *err);

/* what reading the Orchfile again has led to */
struct orch_reload {
	size_t added, removed, changed; /* streams; changed: their recipe or their dependencies are other ones */
	char *diagnostics;              /* of the Orchfile, as text; "": none, NULL: it was not read. To be freed */
};

/*
 * Reads the Orchfile again, with the options of orch_open() and the targets of the run. Streams that have not started
 * are from now on what it says, new ones join, those that are in it no more are skipped. What runs goes on as it began,
 * also where its stream is gone; what failed or completed begins again where its recipe or its dependencies are other
 * ones. -1, and nothing has changed: the Orchfile has errors or no streams (ORCH_EPARSE), cannot be read, or lacks a
 * target (ORCH_EUSAGE); the run is told of all of it too. ORCH_EUSAGE also where the run is over or being stopped.
 * *out is set in any case
 */
int orch_run_reload(struct orch_run *run, const char *why, struct orch_reload *out, struct orch_error *err);
/* the Orchfile as the run has it now: the one it began with, or that of the last reload; borrowed until
 * orch_run_free() */
struct orch *orch_run_orchfile(const struct orch_run *run);
/* id of the run, NULL if nothing was to do */
const char *orch_run_id(const struct orch_run *run);
void orch_run_free(struct orch_run *run);

/* Where no run is under way (ORCH_EBUSY): ends what holds accounts back, usage limits and failed logins. *count: how
 * many there were */
int orch_holds_end(const char *dir, size_t *count, struct orch_error *err);

/* An attempt that goes on although its orch is gone: its stream has `detach = yes`, and orch was killed. The next run
 * adopts it */
struct orch_orphan {
	char *run, *stream;
	unsigned attempt;
	int pid;            /* of its leader; 0: not known yet */
	int64_t started_ms; /* wall clock */
	char *record;       /* private */
};

/* Those of all runs of the project in `dir`, where no run is under way; where one is, there are none. The caller frees
 * with orch_orphans_free() */
int orch_orphans_find(struct orch_orphan **out, size_t *count, const char *dir, struct orch_error *err);
void orch_orphans_free(struct orch_orphan *orphans, size_t count);
/* Ends those whose stream is one of `streams` (names or globs, NULL-terminated; NULL: all), each by the steps of its
 * `kill` (now: killed at once), and waits until they are gone with all they have started. `told` is called with each
 * when it is gone; *count: how many. Takes the project's lock (ORCH_EBUSY: a run is under way) */
int orch_orphans_stop(const char *dir, const char *const *streams, bool now,
	void (*told)(void *data, const struct orch_orphan *orphan), void *data, size_t *count, struct orch_error *err);

/* Where no run is under way (ORCH_EBUSY): approves of streams (by position) for the next one; those without `approve =
 * yes` are left alone. It holds until the stream completes, in a run that starts it, or becomes another one. `who`
 * and *count as with orch_run_approve(); ORCH_EUSAGE also where it is none */
int orch_approve(struct orch *orch, const size_t *streams, size_t count, const char *who, size_t *approved,
	struct orch_error *err);

/* Writes stamps of the streams (by position) as if they had completed now. The lock is taken for it (ORCH_EBUSY) */
int orch_touch(struct orch *orch, const size_t *streams, size_t count, struct orch_error *err);
/* Removes their stamps; of one that works in a worktree, that and its branch too, once refs hold all that is in them.
 * `kept` (may be NULL) is told of each such ref, in full */
int orch_reset(struct orch *orch, const size_t *streams, size_t count,
	void (*kept)(void *data, size_t stream, const char *ref), void *data, struct orch_error *err);

#ifdef __cplusplus
}
#endif
#endif
