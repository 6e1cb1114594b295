#include "config.h"

#include "os/child_private.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "os/cgroup.h"
#include "os/loop.h"
#include "util/array.h"

enum {
	/* what ends by itself right after the leader, such as the reader of a pipe that it wrote, is not called left
	   behind */
	QUIET_MS = 50,
	POLL_MS = 50, /* where nobody tells that a group is empty */
};

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

void child_signal_tree(struct child *child, int signo)
{
	struct proc_list list = {0};

	/* listed before the first signal: what dies no longer shows what it had started */
	orphans_collect(child, &list);
	if (signo == SIGKILL && child->group)
		cgroup_kill(child->group);
	signal_listed(child, &list, signo);
	if (signo != SIGKILL && is_ending(signo))
		signal_listed(child, &list, SIGCONT);
	ARRAY_RELEASE(&list);
}

void child_set_timer(struct child *child, int64_t delay_ms)
{
	if (!child->timer)
		child->timer = loop_timer_new(child->all->loop, child_on_timer, child);
	loop_timer_arm(child->timer, delay_ms);
}

void child_enter_step(struct child *child, enum child_step step, int64_t duration_ms)
{
	int64_t delay = duration_ms;

	child->step = step;
	child->deadline = loop_now(child->all->loop) + duration_ms;
	if (child->all->blind && delay > POLL_MS)
		delay = POLL_MS;
	if (step == KILLED)
		delay = CHILD_KILL_AGAIN_MS;
	child_set_timer(child, delay);
}

void child_leader_ended(struct child *child)
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

	orphans_collect(child, &list);
	child->left_behind = list.count > child->orphans ? (unsigned)list.count : (unsigned)child->orphans;
	write_names(child, &list);
	ARRAY_RELEASE(&list);
	if (child->told_kill || child->linger_ms <= 0) {
		child_signal_tree(child, SIGKILL);
		child_enter_step(child, KILLED, CHILD_UNKILLABLE_MS);
	} else {
		child_signal_tree(child, SIGTERM);
		child_enter_step(child, ASKED, child->linger_ms);
	}
}

/* SIGKILL was in vain */
static void give_up(struct child *child)
{
	struct proc_list list = {0};

	orphans_collect(child, &list);
	child->unkillable = list.count > child->orphans ? (unsigned)list.count : (unsigned)child->orphans;
	write_names(child, &list);
	ARRAY_RELEASE(&list);
}

bool child_press(struct child *child)
{
	int64_t left;

	if (child->deadline < 0) {
		if (child->told_kill)
			child_signal_tree(child, SIGKILL);
		child_enter_step(child, QUIET, QUIET_MS);
		return true;
	}
	left = child->deadline - loop_now(child->all->loop);
	switch (child->step) {
	case QUIET:
		if (left <= 0)
			ask(child);
		else
			child_set_timer(child, left);
		return true;
	case ASKED:
		if (left <= 0) {
			child_signal_tree(child, SIGKILL);
			child_enter_step(child, KILLED, CHILD_UNKILLABLE_MS);
		} else {
			child_set_timer(child, child->all->blind && left > POLL_MS ? POLL_MS : left);
		}
		return true;
	case KILLED:
		child_signal_tree(child, SIGKILL);
		if (left <= 0) {
			give_up(child);
			return false;
		}
		child_set_timer(child, CHILD_KILL_AGAIN_MS);
		return true;
	default:
		return true;
	}
}
