/*
 * Text with {{name}} in it (ORCHFILE.md section 6). `{{{{` is a literal `{{`.
 *
 *   {{ name }}   {{env.HOME or text}}   {{quote(name)}}   {{stem(file(x))}}
 *
 * template_scan() walks over the parts; what a name means is the caller's business.
 */
#ifndef UTIL_TEMPLATE_H
#define UTIL_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

struct strbuf;

enum template_part_kind {
	TEMPLATE_TEXT,    /* text to take as it is */
	TEMPLATE_LITERAL, /* `{{{{`: stands for `{{` */
	TEMPLATE_NAME,    /* an expression */
	TEMPLATE_BAD,     /* not well formed: `problem` says why, text covers it */
};

enum { TEMPLATE_FUNCTIONS_MAX = 4 };

struct template_part {
	enum template_part_kind kind;
	const char *text; /* the part as written, braces included */
	size_t len;
	/* of TEMPLATE_NAME; pointers into the text */
	const char *name;
	size_t name_len;
	const char *fallback; /* behind ` or `; NULL without one */
	size_t fallback_len;
	/* functions around the name, innermost first: stem(file(x)) has file, stem */
	const char *function[TEMPLATE_FUNCTIONS_MAX];
	size_t function_len[TEMPLATE_FUNCTIONS_MAX];
	unsigned functions;
	const char *problem; /* of TEMPLATE_BAD: a static message */
};

/* takes the next part from the front of *text; false at the end */
bool template_next(const char **text, size_t *len, struct template_part *part);
/* true if there is any `{{` in it */
bool template_has_parts(const char *text, size_t len);
/* adds `text` so that expanding it gives `text` again: `{{` becomes `{{{{` */
void template_escape(struct strbuf *out, const char *text, size_t len);

#endif
