#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/suggest.h"
#include "util/template.h"
#include "util/units.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>

/* --- strbuf --- */

static void strbuf_grows_and_stays_terminated(void **state)
{
	struct strbuf sb = {0};

	(void)state;
	assert_string_equal(strbuf_cstr(&sb), "");
	strbuf_add(&sb, NULL, 0);
	assert_string_equal(sb.data, "");
	for (int i = 0; i < 10000; i++)
		strbuf_addch(&sb, 'x');
	strbuf_addstr(&sb, "end");
	assert_int_equal(sb.len, 10003);
	assert_string_equal(sb.data + 10000, "end");
	strbuf_truncate(&sb, 1);
	strbuf_addf(&sb, "-%d-%s", 42, "forty-two");
	assert_string_equal(sb.data, "x-42-forty-two");
	memcpy(strbuf_reserve(&sb, 1000), "abc", 3);
	strbuf_grown(&sb, 3);
	assert_string_equal(sb.data, "x-42-forty-twoabc");
	strbuf_release(&sb);
	strbuf_truncate(&sb, 0);
	assert_null(sb.data);
}

static void strbuf_formats_what_is_longer_than_its_room(void **state)
{
	struct strbuf sb = {0};
	char longer[5000];

	(void)state;
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	strbuf_addstr(&sb, "[");
	strbuf_addf(&sb, "%s]", longer);
	assert_int_equal(sb.len, sizeof longer + 1);
	assert_int_equal(sb.data[sb.len - 1], ']');
	strbuf_release(&sb);
}

static void strbuf_stops_at_its_limit(void **state)
{
	struct strbuf sb = {.limit = 5};
	char *text;

	(void)state;
	strbuf_addstr(&sb, "12345");
	assert_false(sb.truncated);
	strbuf_addch(&sb, '6');
	assert_true(sb.truncated);
	strbuf_addf(&sb, "%d", 7);
	assert_string_equal(strbuf_cstr(&sb), "12345");
	text = strbuf_detach(&sb);
	assert_string_equal(text, "12345");
	free(text);
	assert_false(sb.truncated);
	strbuf_addf(&sb, "%s", "abcdefgh");
	assert_string_equal(strbuf_cstr(&sb), "abcde");
	strbuf_release(&sb);
	text = strbuf_detach(&sb);
	assert_string_equal(text, "");
	free(text);
}

/* --- strvec --- */

static void strvec_is_an_argv(void **state)
{
	struct strvec vec = {0};

	(void)state;
	assert_null(vec.items);
	strvec_split(&vec, "  \t\n ");
	assert_int_equal(vec.count, 0);
	strvec_split(&vec, " one\ttwo  three\n");
	assert_int_equal(vec.count, 3);
	assert_string_equal(vec.items[2], "three");
	strvec_pushn(&vec, "fourth", 4);
	strvec_pushf(&vec, "%d", 5);
	assert_string_equal(vec.items[3], "four");
	for (int i = 0; i < 100; i++)
		strvec_push(&vec, "more");
	assert_int_equal(vec.count, 105);
	assert_null(vec.items[105]);
	strvec_release(&vec);
	assert_null(vec.items);
	strvec_release(&vec);
}

static void strvec_is_an_environment(void **state)
{
	struct strvec env = {0};

	(void)state;
	assert_null(strvec_getenv(&env, "A"));
	strvec_setenv(&env, "A", NULL);
	strvec_setenv(&env, "AB", "1");
	strvec_setenv(&env, "A", "2=3");
	strvec_setenv(&env, "C", "");
	assert_string_equal(strvec_getenv(&env, "A"), "2=3");
	assert_string_equal(strvec_getenv(&env, "C"), "");
	strvec_setenv(&env, "AB", "4");
	assert_int_equal(env.count, 3);
	assert_string_equal(env.items[0], "AB=4");
	strvec_setenv(&env, "AB", NULL);
	assert_int_equal(env.count, 2);
	assert_string_equal(env.items[0], "A=2=3");
	assert_null(env.items[2]);
	assert_null(strvec_getenv(&env, "AB"));
	strvec_release(&env);
}

/* --- utf8 --- */

