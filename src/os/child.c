#include "config.h"

#include "os/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "os/cgroup.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/pidmap.h"
#include "os/proc.h"
#include "os/roster.h"
#include "os/spawn.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/map.h"
#include "util/strbuf.h"

enum {
	/* what ends by itself right after the leader, such as the reader of a pipe that it wrote, is not called left
	   behind */
	QUIET_MS = 50,
	LINGER_MS = 2000,
	UNKILLABLE_MS = 5000,
	KILL_AGAIN_MS = 10,
	KILL_AGAIN_MAX_MS = 1000,
	POLL_MS = 50,    /* where nobody tells that a group is empty */
	SWEEP_FEW = 32,  /* so many children are looked at as often as one of them ends */
	SWEEP_SHARE = 4, /* of more, a sweep is put off until so many times what the last one took have passed since, */
	SWEEP_LATE_MS = 20, /* but no longer than this: it may have been others who had the processor meanwhile */
	REFRESH_ROUNDS_MAX = 1000,
	EMPTY_TRIES = 3,
	NAMELESS_TRIES = 300,
	UNDECIDED_MS = 2, /* between tries */
};

enum step {
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
	enum step step;
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

static void on_timer(void *data);

/* --- who is there --- */

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

/* reaps a child that is no leader, if it has ended */
static bool reap_orphan(struct children *all, pid_t pid)
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

/* of all that are our children as far as we know */
static bool only_leaders(const struct children *all)
{
	return all->pids.count == all->count;
}

/* brings what is known of orphans up to date */
static void refresh_orphans(struct children *all)
{
	bool again = !all->blind;

	/* one that ended after the list was read may have passed its own children on to us: so, until none does */
	for (int round = 0; again && round < REFRESH_ROUNDS_MAX; round++) {
		again = false;
		enum roster_news news = roster_read(&all->roster);

		all->scratch.count = 0;
		all->undecided = 0;
		all->blind = news == ROSTER_UNKNOWN;
		if (all->blind || (news == ROSTER_AS_EXPECTED && only_leaders(all)))
			break;
		roster_list(&all->roster, &all->scratch);
		for (size_t i = 0; i < all->scratch.count; i++) {
			pid_t pid = all->scratch.items[i];
			const struct pid_slot *slot = pidmap_get(&all->pids, pid);

			if (slot && slot->kind == PID_LEADER)
				continue;
			if (reap_orphan(all, pid))
				again = true;
			else if (!slot || slot->undecided > 0)
				take_orphan(all, pid, slot ? slot->undecided : 0);
		}
	}
	all->refreshed_at = loop_now(all->loop);
}

/* without /proc: is anybody left in the group? */
static size_t group_left(const struct child *child)
{
#ifdef __linux__
	/* the zombie counts as a member here, so nobody can tell: no waiting, then */
	kill(-child->pid, SIGKILL);
	return 0;
#else
	return kill(-child->pid, 0) == 0 ? 1 : 0;
#endif
}

/* --- signals --- */

/* every descendant that is still there, without the leader */
static void collect(const struct child *child, struct proc_list *out)
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

static bool is_ending(int signo)
{
	switch (signo) {
	case 0:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCONT:
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
		return false;
	default:
		return true;
	}
}

static void signal_listed(const struct child *child, const struct proc_list *list, int signo)
{
	bool only_listed = child->wraps && child->step == RUNNING && signo != SIGKILL;

	/* the leader is not reaped: the number is its group's and nobody else's */
	if (!only_listed)
		kill(-child->pid, signo);
	for (size_t i = 0; i < list->count; i++) {
		if (only_listed || list->items[i].pgrp != child->pid)
			proc_signal(&list->items[i], signo);
	}
}

static void signal_tree(struct child *child, int signo)
{
	struct proc_list list = {0};

	/* listed before the first signal: what dies no longer shows what it had started */
	collect(child, &list);
	if (signo == SIGKILL && child->group)
		cgroup_kill(child->group);
	signal_listed(child, &list, signo);
	if (signo != SIGKILL && is_ending(signo))
		signal_listed(child, &list, SIGCONT);
	ARRAY_RELEASE(&list);
}

/* --- a child's end, step by step --- */

static void set_timer(struct child *child, int64_t delay_ms)
{
	if (!child->timer)
		child->timer = loop_timer_new(child->all->loop, on_timer, child);
	loop_timer_arm(child->timer, delay_ms);
}

static void enter_step(struct child *child, enum step step, int64_t duration_ms)
{
	int64_t delay = duration_ms;

	child->step = step;
	child->deadline = loop_now(child->all->loop) + duration_ms;
	if (child->all->blind && delay > POLL_MS)
		delay = POLL_MS;
	if (step == KILLED)
		delay = KILL_AGAIN_MS;
	set_timer(child, delay);
}

/* the leader has been seen to have ended */
static void leader_ended(struct child *child)
{
	child->all->ended++;
	child->step = QUIET;
	child->deadline = -1; /* the clock runs once it is known that something is left */
	if (child->timer)
		loop_timer_disarm(child->timer);
}

/* what a report says of those in the list */
static void write_names(struct child *child, const struct proc_list *list)
{
	size_t len = 0, room = sizeof child->names - sizeof ", ...";

	child->names[0] = '\0';
	for (size_t i = 0; i < list->count; i++) {
		char name[32], one[64];
		int size;

		proc_name(list->items[i].pid, name, sizeof name);
		size = snprintf(one, sizeof one, "%s%ld (%s)", len ? ", " : "", (long)list->items[i].pid, name);
		if (len + (size_t)size > room) {
			memcpy(child->names + len, ", ...", sizeof ", ...");
			return;
		}
		memcpy(child->names + len, one, (size_t)size + 1);
		len += (size_t)size;
	}
}

/* the quiet time is over and something is left */
static void ask(struct child *child)
{
	struct proc_list list = {0};

	collect(child, &list);
	child->left_behind = list.count > child->orphans ? (unsigned)list.count : (unsigned)child->orphans;
	write_names(child, &list);
	ARRAY_RELEASE(&list);
	if (child->told_kill || child->linger_ms <= 0) {
		signal_tree(child, SIGKILL);
		enter_step(child, KILLED, UNKILLABLE_MS);
	} else {
		signal_tree(child, SIGTERM);
		enter_step(child, ASKED, child->linger_ms);
	}
}

/* SIGKILL was in vain */
static void give_up(struct child *child)
{
	struct proc_list list = {0};

	collect(child, &list);
	child->unkillable = list.count > child->orphans ? (unsigned)list.count : (unsigned)child->orphans;
	write_names(child, &list);
	ARRAY_RELEASE(&list);
}

/* something is left and it is not yet time to finish: go on. False: it is given up */
static bool press(struct child *child)
{
	int64_t left;

	if (child->deadline < 0) {
		if (child->told_kill)
			signal_tree(child, SIGKILL);
		enter_step(child, QUIET, QUIET_MS);
		return true;
	}
	left = child->deadline - loop_now(child->all->loop);
	switch (child->step) {
	case QUIET:
		if (left <= 0)
			ask(child);
		else
			set_timer(child, left);
		return true;
	case ASKED:
		if (left <= 0) {
			signal_tree(child, SIGKILL);
			enter_step(child, KILLED, UNKILLABLE_MS);
		} else {
			set_timer(child, child->all->blind && left > POLL_MS ? POLL_MS : left);
		}
		return true;
	case KILLED:
		signal_tree(child, SIGKILL);
		if (left <= 0) {
			give_up(child);
			return false;
		}
		set_timer(child, KILL_AGAIN_MS);
		return true;
	default:
		return true;
	}
}

static void forget_owner(struct children *all, const struct child *owner)
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

/* out of all tables */
static void detach(struct child *child)
{
	struct children *all = child->all;

	if (child->step != RUNNING)
		all->ended--;
	if (child->orphans > 0)
		forget_owner(all, child);
	pidmap_remove(&all->pids, child->pid);
	roster_reaped(&all->roster, child->pid);
	if (child->mark && map_get(&all->marks, child->mark) == child)
		map_remove(&all->marks, child->mark);
	all->items[child->index] = all->items[--all->count];
	all->items[child->index]->index = child->index;
	child->pid = 0;
}

static void child_free(struct child *child)
{
	loop_timer_free(child->timer);
	free(child->mark);
	free(child);
}

static int64_t microseconds(struct timeval time)
{
	return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static void finish(struct child *child)
{
	struct child_exit how = {
		.duration_ms = clock_mono_ms() - child->started_ms,
		.left_behind = child->left_behind,
		.unkillable = child->unkillable,
	};
	struct rusage usage = {0};
	int status = 0;
	pid_t pid;

	memcpy(how.names, child->names, sizeof how.names);
	do
		pid = wait4(child->pid, &status, 0, &usage);
	while (pid < 0 && errno == EINTR);
	how.signalled = WIFSIGNALED(status);
	how.code = how.signalled ? WTERMSIG(status) : WEXITSTATUS(status);
	how.dumped_core = how.signalled && WCOREDUMP(status);
	how.user_us = microseconds(usage.ru_utime);
	how.system_us = microseconds(usage.ru_stime);
#ifdef __APPLE__
	how.max_rss_kb = usage.ru_maxrss / 1024;
#else
	how.max_rss_kb = usage.ru_maxrss;
#endif
	detach(child);
	child->on_exit(child->data, &how);
	child_free(child);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid == pid : errno == ECHILD;
}

/* the first leader that has ended, whether that was seen before or not; orphans that come before it are reaped. NULL:
 * none
 */
static struct child *next_ended(struct children *all)
{
	for (;;) {
		siginfo_t info = {0};
		const struct pid_slot *slot;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
			if (errno == EINTR)
				continue;
			return NULL;
		}
		if (info.si_pid == 0)
			return NULL;
		slot = pidmap_get(&all->pids, info.si_pid);
		if (slot && slot->kind == PID_LEADER)
			return slot->owner;
		reap_orphan(all, info.si_pid);
	}
}

/* orphans of which nobody knows whose they are belong to the last that ran and could have had them */
static void give_unknown(struct children *all, struct child *to)
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

/* a leader has just been seen to have ended: is nothing left of it, and does no other's end wait to be dealt with? */
static bool is_alone(struct children *all)
{
	refresh_orphans(all);
	return !all->blind && all->ended == 1 && only_leaders(all);
}

/* takes every child whose leader has ended a step further */
static void step_all(struct children *all)
{
	struct child *done = NULL, **end = &done;
	size_t parents = 0; /* running leaders that an orphan could be of */
	int64_t began = all->count > SWEEP_FEW ? clock_mono_us() : 0;

	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i]->step == RUNNING && has_ended(all->items[i]->pid))
			leader_ended(all->items[i]);
		parents += all->items[i]->step == RUNNING && !all->items[i]->reaps;
	}
	/* only now: a leader's children are ours once it has ended, not before */
	if (all->ended > 0)
		refresh_orphans(all);
	for (size_t i = 0; i < all->count; i++) {
		struct child *child = all->items[i];

		if (child->step == RUNNING)
			continue;
		if (all->blind)
			child->orphans = group_left(child);
		if (all->unknown > 0 && all->undecided == 0 && parents == 0)
			give_unknown(all, child);
		if (child->orphans > 0 ? press(child) : all->undecided > 0)
			continue;
		child->step = FINISHING;
		*end = child;
		end = &child->next_done;
	}
	if (all->undecided > 0 && all->ended > 0)
		loop_timer_arm_if_idle(all->sweep_timer, UNDECIDED_MS);
	*end = NULL;
	if (began > 0) {
		all->swept_at = began;
		all->sweep_us = clock_mono_us() - began;
	}
	while (done) {
		struct child *child = done;

		done = child->next_done;
		finish(child);
	}
}

