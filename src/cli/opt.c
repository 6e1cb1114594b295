#include "config.h"

#include "cli/opt.h"

#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/suggest.h"
#include "util/units.h"

#include <string.h>

/* column at which help texts start */
enum { HELP_COLUMN = 30 };

/* how the option was written, for messages: "--jobs" or "-j" */
struct written {
	char text[72];
};

static struct written written_as(const struct opt *row, bool by_letter)
{
	struct written w = {{0}};

	if (by_letter) {
		w.text[0] = '-';
		w.text[1] = row->letter;
	} else {
		size_t len = strlen(row->name);

		if (len > sizeof w.text - 3)
			len = sizeof w.text - 3;
		w.text[0] = w.text[1] = '-';
		memcpy(w.text + 2, row->name, len);
	}
	return w;
}

static int choose(const struct opt *row, const char *how, const char *value, int *field, struct orch_error *err)
{
	struct strbuf known = {0};
	int status;

	for (int i = 0; row->choices[i]; i++) {
		if (strcmp(row->choices[i], value) == 0) {
			*field = i;
			strbuf_release(&known);
			return 0;
		}
		strbuf_addf(&known, "%s%s", i ? (row->choices[i + 1] ? ", " : " or ") : "", row->choices[i]);
	}
	status = error_code(err, ORCH_EUSAGE, "%s: '%s' is not one of %s", how, value, strbuf_cstr(&known));
	strbuf_release(&known);
	return status;
}

static int set_value(const struct opt *row, void *options, bool by_letter, const char *value, struct orch_error *err)
{
	struct written how = written_as(row, by_letter);
	void *field = (char *)options + row->offset;

	switch (row->type) {
	case OPT_FLAG:
		*(bool *)field = true;
		return 0;
	case OPT_TEXT:
		*(const char **)field = value;
		return 0;
	case OPT_LIST:
		strvec_push(field, value);
		return 0;
	case OPT_INT:
		if (!value) {
			*(int64_t *)field = row->bare;
			return 0;
		}
		if (!units_parse_int(value, row->min, row->max, field))
			return error_code(err, ORCH_EUSAGE, "%s: '%s' is not a number from %lld to %lld", how.text,
				value, (long long)row->min, (long long)row->max);
		return 0;
	case OPT_NUMBER:
		/* the comparison is false for what is no number, too */
		if (!units_parse_double(value, field) || !(*(double *)field > 0))
			return error_code(err, ORCH_EUSAGE, "%s: '%s' is not a number above 0", how.text, value);
		return 0;
	case OPT_DURATION:
		if (!units_parse_duration(value, field) || *(int64_t *)field <= 0)
			return error_code(
				err, ORCH_EUSAGE, "%s: '%s' is not a duration like 90s, 45m or 1h30m", how.text, value);
		return 0;
	case OPT_SIZE:
		if (!units_parse_size(value, field) || *(int64_t *)field <= 0)
			return error_code(err, ORCH_EUSAGE, "%s: '%s' is not a size like 512M or 2G", how.text, value);
		return 0;
	case OPT_CHOICE:
		return choose(row, how.text, value, field, err);
	}
	return error_set(err, "%s: no such type of option", how.text);
}

/* the value that the next word may be: moves on past it */
static const char *next_word(const struct opt *row, char *const *argv, int *at)
{
	const char *word = argv[*at + 1];

	if (!word || row->value == OPT_ATTACHED)
		return NULL;
	if (row->value == OPT_OR_DIGITS && !(word[0] >= '0' && word[0] <= '9'))
		return NULL;
	++*at;
	return word;
}

static int missing_value(const struct opt *row, bool by_letter, struct orch_error *err)
{
	return error_code(err, ORCH_EUSAGE, "%s needs a value: %s", written_as(row, by_letter).text, row->what);
}

static int unknown_long(const struct opt *table, const char *word, size_t len, struct orch_error *err)
{
	char name[64];
	struct suggest near = {.wanted = name};

	if (len >= sizeof name)
		return error_code(err, ORCH_EUSAGE, "unknown option '%.40s...'", word);
	memcpy(name, word + 2, len - 2);
	name[len - 2] = '\0';
	for (const struct opt *row = table; row->name; row++)
		suggest_offer(&near, row->name);
	if (near.best)
		return error_code(err, ORCH_EUSAGE, "unknown option '--%s'; did you mean '--%s'?", name, near.best);
	return error_code(err, ORCH_EUSAGE, "unknown option '--%s'", name);
}

/* the row that `name` (len bytes) names or begins as the only one; NULL with *err filled */
static const struct opt *find_long(const struct opt *table, const char *word, size_t len, struct orch_error *err)
{
	const char *name = word + 2;
	const struct opt *found = NULL;
	struct strbuf others = {0};
	size_t count = 0;

	for (const struct opt *row = table; row->name; row++) {
		if (strncmp(row->name, name, len - 2) != 0)
			continue;
		if (row->name[len - 2] == '\0') {
			strbuf_release(&others);
			return row;
		}
		strbuf_addf(&others, "%s--%s", count++ ? ", " : "", row->name);
		found = row;
	}
	if (count == 0) {
		unknown_long(table, word, len, err);
	} else if (count > 1) {
		error_code(err, ORCH_EUSAGE, "option '%.*s' could be any of %s", (int)len, word, strbuf_cstr(&others));
		found = NULL;
	}
	strbuf_release(&others);
	return found;
}

