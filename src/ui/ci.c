#include "config.h"

#include "ui/ci.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "os/clock.h"
#include "ui/words.h"
#include "util/strbuf.h"
#include "util/units.h"

enum { SUMMARY_ROWS = 1000 }; /* services refuse summaries of more than a megabyte */

static bool is_on(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' && strcmp(value, "0") != 0 && strcasecmp(value, "false") != 0;
}

void ci_init(struct ci *ci, bool detect)
{
	unsigned char bytes[16] = {0};
	const char *summary;

	memset(ci, 0, sizeof *ci);
	if (!detect)
		return;
	if (is_on("GITHUB_ACTIONS")) {
		ci->service = CI_GITHUB;
		summary = getenv("GITHUB_STEP_SUMMARY");
		if (summary != NULL && *summary != '\0')
			ci->summary = summary;
	} else if (is_on("GITLAB_CI")) {
		ci->service = CI_GITLAB;
	}
	if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != (ssize_t)sizeof bytes) {
		uint64_t now = (uint64_t)clock_mono_us();
		memcpy(bytes, &now, sizeof now);
	}
	memcpy(ci->token, "orch", sizeof "orch");
	for (size_t i = 0; i < sizeof bytes; i++) {
		static const char digits[] = "0123456789abcdef";
		ci->token[4 + 2 * i] = digits[bytes[i] >> 4];
		ci->token[5 + 2 * i] = digits[bytes[i] & 15];
	}
}

static void add_escaped(struct strbuf *out, const char *text, bool is_property)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '%' || c == '\r' || c == '\n' || (is_property && (c == ':' || c == ',')))
			strbuf_addf(out, "%%%02X", c);
		else if (c >= 0x20 || c == '\t')
			strbuf_addch(out, (char)c);
	}
}

void ci_neutral(struct ci *ci, struct strbuf *out)
{
	if (ci->service != CI_GITHUB || ci->neutral)
		return;
	strbuf_addf(out, "::stop-commands::%s\n", ci->token);
	ci->neutral = true;
}

void ci_command(struct ci *ci, struct strbuf *out)
{
	if (!ci->neutral)
		return;
	strbuf_addf(out, "::%s::\n", ci->token);
	ci->neutral = false;
}

static void add_title(struct strbuf *out, const char *stream, int64_t attempt)
{
	strbuf_addstr(out, stream);
	if (attempt > 1)
		strbuf_addf(out, " (attempt %lld)", (long long)attempt);
}

/* a section's name has few characters; the number keeps names apart that differ in others only */
static void add_section(struct strbuf *out, const struct ci *ci, const char *which, int64_t now_ms)
{
	strbuf_addf(out, "section_%s:%lld:orch_%u", which, (long long)(now_ms / 1000), ci->sections);
}

void ci_group(struct ci *ci, struct strbuf *out, const char *stream, int64_t attempt, int64_t now_ms)
{
	struct strbuf title = {0};

	add_title(&title, stream, attempt);
	if (ci->service == CI_GITHUB) {
		ci_command(ci, out);
		strbuf_addstr(out, "::group::");
		add_escaped(out, strbuf_cstr(&title), false);
		strbuf_addch(out, '\n');
		ci_neutral(ci, out);
	} else if (ci->service == CI_GITLAB) {
		ci->sections++;
		add_section(out, ci, "start", now_ms);
		strbuf_addf(out, "[collapsed=true]\r\033[0K%s\n", strbuf_cstr(&title));
	}
	ci->in_group = true;
	strbuf_release(&title);
}

void ci_group_end(struct ci *ci, struct strbuf *out, int64_t now_ms)
{
	if (!ci->in_group)
		return;
	ci->in_group = false;
	if (ci->service == CI_GITHUB) {
		ci_command(ci, out);
		strbuf_addstr(out, "::endgroup::\n");
	} else if (ci->service == CI_GITLAB) {
		add_section(out, ci, "end", now_ms);
		strbuf_addstr(out, "\r\033[0K\n");
	}
}

