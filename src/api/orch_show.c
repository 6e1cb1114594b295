/* Streams and the project as text and as JSON: `orch show`, `orch dump`, `orch help settings`. */
#include "config.h"

#include "api/orch.h"
#include "lang/setting.h"
#include "orch/project.h"
#include "state/statedir.h"
#include "state/ticks.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/log.h"
#include "util/strbuf.h"
#include "util/template.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>

static void add_origin(
	const struct orch *orch, const struct setting_origin *origins, uint32_t count, unsigned row, struct strbuf *out)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct setting_origin *origin = &origins[i];
		struct place place;
		uint32_t line;

		if (origin->row != row)
			continue;
		if (!origin->place.source) {
			strbuf_addstr(out, "command line");
			return;
		}
		place = source_origin(&orch->project.sources, origin->place);
		source_position(&orch->project.sources, place, &line, NULL);
		strbuf_addf(out, "%s:%u%s", source_get(&orch->project.sources, place.source)->name, line,
			origin->from_defaults ? " (defaults)" : "");
		return;
	}
	strbuf_addstr(out, "default");
}

static void add_indented(struct strbuf *out, const char *indent, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;

		strbuf_addstr(out, line ? indent : "");
		strbuf_add(out, text, line);
		strbuf_addch(out, '\n');
		text += line + (end != NULL);
		len -= line + (end != NULL);
	}
}

/* as it is written in an Orchfile: what is not to be filled in later has no names in it any more */
static void add_text(struct strbuf *out, const char *indent, const struct text *text)
{
	struct strbuf escaped = {0};

	if (!text->late)
		template_escape(&escaped, text->bytes, text->len);
	add_indented(
		out, indent, text->late ? text->bytes : strbuf_cstr(&escaped), text->late ? text->len : escaped.len);
	strbuf_release(&escaped);
}

static void add_block(struct strbuf *out, const char *name, const struct text *text)
{
	if (!text->bytes)
		return;
	strbuf_addf(out, "\t%s:\n", name);
	add_text(out, "\t\t", text);
}

static void add_header(struct strbuf *out, const struct orch *orch, uint32_t id)
{
	const struct stream *stream = &orch->project.streams[id];
	const edge *deps = graph_deps(&orch->graph, id);
	uint32_t count = graph_dep_count(&orch->graph, id);
	bool bar = false;

	strbuf_addstr(out, stream->name);
	if (stream->title) {
		strbuf_addstr(out, " \"");
		for (const char *c = stream->title; *c; c++) {
			if (*c == '"' || *c == '\\')
				strbuf_addch(out, '\\');
			strbuf_addch(out, *c);
			if (c[0] == '{' && c[1] == '{') {
				strbuf_addstr(out, "{{{");
				c++;
			}
		}
		strbuf_addch(out, '"');
	}
	strbuf_addch(out, ':');
	for (int order_only = 0; order_only <= 1; order_only++) {
		for (uint32_t i = 0; i < count; i++) {
			if (EDGE_ORDER_ONLY(deps[i]) != (order_only != 0))
				continue;
			if (order_only && !bar) {
				strbuf_addstr(out, " |");
				bar = true;
			}
			strbuf_addf(out, " %s", orch->project.streams[EDGE_STREAM(deps[i])].name);
		}
	}
	strbuf_addch(out, '\n');
}

static bool is_set(const struct stream *stream, unsigned row)
{
	for (uint32_t i = 0; i < stream->origin_count; i++) {
		if (stream->origins[i].row == row)
			return true;
	}
	return false;
}

/* `send:` and the text below it, so that it is read as it was */
static void add_message(struct strbuf *out, const char *name, const struct text *send)
{
	const char *line = send->bytes, *end = send->bytes + send->len;
	struct strbuf text = {0};
	struct text block = {.late = send->late};

	strbuf_addstr(&text, "send:\n");
	for (const char *next; line < end; line = next) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		next = stop ? stop + 1 : end;
		if (line != stop)
			strbuf_addch(&text, '\t');
		strbuf_add(&text, line, (size_t)(next - line));
	}
	strbuf_addch(&text, '\n');
	block.bytes = text.data;
	block.len = (uint32_t)text.len;
	add_block(out, name, &block);
	strbuf_release(&text);
}

static void add_checkins(struct strbuf *out, const struct settings *set)
{
	for (uint32_t i = 0; i < set->every_count; i++) {
		char interval[UNITS_TEXT_MAX], *name;

		name = xasprintf("every %s", units_duration_exact(interval, set->every[i].interval_ms));
		if (set->every[i].send.bytes)
			add_message(out, name, &set->every[i].send);
		else
			add_block(out, name, &set->every[i].script);
		free(name);
	}
}

