/*
 * A stream that text for people goes to: what it can show, styles, and text made fit for it. What comes out of a recipe
 * is hostile until it went through a filter of this file: control characters, escape sequences, bytes that are no
 * UTF-8, marks that turn the direction of writing.
 */
#ifndef UI_TERM_H
#define UI_TERM_H

#include <stdbool.h>
#include <stddef.h>

struct strbuf;

enum term_color { TERM_COLOR_AUTO, TERM_COLOR_ALWAYS, TERM_COLOR_NEVER };

struct term {
	int fd;
	bool tty;
	bool dumb; /* the cursor cannot be moved: TERM is "dumb" or not set */
	bool ci;   /* nobody sits in front of it: CI is set, and not to "false" or "0" */
	bool color;
	bool unicode; /* the locale's character set is UTF-8 */
	bool reflows; /* wraps long lines anew when it is made narrower, as far as that can be told */
};

/* looks at `fd` and the environment: NO_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM, CI, LC_ALL, LC_CTYPE, LANG */
void term_init(struct term *term, int fd, enum term_color color);
/* "auto", "always", "never"; false if it is none */
bool term_parse_color(const char *text, enum term_color *color);

enum term_style { TERM_RESET, TERM_BOLD, TERM_DIM, TERM_GOOD, TERM_BAD, TERM_WARN, TERM_STYLES };

/* the control sequence, "" without colour */
const char *term_style(const struct term *term, enum term_style style);

/* A filter for text that comes in pieces, cut anywhere. A zeroed struct passes no sequences and writes '?' for what is
 * not ASCII */
struct term_filter {
	bool keep_sgr; /* let colours through */
	bool unicode;
	bool one_line; /* newlines and tabs become blanks; nothing passes whose width terminals disagree about */
	/* private */
	unsigned char state, partial_len, partial_want, marks;
	bool cr, colored;
	unsigned seq_len;
	char seq[48], partial[4];
};

/*
 * Adds to `out` what may be shown of `text`: printable characters, newlines, tabs. CR LF is a newline and so is CR
 * alone: what was overwritten (or hidden) is shown. An unfinished sequence hides at most 4 KiB, and nothing past the
 * end of its line.
 */
void term_filter_feed(struct term_filter *filter, const char *text, size_t len, struct strbuf *out);
/* what is still in it, and an end to colours; the filter is as new then */
void term_filter_end(struct term_filter *filter, struct strbuf *out);

/* the whole text at once, no colours, several lines */
void term_clean(struct strbuf *out, const char *text, size_t len, bool unicode);
/*
 * Adds `text` as one line, cut to `columns` (with an ellipsis if something is missing); returns the columns it takes.
 * Of a line with CR only the last part is taken, as a terminal would show it. Looks at no more than the first 4 KiB.
 */
unsigned term_line(struct strbuf *out, const char *text, size_t len, unsigned columns, bool unicode);

/*
 * term_hidden() says that the cursor of `fd` was hidden and lines stand below it (-1: no longer); meanwhile what is
 * typed is not echoed. term_restore() then makes the terminal usable again; it is safe in a signal handler, and does
 * nothing where nothing was hidden.
 */
void term_hidden(int fd);
void term_restore(void);

#endif
