/* The output of programs, split at the control sequences of terminals: text in pieces, each with the colours it would
 * have had. All other sequences are left out. */
#ifndef LISTENER_ANSI_H
#define LISTENER_ANSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSI_DEFAULT = -1 };

struct ansi_style {
	int16_t fg, bg; /* ANSI_DEFAULT, 0..15 the terminal's colours, 16..255 of the cube and the greys */
	bool bold, dim, italic, underline, inverse, strike;
};

/*
 * Calls `piece` for each run of text in one style. Text is what is left when escape sequences (CSI, OSC, DCS, ...) and
 * control characters but newline and tab are taken out; CR LF and CR are newlines. It can hold bytes that are no UTF-8.
 * A sequence that does not end hides nothing behind its line.
 */
void ansi_split(const char *text, size_t len,
	void (*piece)(void *data, const char *text, size_t len, const struct ansi_style *style), void *data);
/* red, green, blue of one of the 256 from 16 on, as 0xRRGGBB */
uint32_t ansi_rgb(int color);

#endif
