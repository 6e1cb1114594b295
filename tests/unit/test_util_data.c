#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "util/alloc.h"
#include "util/arena.h"
#include "util/array.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/json.h"
#include "util/log.h"
#include "util/map.h"
#include "util/regex.h"
#include "util/strbuf.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- arena, array, alloc --- */

static void arena_gives_aligned_zeroed_memory(void **state)
{
	struct arena arena = {0};
	char *text = arena_strdup(&arena, "first");

	(void)state;
	for (size_t size = 0; size < 3000; size++) {
		unsigned char *block = arena_alloc(&arena, size);

		assert_int_equal((uintptr_t)block % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(block[i], 0);
		memset(block, 0xff, size);
		arena_bytes(&arena, 1)[0] = 'x';
	}
	memset(arena_bytes(&arena, 1 << 20), 'y', 1 << 20);
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_printf(&arena, "%s-%d", "n", 7), "n-7");
	assert_string_equal(text, "first");
	arena_release(&arena);
	assert_null(arena.head);
	arena_release(&arena);
}

static void arena_goes_back_to_a_mark(void **state)
{
	struct arena arena = {0};
	struct arena_mark empty = arena_mark(&arena), mark;
	const char *kept;

	(void)state;
	for (int round = 0; round < 3; round++) {
		kept = arena_strdup(&arena, "kept");
		mark = arena_mark(&arena);
		for (int i = 0; i < 1000; i++)
			memset(arena_alloc(&arena, 1000), 'x', 1000);
		arena_bytes(&arena, 1 << 20);
		arena_reset(&arena, mark);
		assert_int_equal(arena.used, mark.used);
		assert_ptr_equal(arena.head, mark.block);
		assert_string_equal(kept, "kept");
		arena_reset(&arena, empty);
		assert_int_equal(arena.used, 0);
	}
	/* used memory comes zeroed again */
	assert_int_equal(*(char *)arena_alloc(&arena, 1), 0);
	arena_release(&arena);
}

static void array_grows(void **state)
{
	struct pair {
		int first;
		const char *second;
	};
	ARRAY(struct pair) array = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct pair *pair = ARRAY_PUSH(&array);

		assert_int_equal(pair->first, 0);
		assert_null(pair->second);
		*pair = (struct pair){i, "x"};
	}
	assert_int_equal(array.count, 1000);
	assert_int_equal(array.items[999].first, 999);
	ARRAY_RELEASE(&array);
	assert_null(array.items);
	assert_int_equal(array.count, 0);
}

static void strings_are_copied(void **state)
{
	char *text = xstrndup("abc", 10);

	(void)state;
	assert_string_equal(text, "abc");
	free(text);
	text = xasprintf("%d%%", 5);
	assert_string_equal(text, "5%");
	free(text);
	free(xmalloc(0));
	free(xcalloc(0, 8));
	free(xreallocarray(NULL, 3, 8));
}

/* --- map --- */

enum { MANY = 100000 };

static void map_holds_many_keys(void **state)
{
	struct map map;
	char key[32];
	static char seen[MANY];
	const char *name;
	void *value;
	size_t position = 0, count = 0;

	(void)state;
	map_init_owning(&map);
	assert_null(map_get(&map, "none"));
	assert_null(map_remove(&map, "none"));
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof key, "stream-%d", i);
		assert_null(map_set(&map, key, &seen[i]));
	}
	assert_int_equal(map.count, MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof key, "stream-%d", i);
		assert_ptr_equal(map_get(&map, key), &seen[i]);
	}
	/* every second goes; the others must still be found, although the gaps were closed */
	for (int i = 0; i < MANY; i += 2) {
		snprintf(key, sizeof key, "stream-%d", i);
		assert_ptr_equal(map_remove(&map, key), &seen[i]);
		assert_null(map_remove(&map, key));
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof key, "stream-%d", i);
		assert_ptr_equal(map_get(&map, key), i % 2 ? &seen[i] : NULL);
	}
	while (map_next(&map, &position, &name, &value)) {
		assert_int_equal(*(char *)value, 0);
		*(char *)value = 1;
		count++;
	}
	assert_int_equal(count, MANY / 2);
	map_release(&map);
	assert_null(map.slots);
	assert_true(map.owns_keys);
}

static void map_borrows_keys(void **state)
{
	struct map map = {0};
	const char *name;
	void *value;
	size_t position = 0;
	int one, two;

	(void)state;
	assert_false(map_next(&map, &position, &name, &value));
	assert_null(map_getn(&map, "key", 3));
	assert_null(map_set(&map, "key", &one));
	assert_ptr_equal(map_set(&map, "key", &two), &one);
	assert_ptr_equal(map_getn(&map, "keys", 3), &two);
	assert_null(map_getn(&map, "keys", 4));
	assert_null(map_set(&map, "", &one));
	assert_ptr_equal(map_get(&map, ""), &one);
	assert_int_equal(map.count, 2);
	map_release(&map);
}

