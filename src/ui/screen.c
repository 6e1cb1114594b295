#include "config.h"

#include "ui/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "os/tty.h"
#include "ui/term.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/strbuf.h"
#include "util/utf8.h"

/* the terminal takes a frame as a whole where it knows how; a line that it thinks is wider than we do is cut by it, not
 * wrapped */
#define FRAME_BEGIN "\033[?2026h\033[?25l\033[?7l"
#define FRAME_END "\r\033[?7h\033[?2026l"

struct row {
	char *text;
	size_t len;
	unsigned width;
};

struct screen {
	int fd;
	bool reflows, visible, failed;
	unsigned columns, rows;
	unsigned shown_columns; /* as of the last frame */
	ARRAY(struct row) shown, frame;
	struct strbuf above;
	char *title;
	bool titled, new_title; /* the terminal has one of ours; it has to be told of another one */
};

struct screen *screen_new(int fd, bool reflows)
{
	struct screen *screen = xcalloc(1, sizeof *screen);

	screen->fd = fd;
	screen->reflows = reflows;
	tty_size(fd, &screen->columns, &screen->rows);
	return screen;
}

void screen_size(struct screen *screen, unsigned *columns, unsigned *rows)
{
	tty_size(screen->fd, &screen->columns, &screen->rows);
	if (screen->columns < 2)
		screen->columns = 2;
	if (screen->rows < 1)
		screen->rows = 1;
	*columns = screen->columns;
	*rows = screen->rows;
}

void screen_print(struct screen *screen, const char *text, size_t len)
{
	/* the terminal may be in a mode in which a newline only goes down */
	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t part = newline != NULL ? (size_t)(newline - text) : len;

		strbuf_add(&screen->above, text, part);
		if (newline != NULL)
			strbuf_addstr(&screen->above, "\r\n");
		part += newline != NULL;
		text += part;
		len -= part;
	}
}

void screen_add(struct screen *screen, const char *text, size_t len, unsigned width)
{
	struct row *row = ARRAY_PUSH(&screen->frame);

	row->text = xstrndup(text, len);
	row->len = len;
	row->width = width;
}

void screen_title(struct screen *screen, const char *title)
{
	if (title == NULL || (screen->title != NULL && strcmp(title, screen->title) == 0))
		return;
	free(screen->title);
	screen->title = xstrdup(title);
	screen->new_title = true;
}

/* the terminal keeps the title from before for us */
static void add_title(struct screen *screen, struct strbuf *out)
{
	if (screen->title == NULL || (screen->titled && !screen->new_title))
		return;
	if (!screen->titled)
		strbuf_addstr(out, "\033[22;0t");
	strbuf_addf(out, "\033]2;%s\a", screen->title);
	screen->titled = true;
	screen->new_title = false;
}

static void rows_clear(struct row *rows, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		free(rows[i].text);
	*count = 0;
}

static int put(struct screen *screen, struct strbuf *out)
{
	if (!screen->failed && fs_write_all(screen->fd, strbuf_cstr(out), out->len) != 0)
		screen->failed = true;
	strbuf_release(out);
	return screen->failed ? -1 : 0;
}

/* the cursor rests at the start of the block's last line; moves it to the start of the first */
static void add_home(const struct screen *screen, struct strbuf *out)
{
	size_t up = 0;

	for (size_t i = 0; i + 1 < screen->shown.count; i++) {
		unsigned width = screen->shown.items[i].width;
		bool wrapped = screen->reflows && screen->columns < screen->shown_columns && width > screen->columns;
		up += wrapped ? (width + screen->columns - 1) / screen->columns : 1;
	}
	strbuf_addch(out, '\r');
	if (up > 0)
		strbuf_addf(out, "\033[%zuA", up);
}

