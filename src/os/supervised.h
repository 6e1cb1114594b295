/*
 * Process trees that do not need us to be looked after. Each has a supervisor (os/supervisor.h) for its parent: a small
 * process that starts it, reaps it, ends it as a whole, and outlives us. Plain trees share one supervisor, which ends
 * them when we are gone, however that came; a tree that is to go on without us has one of its own, which writes down
 * how it ended, for whoever comes next.
 */
#ifndef OS_SUPERVISED_H
#define OS_SUPERVISED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "orch/error.h"
#include "os/child.h"
#include "os/end_steps.h"

struct loop;
struct supervision; /* the supervisors of this process */
struct supervised;  /* a tree */

enum {
	SUPERVISED_WAITING_MAX = 48, /* more than that need not wait: see supervised_slot */
	SUPERVISED_TOLD_LATE_MS = 15,
	SUPERVISED_TOKENS_MAX = 64, /* slots above have none */
};

/*
 * One of several slots, each with one tree at a time. A tree that waits is started by the supervisor itself as soon as
 * one that ran in a slot has ended well (status 0, no signal asked for, nothing left behind), in that slot: so no time
 * is lost by asking us first. When one ends otherwise, all that wait are refused (`failed` with ECANCELED) before
 * anything else starts. While others wait, what became of a tree may be told SUPERVISED_TOLD_LATE_MS later.
 */
struct supervised_slot {
	int number; /* where it runs; -1: it waits, and runs in the first that becomes free */
	/* of one that waits: variables that are added to `env`, `per_slot` for each of `slots` slots */
	char *const *env;
	unsigned slots, per_slot;
};

/* A terminal of its own (os/terminal.h): its input and output instead of /dev/null and the log, which gets what comes
 * out of it */
struct supervised_terminal {
	int listener;     /* a listening socket, borrowed: whoever connects looks on and types (os/terminal_frame.h) */
	const char *path; /* where that is, absolute; the supervisor removes it at the end */
	unsigned columns, rows;
	/* it starts only when a window has connected, and if that goes it is ended; a signal before takes it back:
	 * `failed` with ECANCELED */
	bool window;
};

struct supervised_calls {
	/* it runs; the leader's process id, and its slot, if it has waited for one, else -1 */
	void (*started)(void *data, pid_t pid, int slot);
	/* instead of `started`: it could not be started; the tree is freed afterwards. The errno tells "again later"
	 * (EAGAIN, ENOMEM, EMFILE, ENFILE) from "never" */
	void (*failed)(void *data, int error_number, const char *message);
	/* after `started`: everything of it is gone; the tree is freed afterwards */
	void (*ended)(void *data, const struct child_exit *how);
	void *data;
};

/* all of it is borrowed for the call only */
struct supervised_spec {
	char *const *argv, *const *env; /* argv[0] is looked up in PATH of `env` if it has no '/' */
	const char *dir;                /* NULL: ours */
	int in;                         /* becomes standard input; -1: /dev/null */
	int log;                        /* becomes standard output and error; -1: /dev/null */
	const char *mark;               /* see child_spec.mark */
	int64_t linger_ms;              /* see child_set_linger() */
	/* how it is ended when we are gone; none: SIGKILL at once */
	const struct end_step *steps;
	unsigned step_count;
	/* a supervisor of its own, which goes on when we are gone: the path, without its ending, of the files .job
	 * (who runs), .control (a FIFO that takes "signal N" lines) and .exit (how it ended). Whoever has dealt with
	 * the end removes .job, see supervised_forget(). NULL: the shared one */
	const char *record;
	const struct supervised_slot *slot;         /* NULL: none. Not with `record` */
	const struct supervised_terminal *terminal; /* NULL: none. Not with a slot that is waited for */
	/* It finds two descriptors (child_spec.tokens): these, borrowed for as long as their slot is used; of one that
	 * waits for a slot (`tokens` NULL) those that were given for what ran there first */
	bool has_tokens;
	const int *tokens;
	/* "NAME=value" entries that say what is to be taken out of what it prints before that gets into the log
	 * (os/redactor.h): a process stands between, which outlives us as the tree does. It goes once all of the tree
	 * is gone and the log is whole, and only then `ended` comes; if it is killed, or the log cannot be written,
	 * the tree is ended by SIGHUP (child_exit.lost). With a terminal, who looks on sees what is there. NULL: it
	 * writes its log itself */
	char *const *redact;
	bool wraps; /* see child_spec, too for the next */
	char *const *writable;
	/* bytes that all of it may have at once, by a control group where supervision_memory() says that this can be
	 * had; 0: no limit */
	int64_t memory;
	bool memory_each; /* where it cannot: of each process, as RLIMIT_AS. Else there is no limit then */
};

/* This process's own program takes SUPERVISOR_WORD (os/supervisor.h): so it can stand in where the small one that is
 * carried inside cannot be had */
