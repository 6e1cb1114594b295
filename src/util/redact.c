#include "config.h"

#include "util/redact.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/array.h"
#include "util/regex.h"
#include "util/strbuf.h"
#include "util/utf8.h"

enum { KEPT_ROOM = 256 * 1024 }; /* memory that is not given back between long lines */

struct span {
	size_t start, end;
};

struct pattern {
	struct regex *regex;
	char *text;
};

struct value {
	char *text;
	size_t len;
};

struct redact {
	ARRAY(struct pattern) patterns;
	ARRAY(struct value) values;
	size_t lookbehind; /* the most that one of the patterns may look back */
	ARRAY(struct span) spans;
	/* of a text in pieces: of the line that is not at its end the part that may be needed, of which the first
	 * `given` bytes are out already */
	struct strbuf kept;
	size_t given;
	size_t searched; /* so far it has no end of line */
	bool looked;     /* nothing has come since redact_flush() */
	bool skipping;   /* the rest of the line */
	bool joined;     /* what was given out last was a secret: one that begins behind it is the same */
	bool limited;    /* a pattern took too long for what find() was shown */
};

struct redact *redact_new(void)
{
	return xcalloc(1, sizeof(struct redact));
}

int redact_add_pattern(struct redact *redact, const char *pattern, struct orch_error *err)
{
	struct pattern *added;
	struct regex *regex;
	size_t where, lookbehind;

	for (size_t i = 0; i < redact->patterns.count; i++) {
		if (strcmp(redact->patterns.items[i].text, pattern) == 0)
			return 0;
	}
	if (regex_new(&regex, pattern, strlen(pattern), &where, err) < 0)
		return -1;
	added = ARRAY_PUSH(&redact->patterns);
	*added = (struct pattern){regex, xstrdup(pattern)};
	lookbehind = regex_lookbehind(regex);
	if (lookbehind > redact->lookbehind)
		redact->lookbehind = lookbehind;
	return 0;
}

static void add_line(struct redact *redact, const char *line, size_t len)
{
	struct value *value;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len < REDACT_VALUE_MIN)
		return;
	for (size_t i = 0; i < redact->values.count; i++) {
		if (redact->values.items[i].len == len && memcmp(redact->values.items[i].text, line, len) == 0)
			return;
	}
	value = ARRAY_PUSH(&redact->values);
	value->text = xstrndup(line, len);
	value->len = len;
}

void redact_add_value(struct redact *redact, const char *value)
{
	while (*value) {
		size_t len = strcspn(value, "\n");

		add_line(redact, value, len);
		value += len;
		if (*value)
			value++;
	}
}

void redact_free(struct redact *redact)
{
	if (!redact)
		return;
	for (size_t i = 0; i < redact->patterns.count; i++) {
		regex_free(redact->patterns.items[i].regex);
		free(redact->patterns.items[i].text);
	}
	for (size_t i = 0; i < redact->values.count; i++)
		free(redact->values.items[i].text);
	ARRAY_RELEASE(&redact->patterns);
	ARRAY_RELEASE(&redact->values);
	ARRAY_RELEASE(&redact->spans);
	strbuf_release(&redact->kept);
	free(redact);
}

/* --- one line, or what there is of it --- */

/* a part of a line: the first `from` bytes are only looked back at */
struct part {
	const char *text;
	size_t from, len;
	bool more; /* the line goes on */
};

