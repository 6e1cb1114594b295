/* Patterns by pcre2, with JIT where there is one, UTF-8, invalid UTF-8 in the subject accepted, and a match limit. */
#ifndef UTIL_REGEX_H
#define UTIL_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"

struct regex;

/* -1: the pattern is wrong; the message is pcre2's, *where the offset in the pattern */
int regex_new(struct regex **out, const char *pattern, size_t len, size_t *where, struct orch_error *err);
bool regex_matches(const struct regex *regex, const char *text, size_t len);
/* the value of named group `group` in the first match: false if no match or the group is unset; *value points into text
 */
bool regex_group(const struct regex *regex, const char *text, size_t len, const char *group, const char **value,
	size_t *value_len);
void regex_free(struct regex *regex);

#endif