void supervision_allow_self(void);
/* its path, where that was said; else NULL. The caller frees */
char *supervision_self(void);
/* `children` outlives it. No process is started before the first tree */
int supervision_new(struct supervision **out, struct loop *loop, struct children *children, struct orch_error *err);
/* A descriptor, borrowed, that the shared supervisor keeps open until its trees are gone even when we are, and one of
 * its own until its .job is written: a lock on it (os/lockfile.h) tells the next of us when it may begin */
void supervision_keep_open(struct supervision *supervision, int fd);
/* Can the memory of a whole tree be limited here? NULL: yes; else what stands in the way, until supervision_free() */
const char *supervision_memory(struct supervision *supervision);
/* the path of a program that takes RELAY_WORD (os/relay.h), to be run while this process runs; malloc'd, NULL: there is
 * none */
char *supervision_helper(struct supervision *supervision);
/* Trees that share a supervisor are ended if there still are some; the others go on. children_free() comes next,
 * without the loop running in between. NULL is fine */
void supervision_free(struct supervision *supervision);

/* -1: there is no supervisor to be had, *error_number has errno; nothing is called then. The calls come from the loop,
 * never from within this */
int supervised_start(struct supervised **out, struct supervision *supervision, const struct supervised_spec *spec,
	const struct supervised_calls *calls, int *error_number, struct orch_error *err);
/* to its group and all that left it, as child_signal() does; SIGKILL again and again until nothing is left */
void supervised_signal(struct supervised *tree, int signo);
/* lets a tree with a `record` go on without us: it is freed, nothing more is called. Not from within its own calls */
void supervised_leave(struct supervised *tree);
/* Takes back all that wait: for each, `started` (it was too late) or `failed` comes before this returns, and so does
 * what has become of others meanwhile. The only thing here that waits, for as long as a supervisor takes to answer */
void supervision_withdraw(struct supervision *supervision);
/* 0 until `started` */
pid_t supervised_pid(const struct supervised *tree);

/* --- trees of somebody who is gone --- */

enum supervised_state {
	SUPERVISED_NONE,    /* no .job: it never began */
	SUPERVISED_RUNNING, /* its supervisor is there */
	SUPERVISED_ENDED,   /* .exit says how */
	SUPERVISED_LOST,    /* begun, and neither: the machine went down, or the supervisor was killed */
};

struct supervised_record {
	pid_t supervisor, leader; /* leader 0: not written yet */
	uint64_t supervisor_start, leader_start;
	char boot[64];      /* see clock_boot_id() */
	int64_t started_ms; /* wall clock */
	int64_t mono_ms;    /* clock_mono_ms() of that boot */
	bool remote;        /* it is on another machine (os/remote.h): the processes above are not known */
	int64_t ended_ms;   /* wall clock; of .exit, like all that follows */
	int64_t duration_ms;
	struct child_exit how;
	/* of one on another machine */
	bool unclaimed;    /* it has not begun */
	bool told;         /* somebody other than us asked it to end */
	int not_started;   /* errno, if its command could not be started; 0: it was */
	bool no_directory; /* it was not, since its directory is not there on that machine */
	char message[512]; /* why, of this and of `fate` */
	int64_t log_size;  /* bytes, when it ended */
	int64_t results_size; /* the same of remote_spec.results; 0: there was none */
	int fate;          /* of one that did not tell how it ended: what was made of that; 0: it did */
};

/* what the files at `record` (as in supervised_spec) say; -1: they cannot be read, or are none of ours */
int supervised_look(
	const char *record, enum supervised_state *state, struct supervised_record *out, struct orch_error *err);
/* takes over a tree that is SUPERVISED_RUNNING; of `calls` only `ended` comes. -1 with ORCH_ENOTFOUND: it has just
 * ended, look again */
int supervised_adopt(struct supervised **out, struct supervision *supervision, const char *record,
	const struct supervised_calls *calls, struct orch_error *err);
/* it has been dealt with; absent is fine */
int supervised_forget(const char *record, struct orch_error *err);
/* a signal for a tree that nobody adopts; -1: it cannot be told, ORCH_ENOTFOUND if there is no supervisor any more */
int supervised_tell(const char *record, int signo, struct orch_error *err);
/* a tree that nobody adopts is to end by its own steps (supervised_spec.steps); fails as supervised_tell() does */
int supervised_end(const char *record, struct orch_error *err);
/* waits until the supervisor of such a tree is gone, at most `timeout_ms`; false: it still is there */
bool supervised_wait(const struct supervised_record *record, int64_t timeout_ms);
/* kills what a lost tree (SUPERVISED_LOST) left: its leader's session, and processes that have `mark` among their
 * variables (NULL: none). How many there were, or -1: processes cannot be listed, so some may be left */
int supervised_clear(const struct supervised_record *lost, const char *mark, struct orch_error *err);
/* a program that can be a supervisor on another machine (SUPERVISOR_REMOTE_WORD), which is written to the absolute
 * `path` if need be; the caller frees. NULL with *err: there is none */
char *supervision_remote_program(const char *path, struct orch_error *err);
/* part of it, for those who have no record: ends and removes the control groups of supervisors that are gone */
void supervised_clear_groups(void);

#endif
