#include "config.h"

#include "os/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "os/clock.h"
#include "util/alloc.h"
#include "util/error.h"

/*
 * Handles of libuv are closed over a turn of the loop: each block is freed by the callback of its
 * close. handle->data is the block, NULL for those that are part of struct loop.
 */
struct loop {
	uv_loop_t uv;
	uv_async_t keeper; /* open all the time: without anything else to wait for, the loop still waits */
	uv_prepare_t before_sleep;
	uv_idle_t no_sleep; /* while it is active, the loop does not sleep */
	struct loop_idle *armed;
	struct loop_idle **armed_end;
	struct loop_idle *batch; /* those being called */
	struct work *finished;   /* without a thread; their `done` is called by the next turn */
	uv_timer_t deliver;
};

struct loop_timer {
	uv_timer_t uv;
	loop_callback *call;
	void *data;
};

struct loop_fd {
	uv_poll_t uv;
	loop_callback *call, *writable;
	void *data;
};

struct loop_watch {
	uv_fs_event_t uv;
	loop_callback *call;
	void *data;
};

struct loop_signal {
	uv_signal_t uv;
	loop_callback *call;
	void *data;
};

struct loop_idle {
	struct loop *loop;
	struct loop_idle *next;
	struct loop_idle **link; /* what points at it; NULL: not armed */
	loop_callback *call;
	void *data;
};

