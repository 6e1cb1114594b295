#include "config.h"

#include "util/diag.h"

#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_LIMIT = 1000,
	WINDOW = 100, /* columns shown of a line that is longer than MAX_LINE bytes */
	MAX_LINE = 200,
	MAX_CHAIN = 64,
};

void diag_add(struct diag_list *list, enum diag_severity severity, struct place place, const char *format, va_list args)
{
	struct diag *diag;

	if (severity == DIAG_ERROR)
		list->errors++;
	else if (severity == DIAG_WARNING)
		list->warnings++;
	else if (!list->count)
		return;
	/* what is past the limit is only counted; its notes go with it */
	if (list->errors > (list->limit ? list->limit : DEFAULT_LIMIT))
		return;
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 16;
		list->items = xreallocarray(list->items, list->capacity, sizeof *list->items);
	}
	if (severity == DIAG_NOTE) {
		size_t owner = list->count;

		while (owner > 0 && list->items[owner - 1].severity == DIAG_NOTE)
			owner--;
		if (owner > 0)
			list->items[owner - 1].notes++;
	}
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
		filled += members;
	}
	if (list->count)
		memcpy(list->items, sorted, list->count * sizeof *sorted);
	free(sorted);
	free(groups);
}

/* one character of the source for the screen: control characters and what is not UTF-8 become '?', tabs stay */
static size_t show_character(struct strbuf *out, const char *text, size_t len)
{
	uint32_t code;
	size_t step = utf8_decode(text, len, &code);

	if (*text == '\t')
		strbuf_addch(out, '\t');
	else if (utf8_width(code) == 0 && code < 0x300)
		strbuf_addch(out, '?');
	else if (code == 0xfffd && step == 1)
		strbuf_addch(out, '?');
	else
		strbuf_add(out, text, step);
	return step;
}

static void render_line(const struct source_set *sources, struct place place, bool color, struct strbuf *out)
{
	const struct source *source = source_get(sources, place.source);
	struct strbuf marker = {0};
	size_t len, from = 0, at, column, end;
	const char *line = source_line(sources, place, &len);
	bool cut_front, cut_back = false;
	uint32_t number;

	column = place.offset > source->len ? source->len : place.offset;
	column -= (size_t)(line - source->text) < column ? (size_t)(line - source->text) : column;
	if (column > len)
		column = len;
	if (line == source->text && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
		from = 3;
	if (len > MAX_LINE) {
		if (column > from + WINDOW / 2)
			from = column - WINDOW / 2;
		while (from < column && ((unsigned char)line[from] & 0xc0) == 0x80)
			from++;
		cut_back = len > from + WINDOW;
		if (cut_back)
			len = from + WINDOW;
	}
	cut_front = from > 3;
	source_position(sources, place, &number, NULL);
	strbuf_addf(out, "%5u | %s", number, cut_front ? "..." : "");
	strbuf_addstr(&marker, cut_front ? "   " : "");
	for (at = from; at < len;) {
		size_t step = show_character(out, line + at, len - at);

		if (at < column) {
			unsigned width = 1;
			uint32_t code;

			utf8_decode(line + at, len - at, &code);
			if (line[at] != '\t' && utf8_width(code) == 2)
				width = 2;
			strbuf_add(&marker, line[at] == '\t' ? "\t\t" : "  ", line[at] == '\t' ? 1 : width);
		}
		at += step;
	}
	strbuf_addstr(out, cut_back ? "...\n" : "\n");
	strbuf_addf(out, "      | %s%s^", strbuf_cstr(&marker), color ? "\033[1;32m" : "");
	end = column + place.length;
	if (end > len)
		end = len;
	if (end > column + 1) {
		unsigned width = utf8_text_width(line + column, end - column);

		for (unsigned i = 1; i < width; i++)
			strbuf_addch(out, '~');
	}
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
		strbuf_addf(out, "%s %s:%u:%u%s\n", depth ? "                 from" : "In file included from",
			includer->name, line, column, includer->from.source ? "," : ":");
		source = includer;
	}
}

static void render_one(const struct diag *diag, const struct source_set *sources, bool color, struct strbuf *out)
{
	static const char *const names[] = {[DIAG_NOTE] = "note", [DIAG_WARNING] = "warning", [DIAG_ERROR] = "error"};
	static const char *const colors[] = {
		[DIAG_NOTE] = "\033[1;36m", [DIAG_WARNING] = "\033[1;35m", [DIAG_ERROR] = "\033[1;31m"};
	const struct source *source = source_get(sources, diag->place.source);

	if (source) {
		uint32_t line, column;

		if (diag->severity != DIAG_NOTE)
			render_chain(sources, source, out);
		source_position(sources, diag->place, &line, &column);
		strbuf_addf(out, "%s%s:%u:%u:%s ", color ? "\033[1m" : "", source->name, line, column,
			color ? "\033[0m" : "");
	}
	strbuf_addf(out, "%s%s:%s %s\n", color ? colors[diag->severity] : "", names[diag->severity],
		color ? "\033[0m" : "", diag->message);
	if (source)
		render_line(sources, diag->place, color, out);
}

void diag_render(const struct diag_list *list, const struct source_set *sources, bool color, struct strbuf *out)
{
	size_t limit = list->limit ? list->limit : DEFAULT_LIMIT;

	for (size_t i = 0; i < list->count; i++)
		render_one(&list->items[i], sources, color, out);
	if (list->errors > limit)
		strbuf_addf(out, "... and %zu more errors\n", list->errors - limit);
}

void diag_list_release(struct diag_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].message);
	free(list->items);
	*list = (struct diag_list){.limit = list->limit};
}
