#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "exec/prompt.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/utf8.h"

static void assert_has(const struct strbuf *text, const char *part)
{
	if (!strstr(strbuf_cstr(text), part))
		fail_msg("'%s' is not in:\n%s", part, strbuf_cstr(text));
}

static void assert_has_not(const struct strbuf *text, const char *part)
{
	if (strstr(strbuf_cstr(text), part))
		fail_msg("'%s' is in:\n%s", part, strbuf_cstr(text));
}

static void build(struct strbuf *out, const struct prompt_parts *parts)
{
	struct orch_error err = {0};

	strbuf_truncate(out, 0);
	if (prompt_build(out, parts, &err) < 0)
		fail_msg("%s", err.message);
}

static void all_that_is_known_is_said(void **state)
{
	static const struct prompt_dep deps[] = {
		{"schema", "orch/schema", "Tables are in db/.\nRun \x1b[31mmigrate\x1b[0m first.\n"},
		{"docs", NULL, NULL}};
	static const char *const tasks[] = {"Write it", "Test it"};
	static const bool done[] = {true, false};
	static const char check[] = "make test\n";
	const struct prompt_parts parts = {.stream = "api",
		.title = "The API",
		.dir = "/w/api",
		.branch = "orch/api",
		.base = "main",
		.deps = deps,
		.dep_count = 2,
		.check = check,
		.check_len = sizeof check - 1,
		.tasks = tasks,
		.task_done = done,
		.task_count = 2,
		.orch = "orch",
		.prompt = "Implement {{it}}.",
		.prompt_len = 17};
	struct strbuf out = {0};

	(void)state;
	build(&out, &parts);
	assert_has(&out, "You work on api (The API).");
	assert_has(&out, "Your directory is /w/api:");
	assert_has(&out, "on the branch orch/api.");
	assert_has(&out,
		"- schema, on the branch orch/schema. It says:\n  > Tables are in db/.\n  > Run migrate first.\n- docs\n");
	assert_has(&out, "must succeed:\n```\nmake test\n```\n");
	assert_has(&out, "1. Write it (done)\n2. Test it\n");
	assert_has(&out, "`orch report done N`");
	/* the stream's own text comes as it is */
	assert_has(&out, "\nThe task:\n\nImplement {{it}}.\n");
	assert_string_equal(out.data + out.len - 18, "Implement {{it}}.\n");
	strbuf_release(&out);
}

static void what_is_not_known_is_not_said(void **state)
{
	struct prompt_parts parts = {.stream = "a", .prompt = "Do it.\n", .prompt_len = 7};
	struct strbuf out = {0};

	(void)state;
	build(&out, &parts);
	assert_has(&out, "You work on a. ");
	assert_has_not(&out, "branch");
	assert_has_not(&out, "directory is");
	assert_has_not(&out, "builds on");
	assert_has_not(&out, "orch report");
	assert_has_not(&out, "\n\n\n");
	parts.preamble = "";
	build(&out, &parts);
	assert_string_equal(out.data, "Do it.\n");
	parts.preamble = "{{stream}}: {{{{x}}\n\n\n{{title}} is left out\n\nlast\n";
	build(&out, &parts);
	assert_string_equal(out.data, "a: {{x}}\n\nlast\n\nThe task:\n\nDo it.\n");
	strbuf_release(&out);
}

static void bad_preambles_are_told(void **state)
{
	static const char *const bad[] = {"{{streem}}", "x\n\n{{stem(stream)}}", "{{stream", "{{ }}"};
	struct orch_error err;
	struct strbuf out = {0};

	(void)state;
	assert_int_equal(prompt_check_preamble(prompt_preamble, &err), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const struct prompt_parts parts = {.stream = "a", .preamble = bad[i], .prompt = "x", .prompt_len = 1};

		assert_int_equal(prompt_check_preamble(bad[i], &err), -1);
		assert_int_equal(prompt_build(&out, &parts, &err), -1);
	}
	assert_int_equal(prompt_check_preamble("{{streem}}", &err), -1);
	assert_non_null(strstr(err.message, "unknown name '{{streem}}'"));
	strbuf_release(&out);
}

