#include "config.h"

#include "ui/canvas.h"

#define NCURSES_WIDECHAR 1
#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/tty.h"
#include "ui/sgr.h"
#include "ui/term.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/utf8.h"

enum {
	ESCAPE_MS = 25,
	TAB_COLUMNS = 8,
	TEXT_INPUT_MAX = 4096,
	LOG_INPUT_MAX = 64 << 10, /* of a line that is longer no more is shown */
};

/* mouse off, colours off, cursor and wrapping on, keypad off, the screen from before */
const char canvas_restore[] = "\033[?2004l\033[?1006l\033[?1002l\033[?1000l\033[0m\033[?7h\033[?25h\033[?1l\033>\033[?1049l";

/* terminals that know of it put signs around what is pasted; the others take no notice */
static const char paste_on[] = "\033[?2004h", paste_off[] = "\033[?2004l";
enum { PASTE_KEY = KEY_MAX + 1, PASTE_END_KEY };

struct canvas {
	SCREEN *screen;
	FILE *out;
	const struct term *term;
	struct strbuf scratch;
	unsigned cursor_row, cursor_column;
	bool cursor, color, away;
	int pairs[CANVAS_LOOKS];
};

/* past curses, which has no word for it */
static void say(const struct canvas *canvas, const char *sequence)
{
	fputs(sequence, canvas->out);
	fflush(canvas->out);
}

static void set_locale(bool unicode)
{
	/* the locale that is asked for may not be installed: characters are what matters here */
	if (setlocale(LC_CTYPE, "") == NULL || (unicode && MB_CUR_MAX < 2))
		(void)!setlocale(LC_CTYPE, unicode ? "C.UTF-8" : "C");
}

static void set_colors(struct canvas *canvas)
{
	static const short of_look[CANVAS_LOOKS] = {
		[CANVAS_GOOD] = COLOR_GREEN,
		[CANVAS_BAD] = COLOR_RED,
		[CANVAS_WARN] = COLOR_YELLOW,
	};

	canvas->color = canvas->term->color && has_colors() && start_color() == OK;
	if (!canvas->color)
		return;
	use_default_colors();
	for (unsigned i = 0; i < CANVAS_LOOKS; i++) {
		if (of_look[i])
			canvas->pairs[i] = alloc_pair(of_look[i], -1);
	}
}

int canvas_new(struct canvas **out, const struct term *term, struct orch_error *err)
{
	struct canvas *canvas = xcalloc(1, sizeof *canvas);
	const char *name = getenv("TERM");
	int fd = dup(term->fd);

	*out = NULL;
	canvas->term = term;
	canvas->out = fd < 0 ? NULL : fdopen(fd, "w");
	if (canvas->out == NULL) {
		int saved = errno;

		if (fd >= 0)
			close(fd);
		free(canvas);
		errno = saved;
		return error_errno(err, "cannot write to the terminal");
	}
	set_locale(term->unicode);
	canvas->screen = newterm(NULL, canvas->out, stdin);
	if (canvas->screen == NULL) {
		fclose(canvas->out);
		free(canvas);
		return error_set(err, "nothing is known of the terminal '%s' (TERM)", name != NULL ? name : "");
	}
	set_term(canvas->screen);
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	scrollok(stdscr, FALSE);
	leaveok(stdscr, FALSE);
	define_key("\033[200~", PASTE_KEY);
	define_key("\033[201~", PASTE_END_KEY);
	say(canvas, paste_on);
	mouseinterval(0);
	mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	set_colors(canvas);
	canvas_resize(canvas);
	*out = canvas;
	return 0;
}

void canvas_size(const struct canvas *canvas, unsigned *columns, unsigned *rows)
{
	(void)canvas;
	*columns = COLS > 0 ? (unsigned)COLS : 1;
	*rows = LINES > 0 ? (unsigned)LINES : 1;
}

void canvas_resize(struct canvas *canvas)
{
	unsigned columns, rows;

	tty_size(canvas->term->fd, &columns, &rows);
	if ((int)columns != COLS || (int)rows != LINES)
		resizeterm((int)rows, (int)columns);
}

void canvas_clear(struct canvas *canvas)
{
	canvas->cursor = false;
	erase();
}

static void use_look(const struct canvas *canvas, unsigned look)
{
	static const attr_t attributes[CANVAS_LOOKS] = {
		[CANVAS_BOLD] = A_BOLD,
		[CANVAS_DIM] = A_DIM,
		[CANVAS_BAD] = A_BOLD,
		[CANVAS_TITLE] = A_REVERSE,
	};
	unsigned base = look % CANVAS_SELECTED;
	attr_t attribute = attributes[base];
	int pair = canvas->pairs[base];

	if (look >= CANVAS_SELECTED)
		attribute = (attribute | A_REVERSE) & ~(attr_t)A_DIM;
	attr_set(attribute, 0, &pair);
}

