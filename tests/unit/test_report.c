#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listener/ansi.h"
#include "listener/markup.h"
#include "listener/report.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/utf8.h"

static uint64_t seq;

static struct orch_event make(enum orch_event_type type, const char *stream, int64_t at_ms)
{
	struct orch_event event;

	orch_event_init(&event, type);
	event.seq = ++seq;
	event.time_ms = 1000000 + at_ms;
	event.stream = stream;
	return event;
}

static void start_run(struct report *report, const char *project)
{
	struct orch_event event = make(ORCH_EVENT_RUN_STARTED, NULL, 0);

	event.run = "20261121-053701";
	event.project = project;
	event.jobs = 2;
	report_init(report);
	report_apply(report, &event);
}

static void set_state(struct report *report, const char *stream, enum orch_task_state state, int64_t at_ms)
{
	struct orch_event event = make(ORCH_EVENT_TASK, stream, at_ms);

	event.state = (int)state;
	event.reason = state == ORCH_TASK_SKIPPED ? "depends on <b>, which failed" : NULL;
	report_apply(report, &event);
}

static void begin(struct report *report, const char *stream, int64_t attempt, int64_t slot, int64_t at_ms)
{
	struct orch_event event = make(ORCH_EVENT_ATTEMPT_STARTED, stream, at_ms);

	event.attempt = attempt;
	event.slot = slot;
	report_apply(report, &event);
}

static void end(struct report *report, const char *stream, int64_t attempt, enum orch_outcome outcome, int64_t at_ms,
	int64_t ms)
{
	struct orch_event event = make(ORCH_EVENT_ATTEMPT_FINISHED, stream, at_ms);

	event.attempt = attempt;
	event.outcome = (int)outcome;
	event.exit_code = outcome == ORCH_OUTCOME_SUCCESS ? 0 : 3;
	event.duration_ms = ms;
	event.message = outcome == ORCH_OUTCOME_SUCCESS ? NULL : "exit status 3";
	report_apply(report, &event);
	set_state(report, stream, outcome == ORCH_OUTCOME_SUCCESS ? ORCH_TASK_COMPLETED : ORCH_TASK_FAILED, at_ms);
}

static void finish_run(struct report *report, int64_t at_ms)
{
	struct orch_event event = make(ORCH_EVENT_RUN_FINISHED, NULL, at_ms);
	struct orch_status before;

	event.exit_code = report->status.count[ORCH_TASK_FAILED] ? 1 : 0;
	report_apply(report, &event);
	orch_status_init(&before);
	report_finish(report, false, 0, before);
}

static char *write_format(const struct report *report, enum report_format format)
{
	struct strbuf out = {0};

	report_write(&out, report, format);
	return strbuf_detach(&out);
}

static void test_fold(void **state)
{
	struct report report;

	(void)state;
	start_run(&report, "demo");
	set_state(&report, "a", ORCH_TASK_WAITING, 0);
	set_state(&report, "b", ORCH_TASK_WAITING, 0);
	set_state(&report, "c", ORCH_TASK_WAITING, 0);
	begin(&report, "a", 1, 0, 0);
	end(&report, "a", 1, ORCH_OUTCOME_SUCCESS, 100, 100);
	begin(&report, "b", 1, 0, 100);
	end(&report, "b", 1, ORCH_OUTCOME_EXIT, 150, 50);
	begin(&report, "b", 2, 0, 200);
	end(&report, "b", 2, ORCH_OUTCOME_SUCCESS, 300, 100);
	begin(&report, "c", 1, 1, 0);
	end(&report, "c", 1, ORCH_OUTCOME_SUCCESS, 120, 120);
	report_add_dependency(&report, "b", "a");
	report_add_dependency(&report, "b", "a");
	report_add_dependency(&report, "b", "nobody");
	finish_run(&report, 400);
	assert_int_equal(report.attempts.count, 4);
	assert_int_equal(report.edges.count, 1);
	assert_int_equal(report.slots, 2);
	assert_int_equal(report.levels, 2);
	assert_int_equal(report.wall_ms, 400);
	assert_int_equal(report.sum_ms, 370);
	assert_int_equal(report.critical_ms, 250);
	assert_int_equal(report.critical.count, 2);
	assert_int_equal(report.critical.items[0], 0);
	assert_int_equal(report.critical.items[1], 1);
	assert_int_equal(report_stream_ms(&report, 1), 150);
	assert_int_equal(report_stream_started(&report, 1), 1000100);
	assert_int_equal(report_stream_ended(&report, 1), 1000300);
	assert_string_equal(report_state(&report), "completed");
	report_release(&report);
}

