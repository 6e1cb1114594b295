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

void strbuf_add(struct strbuf *sb, const void *bytes, size_t len)
{
	len = allowed(sb, len);
	if (len)
		memcpy(strbuf_reserve(sb, len), bytes, len);
	else
		strbuf_reserve(sb, 0);
	sb->len += len;
	sb->data[sb->len] = '\0';
}

void strbuf_addstr(struct strbuf *sb, const char *text)
{
	strbuf_add(sb, text, strlen(text));
}

void strbuf_addch(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
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
