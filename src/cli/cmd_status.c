#include "config.h"

#include "cli/cmd_plan.h"
#include "cli/find.h"
#include "cli/say.h"
#include "cli/status_view.h"
#include "orch/history.h"
#include "os/loop.h"
#include "os/tty.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/suggest.h"
#include "util/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATCH_DEFAULT_S = 2 };

static const struct opt status_table[] = {
	{0, "json", OPT_FLAG, offsetof(struct status_options, json), .help = "as JSON"},
	{0, "watch", OPT_INT, offsetof(struct status_options, watch), .what = "N",
		.help = "again every N seconds (2), until the run ends", .min = 1, .max = 86400, .value = OPT_OR_DIGITS,
		.bare = WATCH_DEFAULT_S},
	CMD_COMMON_OPTIONS,
	{0},
};

/* --- reading --- */

static int replay(struct status_view *view, const char *id, struct orch_error *err)
{
	if (!view->id || strcmp(view->id, id) != 0) {
		free(view->id);
		view->id = xstrdup(id);
		orch_status_release(&view->status);
		view->offset = 0;
	}
	return orch_history_replay(view->dir, view->id, &view->status, &view->offset, err);
}

static int refresh(struct status_view *view, struct orch_error *err)
{
	struct orch_history *history;
	struct orch_run_info info;
	int status = 0;

	if (orch_history_open(&history, view->dir, err) < 0)
		return -1;
	if (orch_history_count(history)) {
		status = orch_history_run(history, 0, &info, err);
		if (status == 0)
			status = replay(view, info.id, err);
		/* what was read last decides: the run may have ended in between */
		view->running = status == 0 && info.running && !view->status.finished_ms;
		view->crashed = status == 0 && info.crashed && !view->status.finished_ms;
		if (view->crashed)
			status = orch_history_left(view->dir, &view->status, &view->left_running, err);
		if (status == 0 && !view->running)
			status = orch_history_holds(view->dir, &view->status, err);
	}
	orch_history_close(history);
	return status;
}

const struct orch *status_orchfile(struct status_view *view)
{
	struct orch_open_options options = {
		.file = view->options->common.file ? strrchr(view->options->common.file, '/') : NULL, .inspect = true};

	if (view->looked_for_orch)
		return view->orch;
	view->looked_for_orch = true;
	/* the current directory is the project's */
	if (view->options->common.file)
		options.file = options.file ? options.file + 1 : view->options->common.file;
	if (orch_open(&view->orch, &options, NULL) < 0) {
		orch_close(view->orch);
		view->orch = NULL;
	}
	return view->orch;
}

const char *status_state_of_run(const struct status_view *view)
{
	return !view->id ? "none" : view->running ? "running" : view->crashed ? "crashed" : "finished";
}

/* --- JSON --- */

/* the picture of the run as the library writes it, with the state of the run as a whole around it */
static void status_json(struct status_view *view, struct strbuf *out)
{
	struct json_writer w = {.out = out};
	struct orch_status picture = view->status;
	char *text;

	if (view->stream && view->id) {
		const struct orch_stream_status *stream = orch_status_find(&view->status, view->stream);

		/* the same picture with this stream only; borrowed, so not released */
		picture.streams = (struct orch_stream_status *)stream;
		picture.stream_count = stream ? 1 : 0;
	}
	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "state");
	json_add_string(&w, status_state_of_run(view));
	if (view->id) {
		json_add_key(&w, "status");
		text = orch_status_json(&picture);
		strbuf_addstr(out, text);
		free(text);
	}
	json_end_object(&w);
	strbuf_addch(out, '\n');
}

/* --- the command --- */