void ci_annotate(struct ci *ci, struct strbuf *out, const char *level, const char *title, const char *message)
{
	if (ci->service != CI_GITHUB)
		return;
	ci_command(ci, out);
	strbuf_addf(out, "::%s title=", level);
	add_escaped(out, title, true);
	strbuf_addstr(out, "::");
	add_escaped(out, message, false);
	strbuf_addch(out, '\n');
}

void ci_defuse(const struct ci *ci, struct strbuf *line, size_t from)
{
	char *at;

	if (ci->service != CI_GITHUB || line->data == NULL)
		return;
	/* the older form of a command counts anywhere in a line; the newer one only at its start, where the caller has
	 * its own text */
	for (at = line->data + from; (at = strstr(at, "##[")) != NULL; at += 3)
		at[2] = '(';
}

static void add_cell(struct strbuf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("\\`*_{}[]<>#|~&!", *text) != NULL)
			strbuf_addch(out, '\\');
		strbuf_addch(out, (unsigned char)*text < 0x20 ? ' ' : *text);
	}
}

static void add_row(struct strbuf *out, const struct orch_stream_status *stream)
{
	char time[UNITS_TEXT_MAX];
	struct strbuf words = {0};

	if (stream->state == ORCH_TASK_SKIPPED || stream->state == ORCH_TASK_CANCELLED) {
		strbuf_addstr(&words, orch_task_state_name(stream->state));
		if (stream->reason != NULL)
			strbuf_addf(&words, ": %s", stream->reason);
	} else if (stream->state == ORCH_TASK_COMPLETED && stream->attempt == 0) {
		strbuf_addstr(&words, "unchanged");
	} else {
		words_outcome(&words, stream, true);
	}
	strbuf_addstr(out, "| ");
	add_cell(out, stream->name);
	strbuf_addstr(out, stream->state == ORCH_TASK_COMPLETED ? " | " : " | **");
	add_cell(out, strbuf_cstr(&words));
	strbuf_addstr(out, stream->state == ORCH_TASK_COMPLETED ? " |" : "** |");
	if (stream->attempt > 0)
		strbuf_addf(out, " %lld | %s |\n", (long long)stream->attempt,
			units_duration(time, stream->total_ms > 0 ? stream->total_ms : 0));
	else
		strbuf_addstr(out, " | |\n");
	strbuf_release(&words);
}

void ci_summary(struct strbuf *out, const struct orch_status *status)
{
	static const enum orch_task_state order[] = {
		ORCH_TASK_FAILED, ORCH_TASK_SKIPPED, ORCH_TASK_CANCELLED, ORCH_TASK_COMPLETED};
	size_t rows = 0, left = 0;
	char time[UNITS_TEXT_MAX];

	strbuf_addf(out, "### orch: %zu completed, %zu failed, %zu skipped, %zu cancelled\n\n",
		status->count[ORCH_TASK_COMPLETED], status->count[ORCH_TASK_FAILED], status->count[ORCH_TASK_SKIPPED],
		status->count[ORCH_TASK_CANCELLED]);
	if (status->finished_ms > status->started_ms) {
		strbuf_addf(out, "Time %s", units_duration(time, status->finished_ms - status->started_ms));
		strbuf_addf(out, ", streams %s", units_duration(time, status->sum_ms));
		if (status->has_cost)
			strbuf_addf(out, ", cost %s", units_cost(time, status->cost_micros));
		strbuf_addstr(out, "\n\n");
	}
	strbuf_addstr(out, "| stream | result | attempts | time |\n| --- | --- | ---: | ---: |\n");
	for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
		for (size_t i = 0; i < status->stream_count; i++) {
			if (status->streams[i].state != order[k])
				continue;
			if (rows == SUMMARY_ROWS) {
				left++;
				continue;
			}
			add_row(out, &status->streams[i]);
			rows++;
		}
	}
	if (left > 0)
		strbuf_addf(out, "\nand %zu more\n", left);
	strbuf_addch(out, '\n');
}
