#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/redact.h"
#include "util/strbuf.h"

/* what takes out these patterns; NULL ends them */
static struct redact *with(const char *const *patterns)
{
	struct redact *redact = redact_new();
	struct orch_error err = {0};

	for (; *patterns; patterns++) {
		if (redact_add_pattern(redact, *patterns, &err) != 0)
			fail_msg("%s: %s", *patterns, err.message);
	}
	return redact;
}

static void expect_text(struct redact *redact, const char *text, const char *want)
{
	struct strbuf out = {0};
	bool found = redact_text(redact, text, strlen(text), &out);

	assert_string_equal(strbuf_cstr(&out), want);
	assert_int_equal(found, strcmp(text, want) != 0);
	strbuf_release(&out);
}

static void test_text(void **state)
{
	static const char *const patterns[] = {"sk-[a-z0-9]+", "token=\\K\\S+", "^whole.*$", "x*", NULL};
	struct redact *redact = with(patterns);

	(void)state;
	redact_add_value(redact, "hunter2 is long");
	redact_add_value(redact, "short");
	redact_add_value(redact, "-----BEGIN KEY\nabcdefgh\r\nend");
	expect_text(redact, "", "");
	expect_text(redact, "plain\n", "plain\n");
	expect_text(redact, "a sk-1b c sk-2\nsk-3", "a [redacted] c [redacted]\n[redacted]");
	expect_text(redact, "token=abc token=d\r\n", "token=[redacted] token=[redacted]\r\n");
	expect_text(redact, "whole line\r\nnot whole line\n", "[redacted]\r\nnot whole line\n");
	expect_text(redact, "hunter2 is long, hunter2 is short", "[redacted], hunter2 is short");
	expect_text(redact, "-----BEGIN KEY\nabcdefgh\nend\n", "[redacted]\n[redacted]\nend\n");
	/* what matches in two ways is one */
	expect_text(redact, "token=sk-1xx2", "token=[redacted]");
	expect_text(redact, "sk-1hunter2 is long!", "[redacted]!");
	expect_text(redact, "exxe\xff\xfe\xc3sk-1\xe2\x82", "e[redacted]e\xff\xfe\xc3[redacted]\xe2\x82");
	redact_free(redact);
}

static void test_pattern_is_wrong(void **state)
{
	struct redact *redact = redact_new();
	struct orch_error err = {0};

	(void)state;
	assert_int_equal(redact_add_pattern(redact, "(", &err), -1);
	assert_string_not_equal(err.message, "");
	redact_free(redact);
}

/* the text in two pieces, looked at in between */
static void in_two(struct redact *redact, const char *text, size_t len, size_t cut, struct strbuf *out)
{
	redact_feed(redact, text, cut, out);
	redact_flush(redact, out);
	assert_false(redact_has_part(redact));
	redact_feed(redact, text + cut, len - cut, out);
	redact_finish(redact, out);
}

static void test_cuts(void **state)
{
	static const char *const patterns[] = {
		"sk-[a-z0-9]{4,}", "(?<=key: )\\S+", "^all .* of it$", "\\bpin\\d+\\b", "gr(ü|ö)ße[€a]+", NULL};
	static const char *const texts[] = {
		"x sk-abcd1234 y\n",
		"key: abc def\r\nkey: z",
		"all 1\nall 2 of it\r\nall 3 of it",
		"pin12 pinx pin3\npin4x spin5 pin6",
		"größe€€a grüßea gröe \xff\xe2\x82 größe\xe2\x82",
		"s3cr3ts3cr3t! s3cr3t s3cr3",
		"sk-ab\nsk-abc sk-abcd",
		"\r\r\nsk-abcd\r\r\n",
	};
	struct redact *redact = with(patterns);

	(void)state;
	redact_add_value(redact, "s3cr3t!");
	redact_add_value(redact, "s3cr3ts3");
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		size_t len = strlen(texts[i]);
		struct strbuf want = {0};

		(void)redact_text(redact, texts[i], len, &want);
		for (size_t cut = 0; cut <= len; cut++) {
			struct strbuf got = {0};

			in_two(redact, texts[i], len, cut, &got);
			if (strcmp(strbuf_cstr(&got), strbuf_cstr(&want)) != 0)
				fail_msg("'%s' cut at %zu: '%s' instead of '%s'", texts[i], cut, strbuf_cstr(&got),
					strbuf_cstr(&want));
			strbuf_release(&got);
		}
		strbuf_release(&want);
	}
	redact_free(redact);
}

