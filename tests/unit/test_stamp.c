#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "state/stamp.h"
#include "state/statedir.h"
#include "state_scratch.h"
#include "util/alloc.h"
#include "util/strbuf.h"

static struct stamp_detail make_detail(uint64_t recipe)
{
	struct stamp_detail detail = {
		.stamp = {.recipe = recipe,
			.inputs = 2,
			.deps = 3,
			.result = UINT64_MAX,
			.finished_ms = 1795239421123,
			.duration_ms = 4000000000u,
			.present = true},
		.run = xstrdup("20261121-053701"),
		.attempt = 2,
		.recipe_text = xstrdup("run:\n\tmake\n\n"),
	};

	stamp_detail_add(&detail, 'i', 5, "src/a b.c");
	stamp_detail_add(&detail, 'i', 6, "odd\nname\\x \xff\xc3\xa9 \x01");
	stamp_detail_add(&detail, 'v', 7, "key=value");
	stamp_detail_add(&detail, 'd', 0, "");
	return detail;
}

static void assert_same(const struct stamp_detail *a, const struct stamp_detail *b)
{
	assert_int_equal(a->stamp.recipe, b->stamp.recipe);
	assert_int_equal(a->stamp.inputs, b->stamp.inputs);
	assert_int_equal(a->stamp.deps, b->stamp.deps);
	assert_true(a->stamp.result == b->stamp.result);
	assert_int_equal(a->stamp.finished_ms, b->stamp.finished_ms);
	assert_int_equal(a->stamp.duration_ms, b->stamp.duration_ms);
	assert_true(a->stamp.present && b->stamp.present);
	assert_string_equal(a->run, b->run);
	assert_int_equal(a->attempt, b->attempt);
	assert_string_equal(a->recipe_text, b->recipe_text);
	assert_int_equal(a->part_count, b->part_count);
	for (size_t i = 0; i < a->part_count; i++) {
		assert_int_equal(a->parts[i].kind, b->parts[i].kind);
		assert_int_equal(a->parts[i].digest, b->parts[i].digest);
		assert_string_equal(a->parts[i].name, b->parts[i].name);
	}
}

static void test_text_comes_back(void **state)
{
	struct stamp_detail detail = make_detail(1), back;
	struct strbuf text = {0};

	(void)state;
	stamp_write(&text, "a", &detail);
	assert_non_null(strstr(text.data, "orch-stamp 1\nstream a\nrun 20261121-053701\nattempt 2\nfinished 2026-"));
	assert_non_null(strstr(text.data, "\npart i 0000000000000006 odd\\nname\\\\x \\xff\xc3\xa9 \\x01\n"));
	assert_non_null(strstr(text.data, "\nrecipe-text\n| run:\n| \tmake\n| \n| \nend "));
	assert_int_equal(stamp_parse(&back, text.data, text.len), 0);
	assert_same(&detail, &back);
	stamp_detail_release(&back);
	stamp_detail_release(&detail);
	strbuf_release(&text);
	detail = (struct stamp_detail){.stamp = {.present = true}};
	stamp_write(&text, "b", &detail);
	assert_int_equal(stamp_parse(&back, text.data, text.len), 0);
	assert_null(back.run);
	assert_null(back.recipe_text);
	assert_int_equal(back.part_count, 0);
	stamp_detail_release(&back);
	strbuf_release(&text);
}

static void test_every_damage_is_no_stamp(void **state)
{
	struct stamp_detail detail = make_detail(1), back;
	struct strbuf text = {0};

	(void)state;
	stamp_write(&text, "a", &detail);
	for (size_t len = 0; len < text.len; len++) {
		char *cut = malloc(len + 1); /* its own block, so that reading past it is seen */

		assert_non_null(cut);
		memcpy(cut, text.data, len);
		assert_int_equal(stamp_parse(&back, cut, len), -1);
		free(cut);
	}
	for (size_t i = 0; i < text.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			text.data[i] = (char)(text.data[i] ^ 1 << bit);
			assert_int_equal(stamp_parse(&back, text.data, text.len), -1);
			text.data[i] = (char)(text.data[i] ^ 1 << bit);
		}
	}
	strbuf_addch(&text, '\n');
	assert_int_equal(stamp_parse(&back, text.data, text.len), -1);
	stamp_detail_release(&detail);
	strbuf_release(&text);
}