static void add_span(struct redact *redact, size_t start, size_t end)
{
	struct span *last = redact->spans.count ? &redact->spans.items[redact->spans.count - 1] : NULL;

	if (last && start >= last->start && start <= last->end) {
		if (end > last->end)
			last->end = end;
		return;
	}
	*ARRAY_PUSH(&redact->spans) = (struct span){start, end};
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* from where on it may be the beginning of a match; `len`: nowhere */
static size_t find_pattern(struct redact *redact, struct regex *regex, const struct part *part)
{
	size_t at = part->from;

	while (at < part->len) {
		struct regex_search search = {.text = part->text,
			.len = part->len,
			.from = at,
			.last = part->len,
			.more = part->more,
			.not_empty = true};

		switch (regex_search(regex, &search)) {
		case REGEX_NONE:
			return part->len;
		case REGEX_PARTIAL:
			return search.start > part->from ? search.start : part->from;
		case REGEX_LIMIT:
			add_span(redact, at, part->len);
			redact->limited = true;
			return part->len;
		case REGEX_MATCH:
			break;
		}
		if (search.end > search.start)
			add_span(redact, search.start, search.end);
		if (search.end > at) {
			at = search.end;
		} else {
			/* by \K it may be nothing after all */
			for (at++; at < part->len && is_continuation(part->text[at]); at++)
				;
		}
	}
	return part->len;
}

static size_t find_value(struct redact *redact, const struct value *value, const struct part *part)
{
	const char *at = part->text + part->from, *end = part->text + part->len, *hit;
	size_t most = part->len - part->from;

	while ((hit = memmem(at, (size_t)(end - at), value->text, value->len))) {
		add_span(redact, (size_t)(hit - part->text), (size_t)(hit - part->text) + value->len);
		at = hit + 1;
	}
	if (!part->more)
		return part->len;
	if (most > value->len - 1)
		most = value->len - 1;
	for (size_t len = most; len > 0; len--) {
		if (memcmp(end - len, value->text, len) == 0)
			return part->len - len;
	}
	return part->len;
}

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* in order, none of which meet */
static void sort_spans(struct redact *redact)
{
	size_t kept = 0;

	if (redact->spans.count < 2)
		return;
	qsort(redact->spans.items, redact->spans.count, sizeof(struct span), by_start);
	for (size_t i = 1; i < redact->spans.count; i++) {
		struct span *last = &redact->spans.items[kept], *next = &redact->spans.items[i];

		if (next->start > last->end)
			redact->spans.items[++kept] = *next;
		else if (next->end > last->end)
			last->end = next->end;
	}
	redact->spans.count = kept + 1;
}

/* Finds what is secret in it. What is behind the offset that this returns has to wait for more */
static size_t find(struct redact *redact, const struct part *part)
{
	size_t certain = part->len;

	redact->spans.count = 0;
	redact->limited = false;
	for (size_t i = 0; i < redact->patterns.count; i++) {
		size_t from = find_pattern(redact, redact->patterns.items[i].regex, part);

		if (from < certain)
			certain = from;
	}
	for (size_t i = 0; i < redact->values.count; i++) {
		size_t from = find_value(redact, &redact->values.items[i], part);

		if (from < certain)
			certain = from;
	}
	sort_spans(redact);
	/* a match is given out as one */
	for (size_t i = 0; i < redact->spans.count; i++) {
		const struct span *span = &redact->spans.items[i];

		if (span->start < certain && span->end > certain)
			certain = span->start;
	}
	return certain;
}

/* what find() was shown, up to `end`. `joined`: see struct redact */
static void give(struct redact *redact, const struct part *part, size_t end, bool *joined, struct strbuf *out)
{
	size_t at = part->from;

	for (size_t i = 0; i < redact->spans.count; i++) {
		const struct span *span = &redact->spans.items[i];

		if (span->start >= end)
			break;
		if (span->start > at)
			strbuf_add(out, part->text + at, span->start - at);
		if (!*joined || span->start > at)
			strbuf_addstr(out, REDACTED);
		*joined = true;
		at = span->end;
	}
	if (end > at) {
		strbuf_add(out, part->text + at, end - at);
		*joined = false;
	}
}

/* a whole line, without the end of it (\n or \r\n): true: it had secrets */
static bool give_line(struct redact *redact, const char *text, size_t from, size_t len, bool joined, struct strbuf *out)
{
	size_t end = len > from && text[len - 1] == '\r' ? len - 1 : len;
	const struct part part = {.text = text, .from = from, .len = end};

	(void)find(redact, &part);
	give(redact, &part, end, &joined, out);
	strbuf_add(out, text + end, len - end);
	return redact->spans.count > 0;
}

bool redact_text(struct redact *redact, const char *text, size_t len, struct strbuf *out)
{
	const char *end = text + len;
	bool found = false;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line = (size_t)((newline ? newline : end) - text);

		found |= give_line(redact, text, 0, line, false, out);
		text += line;
		if (newline) {
			strbuf_addch(out, '\n');
			text++;
		}
	}
	return found;
}

/* --- in pieces --- */

/* the length of the text without what its end may cut in two: a character, or an end of line */
static size_t uncut(const char *text, size_t from, size_t len)
{
	if (len <= from)
		return len;
	if (text[len - 1] == '\r')
		return len - 1;
	return from + utf8_whole(text + from, len - from);
}

