/*
 * draft: a planning agent writes an Orchfile. The agent runs as a stream of an Orchfile of its own (.orch/draft), so
 * all that holds for attempts holds for it: its profile, limits, sessions, and that nothing of it is left when it is
 * ended. Its `check:` is `orch draft --check`, which takes the Orchfile out of the answer and reads it; what is wrong
 * with it is what the next attempt is told.
 */
#include "config.h"

#include "cli/cmd_plan.h"
#include "cli/draft.h"
#include "cli/find.h"
#include "cli/probe.h"
#include "cli/say.h"
#include "os/fs.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/template.h"
#include "util/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAFT_DIR ".orch/draft"
#define DRAFT_FILE DRAFT_DIR "/Orchfile"
#define PLANNER_FILE DRAFT_DIR "/planner.orch"
#define PROMPT_FILE DRAFT_DIR "/prompt.md"
#define ANSWER_FILE DRAFT_DIR "/answer.orch"
#define STREAM "orch-draft"

#define WORTH_IT 1.25 /* times as fast; less is not worth the cost of several agents */

enum { REQUEST_MAX = 1024 * 1024, ANSWER_MAX = 1024 * 1024, OVERLAPS_SHOWN = 5, CORRECTIONS = 3 };

struct draft_options {
	struct common common;
	const char *spec, *agent, *check;
	bool run;
};

#define FIELD(name) offsetof(struct draft_options, name)

static const struct opt draft_table[] = {
	{0, "spec", OPT_TEXT, FIELD(spec), .what = "FILE", .help = "the request is in FILE"},
	{0, "agent", OPT_TEXT, FIELD(agent), .what = "AGENT",
		.help = "who plans; default: the agent of the Orchfile here, else the first\nthat is installed"},
	{0, "run", OPT_FLAG, FIELD(run), .help = "run the Orchfile that was written"},
	{0, "check", OPT_TEXT, FIELD(check), .what = "FILE",
		.help = "ask no agent: FILE has an answer. Print what is wrong with the Orchfile\nin it; exit status 2 then"},
	CMD_COMMON_OPTIONS,
	{0},
};

static int write_file(const char *name, const char *text, size_t len)
{
	struct orch_error err;

	return fs_replace(AT_FDCWD, name, text, len, false, &err) < 0 ? say_error(&err) : EXIT_COMPLETE;
}

static bool is_declaration(const char *line)
{
	return strncmp(line, "agent ", 6) == 0 || strncmp(line, "recover ", 8) == 0;
}

/* The agents and rules of the Orchfile here, as it would write them: a planner of the project is one of them, and the
 * draft goes by them too. "" without an Orchfile; an exit status */
static int declarations(struct strbuf *out, struct orch *orch)
{
	char *dump = orch ? orch_dump(orch, false) : xstrdup("");
	bool taken = false;

	for (const char *line = dump, *end; *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		if (end > line && *line != '\t' && *line != ' ')
			taken = is_declaration(line);
		if (taken)
			strbuf_addf(out, "%.*s\n", (int)(end - line), line);
	}
	free(dump);
	return EXIT_COMPLETE;
}

/* the Orchfile here, with all agents; *out is NULL if there is none. The directory stays the current one */
static int open_here(struct orch **out)
{
	struct orch_open_options options = {.file = "Orchfile", .inspect = true, .agents = true};
	struct orch_error err;

	*out = NULL;
	if (!fs_exists("Orchfile"))
		return EXIT_COMPLETE;
	if (orch_open(out, &options, &err) == 0)
		return EXIT_COMPLETE;
	orch_close(*out);
	*out = NULL;
	return say_usage("%s; 'orch check' shows what is wrong", err.message);
}

/* --- the answer --- */