static void a_retry_says_what_failed(void **state)
{
	static const char check[] = "FAIL: it ```never``` ends\n", log[] = "line 1\r\n\x1b]0;title\aline \xff 2\n\n\n";
	const struct prompt_failure failure = {
		.attempt = 2,
		.what = "its check failed with status 1",
		.log = log,
		.check = check,
		.log_len = sizeof log - 1,
		.check_len = sizeof check - 1,
	};
	struct prompt_parts parts = {
		.stream = "a", .preamble = "", .prompt = "Do it.", .prompt_len = 6, .failure = &failure};
	struct strbuf out = {0};

	(void)state;
	build(&out, &parts);
	assert_has(&out, "Do it.\n\nAttempt 2 at this task did not succeed: its check failed with status 1. What it");
	assert_has(&out, "The check printed, at its end:\n````\nFAIL: it ```never``` ends\n````\n");
	assert_has(&out, "The end of the log:\n```\nline 1\nline \xef\xbf\xbd 2\n```\n");
	/* a session that goes on knows the task */
	parts.resumed = true;
	build(&out, &parts);
	assert_has_not(&out, "Do it.");
	assert_has(&out, "That did not succeed: its check failed with status 1.");
	assert_has(&out, "The check printed");
	parts.failure = NULL;
	build(&out, &parts);
	assert_has(&out, "You were interrupted.");
	strbuf_release(&out);
}

static void tails_are_short_clean_and_of_whole_lines(void **state)
{
	struct strbuf text = {0}, out = {0};

	(void)state;
	for (int i = 0; i < 100000; i++)
		strbuf_addf(&text, "line %d \xe2\x82\xac\n", i);
	prompt_add_tail(&out, text.data, text.len);
	assert_true(out.len <= 8192);
	assert_int_equal(strncmp(out.data, "line 99920", 10), 0);
	assert_string_equal(out.data + out.len - 14, "line 99999 \xe2\x82\xac");
	/* one line without an end, cut in the middle of a character or not */
	for (size_t extra = 0; extra < 4; extra++) {
		strbuf_truncate(&text, 0);
		strbuf_truncate(&out, 0);
		for (size_t i = 0; i < extra; i++)
			strbuf_addch(&text, 'x');
		for (int i = 0; i < 50000; i++)
			strbuf_addstr(&text, "\xe2\x82\xac");
		prompt_add_tail(&out, text.data, text.len);
		assert_true(out.len > 8000 && out.len <= 8192);
		assert_int_equal(utf8_invalid_at(out.data, out.len), out.len);
		assert_null(strstr(out.data, "\xef\xbf\xbd"));
	}
	/* anything: no control characters come out */
	strbuf_truncate(&text, 0);
	strbuf_truncate(&out, 0);
	for (uint32_t i = 0, random = 1; i < 100000; i++) {
		random = random * 1664525 + 1013904223;
		strbuf_addch(&text, (char)(random >> 20));
	}
	prompt_add_tail(&out, text.data, text.len);
	for (size_t i = 0; i < out.len; i++)
		assert_true((unsigned char)out.data[i] >= 0x20 || out.data[i] == '\n' || out.data[i] == '\t');
	assert_int_equal(utf8_invalid_at(out.data, out.len), out.len);
	strbuf_truncate(&out, 0);
	prompt_add_tail(&out, "\n\n", 2);
	assert_int_equal(out.len, 0);
	strbuf_release(&text);
	strbuf_release(&out);
}

static void ten_megabytes_are_a_prompt(void **state)
{
	enum { SIZE = 10 * 1024 * 1024 };
	char *prompt = xmalloc(SIZE);
	struct prompt_parts parts = {.stream = "a", .prompt = prompt, .prompt_len = SIZE};
	struct strbuf out = {0};

	(void)state;
	memset(prompt, 'p', SIZE);
	build(&out, &parts);
	assert_true(out.len > SIZE);
	assert_memory_equal(out.data + out.len - 1 - SIZE, prompt, SIZE);
	strbuf_release(&out);
	free(prompt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_known_is_said),
		cmocka_unit_test(what_is_not_known_is_not_said),
		cmocka_unit_test(bad_preambles_are_told),
		cmocka_unit_test(a_retry_says_what_failed),
		cmocka_unit_test(tails_are_short_clean_and_of_whole_lines),
		cmocka_unit_test(ten_megabytes_are_a_prompt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
