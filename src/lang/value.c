#include "config.h"

#include "lang/value.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lang/eval.h"
#include "util/path.h"
#include "util/regex.h"
#include "util/template.h"
#include "util/units.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool starts_quote(const char *at, const char *start)
{
	return (*at == '"' || *at == '\'') && (at == start || at[-1] == '=');
}

/* behind the closing quote, or NULL */
static const char *end_of_quote(const char *at, const char *end)
{
	char quote = *at++;

	for (; at < end; at++) {
		if (*at == '\\' && quote == '"' && at + 1 < end)
			at++;
		else if (*at == quote)
			return at + 1;
	}
	return NULL;
}

bool word_next(struct word_walk *walk, struct raw_word *word)
{
	const char *at = walk->rest;

	while (at < walk->end && is_blank(*at))
		at++;
	*word = (struct raw_word){at, 0, false, false};
	while (at < walk->end && !is_blank(*at)) {
		if (starts_quote(at, word->bytes)) {
			const char *close = end_of_quote(at, walk->end);

			word->quoted = true;
			word->unterminated |= !close;
			at = close ? close : walk->end;
		} else if (walk->templates && walk->end - at > 2 && at[0] == '{' && at[1] == '{') {
			const char *close = memmem(at + 2, (size_t)(walk->end - at - 2), "}}", 2);

			at = close ? close + 2 : at + 2;
		} else {
			at++;
		}
	}
	word->len = (size_t)(at - word->bytes);
	walk->rest = at;
	return word->len > 0;
}

char *word_unquote(struct arena *arena, const struct raw_word *word)
{
	char *out, *to;
	const char *at = word->bytes, *end = word->bytes + word->len;

	if (!word->quoted)
		return arena_strndup(arena, word->bytes, word->len);
	out = to = arena_bytes(arena, word->len + 1);
	while (at < end) {
		const char *close;
		char quote;

		if (!starts_quote(at, word->bytes)) {
			*to++ = *at++;
			continue;
		}
		close = end_of_quote(at, end);
		quote = *at++;
		close = close ? close - 1 : end;
		while (at < close) {
			if (quote == '"' && *at == '\\' && at + 1 < close && (at[1] == '"' || at[1] == '\\'))
				at++;
			*to++ = *at++;
		}
		at = close < end ? close + 1 : end;
	}
	*to = '\0';
	return out;
}

char *value_string(struct arena *arena, const char *bytes, size_t len)
{
	struct raw_word word = {bytes, len, false, false};

	if (len >= 2 && (*bytes == '"' || *bytes == '\'') && end_of_quote(bytes, bytes + len) == bytes + len) {
		word.quoted = true;
		return word_unquote(arena, &word);
	}
	return arena_strndup(arena, bytes, len);
}

/* where a part of a value stands, if it is still the source's text */
static struct place part_place(const struct eval *eval, struct place place, const char *bytes, size_t len)
{
	struct piece_source {
		uintptr_t start, end;
	} source;

	if (!eval->file || place.source != eval->file->number)
		return place;
	source.start = (uintptr_t)eval->file->source->text;
	source.end = source.start + eval->file->source->len;
	if ((uintptr_t)bytes >= source.start && (uintptr_t)bytes < source.end) {
		place.offset = (uint32_t)((uintptr_t)bytes - source.start);
		place.length = (uint16_t)(len > UINT16_MAX ? UINT16_MAX : len);
	}
	return place;
}

int value_words(struct eval *eval, const char *bytes, size_t len, struct place place, struct words *out)
{
	struct arena *arena = &eval->project->arena;
	struct word_walk walk = {bytes, bytes + len, false};
	struct raw_word word;
	const char **items;
	uint32_t count = 0;

	while (word_next(&walk, &word)) {
		if (word.unterminated) {
			eval_error(eval, part_place(eval, place, word.bytes, word.len), "unterminated quote");
			return -1;
		}
		count++;
	}
	items = arena_alloc(arena, (count + 1) * sizeof *items);
	walk.rest = bytes;
	count = 0;
	while (word_next(&walk, &word))
		items[count++] = word_unquote(arena, &word);
	*out = (struct words){items, count};
	return 0;
}

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"HUP", SIGHUP},
	{"INT", SIGINT},
	{"QUIT", SIGQUIT},
	{"KILL", SIGKILL},
	{"TERM", SIGTERM},
	{"USR1", SIGUSR1},
	{"USR2", SIGUSR2},
	{"ABRT", SIGABRT},
	{"ALRM", SIGALRM},
	{"CONT", SIGCONT},
	{"STOP", SIGSTOP},
	{"TSTP", SIGTSTP},
};