/* what the answer has, into ANSWER_FILE; and as it would stand here, into DRAFT_FILE. An exit status */
static int take_answer(const char *answer, size_t len, const char *agent)
{
	struct strbuf text = {0};
	struct orch *here = NULL;
	struct orch_error err;
	int status = open_here(&here);

	if (status == EXIT_COMPLETE && draft_extract(&text, answer, len, &err) < 0)
		status = say_error(&err);
	if (status == EXIT_COMPLETE)
		status = write_file(ANSWER_FILE, strbuf_cstr(&text), text.len);
	/* below it, so that the lines of the answer keep their numbers */
	if (agent)
		strbuf_addf(&text, "\ndefaults:\n\tagent = %s\n", agent);
	strbuf_addch(&text, '\n');
	if (status == EXIT_COMPLETE)
		status = declarations(&text, here);
	if (status == EXIT_COMPLETE)
		status = write_file(DRAFT_FILE, strbuf_cstr(&text), text.len);
	orch_close(here);
	strbuf_release(&text);
	return status;
}

static int check_answer(const struct draft_options *options)
{
	struct orch_open_options open = {.file = DRAFT_FILE};
	struct orch *orch = NULL;
	struct orch_error err;
	char *text = NULL;
	size_t len;
	int status;

	if (fs_read(options->check, ANSWER_MAX, &text, &len, &err) < 0)
		return say_usage("there is no answer: %s", err.message);
	status = fs_mkdirs(DRAFT_DIR, 0700, &err) < 0 ? say_error(&err) : take_answer(text, len, options->agent);
	free(text);
	if (status != EXIT_COMPLETE)
		return status;
	if (orch_open(&orch, &open, &err) < 0 && !orch)
		return say_error(&err);
	if (orch_error_count(orch) + orch_warning_count(orch))
		say_diagnostics(orch);
	if (orch_error_count(orch))
		status = say_usage("the answer's Orchfile has errors");
	else if (!orch_stream_count(orch))
		status = say_usage("there is no stream in the answer's Orchfile");
	orch_close(orch);
	return status;
}

/* --- who plans --- */

/* the first word of the first stream's `agent`; malloc'd, NULL: no stream has one */
static char *agent_of_streams(const struct orch *here)
{
	char *name = NULL;

	for (size_t i = 0; here && i < orch_stream_count(here) && !name; i++) {
		char *text = orch_stream_show_json(here, i);
		struct json_value *root = NULL;
		const char *value = NULL;

		if (json_read(&root, text, strlen(text), NULL) == 0)
			value = json_member_string(json_member(json_member(root, "settings"), "agent"), "value");
		if (value && *value)
			name = xstrndup(value, strcspn(value, " "));
		json_value_free(root);
		free(text);
	}
	return name;
}

/* the first agent whose program is in PATH; `shell` is none that plans. malloc'd, NULL: none */
static char *installed_agent(const struct orch *all)
{
	char *name = NULL;

	for (size_t i = 0; i < orch_agent_count(all) && !name; i++) {
		struct orch_agent agent;
		struct strvec words = {0};
		char *path;

		orch_agent_get(all, i, &agent);
		probe_words(agent.run, &words);
		path = words.count && strcmp(agent.name, "shell") != 0 ? fs_find_program(words.items[0]) : NULL;
		if (path)
			name = xstrdup(agent.name);
		free(path);
		strvec_release(&words);
		orch_agent_release(&agent);
	}
	return name;
}

static bool is_agent(const struct orch *all, const char *name)
{
	bool found = false;

	for (size_t i = 0; i < orch_agent_count(all) && !found; i++) {
		struct orch_agent agent;

		orch_agent_get(all, i, &agent);
		found = strcmp(agent.name, name) == 0;
		orch_agent_release(&agent);
	}
	return found;
}

/* `here` may be NULL; *name malloc'd; an exit status */
static int choose_agent(char **name, struct orch *here, const char *wanted)
{
	struct orch_open_options options = {.file = "/dev/null", .inspect = true, .agents = true};
	struct orch *all = here, *opened = NULL;
	struct orch_error err;
	int status = EXIT_COMPLETE;

	*name = NULL;
	if (!all && orch_open(&opened, &options, &err) < 0)
		status = say_error(&err);
	if (!all)
		all = opened;
	if (status == EXIT_COMPLETE) {
		*name = wanted ? xstrdup(wanted) : agent_of_streams(here);
		if (!*name)
			*name = installed_agent(all);
		if (!*name)
			status = say_usage(
				"no agent is installed that could plan; 'orch agents' lists those that are known");
		else if (!is_agent(all, *name))
			status = say_usage("no agent is named '%s'; 'orch agents' lists them", *name);
	}
	orch_close(opened);
	return status;
}

