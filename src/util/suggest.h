/* The nearest known name, for "did you mean". */
#ifndef UTIL_SUGGEST_H
#define UTIL_SUGGEST_H

#include <stddef.h>

struct suggest {
	const char *wanted;
	const char *best; /* NULL: none is near enough */
	unsigned distance;
};

/* start with {.wanted = name}, offer every known name, read `best`. Edit distance with transpositions, case ignored;
 * near enough is at most a third of the longer name's length, at least 1 */
void suggest_offer(struct suggest *s, const char *candidate);

#endif
