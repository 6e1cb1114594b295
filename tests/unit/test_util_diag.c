#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "util/alloc.h"
#include "util/diag.h"
#include "util/source.h"
#include "util/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct source_set sources;
static struct diag_list list;

static int reset(void **state)
{
	(void)state;
	source_set_release(&sources);
	diag_list_release(&list);
	list.limit = 0;
	return 0;
}

static uint16_t add_bytes(const char *name, const char *text, size_t len, struct place from)
{
	char *copy = xcalloc(1, len + 2);

	memcpy(copy, text, len);
	return source_add(&sources, name, copy, len, from);
}

static uint16_t add(const char *name, const char *text)
{
	return add_bytes(name, text, strlen(text), (struct place){0});
}

/* where `part` stands in source `number` */
static struct place at(uint16_t number, const char *part)
{
	const struct source *source = source_get(&sources, number);
	const char *found = memmem(source->text, source->len, part, strlen(part));

	assert_non_null(found);
	return (struct place){
		.source = number, .offset = (uint32_t)(found - source->text), .length = (uint16_t)strlen(part)};
}

static void assert_rendered(const char *expected)
{
	struct strbuf out = {0};

	diag_render(&list, &sources, false, &out);
	assert_string_equal(strbuf_cstr(&out), expected);
	strbuf_release(&out);
}

/* --- source --- */

static void assert_position(struct place place, uint32_t line, uint32_t column, const char *text)
{
	uint32_t got_line, got_column;
	size_t len;
	const char *got = source_line(&sources, place, &len);

	source_position(&sources, place, &got_line, &got_column);
	assert_int_equal(got_line, line);
	assert_int_equal(got_column, column);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(got, text, len);
}

static void places_have_lines_and_columns(void **state)
{
	uint16_t one, two, empty;
	uint32_t line, column;
	size_t len;

	(void)state;
	assert_null(source_get(&sources, 1));
	one = add("one", "ab\r\n\n\xc3\xbc\xe4\xb8\xad=x\nend");
	two = add("two",
		"\xef\xbb\xbf"
		"bom\n");
	empty = add("empty", "");
	assert_int_equal(one, 1);
	assert_int_equal(two, 2);
	assert_string_equal(source_get(&sources, 2)->name, "two");
	assert_null(source_get(&sources, 0));
	assert_null(source_get(&sources, 4));
	assert_position((struct place){.source = one, .offset = 0}, 1, 1, "ab");
	assert_position((struct place){.source = one, .offset = 2}, 1, 3, "ab");
	assert_position((struct place){.source = one, .offset = 4}, 2, 1, "");
	assert_position(at(one, "x"), 3, 4, "\xc3\xbc\xe4\xb8\xad=x");
	/* columns are right in whichever order they are asked for */
	assert_position(at(one, "\xe4"), 3, 2, "\xc3\xbc\xe4\xb8\xad=x");
	assert_position(at(one, "x"), 3, 4, "\xc3\xbc\xe4\xb8\xad=x");
	assert_position(at(one, "end"), 4, 1, "end");
	assert_position((struct place){.source = one, .offset = 5000}, 4, 4, "end");
	assert_position(at(two, "bom"), 1, 1,
		"\xef\xbb\xbf"
		"bom");
	assert_position((struct place){.source = two, .offset = 7}, 2, 1, "");
	assert_position((struct place){.source = empty, .offset = 0}, 1, 1, "");
	source_position(&sources, (struct place){0}, &line, &column);
	assert_int_equal(line, 0);
	assert_int_equal(column, 0);
	source_position(&sources, at(one, "end"), NULL, NULL);
	assert_string_equal(source_line(&sources, (struct place){0}, &len), "");
	assert_int_equal(len, 0);
}