/* which of its tasks are done, as its work has said; NULL: none is. The caller frees */
static bool *read_ticks(const struct orch *orch, const struct stream *stream)
{
	const struct words *tasks = &stream->set->tasks;
	struct statedir dir;
	struct orch_error err;
	bool *done = NULL;
	size_t ticked;

	if (!tasks->count)
		return NULL;
	if (statedir_open(&dir, orch->project.dir, &err) < 0) {
		log_warn("%s", err.message);
		return NULL;
	}
	if (ticks_read(&dir, stream->name, tasks->items, tasks->count, &done, &ticked, &err) < 0)
		log_warn("%s", err.message);
	statedir_release(&dir);
	return done;
}

/* the checklist; `ticks`: with what is done of it */
static void add_tasks(struct strbuf *out, const struct orch *orch, const struct stream *stream, bool ticks)
{
	const struct words *tasks = &stream->set->tasks;
	bool *done = ticks ? read_ticks(orch, stream) : NULL;

	strbuf_addstr(out, "\ttasks:\n");
	for (uint32_t i = 0; i < tasks->count; i++) {
		strbuf_addstr(out, "\t\t");
		template_escape(out, tasks->items[i], strlen(tasks->items[i]));
		strbuf_addstr(out, done && done[i] ? "    # done\n" : "\n");
	}
	free(done);
}

/* 'prompt = FILE': the text of prompt: is the stream's own */
static bool is_prompt_file(const struct setting *setting)
{
	return setting->type == SETTING_BLOCK && strcmp(setting->name, "prompt") == 0;
}

/* is its value one text, which is read without the quotes around it? */
static bool is_text(const struct setting *setting)
{
	return setting->type == SETTING_WORD || setting->type == SETTING_TEXT || setting->type == SETTING_COMMIT ||
		is_prompt_file(setting);
}

/* the text of a setting that is a block, else NULL */
static const struct text *block_of(const struct setting *setting, const struct settings *set)
{
	if (setting->type != SETTING_BLOCK || !(setting->scope & SCOPE_STREAM) || is_prompt_file(setting))
		return NULL;
	return strcmp(setting->name, "check") == 0    ? &set->check
		: strcmp(setting->name, "setup") == 0 ? &set->setup
						      : NULL;
}

/* `all`: also what has only its default, and where each comes from */
static void add_stream(struct strbuf *out, const struct orch *orch, uint32_t id, bool all)
{
	const struct stream *stream = &orch->project.streams[id];

	add_header(out, orch, id);
	for (unsigned row = 0; row < setting_count; row++) {
		const struct setting *setting = &setting_table[row];
		const struct text *block = block_of(setting, stream->set);
		struct strbuf value = {0};

		if (!(setting->scope & SCOPE_STREAM) || (!all && !is_set(stream, row)))
			continue;
		if (setting->type == SETTING_EVERY) {
			add_checkins(out, stream->set);
			continue;
		}
		if (setting->type == SETTING_TASKS && stream->set->tasks.count) {
			add_tasks(out, orch, stream, all);
			continue;
		}
		setting_print(setting, stream->set, &value);
		if (block && value.len && (*value.data == '#' || strchr(value.data, '\n'))) {
			add_block(out, setting->name, block);
		} else if (value.len) {
			strbuf_addf(out, "\t%s%s ", setting->name, block ? ":" : " =");
			if (block && !block->late)
				template_escape(out, value.data, value.len);
			else if (is_text(setting))
				setting_write_text(out, value.data, value.len);
			else
				strbuf_addstr(out, value.data);
			if (all) {
				strbuf_addstr(out, "    # ");
				add_origin(orch, stream->origins, stream->origin_count, row, out);
			}
			strbuf_addch(out, '\n');
		}
		strbuf_release(&value);
	}
	add_block(out, "prompt", &stream->prompt);
	add_block(out, "run", &stream->run);
}

char *orch_stream_show(const struct orch *orch, size_t stream)
{
	struct strbuf out = {0};

	add_stream(&out, orch, (uint32_t)stream, true);
	return strbuf_detach(&out);
}

