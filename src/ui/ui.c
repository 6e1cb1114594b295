#include "config.h"

#include "ui/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "orch/history.h"
#include "os/fs.h"
#include "ui/ci.h"
#include "ui/live.h"
#include "ui/plain.h"
#include "ui/words.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

struct ui {
	struct orch_listener listener;
	struct orch_status status;
	struct term out, err;
	struct ci ci;
	enum output_mode mode;
	struct output *output;
	struct live *live; /* NULL: plain */
	struct plain plain;
	bool err_closed; /* nobody reads the lines any more */
};

static bool parse_name(const char *text, const char *const *names, int *value)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(text, names[i]) == 0) {
			*value = i;
			return true;
		}
	}
	return false;
}

bool ui_parse_progress(const char *text, enum ui_progress *progress)
{
	static const char *const names[] = {"auto", "live", "plain", "quiet", NULL};
	int value;

	if (!parse_name(text, names, &value))
		return false;
	*progress = (enum ui_progress)value;
	return true;
}

bool ui_parse_output(const char *text, int *output)
{
	static const char *const names[] = {"none", "stream", "line", NULL};

	return parse_name(text, names, output);
}

/* ---- events ---- */

static int put_lines(struct ui *ui, const struct strbuf *text, struct orch_error *err)
{
	if (ui->err_closed || text->len == 0)
		return 0;
	if (fs_write_all(ui->err.fd, text->data, text->len) == 0)
		return 0;
	ui->err_closed = true;
	return errno == EPIPE ? 0 : error_errno(err, "cannot write the progress of the run");
}

static int show(struct ui *ui, const struct orch_event *event, struct orch_error *err)
{
	struct strbuf text = {0};
	int result;

	if (ui->live != NULL) {
		live_event(ui->live, event);
		return 0;
	}
	plain_event(&ui->plain, &text, event, &ui->status);
	result = put_lines(ui, &text, err);
	strbuf_release(&text);
	return result;
}

static int print_output(struct ui *ui, const struct orch_event *event, struct orch_error *err)
{
	bool in_the_way = ui->live != NULL && ui->out.tty && output_would_print(ui->output, event);
	int result;

	if (in_the_way)
		live_pause(ui->live);
	result = output_event(ui->output, event, &ui->status, err);
	if (in_the_way)
		live_resume(ui->live);
	return result;
}

/* the words, the end of the log, the command that shows the rest */
static void add_failure(struct ui *ui, struct strbuf *out, const struct orch_stream_status *stream)
{
	struct strbuf title = {0}, message = {0};
	char *tail = NULL;

	strbuf_addf(&title, "orch: %s failed", stream->name);
	words_outcome(&message, stream, true);
	if (stream->log != NULL)
		tail = orch_log_tail(stream->log, UI_LOG_LINES);
	if (tail != NULL && *tail != '\0') {
		strbuf_addch(&message, '\n');
		term_clean(&message, tail, strlen(tail), true);
	}
	if (message.data[message.len - 1] != '\n')
		strbuf_addch(&message, '\n');
	words_logs_command(&message, stream->name);
	ci_annotate(&ui->ci, out, "error", strbuf_cstr(&title), strbuf_cstr(&message));
	free(tail);
	strbuf_release(&title);
	strbuf_release(&message);
}

