/*
 * The part of os/loop.h that a supervisor needs, on ppoll(2) alone: descriptors, timers, signals, deferred
 * calls. It stands in place of loop.c in a program that is to be small; there are few of each kind, so they are kept in
 * lists.
 */
#include "config.h"

#include "os/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/clock.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"

struct loop_timer {
	struct loop *loop;
	struct loop_timer *next;
	int64_t due; /* -1: disarmed */
	loop_callback *call;
	void *data;
	bool freed;
};

struct loop_fd {
	struct loop *loop;
	struct loop_fd *next;
	int fd;
	loop_callback *call, *writable; /* writable NULL: that is not waited for */
	void *data;
	bool freed;
};

struct loop_signal {
	struct loop *loop;
	struct loop_signal *next;
	int signo;
	loop_callback *call;
	void *data;
	bool freed;
};

struct loop {
	struct loop_timer *timers;
	struct loop_fd *fds;
	struct loop_signal *signals;
	struct pollfd *polled;
	size_t polled_capacity;
	sigset_t open; /* while it sleeps */
	bool stopped;
	bool littered; /* something was freed in a callback, and is still linked */
};

static volatile sig_atomic_t pending[NSIG];

static void on_signal(int signo)
{
	pending[signo] = 1;
}

int loop_new(struct loop **out, struct orch_error *err)
{
	struct loop *loop = xcalloc(1, sizeof *loop);

	(void)err;
	sigprocmask(SIG_SETMASK, NULL, &loop->open);
	*out = loop;
	return 0;
}

int64_t loop_now(const struct loop *loop)
{
	(void)loop;
	return clock_mono_ms();
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

#define SWEEP(type, list) \
	do { \
		struct type **link = &(list); \
		while (*link) { \
			struct type *item = *link; \
			if (item->freed) { \
				*link = item->next; \
				free(item); \
			} else { \
				link = &item->next; \
			} \
		} \
	} while (0)

static void sweep(struct loop *loop)
{
	SWEEP(loop_timer, loop->timers);
	SWEEP(loop_fd, loop->fds);
	SWEEP(loop_signal, loop->signals);
	loop->littered = false;
}

static void call_signals(struct loop *loop)
{
	for (struct loop_signal *watch = loop->signals; watch; watch = watch->next) {
		if (watch->freed || !pending[watch->signo])
			continue;
		pending[watch->signo] = 0;
		watch->call(watch->data);
	}
}

static void call_timers(struct loop *loop)
{
	int64_t now = clock_mono_ms();

	for (struct loop_timer *timer = loop->timers; timer; timer = timer->next) {
		if (timer->freed || timer->due < 0 || timer->due > now)
			continue;
		timer->due = -1;
		timer->call(timer->data);
	}
}

/* until the first timer, as ppoll(2) takes it; false: for ever */
static bool sleep_time(const struct loop *loop, struct timespec *out)
{
	int64_t first = -1, left;

	for (const struct loop_timer *timer = loop->timers; timer; timer = timer->next) {
		if (!timer->freed && timer->due >= 0 && (first < 0 || timer->due < first))
			first = timer->due;
	}
	if (first < 0)
		return false;
	left = first - clock_mono_ms();
	if (left < 0)
		left = 0;
	out->tv_sec = (time_t)(left / 1000);
	out->tv_nsec = (long)(left % 1000) * 1000000;
	return true;
}

static void turn(struct loop *loop)
{
	struct timespec wait;
	bool bounded = sleep_time(loop, &wait);
	size_t count = 0, i = 0;

	for (const struct loop_fd *fd = loop->fds; fd; fd = fd->next) {
		if (count == loop->polled_capacity) {
			loop->polled_capacity = count ? 2 * count : 4;
			loop->polled = xrealloc(loop->polled, loop->polled_capacity * sizeof *loop->polled);
		}
		loop->polled[count++] = (struct pollfd){
			.fd = fd->freed ? -1 : fd->fd, .events = fd->writable ? POLLIN | POLLOUT : POLLIN};
	}
	/* signals are let in only here, so none is missed between the look at `pending` and the sleep */
	if (ppoll(loop->polled, (nfds_t)count, bounded ? &wait : NULL, &loop->open) > 0) {
		/* new ones are put in front: those that were polled are the last `count` */
		size_t total = 0;

		for (const struct loop_fd *fd = loop->fds; fd; fd = fd->next)
			total++;
		for (struct loop_fd *fd = loop->fds; fd; fd = fd->next, i++) {
			int what = i >= total - count ? loop->polled[i - (total - count)].revents : 0;

			if (!fd->freed && (what & ~POLLOUT))
				fd->call(fd->data);
			if (!fd->freed && (what & POLLOUT) && fd->writable)
				fd->writable(fd->data);
		}
	}
	call_signals(loop);
	call_timers(loop);
	if (loop->littered)
		sweep(loop);
}

void loop_run(struct loop *loop)
{
	while (!loop->stopped)
		turn(loop);
	loop->stopped = false;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (struct loop_timer *timer = loop->timers; timer; timer = timer->next)
		timer->freed = true;
	for (struct loop_fd *fd = loop->fds; fd; fd = fd->next)
		fd->freed = true;
	for (struct loop_signal *watch = loop->signals; watch; watch = watch->next)
		watch->freed = true;
	sweep(loop);
	free(loop->polled);
	free(loop);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_callback *call, void *data)
{
	struct loop_timer *timer = xcalloc(1, sizeof *timer);

	*timer = (struct loop_timer){.loop = loop, .next = loop->timers, .due = -1, .call = call, .data = data};
	loop->timers = timer;
	return timer;
}

void loop_timer_arm(struct loop_timer *timer, int64_t delay_ms)
{
	timer->due = clock_mono_ms() + (delay_ms > 0 ? delay_ms : 0);
}

void loop_timer_arm_if_idle(struct loop_timer *timer, int64_t delay_ms)
{
	if (timer->due < 0)
		loop_timer_arm(timer, delay_ms);
}

void loop_timer_disarm(struct loop_timer *timer)
{
	timer->due = -1;
}

void loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	timer->freed = true;
	timer->loop->littered = true;
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, loop_callback *call, void *data)
{
	struct loop_fd *watch = xcalloc(1, sizeof *watch);

	*watch = (struct loop_fd){.loop = loop, .next = loop->fds, .fd = fd, .call = call, .data = data};
	loop->fds = watch;
	return watch;
}

void loop_fd_on_writable(struct loop_fd *watch, loop_callback *call)
{
	watch->writable = call;
}

void loop_fd_free(struct loop_fd *watch)
{
	if (!watch)
		return;
	watch->freed = true;
	watch->loop->littered = true;
}

struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_callback *call, void *data)
{
	struct loop_signal *watch = xcalloc(1, sizeof *watch);
	struct sigaction action;
	sigset_t one;

	*watch = (struct loop_signal){.loop = loop, .next = loop->signals, .signo = signo, .call = call, .data = data};
	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	sigfillset(&action.sa_mask);
	sigemptyset(&one);
	sigaddset(&one, signo);
	sigprocmask(SIG_BLOCK, &one, NULL);
	sigdelset(&loop->open, signo);
	if (sigaction(signo, &action, NULL) != 0) {
		free(watch);
		return NULL;
	}
	loop->signals = watch;
	return watch;
}

void loop_signal_free(struct loop_signal *watch)
{
	if (!watch)
		return;
	signal(watch->signo, SIG_DFL);
	watch->freed = true;
	watch->loop->littered = true;
}
