#include "config.h"

#include "lang/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "foreign/foreign.h"
#include "lang/agents_text.h"
#include "lang/runners_text.h"
#include "lang/eval.h"
#include "lang/expand.h"
#include "lang/parse.h"
#include "lang/value.h"
#include "os/fs.h"
#include "os/glob.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strvec.h"

static void on_statement(void *data, struct ast *node)
{
	eval_statement(data, node);
}

/* Statements at the top level are forgotten as soon as they are evaluated: this arena never holds more than one of
 * them. */
struct reader {
	struct eval *eval;
	struct arena arena;
	struct arena_mark start;
};

static void on_top_statement(void *data, struct ast *node)
{
	struct reader *reader = data;

	on_statement(reader->eval, node);
	arena_reset(&reader->arena, reader->start);
}

/* Parses and evaluates one source; takes the text over. `made`: it was made from another one; NULL: it
 * was not */
static void read_linked(struct eval *eval, const char *name, char *text, size_t len, const char *real,
	struct place from, const struct written *made)
{
	struct project *project = eval->project;
	struct eval_file file = {.outer = eval->file};
	struct reader reader = {.eval = eval};
	struct parse parse = {0};

	if (len > INT32_MAX - 16) {
		diag_error(eval->diags, from, "'%s' is too large: an Orchfile has less than 2 GiB", name);
		free(text);
		return;
	}
	file.number = parse_source_add(&project->sources, name, text, len, from);
	if (!file.number) {
		diag_error(eval->diags, from, "too many files: at most 65535 can be included");
		free(text);
		return;
	}
	if (made)
		source_set_links(&project->sources, file.number, made->links.items, made->links.count);
	file.source = source_get(&project->sources, file.number);
	file.depth = eval->file ? eval->file->depth + 1 : 0;
	file.real = real ? xstrdup(real) : NULL;
	if (parse_check_text(&project->sources, file.number, eval->diags) == 0) {
		parse.sources = &project->sources;
		parse.source = file.number;
		parse.arena = &reader.arena;
		parse.diags = eval->diags;
		parse.statement = on_top_statement;
		parse.data = &reader;
		/* so that the first block stays when the arena is reset */
		arena_alloc(&reader.arena, 1);
		reader.start = arena_mark(&reader.arena);
		eval->file = &file;
		parse_run(&parse);
		eval->file = file.outer;
		arena_release(&reader.arena);
	}
	free(file.real);
}

static void read_source(
	struct eval *eval, const char *name, char *text, size_t len, const char *real, struct place from)
{
	read_linked(eval, name, text, len, real, from, NULL);
}

/* is it being read already? then the chain is printed */
static bool is_cycle(struct eval *eval, const char *real, const char *shown, struct place place)
{
	struct strbuf chain = {0};
	const struct eval_file *file, *chain_files[EVAL_INCLUDE_DEPTH_MAX + 1];
	unsigned count = 0;

	for (file = eval->file; file; file = file->outer) {
		chain_files[count++] = file;
		if (file->real && strcmp(file->real, real) == 0)
			break;
	}
	if (!file)
		return false;
	while (count)
		strbuf_addf(&chain, "%s -> ", chain_files[--count]->source->name);
	eval_error(eval, place, "circular include: %s%s", strbuf_cstr(&chain), shown);
	strbuf_release(&chain);
	return true;
}

/* Agents are declared by the Orchfile that includes it; one that is a foreign file as a whole has none, and says so */
static void warn_of_agent(struct diag_list *diags, uint16_t source)
{
	diag_warning(diags, (struct place){0, source, 1},
		"this does not say who works on it: " FOREIGN_AGENT " does; 'agent=NAME' on the command line names another");
}

/* a task file of another program: the Orchfile that says the same is read; `whole`: it is all there is */
static void read_foreign(struct eval *eval, const char *shown, char *text, size_t len, const char *real,
	struct place from, bool whole)
{
	struct foreign_file file = {.path = shown, .from = from, .look = !eval->options->isolated};
	struct written made = {0};
	struct strbuf all = {0};
	bool needs_agent = false;
	const char *kind;

	if (foreign_read(&eval->project->sources, &file, text, len, eval->diags, &made, &needs_agent, &kind) == 0) {
		uint32_t shift;

		if (whole) {
			if (needs_agent && !scope_variable(&eval->scope, "agent", 5) && !getenv("agent"))
				warn_of_agent(eval->diags, (uint16_t)eval->project->sources.count);
			foreign_header(&all, shown, kind, needs_agent);
		}
		shift = (uint32_t)all.len;
		for (size_t i = 0; i < made.links.count; i++)
			made.links.items[i].offset += shift;
		strbuf_add(&all, strbuf_cstr(&made.text), made.text.len);
		len = all.len;
		strbuf_add(&all, "\0\0", 2);
		read_linked(eval, shown, strbuf_detach(&all), len, real, from, &made);
	}
	written_release(&made);
}

