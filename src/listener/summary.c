#include "config.h"

#include "listener/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "orch/history.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/units.h"

static const char *style(const char *code)
{
	return code != NULL ? code : "";
}

static void add_clean(struct strbuf *out, const char *text, size_t len, const struct summary_options *options)
{
	if (options->clean != NULL)
		options->clean(out, text, len, options->clean_data);
	else
		strbuf_add(out, text, len);
}

/* in one line, whatever is in it */
static void add_text(struct strbuf *out, const char *text, const struct summary_options *options)
{
	size_t from = out->len;

	add_clean(out, text, strlen(text), options);
	for (; from < out->len; from++)
		if (out->data[from] == '\n' || out->data[from] == '\t')
			out->data[from] = ' ';
}

static void add_streams(struct strbuf *out, size_t count)
{
	strbuf_addf(out, "%zu %s", count, count == 1 ? "stream" : "streams");
}

static void add_logs_command(struct strbuf *out, const char *stream)
{
	strbuf_addstr(out, "orch logs ");
	path_quote(out, stream);
}

static void add_counts(struct strbuf *out, const struct orch_status *status, const struct summary_options *options)
{
	const struct {
		size_t count;
		const char *what, *code;
	} parts[] = {
		{status->count[ORCH_TASK_COMPLETED] - status->unchanged, "completed", options->good},
		{status->unchanged, "unchanged", NULL},
		{status->count[ORCH_TASK_FAILED], "failed", options->bad},
		{status->count[ORCH_TASK_SKIPPED], "skipped", options->warn},
		{status->count[ORCH_TASK_CANCELLED], "cancelled", options->warn},
		{status->count[ORCH_TASK_HELD], "held", options->warn},
		{status->count[ORCH_TASK_WAITING] + status->count[ORCH_TASK_READY] + status->count[ORCH_TASK_RUNNING] +
				status->count[ORCH_TASK_BACKOFF],
			"unfinished", options->warn},
	};
	const char *separator = ": ";

	strbuf_addstr(out, style(options->bold));
	add_streams(out, status->stream_count);
	strbuf_addstr(out, style(options->reset));
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (parts[i].count == 0)
			continue;
		strbuf_addf(out, "%s%s%zu %s%s", separator, style(parts[i].code), parts[i].count, parts[i].what,
			parts[i].code != NULL ? style(options->reset) : "");
		separator = ", ";
	}
	strbuf_addch(out, '\n');
}

static void add_log(struct strbuf *out, const struct orch_stream_status *stream, const struct summary_options *options)
{
	char *tail = orch_log_tail(stream->log, options->log_lines), *line, *next;

	for (line = tail; line != NULL && *line != '\0'; line = next) {
		size_t len = strcspn(line, "\n"), from;
		next = line + len + (line[len] == '\n');
		/* what its program says to programs */
		if (stream->agent != NULL && *line == '{')
			continue;
		if (len > 0 && line[len - 1] == '\r')
			len--;
		strbuf_addstr(out, "      | ");
		from = out->len;
		add_clean(out, line, len, options);
		/* what the filter made of a line with carriage returns stays one line */
		for (; from < out->len; from++)
			if (out->data[from] == '\n')
				out->data[from] = ' ';
		strbuf_addch(out, '\n');
	}
	if (tail != NULL && *tail == '\0') {
		strbuf_addstr(out, "      without output\n");
	} else {
		strbuf_addstr(out, "      ");
		add_logs_command(out, stream->name);
		strbuf_addch(out, '\n');
	}
	free(tail);
}

static void add_failed(
	struct strbuf *out, const struct orch_stream_status *stream, const struct summary_options *options)
{
	char time[UNITS_TEXT_MAX];

