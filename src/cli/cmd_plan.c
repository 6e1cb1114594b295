/* plan, why, and -n of run. */
#include "config.h"

#include "cli/cmd_plan.h"

#include "cli/draw.h"
#include "cli/find.h"
#include "cli/say.h"
#include "os/fs.h"
#include "os/system.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/units.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_WIDTH_MAX = 40, PATH_SHOWN_MAX = 12 };

unsigned selection_jobs(const struct selection *selection)
{
	return selection->jobs == JOBS_PROCESSORS ? system_processors() : (unsigned)selection->jobs;
}

int selection_plan(struct orch_plan **out, struct orch *orch, const struct selection *selection,
	const struct operands *operands, const char *from)
{
	struct strvec what_if = {0};
	struct orch_plan_options options = {
		.targets = (const char *const *)operands->words.items,
		.only = (const char *const *)selection->only.items,
		.except = (const char *const *)selection->except.items,
		.always = selection->always,
		.jobs = selection_jobs(selection),
	};
	int status;

	for (size_t i = 0; i < selection->what_if.count; i++) {
		char *path = find_relative(orch, from, selection->what_if.items[i]);

		strvec_push(&what_if, path);
		free(path);
	}
	options.what_if = (const char *const *)what_if.items;
	status = find_plan(out, orch, &options, operands);
	strvec_release(&what_if);
	return status;
}

unsigned plan_name_width(const struct orch *orch, const uint32_t *streams, size_t count)
{
	size_t width = 0;

	for (size_t i = 0; i < count && width < NAME_WIDTH_MAX; i++) {
		size_t len = strlen(orch_stream_name(orch, streams[i]));

		if (len > width)
			width = len;
	}
	return width < NAME_WIDTH_MAX ? (unsigned)width : NAME_WIDTH_MAX;
}

const char *plan_action_word(enum orch_plan_action action)
{
	switch (action) {
	case ORCH_PLAN_RUN:
		return "run";
	case ORCH_PLAN_PERHAPS:
		return "perhaps";
	case ORCH_PLAN_COMPLETE:
		return "complete";
	case ORCH_PLAN_NOT_WANTED:
		break;
	}
	return "unwanted";
}

void plan_add_count(struct strbuf *out, size_t count, const char *noun)
{
	strbuf_addf(out, "%zu %s%s", count, noun, count == 1 ? "" : "s");
}

static const char *reason_of(struct orch_plan *plan, size_t stream)
{
	const char *reason = orch_plan_reason(plan, stream);

	return reason ? reason : "";
}

static const char *asks_of(struct orch_plan *plan, size_t stream)
{
	return orch_plan_asks(plan, stream) ? "; waits for 'orch approve'" : "";
}

static void add_asks(struct json_writer *w, struct orch_plan *plan, size_t stream)
{
	if (!orch_plan_asks(plan, stream))
		return;
	json_add_key(w, "asks");
	json_add_string(w, "approval");
}

/* --- -n --- */

/* what the stream would be given to do, indented */
static void add_script(struct strbuf *out, const struct orch *orch, size_t stream)
{
	char *shown = orch_stream_show_json(orch, stream);
	struct json_value *root = NULL;
	const char *text = NULL;

	if (json_read(&root, shown, strlen(shown), NULL) == 0) {
		text = json_member_string(root, "run");
		if (!text)
			text = json_member_string(root, "prompt");
	}
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		strbuf_addstr(out, len ? "    " : "");
		strbuf_add(out, text, len);
		strbuf_addch(out, '\n');
		text += len + (text[len] != '\0');
	}
	json_value_free(root);
	free(shown);
}

static void add_totals(struct strbuf *out, struct orch_plan *plan)
{
	size_t run = orch_plan_run_count(plan), perhaps = orch_plan_perhaps_count(plan),
	       on_failure = orch_plan_failure_count(plan), wanted = orch_plan_wanted(plan);

	plan_add_count(out, run, "stream");
	strbuf_addstr(out, " to run");
	if (perhaps)
		strbuf_addf(out, ", %zu perhaps (if what they depend on turns out different)", perhaps);
	if (on_failure)
		strbuf_addf(out, ", %zu only if something fails", on_failure);
	strbuf_addf(out, ", %zu complete\n", wanted - run - perhaps - on_failure);
}

