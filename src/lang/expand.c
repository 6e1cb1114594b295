#include "config.h"

#include "lang/expand.h"

#include <stdlib.h>
#include <string.h>

#include "lang/eval.h"
#include "lang/prompt_file.h"
#include "os/fs.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/template.h"

static const char *const late_names[] = {"attempt", "run", "branch", "base", "prompt", "log", "slot", "port", NULL};
static const char *const function_names[] = {"stem", "file", "dir", "quote", "read", "raw", NULL};

enum meaning { MEANS_VALUE, MEANS_LATE, MEANS_AGAIN, MEANS_ERROR };

static bool is(const char *name, size_t len, const char *what)
{
	return strlen(what) == len && memcmp(name, what, len) == 0;
}

static bool is_one_of(const char *name, size_t len, const char *const *list)
{
	for (; *list; list++) {
		if (is(name, len, *list))
			return true;
	}
	return false;
}

struct place expand_place(const struct eval *eval, const struct piece *piece, size_t index, size_t len)
{
	const struct source *source = eval->file ? eval->file->source : NULL;
	const char *at = piece->bytes + index;
	struct place place = piece->place;

	if (!source)
		return place;
	if (piece->raw) {
		/* the same line, the same distance from the indentation */
		const char *line = piece->bytes, *raw = piece->raw;
		const char *end;

		while ((end = memchr(line, '\n', (size_t)(at - line)))) {
			line = end + 1;
			raw = strchr(raw, '\n') + 1;
		}
		for (size_t i = 0; i < piece->strip && (*raw == ' ' || *raw == '\t'); i++)
			raw++;
		at = raw + (at - line);
	}
	/* compared as numbers: the piece may be another object */
	if ((uintptr_t)at >= (uintptr_t)source->text && (uintptr_t)at < (uintptr_t)source->text + source->len) {
		place.offset = (uint32_t)(at - source->text);
		place.length = (uint16_t)(len > UINT16_MAX ? UINT16_MAX : len);
	}
	return place;
}

static void remember_unknown(
	struct eval *eval, const struct names *names, const char *name, size_t len, struct place place)
{
	struct unknown_name *unknown = ARRAY_PUSH(&eval->unknown);
	struct suggest suggest = {0};

	unknown->name = xstrndup(name, len);
	unknown->place = place;
	suggest.wanted = unknown->name;
	scope_offer(&eval->scope, &suggest);
	suggest_offer(&suggest, "dir");
	if (names->allowed & (NAMES_STREAM | NAMES_STREAM_LATER)) {
		suggest_offer(&suggest, "stream");
		suggest_offer(&suggest, "title");
	}
	for (const char *const *late = late_names; *late && (names->allowed & NAMES_LATE); late++)
		suggest_offer(&suggest, *late);
	unknown->best = suggest.best ? xstrdup(suggest.best) : NULL;
}

void expand_report_unknown(struct eval *eval)
{
	for (size_t i = 0; i < eval->unknown.count; i++) {
		struct unknown_name *unknown = &eval->unknown.items[i];
		const struct scope_variable *later = scope_variable(&eval->scope, unknown->name, strlen(unknown->name));
		struct suggest suggest = {.wanted = unknown->name};

		if (unknown->best)
			suggest_offer(&suggest, unknown->best);
		scope_offer(&eval->scope, &suggest);
		if (later && later->place.source) {
			if (eval_error(eval, unknown->place,
				    "unknown variable '%s': it is defined further down, and a variable is expanded when it is read",
				    unknown->name))
				diag_note(eval->diags, later->place, "defined here");
		} else if (suggest.best) {
			eval_error(eval, unknown->place, "unknown variable '%s'; did you mean '%s'?", unknown->name,
				suggest.best);
		} else {
			eval_error(eval, unknown->place, "unknown variable '%s'", unknown->name);
		}
	}
}

/* `(?<name>`, `(?P<name>` or `(?'name'` in the pattern of the rule at hand */
static bool is_group(const struct eval *eval, const char *name, size_t len)
{
	const char *at = eval->groups, *end;

	if (!at)
		return false;
	end = at + eval->groups_len;
	while ((at = memmem(at, (size_t)(end - at), "(?", 2))) {
		at += 2;
		if (at < end && *at == 'P')
			at++;
		if (at < end && (*at == '<' || *at == '\'') && (size_t)(end - at) > len + 1 &&
			memcmp(at + 1, name, len) == 0 && (at[len + 1] == '>' || at[len + 1] == '\''))
			return true;
	}
	return false;
}

