/* Makes and names every path under .orch/ (RUNTIME.md "The state directory"). */
#ifndef STATE_STATEDIR_H
#define STATE_STATEDIR_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"
#include "os/lockfile.h"

enum { STATE_FORMAT = 1 };

struct statedir {
	char *path;    /* absolute, of .orch */
	int fd;        /* of it; -1 if it does not exist (yet) */
	int stamps_fd; /* -1 likewise */
	struct lockfile lock;
};

/* for looking: creates nothing. Absent is fine (fd -1). ORCH_ESTATE: newer format, not a directory, a symbolic link
 * that leads elsewhere, unreadable; each with what to do */
int statedir_open(struct statedir *dir, const char *project_dir, struct orch_error *err);
/* for running: makes .orch (0700) with `format`, a .gitignore of "*", stamps/, runs/, and takes the lock. ORCH_EBUSY:
 * who holds it. ORCH_ESTATE: cannot be written, is full, ... */
int statedir_claim(struct statedir *dir, const char *project_dir, struct orch_error *err);
void statedir_release(struct statedir *dir);

/* a new run, later than all there are, also when the clock was set back: its id (time and a number: "20261121-053701",
 * "20261121-053701-2"), its directories made; the caller frees */
char *statedir_new_run(struct statedir *dir, struct orch_error *err);
/* ids of all runs, oldest first; the caller frees each and the array */
int statedir_runs(const struct statedir *dir, char ***ids, size_t *count, struct orch_error *err);
/* a run's mark that all its stamps are on the disk (written by the caller after stamp_store_sync() at a clean end):
 * journal_recover_stamps() leaves such a run alone */
int statedir_mark_synced(const struct statedir *dir, const char *run, struct orch_error *err);
bool statedir_is_synced(const struct statedir *dir, const char *run);
/* malloc'd paths; relative to the project's directory (".orch/...") so that they are short and can be shown */
char *statedir_journal(const char *run);
char *statedir_log(const char *run, const char *stream, unsigned attempt);
/* a file of an attempt: "output", "prompt", "inbox", "report", "script", ... : .orch/runs/ID/attempts/STREAM.N.WHAT */
char *statedir_attempt_file(const char *run, const char *stream, unsigned attempt, const char *what);
/* programs that stand before others of their names in agents' PATH: .orch/runs/ID/shims */
char *statedir_shims(const char *run);

#endif
