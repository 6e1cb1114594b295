/*
 * One try at a stream: its number, phase, log, timers and outcome. Phases: run, then check; of an isolated one before
 * that its worktree and its setup, after that the commit, or, if it went badly, the saving of its work. It ends once,
 * with everything its commands started gone (runner/runner.h); then `ended` is called and it waits to be settled and
 * freed by the executor.
 */
#ifndef EXEC_ATTEMPT_H
#define EXEC_ATTEMPT_H

#include "exec/quiet.h"
#include "graph/stream.h"
#include "orch/event.h"
#include "runner/runner.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct agents;
struct checkins;
struct confiner;
struct context;
struct job;
struct jobserver;
struct loop;
struct loop_timer;
struct loop_watch;
struct memory;
struct plan;
struct reporting;
struct stint;
struct workspace;
struct workspaces;

#define NO_SLOT_YET UINT_MAX

enum attempt_phase { PHASE_WORKTREE, PHASE_SETUP, PHASE_RECOVER, PHASE_RUN, PHASE_CHECK, PHASE_COMMIT, PHASE_SAVE };

struct attempt {
	struct attempt *next; /* in the executor's list of ended ones */
	const struct stream *stream;
	uint32_t id;           /* of the stream, in the graph that it is of (context) */
	uint32_t task;         /* of the stream, in the run as it is now; NO_STREAM: it has no part in it any more */
	unsigned weight;       /* slots that it takes */
	unsigned number, slot; /* slot NO_SLOT_YET: it waits for one, see attempt_stand_by() */
	enum attempt_phase phase;

	/* what it needs of the run; borrowed */
	struct context *context;
	struct plan *plan; /* what was known of its stream when it began */
	struct runner *runner;
	const struct runner_ops *works_by; /* of its stream; */
	const struct runner_ops *ops;      /* and of the phase that it is in */
	struct workspaces *workspaces;
	struct confiner *confiner;
	struct jobserver *jobserver;
	bool follow_output;
	struct agents *agents;
	struct memory *memory; /* of its stream; NULL: neither agents nor rules have to do with it */

	/* of an agent's: the one at work, or the last; NULL: none yet, or a command */
	struct stint *stint;
	bool mending;          /* PHASE_RECOVER has begun, and has not come to a good end */
	bool mended;           /* it has */
	bool only_check;       /* the work itself was done before: what mended it has only to be checked */
	int64_t check_from;    /* where in the log its check begins; -1: it was not begun */
	bool found_wrong;      /* behind that is what was found wrong with what it did, though no check failed */
	int64_t spent, tokens; /* millionths; so far */
	int64_t spent_new;     /* of it, what nobody was told of yet */
	bool has_cost, has_tokens;

	/* of an isolated one; NULL before PHASE_WORKTREE, and of the others */
	struct workspace *workspace;
	bool afresh; /* it begins again from its base */

	const char *run; /* id of the run that started it: in its directory are the attempt's files */
	char *own_run;   /* that, if it is not the present one; else NULL */
	bool adopted;    /* somebody who is gone started it */
	bool stood_by;   /* it waits for a slot, or has done */
	bool watched;    /* its timers are set */
	bool announced;  /* phase_began was called */
	bool may_write;  /* into the checkout, as workspaces_note_others() knows */
	bool misticked;  /* it has called a task done that there is not: that was warned of */
	bool outdated;   /* it runs what the stream was then, and is no more */

	char *log; /* path */
	int log_fd;
	struct job *job;
	struct job_exit last; /* how its last command ended */
	int pid;
	int64_t started_ms; /* monotonic */
	/* of one that waits in a scheduler's queue, see attempt_queue.c: since when, monotonic, 0: it does not; and how
	 * long it has before, which is no part of duration_ms */
	int64_t queued_since_ms, queued_ms;
	bool remote; /* it was adopted from a queue */
	char *fate;  /* what its job's scheduler made of it; NULL: nothing */
	/* what it made is looked for again, see attempt_late.c: NULL, 0: not yet; monotonic */
	struct loop_timer *look_again;
	int64_t look_until_ms;
	int64_t timeout_ms; /* 0: none */
	struct loop_timer *timeout, *idle, *kill;
	struct quiet quiet;        /* of `idle` */
	struct checkins *checkins; /* NULL: none */
	unsigned kill_step;
	bool ending;                /* the steps of `kill` have begun */
	enum orch_outcome ended_by; /* why, while `ending` */

