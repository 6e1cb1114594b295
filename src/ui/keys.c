#include "config.h"

#include "ui/keys.h"

#include "ui/canvas.h"

#define CONTROL(letter) ((letter)&0x1f)

const struct key_row key_rows[] = {
	{KEY_UP, {CANVAS_KEY_UP, 'k'}, "Up, Down", "one line up, down (also k, j)"},
	{KEY_DOWN, {CANVAS_KEY_DOWN, 'j'}, NULL, NULL},
	{KEY_PAGE_UP, {CANVAS_KEY_PAGE_UP, CONTROL('b'), 'b'}, "PgUp, PgDn", "a page up, down (also b, Space)"},
	{KEY_PAGE_DOWN, {CANVAS_KEY_PAGE_DOWN, CONTROL('f'), ' '}, NULL, NULL},
	{KEY_START, {CANVAS_KEY_HOME, 'g'}, "Home, End",
		"the first, the last line (also g, G); a log is followed from its end"},
	{KEY_END, {CANVAS_KEY_END, 'G'}, NULL, NULL},
	{KEY_LEFT, {CANVAS_KEY_LEFT, 'h'}, "Left, Right", "the start, the end of long lines of the log (also h, l)"},
	{KEY_RIGHT, {CANVAS_KEY_RIGHT, 'l'}, NULL, NULL},
	{KEY_OTHER_PANE, {'\t'}, "Tab", "to the other part: streams, log"},
	{KEY_ZOOM, {'\n', 'z'}, "Enter, z", "the log over the whole screen, and back"},
	{KEY_BACK, {27}, "Esc", "back: out of the log, the search, the filter"},
	{KEY_SEARCH, {'/'}, "/", "streams with a text in name, title or state; in the log: a pattern"},
	{KEY_NEXT, {'n'}, "n, N", "the next match in the log, up or down"},
	{KEY_PREVIOUS, {'N'}, NULL, NULL},
	{KEY_SORT, {'o'}, "o", "order: as started, by state, by name, by time"},
	{KEY_SHOW, {'f'}, "f", "show all streams, what is active, what is in trouble"},
	{KEY_STOP, {'s'}, "s", "stop this stream (asks first)"},
	{KEY_STOP_RUN, {'S'}, "S", "stop the run (asks first)"},
	{KEY_RETRY, {'r'}, "r", "try this stream again"},
	{KEY_APPROVE, {'a'}, "a", "approve of this stream, which waits for it (asks first)"},
	{KEY_MESSAGE, {'m'}, "m", "say something to the agent that works on this stream"},
	{KEY_PAUSE, {'p'}, "p", "pause: nothing new starts; again: go on"},
	{KEY_MORE_JOBS, {'+', '='}, "+, -", "one slot more, one less"},
	{KEY_FEWER_JOBS, {'-'}, NULL, NULL},
	{KEY_REDRAW, {CONTROL('l')}, "Ctrl-L", "draw the screen anew"},
	{KEY_HELP, {'?'}, "?", "this list"},
	{KEY_QUIT, {'q'}, "q, Ctrl-C", "leave; the run goes on"},
};

const size_t key_row_count = sizeof key_rows / sizeof *key_rows;

enum key_action key_action(int code)
{
	for (size_t i = 0; i < key_row_count; i++) {
		for (size_t k = 0;
			k < sizeof key_rows[i].codes / sizeof *key_rows[i].codes && key_rows[i].codes[k] != 0; k++) {
			if (key_rows[i].codes[k] == code)
				return key_rows[i].action;
		}
	}
	return KEY_NOTHING;
}
