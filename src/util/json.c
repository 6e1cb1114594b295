#include "config.h"

#include <jansson.h>

#include "util/json.h"

#include "util/error.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- writing --- */

enum { MAX_DEPTH = 63 };

static void indent(struct json_writer *w)
{
	strbuf_addch(w->out, '\n');
	for (unsigned i = 0; i < w->depth; i++)
		strbuf_addstr(w->out, "  ");
}

/* what goes before a value or a key */
static void separate(struct json_writer *w)
{
	uint64_t bit = (uint64_t)1 << w->depth;

	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->has_item & bit)
		strbuf_addch(w->out, ',');
	if (w->depth && w->pretty)
		indent(w);
	w->has_item |= bit;
}

static void open(struct json_writer *w, char bracket)
{
	separate(w);
	strbuf_addch(w->out, bracket);
	if (w->depth < MAX_DEPTH)
		w->depth++;
	w->has_item &= ~((uint64_t)1 << w->depth);
}

static void close_bracket(struct json_writer *w, char bracket)
{
	bool had_item = (w->has_item >> w->depth) & 1;

	w->depth--;
	if (had_item && w->pretty)
		indent(w);
	strbuf_addch(w->out, bracket);
}

void json_begin_object(struct json_writer *w)
{
	open(w, '{');
}

void json_end_object(struct json_writer *w)
{
	close_bracket(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	open(w, '[');
}

void json_end_array(struct json_writer *w)
{
	close_bracket(w, ']');
}

void json_add_key(struct json_writer *w, const char *key)
{
	json_add_string(w, key);
	strbuf_addstr(w->out, w->pretty ? ": " : ":");
	w->after_key = true;
}

/* how many of the first `len` bytes stand for themselves in a string */
static size_t plain_prefix(const char *text, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
	size_t at = 0;

	/* eight at a time, see "Determine if a word has a byte less than n" and "equal to n" of Anderson's Bit
	 * Twiddling Hacks; a byte that is taken for special without being so is looked at again below */
	for (; at + 8 <= len; at += 8) {
		uint64_t word, quote, backslash, special;

		memcpy(&word, text + at, sizeof word);
		quote = word ^ ones * '"';
		backslash = word ^ ones * '\\';
		special = word | (word + ones) | ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
			((backslash - ones) & ~backslash);
		if (special & tops)
			break;
	}
	for (; at < len; at++) {
		unsigned char c = (unsigned char)text[at];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			break;
	}
	return at;
}

static size_t add_special(struct strbuf *out, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = (unsigned char)*text;
	uint32_t code;
	size_t step;

	if (c == '"' || c == '\\') {
		strbuf_addch(out, '\\');
		strbuf_addch(out, (char)c);
		return 1;
	}
	if (c == '\n' || c == '\t' || c == '\r') {
		strbuf_addstr(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
		return 1;
	}
	if (c < 0x20 || c == 0x7f) {
		char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

		strbuf_add(out, escape, sizeof escape);
		return 1;
	}
	step = utf8_decode(text, len, &code);
	if (code == 0xfffd)
		strbuf_addstr(out, "\xef\xbf\xbd");
	else
		strbuf_add(out, text, step);
	return step;
}

void json_add_stringn(struct json_writer *w, const char *text, size_t len)
{
	separate(w);
	strbuf_addch(w->out, '"');
	while (len) {
		size_t plain = plain_prefix(text, len);

		strbuf_add(w->out, text, plain);
		text += plain;
		len -= plain;
		if (len) {
			size_t step = add_special(w->out, text, len);

			text += step;
			len -= step;
		}
	}
	strbuf_addch(w->out, '"');
}

void json_add_string(struct json_writer *w, const char *text)
{
	if (text)
		json_add_stringn(w, text, strlen(text));
	else
		json_add_null(w);
}

void json_add_int(struct json_writer *w, int64_t value)
{
	separate(w);
	strbuf_addint(w->out, value);
}

void json_add_double(struct json_writer *w, double value)
{
	char digits[32];
	char *at = digits;

	if (!isfinite(value)) {
		json_add_null(w);
		return;
	}
	separate(w);
	snprintf(digits, sizeof digits, "%.15g", value);
	/* a program with a locale of its own may have another decimal point, even one of several bytes */
	at += strspn(at, "-0123456789");
	strbuf_add(w->out, digits, (size_t)(at - digits));
	if (*at && *at != 'e') {
		strbuf_addch(w->out, '.');
		at += strcspn(at, "0123456789");
	}
	strbuf_addstr(w->out, at);
}

void json_add_bool(struct json_writer *w, bool value)
{
	separate(w);
	strbuf_addstr(w->out, value ? "true" : "false");
}

void json_add_null(struct json_writer *w)
{
	separate(w);
	strbuf_addstr(w->out, "null");
}

/* --- reading: struct json_value is jansson's json_t under a name of ours --- */

static const json_t *tree(const struct json_value *value)
{
	return (const json_t *)(const void *)value;
}

static const struct json_value *wrap(const json_t *value)
{
	return (const struct json_value *)(const void *)value;
}

int json_read(struct json_value **out, const char *text, size_t len, struct orch_error *err)
{
	json_error_t problem;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);

	*out = (struct json_value *)(void *)root;
	if (!root)
		return error_set(err, "not JSON: line %d, column %d: %s", problem.line, problem.column, problem.text);
	return 0;
}

int json_check(const char *text, size_t len, size_t *offset, struct orch_error *err)
{
	json_error_t problem;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &problem);

	json_decref(root);
	*offset = root || problem.position < 0 ? 0 : (size_t)problem.position;
	return root ? 0 : error_set(err, "%s", problem.text);
}

