/* Patterns by pcre2, with JIT where there is one, UTF-8, invalid UTF-8 in the subject accepted, and a match limit. A
 * pattern serves one thread; what it is compiled to is made when it is first used. */
#ifndef UTIL_REGEX_H
#define UTIL_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"

struct regex;

/* -1: the pattern is wrong; the message is pcre2's, *where the offset in the pattern */
int regex_new(struct regex **out, const char *pattern, size_t len, size_t *where, struct orch_error *err);
bool regex_matches(struct regex *regex, const char *text, size_t len);
/* the value of named group `group` in the first match: false if no match or the group is unset; *value points into text
 */
bool regex_group(
	struct regex *regex, const char *text, size_t len, const char *group, const char **value, size_t *value_len);
void regex_free(struct regex *regex);

/* --- texts that grow: see watch.h, which is what uses this --- */

enum regex_result {
	REGEX_NONE,
	REGEX_MATCH,
	REGEX_PARTIAL, /* what begins at `start` could go on behind the end of the text */
	REGEX_LIMIT,   /* given up: it took too many steps */
};

struct regex_search {
	const char *text; /* of which the first `from` bytes are only looked back at */
	size_t len, from;
	size_t last; /* where a match may begin at the latest */
	bool more;   /* the text may go on: nothing is a match that reaches its end */
	bool not_empty; /* a match of nothing is none */
	size_t start, end;
};

enum regex_result regex_search(struct regex *regex, struct regex_search *search);
/* the value of a named group in the match that the last regex_search() found; false if it has none or it is unset */
bool regex_found(const struct regex *regex, const struct regex_search *search, const char *group, const char **value,
	size_t *value_len);
/* has the pattern a group of that name? */
bool regex_has_group(const struct regex *regex, const char *group);
/* names of its groups, at most `max`; how many there are of them. They live as long as the pattern */
size_t regex_group_names(const struct regex *regex, const char **names, size_t max);
/* how many bytes before a match it may look at */
size_t regex_lookbehind(const struct regex *regex);
/* can a match begin only at the start of a line? */
bool regex_starts_lines(const struct regex *regex);

#endif