/* what is given out is kept only as far as a pattern may look back at it */
static void forget_given(struct redact *redact)
{
	size_t drop = redact->given > redact->lookbehind ? redact->given - redact->lookbehind : 0;

	while (drop > 0 && is_continuation(redact->kept.data[drop]) && redact->given - drop < redact->lookbehind + 3)
		drop--;
	if (drop == 0)
		return;
	memmove(redact->kept.data, redact->kept.data + drop, redact->kept.len - drop);
	strbuf_truncate(&redact->kept, redact->kept.len - drop);
	redact->given -= drop;
	redact->searched -= drop;
}

static void shrink(struct redact *redact)
{
	struct strbuf smaller = {0};

	if (redact->kept.capacity <= KEPT_ROOM || redact->kept.len > KEPT_ROOM / 4)
		return;
	strbuf_add(&smaller, redact->kept.data, redact->kept.len);
	strbuf_release(&redact->kept);
	redact->kept = smaller;
}

/* all lines that are whole */
static void give_lines(struct redact *redact, struct strbuf *out)
{
	const char *text = redact->kept.data;
	size_t start = 0, from = redact->given, searched = redact->searched;
	const char *newline;

	while (redact->kept.len > searched && (newline = memchr(text + searched, '\n', redact->kept.len - searched))) {
		size_t end = (size_t)(newline - text);

		if (!redact->skipping)
			(void)give_line(redact, text + start, from, end - start, redact->joined, out);
		redact->skipping = false;
		strbuf_addch(out, '\n');
		start = searched = end + 1;
		from = 0;
		redact->joined = false;
	}
	if (start > 0) {
		memmove(redact->kept.data, redact->kept.data + start, redact->kept.len - start);
		strbuf_truncate(&redact->kept, redact->kept.len - start);
		redact->given = 0;
	}
	redact->searched = redact->kept.len;
	shrink(redact);
}

static void skip(struct redact *redact)
{
	strbuf_truncate(&redact->kept, 0);
	redact->given = redact->searched = 0;
}

void redact_feed(struct redact *redact, const char *bytes, size_t len, struct strbuf *out)
{
	while (len > 0) {
		size_t piece = len < REDACT_LINE_MAX / 4 ? len : REDACT_LINE_MAX / 4;

		strbuf_add(&redact->kept, bytes, piece);
		bytes += piece;
		len -= piece;
		redact->looked = false;
		give_lines(redact, out);
		if (!redact->skipping && redact->kept.len - redact->given > REDACT_LINE_MAX) {
			redact_flush(redact, out);
			/* what may be one match is too long to be waited for */
			if (redact->kept.len - redact->given > REDACT_LINE_MAX / 2) {
				strbuf_addstr(out, REDACTED);
				redact->skipping = true;
			}
		}
		if (redact->skipping)
			skip(redact);
	}
}

bool redact_has_part(const struct redact *redact)
{
	return !redact->looked && redact->kept.len > redact->given;
}

void redact_flush(struct redact *redact, struct strbuf *out)
{
	struct part part = {.text = redact->kept.data, .from = redact->given, .more = true};
	size_t certain;

	redact->looked = true;
	part.len = uncut(part.text, part.from, redact->kept.len);
	if (part.len <= part.from)
		return;
	certain = find(redact, &part);
	give(redact, &part, certain, &redact->joined, out);
	redact->given = certain;
	redact->skipping = redact->limited;
	if (redact->skipping)
		skip(redact);
	else
		forget_given(redact);
}

void redact_finish(struct redact *redact, struct strbuf *out)
{
	if (redact->kept.len > redact->given)
		(void)give_line(redact, redact->kept.data, redact->given, redact->kept.len, redact->joined, out);
	skip(redact);
	redact->skipping = redact->looked = redact->joined = false;
}

bool redact_is_secret_name(const char *name, size_t len)
{
	static const char *const marks[] = {
		"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "AUTH", "KEY"};
	char *copy = xstrndup(name, len);
	bool found = false;

	for (size_t i = 0; i < sizeof marks / sizeof marks[0] && !found; i++)
		found = strcasestr(copy, marks[i]) != NULL;
	free(copy);
	return found;
}