static int fold_color(int color)
{
	if (color < 0 || color < COLORS)
		return color;
	if (color < 16)
		return color % 8;
	if (color >= 232)
		return color < 244 ? COLOR_BLACK : COLOR_WHITE;
	color -= 16;
	return (color / 36 >= 3 ? COLOR_RED : 0) | (color / 6 % 6 >= 3 ? COLOR_GREEN : 0) |
		(color % 6 >= 3 ? COLOR_BLUE : 0);
}

static void use_sgr(const struct canvas *canvas, const struct sgr *sgr, bool selected)
{
	attr_t attributes = (sgr->bold ? A_BOLD : 0) | (sgr->dim ? A_DIM : 0) | (sgr->underline ? A_UNDERLINE : 0) |
		(sgr->italic ? A_ITALIC : 0) | (sgr->reverse != selected ? A_REVERSE : 0);
	int fg = fold_color(sgr->fg), bg = fold_color(sgr->bg);
	int pair = canvas->color && (fg >= 0 || bg >= 0) ? alloc_pair(fg, bg) : 0;

	/* text that asks not to be seen is seen */
	attr_set(attributes, 0, &(int){pair < 0 ? 0 : pair});
}

/* one character with the marks on it */
static void put_cell(unsigned row, unsigned column, const wchar_t *text)
{
	cchar_t cell;
	attr_t attributes;
	short unused;
	int pair;

	attr_get(&attributes, &unused, &pair);
	if (setcchar(&cell, text, attributes, 0, &pair) == OK)
		(void)mvadd_wch((int)row, (int)column, &cell);
}

/* clean text, no sequences in it; returns the columns it took. What is before `skip` is not shown */
static unsigned put(unsigned row, unsigned column, unsigned columns, unsigned skip, const char *text, size_t len,
	unsigned *position)
{
	unsigned used = 0;

	for (size_t at = 0; at < len && used < columns;) {
		wchar_t cell[CCHARW_MAX + 1] = {0};
		unsigned width, marks = 1;
		uint32_t code;

		if (text[at] == '\t') {
			width = TAB_COLUMNS - *position % TAB_COLUMNS;
			cell[0] = L' ';
			at++;
		} else {
			at += utf8_decode(text + at, len - at, &code);
			width = utf8_width(code);
			cell[0] = (wchar_t)code;
		}
		while (at < len && (unsigned char)text[at] >= 0x80) {
			size_t step = utf8_decode(text + at, len - at, &code);

			if (utf8_width(code) != 0)
				break;
			if (marks < CCHARW_MAX)
				cell[marks++] = (wchar_t)code;
			at += step;
		}
		if (width == 0)
			continue;
		*position += width;
		if (*position <= skip)
			continue;
		/* the half of a wide character, and what is left of a tab */
		if (*position - width < skip || cell[0] == L' ') {
			unsigned blanks = *position - width < skip ? *position - skip : width;

			for (; blanks > 0 && used < columns; blanks--, used++)
				put_cell(row, column + used, L" ");
			continue;
		}
		if (used + width > columns)
			return columns;
		put_cell(row, column + used, cell);
		used += width;
	}
	return used;
}

unsigned canvas_text(struct canvas *canvas, unsigned row, unsigned column, unsigned columns, unsigned look,
	const char *text, size_t len)
{
	unsigned position = 0, width;

	if ((int)row >= LINES || (int)column >= COLS || columns == 0)
		return 0;
	if (columns > (unsigned)COLS - column)
		columns = (unsigned)COLS - column;
	strbuf_truncate(&canvas->scratch, 0);
	width = term_line(
		&canvas->scratch, text, len < TEXT_INPUT_MAX ? len : TEXT_INPUT_MAX, columns, canvas->term->unicode);
	use_look(canvas, look);
	put(row, column, columns, 0, strbuf_cstr(&canvas->scratch), canvas->scratch.len, &position);
	return width;
}

void canvas_fill(struct canvas *canvas, unsigned row, unsigned column, unsigned columns, unsigned look)
{
	if ((int)row >= LINES || (int)column >= COLS)
		return;
	use_look(canvas, look);
	mvhline((int)row, (int)column, ' ', (int)columns);
}

void canvas_log_line(struct canvas *canvas, unsigned row, unsigned column, unsigned columns, unsigned skip,
	bool selected, const char *text, size_t len)
{
	struct term_filter filter = {.keep_sgr = true, .unicode = canvas->term->unicode};
	struct sgr sgr = SGR_PLAIN;
	unsigned used = 0, position = 0;
	const char *at, *end;

	if ((int)row >= LINES || (int)column >= COLS)
		return;
	if (columns > (unsigned)COLS - column)
		columns = (unsigned)COLS - column;
	strbuf_truncate(&canvas->scratch, 0);
	term_filter_feed(&filter, text, len < LOG_INPUT_MAX ? len : LOG_INPUT_MAX, &canvas->scratch);
	term_filter_end(&filter, &canvas->scratch);
	at = strbuf_cstr(&canvas->scratch);
	end = at + canvas->scratch.len;
	/* the filter lets nothing through but text and whole sequences for colours */
	while (at < end && used < columns) {
		const char *escape = memchr(at, '\033', (size_t)(end - at)), *stop = escape != NULL ? escape : end;

		use_sgr(canvas, &sgr, selected);
		used += put(row, column + used, columns - used, skip, at, (size_t)(stop - at), &position);
		at = stop;
		if (escape != NULL) {
			const char *last = memchr(escape, 'm', (size_t)(end - escape));

			if (last == NULL)
				break;
			sgr_apply(&sgr, escape + 2, (size_t)(last - escape - 2));
			at = last + 1;
		}
	}
}