static void stream_json(struct json_writer *w, const struct orch *orch, uint32_t id, bool all)
{
	const struct stream *stream = &orch->project.streams[id];
	const edge *deps = graph_deps(&orch->graph, id);
	uint32_t count = graph_dep_count(&orch->graph, id), line;
	struct place place = source_origin(&orch->project.sources, stream->place);

	json_add_key(w, "name");
	json_add_string(w, stream->name);
	if (stream->title) {
		json_add_key(w, "title");
		json_add_string(w, stream->title);
	}
	source_position(&orch->project.sources, place, &line, NULL);
	json_add_key(w, "file");
	json_add_string(w, source_get(&orch->project.sources, place.source)->name);
	json_add_key(w, "line");
	json_add_int(w, line);
	for (int order_only = 0; order_only <= 1; order_only++) {
		json_add_key(w, order_only ? "order_only" : "deps");
		json_begin_array(w);
		for (uint32_t i = 0; i < count; i++) {
			if (EDGE_ORDER_ONLY(deps[i]) == (order_only != 0))
				json_add_string(w, orch->project.streams[EDGE_STREAM(deps[i])].name);
		}
		json_end_array(w);
	}
	json_add_key(w, "settings");
	json_begin_object(w);
	for (unsigned row = 0; row < setting_count; row++) {
		const struct setting *setting = &setting_table[row];
		struct strbuf value = {0}, origin = {0};

		if (!(setting->scope & SCOPE_STREAM) || (!all && !is_set(stream, row)))
			continue;
		setting_print(setting, stream->set, &value);
		if (value.len) {
			json_add_key(w, setting->name);
			json_begin_object(w);
			json_add_key(w, "value");
			json_add_string(w, value.data);
			add_origin(orch, stream->origins, stream->origin_count, row, &origin);
			json_add_key(w, "from");
			json_add_string(w, strbuf_cstr(&origin));
			json_end_object(w);
		}
		strbuf_release(&value);
		strbuf_release(&origin);
	}
	json_end_object(w);
	if (stream->prompt.bytes) {
		json_add_key(w, "prompt");
		json_add_stringn(w, stream->prompt.bytes, stream->prompt.len);
	}
	if (stream->run.bytes) {
		json_add_key(w, "run");
		json_add_stringn(w, stream->run.bytes, stream->run.len);
	}
}

static void tasks_json(struct json_writer *w, const struct orch *orch, const struct stream *stream)
{
	const struct words *tasks = &stream->set->tasks;
	bool *done = read_ticks(orch, stream);

	if (!tasks->count)
		return;
	json_add_key(w, "tasks");
	json_begin_array(w);
	for (uint32_t i = 0; i < tasks->count; i++) {
		json_begin_object(w);
		json_add_key(w, "text");
		json_add_string(w, tasks->items[i]);
		json_add_key(w, "done");
		json_add_bool(w, done && done[i]);
		json_end_object(w);
	}
	json_end_array(w);
	free(done);
}

char *orch_stream_show_json(const struct orch *orch, size_t stream)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	stream_json(&w, orch, (uint32_t)stream, true);
	tasks_json(&w, orch, &orch->project.streams[stream]);
	json_end_object(&w);
	strbuf_addch(&out, '\n');
	return strbuf_detach(&out);
}

static void add_declarations(struct strbuf *out, const char *keyword, const struct declaration *items, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		strbuf_addf(out, "%s %s:\n", keyword, items[i].name);
		for (uint32_t p = 0; p < items[i].property_count; p++) {
			const struct property *property = &items[i].properties[p];
			const char *name = setting_table[property->row].name;

			if (setting_table[property->row].type == SETTING_BLOCK)
				add_block(out, name, &property->value);
			else if (setting_table[property->row].type == SETTING_PATTERN)
				strbuf_addf(
					out, "\t%s = /%.*s/\n", name, (int)property->value.len, property->value.bytes);
			else
				strbuf_addf(
					out, "\t%s = %.*s\n", name, (int)property->value.len, property->value.bytes);
		}
		strbuf_addch(out, '\n');
	}
}

