/* Any bytes as the report file of an attempt: however they come in pieces, the same is found; texts are one clean line,
 * numbers within bounds, and what is found again as a line means the same. */
#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "state/reportfile.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

struct found {
	struct strbuf out;
	uint64_t end;
};

static void check_text(const char *text)
{
	size_t len = strlen(text);

	demand(len > 0 && len <= REPORTFILE_TEXT_MAX && utf8_invalid_at(text, len) == len);
	for (size_t i = 0; i < len; i++)
		demand((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void on_line(void *data, const struct reportfile_line *line, const char *bytes, size_t len, uint64_t end)
{
	struct found *found = data;

	demand(len > 0 && len <= REPORTFILE_LINE_MAX && !memchr(bytes, '\n', len));
	demand(end > found->end);
	found->end = end;
	if (!line) {
		strbuf_addf(&found->out, "? %llu\n", (unsigned long long)end);
		return;
	}
	switch (line->kind) {
	case ORCH_REPORT_PROGRESS:
		demand(line->done >= 0 && line->total > 0 && line->done <= line->total && !line->text);
		break;
	case ORCH_REPORT_DONE:
		demand(line->done >= 1 && line->done <= REPORTFILE_TASK_MAX && !line->text);
		break;
	default:
		check_text(line->text);
		break;
	}
	strbuf_addf(&found->out, "%d %lld %lld %s %llu\n", (int)line->kind, (long long)line->done,
		(long long)line->total, line->text ? line->text : "-", (unsigned long long)end);
	/* said again as it was understood */
	if (line->text) {
		struct reportfile_line again;
		struct strbuf text = {0}, clean = {0};

		strbuf_addf(&text, "%s %s", orch_report_kind_name(line->kind), line->text);
		demand(reportfile_parse(&again, &clean, text.data, text.len) && strcmp(again.text, line->text) == 0);
		strbuf_release(&text);
		strbuf_release(&clean);
	}
}

static void read_all(struct found *found, const char *bytes, size_t size, size_t piece)
{
	struct reportfile_reader reader = {.found = on_line, .data = found};

	for (size_t at = 0; at < size; at += piece)
		reportfile_feed(&reader, bytes + at, size - at < piece ? size - at : piece);
	reportfile_finish(&reader);
	demand(reader.offset == size);
	reportfile_release(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 3, 64};
	struct found whole = {0};

	read_all(&whole, (const char *)data, size, size + 1);
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct found found = {0};

		read_all(&found, (const char *)data, size, pieces[i]);
		demand(strcmp(strbuf_cstr(&found.out), strbuf_cstr(&whole.out)) == 0);
		strbuf_release(&found.out);
	}
	strbuf_release(&whole.out);
	return 0;
}