/* --- digest --- */

static void digests_tell_things_apart(void **state)
{
	struct digest_stream *stream = digest_stream_new();
	unsigned char bytes[5000];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 7);
	/* XXH3-64 of nothing, as its specification gives it: a stamp written by another build must still fit */
	assert_true(digest_bytes("", 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(digest_bytes(NULL, 0) == digest_bytes("", 0));
	assert_true(digest_bytes("a", 1) != digest_bytes("b", 1));
	assert_true(digest_chain(1, "a", 1) != digest_chain(2, "a", 1));
	assert_true(digest_field(digest_field(0, "ab", 2), "c", 1) != digest_field(digest_field(0, "a", 1), "bc", 2));
	assert_true(digest_field(0, "", 0) != 0);
	/* in pieces it is the same as at once */
	assert_true(digest_stream_value(stream) == digest_bytes("", 0));
	for (size_t at = 0, step = 1; at < sizeof bytes; at += step, step = step * 2 + 1) {
		size_t piece = step < sizeof bytes - at ? step : sizeof bytes - at;

		digest_stream_add(stream, bytes + at, piece);
		assert_true(digest_stream_value(stream) == digest_bytes(bytes, at + piece));
	}
	digest_stream_free(stream);
	digest_stream_free(NULL);
	/* wherever malloc puts it */
	for (int i = 0; i < 20; i++) {
		void *gap = xmalloc((size_t)i * 16 + 1);

		stream = digest_stream_new();
		digest_stream_add(stream, bytes, sizeof bytes);
		assert_true(digest_stream_value(stream) == digest_bytes(bytes, sizeof bytes));
		digest_stream_free(stream);
		free(gap);
	}
}

/* --- json --- */

static void json_is_written(void **state)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out};

	(void)state;
	json_begin_object(&w);
	json_add_key(&w, "text");
	json_add_string(&w, "a\"\\\n\t\r\x01\x7f\xc3\xbc\xff z");
	json_add_key(&w, "none");
	json_add_string(&w, NULL);
	json_add_key(&w, "numbers");
	json_begin_array(&w);
	json_add_int(&w, 0);
	json_add_int(&w, -17);
	json_add_int(&w, INT64_MAX);
	json_add_int(&w, INT64_MIN);
	json_add_double(&w, 0.1);
	json_add_double(&w, -2500);
	json_add_double(&w, 1.5e300);
	json_add_double(&w, NAN);
	json_add_double(&w, INFINITY);
	json_end_array(&w);
	json_add_key(&w, "empty");
	json_begin_array(&w);
	json_begin_object(&w);
	json_end_object(&w);
	json_begin_array(&w);
	json_end_array(&w);
	json_end_array(&w);
	json_add_key(&w, "yes");
	json_add_bool(&w, true);
	json_add_key(&w, "part");
	json_add_stringn(&w, "ab\0c", 4);
	json_end_object(&w);
	assert_string_equal(strbuf_cstr(&out),
		"{\"text\":\"a\\\"\\\\\\n\\t\\r\\u0001\\u007f\xc3\xbc\xef\xbf\xbd z\",\"none\":null,"
		"\"numbers\":[0,-17,9223372036854775807,-9223372036854775808,0.1,-2500,1.5e+300,null,null],"
		"\"empty\":[{},[]],\"yes\":true,\"part\":\"ab\\u0000c\"}");
	assert_int_equal(w.depth, 0);
	strbuf_release(&out);
}

static void json_is_written_for_people(void **state)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};

	(void)state;
	json_begin_object(&w);
	json_add_key(&w, "list");
	json_begin_array(&w);
	json_add_int(&w, 1);
	json_add_int(&w, 2);
	json_end_array(&w);
	json_add_key(&w, "empty");
	json_begin_object(&w);
	json_end_object(&w);
	json_end_object(&w);
	assert_string_equal(strbuf_cstr(&out), "{\n  \"list\": [\n    1,\n    2\n  ],\n  \"empty\": {}\n}");
	strbuf_release(&out);
}

