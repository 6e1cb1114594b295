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
#include "util/regex.h"
#include "util/strbuf.h"
#include "util/textwatch.h"

enum { PATTERNS_MAX = 8 };

struct fixture {
	struct regex *regex[PATTERNS_MAX], *own;
	struct textwatch_pattern patterns[PATTERNS_MAX];
	unsigned count;
	struct strbuf log; /* what was found: "PATTERN:text;" */
	size_t found;
	bool silent;
	size_t longest;
};

static void found(void *data, unsigned pattern, const struct regex *regex, const struct regex_search *match)
{
	struct fixture *f = data;
	const char *value;
	size_t len;

	f->found++;
	if (match->end - match->start > f->longest)
		f->longest = match->end - match->start;
	if (f->silent)
		return;
	strbuf_addf(&f->log, "%u:%.*s", pattern, (int)(match->end - match->start), match->text + match->start);
	if (regex_found(regex, match, "g", &value, &len))
		strbuf_addf(&f->log, "(%.*s)", (int)len, value);
	strbuf_addch(&f->log, ';');
}

static struct regex *compile(const char *pattern)
{
	struct regex *regex;
	struct orch_error err = {0};
	size_t where;

	if (regex_new(&regex, pattern, strlen(pattern), &where, &err) != 0)
		fail_msg("%s: %s", pattern, err.message);
	return regex;
}

static void add(struct fixture *f, const char *pattern, bool own)
{
	f->regex[f->count] = compile(pattern);
	f->patterns[f->count] = (struct textwatch_pattern){.regex = f->regex[f->count], .own = own};
	f->count++;
}

static void done(struct fixture *f)
{
	for (unsigned i = 0; i < f->count; i++)
		regex_free(f->regex[i]);
	regex_free(f->own);
	strbuf_release(&f->log);
}

/* patterns report in the order in which they come to know, which depends on the pieces: compared one by one */
static char *of_pattern(const struct strbuf *log, unsigned pattern)
{
	struct strbuf out = {0};
	char *copy = xstrdup(strbuf_cstr(log)), *rest = copy, *item;

	while ((item = strsep(&rest, ";")) && *item) {
		if ((unsigned)(*item - '0') == pattern)
			strbuf_addf(&out, "%s;", item);
	}
	free(copy);
	return strbuf_detach(&out);
}

/* feeds the text in pieces of each size, and in random ones: each pattern finds the same */
static void check_every_size(struct fixture *f, const char *text, size_t len)
{
	struct strbuf whole = {0};
	uint32_t random = 1;

	for (size_t size = len; size + 1 > 0; size--) {
		struct textwatch *watch = textwatch_new(f->patterns, f->count, f->own, found, f);

		strbuf_truncate(&f->log, 0);
		for (size_t at = 0, n; at < len; at += n) {
			random = random * 1664525 + 1013904223;
			n = size ? size : 1 + (random >> 16) % 40;
			if (n > len - at)
				n = len - at;
			textwatch_feed(watch, text + at, n);
		}
		textwatch_finish(watch);
		textwatch_free(watch);
		if (size == len) {
			strbuf_addstr(&whole, strbuf_cstr(&f->log));
			continue;
		}
		for (unsigned p = 0; p < f->count; p++) {
			char *expected = of_pattern(&whole, p), *got = of_pattern(&f->log, p);

			if (strcmp(expected, got) != 0)
				print_error("pieces of %zu:\n", size);
			assert_string_equal(got, expected);
			free(expected);
			free(got);
		}
		if (!size)
			break;
	}
	strbuf_truncate(&f->log, 0);
	strbuf_addstr(&f->log, strbuf_cstr(&whole));
	strbuf_release(&whole);
}

