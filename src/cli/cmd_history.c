#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "cli/trends.h"
#include "orch/history.h"
#include "os/clock.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/suggest.h"
#include "util/units.h"
#include "util/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct history_options {
	struct common common;
	int64_t last; /* 0: all */
	bool streams, json;
};

static const struct opt history_table[] = {
	{0, "streams", OPT_FLAG, offsetof(struct history_options, streams),
		.help = "each stream: median time, how often it failed or was tried again"},
	{0, "last", OPT_INT, offsetof(struct history_options, last), .what = "N", .help = "only of the last N runs",
		.min = 1, .max = INT32_MAX},
	{0, "json", OPT_FLAG, offsetof(struct history_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

enum { MESSAGE_COLUMNS = 60 };

static const char *run_state(const struct orch_run_info *info)
{
	return info->running ? "running" : info->crashed ? "crashed" : "finished";
}

/* in the time of the place */
static void add_local_time(struct strbuf *out, int64_t epoch_ms)
{
	time_t seconds = (time_t)(epoch_ms / 1000);
	struct tm parts;
	char text[32];

	if (epoch_ms <= 0 || !localtime_r(&seconds, &parts) ||
		!strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)) {
		strbuf_addf(out, "%-19s", "?");
		return;
	}
	strbuf_addstr(out, text);
}

static void add_row(struct strbuf *out, const struct orch_run_info *info)
{
	char wall[UNITS_TEXT_MAX], sum[UNITS_TEXT_MAX];

	strbuf_addf(out, "%-20s  ", info->id);
	add_local_time(out, info->started_ms);
	if (!info->finished_ms) {
		int64_t age = info->running && info->started_ms ? clock_wall_ms() - info->started_ms : 0;

		strbuf_addf(out, "  %9s  %8s\n", run_state(info), info->running ? units_duration(wall, age) : "-");
		return;
	}
	strbuf_addf(out, "  status %2lld  %8s  %8s  %6.1f  %9lld  %6lld  %7lld  %9lld", (long long)info->exit_code,
		units_duration(wall, info->duration_ms), units_duration(sum, info->sum_ms),
		info->duration_ms > 0 ? (double)info->sum_ms / (double)info->duration_ms : 1.0,
		(long long)info->completed, (long long)info->failed, (long long)info->skipped,
		(long long)info->cancelled);
	if (info->cost_micros >= 0)
		strbuf_addf(out, "  cost %s", units_cost(sum, info->cost_micros));
	strbuf_addch(out, '\n');
}

static void write_number(struct json_writer *w, const char *key, int64_t value)
{
	json_add_key(w, key);
	json_add_int(w, value);
}

static void write_time(struct json_writer *w, const char *key, int64_t value)
{
	char text[UNITS_TEXT_MAX];

	if (!value)
		return;
	json_add_key(w, key);
	json_add_string(w, units_time_utc(text, value));
}

static void write_run(struct json_writer *w, const struct orch_run_info *info)
{
	json_begin_object(w);
	json_add_key(w, "run");
	json_add_string(w, info->id);
	json_add_key(w, "state");
	json_add_string(w, run_state(info));
	write_time(w, "started", info->started_ms);
	write_time(w, "finished", info->finished_ms);
	write_number(w, "wanted", info->wanted);
	write_number(w, "stale", info->stale);
	if (info->finished_ms) {
		write_number(w, "exit_code", info->exit_code);
		write_number(w, "duration_ms", info->duration_ms);
		write_number(w, "sum_ms", info->sum_ms);
		if (info->cost_micros >= 0)
			write_number(w, "cost_micros", info->cost_micros);
		if (info->tokens >= 0)
			write_number(w, "tokens", info->tokens);
		write_number(w, "completed", info->completed);
		write_number(w, "failed", info->failed);
		write_number(w, "skipped", info->skipped);
		write_number(w, "cancelled", info->cancelled);
	}
	json_end_object(w);
}

static void write_accounts(struct json_writer *w, const struct orch_history *history)
{
	size_t count;
	const struct orch_account_status *accounts = orch_history_accounts(history, &count);

	if (!count)
		return;
	json_add_key(w, "accounts");
	json_begin_array(w);
	for (size_t i = 0; i < count; i++) {
		json_begin_object(w);
		json_add_key(w, "account");
		json_add_string(w, accounts[i].name);
		if (accounts[i].has_cost)
			write_number(w, "cost_micros", accounts[i].cost_micros);
		if (accounts[i].tokens > 0)
			write_number(w, "tokens", accounts[i].tokens);
		json_end_object(w);
	}
	json_end_array(w);
}

/* of the runs above, in all */
static void add_accounts(struct strbuf *out, const struct orch_history *history)
{
	size_t count;
	const struct orch_account_status *accounts = orch_history_accounts(history, &count);
	char text[UNITS_TEXT_MAX];

	for (size_t i = 0; i < count; i++) {
		if (!accounts[i].has_cost && accounts[i].tokens <= 0)
			continue;
		strbuf_addstr(out, "account ");
		term_line(out, accounts[i].name, strlen(accounts[i].name), MESSAGE_COLUMNS, say_out()->unicode);
		strbuf_addstr(out, ": ");
		if (accounts[i].has_cost)
			strbuf_addf(out, "cost %s", units_cost(text, accounts[i].cost_micros));
		if (accounts[i].tokens > 0)
			strbuf_addf(out, "%s%lld tokens", accounts[i].has_cost ? ", " : "",
				(long long)accounts[i].tokens);
		strbuf_addch(out, '\n');
	}
}

/* a run that cannot be read does not hide the others */
static int print_runs(struct orch_history *history, const struct history_options *options)
{
	size_t count = orch_history_count(history);
	bool json = options->json;
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};
	int status = EXIT_COMPLETE, printed;

	if (json) {
		json_begin_object(&w);
		write_number(&w, "v", 1);
		json_add_key(&w, "runs");
		json_begin_array(&w);
	} else if (count) {
		strbuf_addf(&out, "%-20s  %-19s  %9s  %8s  %8s  %6s  %9s  %6s  %7s  %9s\n", "RUN", "STARTED", "END",
			"WALL", "SUM", "SPEED", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED");
	} else {
		strbuf_addstr(&out, "Nothing has run here yet.\n");
	}
	for (size_t i = 0; i < count && (options->last == 0 || (int64_t)i < options->last); i++) {
		struct orch_run_info info;
		struct orch_error err;

		if (orch_history_run(history, i, &info, &err) < 0)
			status = say_error(&err);
		else if (json)
			write_run(&w, &info);
		else
			add_row(&out, &info);
	}
	if (json) {
		json_end_array(&w);
		write_accounts(&w, history);
		json_end_object(&w);
		strbuf_addch(&out, '\n');
	} else {
		add_accounts(&out, history);
	}
	printed = say_output(&out);
	return printed == EXIT_COMPLETE ? status : printed;
}

/* --- streams --- */

static void add_percent(struct strbuf *out, double part, unsigned width)
{
	char text[UNITS_TEXT_MAX];

	snprintf(text, sizeof text, "%.0f %%", 100 * part);
	strbuf_addf(out, "%*s", (int)width, text);
}

static const char *duration_or_dash(char text[UNITS_TEXT_MAX], int64_t ms)
{
	return ms < 0 ? "-" : units_duration(text, ms);
}

/* longest first: what is worth making faster */
static int compare_trends(const void *a, const void *b)
{
	const struct trend *const *left = a, *const *right = b;

	if ((*left)->median_ms != (*right)->median_ms)
		return (*left)->median_ms < (*right)->median_ms ? 1 : -1;
	return strcmp((*left)->stream, (*right)->stream);
}

static void add_trend_row(struct strbuf *out, const struct trend *trend, unsigned width)
{
	char median[UNITS_TEXT_MAX], last[UNITS_TEXT_MAX];

	say_padded(out, trend->stream, width);
	strbuf_addf(out, "  %5zu  ", trend->runs.count);
	add_percent(out, trend_failure_rate(trend), 6);
	strbuf_addf(out, "  ");
	add_percent(out, (double)trend->retried / (double)trend->runs.count, 7);
	strbuf_addf(out, "  %8s  %8s  ", duration_or_dash(median, trend->median_ms),
		duration_or_dash(last, trend->last_ms));
	if (trend->median_ms > 0)
		strbuf_addf(out, "%+5.0f %%",
			100.0 * (double)(trend->last_ms - trend->median_ms) / (double)trend->median_ms);
	else
		strbuf_addf(out, "%7s", "-");
	if (trend->cost_micros > 0)
		strbuf_addf(out, "  %8s", units_cost(median, trend->cost_micros / (int64_t)trend->runs.count));
	strbuf_addch(out, '\n');
}

static void write_trend(struct json_writer *w, const struct trend *trend)
{
	json_add_key(w, "stream");
	json_add_string(w, trend->stream);
	write_number(w, "count", (int64_t)trend->runs.count);
	write_number(w, "completed", (int64_t)trend->completed);
	write_number(w, "failed", (int64_t)trend->failed);
	write_number(w, "retried", (int64_t)trend->retried);
	json_add_key(w, "failure_rate");
	json_add_double(w, trend_failure_rate(trend));
	if (trend->completed) {
		write_number(w, "median_ms", trend->median_ms);
		write_number(w, "last_ms", trend->last_ms);
	}
	if (trend->cost_micros > 0)
		write_number(w, "cost_micros", trend->cost_micros);
}

static int print_trends(const struct trends *trends, bool json)
{
	const struct trend **order = xcalloc(trends->streams.count + 1, sizeof *order);
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};
	unsigned width = 6;
	bool has_cost = false;

	for (size_t i = 0; i < trends->streams.count; i++) {
		unsigned columns =
			utf8_text_width(trends->streams.items[i].stream, strlen(trends->streams.items[i].stream));

		order[i] = &trends->streams.items[i];
		width = columns > width ? columns : width;
		has_cost |= order[i]->cost_micros > 0;
	}
	qsort(order, trends->streams.count, sizeof *order, compare_trends);
	if (json) {
		json_begin_object(&w);
		write_number(&w, "v", 1);
		write_number(&w, "runs", (int64_t)trends->runs.count);
		json_add_key(&w, "streams");
		json_begin_array(&w);
	} else if (trends->streams.count) {
		say_padded(&out, "STREAM", width);
		strbuf_addf(
			&out, "  %5s  %6s  %7s  %8s  %8s  %7s%s\n", "RUNS", "FAILED", "RETRIED", "MEDIAN", "LAST", "BY",
			has_cost ? "      COST" : "");
	} else {
		strbuf_addstr(&out, "No stream has been run yet.\n");
	}
	for (size_t i = 0; i < trends->streams.count; i++) {
		if (!json) {
			add_trend_row(&out, order[i], width);
			continue;
		}
		json_begin_object(&w);
		write_trend(&w, order[i]);
		json_end_object(&w);
	}
	if (json) {
		json_end_array(&w);
		json_end_object(&w);
		strbuf_addch(&out, '\n');
	}
	free(order);
	return say_output(&out);
}

/* --- one stream --- */

static void write_stream_run(struct json_writer *w, const struct trends_source *source, const struct trend_run *run)
{
	json_begin_object(w);
	json_add_key(w, "run");
	json_add_string(w, source->id);
	write_time(w, "started", source->started_ms);
	json_add_key(w, "state");
	json_add_string(w, orch_task_state_name(run->state));
	if (run->outcome >= 0) {
		json_add_key(w, "outcome");
		json_add_string(w, orch_outcome_name((enum orch_outcome)run->outcome));
	}
	write_number(w, "attempts", run->attempts);
	write_number(w, "sum_ms", run->ms);
	if (run->cost_micros > 0)
		write_number(w, "cost_micros", run->cost_micros);
	if (run->state == ORCH_TASK_FAILED && run->message) {
		json_add_key(w, "message");
		json_add_string(w, run->message);
	}
	json_end_object(w);
}

static void add_stream_row(struct strbuf *out, const struct trends_source *source, const struct trend_run *run)
{
	char time[UNITS_TEXT_MAX];

	strbuf_addf(out, "%-20s  ", source->id);
	add_local_time(out, source->started_ms);
	strbuf_addf(out, "  %-9s  %8s  %8lld", orch_task_state_name(run->state), units_duration(time, run->ms),
		(long long)run->attempts);
	if (run->cost_micros > 0)
		strbuf_addf(out, "  cost %s", units_cost(time, run->cost_micros));
	if (run->state == ORCH_TASK_FAILED && run->message) {
		strbuf_addstr(out, "  ");
		term_line(out, run->message, strlen(run->message), MESSAGE_COLUMNS, say_out()->unicode);
	}
	strbuf_addch(out, '\n');
}

static void add_stream_sum(struct strbuf *out, const struct trend *trend)
{
	char time[UNITS_TEXT_MAX];

	strbuf_addf(out, "%s: %zu %s, %.0f %% failed, %.0f %% tried again", trend->stream, trend->runs.count,
		trend->runs.count == 1 ? "run" : "runs", 100 * trend_failure_rate(trend),
		100.0 * (double)trend->retried / (double)trend->runs.count);
	if (trend->completed)
		strbuf_addf(out, "; median time %s", units_duration(time, trend->median_ms));
	if (trend->cost_micros > 0)
		strbuf_addf(out, "; cost %s in all", units_cost(time, trend->cost_micros));
	strbuf_addch(out, '\n');
}

static int print_stream(const struct trends *trends, const struct trend *trend, bool json)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};

	if (json) {
		json_begin_object(&w);
		write_number(&w, "v", 1);
		write_trend(&w, trend);
		json_add_key(&w, "runs");
		json_begin_array(&w);
	} else {
		strbuf_addf(&out, "%-20s  %-19s  %-9s  %8s  %8s\n", "RUN", "STARTED", "STATE", "TIME", "ATTEMPTS");
	}
	for (size_t i = 0; i < trend->runs.count; i++) {
		const struct trend_run *run = &trend->runs.items[i];

		if (json)
			write_stream_run(&w, &trends->runs.items[run->run], run);
		else
			add_stream_row(&out, &trends->runs.items[run->run], run);
	}
	if (json) {
		json_end_array(&w);
		json_end_object(&w);
		strbuf_addch(&out, '\n');
	} else {
		add_stream_sum(&out, trend);
	}
	return say_output(&out);
}