static void add_ref(struct eval *eval, const struct names *names, const char *name, size_t len, struct place place)
{
	struct project *project = eval->project;

	if (project->ref_count == project->ref_capacity) {
		project->ref_capacity = project->ref_capacity ? project->ref_capacity * 2 : 16;
		project->refs = xreallocarray(project->refs, project->ref_capacity, sizeof *project->refs);
	}
	project->refs[project->ref_count++] =
		(struct value_ref){arena_strndup(&project->arena, name, len), names->id, place};
}

/* {{STREAM.key}} */
static enum meaning dotted(
	struct eval *eval, const struct names *names, const struct template_part *part, struct place place)
{
	const char *dot = memrchr(part->name, '.', part->name_len);
	size_t stream_len = (size_t)(dot - part->name);

	if ((names->allowed & NAMES_RECOVER) &&
		(is(part->name, part->name_len, "log.tail") || is(part->name, part->name_len, "check.tail")))
		return MEANS_LATE;
	if (names->allowed & NAMES_STREAM_LATER)
		return MEANS_AGAIN;
	if (!(names->allowed & NAMES_LATE)) {
		eval_error(eval, place,
			"'%.*s' is known only when the stream runs: it can be used in blocks (run:, check:, ...) and in env",
			(int)part->name_len, part->name);
		return MEANS_ERROR;
	}
	if (names->id != NO_STREAM)
		add_ref(eval, names, part->name, stream_len, place);
	return MEANS_LATE;
}

/* what the name of a part means; of a value: its text in *value, which the caller frees */
static enum meaning resolve(struct eval *eval, const struct names *names, const struct template_part *part,
	struct place place, char **value)
{
	const char *name = part->name, *found;
	size_t len = part->name_len;

	if (len > 4 && memcmp(name, "env.", 4) == 0) {
		char *variable = xstrndup(name + 4, len - 4);

		found = getenv(variable);
		if (found)
			*value = xstrdup(found);
		else if (part->fallback)
			*value = xstrndup(part->fallback, part->fallback_len);
		else
			eval_error(eval, place, "the environment has no '%s'; '{{env.%s or TEXT}}' gives it a default",
				variable, variable);
		free(variable);
		return *value ? MEANS_VALUE : MEANS_ERROR;
	}
	found = scope_get(&eval->scope, name, len);
	if (found) {
		*value = xstrdup(found);
		return MEANS_VALUE;
	}
	if (is(name, len, "dir")) {
		*value = xstrdup(eval->project->dir ? eval->project->dir : "");
		return MEANS_VALUE;
	}
	if (is(name, len, "stream") || is(name, len, "title")) {
		if (names->allowed & NAMES_STREAM_LATER)
			return MEANS_AGAIN;
		if (names->allowed & NAMES_STREAM) {
			found = is(name, len, "stream") ? names->stream : names->title;
			*value = xstrdup(found ? found : "");
			return MEANS_VALUE;
		}
		if (names->allowed & (NAMES_AGENT | NAMES_RECOVER))
			return MEANS_LATE;
		eval_error(eval, place, "'%.*s' can be used only in a stream and in defaults", (int)len, name);
		return MEANS_ERROR;
	}
	if (is_one_of(name, len, late_names)) {
		if (names->allowed & NAMES_LATE)
			return MEANS_LATE;
		eval_error(eval, place,
			"'%.*s' is known only when the stream runs: it can be used in blocks (run:, check:, ...) and in env",
			(int)len, name);
		return MEANS_ERROR;
	}
	if ((names->allowed & NAMES_AGENT) && (is(name, len, "session") || is(name, len, "args")))
		return MEANS_LATE;
	if ((names->allowed & NAMES_RECOVER) && (is(name, len, "kind") || is_group(eval, name, len)))
		return MEANS_LATE;
	if (memchr(name, '.', len))
		return dotted(eval, names, part, place);
	remember_unknown(eval, names, name, len, place);
	return MEANS_ERROR;
}

static int read_whole(struct eval *eval, const char *name, struct place place, char **out)
{
	struct orch_error err = {0};
	char *path;
	size_t len;
	int result;

	if (eval->options->isolated) {
		eval_error(eval, place, "no file is read here");
		return -1;
	}
	if (eval->generator != NO_STREAM && !path_is_inside(name)) {
		eval_error(eval, place, "read(): what a stream generates reads no file outside the project: '%s'", name);
		return -1;
	}
	path = path_join(eval->project->dir, name);
	result = fs_read(path, EVAL_TEXT_MAX, out, &len, &err);
	free(path);
	if (result != 0) {
		eval_error(eval, place, "read(): %s", err.message);
		return -1;
	}
	if (strlen(*out) != len) {
		eval_error(eval, place, "read(): '%s' holds a NUL byte: it is no text", name);
		free(*out);
		*out = NULL;
		return -1;
	}
	/* as for the output of a command */
	while (len && ((*out)[len - 1] == '\n' || (*out)[len - 1] == '\r'))
		(*out)[--len] = '\0';
	return 0;
}

