/* A text that is typed into the last line of the screen: a cursor in it, and what is pasted goes in as it is. */
#ifndef UI_ENTRY_H
#define UI_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "util/strbuf.h"

struct canvas;

struct entry {
	struct strbuf text; /* UTF-8 */
	size_t at;          /* of the cursor: bytes before it */
	size_t max;         /* bytes; what is more is not taken */
	bool lines;         /* what is pasted may have several; otherwise they are one, with blanks between */
};

enum entry_end { ENTRY_GOES_ON, ENTRY_DONE, ENTRY_CANCELLED };

/* empty */
void entry_begin(struct entry *entry, size_t max, bool lines);
/* a key (ui/canvas.h); `pasted`: it came with what was pasted, where Enter and Esc mean nothing but themselves */
enum entry_end entry_key(struct entry *entry, int key, bool pasted);
/* "LABEL: TEXT" in that row, as much of it as there is room for around the cursor, and the cursor */
void entry_draw(const struct entry *entry, struct canvas *canvas, unsigned row, unsigned columns, const char *label,
	bool unicode);
void entry_release(struct entry *entry);

#endif
