#include "config.h"

#include "util/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *or_die(void *block)
{
	static const char message[] = "orch: out of memory\n";

	if (block)
		return block;
	/* nothing that allocates may be called now */
	if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
		_exit(2);
	_exit(2);
}

void *xmalloc(size_t size)
{
	return or_die(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return or_die(count && size ? calloc(count, size) : calloc(1, 1));
}

void *xrealloc(void *block, size_t size)
{
	return or_die(realloc(block, size ? size : 1));
}

void *xreallocarray(void *block, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		or_die(NULL);
	return xrealloc(block, count * size);
}

char *xstrdup(const char *text)
{
	return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t len)
{
	const char *end = memchr(text, '\0', len);
	char *copy;

	if (end)
		len = (size_t)(end - text);
	copy = xmalloc(len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *xvasprintf(const char *format, va_list args)
{
	char first[256]; /* nearly all fit, and are printed once */
	va_list again;
	int len;
	char *text;

	va_copy(again, args);
	len = vsnprintf(first, sizeof first, format, again);
	va_end(again);
	if (len < 0)
		return xstrdup("");
	text = xmalloc((size_t)len + 1);
	if ((size_t)len < sizeof first)
		memcpy(text, first, (size_t)len + 1);
	else
		vsnprintf(text, (size_t)len + 1, format, args);
	return text;
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	return text;
}

char *xconcat(const char *first, ...)
{
	size_t len = 0;
	const char *part;
	va_list args;
	char *text, *at;

	va_start(args, first);
	for (part = first; part; part = va_arg(args, const char *))
		len += strlen(part);
	va_end(args);
	text = at = xmalloc(len + 1);
	va_start(args, first);
	for (part = first; part; part = va_arg(args, const char *)) {
		size_t size = strlen(part);

		memcpy(at, part, size);
		at += size;
	}
	va_end(args);
	*at = '\0';
	return text;
}
