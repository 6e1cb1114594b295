/*
 * What happens in a run. The journal, --json, hooks and every view are told the same events; doc/events.md lists them.
 * Effect before event: when an event says that something is so, it already is, on disk.
 */
#ifndef ORCH_EVENT_H
#define ORCH_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ORCH_EVENT_VERSION = 1 };

/* states of a task: a stream in a run */
enum orch_task_state {
	ORCH_TASK_WAITING, /* for its dependencies */
	ORCH_TASK_HELD,    /* for a person or a usage limit */
	ORCH_TASK_READY,   /* for a slot */
	ORCH_TASK_RUNNING,
	ORCH_TASK_BACKOFF, /* for its next attempt */
	ORCH_TASK_COMPLETED,
	ORCH_TASK_FAILED,
	ORCH_TASK_SKIPPED,   /* something it depends on did not complete, or its `when` did not come true */
	ORCH_TASK_CANCELLED, /* the run ended before it could start, or it was stopped */
};
enum { ORCH_TASK_STATES = ORCH_TASK_CANCELLED + 1 };

/* how an attempt ended */
enum orch_outcome {
	ORCH_OUTCOME_SUCCESS,
	ORCH_OUTCOME_UNCHANGED, /* nothing was run: its dependencies' results turned out to be what they were */
	ORCH_OUTCOME_EXIT,      /* exit status not 0 */
	ORCH_OUTCOME_SIGNAL,    /* killed by a signal that orch did not send */
	ORCH_OUTCOME_TIMEOUT,
	ORCH_OUTCOME_STALLED, /* no output for `idle` */
	ORCH_OUTCOME_CHECK,
	ORCH_OUTCOME_SPAWN,    /* could not be started */
	ORCH_OUTCOME_MEMORY,   /* it failed, and the system had ended processes of it for want of memory */
	ORCH_OUTCOME_MERGE,    /* what it depends on does not go together */
	ORCH_OUTCOME_CHANGES,  /* it did not do to the tree what it should have */
	ORCH_OUTCOME_OUTPUTS,  /* a declared output is missing */
	ORCH_OUTCOME_NODE,      /* the machine that it ran on is gone, or it on it */
	ORCH_OUTCOME_PREEMPTED, /* it had to make room for another job */
	ORCH_OUTCOME_CANCELLED, /* its job was ended by somebody else than orch */
	ORCH_OUTCOME_STOPPED,  /* by a person or a signal to orch */
	ORCH_OUTCOME_INTERNAL, /* orch could not do its part: disk full, ... */
};
enum { ORCH_OUTCOMES = ORCH_OUTCOME_INTERNAL + 1 };

