#include "config.h"

#include "state/stamp_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/digest.h"
#include "util/strbuf.h"
#include "util/units.h"
#include "util/utf8.h"

#define STAMP_FIRST_LINE "orch-stamp 1\n"
#define STREAM_KEY "stream "
#define REMOVED_LINE "removed"
#define RECIPE_LINE_START "| "
enum { HEX_DIGITS = 16, END_LENGTH = 4 + HEX_DIGITS + 1 }; /* "end " HEX "\n" */

void stamp_detail_add(struct stamp_detail *detail, char kind, uint64_t digest, const char *name)
{
	if (detail->part_count == detail->part_capacity) {
		detail->part_capacity = detail->part_capacity ? detail->part_capacity * 2 : 8;
		detail->parts = xreallocarray(detail->parts, detail->part_capacity, sizeof *detail->parts);
	}
	detail->parts[detail->part_count++] =
		(struct stamp_part){.kind = kind, .digest = digest, .name = xstrdup(name)};
}

void stamp_detail_release(struct stamp_detail *detail)
{
	for (size_t i = 0; i < detail->part_count; i++)
		free(detail->parts[i].name);
	free(detail->parts);
	free(detail->run);
	free(detail->recipe_text);
	*detail = (struct stamp_detail){0};
}

/*
 * A name on one line: \n, \\ and \xHH. Bytes that are no UTF-8 are escaped too, since the journal's copy of a stamp is
 * a JSON string, which could not hold them.
 */
static void write_name(struct strbuf *out, const char *name)
{
	size_t len = strlen(name), valid = utf8_invalid_at(name, len);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (i == valid || c < 0x20 || c == 0x7f) {
			if (c == '\n')
				strbuf_addstr(out, "\\n");
			else
				strbuf_addf(out, "\\x%02x", c);
			if (i == valid)
				valid = i + 1 + utf8_invalid_at(name + i + 1, len - i - 1);
		} else if (c == '\\') {
			strbuf_addstr(out, "\\\\");
		} else {
			strbuf_addch(out, (char)c);
		}
	}
}

/* as it is, but for bytes that are no UTF-8: they become '?', since this text is only for showing */
static void write_valid(struct strbuf *out, const char *text, size_t len)
{
	while (len > 0) {
		size_t valid = utf8_invalid_at(text, len);

		strbuf_add(out, text, valid);
		if (valid == len)
			return;
		strbuf_addch(out, '?');
		text += valid + 1;
		len -= valid + 1;
	}
}

static void write_recipe_text(struct strbuf *out, const char *text)
{
	strbuf_addstr(out, "recipe-text\n");
	for (;;) {
		const char *end = strchr(text, '\n');
		size_t len = end ? (size_t)(end - text) : strlen(text);

		strbuf_addstr(out, RECIPE_LINE_START);
		write_valid(out, text, len);
		strbuf_addch(out, '\n');
		if (!end)
			return;
		text = end + 1;
	}
}

static void add_words(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addstr(out, key);
	strbuf_addstr(out, value);
}

static void add_digest(struct strbuf *out, const char *key, uint64_t digest)
{
	strbuf_addstr(out, key);
	strbuf_addhex(out, digest);
}

/* the checksum of what lies behind `start` */
static void write_end(struct strbuf *out, size_t start)
{
	add_digest(out, "end ", digest_bytes(out->data + start, out->len - start));
	strbuf_addch(out, '\n');
}

void stamp_write(struct strbuf *out, const char *stream, const struct stamp_detail *detail)
{
	const struct stamp *stamp = &detail->stamp;
	size_t start = out->len;
	char time[UNITS_TEXT_MAX];

	add_words(out, STAMP_FIRST_LINE STREAM_KEY, stream);
	if (detail->run)
		add_words(out, "\nrun ", detail->run);
	strbuf_addstr(out, "\nattempt ");
	strbuf_addint(out, detail->attempt);
	add_words(out, "\nfinished ", units_time_utc(time, stamp->finished_ms));
	strbuf_addstr(out, "\nduration ");
	strbuf_addint(out, stamp->duration_ms);
	add_digest(out, "\nrecipe ", stamp->recipe);
	add_digest(out, "\ninputs ", stamp->inputs);
	add_digest(out, "\ndeps ", stamp->deps);
	add_digest(out, "\nresult ", stamp->result);
	strbuf_addch(out, '\n');
	for (size_t i = 0; i < detail->part_count; i++) {
		const char kind[] = {detail->parts[i].kind, ' ', '\0'};

		strbuf_addstr(out, "part ");
		add_digest(out, kind, detail->parts[i].digest);
		strbuf_addch(out, ' ');
		write_name(out, detail->parts[i].name);
		strbuf_addch(out, '\n');
	}
	if (detail->recipe_text)
		write_recipe_text(out, detail->recipe_text);
	write_end(out, start);
}