static void every_size_of_pieces_finds_the_same(void **state)
{
	struct fixture f = {0};
	static const char text[] = "{\"session_id\":\"a-1\"}\nna\xc3\xafve limit reached|17\nfoo\nfoofoo\r\n"
				   "\xff\xfe broken \xe2\x82\xac cost=1.5 cost=2.5\nfirst\nsecond\n\nend of it: 42";
	char *got;

	(void)state;
	add(&f, "\"session_id\":\"(?<g>[^\"]+)\"", false);
	add(&f, "^.*limit reached\\|(?<g>\\d+)", false);
	add(&f, "(?<=foo)foo", false);
	add(&f, "cost=(?<g>[0-9.]+)", false);
	add(&f, "first\\nsecond", false);
	add(&f, "\\d+\\z", false);
	add(&f, "\xe2\x82\xac", false);
	add(&f, "^$", false);
	check_every_size(&f, text, sizeof text - 1);
	got = of_pattern(&f.log, 0);
	assert_string_equal(got, "0:\"session_id\":\"a-1\"(a-1);");
	free(got);
	got = of_pattern(&f.log, 1);
	assert_string_equal(got, "1:na\xc3\xafve limit reached|17(17);");
	free(got);
	got = of_pattern(&f.log, 2);
	assert_string_equal(got, "2:foo;");
	free(got);
	got = of_pattern(&f.log, 3);
	assert_string_equal(got, "3:cost=1.5(1.5);3:cost=2.5(2.5);");
	free(got);
	got = of_pattern(&f.log, 4);
	assert_string_equal(got, "4:first\nsecond;");
	free(got);
	got = of_pattern(&f.log, 5);
	assert_string_equal(got, "5:42;");
	free(got);
	got = of_pattern(&f.log, 6);
	assert_string_equal(got, "6:\xe2\x82\xac;");
	free(got);
	got = of_pattern(&f.log, 7);
	assert_string_equal(got, "7:;");
	free(got);
	done(&f);
}

static void the_own_channel_is_of_whole_lines(void **state)
{
	struct fixture f = {0};
	static const char text[] = "{\"type\":\"assistant\",\"text\":\"usage limit reached|1\"}\n"
				   "{\"type\":\"result\",\"is_error\":true,\"result\":\"usage limit reached|2\"}\n"
				   "a tool: usage limit reached|3\n"
				   "{\"type\":\"result\",\"is_error\":true,\"result\":\"usage limit reached|4\"}";
	char *got;

	(void)state;
	f.own = compile("^\\{\"type\":\"result\"");
	add(&f, "limit reached\\|(?<g>\\d+)", true);
	add(&f, "limit reached\\|(?<g>\\d+)", false);
	check_every_size(&f, text, sizeof text - 1);
	got = of_pattern(&f.log, 0);
	assert_string_equal(got, "0:limit reached|2(2);0:limit reached|4(4);");
	free(got);
	got = of_pattern(&f.log, 1);
	assert_string_equal(
		got, "1:limit reached|1(1);1:limit reached|2(2);1:limit reached|3(3);1:limit reached|4(4);");
	free(got);
	done(&f);
}

/* the channel of a line is known by its first 64 KiB; what follows belongs to it all the same */
static void lines_of_any_length_have_a_channel(void **state)
{
	enum { LONG = 300 * 1024 };
	struct fixture f = {0};
	struct strbuf text = {0};
	char *filler = xmalloc(LONG);

	(void)state;
	memset(filler, 'x', LONG);
	f.own = compile("^own");
	add(&f, "mark(?<g>\\d)", true);
	for (int i = 0; i < 4; i++) {
		strbuf_addstr(&text, i % 2 ? "own " : "other ");
		strbuf_add(&text, filler, LONG);
		strbuf_addf(&text, "mark%d\n", i);
	}
	for (size_t size = 1000; size <= text.len; size *= 7) {
		struct textwatch *watch = textwatch_new(f.patterns, f.count, f.own, found, &f);

		strbuf_truncate(&f.log, 0);
		for (size_t at = 0; at < text.len; at += size)
			textwatch_feed(watch, text.data + at, text.len - at < size ? text.len - at : size);
		textwatch_finish(watch);
		textwatch_free(watch);
		assert_string_equal(strbuf_cstr(&f.log), "0:mark1(1);0:mark3(3);");
	}
	strbuf_release(&text);
	free(filler);
	done(&f);
}