enum orch_event_type {
	ORCH_EVENT_RUN_STARTED, /* run pid boot jobs project count(streams wanted) stale(to be run)
				expected_ms(until its end) budget_micros? message(targets) */
	ORCH_EVENT_TASK,        /* stream title state reason outcome? expected_ms? asks? ticked? tasks?: a stale stream
				   at the start of a run (waiting), then every change of state */
	ORCH_EVENT_ATTEMPT_STARTED,  /* stream attempt slot pid log agent? ticked? tasks?; one that was adopted: run(who
					started it) duration_ms(so far) done? total? message?(its last note) */
	ORCH_EVENT_ATTEMPT_PHASE,    /* stream attempt phase(queued, setup, recover, run, check, commit)
					pid */
	ORCH_EVENT_OUTPUT,           /* stream attempt message(last line) bytes(log so far): not durable */
	ORCH_EVENT_ATTEMPT_FINISHED, /* stream attempt outcome exit_code signal duration_ms queued_ms? user_ms system_ms
					max_rss_kb memory_peak_kb left_behind message log agent? account?
					session? said? cost_micros? tokens? */
	ORCH_EVENT_STAMPED,          /* stream attempt stamp: the stamp's whole text, for recovery */
	ORCH_EVENT_WARNING,          /* stream? message */
	ORCH_EVENT_MERGED,           /* stream message: its work has come home (`merge = auto`) */
	ORCH_EVENT_STOPPING,         /* message(why): nothing new starts */
	ORCH_EVENT_RESUMED,          /* message: what a run that was killed had left, and what becomes of it */
	ORCH_EVENT_PAUSED,           /* message(who): nothing new starts until it is resumed */
	ORCH_EVENT_UNPAUSED,         /* message(who) */
	ORCH_EVENT_JOBS,             /* jobs message(who): the number of slots is another one from here on */
	ORCH_EVENT_SLOTS,            /* jobs message?(why there are fewer): so many slots may be used from here on,
					although there are more; as many as there are: all of them again */
	ORCH_EVENT_RELOADED,         /* count(streams wanted) added removed changed budget_micros? message(who,
					and which): the Orchfile was read again, and counts from here on */
	ORCH_EVENT_RECOVERY,         /* stream attempt message: what a rule has done about its failure */
	ORCH_EVENT_APPROVED,         /* stream message(by whom): it may start when its turn comes */
	ORCH_EVENT_PROGRESS,         /* stream attempt done total, or message; bytes?: how far its work says it is */
	ORCH_EVENT_TASK_DONE,        /* stream attempt item message(its text) ticked tasks bytes: one of its tasks is */
	ORCH_EVENT_NOTE,             /* stream attempt message bytes?: what its work says it is doing */
	ORCH_EVENT_VALUE,            /* stream attempt message(key=value) bytes: it hands this on */
	ORCH_EVENT_MESSAGE,          /* stream attempt message(text) from: it was sent to whoever works there */
	ORCH_EVENT_ACCOUNT_HELD,     /* account until?(without: a person ends it) message(why): nobody who works on that
					account starts */
	ORCH_EVENT_ACCOUNT_FREE,     /* account message(why): the end of that */
	ORCH_EVENT_RUN_FINISHED,     /* run exit_code completed failed skipped cancelled duration_ms(wall) sum_ms(of all
					attempts) cost_micros? tokens? message */
};
enum { ORCH_EVENT_TYPES = ORCH_EVENT_RUN_FINISHED + 1 };

/* one fact; a value. Which fields are set follows from the type; the others are NULL, -1 (numbers) */
struct orch_event {
	enum orch_event_type type;
	uint64_t seq;    /* from 1, without gaps in durable events of a run */
	int64_t time_ms; /* wall clock, since 1970 */
	const char *run, *project, *stream, *title, *phase, *reason, *message, *log, *stamp, *boot, *agent, *session;
	const char *from; /* of a message: who sent it */
	const char *account;
	const char *said; /* by an agent, in the end: the beginning of it, at most 1 KiB */
	const char *asks; /* of a task that is held: what it waits for a person for ("approval") */
	int state;   /* enum orch_task_state, or -1 */
	int outcome; /* enum orch_outcome, or -1 */
	int64_t attempt, slot, pid, jobs, count, stale, exit_code, signal, bytes, left_behind;
	int64_t completed, failed, skipped, cancelled;
	int64_t added, removed, changed;
	int64_t done, total;         /* of its work, as it says */
	int64_t item, ticked, tasks; /* of its tasks: which, how many are done, how many there are */
	int64_t duration_ms, queued_ms, expected_ms, sum_ms, user_ms, system_ms, max_rss_kb, memory_peak_kb;
	int64_t cost_micros, budget_micros, tokens; /* money in millionths of the agent's currency */
	int64_t until;                              /* wall clock, milliseconds since 1970 */
};

/* all fields absent, of that type */
void orch_event_init(struct orch_event *event, enum orch_event_type type);
/* "waiting", "completed", ...; "success", "timeout", ... */
const char *orch_task_state_name(enum orch_task_state state);
const char *orch_outcome_name(enum orch_outcome outcome);
/* {"v":1,...} without a newline; the caller frees */
char *orch_event_json(const struct orch_event *event);

struct orch_listener {
	const char *name;
	bool required; /* its failure fails the run: the journal */
	/* 0, or -1 with *err. It copies what it keeps, publishes nothing, never blocks for long */
	int (*notify)(void *data, const struct orch_event *event, struct orch_error *err);
	void *data;
};

#ifdef __cplusplus
}
#endif
#endif