/* --- the planner's run --- */

static int write_planner(struct orch *here, const char *agent)
{
	struct strbuf text = {0}, self = {0}, escaped = {0};
	char *program = fs_self();
	int status = EXIT_COMPLETE;

	if (!program)
		status = say_usage("it is not known where this program is: it has to check what the agent answers");
	if (status == EXIT_COMPLETE)
		status = declarations(&text, here);
	if (status == EXIT_COMPLETE) {
		path_quote(&self, program);
		template_escape(&escaped, strbuf_cstr(&self), self.len);
		strbuf_addf(&text,
			STREAM
			" \"Draft an Orchfile\":\n"
			"\tagent = %s\n"
			"\tisolate = none\n"
			"\tdetach = no\n"
			"\tretries = %d\n"
			"\tbackoff = 0s 0s\n"
			"\tprompt = " PROMPT_FILE "\n"
			"\tcheck:\n"
			"\t\t%s draft --agent %s --check .orch/runs/{{run}}/attempts/{{stream}}.{{attempt}}.summary\n",
			agent, CORRECTIONS, strbuf_cstr(&escaped), agent);
		status = write_file(PLANNER_FILE, strbuf_cstr(&text), text.len);
	}
	free(program);
	strbuf_release(&text);
	strbuf_release(&self);
	strbuf_release(&escaped);
	return status;
}

/* `orch run` with these words, as if they had been typed; an exit status */
static int run_orchfile(const char *file, bool always)
{
	/* what is printed is for standard error: standard output is for the draft */
	char *argv[] = {"run", "-O", "none", "-f", (char *)(uintptr_t)file, always ? "-B" : NULL, NULL};
	void *options = xcalloc(1, cmd_run.size);
	struct operands operands = {.no_command = false};
	struct orch_error err;
	int status;

	if (cmd_run.defaults)
		memcpy(options, cmd_run.defaults, cmd_run.size);
	status = opt_parse(cmd_run.options, options, argv, &operands.words, &err) < 0 ? say_error(&err)
										      : cmd_run.run(options, &operands);
	strvec_release(&operands.words);
	opt_release(cmd_run.options, options);
	free(options);
	return status;
}

static int ask(const char *request, size_t len, struct orch *here, const char *agent)
{
	struct strbuf prompt = {0}, escaped = {0};
	struct orch_error err;
	int status;

	if (fs_mkdirs(DRAFT_DIR, 0700, &err) < 0)
		return say_error(&err);
	unlink(ANSWER_FILE);
	draft_prompt(&prompt, request, len);
	/* the file of a prompt is expanded, and nothing in this one is meant so */
	template_escape(&escaped, strbuf_cstr(&prompt), prompt.len);
	status = write_file(PROMPT_FILE, strbuf_cstr(&escaped), escaped.len);
	strbuf_release(&escaped);
	strbuf_release(&prompt);
	if (status == EXIT_COMPLETE)
		status = write_planner(here, agent);
	if (status == EXIT_COMPLETE) {
		say("'%s' is asked for a plan", agent);
		status = run_orchfile(PLANNER_FILE, true);
		if (status == EXIT_STREAM_FAILED)
			say("no Orchfile came of it; what was asked and what was answered last is in " DRAFT_DIR);
	}
	return status;
}

/* --- the plan --- */

static void add_phases(struct strbuf *out, const struct orch *orch, struct orch_plan *plan)
{
	size_t count;
	const uint32_t *order = orch_plan_order(plan, &count);

	for (unsigned phase = 0; phase < orch_plan_phase_count(plan); phase++) {
		const char *gap = " ";

		strbuf_addf(out, "  phase %u:", phase + 1);
		for (size_t i = 0; i < count; i++) {
			if (orch_plan_phase(plan, order[i]) != phase)
				continue;
			strbuf_addf(out, "%s%s", gap, orch_stream_name(orch, order[i]));
			gap = ", ";
		}
		strbuf_addch(out, '\n');
	}
}