void stamp_write_removal(struct strbuf *out, const char *stream)
{
	size_t start = out->len;

	add_words(out, STAMP_FIRST_LINE STREAM_KEY, stream);
	strbuf_addstr(out, "\n" REMOVED_LINE "\n");
	write_end(out, start);
}

bool stamp_is_removal(const char *stream, const char *text, size_t len)
{
	struct strbuf removal = {0};
	bool is;

	stamp_write_removal(&removal, stream);
	is = removal.len == len && memcmp(removal.data, text, len) == 0;
	strbuf_release(&removal);
	return is;
}

bool stamp_is_first_line(const char *line, size_t len)
{
	return len == sizeof STAMP_FIRST_LINE - 1 && memcmp(line, STAMP_FIRST_LINE, len) == 0;
}

bool stamp_is_last_line(const char *line, size_t len)
{
	return len == END_LENGTH && memcmp(line, "end ", 4) == 0;
}

bool stamp_stream_of(const char *text, size_t len, struct strbuf *out)
{
	const size_t before = sizeof STAMP_FIRST_LINE STREAM_KEY - 1;
	const char *end;

	if (len <= before || memcmp(text, STAMP_FIRST_LINE STREAM_KEY, before) != 0)
		return false;
	end = memchr(text + before, '\n', len - before);
	if (!end || end == text + before || memchr(text + before, '\0', (size_t)(end - text) - before))
		return false;
	strbuf_truncate(out, 0);
	strbuf_add(out, text + before, (size_t)(end - text) - before);
	return true;
}

static bool parse_hex(const char *text, size_t len, uint64_t *value)
{
	if (len != HEX_DIGITS)
		return false;
	*value = 0;
	for (size_t i = 0; i < len; i++) {
		const char *digits = "0123456789abcdef", *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (!digit)
			return false;
		*value = *value << 4 | (uint64_t)(digit - digits);
	}
	return true;
}

static bool parse_number(const char *text, size_t len, uint32_t *value)
{
	char digits[16];
	int64_t number;

	if (len == 0 || len >= sizeof digits)
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (!units_parse_int(digits, 0, UINT32_MAX, &number))
		return false;
	*value = (uint32_t)number;
	return true;
}

static bool parse_time(const char *text, size_t len, int64_t *ms)
{
	char time[UNITS_TEXT_MAX];

	if (len >= sizeof time)
		return false;
	memcpy(time, text, len);
	time[len] = '\0';
	return units_parse_time_utc(time, ms);
}

/* undoes write_name(); NULL if it is not well formed */
static char *parse_name(const char *text, size_t len)
{
	char *name = xmalloc(len + 1);
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		const char *hex = "0123456789abcdef", *high, *low;

		if (text[i] != '\\') {
			name[used++] = text[i];
		} else if (i + 1 < len && (text[i + 1] == 'n' || text[i + 1] == '\\')) {
			name[used++] = text[++i] == 'n' ? '\n' : '\\';
		} else if (i + 3 < len && text[i + 1] == 'x' && text[i + 2] && text[i + 3] &&
			(high = strchr(hex, text[i + 2])) != NULL && (low = strchr(hex, text[i + 3])) != NULL) {
			name[used++] = (char)((high - hex) << 4 | (low - hex));
			i += 3;
		} else {
			free(name);
			return NULL;
		}
	}
	name[used] = '\0';
	return name;
}

/* "KIND HEX NAME" */
static bool parse_part(struct stamp_detail *detail, const char *text, size_t len)
{
	enum { NAME_AT = 2 + HEX_DIGITS + 1 };
	uint64_t digest;
	char *name;

	if (len < NAME_AT || text[1] != ' ' || text[NAME_AT - 1] != ' ' || !parse_hex(text + 2, HEX_DIGITS, &digest))
		return false;
	name = parse_name(text + NAME_AT, len - NAME_AT);
	if (!name)
		return false;
	stamp_detail_add(detail, text[0], digest, name);
	free(name);
	return true;
}