static void many_lines_are_found(void **state)
{
	struct strbuf text = {0};
	uint16_t number;

	(void)state;
	for (int i = 0; i < 100000; i++)
		strbuf_addf(&text, "%05d\n", i);
	number = add("many", strbuf_cstr(&text));
	for (uint32_t i = 0; i < 100000; i += 37) {
		char line[16];

		snprintf(line, sizeof line, "%05u", (unsigned)i);
		assert_position((struct place){.source = number, .offset = i * 6 + 3}, i + 1, 4, line);
	}
	strbuf_release(&text);
}

static void there_are_at_most_65535_sources(void **state)
{
	(void)state;
	for (int i = 0; i < UINT16_MAX; i++)
		assert_int_equal(add("x", ""), i + 1);
	assert_int_equal(add("x", ""), 0);
	assert_int_equal(sources.count, UINT16_MAX);
}

/* --- diag --- */

static void an_error_shows_its_line(void **state)
{
	uint16_t number = add("Orchfile", "a:\n\ttimout = 2h\n");

	(void)state;
	diag_error(&list, at(number, "timout"), "unknown setting '%s'; did you mean '%s'?", "timout", "timeout");
	assert_int_equal(list.errors, 1);
	assert_rendered("Orchfile:2:2: error: unknown setting 'timout'; did you mean 'timeout'?\n"
			"    2 | \ttimout = 2h\n"
			"      | \t^~~~~~\n");
}

static void notes_follow_and_sorting_keeps_them(void **state)
{
	uint16_t number = add("Orchfile", "one:\ntwo:\nthree:\none:\n");
	struct place second = {.source = number, .offset = 17, .length = 3};

	(void)state;
	diag_error(&list, second, "stream 'one' is declared twice");
	diag_note(&list, at(number, "one"), "first here");
	diag_note(&list, (struct place){0}, "rename one of them");
	diag_warning(&list, at(number, "two"), "second");
	diag_error(&list, at(number, "two"), "same place, added later");
	diag_error(&list, (struct place){0}, "nowhere");
	diag_sort(&list);
	assert_int_equal(list.errors, 3);
	assert_int_equal(list.warnings, 1);
	assert_rendered("error: nowhere\n"
			"Orchfile:2:1: warning: second\n"
			"    2 | two:\n"
			"      | ^~~\n"
			"Orchfile:2:1: error: same place, added later\n"
			"    2 | two:\n"
			"      | ^~~\n"
			"Orchfile:4:1: error: stream 'one' is declared twice\n"
			"    4 | one:\n"
			"      | ^~~\n"
			"Orchfile:1:1: note: first here\n"
			"    1 | one:\n"
			"      | ^~~\n"
			"note: rename one of them\n");
}

static void includes_are_shown_as_a_chain(void **state)
{
	uint16_t a = add("A", "x:\n\ninclude B\n"), b, c;

	(void)state;
	b = add_bytes("B", "include C\n", 10, at(a, "include"));
	c = add_bytes("C", "oops\n", 5, at(b, "C"));
	diag_error(&list, at(c, "oops"), "bad");
	diag_error(&list, at(b, "include"), "also bad");
	diag_sort(&list);
	assert_rendered("In file included from A:3:1:\n"
			"B:1:1: error: also bad\n"
			"    1 | include C\n"
			"      | ^~~~~~~\n"
			"In file included from B:1:9,\n"
			"                 from A:3:1:\n"
			"C:1:1: error: bad\n"
			"    1 | oops\n"
			"      | ^~~~\n");
}

static void the_caret_stands_under_wide_and_odd_characters(void **state)
{
	/* wide, combining, escape, invalid; then the name. The range may end past its line */
	uint16_t number = add("f",
		"\xe4\xb8\xad"
		"e\xcc\x81\x1b\xff=\xe4\xb8\xad\x07z\n");
	struct place place = at(number, "\xe4\xb8\xad\x07z");

	(void)state;
	place.length = 500;
	diag_error(&list, place, "a \x1b[31m message\xff");
	assert_rendered("f:1:7: error: a ?[31m message?\n"
			"    1 | \xe4\xb8\xad"
			"e\xcc\x81?\?=\xe4\xb8\xad?z\n"
			"      |       ^~~~\n");
}

