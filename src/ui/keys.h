/* The keys of the full-screen view: what each does, in one table, which the help screen shows. */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include <stddef.h>

enum key_action {
	KEY_NOTHING,
	KEY_UP,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_START,
	KEY_END,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_OTHER_PANE,
	KEY_ZOOM,
	KEY_BACK,
	KEY_SEARCH,
	KEY_NEXT,
	KEY_PREVIOUS,
	KEY_SORT,
	KEY_SHOW,
	KEY_STOP,
	KEY_STOP_RUN,
	KEY_RETRY,
	KEY_APPROVE,
	KEY_MESSAGE,
	KEY_PAUSE,
	KEY_MORE_JOBS,
	KEY_FEWER_JOBS,
	KEY_REDRAW,
	KEY_HELP,
	KEY_QUIT,
};

struct key_row {
	enum key_action action;
	int codes[4];     /* characters, or enum canvas_key; 0 behind the last */
	const char *keys; /* as people write them; NULL: the row before speaks for this one too */
	const char *help;
};

extern const struct key_row key_rows[];
extern const size_t key_row_count;

enum key_action key_action(int code);

#endif
