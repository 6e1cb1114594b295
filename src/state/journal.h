/*
 * The journal of a run: one JSON event a line, appended, never rewritten; each line ends in a checksum of itself
 * ("sum"). The caller appends in order, then calls journal_sync() once for many: what was appended before it is on the
 * disk when it returns. Reading stops at the first line that is torn or damaged.
 */
#ifndef STATE_JOURNAL_H
#define STATE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct orch_event;
struct journal;

int journal_create(struct journal **out, const char *path, struct orch_error *err);
/* kept in memory until journal_flush() or the buffer (256 KiB) is full; -1: a write failed, and every later call fails
 * too */
int journal_append(struct journal *journal, const struct orch_event *event, struct orch_error *err);
/* write(2) of what is buffered; fdatasync too with `sync` */
int journal_flush(struct journal *journal, bool sync, struct orch_error *err);
/* for syncing what has been flushed, on another thread; valid until journal_close() */
int journal_fd(const struct journal *journal);
void journal_close(struct journal *journal);

/* calls `event` for each good line, in order; its strings are valid during the call; a non-zero return stops (behind
 * that line; the result is 0 all the same). *good_bytes (may be NULL): how much of the file was good. ORCH_ENOTFOUND:
 * there is no such file; ORCH_ESTATE: a newer version wrote it. `from` skips that many bytes (as *good_bytes gave
 * them), for following a journal that grows */
int journal_read(const char *path, uint64_t from, int (*event)(void *data, const struct orch_event *event), void *data,
	uint64_t *good_bytes, struct orch_error *err);

/*
 * Settles the last run's stamps, before statedir_new_run() and with the lock held. If that run did not end with
 * statedir_mark_synced() and the machine was booted since, stamps that its journal knows of and the disk lost are
 * written again; in the same boot nothing can be lost, so a stamp that is not there was removed by a person. Either way
 * they are on the disk then and the run gets its mark. *restored: how many were written
 */
struct statedir;
struct stamp_store;
int journal_recover_stamps(
	const struct statedir *dir, struct stamp_store *store, unsigned *restored, struct orch_error *err);

#endif
