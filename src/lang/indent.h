/*
 * Indentation: which lines are deeper than others, and where a verbatim text ends. Columns are counted twice, with tabs
 * of 8 and of 1: where the two disagree about which line is deeper, the answer would depend on the reader's editor, and
 * it is an error.
 */
#ifndef LANG_INDENT_H
#define LANG_INDENT_H

#include "lang/ast.h"

#include <stddef.h>
#include <stdint.h>

struct parse;

enum { INDENT_DEPTH_MAX = 70 };

/* what the lines of a level are */
enum indent_kind { INDENT_NONE, INDENT_STATEMENTS, INDENT_SETTINGS };

struct indent_level {
	enum indent_kind kind;
	uint32_t wide, narrow; /* columns, with tabs of 8 and of 1 */
	uint32_t offset;       /* of the line that opened it */
};

struct indent {
	struct indent_level levels[INDENT_DEPTH_MAX];
	unsigned depth;         /* levels in use; the first is always there */
	enum indent_kind opens; /* what the line just read opens, if deeper lines follow */
	bool skip;              /* the line just read was wrong: what is below it is passed over */
};

enum indent_change { INDENT_SAME, INDENT_OPEN, INDENT_CLOSE, INDENT_SKIP };

void indent_init(struct indent *indent);
/* a line with something in it starts at `offset`, indented by `len` bytes. INDENT_SKIP: go on at *resume. INDENT_CLOSE:
 * ask again */
enum indent_change indent_line(struct parse *parse, uint32_t offset, uint32_t len, uint32_t *resume);
/* the lines from `offset` (the start of one) that are deeper than the current level: their span without blank lines
 * before and behind, and where to go on. False: there is none */
bool indent_block(struct parse *parse, uint32_t offset, struct span *lines, uint32_t *resume);
/* the lines from the one at `offset` to the end of the current level's body */
void indent_script(struct parse *parse, uint32_t offset, struct span *lines, uint32_t *resume);

#endif