/* a store borrows its directory, which therefore stays where it is */
static struct statedir claimed;

struct opened {
	struct stamp_store *store;
};

static struct opened open_store(void)
{
	struct opened opened;

	assert_int_equal(statedir_claim(&claimed, ".", NULL), 0);
	assert_int_equal(stamp_store_open(&opened.store, &claimed, NULL), 0);
	return opened;
}

static void close_store(struct opened *opened)
{
	stamp_store_close(opened->store);
	statedir_release(&claimed);
}

static void put(struct stamp_store *store, const char *stream, uint64_t recipe)
{
	struct stamp_detail detail = make_detail(recipe);
	struct orch_error err;

	if (stamp_store_put(store, stream, &detail, &err) < 0)
		fail_msg("%s", err.message);
	stamp_detail_release(&detail);
}

static uint64_t recipe_of(struct stamp_store *store, const char *stream)
{
	struct stamp stamp;

	if (!stamp_store_get(store, stream, &stamp)) {
		assert_false(stamp.present);
		return 0;
	}
	assert_true(stamp.present);
	return stamp.recipe;
}

static void test_store(void **state)
{
	struct opened opened = open_store();
	struct stamp_detail detail, expected = make_detail(11);
	struct orch_error err = {0};

	(void)state;
	assert_int_equal(recipe_of(opened.store, "a"), 0);
	put(opened.store, "a", 10);
	put(opened.store, "a", 11);
	put(opened.store, "b", 12);
	assert_int_equal(recipe_of(opened.store, "a"), 11);
	close_store(&opened);
	/* not synced: read from the files */
	assert_int_equal(access(".orch/stamps.index", F_OK), -1);
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "a"), 11);
	assert_int_equal(recipe_of(opened.store, "b"), 12);
	assert_int_equal(stamp_store_read(opened.store, "a", &detail, NULL), 0);
	assert_same(&detail, &expected);
	stamp_detail_release(&detail);
	stamp_detail_release(&expected);
	assert_int_equal(stamp_store_remove(opened.store, "b", NULL), 0);
	assert_int_equal(stamp_store_remove(opened.store, "c", NULL), 0);
	assert_int_equal(recipe_of(opened.store, "b"), 0);
	assert_int_equal(stamp_store_read(opened.store, "b", &detail, &err), -1);
	assert_int_equal(err.code, ORCH_ENOTFOUND);
	assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	close_store(&opened);
	assert_int_equal(access(".orch/stamps.index", F_OK), 0);
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "a"), 11);
	assert_int_equal(recipe_of(opened.store, "b"), 0);
	close_store(&opened);
}

static void test_names(void **state)
{
	struct opened opened = open_store();
	struct stamp_detail detail = make_detail(1), none;

	(void)state;
	assert_int_equal(stamp_store_put(opened.store, "../a", &detail, NULL), -1);
	assert_int_equal(stamp_store_put(opened.store, ".a", &detail, NULL), -1);
	assert_int_equal(stamp_store_put(opened.store, "", &detail, NULL), -1);
	assert_int_equal(stamp_store_remove(opened.store, "../format", NULL), -1);
	assert_int_equal(stamp_store_read(opened.store, "../format", &none, NULL), -1);
	assert_int_equal(access(".orch/format", F_OK), 0);
	stamp_detail_release(&detail);
	close_store(&opened);
}

static void test_missing_directory_is_empty(void **state)
{
	struct statedir dir;
	struct stamp_store *store;
	struct stamp_detail detail = make_detail(1);

	(void)state;
	assert_int_equal(statedir_open(&dir, ".", NULL), 0);
	assert_int_equal(stamp_store_open(&store, &dir, NULL), 0);
	assert_int_equal(recipe_of(store, "a"), 0);
	assert_int_equal(stamp_store_sync(store, NULL), 0);
	assert_int_equal(stamp_store_put(store, "a", &detail, NULL), -1);
	stamp_detail_release(&detail);
	stamp_store_close(store);
	stamp_store_close(NULL);
	statedir_release(&dir);
	assert_int_equal(access(".orch", F_OK), -1);
}

