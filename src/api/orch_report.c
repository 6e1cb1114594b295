/* What work says of itself, from inside an attempt: what was meant is looked at here, where somebody can be told. */
#include "config.h"

#include "orch/report.h"

#include "exec/values.h"
#include "state/reportfile.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>

static const char *place(const char *variable, struct orch_error *err)
{
	const char *path = getenv(variable);

	if (path && *path)
		return path;
	error_code(err, ORCH_ENOTFOUND,
		"this is said by a stream's own work, from inside an attempt, and this is none: %s is not set", variable);
	return NULL;
}

static int say(const char *path, enum orch_report_kind kind, const char *text, size_t len, struct orch_error *err)
{
	struct strbuf line = {0};
	int result;

	strbuf_addstr(&line, orch_report_kind_name(kind));
	strbuf_addch(&line, ' ');
	reportfile_clean(&line, text, len, REPORTFILE_TEXT_MAX);
	result = reportfile_append(path, strbuf_cstr(&line), err);
	strbuf_release(&line);
	return result;
}

static bool is_one(enum orch_report_kind kind, const char *text, size_t len)
{
	struct strbuf line = {0}, clean = {0};
	struct reportfile_line parsed;
	bool known;

	strbuf_addf(&line, "%s ", orch_report_kind_name(kind));
	strbuf_add(&line, text, len);
	known = reportfile_parse(&parsed, &clean, line.data, line.len);
	strbuf_release(&line);
	strbuf_release(&clean);
	return known;
}

static int say_progress(const char *path, const char *text, struct orch_error *err)
{
	if (!is_one(ORCH_REPORT_PROGRESS, text, strlen(text)))
		return error_code(err, ORCH_EUSAGE, "progress is N/M, at most M/M, or N%%: 3/7; not '%.60s'", text);
	return say(path, ORCH_REPORT_PROGRESS, text, strlen(text), err);
}

/* all are looked at before one is said */
static int say_done(const char *path, const char *text, struct orch_error *err)
{
	static const char blanks[] = " \t\n";

	for (unsigned pass = 0; pass < 2; pass++) {
		const char *word = text + strspn(text, blanks);
		bool any = false;

		for (; *word; word += strspn(word, blanks)) {
			size_t len = strcspn(word, blanks);

			any = true;
			if (pass == 0 && !is_one(ORCH_REPORT_DONE, word, len))
				return error_code(err, ORCH_EUSAGE,
					"what is done is the number of a task, from 1 on: 2; not '%.*s'",
					len < 60 ? (int)len : 60, word);
			if (pass == 1 && say(path, ORCH_REPORT_DONE, word, len, err) < 0)
				return -1;
			word += len;
		}
		if (!any)
			return error_code(err, ORCH_EUSAGE, "which task is done? Its number is missing");
	}
	return 0;
}

static int say_note(const char *path, const char *text, struct orch_error *err)
{
	if (!is_one(ORCH_REPORT_NOTE, text, strlen(text)))
		return error_code(err, ORCH_EUSAGE, "the note is empty");
	return say(path, ORCH_REPORT_NOTE, text, strlen(text), err);
}

static int say_output(const char *path, const char *text, struct orch_error *err)
{
	const char *values = place("ORCH_OUTPUT", err);
	size_t len = strlen(text);

	if (!values)
		return -1;
	if (!is_one(ORCH_REPORT_OUTPUT, text, len))
		return error_code(err, ORCH_EUSAGE,
			"a value is key=value, and the key is of letters, digits, '_' and '-'; not '%.60s'", text);
	if (strchr(text, '\n') || utf8_invalid_at(text, len) < len)
		return error_code(err, ORCH_EUSAGE, "a value is one line of UTF-8 text");
	if (len > VALUE_MAX)
		return error_code(err, ORCH_EUSAGE, "a value has at most %d KiB, and this one has %zu", VALUE_MAX / 1024,
			len / 1024);
	/* first that it is so */
	if (reportfile_append(values, text, err) < 0)
		return -1;
	return say(path, ORCH_REPORT_OUTPUT, text, len, err);
}

int orch_report(enum orch_report_kind kind, const char *text, struct orch_error *err)
{
	const char *path = place("ORCH_REPORT", err);

	if (!path)
		return -1;
	switch (kind) {
	case ORCH_REPORT_PROGRESS:
		return say_progress(path, text, err);
	case ORCH_REPORT_DONE:
		return say_done(path, text, err);
	case ORCH_REPORT_NOTE:
		return say_note(path, text, err);
	case ORCH_REPORT_OUTPUT:
		return say_output(path, text, err);
	}
	return error_code(err, ORCH_EUSAGE, "there is no report of that kind");
}
