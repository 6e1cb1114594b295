#include "config.h"

#include "state/reportfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/utf8.h"

enum { DIGITS_MAX = 12 };

const char *orch_report_kind_name(enum orch_report_kind kind)
{
	static const char *const names[ORCH_REPORT_KINDS] = {
		[ORCH_REPORT_PROGRESS] = "progress",
		[ORCH_REPORT_DONE] = "done",
		[ORCH_REPORT_NOTE] = "note",
		[ORCH_REPORT_OUTPUT] = "output",
	};

	return (unsigned)kind < ORCH_REPORT_KINDS ? names[kind] : "unknown";
}

/* --- one line --- */

struct cursor {
	const char *at, *end;
};

static void skip_blanks(struct cursor *cursor)
{
	while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\r'))
		cursor->at++;
}

static bool take_number(struct cursor *cursor, int64_t *number)
{
	const char *start = cursor->at;

	*number = 0;
	while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
		if (cursor->at - start == DIGITS_MAX)
			return false;
		*number = *number * 10 + (*cursor->at++ - '0');
	}
	return cursor->at > start;
}

static bool take_char(struct cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

bool reportfile_progress(const char *text, size_t len, int64_t *done, int64_t *total)
{
	struct cursor cursor = {text, text + len};

	skip_blanks(&cursor);
	if (!take_number(&cursor, done))
		return false;
	skip_blanks(&cursor);
	*total = 100;
	if (!take_char(&cursor, '%')) {
		if (!take_char(&cursor, '/'))
			return false;
		skip_blanks(&cursor);
		if (!take_number(&cursor, total))
			return false;
	}
	skip_blanks(&cursor);
	return cursor.at == cursor.end && *total > 0 && *done <= *total;
}

void reportfile_clean(struct strbuf *out, const char *text, size_t len, size_t max)
{
	struct strbuf clean = {0};
	size_t end, start = out->len;

	/* what is dropped takes room too, but not without limit */
	utf8_add_clean(&clean, text, len < 4 * max ? len : 4 * max);
	end = clean.len;
	if (end > max) {
		end = max;
		while (end && ((unsigned char)clean.data[end] & 0xc0) == 0x80)
			end--;
	}
	for (size_t i = 0; i < end; i++) {
		bool blank = clean.data[i] == '\n' || clean.data[i] == '\t' || clean.data[i] == ' ';

		if (!blank)
			strbuf_addch(out, clean.data[i]);
		else if (out->len > start)
			strbuf_addch(out, ' ');
	}
	while (out->len > start && out->data[out->len - 1] == ' ')
		strbuf_truncate(out, out->len - 1);
	strbuf_release(&clean);
}

static bool parse_done(struct reportfile_line *line, struct cursor *cursor)
{
	if (!take_number(cursor, &line->done))
		return false;
	skip_blanks(cursor);
	return cursor->at == cursor->end && line->done >= 1 && line->done <= REPORTFILE_TASK_MAX;
}

static bool is_key(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool parse_output(struct cursor *cursor)
{
	struct cursor key = *cursor;

	while (key.at < key.end && is_key(*key.at))
		key.at++;
	return key.at > cursor->at && take_char(&key, '=');
}

bool reportfile_parse(struct reportfile_line *line, struct strbuf *text, const char *bytes, size_t len)
{
	struct cursor cursor = {bytes, bytes + len};
	bool known = false;
	int kind;

	*line = (struct reportfile_line){.done = -1, .total = -1};
	strbuf_truncate(text, 0);
	for (kind = 0; kind < ORCH_REPORT_KINDS; kind++) {
		const char *name = orch_report_kind_name((enum orch_report_kind)kind);
		size_t name_len = strlen(name);

		if (len > name_len && memcmp(bytes, name, name_len) == 0 && strchr(" \t", bytes[name_len])) {
			cursor.at += name_len;
			break;
		}
	}
	if (kind == ORCH_REPORT_KINDS)
		return false;
	line->kind = (enum orch_report_kind)kind;
	skip_blanks(&cursor);
	switch (line->kind) {
	case ORCH_REPORT_PROGRESS:
		known = reportfile_progress(cursor.at, (size_t)(cursor.end - cursor.at), &line->done, &line->total);
		break;
	case ORCH_REPORT_DONE:
		known = parse_done(line, &cursor);
		break;
	case ORCH_REPORT_OUTPUT:
		known = parse_output(&cursor);
		break;
	case ORCH_REPORT_NOTE:
		known = true;
		break;
	}
	if (known && (line->kind == ORCH_REPORT_NOTE || line->kind == ORCH_REPORT_OUTPUT)) {
		reportfile_clean(text, cursor.at, (size_t)(cursor.end - cursor.at), REPORTFILE_TEXT_MAX);
		line->text = strbuf_cstr(text);
		known = text->len > 0;
	}
	return known;
}

/* --- writing --- */

int reportfile_append(const char *path, const char *line, struct orch_error *err)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	struct strbuf text = {0};
	struct stat st;
	ssize_t written;
	int result = 0;
	char last;

	if (fd < 0)
		return error_errno(err, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0) {
		result = error_errno(err, "cannot read '%s'", path);
	} else if (!S_ISREG(st.st_mode)) {
		result = error_set(err, "'%s' is no regular file", path);
	} else {
		if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
			strbuf_addch(&text, '\n');
		strbuf_addstr(&text, line);
		strbuf_addch(&text, '\n');
		do
			written = write(fd, text.data, text.len);
		while (written < 0 && errno == EINTR);
		if (written < 0)
			result = error_errno(err, "cannot write '%s'", path);
		else if ((size_t)written != text.len)
			result = error_set(err, "cannot write all of a line to '%s': no space left", path);
	}
	strbuf_release(&text);
	/* a network file system may say only now that there was no room */
	if (close(fd) < 0 && result == 0)
		result = error_errno(err, "cannot write '%s'", path);
	return result;
}

/* --- reading --- */

static void tell(struct reportfile_reader *reader, uint64_t end)
{
	struct reportfile_line line;
	const char *bytes = strbuf_cstr(&reader->line);
	size_t len = reader->line.len;
	bool cut = reader->line.truncated, known;

	while (len && (bytes[len - 1] == '\r' || bytes[len - 1] == ' '))
		len--;
	if (len > 0) {
		known = reportfile_parse(&line, &reader->text, bytes, len) &&
			(!cut || line.kind == ORCH_REPORT_NOTE || line.kind == ORCH_REPORT_OUTPUT);
		reader->found(reader->data, known ? &line : NULL, bytes, len, end);
	}
	strbuf_truncate(&reader->line, 0);
	reader->line.truncated = false;
}

void reportfile_feed(struct reportfile_reader *reader, const char *bytes, size_t len)
{
	reader->line.limit = REPORTFILE_LINE_MAX;
	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		size_t part = newline ? (size_t)(newline - bytes) : len;

		if (part > 0 && !reader->line.truncated)
			strbuf_add(&reader->line, bytes, part);
		reader->offset += part + (newline != NULL);
		if (newline)
			tell(reader, reader->offset);
		bytes += part + (newline != NULL);
		len -= part + (newline != NULL);
	}
}

void reportfile_finish(struct reportfile_reader *reader)
{
	if (reader->line.len > 0)
		tell(reader, reader->offset);
}

void reportfile_release(struct reportfile_reader *reader)
{
	strbuf_release(&reader->line);
	strbuf_release(&reader->text);
}
