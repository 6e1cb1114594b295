/*
 * Streams and defaults:. A stream without settings of its own has `set` NULL until the whole file is read; then it gets
 * the struct that all such streams share. One with its own has a struct of its own from the start, into which the
 * defaults are filled at the end, since defaults: may stand anywhere.
 */
#include "config.h"

#include <string.h>

#include "lang/eval.h"
#include "lang/expand.h"
#include "lang/prompt_file.h"
#include "lang/value.h"
#include "util/template.h"
#include "util/units.h"

/* the stream at hand; project->streams may move while its body is read */
struct body {
	struct names names;
	struct settings *set; /* NULL until it has settings of its own */
	bool has_run;         /* run: */
};

static struct stream *at_hand(struct eval *eval, const struct body *body)
{
	return &eval->project->streams[body->names.id];
}

static bool is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(!first && (c == '.' || c == '_' || c == '-'));
}

static bool check_name(struct eval *eval, const char *name, size_t len, struct place place)
{
	for (size_t i = 0; i < len; i++) {
		if (is_name_char(name[i], i == 0))
			continue;
		eval_error(eval, place,
			"'%.*s' cannot be the name of a stream: a name is letters, digits, '.', '_' and '-', and starts with a letter or digit",
			(int)(len > 200 ? 200 : len), name);
		return false;
	}
	if (len > EVAL_NAME_MAX) {
		eval_error(eval, place, "this name of a stream has %zu bytes; at most 128 can be", len);
		return false;
	}
	return len > 0;
}

static struct settings *own_settings(struct eval *eval, struct body *body)
{
	if (!body->set) {
		body->set = arena_alloc(&eval->project->arena, sizeof *body->set);
		*body->set = eval->builtin;
	}
	return body->set;
}

/* dependencies of a header or of `after`: from the source if there is nothing to expand */
static void add_deps(struct eval *eval, const struct body *body, const struct ast_word *word, bool order_only)
{
	for (; word; word = word->next) {
		const char *bytes = eval_bytes(eval, word->span);
		struct place place = eval_place(eval, word->span);
		struct expanded how;
		struct words words;
		struct text text;

		if (!template_has_parts(bytes, word->span.len)) {
			if (check_name(eval, bytes, word->span.len, place))
				project_add_dep(eval->project, at_hand(eval, body),
					project_symbol(eval->project, bytes, word->span.len), word->span.offset,
					order_only);
			continue;
		}
		text = expand_value(eval, &body->names, word->span, &how);
		if (!text.bytes || value_words(eval, text.bytes, text.len, place, &words) != 0)
			continue;
		for (uint32_t i = 0; i < words.count; i++) {
			size_t len = strlen(words.items[i]);

			if (check_name(eval, words.items[i], len, place))
				project_add_dep(eval->project, at_hand(eval, body),
					project_symbol(eval->project, words.items[i], len), word->span.offset,
					order_only);
		}
	}
}

static void add_after(struct eval *eval, const struct body *body, const struct words *words, struct place place)
{
	const char *text = eval->file->source->text, *rest = text + place.offset, *end = rest + place.length;

	for (uint32_t i = 0; i < words->count; i++) {
		size_t len = strlen(words->items[i]);
		uint32_t offset = place.offset;
		const char *at;

		if (!check_name(eval, words->items[i], len, place))
			continue;
		/* the word's own place, where it stands as written: behind the one before, which may begin with it */
		at = memmem(rest, (size_t)(end - rest), words->items[i], len);
		if (at) {
			offset = (uint32_t)(at - text);
			rest = at + len;
		}
		project_add_dep(eval->project, at_hand(eval, body), project_symbol(eval->project, words->items[i], len),
			offset, false);
	}
}

static void add_origin(struct eval *eval, const struct setting *row, struct place place)
{
	struct setting_origin *origin = ARRAY_PUSH(&eval->origins);

	origin->row = (uint16_t)(row - setting_table);
	origin->place = place;
}

