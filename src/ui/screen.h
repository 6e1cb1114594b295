/*
 * The block of lines at the bottom of a terminal, kept up to date with as few bytes as it takes. Text above it is
 * printed once and scrolls away as usual. Lines are built by the caller and must not be wider than `columns - 1`; the
 * block stays lower than the screen. Each frame is one write.
 */
#ifndef UI_SCREEN_H
#define UI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

struct screen;

/* `reflows`: see struct term */
struct screen *screen_new(int fd, bool reflows);
/* asks the terminal; to be called before a frame is built */
void screen_size(struct screen *screen, unsigned *columns, unsigned *rows);
/* permanent text for above the block, whole lines each with its newline; shown by the next screen_show() or
 * screen_clear() */
void screen_print(struct screen *screen, const char *text, size_t len);
/* the next line of the frame; `width` in columns */
void screen_add(struct screen *screen, const char *text, size_t len, unsigned width);
/* the title of the window, from the next frame on until the block is taken away; the one before comes back then. Clean
 * text; NULL: left alone */
void screen_title(struct screen *screen, const char *title);
/* shows the frame made of the lines added since the last one; hides the cursor. -1 with errno: the terminal is gone,
 * and nothing is written any more */
int screen_show(struct screen *screen);
/* takes the block away, shows the permanent text and the cursor; the next frame starts anew at the cursor */
int screen_clear(struct screen *screen);
/* what is on the screen is not known any more (other text came between): the next frame starts anew, on a line of its
 * own */
void screen_forget(struct screen *screen);
void screen_free(struct screen *screen);

#endif
