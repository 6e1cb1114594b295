#include "config.h"

#include "ui/watch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/loop.h"
#include "ui/watch_private.h"
#include "util/alloc.h"
#include "util/error.h"

enum {
	FRAME_MS = 100,
	TICK_MS = 1000,
};

/* ---- when to draw ---- */

static void arm(struct watch *watch, int64_t delay_ms)
{
	int64_t due;

	if (delay_ms < 0)
		delay_ms = 0;
	due = loop_now(watch->options.loop) + delay_ms;
	if (watch->due_ms != 0 && watch->due_ms <= due)
		return;
	watch->due_ms = due > 0 ? due : 1;
	loop_timer_arm(watch->timer, delay_ms);
}

void watch_wake(struct watch *watch)
{
	if (!watch->ended)
		arm(watch, watch->last_frame_ms + FRAME_MS - loop_now(watch->options.loop));
}

void watch_leave(struct watch *watch, int signo)
{
	if (watch->ended)
		return;
	watch->ended = true;
	watch->signal = signo;
	loop_stop(watch->options.loop);
}

static void on_log_grown(void *data)
{
	watch_wake(data);
}

/* the log of the stream that is picked, and to hear of it when it grows */
void watch_follow_log(struct watch *watch)
{
	const struct orch_stream_status *stream = board_stream(&watch->board);
	const char *path = stream != NULL ? stream->log : NULL;

	pager_open(watch->pager, path);
	if (path != NULL && watch->log_watched != NULL && strcmp(path, watch->log_watched) == 0)
		return;
	loop_watch_free(watch->log_watch);
	watch->log_watch = NULL;
	free(watch->log_watched);
	watch->log_watched = NULL;
	if (path == NULL)
		return;
	watch->log_watch = loop_watch_new(watch->options.loop, path, on_log_grown, watch);
	/* where it cannot be waited for the tick looks */
	if (watch->log_watch != NULL)
		watch->log_watched = xstrdup(path);
}

static void on_timer(void *data)
{
	struct watch *watch = data;

	watch->due_ms = 0;
	if (watch->run == WATCH_RUNNING && watch->options.tick != NULL)
		watch->options.tick(watch->options.data);
	if (watch->ended)
		return;
	watch_draw(watch);
	if (watch->run == WATCH_RUNNING)
		arm(watch, TICK_MS);
}

/* ---- signals ---- */

static void on_resize(void *data)
{
	struct watch *watch = data;

	canvas_resize(watch->canvas);
	watch_wake(watch);
}

static void on_suspend(void *data)
{
	struct watch *watch = data;

	canvas_leave(watch->canvas);
	kill(getpid(), SIGSTOP);
}

static void on_continue(void *data)
{
	struct watch *watch = data;

	canvas_enter(watch->canvas);
	watch_wake(watch);
}

static void on_interrupt(void *data)
{
	watch_leave(data, 0);
}

static void on_terminate(void *data)
{
	watch_leave(data, SIGTERM);
}

static void on_hangup(void *data)
{
	watch_leave(data, SIGHUP);
}

static void listen_to_signals(struct watch *watch)
{
	static const struct {
		int signo;
		loop_callback *call;
	} calls[] = {
		{SIGWINCH, on_resize},
		{SIGTSTP, on_suspend},
		{SIGCONT, on_continue},
		{SIGINT, on_interrupt},
		{SIGTERM, on_terminate},
		{SIGHUP, on_hangup},
	};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		watch->signals[i] = loop_signal_new(watch->options.loop, calls[i].signo, calls[i].call, watch);
}

/* ---- the object ---- */

void watch_changed(struct watch *watch, enum watch_run run)
{
	watch->run = run;
	if (run != WATCH_RUNNING && watch->mode == MODE_CONFIRM)
		watch->mode = MODE_NORMAL;
	watch_wake(watch);
}

void watch_restarted(struct watch *watch)
{
	watch_tails_release(&watch->tails);
	watch->board.has_picked = false;
	watch->board.picked = watch->board.top = 0;
	pager_open(watch->pager, NULL);
	watch_wake(watch);
}

void watch_say(struct watch *watch, bool bad, const char *text)
{
	strbuf_truncate(&watch->said, 0);
	strbuf_addstr(&watch->said, text);
	watch->said_bad = bad;
	watch_wake(watch);
}

int watch_signal(const struct watch *watch)
{
	return watch->signal;
}

int watch_new(struct watch **out, const struct watch_options *options, struct orch_error *err)
{
	struct watch *watch = xcalloc(1, sizeof *watch);

	*out = NULL;
	watch->options = *options;
	watch->board.status = options->status;
	watch->pager = pager_new();
	watch->timer = loop_timer_new(options->loop, on_timer, watch);
	watch->last_frame_ms = loop_now(options->loop) - FRAME_MS;
	listen_to_signals(watch);
	if (canvas_new(&watch->canvas, options->term, err) != 0) {
		watch_free(watch);
		return -1;
	}
	watch->keys = loop_fd_new(options->loop, STDIN_FILENO, watch_on_input, watch);
	if (watch->keys == NULL) {
		watch_free(watch);
		return error_set(err, "standard input cannot be waited for");
	}
	watch_wake(watch);
	*out = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->keys != NULL)
		loop_fd_free(watch->keys);
	loop_watch_free(watch->log_watch);
	loop_timer_free(watch->timer);
	for (size_t i = 0; i < sizeof watch->signals / sizeof *watch->signals; i++) {
		if (watch->signals[i] != NULL)
			loop_signal_free(watch->signals[i]);
	}
	canvas_free(watch->canvas);
	pager_free(watch->pager);
	board_release(&watch->board);
	watch_tails_release(&watch->tails);
	entry_release(&watch->typed);
	strbuf_release(&watch->said);
	free(watch->request_stream);
	free(watch->log_watched);
	free(watch);
}