const struct json_value *json_member(const struct json_value *object, const char *key)
{
	return wrap(json_object_get(tree(object), key));
}

const char *json_text(const struct json_value *value)
{
	return json_string_value(tree(value));
}

const char *json_member_string(const struct json_value *object, const char *key)
{
	return json_text(json_member(object, key));
}

int64_t json_member_int(const struct json_value *object, const char *key, int64_t fallback)
{
	const json_t *value = tree(json_member(object, key));

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double json_member_double(const struct json_value *object, const char *key, double fallback)
{
	const json_t *value = tree(json_member(object, key));

	return json_is_number(value) ? json_number_value(value) : fallback;
}

bool json_member_bool(const struct json_value *object, const char *key, bool fallback)
{
	const json_t *value = tree(json_member(object, key));

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

size_t json_item_count(const struct json_value *array)
{
	return json_array_size(tree(array));
}

const struct json_value *json_item(const struct json_value *array, size_t index)
{
	return wrap(json_array_get(tree(array), index));
}

void json_value_free(struct json_value *root)
{
	json_decref((json_t *)(void *)root);
}

/* --- strings on their own --- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* the code unit of \uXXXX at `text`; -1 if there is none */
static int32_t code_unit(const char *text, size_t len)
{
	int32_t value = 0;

	if (len < 6 || text[0] != '\\' || text[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static void add_utf8(struct strbuf *out, uint32_t c)
{
	if (c < 0x80) {
		strbuf_addch(out, (char)c);
	} else if (c < 0x800) {
		strbuf_addch(out, (char)(0xc0 | c >> 6));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		strbuf_addch(out, (char)(0xe0 | c >> 12));
		strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	} else {
		strbuf_addch(out, (char)(0xf0 | c >> 18));
		strbuf_addch(out, (char)(0x80 | (c >> 12 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* one \uXXXX, or a pair of them; how many bytes it took, 0 if it is broken */
static size_t add_code(struct strbuf *out, const char *text, size_t len)
{
	enum { REPLACEMENT = 0xfffd };
	int32_t first = code_unit(text, len), second;

	if (first < 0)
		return 0;
	if (first == 0 || (first >= 0xdc00 && first < 0xe000)) {
		add_utf8(out, REPLACEMENT);
		return 6;
	}
	if (first < 0xd800 || first >= 0xdc00) {
		add_utf8(out, (uint32_t)first);
		return 6;
	}
	second = code_unit(text + 6, len - 6);
	if (second < 0xdc00 || second >= 0xe000) {
		add_utf8(out, REPLACEMENT);
		return 6;
	}
	add_utf8(out, 0x10000 + ((uint32_t)(first - 0xd800) << 10) + (uint32_t)(second - 0xdc00));
	return 12;
}

void json_unescape(struct strbuf *out, const char *text, size_t len)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

	for (size_t i = 0, taken; i < len; i += taken) {
		const char *slash = memchr(text + i, '\\', len - i), *letter;

		taken = slash ? (size_t)(slash - (text + i)) : len - i;
		if (taken) {
			strbuf_add(out, text + i, taken);
			continue;
		}
		letter = i + 1 < len ? strchr(letters, text[i + 1]) : NULL;
		if (letter && *letter) {
			strbuf_addch(out, meanings[letter - letters]);
			taken = 2;
			continue;
		}
		taken = add_code(out, text + i, len - i);
		if (!taken) {
			strbuf_addch(out, '\\');
			taken = 1;
		}
	}
}