/* a stream that took no part in the run */
static int absent(struct status_view *view, struct strbuf *out)
{
	const struct orch *orch = status_orchfile(view);
	struct suggest near = {.wanted = view->stream};

	if (orch && orch_stream_find(orch, view->stream) != ORCH_NO_STREAM) {
		strbuf_addf(out,
			"%s took no part in run %s: it was complete or not asked for ('orch why %s' says more)\n",
			view->stream, view->id, view->stream);
		return EXIT_COMPLETE;
	}
	for (size_t i = 0; i < view->status.stream_count; i++)
		suggest_offer(&near, view->status.streams[i].name);
	if (!near.best && orch)
		near.best = orch_stream_suggest(orch, view->stream);
	if (near.best)
		return say_usage("no stream is named '%s'; did you mean '%s'?", view->stream, near.best);
	return say_usage(
		"no stream is named '%s'; 'orch status' shows those of the last run, 'orch list' all", view->stream);
}

static int print(struct status_view *view, struct strbuf *out)
{
	const struct orch_stream_status *stream =
		view->stream && view->id ? orch_status_find(&view->status, view->stream) : NULL;

	if (view->options->json)
		status_json(view, out);
	else if (stream)
		status_stream_text(view, out, stream);
	else if (view->stream && view->id)
		return absent(view, out);
	else
		status_text(view, out);
	return EXIT_COMPLETE;
}

static int print_once(struct status_view *view)
{
	struct strbuf out = {0};
	struct orch_error err;
	int status;

	if (refresh(view, &err) < 0)
		return say_error(&err);
	status = print(view, &out);
	if (status == EXIT_COMPLETE)
		return say_output(&out);
	strbuf_release(&out);
	return status;
}

/* no more lines than there are on the screen, so that the first ones stay on it */
static void cut_to_screen(struct strbuf *out)
{
	unsigned columns, rows, lines = 0;

	tty_size(STDOUT_FILENO, &columns, &rows);
	for (size_t i = 0; i < out->len; i++) {
		if (out->data[i] == '\n' && ++lines + 1 >= rows) {
			strbuf_truncate(out, i + 1);
			return;
		}
	}
}

static void watch_tick(void *data)
{
	struct status_view *view = data;
	const struct term *term = say_out();
	bool on_screen = term->tty && !term->dumb && !view->options->json;
	struct strbuf out = {0}, screen = {0};
	struct orch_error err;

	if (refresh(view, &err) < 0)
		view->exit_status = say_error(&err);
	else
		view->exit_status = print(view, &out);
	if (on_screen) {
		if (view->running)
			cut_to_screen(&out);
		strbuf_addstr(&screen, "\033[H\033[2J");
	} else if (!view->options->json && view->running) {
		strbuf_addch(&out, '\n');
	}
	strbuf_add(&screen, strbuf_cstr(&out), out.len);
	strbuf_release(&out);
	if (view->exit_status == EXIT_COMPLETE)
		view->exit_status = say_output(&screen);
	else
		strbuf_release(&screen);
	if (view->exit_status != EXIT_COMPLETE || !view->running)
		loop_stop(view->loop);
	else
		loop_timer_arm(view->timer, view->options->watch * 1000);
}

static int watch(struct status_view *view)
{
	struct orch_error err;

	if (loop_new(&view->loop, &err) < 0)
		return say_error(&err);
	view->timer = loop_timer_new(view->loop, watch_tick, view);
	loop_timer_arm(view->timer, 0);
	loop_run(view->loop);
	loop_timer_free(view->timer);
	loop_free(view->loop);
	return view->exit_status;
}

static int status_run(void *data, const struct operands *operands)
{
	const struct status_options *options = data;
	struct status_view view = {
		.options = options, .stream = operands->words.count ? operands->words.items[0] : NULL};
	char *dir = NULL;
	int status = find_project(&dir, &options->common);

	if (status == EXIT_COMPLETE) {
		view.dir = dir;
		orch_status_init(&view.status);
		status = options->watch ? watch(&view) : print_once(&view);
		orch_status_release(&view.status);
	}
	orch_close(view.orch);
	free(view.id);
	free(dir);
	return status;
}

const struct cmd cmd_status = {
	.name = "status",
	.operands = "[STREAM]",
	.summary = "The run under way, or the last one: each stream's state",
	.about =
		"Works during a run and after it, and says when a run crashed. With a STREAM, all that is known of that one.\n",
	.group = CMD_LOOKING,
	.options = status_table,
	.size = sizeof(struct status_options),
	.max = 1,
	.run = status_run,
};