static char *dump_text(const struct orch *orch)
{
	const struct project *project = &orch->project;
	struct strbuf out = {0};

	strbuf_addstr(&out, "project:\n");
	for (unsigned row = 0; row < setting_count; row++) {
		struct strbuf value = {0};

		if (!(setting_table[row].scope & SCOPE_PROJECT))
			continue;
		setting_print_project(&setting_table[row], &project->set, &value);
		if (value.len) {
			strbuf_addf(&out, "\t%s = ", setting_table[row].name);
			if (is_text(&setting_table[row]))
				setting_write_text(&out, value.data, value.len);
			else
				strbuf_addstr(&out, value.data);
			strbuf_addch(&out, '\n');
		}
		strbuf_release(&value);
	}
	strbuf_addch(&out, '\n');
	for (uint32_t i = 0; i < project->pool_count; i++)
		strbuf_addf(&out, "pool %s = %u\n", project->pools[i].name, project->pools[i].limit);
	if (project->pool_count)
		strbuf_addch(&out, '\n');
	add_declarations(&out, "agent", project->agents, project->agent_count);
	add_declarations(&out, "recover", project->rules, project->rule_count);
	add_declarations(&out, "runner", project->queues, project->queue_count);
	for (uint32_t i = 0; i < project->hook_count; i++) {
		static const char *const events[HOOK_EVENTS] = {
			"start", "stream-success", "stream-failure", "pause", "finish"};

		strbuf_addf(&out, "on %s:\n", events[project->hooks[i].event]);
		add_text(&out, "\t", &project->hooks[i].script);
		strbuf_addch(&out, '\n');
	}
	for (uint32_t s = 0; s < project->stream_count; s++) {
		add_stream(&out, orch, s, false);
		strbuf_addch(&out, '\n');
	}
	return strbuf_detach(&out);
}

static char *dump_json(const struct orch *orch)
{
	const struct project *project = &orch->project;
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "project");
	json_begin_object(&w);
	for (unsigned row = 0; row < setting_count; row++) {
		struct strbuf value = {0};

		if (!(setting_table[row].scope & SCOPE_PROJECT))
			continue;
		setting_print_project(&setting_table[row], &project->set, &value);
		if (value.len) {
			json_add_key(&w, setting_table[row].name);
			json_add_string(&w, value.data);
		}
		strbuf_release(&value);
	}
	json_end_object(&w);
	json_add_key(&w, "variables");
	json_begin_object(&w);
	for (uint32_t i = 0; i < project->variable_count; i++) {
		json_add_key(&w, project->variables[i].name);
		json_add_string(&w, project->variables[i].value);
	}
	json_end_object(&w);
	json_add_key(&w, "pools");
	json_begin_object(&w);
	for (uint32_t i = 0; i < project->pool_count; i++) {
		json_add_key(&w, project->pools[i].name);
		json_add_int(&w, project->pools[i].limit);
	}
	json_end_object(&w);
	for (int kind = 0; kind < 3; kind++) {
		static const char *const keys[] = {"agents", "recover", "runners"};
		const struct declaration *items = kind == 0 ? project->agents
			: kind == 1                         ? project->rules
							    : project->queues;
		uint32_t count = kind == 0 ? project->agent_count
			: kind == 1        ? project->rule_count
					   : project->queue_count;

		json_add_key(&w, keys[kind]);
		json_begin_object(&w);
		for (uint32_t i = 0; i < count; i++) {
			json_add_key(&w, items[i].name);
			json_begin_object(&w);
			for (uint32_t p = 0; p < items[i].property_count; p++) {
				json_add_key(&w, setting_table[items[i].properties[p].row].name);
				json_add_stringn(
					&w, items[i].properties[p].value.bytes, items[i].properties[p].value.len);
			}
			json_end_object(&w);
		}
		json_end_object(&w);
	}
	json_add_key(&w, "streams");
	json_begin_array(&w);
	for (uint32_t s = 0; s < project->stream_count; s++) {
		json_begin_object(&w);
		stream_json(&w, orch, s, false);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(&out, '\n');
	return strbuf_detach(&out);
}

char *orch_dump(const struct orch *orch, bool json)
{
	return json ? dump_json(orch) : dump_text(orch);
}

char *orch_settings_help(void)
{
	static const struct {
		unsigned scope;
		const char *title;
	} groups[] = {
		{SCOPE_STREAM | SCOPE_DEFAULTS, "Settings and blocks of a stream"},
		{SCOPE_PROJECT, "Settings of project:"},
		{SCOPE_AGENT, "Settings of agent NAME:"},
		{SCOPE_RECOVER, "Settings of recover NAME:"},
		{SCOPE_RUNNER, "Settings of runner NAME:"},
	};
	struct strbuf out = {0};

	for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
		strbuf_addf(&out, "%s%s\n", g ? "\n" : "", groups[g].title);
		for (unsigned row = 0; row < setting_count; row++) {
			const struct setting *setting = &setting_table[row];

			if (!(setting->scope & groups[g].scope))
				continue;
			strbuf_addf(&out, "  %-14s %s", setting->name, setting->help);
			if (*setting->default_text)
				strbuf_addf(&out, " (default: %s)", setting->default_text);
			if (setting->unavailable)
				strbuf_addstr(&out, " [not in this version]");
			strbuf_addch(&out, '\n');
		}
	}
	return strbuf_detach(&out);
}
