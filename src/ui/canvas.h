/*
 * The whole screen of a terminal, drawn anew for each frame and written where it differs: the only includer of
 * ncursesw. Text may come from anywhere: nothing of it reaches the terminal but characters and colours.
 */
#ifndef UI_CANVAS_H
#define UI_CANVAS_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"

struct term;
struct canvas;

enum canvas_look {
	CANVAS_PLAIN,
	CANVAS_BOLD,
	CANVAS_DIM,
	CANVAS_GOOD,
	CANVAS_BAD,
	CANVAS_WARN,
	CANVAS_TITLE, /* a bar over the width */
	CANVAS_LOOKS,
	CANVAS_SELECTED = 64, /* added to one of those above */
};

/* a rectangle of cells */
struct canvas_area {
	unsigned row, column, rows, columns;
};

/* keys that are no characters */
enum canvas_key {
	CANVAS_KEY_NONE = -1,
	CANVAS_KEY_UP = 0x110000,
	CANVAS_KEY_DOWN,
	CANVAS_KEY_LEFT,
	CANVAS_KEY_RIGHT,
	CANVAS_KEY_PAGE_UP,
	CANVAS_KEY_PAGE_DOWN,
	CANVAS_KEY_HOME,
	CANVAS_KEY_END,
	CANVAS_KEY_BACKSPACE,
	CANVAS_KEY_DELETE,
	CANVAS_KEY_PASTE,     /* what follows was pasted, ... */
	CANVAS_KEY_PASTE_END, /* ... up to this */
	CANVAS_KEY_CLICK, /* at row and column */
	CANVAS_KEY_WHEEL_UP,
	CANVAS_KEY_WHEEL_DOWN,
	CANVAS_KEY_OTHER, /* one that has no meaning here */
};

struct canvas_input {
	int key; /* a character, or one of the above */
	unsigned row, column;
};

/* makes a terminal usable that somebody else had left in the middle of a canvas */
extern const char canvas_restore[];

/* takes the terminal `term->fd` over, keys come from standard input; -1: it cannot be done with this terminal. Signals
 * that the program wants are registered before */
int canvas_new(struct canvas **out, const struct term *term, struct orch_error *err);
void canvas_size(const struct canvas *canvas, unsigned *columns, unsigned *rows);
/* asks the terminal how large it is now */
void canvas_resize(struct canvas *canvas);
/* the next frame begins, empty */
void canvas_clear(struct canvas *canvas);
/* foreign text as one line, cut to `columns`; returns the columns it took */
unsigned canvas_text(struct canvas *canvas, unsigned row, unsigned column, unsigned columns, unsigned look,
	const char *text, size_t len);
/* blanks */
void canvas_fill(struct canvas *canvas, unsigned row, unsigned column, unsigned columns, unsigned look);
/* a line of a log with its colours, from its `skip`-th column on */
void canvas_log_line(struct canvas *canvas, unsigned row, unsigned column, unsigned columns, unsigned skip,
	bool selected, const char *text, size_t len);
/* where the cursor stands; hidden if this is not called for a frame */
void canvas_cursor(struct canvas *canvas, unsigned row, unsigned column);
/* shows the frame; writes what changed */
void canvas_show(struct canvas *canvas);
/* all of the next frame is written */
void canvas_forget(struct canvas *canvas);
/* a key that was pressed, if any; false: none, or the terminal is gone: *gone */
bool canvas_key(struct canvas *canvas, struct canvas_input *input, bool *gone);
/* gives the terminal back for a while, and takes it again */
void canvas_leave(struct canvas *canvas);
void canvas_enter(struct canvas *canvas);
void canvas_free(struct canvas *canvas);

#endif
