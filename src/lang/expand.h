/*
 * {{name}} in values and blocks: what a name means where, and what of a text stays for the attempt to fill in.
 */
#ifndef LANG_EXPAND_H
#define LANG_EXPAND_H

#include "graph/stream.h"
#include "lang/ast.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eval;
struct strbuf;

enum names_allowed {
	NAMES_STREAM = 1,       /* {{stream}}, {{title}}: of the stream at hand */
	NAMES_STREAM_LATER = 2, /* the same, but left in the text: defaults */
	NAMES_LATE = 4,         /* {{attempt}} and the like, {{STREAM.key}}: left in the text */
	NAMES_AGENT = 8,        /* {{session}}, {{args}} */
	NAMES_RECOVER = 16,     /* groups of the rule's pattern, {{log.tail}}, ... */
};

struct names {
	unsigned allowed;
	const char *stream, *title;
	uint32_t id; /* of the stream */
};

/* a text and where it was written */
struct piece {
	const char *bytes;
	size_t len;
	struct place place; /* of the whole; used where bytes are not in the source */
	const char *raw;    /* of a dedented text: its lines in the source */
	size_t strip;       /* bytes of indentation taken from each */
};

struct expanded {
	bool late;  /* parts are left for the attempt: the text is still a template */
	bool again; /* parts are left for the stream (NAMES_STREAM_LATER) */
};

/* adds the expansion to `out`; -1 after an error */
int expand(struct eval *eval, const struct names *names, const struct piece *piece, struct strbuf *out,
	struct expanded *how);
/* the value of a setting or variable as a piece, joined lines made one */
struct piece expand_value_piece(struct eval *eval, struct span value);
/* the same, expanded, in the project's arena if anything had to change; bytes NULL after an error */
struct text expand_value(struct eval *eval, const struct names *names, struct span value, struct expanded *how);
/* a block, dedented and expanded */
struct text expand_block(struct eval *eval, const struct names *names, const struct ast *node, struct expanded *how);
/* a text that was left over for the stream (struct expanded.again) */
struct text expand_again(struct eval *eval, const struct names *names, struct text text, struct place place);
/* where the `index`th byte of a piece was written */
struct place expand_place(const struct eval *eval, const struct piece *piece, size_t index, size_t len);
/* after the whole file: names that are not known, with those defined further down */
void expand_report_unknown(struct eval *eval);

#endif