/* the text of that name, as it was read before; NULL: that it cannot be had from there */
static const struct source *find_source(const struct source_set *sources, const char *name)
{
	const struct source *found = NULL;
	bool is_foreign = false;

	for (size_t i = 0; i < sources->count; i++) {
		if (strcmp(sources->items[i]->name, name) != 0)
			continue;
		if (source_is_made(sources, (uint16_t)(i + 1)))
			is_foreign = true;
		else if (!found)
			found = sources->items[i];
	}
	/* of a database there is only what was found in it */
	if (found && is_foreign && foreign_kind(found->text, found->len) == FOREIGN_NONE)
		return NULL;
	return found;
}

/* as it was read before, if it was; with two NUL bytes behind it, as fs_read() does */
static int read_file(
	const struct load_options *options, const char *name, char **text, size_t *len, struct orch_error *err)
{
	const struct source *source = options->before ? find_source(&options->before->sources, name) : NULL;

	if (!source)
		return fs_read(name, INT32_MAX - 16, text, len, err);
	*len = source->len;
	*text = xmalloc(source->len + 2);
	memcpy(*text, source->text, source->len);
	(*text)[source->len] = (*text)[source->len + 1] = '\0';
	return 0;
}

static void include_file(struct eval *eval, const char *shown, struct place place, bool optional)
{
	struct orch_error err = {0};
	char *text, *real;
	size_t len;

	if (eval->file->depth >= EVAL_INCLUDE_DEPTH_MAX) {
		eval_error(eval, place, "includes are nested too deeply: at most 64 levels");
		return;
	}
	real = realpath(shown, NULL);
	if (real && is_cycle(eval, real, shown, place)) {
		free(real);
		return;
	}
	if (read_file(eval->options, shown, &text, &len, &err) != 0) {
		if (!optional || errno != ENOENT)
			eval_error(eval, place, "cannot include '%s': %s", shown, err.message);
	} else if (foreign_kind(text, len) != FOREIGN_NONE) {
		read_foreign(eval, shown, text, len, real, place, false);
	} else {
		read_source(eval, shown, text, len, real, place);
	}
	free(real);
}

/* a path of an include, relative to the file that it stands in */
static void include_path(struct eval *eval, const char *path, struct place place, bool optional)
{
	char *dir = path_dir(eval->file->source->name);
	struct strvec files = {0};
	struct orch_error err = {0};

	if (!path_has_glob(path)) {
		strvec_push(&files, path);
	} else if (glob_files(dir, path, &files, &err) != 0) {
		eval_error(eval, place, "%s", err.message);
	} else if (!files.count && !optional) {
		eval_error(eval, place, "no file matches '%s'", path);
	}
	for (size_t i = 0; i < files.count; i++) {
		char *shown = strcmp(dir, ".") == 0 ? xstrdup(files.items[i]) : path_join(dir, files.items[i]);

		include_file(eval, shown, place, optional);
		free(shown);
	}
	strvec_release(&files);
	free(dir);
}

void load_include(struct eval *eval, const struct ast *node)
{
	static const struct names names = {0, NULL, NULL, NO_STREAM};

	for (const struct ast_word *word = node->names.first; word; word = word->next) {
		struct place place = eval_place(eval, word->span);
		struct expanded how;
		struct text text = expand_value(eval, &names, word->span, &how);
		struct words words;

		if (!text.bytes || value_words(eval, text.bytes, text.len, place, &words) != 0)
			continue;
		for (uint32_t i = 0; i < words.count; i++) {
			if (eval->options->isolated)
				eval_error(eval, place, "no other file is read here");
			else
				include_path(eval, words.items[i], place, node->optional);
		}
	}
}

/* the user's own file of agents: malloc'd, NULL if there is no place for one */
static char *user_agents_path(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config == '/')
		return path_join(config, "orch/agents.orch");
	return home && *home == '/' ? path_join(home, ".config/orch/agents.orch") : NULL;
}

static void read_user_agents(struct eval *eval)
{
	char *path = user_agents_path(), *text;
	struct orch_error err = {0};
	size_t len;

	if (!path)
		return;
	if (read_file(eval->options, path, &text, &len, &err) == 0) {
		char *real = realpath(path, NULL);

		read_source(eval, path, text, len, real, (struct place){0});
		free(real);
	} else if (errno != ENOENT && errno != ENOTDIR) {
		diag_error(eval->diags, (struct place){0}, "%s", err.message);
	}
	free(path);
}

static void read_shipped(struct eval *eval, const char *name, const unsigned char *bytes, size_t len)
{
	char *text = xmalloc(len + 2);

	memcpy(text, bytes, len + 2);
	read_source(eval, name, text, len, NULL, (struct place){0});
}

/* The agents and runners of the user and those that ship, with variables of their own. They stand before the
 * Orchfile, which may say otherwise; but most Orchfiles name no agent, and then the time to read them is saved. */
