#include "config.h"

#include "os/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "os/child_private.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/proc.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"

enum {
	LINGER_MS = 2000,
	SWEEP_FEW = 32,  /* so many children are looked at as often as one of them ends */
	SWEEP_SHARE = 4, /* of more, a sweep is put off until so many times what the last one took have passed since, */
	SWEEP_LATE_MS = 20, /* but no longer than this: it may have been others who had the processor meanwhile */
	UNDECIDED_MS = 2,   /* between tries */
};

/* out of all tables */
static void detach(struct child *child)
{
	struct children *all = child->all;

	if (child->step != RUNNING)
		all->ended--;
	if (child->orphans > 0)
		orphans_forget_owner(all, child);
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
		orphans_reap(all, info.si_pid);
	}
}

/* a leader has just been seen to have ended: is nothing left of it, and does no other's end wait to be dealt with? */
static bool is_alone(struct children *all)
{
	orphans_refresh(all);
	return !all->blind && all->ended == 1 && orphans_none(all);
}

/* takes every child whose leader has ended a step further */
static void step_all(struct children *all)
{
	struct child *done = NULL, **end = &done;
	size_t parents = 0; /* running leaders that an orphan could be of */
	int64_t began = all->count > SWEEP_FEW ? clock_mono_us() : 0;

	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i]->step == RUNNING && has_ended(all->items[i]->pid))
			child_leader_ended(all->items[i]);
		parents += all->items[i]->step == RUNNING && !all->items[i]->reaps;
	}
	/* only now: a leader's children are ours once it has ended, not before */
	if (all->ended > 0)
		orphans_refresh(all);
	for (size_t i = 0; i < all->count; i++) {
		struct child *child = all->items[i];

		if (child->step == RUNNING)
			continue;
		if (all->blind)
			child->orphans = orphans_group_left(child);
		if (all->unknown > 0 && all->undecided == 0 && parents == 0)
			orphans_give_unknown(all, child);
		if (child->orphans > 0 ? child_press(child) : all->undecided > 0)
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
			child_leader_ended(child);
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

void child_on_timer(void *data)
{
	struct child *child = data;

	if (child->step != RUNNING) {
		sweep(child->all);
	} else if (child->told_kill) {
		orphans_refresh(child->all);
		child_signal_tree(child, SIGKILL);
		child->again_ms =
			child->again_ms * 2 < CHILD_KILL_AGAIN_MAX_MS ? child->again_ms * 2 : CHILD_KILL_AGAIN_MAX_MS;
		child_set_timer(child, child->again_ms);
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

		child_signal_tree(child, SIGKILL);
		if (child->step == RUNNING && has_ended(child->pid))
			child_leader_ended(child);
	}
	orphans_refresh(all);
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
	deadline = loop_now(all->loop) + CHILD_UNKILLABLE_MS;
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
	orphans_refresh(all);
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
		orphans_refresh(all);
	child_signal_tree(child, signo);
	if (signo != SIGKILL)
		return;
	child->told_kill = true;
	if (child->step == RUNNING) {
		child->again_ms = CHILD_KILL_AGAIN_MS;
		child_set_timer(child, child->again_ms);
	} else if (child->step == ASKED) {
		child_enter_step(child, KILLED, CHILD_UNKILLABLE_MS);
	}
}

void child_set_linger(struct child *child, int64_t ms)
{
	child->linger_ms = ms;
}
