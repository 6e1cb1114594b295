#include "config.h"

#include "util/source.h"

#include "util/alloc.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>

/* what is in the set: the source, and its lines once somebody asked for one */
struct indexed_source {
	struct source source; /* must be first */
	uint32_t *line_starts;
	size_t lines;
	/* the column worked out last, to go on from: diagnostics come sorted, and a line may be a megabyte */
	uint32_t known_offset, known_column;
	struct source_link *links;
	size_t link_count;
};

uint16_t source_add(struct source_set *set, const char *name, char *text, size_t len, struct place from)
{
	struct indexed_source *indexed;

	if (set->count == UINT16_MAX || len > UINT32_MAX - 2) {
		free(text);
		return 0;
	}
	indexed = xcalloc(1, sizeof *indexed);
	indexed->source = (struct source){.name = xstrdup(name), .text = text, .len = len, .from = from};
	if (set->count == set->capacity) {
		set->capacity = set->capacity ? set->capacity * 2 : 8;
		set->items = xreallocarray(set->items, set->capacity, sizeof *set->items);
	}
	set->items[set->count++] = &indexed->source;
	return (uint16_t)set->count;
}

const struct source *source_get(const struct source_set *set, uint16_t number)
{
	return number && number <= set->count ? set->items[number - 1] : NULL;
}

static void index_lines(struct indexed_source *indexed)
{
	const char *text = indexed->source.text, *end = text + indexed->source.len, *at = text;
	size_t capacity = 256;

	if (indexed->line_starts)
		return;
	indexed->line_starts = xreallocarray(NULL, capacity, sizeof *indexed->line_starts);
	indexed->line_starts[indexed->lines++] = 0;
	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		if (indexed->lines == capacity) {
			capacity *= 2;
			indexed->line_starts =
				xreallocarray(indexed->line_starts, capacity, sizeof *indexed->line_starts);
		}
		indexed->line_starts[indexed->lines++] = (uint32_t)(at - text);
	}
}

/* number of the line (from 0) that `offset` is in */
static size_t find_line(const struct indexed_source *indexed, uint32_t offset)
{
	size_t low = 0, high = indexed->lines;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (indexed->line_starts[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void source_position(const struct source_set *set, struct place place, uint32_t *line, uint32_t *column)
{
	struct indexed_source *indexed;
	uint32_t start, offset;
	size_t number;

	if (!place.source || place.source > set->count) {
		if (line)
			*line = 0;
		if (column)
			*column = 0;
		return;
	}
	indexed = (struct indexed_source *)set->items[place.source - 1];
	index_lines(indexed);
	offset = place.offset > indexed->source.len ? (uint32_t)indexed->source.len : place.offset;
	number = find_line(indexed, offset);
	start = indexed->line_starts[number];
	if (line)
		*line = (uint32_t)number + 1;
	if (column) {
		const char *text = indexed->source.text;
		uint32_t code;

		/* a byte-order mark is no character of the first line */
		if (start == 0 && indexed->source.len >= 3 && offset >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
			start = 3;
		*column = 1;
		if (indexed->known_offset > start && indexed->known_offset <= offset) {
			start = indexed->known_offset;
			*column = indexed->known_column;
		}
		for (; start < offset; (*column)++)
			start += (uint32_t)utf8_decode(text + start, indexed->source.len - start, &code);
		if (start == offset) {
			indexed->known_offset = offset;
			indexed->known_column = *column;
		}
	}
}

const char *source_line(const struct source_set *set, struct place place, size_t *len)
{
	const struct source *source = source_get(set, place.source);
	struct indexed_source *indexed;
	const char *start, *end, *stop;
	size_t number;

	*len = 0;
	if (!source)
		return "";
	indexed = (struct indexed_source *)set->items[place.source - 1];
	index_lines(indexed);
	number = find_line(indexed, place.offset > source->len ? (uint32_t)source->len : place.offset);
	start = source->text + indexed->line_starts[number];
	stop = source->text + source->len;
	end = start < stop ? memchr(start, '\n', (size_t)(stop - start)) : NULL;
	if (!end)
		end = stop;
	if (end > start && end[-1] == '\r')
		end--;
	*len = (size_t)(end - start);
	return start;
}

void source_set_links(struct source_set *set, uint16_t number, const struct source_link *links, size_t count)
{
	struct indexed_source *indexed = (struct indexed_source *)set->items[number - 1];

	free(indexed->links);
	indexed->links = xreallocarray(NULL, count + 1, sizeof *links);
	if (count)
		memcpy(indexed->links, links, count * sizeof *links);
	indexed->link_count = count;
}

bool source_is_made(const struct source_set *set, uint16_t number)
{
	return source_get(set, number) && ((const struct indexed_source *)set->items[number - 1])->links;
}

struct place source_origin(const struct source_set *set, struct place place)
{
	const struct indexed_source *indexed;
	size_t low = 0, high;

	if (!source_is_made(set, place.source))
		return place;
	indexed = (const struct indexed_source *)set->items[place.source - 1];
	high = indexed->link_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (indexed->links[middle].offset <= place.offset)
			low = middle;
		else
			high = middle;
	}
	return indexed->link_count ? indexed->links[low].place : place;
}

void source_set_release(struct source_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct indexed_source *indexed = (struct indexed_source *)set->items[i];

		free(indexed->line_starts);
		free(indexed->links);
		free(indexed->source.name);
		free(indexed->source.text);
		free(indexed);
	}
	free(set->items);
	*set = (struct source_set){0};
}