static const struct setting_origin *find_origin(const struct eval *eval, const struct setting *row)
{
	for (size_t i = 0; i < eval->origins.count; i++) {
		if (&setting_table[eval->origins.items[i].row] == row)
			return &eval->origins.items[i];
	}
	return NULL;
}

/* What stands behind `send:`: on its line, or indented below it. No newline at its end; len 0: nothing */
static struct text checkin_message(struct eval *eval, struct text text)
{
	const char *at = text.bytes + strlen("send:"), *end = text.bytes + text.len;
	size_t depth, len = 0;
	char *copy;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (at < end && *at == '\n')
		at++;
	while (end > at && strchr(" \t\n", end[-1]))
		end--;
	depth = at > text.bytes && at[-1] == '\n' ? strspn(at, " \t") : 0;
	copy = arena_alloc(&eval->project->arena, (size_t)(end - at) + 1);
	/* what the first line is indented by is taken off the others, as far as they have it */
	for (const char *next; at < end; at = next) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t skip = 0;

		next = stop ? stop + 1 : end;
		while (skip < depth && at + skip < next && (at[skip] == ' ' || at[skip] == '\t'))
			skip++;
		memcpy(copy + len, at + skip, (size_t)(next - at) - skip);
		len += (size_t)(next - at) - skip;
	}
	copy[len] = '\0';
	return (struct text){copy, (uint32_t)len, text.late};
}

/* every DURATION: with a script, or `send: TEXT` */
static void store_checkin(
	struct eval *eval, struct text text, const char *duration, struct place place, struct settings *set)
{
	struct checkin *all = arena_alloc(&eval->project->arena, (set->every_count + 1) * sizeof *all);
	struct checkin *checkin = &all[set->every_count];

	if (set->every_count)
		memcpy(all, set->every, set->every_count * sizeof *all);
	if (!units_parse_duration(duration, &checkin->interval_ms) || checkin->interval_ms <= 0) {
		eval_error(eval, place, "'every %s': expected a duration such as 90s, 45m or 1h30m", duration);
		return;
	}
	if (text.len >= 5 && memcmp(text.bytes, "send:", 5) == 0) {
		checkin->send = checkin_message(eval, text);
		checkin->script = (struct text){0};
		if (!checkin->send.len) {
			eval_error(eval, place, "'every %s': 'send:' needs a text, on its line or indented below it",
				duration);
			return;
		}
	} else {
		checkin->send = (struct text){0};
		checkin->script = text;
	}
	set->every = all;
	set->every_count++;
}

/* the text of a block, final or late, into its field */
static void store_block(struct eval *eval, const struct setting *row, struct text text, const char *duration,
	struct place place, struct settings *set)
{
	struct value value = {0};

	switch (row->type) {
	case SETTING_BLOCK:
		memcpy((char *)set + row->offset, &text, sizeof text);
		break;
	case SETTING_ENV:
		if (value_env_block(eval, text, place, &value) == 0)
			value_store(eval, row, &value, true, set);
		break;
	case SETTING_TASKS:
		value_tasks(eval, text, &value);
		value_store(eval, row, &value, false, set);
		break;
	case SETTING_EVERY:
		store_checkin(eval, text, duration, place, set);
		break;
	default:
		break;
	}
}

/* "every 10m" -> "10m" */
static const char *checkin_duration(struct eval *eval, const struct ast *item)
{
	const char *bytes = eval_bytes(eval, item->title);
	uint32_t skip = 5;

	if (!item->title.len)
		return "";
	while (skip < item->title.len && (bytes[skip] == ' ' || bytes[skip] == '\t'))
		skip++;
	return arena_strndup(&eval->project->arena, bytes + skip, item->title.len - skip);
}

static bool empty_block(struct eval *eval, const struct ast *item)
{
	if (item->value.len)
		return false;
	eval_error(eval, eval_place(eval, item->name),
		"the block '%.*s' is empty: its text goes on the same line, or below it, indented", (int)item->name.len,
		eval_bytes(eval, item->name));
	return true;
}

