/*
 * The file in which the work of an attempt says how far it is (ORCH_REPORT): one line each, appended, never rewritten.
 * Others write it, so what is read from it is bounded and cleaned. Lines, with one blank between their words:
 *
 *	progress 3/7	or: progress 45%
 *	done 2		a number of its tasks:, from 1
 *	note TEXT
 *	output KEY=VALUE	told, no more: the value itself is in the file that ORCH_OUTPUT names
 */
#ifndef STATE_REPORTFILE_H
#define STATE_REPORTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/report.h"
#include "util/strbuf.h"

enum {
	REPORTFILE_LINE_MAX = 4096, /* without its newline: what is longer is cut if it is a note, else it is none */
	REPORTFILE_TEXT_MAX = 1024, /* of a note, of a value as it is told */
	REPORTFILE_TASK_MAX = 1000000,
};

struct reportfile_line {
	enum orch_report_kind kind;
	int64_t done, total; /* PROGRESS: 0 <= done <= total, total > 0; DONE: done is the task's number; else -1 */
	const char *text;    /* NOTE, OUTPUT: one line, clean UTF-8; else NULL */
};

/* "3/7", "45%" (of 100), with blanks around; false: anything else, and *done and *total say nothing */
bool reportfile_progress(const char *text, size_t len, int64_t *done, int64_t *total);
/* one line of it, without control characters, as UTF-8, at most `max` bytes and no part of a character */
void reportfile_clean(struct strbuf *out, const char *text, size_t len, size_t max);
/* a line without its newline; `text` has the line's text then. False: it is none */
bool reportfile_parse(struct reportfile_line *line, struct strbuf *text, const char *bytes, size_t len);

/* Appends `line` (without a newline; one is added) in one write, so that writers do not mix; whoever left a line
 * unfinished before has it ended. -1 with *err */
int reportfile_append(const char *path, const char *line, struct orch_error *err);

/* --- reading as it grows --- */

struct reportfile_reader {
	uint64_t offset;     /* up to where the file was read; before the first call: where to begin */
	struct strbuf line;  /* of the line that is not complete yet, its first REPORTFILE_LINE_MAX bytes */
	struct strbuf text;  /* of the line that is told */
	/* `end`: offset behind the line. `line` NULL: `bytes` is none, which is not for people as it is */
	void (*found)(void *data, const struct reportfile_line *line, const char *bytes, size_t len, uint64_t end);
	void *data;
};

/* the next bytes of the file */
void reportfile_feed(struct reportfile_reader *reader, const char *bytes, size_t len);
/* nothing more comes: a last line without a newline counts */
void reportfile_finish(struct reportfile_reader *reader);
void reportfile_release(struct reportfile_reader *reader);

#endif
