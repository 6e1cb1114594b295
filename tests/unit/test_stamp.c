#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
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

/* --- the pack --- */

#define PACK ".orch/stamps/_pack"

enum { OWN_FILES = 64, PACKED = 136, MANY = OWN_FILES + PACKED };

static void put_quick(struct stamp_store *store, const char *stream, uint64_t recipe)
{
	struct stamp_detail detail = make_detail(recipe);
	struct orch_error err;

	detail.stamp.duration_ms = 3;
	if (stamp_store_put(store, stream, &detail, &err) < 0)
		fail_msg("%s", err.message);
	stamp_detail_release(&detail);
}

static void fill_quick(struct stamp_store *store, unsigned count, uint64_t first_recipe)
{
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof name, "stream-%u", i);
		put_quick(store, name, first_recipe + i);
	}
}

static unsigned count_of(struct stamp_store *store, unsigned count)
{
	unsigned there = 0;
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		uint64_t recipe;

		snprintf(name, sizeof name, "stream-%u", i);
		recipe = recipe_of(store, name);
		if (recipe != 0)
			assert_int_equal(recipe, i + 1);
		there += recipe != 0;
	}
	return there;
}

static size_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (size_t)st.st_size;
}

/* a store of MANY stamps, closed, with its index or as a crash leaves it */
static void make_many(bool sync)
{
	struct opened opened = open_store();

	fill_quick(opened.store, MANY, 1);
	if (sync)
		assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	close_store(&opened);
	assert_int_equal(access(".orch/stamps.index", F_OK), sync ? 0 : -1);
}

static void test_many_short_ones_share_a_file(void **state)
{
	struct stamp_detail detail, expected = make_detail(100);
	struct opened opened;

	(void)state;
	expected.stamp.duration_ms = 3;
	for (int sync = 0; sync < 2; sync++) {
		make_many(sync);
		assert_int_equal(access(".orch/stamps/stream-63", F_OK), 0);
		assert_int_equal(access(".orch/stamps/stream-64", F_OK), -1);
		opened = open_store();
		assert_filled(opened.store, MANY);
		assert_int_equal(stamp_store_read(opened.store, "stream-99", &detail, NULL), 0);
		assert_same(&detail, &expected);
		stamp_detail_release(&detail);
		close_store(&opened);
		scratch_teardown(state);
		scratch_setup(state);
	}
	stamp_detail_release(&expected);
	/* one that takes long has a file of its own */
	opened = open_store();
	fill_quick(opened.store, MANY, 1);
	put(opened.store, "long", 5);
	close_store(&opened);
	assert_int_equal(access(".orch/stamps/long", F_OK), 0);
}

/* in the pack or out of it: a stream has one stamp, the last one, or none */
static void test_packed_ones_change(void **state)
{
	for (int sync = 0; sync < 2; sync++) {
		struct opened opened;

		make_many(true);
		opened = open_store();
		put_quick(opened.store, "stream-100", 1000);
		assert_int_equal(access(".orch/stamps/stream-100", F_OK), -1);
		assert_int_equal(recipe_of(opened.store, "stream-100"), 1000);
		assert_int_equal(stamp_store_remove(opened.store, "stream-101", NULL), 0);
		assert_int_equal(recipe_of(opened.store, "stream-101"), 0);
		assert_int_equal(stamp_store_remove(opened.store, "stream-102", NULL), 0);
		put_quick(opened.store, "stream-102", 1002);
		assert_int_equal(access(".orch/stamps/stream-102", F_OK), 0);
		assert_int_equal(stamp_store_remove(opened.store, "stream-103", NULL), 0);
		put_quick(opened.store, "stream-103", 1003);
		assert_int_equal(stamp_store_remove(opened.store, "stream-103", NULL), 0);
		if (sync)
			assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
		close_store(&opened);
		opened = open_store();
		assert_int_equal(recipe_of(opened.store, "stream-99"), 100);
		assert_int_equal(recipe_of(opened.store, "stream-100"), 1000);
		assert_int_equal(recipe_of(opened.store, "stream-101"), 0);
		assert_int_equal(recipe_of(opened.store, "stream-102"), 1002);
		assert_int_equal(recipe_of(opened.store, "stream-103"), 0);
		close_store(&opened);
		scratch_teardown(state);
		scratch_setup(state);
	}
}

