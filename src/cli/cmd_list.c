/* list, show, dump, check: what the Orchfile says. */
#include "config.h"

#include "cli/cmd_plan.h"
#include "cli/find.h"
#include "cli/say.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <string.h>

struct json_options {
	struct common common;
	bool json;
};

static const struct opt json_table[] = {
	{0, "json", OPT_FLAG, offsetof(struct json_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

/* --- list --- */

static const char *list_state(const struct orch *orch, const struct orch_plan *plan, size_t stream)
{
	if (orch_stream_is_group(orch, stream))
		return "group";
	if (orch_plan_action(plan, stream) == ORCH_PLAN_COMPLETE)
		return "complete";
	return orch_plan_completed_ms(plan, stream) ? "stale" : "never";
}

static enum term_style state_style(const char *state)
{
	if (strcmp(state, "complete") == 0)
		return TERM_GOOD;
	return strcmp(state, "stale") == 0 ? TERM_WARN : TERM_DIM;
}

/* "5/7" of its tasks; "": it has none */
static void add_tasks(struct strbuf *out, const struct orch_plan *plan, size_t stream)
{
	size_t ticked, tasks = orch_plan_tasks(plan, stream, &ticked);

	if (tasks)
		strbuf_addf(out, "%zu/%zu", ticked, tasks);
}

static void list_text(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan)
{
	const struct term *term = say_out();
	char time[UNITS_TEXT_MAX];
	struct strbuf progress = {0};
	unsigned width = 0, tasks = 0;

	for (size_t s = 0; s < orch_stream_count(orch); s++) {
		uint32_t id = (uint32_t)s;
		unsigned len = orch_plan_action(plan, s) == ORCH_PLAN_NOT_WANTED ? 0 : plan_name_width(orch, &id, 1);

		if (len > width)
			width = len;
		if (len > 0) {
			add_tasks(&progress, plan, s);
			tasks = progress.len > tasks ? (unsigned)progress.len : tasks;
			strbuf_truncate(&progress, 0);
		}
	}
	for (size_t s = 0; s < orch_stream_count(orch); s++) {
		const char *state, *title = orch_stream_title(orch, s);

		if (orch_plan_action(plan, s) == ORCH_PLAN_NOT_WANTED)
			continue;
		state = list_state(orch, plan, s);
		say_padded(out, orch_stream_name(orch, s), width);
		strbuf_addf(out, "  %s%-8s%s  %8s", term_style(term, state_style(state)), state,
			term_style(term, TERM_RESET),
			orch_plan_completed_ms(plan, s) ? units_duration(time, orch_plan_last_duration_ms(plan, s))
							: "-");
		if (tasks) {
			add_tasks(&progress, plan, s);
			strbuf_addstr(out, "  ");
			say_padded(out, strbuf_cstr(&progress), tasks);
			strbuf_truncate(&progress, 0);
		}
		strbuf_addf(out, "%s%s", title ? "  " : "", title ? title : "");
		while (out->data[out->len - 1] == ' ')
			strbuf_truncate(out, out->len - 1);
		strbuf_addch(out, '\n');
	}
	strbuf_release(&progress);
}

static void list_json(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan)
{
	struct json_writer w = {.out = out, .pretty = true};
	char time[UNITS_TEXT_MAX];
	size_t tasks, ticked;

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "project");
	json_add_string(&w, orch_name(orch));
	json_add_key(&w, "streams");
	json_begin_array(&w);
	for (size_t s = 0; s < orch_stream_count(orch); s++) {
		if (orch_plan_action(plan, s) == ORCH_PLAN_NOT_WANTED)
			continue;
		json_begin_object(&w);
		json_add_key(&w, "name");
		json_add_string(&w, orch_stream_name(orch, s));
		json_add_key(&w, "title");
		json_add_string(&w, orch_stream_title(orch, s));
		json_add_key(&w, "state");
		json_add_string(&w, list_state(orch, plan, s));
		if (orch_plan_completed_ms(plan, s)) {
			json_add_key(&w, "completed");
			json_add_string(&w, units_time_utc(time, orch_plan_completed_ms(plan, s)));
			json_add_key(&w, "duration_ms");
			json_add_int(&w, orch_plan_last_duration_ms(plan, s));
		}
		tasks = orch_plan_tasks(plan, s, &ticked);
		if (tasks) {
			json_add_key(&w, "ticked");
			json_add_int(&w, (int64_t)ticked);
			json_add_key(&w, "tasks");
			json_add_int(&w, (int64_t)tasks);
		}
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(out, '\n');
}

static int list_run(void *data, const struct operands *operands)
{
	struct json_options *options = data;
	struct orch_plan_options named = {.only = (const char *const *)operands->words.items};
	struct orch *orch = NULL;
	struct orch_plan *plan = NULL;
	struct strbuf out = {0};
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT | FIND_WARN);

	if (status == EXIT_COMPLETE)
		status = operands->words.count ? find_plan(&plan, orch, &named, operands)
					       : find_whole_plan(&plan, orch, 0);
	if (status == EXIT_COMPLETE) {
		if (options->json)
			list_json(&out, orch, plan);
		else if (plan)
			list_text(&out, orch, plan);
		status = say_output(&out);
	}
	orch_plan_free(plan);
	orch_close(orch);
	return status;
}

const struct cmd cmd_list = {
	.name = "list",
	.operands = "[TARGET | NAME=value]...",
	.summary = "The streams with state, last duration and title",
	.about =
		"States: complete; stale (it has completed, but would or may run again); never (it has not completed yet); group.\n",
	.group = CMD_LOOKING,
	.options = json_table,
	.size = sizeof(struct json_options),
	.max = CMD_ANY,
	.assigns = true,
	.run = list_run,
};

/* --- show --- */

static int show_run(void *data, const struct operands *operands)
{
	struct json_options *options = data;
	struct orch *orch = NULL;
	size_t stream = 0;
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT | FIND_WARN);

	if (status == EXIT_COMPLETE)
		status = find_stream(&stream, orch, operands->words.items[0]);
	if (status == EXIT_COMPLETE)
		status = say_text(options->json ? orch_stream_show_json(orch, stream) : orch_stream_show(orch, stream));
	orch_close(orch);
	return status;
}

const struct cmd cmd_show = {
	.name = "show",
	.operands = "STREAM",
	.summary = "One stream: every setting and where it comes from",
	.group = CMD_LOOKING,
	.options = json_table,
	.size = sizeof(struct json_options),
	.min = 1,
	.max = 1,
	.assigns = true,
	.run = show_run,
};

/* --- dump --- */

static int dump_run(void *data, const struct operands *operands)
{
	struct json_options *options = data;
	struct orch *orch = NULL;
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT | FIND_WARN);

	if (status == EXIT_COMPLETE)
		status = say_text(orch_dump(orch, options->json));
	orch_close(orch);
	return status;
}

