/* Text from outside made fit for XML, HTML and Markdown: never a tag, an entity, a control character or a byte that is
 * no UTF-8. */
#ifndef LISTENER_MARKUP_H
#define LISTENER_MARKUP_H

#include <stddef.h>

struct strbuf;

enum markup {
	MARKUP_TEXT = 0,
	MARKUP_ATTRIBUTE = 1, /* newlines and tabs as references, since a reader would make them blanks */
	MARKUP_ONE_LINE = 2,  /* newlines and tabs become blanks */
	MARKUP_MARKDOWN = 4,  /* and nothing that Markdown gives a meaning; still only inside of a line or of <pre> */
};

/*
 * Escapes & < > " '. What XML cannot hold, and the marks that turn the direction of writing, become U+FFFD; ends of
 * line are those of Unix. `how`: enum markup, combined.
 */
void markup_add(struct strbuf *out, const char *text, size_t len, unsigned how);
void markup_addstr(struct strbuf *out, const char *text, unsigned how);
/* the first `max` characters, with an ellipsis if there is more */
void markup_add_short(struct strbuf *out, const char *text, size_t max, unsigned how);
/* the same, but what is left out is left out in the middle: the ends of names tell them apart */
void markup_add_ends(struct strbuf *out, const char *text, size_t max, unsigned how);

#endif
