#include "config.h"

#include "foreign/foreign.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "foreign/readers.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/path.h"
#include "util/utf8.h"

enum { LOOKED_AT = 64 * 1024 };

static const char *line_end(const char *at, const char *end)
{
	const char *stop = memchr(at, '\n', (size_t)(end - at));

	return stop ? stop : end;
}

/* the first line below `at` that says something, without its indentation; `end` if there is none */
static const char *next_words(const char *at, const char *end)
{
	while (at < end) {
		const char *stop = line_end(at, end);

		while (at < stop && strchr(" \t\r", *at))
			at++;
		if (at < stop && *at != '#')
			return at;
		at = stop < end ? stop + 1 : end;
	}
	return end;
}

/* "- key: ..." or "- {": the first of a list of maps */
static bool is_map_item(const char *at, const char *end)
{
	const char *stop = line_end(at, end);

	if (stop - at < 3 || *at != '-' || (at[1] != ' ' && at[1] != '\t'))
		return false;
	for (at += 2; at < stop && (*at == ' ' || *at == '"' || *at == '\''); at++)
		;
	if (at < stop && *at == '{')
		return true;
	while (at < stop && (isalnum((unsigned char)*at) || strchr("_-\"'", *at)))
		at++;
	return at < stop && *at == ':' && (at + 1 == stop || strchr(" \t\r", at[1]));
}

/* "tasks:" and the like, with a list of maps below */
static bool is_list_key(const char *at, const char *end)
{
	static const char *const keys[] = {"tasks", "streams", "specs"};

	if (*at == '"' || *at == '\'')
		at++;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		size_t len = strlen(keys[i]);
		const char *rest = at + len;

		if ((size_t)(end - at) <= len || memcmp(at, keys[i], len) != 0)
			continue;
		if (rest < end && (*rest == '"' || *rest == '\''))
			rest++;
		if (rest >= end || *rest != ':')
			continue;
		rest++;
		while (rest < end && (*rest == ' ' || *rest == '\t'))
			rest++;
		if (rest < end && *rest == '[')
			return true;
		if (rest < end && (*rest == '\n' || *rest == '\r' || *rest == '#'))
			return is_map_item(next_words(line_end(rest, end), end), end);
	}
	return false;
}

/* a list of maps at the top, or under one of the names that lists have; no Orchfile looks so: '-' is no command */
static bool is_yaml(const char *text, size_t len)
{
	const char *end = text + (len > LOOKED_AT ? LOOKED_AT : len);

	if (is_map_item(next_words(text, end), end))
		return true;
	for (const char *at = text; at < end; at = line_end(at, end) + 1) {
		if (!strchr(" \t\r\n", *at) && is_list_key(at, end))
			return true;
	}
	return false;
}

enum foreign_kind foreign_kind(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	if (len > 15 && memcmp(text, "SQLite format 3", 15) == 0)
		return FOREIGN_DATABASE;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	while (at < end && strchr(" \t\r\n", *at))
		at++;
	if (at < end && (*at == '[' || (*at == '{' && at[1] != '{')))
		return FOREIGN_JSON;
	if (end - at >= 4 && memcmp(at, "---", 3) == 0 && isspace((unsigned char)at[3]))
		return markdown_has_front_matter(text, len) ? FOREIGN_MARKDOWN : FOREIGN_YAML;
	if (is_yaml(text, len))
		return FOREIGN_YAML;
	return markdown_is(text, len) ? FOREIGN_MARKDOWN : FOREIGN_NONE;
}

static bool is_text(const char *text, size_t len, struct place start, struct diag_list *diags)
{
	const char *nul = memchr(text, '\0', len);
	size_t bad = utf8_invalid_at(text, len);
	struct place place = start;

	if (nul || bad < len) {
		place.offset = (uint32_t)(nul && (size_t)(nul - text) < bad ? (size_t)(nul - text) : bad);
		place.length = 1;
		diag_error(diags, place, nul ? "NUL byte: this is no text" : "invalid UTF-8");
		return false;
	}
	return true;
}