static int write_summary(struct ui *ui, struct orch_error *err)
{
	struct strbuf text = {0};
	int fd, result = 0;

	if (ui->ci.summary == NULL || ui->status.stream_count == 0)
		return 0;
	fd = open(ui->ci.summary, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		return error_errno(err, "cannot open the summary file '%s' (GITHUB_STEP_SUMMARY)", ui->ci.summary);
	ci_summary(&text, &ui->status);
	if (fs_write_all(fd, strbuf_cstr(&text), text.len) != 0)
		result = error_errno(err, "cannot write the summary file '%s' (GITHUB_STEP_SUMMARY)", ui->ci.summary);
	if (close(fd) != 0 && result == 0)
		result = error_errno(err, "cannot write the summary file '%s' (GITHUB_STEP_SUMMARY)", ui->ci.summary);
	strbuf_release(&text);
	return result;
}

static int tell_ci(struct ui *ui, const struct orch_event *event, struct orch_error *err)
{
	struct strbuf text = {0};
	const struct orch_stream_status *stream;
	int result;

	if (ui->ci.service == CI_NONE)
		return 0;
	if (event->type == ORCH_EVENT_TASK && event->state == ORCH_TASK_FAILED) {
		if ((stream = orch_status_find(&ui->status, event->stream)) != NULL)
			add_failure(ui, &text, stream);
	} else if (event->type == ORCH_EVENT_WARNING && event->message != NULL) {
		ci_annotate(&ui->ci, &text, "warning", event->stream != NULL ? event->stream : "orch", event->message);
	} else if (event->type == ORCH_EVENT_RUN_FINISHED) {
		ci_command(&ui->ci, &text);
	}
	result = output_text(ui->output, strbuf_cstr(&text), text.len, err);
	strbuf_release(&text);
	if (event->type == ORCH_EVENT_RUN_FINISHED && write_summary(ui, result == 0 ? err : NULL) != 0)
		result = -1;
	return result;
}

/* each part gets the event whatever the others did; the first error is the one that is told */
static int on_event(void *data, const struct orch_event *event, struct orch_error *err)
{
	struct ui *ui = data;
	int result;

	orch_status_apply(&ui->status, event);
	result = print_output(ui, event, err);
	if (show(ui, event, result == 0 ? err : NULL) != 0)
		result = -1;
	if (tell_ci(ui, event, result == 0 ? err : NULL) != 0)
		result = -1;
	return result;
}

/* ---- the object ---- */

static bool can_be_live(const struct ui *ui, const struct ui_options *options)
{
	if (options->loop == NULL || !ui->err.tty || ui->err.dumb)
		return false;
	return options->progress == UI_PROGRESS_LIVE || (options->progress == UI_PROGRESS_AUTO && !ui->err.ci);
}

static enum output_mode choose_output(const struct ui *ui, const struct ui_options *options, bool is_live)
{
	if (options->output >= 0)
		return (enum output_mode)options->output;
	if ((is_live && ui->out.tty) || options->progress == UI_PROGRESS_QUIET || options->verbosity < 0)
		return OUTPUT_NONE;
	return OUTPUT_STREAM;
}

struct ui *ui_new(const struct ui_options *options)
{
	struct ui *ui = xcalloc(1, sizeof *ui);
	bool is_live;

	term_init(&ui->out, options->out_fd, options->color);
	term_init(&ui->err, options->err_fd, options->color);
	is_live = can_be_live(ui, options);
	orch_status_init(&ui->status);
	ci_init(&ui->ci, !is_live);
	ui->mode = choose_output(ui, options, is_live);
	ui->output = output_new(ui->mode, &ui->out, &ui->ci);
	/* asked for by nobody */
	if (options->output < 0 && options->verbosity <= 0)
		output_agents_in_short(ui->output);
	if (is_live)
		ui->live = live_new(&(struct live_options){
			.term = &ui->err,
			.loop = options->loop,
			.status = &ui->status,
			.log_lines = ui_shows_logs(ui) ? 0 : options->log_lines,
			.verbosity = options->verbosity,
			.now = options->now,
		});
	ui->plain = (struct plain){
		.term = &ui->err,
		.ci = &ui->ci,
		.log_lines = ui_shows_logs(ui) ? 0 : options->log_lines,
		.verbosity = options->progress == UI_PROGRESS_QUIET ? -1 : options->verbosity,
	};
	ui->listener = (struct orch_listener){.name = "ui", .notify = on_event, .data = ui};
	return ui;
}

const struct orch_listener *ui_listener(struct ui *ui)
{
	return &ui->listener;
}

const struct orch_status *ui_status(const struct ui *ui)
{
	return &ui->status;
}

const struct term *ui_term(const struct ui *ui)
{
	return &ui->err;
}

bool ui_is_live(const struct ui *ui)
{
	return ui->live != NULL;
}

bool ui_wants_output(const struct ui *ui)
{
	return ui->live != NULL || ui->mode == OUTPUT_LINE;
}

bool ui_shows_logs(const struct ui *ui)
{
	return ui->mode != OUTPUT_NONE;
}

void ui_message(struct ui *ui, const char *text)
{
	struct strbuf line = {0};

	term_clean(&line, text, strlen(text), ui->err.unicode);
	strbuf_addch(&line, '\n');
	if (ui->live != NULL)
		live_print(ui->live, strbuf_cstr(&line));
	else
		put_lines(ui, &line, NULL); /* there is no other place where this could be said */
	strbuf_release(&line);
}

void ui_pause(struct ui *ui)
{
	if (ui->live != NULL)
		live_pause(ui->live);
}

void ui_resume(struct ui *ui)
{
	if (ui->live != NULL)
		live_resume(ui->live);
}

void ui_clean(struct strbuf *out, const char *text, size_t len, void *data)
{
	const struct ui *ui = data;
	size_t from = out->len;

	term_clean(out, text, len, ui->err.unicode);
	ci_defuse(&ui->ci, out, from);
}

void ui_finish(struct ui *ui)
{
	if (ui->live != NULL)
		live_finish(ui->live);
}

void ui_free(struct ui *ui)
{
	if (ui == NULL)
		return;
	live_free(ui->live);
	output_free(ui->output);
	plain_release(&ui->plain);
	orch_status_release(&ui->status);
	free(ui);
}
