#include "config.h"

#include "util/strbuf.h"

#include "util/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* how much of `len` more bytes the limit allows */
static size_t allowed(struct strbuf *sb, size_t len)
{
	if (sb->limit && len > sb->limit - (sb->len < sb->limit ? sb->len : sb->limit)) {
		sb->truncated = true;
		return sb->limit > sb->len ? sb->limit - sb->len : 0;
	}
	return len;
}

char *strbuf_reserve(struct strbuf *sb, size_t extra)
{
	if (sb->capacity < sb->len + extra + 1) {
		size_t capacity = sb->capacity ? sb->capacity * 2 : 64;

		if (capacity < sb->len + extra + 1)
			capacity = sb->len + extra + 1;
		sb->data = xrealloc(sb->data, capacity);
		sb->capacity = capacity;
	}
	return sb->data + sb->len;
}

void strbuf_grown(struct strbuf *sb, size_t added)
{
	sb->len += allowed(sb, added);
	sb->data[sb->len] = '\0';
}

void strbuf_add_slowly(struct strbuf *sb, const void *bytes, size_t len)
{
	len = allowed(sb, len);
	if (len)
		memcpy(strbuf_reserve(sb, len), bytes, len);
	else
		strbuf_reserve(sb, 0);
	sb->len += len;
	sb->data[sb->len] = '\0';
}

void strbuf_addint(struct strbuf *sb, int64_t value)
{
	char digits[24];
	size_t at = sizeof digits;
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		digits[--at] = '-';
	strbuf_add(sb, digits + at, sizeof digits - at);
}

void strbuf_addhex(struct strbuf *sb, uint64_t value)
{
	static const char hex[] = "0123456789abcdef";
	char digits[STRBUF_HEX64];

	for (size_t at = sizeof digits; at-- > 0; value >>= 4)
		digits[at] = hex[value & 15];
	strbuf_add(sb, digits, sizeof digits);
}

void strbuf_vaddf(struct strbuf *sb, const char *format, va_list args)
{
	va_list again;
	char *room = strbuf_reserve(sb, 128);
	size_t space = sb->capacity - sb->len;
	int len;

	va_copy(again, args);
	len = vsnprintf(room, space, format, args);
	if (len >= 0 && (size_t)len >= space) {
		room = strbuf_reserve(sb, (size_t)len);
		vsnprintf(room, (size_t)len + 1, format, again);
	}
	va_end(again);
	strbuf_grown(sb, len < 0 ? 0 : (size_t)len);
}

void strbuf_addf(struct strbuf *sb, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	strbuf_vaddf(sb, format, args);
	va_end(args);
}

const char *strbuf_cstr(const struct strbuf *sb)
{
	return sb->data ? sb->data : "";
}

void strbuf_truncate(struct strbuf *sb, size_t len)
{
	sb->len = len;
	if (sb->data)
		sb->data[len] = '\0';
}

char *strbuf_detach(struct strbuf *sb)
{
	char *text = sb->data ? sb->data : xstrdup("");

	sb->data = NULL;
	sb->len = sb->capacity = 0;
	sb->truncated = false;
	return text;
}

void strbuf_release(struct strbuf *sb)
{
	free(sb->data);
	sb->data = NULL;
	sb->len = sb->capacity = 0;
	sb->truncated = false;
}