	strbuf_addf(out, "  %sfailed%s   ", style(options->bad), style(options->reset));
	add_text(out, stream->name, options);
	strbuf_addstr(out, ": ");
	if (options->outcome != NULL)
		options->outcome(out, stream, options->unicode);
	else if (stream->outcome >= 0)
		strbuf_addstr(out, orch_outcome_name((enum orch_outcome)stream->outcome));
	else
		strbuf_addstr(out, "failed");
	if (stream->attempt > 1)
		strbuf_addf(out, ", after %lld attempts and %s", (long long)stream->attempt,
			units_duration(time, stream->total_ms > 0 ? stream->total_ms : 0));
	if (stream->tasks > 0)
		strbuf_addf(out, "; %lld/%lld tasks done", (long long)stream->ticked, (long long)stream->tasks);
	if (stream->log != NULL && options->log_lines == 0) {
		strbuf_addstr(out, " (");
		add_logs_command(out, stream->name);
		strbuf_addch(out, ')');
	}
	strbuf_addch(out, '\n');
	if (stream->log != NULL && options->log_lines > 0)
		add_log(out, stream, options);
}

static void add_all_failed(struct strbuf *out, const struct orch_status *status, const struct summary_options *options)
{
	size_t shown = 0;

	for (size_t i = 0; i < status->stream_count; i++) {
		if (status->streams[i].state != ORCH_TASK_FAILED)
			continue;
		if (shown++ == SUMMARY_FAILED)
			break;
		add_failed(out, &status->streams[i], options);
	}
	if (status->count[ORCH_TASK_FAILED] > SUMMARY_FAILED)
		strbuf_addf(
			out, "  and %zu more failed: orch status\n", status->count[ORCH_TASK_FAILED] - SUMMARY_FAILED);
}

/* those that did not come to run, in order of their state */
static void add_all_skipped(struct strbuf *out, const struct orch_status *status, const struct summary_options *options)
{
	static const struct {
		enum orch_task_state state;
		const char *word; /* as wide as "failed  " */
	} kinds[] = {
		{ORCH_TASK_SKIPPED, "skipped  "},
		{ORCH_TASK_CANCELLED, "cancelled"},
		{ORCH_TASK_HELD, "held     "},
	};
	size_t shown = 0, all = 0;

	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		all += status->count[kinds[k].state];
		for (size_t i = 0;
			i < status->stream_count && shown < SUMMARY_SKIPPED && status->count[kinds[k].state] > 0; i++) {
			const struct orch_stream_status *stream = &status->streams[i];
			if (stream->state != kinds[k].state)
				continue;
			strbuf_addf(out, "  %s%s%s ", style(options->warn), kinds[k].word, style(options->reset));
			add_text(out, stream->name, options);
			if (stream->reason != NULL) {
				strbuf_addstr(out, ": ");
				add_text(out, stream->reason, options);
			}
			strbuf_addch(out, '\n');
			shown++;
		}
	}
	if (all > shown)
		strbuf_addf(out, "  and %zu more: orch status\n", all - shown);
}

/* what each of several accounts has cost */
static void add_accounts(struct strbuf *out, const struct orch_status *status, const struct summary_options *options)
{
	const char *gap = "accounts: ";
	char text[UNITS_TEXT_MAX];
	size_t spent = 0;

	for (size_t i = 0; i < status->account_count; i++)
		spent += status->accounts[i].has_cost || status->accounts[i].tokens > 0;
	if (spent < 2)
		return;
	for (size_t i = 0; i < status->account_count; i++) {
		const struct orch_account_status *account = &status->accounts[i];

		if (!account->has_cost && account->tokens <= 0)
			continue;
		strbuf_addstr(out, gap);
		add_text(out, account->name, options);
		if (account->has_cost)
			strbuf_addf(out, " %s", units_cost(text, account->cost_micros));
		else
			strbuf_addf(out, " %" PRId64 " tokens", account->tokens);
		gap = ", ";
	}
	strbuf_addch(out, '\n');
}

static void add_times(struct strbuf *out, const struct orch_status *status, const struct summary_options *options)
{
	int64_t wall = (status->finished_ms > 0 ? status->finished_ms : status->last_ms) - status->started_ms;
	char wall_text[UNITS_TEXT_MAX], sum_text[UNITS_TEXT_MAX];
	int64_t attempts = 0;

	for (size_t i = 0; i < status->stream_count; i++)
		attempts += status->streams[i].attempt;
	if (wall < 0)
		wall = 0;
	strbuf_addf(out, "time %s", units_duration(wall_text, wall));
	if (attempts > 1) {
		strbuf_addf(out, ", streams %s", units_duration(sum_text, status->sum_ms));
		if (wall > 0)
			strbuf_addf(out, ", speedup %.1f", (double)status->sum_ms / (double)wall);
	}
	if (status->has_cost)
		strbuf_addf(out, ", cost %s", units_cost(sum_text, status->cost_micros));
	strbuf_addch(out, '\n');
	add_accounts(out, status, options);
}