static void stream_block(
	struct eval *eval, struct body *body, const struct ast *item, const struct setting *row, struct place place)
{
	struct names names = body->names;
	struct expanded how;
	struct text text;

	if (empty_block(eval, item))
		return;
	if (row->unavailable && !value_unavailable(eval, place, row->name))
		return;
	if (row->type != SETTING_TASKS)
		names.allowed |= NAMES_LATE;
	text = expand_block(eval, &names, item, &how);
	if (!text.bytes)
		return;
	if (strcmp(row->name, "run") == 0) {
		at_hand(eval, body)->run = text;
		body->has_run = true;
	} else if (strcmp(row->name, "prompt") == 0) {
		at_hand(eval, body)->prompt = text;
	} else {
		store_block(eval, row, text, checkin_duration(eval, item), place, own_settings(eval, body));
	}
}

static void stream_setting(struct eval *eval, struct body *body, const struct ast *item)
{
	const struct setting *row = eval_find_setting(eval, item->name, SCOPE_STREAM, item->kind == AST_BLOCK);
	struct place place = eval_place(eval, item->name),
		     value_place = eval_place(eval, item->value.len ? item->value : item->name);
	struct names names = body->names;
	const struct setting_origin *before;
	struct expanded how;
	struct value value;
	struct text text;

	if (!row)
		return;
	before = find_origin(eval, row);
	if (before && item->op != '+' && row->type != SETTING_EVERY && row->type != SETTING_ENV) {
		if (eval_error(eval, place, "setting '%s' is given twice", row->name))
			diag_note(eval->diags, before->place, "the first time is here");
		return;
	}
	add_origin(eval, row, place);
	if (item->kind == AST_BLOCK) {
		stream_block(eval, body, item, row, place);
		return;
	}
	if (item->op == '+' && !value_is_list(row) && strcmp(row->name, "after") != 0) {
		eval_error(eval, place, "'%s' takes one value: write '%s = VALUE'", row->name, row->name);
		return;
	}
	if (row->type == SETTING_ENV)
		names.allowed |= NAMES_LATE;
	text = expand_value(eval, &names, item->value, &how);
	if (!text.bytes)
		return;
	if (row->type == SETTING_BLOCK && !text.len) {
		eval_error(eval, place, "'%s = FILE': expected the path of a file", row->name);
		return;
	}
	eval->setting_place = place;
	if (value_parse(eval, row, text, value_place, &value) != 0)
		return;
	if (strcmp(row->name, "after") == 0) {
		add_after(eval, body, &value.words, value_place);
		return;
	}
	if (item->op == '+' && !before) {
		struct append *append = ARRAY_PUSH(&eval->appends);

		append->stream = body->names.id;
		append->row = (uint16_t)(row - setting_table);
	}
	value_store(eval, row, &value, item->op == '+' || row->type == SETTING_ENV, own_settings(eval, body));
}

/* `key = value` or `key:` in a line of a script: probably meant as a setting */
static void warn_of_settings(struct eval *eval, const struct ast *item)
{
	const char *line = eval_bytes(eval, item->value), *end = line + item->value.len;
	bool first = true;

	for (const char *next; line < end; line = next, first = false) {
		const char *name, *at, *stop = memchr(line, '\n', (size_t)(end - line));
		const struct setting *row;

		next = stop ? stop + 1 : end;
		if (!stop)
			stop = end;
		name = line;
		while (name < stop && (*name == ' ' || *name == '\t'))
			name++;
		for (at = name; at < stop && ((*at >= 'a' && *at <= 'z') || *at == '-'); at++)
			;
		if (at == name || at == stop || stop - at < 2 ||
			!(at[0] == ' ' || at[0] == '\t' || at[0] == '=' || (at[0] == ':' && !first)))
			continue;
		row = setting_find(name, (size_t)(at - name), SCOPE_STREAM);
		if (!row)
			continue;
		if (*at == ':') {
			if (row->type != SETTING_BLOCK || !(at[1] == ' ' || at[1] == '\r'))
				continue;
		} else if (*at == '=') {
			/* an assignment of the shell, unless nothing else is there */
			if (!first || next < end || memchr(at, ' ', (size_t)(stop - at)))
				continue;
			eval_warning(eval,
				eval_place(eval,
					(struct span){
						(uint32_t)(name - eval->file->source->text), (uint32_t)(at - name)}),
				"this is a command; a setting has white space on both sides of the sign: %s = ...",
				row->name);
			continue;
		} else {
			while (at < stop && (*at == ' ' || *at == '\t'))
				at++;
			if (at < stop && (*at == '+' || *at == '?' || *at == '!'))
				at++;
			if (at >= stop || *at != '=' ||
				(at + 1 < stop && at[1] != ' ' && at[1] != '\t' && at[1] != '\r'))
				continue;
		}
		eval_warning(eval,
			eval_place(eval,
				(struct span){
					(uint32_t)(name - eval->file->source->text), (uint32_t)strlen(row->name)}),
			"this line looks like the setting '%s', but it is a command: settings go before the commands",
			row->name);
	}
}

