/*
 * The event loop: file descriptors, timers, deferred calls, work off the thread. One thread, the
 * loop's, makes every callback. The only includer of libuv. A callback may free its own handle and
 * any other.
 */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/error.h"

struct loop;
struct loop_timer;
struct loop_fd;
struct loop_watch;
struct loop_idle;

typedef void loop_callback(void *data);

int loop_new(struct loop **out, struct orch_error *err);
/* runs until loop_stop(); returns at once if it was stopped before it started */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* what is still open is closed first, without calls, except for loop_idle, which the owner frees before; work that is
 * under way is waited for, and `done` is called. NULL is fine */
void loop_free(struct loop *loop);
/* monotonic milliseconds, as of now (not cached) */
int64_t loop_now(const struct loop *loop);

/* a timer; disarmed at first. The callback comes once per arming, `delay_ms` from now */
struct loop_timer *loop_timer_new(struct loop *loop, loop_callback *call, void *data);
void loop_timer_arm(struct loop_timer *timer, int64_t delay_ms);
/* as loop_timer_arm(), but an armed timer keeps its time */
void loop_timer_arm_if_idle(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_disarm(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* called, again and again, as long as `fd` can be read (or is at its end); NULL if it cannot be waited for (a file, or
 * it is being waited for already). Whether it blocks is left as it is. The fd stays the caller's, to be closed after
 * loop_fd_free() */
struct loop_fd *loop_fd_new(struct loop *loop, int fd, loop_callback *call, void *data);
/* `call` comes, again and again, as long as `fd` can be written; NULL: no more */
void loop_fd_on_writable(struct loop_fd *watch, loop_callback *call);
void loop_fd_free(struct loop_fd *watch);

/* called when the file or directory at `path` changes (inotify and its like); NULL if the system cannot (limits): the
 * caller then falls back to looking when it needs to */
struct loop_watch *loop_watch_new(struct loop *loop, const char *path, loop_callback *call, void *data);
void loop_watch_free(struct loop_watch *watch);

/* signal `signo` as a call on the loop (several that came close together may be one call); several may be registered
 * for one signal. NULL if it cannot be caught */
struct loop_signal;
struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_callback *call, void *data);
void loop_signal_free(struct loop_signal *watch);

/* once, after the callbacks of this turn of the loop and before it sleeps: the place to group work (one sync for many
 * records). Armed again by loop_idle_arm() each time it is wanted; arming an armed one does nothing */
struct loop_idle *loop_idle_new(struct loop *loop, loop_callback *call, void *data);
void loop_idle_arm(struct loop_idle *idle);
void loop_idle_free(struct loop_idle *idle);

/* `work` runs on a thread of its own pool, then `done` on the loop. `work` touches nothing that the loop's thread may
 * touch */
void loop_work(struct loop *loop, loop_callback *work, loop_callback *done, void *data);

#endif
