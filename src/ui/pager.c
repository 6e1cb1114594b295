#include "config.h"

#include "ui/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ui/term.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/regex.h"
#include "util/strbuf.h"

enum {
	BLOCK = 256 << 10,      /* read at once from the end of a file */
	KEPT_MAX = 32 << 20,    /* while the end is followed */
	LOADED_MAX = 256 << 20, /* when going up, or searching */
	FILL_MAX = 8 << 20,     /* for filling a screen */
	COLUMNS_STEP = 8,
	NO_LINE = -1,
};

struct pager {
	char *path;
	int fd;
	struct strbuf text;
	uint64_t start;      /* where in the file `text` begins: at the start of a line, but for very long ones */
	ARRAY(size_t) lines; /* where in `text` each begins; the last one may have no end yet */
	size_t top;
	unsigned skip; /* columns */
	bool follow;
	int error; /* errno of opening it */
	struct regex *pattern;
	int64_t found; /* line */
};

struct pager *pager_new(void)
{
	struct pager *pager = xcalloc(1, sizeof *pager);

	pager->fd = -1;
	pager->follow = true;
	pager->found = NO_LINE;
	return pager;
}

static void forget_text(struct pager *pager)
{
	strbuf_release(&pager->text);
	pager->lines.count = 0;
	pager->start = 0;
	pager->top = 0;
	pager->found = NO_LINE;
}

static void close_file(struct pager *pager)
{
	if (pager->fd >= 0)
		close(pager->fd);
	pager->fd = -1;
	forget_text(pager);
	pager->skip = 0;
	pager->follow = true;
}

/* ---- text and lines ---- */

/* lines that begin at `from` or behind; there is one at `from` if anything is there */
static void add_lines(struct pager *pager, size_t from)
{
	const char *text = strbuf_cstr(&pager->text);

	for (size_t at = from; at < pager->text.len;) {
		const char *newline = memchr(text + at, '\n', pager->text.len - at);

		*ARRAY_PUSH(&pager->lines) = at;
		if (newline == NULL)
			return;
		at = (size_t)(newline - text) + 1;
	}
}

static void find_lines(struct pager *pager)
{
	pager->lines.count = 0;
	add_lines(pager, 0);
}

/* up to `len` bytes at `offset`; what could not be read is not there */
static size_t read_at(const struct pager *pager, char *to, size_t len, uint64_t offset)
{
	size_t got = 0;

	while (got < len) {
		ssize_t part = pread(pager->fd, to + got, len - got, (off_t)(offset + got));

		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			break;
		got += (size_t)part;
	}
	return got;
}

/* what was read from the middle of a file begins somewhere in a line: that part goes */
static void drop_partial_line(struct pager *pager)
{
	const char *text = strbuf_cstr(&pager->text), *newline;
	struct strbuf rest = {0};
	size_t part;

	if (pager->start == 0)
		return;
	newline = memchr(text, '\n', pager->text.len);
	if (newline == NULL || (size_t)(newline - text) + 1 == pager->text.len)
		return;
	part = (size_t)(newline - text) + 1;
	strbuf_add(&rest, text + part, pager->text.len - part);
	strbuf_release(&pager->text);
	pager->text = rest;
	pager->start += part;
}

static void load_from(struct pager *pager, uint64_t start, size_t len)
{
	forget_text(pager);
	pager->start = start;
	strbuf_grown(&pager->text, read_at(pager, strbuf_reserve(&pager->text, len), len, start));
	drop_partial_line(pager);
	find_lines(pager);
}

/* more of what is before; false: there is no more, or too much is here already */
static bool load_before(struct pager *pager)
{
	size_t want = pager->text.len > BLOCK ? pager->text.len : BLOCK, lines = pager->lines.count,
	       had = pager->text.len;
	int64_t found_from_end = pager->found >= 0 ? (int64_t)lines - pager->found : 0;
	size_t top_from_end = lines - pager->top;
	uint64_t end = pager->start + had;

	if (pager->start == 0 || pager->fd < 0)
		return false;
	/* where a line is longer than what was read nothing is won: more then */
	for (; pager->start > 0 && pager->text.len <= had; want *= 2) {
		uint64_t start = end - had > want ? end - had - want : 0;

		if (had + want > LOADED_MAX)
			return false;
		load_from(pager, start, (size_t)(end - start));
	}
	pager->top = pager->lines.count > top_from_end ? pager->lines.count - top_from_end : 0;
	pager->found = found_from_end > 0 ? (int64_t)pager->lines.count - found_from_end : NO_LINE;
	return pager->text.len > had;
}

