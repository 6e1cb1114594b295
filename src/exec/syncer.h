/*
 * When the journal is brought to the disk. What took long is synced at once, before anything is built on it: seconds of
 * work are not put at risk for a millisecond. What was short is synced together with what follows within GROUP_MS, off
 * the loop's thread, so that ten thousand short streams do not wait for ten thousand disk writes. The order of records
 * is kept in either case: after a power cut the journal ends somewhere, and nothing before that is missing.
 */
#ifndef EXEC_SYNCER_H
#define EXEC_SYNCER_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/error.h"

struct journal;
struct loop;
struct syncer;

enum {
	SYNC_AT_ONCE_MS = 1000, /* an attempt that ran at least so long is synced before its dependents start */
	SYNC_GROUP_MS = 250,     /* the longest that a shorter one waits for its sync */
};

/* `idle` is called when a sync under way has ended, `failed` when one could not be done */
struct syncer *syncer_new(struct loop *loop, struct journal *journal, void (*idle)(void *data),
	void (*failed)(void *data, const struct orch_error *err), void *data);
/* what has been written to the journal so far is to be on the disk soon */
void syncer_request(struct syncer *syncer);
/* no request is open any more: the caller has synced by itself */
void syncer_done(struct syncer *syncer);
/* a sync is under way on another thread: the journal must stay open */
bool syncer_is_busy(const struct syncer *syncer);
/* must not be busy; NULL is fine */
void syncer_free(struct syncer *syncer);

#endif
