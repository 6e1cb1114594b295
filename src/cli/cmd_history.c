#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "orch/history.h"
#include "os/clock.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>
#include <time.h>

struct history_options {
	struct common common;
	bool json;
};

static const struct opt history_table[] = {
	{0, "json", OPT_FLAG, offsetof(struct history_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

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
	strbuf_addf(out, "  status %2lld  %8s  %8s  %6.1f  %9lld  %6lld  %7lld  %9lld\n", (long long)info->exit_code,
		units_duration(wall, info->duration_ms), units_duration(sum, info->sum_ms),
		info->duration_ms > 0 ? (double)info->sum_ms / (double)info->duration_ms : 1.0,
		(long long)info->completed, (long long)info->failed, (long long)info->skipped,
		(long long)info->cancelled);
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
		write_number(w, "completed", info->completed);
		write_number(w, "failed", info->failed);
		write_number(w, "skipped", info->skipped);
		write_number(w, "cancelled", info->cancelled);
	}
	json_end_object(w);
}

/* a run that cannot be read does not hide the others */
static int print_runs(struct orch_history *history, bool json)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};
	int status = EXIT_COMPLETE, printed;

	if (json) {
		json_begin_object(&w);
		write_number(&w, "v", 1);
		json_add_key(&w, "runs");
		json_begin_array(&w);
	} else if (orch_history_count(history)) {
		strbuf_addf(&out, "%-20s  %-19s  %9s  %8s  %8s  %6s  %9s  %6s  %7s  %9s\n", "RUN", "STARTED", "END",
			"WALL", "SUM", "SPEED", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED");
	} else {
		strbuf_addstr(&out, "Nothing has run here yet.\n");
	}
	for (size_t i = 0; i < orch_history_count(history); i++) {
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
		json_end_object(&w);
		strbuf_addch(&out, '\n');
	}
	printed = say_output(&out);
	return printed == EXIT_COMPLETE ? status : printed;
}

static int history_run(void *data, const struct operands *operands)
{
	struct history_options *options = data;
	struct orch_history *history;
	struct orch_error err;
	char *dir = NULL;
	int status = find_project(&dir, &options->common);

	(void)operands;
	if (status != EXIT_COMPLETE)
		return status;
	if (orch_history_open(&history, dir, &err) < 0) {
		status = say_error(&err);
	} else {
		status = print_runs(history, options->json);
		orch_history_close(history);
	}
	free(dir);
	return status;
}

const struct cmd cmd_history = {
	.name = "history",
	.operands = "",
	.summary = "Past runs, newest first: time, result, speedup",
	.group = CMD_LOOKING,
	.options = history_table,
	.size = sizeof(struct history_options),
	.run = history_run,
};