static int parse_long(const struct opt *table, void *options, char *const *argv, int *at, struct orch_error *err)
{
	const char *word = argv[*at], *equals = strchr(word, '='), *value = equals ? equals + 1 : NULL;
	const struct opt *row = find_long(table, word, equals ? (size_t)(equals - word) : strlen(word), err);

	if (!row)
		return -1;
	if (row->type == OPT_FLAG) {
		if (value)
			return error_code(err, ORCH_EUSAGE, "--%s takes no value", row->name);
	} else if (!value) {
		value = next_word(row, argv, at);
		if (!value && row->value == OPT_REQUIRED)
			return missing_value(row, false, err);
	}
	return set_value(row, options, false, value, err);
}

static const struct opt *find_letter(const struct opt *table, char letter)
{
	for (const struct opt *row = table; row->name; row++) {
		if (row->letter && row->letter == letter)
			return row;
	}
	return NULL;
}

static int parse_letters(const struct opt *table, void *options, char *const *argv, int *at, struct orch_error *err)
{
	for (const char *c = argv[*at] + 1; *c; c++) {
		const struct opt *row = find_letter(table, *c);
		const char *value = NULL;

		if (!row)
			return error_code(err, ORCH_EUSAGE, "unknown option '-%c'", *c);
		if (row->type != OPT_FLAG) {
			value = c[1] ? c + 1 : next_word(row, argv, at);
			if (!value && row->value == OPT_REQUIRED)
				return missing_value(row, true, err);
		}
		if (set_value(row, options, true, value, err) < 0)
			return -1;
		if (row->type != OPT_FLAG)
			return 0;
	}
	return 0;
}

int opt_parse(
	const struct opt *table, void *options, char *const *argv, struct strvec *operands, struct orch_error *err)
{
	bool ended = false;

	for (int at = 1; argv[at]; at++) {
		const char *word = argv[at];

		if (ended || word[0] != '-' || word[1] == '\0')
			strvec_push(operands, word);
		else if (strcmp(word, "--") == 0)
			ended = true;
		else if ((word[1] == '-' ? parse_long : parse_letters)(table, options, argv, &at, err) < 0)
			return -1;
	}
	return 0;
}

static bool knows(const struct opt *table, const char *word)
{
	size_t len;

	if (word[0] != '-' || word[1] == '\0')
		return false;
	if (word[1] != '-') {
		const struct opt *row = find_letter(table, word[1]);

		/* more letters behind a flag may belong to another table */
		return row && (row->type != OPT_FLAG || word[2] == '\0');
	}
	len = strcspn(word + 2, "=");
	for (const struct opt *row = table; row->name; row++) {
		if (strlen(row->name) == len && strncmp(row->name, word + 2, len) == 0)
			return true;
	}
	return false;
}

int opt_parse_front(const struct opt *table, void *options, char *const *argv, int *next, struct orch_error *err)
{
	int at = 1;

	while (argv[at] && knows(table, argv[at])) {
		if ((argv[at][1] == '-' ? parse_long : parse_letters)(table, options, argv, &at, err) < 0)
			return -1;
		at++;
	}
	*next = at;
	return 0;
}

const struct opt *opt_look(const struct opt *table, const char *word, const char **value)
{
	const struct opt *row = NULL;

	*value = NULL;
	if (word[1] == '-') {
		const char *equals = strchr(word, '=');
		struct orch_error err;

		*value = equals ? equals + 1 : NULL;
		return find_long(table, word, equals ? (size_t)(equals - word) : strlen(word), &err);
	}
	for (const char *c = word + 1; *c; c++) {
		row = find_letter(table, *c);
		if (!row)
			return NULL;
		if (row->type != OPT_FLAG) {
			*value = c[1] ? c + 1 : NULL;
			return row;
		}
	}
	return row;
}

static void pad(struct strbuf *out, size_t line_start)
{
	if (out->len - line_start > HELP_COLUMN - 2) {
		strbuf_addch(out, '\n');
		line_start = out->len;
	}
	while (out->len - line_start < HELP_COLUMN)
		strbuf_addch(out, ' ');
}

void opt_usage(const struct opt *table, struct strbuf *out)
{
	for (const struct opt *row = table; row->name; row++) {
		size_t line_start = out->len;
		const char *help = row->help;

		if (row->letter)
			strbuf_addf(out, "  -%c, --%s", row->letter, row->name);
		else
			strbuf_addf(out, "      --%s", row->name);
		if (row->what)
			strbuf_addf(out, row->value == OPT_REQUIRED ? "=%s" : "[=%s]", row->what);
		for (;;) {
			size_t len = strcspn(help, "\n");

			pad(out, line_start);
			strbuf_add(out, help, len);
			strbuf_addch(out, '\n');
			if (!help[len])
				break;
			help += len + 1;
			line_start = out->len;
		}
	}
}

void opt_release(const struct opt *table, void *options)
{
	for (const struct opt *row = table; row->name; row++) {
		if (row->type == OPT_LIST)
			strvec_release((struct strvec *)(void *)((char *)options + row->offset));
	}
}
