#include "config.h"

#include "cli/status_view.h"

#include "cli/say.h"
#include "os/clock.h"
#include "os/tty.h"
#include "ui/words.h"
#include "util/strbuf.h"
#include "util/units.h"
#include "util/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPS_SHOWN_MAX = 3, NAME_WIDTH_MAX = 40 };
/* where the note of a stream begins, without the name; its least and greatest width */
enum { NOTE_COLUMN = 28, NOTE_MIN = 20, NOTE_MAX = 400, PROGRESS_MAX = 20 };

/* dependencies that are not complete yet */
static void add_waits_for(struct status_view *view, struct strbuf *out, const struct orch_stream_status *stream)
{
	const struct orch *orch = status_orchfile(view);
	int64_t id = orch ? orch_stream_find(orch, stream->name) : ORCH_NO_STREAM;
	size_t waiting = 0;

	for (size_t d = 0; id != ORCH_NO_STREAM && d < orch_stream_dep_count(orch, (size_t)id); d++) {
		const char *name = orch_stream_name(orch, orch_stream_dep(orch, (size_t)id, d, NULL));
		const struct orch_stream_status *dep = orch_status_find(&view->status, name);

		if (!dep || dep->state == ORCH_TASK_COMPLETED)
			continue;
		if (waiting++ < DEPS_SHOWN_MAX)
			strbuf_addf(out, "%s%s", waiting == 1 ? "waits for " : ", ", name);
	}
	if (waiting > DEPS_SHOWN_MAX)
		strbuf_addf(out, " and %zu more", waiting - DEPS_SHOWN_MAX);
	if (!waiting)
		strbuf_addstr(out, id != ORCH_NO_STREAM ? "waits for a slot" : "waits for its turn");
}

static void add_last_line(struct strbuf *out, const struct orch_stream_status *stream)
{
	const char *noted = words_noted(stream);
	char *tail = stream->log && !noted ? orch_log_tail(stream->log, 1) : NULL;
	const char *line = noted ? noted : tail && *tail ? tail : stream->last_line;
	size_t len = line ? strlen(line) : 0;

	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (len) {
		if (out->len && out->data[out->len - 1] != ' ')
			strbuf_addstr(out, ": ");
		term_line(out, line, len, 200, say_out()->unicode);
	}
	free(tail);
}

static void add_clean(struct strbuf *out, const char *text)
{
	if (text)
		term_line(out, text, strlen(text), 400, say_out()->unicode);
}

/* the last column: what there is to know in this state */
static void add_note(struct status_view *view, struct strbuf *out, const struct orch_stream_status *stream)
{
	size_t before = out->len;

	switch (stream->state) {
	case ORCH_TASK_RUNNING:
		if (stream->phase && strcmp(stream->phase, "run") != 0)
			strbuf_addf(out, "(%s) ", stream->phase);
		add_last_line(out, stream);
		break;
	case ORCH_TASK_WAITING:
		if (view->running)
			add_waits_for(view, out, stream);
		else
			strbuf_addstr(out, "was never started");
		break;
	case ORCH_TASK_READY:
		strbuf_addstr(out, view->running ? "waits for a slot" : "was never started");
		break;
	case ORCH_TASK_BACKOFF:
		strbuf_addstr(out, "waits for its next attempt");
		if (stream->outcome > ORCH_OUTCOME_UNCHANGED) {
			strbuf_addstr(out, "; ");
			words_outcome(out, stream, say_out()->unicode);
		}
		break;
	case ORCH_TASK_FAILED:
		words_outcome(out, stream, say_out()->unicode);
		break;
	case ORCH_TASK_COMPLETED:
		if (stream->outcome == ORCH_OUTCOME_UNCHANGED)
			strbuf_addstr(out, "its dependencies' results are unchanged");
		break;
	case ORCH_TASK_HELD:
	case ORCH_TASK_SKIPPED:
	case ORCH_TASK_CANCELLED:
		add_clean(out, stream->reason);
		break;
	}
	/* a note of a run that crashed must not look like news */
	if (view->crashed && stream->state == ORCH_TASK_RUNNING) {
		strbuf_truncate(out, before);
		strbuf_addstr(out, words_left(stream->left));
		if (stream->left == ORCH_LEFT_RUNNING)
			add_last_line(out, stream);
	}
}