static void utf8_validates(void **state)
{
	static const struct {
		const char *text;
		size_t invalid_at;
	} cases[] = {
		{"", 0},
		{"plain ascii, longer than eight", 30},
		{"gr\xc3\xbc\xc3\x9f", 6},
		{"\xe2\x82\xac\xf0\x9f\x98\x80", 7},
		{"\xf4\x8f\xbf\xbf", 4},      /* the last character */
		{"ab\x80", 2},                /* continuation alone */
		{"ab\xc3", 2},                /* cut off */
		{"\xc0\xaf", 0},              /* overlong */
		{"\xe0\x9f\xbf", 0},          /* overlong */
		{"\xf0\x8f\xbf\xbf", 0},      /* overlong */
		{"12345678\xed\xa0\x80", 8},  /* surrogate */
		{"\xf4\x90\x80\x80", 0},      /* past the last */
		{"123456789\xf5\x80\x80", 9}, /* no first byte */
		{"\xff", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(utf8_invalid_at(cases[i].text, strlen(cases[i].text)), cases[i].invalid_at);
	assert_int_equal(utf8_invalid_at("a\0b", 3), 3);
}

static void utf8_decodes_every_character(void **state)
{
	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		char text[4];
		size_t len;
		uint32_t back;

		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		if (code < 0x80) {
			text[0] = (char)code;
			len = 1;
		} else if (code < 0x800) {
			text[0] = (char)(0xc0 | code >> 6);
			text[1] = (char)(0x80 | (code & 0x3f));
			len = 2;
		} else if (code < 0x10000) {
			text[0] = (char)(0xe0 | code >> 12);
			text[1] = (char)(0x80 | (code >> 6 & 0x3f));
			text[2] = (char)(0x80 | (code & 0x3f));
			len = 3;
		} else {
			text[0] = (char)(0xf0 | code >> 18);
			text[1] = (char)(0x80 | (code >> 12 & 0x3f));
			text[2] = (char)(0x80 | (code >> 6 & 0x3f));
			text[3] = (char)(0x80 | (code & 0x3f));
			len = 4;
		}
		if (utf8_decode(text, len, &back) != len || back != code || utf8_invalid_at(text, len) != len)
			fail_msg("U+%04X", (unsigned)code);
		/* cut short it is one invalid byte */
		if (len > 1 && (utf8_decode(text, len - 1, &back) != 1 || back != 0xfffd))
			fail_msg("U+%04X cut short", (unsigned)code);
	}
}

static void utf8_knows_widths(void **state)
{
	(void)state;
	assert_int_equal(utf8_width('a'), 1);
	assert_int_equal(utf8_width('\t'), 0);
	assert_int_equal(utf8_width(0x7f), 0);
	assert_int_equal(utf8_width(0x9f), 0);
	assert_int_equal(utf8_width(0xe9), 1);
	assert_int_equal(utf8_width(0x301), 0);
	assert_int_equal(utf8_width(0x200b), 0);
	assert_int_equal(utf8_width(0x4e2d), 2);
	assert_int_equal(utf8_width(0xac00), 2);
	assert_int_equal(utf8_width(0x1f600), 2);
	assert_int_equal(utf8_width(0x2500), 1);
	assert_int_equal(utf8_text_width("e\xcc\x81\xe4\xb8\xad\x1b", 6), 3);
	assert_int_equal(utf8_text_width("", 0), 0);
}

/* --- units --- */

static void durations_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"0", 0}, {"90s", 90000}, {"1h30m", 5400000}, {"1d", 86400000}, {"250ms", 250}, {"1.5h", 5400000},
		{"0.1s", 100}, {"2w", 1209600000}, {"1d2h3m4s5ms", 93784005}};
	static const char *const bad[] = {"", "5", "s", "5x", "5 s", " 5s", "5s ", "-5s", "1h30", "1..5h", ".s", "5S",
		"99999999999999999999999999d", "1000000d", "5s;"};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(units_parse_duration(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (units_parse_duration(bad[i], &ms))
			fail_msg("'%s' was read as a duration", bad[i]);
	}
}

