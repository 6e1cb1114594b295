/*
 * Growing text, always NUL-terminated once something was added. A zeroed struct is empty; `data`
 * is NULL then, strbuf_cstr() gives "" instead. `limit` (0: none) bounds the length: what goes
 * past it is dropped and `truncated` set, so that hostile input cannot fill the memory.
 */
#ifndef UTIL_STRBUF_H
#define UTIL_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { STRBUF_HEX64 = 16 }; /* characters of strbuf_addhex() */

struct strbuf {
	char *data;
	size_t len;
	size_t capacity;
	size_t limit;
	bool truncated;
};

/* where there is no room yet, or a limit; strbuf_add() is what to call */
void strbuf_add_slowly(struct strbuf *sb, const void *bytes, size_t len);

static inline void strbuf_add(struct strbuf *sb, const void *bytes, size_t len)
{
	if (sb->limit > 0 || sb->capacity - sb->len <= len) {
		strbuf_add_slowly(sb, bytes, len);
		return;
	}
	memcpy(sb->data + sb->len, bytes, len);
	sb->len += len;
	sb->data[sb->len] = '\0';
}

static inline void strbuf_addstr(struct strbuf *sb, const char *text)
{
	strbuf_add(sb, text, strlen(text));
}

static inline void strbuf_addch(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

/* in decimal */
void strbuf_addint(struct strbuf *sb, int64_t value);
/* as STRBUF_HEX64 small hexadecimal digits */
void strbuf_addhex(struct strbuf *sb, uint64_t value);
__attribute__((format(printf, 2, 3))) void strbuf_addf(struct strbuf *sb, const char *format, ...);
void strbuf_vaddf(struct strbuf *sb, const char *format, va_list args);
/* room for `extra` more bytes; returns where they go; the caller then adds to `len` with strbuf_grown() */
char *strbuf_reserve(struct strbuf *sb, size_t extra);
void strbuf_grown(struct strbuf *sb, size_t added);
const char *strbuf_cstr(const struct strbuf *sb);
/* cut to `len` bytes (which must not be more than there are) */
void strbuf_truncate(struct strbuf *sb, size_t len);
/* gives the text to the caller, who frees it ("" if empty, never NULL), and empties the buffer */
char *strbuf_detach(struct strbuf *sb);
void strbuf_release(struct strbuf *sb);

#endif
