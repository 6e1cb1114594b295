#include "config.h"

#include "util/textwatch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/alloc.h"
#include "util/regex.h"
#include "util/strbuf.h"
#include "util/utf8.h"

enum {
	PIECE = 64 * 1024,        /* what is looked at at once */
	OWN_HEAD = 64 * 1024,     /* of a line, for its channel */
	STARTS = 4096,            /* starts of matches that one call tries */
	STEPS = 32 * 1024 * 1024, /* and those times the bytes behind them */
	SUSPECT_NS = 8 * 1000 * 1000,
};

/* a pattern may take a quarter of a second, and one more for every 4 MB: those that are not made to be slow take 1 to
 * 10 ms for that */
#define TIME_FREE_NS INT64_C(250000000)
#define TIME_PER_BYTE_NS 64

/* offsets are counted from the start of the text */
struct cursor {
	struct regex *regex;
	unsigned number;
	size_t lookbehind;
	bool lines;   /* matches begin only at the start of a line */
	bool suspect; /* it took long once: its time is measured */
	bool gave_up, limited;
	bool once, over;    /* nothing more is looked for */
	uint64_t from;      /* what is before it has been dealt with */
	uint64_t not_till;  /* a match has begun at `from`: it is looked at again when the text has got that long */
	uint64_t line_from; /* ... or has an end of line from here on; UINT64_MAX: it has one already */
	int64_t spent_ns;
};

/* a text, of which the part from `base` on is kept, and the patterns over it */
struct channel {
	struct strbuf kept;
	uint64_t base;
	size_t unseen; /* bytes at the end of `kept` that no pattern was shown yet */
	struct cursor *cursors;
	unsigned count;
};

struct textwatch {
	struct channel all, own;
	struct regex *is_own;
	uint64_t work;
	struct strbuf line; /* the head of a line whose channel is not known yet */
	enum { LINE_UNKNOWN, LINE_OWN, LINE_OTHER } line_is;
	textwatch_found *found;
	void *data;
};

struct textwatch *textwatch_new(
	const struct textwatch_pattern *patterns, unsigned count, struct regex *own, textwatch_found *found, void *data)
{
	struct textwatch *watch = xcalloc(1, sizeof *watch);

	watch->is_own = own;
	watch->found = found;
	watch->data = data;
	watch->all.cursors = xcalloc(count ? count : 1, sizeof *watch->all.cursors);
	watch->own.cursors = xcalloc(count ? count : 1, sizeof *watch->own.cursors);
	for (unsigned i = 0; i < count; i++) {
		struct channel *channel = patterns[i].own && own ? &watch->own : &watch->all;
		struct cursor *cursor = &channel->cursors[channel->count++];

		cursor->regex = patterns[i].regex;
		cursor->number = i;
		cursor->once = patterns[i].once;
		cursor->lookbehind = regex_lookbehind(cursor->regex);
		cursor->lines = regex_starts_lines(cursor->regex);
	}
	return watch;
}

void textwatch_free(struct textwatch *watch)
{
	if (!watch)
		return;
	strbuf_release(&watch->all.kept);
	strbuf_release(&watch->own.kept);
	strbuf_release(&watch->line);
	free(watch->all.cursors);
	free(watch->own.cursors);
	free(watch);
}

#ifndef CLOCK_MONOTONIC_COARSE
#define CLOCK_MONOTONIC_COARSE CLOCK_MONOTONIC
#endif

/* Of a pattern that was never slow only a clock is asked that costs nothing. Of one that was, the processor time, so
 * that a machine that is busy with other things does not count against it. */