/* applies one function to *value */
static int apply(struct eval *eval, const char *name, size_t len, struct place place, char **value)
{
	char *old = *value, *result = NULL;

	if (is(name, len, "stem")) {
		result = path_stem(old);
	} else if (is(name, len, "file")) {
		result = xstrdup(path_file(old));
	} else if (is(name, len, "dir")) {
		result = path_dir(old);
	} else if (is(name, len, "quote")) {
		struct strbuf quoted = {0};

		path_quote(&quoted, old);
		result = strbuf_detach(&quoted);
	} else if (is(name, len, "raw")) {
		return 0;
	} else if (read_whole(eval, old, place, &result) != 0) {
		return -1;
	}
	free(old);
	*value = result;
	return 0;
}

static int check_functions(struct eval *eval, const struct template_part *part, const struct piece *piece)
{
	for (unsigned i = 0; i < part->functions; i++) {
		struct suggest suggest = {0};
		struct place place;
		char *name;

		if (is_one_of(part->function[i], part->function_len[i], function_names))
			continue;
		place = expand_place(eval, piece, (size_t)(part->function[i] - piece->bytes), part->function_len[i]);
		name = xstrndup(part->function[i], part->function_len[i]);
		suggest.wanted = name;
		for (const char *const *known = function_names; *known; known++)
			suggest_offer(&suggest, *known);
		if (suggest.best)
			eval_error(eval, place, "unknown function '%s'; did you mean '%s'?", name, suggest.best);
		else
			eval_error(eval, place, "unknown function '%s'; there are stem, file, dir, quote, read and raw",
				name);
		free(name);
		return -1;
	}
	return 0;
}

/* one `{{...}}`; *meaning says what became of it. In a text that stays a template values are escaped */
static int expand_name(struct eval *eval, const struct names *names, const struct piece *piece,
	const struct template_part *part, bool escape, struct strbuf *out, enum meaning *meaning)
{
	struct place place = expand_place(eval, piece, (size_t)(part->name - piece->bytes), part->name_len);
	char *value = NULL;

	if (check_functions(eval, part, piece) != 0)
		return -1;
	*meaning = resolve(eval, names, part, place, &value);
	if (*meaning == MEANS_ERROR)
		return -1;
	if (*meaning == MEANS_VALUE && eval->in_prompt_file)
		prompt_file_used(eval, part->name, part->name_len, value);
	if (*meaning == MEANS_VALUE) {
		for (unsigned i = 0; i < part->functions; i++) {
			if (apply(eval, part->function[i], part->function_len[i], place, &value) != 0) {
				free(value);
				return -1;
			}
		}
		if (escape)
			template_escape(out, value, strlen(value));
		else
			strbuf_addstr(out, value);
	} else {
		strbuf_add(out, part->text, part->len);
	}
	free(value);
	return 0;
}

/* one walk over the text. `escape`: the text stays a template */
static int walk(struct eval *eval, const struct names *names, const struct piece *piece, bool escape,
	struct strbuf *out, struct expanded *how)
{
	const char *rest = piece->bytes;
	size_t len = piece->len;
	struct template_part part;
	int result = 0;

	while (template_next(&rest, &len, &part)) {
		enum meaning meaning;

		switch (part.kind) {
		case TEMPLATE_TEXT:
			strbuf_add(out, part.text, part.len);
			break;
		case TEMPLATE_LITERAL:
			strbuf_addstr(out, escape ? "{{{{" : "{{");
			break;
		case TEMPLATE_NAME:
			if (expand_name(eval, names, piece, &part, escape, out, &meaning) != 0) {
				result = -1;
				break;
			}
			how->late |= meaning == MEANS_LATE || meaning == MEANS_AGAIN;
			how->again |= meaning == MEANS_AGAIN;
			break;
		case TEMPLATE_BAD:
			eval_error(eval, expand_place(eval, piece, (size_t)(part.text - piece->bytes), part.len), "%s",
				part.problem);
			result = -1;
			break;
		}
		if (out->truncated) {
			eval_error(eval, piece->place, "this text has more than 16 MiB when it is expanded");
			return -1;
		}
	}
	return result;
}

int expand(struct eval *eval, const struct names *names, const struct piece *piece, struct strbuf *out,
	struct expanded *how)
{
	size_t start = out->len;
	uint32_t refs = eval->project->ref_count;
	int result;