/* Sees who has ended. Nearly always they leave nothing behind, and are dealt with one by one, at a cost that does not
 * grow with the number of those that run. The one place that calls on_exit */
static void sweep(struct children *all)
{
	struct child *child;

	if (all->sweeping)
		return;
	all->sweeping = true;
	all->sweep_us = 0;
	while ((child = next_ended(all))) {
		if (child->step == RUNNING)
			leader_ended(child);
		if (!is_alone(all))
			break;
		child->step = FINISHING;
		finish(child);
	}
	if (all->ended > 0)
		step_all(all);
	all->sweeping = false;
}

static void on_sweep(void *data)
{
	sweep(data);
}

static void on_sigchld(void *data)
{
	struct children *all = data;
	int64_t wait_ms = 0;

	/* a sweep looks at every child: with a thousand of them, those that end in the same few milliseconds share one
	 */
	if (all->count > SWEEP_FEW)
		wait_ms = (all->swept_at + all->sweep_us * SWEEP_SHARE - clock_mono_us()) / 1000;
	if (wait_ms > 0)
		loop_timer_arm_if_idle(all->sweep_timer, wait_ms < SWEEP_LATE_MS ? wait_ms : SWEEP_LATE_MS);
	else
		sweep(all);
}

static void on_timer(void *data)
{
	struct child *child = data;

	if (child->step != RUNNING) {
		sweep(child->all);
	} else if (child->told_kill) {
		refresh_orphans(child->all);
		signal_tree(child, SIGKILL);
		child->again_ms = child->again_ms * 2 < KILL_AGAIN_MAX_MS ? child->again_ms * 2 : KILL_AGAIN_MAX_MS;
		set_timer(child, child->again_ms);
	}
}

