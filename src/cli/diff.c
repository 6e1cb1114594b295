#include "config.h"

#include "cli/diff.h"

#include "util/array.h"
#include "util/strbuf.h"

#include <stdbool.h>
#include <string.h>

enum { CONTEXT = 3 };

/* a line with its newline, where it has one */
struct line {
	const char *text;
	size_t len;
};

struct lines {
	struct line *items;
	size_t count;
	size_t capacity;
};

static void split(struct lines *lines, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		struct line *line = ARRAY_PUSH(lines);

		line->text = text;
		line->len = end ? (size_t)(end - text) + 1 : len;
		text += line->len;
		len -= line->len;
	}
}

static bool same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void add_lines(struct strbuf *out, char sign, const struct lines *lines, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct line *line = &lines->items[i];

		strbuf_addch(out, sign);
		strbuf_add(out, line->text, line->len);
		if (line->text[line->len - 1] != '\n')
			strbuf_addstr(out, "\n\\ No newline at end of file\n");
	}
}

/* "12,7"; an empty range is counted from the line before it */
static void add_range(struct strbuf *out, size_t from, size_t count)
{
	strbuf_addf(out, "%zu", count ? from + 1 : from);
	if (count != 1)
		strbuf_addf(out, ",%zu", count);
}

void diff_write(struct strbuf *out, const char *name, const char *before, size_t before_len, const char *after,
	size_t after_len)
{
	struct lines a = {0}, b = {0};
	size_t head = 0, tail = 0, from, around;

	split(&a, before, before_len);
	split(&b, after, after_len);
	while (head < a.count && head < b.count && same(&a.items[head], &b.items[head]))
		head++;
	while (tail < a.count - head && tail < b.count - head &&
		same(&a.items[a.count - 1 - tail], &b.items[b.count - 1 - tail]))
		tail++;
	if (head + tail < a.count || head + tail < b.count) {
		from = head > CONTEXT ? head - CONTEXT : 0;
		around = tail > CONTEXT ? CONTEXT : tail;
		strbuf_addf(out, "--- %s\n+++ %s\n@@ -", name, name);
		add_range(out, from, a.count - tail + around - from);
		strbuf_addstr(out, " +");
		add_range(out, from, b.count - tail + around - from);
		strbuf_addstr(out, " @@\n");
		add_lines(out, ' ', &a, from, head);
		add_lines(out, '-', &a, head, a.count - tail);
		add_lines(out, '+', &b, head, b.count - tail);
		add_lines(out, ' ', &a, a.count - tail, a.count - tail + around);
	}
	ARRAY_RELEASE(&a);
	ARRAY_RELEASE(&b);
}
