/*
 * Old runs: which may go, and why, and their removal. What a run leaves is its directory (journal, logs, files of its
 * attempts); what is complete stays so without it, since stamps are elsewhere.
 */
#ifndef STATE_PRUNE_H
#define STATE_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct statedir;

struct prune_limits {
	int64_t max_age_ms; /* 0: any age may stay */
	int64_t max_bytes;  /* of all runs together; 0: no limit */
	unsigned keep;      /* so many of the newest stay, at least one */
	bool empty;         /* those go in which nothing ran */
};

struct prune_run {
	char *id;
	int64_t ended_ms; /* wall clock: when its journal was written last */
	int64_t bytes;    /* on disk */
	bool remove;      /* it is to go */
	bool exceeds;     /* it is past a limit; if it is not to go, it is needed */
	char *why;        /* it goes, or stays; for people */
};

struct prune {
	struct prune_run *runs; /* oldest first */
	size_t count;
};

/*
 * Decides. What stays whatever the limits: the newest runs, back to the last that has a journal (the next run recovers
 * stamps from it); a run with an attempt that goes on without orch or is not settled yet; and a run whose log or files
 * another one that stays has gone on with. Nothing is written.
 */
int prune_plan(struct prune *prune, const struct statedir *dir, const struct prune_limits *limits, int64_t now_ms,
	struct orch_error *err);
/* Removes what is to go, oldest first, and what an earlier removal left when it was killed. The lock must be held. On
 * -1 those before are gone, and `remove` is false for all that are still there */
int prune_remove(struct prune *prune, const struct statedir *dir, struct orch_error *err);
void prune_release(struct prune *prune);

#endif