static void durations_are_shown(void **state)
{
	static const struct {
		int64_t ms;
		const char *people, *exact;
	} cases[] = {
		{0, "0.00s", "0s"},
		{420, "0.42s", "420ms"},
		{9999, "9.99s", "9s999ms"},
		{12345, "12.3s", "12s345ms"},
		{59999, "59.9s", "59s999ms"},
		{60000, "1m00s", "1m"},
		{185000, "3m05s", "3m5s"},
		{7620000, "2h07m", "2h7m"},
		{5400000, "1h30m", "1h30m"},
		{273600000, "3d04h", "3d4h"},
	};
	char text[UNITS_TEXT_MAX];
	int64_t back;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_string_equal(units_duration(text, cases[i].ms), cases[i].people);
		assert_string_equal(units_duration_exact(text, cases[i].ms), cases[i].exact);
		assert_true(units_parse_duration(text, &back));
		assert_int_equal(back, cases[i].ms);
	}
	for (int64_t ms = 1; ms < INT64_C(3000000000000); ms = ms * 3 + 7) {
		assert_true(units_parse_duration(units_duration_exact(text, ms), &back));
		assert_int_equal(back, ms);
	}
	assert_ptr_equal(units_duration(text, INT64_MAX), text);
	assert_ptr_equal(units_duration_exact(text, INT64_MAX), text);
}