static void any_bytes_written_can_be_read(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct strbuf out = {0};
		struct json_writer w = {.out = &out};
		struct json_value *root;
		struct orch_error err;
		char bytes[20];

		for (size_t i = 0; i < sizeof bytes; i++) {
			seed = seed * 1664525u + 1013904223u;
			/* NUL is valid JSON, but jansson takes it for an error */
			bytes[i] = (char)(seed >> 24 ? seed >> 24 : 1);
		}
		json_begin_array(&w);
		json_add_stringn(&w, bytes, sizeof bytes);
		json_end_array(&w);
		assert_int_equal(json_read(&root, out.data, out.len, &err), 0);
		json_value_free(root);
		strbuf_release(&out);
	}
}

static void json_is_read(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"i\":-5,\"d\":1.5,\"b\":true,\"a\":[1,\"two\",null],\"n\":null}";
	struct json_value *root;
	struct orch_error err;
	const struct json_value *array;

	(void)state;
	assert_int_equal(json_read(&root, text, sizeof text - 1, &err), 0);
	assert_string_equal(json_member_string(root, "s"), "x");
	assert_null(json_member_string(root, "i"));
	assert_null(json_member_string(root, "absent"));
	assert_int_equal(json_member_int(root, "i", 1), -5);
	assert_int_equal(json_member_int(root, "d", 1), 1);
	assert_true(json_member_double(root, "d", 0) == 1.5);
	assert_true(json_member_double(root, "i", 0) == -5);
	assert_true(json_member_bool(root, "b", false));
	assert_true(json_member_bool(root, "n", true));
	array = json_member(root, "a");
	assert_int_equal(json_item_count(array), 3);
	assert_string_equal(json_text(json_item(array, 1)), "two");
	assert_null(json_text(json_item(array, 0)));
	assert_null(json_item(array, 3));
	assert_int_equal(json_item_count(root), 0);
	assert_null(json_member(array, "s"));
	assert_null(json_member(NULL, "s"));
	assert_null(json_text(NULL));
	json_value_free(root);
	json_value_free(NULL);
}

static void bad_json_is_an_error(void **state)
{
	static const char *const bad[] = {
		"", "{", "{\"a\":1,}", "{} x", "{\"a\":1,\"a\":2}", "['a']", "[\"\xff\"]", "[01]", "[NaN]"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct json_value *root;
		struct orch_error err = {0};

		assert_int_equal(json_read(&root, bad[i], strlen(bad[i]), &err), -1);
		assert_null(root);
		assert_int_equal(err.code, ORCH_EFAILED);
		assert_non_null(strstr(err.message, "not JSON: line "));
		assert_int_equal(json_read(&root, bad[i], strlen(bad[i]), NULL), -1);
	}
}

/* --- regex --- */

static void patterns_match(void **state)
{
	struct regex *regex;
	struct orch_error err;
	size_t where, len;
	const char *value;
	static const char pattern[] = "cost=(?<cost>[0-9.]+)(?: in (?<unit>\\w+))?",
			  text[] = "\xff total cost=1.25 \xff";

	(void)state;
	assert_int_equal(regex_new(&regex, pattern, sizeof pattern - 1, &where, &err), 0);
	assert_true(regex_matches(regex, text, sizeof text - 1));
	assert_false(regex_matches(regex, "nothing", 7));
	assert_false(regex_matches(regex, "", 0));
	assert_true(regex_group(regex, text, sizeof text - 1, "cost", &value, &len));
	assert_int_equal(len, 4);
	assert_memory_equal(value, "1.25", 4);
	assert_false(regex_group(regex, text, sizeof text - 1, "unit", &value, &len));
	assert_false(regex_group(regex, text, sizeof text - 1, "absent", &value, &len));
	assert_false(regex_group(regex, "none", 4, "cost", &value, &len));
	regex_free(regex);
	regex_free(NULL);
}

/* the same with and without compiled code: what is no word, blank or digit may be beyond ASCII */
static void negated_escapes_match_every_character(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{"^\\W1",
			"\xe2\x9d\xaf"
			"1",
			true},
		{"^\\S{2}$", "\xc3\xa9\xe2\x82\xac", true},
		{"^\\D+$", "\xc3\xa9t\xc3\xa9", true},
		{"^\\W$", "a", false},
		{"^\\\\W$", "\\W", true},
		{"^\\\\[\\W]\\W[]\\W][^]\\D]$", "\\-\xc3\xa9]7", true},
		{"^[[:alpha:]\\W]{2}\\S$", "a\xc3\xa9\xc3\xa9", true},
		{"^\\Q\\W[\\E\\W$", "\\W[\xc3\xa9", true},
		{"^\\Q\\W", "\\W", true},
		{"[\\W", "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct regex *regex;
		size_t where;

		if (regex_new(&regex, cases[i].pattern, strlen(cases[i].pattern), &where, NULL) < 0) {
			assert_false(cases[i].matches);
			continue;
		}
		if (regex_matches(regex, cases[i].text, strlen(cases[i].text)) != cases[i].matches)
			fail_msg("%s and %s", cases[i].pattern, cases[i].text);
		regex_free(regex);
	}
}