static int64_t time_of(const struct status_view *view, const struct orch_stream_status *stream)
{
	if (stream->state != ORCH_TASK_RUNNING)
		return stream->duration_ms;
	if (view->running || stream->left == ORCH_LEFT_RUNNING)
		return clock_wall_ms() - stream->started_ms;
	return view->status.last_ms - stream->started_ms;
}

static const char *state_color(enum orch_task_state state)
{
	static const enum term_style styles[ORCH_TASK_STATES] = {
		[ORCH_TASK_WAITING] = TERM_DIM,
		[ORCH_TASK_HELD] = TERM_WARN,
		[ORCH_TASK_READY] = TERM_DIM,
		[ORCH_TASK_RUNNING] = TERM_BOLD,
		[ORCH_TASK_BACKOFF] = TERM_WARN,
		[ORCH_TASK_COMPLETED] = TERM_GOOD,
		[ORCH_TASK_FAILED] = TERM_BAD,
		[ORCH_TASK_SKIPPED] = TERM_WARN,
		[ORCH_TASK_CANCELLED] = TERM_WARN,
	};

	return term_style(say_out(), styles[state]);
}

/* columns for the note, so that a line stays one on a terminal */
static unsigned note_columns(const struct status_view *view, unsigned name_width)
{
	unsigned columns, rows, before = NOTE_COLUMN + name_width + (view->progress ? view->progress + 2 : 0);

	if (!say_out()->tty)
		return NOTE_MAX;
	tty_size(STDOUT_FILENO, &columns, &rows);
	return columns > before + NOTE_MIN ? columns - before - 1 : NOTE_MIN;
}

static unsigned progress_columns(const struct orch_status *status)
{
	struct strbuf text = {0};
	unsigned width = 0;

	for (size_t i = 0; i < status->stream_count; i++) {
		strbuf_truncate(&text, 0);
		if (words_progress(&text, &status->streams[i], say_out()->unicode)) {
			unsigned columns = utf8_text_width(text.data, text.len);

			width = columns > width ? columns : width;
		}
	}
	strbuf_release(&text);
	return width < PROGRESS_MAX ? width : PROGRESS_MAX;
}

static void add_stream(
	struct status_view *view, struct strbuf *out, const struct orch_stream_status *stream, unsigned width)
{
	char time[UNITS_TEXT_MAX], attempt[32] = "";
	struct strbuf note = {0};
	size_t end;

	if (stream->attempt > 1)
		snprintf(attempt, sizeof attempt, "#%lld", (long long)stream->attempt);
	strbuf_addf(out, "%s%-9s%s  ", state_color(stream->state), orch_task_state_name(stream->state),
		term_style(say_out(), TERM_RESET));
	say_padded(out, stream->name, width);
	strbuf_addf(out, "  %8s  %3s  ", stream->attempt ? units_duration(time, time_of(view, stream)) : "-", attempt);
	if (view->progress) {
		struct strbuf progress = {0};

		words_progress(&progress, stream, say_out()->unicode);
		say_padded(out, strbuf_cstr(&progress), view->progress);
		strbuf_addstr(out, "  ");
		strbuf_release(&progress);
	}
	add_note(view, &note, stream);
	term_line(out, strbuf_cstr(&note), note.len, note_columns(view, width), say_out()->unicode);
	strbuf_release(&note);
	for (end = out->len; out->data[end - 1] == ' ';)
		end--;
	strbuf_truncate(out, end);
	strbuf_addch(out, '\n');
}

/* what matters most first */
static const enum orch_task_state shown_order[ORCH_TASK_STATES] = {
	ORCH_TASK_FAILED,
	ORCH_TASK_RUNNING,
	ORCH_TASK_BACKOFF,
	ORCH_TASK_HELD,
	ORCH_TASK_READY,
	ORCH_TASK_WAITING,
	ORCH_TASK_SKIPPED,
	ORCH_TASK_CANCELLED,
	ORCH_TASK_COMPLETED,
};

static void add_money(struct strbuf *out, bool has_cost, int64_t cost_micros, int64_t tokens)
{
	char cost[UNITS_TEXT_MAX];

	if (has_cost)
		strbuf_addf(out, "cost %s", units_cost(cost, cost_micros));
	if (tokens > 0)
		strbuf_addf(out, "%s%lld tokens", has_cost ? ", " : "", (long long)tokens);
}