static void the_end_of_a_text_has_a_caret(void **state)
{
	uint16_t number = add("f", "ab"), empty = add("g", "");

	(void)state;
	diag_error(&list, (struct place){.source = number, .offset = 2}, "expected ':'");
	diag_error(&list, (struct place){.source = empty, .length = 9}, "nothing there");
	assert_rendered("f:1:3: error: expected ':'\n"
			"    1 | ab\n"
			"      |   ^\n"
			"g:1:1: error: nothing there\n"
			"    1 | \n"
			"      | ^\n");
}

static void the_gutter_grows_with_the_line_number(void **state)
{
	enum { LINES = 123456 };
	char *text = xmalloc(LINES + 1);
	uint16_t number;

	(void)state;
	memset(text, '\n', LINES);
	text[LINES] = 'x';
	number = add_bytes("f", text, LINES + 1, (struct place){0});
	diag_error(&list, at(number, "x"), "deep");
	assert_rendered("f:123457:1: error: deep\n"
			"123457 | x\n"
			"       | ^\n");
	free(text);
}

static void long_lines_are_cut_around_the_caret(void **state)
{
	enum { LENGTH = 1 << 20 };
	char *text = xmalloc(LENGTH);
	struct strbuf out = {0};
	const char *line, *caret;
	uint16_t number;

	(void)state;
	/* of two-byte characters, with one name in the middle, at the start and at the end */
	for (size_t i = 0; i < LENGTH; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	memcpy(text, "first ", 6);
	memcpy(text + LENGTH / 2, " oops ", 6);
	memcpy(text + LENGTH - 6, " last ", 6);
	number = add_bytes("f", text, LENGTH, (struct place){0});
	diag_error(&list, at(number, "oops"), "in the middle");
	diag_error(&list, at(number, "first"), "first");
	diag_error(&list, at(number, "last"), "last");
	diag_render(&list, &sources, false, &out);
	assert_true(out.len < 1500);
	/* no character was cut in two */
	assert_null(strchr(out.data, '?'));
	line = strchr(out.data, '\n') + 1;
	caret = strchr(line, '\n') + 1;
	assert_memory_equal(line, "    1 | ...\xc3\xbc", 13);
	assert_memory_equal(caret - 6, "\xc3\xbc...\n", 6);
	/* bytes before the name: gutter 8, dots 3, 24 characters of 2 bytes, a space; the caret line has one byte each
	 */
	assert_int_equal(strstr(line, "oops") - line, 8 + 3 + 2 * 24 + 1);
	assert_int_equal(strchr(caret, '^') - caret, 8 + 3 + 24 + 1);
	assert_non_null(strstr(caret, "^~~~\n"));
	assert_non_null(strstr(caret, "    1 | first "));
	assert_non_null(strstr(caret, " last \n"));
	strbuf_release(&out);
	free(text);
}

static void more_errors_than_the_limit_are_counted(void **state)
{
	struct place nowhere = {0};

	(void)state;
	list.limit = 2;
	diag_error(&list, nowhere, "one");
	diag_warning(&list, nowhere, "careful");
	diag_error(&list, nowhere, "two");
	diag_note(&list, nowhere, "of two");
	diag_error(&list, nowhere, "three");
	diag_note(&list, nowhere, "of three");
	diag_error(&list, nowhere, "four");
	diag_warning(&list, nowhere, "also this");
	diag_note(&list, nowhere, "of this");
	diag_sort(&list);
	diag_note(&list, nowhere, "and that");
	assert_int_equal(list.errors, 4);
	assert_int_equal(list.items[4].notes, 2);
	assert_rendered("error: one\nwarning: careful\nerror: two\nnote: of two\n"
			"warning: also this\nnote: of this\nnote: and that\n... and 2 more errors\n");
	diag_list_release(&list);
	assert_int_equal(list.errors, 0);
	assert_int_equal(list.limit, 2);
}

static void colour_is_balanced(void **state)
{
	uint16_t number = add("f", "abc\n");
	struct strbuf out = {0};

	(void)state;
	diag_error(&list, at(number, "b"), "x");
	diag_render(&list, &sources, true, &out);
	assert_string_equal(strbuf_cstr(&out),
		"\033[1mf:1:2:\033[0m \033[1;31merror:\033[0m x\n"
		"    1 | abc\n"
		"      |  \033[1;32m^\033[0m\n");
	strbuf_release(&out);
}

static void names_cannot_steer_the_terminal(void **state)
{
	uint16_t outer = add("a\033[2J", "include b\n");
	uint16_t inner = add_bytes("b\xff", "x\n", 2, at(outer, "b"));

	(void)state;
	diag_error(&list, at(inner, "x"), "no");
	assert_rendered("In file included from a?[2J:1:9:\n"
			"b?:1:1: error: no\n"
			"    1 | x\n"
			"      | ^\n");
}

static void an_empty_list_is_fine(void **state)
{
	(void)state;
	diag_note(&list, (struct place){0}, "belongs to nothing");
	diag_sort(&list);
	assert_rendered("");
}

static void a_text_made_from_others_shows_where_it_is_from(void **state)
{
	uint16_t origin = add("tasks.json", "[\n {\"key\": \"a b\"}]\n");
	uint16_t made = add("tasks.json", "# made\na-b:\n\tprompt: x\n");
	struct source_link links[] = {{7, at(origin, "a b")}, {12, at(origin, "key")}};

	(void)state;
	assert_false(source_is_made(&sources, made));
	assert_int_equal(source_origin(&sources, at(made, "prompt")).source, made);
	source_set_links(&sources, made, links, 2);
	assert_true(source_is_made(&sources, made));
	assert_false(source_is_made(&sources, origin));
	/* before the first link: as near as can be said */
	assert_int_equal(source_origin(&sources, at(made, "# made")).offset, at(origin, "a b").offset);
	assert_int_equal(source_origin(&sources, at(made, "a-b")).offset, at(origin, "a b").offset);
	assert_int_equal(source_origin(&sources, at(made, "prompt")).offset, at(origin, "key").offset);
	diag_error(&list, at(made, "a-b"), "no good name");
	assert_rendered("tasks.json:2:11: error: no good name\n"
			"    2 |  {\"key\": \"a b\"}]\n"
			"      |           ^~~\n");
	source_set_links(&sources, made, links, 0);
	assert_int_equal(source_origin(&sources, at(made, "a-b")).source, made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(places_have_lines_and_columns, reset),
		cmocka_unit_test_teardown(many_lines_are_found, reset),
		cmocka_unit_test_teardown(there_are_at_most_65535_sources, reset),
		cmocka_unit_test_teardown(an_error_shows_its_line, reset),
		cmocka_unit_test_teardown(notes_follow_and_sorting_keeps_them, reset),
		cmocka_unit_test_teardown(includes_are_shown_as_a_chain, reset),
		cmocka_unit_test_teardown(the_caret_stands_under_wide_and_odd_characters, reset),
		cmocka_unit_test_teardown(the_end_of_a_text_has_a_caret, reset),
		cmocka_unit_test_teardown(the_gutter_grows_with_the_line_number, reset),
		cmocka_unit_test_teardown(long_lines_are_cut_around_the_caret, reset),
		cmocka_unit_test_teardown(more_errors_than_the_limit_are_counted, reset),
		cmocka_unit_test_teardown(colour_is_balanced, reset),
		cmocka_unit_test_teardown(names_cannot_steer_the_terminal, reset),
		cmocka_unit_test_teardown(a_text_made_from_others_shows_where_it_is_from, reset),
		cmocka_unit_test_teardown(an_empty_list_is_fine, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
