/*
 * A log that may still grow, shown in a rectangle: its end first, more of what is before as one goes up. It is never
 * read as a whole unless somebody searches it.
 */
#ifndef UI_PAGER_H
#define UI_PAGER_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"
#include "ui/canvas.h"

struct pager;

enum pager_move {
	PAGER_UP,
	PAGER_DOWN,
	PAGER_PAGE_UP,
	PAGER_PAGE_DOWN,
	PAGER_START,
	PAGER_END,
	PAGER_LEFT,
	PAGER_RIGHT,
};

struct pager *pager_new(void);
/* shows the log at `path`, followed; NULL: none. The same path again changes nothing */
void pager_open(struct pager *pager, const char *path);
const char *pager_path(const struct pager *pager);
/* reads what has come since; true: something changed */
bool pager_refresh(struct pager *pager);
void pager_draw(struct pager *pager, struct canvas *canvas, const struct canvas_area *area);
/* `rows` of the rectangle */
void pager_move(struct pager *pager, enum pager_move move, unsigned rows);
/* is its end shown as it grows? */
bool pager_follows(const struct pager *pager);
void pager_follow(struct pager *pager, bool follow);
/* lines that match `pattern` (pcre2) are looked for from here on; NULL: none. -1: it is no pattern */
int pager_search(struct pager *pager, const char *pattern, struct orch_error *err);
/* to the next line that matches, up (towards the start) or down; false: there is none. `rows` as above */
bool pager_next(struct pager *pager, bool up, unsigned rows);
/* is there a pattern? */
bool pager_searches(const struct pager *pager);
/* "follows", "line 7 of 320", or nothing */
void pager_position(const struct pager *pager, char *text, size_t size);
void pager_free(struct pager *pager);

#endif
