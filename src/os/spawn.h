/*
 * Starts a child by vfork(2), as posix_spawn(3) does, but in fewer system calls, and with what that cannot be told: a
 * control group, Landlock's rules, a limit of memory, a terminal. It has a session of its own, and signals as a new
 * process expects them. Private to os/child.c.
 */
#ifndef OS_SPAWN_H
#define OS_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "orch/error.h"

struct child_spec;

/* what is the same for every child, made once */
struct spawner {
	int null;           /* /dev/null, above 2 */
	int last_signal;    /* no higher one has another action than the default */
	bool shares_memory; /* a child has been seen to write in our memory before it becomes another program */
	/* the program found last, and what was searched for and where: nearly always the same shell. NULL before the
	 * first */
	char *found, *found_name, *found_path;
};

int spawner_init(struct spawner *spawner, struct orch_error *err);
void spawner_release(struct spawner *spawner);
/* the pid, or -1 with *error_number and the message */
pid_t spawner_start(struct spawner *spawner, const struct child_spec *spec, int *error_number, struct orch_error *err);

#endif