static void add_times(struct strbuf *out, const struct orch *orch, struct orch_plan *plan)
{
	char serial_text[UNITS_TEXT_MAX], jobs_text[UNITS_TEXT_MAX];
	int64_t serial, at_jobs, critical;
	size_t known, length, count;
	const uint32_t *path;
	double speedup;

	(void)orch_plan_order(plan, &count);
	orch_plan_times(plan, &serial, &at_jobs, &critical, &known);
	speedup = at_jobs > 0 ? (double)serial / (double)at_jobs : 1;
	path = orch_plan_critical_path(plan, &length);
	strbuf_addstr(out, "  critical path:");
	for (size_t i = 0; i < length; i++)
		strbuf_addf(out, "%s%s", i ? " -> " : " ", orch_stream_name(orch, path[i]));
	strbuf_addch(out, '\n');
	if (known == count)
		strbuf_addf(out,
			"  expected time: %s instead of %s one after the other, %.1f times as fast (as estimated)\n",
			units_duration(jobs_text, at_jobs), units_duration(serial_text, serial), speedup);
	else
		strbuf_addf(out, "  expected: %.1f times as fast as one after the other, if all take the same time\n",
			speedup);
	if (count < 2)
		strbuf_addstr(out, "  not worth splitting: it is one piece of work\n");
	else if (speedup < WORTH_IT)
		strbuf_addf(
			out, "  not worth splitting: %zu streams are hardly faster than one, and cost more\n", count);
}

static void add_overlaps(struct strbuf *out, const struct orch *orch, struct orch_plan *plan)
{
	struct orch_overlap overlaps[OVERLAPS_SHOWN];
	bool complete;
	size_t count = orch_plan_overlaps(plan, overlaps, OVERLAPS_SHOWN, &complete);

	for (size_t i = 0; i < count; i++)
		strbuf_addf(out, "  %s (%s) and %s (%s) may run together and change the same files\n",
			orch_stream_name(orch, overlaps[i].first), overlaps[i].first_glob,
			orch_stream_name(orch, overlaps[i].second), overlaps[i].second_glob);
	if (!complete)
		strbuf_addstr(out, "  and more that do; 'project: overlap = serialize' keeps them apart\n");
	else if (count)
		strbuf_addstr(out, "  'project: overlap = serialize' keeps them apart\n");
}

/* what would happen, on standard error; an exit status */
static int show_plan(void)
{
	struct orch_open_options open = {.file = DRAFT_FILE};
	static const char *const everything[] = {"*", NULL};
	struct orch_plan_options options = {.targets = everything, .always = true};
	struct strbuf text = {0};
	struct orch *orch = NULL;
	struct orch_plan *plan = NULL;
	struct orch_error err;
	int status = EXIT_COMPLETE;
	size_t count;

	if (orch_open(&orch, &open, &err) < 0 || orch_plan_new(&plan, orch, &options, &err) < 0) {
		status = say_error(&err);
	} else {
		(void)orch_plan_order(plan, &count);
		strbuf_addstr(&text, "the plan: ");
		plan_add_count(&text, count, "stream");
		strbuf_addch(&text, '\n');
		add_phases(&text, orch, plan);
		add_times(&text, orch, plan);
		add_overlaps(&text, orch, plan);
		say_rendered(strbuf_detach(&text));
	}
	orch_plan_free(plan);
	orch_close(orch);
	return status;
}

/* --- what comes of it --- */

/* the answer in canonical form, with who works on it; malloc'd in *out; an exit status */
static int finished(char **out, const char *agent, bool alone)
{
	struct strbuf text = {0};
	struct orch_error err;
	char *answer = NULL;
	size_t len;
	int status = EXIT_COMPLETE;

	*out = NULL;
	if (fs_read(ANSWER_FILE, ANSWER_MAX, &answer, &len, &err) < 0)
		return say_error(&err);
	/* beside an Orchfile that has its own way to say it, streams are enough */
	if (alone)
		strbuf_addf(&text, "agent ?= %s\n\ndefaults:\n\tagent = {{agent}}\n\n", agent);
	strbuf_add(&text, answer, len);
	if (orch_format("draft", strbuf_cstr(&text), text.len, false, out, &err) < 0) {
		status = say_error(&err);
		free(*out);
		*out = NULL;
	}
	strbuf_release(&text);
	free(answer);
	return status;
}