const char *signal_name(int number)
{
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		if (signals[i].number == number)
			return signals[i].name;
	}
	return NULL;
}

int signal_number(const char *name)
{
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		if (strcmp(signals[i].name, name) == 0)
			return signals[i].number;
	}
	return 0;
}

bool value_unavailable(struct eval *eval, struct place place, const char *what)
{
	if (eval->options->inspect) {
		eval_warning(eval, place, "'%s' is not available in this version of orch", what);
		return true;
	}
	eval_error(eval, place, "'%s' is not available in this version of orch", what);
	return false;
}

static bool in_list(const char *const *list, const char *word, unsigned *index)
{
	for (unsigned i = 0; list[i]; i++) {
		if (strcmp(list[i], word) == 0) {
			*index = i;
			return true;
		}
	}
	return false;
}

static int wrong(
	struct eval *eval, const struct setting *row, const char *value, struct place place, const char *expected)
{
	eval_error(eval, place, "'%s = %s': expected %s", row->name, value, expected);
	return -1;
}

/* "a, b or c"; with the nearest one */
static int wrong_choice(struct eval *eval, const struct setting *row, const char *value, struct place place)
{
	struct strbuf list = {0};
	struct suggest suggest = {.wanted = value};

	for (unsigned i = 0; row->choices[i]; i++) {
		strbuf_addf(&list, "%s%s", i == 0 ? "" : row->choices[i + 1] ? ", " : " or ", row->choices[i]);
		suggest_offer(&suggest, row->choices[i]);
	}
	if (suggest.best)
		eval_error(eval, place, "'%s = %s': expected %s; did you mean '%s'?", row->name, value,
			strbuf_cstr(&list), suggest.best);
	else
		eval_error(eval, place, "'%s = %s': expected %s", row->name, value, strbuf_cstr(&list));
	strbuf_release(&list);
	return -1;
}

static int parse_int(
	struct eval *eval, const struct setting *row, const char *string, struct place place, struct value *value)
{
	if (units_parse_int(string, row->min, row->max, &value->number))
		return 0;
	eval_error(eval, place, "'%s = %s': expected a number from %lld to %lld", row->name, string,
		(long long)row->min, (long long)row->max);
	return -1;
}

static int parse_rerun(
	struct eval *eval, const struct setting *row, struct place place, const char *string, struct value *value)
{
	value->choice = 0;
	for (uint32_t i = 0; i < value->words.count; i++) {
		unsigned index;

		if (!in_list(row->choices, value->words.items[i], &index))
			return wrong_choice(eval, row, value->words.items[i], place);
		if (index < 3)
			value->choice |= 1u << index;
		else if (value->words.count > 1)
			return wrong(eval, row, string, place, "'missing' alone, or some of recipe, inputs, deps");
	}
	if (!value->words.count)
		return wrong(eval, row, "", place, "some of recipe, inputs, deps, or 'missing'");
	return 0;
}

static int parse_kill(
	struct eval *eval, const struct setting *row, struct place place, const char *string, struct value *value)
{
	struct kill_step *steps = arena_alloc(&eval->project->arena, (value->words.count + 1) * sizeof *steps);
	uint32_t count = 0;
	bool waited = true;

	for (uint32_t i = 0; i < value->words.count; i++) {
		const char *word = value->words.items[i];
		int signo = signal_number(word);
		int64_t ms;

		if (signo) {
			/* signals in a row: the wait between them is the grace of the stream */
			steps[count].signo = signo;
			steps[count++].wait_ms = -1;
			waited = false;
		} else if (!waited && i + 1 < value->words.count && units_parse_duration(word, &ms)) {
			steps[count - 1].wait_ms = ms;
			waited = true;
		} else {
			return wrong(
				eval, row, string, place, "signals and waits in turn, such as INT 5s TERM 5s KILL");
		}
	}
	if (!count)
		return wrong(eval, row, string, place, "signals and waits in turn, such as INT 5s TERM 5s KILL");
	value->kill = steps;
	value->count = count;
	return 0;
}