static void read_tree(struct model *model, enum foreign_kind kind, const char *text, size_t len, struct place start)
{
	struct node_text what = {text, len, &model->arena, model->diags, start, false};
	struct node *root = kind == FOREIGN_JSON ? node_read_json(&what) : node_read_yaml(&what);
	size_t errors = model->diags->errors;

	if (!root)
		return;
	if (batch_is(root))
		batch_read(model, root);
	else if (streams_are(root))
		streams_read(model, root);
	else if (tasks_are(root))
		tasks_read(model, root);
	else
		diag_error(model->diags, root->place,
			"no task file that orch knows: it has neither 'tasks' nor 'streams' nor 'specs', nor a list of tasks for each tag");
	if (!model->streams.count && model->diags->errors == errors && model->kind)
		diag_warning(model->diags, root->place, "there is nothing to do in it: no stream comes of it");
}

static void find_agents(const struct model *model, bool *needs_agent)
{
	for (size_t i = 0; i < model->streams.count; i++) {
		const struct foreign_stream *stream = model->streams.items[i];
		bool has_agent = stream->is_group || stream->left_out;

		for (size_t k = 0; k < stream->settings.count; k++)
			has_agent |= strcmp(stream->settings.items[k].name, "agent") == 0;
		*needs_agent |= !has_agent;
	}
}

int foreign_read(struct source_set *sources, const struct foreign_file *file, char *text, size_t len,
	struct diag_list *diags, struct written *out, bool *needs_agent, const char **kind)
{
	enum foreign_kind what = foreign_kind(text, len);
	struct place start = {0, (uint16_t)(sources->count + 1), 1};
	size_t errors = diags->errors;
	struct strbuf listing = {0};
	struct model model;
	char *dir = path_dir(file->path);

	*needs_agent = false;
	model_init(&model, diags);
	model.dir = dir;
	model.look = file->look;
	model.place = start;
	if (what == FOREIGN_DATABASE) {
		database_read(&model, file->path, &listing, start);
		free(text);
		len = listing.len;
		strbuf_add(&listing, "\0\0", 2);
		text = strbuf_detach(&listing);
	}
	if (!source_add(sources, file->path, text, len, file->from)) {
		diag_error(diags, file->from, "too many files");
	} else if (len > FOREIGN_SIZE_MAX) {
		diag_error(diags, start, "this is too large: at most %d MiB are read", FOREIGN_SIZE_MAX / 1024 / 1024);
	} else if (what == FOREIGN_JSON || what == FOREIGN_YAML) {
		if (is_text(text, len, start, diags))
			read_tree(&model, what, text, len, start);
	} else if (what == FOREIGN_MARKDOWN) {
		if (is_text(text, len, start, diags))
			markdown_read(&model, file->path, text, len, start);
	}
	if (diags->errors == errors)
		model_settle(&model);
	if (diags->errors == errors) {
		write_streams(&model, out);
		find_agents(&model, needs_agent);
	}
	*kind = model.kind ? model.kind : "a task file";
	model_release(&model);
	free(dir);
	return diags->errors > errors ? -1 : 0;
}

const char *foreign_agent_lines(bool needed)
{
	return needed ? "agent ?= " FOREIGN_AGENT "\n"
			"\n"
			"defaults:\n"
			"\tagent = {{agent}}\n"
			"\n"
		      : "\n";
}

void foreign_header(struct strbuf *out, const char *path, const char *kind, bool needs_agent)
{
	strbuf_addstr(out, "# From ");
	for (; *path; path++)
		strbuf_addch(out, (unsigned char)*path < 0x20 || *path == 0x7f ? '?' : *path);
	strbuf_addf(out, ", %s.\n%s", kind, foreign_agent_lines(needs_agent));
}
