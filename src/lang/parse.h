/*
 * Runs scanner and parser over one source. Each top-level statement is handed to a callback as soon as it is whole; the
 * callback may forget its nodes then (arena_reset).
 */
#ifndef LANG_PARSE_H
#define LANG_PARSE_H

#include "lang/ast.h"
#include "lang/indent.h"
#include "util/source.h"

struct diag_list;

/* the statement that the current line is, for messages */
enum line_kind {
	LINE_STREAM,
	LINE_ASSIGN,
	LINE_INCLUDE,
	LINE_PROJECT,
	LINE_DEFAULTS,
	LINE_AGENT,
	LINE_RECOVER,
	LINE_RUNNER,
	LINE_POOL,
	LINE_ON,
	LINE_FOR,
	LINE_SETTING
};

struct parse {
	const struct source_set *sources;
	uint16_t source;
	const char *text;
	uint32_t len;
	struct arena *arena;
	struct diag_list *diags;
	void (*statement)(void *data, struct ast *node);
	void *data;

	void *scanner;
	struct indent indent;
	enum line_kind line_kind;
	uint32_t line_start; /* of the statement's first token */
	struct span value;   /* being put together by the scanner */
};

enum { PARSE_LINE_MAX = 1024 * 1024 };

/* checks the bytes of a source (NUL, UTF-8, length of lines); -1 with diagnostics if it cannot be parsed. A source's
 * text ends in a newline or is empty: see parse_source_add() */
int parse_check_text(const struct source_set *sources, uint16_t source, struct diag_list *diags);
/* adds a text (malloc'd, two NUL bytes behind it) as a source, with a newline at its end; 0 if there are too many
 * sources */
uint16_t parse_source_add(struct source_set *sources, const char *name, char *text, size_t len, struct place from);
/* fill sources, source, arena, diags, statement and data; errors are in diags */
void parse_run(struct parse *parse);
struct place parse_place(const struct parse *parse, uint32_t offset, uint32_t len);

/* what the line is not: called by the parser with the names of tokens */
void parse_unexpected(
	struct parse *parse, struct place place, const char *found, const char *const *expected, int count);

/* scanner.l */
int scan_new(struct parse *parse);
void scan_free(struct parse *parse);

#endif