static void stream_script(struct eval *eval, struct body *body, const struct ast *item)
{
	struct names names = body->names;
	struct expanded how;
	struct text text;

	if (body->has_run) {
		const char *line = eval_bytes(eval, item->value);
		size_t skip = strspn(line, " \t");
		struct span first = {item->value.offset + (uint32_t)skip, (uint32_t)strcspn(line + skip, "\r\n")};

		eval_error(eval, eval_place(eval, first), "commands beside 'run:': a stream has one or the other");
		return;
	}
	warn_of_settings(eval, item);
	names.allowed |= NAMES_LATE;
	text = expand_block(eval, &names, item, &how);
	if (text.bytes)
		at_hand(eval, body)->run = text;
}

static void finish_stream(struct eval *eval, const struct body *body)
{
	struct stream *stream = at_hand(eval, body);
	struct setting_origin *origins;

	stream->set = body->set;
	if (eval->origins.count) {
		origins = arena_alloc(&eval->project->arena, eval->origins.count * sizeof *origins);
		memcpy(origins, eval->origins.items, eval->origins.count * sizeof *origins);
		stream->origins = origins;
		stream->origin_count = (uint32_t)eval->origins.count;
	}
	if (stream->run.bytes && (stream->prompt.bytes || (body->set && body->set->prompt_file)))
		eval_error(eval, stream->place, "stream '%s' has commands and a prompt: it can have one or the other",
			stream->name);
	if (stream->prompt.bytes && body->set && body->set->prompt_file)
		eval_error(eval, stream->place, "stream '%s' has two prompts: a file and a text", stream->name);
	else if (body->set && body->set->prompt_file)
		prompt_file_note(eval, body->names.id, stream->place);
}

static void eval_stream(struct eval *eval, const struct ast *node, const char *name, size_t len, struct place place)
{
	struct body body = {{NAMES_STREAM, NULL, NULL, 0}, NULL, false};
	struct stream *stream;

	if (!check_name(eval, name, len, place))
		return;
	stream = project_add_stream(eval->project, name, len);
	if (!stream) {
		uint32_t old = project_findn(eval->project, name, len);

		if (eval_error(eval, place, "stream '%.*s' is declared twice", (int)len, name))
			diag_note(eval->diags, eval->project->streams[old].place, "the first declaration is here");
		return;
	}
	stream->place = place;
	stream->generated_by = eval->generator;
	body.names.id = (uint32_t)(stream - eval->project->streams);
	body.names.stream = stream->name;
	if (node->title.len) {
		struct span inner = {node->title.offset, node->title.len};
		struct expanded how;
		struct text title = expand_value(eval, &body.names, inner, &how);

		if (title.bytes)
			at_hand(eval, &body)->title = body.names.title =
				value_string(&eval->project->arena, title.bytes, title.len);
	}
	add_deps(eval, &body, node->deps.first, false);
	add_deps(eval, &body, node->order.first, true);
	eval->origins.count = 0;
	for (const struct ast *item = node->first_child; item; item = item->next) {
		if (item->kind == AST_SCRIPT)
			stream_script(eval, &body, item);
		else
			stream_setting(eval, &body, item);
	}
	finish_stream(eval, &body);
}