static void dry_run_json(
	struct strbuf *out, struct orch *orch, struct orch_plan *plan, const uint32_t *order, size_t count)
{
	struct json_writer w = {.out = out, .pretty = true};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "wanted");
	json_add_int(&w, (int64_t)orch_plan_wanted(plan));
	json_add_key(&w, "run");
	json_add_int(&w, (int64_t)orch_plan_run_count(plan));
	json_add_key(&w, "perhaps");
	json_add_int(&w, (int64_t)orch_plan_perhaps_count(plan));
	json_add_key(&w, "on_failure");
	json_add_int(&w, (int64_t)orch_plan_failure_count(plan));
	json_add_key(&w, "streams");
	json_begin_array(&w);
	for (size_t i = 0; i < count; i++) {
		json_begin_object(&w);
		json_add_key(&w, "stream");
		json_add_string(&w, orch_stream_name(orch, order[i]));
		json_add_key(&w, "action");
		json_add_string(&w, plan_action_word(orch_plan_action(plan, order[i])));
		json_add_key(&w, "reason");
		json_add_string(&w, reason_of(plan, order[i]));
		add_asks(&w, plan, order[i]);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(out, '\n');
}

int plan_print_dry_run(struct orch *orch, struct orch_plan *plan, bool scripts, bool json)
{
	struct strbuf out = {0};
	size_t count;
	const uint32_t *order = orch_plan_order(plan, &count);
	unsigned width = plan_name_width(orch, order, count);

	if (json) {
		dry_run_json(&out, orch, plan, order, count);
		return say_output(&out);
	}
	for (size_t i = 0; i < count; i++) {
		bool perhaps = orch_plan_action(plan, order[i]) == ORCH_PLAN_PERHAPS;

		say_padded(&out, orch_stream_name(orch, order[i]), width);
		strbuf_addstr(&out, perhaps ? "  perhaps: " : "  ");
		strbuf_addstr(&out, reason_of(plan, order[i]));
		strbuf_addstr(&out, asks_of(plan, order[i]));
		strbuf_addch(&out, '\n');
		if (scripts)
			add_script(&out, orch, order[i]);
	}
	add_totals(&out, plan);
	return say_output(&out);
}

/* --- plan --- */

struct plan_options {
	struct common common;
	struct selection selection;
	int format;
	bool json;
};

enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_DOT, FORMAT_MERMAID };
static const char *const format_choices[] = {"text", "json", "dot", "mermaid", NULL};

static const struct opt plan_table[] = {
	{0, "format", OPT_CHOICE, offsetof(struct plan_options, format), .what = "FORM",
		.help = "text, json, dot (Graphviz) or mermaid", .choices = format_choices},
	{0, "json", OPT_FLAG, offsetof(struct plan_options, json), .help = "the same as --format=json"},
	SELECTION_OPTIONS(struct plan_options, selection),
	CMD_COMMON_OPTIONS,
	{0},
};

/* the streams to run by phase, within a phase in the order in which they would start: first[p]..first[p+1] of the
 * result; both malloc'd */
static uint32_t *by_phase(struct orch_plan *plan, const uint32_t *order, size_t count, size_t **first)
{
	unsigned phases = orch_plan_phase_count(plan);
	size_t *start = xcalloc((size_t)phases + 2, sizeof *start);
	uint32_t *sorted = xcalloc(count ? count : 1, sizeof *sorted);

	for (size_t i = 0; i < count; i++)
		start[orch_plan_phase(plan, order[i]) + 2]++;
	for (unsigned p = 2; p < phases + 2; p++)
		start[p] += start[p - 1];
	/* start[p + 1] moves from the first of phase p to the first of phase p + 1 */
	for (size_t i = 0; i < count; i++)
		sorted[start[orch_plan_phase(plan, order[i]) + 1]++] = order[i];
	*first = start;
	return sorted;
}

static double speedup(int64_t serial_ms, int64_t at_jobs_ms)
{
	return at_jobs_ms > 0 ? (double)serial_ms / (double)at_jobs_ms : 1;
}

static unsigned effective_jobs(const struct orch *orch, const struct selection *selection)
{
	unsigned jobs = selection_jobs(selection);

	if (!jobs)
		jobs = orch_project_jobs(orch);
	return jobs ? jobs : 4;
}

/* without groups, which take no time and are nobody's work; malloc'd */
static uint32_t *critical_work(const struct orch *orch, struct orch_plan *plan, size_t *count)
{
	size_t length;
	const uint32_t *path = orch_plan_critical_path(plan, &length);
	uint32_t *work = xcalloc(length + 1, sizeof *work);

	*count = 0;
	for (size_t i = 0; i < length; i++) {
		if (!orch_stream_is_group(orch, path[i]))
			work[(*count)++] = path[i];
	}
	return work;
}

