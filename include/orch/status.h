/* A run's picture: the sum of all its events so far. Live and replayed are the same. */
#ifndef ORCH_STATUS_H
#define ORCH_STATUS_H

#include <stddef.h>

#include "orch/event.h"

#ifdef __cplusplus
extern "C" {
#endif

/* an attempt that was under way when its run was killed, as its supervisor's files have it */
enum orch_left {
	ORCH_LEFT_UNKNOWN, /* nobody looked, or there is nothing to look at: it was ended with its run */
	ORCH_LEFT_RUNNING, /* it goes on; the next run adopts it */
	ORCH_LEFT_ENDED,   /* it has ended since; the next run settles it */
	ORCH_LEFT_LOST,    /* the machine went down, or its supervisor was killed */
};

/* one stream of the run */
struct orch_stream_status {
	char *name, *title; /* title NULL: none */
	enum orch_task_state state;
	char *reason;                /* why it runs, waits or was skipped; NULL */
	char *asks;                  /* held: what it waits for a person for ("approval"); NULL */
	char *phase;                 /* while it runs; NULL */
	char *log;                   /* of the last attempt; NULL before the first */
	char *last_line;             /* of its output, as the event had it; NULL */
	char *message;               /* of its last failure; NULL */
	char *agent;                 /* of its last attempt; NULL: a command */
	char *note;                  /* what its last attempt said it is doing; NULL */
	char *progress;              /* how far that says it is, where it is no number; NULL */
	int64_t done, total;         /* the same as numbers: 3 of 7; -1: not said */
	int64_t ticked, tasks;       /* of its tasks how many are done; tasks 0: it has none */
	int64_t cost_micros, tokens; /* of all its attempts; cost in millionths */
	int outcome;                 /* of its last attempt; -1 before */
	int64_t attempt, slot, pid;  /* attempt 0 before the first */
	int64_t exit_code, signal;
	int64_t started_ms;  /* wall clock, of the last attempt; 0 before */
	int64_t duration_ms; /* of the last attempt, when it ended; all attempts: total_ms */
	int64_t total_ms;
	int64_t queued_ms;   /* of the last attempt, in somebody's queue before it began: not in duration_ms */
	int64_t queued_since_ms; /* wall clock, while it is in one; else 0 */
	int64_t log_bytes;
	int64_t expected_ms; /* how long an attempt takes, from runs before; -1: not known */
	enum orch_left left; /* set by orch_history_left() */
};

/* what agents work on: those of one account share its usage limit */
struct orch_account_status {
	char *name;
	int64_t cost_micros, tokens; /* of the attempts of this run that have ended; cost in millionths */
	bool has_cost;
	char *held;       /* why it is held; NULL: it is not */
	int64_t until_ms; /* wall clock: until when; 0: until a person ends that */
};

struct orch_status {
	char *run, *project, *message;
	int64_t pid, jobs, wanted, stale;
	int64_t started_ms, finished_ms; /* wall clock; finished 0 while it runs */
	int64_t last_ms;                 /* time of the last event */
	int64_t exit_code;               /* -1 while it runs */
	int64_t sum_ms;
	int64_t expected_ms;         /* how long the run takes, as was thought at its start; -1: not known */
	int64_t cost_micros, tokens; /* of all attempts; cost in millionths */
	int64_t budget_micros;       /* nothing new starts once the cost reaches it; 0: none */
	bool has_cost;               /* some attempt has said, or is estimated */
	char *stopping;              /* why nothing new starts; NULL */
	char *paused;                /* by whom, until it is resumed; NULL */
	char *strained;              /* why not all slots are used, until they are again; NULL */
	int64_t usable;              /* how many are, then */
	uint64_t seq;
	size_t count[ORCH_TASK_STATES];
	struct orch_stream_status *streams; /* in order of their first event */
	size_t stream_count, stream_capacity;
	size_t unchanged; /* of the completed: nothing had to be run */
	struct orch_account_status *accounts; /* of those whose agents have worked, or that are held */
	size_t account_count;
	char **warnings;  /* the last 100 */
	size_t warning_count;
	void *index; /* private: name to position */
};

void orch_status_init(struct orch_status *status);
void orch_status_apply(struct orch_status *status, const struct orch_event *event);
/* NULL if no event named it */
const struct orch_stream_status *orch_status_find(const struct orch_status *status, const char *stream);
/* How long until the end of the run, as of `now_ms` (wall clock): from what its streams took in runs before, what of
 * them is done, and how many run at once. -1: not known, or it has ended. Looks at every stream */
int64_t orch_status_left_ms(const struct orch_status *status, int64_t now_ms);
/* One line for people on the accounts that are held, as of `now_ms`: "account 'claude' is held until 16:40:39"; of several,
 * how many, and when the first is free. NULL: none is; the caller frees */
char *orch_status_holds(const struct orch_status *status, int64_t now_ms);
/* the whole picture as JSON ("v":1), documented in doc/events.md; the caller frees */
char *orch_status_json(const struct orch_status *status);
void orch_status_release(struct orch_status *status);

#ifdef __cplusplus
}
#endif
#endif