void canvas_cursor(struct canvas *canvas, unsigned row, unsigned column)
{
	canvas->cursor = true;
	canvas->cursor_row = row;
	canvas->cursor_column = column;
}

void canvas_show(struct canvas *canvas)
{
	if (canvas->away)
		return;
	curs_set(canvas->cursor ? 1 : 0);
	if (canvas->cursor)
		move((int)canvas->cursor_row, (int)canvas->cursor_column);
	refresh();
}

void canvas_forget(struct canvas *canvas)
{
	(void)canvas;
	clearok(curscr, TRUE);
}

static bool read_mouse(struct canvas_input *input)
{
	MEVENT event;

	if (getmouse(&event) != OK || event.x < 0 || event.y < 0)
		return false;
	input->row = (unsigned)event.y;
	input->column = (unsigned)event.x;
	if (event.bstate & BUTTON4_PRESSED)
		input->key = CANVAS_KEY_WHEEL_UP;
	else if (event.bstate & BUTTON5_PRESSED)
		input->key = CANVAS_KEY_WHEEL_DOWN;
	else if (event.bstate & BUTTON1_PRESSED)
		input->key = CANVAS_KEY_CLICK;
	else
		return false;
	return true;
}

static int of_curses(wint_t code)
{
	static const struct {
		int curses, key;
	} keys[] = {
		{KEY_UP, CANVAS_KEY_UP},
		{KEY_DOWN, CANVAS_KEY_DOWN},
		{KEY_LEFT, CANVAS_KEY_LEFT},
		{KEY_RIGHT, CANVAS_KEY_RIGHT},
		{KEY_PPAGE, CANVAS_KEY_PAGE_UP},
		{KEY_NPAGE, CANVAS_KEY_PAGE_DOWN},
		{KEY_HOME, CANVAS_KEY_HOME},
		{KEY_END, CANVAS_KEY_END},
		{KEY_BACKSPACE, CANVAS_KEY_BACKSPACE},
		{KEY_DC, CANVAS_KEY_DELETE},
		{PASTE_KEY, CANVAS_KEY_PASTE},
		{PASTE_END_KEY, CANVAS_KEY_PASTE_END},
		{KEY_ENTER, '\n'},
		{KEY_BTAB, '\t'},
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (keys[i].curses == (int)code)
			return keys[i].key;
	}
	return CANVAS_KEY_OTHER;
}

/* a terminal that was closed can be read for ever, and says nothing */
static bool is_gone(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	if (poll(&input, 1, 0) <= 0)
		return false;
	if (input.revents & (POLLHUP | POLLERR | POLLNVAL))
		return true;
	/* there was something when we were called, and now it can be read still: its end */
	return (input.revents & POLLIN) && read(STDIN_FILENO, &byte, 0) < 0;
}

bool canvas_key(struct canvas *canvas, struct canvas_input *input, bool *gone)
{
	wint_t code;
	int result;

	*gone = false;
	*input = (struct canvas_input){.key = CANVAS_KEY_NONE};
	for (;;) {
		result = canvas->away ? ERR : get_wch(&code);
		if (result == ERR) {
			*gone = is_gone();
			return false;
		}
		if (result == OK) {
			input->key = code == '\r'             ? '\n'
				: code == 127 || code == '\b' ? CANVAS_KEY_BACKSPACE
							      : (int)code;
			return true;
		}
		if (code == KEY_RESIZE)
			continue;
		if (code != KEY_MOUSE) {
			input->key = of_curses(code);
			return true;
		}
		if (read_mouse(input))
			return true;
	}
}

void canvas_leave(struct canvas *canvas)
{
	if (canvas->away)
		return;
	canvas->away = true;
	say(canvas, paste_off);
	curs_set(1);
	endwin();
}

void canvas_enter(struct canvas *canvas)
{
	if (!canvas->away)
		return;
	canvas->away = false;
	say(canvas, paste_on);
	canvas_resize(canvas);
	clearok(curscr, TRUE);
	refresh();
}

void canvas_free(struct canvas *canvas)
{
	if (canvas == NULL)
		return;
	canvas_leave(canvas);
	delscreen(canvas->screen);
	fclose(canvas->out);
	strbuf_release(&canvas->scratch);
	free(canvas);
}