const struct cmd cmd_dump = {
	.name = "dump",
	.operands = "[NAME=value]...",
	.summary = "Everything resolved: variables, loops, defaults, includes",
	.group = CMD_WRITING,
	.options = json_table,
	.size = sizeof(struct json_options),
	.assigns = true,
	.run = dump_run,
};

/* --- check --- */

static int check_run(void *data, const struct operands *operands)
{
	struct json_options *options = data;
	struct orch *orch = NULL;
	struct orch_open_options open = {
		.file = options->common.file, .assignments = (const char *const *)operands->assignments.items};
	struct orch_error err;
	struct strbuf out = {0};
	size_t errors, warnings;
	int status;

	if (orch_open(&orch, &open, &err) < 0 && !orch)
		return say_error(&err);
	errors = orch_error_count(orch);
	warnings = orch_warning_count(orch);
	if (options->json) {
		status = say_text(orch_diagnostics_json(orch));
	} else {
		if (errors + warnings)
			say_diagnostics(orch);
		strbuf_addf(&out, "%s: ", orch_file(orch));
		/* with errors not all streams may have been understood */
		if (!errors) {
			plan_add_count(&out, orch_stream_count(orch), "stream");
			strbuf_addstr(&out, ", no errors");
		} else {
			plan_add_count(&out, errors, "error");
		}
		if (warnings) {
			strbuf_addstr(&out, ", ");
			plan_add_count(&out, warnings, "warning");
		}
		strbuf_addch(&out, '\n');
		status = say_output(&out);
	}
	orch_close(orch);
	return errors && status == EXIT_COMPLETE ? EXIT_USAGE : status;
}

const struct cmd cmd_check = {
	.name = "check",
	.operands = "[NAME=value]...",
	.summary = "Errors and warnings of the Orchfile, all of them",
	.about = "Nothing is run. Exit status: 0 without errors, 2 with.\n",
	.group = CMD_WRITING,
	.options = json_table,
	.size = sizeof(struct json_options),
	.assigns = true,
	.run = check_run,
};