/* --- calls from outside --- */

static bool set_subreaper(bool on)
{
	bool was = false;
#ifdef PR_SET_CHILD_SUBREAPER
	int old = 0;

	if (prctl(PR_GET_CHILD_SUBREAPER, &old, 0, 0, 0) == 0)
		was = old != 0;
	prctl(PR_SET_CHILD_SUBREAPER, on ? 1 : 0, 0, 0, 0);
#else
	(void)on;
#endif
	return was;
}

int children_new(struct children **out, struct loop *loop, struct orch_error *err)
{
	struct children *all = xcalloc(1, sizeof *all);

	all->loop = loop;
	if (spawner_init(&all->spawner, err) != 0) {
		free(all);
		return -1;
	}
	all->sigchld = loop_signal_new(loop, SIGCHLD, on_sigchld, all);
	if (!all->sigchld) {
		spawner_release(&all->spawner);
		free(all);
		return error_set(err, "cannot watch for the end of child processes (SIGCHLD)");
	}
	all->sweep_timer = loop_timer_new(loop, on_sweep, all);
	all->was_subreaper = set_subreaper(true);
	/* left by whoever became this program by exec */
	all->blind = roster_read(&all->roster) == ROSTER_UNKNOWN;
	roster_list(&all->roster, &all->scratch);
	for (size_t i = 0; i < all->scratch.count; i++)
		pidmap_add(&all->pids, all->scratch.items[i], PID_FOREIGN, NULL);
	*out = all;
	return 0;
}