	*how = (struct expanded){false, false};
	if (!template_has_parts(piece->bytes, piece->len)) {
		strbuf_add(out, piece->bytes, piece->len);
		return 0;
	}
	if (eval->expanded > EVAL_EXPANDED_MAX) {
		eval_error(eval, piece->place, "the texts of this file have more than 512 MiB when they are expanded");
		return -1;
	}
	out->limit = EVAL_TEXT_MAX;
	result = walk(eval, names, piece, false, out, how);
	if (result == 0 && how->late) {
		/* again, now that it is known that values must be kept apart from what is still to be filled in */
		strbuf_truncate(out, start);
		eval->project->ref_count = refs;
		result = walk(eval, names, piece, true, out, how);
	}
	eval->expanded += out->len - start;
	out->limit = 0;
	out->truncated = false;
	return result;
}

struct piece expand_value_piece(struct eval *eval, struct span value)
{
	const char *bytes = eval_bytes(eval, value);
	struct piece piece = {bytes, value.len, eval_place(eval, value), NULL, 0};
	const char *end = bytes + value.len, *line;

	line = memchr(bytes, '\n', value.len);
	if (!line)
		return piece;
	/* joined lines: one blank for each `\`, end of line, indentation */
	strbuf_truncate(&eval->flat, 0);
	while (line) {
		const char *stop = line;

		while (stop > bytes && (stop[-1] == '\r' || stop[-1] == '\\'))
			stop--;
		while (stop > bytes && (stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		strbuf_add(&eval->flat, bytes, (size_t)(stop - bytes));
		strbuf_addch(&eval->flat, ' ');
		for (bytes = line + 1; bytes < end && (*bytes == ' ' || *bytes == '\t'); bytes++)
			;
		line = memchr(bytes, '\n', (size_t)(end - bytes));
	}
	strbuf_add(&eval->flat, bytes, (size_t)(end - bytes));
	piece.bytes = eval->flat.data;
	piece.len = eval->flat.len;
	return piece;
}

/* what `expand` gave for a piece, as a text that lives as long as the project */
static struct text expanded_text(
	struct eval *eval, const struct names *names, const struct piece *piece, bool in_source, struct expanded *how)
{
	struct text text = {piece->bytes, (uint32_t)piece->len, false};

	*how = (struct expanded){false, false};
	if (in_source && !template_has_parts(piece->bytes, piece->len))
		return text;
	strbuf_truncate(&eval->scratch, 0);
	if (expand(eval, names, piece, &eval->scratch, how) != 0)
		return (struct text){NULL, 0, false};
	text.bytes = arena_strndup(&eval->project->arena, strbuf_cstr(&eval->scratch), eval->scratch.len);
	text.len = (uint32_t)eval->scratch.len;
	text.late = how->late;
	return text;
}

struct text expand_value(struct eval *eval, const struct names *names, struct span value, struct expanded *how)
{
	struct piece piece = expand_value_piece(eval, value);

	return expanded_text(eval, names, &piece, piece.bytes == eval_bytes(eval, value), how);
}

struct text expand_again(struct eval *eval, const struct names *names, struct text text, struct place place)
{
	struct piece piece = {text.bytes, text.len, place, NULL, 0};
	struct expanded how;

	return expanded_text(eval, names, &piece, false, &how);
}

/* takes the first line's indentation from all lines */
static void dedent(struct strbuf *out, const char *lines, size_t len, size_t strip)
{
	const char *end = lines + len;

	while (lines < end) {
		const char *stop = memchr(lines, '\n', (size_t)(end - lines)), *next = stop ? stop + 1 : end;
		size_t taken = 0;

		if (!stop)
			stop = end;
		if (stop > lines && stop[-1] == '\r')
			stop--;
		while (taken < strip && lines < stop && (*lines == ' ' || *lines == '\t')) {
			lines++;
			taken++;
		}
		strbuf_add(out, lines, (size_t)(stop - lines));
		if (next < end)
			strbuf_addch(out, '\n');
		lines = next;
	}
}

struct text expand_block(struct eval *eval, const struct names *names, const struct ast *node, struct expanded *how)
{
	const char *lines = eval_bytes(eval, node->value);
	struct piece piece = {lines, node->value.len, eval_place(eval, node->value), NULL, 0};
	bool in_source = true;

	if (!node->inline_text) {
		size_t strip = 0;

		while (strip < piece.len && (lines[strip] == ' ' || lines[strip] == '\t'))
			strip++;
		if (memchr(lines, '\n', piece.len)) {
			strbuf_truncate(&eval->flat, 0);
			dedent(&eval->flat, lines, piece.len, strip);
			piece = (struct piece){eval->flat.data, eval->flat.len, piece.place, lines, strip};
			in_source = false;
		} else {
			piece.bytes += strip;
			piece.len -= strip;
		}
	}
	return expanded_text(eval, names, &piece, in_source, how);
}