static void test_a_long_one_leaves_the_pack(void **state)
{
	struct stamp_detail detail = make_detail(1000);
	struct opened opened;

	(void)state;
	make_many(true);
	for (int i = 0; i < 5000; i++)
		stamp_detail_add(&detail, 'i', 1, "some/input/of/it");
	opened = open_store();
	assert_int_equal(stamp_store_put(opened.store, "stream-100", &detail, NULL), 0);
	close_store(&opened);
	assert_int_equal(access(".orch/stamps/stream-100", F_OK), 0);
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "stream-100"), 1000);
	assert_int_equal(stamp_store_remove(opened.store, "stream-100", NULL), 0);
	close_store(&opened);
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "stream-100"), 0);
	close_store(&opened);
	stamp_detail_release(&detail);
}

static void test_pack_damaged_anywhere(void **state)
{
	struct opened opened;
	char *pack;
	size_t len;

	(void)state;
	make_many(false);
	pack = scratch_read(PACK, &len);
	for (size_t i = 0; i < len; i += 1 + len / 100) {
		unsigned whole;

		/* a byte: one stamp at most is lost */
		pack[i] ^= 0x11;
		scratch_write_bytes(PACK, pack, len);
		pack[i] ^= 0x11;
		opened = open_store();
		assert_int_equal(count_of(opened.store, MANY), MANY - 1);
		close_store(&opened);
		/* the rest of it: the others stay, and what is put then is not lost in what is torn */
		scratch_write_bytes(PACK, pack, i);
		opened = open_store();
		whole = count_of(opened.store, MANY);
		assert_true(whole >= OWN_FILES && whole < MANY);
		fill_quick(opened.store, MANY, 1);
		close_store(&opened);
		opened = open_store();
		assert_filled(opened.store, MANY);
		close_store(&opened);
		/* as a power cut may leave it */
		memset(pack + i, 0, len - i);
		scratch_write_bytes(PACK, pack, len);
		for (unsigned n = OWN_FILES; n < MANY; n++) {
			char path[64];

			snprintf(path, sizeof path, ".orch/stamps/stream-%u", n);
			(void)unlink(path);
		}
		opened = open_store();
		assert_int_equal(count_of(opened.store, MANY), whole);
		close_store(&opened);
		free(pack);
		scratch_teardown(state);
		scratch_setup(state);
		make_many(false);
		pack = scratch_read(PACK, &len);
	}
	free(pack);
}

static size_t place_in(const char *text, const char *part)
{
	const char *at = strstr(text, part);

	assert_non_null(at);
	return (size_t)(at - text);
}

static void test_a_person_changes_the_pack(void **state)
{
	struct opened opened;
	size_t len, from, to;
	char *pack;

	(void)state;
	make_many(true);
	pack = scratch_read(PACK, &len);
	/* one is cut out: the index, which has it, is of another file */
	from = place_in(pack, "orch-stamp 1\nstream stream-100\n");
	to = place_in(pack, "orch-stamp 1\nstream stream-101\n");
	memmove(pack + from, pack + to, len - to);
	scratch_write_bytes(PACK, pack, len - (to - from));
	free(pack);
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "stream-100"), 0);
	assert_int_equal(count_of(opened.store, MANY), MANY - 1);
	close_store(&opened);
	/* its own file does not hide what the pack has, which it could not take with it when it goes */
	pack = scratch_read(".orch/stamps/stream-1", &len);
	scratch_write_bytes(".orch/stamps/stream-101", pack, len);
	free(pack);
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "stream-101"), 102);
	assert_int_equal(stamp_store_remove(opened.store, "stream-101", NULL), 0);
	assert_int_equal(access(".orch/stamps/stream-101", F_OK), -1);
	close_store(&opened);
	/* all of them gone */
	assert_int_equal(unlink(PACK), 0);
	opened = open_store();
	assert_int_equal(count_of(opened.store, MANY), OWN_FILES);
	close_store(&opened);
	/* no stream has that name */
	opened = open_store();
	assert_int_equal(recipe_of(opened.store, "_pack"), 0);
	assert_int_equal(stamp_store_remove(opened.store, "_pack", NULL), -1);
	close_store(&opened);
	/* what is no file is no pack, and is said */
	assert_int_equal(mkdir(PACK, 0700), 0);
	assert_int_equal(statedir_claim(&claimed, ".", NULL), 0);
	assert_int_equal(stamp_store_open(&opened.store, &claimed, NULL), -1);
	statedir_release(&claimed);
}