/* all names again, for the nearest */
static int unknown_stream(struct orch_history *history, const struct history_options *options, const char *stream)
{
	struct suggest near = {.wanted = stream};
	struct trends all;
	int status;

	trends_read(&all, history, (size_t)options->last, NULL);
	for (size_t i = 0; i < all.streams.count; i++)
		suggest_offer(&near, all.streams.items[i].stream);
	if (near.best)
		status = say_usage("no run of '%s' is known; did you mean '%s'?", stream, near.best);
	else
		status = say_usage("no run of '%s' is known; 'orch history --streams' lists those that are", stream);
	trends_release(&all);
	return status;
}

static int print_of_streams(struct orch_history *history, const struct history_options *options, const char *stream)
{
	struct trends trends;
	int status = trends_read(&trends, history, (size_t)options->last, stream), printed;

	if (!stream)
		printed = print_trends(&trends, options->json);
	else if (trends_find(&trends, stream))
		printed = print_stream(&trends, trends_find(&trends, stream), options->json);
	else
		printed = unknown_stream(history, options, stream);
	trends_release(&trends);
	return printed == EXIT_COMPLETE ? status : printed;
}

static int history_run(void *data, const struct operands *operands)
{
	struct history_options *options = data;
	const char *stream = operands->words.count ? operands->words.items[0] : NULL;
	struct orch_history *history;
	struct orch_error err;
	char *dir = NULL;
	int status;

	if (stream && options->streams)
		return say_usage("--streams is about all of them: leave out '%s', or --streams", stream);
	status = find_project(&dir, &options->common);
	if (status != EXIT_COMPLETE)
		return status;
	if (orch_history_open(&history, dir, &err) < 0) {
		status = say_error(&err);
	} else {
		status = stream || options->streams ? print_of_streams(history, options, stream)
						    : print_runs(history, options);
		orch_history_close(history);
	}
	free(dir);
	return status;
}

const struct cmd cmd_history = {
	.name = "history",
	.operands = "[STREAM]",
	.summary = "Past runs, newest first: time, result, speedup; trends of streams",
	.about =
		"With a STREAM: the runs that it ended in, what became of it, and its median time. What a person stopped, and what was\n"
		"found unchanged, does not count.\n",
	.group = CMD_LOOKING,
	.options = history_table,
	.size = sizeof(struct history_options),
	.max = 1,
	.run = history_run,
};