/* of several accounts what each has cost; what is held, and until when */
static void add_accounts(const struct orch_status *status, struct strbuf *out)
{
	int64_t now = clock_wall_ms();
	char clock[UNITS_TEXT_MAX], left[UNITS_TEXT_MAX], budget[UNITS_TEXT_MAX];

	if (status->has_cost || status->tokens > 0) {
		strbuf_addstr(out, "All agents: ");
		add_money(out, status->has_cost, status->cost_micros, status->tokens);
		if (status->budget_micros > 0)
			strbuf_addf(out, "; the budget is %s", units_cost(budget, status->budget_micros));
		strbuf_addch(out, '\n');
	}
	for (size_t i = 0; i < status->account_count; i++) {
		const struct orch_account_status *account = &status->accounts[i];
		bool held = account->held && (!account->until_ms || account->until_ms > now);
		bool spent = account->has_cost || account->tokens > 0;

		if (!held && (!spent || status->account_count == 1))
			continue;
		strbuf_addstr(out, "Account ");
		add_clean(out, account->name);
		strbuf_addstr(out, ": ");
		if (status->account_count > 1)
			add_money(out, account->has_cost, account->cost_micros, account->tokens);
		if (held) {
			strbuf_addstr(out, spent && status->account_count > 1 ? "; " : "");
			if (account->until_ms)
				strbuf_addf(out,
					"held until %s (%s left): ", units_clock(clock, account->until_ms, now),
					units_duration(left, account->until_ms - now));
			else
				strbuf_addstr(out, "held until 'orch resume': ");
			add_clean(out, account->held);
		}
		strbuf_addch(out, '\n');
	}
}

static void add_head(const struct status_view *view, struct strbuf *out)
{
	const struct orch_status *status = &view->status;
	const struct term *term = say_out();
	char time[UNITS_TEXT_MAX];
	bool first = true;

	strbuf_addf(out, "%sRun %s%s of %s: ", term_style(term, TERM_BOLD), view->id, term_style(term, TERM_RESET),
		status->project ? status->project : "this project");
	if (view->running) {
		int64_t now = clock_wall_ms(), rest = orch_status_left_ms(status, now);

		strbuf_addf(out, "under way for %s, ", units_duration(time, now - status->started_ms));
		if (rest > 0)
			strbuf_addf(out, "about %s left, ", units_duration(time, rest));
		strbuf_addf(out, "process %lld\n", (long long)status->pid);
	} else if (view->crashed)
		strbuf_addf(out,
			"crashed: it wrote no end, its last event came %s after its start; 'orch' goes on from what was completed\n",
			units_duration(time, status->last_ms - status->started_ms));
	else
		strbuf_addf(out, "finished in %s, exit status %lld\n",
			units_duration(time, status->finished_ms - status->started_ms), (long long)status->exit_code);
	for (size_t i = 0; i < ORCH_TASK_STATES; i++) {
		enum orch_task_state state = shown_order[i];

		if (!status->count[state])
			continue;
		strbuf_addf(out, "%s%zu %s", first ? "" : ", ", status->count[state], orch_task_state_name(state));
		if (state == ORCH_TASK_COMPLETED && status->unchanged)
			strbuf_addf(out, " (%zu unchanged)", status->unchanged);
		first = false;
	}
	strbuf_addch(out, '\n');
	if (view->left_running)
		strbuf_addf(out, "%zu %s; 'orch' adopts, 'orch stop' ends %s\n", view->left_running,
			view->left_running == 1 ? "attempt goes on by itself" : "attempts go on by themselves",
			view->left_running == 1 ? "it" : "them");
	add_accounts(status, out);
	if (status->paused && !status->finished_ms)
		strbuf_addstr(out, "Paused: nothing new starts until 'orch resume'.\n");
	if (status->strained && !status->finished_ms) {
		strbuf_addf(out, "%lld of %lld slots are used for now: ", (long long)status->usable,
			(long long)status->jobs);
		add_clean(out, status->strained);
		strbuf_addch(out, '\n');
	}
	if (status->stopping && !status->finished_ms) {
		strbuf_addstr(out, "Nothing new starts: ");
		add_clean(out, status->stopping);
		strbuf_addch(out, '\n');
	}
}