static int write_orchfile(const char *text)
{
	int fd = open("Orchfile", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), error;

	if (fd < 0)
		return say_usage("cannot make 'Orchfile': %s", strerror(errno));
	error = fs_write_all(fd, text, strlen(text)) < 0 ? errno : 0;
	if (close(fd) < 0 && !error)
		error = errno;
	if (error) {
		unlink("Orchfile");
		return say_usage("cannot write 'Orchfile': %s", strerror(error));
	}
	return EXIT_COMPLETE;
}

static int deliver(const struct draft_options *options, const char *agent, bool alone)
{
	char *text;
	int status = finished(&text, agent, alone);

	if (status == EXIT_COMPLETE)
		status = show_plan();
	if (status == EXIT_COMPLETE && !alone) {
		say("there is an Orchfile already, which stays as it is: the draft goes to standard output");
		return say_text(text);
	}
	if (status == EXIT_COMPLETE)
		status = write_orchfile(text);
	free(text);
	if (status != EXIT_COMPLETE)
		return status;
	if (options->run)
		return run_orchfile("Orchfile", false);
	say("wrote 'Orchfile'. Look at it, then: 'orch -n' shows what would run, 'orch' runs it");
	return EXIT_COMPLETE;
}

/* what is asked for: the words, or the file; malloc'd */
static int read_request(const struct draft_options *options, const struct operands *operands, char **out, size_t *len)
{
	struct strbuf words = {0};
	struct orch_error err;

	if ((options->spec != NULL) == (operands->words.count > 0))
		return say_usage(options->spec ? "a request and --spec exclude each other"
					       : "what shall be done? orch draft \"REQUEST\", or --spec FILE");
	if (options->spec)
		return fs_read(options->spec, REQUEST_MAX, out, len, &err) < 0 ? say_error(&err) : EXIT_COMPLETE;
	for (size_t i = 0; i < operands->words.count; i++)
		strbuf_addf(&words, "%s%s", i ? " " : "", operands->words.items[i]);
	*len = words.len;
	*out = strbuf_detach(&words);
	return EXIT_COMPLETE;
}

static int draft_run(void *data, const struct operands *operands)
{
	struct draft_options *options = data;
	bool alone = !fs_exists("Orchfile");
	struct orch *here = NULL;
	char *request = NULL, *agent = NULL;
	size_t len = 0;
	int status;

	if (options->common.file)
		return say_usage(
			"a draft is written to 'Orchfile', or to standard output if there is one: -f has no use");
	if (options->check) {
		if (options->spec || options->run || operands->words.count)
			return say_usage("--check looks at an answer, and asks nobody");
		return check_answer(options);
	}
	if (options->run && !alone)
		return say_usage(
			"--run is for a draft that is written: there is an Orchfile already, which stays as it is");
	status = read_request(options, operands, &request, &len);
	if (status == EXIT_COMPLETE)
		status = open_here(&here);
	if (status == EXIT_COMPLETE)
		status = choose_agent(&agent, here, options->agent);
	if (status == EXIT_COMPLETE)
		status = ask(request, len, here, agent);
	orch_close(here);
	if (status == EXIT_COMPLETE)
		status = deliver(options, agent, alone);
	free(agent);
	free(request);
	return status;
}

const struct cmd cmd_draft = {
	.name = "draft",
	.operands = "[REQUEST]...",
	.summary = "Let a planning agent write the Orchfile",
	.about =
		"The agent is given the request, the names of the project's files, the language in short and the rules of a good\n"
		"plan. Its answer is read; what is wrong with it goes back to it, three times at most. The plan is shown: phases,\n"
		"critical path, expected gain, streams that would change the same files. 'Orchfile' is written if there is none,\n"
		"else the draft goes to standard output. Nothing runs without --run.\n",
	.group = CMD_WRITING,
	.options = draft_table,
	.size = sizeof(struct draft_options),
	.max = CMD_ANY,
	.run = draft_run,
};
