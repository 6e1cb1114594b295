#include "config.h"

#include "util/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { NAME_MAX_LEN = 128 };

static unsigned smallest(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* optimal string alignment: the edit distance of Damerau (Commun. ACM 7(3), 1964), no part edited twice */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][NAME_MAX_LEN + 1];
	unsigned *two_before = rows[0], *before = rows[1], *row = rows[2];

	for (unsigned j = 0; j <= b_len; j++)
		before[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *spare;

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			row[j] = smallest(
				smallest(before[j], row[j - 1]) + 1, before[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = smallest(row[j], two_before[j - 2] + 1);
		}
		spare = two_before;
		two_before = before;
		before = row;
		row = spare;
	}
	return before[b_len];
}

void suggest_offer(struct suggest *s, const char *candidate)
{
	size_t wanted_len = strlen(s->wanted), len = strlen(candidate), longer = wanted_len > len ? wanted_len : len;
	size_t apart = longer - (wanted_len > len ? len : wanted_len);
	unsigned limit = longer < 3 ? 1 : (unsigned)(longer / 3), d;

	if (wanted_len > NAME_MAX_LEN || len > NAME_MAX_LEN || apart > limit || !wanted_len || !len)
		return;
	d = distance(s->wanted, wanted_len, candidate, len);
	if (d > limit || d >= longer || (s->best && d >= s->distance))
		return;
	s->best = candidate;
	s->distance = d;
}
