/*
 * Landlock of the kernel (Linux 5.13 and later, landlock(7)): a process takes the right to write away from itself and
 * from all that it starts, but for what lies below some paths. It needs no privilege, and has its limits: every process
 * stays to be seen, modes and owners of files can be changed where the user may, and networks are open.
 */
#ifndef OS_LANDLOCK_H
#define OS_LANDLOCK_H

#include "orch/error.h"

enum {
	LANDLOCK_ENOUGH = 3,  /* versions before let files be cut short anywhere */
	LANDLOCK_SIGNALS = 6, /* from this one on, nothing outside can be signalled */
};

/* the kernel's version of it; 0: none, or it is switched off */
int landlock_version(void);
/* A descriptor, close-on-exec, of a set of rules by which nothing may be written but what is below these paths (NULL
 * at the end; directories or files that exist) and the harmless devices. -1 with errno */
int landlock_rules(char *const *writable, struct orch_error *err);
/* This process, and all that it becomes and starts, is under these rules, without any capability and without a way to
 * get one, for ever. Safe between vfork(2) and execve(2). -1 with errno */
int landlock_enter(int rules);

#endif