/* ---- the file ---- */

static void open_file(struct pager *pager)
{
	struct stat info;
	uint64_t size;

	pager->fd = open(pager->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	pager->error = pager->fd < 0 ? errno : 0;
	if (pager->fd < 0)
		return;
	if (fstat(pager->fd, &info) != 0 || !S_ISREG(info.st_mode)) {
		close(pager->fd);
		pager->fd = -1;
		pager->error = EINVAL;
		return;
	}
	size = (uint64_t)info.st_size;
	load_from(pager, size > BLOCK ? size - BLOCK : 0, size > BLOCK ? BLOCK : (size_t)size);
}

void pager_open(struct pager *pager, const char *path)
{
	if (path != NULL && pager->path != NULL && strcmp(path, pager->path) == 0)
		return;
	close_file(pager);
	free(pager->path);
	pager->path = path != NULL ? xstrdup(path) : NULL;
	if (path != NULL)
		open_file(pager);
}

const char *pager_path(const struct pager *pager)
{
	return pager->path;
}

bool pager_refresh(struct pager *pager)
{
	uint64_t end = pager->start + pager->text.len, size;
	struct stat info;
	size_t grown, from;

	if (pager->path == NULL)
		return false;
	if (pager->fd < 0) {
		open_file(pager);
		return pager->fd >= 0;
	}
	if (fstat(pager->fd, &info) != 0)
		return false;
	size = (uint64_t)info.st_size;
	if (size == end)
		return false;
	/* it was emptied, or much more came than anybody wants to see */
	if (size < end || size - end > KEPT_MAX || (pager->follow && pager->text.len > KEPT_MAX)) {
		load_from(pager, size > BLOCK ? size - BLOCK : 0, size > BLOCK ? BLOCK : (size_t)size);
		return true;
	}
	from = pager->text.len;
	grown = read_at(pager, strbuf_reserve(&pager->text, (size_t)(size - end)), (size_t)(size - end), end);
	strbuf_grown(&pager->text, grown);
	if (from > 0 && pager->text.data[from - 1] != '\n') {
		const char *newline = memchr(pager->text.data + from, '\n', pager->text.len - from);

		from = newline != NULL ? (size_t)(newline - pager->text.data) + 1 : pager->text.len;
	}
	add_lines(pager, from);
	return grown > 0;
}

/* ---- what is shown ---- */

static const char *line_at(const struct pager *pager, size_t line, size_t *len)
{
	size_t begin = pager->lines.items[line];
	size_t end = line + 1 < pager->lines.count ? pager->lines.items[line + 1] : pager->text.len;
	const char *text = pager->text.data + begin, *cr;

	while (end > begin && (pager->text.data[end - 1] == '\n' || pager->text.data[end - 1] == '\r'))
		end--;
	*len = end - begin;
	/* of a line that was written over again and again the last one counts */
	if (*len > 0 && (cr = memrchr(text, '\r', *len)) != NULL) {
		*len -= (size_t)(cr + 1 - text);
		return cr + 1;
	}
	return text;
}

static size_t last_top(const struct pager *pager, unsigned rows)
{
	return pager->lines.count > rows ? pager->lines.count - rows : 0;
}

static void add_notice(struct canvas *canvas, const struct canvas_area *area, const char *text)
{
	canvas_text(canvas, area->row, area->column, area->columns, CANVAS_DIM, text, strlen(text));
}

void pager_draw(struct pager *pager, struct canvas *canvas, const struct canvas_area *area)
{
	if (pager->path == NULL) {
		add_notice(canvas, area, "(no attempt yet, so there is no log)");
		return;
	}
	if (pager->fd < 0) {
		add_notice(canvas, area,
			pager->error == ENOENT ? "(its log is not there any more)" : strerror(pager->error));
		return;
	}
	/* very long lines: the end of the file has fewer than there is room for */
	while (pager->follow && pager->lines.count < area->rows && pager->text.len < FILL_MAX && load_before(pager))
		continue;
	if (pager->text.len == 0)
		add_notice(canvas, area, "(no output yet)");
	if (pager->follow || pager->top > last_top(pager, area->rows))
		pager->top = last_top(pager, area->rows);
	for (unsigned row = 0; row < area->rows && pager->top + row < pager->lines.count; row++) {
		size_t len, line = pager->top + row;
		const char *text = line_at(pager, line, &len);

		canvas_log_line(canvas, area->row + row, area->column, area->columns, pager->skip,
			pager->found == (int64_t)line, text, len);
	}
}

void pager_move(struct pager *pager, enum pager_move move, unsigned rows)
{
	size_t step = move == PAGER_PAGE_UP || move == PAGER_PAGE_DOWN ? (rows > 1 ? rows - 1 : 1) : 1;

	switch (move) {
	case PAGER_UP:
	case PAGER_PAGE_UP:
		if (pager->follow)
			pager->top = last_top(pager, rows);
		while (pager->top < step && load_before(pager))
			continue;
		pager->follow = pager->lines.count <= rows;
		pager->top = pager->top > step ? pager->top - step : 0;
		break;
	case PAGER_DOWN:
	case PAGER_PAGE_DOWN:
		pager->top += step;
		if (pager->top >= last_top(pager, rows))
			pager->follow = true;
		break;
	case PAGER_START:
		while (load_before(pager))
			continue;
		pager->follow = false;
		pager->top = 0;
		break;
	case PAGER_END:
		pager->follow = true;
		break;
	case PAGER_LEFT:
		pager->skip = pager->skip > COLUMNS_STEP ? pager->skip - COLUMNS_STEP : 0;
		break;
	case PAGER_RIGHT:
		pager->skip += COLUMNS_STEP;
		break;
	}
}

bool pager_follows(const struct pager *pager)
{
	return pager->follow;
}

void pager_follow(struct pager *pager, bool follow)
{
	pager->follow = follow;
}

/* ---- searching ---- */

int pager_search(struct pager *pager, const char *pattern, struct orch_error *err)
{
	struct regex *made = NULL;
	size_t where;

	if (pattern != NULL && *pattern != '\0' && regex_new(&made, pattern, strlen(pattern), &where, err) != 0)
		return -1;
	regex_free(pager->pattern);
	pager->pattern = made;
	pager->found = NO_LINE;
	return 0;
}

bool pager_searches(const struct pager *pager)
{
	return pager->pattern != NULL;
}

/* as it is seen, without colours */
static bool line_matches(struct pager *pager, size_t line)
{
	struct strbuf clean = {0};
	size_t len;
	const char *text = line_at(pager, line, &len);
	bool result;

	if (memchr(text, '\033', len) == NULL)
		return regex_matches(pager->pattern, text, len);
	term_clean(&clean, text, len, true);
	result = regex_matches(pager->pattern, strbuf_cstr(&clean), clean.len);
	strbuf_release(&clean);
	return result;
}

static void show_found(struct pager *pager, size_t line, unsigned rows)
{
	pager->found = (int64_t)line;
	pager->follow = false;
	if (line < pager->top || line >= pager->top + rows)
		pager->top = line > rows / 2 ? line - rows / 2 : 0;
	if (pager->top > last_top(pager, rows))
		pager->top = last_top(pager, rows);
}

bool pager_next(struct pager *pager, bool up, unsigned rows)
{
	int64_t from;

	if (pager->pattern == NULL)
		return false;
	if (pager->follow)
		pager->top = last_top(pager, rows);
	from = pager->found >= 0 ? pager->found : (int64_t)(up ? pager->lines.count : pager->top) - !up;
	if (!up) {
		for (size_t line = (size_t)(from + 1); line < pager->lines.count; line++) {
			if (line_matches(pager, line)) {
				show_found(pager, line, rows);
				return true;
			}
		}
		return false;
	}
	for (;;) {
		size_t behind;

		while (from-- > 0) {
			if (line_matches(pager, (size_t)from)) {
				show_found(pager, (size_t)from, rows);
				return true;
			}
		}
		behind = pager->lines.count;
		if (!load_before(pager))
			return false;
		from = (int64_t)(pager->lines.count - behind);
	}
}

void pager_position(const struct pager *pager, char *text, size_t size)
{
	if (pager->path == NULL || pager->fd < 0)
		*text = '\0';
	else if (pager->follow)
		snprintf(text, size, "follows");
	else
		snprintf(text, size, "line %zu of %zu%s", pager->top + 1, pager->lines.count,
			pager->start > 0 ? "+" : "");
}

void pager_free(struct pager *pager)
{
	if (pager == NULL)
		return;
	close_file(pager);
	ARRAY_RELEASE(&pager->lines);
	regex_free(pager->pattern);
	free(pager->path);
	free(pager);
}