static void bad_patterns_are_told(void **state)
{
	struct regex *regex;
	struct orch_error err;
	size_t where = 0;

	(void)state;
	assert_int_equal(regex_new(&regex, "ab(c", 4, &where, &err), -1);
	assert_null(regex);
	assert_int_equal(where, 4);
	assert_string_equal(err.message, "missing closing parenthesis");
}

static void patterns_cannot_hang(void **state)
{
	enum { LENGTH = 200000 };
	static const char slow[] = "^(a+)+$", deep[] = "^(?:a|b)*c$";
	char *text = xmalloc(LENGTH);
	struct regex *regex;
	struct orch_error err;
	size_t where;

	(void)state;
	memset(text, 'a', LENGTH);
	text[49] = '!';
	assert_int_equal(regex_new(&regex, slow, sizeof slow - 1, &where, &err), 0);
	assert_false(regex_matches(regex, text, 50));
	regex_free(regex);
	/* a long line needs more stack than compiled code has; it still matches */
	text[49] = 'a';
	text[4999] = 'c';
	assert_int_equal(regex_new(&regex, deep, sizeof deep - 1, &where, &err), 0);
	assert_true(regex_matches(regex, text, 5000));
	text[4999] = 'a';
	assert_false(regex_matches(regex, text, LENGTH));
	regex_free(regex);
	free(text);
}

/* --- error, log --- */

static void errors_are_filled(void **state)
{
	struct orch_error err = {0};
	char longer[3000];

	(void)state;
	assert_int_equal(error_set(&err, "no %s", "way"), -1);
	assert_int_equal(err.code, ORCH_EFAILED);
	assert_string_equal(err.message, "no way");
	assert_int_equal(error_prefix(&err, "%s", "Orchfile"), -1);
	assert_string_equal(err.message, "Orchfile: no way");
	assert_int_equal(error_code(&err, ORCH_EBUSY, "busy"), -1);
	error_prefix(&err, "run");
	assert_int_equal(err.code, ORCH_EBUSY);
	errno = ENOENT;
	assert_int_equal(error_errno(&err, "cannot open '%s'", "x"), -1);
	assert_string_equal(err.message, "cannot open 'x': No such file or directory");
	assert_int_equal(errno, ENOENT);
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	error_set(&err, "%s", longer);
	error_errno(&err, "%s", longer);
	error_prefix(&err, "%s", longer);
	assert_int_equal(strlen(err.message), ORCH_ERROR_MESSAGE_MAX - 1);
	assert_int_equal(error_set(NULL, "x"), -1);
	assert_int_equal(error_code(NULL, ORCH_EBUSY, "x"), -1);
	assert_int_equal(error_errno(NULL, "x"), -1);
	assert_int_equal(error_prefix(NULL, "x"), -1);
}

static void remember(enum log_level level, const char *message, void *data)
{
	strbuf_addf(data, "%d:%s;", (int)level, message);
}

static void log_goes_to_its_sink(void **state)
{
	struct strbuf said = {0};

	(void)state;
	log_warn("to nobody");
	log_set_sink(remember, &said, LOG_INFO);
	log_warn("disk %d%%", 99);
	log_info("fine");
	log_debug("too much");
	log_set_sink(NULL, NULL, LOG_DEBUG);
	log_warn("to nobody");
	assert_string_equal(strbuf_cstr(&said), "0:disk 99%;1:fine;");
	strbuf_release(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_gives_aligned_zeroed_memory),
		cmocka_unit_test(arena_goes_back_to_a_mark),
		cmocka_unit_test(array_grows),
		cmocka_unit_test(strings_are_copied),
		cmocka_unit_test(map_holds_many_keys),
		cmocka_unit_test(map_borrows_keys),
		cmocka_unit_test(digests_tell_things_apart),
		cmocka_unit_test(json_is_written),
		cmocka_unit_test(json_is_written_for_people),
		cmocka_unit_test(any_bytes_written_can_be_read),
		cmocka_unit_test(json_is_read),
		cmocka_unit_test(bad_json_is_an_error),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(negated_escapes_match_every_character),
		cmocka_unit_test(bad_patterns_are_told),
		cmocka_unit_test(patterns_cannot_hang),
		cmocka_unit_test(errors_are_filled),
		cmocka_unit_test(log_goes_to_its_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
