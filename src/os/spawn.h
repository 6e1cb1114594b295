/* posix_spawn(3) of a child in a session of its own, with signals as a new process expects them. Private to os/child.c.
 */
#ifndef OS_SPAWN_H
#define OS_SPAWN_H

#include <spawn.h>
#include <sys/types.h>

#include "orch/error.h"

struct child_spec;

/* what is the same for every child, made once */
struct spawner {
	posix_spawnattr_t attributes;
	int null; /* /dev/null, above 2 */
	/* the program found last, and what was searched for and where: nearly always the same shell. NULL before the
	 * first */
	char *found, *found_name, *found_path;
};

int spawner_init(struct spawner *spawner, struct orch_error *err);
void spawner_release(struct spawner *spawner);
/* the pid, or -1 with *error_number and the message */
pid_t spawner_start(struct spawner *spawner, const struct child_spec *spec, int *error_number, struct orch_error *err);

#endif