static bool is_same(const struct row *a, const struct row *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* length of the control sequence at `at`; the caller writes no others than "ESC [ ... LETTER" */
static size_t sequence_length(const struct row *row, size_t at)
{
	size_t end = at + 2;

	while (end < row->len && (unsigned char)row->text[end] < 0x40)
		end++;
	return end < row->len ? end + 1 - at : row->len - at;
}

/* columns that bytes `from` to `to` of a row take */
static unsigned width_between(const struct row *row, size_t from, size_t to)
{
	unsigned width = 0;

	while (from < to) {
		const char *escape = memchr(row->text + from, '\033', to - from);
		size_t stop = escape != NULL ? (size_t)(escape - row->text) : to;

		width += utf8_text_width(row->text + from, stop - from);
		from = escape != NULL ? stop + sequence_length(row, stop) : to;
	}
	return width;
}

static bool is_ascii_at(const struct row *row, size_t at)
{
	return at >= row->len || (unsigned char)row->text[at] < 0x80;
}

/* how far the two are the same, at most to where no style is in force and a character begins */
static size_t same_start(const struct row *a, const struct row *b)
{
	size_t at = 0, same = 0;
	bool styled = false;

	while (at < a->len && at < b->len) {
		size_t step = a->text[at] == '\033' ? sequence_length(a, at) : 1;

		if (!styled && is_ascii_at(a, at) && is_ascii_at(b, at))
			same = at;
		if (at + step > b->len || memcmp(a->text + at, b->text + at, step) != 0)
			break;
		if (step > 1)
			styled = step != 4 || memcmp(a->text + at, "\033[0m", step) != 0;
		at += step;
	}
	return same;
}

/* how many bytes at the end are the same, from a control sequence on */
static size_t same_end(const struct row *a, const struct row *b, size_t start)
{
	size_t most = a->len < b->len ? a->len - start : b->len - start, len = 0, same = 0;

	while (len < most && a->text[a->len - len - 1] == b->text[b->len - len - 1]) {
		len++;
		if (a->text[a->len - len] == '\033')
			same = len;
	}
	return same;
}

/* what is another in the row than in the one that the screen shows; the cursor is at its start */
static void add_changes(struct strbuf *out, const struct row *shown, const struct row *row)
{
	size_t start = same_start(shown, row), end = same_end(shown, row, start);
	unsigned before = width_between(row, 0, start);
	bool fits =
		end > 0 && width_between(row, start, row->len - end) == width_between(shown, start, shown->len - end);

	if (before > 0)
		strbuf_addf(out, "\033[%uC", before);
	if (!fits)
		end = 0;
	strbuf_add(out, row->text + start, row->len - start - end);
	strbuf_addstr(out,
		!fits                                                               ? "\033[K"
			: memchr(row->text + start, '\033', row->len - start - end) ? "\033[0m"
										    : "");
}

static void add_frame(const struct screen *screen, struct strbuf *out, bool anew)
{
	size_t count = screen->frame.count, shown = anew ? 0 : screen->shown.count;

	for (size_t i = 0; i < count; i++) {
		const struct row *row = &screen->frame.items[i];
		/* what is below the new last line is erased from its end, so that one has to be written */
		bool erases = i + 1 == count && shown > count;

		if (i > 0)
			strbuf_addstr(out, "\r\n");
		if (i < shown && !erases && is_same(row, &screen->shown.items[i]))
			continue;
		if (i < shown && !erases) {
			add_changes(out, &screen->shown.items[i], row);
			continue;
		}
		strbuf_add(out, row->text, row->len);
		strbuf_addstr(out, erases ? "\033[J" : "\033[K");
	}
}

int screen_show(struct screen *screen)
{
	struct strbuf out = {0};
	bool anew = screen->above.len > 0 || screen->shown.count == 0 || screen->columns != screen->shown_columns;
	bool changed = anew || screen->shown.count != screen->frame.count || screen->new_title;

	if (screen->frame.count == 0)
		return screen_clear(screen);
	for (size_t i = 0; i < screen->frame.count && !changed; i++)
		changed = !is_same(&screen->frame.items[i], &screen->shown.items[i]);
	if (changed) {
		if (!screen->visible)
			term_hidden(screen->fd);
		strbuf_addstr(&out, FRAME_BEGIN);
		add_title(screen, &out);
		add_home(screen, &out);
		if (anew) {
			strbuf_addstr(&out, "\033[J\033[?7h");
			strbuf_add(&out, strbuf_cstr(&screen->above), screen->above.len);
			strbuf_truncate(&screen->above, 0);
			strbuf_addstr(&out, "\033[?7l");
		}
		add_frame(screen, &out, anew);
		strbuf_addstr(&out, FRAME_END);
		screen->visible = true;
	}
	rows_clear(screen->shown.items, &screen->shown.count);
	for (size_t i = 0; i < screen->frame.count; i++)
		*ARRAY_PUSH(&screen->shown) = screen->frame.items[i];
	screen->frame.count = 0;
	screen->shown_columns = screen->columns;
	return changed ? put(screen, &out) : 0;
}

int screen_clear(struct screen *screen)
{
	struct strbuf out = {0};
	unsigned columns, rows;

	screen_size(screen, &columns, &rows);
	rows_clear(screen->frame.items, &screen->frame.count);
	if (screen->visible) {
		add_home(screen, &out);
		strbuf_addstr(&out, "\033[J");
	}
	strbuf_add(&out, strbuf_cstr(&screen->above), screen->above.len);
	strbuf_truncate(&screen->above, 0);
	if (screen->visible)
		strbuf_addstr(&out, "\033[?25h");
	if (screen->titled)
		strbuf_addstr(&out, "\033[23;0t");
	screen->titled = false;
	screen_forget(screen);
	return put(screen, &out);
}

void screen_forget(struct screen *screen)
{
	screen->visible = false;
	term_hidden(-1);
	rows_clear(screen->shown.items, &screen->shown.count);
}

void screen_free(struct screen *screen)
{
	if (screen == NULL)
		return;
	rows_clear(screen->frame.items, &screen->frame.count);
	rows_clear(screen->shown.items, &screen->shown.count);
	ARRAY_RELEASE(&screen->frame);
	ARRAY_RELEASE(&screen->shown);
	strbuf_release(&screen->above);
	free(screen->title);
	free(screen);
}