void eval_streams(struct eval *eval, const struct ast *node)
{
	static const struct names names = {0, NULL, NULL, NO_STREAM};

	for (const struct ast_word *word = node->names.first; word; word = word->next) {
		const char *bytes = eval_bytes(eval, word->span);
		struct place place = eval_place(eval, word->span);
		struct expanded how;
		struct words words;
		struct text text;

		if (!template_has_parts(bytes, word->span.len)) {
			eval_stream(eval, node, bytes, word->span.len, place);
			continue;
		}
		text = expand_value(eval, &names, word->span, &how);
		if (!text.bytes || value_words(eval, text.bytes, text.len, place, &words) != 0)
			continue;
		for (uint32_t i = 0; i < words.count; i++)
			eval_stream(eval, node, words.items[i], strlen(words.items[i]), place);
	}
}

/* gives one entry of the defaults to `set` */
static void apply_default(
	struct eval *eval, const struct names *names, const struct default_entry *entry, struct settings *set)
{
	struct text text = entry->text;
	struct value value;
	bool block = entry->op == ':';

	eval->setting_place = entry->name_place;
	if (entry->again) {
		struct names here = *names;

		if (block || entry->row->type == SETTING_ENV)
			here.allowed |= NAMES_LATE;
		text = expand_again(eval, &here, text, entry->place);
		if (!text.bytes)
			return;
	}
	if (block)
		store_block(eval, entry->row, text, entry->duration, entry->place, set);
	else if (value_parse(eval, entry->row, text, entry->place, &value) == 0)
		value_store(eval, entry->row, &value, entry->op == '+' || entry->row->type == SETTING_ENV, set);
}

static void default_setting(struct eval *eval, const struct ast *item)
{
	struct names names = {NAMES_STREAM_LATER, NULL, NULL, NO_STREAM};
	const struct setting *row;
	struct default_entry *entry;
	struct expanded how;
	struct text text;

	if (item->kind == AST_SCRIPT) {
		eval_no_script(eval, item, "defaults:");
		return;
	}
	row = eval_find_setting(eval, item->name, SCOPE_DEFAULTS, item->kind == AST_BLOCK);
	if (!row)
		return;
	if (item->op == '+' && !value_is_list(row)) {
		eval_error(eval, eval_place(eval, item->name), "'%s' takes one value: write '%s = VALUE'", row->name,
			row->name);
		return;
	}
	if (item->kind == AST_BLOCK || row->type == SETTING_ENV)
		names.allowed |= NAMES_LATE;
	if (item->kind == AST_BLOCK &&
		(empty_block(eval, item) ||
			(row->unavailable && !value_unavailable(eval, eval_place(eval, item->name), row->name))))
		return;
	text = item->kind == AST_BLOCK ? expand_block(eval, &names, item, &how)
				       : expand_value(eval, &names, item->value, &how);
	if (!text.bytes)
		return;
	entry = ARRAY_PUSH(&eval->defaults);
	entry->row = row;
	entry->op = item->kind == AST_BLOCK ? ':' : item->op;
	entry->again = how.again;
	entry->text = text;
	entry->duration = item->kind == AST_BLOCK ? checkin_duration(eval, item) : "";
	entry->place = eval_place(eval, item->value.len ? item->value : item->name);
	entry->name_place = eval_place(eval, item->name);
	if (!entry->again) {
		/* what is wrong with it is said here, where the source is at hand */
		struct settings probe = eval->builtin;
		size_t errors = eval->diags->errors;
		struct default_entry copy = *entry;

		apply_default(eval, &names, &copy, &probe);
		if (eval->diags->errors > errors)
			eval->defaults.count--;
	}
}

void eval_defaults(struct eval *eval, const struct ast *node)
{
	for (const struct ast *item = node->first_child; item; item = item->next)
		default_setting(eval, item);
}