/* a journal and an Orchfile that contradict each other make a cycle: it ends, and the rest has its levels */
static void test_cycle(void **state)
{
	struct report report;
	char *text;

	(void)state;
	start_run(&report, "demo");
	set_state(&report, "a", ORCH_TASK_WAITING, 0);
	set_state(&report, "b", ORCH_TASK_WAITING, 0);
	set_state(&report, "c", ORCH_TASK_WAITING, 0);
	report_add_dependency(&report, "a", "b");
	report_add_dependency(&report, "b", "a");
	report_add_dependency(&report, "c", "b");
	/* one behind the cycle and behind others */
	set_state(&report, "d", ORCH_TASK_WAITING, 0);
	set_state(&report, "e", ORCH_TASK_WAITING, 0);
	report_add_dependency(&report, "c", "e");
	report_add_dependency(&report, "e", "d");
	finish_run(&report, 10);
	assert_int_equal(report.levels, 2);
	assert_int_equal(report.streams.items[2].level, 0);
	assert_int_equal(report.streams.items[4].level, 1);
	for (int format = 0; format < REPORT_FORMATS; format++) {
		text = write_format(&report, (enum report_format)format);
		assert_true(strlen(text) > 0);
		free(text);
	}
	report_release(&report);
}

static void test_only_a_cycle(void **state)
{
	struct report report;
	char *text;

	(void)state;
	start_run(&report, "demo");
	set_state(&report, "a", ORCH_TASK_WAITING, 0);
	set_state(&report, "b", ORCH_TASK_WAITING, 0);
	report_add_dependency(&report, "a", "b");
	report_add_dependency(&report, "b", "a");
	finish_run(&report, 10);
	assert_int_equal(report.levels, 1);
	text = write_format(&report, REPORT_HTML);
	assert_non_null(strstr(text, "id=\"graph\""));
	free(text);
	report_release(&report);
}

static void test_running_and_crashed(void **state)
{
	struct orch_status before;
	struct report report;

	(void)state;
	start_run(&report, "demo");
	begin(&report, "a", 1, 0, 0);
	orch_status_init(&before);
	report_finish(&report, true, 1000500, before);
	assert_string_equal(report_state(&report), "running");
	assert_int_equal(report.wall_ms, 500);
	assert_int_equal(report_stream_ms(&report, 0), 500);
	report_release(&report);

	start_run(&report, "demo");
	begin(&report, "a", 1, 0, 70);
	orch_status_init(&before);
	report_finish(&report, false, 1000500, before);
	assert_string_equal(report_state(&report), "crashed");
	assert_int_equal(report.wall_ms, 70);
	report_release(&report);
}

/* one that could not be started has no event of its start */
static void test_stillborn(void **state)
{
	struct report report;
	char *text;

	(void)state;
	start_run(&report, "demo");
	set_state(&report, "a", ORCH_TASK_WAITING, 0);
	end(&report, "a", 1, ORCH_OUTCOME_SPAWN, 5, 0);
	finish_run(&report, 10);
	assert_int_equal(report.attempts.count, 1);
	assert_int_equal(report.attempts.items[0].slot, -1);
	text = write_format(&report, REPORT_TRACE);
	assert_null(strstr(text, "\"X\""));
	free(text);
	text = write_format(&report, REPORT_JUNIT);
	assert_non_null(strstr(text, "could not be started: exit status 3"));
	free(text);
	report_release(&report);
}

static const char hostile[] = "</title><script>alert(1)</script>]]>&\"'|`*[x](http://y)\x01\x1b[2J\xff\xe2\x80\xae";