/* one round of killing all; false: nothing is left */
static bool kill_round(struct children *all)
{
	struct pid_slot *slot;
	size_t position = 0;
	bool left;

	for (size_t i = all->count; i-- > 0;) {
		struct child *child = all->items[i];

		signal_tree(child, SIGKILL);
		if (child->step == RUNNING && has_ended(child->pid))
			leader_ended(child);
	}
	refresh_orphans(all);
	for (size_t i = all->count; i-- > 0;) {
		struct child *child = all->items[i];

		if (child->step == RUNNING || (child->orphans > 0 && !all->blind))
			continue;
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
		detach(child);
		child_free(child);
	}
	left = all->count > 0;
	while ((slot = pidmap_next(&all->pids, &position))) {
		if (slot->kind != PID_ORPHAN || slot->owner)
			continue;
		struct proc_list list = {0};

		left = true;
		proc_descendants(slot->pid, &list);
		kill(slot->pid, SIGKILL); /* not reaped: its pid is its own */
		for (size_t i = 0; i < list.count; i++)
			proc_signal(&list.items[i], SIGKILL);
		ARRAY_RELEASE(&list);
	}
	return left;
}

void children_free(struct children *all)
{
	int64_t deadline;

	if (!all)
		return;
	deadline = loop_now(all->loop) + UNKILLABLE_MS;
	for (size_t i = all->count; i-- > 0;) {
		struct child *child = all->items[i];

		pid_t pid = child->pid;

		/* if it ends from now on, it is reaped by whoever reaps us */
		if (child->keep && child->step == RUNNING && !has_ended(pid)) {
			detach(child);
			child_free(child);
			pidmap_add(&all->pids, pid, PID_FOREIGN, NULL);
		}
	}
	loop_signal_free(all->sigchld);
	loop_timer_free(all->sweep_timer);
	refresh_orphans(all);
	while (kill_round(all) && loop_now(all->loop) < deadline) {
		struct timespec pause = {.tv_nsec = 2000000};

		nanosleep(&pause, NULL);
	}
	while (all->count > 0) {
		struct child *child = all->items[all->count - 1];

		detach(child);
		child_free(child);
	}
	if (!all->was_subreaper)
		set_subreaper(false);
	spawner_release(&all->spawner);
	pidmap_release(&all->pids);
	roster_release(&all->roster);
	map_release(&all->marks);
	strbuf_release(&all->environment);
	ARRAY_RELEASE(&all->scratch);
	array_free(all->items);
	free(all);
}

