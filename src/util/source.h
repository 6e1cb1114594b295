/*
 * Texts that diagnostics point into. A struct place is 8 bytes, since every stream has one: it names
 * its source by number. Lines and columns are worked out only when a diagnostic is printed.
 */
#ifndef UTIL_SOURCE_H
#define UTIL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a range of bytes in a source; length 0 marks one position. source 0 means: nowhere */
struct place {
	uint32_t offset;
	uint16_t source;
	uint16_t length; /* longer ranges are cut to 65535 */
};

struct source {
	char *name;        /* as shown to people */
	char *text;        /* followed by two NUL bytes, so that a scanner can work in place */
	size_t len;        /* without them; at most 2^32 - 3 */
	struct place from; /* the include that brought it here; source 0 for the first */
};

/* Of a text that was made from another one: from `offset` on, until the next link, it says what stands at `place` */
struct source_link {
	uint32_t offset;
	struct place place;
};

struct source_set {
	struct source **items; /* items[n - 1] is source n */
	size_t count;
	size_t capacity;
};

/* takes `text` (malloc'd, two NUL bytes behind `len`) over; returns its number, from 1; 0 when there are too many
 * (65535) */
uint16_t source_add(struct source_set *set, const char *name, char *text, size_t len, struct place from);
const struct source *source_get(const struct source_set *set, uint16_t number);
/* line and column (both from 1, the column in characters as UTF-8 counts them) of a place; either may be NULL */
void source_position(const struct source_set *set, struct place place, uint32_t *line, uint32_t *column);
/* the text of the line a place is in, without its end; its length in *len */
const char *source_line(const struct source_set *set, struct place place, size_t *len);
/* `number` was made from other texts: people are shown where that stands. `links` are sorted by offset, and copied */
void source_set_links(struct source_set *set, uint16_t number, const struct source_link *links, size_t count);
/* was it made from another text? */
bool source_is_made(const struct source_set *set, uint16_t number);
/* the place to show for `place`: that which it was made from, or itself */
struct place source_origin(const struct source_set *set, struct place place);
void source_set_release(struct source_set *set);

#endif
