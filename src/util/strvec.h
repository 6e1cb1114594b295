/* A NULL-terminated vector of strings that it owns: argv, environment. A zeroed struct is empty. */
#ifndef UTIL_STRVEC_H
#define UTIL_STRVEC_H

#include <stddef.h>

struct strvec {
	char **items; /* NULL while empty; else items[count] is NULL */
	size_t count;
	size_t capacity;
};

void strvec_push(struct strvec *vec, const char *text);
void strvec_pushn(struct strvec *vec, const char *text, size_t len);
__attribute__((format(printf, 2, 3))) void strvec_pushf(struct strvec *vec, const char *format, ...);
/* "NAME=VALUE", without a look at whether `name` is there already: that is strvec_setenv() */
void strvec_pushenv(struct strvec *vec, const char *name, const char *value);
/* splits at runs of blanks */
void strvec_split(struct strvec *vec, const char *text);
/* in an environment ("NAME=value" items): replaces or adds NAME; a NULL value removes it */
void strvec_setenv(struct strvec *vec, const char *name, const char *value);
const char *strvec_getenv(const struct strvec *vec, const char *name);
void strvec_release(struct strvec *vec);

#endif