void status_text(struct status_view *view, struct strbuf *out)
{
	const struct orch_status *status = &view->status;
	size_t width = 0;

	if (!view->id) {
		strbuf_addstr(out, "Nothing has run here yet.\n");
		return;
	}
	for (size_t i = 0; i < status->stream_count; i++) {
		size_t len = strlen(status->streams[i].name);

		width = len > width ? len : width;
	}
	width = width < NAME_WIDTH_MAX ? width : NAME_WIDTH_MAX;
	view->progress = progress_columns(status);
	add_head(view, out);
	if (status->stream_count)
		strbuf_addch(out, '\n');
	for (size_t s = 0; s < ORCH_TASK_STATES; s++) {
		for (size_t i = 0; status->count[shown_order[s]] && i < status->stream_count; i++) {
			if (status->streams[i].state == shown_order[s])
				add_stream(view, out, &status->streams[i], (unsigned)width);
		}
	}
	for (size_t i = 0; i < status->warning_count; i++) {
		strbuf_addstr(out, i ? "warning: " : "\nwarning: ");
		add_clean(out, status->warnings[i]);
		strbuf_addch(out, '\n');
	}
}

/* one stream, with all that is known */
void status_stream_text(struct status_view *view, struct strbuf *out, const struct orch_stream_status *stream)
{
	char time[UNITS_TEXT_MAX];

	strbuf_addf(out, "%s%s%s", term_style(say_out(), TERM_BOLD), stream->name, term_style(say_out(), TERM_RESET));
	if (stream->title) {
		strbuf_addstr(out, "  ");
		add_clean(out, stream->title);
	}
	strbuf_addf(out, "\n  state     %s%s%s", state_color(stream->state), orch_task_state_name(stream->state),
		term_style(say_out(), TERM_RESET));
	if (view->crashed)
		strbuf_addstr(out, " when the run crashed");
	strbuf_addf(out, "\n  run       %s (%s)\n", view->id, status_state_of_run(view));
	if (stream->attempt) {
		strbuf_addf(out, "  attempt   %lld, %s", (long long)stream->attempt,
			units_duration(time, time_of(view, stream)));
		if (stream->pid > 0)
			strbuf_addf(out, ", process %lld", (long long)stream->pid);
		if (stream->total_ms > stream->duration_ms)
			strbuf_addf(out, "; all attempts %s", units_duration(time, stream->total_ms));
		strbuf_addch(out, '\n');
	}
	if (stream->outcome >= 0 && stream->attempt) {
		strbuf_addstr(out, "  outcome   ");
		words_outcome(out, stream, say_out()->unicode);
		strbuf_addch(out, '\n');
	}
	if (stream->tasks > 0)
		strbuf_addf(
			out, "  tasks     %lld of %lld done\n", (long long)stream->ticked, (long long)stream->tasks);
	if (stream->total > 0 || stream->progress) {
		strbuf_addstr(out, "  progress  ");
		if (stream->progress)
			add_clean(out, stream->progress);
		else
			strbuf_addf(out, "%lld/%lld", (long long)stream->done, (long long)stream->total);
		strbuf_addch(out, '\n');
	}
	if (stream->note) {
		strbuf_addstr(out, "  note      ");
		add_clean(out, stream->note);
		strbuf_addch(out, '\n');
	}
	if (stream->agent) {
		strbuf_addstr(out, "  agent     ");
		add_clean(out, stream->agent);
		if (stream->cost_micros > 0 || stream->tokens > 0)
			strbuf_addstr(out, ", ");
		add_money(out, stream->cost_micros > 0, stream->cost_micros, stream->tokens);
		strbuf_addch(out, '\n');
	}
	if (stream->reason) {
		strbuf_addstr(out, "  reason    ");
		add_clean(out, stream->reason);
		strbuf_addch(out, '\n');
	}
	if (stream->state == ORCH_TASK_WAITING && view->running) {
		strbuf_addstr(out, "  waits     ");
		add_waits_for(view, out, stream);
		strbuf_addch(out, '\n');
	}
	if (stream->log) {
		size_t before;

		strbuf_addf(out, "  log       %s\n  last line ", stream->log);
		before = out->len;
		add_last_line(out, stream);
		if (out->len == before)
			strbuf_addstr(out, "(no output)");
		strbuf_addch(out, '\n');
	}
}
