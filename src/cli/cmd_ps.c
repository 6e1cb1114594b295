/* ps: the runs of all projects of this user. */
#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "control/registry.h"
#include "orch/history.h"
#include "orch/run.h"
#include "os/clock.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdio.h>
#include <string.h>

struct ps_options {
	struct common common;
	bool json;
};

static const struct opt ps_table[] = {
	{0, "json", OPT_FLAG, offsetof(struct ps_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

/* a run that is under way, or attempts that go on without one */
struct row {
	const struct registry_entry *entry;
	struct orch_status status;
	bool running;
	size_t attempts; /* that go on without their orch */
};

/* 1: there is something to show; 0: it is over; -1: it cannot be read, which has been said */
static int look(struct row *row)
{
	struct orch_orphan *orphans;
	struct orch_error err;

	row->running = orch_history_running_pid(row->entry->dir) != 0;
	if (!row->running) {
		if (orch_orphans_find(&orphans, &row->attempts, row->entry->dir, &err) < 0) {
			say("%s: %s", row->entry->dir, err.message);
			return -1;
		}
		orch_orphans_free(orphans, row->attempts);
		if (!row->attempts)
			return 0;
	}
	if (orch_history_replay(row->entry->dir, row->entry->run, &row->status, NULL, &err) < 0) {
		say("%s: %s", row->entry->dir, err.message);
		return -1;
	}
	return 1;
}

static size_t ended(const struct orch_status *status)
{
	return status->count[ORCH_TASK_COMPLETED] + status->count[ORCH_TASK_FAILED] + status->count[ORCH_TASK_SKIPPED] +
		status->count[ORCH_TASK_CANCELLED];
}

static const char *state_of(const struct row *row)
{
	return !row->running ? "left" : row->status.stopping ? "stopping" : row->status.paused ? "paused" : "running";
}

static void add_text(struct strbuf *out, const struct row *row)
{
	const struct orch_status *status = &row->status;
	char time[UNITS_TEXT_MAX], done[64];
	int64_t age = clock_wall_ms() - status->started_ms;

	snprintf(done, sizeof done, "%zu/%zu", ended(status), status->stream_count);
	strbuf_addf(out, "%-8s  %8s  %11s  %7zu  %-18s  ", state_of(row), units_duration(time, age > 0 ? age : 0), done,
		row->running ? status->count[ORCH_TASK_RUNNING] : row->attempts, row->entry->run);
	term_line(out, row->entry->dir, strlen(row->entry->dir), 4096, say_out()->unicode);
	strbuf_addch(out, '\n');
}

static void add_number(struct json_writer *w, const char *key, int64_t value)
{
	json_add_key(w, key);
	json_add_int(w, value);
}

static void add_string(struct json_writer *w, const char *key, const char *value)
{
	json_add_key(w, key);
	json_add_string(w, value);
}

static void add_json(struct json_writer *w, const struct row *row)
{
	const struct orch_status *status = &row->status;
	char time[UNITS_TEXT_MAX];

	json_begin_object(w);
	add_string(w, "state", state_of(row));
	add_string(w, "dir", row->entry->dir);
	if (status->project)
		add_string(w, "project", status->project);
	add_string(w, "run", row->entry->run);
	if (row->running && status->pid > 0)
		add_number(w, "pid", status->pid);
	if (status->started_ms)
		add_string(w, "started", units_time_utc(time, status->started_ms));
	add_number(w, "streams", (int64_t)status->stream_count);
	add_number(w, "ended", (int64_t)ended(status));
	add_number(w, "failed", (int64_t)status->count[ORCH_TASK_FAILED]);
	add_number(w, "running", (int64_t)(row->running ? status->count[ORCH_TASK_RUNNING] : row->attempts));
	json_end_object(w);
}

static int ps_command(void *data, const struct operands *operands)
{
	const struct ps_options *options = data;
	struct registry_entry *entries;
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};
	size_t count, shown = 0;
	struct orch_error err;
	int status = EXIT_COMPLETE, printed;

	(void)operands;
	if (registry_list(&entries, &count, &err) < 0)
		return say_error(&err);
	if (options->json) {
		json_begin_object(&w);
		add_number(&w, "v", 1);
		json_add_key(&w, "runs");
		json_begin_array(&w);
	}
	for (size_t i = 0; i < count; i++) {
		struct row row = {.entry = &entries[i]};
		int found;

		orch_status_init(&row.status);
		found = look(&row);
		if (found < 0)
			status = EXIT_USAGE;
		else if (found == 0)
			registry_forget(row.entry);
		else if (options->json)
			add_json(&w, &row);
		else if (shown++ == 0)
			strbuf_addf(&out, "%-8s  %8s  %11s  %7s  %-18s  %s\n", "STATE", "TIME", "ENDED", "RUNNING", "RUN",
				"DIRECTORY");
		if (found > 0 && !options->json)
			add_text(&out, &row);
		orch_status_release(&row.status);
	}
	if (options->json) {
		json_end_array(&w);
		json_end_object(&w);
		strbuf_addch(&out, '\n');
	} else if (!shown) {
		strbuf_addstr(&out, "Nothing is running.\n");
	}
	registry_free(entries, count);
	printed = say_output(&out);
	return printed == EXIT_COMPLETE ? status : printed;
}

const struct cmd cmd_ps = {
	.name = "ps",
	.operands = "",
	.summary = "The runs of all your projects",
	.about =
		"Those under way, and attempts with 'detach = yes' that go on although their orch was killed ('left').\n",
	.group = CMD_LOOKING,
	.options = ps_table,
	.size = sizeof(struct ps_options),
	.run = ps_command,
};