static size_t env_name_len(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len &&
		((text[n] >= 'A' && text[n] <= 'Z') || (text[n] >= 'a' && text[n] <= 'z') || text[n] == '_' ||
			(n && text[n] >= '0' && text[n] <= '9')))
		n++;
	return n < len && text[n] == '=' ? n : 0;
}

/* `whole`: the value is a line, else a word */
static int add_env(struct eval *eval, const char *bytes, size_t len, bool quoted, bool late, bool whole,
	struct place place, struct env_entry *entry)
{
	struct arena *arena = &eval->project->arena;
	size_t name = env_name_len(bytes, len);
	const char *string;

	if (!name) {
		eval_error(eval, part_place(eval, place, bytes, len), "'env': expected NAME=value, found '%.*s'",
			(int)(len > 60 ? 60 : len), bytes);
		return -1;
	}
	entry->name = arena_strndup(arena, bytes, name);
	if (whole) {
		string = value_string(arena, bytes + name + 1, len - name - 1);
	} else {
		struct raw_word word = {bytes + name + 1, len - name - 1, quoted, false};

		string = word_unquote(arena, &word);
	}
	entry->value =
		(struct text){string, (uint32_t)strlen(string), late && template_has_parts(string, strlen(string))};
	return 0;
}

static int parse_env(struct eval *eval, struct text text, struct place place, struct value *value)
{
	struct word_walk walk = {text.bytes, text.bytes + text.len, text.late};
	struct raw_word word;
	struct env_entry *entries;
	uint32_t count = 0;

	while (word_next(&walk, &word))
		count++;
	entries = arena_alloc(&eval->project->arena, (count + 1) * sizeof *entries);
	walk.rest = text.bytes;
	count = 0;
	while (word_next(&walk, &word)) {
		if (word.unterminated) {
			eval_error(eval, part_place(eval, place, word.bytes, word.len), "unterminated quote");
			return -1;
		}
		if (add_env(eval, word.bytes, word.len, word.quoted, text.late, false, place, &entries[count++]) != 0)
			return -1;
	}
	value->env = entries;
	value->count = count;
	return 0;
}

/* calls for each line with something in it */
static const char *next_text_line(const char **rest, const char *end, size_t *len)
{
	while (*rest < end) {
		const char *line = *rest, *stop = memchr(line, '\n', (size_t)(end - line));

		*rest = stop ? stop + 1 : end;
		if (!stop)
			stop = end;
		while (line < stop && is_blank(*line))
			line++;
		while (stop > line && is_blank(stop[-1]))
			stop--;
		*len = (size_t)(stop - line);
		if (*len)
			return line;
	}
	return NULL;
}

int value_env_block(struct eval *eval, struct text text, struct place place, struct value *value)
{
	const char *rest = text.bytes, *end = text.bytes + text.len, *line;
	struct env_entry *entries;
	uint32_t count = 0;
	size_t len;

	while (next_text_line(&rest, end, &len))
		count++;
	entries = arena_alloc(&eval->project->arena, (count + 1) * sizeof *entries);
	rest = text.bytes;
	count = 0;
	while ((line = next_text_line(&rest, end, &len))) {
		if (*line == '#')
			continue;
		if (add_env(eval, line, len, false, text.late, true, place, &entries[count++]) != 0)
			return -1;
	}
	value->env = entries;
	value->count = count;
	return 0;
}

void value_tasks(struct eval *eval, struct text text, struct value *value)
{
	const char *rest = text.bytes, *end = text.bytes + text.len, *line;
	const char **items;
	uint32_t count = 0;
	size_t len;

	while (next_text_line(&rest, end, &len))
		count++;
	items = arena_alloc(&eval->project->arena, (count + 1) * sizeof *items);
	rest = text.bytes;
	count = 0;
	while ((line = next_text_line(&rest, end, &len)))
		items[count++] = arena_strndup(&eval->project->arena, line, len);
	value->words = (struct words){items, count};
}

/* one or (redact) several /patterns/, compiled to see whether they can be */
static int parse_patterns(
	struct eval *eval, const struct setting *row, struct text text, struct place place, struct value *value)
{
	const char *at = text.bytes, *end = text.bytes + text.len;
	ARRAY(const char *) found = {0};
	const char **items;
	int result = 0;

