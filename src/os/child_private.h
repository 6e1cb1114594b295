/* What child.c, child_orphans.c and child_steps.c share. */
#ifndef OS_CHILD_PRIVATE_H
#define OS_CHILD_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "os/child.h"
#include "os/pidmap.h"
#include "os/proc.h"
#include "os/roster.h"
#include "os/spawn.h"
#include "util/map.h"
#include "util/strbuf.h"

enum {
	CHILD_UNKILLABLE_MS = 5000,
	CHILD_KILL_AGAIN_MS = 10,
	CHILD_KILL_AGAIN_MAX_MS = 1000,
};

enum child_step {
	RUNNING,   /* the leader lives */
	QUIET,     /* it has ended and is kept as a zombie; what it left behind may still end by itself */
	ASKED,     /* what is left got SIGTERM */
	KILLED,    /* what is left got SIGKILL, again and again */
	FINISHING, /* about to be reaped */
};

struct child {
	struct children *all;
	size_t index; /* in all->items */
	struct child *next_done;
	pid_t pid;
	int64_t started_ms;
	enum child_step step;
	bool told_kill; /* child_signal(SIGKILL) while the leader lived */
	bool keep;      /* see child_spec */
	bool wraps;
	bool reaps;
	size_t orphans; /* left processes that are our children now; below them there may be more */
	int64_t linger_ms;
	int64_t deadline;         /* of this step */
	int64_t again_ms;         /* until SIGKILL is sent again */
	struct loop_timer *timer; /* NULL until it is needed */
	unsigned left_behind;
	unsigned unkillable;
	char names[sizeof((struct child_exit *)NULL)->names];
	char *mark;
	const struct cgroup *group; /* see child_spec */
	void (*on_exit)(void *data, const struct child_exit *how);
	void *data;
};

struct children {
	struct loop *loop;
	struct loop_signal *sigchld;
	struct loop_timer *sweep_timer;
	struct spawner spawner;
	struct pidmap pids;
	struct roster roster;
	struct map marks; /* mark -> child */
	struct child **items;
	size_t count;
	size_t capacity;
	size_t ended;     /* of them: leaders that have ended */
	size_t unknown;   /* orphans without an owner */
	size_t undecided; /* of them: those that may turn out to have one */
	bool blind;       /* no /proc: groups are all we know */
	bool was_subreaper;
	bool sweeping;
	int64_t swept_at; /* when the last sweep began, and what it cost, in microseconds */
	int64_t sweep_us;
	int64_t refreshed_at;
	struct pid_list scratch;
	struct strbuf environment;
};

/* --- child_orphans.c: processes that became our children without being started by us --- */

/* brings what is known of them up to date */
void orphans_refresh(struct children *all);
/* reaps a child that is no leader, if it has ended */
bool orphans_reap(struct children *all, pid_t pid);
/* are all that are our children, as far as we know, leaders? */
bool orphans_none(const struct children *all);
/* those of which nobody knows whose they are belong to the last that ran and could have had them */
void orphans_give_unknown(struct children *all, struct child *to);
/* nobody looks after those of `owner` any more */
void orphans_forget_owner(struct children *all, const struct child *owner);
/* without /proc: how many are left in the group? */
size_t orphans_group_left(const struct child *child);
/* every descendant that is still there, without the leader */
void orphans_collect(const struct child *child, struct proc_list *out);

/* --- child_steps.c: signals, and the end of a child step by step --- */

void child_signal_tree(struct child *child, int signo);
void child_set_timer(struct child *child, int64_t delay_ms);
void child_enter_step(struct child *child, enum child_step step, int64_t duration_ms);
/* the leader has been seen to have ended */
void child_leader_ended(struct child *child);
/* something is left and it is not yet time to finish: go on. False: it is given up */
bool child_press(struct child *child);

/* --- child.c --- */

/* of a child's timer */
void child_on_timer(void *data);

#endif
