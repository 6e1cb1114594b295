#include "config.h"

#include "lang/eval.h"

#include <stdlib.h>
#include <string.h>

#include "lang/command.h"
#include "lang/expand.h"
#include "lang/prompt_file.h"
#include "lang/value.h"
#include "os/glob.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strvec.h"

static const struct names no_stream = {0, NULL, NULL, NO_STREAM};

enum { MESSAGE_MAX = 600, MESSAGE_HEAD = 120, MESSAGE_TAIL = 160 };

struct place eval_place(const struct eval *eval, struct span span)
{
	return (struct place){span.offset, eval->file->number, span.len > UINT16_MAX ? UINT16_MAX : (uint16_t)span.len};
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* A value may be as long as a line can be: of a message that quotes it only the ends are kept. */
static void shorten(char *message)
{
	size_t len = strlen(message), head = MESSAGE_HEAD, tail;

	if (len <= MESSAGE_MAX)
		return;
	tail = len - MESSAGE_TAIL;
	while (head > 0 && is_continuation(message[head]))
		head--;
	while (tail < len && is_continuation(message[tail]))
		tail++;
	memcpy(message + head, "...", 3);
	memmove(message + head + 3, message + tail, len - tail + 1);
}

static bool say_once(
	struct eval *eval, enum diag_severity severity, struct place place, const char *format, va_list args)
{
	char *message = xvasprintf(format, args);
	char *key;
	bool first;

	shorten(message);
	key = xasprintf("%u:%u:%s", place.source, place.offset, message);
	first = !map_get(&eval->reported, key);
	if (first) {
		map_set(&eval->reported, key, eval);
		if (severity == DIAG_ERROR)
			diag_error(eval->diags, place, "%s", message);
		else
			diag_warning(eval->diags, place, "%s", message);
	}
	free(key);
	free(message);
	return first;
}

bool eval_error(struct eval *eval, struct place place, const char *format, ...)
{
	va_list args;
	bool first;

	va_start(args, format);
	first = say_once(eval, DIAG_ERROR, place, format, args);
	va_end(args);
	return first;
}

bool eval_warning(struct eval *eval, struct place place, const char *format, ...)
{
	va_list args;
	bool first;

	va_start(args, format);
	first = say_once(eval, DIAG_WARNING, place, format, args);
	va_end(args);
	return first;
}

static void offer_rows(struct suggest *suggest, unsigned scope)
{
	for (unsigned i = 0; i < setting_count; i++) {
		if (setting_table[i].scope & scope)
			suggest_offer(suggest, setting_table[i].name);
	}
}

/* the body that a setting is at home in, if it is not this one's */
static const char *home_of(const char *name, size_t len, unsigned scope)
{
	static const struct {
		unsigned scope;
		const char *where;
	} homes[] = {
		{SCOPE_STREAM, "a stream"},
		{SCOPE_DEFAULTS, "defaults:"},
		{SCOPE_PROJECT, "project:"},
		{SCOPE_AGENT, "an agent"},
		{SCOPE_RECOVER, "a recover rule"},
		{SCOPE_RUNNER, "a runner"},
	};

	for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
		if (!(homes[i].scope & scope) && setting_find(name, len, homes[i].scope))
			return homes[i].where;
	}
	return NULL;
}

const struct setting *eval_find_setting(struct eval *eval, struct span span, unsigned scope, bool block)
{
	const char *name = eval_bytes(eval, span);
	const struct setting *row = setting_find(name, span.len, scope);
	const char *what = block ? "block" : "setting", *home;
	struct suggest suggest = {0};
	char *wanted;
	bool said;

	if (row && strcmp(row->name, "agent") == 0)
		eval->wants_agents = true;
	if (row && strcmp(row->name, "runner") == 0)
		eval->wants_runners = true;
	if (row) {
		bool is_block = row->type == SETTING_BLOCK || row->type == SETTING_ENV || row->type == SETTING_TASKS ||
			row->type == SETTING_EVERY;

		if (block && !is_block) {
			eval_error(eval, eval_place(eval, span), "'%s' is a setting: write '%s = VALUE'", row->name,
				row->name);
			return NULL;
		}
		if (!block && is_block && row->type != SETTING_ENV && strcmp(row->name, "prompt") != 0) {
			eval_error(eval, eval_place(eval, span),
				"'%s' is a block: write '%s: TEXT', or '%s:' and the text below, indented", row->name,
				row->name, row->name);
			return NULL;
		}
		return row;
	}
	wanted = xstrndup(name, span.len);
	suggest.wanted = wanted;
	offer_rows(&suggest, scope);
	home = home_of(name, span.len, scope);
	if (home)
		said = eval_error(
			eval, eval_place(eval, span), "unknown %s '%s'; it belongs in %s", what, wanted, home);
	else if (suggest.best)
		said = eval_error(eval, eval_place(eval, span), "unknown %s '%s'; did you mean '%s'?", what, wanted,
			suggest.best);
	else
		said = eval_error(eval, eval_place(eval, span), "unknown %s '%s'", what, wanted);
	if (said && block && (scope & SCOPE_STREAM))
		diag_note(eval->diags, (struct place){0}, "a command that looks like this goes below 'run:'");
	free(wanted);
	return NULL;
}

