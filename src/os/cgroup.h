/*
 * Control groups of the kernel (Linux, cgroups(7)), as far as a process tree needs them: a limit on the memory of all
 * of it, the most that it had, and an end that nothing in it escapes. What can be had differs: version 2 with a memory
 * controller in reach, version 2 without one (then only the end), the memory hierarchy of version 1, or nothing, as in
 * most containers. So it is found out at run time.
 *
 * A group is a directory whose name says who made it. One that its maker left behind, since it was killed, is found
 * and removed by whoever makes the next: cgroup_clear().
 */
#ifndef OS_CGROUP_H
#define OS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct cgroup;

/* where groups can be made */
struct cgroup_places {
	char *memory;   /* directory for groups that limit memory; NULL: none */
	bool memory_v1; /* it is of version 1 */
	char *kill;     /* directory for groups of version 2 that do nothing else; NULL: none */
	char why[256];  /* there is none for memory: what stands in the way */
};

enum { CGROUP_DIRS = 2 }; /* a group is one directory, or one in each hierarchy */

/* what can be had by this process. `proc` is "/proc/self" but in tests */
void cgroup_find(struct cgroup_places *out, const char *proc);
void cgroup_places_release(struct cgroup_places *places);

/* A new, empty group that only this process knows; `memory` bytes for all that is in it and for its swap, 0: no limit.
 * 0 with *out NULL: it is not to limit memory, and there is no other use to be had of one. -1 with errno, too if it is
 * to limit memory and cannot */
int cgroup_new(struct cgroup **out, const struct cgroup_places *places, int64_t memory, struct orch_error *err);
/* descriptors, close-on-exec, of files to which a process writes "0" to move itself into the group; the caller closes
 * them. How many, or -1 with errno */
int cgroup_open_join(const struct cgroup *group, int fds[CGROUP_DIRS]);
/* SIGKILL to all that is in it; how many there were */
unsigned cgroup_kill(const struct cgroup *group);
/* the most memory that was in use at once, in bytes, page cache included; 0: unknown */
int64_t cgroup_memory_peak(const struct cgroup *group);
/* how many of its processes were killed because there was no memory left for them */
unsigned cgroup_oom_kills(const struct cgroup *group);
/* ends what is in it, removes it and frees it; false: something in it cannot be ended, and the directory stays. NULL is
 * fine */
bool cgroup_free(struct cgroup *group);

/* ends and removes the groups at these places whose makers are gone; how many */
unsigned cgroup_clear(const struct cgroup_places *places);

#endif