static void read_agents(struct eval *eval, bool agents)
{
	struct scope scope = eval->scope;

	memset(&eval->scope, 0, sizeof eval->scope);
	eval->only_runners = !agents;
	if (!eval->options->isolated) {
		eval->origin = FROM_USER;
		read_user_agents(eval);
	}
	eval->origin = SHIPPED;
	if (agents)
		read_shipped(eval, "agents.orch", agents_text, agents_text_len);
	if (eval->wants_runners)
		read_shipped(eval, "runners.orch", runners_text, runners_text_len);
	eval->only_runners = false;
	eval->origin = FROM_ORCHFILE;
	scope_release(&eval->scope);
	eval->scope = scope;
}

void load_fragment_text(struct eval *eval, const char *name, char *text, size_t len)
{
	read_source(eval, name, text, len, NULL, (struct place){0});
}

/* takes the text over; `made`: see read_linked() */
static int load(struct project *project, const struct load_options *options, char *text, size_t len,
	const struct written *made, struct diag_list *diags, struct orch_error *err)
{
	struct eval eval;
	char *real = options->isolated ? NULL : realpath(options->path, NULL);
	size_t errors = diags->errors;

	project->dir = arena_strdup(&project->arena, options->dir);
	project->file = arena_strdup(&project->arena, options->path);
	eval_init(&eval, project, options, diags);
	/* what is called Orchfile is one, and shall have its own messages */
	if (made)
		read_linked(&eval, options->path, text, len, NULL, (struct place){0}, made);
	else if (strcmp(path_file(options->path), "Orchfile") != 0 && foreign_kind(text, len) != FOREIGN_NONE)
		read_foreign(&eval, options->path, text, len, real, (struct place){0}, true);
	else
		read_source(&eval, options->path, text, len, real, (struct place){0});
	load_fragments(&eval);
	if (eval.wants_agents || eval.wants_runners || options->agents)
		read_agents(&eval, eval.wants_agents || options->agents);
	eval_finish(&eval);
	if (!project->set.name)
		project->set.name = arena_strdup(&project->arena, path_file(project->dir));
	if (!project->set.shell)
		project->set.shell = "sh -eu";
	eval_release(&eval);
	free(real);
	diag_sort(diags);
	if (diags->errors > errors)
		return error_code(err, ORCH_EPARSE, "%s has errors", options->path);
	return 0;
}

int load_project(
	struct project *project, const struct load_options *options, struct diag_list *diags, struct orch_error *err)
{
	char *text;
	size_t len;

	if (read_file(options, options->path, &text, &len, err) != 0) {
		if (errno == ENOENT && err)
			err->code = ORCH_ENOTFOUND;
		return -1;
	}
	return load(project, options, text, len, NULL, diags, err);
}

int load_text(struct project *project, const struct load_options *options, const char *text, size_t len,
	struct diag_list *diags, struct orch_error *err)
{
	char *copy = xmalloc(len + 2);

	if (len)
		memcpy(copy, text, len);
	copy[len] = copy[len + 1] = '\0';
	return load(project, options, copy, len, NULL, diags, err);
}

int load_files(struct project *project, const struct load_options *options, const char *const *files,
	struct strbuf *written, struct diag_list *diags, struct orch_error *err)
{
	struct written made = {0};
	struct strbuf all = {0};
	bool needs_agent = false;
	size_t errors = diags->errors, len;
	int result = 0;

	for (const char *const *name = files; *name && result == 0; name++) {
		struct foreign_file file = {.path = *name, .look = !options->isolated};
		bool wants_agent = false;
		const char *kind;
		char *text;

		if (fs_read(*name, INT32_MAX - 16, &text, &len, err) != 0) {
			result = -1;
		} else if (foreign_kind(text, len) == FOREIGN_NONE) {
			free(text);
			result = error_code(err, ORCH_EPARSE,
				"'%s' is no task file that orch knows; if it is an Orchfile, it can be used as it is", *name);
		} else {
			if (made.text.len)
				strbuf_addch(&made.text, '\n');
			foreign_read(&project->sources, &file, text, len, diags, &made, &wants_agent, &kind);
			foreign_header(&all, *name, kind, false);
			strbuf_truncate(&all, all.len - 1);
			needs_agent |= wants_agent;
		}
	}
	if (needs_agent)
		warn_of_agent(diags, 1);
	if (result == 0 && diags->errors == errors) {
		strbuf_addstr(&all, foreign_agent_lines(needs_agent));
		for (size_t i = 0; i < made.links.count; i++)
			made.links.items[i].offset += (uint32_t)all.len;
		strbuf_add(&all, strbuf_cstr(&made.text), made.text.len);
		strbuf_addstr(written, strbuf_cstr(&all));
		len = all.len;
		strbuf_add(&all, "\0\0", 2);
		result = load(project, options, strbuf_detach(&all), len, &made, diags, err);
	} else if (result == 0) {
		result = error_code(err, ORCH_EPARSE, "there are errors");
	}
	strbuf_release(&all);
	written_release(&made);
	return result;
}