/* what was typed, if it is short enough to be read and typed again: not the names of a thousand streams */
static char *words_to_run_again(const struct summary_options *options)
{
	const char *command = options->command != NULL ? options->command : "orch";

	return strlen(command) > SUMMARY_COMMAND ? xstrdup("run the same command again")
						 : xasprintf("run '%s' again", command);
}

/* the run has ended since nobody approved of these: how they are */
static bool add_approve(struct strbuf *out, const struct orch_status *status, const struct summary_options *options,
	const char *again)
{
	size_t count = 0;

	for (size_t i = 0; i < status->stream_count && count <= SUMMARY_NAMED; i++) {
		const struct orch_stream_status *stream = &status->streams[i];

		if (stream->state != ORCH_TASK_CANCELLED || stream->asks == NULL)
			continue;
		strbuf_addstr(out, count == 0 ? "next: 'orch approve" : "");
		if (count++ == SUMMARY_NAMED) {
			strbuf_addstr(out, " ...");
			continue;
		}
		strbuf_addch(out, ' ');
		add_text(out, stream->name, options);
	}
	if (count > 0)
		strbuf_addf(out, "', then %s\n", again);
	return count > 0;
}

static void add_next(struct strbuf *out, const struct orch_status *status, const struct summary_options *options)
{
	size_t failed = status->count[ORCH_TASK_FAILED];
	size_t left = status->count[ORCH_TASK_SKIPPED] + status->count[ORCH_TASK_CANCELLED] +
		status->count[ORCH_TASK_WAITING] + status->count[ORCH_TASK_READY] + status->count[ORCH_TASK_RUNNING] +
		status->count[ORCH_TASK_BACKOFF];
	char *holds = orch_status_holds(status, status->last_ms), *again;

	if (holds != NULL && failed + left > 0)
		strbuf_addf(out, "next: %s%s\n", holds, strstr(holds, "orch resume") ? "" : "; 'orch resume' ends that before");
	free(holds);
	if (status->count[ORCH_TASK_HELD] > 0)
		strbuf_addstr(out, "next: 'orch status' says what the held streams wait for\n");
	if (failed == 0 && left == 0)
		return;
	again = words_to_run_again(options);
	if (failed > 0)
		strbuf_addf(out, "next: mend what failed, then %s; what completed is not repeated\n", again);
	else if (add_approve(out, status, options, again))
		; /* that says it too */
	else if (status->stopping != NULL || status->count[ORCH_TASK_SKIPPED] < left)
		strbuf_addf(out, "next: %s to continue with what is left\n", again);
	free(again);
}

void summary_write(struct strbuf *out, const struct orch_status *status, const struct summary_options *options)
{
	size_t good = status->count[ORCH_TASK_COMPLETED];

	if (good == status->stream_count && good == status->unchanged && status->stopping == NULL) {
		summary_nothing(out, status->wanted > (int64_t)good ? (size_t)status->wanted : good);
		return;
	}
	add_all_failed(out, status, options);
	add_all_skipped(out, status, options);
	if (status->stopping != NULL) {
		strbuf_addstr(out, "  stopped: ");
		add_text(out, status->stopping, options);
		strbuf_addch(out, '\n');
	}
	add_counts(out, status, options);
	add_times(out, status, options);
	add_next(out, status, options);
}

void summary_nothing(struct strbuf *out, size_t complete)
{
	if (complete == 0)
		strbuf_addstr(out, "nothing to do: no stream was asked for\n");
	else
		strbuf_addf(
			out, "nothing to do: %zu %s complete\n", complete, complete == 1 ? "stream is" : "streams are");
}
