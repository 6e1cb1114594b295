#include "config.h"

#include "util/diag.h"

#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_LIMIT = 1000,
	WINDOW = 100, /* bytes shown of a line that is longer than MAX_LINE bytes */
	MAX_LINE = 200,
	MAX_CHAIN = 64,
};

static size_t error_limit(const struct diag_list *list)
{
	return list->limit ? list->limit : DEFAULT_LIMIT;
}

void diag_add(struct diag_list *list, enum diag_severity severity, struct place place, const char *format, va_list args)
{
	struct diag *diag;

	if (severity == DIAG_ERROR) {
		list->errors++;
		list->dropping = list->errors > error_limit(list);
	} else if (severity == DIAG_WARNING) {
		list->warnings++;
		list->dropping = false;
	}
	if (list->dropping || (severity == DIAG_NOTE && !list->count))
		return;
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 16;
		list->items = xreallocarray(list->items, list->capacity, sizeof *list->items);
	}
	if (severity == DIAG_NOTE)
		list->items[list->owner].notes++;
	else
		list->owner = list->count;
	diag = &list->items[list->count++];
	*diag = (struct diag){.severity = severity, .place = place, .message = xvasprintf(format, args)};
}

void diag_error(struct diag_list *list, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(list, DIAG_ERROR, place, format, args);
	va_end(args);
}

void diag_warning(struct diag_list *list, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(list, DIAG_WARNING, place, format, args);
	va_end(args);
}

void diag_note(struct diag_list *list, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(list, DIAG_NOTE, place, format, args);
	va_end(args);
}

/* a diagnostic with its notes, while they are sorted */
struct group {
	size_t first;
	struct place place;
};