static void test_hostile(void **state)
{
	struct report report;
	struct orch_event event;

	(void)state;
	start_run(&report, hostile);
	set_state(&report, hostile, ORCH_TASK_WAITING, 0);
	event = make(ORCH_EVENT_TASK, hostile, 0);
	event.title = hostile;
	event.state = ORCH_TASK_RUNNING;
	report_apply(&report, &event);
	begin(&report, hostile, 1, 0, 0);
	event = make(ORCH_EVENT_ATTEMPT_FINISHED, hostile, 20);
	event.attempt = 1;
	event.outcome = ORCH_OUTCOME_CHECK;
	event.duration_ms = 20;
	event.message = hostile;
	report_apply(&report, &event);
	set_state(&report, hostile, ORCH_TASK_FAILED, 20);
	event = make(ORCH_EVENT_WARNING, hostile, 21);
	event.message = hostile;
	report_apply(&report, &event);
	event = make(ORCH_EVENT_STOPPING, NULL, 22);
	event.message = hostile;
	report_apply(&report, &event);
	finish_run(&report, 30);
	for (int format = 0; format < REPORT_FORMATS; format++) {
		char *text = write_format(&report, (enum report_format)format);
		size_t len = strlen(text);

		/* what is not for a browser leaves the letters alone */
		if (format == REPORT_HTML || format == REPORT_JUNIT || format == REPORT_MARKDOWN) {
			assert_null(strstr(text, "<script>alert"));
			assert_null(strstr(text, "]]>"));
			assert_null(strstr(text, "\xe2\x80\xae"));
		}
		if (format == REPORT_MARKDOWN) {
			assert_null(strstr(text, "http:"));
			assert_null(strstr(text, "[x]"));
		}
		if (format != REPORT_TSV)
			assert_int_equal(utf8_invalid_at(text, len), len);
		for (size_t i = 0; i < len; i++)
			assert_true((unsigned char)text[i] >= 0x20 || text[i] == '\n' || text[i] == '\t');
		if (format == REPORT_JSON || format == REPORT_TRACE) {
			struct json_value *value;

			assert_int_equal(json_read(&value, text, len, NULL), 0);
			json_value_free(value);
		}
		free(text);
	}
	report_release(&report);
}

static void test_formats_by_ending(void **state)
{
	static const struct {
		const char *path;
		int format;
	} cases[] = {{"a.html", REPORT_HTML}, {"x/a.b.htm", REPORT_HTML}, {"r.xml", REPORT_JUNIT},
		{"r.json", REPORT_JSON}, {"r.trace.json", REPORT_TRACE}, {"r.md", REPORT_MARKDOWN},
		{"r.tsv", REPORT_TSV}, {"r", -1}, {".html", -1}, {"html", -1}, {"r.html.gz", -1}, {"", -1}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum report_format format;
		bool known = report_format_of(cases[i].path, &format);

		assert_int_equal(known, cases[i].format >= 0);
		if (known)
			assert_int_equal(format, cases[i].format);
	}
}

/* pieces as "[fg bg attributes]text" */
static void add_piece(void *data, const char *text, size_t len, const struct ansi_style *style)
{
	struct strbuf *out = data;

	strbuf_addf(out, "[%d,%d%s%s%s]", style->fg, style->bg, style->bold ? "b" : "", style->underline ? "u" : "",
		style->inverse ? "r" : "");
	strbuf_add(out, text, len);
}

static void check_ansi(const char *text, size_t len, const char *expected)
{
	struct strbuf out = {0};

	ansi_split(text, len, add_piece, &out);
	assert_string_equal(strbuf_cstr(&out), expected);
	strbuf_release(&out);
}

static void test_ansi(void **state)
{
	(void)state;
#define CHECK(text, expected) check_ansi(text, sizeof text - 1, expected)
	CHECK("plain\n\ttext", "[-1,-1]plain\n\ttext");
	CHECK("a\033[31mb\033[0mc", "[-1,-1]a[1,-1]b[-1,-1]c");
	CHECK("\033[1;4;92;44mx\033[mz", "[10,4bu]x[-1,-1]z");
	CHECK("\033[38;5;208mx\033[48;2;255;0;0my", "[208,-1]x[208,196]y");
	CHECK("\033[7mx\033[27my", "[-1,-1r]x[-1,-1]y");
	CHECK("\033[38;5;999;1mx", "[-1,-1b]x");
	CHECK("\033[38mx", "[-1,-1]x");
	CHECK("a\r\nb\rc", "[-1,-1]a[-1,-1]\nb[-1,-1]\n[-1,-1]c");
	/* titles, links, strings, keyboards, cursors: nothing of them is left */
	CHECK("\033]0;title\a\033]8;;http://x\033\\a\033P1$r\033\\\033[?25l\033[2J\033[10;20H\033(Bb",
		"[-1,-1]a[-1,-1]b");
	CHECK("\033[>4;2mx", "[-1,-1]x");
	/* what does not end hides no line but its own */
	CHECK("\033]0;never\nnext", "[-1,-1]\nnext");
	CHECK("\033[31", "");
	CHECK("x\033", "[-1,-1]x");
	CHECK("\033[1\nx", "[-1,-1]\nx");
	CHECK("a\0b\bc\x7f"
	      "d",
		"[-1,-1]a[-1,-1]b[-1,-1]c[-1,-1]d");
#undef CHECK
}