/* a line of 2 MB in small pieces: matched whole, and as soon as its end is there */
static void long_matches_come_with_the_end_of_their_line(void **state)
{
	enum { LONG = 2 * 1024 * 1024, STEP = 1000 };
	struct fixture f = {.silent = true};
	struct textwatch *watch;
	char *filler = xmalloc(LONG);

	(void)state;
	memset(filler, 'x', LONG);
	add(&f, "^\\{\"type\":\"result\".*\"cost\":(?<g>[0-9.]+)\\}$", false);
	watch = textwatch_new(f.patterns, f.count, NULL, found, &f);
	textwatch_feed(watch, "{\"type\":\"result\",\"", 18);
	for (size_t at = 0; at < LONG; at += STEP)
		textwatch_feed(watch, filler + at, LONG - at < STEP ? LONG - at : STEP);
	textwatch_feed(watch, "\",\"cost\":1.25}", 14);
	assert_int_equal(f.found, 0);
	textwatch_feed(watch, "\n", 1);
	textwatch_feed(watch, "next", 4);
	assert_int_equal(f.found, 1);
	assert_int_equal(f.longest, 18 + LONG + 14);
	assert_false(textwatch_gave_up(watch, 0));
	textwatch_finish(watch);
	textwatch_free(watch);
	free(filler);
	done(&f);
}

static void a_match_longer_than_what_is_kept_is_left_out(void **state)
{
	enum { LONG = 3 * WATCH_KEEP_MAX };
	struct fixture f = {0};
	struct textwatch *watch;
	char *filler = xmalloc(LONG);

	(void)state;
	memset(filler, 'x', LONG);
	add(&f, "<[^>]*>", false);
	for (size_t size = 4096; size <= LONG; size *= 16) {
		watch = textwatch_new(f.patterns, f.count, NULL, found, &f);
		strbuf_truncate(&f.log, 0);
		textwatch_feed(watch, "<", 1);
		for (size_t at = 0; at < LONG; at += size)
			textwatch_feed(watch, filler + at, LONG - at < size ? LONG - at : size);
		textwatch_feed(watch, "><short>", 8);
		textwatch_finish(watch);
		textwatch_free(watch);
		assert_string_equal(strbuf_cstr(&f.log), "0:<short>;");
	}
	free(filler);
	done(&f);
}

/* Patterns and texts made for each other. That this ends at all within the time a test has is what is tested: tried in
 * the plain way, each of these texts takes hours. */
static void no_text_can_hang_a_pattern(void **state)
{
	enum { LONG = 2 * 1024 * 1024 };
	static const char *const patterns[] = {
		"(a+)+$b?c", "(?:[^\"\\\\]++|\\\\.)*+\"", "a[^b]*bc", "(?:a|aa)+d", "(.*)*x"};
	char *text = xmalloc(LONG);

	(void)state;
	for (unsigned shape = 0; shape < 3; shape++) {
		memset(text, 'a', LONG);
		if (shape == 1) {
			text[LONG - 1] = 'b';
		} else if (shape == 2) {
			for (size_t i = 39; i < LONG; i += 40)
				text[i] = '\n';
		}
		for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
			struct fixture f = {.silent = true};
			struct textwatch *watch;

			add(&f, patterns[p], false);
			add(&f, "^the last line$", false);
			watch = textwatch_new(f.patterns, f.count, NULL, found, &f);
			for (size_t at = 0; at < LONG; at += 100000)
				textwatch_feed(watch, text + at, LONG - at < 100000 ? LONG - at : 100000);
			textwatch_feed(watch, "\nthe last line\n", 15);
			textwatch_finish(watch);
			/* the other patterns are not hurt */
			assert_false(textwatch_gave_up(watch, 1));
			assert_true(f.found >= 1);
			textwatch_free(watch);
			done(&f);
		}
	}
	free(text);
}

