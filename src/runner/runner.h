/*
 * How a command runs; knows no stream. A runner is a row of functions; `process` runs the command as a child that
 * writes its own log; `pty` in a terminal of its own, of which its supervisor writes the log; `tmux` likewise, with a
 * window of tmux that shows it.
 */
#ifndef RUNNER_RUNNER_H
#define RUNNER_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

enum { RUNNER_MESSAGE_MAX = 64 * 1024, RUNNER_NO_DIRECTORY = -1 };

/* what the path of a terminal's socket adds to that of the record */
#define RUNNER_TERMINAL ".tty"
/* the same for a file with the name of the tmux session that shows it; the socket of tmux is, in the runners' home, */
#define RUNNER_WINDOW ".window"
#define RUNNER_TMUX "tmux.sock"

struct child_exit;
struct children;
struct end_step;
struct supervised_slot;
struct job;
struct loop;
struct queues;
struct supervision;
struct tmux;

/* a command as a runner takes it; everything in it is borrowed for the call of start() only */
struct command {
	const char *script; /* for the shell; NULL: argv is used */
	const char *shell; /* words of the shell's command line, e.g. "sh -eu"; the script goes behind "-c", or, when it
			    * starts with "#!" or is too long for an argument (128 KiB), to the file script_path, which
			    * is then run */
	const char *script_path; /* where such a file may be written; mode 0700 */
	char *const *argv;
	char *const *env;
	char *const *wrap;     /* words to put before the command's own; NULL: none */
	bool wraps;            /* what they start stays its parent, see child_spec.wraps */
	char *const *writable; /* see child_spec.writable; NULL: anything */
	const char *dir;   /* NULL: the current one */
	int log;           /* becomes standard output and standard error; opened O_APPEND by the caller, who keeps it */
	const char *mark;  /* see child_spec.mark */
	char *const *redact; /* see supervised_spec.redact; not of runner_queue */
	int64_t linger_ms; /* see child_set_linger() */
	/* how it is ended if this process is gone before it (os/supervised.h), unless `record` says that it goes on */
	const struct end_step *steps;
	unsigned step_count;
	const char *record;    /* see supervised_spec.record; NULL: it does not outlive us */
	int64_t memory;        /* see supervised_spec, too for the next */
	bool memory_each;
	const struct supervised_slot *slot; /* see supervised_spec; not with `record` */
	/* of runners with a terminal: where its socket is made: with `record` that and RUNNER_TERMINAL */
	const char *terminal;
	bool has_tokens;                    /* see supervised_spec, too for the next */
	const int *tokens;
	const char *title; /* of its window; no other that runs has the same */
	/* of runner_queue alone, which needs a `record` */
	const char *queue;    /* who is to run it, see queue.h */
	const char *label;    /* what it is called there: letters, digits, `.`, `_` and `-` */
	const char *options;  /* for whoever hands it over, as written; NULL: none */
	const char *log_path; /* of `log` */
	const char *results_path; /* a file that it may write, and that is whole when it has ended; NULL: none */
};

/* what became of a job of runner_queue, beyond its status */
enum job_fate {
	JOB_ENDED, /* its status says all */
	JOB_TIME_LIMIT,
	JOB_MEMORY,
	JOB_NODE, /* the machine that it ran on is gone, or it on it */
	JOB_PREEMPTED,
	JOB_CANCELLED,
	JOB_NEVER_BEGAN,
};

/* how a job ended: see os/child.h for the fields */
struct job_exit {
	bool signalled;
	int code;
	int64_t duration_ms;
	int64_t user_us, system_us;
	int64_t max_rss_kb, memory_peak;
	unsigned oom_kills;
	unsigned left_behind;
	unsigned unkillable;
	int lost;
	const char *names; /* for the call only */
	enum job_fate fate;
	const char *why; /* of a fate other than JOB_ENDED, for the call only */
	int64_t latency_ms; /* what it has written may be seen here as much later; 0: it is seen at once */
};
/* the same, of a process tree; `names` points into it */
struct job_exit job_exit_of(const struct child_exit *how);
/* why it was ended, of one that has `lost` something: for people; the caller frees */
char *job_exit_loss(const struct job_exit *how);

struct job_callbacks {
	/* it runs; process id of its leader, 0 if the runner has none; the slot that it waited for (supervised_slot),
	 * else -1 */
	void (*started)(void *data, int pid, int slot);
	/* instead of that: it could not be started (kind `spawn`), and the job is freed. The errno tells "try again later"
	 * (EAGAIN, ENOMEM, EMFILE, ENFILE) from "never"; RUNNER_NO_DIRECTORY: where it was to run, on another machine,
	 * its directory is not there */
	void (*failed)(void *data, int error_number, const char *message);
	/* once: status known, every descendant gone, so the log is at its end */
	void (*ended)(void *data, const struct job_exit *how);
	/* A message that send() took did not arrive after all; the job goes on. NULL: nobody wants to know */
	void (*unsent)(void *data, const char *why);
	/* may be NULL: it is in a queue, and `started` comes when its turn does */
	void (*queued)(void *data);
	/* may be NULL: its log may have grown, where the system does not say so by itself */
	void (*output)(void *data);
	void *data;
};

struct runner {
	struct loop *loop;
	struct supervision *supervision;
	struct children *children; /* of those with programs of their own, like `tmux` */
	const char *home;          /* a directory for these */
	struct tmux *tmux;         /* made when it is needed; NULL at first */
	struct queues *queues; /* see queue.h; NULL: there are none */
};
/* what was made when it was needed; called while the loop and the supervision are there */
void runner_release(struct runner *runner);

struct runner_ops {
	const char *name;
	/* it is for the work itself: what is done before and after, setup and checks, is run by `process` */
	bool only_work;
	/* its commands run below a supervisor of this machine, which hands them command.tokens */
	bool hands_over;
	/* before the first job: has this machine what it needs? NULL: it needs nothing */
	int (*check)(struct orch_error *err);
	/* -1: it could not be started, as with job_callbacks.failed, and nothing is called; *error_number: errno */
	int (*start)(struct job **out, struct runner *runner, const struct command *command,
		const struct job_callbacks *on, int *error_number, struct orch_error *err);
	/* only asks; the grace timer is the caller's */
	void (*stop)(struct job *job, int signo);
	/* takes over the job of somebody who is gone, by its record; only `ended` is called. -1 with ORCH_ENOTFOUND: it
	 * has just ended */
	int (*adopt)(struct job **out, struct runner *runner, const char *record, const struct job_callbacks *on,
		struct orch_error *err);
	/* lets a job with a record go on without us; it is freed, and nothing more is called */
	void (*leave)(struct job *job);
	/* Types a message for whoever works in the job's terminal, as one paste, then Enter. `text`: UTF-8 of 1 to
	 * RUNNER_MESSAGE_MAX bytes, its lines parted by \n, no control characters besides and no newline at its end;
	 * borrowed for the call. Several are typed one after the other. 0: it is being typed, and what goes wrong from
	 * here on is told by job_callbacks.unsent; -1 with *err: it cannot be. NULL: its jobs have no terminal, and
	 * messages are left for them in a file */
	int (*send)(struct job *job, const char *text, size_t len, struct orch_error *err);
};
/* A job is freed by itself after `ended` returned. */

/* the runner of that name, or NULL */
const struct runner_ops *runner_find(const char *name);

extern const struct runner_ops runner_process, runner_pty, runner_tmux;
/* by scripts that hand a command to a scheduler, or to another machine: queue.h */
extern const struct runner_ops runner_queue;

#endif
