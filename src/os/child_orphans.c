#include "config.h"

#include "os/child_private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/loop.h"
#include "util/array.h"

enum {
	REFRESH_ROUNDS_MAX = 1000,
	EMPTY_TRIES = 3,
	NAMELESS_TRIES = 300,
};

static void count_orphan(struct children *all, struct child *owner, int change)
{
	size_t *counter = owner ? &owner->orphans : &all->unknown;

	*counter += (size_t)change;
}

/* what is known of one that is no leader */
static void leave_out(struct children *all, pid_t pid)
{
	const struct pid_slot *slot = pidmap_get(&all->pids, pid);

	if (!slot)
		return;
	if (slot->kind == PID_ORPHAN)
		count_orphan(all, slot->owner, -1);
	pidmap_remove(&all->pids, pid);
}

/* the child whose mark is among the variables that process `pid` was started with. `*again`: they could not be seen
 * now, but may be in a moment, since for a part of execve(2) a process has none; `tries`: how often that was so */
static struct child *owner_by_mark(struct children *all, pid_t pid, unsigned tries, bool *again)
{
	const char *at, *end;

	if (all->marks.count == 0)
		return NULL;
	strbuf_truncate(&all->environment, 0);
	if (!proc_environ(pid, &all->environment))
		return NULL;
	if (all->environment.len == 0) {
		*again = tries < EMPTY_TRIES || (tries < NAMELESS_TRIES && proc_is_nameless(pid));
		return NULL;
	}
	at = all->environment.data;
	end = at + all->environment.len;
	while (at < end) {
		size_t len = strnlen(at, (size_t)(end - at));
		struct child *owner = len > 0 ? map_getn(&all->marks, at, len) : NULL;

		if (owner)
			return owner;
		at += len + 1;
	}
	return NULL;
}

/* a process that became our child without being started by us: whose is it? `tries`: how often that was asked */
static void take_orphan(struct children *all, pid_t pid, unsigned tries)
{
	enum pid_kind kind = PID_ORPHAN;
	struct child *owner = NULL;
	struct proc_stat stat;
	bool again = false;

	if (proc_stat_read(pid, &stat)) {
		const struct pid_slot *slot = pidmap_get(&all->pids, stat.session);

		if (!slot)
			slot = pidmap_get(&all->pids, stat.pgrp);
		/* our leaders have sessions of their own, which nobody leaves for an older one: what is in ours is not
		 * theirs */
		if (stat.session == getsid(0)) {
			kind = PID_FOREIGN;
		} else if (slot && (slot->kind == PID_FOREIGN || slot->owner)) {
			kind = slot->kind == PID_FOREIGN ? PID_FOREIGN : PID_ORPHAN;
			owner = slot->owner;
		} else {
			owner = owner_by_mark(all, pid, tries, &again);
		}
	}
	leave_out(all, pid);
	pidmap_add(&all->pids, pid, kind, owner)->undecided = again ? tries + 1 : 0;
	if (kind == PID_ORPHAN)
		count_orphan(all, owner, 1);
	if (again)
		all->undecided++;
}

bool orphans_reap(struct children *all, pid_t pid)
{
	siginfo_t info = {0};
	int rc;

	do
		rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG);
	while (rc != 0 && errno == EINTR);
	if (rc == 0 && info.si_pid == 0)
		return false;
	leave_out(all, pid);
	roster_reaped(&all->roster, pid);
	return true;
}

bool orphans_none(const struct children *all)
{
	return all->pids.count == all->count;
}

void orphans_refresh(struct children *all)
{
	bool again = !all->blind;

	/* one that ended after the list was read may have passed its own children on to us: so, until none does */
	for (int round = 0; again && round < REFRESH_ROUNDS_MAX; round++) {
		again = false;
		enum roster_news news = roster_read(&all->roster);

		all->scratch.count = 0;
		all->undecided = 0;
		all->blind = news == ROSTER_UNKNOWN;
		if (all->blind || (news == ROSTER_AS_EXPECTED && orphans_none(all)))
			break;
		roster_list(&all->roster, &all->scratch);
		for (size_t i = 0; i < all->scratch.count; i++) {
			pid_t pid = all->scratch.items[i];
			const struct pid_slot *slot = pidmap_get(&all->pids, pid);

			if (slot && slot->kind == PID_LEADER)
				continue;
			if (orphans_reap(all, pid))
				again = true;
			else if (!slot || slot->undecided > 0)
				take_orphan(all, pid, slot ? slot->undecided : 0);
		}
	}
	all->refreshed_at = loop_now(all->loop);
}

size_t orphans_group_left(const struct child *child)
{
#ifdef __linux__
	/* the zombie counts as a member here, so nobody can tell: no waiting, then */
	kill(-child->pid, SIGKILL);
	return 0;
#else
	return kill(-child->pid, 0) == 0 ? 1 : 0;
#endif
}

void orphans_give_unknown(struct children *all, struct child *to)
{
	struct pid_slot *slot;
	size_t position = 0;

	while ((slot = pidmap_next(&all->pids, &position))) {
		if (slot->kind == PID_ORPHAN && !slot->owner) {
			slot->owner = to;
			to->orphans++;
		}
	}
	all->unknown = 0;
}

void orphans_forget_owner(struct children *all, const struct child *owner)
{
	struct pid_slot *slot;
	size_t position = 0;

	while ((slot = pidmap_next(&all->pids, &position))) {
		if (slot->owner == owner && slot->kind == PID_ORPHAN) {
			slot->kind = PID_FOREIGN;
			slot->owner = NULL;
		}
	}
}

void orphans_collect(const struct child *child, struct proc_list *out)
{
	const struct children *all = child->all;
	const struct pid_slot *slot;
	size_t position = 0;

	if (child->step == RUNNING)
		proc_descendants(child->pid, out);
	if (child->orphans == 0 || all->blind)
		return;
	while ((slot = pidmap_next(&all->pids, &position))) {
		struct proc_stat stat;

		if (slot->kind != PID_ORPHAN || slot->owner != child || !proc_stat_read(slot->pid, &stat))
			continue;
		if (stat.state != 'Z')
			*ARRAY_PUSH(out) = stat;
		proc_descendants(slot->pid, out);
	}
}
