#include "config.h"

#include "lang/indent.h"

#include <string.h>

#include "lang/parse.h"
#include "util/diag.h"

struct columns {
	uint32_t wide, narrow;
	uint32_t len; /* in bytes */
};

void indent_init(struct indent *indent)
{
	memset(indent, 0, sizeof *indent);
	indent->levels[0].kind = INDENT_STATEMENTS;
	indent->depth = 1;
}

static struct columns columns_of(const char *text, const char *end)
{
	struct columns c = {0, 0, 0};

	for (; text < end; text++, c.len++, c.narrow++) {
		if (*text == '\t')
			c.wide = (c.wide / 8 + 1) * 8;
		else if (*text == ' ')
			c.wide++;
		else
			break;
	}
	return c;
}

/* -1, 0, 1: `c` is less deep, as deep, deeper than `level`; *mixed if that depends on the width of a tab */
static int compare(struct columns c, const struct indent_level *level, bool *mixed)
{
	int wide = (c.wide > level->wide) - (c.wide < level->wide);
	int narrow = (c.narrow > level->narrow) - (c.narrow < level->narrow);

	*mixed = wide != narrow;
	return wide;
}

static const char *line_end(const struct parse *parse, const char *line)
{
	const char *end = memchr(line, '\n', (size_t)(parse->text + parse->len - line));

	return end ? end : parse->text + parse->len;
}

static const char *next_line(const struct parse *parse, const char *line)
{
	const char *end = line_end(parse, line);

	return end < parse->text + parse->len ? end + 1 : end;
}

static bool is_blank(const char *code, const char *end)
{
	return code == end || (*code == '\r' && code + 1 == end);
}

static struct place place_of_line(const struct parse *parse, uint32_t offset)
{
	const char *line = parse->text + offset, *end = line_end(parse, line);
	struct columns c = columns_of(line, end);

	return parse_place(parse, offset + c.len, 1);
}

static void complain_mixed(struct parse *parse, uint32_t offset, uint32_t len, uint32_t other)
{
	diag_error(parse->diags, parse_place(parse, offset, len),
		"tabs and spaces are mixed: how deep this line is depends on the width of a tab");
	diag_note(parse->diags, place_of_line(parse, other), "compared with the indentation of this line");
}

static void complain_depth(struct parse *parse, uint32_t offset, uint32_t len, uint32_t other)
{
	diag_error(parse->diags, parse_place(parse, offset + len, 1),
		"this line goes back to a depth that was never opened");
	diag_note(parse->diags, place_of_line(parse, other), "the line that set the indentation");
}

/* passes over all lines from `line` on that are deeper than the current level */
static uint32_t skip_deeper(const struct parse *parse, const char *line)
{
	const struct indent_level *level = &parse->indent.levels[parse->indent.depth - 1];
	const char *end = parse->text + parse->len;

	while (line < end) {
		struct columns c = columns_of(line, end);

		if (c.wide <= level->wide && !is_blank(line + c.len, line_end(parse, line)))
			break;
		line = next_line(parse, line);
	}
	return (uint32_t)(line - parse->text);
}

enum indent_change indent_line(struct parse *parse, uint32_t offset, uint32_t len, uint32_t *resume)
{
	struct indent *indent = &parse->indent;
	struct indent_level *level = &indent->levels[indent->depth - 1];
	const char *line = parse->text + offset;
	struct columns c = columns_of(line, line + len);
	bool mixed;
	int deeper = compare(c, level, &mixed);