/* one line "KEY VALUE"; keys that are not known are left alone */
static bool parse_field(struct stamp_detail *detail, const char *line, size_t len, bool parts)
{
	const char *space = memchr(line, ' ', len), *value;
	size_t key_len = space ? (size_t)(space - line) : len, value_len;
	struct stamp *stamp = &detail->stamp;
	uint32_t number;

#define KEY_IS(name) (key_len == sizeof name - 1 && memcmp(line, name, sizeof name - 1) == 0)
	if (!space)
		return true;
	value = space + 1;
	value_len = len - key_len - 1;
	if (KEY_IS("recipe"))
		return parse_hex(value, value_len, &stamp->recipe);
	if (KEY_IS("inputs"))
		return parse_hex(value, value_len, &stamp->inputs);
	if (KEY_IS("deps"))
		return parse_hex(value, value_len, &stamp->deps);
	if (KEY_IS("result"))
		return parse_hex(value, value_len, &stamp->result);
	if (KEY_IS("finished"))
		return parse_time(value, value_len, &stamp->finished_ms);
	if (KEY_IS("duration"))
		return parse_number(value, value_len, &stamp->duration_ms);
	if (KEY_IS("attempt")) {
		if (!parse_number(value, value_len, &number))
			return false;
		detail->attempt = number;
	} else if (KEY_IS("run")) {
		if (parts) {
			free(detail->run);
			detail->run = xstrndup(value, value_len);
		}
	} else if (KEY_IS("part")) {
		return !parts || parse_part(detail, value, value_len);
	}
#undef KEY_IS
	return true;
}

static bool parse_recipe_text(struct stamp_detail *detail, const char *text, const char *end)
{
	struct strbuf recipe = {0};
	bool first = true;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (!newline || newline - text < 2 || memcmp(text, RECIPE_LINE_START, 2) != 0) {
			strbuf_release(&recipe);
			return false;
		}
		if (!first)
			strbuf_addch(&recipe, '\n');
		strbuf_add(&recipe, text + 2, (size_t)(newline - text) - 2);
		first = false;
		text = newline + 1;
	}
	detail->recipe_text = strbuf_detach(&recipe);
	return true;
}

/* does the second line name `stream`? */
static bool is_of_stream(const char *line, size_t len, const char *stream)
{
	size_t name_len = strlen(stream);

	return len == sizeof STREAM_KEY - 1 + name_len && memcmp(line, STREAM_KEY, sizeof STREAM_KEY - 1) == 0 &&
		memcmp(line + sizeof STREAM_KEY - 1, stream, name_len) == 0;
}

int stamp_parse_of(struct stamp_detail *out, const char *stream, const char *text, size_t len, bool parts)
{
	const char *line = text + sizeof STAMP_FIRST_LINE - 1, *end;
	bool named = false;
	uint64_t sum;

	*out = (struct stamp_detail){0};
	if (len < sizeof STAMP_FIRST_LINE - 1 + END_LENGTH ||
		memcmp(text, STAMP_FIRST_LINE, sizeof STAMP_FIRST_LINE - 1) != 0)
		return -1;
	end = text + len - END_LENGTH;
	if (memcmp(end, "end ", 4) != 0 || text[len - 1] != '\n' || !parse_hex(end + 4, HEX_DIGITS, &sum) ||
		sum != digest_bytes(text, (size_t)(end - text)))
		return -1;
	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t line_len = newline ? (size_t)(newline - line) : 0;

		if (!newline)
			goto bad;
		if (!named) {
			if (line_len < sizeof STREAM_KEY ||
				memcmp(line, STREAM_KEY, sizeof STREAM_KEY - 1) != 0 ||
				(stream && !is_of_stream(line, line_len, stream)))
				goto bad;
			named = true;
		} else if (line_len == 11 && memcmp(line, "recipe-text", 11) == 0) {
			if (parts && !parse_recipe_text(out, newline + 1, end))
				goto bad;
			break;
		} else if (line_len == sizeof REMOVED_LINE - 1 && memcmp(line, REMOVED_LINE, line_len) == 0) {
			goto bad;
		} else if (!parse_field(out, line, line_len, parts)) {
			goto bad;
		}
		line = newline + 1;
	}
	if (!named)
		goto bad;
	out->stamp.present = true;
	return 0;
bad:
	stamp_detail_release(out);
	return -1;
}

int stamp_parse(struct stamp_detail *out, const char *text, size_t len)
{
	return stamp_parse_of(out, NULL, text, len, true);
}
