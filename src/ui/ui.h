/*
 * What a person sees of a run while it goes on: chooses the live view or plain lines, prints the output of streams,
 * tells the CI service. Its listener is not required: if its output fails, the run goes on.
 */
#ifndef UI_UI_H
#define UI_UI_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/event.h"
#include "orch/status.h"
#include "ui/output.h"
#include "ui/term.h"

struct loop;
struct strbuf;
struct ui;

enum ui_progress { UI_PROGRESS_AUTO, UI_PROGRESS_LIVE, UI_PROGRESS_PLAIN, UI_PROGRESS_QUIET };
enum { UI_LOG_LINES = 10 };

struct ui_options {
	enum ui_progress progress; /* AUTO: live on a terminal that can, without CI; LIVE where it cannot is PLAIN */
	enum term_color color;
	int output; /* enum output_mode; -1: NONE under the live view if both go to terminals, or quiet; else STREAM */
	int verbosity;        /* -1: failures and warnings only; 1: more */
	unsigned log_lines;   /* shown of a failed stream's log, where it is not printed anyway */
	struct loop *loop;    /* borrowed; NULL: never live */
	int out_fd, err_fd;   /* output of streams and marks for CI; the view */
	int64_t (*now)(void); /* see live.h */
};

#define UI_OPTIONS_INIT \
	{ \
		.output = -1, .log_lines = UI_LOG_LINES, .out_fd = 1, .err_fd = 2 \
	}

/* SIGPIPE must be ignored by the program */
struct ui *ui_new(const struct ui_options *options);
/* false if `text` is not one of: auto live plain quiet; none stream line */
bool ui_parse_progress(const char *text, enum ui_progress *progress);
bool ui_parse_output(const char *text, int *output);

const struct orch_listener *ui_listener(struct ui *ui);
/* the run so far */
const struct orch_status *ui_status(const struct ui *ui);
/* what goes to err_fd may look like that; e.g. for the summary */
const struct term *ui_term(const struct ui *ui);
bool ui_is_live(const struct ui *ui);
/* ORCH_EVENT_OUTPUT is wanted: orch_run_options.follow_output */
bool ui_wants_output(const struct ui *ui);
/* are failed streams' logs on the screen already, so that a summary need not show them again? */
bool ui_shows_logs(const struct ui *ui);
/* a line of the program's own, without newline, on err_fd above the view */
void ui_message(struct ui *ui, const char *text);
/* for printing by other means: takes the view away, puts it back */
void ui_pause(struct ui *ui);
void ui_resume(struct ui *ui);
/* foreign text made fit for err_fd (see term_clean), also against commands of the CI service */
void ui_clean(struct strbuf *out, const char *text, size_t len, void *ui);
/* the terminal is as it was; nothing is drawn any more. Before the summary is printed */
void ui_finish(struct ui *ui);
void ui_free(struct ui *ui);

#endif