static void test_a_person_changes_stamps(void **state)
{
	struct opened opened = open_store();
	char *text;
	size_t len;

	(void)state;
	put(opened.store, "a", 1);
	put(opened.store, "b", 2);
	put(opened.store, "c", 3);
	assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	close_store(&opened);
	assert_int_equal(unlink(".orch/stamps/a"), 0);
	/* another one in its place, a copy of it under another name, and a damaged one */
	text = scratch_read(".orch/stamps/b", &len);
	scratch_write_bytes(".orch/stamps/new", text, len);
	scratch_write_bytes(".orch/stamps/copy", text, len);
	text[len / 2] ^= 1;
	scratch_write_bytes(".orch/stamps/bad", text, len);
	free(text);
	assert_int_equal(rename(".orch/stamps/new", ".orch/stamps/b"), 0);
	assert_int_equal(rename(".orch/stamps/bad", ".orch/stamps/c"), 0);
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "a"), 0);
	assert_int_equal(recipe_of(opened.store, "b"), 2);
	assert_int_equal(recipe_of(opened.store, "c"), 0);
	assert_int_equal(recipe_of(opened.store, "copy"), 0);
	put(opened.store, "c", 4);
	assert_int_equal(recipe_of(opened.store, "c"), 4);
	close_store(&opened);
}

static void test_leftover_temporaries_go(void **state)
{
	struct opened opened = open_store();

	(void)state;
	close_store(&opened);
	scratch_write(".orch/stamps/.tmp.1.0", "torn");
	opened = open_store();
	put(opened.store, "a", 1);
	assert_int_equal(access(".orch/stamps/.tmp.1.0", F_OK), -1);
	close_store(&opened);
}

static void fill(struct stamp_store *store, unsigned count)
{
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof name, "stream-%u", i);
		put(store, name, i + 1);
	}
}

static void assert_filled(struct stamp_store *store, unsigned count)
{
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof name, "stream-%u", i);
		assert_int_equal(recipe_of(store, name), i + 1);
	}
}

static void test_index_damaged_anywhere(void **state)
{
	struct opened opened = open_store();
	char *index;
	size_t len;

	(void)state;
	fill(opened.store, 3);
	assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	close_store(&opened);
	index = scratch_read(".orch/stamps.index", &len);
	assert_int_equal(len, 4 * 64);
	for (size_t i = 0; i < len; i++) {
		index[i] ^= 0x11;
		scratch_write_bytes(".orch/stamps.index", index, len);
		index[i] ^= 0x11;
		opened = open_store();
		assert_filled(opened.store, 3);
		close_store(&opened);
		scratch_write_bytes(".orch/stamps.index", index, i);
		opened = open_store();
		assert_filled(opened.store, 3);
		close_store(&opened);
	}
	free(index);
}

static void test_index_is_made_again(void **state)
{
	struct opened opened = open_store();
	struct stat before, after;

	(void)state;
	fill(opened.store, 200);
	assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	assert_filled(opened.store, 200);
	close_store(&opened);
	assert_int_equal(stat(".orch/stamps.index", &before), 0);
	opened = open_store();
	assert_filled(opened.store, 200);
	assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	close_store(&opened);
	assert_int_equal(stat(".orch/stamps.index", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(unlink(".orch/stamps.index"), 0);
	opened = open_store();
	assert_filled(opened.store, 200);
	assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	close_store(&opened);
	assert_int_equal(stat(".orch/stamps.index", &after), 0);
	/* the index alone is enough: what the files say is not looked at while their inodes are the same */
	scratch_write(".orch/stamps/stream-5", "x");
	opened = open_store();
	assert_filled(opened.store, 200);
	close_store(&opened);
}

static void test_a_change_discards_the_index(void **state)
{
	struct opened opened = open_store();

	(void)state;
	fill(opened.store, 3);
	assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	put(opened.store, "stream-1", 50);
	/* as after a crash: there must be no index that could take the new file for the old one */
	assert_int_equal(access(".orch/stamps.index", F_OK), -1);
	close_store(&opened);
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "stream-1"), 50);
	close_store(&opened);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_comes_back),
		cmocka_unit_test(test_every_damage_is_no_stamp),
		SCRATCH_TEST(test_store),
		SCRATCH_TEST(test_names),
		SCRATCH_TEST(test_missing_directory_is_empty),
		SCRATCH_TEST(test_a_person_changes_stamps),
		SCRATCH_TEST(test_leftover_temporaries_go),
		SCRATCH_TEST(test_index_damaged_anywhere),
		SCRATCH_TEST(test_index_is_made_again),
		SCRATCH_TEST(test_a_change_discards_the_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