static int compare_groups(const void *left, const void *right)
{
	const struct group *a = left, *b = right;

	if (a->place.source != b->place.source)
		return a->place.source < b->place.source ? -1 : 1;
	if (a->place.offset != b->place.offset)
		return a->place.offset < b->place.offset ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

void diag_sort(struct diag_list *list)
{
	struct group *groups = xcalloc(list->count ? list->count : 1, sizeof *groups);
	struct diag *sorted = xcalloc(list->count ? list->count : 1, sizeof *sorted);
	size_t count = 0, filled = 0;

	for (size_t i = 0; i < list->count; i += list->items[i].notes + 1)
		groups[count++] = (struct group){.first = i, .place = list->items[i].place};
	qsort(groups, count, sizeof *groups, compare_groups);
	for (size_t g = 0; g < count; g++) {
		size_t members = list->items[groups[g].first].notes + 1;

		memcpy(&sorted[filled], &list->items[groups[g].first], members * sizeof *sorted);
		list->owner = filled;
		filled += members;
	}
	if (list->count)
		memcpy(list->items, sorted, list->count * sizeof *sorted);
	free(sorted);
	free(groups);
}

/* does it stay off the screen: control characters, what is not UTF-8, and what turns the direction of writing */
static bool is_hidden(uint32_t code, size_t step)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code == 0xfffd && step == 1) ||
		(code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* one character for the screen, which may be '?'; its columns in *width, 0 for a tab, which stays */
static size_t show_character(struct strbuf *out, const char *text, size_t len, unsigned *width)
{
	uint32_t code;
	size_t step = utf8_decode(text, len, &code);

	if (code != '\t' && is_hidden(code, step)) {
		strbuf_addch(out, '?');
		*width = 1;
	} else {
		strbuf_add(out, text, step);
		*width = utf8_width(code);
	}
	return step;
}

static void show_text(struct strbuf *out, const char *text)
{
	unsigned width;

	for (size_t len = strlen(text), step; len; text += step, len -= step)
		step = show_character(out, text, len, &width);
}

/* narrows a long line, of which `from` to `len` is shown, to what is around `column` */
static void cut_line(const char *line, size_t column, size_t *from, size_t *len)
{
	size_t end = *len;

	if (*len - *from <= MAX_LINE)
		return;
	if (column > *from + WINDOW / 2)
		*from = column - WINDOW / 2;
	while (*from < column && ((unsigned char)line[*from] & 0xc0) == 0x80)
		(*from)++;
	if (*len > *from + WINDOW)
		end = *from + WINDOW;
	/* not within a character; text that is none has at most 3 such bytes taken away */
	for (unsigned i = 0; i < 3 && end < *len && end > column && ((unsigned char)line[end] & 0xc0) == 0x80; i++)
		end--;
	*len = end;
}

static void render_line(const struct source_set *sources, struct place place, bool color, struct strbuf *out)
{
	const struct source *source = source_get(sources, place.source);
	struct strbuf marker = {0};
	size_t len, shown, start = 0, from, column, end;
	const char *line = source_line(sources, place, &len);
	unsigned under = 0; /* columns under the range */
	uint32_t number;
	char gutter[16];

	column = place.offset > source->len ? source->len : place.offset;
	column -= (size_t)(line - source->text) < column ? (size_t)(line - source->text) : column;
	if (column > len)
		column = len;
	if (line == source->text && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
		start = 3;
	from = start;
	shown = len;
	cut_line(line, column, &from, &shown);
	end = column + place.length;
	source_position(sources, place, &number, NULL);
	snprintf(gutter, sizeof gutter, "%5u", number);
	strbuf_addf(out, "%s | %s", gutter, from > start ? "..." : "");
	strbuf_addstr(&marker, from > start ? "   " : "");
	for (size_t at = from; at < shown;) {
		unsigned width;
		size_t step = show_character(out, line + at, shown - at, &width);

		if (at < column)
			strbuf_add(&marker, line[at] == '\t' ? "\t" : "  ", line[at] == '\t' ? 1 : width);
		else if (at < end)
			under += width;
		at += step;
	}
	strbuf_addstr(out, shown < len ? "...\n" : "\n");
	strbuf_addf(out, "%*s | %s%s^", (int)strlen(gutter), "", strbuf_cstr(&marker), color ? "\033[1;32m" : "");
	for (; under > 1; under--)
		strbuf_addch(out, '~');
	strbuf_addstr(out, color ? "\033[0m\n" : "\n");
	strbuf_release(&marker);
}

/* the includes that lead to a source, innermost first, as compilers show them */
static void render_chain(const struct source_set *sources, const struct source *source, struct strbuf *out)
{
	for (unsigned depth = 0; source && source->from.source && depth < MAX_CHAIN; depth++) {
		const struct source *includer = source_get(sources, source->from.source);
		uint32_t line, column;

		if (!includer)
			return;
		source_position(sources, source->from, &line, &column);
		strbuf_addstr(out, depth ? "                 from " : "In file included from ");
		show_text(out, includer->name);
		strbuf_addf(out, ":%u:%u%s\n", line, column, includer->from.source ? "," : ":");
		source = includer;
	}
}

static void render_one(const struct diag *diag, const struct source_set *sources, bool color, struct strbuf *out)
{
	static const char *const names[] = {[DIAG_NOTE] = "note", [DIAG_WARNING] = "warning", [DIAG_ERROR] = "error"};
	static const char *const colors[] = {
		[DIAG_NOTE] = "\033[1;36m", [DIAG_WARNING] = "\033[1;35m", [DIAG_ERROR] = "\033[1;31m"};
	struct place place = source_origin(sources, diag->place);
	const struct source *source = source_get(sources, place.source);

	if (source) {
		uint32_t line, column;

		if (diag->severity != DIAG_NOTE)
			render_chain(sources, source, out);
		source_position(sources, place, &line, &column);
		strbuf_addstr(out, color ? "\033[1m" : "");
		show_text(out, source->name);
		strbuf_addf(out, ":%u:%u:%s ", line, column, color ? "\033[0m" : "");
	}
	strbuf_addf(
		out, "%s%s:%s ", color ? colors[diag->severity] : "", names[diag->severity], color ? "\033[0m" : "");
	show_text(out, diag->message);
	strbuf_addch(out, '\n');
	if (source)
		render_line(sources, place, color, out);
}

void diag_render(const struct diag_list *list, const struct source_set *sources, bool color, struct strbuf *out)
{
	for (size_t i = 0; i < list->count; i++)
		render_one(&list->items[i], sources, color, out);
	if (list->errors > error_limit(list))
		strbuf_addf(out, "... and %zu more errors\n", list->errors - error_limit(list));
}

void diag_list_release(struct diag_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].message);
	free(list->items);
	*list = (struct diag_list){.limit = list->limit};
}