/* critical_ms < 0: not known */
static void add_critical_path(struct strbuf *out, const struct orch *orch, struct orch_plan *plan, int64_t critical_ms)
{
	size_t count;
	uint32_t *path = critical_work(orch, plan, &count);
	char time[UNITS_TEXT_MAX];

	strbuf_addstr(out, "Critical path (");
	if (critical_ms < 0)
		plan_add_count(out, count, "stream");
	else
		strbuf_addstr(out, units_duration(time, critical_ms));
	strbuf_addstr(out, "): ");
	for (size_t i = 0; i < count; i++) {
		if (count > PATH_SHOWN_MAX && i == PATH_SHOWN_MAX / 2) {
			size_t left_out = count - PATH_SHOWN_MAX;

			strbuf_addf(out, " -> (%zu more)", left_out);
			i += left_out;
		}
		strbuf_addf(out, "%s%s", i ? " -> " : "", orch_stream_name(orch, path[i]));
	}
	strbuf_addch(out, '\n');
	free(path);
}

static void plan_text(struct strbuf *out, struct orch *orch, struct orch_plan *plan, unsigned jobs)
{
	char time[UNITS_TEXT_MAX];
	int64_t serial, at_jobs, critical;
	size_t count, known, *first;
	const uint32_t *order = orch_plan_order(plan, &count);
	unsigned width = plan_name_width(orch, order, count);
	uint32_t *sorted;
	const struct term *term = say_out();

	strbuf_addf(out, "%s: ", orch_name(orch));
	add_totals(out, plan);
	if (!count)
		return;
	orch_plan_times(plan, &serial, &at_jobs, &critical, &known);
	sorted = by_phase(plan, order, count, &first);
	for (unsigned p = 0; p < orch_plan_phase_count(plan); p++) {
		strbuf_addf(out, "\n%sPhase %u%s\n", term_style(term, TERM_BOLD), p + 1, term_style(term, TERM_RESET));
		for (size_t i = first[p]; i < first[p + 1]; i++) {
			bool perhaps = orch_plan_action(plan, sorted[i]) == ORCH_PLAN_PERHAPS;

			strbuf_addstr(out, "  ");
			say_padded(out, orch_stream_name(orch, sorted[i]), width);
			if (known)
				strbuf_addf(out, "  %8s", units_duration(time, orch_plan_expected_ms(plan, sorted[i])));
			strbuf_addf(out, "  %s%s%s\n", perhaps ? "perhaps: " : "", reason_of(plan, sorted[i]),
				asks_of(plan, sorted[i]));
		}
	}
	free(sorted);
	free(first);
	strbuf_addch(out, '\n');
	add_critical_path(out, orch, plan, known ? critical : -1);
	if (!known) {
		strbuf_addstr(out,
			"None of these has a recorded time yet; after a first run the expected time stands here.\n");
		return;
	}
	strbuf_addf(out, "Expected at -j%u: %s", jobs, units_duration(time, at_jobs));
	strbuf_addf(out, "; one at a time: %s; speedup %.1f\n", units_duration(time, serial), speedup(serial, at_jobs));
	if (known < count)
		strbuf_addf(out,
			"%zu of these %zu have a recorded or declared time; for the others the median of those is taken.\n",
			known, count);
}

static void add_planned(struct json_writer *w, struct orch *orch, struct orch_plan *plan, size_t stream)
{
	json_begin_object(w);
	json_add_key(w, "stream");
	json_add_string(w, orch_stream_name(orch, stream));
	json_add_key(w, "action");
	json_add_string(w, plan_action_word(orch_plan_action(plan, stream)));
	json_add_key(w, "reason");
	json_add_string(w, reason_of(plan, stream));
	add_asks(w, plan, stream);
	json_add_key(w, "expected_ms");
	json_add_int(w, orch_plan_expected_ms(plan, stream));
	json_end_object(w);
}

