#include "config.h"

#include "util/strvec.h"

#include "util/alloc.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void push_owned(struct strvec *vec, char *text)
{
	if (vec->capacity < vec->count + 2) {
		vec->capacity = vec->capacity ? vec->capacity * 2 : 16;
		vec->items = xreallocarray(vec->items, vec->capacity, sizeof *vec->items);
	}
	vec->items[vec->count++] = text;
	vec->items[vec->count] = NULL;
}

void strvec_push(struct strvec *vec, const char *text)
{
	push_owned(vec, xstrdup(text));
}

void strvec_pushn(struct strvec *vec, const char *text, size_t len)
{
	push_owned(vec, xstrndup(text, len));
}

void strvec_pushf(struct strvec *vec, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	push_owned(vec, xvasprintf(format, args));
	va_end(args);
}

void strvec_pushenv(struct strvec *vec, const char *name, const char *value)
{
	push_owned(vec, xconcat(name, "=", value, NULL));
}

void strvec_split(struct strvec *vec, const char *text)
{
	for (;;) {
		size_t len;

		text += strspn(text, " \t\r\n");
		len = strcspn(text, " \t\r\n");
		if (!len)
			return;
		strvec_pushn(vec, text, len);
		text += len;
	}
}

static size_t find(const struct strvec *vec, const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; i < vec->count; i++) {
		if (strncmp(vec->items[i], name, len) == 0 && vec->items[i][len] == '=')
			break;
	}
	return i;
}

void strvec_setenv(struct strvec *vec, const char *name, const char *value)
{
	size_t at = find(vec, name);

	if (value && at == vec->count) {
		strvec_pushenv(vec, name, value);
	} else if (value) {
		free(vec->items[at]);
		vec->items[at] = xconcat(name, "=", value, NULL);
	} else if (at < vec->count) {
		free(vec->items[at]);
		memmove(&vec->items[at], &vec->items[at + 1], (vec->count - at) * sizeof *vec->items);
		vec->count--;
	}
}

const char *strvec_getenv(const struct strvec *vec, const char *name)
{
	size_t at = find(vec, name);

	return at < vec->count ? vec->items[at] + strlen(name) + 1 : NULL;
}

void strvec_release(struct strvec *vec)
{
	for (size_t i = 0; i < vec->count; i++)
		free(vec->items[i]);
	free(vec->items);
	*vec = (struct strvec){0};
}