static void sizes_are_read_and_shown(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = {{"0", 0}, {"100", 100}, {"512M", 536870912}, {"2G", INT64_C(2147483648)}, {"64k", 65536},
		{"1.5G", 1610612736}, {"2GiB", INT64_C(2147483648)}, {"3MB", 3145728}, {"7b", 7}};
	static const char *const bad[] = {"", "M", "5x", "-1", "1 G", "2GiBs", "9999999P", "5bi", "."};
	char text[UNITS_TEXT_MAX];
	int64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(units_parse_size(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (units_parse_size(bad[i], &bytes))
			fail_msg("'%s' was read as a size", bad[i]);
	}
	assert_string_equal(units_cost(text, 1254000), "1.25");
	assert_string_equal(units_cost(text, 4200), "0.0042");
	assert_string_equal(units_cost(text, 0), "0.00");
	assert_string_equal(units_size(text, 512), "512 B");
	assert_string_equal(units_size(text, 1503238554), "1.4 GiB");
	assert_ptr_equal(units_size(text, INT64_MAX), text);
}

static void numbers_and_booleans_are_read(void **state)
{
	char many_digits[401];
	int64_t number;
	double real;
	bool flag;

	(void)state;
	assert_true(units_parse_int("42", 0, 100, &number));
	assert_int_equal(number, 42);
	assert_true(units_parse_int("-7", -10, 10, &number));
	assert_int_equal(number, -7);
	assert_false(units_parse_int("101", 0, 100, &number));
	assert_false(units_parse_int("", 0, 100, &number));
	assert_false(units_parse_int("-", -100, 100, &number));
	assert_false(units_parse_int(" 4", 0, 100, &number));
	assert_false(units_parse_int("+4", 0, 100, &number));
	assert_false(units_parse_int("4x", 0, 100, &number));
	assert_false(units_parse_int("99999999999999999999", INT64_MIN, INT64_MAX, &number));
	assert_true(units_parse_double("-2.5", &real));
	assert_true(real == -2.5);
	assert_true(units_parse_double("0.3", &real) && real == 0.3);
	assert_true(units_parse_double("17.29", &real) && real == 17.29);
	assert_false(units_parse_double("nan", &real));
	assert_false(units_parse_double("1e3", &real));
	assert_false(units_parse_double("", &real));
	memset(many_digits, '9', sizeof many_digits - 1);
	many_digits[sizeof many_digits - 1] = '\0';
	assert_false(units_parse_double(many_digits, &real));
	assert_true(units_parse_bool("yes", &flag) && flag);
	assert_true(units_parse_bool("off", &flag) && !flag);
	assert_false(units_parse_bool("1", &flag));
	assert_false(units_parse_bool("YES", &flag));
}

static void times_are_shown_and_read_back(void **state)
{
	static const char *const bad[] = {"", "2026-11-21T05:37:01.123", "2026-11-21 05:37:01.123Z",
		"2026-13-21T05:37:01.123Z", "2026-02-29T05:37:01.123Z", "9999-12-31T23:59:60.000Z",
		"2026-11-21T24:37:01.123Z", "2026-11-21T05:3x:01.123Z"};
	char text[UNITS_TEXT_MAX];
	int64_t back;

	(void)state;
	assert_string_equal(units_time_utc(text, 0), "1970-01-01T00:00:00.000Z");
	assert_string_equal(units_time_utc(text, -1), "1969-12-31T23:59:59.999Z");
	assert_string_equal(units_time_utc(text, INT64_C(1795239421123)), "2026-11-21T05:37:01.123Z");
	assert_string_equal(units_time_utc(text, INT64_C(951782400000)), "2000-02-29T00:00:00.000Z");
	for (int64_t ms = INT64_C(-5000000000000); ms < INT64_C(250000000000000); ms += INT64_C(123456789013)) {
		assert_true(units_parse_time_utc(units_time_utc(text, ms), &back));
		assert_int_equal(back, ms);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(units_parse_time_utc(bad[i], &back));
}

/* --- path --- */

static void assert_text(char *made, const char *expected)
{
	assert_string_equal(made, expected);
	free(made);
}

static void paths_are_joined_and_cleaned(void **state)
{
	static const char *const clean[][2] = {{"", "."}, {".", "."}, {"./", "."}, {"a", "a"}, {"a//b/./c/", "a/b/c"},
		{"a/..", "."}, {"a/../..", ".."}, {"../a/../..", "../.."}, {"a/b/../c", "a/c"}, {"/", "/"},
		{"/..", "/"}, {"/../a", "/a"}, {"/a/b/..", "/a"}, {"/a/..", "/"}, {"//a", "/a"}, {"..a/b", "..a/b"}};

	(void)state;
	assert_text(path_join("a", "b"), "a/b");
	assert_text(path_join("a/", "b"), "a/b");
	assert_text(path_join("a", "/b"), "/b");
	assert_text(path_join("", "b"), "b");
	assert_text(path_join("/", "b"), "/b");
	for (size_t i = 0; i < sizeof clean / sizeof clean[0]; i++)
		assert_text(path_clean(clean[i][0]), clean[i][1]);
	assert_true(path_is_inside("a/b"));
	assert_true(path_is_inside("a/../b"));
	assert_true(path_is_inside("..."));
	assert_false(path_is_inside("a/../../b"));
	assert_false(path_is_inside(".."));
	assert_false(path_is_inside("/a"));
}

static void paths_have_parts(void **state)
{
	(void)state;
	assert_string_equal(path_file("a/b.c"), "b.c");
	assert_string_equal(path_file("b.c"), "b.c");
	assert_string_equal(path_file("a/"), "");
	assert_text(path_dir("a/b/c"), "a/b");
	assert_text(path_dir("a//b"), "a");
	assert_text(path_dir("a"), ".");
	assert_text(path_dir("/a"), "/");
	assert_text(path_stem("a.d/b.tar.gz"), "b.tar");
	assert_text(path_stem("a.d/b"), "b");
	assert_text(path_stem(".profile"), ".profile");
}

static void paths_are_quoted_for_the_shell(void **state)
{
	static const char *const cases[][2] = {{"a/b-c_1.txt", "a/b-c_1.txt"}, {"", "''"}, {"two words", "'two words'"},
		{"it's", "'it'\\''s'"}, {"$x", "'$x'"}, {"~", "'~'"}, {"a\nb", "'a\nb'"}, {"*", "'*'"}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct strbuf out = {0};

		path_quote(&out, cases[i][0]);
		assert_string_equal(strbuf_cstr(&out), cases[i][1]);
		strbuf_release(&out);
	}
}

static void globs_match_whole_names(void **state)
{
	static const struct {
		const char *glob, *name;
		bool matches;
	} cases[] = {
		{"a", "a", true},
		{"a", "ab", false},
		{"", "", true},
		{"*", "", true},
		{"*", "abc", true},
		{"*", "a/b", false},
		{"a*c", "abbc", true},
		{"a*c", "a/c", false},
		{"*.c", "x.c", true},
		{"*a*b", "aab", true},
		{"?", "a", true},
		{"?", "/", false},
		{"?", "", false},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[!a-c]x", "dx", true},
		{"[!a]b", "/b", false},
		{"[]]", "]", true},
		{"[a-]", "-", true},
		{"[a", "[a", true},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"**", "a/b/c", true},
		{"a/**", "a/b/c", true},
		{"a/**", "a", false},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b", "a/x/y/bc", false},
		{"**/*.c", "x.c", true},
		{"**/*.c", "a/b/x.c", true},
		{"**/a*/b", "x/a1/c/a2/b", true},
		{"**/x/**/y", "a/x/b/x/c/y", true},
		{"a**b", "axxb", true},
		{"a**b", "a/b", false},
	};
	char name[4001], brackets[4001];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (path_match(cases[i].glob, cases[i].name) != cases[i].matches)
			fail_msg("glob '%s', name '%s'", cases[i].glob, cases[i].name);
	}
	/* many stars are no trap */
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_false(path_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*ab", name));
	/* classes without an end, each looked for once */
	memset(brackets, '[', sizeof brackets - 1);
	brackets[sizeof brackets - 1] = '\0';
	brackets[0] = '*';
	assert_true(path_match(brackets, brackets + 1));
	brackets[sizeof brackets - 2] = 'x';
	memset(name, '[', sizeof name - 1);
	assert_false(path_match(brackets, name));
	assert_true(path_has_glob("a?"));
	assert_false(path_has_glob("a.b"));
}

/* --- suggest --- */

static const char *nearest(const char *wanted, const char *const *names)
{
	struct suggest s = {.wanted = wanted};

	for (; *names; names++)
		suggest_offer(&s, *names);
	return s.best;
}

static void the_nearest_name_is_suggested(void **state)
{
	static const char *const names[] = {"timeout", "retries", "inputs", "outputs", "env", "tags", "idle", NULL};
	char longer[300];

	(void)state;
	assert_string_equal(nearest("timout", names), "timeout");
	assert_string_equal(nearest("TIMEOUT", names), "timeout");
	assert_string_equal(nearest("retires", names), "retries");
	assert_string_equal(nearest("ouputs", names), "outputs");
	assert_string_equal(nearest("input", names), "inputs");
	assert_string_equal(nearest("enb", names), "env");
	assert_null(nearest("zebra", names));
	assert_null(nearest("", names));
	assert_null(nearest("ab", names));
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_null(nearest(longer, names));
}

static void the_first_of_the_nearest_wins(void **state)
{
	static const char *const names[] = {"stream-99", "stream-11", "stream-12", "stream-1", NULL};
	struct suggest s = {.wanted = "ca"};

	(void)state;
	assert_string_equal(nearest("stream-13", names), "stream-11");
	assert_string_equal(nearest("stream-12", names), "stream-12");
	assert_string_equal(nearest("stream-21", names), "stream-11");
	/* a transposition is one edit, not two */
	suggest_offer(&s, "ac");
	assert_string_equal(s.best, "ac");
	assert_int_equal(s.distance, 1);
}

/* --- template --- */

/* parts as one text: T(...) L N(name|fallback|functions) B(problem's first word) */
static void assert_parts(const char *text, const char *expected)
{
	struct strbuf out = {0};
	struct template_part part;
	size_t len = strlen(text), covered = 0;
	const char *at = text;

	while (template_next(&at, &len, &part)) {
		assert_ptr_equal(part.text, text + covered);
		covered += part.len;
		switch (part.kind) {
		case TEMPLATE_TEXT:
			strbuf_addf(&out, "T(%.*s)", (int)part.len, part.text);
			break;
		case TEMPLATE_LITERAL:
			strbuf_addch(&out, 'L');
			break;
		case TEMPLATE_NAME:
			strbuf_addf(&out, "N(%.*s", (int)part.name_len, part.name);
			if (part.fallback)
				strbuf_addf(&out, "|%.*s", (int)part.fallback_len, part.fallback);
			for (unsigned i = 0; i < part.functions; i++)
				strbuf_addf(&out, ">%.*s", (int)part.function_len[i], part.function[i]);
			strbuf_addch(&out, ')');
			break;
		case TEMPLATE_BAD:
			assert_non_null(part.problem);
			strbuf_addch(&out, 'B');
			break;
		}
	}
	assert_int_equal(covered, strlen(text));
	assert_string_equal(strbuf_cstr(&out), expected);
	assert_int_equal(template_has_parts(text, strlen(text)), strstr(text, "{{") != NULL);
	strbuf_release(&out);
}

static void templates_fall_into_parts(void **state)
{
	(void)state;
	assert_parts("", "");
	assert_parts("plain { text } {", "T(plain { text } {)");
	assert_parts("{{name}}", "N(name)");
	assert_parts("a {{ name }} b", "T(a )N(name)T( b)");
	assert_parts("{{a}}{{b.c-d}}", "N(a)N(b.c-d)");
	assert_parts("{{{{x}}", "LT(x}})");
	assert_parts("{{env.HOME or /some where}}", "N(env.HOME|/some where)");
	assert_parts("{{x or }}", "N(x|)");
	assert_parts("{{or}}", "N(or)");
	assert_parts("{{stem(file(x))}}", "N(x>file>stem)");
	assert_parts("{{ quote( a ) or b (c) }}", "N(a|b (c)>quote)");
	assert_parts("{{a(b(c(d(x))))}}", "N(x>d>c>b>a)");
}

static void bad_templates_are_told(void **state)
{
	(void)state;
	assert_parts("{{", "B");
	assert_parts("{{}}", "B");
	assert_parts("{{ }}", "B");
	assert_parts("{{a", "B");
	assert_parts("x {{a\n}} y", "T(x )BT(\n}} y)");
	assert_parts("{{a b}}", "B");
	assert_parts("{{f(a}}", "B");
	assert_parts("{{a)}}", "B");
	assert_parts("{{f(a))}}", "B");
	assert_parts("{{(a)}}", "B");
	assert_parts("{{f()}}", "B");
	assert_parts("{{a(b(c(d(e(x)))))}}", "B");
	assert_parts("{{{a}}", "B");
	assert_parts("{{!}}{{ok}}", "BN(ok)");
}

static void a_nul_is_no_blank(void **state)
{
	static const char text[] = "{{a\0}}";
	struct template_part part;
	const char *at = text;
	size_t len = sizeof text - 1;

	(void)state;
	assert_true(template_next(&at, &len, &part));
	assert_int_equal(part.kind, TEMPLATE_BAD);
	assert_false(template_next(&at, &len, &part));
}

static void escaped_text_expands_to_itself(void **state)
{
	static const char *const texts[] = {"", "plain", "{{a}}", "{{{", "{{{{", "{ {", "x{{", "{{{{{x", "{{{{{{}}"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct strbuf escaped = {0}, back = {0};
		struct template_part part;
		const char *at;
		size_t len;

		template_escape(&escaped, texts[i], strlen(texts[i]));
		at = strbuf_cstr(&escaped);
		len = escaped.len;
		while (template_next(&at, &len, &part)) {
			if (part.kind == TEMPLATE_LITERAL) {
				strbuf_addstr(&back, "{{");
			} else {
				assert_int_equal(part.kind, TEMPLATE_TEXT);
				strbuf_add(&back, part.text, part.len);
			}
		}
		assert_string_equal(strbuf_cstr(&back), texts[i]);
		strbuf_release(&escaped);
		strbuf_release(&back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strbuf_grows_and_stays_terminated),
		cmocka_unit_test(strbuf_formats_what_is_longer_than_its_room),
		cmocka_unit_test(strbuf_stops_at_its_limit),
		cmocka_unit_test(strvec_is_an_argv),
		cmocka_unit_test(strvec_is_an_environment),
		cmocka_unit_test(utf8_validates),
		cmocka_unit_test(utf8_decodes_every_character),
		cmocka_unit_test(utf8_knows_widths),
		cmocka_unit_test(durations_are_read),
		cmocka_unit_test(durations_are_shown),
		cmocka_unit_test(sizes_are_read_and_shown),
		cmocka_unit_test(numbers_and_booleans_are_read),
		cmocka_unit_test(times_are_shown_and_read_back),
		cmocka_unit_test(paths_are_joined_and_cleaned),
		cmocka_unit_test(paths_have_parts),
		cmocka_unit_test(paths_are_quoted_for_the_shell),
		cmocka_unit_test(globs_match_whole_names),
		cmocka_unit_test(the_nearest_name_is_suggested),
		cmocka_unit_test(the_first_of_the_nearest_wins),
		cmocka_unit_test(templates_fall_into_parts),
		cmocka_unit_test(bad_templates_are_told),
		cmocka_unit_test(a_nul_is_no_blank),
		cmocka_unit_test(escaped_text_expands_to_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
