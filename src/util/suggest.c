#include "config.h"

#include "util/suggest.h"

#include <string.h>

enum { NAME_MAX_LEN = 128 };

static unsigned smallest(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void fold(char *to, const char *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i]);
}

/* optimal string alignment: the edit distance of Damerau (Commun. ACM 7(3), 1964), no part edited twice;
 * something above `limit` as soon as it is sure to be more */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len, unsigned limit)
{
	unsigned rows[3][NAME_MAX_LEN + 1];
	unsigned *two_before = rows[0], *before = rows[1], *row = rows[2];
	unsigned least_before = 0;

	for (unsigned j = 0; j <= b_len; j++)
		before[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *spare, least = i;

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			row[j] = smallest(smallest(before[j], row[j - 1]) + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = smallest(row[j], two_before[j - 2] + 1);
			least = smallest(least, row[j]);
		}
		if (least > limit && least_before >= limit)
			return limit + 1;
		least_before = least;
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
	size_t start, a_rest, b_rest;
	unsigned limit = longer < 3 ? 1 : (unsigned)(longer / 3), d;
	char a[NAME_MAX_LEN], b[NAME_MAX_LEN];

	if (s->best && limit >= s->distance) {
		if (!s->distance)
			return;
		limit = s->distance - 1;
	}
	if (wanted_len > NAME_MAX_LEN || len > NAME_MAX_LEN || apart > limit || !wanted_len || !len)
		return;
	fold(a, s->wanted, wanted_len);
	fold(b, candidate, len);
	/* what both begin and end with needs no edit; names of one file often differ in a few digits */
	for (a_rest = wanted_len, b_rest = len; a_rest && b_rest && a[a_rest - 1] == b[b_rest - 1]; a_rest--)
		b_rest--;
	for (start = 0; start < a_rest && start < b_rest && a[start] == b[start];)
		start++;
	d = distance(a + start, a_rest - start, b + start, b_rest - start, limit);
	if (d > limit || d >= longer)
		return;
	s->best = candidate;
	s->distance = d;
}