struct work {
	uv_work_t uv;
	struct work *next;
	loop_callback *work;
	loop_callback *done;
	void *data;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_handle(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void close_walked(uv_handle_t *handle, void *data)
{
	(void)data;
	close_handle(handle);
}

static void on_keeper(uv_async_t *handle)
{
	(void)handle;
}

static void on_no_sleep(uv_idle_t *handle)
{
	(void)handle;
}

static void unlink_idle(struct loop_idle *idle)
{
	if (!idle->link)
		return;
	*idle->link = idle->next;
	if (idle->next)
		idle->next->link = idle->link;
	else if (idle->loop->armed_end == &idle->next)
		idle->loop->armed_end = idle->link;
	idle->link = NULL;
	idle->next = NULL;
}

static void on_before_sleep(uv_prepare_t *handle)
{
	struct loop *loop = (struct loop *)((char *)handle - offsetof(struct loop, before_sleep));

	uv_idle_stop(&loop->no_sleep);
	/* one that is armed by these calls has its turn in the next turn of the loop, so that descriptors and timers
	 * are not starved */
	loop->batch = loop->armed;
	if (loop->batch)
		loop->batch->link = &loop->batch;
	loop->armed = NULL;
	loop->armed_end = &loop->armed;
	while (loop->batch) {
		struct loop_idle *idle = loop->batch;

		unlink_idle(idle);
		idle->call(idle->data);
	}
	if (loop->armed)
		uv_idle_start(&loop->no_sleep, on_no_sleep);
	else
		uv_prepare_stop(&loop->before_sleep);
}

static void deliver_finished(struct loop *loop)
{
	while (loop->finished) {
		struct work *work = loop->finished;

		loop->finished = work->next;
		work->done(work->data);
		free(work);
	}
}

int loop_new(struct loop **out, struct orch_error *err)
{
	struct loop *loop = xcalloc(1, sizeof *loop);
	int rc = uv_loop_init(&loop->uv);

	if (rc == 0) {
		rc = uv_async_init(&loop->uv, &loop->keeper, on_keeper);
		if (rc != 0)
			uv_loop_close(&loop->uv);
	}
	if (rc != 0) {
		free(loop);
		return error_set(err, "cannot make the event loop: %s", uv_strerror(rc));
	}
	uv_prepare_init(&loop->uv, &loop->before_sleep);
	uv_idle_init(&loop->uv, &loop->no_sleep);
	uv_timer_init(&loop->uv, &loop->deliver);
	loop->armed_end = &loop->armed;
	*out = loop;
	return 0;
}

void loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	/* until nothing is open: work that is under way is waited for, and its callback may open something */
	do {
		deliver_finished(loop);
		uv_walk(&loop->uv, close_walked, NULL);
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	} while (loop->finished || uv_loop_close(&loop->uv) != 0);
	free(loop);
}

int64_t loop_now(const struct loop *loop)
{
	(void)loop;
	return clock_mono_ms();
}

static void on_timer(uv_timer_t *handle)
{
	struct loop_timer *timer = handle->data;

	timer->call(timer->data);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_callback *call, void *data)
{
	struct loop_timer *timer = xcalloc(1, sizeof *timer);

	timer->call = call;
	timer->data = data;
	uv_timer_init(&loop->uv, &timer->uv);
	timer->uv.data = timer;
	return timer;
}

void loop_timer_arm(struct loop_timer *timer, int64_t delay_ms)
{
	/* libuv counts from when the turn of the loop began, and a turn may have been long */
	uv_update_time(timer->uv.loop);
	uv_timer_start(&timer->uv, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

void loop_timer_arm_if_idle(struct loop_timer *timer, int64_t delay_ms)
{
	if (!uv_is_active((uv_handle_t *)&timer->uv))
		loop_timer_arm(timer, delay_ms);
}

void loop_timer_disarm(struct loop_timer *timer)
{
	uv_timer_stop(&timer->uv);
}

void loop_timer_free(struct loop_timer *timer)
{
	if (timer)
		close_handle(&timer->uv);
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
	struct loop_fd *watch = handle->data;

	/* an error too: the read will say which */
	(void)status;
	if ((events & UV_WRITABLE) && watch->writable)
		watch->writable(watch->data);
	/* the call before may have freed it */
	if (!uv_is_closing((uv_handle_t *)handle) && (events != UV_WRITABLE))
		watch->call(watch->data);
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, loop_callback *call, void *data)
{
	struct loop_fd *watch = xcalloc(1, sizeof *watch);
	int flags = fcntl(fd, F_GETFL);

	watch->call = call;
	watch->data = data;
	if (uv_poll_init(&loop->uv, &watch->uv, fd) != 0) {
		free(watch);
		return NULL;
	}
	watch->uv.data = watch;
	/* libuv makes it non-blocking, which whoever shares the open file, say our parent its terminal, would feel */
	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags);
	if (uv_poll_start(&watch->uv, UV_READABLE, on_ready) != 0) {
		close_handle(&watch->uv);
		return NULL;
	}
	return watch;
}

void loop_fd_on_writable(struct loop_fd *watch, loop_callback *call)
{
	watch->writable = call;
	/* it was started before, so this cannot fail */
	uv_poll_start(&watch->uv, call ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_ready);
}

void loop_fd_free(struct loop_fd *watch)
{
	if (watch)
		close_handle(&watch->uv);
}

static void on_change(uv_fs_event_t *handle, const char *name, int events, int status)
{
	struct loop_watch *watch = handle->data;

	(void)name, (void)events, (void)status;
	watch->call(watch->data);
}

struct loop_watch *loop_watch_new(struct loop *loop, const char *path, loop_callback *call, void *data)
{
	struct loop_watch *watch = xcalloc(1, sizeof *watch);

	watch->call = call;
	watch->data = data;
	uv_fs_event_init(&loop->uv, &watch->uv);
	watch->uv.data = watch;
	if (uv_fs_event_start(&watch->uv, on_change, path, 0) != 0) {
		close_handle(&watch->uv);
		return NULL;
	}
	return watch;
}

void loop_watch_free(struct loop_watch *watch)
{
	if (watch)
		close_handle(&watch->uv);
}

static void on_signal(uv_signal_t *handle, int signo)
{
	struct loop_signal *watch = handle->data;

	(void)signo;
	watch->call(watch->data);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_callback *call, void *data)
{
	struct loop_signal *watch = xcalloc(1, sizeof *watch);

	watch->call = call;
	watch->data = data;
	if (uv_signal_init(&loop->uv, &watch->uv) != 0) {
		free(watch);
		return NULL;
	}
	watch->uv.data = watch;
	if (uv_signal_start(&watch->uv, on_signal, signo) != 0) {
		close_handle(&watch->uv);
		return NULL;
	}
	return watch;
}

void loop_signal_free(struct loop_signal *watch)
{
	if (watch)
		close_handle(&watch->uv);
}

struct loop_idle *loop_idle_new(struct loop *loop, loop_callback *call, void *data)
{
	struct loop_idle *idle = xcalloc(1, sizeof *idle);

	idle->loop = loop;
	idle->call = call;
	idle->data = data;
	return idle;
}

void loop_idle_arm(struct loop_idle *idle)
{
	struct loop *loop = idle->loop;

	if (idle->link)
		return;
	idle->link = loop->armed_end;
	*idle->link = idle;
	loop->armed_end = &idle->next;
	uv_prepare_start(&loop->before_sleep, on_before_sleep);
}

void loop_idle_free(struct loop_idle *idle)
{
	if (!idle)
		return;
	unlink_idle(idle);
	free(idle);
}

static void on_work(uv_work_t *request)
{
	struct work *work = request->data;

	work->work(work->data);
}

static void on_work_done(uv_work_t *request, int status)
{
	struct work *work = request->data;

	(void)status; /* nothing is ever cancelled */
	work->done(work->data);
	free(work);
}

static void on_deliver(uv_timer_t *handle)
{
	deliver_finished((struct loop *)((char *)handle - offsetof(struct loop, deliver)));
}

static void *wait_for_gate(void *gate)
{
	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
	return NULL;
}

/* libuv starts all its threads at their first use, and ends the program if one of them cannot be: so it is tried here
 * first. Where processes are short, the work is done without */
static bool threads_can_start(void)
{
	enum { THREADS_OF_LIBUV = 4 };
	static bool started;
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_t threads[THREADS_OF_LIBUV];
	int count = 0;

	if (started)
		return true;
	pthread_mutex_lock(&gate);
	while (count < THREADS_OF_LIBUV && pthread_create(&threads[count], NULL, wait_for_gate, &gate) == 0)
		count++;
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	started = count == THREADS_OF_LIBUV;
	return started;
}

void loop_work(struct loop *loop, loop_callback *call, loop_callback *done, void *data)
{
	struct work *work = xcalloc(1, sizeof *work);

	work->work = call;
	work->done = done;
	work->data = data;
	work->uv.data = work;
	if (threads_can_start()) {
		uv_queue_work(&loop->uv, &work->uv, on_work, on_work_done);
		return;
	}
	call(data);
	work->next = loop->finished;
	loop->finished = work;
	uv_timer_start(&loop->deliver, on_deliver, 0, 0);
}