void eval_no_script(struct eval *eval, const struct ast *node, const char *where)
{
	const char *line = eval_bytes(eval, node->value);
	size_t skip = strspn(line, " \t");
	struct span first = {node->value.offset + (uint32_t)skip, (uint32_t)strcspn(line + skip, "\r\n")};
	size_t word = strspn(line + skip, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	if (line[skip + word] == '=' || (line[skip + word] == '+' && line[skip + word + 1] == '='))
		eval_error(eval, eval_place(eval, first),
			"expected 'NAME = VALUE' in %s, with white space on both sides of the sign", where);
	else
		eval_error(eval, eval_place(eval, first),
			"expected 'NAME = VALUE' in %s; commands can stand only in a stream", where);
}

/* what the command of `name != command` gave when the same line was read before */
static bool was_output(const struct eval *eval, const struct ast *node, struct strbuf *value)
{
	const struct project *before = eval->options->before;
	const char *name = eval_bytes(eval, node->name);

	for (uint32_t i = 0; before && i < before->variable_count; i++) {
		const struct variable *variable = &before->variables[i];
		const struct source *source = source_get(&before->sources, variable->place.source);

		if (strncmp(variable->name, name, node->name.len) != 0 || variable->name[node->name.len] || !source ||
			variable->place.offset != node->name.offset ||
			strcmp(source->name, eval->file->source->name) != 0)
			continue;
		strbuf_addstr(value, variable->value);
		return true;
	}
	return false;
}

static void eval_assign(struct eval *eval, const struct ast *node)
{
	const char *name = eval_bytes(eval, node->name);
	const struct scope_variable *old = scope_variable(&eval->scope, name, node->name.len);
	struct place place = eval_place(eval, node->name);
	struct arena_mark mark = arena_mark(&eval->project->arena);
	struct expanded how;
	struct text text;
	struct strbuf value = {0};

	if (scope_is_loop_name(&eval->scope, name, node->name.len)) {
		eval_error(eval, place, "'%.*s' is the name of a loop around this line: it cannot be assigned",
			(int)node->name.len, name);
		return;
	}
	/* what the command line says wins, and a value that loses is not even looked at */
	if (old && (old->fixed || node->op == '?'))
		return;
	if (node->op == '?') {
		char *copy = xstrndup(name, node->name.len);
		const char *environment = getenv(copy);

		free(copy);
		if (environment) {
			scope_set(&eval->scope, name, node->name.len, environment, strlen(environment), place, false);
			return;
		}
	}
	if (node->op == '+' && old) {
		strbuf_add(&value, old->value, old->len);
		strbuf_addch(&value, ' ');
	}
	text = expand_value(eval, &no_stream, node->value, &how);
	if (!text.bytes) {
		/* defined all the same: one error is enough */
		scope_set(&eval->scope, name, node->name.len, "", 0, place, false);
	} else if (node->op == '!') {
		char *command = xstrndup(text.bytes, text.len);
		struct orch_error err = {0};

		if (eval->options->isolated)
			eval_error(eval, eval_place(eval, node->value), "no command is run here");
		else if (was_output(eval, node, &value))
			; /* and is what it was */
		else if (!text.len)
			eval_error(eval, place, "expected a command behind '!='");
		else if (command_output(eval->project->set.shell ? eval->project->set.shell : "sh", command,
				 eval->project->dir, &value, &err) != 0)
			eval_error(eval, eval_place(eval, node->value), "%s", err.message);
		else if (value.len && memchr(value.data, '\0', value.len))
			eval_error(eval, eval_place(eval, node->value),
				"the command's output holds a NUL byte: it is no text");
		scope_set(&eval->scope, name, node->name.len, value.len ? value.data : "", value.len, place, false);
		free(command);
	} else {
		char *string = value_string(&eval->project->arena, text.bytes, text.len);

		if (text.len && (*text.bytes == '"' || *text.bytes == '\'')) {
			struct words words;

			if (value_words(eval, text.bytes, text.len, eval_place(eval, node->value), &words) != 0)
				string = arena_strdup(&eval->project->arena, "");
		}
		strbuf_addstr(&value, string);
		if (value.len > EVAL_TEXT_MAX)
			eval_error(eval, place, "the value of this variable has more than 16 MiB");
		else
			scope_set(&eval->scope, name, node->name.len, strbuf_cstr(&value), value.len, place, false);
	}
	strbuf_release(&value);
	arena_reset(&eval->project->arena, mark);
}

/* the words of a loop: expanded, globs replaced by the files they match */
static int loop_words(struct eval *eval, const struct ast *node, struct strvec *out)
{
	for (const struct ast_word *word = node->names.first; word; word = word->next) {
		struct place place = eval_place(eval, word->span);
		struct expanded how;
		struct text text = expand_value(eval, &no_stream, word->span, &how);
		struct words words;

		if (!text.bytes || value_words(eval, text.bytes, text.len, place, &words) != 0)
			return -1;
		for (uint32_t i = 0; i < words.count; i++) {
			struct orch_error err = {0};
			size_t before = out->count;

			if (!path_has_glob(words.items[i])) {
				strvec_push(out, words.items[i]);
				continue;
			}
			if (!eval->options->isolated &&
				glob_files(eval->project->dir, words.items[i], out, &err) != 0) {
				eval_error(eval, place, "%s", err.message);
				return -1;
			}
			if (out->count == before) {
				eval_error(eval, place, "no file matches '%s'", words.items[i]);
				return -1;
			}
		}
	}
	return 0;
}

static void eval_for(struct eval *eval, const struct ast *node)
{
	struct strvec words = {0};
	struct scope_loop loop = {NULL, NULL, eval->scope.loop};
	char *name = xstrndup(eval_bytes(eval, node->name), node->name.len);

	loop.name = name;
	if (!node->first_child)
		eval_error(eval, (struct place){node->start, eval->file->number, 3},
			"this loop has no statements: they go below, indented");
	if (loop_words(eval, node, &words) == 0 && node->first_child) {
		eval->scope.loop = &loop;
		for (size_t i = 0; i < words.count; i++) {
			loop.value = words.items[i];
			if (++eval->repetitions > EVAL_REPETITIONS_MAX) {
				eval_error(eval, eval_place(eval, node->name),
					"the loops of this file go round more than 4 million times");
				break;
			}
			for (const struct ast *child = node->first_child; child; child = child->next)
				eval_statement(eval, child);
		}
		eval->scope.loop = loop.outer;
	}
	strvec_release(&words);
	free(name);
}

/* Recursion: only through loops and includes, whose nesting is limited. */
void eval_statement(struct eval *eval, const struct ast *node)
{
	if (eval->origin != FROM_ORCHFILE && node->kind != AST_ASSIGN && node->kind != AST_AGENT &&
		node->kind != AST_RECOVER && node->kind != AST_RUNNER && node->kind != AST_FOR) {
		eval_error(eval, (struct place){node->start, eval->file->number, 1},
			"a file of agents holds agents, recovery rules, runners and variables only");
		return;
	}
	if (eval->only_runners && (node->kind == AST_AGENT || node->kind == AST_RECOVER))
		return;
	if (eval->generator != NO_STREAM && !fragment_may_hold(eval, node))
		return;
	switch (node->kind) {
	case AST_ASSIGN:
		eval_assign(eval, node);
		break;
	case AST_INCLUDE:
		load_include(eval, node);
		break;
	case AST_PROJECT:
		eval_project(eval, node);
		break;
	case AST_DEFAULTS:
		eval_defaults(eval, node);
		break;
	case AST_AGENT:
		eval_agent(eval, node);
		break;
	case AST_RECOVER:
		eval_rule(eval, node);
		break;
	case AST_RUNNER:
		eval_runner(eval, node);
		break;
	case AST_POOL:
		eval_pool(eval, node);
		break;
	case AST_ON:
		eval_hook(eval, node);
		break;
	case AST_FOR:
		eval_for(eval, node);
		break;
	case AST_STREAMS:
		eval_streams(eval, node);
		break;
	case AST_SETTING:
	case AST_BLOCK:
	case AST_SCRIPT:
		break;
	}
}

static const struct kill_step default_kill[] = {{15, -1}, {9, -1}};

void eval_init(struct eval *eval, struct project *project, const struct load_options *options, struct diag_list *diags)
{
	memset(eval, 0, sizeof *eval);
	eval->project = project;
	eval->options = options;
	eval->diags = diags;
	eval->generator = NO_STREAM;
	map_init_owning(&eval->reported);
	eval->builtin.kill = default_kill;
	eval->builtin.kill_count = 2;
	eval->builtin.linger_ms = 60 * 1000;
	eval->builtin.grace_ms = 10 * 1000;
	eval->builtin.backoff_ms = 5 * 1000;
	eval->builtin.backoff_max_ms = 5 * 60 * 1000;
	eval->builtin.weight = 1;
	eval->builtin.keep = KEEP_FAILED;
	eval->builtin.rerun = RERUN_ALL;
	for (const char *const *at = options->assignments; at && *at; at++) {
		const char *equals = strchr(*at, '=');

		if (equals)
			scope_set(&eval->scope, *at, (size_t)(equals - *at), equals + 1, strlen(equals + 1),
				(struct place){0}, true);
	}
}

void eval_release(struct eval *eval)
{
	for (size_t i = 0; i < eval->unknown.count; i++) {
		free(eval->unknown.items[i].name);
		free(eval->unknown.items[i].best);
	}
	ARRAY_RELEASE(&eval->unknown);
	ARRAY_RELEASE(&eval->pools);
	map_release(&eval->pool_numbers);
	ARRAY_RELEASE(&eval->hooks);
	ARRAY_RELEASE(&eval->agents);
	ARRAY_RELEASE(&eval->rules);
	ARRAY_RELEASE(&eval->queues);
	ARRAY_RELEASE(&eval->properties);
	ARRAY_RELEASE(&eval->origins);
	ARRAY_RELEASE(&eval->project_origins);
	ARRAY_RELEASE(&eval->defaults);
	ARRAY_RELEASE(&eval->appends);
	prompt_files_release(eval);
	map_release(&eval->reported);
	scope_release(&eval->scope);
	strbuf_release(&eval->scratch);
	strbuf_release(&eval->flat);
}

/* the stream part of each {{STREAM.key}} must be a stream; whether it is a dependency is load_check()'s question */
static void check_refs(struct eval *eval)
{
	for (uint32_t i = 0; i < eval->project->ref_count; i++) {
		const struct value_ref *ref = &eval->project->refs[i];
		const char *near;

		if (project_find(eval->project, ref->name) != NO_STREAM)
			continue;
		near = project_suggest(eval->project, ref->name);
		if (near)
			eval_error(eval, ref->place, "there is no stream '%s' to take a value from; did you mean '%s'?",
				ref->name, near);
		else
			eval_error(eval, ref->place, "there is no stream '%s' to take a value from", ref->name);
	}
}

/* --- all of it --- */

void eval_finish(struct eval *eval)
{
	struct project *project = eval->project;
	struct suggest suggest;

	eval_settle_declarations(eval);
	eval_settle_defaults(eval);
	eval_check_agents(eval);
	eval_check_runners(eval);
	prompt_files_check(eval);
	eval_check_worktrees(eval);
	check_refs(eval);
	nested_settle(eval);
	fragment_check(eval);
	expand_report_unknown(eval);
	for (uint32_t i = 0; i < project->stream_count; i++) {
		const struct stream *stream = &project->streams[i];
		struct place place = stream->place;

		if (!stream->set->pool || map_get(&eval->pool_numbers, stream->set->pool))
			continue;
		for (uint32_t k = 0; k < stream->origin_count; k++) {
			if (strcmp(setting_table[stream->origins[k].row].name, "pool") == 0)
				place = stream->origins[k].place;
		}
		suggest = (struct suggest){.wanted = stream->set->pool};
		for (uint32_t k = 0; k < project->pool_count; k++)
			suggest_offer(&suggest, project->pools[k].name);
		if (suggest.best)
			eval_error(
				eval, place, "unknown pool '%s'; did you mean '%s'?", stream->set->pool, suggest.best);
		else
			eval_error(eval, place, "unknown pool '%s'; declare it: pool %s = N", stream->set->pool,
				stream->set->pool);
	}
	scope_export(&eval->scope, project);
}