size_t children_running(const struct children *all)
{
	return all->count;
}

int child_spawn(struct child **out, struct children *all, const struct child_spec *spec, int *error_number,
	struct orch_error *err)
{
	struct child *child;
	int number;
	pid_t pid = spawner_start(&all->spawner, spec, &number, err);

	if (error_number)
		*error_number = number;
	if (pid < 0)
		return -1;
	child = xcalloc(1, sizeof *child);
	child->all = all;
	child->pid = pid;
	child->started_ms = clock_mono_ms();
	child->linger_ms = LINGER_MS;
	child->keep = spec->keep;
	child->group = spec->group;
	child->wraps = spec->wraps;
	child->reaps = spec->reaps;
	child->on_exit = spec->on_exit;
	child->data = spec->data;
	child->index = all->count;
	*ARRAY_PUSH(all) = child;
	pidmap_add(&all->pids, pid, PID_LEADER, child);
	roster_started(&all->roster, pid);
	if (spec->mark && !map_get(&all->marks, spec->mark)) {
		child->mark = xstrdup(spec->mark);
		map_set(&all->marks, child->mark, child);
	}
	*out = child;
	return 0;
}

pid_t child_pid(const struct child *child)
{
	return child->pid;
}

void child_signal(struct child *child, int signo)
{
	struct children *all = child->all;

	if (child->pid <= 0 || child->step == FINISHING)
		return;
	/* whoever signals a thousand children at once reads the list of them once */
	if (all->refreshed_at != loop_now(all->loop))
		refresh_orphans(all);
	signal_tree(child, signo);
	if (signo != SIGKILL)
		return;
	child->told_kill = true;
	if (child->step == RUNNING) {
		child->again_ms = KILL_AGAIN_MS;
		set_timer(child, child->again_ms);
	} else if (child->step == ASKED) {
		enter_step(child, KILLED, UNKILLABLE_MS);
	}
}

void child_set_linger(struct child *child, int64_t ms)
{
	child->linger_ms = ms;
}