	while (at < end) {
		const char *start = at + 1;
		bool in_class = false;
		struct regex *regex = NULL;
		struct orch_error err = {0};
		size_t where = 0;

		if (*at != '/') {
			eval_error(eval, part_place(eval, place, at, (size_t)(end - at)),
				"'%s': expected a pattern between slashes, such as /error: .*/", row->name);
			result = -1;
			break;
		}
		for (at++; at < end && (*at != '/' || in_class); at++) {
			if (*at == '\\' && at + 1 < end)
				at++;
			else if (*at == '[' && !in_class && memchr(at, ']', (size_t)(end - at)))
				in_class = true;
			else if (*at == ']')
				in_class = false;
		}
		if (at >= end) {
			eval_error(eval, part_place(eval, place, start - 1, (size_t)(end - start + 1)),
				"unterminated pattern: expected '/' at its end");
			result = -1;
			break;
		}
		if (memchr(start, '\n', (size_t)(at - start))) {
			eval_error(eval, part_place(eval, place, start - 1, 1), "'%s': a pattern stands on one line",
				row->name);
			result = -1;
		} else if (eval->origin != SHIPPED &&
			regex_new(&regex, start, (size_t)(at - start), &where, &err) != 0) {
			eval_error(eval, part_place(eval, place, start + where, 1), "'%s': %s", row->name, err.message);
			result = -1;
		} else {
			regex_free(regex);
			*ARRAY_PUSH(&found) = arena_strndup(&eval->project->arena, start, (size_t)(at - start));
		}
		for (at++; at < end && is_blank(*at); at++)
			;
		if (at < end && row->scope != SCOPE_PROJECT) {
			eval_error(eval, part_place(eval, place, at, (size_t)(end - at)),
				"'%s': nothing may follow the pattern; write '\\/' for a slash in it", row->name);
			result = -1;
			break;
		}
	}
	if (result == 0 && !found.count) {
		eval_error(eval, place, "'%s': expected a pattern between slashes", row->name);
		result = -1;
	}
	if (result == 0) {
		items = arena_alloc(&eval->project->arena, (found.count + 1) * sizeof *items);
		memcpy(items, found.items, found.count * sizeof *items);
		value->words = (struct words){items, (uint32_t)found.count};
	}
	ARRAY_RELEASE(&found);
	return result;
}

static int parse_words(
	struct eval *eval, const struct setting *row, struct text text, struct place place, struct value *value)
{
	bool inside =
		row->offset == offsetof(struct settings, outputs) || row->offset == offsetof(struct settings, copy);

	if (value_words(eval, text.bytes, text.len, place, &value->words) != 0)
		return -1;
	for (uint32_t i = 0; i < value->words.count; i++) {
		const char *word = value->words.items[i];
		unsigned index;

		if (row->choices && !in_list(row->choices, word, &index))
			return wrong_choice(eval, row, word, place);
		if (inside && (row->scope & SCOPE_STREAM) && !path_is_inside(word))
			return wrong(eval, row, word, place, "a path inside the project");
		if (!*word)
			return wrong(eval, row, "\"\"", place, "words that are not empty");
	}
	return 0;
}

static int parse_duration(
	struct eval *eval, const struct setting *row, const char *string, struct place place, int64_t *ms)
{
	if (units_parse_duration(string, ms) && *ms >= 0)
		return 0;
	return wrong(eval, row, string, place, "a duration such as 90s, 45m or 1h30m");
}

/* SIZE, or SIZE rlimit */
static int parse_memory(
	struct eval *eval, const struct setting *row, struct place place, const char *string, struct value *value)
{
	const struct words *words = &value->words;

	if (words->count < 1 || words->count > 2 || !units_parse_size(words->items[0], &value->number) ||
		value->number < 0 || (words->count == 2 && strcmp(words->items[1], "rlimit") != 0))
		return wrong(eval, row, string, place, "a size such as 512M or 2G, and maybe 'rlimit' behind it");
	value->choice = words->count == 2;
	return 0;
}

static int check_available(
	struct eval *eval, const struct setting *row, const char *string, const struct value *value, struct place place)
{
	char what[128];
	unsigned index;