	/* following its output, where somebody wants it */
	struct loop_watch *watch;
	struct loop_timer *output_timer;
	int64_t seen_bytes;

	struct reporting *reporting; /* what its work says of itself; NULL before attempt_started */

	/* once it has ended */
	bool done;
	enum orch_outcome outcome;
	int exit_code, signal;                                            /* -1: none */
	int64_t duration_ms, user_us, system_us, max_rss_kb, memory_peak; /* the last in bytes; 0: unknown */
	unsigned oom_kills;
	unsigned left_behind, unkillable;
	char *names;   /* of those, see child_exit.names; NULL: none */
	char *message; /* of a failure: what happened; NULL if outcome and status say all */

	void (*ended)(void *data, struct attempt *attempt);
	void (*phase_began)(void *data, struct attempt *attempt);
	/* one that waited for a slot has got it: told before phase_began */
	void (*got_slot)(void *data, struct attempt *attempt);
	/* instead of `ended`: one that waited is not to start, see attempt_stand_by(); or resources are short just now
	 * (processes, memory, descriptors): nothing happened, try again later; the receiver frees it */
	void (*put_off)(void *data, struct attempt *attempt, const char *why);
	/* something that somebody should know, and that ends nothing */
	void (*warn)(void *data, struct attempt *attempt, const char *message);
	void (*output)(void *data, struct attempt *attempt, const char *last_line, int64_t bytes);
	/* a message was sent to it, see message.h; the text is clean */
	void (*messaged)(void *data, struct attempt *attempt, const char *text, const char *from);
	/* its session is known, or it has spent more */
	void (*news)(void *data, struct attempt *attempt, unsigned what);
	void *data;
};

/* what `news` tells of: bits */
enum { ATTEMPT_NEWS_SESSION = 1, ATTEMPT_NEWS_COST = 2 };

/*
 * Starts it: opens the log, starts the first phase; what becomes of it is told by the calls above, maybe from within (a
 * command that cannot be started ends as SPAWN). 1: resources are short just now, as with put_off, and nothing is
 * called.
 */
int attempt_start(struct attempt *attempt, struct orch_error *err);
/*
 * Has it started as soon as one of `slots` slots (at most CONTEXT_SLOTS_MAX) is free, by whoever sees that first
 * (os/supervised.h, supervised_slot): `got_slot` tells, or `put_off`, when not all went well before. -1 with *err: it
 * cannot be prepared, and nothing is called.
 */
int attempt_stand_by(struct attempt *attempt, unsigned slots, struct orch_error *err);
/*
 * Takes over one that somebody started who is gone, with `run` and `number` saying which: follows its command, or deals
 * with how it ended meanwhile. 1: nothing is left of it that could be taken over. -1 with *err: it cannot be told.
 */
int attempt_adopt(struct attempt *attempt, struct orch_error *err);
/* its end is asked for: the steps of `kill`, or at once; `outcome` says why */
void attempt_end(struct attempt *attempt, enum orch_outcome outcome, bool now);
/* It is let go on, for the next orch to adopt: nothing more is called, and it is to be freed. False: it is none of
 * those that outlive us, or has nothing that runs */
bool attempt_leave(struct attempt *attempt);
/* does it go on when orch is killed, to be adopted by the next one? */
bool attempt_outlives_us(const struct attempt *attempt);
/* "run", "check", ... */
const char *attempt_phase_name(enum attempt_phase phase);
/* where its supervisor keeps the files of that phase (supervised_spec.record); the caller frees */
char *attempt_record(const char *run, const char *stream, unsigned number, enum attempt_phase phase);
void attempt_free(struct attempt *attempt);

/* --- for the stint --- */

void attempt_has_news(struct attempt *attempt, unsigned what);
/* how long its agent may stay after it has said that it is done */
int64_t attempt_linger_ms(const struct attempt *attempt);
/* it has stayed longer: its process is ended, and what it said counts */
void attempt_end_lingering(struct attempt *attempt);

#endif
