/* Our children by process id: open addressing. Private to os/child.c. A zeroed struct is empty. */
#ifndef OS_PIDMAP_H
#define OS_PIDMAP_H

#include <stddef.h>
#include <sys/types.h>

struct child;

enum pid_kind {
	PID_LEADER,  /* started by us */
	PID_ORPHAN,  /* left by a child of ours, whose descendant it is: `owner`, NULL if that is not known */
	PID_FOREIGN, /* none of our business: it was there before us, or was given up */
};

struct pid_slot {
	pid_t pid; /* 0: free */
	enum pid_kind kind;
	struct child *owner;
	unsigned undecided; /* 0: it is settled whose it is, or that nothing tells; else how often that was tried */
};

struct pidmap {
	struct pid_slot *slots;
	size_t count;
	size_t capacity; /* a power of two, or 0 */
};

/* NULL if it is not there; valid until the next change */
struct pid_slot *pidmap_get(const struct pidmap *map, pid_t pid);
/* adds it; it must not be there */
struct pid_slot *pidmap_add(struct pidmap *map, pid_t pid, enum pid_kind kind, struct child *owner);
void pidmap_remove(struct pidmap *map, pid_t pid);
/* walks in no particular order: start with *position = 0; NULL at the end. Nothing may be added or removed meanwhile */
struct pid_slot *pidmap_next(const struct pidmap *map, size_t *position);
void pidmap_release(struct pidmap *map);

#endif