	if (row->unavailable)
		return value_unavailable(eval, place, row->name) ? 0 : -1;
	if (!row->available)
		return 0;
	if (row->type == SETTING_BOOL)
		string = value->number ? "yes" : "no";
	if (in_list(row->available, string, &index))
		return 0;
	snprintf(what, sizeof what, "%s = %.60s", row->name, string);
	return value_unavailable(eval, place, what) ? 0 : -1;
}

static int parse_string(
	struct eval *eval, const struct setting *row, const char *string, struct place place, struct value *value)
{
	bool yes;

	switch (row->type) {
	case SETTING_WORD:
		if (!*string || strpbrk(string, " \t"))
			return wrong(eval, row, string, place, "one word");
		break;
	case SETTING_TEXT:
		if ((row->scope & SCOPE_STREAM) && row->offset == offsetof(struct settings, generates) &&
			!path_is_inside(string))
			return wrong(eval, row, string, place, "a path inside the project");
		if (!*string)
			return wrong(eval, row, "", place, "a text that is not empty");
		break;
	case SETTING_BOOL:
		if (!units_parse_bool(string, &yes))
			return wrong(eval, row, string, place, "yes or no");
		value->number = yes;
		break;
	case SETTING_INT:
		return parse_int(eval, row, string, place, value);
	case SETTING_DURATION:
		return parse_duration(eval, row, string, place, &value->number);
	case SETTING_SIZE:
		if (!units_parse_size(string, &value->number) || value->number < 0)
			return wrong(eval, row, string, place, "a size such as 512M or 2G");
		break;
	case SETTING_MONEY:
		if (!units_parse_double(string, &value->money) || !(value->money >= 0))
			return wrong(eval, row, string, place, "an amount such as 12.50");
		break;
	case SETTING_ENUM:
		if (!in_list(row->choices, string, &value->choice))
			return wrong_choice(eval, row, string, place);
		break;
	default:
		break;
	}
	return 0;
}

int value_parse(struct eval *eval, const struct setting *row, struct text text, struct place place, struct value *value)
{
	struct arena *arena = &eval->project->arena;
	int result = 0;

	memset(value, 0, sizeof *value);
	if (text.len && (*text.bytes == '"' || *text.bytes == '\'') && row->type != SETTING_WORDS &&
		row->type != SETTING_ENV && !end_of_quote(text.bytes, text.bytes + text.len)) {
		eval_error(eval, place, "unterminated quote");
		return -1;
	}
	value->string = value_string(arena, text.bytes, text.len);
	switch (row->type) {
	case SETTING_WORDS:
		result = parse_words(eval, row, text, place, value);
		break;
	case SETTING_BACKOFF:
		result = value_words(eval, text.bytes, text.len, place, &value->words);
		if (result == 0 && (value->words.count < 1 || value->words.count > 2))
			result = wrong(eval, row, value->string, place, "one or two durations, such as 5s 5m");
		if (result == 0)
			result = parse_duration(eval, row, value->words.items[0], place, &value->number);
		if (result == 0 && value->words.count == 2)
			result = parse_duration(eval, row, value->words.items[1], place, &value->number2);
		else if (result == 0)
			value->number2 = value->number > 300000 ? value->number : 300000;
		if (result == 0 && value->number2 < value->number)
			result =
				wrong(eval, row, value->string, place, "the longest wait to be at least the first one");
		break;
	case SETTING_KILL:
		result = value_words(eval, text.bytes, text.len, place, &value->words);
		if (result == 0)
			result = parse_kill(eval, row, place, value->string, value);
		break;
	case SETTING_MEMORY:
		result = value_words(eval, text.bytes, text.len, place, &value->words);
		if (result == 0)
			result = parse_memory(eval, row, place, value->string, value);
		break;
	case SETTING_RERUN:
		result = value_words(eval, text.bytes, text.len, place, &value->words);
		if (result == 0)
			result = parse_rerun(eval, row, place, value->string, value);
		break;
	case SETTING_ENV:
		result = parse_env(eval, text, place, value);
		break;
	case SETTING_PATTERN:
		result = parse_patterns(eval, row, text, place, value);
		break;
	case SETTING_BLOCK:
	case SETTING_EVERY:
	case SETTING_TASKS:
		break;
	default:
		result = parse_string(eval, row, value->string, place, value);
		break;
	}
	return result == 0 ? check_available(eval, row, value->string, value, eval->setting_place) : -1;
}