/* what no match can begin in any more does not wait for the end of its line */
static void test_parts(void **state)
{
	static const char *const patterns[] = {"secret\\d+", NULL};
	struct redact *redact = with(patterns);
	struct strbuf out = {0};

	(void)state;
	redact_feed(redact, "50% ", 4, &out);
	assert_true(redact_has_part(redact));
	assert_int_equal(out.len, 0);
	redact_flush(redact, &out);
	assert_string_equal(strbuf_cstr(&out), "50% ");
	assert_false(redact_has_part(redact));
	redact_feed(redact, "then sec", 8, &out);
	redact_flush(redact, &out);
	assert_string_equal(strbuf_cstr(&out), "50% then ");
	redact_feed(redact, "ret1", 4, &out);
	redact_flush(redact, &out);
	assert_string_equal(strbuf_cstr(&out), "50% then ");
	redact_feed(redact, "2 over", 6, &out);
	redact_flush(redact, &out);
	assert_string_equal(strbuf_cstr(&out), "50% then [redacted] over");
	redact_finish(redact, &out);
	assert_string_equal(strbuf_cstr(&out), "50% then [redacted] over");
	redact_feed(redact, "secret7\n", 8, &out);
	assert_string_equal(strbuf_cstr(&out), "50% then [redacted] over[redacted]\n");
	redact_finish(redact, &out);
	strbuf_release(&out);
	redact_free(redact);
}

/* lines without an end take no more memory than one of the longest, and what could be one match no more than that */
static void test_long_lines(void **state)
{
	static const char *const patterns[] = {"begin.*end", NULL};
	enum { PIECE = 64 * 1024, PIECES = 100 };
	struct redact *redact = with(patterns);
	char *piece = xmalloc(PIECE);
	struct strbuf out = {0};
	size_t total = 0, most = 0;

	(void)state;
	memset(piece, 'a', PIECE);
	for (int i = 0; i < PIECES; i++) {
		redact_feed(redact, piece, PIECE, &out);
		total += out.len;
		if ((size_t)(i + 1) * PIECE - total > most)
			most = (size_t)(i + 1) * PIECE - total;
		strbuf_truncate(&out, 0);
	}
	redact_finish(redact, &out);
	assert_int_equal(total + out.len, (size_t)PIECES * PIECE);
	assert_true(most <= REDACT_LINE_MAX + PIECE);
	strbuf_truncate(&out, 0);

	redact_feed(redact, "x begin", 7, &out);
	for (int i = 0; i < PIECES; i++)
		redact_feed(redact, piece, PIECE, &out);
	redact_feed(redact, "the end, and more\nnext\n", 23, &out);
	assert_string_equal(strbuf_cstr(&out), "x [redacted]\nnext\n");
	free(piece);
	strbuf_release(&out);
	redact_free(redact);
}

/* a pattern that is made to be slow costs the rest of the line, not the secret, and no hour */
static void test_slow_pattern(void **state)
{
	static const char *const patterns[] = {"(a+)+b", NULL};
	struct redact *redact = with(patterns);
	struct strbuf line = {0}, out = {0};

	(void)state;
	for (int i = 0; i < 40; i++)
		strbuf_addch(&line, 'a');
	strbuf_addstr(&line, "c xb\nafter\n");
	redact_feed(redact, line.data, line.len, &out);
	redact_finish(redact, &out);
	assert_non_null(strstr(strbuf_cstr(&out), "after\n"));
	strbuf_truncate(&out, 0);
	redact_feed(redact, line.data, 40, &out);
	redact_flush(redact, &out);
	redact_feed(redact, line.data + 40, line.len - 40, &out);
	redact_finish(redact, &out);
	assert_non_null(strstr(strbuf_cstr(&out), "after\n"));
	strbuf_release(&line);
	strbuf_release(&out);
	redact_free(redact);
}

static void test_names(void **state)
{
	static const char *const secret[] = {"API_KEY", "GITHUB_TOKEN", "db_password", "AWS_SECRET_ACCESS_KEY", "Auth"};
	static const char *const open[] = {"HOME", "PATH", "TERM", "", "KE"};

	(void)state;
	for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
		assert_true(redact_is_secret_name(secret[i], strlen(secret[i])));
	for (size_t i = 0; i < sizeof open / sizeof *open; i++)
		assert_false(redact_is_secret_name(open[i], strlen(open[i])));
	assert_false(redact_is_secret_name("HOME=KEY", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_pattern_is_wrong),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_slow_pattern),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