static void plan_json(struct strbuf *out, struct orch *orch, struct orch_plan *plan, unsigned jobs)
{
	struct json_writer w = {.out = out, .pretty = true};
	int64_t serial, at_jobs, critical;
	size_t count, known, *first, length;
	const uint32_t *order = orch_plan_order(plan, &count);
	uint32_t *sorted = by_phase(plan, order, count, &first), *path = critical_work(orch, plan, &length);
	struct {
		const char *name;
		int64_t value;
	} numbers[9];

	orch_plan_times(plan, &serial, &at_jobs, &critical, &known);
	numbers[0].name = "jobs", numbers[0].value = jobs;
	numbers[1].name = "wanted", numbers[1].value = (int64_t)orch_plan_wanted(plan);
	numbers[2].name = "run", numbers[2].value = (int64_t)orch_plan_run_count(plan);
	numbers[3].name = "perhaps", numbers[3].value = (int64_t)orch_plan_perhaps_count(plan);
	numbers[4].name = "on_failure", numbers[4].value = (int64_t)orch_plan_failure_count(plan);
	numbers[5].name = "known", numbers[5].value = (int64_t)known;
	numbers[6].name = "serial_ms", numbers[6].value = serial;
	numbers[7].name = "expected_ms", numbers[7].value = at_jobs;
	numbers[8].name = "critical_ms", numbers[8].value = critical;
	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "project");
	json_add_string(&w, orch_name(orch));
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		json_add_key(&w, numbers[i].name);
		json_add_int(&w, numbers[i].value);
	}
	json_add_key(&w, "speedup");
	json_add_double(&w, speedup(serial, at_jobs));
	json_add_key(&w, "critical_path");
	json_begin_array(&w);
	for (size_t i = 0; i < length; i++)
		json_add_string(&w, orch_stream_name(orch, path[i]));
	json_end_array(&w);
	json_add_key(&w, "phases");
	json_begin_array(&w);
	for (unsigned p = 0; p < orch_plan_phase_count(plan); p++) {
		json_begin_array(&w);
		for (size_t i = first[p]; i < first[p + 1]; i++)
			add_planned(&w, orch, plan, sorted[i]);
		json_end_array(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(out, '\n');
	free(path);
	free(sorted);
	free(first);
}

static int plan_run(void *data, const struct operands *operands)
{
	struct plan_options *options = data;
	struct orch *orch = NULL;
	struct orch_plan *plan = NULL;
	struct strbuf out = {0};
	char *from = fs_cwd();
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT | FIND_WARN);

	if (status == EXIT_COMPLETE)
		status = selection_plan(&plan, orch, &options->selection, operands, from ? from : ".");
	if (status == EXIT_COMPLETE) {
		unsigned jobs = effective_jobs(orch, &options->selection);

		if (options->json || options->format == FORMAT_JSON)
			plan_json(&out, orch, plan, jobs);
		else if (options->format == FORMAT_DOT)
			draw_dot(&out, orch, plan);
		else if (options->format == FORMAT_MERMAID)
			draw_mermaid(&out, orch, plan);
		else
			plan_text(&out, orch, plan, jobs);
		status = say_output(&out);
	}
	orch_plan_free(plan);
	orch_close(orch);
	free(from);
	return status;
}

const struct cmd cmd_plan = {
	.name = "plan",
	.operands = "[TARGET | NAME=value]...",
	.summary = "Phases, critical path, what is stale and why, expected time",
	.about =
		"Nothing is run or written. Times are those of past runs; a stream without one counts as the median of the others.\n"
		"In dot and mermaid, streams to run are marked apart from those that are complete.\n",
	.group = CMD_LOOKING,
	.options = plan_table,
	.size = sizeof(struct plan_options),
	.max = CMD_ANY,
	.assigns = true,
	.run = plan_run,
};

/* --- why --- */

struct why_options {
	struct common common;
	struct strvec what_if;
	bool json, always;
};

static const struct opt why_table[] = {
	{0, "json", OPT_FLAG, offsetof(struct why_options, json), .help = "as JSON"},
	{'B', "always-make", OPT_FLAG, offsetof(struct why_options, always), .help = "as for orch -B"},
	{'W', "what-if", OPT_LIST, offsetof(struct why_options, what_if), .what = "FILE",
		.help = "as if FILE had changed; may be repeated"},
	CMD_COMMON_OPTIONS,
	{0},
};

static int why_run(void *data, const struct operands *operands)
{
	struct why_options *options = data;
	struct orch *orch = NULL;
	struct orch_plan *plan = NULL;
	char *from = fs_cwd();
	size_t stream = 0;
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT | FIND_WARN);

	if (status == EXIT_COMPLETE)
		status = find_stream(&stream, orch, operands->words.items[0]);
	if (status == EXIT_COMPLETE) {
		/* lent to the selection, not given */
		struct selection selection = {.what_if = options->what_if, .always = options->always};

		status = selection_plan(&plan, orch, &selection, operands, from ? from : ".");
	}
	if (status == EXIT_COMPLETE)
		status = say_text(options->json ? orch_plan_why_json(plan, stream) : orch_plan_why(plan, stream));
	orch_plan_free(plan);
	orch_close(orch);
	free(from);
	return status;
}

const struct cmd cmd_why = {
	.name = "why",
	.operands = "STREAM",
	.summary = "Why a stream would run, or why not",
	.about =
		"Names the files, the lines of the recipe and the dependencies that differ from those of its last completion.\n",
	.group = CMD_LOOKING,
	.options = why_table,
	.size = sizeof(struct why_options),
	.min = 1,
	.max = 1,
	.assigns = true,
	.run = why_run,
};
