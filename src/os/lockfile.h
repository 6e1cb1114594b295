/*
 * One writer per state directory, by a lock of the open file description (fcntl(2) F_OFD_SETLK; flock(2) where there is
 * none): the kernel drops it when the process ends, however it ends, so it cannot go stale. The file and its text stay;
 * the text
 * ("pid START_TIME BOOT_ID" and a line for people) is only for the message, and checked before it is believed.
 */
#ifndef OS_LOCKFILE_H
#define OS_LOCKFILE_H

#include <stdbool.h>

#include "orch/error.h"

struct lockfile {
	int fd; /* -1: not held */
};

/* Waits (a minute at most) while it is kept by what a killed holder left to keep it. ORCH_EBUSY if another process
 * holds it; the message says its pid and since when */
int lockfile_take(struct lockfile *lock, const char *path, struct orch_error *err);
void lockfile_drop(struct lockfile *lock);
/* does somebody (this process too) hold it? 1 or 0; what is not there is not held. -1 with errno: it cannot be looked
 * at. Opens nothing for writing, takes no lock. *pid (may be NULL) is the holder's where known, else 0 */
int lockfile_is_held(const char *path, int *pid);
/* Of one that is held: is the process that took it not there any more, so that only what it has left keeps it? False
 * also where that is not known, since it was taken on another machine. One that a namespace hides from us looks as if
 * it were gone, and so does for a moment one that is about to write who it is */
bool lockfile_is_left(const char *path);
/* as lockfile_is_held(), but waits as lockfile_take() does while what a killed holder left keeps it */
int lockfile_is_held_still(const char *path, int *pid);

#endif