static void test_a_pack_of_leftovers_is_written_anew(void **state)
{
	struct stamp_detail detail, expected = make_detail(100);
	struct opened opened;
	size_t once;

	(void)state;
	expected.stamp.duration_ms = 3;
	make_many(true);
	once = size_of(PACK);
	for (int round = 0; round < 6; round++) {
		opened = open_store();
		for (unsigned i = OWN_FILES; i < MANY; i++) {
			char name[32];

			snprintf(name, sizeof name, "stream-%u", i);
			put_quick(opened.store, name, i + 1);
		}
		assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
		assert_filled(opened.store, MANY);
		assert_int_equal(stamp_store_read(opened.store, "stream-99", &detail, NULL), 0);
		assert_same(&detail, &expected);
		stamp_detail_release(&detail);
		close_store(&opened);
		assert_true(size_of(PACK) <= 3 * once + 64 * 1024);
		opened = open_store();
		assert_filled(opened.store, MANY);
		close_store(&opened);
	}
	assert_true(size_of(PACK) < 4 * once);
	stamp_detail_release(&expected);
	opened = open_store();
	for (unsigned i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof name, "stream-%u", i);
		assert_int_equal(stamp_store_remove(opened.store, name, NULL), 0);
	}
	assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
	close_store(&opened);
	assert_int_equal(access(PACK, F_OK), -1);
	opened = open_store();
	assert_int_equal(count_of(opened.store, MANY), 0);
	fill_quick(opened.store, MANY, 1);
	close_store(&opened);
	opened = open_store();
	assert_filled(opened.store, MANY);
	close_store(&opened);
}

/* whatever is put and removed, synced or cut short, with its index or without: what was last said of a stream holds */
static void test_any_order_of_changes(void **state)
{
	enum { STREAMS = 150, CHANGES = 6000 };
	uint64_t expected[STREAMS] = {0}, next = 1;
	struct opened opened = open_store();
	unsigned random = 1;

	(void)state;
	for (int change = 0; change < CHANGES; change++) {
		unsigned stream, what;
		char name[32];

		random = random * 1103515245u + 12345u;
		stream = random / 65536u % STREAMS;
		random = random * 1103515245u + 12345u;
		what = random / 65536u % 200;
		snprintf(name, sizeof name, "stream-%u", stream);
		if (what < 130) {
			expected[stream] = next;
			(what < 120 ? put_quick : put)(opened.store, name, next++);
		} else if (what < 196) {
			expected[stream] = 0;
			assert_int_equal(stamp_store_remove(opened.store, name, NULL), 0);
		} else {
			if (what < 198)
				assert_int_equal(stamp_store_sync(opened.store, NULL), 0);
			close_store(&opened);
			opened = open_store();
			for (unsigned i = 0; i < STREAMS; i++) {
				snprintf(name, sizeof name, "stream-%u", i);
				if (recipe_of(opened.store, name) != expected[i])
					fail_msg("%s after %d changes", name, change);
			}
		}
	}
	close_store(&opened);
}

/* a disk that is full in the middle of a stamp */
static void test_half_a_stamp_is_taken_back(void **state)
{
	struct stamp_detail detail = make_detail(1);
	struct rlimit old, small;
	struct opened opened;

	(void)state;
	make_many(true);
	detail.stamp.duration_ms = 3;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = size_of(PACK) + 100;
	opened = open_store();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(stamp_store_put(opened.store, "stream-100", &detail, NULL), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(recipe_of(opened.store, "stream-100"), 101);
	put_quick(opened.store, "stream-101", 102);
	close_store(&opened);
	opened = open_store();
	assert_filled(opened.store, MANY);
	close_store(&opened);
	stamp_detail_release(&detail);
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
		SCRATCH_TEST(test_many_short_ones_share_a_file),
		SCRATCH_TEST(test_packed_ones_change),
		SCRATCH_TEST(test_a_long_one_leaves_the_pack),
		SCRATCH_TEST(test_pack_damaged_anywhere),
		SCRATCH_TEST(test_a_person_changes_the_pack),
		SCRATCH_TEST(test_a_pack_of_leftovers_is_written_anew),
		SCRATCH_TEST(test_half_a_stamp_is_taken_back),
		SCRATCH_TEST(test_any_order_of_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