static void check_markup(const char *text, unsigned how, const char *expected)
{
	struct strbuf out = {0};

	markup_addstr(&out, text, how);
	assert_string_equal(strbuf_cstr(&out), expected);
	strbuf_release(&out);
}

static void test_markup(void **state)
{
	struct strbuf out = {0};

	(void)state;
	check_markup("<a href=\"x\">&'", MARKUP_TEXT, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
	check_markup("a\r\nb\tc", MARKUP_TEXT, "a\nb\tc");
	check_markup("a\r\nb\tc", MARKUP_ATTRIBUTE, "a&#10;b&#9;c");
	check_markup("a\nb", MARKUP_ONE_LINE, "a b");
	check_markup("\x01\xff\xc2\x80", MARKUP_TEXT, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	check_markup("a|b_c", MARKUP_MARKDOWN, "a&#124;b&#95;c");
	check_markup("gr\xc3\xbc\xc3\x9f", MARKUP_TEXT, "gr\xc3\xbc\xc3\x9f");
	markup_add_short(&out, "abcdef", 4, MARKUP_TEXT);
	markup_add_short(&out, "abcd", 4, MARKUP_TEXT);
	markup_add_short(&out, "<<<<<", 2, MARKUP_TEXT);
	assert_string_equal(strbuf_cstr(&out),
		"abc\xe2\x80\xa6"
		"abcd&lt;\xe2\x80\xa6");
	strbuf_truncate(&out, 0);
	markup_add_ends(&out, "abcdefghij", 6, MARKUP_TEXT);
	markup_add_ends(&out, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 3, MARKUP_TEXT);
	markup_add_ends(&out, "abc", 3, MARKUP_TEXT);
	assert_string_equal(strbuf_cstr(&out), "ab\xe2\x80\xa6hij\xc3\xa4\xe2\x80\xa6\xc3\x9f" "abc");
	strbuf_release(&out);
}

/* the size of the page is bounded, whatever the run is, and so is what is drawn */
static void test_many(void **state)
{
	enum { COUNT = 30000 };
	struct report report;
	char name[16], dependency[16], *text;

	(void)state;
	start_run(&report, "demo");
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "s%d", i);
		set_state(&report, name, ORCH_TASK_WAITING, 0);
		begin(&report, name, 1, i % 1000, i);
		end(&report, name, 1, i % 100 ? ORCH_OUTCOME_SUCCESS : ORCH_OUTCOME_EXIT, i + 40, 40);
		snprintf(dependency, sizeof dependency, "s%d", i / 2);
		report_add_dependency(&report, name, dependency);
		if (i > 0) {
			snprintf(dependency, sizeof dependency, "s%d", i - 1);
			report_add_dependency(&report, name, dependency);
		}
	}
	finish_run(&report, COUNT + 40);
	assert_int_equal(report.levels, COUNT);
	text = write_format(&report, REPORT_HTML);
	assert_non_null(strstr(text, "more streams are left out here"));
	assert_true(strlen(text) < 32 * 1024 * 1024);
	free(text);
	text = write_format(&report, REPORT_MARKDOWN);
	assert_true(strlen(text) < 64 * 1024);
	free(text);
	report_release(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_cycle),
		cmocka_unit_test(test_only_a_cycle),
		cmocka_unit_test(test_running_and_crashed),
		cmocka_unit_test(test_stillborn),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_formats_by_ending),
		cmocka_unit_test(test_ansi),
		cmocka_unit_test(test_markup),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