/* the work grows as the text does, over lines such as agents print, in the pieces in which logs grow: each byte is
 * looked at a few times, however long the text is */
static void work_grows_with_the_text(void **state)
{
	enum { FIRST = 4 * 1024 * 1024, LOOKS_MAX = 5 };
	struct strbuf line = {0};

	(void)state;
	strbuf_addstr(&line, "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"");
	for (int i = 0; i < 3000; i++)
		strbuf_addf(&line, "word%d limit ", i);
	strbuf_addstr(&line, "\"}]},\"session_id\":\"s\"}\n");
	for (int round = 0; round < 2; round++) {
		struct fixture f = {.silent = true};
		size_t total = (size_t)FIRST << (2 * round), fed = 0;
		struct textwatch *watch;

		f.own = compile("^\\{\"type\":\"result\"");
		add(&f, "\"session_id\":\"(?<g>[^\"]+)\"", false);
		add(&f, "^\\{\"type\":\"result\".*\"total_cost_usd\":(?<g>[0-9.]+)", false);
		add(&f, "^\\{\"type\":\"assistant\".*\"text\":\"(?<g>[^\"]*)\"", false);
		add(&f, "usage limit reached\\|(?<g>\\d+)", true);
		watch = textwatch_new(f.patterns, f.count, f.own, found, &f);
		while (fed < total) {
			for (size_t at = 0; at < line.len; at += 512)
				textwatch_feed(watch, line.data + at, line.len - at < 512 ? line.len - at : 512);
			fed += line.len;
		}
		textwatch_finish(watch);
		assert_true(f.found >= 2 * (total / line.len));
		assert_true(textwatch_work(watch) <= LOOKS_MAX * 3 * (uint64_t)fed);
		textwatch_free(watch);
		done(&f);
	}
	strbuf_release(&line);
}

static void once_is_once(void **state)
{
	struct fixture f = {0};
	struct textwatch *watch;

	(void)state;
	add(&f, "a(?<g>\\d)", false);
	add(&f, "a(?<g>\\d)", false);
	f.patterns[0].once = true;
	watch = textwatch_new(f.patterns, f.count, NULL, found, &f);
	textwatch_feed(watch, "a1 a2", 5);
	textwatch_feed(watch, " a3 ", 4);
	textwatch_finish(watch);
	assert_string_equal(strbuf_cstr(&f.log), "0:a1(1);1:a1(1);1:a2(2);1:a3(3);");
	assert_false(textwatch_gave_up(watch, 0));
	textwatch_free(watch);
	done(&f);
}

static void nothing_is_fine(void **state)
{
	struct fixture f = {0};
	struct textwatch *watch = textwatch_new(NULL, 0, NULL, found, &f);

	(void)state;
	textwatch_feed(watch, "text", 4);
	textwatch_finish(watch);
	textwatch_free(watch);
	textwatch_free(NULL);
	add(&f, "x*", false);
	watch = textwatch_new(f.patterns, f.count, NULL, found, &f);
	textwatch_feed(watch, "", 0);
	textwatch_finish(watch);
	assert_int_equal(f.found, 0);
	textwatch_free(watch);
	done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_of_pieces_finds_the_same),
		cmocka_unit_test(the_own_channel_is_of_whole_lines),
		cmocka_unit_test(lines_of_any_length_have_a_channel),
		cmocka_unit_test(long_matches_come_with_the_end_of_their_line),
		cmocka_unit_test(a_match_longer_than_what_is_kept_is_left_out),
		cmocka_unit_test(no_text_can_hang_a_pattern),
		cmocka_unit_test(work_grows_with_the_text),
		cmocka_unit_test(once_is_once),
		cmocka_unit_test(nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