static int64_t now_ns(const struct cursor *cursor)
{
	struct timespec time;

	if (clock_gettime(cursor->suspect ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC_COARSE, &time) != 0)
		return 0;
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* where the character that begins at `at` ends */
static size_t next_character(const char *text, size_t len, size_t at)
{
	unsigned char lead = at < len ? (unsigned char)text[at] : 0;
	unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;

	for (at++; more && at < len && is_continuation(text[at]); more--)
		at++;
	return at;
}

/* whether text up to the absolute offset `end` is worth a look */
static bool is_due(const struct channel *channel, struct cursor *cursor, uint64_t end)
{
	const char *unseen;
	size_t len;

	if (end <= cursor->from)
		return false;
	if (end >= cursor->not_till)
		return true;
	if (cursor->line_from >= end)
		return false;
	unseen = channel->kept.data + (cursor->line_from - channel->base);
	len = (size_t)(end - cursor->line_from);
	cursor->line_from = end;
	return memchr(unseen, '\n', len) != NULL;
}

/* a match may have begun at `start`, all there is up to `end` was looked at */
static void wait_for_more(const struct channel *channel, struct cursor *cursor, uint64_t start, uint64_t end)
{
	const char *text = channel->kept.data + (start - channel->base);
	size_t len = (size_t)(end - start);

	cursor->from = start;
	cursor->not_till = end + len;
	cursor->line_from = memchr(text, '\n', len) ? UINT64_MAX : end;
}

/* how many bytes may hold the starts of matches that one call tries in the `len` bytes of `text` */
static size_t starts_at_once(const struct cursor *cursor, const char *text, size_t len)
{
	size_t starts = STARTS;

	if (!cursor->lines && starts > STEPS / len)
		starts = STEPS / len;
	while (starts < len && is_continuation(text[starts]))
		starts++;
	return starts < len ? starts : len;
}

/* One call of the pattern at its place. False: there is nothing more to do before more text comes */
static bool step(struct textwatch *watch, const struct channel *channel, struct cursor *cursor, bool final)
{
	const char *kept = channel->kept.data;
	uint64_t end = channel->base + channel->kept.len;
	size_t from = (size_t)(cursor->from - channel->base), len, starts;
	struct regex_search search = {.text = kept, .from = from};
	const char *newline;
	bool cut;

	len = channel->kept.len - from;
	cut = len > WATCH_KEEP_MAX;
	if (cut)
		len = utf8_whole(kept + from, WATCH_KEEP_MAX);
	if (!len)
		return false;
	starts = starts_at_once(cursor, kept + from, len);
	search.len = from + len;
	search.last = starts < len ? from + starts - 1 : search.len;
	search.more = !final || cut;
	watch->work += starts < len ? starts : len;
	switch (regex_search(cursor->regex, &search)) {
	case REGEX_MATCH:
		watch->found(watch->data, cursor->number, cursor->regex, &search);
		cursor->over = cursor->once;
		/* behind an empty match the next character is the first that may begin another */
		if (search.end <= search.start)
			search.end = next_character(kept, channel->kept.len, search.end);
		cursor->from = channel->base + search.end;
		return true;
	case REGEX_NONE:
		cursor->from += starts;
		return true;
	case REGEX_PARTIAL:
		if (search.start < from)
			search.start = from;
		if (cut && search.start == from) {
			/* longer than what is kept */
			cursor->from += len;
			return true;
		}
		if (cut) {
			cursor->from = channel->base + search.start;
			return true;
		}
		wait_for_more(channel, cursor, channel->base + search.start, end);
		return false;
	case REGEX_LIMIT:
		break;
	}
	/* somewhere here a start took too many steps: the rest of the line is left out */
	cursor->limited = true;
	newline = memchr(kept + from, '\n', len);
	cursor->from += newline ? (size_t)(newline - (kept + from)) + 1 : len;
	return true;
}

static void look(struct textwatch *watch, struct channel *channel, struct cursor *cursor, bool final)
{
	uint64_t end = channel->base + channel->kept.len;
	bool more = true;

	if (cursor->over || (!final && !is_due(channel, cursor, end)))
		return;
	cursor->not_till = 0;
	while (more && !cursor->over && cursor->from < end) {
		int64_t since = now_ns(cursor), spent;

		more = step(watch, channel, cursor, final);
		spent = now_ns(cursor) - since;
		if (cursor->suspect)
			cursor->spent_ns += spent;
		else
			cursor->suspect = spent >= SUSPECT_NS;
		if (cursor->spent_ns > TIME_FREE_NS + (int64_t)(cursor->from * TIME_PER_BYTE_NS)) {
			cursor->gave_up = cursor->over = true;
		}
	}
}

/* forgets what no pattern needs any more */
static void forget(struct channel *channel)
{
	uint64_t end = channel->base + channel->kept.len, needed = end;
	size_t drop;

	for (unsigned i = 0; i < channel->count; i++) {
		const struct cursor *cursor = &channel->cursors[i];
		uint64_t from = cursor->from > cursor->lookbehind ? cursor->from - cursor->lookbehind : 0;

		if (!cursor->over && from < needed)
			needed = from;
	}
	drop = (size_t)(needed - channel->base);
	/* moving is work too: only when at least half of what is there goes */
	if (needed <= channel->base || drop < channel->kept.len / 2)
		return;
	/* not in the middle of a character */
	for (unsigned back = 0; back < 3 && drop > 0 && drop < channel->kept.len; back++) {
		if (!is_continuation(channel->kept.data[drop]))
			break;
		drop--;
	}
	memmove(channel->kept.data, channel->kept.data + drop, channel->kept.len - drop);
	strbuf_truncate(&channel->kept, channel->kept.len - drop);
	channel->base += drop;
	/* one long match that came to nothing should not keep its memory */
	if (channel->kept.capacity > 4 * PIECE && channel->kept.len < PIECE) {
		struct strbuf smaller = {0};

		strbuf_add(&smaller, channel->kept.data, channel->kept.len);
		strbuf_release(&channel->kept);
		channel->kept = smaller;
	}
}

/* shows what is there to the patterns */
static void scan(struct textwatch *watch, struct channel *channel)
{
	/* but for a character that is not whole yet */
	size_t cut = channel->kept.len - utf8_whole(channel->kept.data, channel->kept.len);

	channel->kept.len -= cut;
	for (unsigned i = 0; i < channel->count; i++)
		look(watch, channel, &channel->cursors[i], false);
	channel->kept.len += cut;
	channel->unseen = 0;
	forget(channel);
}

/* adds the bytes; they are scanned in pieces, the last of them by the caller */
static void append(struct textwatch *watch, struct channel *channel, const char *bytes, size_t len)
{
	while (channel->count && len) {
		size_t piece = PIECE - channel->unseen;

		if (piece > len)
			piece = len;
		strbuf_add(&channel->kept, bytes, piece);
		channel->unseen += piece;
		if (channel->unseen == PIECE)
			scan(watch, channel);
		bytes += piece;
		len -= piece;
	}
}

static void finish(struct textwatch *watch, struct channel *channel)
{
	for (unsigned i = 0; i < channel->count; i++)
		look(watch, channel, &channel->cursors[i], true);
}

/* the head of the line is there, or the whole of it: whose is it? */
static void settle_line(struct textwatch *watch)
{
	bool own = regex_matches(watch->is_own, strbuf_cstr(&watch->line), watch->line.len);

	watch->line_is = own ? LINE_OWN : LINE_OTHER;
	if (own)
		append(watch, &watch->own, watch->line.data, watch->line.len);
	strbuf_truncate(&watch->line, 0);
}

static void append_own(struct textwatch *watch, const char *bytes, size_t len)
{
	while (len) {
		const char *newline = memchr(bytes, '\n', len);
		size_t part = newline ? (size_t)(newline - bytes) + 1 : len;

		if (watch->line_is == LINE_UNKNOWN) {
			size_t room = OWN_HEAD - watch->line.len;

			if (part > room) {
				part = room;
				newline = NULL;
			}
			strbuf_add(&watch->line, bytes, part);
			if (newline || watch->line.len == OWN_HEAD)
				settle_line(watch);
		} else if (watch->line_is == LINE_OWN) {
			append(watch, &watch->own, bytes, part);
		}
		if (newline)
			watch->line_is = LINE_UNKNOWN;
		bytes += part;
		len -= part;
	}
}

void textwatch_feed(struct textwatch *watch, const char *bytes, size_t len)
{
	append(watch, &watch->all, bytes, len);
	if (watch->own.count)
		append_own(watch, bytes, len);
	if (watch->all.unseen)
		scan(watch, &watch->all);
	if (watch->own.unseen)
		scan(watch, &watch->own);
}

void textwatch_finish(struct textwatch *watch)
{
	if (watch->line.len)
		settle_line(watch);
	finish(watch, &watch->all);
	finish(watch, &watch->own);
}

uint64_t textwatch_work(const struct textwatch *watch)
{
	return watch->work;
}

bool textwatch_gave_up(const struct textwatch *watch, unsigned pattern)
{
	const struct channel *const channels[] = {&watch->all, &watch->own};

	for (size_t c = 0; c < 2; c++) {
		for (unsigned i = 0; i < channels[c]->count; i++) {
			const struct cursor *cursor = &channels[c]->cursors[i];

			if (cursor->number == pattern)
				return cursor->gave_up || cursor->limited;
		}
	}
	return false;
}
