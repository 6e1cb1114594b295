/* Past runs, and the one under way, read from the state directory. Nothing is opened for writing, and no Orchfile is
 * needed: `dir` is the project's directory. */
#ifndef ORCH_HISTORY_H
#define ORCH_HISTORY_H

#include "orch/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct orch_history;

/* what is known of a run from its first and last events */
struct orch_run_info {
	const char *id;
	bool running; /* its process holds the lock */
	bool crashed; /* it has no end, and nobody runs it */
	int64_t started_ms, finished_ms, duration_ms, sum_ms;
	int64_t cost_micros, tokens; /* of all attempts, cost in millionths; -1: none said */
	int64_t exit_code, wanted, stale, completed, failed, skipped, cancelled;
};

/* directory of the nearest Orchfile or .orch at `dir` (NULL: current) or above; malloc'd; -1 ORCH_ENOTFOUND */
int orch_find_project(const char *dir, const char *file, char **out, struct orch_error *err);

/* newest first. Infos are read when asked for */
int orch_history_open(struct orch_history **out, const char *project_dir, struct orch_error *err);
size_t orch_history_count(const struct orch_history *history);
/* of the run at `index`, without reading it; valid until the history is closed */
const char *orch_history_id(const struct orch_history *history, size_t index);
int orch_history_run(struct orch_history *history, size_t index, struct orch_run_info *info, struct orch_error *err);
/* What agents have cost by account, in the runs that orch_history_run() was called for so far; borrowed until the next
 * call. *count: how many */
const struct orch_account_status *orch_history_accounts(const struct orch_history *history, size_t *count);
void orch_history_close(struct orch_history *history);

/* folds the journal of run `id` (NULL: the newest) into *status (initialised by the caller). ORCH_ENOTFOUND: there is
 * none. *offset (may be NULL, start with 0): go on from there, for following */
int orch_history_replay(
	const char *project_dir, const char *id, struct orch_status *status, uint64_t *offset, struct orch_error *err);
/* Looks for attempts of `status`, of a run that was killed, that outlived it, and sets `left` of their streams.
 * *running (may be NULL): how many attempts go on in this project, of whatever run */
int orch_history_left(const char *project_dir, struct orch_status *status, size_t *running, struct orch_error *err);
/* Of a run that is not under way: which accounts are held now, whatever its events had. -1: that cannot be read */
int orch_history_holds(const char *project_dir, struct orch_status *status, struct orch_error *err);
/* calls `event` for each event of the run */
int orch_history_events(const char *project_dir, const char *id,
	int (*event)(void *data, const struct orch_event *event), void *data, struct orch_error *err);
/* the same from *offset on (0: its start), which is moved behind what was read: for following a run that goes on */
int orch_history_follow(const char *project_dir, const char *id, uint64_t *offset,
	int (*event)(void *data, const struct orch_event *event), void *data, struct orch_error *err);
/* is a run under way? pid of it, -1 where that is not known, else 0: also while what a killed run has started is still
 * being ended */
int orch_history_running_pid(const char *project_dir);
/* the last lines of a log file, raw; the caller frees */
char *orch_log_tail(const char *path, unsigned lines);
/*
 * The last `lines` lines of a log file, at most `max` bytes of them, raw (it can hold anything, also NUL bytes; one
 * more NUL stands behind it); the caller frees. *len: bytes returned. *size: of the whole file. NULL if there is no
 * such log or it cannot be read: *size is -1 then.
 */
char *orch_log_end(const char *path, unsigned lines, size_t max, size_t *len, int64_t *size);

/* calls `found` for each stream that the stream of an ORCH_EVENT_STAMPED depends on; nothing for other events. The name
 * is valid during the call. Dependencies that are order-only are not in a stamp */
void orch_event_dependencies(
	const struct orch_event *event, void (*found)(void *data, const char *dependency), void *data);

/* what may go of past runs */
struct orch_prune_options {
	int64_t max_age_ms; /* runs that ended longer ago go; 0: any age may stay */
	int64_t max_bytes;  /* the oldest go until all runs together take no more; 0: no limit */
	unsigned keep;      /* so many of the newest stay in any case; at least one does */
	bool dry_run;       /* only say what would go */
};

struct orch_pruned {
	const char *run;
	int64_t ended_ms; /* wall clock: when its journal was written last */
	int64_t bytes;    /* on disk */
	bool removed;     /* with dry_run: would be */
	bool exceeds;     /* it is past a limit; if it was not removed, it is needed */
	const char *why;  /* it went, or stays: one line for people */
};

/*
 * Removes old runs: their journals, logs and the files of their attempts. Stamps stay: what is complete is not run
 * again. Never the last run, nor one that an attempt which goes on without orch needs, or another run that stays. Calls
 * `each` for every run, oldest first; what it is given is valid during the call. ORCH_EBUSY: a run is under way (not
 * with dry_run). On another error those before are gone, and `each` is called all the same. No state directory: nothing
 * to do.
 */
int orch_prune(const char *project_dir, const struct orch_prune_options *options,
	void (*each)(void *data, const struct orch_pruned *run), void *data, struct orch_error *err);

#ifdef __cplusplus
}
#endif
#endif
