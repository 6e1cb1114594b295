/* agents: the profiles, which of them are installed, and whether their programs still know the flags. */
#include "config.h"

#include "cli/cmd.h"
#include "cli/find.h"
#include "cli/probe.h"
#include "cli/say.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

struct agents_options {
	struct common common;
	bool json, probe;
};

static const struct opt agents_table[] = {
	{0, "probe", OPT_FLAG, offsetof(struct agents_options, probe),
		.help = "ask each program for its flags, and name those of the profile that it does not know"},
	{0, "json", OPT_FLAG, offsetof(struct agents_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

struct listed {
	struct orch_agent agent;
	struct probe_result found;
};

static size_t widest(const struct listed *list, size_t count, bool program)
{
	size_t most = 0;

	for (size_t i = 0; i < count; i++) {
		const char *text = program ? list[i].found.program : list[i].agent.name;

		if (text && strlen(text) > most)
			most = strlen(text);
	}
	return most;
}

static void add_flags(struct strbuf *out, const char *command, const struct strvec *unknown)
{
	if (!unknown->count)
		return;
	strbuf_addf(out, "    %s: its --help does not mention", command);
	for (size_t i = 0; i < unknown->count; i++)
		strbuf_addf(out, "%s %s", i ? "," : "", unknown->items[i]);
	strbuf_addch(out, '\n');
}

static void agents_text(struct strbuf *out, const struct listed *list, size_t count)
{
	const struct term *term = say_out();
	unsigned name_width = (unsigned)widest(list, count, false), program_width = (unsigned)widest(list, count, true);

	for (size_t i = 0; i < count; i++) {
		const struct probe_result *found = &list[i].found;

		say_padded(out, list[i].agent.name, name_width);
		strbuf_addstr(out, "  ");
		say_padded(out, found->program ? found->program : "-", program_width);
		if (!found->path)
			strbuf_addf(
				out, "  %snot installed%s", term_style(term, TERM_DIM), term_style(term, TERM_RESET));
		else
			strbuf_addf(out, "  %s%s%s", term_style(term, found->problem ? TERM_WARN : TERM_GOOD),
				found->version ? found->version : "installed", term_style(term, TERM_RESET));
		if (list[i].agent.origin)
			strbuf_addf(out, "  (%s)", list[i].agent.origin);
		strbuf_addch(out, '\n');
		if (found->problem)
			strbuf_addf(out, "    %s\n", found->problem);
		add_flags(out, "run", &found->unknown_run);
		add_flags(out, "resume", &found->unknown_resume);
	}
}

static void json_flags(struct json_writer *w, const char *key, const struct strvec *unknown)
{
	json_add_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < unknown->count; i++)
		json_add_string(w, unknown->items[i]);
	json_end_array(w);
}

static void agents_json(struct strbuf *out, const struct listed *list, size_t count, bool probed)
{
	struct json_writer w = {.out = out, .pretty = true};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "agents");
	json_begin_array(&w);
	for (size_t i = 0; i < count; i++) {
		const struct orch_agent *agent = &list[i].agent;
		const struct probe_result *found = &list[i].found;

		json_begin_object(&w);
		json_add_key(&w, "name");
		json_add_string(&w, agent->name);
		json_add_key(&w, "account");
		json_add_string(&w, agent->account);
		json_add_key(&w, "from");
		json_add_string(&w, agent->origin ? agent->origin : "orch");
		json_add_key(&w, "run");
		json_add_string(&w, agent->run);
		json_add_key(&w, "resume");
		json_add_string(&w, agent->resume);
		json_add_key(&w, "program");
		json_add_string(&w, found->program);
		json_add_key(&w, "path");
		json_add_string(&w, found->path);
		json_add_key(&w, "version");
		json_add_string(&w, found->version);
		if (found->problem) {
			json_add_key(&w, "problem");
			json_add_string(&w, found->problem);
		}
		if (probed && found->path) {
			json_flags(&w, "unknown_run", &found->unknown_run);
			json_flags(&w, "unknown_resume", &found->unknown_resume);
		}
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(out, '\n');
}

static int agents_run(void *data, const struct operands *operands)
{
	const struct agents_options *options = data;
	struct orch *orch = NULL;
	struct listed *list = NULL;
	struct strbuf out = {0};
	struct orch_error err;
	size_t count = 0;
	bool known = true;
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT | FIND_AGENTS);

	if (status == EXIT_COMPLETE) {
		struct probe_request *requests;

		count = orch_agent_count(orch);
		list = xcalloc(count + 1, sizeof *list);
		requests = xcalloc(count + 1, sizeof *requests);
		for (size_t i = 0; i < count; i++) {
			orch_agent_get(orch, i, &list[i].agent);
			requests[i] = (struct probe_request){
				list[i].agent.run, list[i].agent.resume, options->probe, &list[i].found};
		}
		if (probe_programs(requests, count, &err) < 0)
			status = say_error(&err);
		free(requests);
	}
	if (status == EXIT_COMPLETE) {
		if (options->json)
			agents_json(&out, list, count, options->probe);
		else
			agents_text(&out, list, count);
		status = say_output(&out);
		for (size_t i = 0; i < count; i++)
			known &= !list[i].found.unknown_run.count && !list[i].found.unknown_resume.count &&
				!(options->probe && list[i].found.problem);
	}
	for (size_t i = 0; i < count; i++) {
		probe_result_release(&list[i].found);
		orch_agent_release(&list[i].agent);
	}
	free(list);
	orch_close(orch);
	return status == EXIT_COMPLETE && !known ? EXIT_STREAM_FAILED : status;
}

const struct cmd cmd_agents = {
	.name = "agents",
	.operands = "[NAME=value]...",
	.summary = "The agents that are known, and which of them are installed",
	.about =
		"With their versions, and where each is declared unless it ships with orch: the user's agents.orch, or the\n"
		"Orchfile, if there is one. --probe runs each program's --help: exit status 1 if a flag of a profile is not in it.\n",
	.group = CMD_WRITING,
	.options = agents_table,
	.size = sizeof(struct agents_options),
	.assigns = true,
	.run = agents_run,
};
