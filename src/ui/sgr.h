/* Colours of a log: what the control sequences "ESC [ ... m" say about the text behind them. */
#ifndef UI_SGR_H
#define UI_SGR_H

#include <stdbool.h>
#include <stddef.h>

struct sgr {
	int fg, bg; /* 0 to 255 as xterm has them; -1: the terminal's own */
	bool bold, dim, italic, underline, reverse, hidden;
};

#define SGR_PLAIN ((struct sgr){.fg = -1, .bg = -1})

/* `parameters`: what stands between "ESC [" and "m" */
void sgr_apply(struct sgr *sgr, const char *parameters, size_t len);

#endif
