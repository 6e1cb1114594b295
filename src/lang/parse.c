#include "config.h"

#include "lang/parse.h"

#include <stdlib.h>
#include <string.h>

#include "grammar/parser.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/strbuf.h"
#include "util/suggest.h"
#include "util/utf8.h"

static const char *const statement_words[] = {
	"include", "project", "defaults", "agent", "recover", "runner", "pool", "on", "for"};

struct place parse_place(const struct parse *parse, uint32_t offset, uint32_t len)
{
	return (struct place){offset, parse->source, len > UINT16_MAX ? UINT16_MAX : (uint16_t)len};
}

uint16_t parse_source_add(struct source_set *sources, const char *name, char *text, size_t len, struct place from)
{
	if (len && text[len - 1] != '\n') {
		text = xrealloc(text, len + 3);
		text[len++] = '\n';
		text[len] = text[len + 1] = '\0';
	}
	return source_add(sources, name, text, len, from);
}

int parse_check_text(const struct source_set *sources, uint16_t number, struct diag_list *diags)
{
	const struct source *source = source_get(sources, number);
	const char *nul = memchr(source->text, '\0', source->len);
	size_t bad = utf8_invalid_at(source->text, source->len);
	const char *line = source->text, *end = source->text + source->len;
	int result = 0;

	if (nul) {
		diag_error(diags, (struct place){(uint32_t)(nul - source->text), number, 1},
			"NUL byte: an Orchfile is text");
		result = -1;
	}
	if (bad < source->len) {
		diag_error(diags, (struct place){(uint32_t)bad, number, 1}, "invalid UTF-8: byte 0x%02x",
			(unsigned)(unsigned char)source->text[bad]);
		result = -1;
	}
	while (line && end - line > PARSE_LINE_MAX) {
		/* lines are short: the last end of a line within the limit is found at once, and all before it are
		 * short enough */
		const char *last = memrchr(line, '\n', PARSE_LINE_MAX + 1);
		const char *stop;

		if (last) {
			line = last + 1;
			continue;
		}
		stop = memchr(line, '\n', (size_t)(end - line));
		diag_error(diags, (struct place){(uint32_t)(line - source->text), number, 1},
			"this line has more than 1 MiB");
		result = -1;
		if (!stop)
			break;
		line = stop + 1;
	}
	return result;
}

void parse_run(struct parse *parse)
{
	const struct source *source = source_get(parse->sources, parse->source);

	parse->text = source->text;
	parse->len = (uint32_t)source->len;
	/* a byte-order mark is passed over; offsets count it */
	indent_init(&parse->indent);
	if (scan_new(parse) != 0) {
		diag_error(parse->diags, parse_place(parse, 0, 0), "cannot be read: the file is too large");
		return;
	}
	if (orch_yyparse(parse) != 0)
		diag_error(parse->diags, parse_place(parse, parse->line_start, 0), "the parser gave up here");
	scan_free(parse);
}

static bool is_expected(const char *const *expected, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(expected[i], name) == 0)
			return true;
	}
	return false;
}

/* a line without ':' that is no assignment: perhaps the first word is a statement, misspelt */
static bool unknown_statement(struct parse *parse)
{
	const char *word = parse->text + parse->line_start;
	size_t len = strcspn(word, " \t\r\n:\"|=");
	char *name;
	struct suggest suggest = {0};

	/* one word and nothing else is a name that lacks its ':' rather than a statement */
	name = xstrndup(word, len);
	suggest.wanted = name;
	for (size_t i = 0; i < sizeof statement_words / sizeof statement_words[0]; i++)
		suggest_offer(&suggest, statement_words[i]);
	if (suggest.best && strcmp(suggest.best, name) == 0)
		diag_error(parse->diags, parse_place(parse, parse->line_start, (uint32_t)len),
			"'%s' alone says nothing", name);
	else if (suggest.best)
		diag_error(parse->diags, parse_place(parse, parse->line_start, (uint32_t)len),
			"unknown statement '%s'; did you mean '%s'?", name, suggest.best);
	free(name);
	return suggest.best != NULL;
}

static const char *usage(enum line_kind kind)
{
	switch (kind) {
	case LINE_STREAM:
		return "NAME... [\"title\"]: [DEPS...] [| ORDER-ONLY...]";
	case LINE_INCLUDE:
		return "include PATH...";
	case LINE_AGENT:
		return "agent NAME: or agent NAME: BASE:";
	case LINE_RECOVER:
		return "recover NAME:";
	case LINE_RUNNER:
		return "runner NAME:";
	case LINE_POOL:
		return "pool NAME = N";
	case LINE_ON:
		return "on EVENT:";
	case LINE_FOR:
		return "for NAME in WORDS:";
	case LINE_PROJECT:
		return "project:, with settings indented below";
	case LINE_DEFAULTS:
		return "defaults:, with settings indented below";
	case LINE_ASSIGN:
	case LINE_SETTING:
		break;
	}
	return NULL;
}

static void expected_list(struct strbuf *out, const char *const *expected, int count)
{
	for (int i = 0; i < count; i++)
		strbuf_addf(out, "%s%s", i == 0 ? "" : i == count - 1 ? " or " : ", ", expected[i]);
}

void parse_unexpected(
	struct parse *parse, struct place place, const char *found, const char *const *expected, int count)
{
	struct strbuf list = {0};
	const char *form = usage(parse->line_kind);
	bool at_end = strcmp(found, "the end of the line") == 0;

	parse->indent.skip = true;
	if (at_end && place.length == 0)
		place.length = 1;
	if (strcmp(found, "an unterminated quote") == 0) {
		diag_error(parse->diags, place, "unterminated quote: its line ends without the closing one");
	} else if (parse->line_kind == LINE_FOR && strcmp(found, "an unexpected character") == 0 &&
		is_expected(expected, count, "a word") && !is_expected(expected, count, "':'")) {
		diag_error(parse->diags, place,
			"'%.*s' cannot be the variable of a loop: a name is letters, digits, '_' and '-', and starts with a letter or '_'",
			(int)place.length, parse->text + place.offset);
	} else if (strcmp(found, "an unexpected character") == 0) {
		diag_error(parse->diags, place, "unexpected character '%.*s'", (int)place.length,
			parse->text + place.offset);
	} else if (parse->line_kind == LINE_STREAM && at_end && is_expected(expected, count, "':'")) {
		if (!unknown_statement(parse)) {
			diag_error(parse->diags, place, "missing ':' behind the name of a stream");
			diag_note(parse->diags, (struct place){0},
				"a line at the top level is NAME = VALUE, a statement, or %s", form);
		}
	} else if (parse->line_kind == LINE_STREAM && strcmp(found, "a title in quotes") == 0 &&
		!is_expected(expected, count, "':'")) {
		diag_error(parse->diags, place, "a title goes between the names and the ':'");
	} else if (parse->line_kind == LINE_STREAM && strcmp(found, "'='") == 0) {
		if (!unknown_statement(parse))
			diag_error(parse->diags, place,
				"unexpected '='; an assignment is one name of letters, digits, '_' and '-', then '='");
	} else if (parse->line_kind == LINE_DEFAULTS || parse->line_kind == LINE_PROJECT) {
		diag_error(parse->diags, place, "nothing may stand behind the ':'; the settings go below, indented");
	} else {
		expected_list(&list, expected, count);
		if (list.len)
			diag_error(parse->diags, place, "expected %s, found %s", strbuf_cstr(&list), found);
		else
			diag_error(parse->diags, place, "unexpected %s", found);
		if (form)
			diag_note(parse->diags, (struct place){0}, "the form is: %s", form);
	}
	strbuf_release(&list);
}