	/* nothing is opened here: a line meant to be as deep as those above it */
	if (deeper > 0 && mixed && !indent->skip && indent->opens == INDENT_NONE) {
		complain_mixed(parse, offset, len, level->offset);
		return INDENT_SAME;
	}
	if (deeper > 0) {
		if (!indent->skip && indent->opens == INDENT_NONE)
			diag_error(parse->diags, parse_place(parse, offset + len, 1),
				"this line is indented, but nothing above it takes indented lines");
		else if (!indent->skip && indent->depth == INDENT_DEPTH_MAX)
			diag_error(parse->diags, parse_place(parse, offset + len, 1),
				"nested too deeply: at most 64 levels");
		if (indent->skip || indent->opens == INDENT_NONE || indent->depth == INDENT_DEPTH_MAX) {
			*resume = skip_deeper(parse, line);
			return INDENT_SKIP;
		}
		if (mixed)
			complain_mixed(parse, offset, len, level->offset);
		indent->levels[indent->depth++] = (struct indent_level){indent->opens, c.wide, c.narrow, offset};
		indent->opens = INDENT_NONE;
		return INDENT_OPEN;
	}
	indent->opens = INDENT_NONE;
	indent->skip = false;
	if (deeper < 0) {
		const struct indent_level *below = &indent->levels[indent->depth - 2];

		/* a line between two levels stays in the inner one, so that one slip is one error */
		if (compare(c, below, &mixed) > 0) {
			complain_depth(parse, offset, len, level->offset);
			return INDENT_SAME;
		}
		indent->depth--;
		return INDENT_CLOSE;
	}
	if (mixed)
		complain_mixed(parse, offset, len, level->offset);
	return INDENT_SAME;
}

/* The extent of a verbatim text: all lines from `line` that are indented by at least `depth` columns. A comment that is
 * less deep belongs to the text where the text goes on behind it, as in a recipe of make. `base` is the first line's
 * indentation, which all must share byte for byte: it is taken away later. */
static void extent(struct parse *parse, const char *line, uint32_t depth, const char *base, struct columns base_columns,
	struct span *lines, uint32_t *resume)
{
	const char *end = parse->text + parse->len, *last = NULL, *after = line, *first = line;
	bool complained = false;

	while (line < end) {
		const char *stop = line_end(parse, line);
		struct columns c = columns_of(line, stop);
		const char *code = line + c.len;

		if (!is_blank(code, stop)) {
			if (c.wide < depth) {
				if (*code != '#')
					break;
			} else {
				if (!complained && c.wide < base_columns.wide) {
					complain_depth(parse, (uint32_t)(line - parse->text), c.len,
						(uint32_t)(base - parse->text));
					complained = true;
				} else if (!complained &&
					(c.len < base_columns.len || memcmp(line, base, base_columns.len) != 0)) {
					complain_mixed(parse, (uint32_t)(line - parse->text), c.len,
						(uint32_t)(base - parse->text));
					complained = true;
				}
				last = stop;
				after = stop < end ? stop + 1 : stop;
			}
		}
		line = stop < end ? stop + 1 : stop;
	}
	if (last > first && last[-1] == '\r')
		last--;
	lines->offset = (uint32_t)(first - parse->text);
	lines->len = last ? (uint32_t)(last - first) : 0;
	*resume = (uint32_t)(after - parse->text);
}

bool indent_block(struct parse *parse, uint32_t offset, struct span *lines, uint32_t *resume)
{
	const struct indent_level *level = &parse->indent.levels[parse->indent.depth - 1];
	const char *line = parse->text + offset, *end = parse->text + parse->len;

	while (line < end) {
		const char *stop = line_end(parse, line);
		struct columns c = columns_of(line, stop);

		if (!is_blank(line + c.len, stop)) {
			bool mixed;

			if (compare(c, level, &mixed) <= 0) {
				/* a comment between a header and its text is not the end of it */
				if (line[c.len] != '#')
					return false;
			} else {
				if (mixed)
					complain_mixed(parse, (uint32_t)(line - parse->text), c.len, level->offset);
				extent(parse, line, level->wide + 1, line, c, lines, resume);
				return true;
			}
		}
		line = stop < end ? stop + 1 : stop;
	}
	return false;
}

void indent_script(struct parse *parse, uint32_t offset, struct span *lines, uint32_t *resume)
{
	const struct indent_level *level = &parse->indent.levels[parse->indent.depth - 1];
	const char *line = parse->text + offset;
	struct columns c = columns_of(line, parse->text + parse->len);

	/* after a slip (complain_depth) the first line is less deep than its level: it must be taken all the same */
	extent(parse, line, c.wide < level->wide ? c.wide : level->wide, line, c, lines, resume);
}