/* the rows that the defaults set, once each, as origins */
static uint32_t default_origins(struct eval *eval, struct setting_origin **out)
{
	struct setting_origin *origins =
		arena_alloc(&eval->project->arena, (eval->defaults.count + 1) * sizeof *origins);
	uint32_t count = 0;

	for (size_t i = 0; i < eval->defaults.count; i++) {
		uint16_t row = (uint16_t)(eval->defaults.items[i].row - setting_table);
		uint32_t at = 0;

		while (at < count && origins[at].row != row)
			at++;
		origins[at] = (struct setting_origin){row, true, eval->defaults.items[i].place};
		if (at == count)
			count++;
	}
	*out = origins;
	return count;
}

static bool is_append(const struct eval *eval, size_t *next, uint32_t stream, uint16_t row)
{
	/* the list is in the order of the streams */
	while (*next < eval->appends.count && eval->appends.items[*next].stream < stream)
		(*next)++;
	for (size_t i = *next; i < eval->appends.count && eval->appends.items[i].stream == stream; i++) {
		if (eval->appends.items[i].row == row)
			return true;
	}
	return false;
}

/* fills the defaults into a stream's own settings */
static void merge(struct eval *eval, struct stream *stream, struct settings *own, const struct settings *defaults,
	const struct setting_origin *origins, uint32_t count, size_t *next_append)
{
	struct setting_origin *all =
		arena_alloc(&eval->project->arena, ((size_t)stream->origin_count + count + 1) * sizeof *all);
	uint32_t all_count = stream->origin_count;

	if (stream->origin_count)
		memcpy(all, stream->origins, stream->origin_count * sizeof *all);
	for (uint32_t i = 0; i < count; i++) {
		const struct setting *row = &setting_table[origins[i].row];
		uint32_t at = 0;

		while (at < stream->origin_count && stream->origins[at].row != origins[i].row)
			at++;
		if (at == stream->origin_count) {
			value_copy(row, own, defaults);
			all[all_count++] = origins[i];
		} else if (row->type == SETTING_ENV ||
			is_append(eval, next_append, (uint32_t)(stream - eval->project->streams), origins[i].row)) {
			value_prepend(eval, row, own, defaults);
		}
	}
	stream->origins = all;
	stream->origin_count = all_count;
}

void eval_settle_defaults(struct eval *eval)
{
	struct project *project = eval->project;
	struct settings *shared = arena_alloc(&project->arena, sizeof *shared), *last_own = NULL;
	struct setting_origin *origins;
	uint32_t origin_count = default_origins(eval, &origins);
	bool again = false;
	size_t next_append = 0;

	*shared = eval->builtin;
	for (size_t i = 0; i < eval->defaults.count; i++) {
		again |= eval->defaults.items[i].again;
		if (!eval->defaults.items[i].again)
			apply_default(eval, NULL, &eval->defaults.items[i], shared);
	}
	project->defaults = shared;
	for (uint32_t i = 0; i < project->stream_count; i++) {
		struct stream *stream = &project->streams[i];
		/* made by own_settings(), const only for those who come later */
		struct settings *own = (struct settings *)(uintptr_t)stream->set;
		struct settings *defaults = shared;

		if (again) {
			struct names names = {NAMES_STREAM, stream->name, stream->title, i};

			defaults = arena_alloc(&project->arena, sizeof *defaults);
			*defaults = eval->builtin;
			for (size_t k = 0; k < eval->defaults.count; k++)
				apply_default(eval, &names, &eval->defaults.items[k], defaults);
		}
		if (!own && !stream->origin_count) {
			stream->set = defaults;
			stream->origins = origins;
			stream->origin_count = origin_count;
			continue;
		}
		if (origin_count) {
			struct settings unused = eval->builtin;

			merge(eval, stream, own ? own : &unused, defaults, origins, origin_count, &next_append);
		}
		/* many streams with the same settings: one struct */
		if (own && last_own && memcmp(own, last_own, sizeof *own) == 0)
			own = last_own;
		stream->set = own ? own : defaults;
		last_own = own ? own : last_own;
	}
}
