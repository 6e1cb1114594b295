#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "graph/project.h"
#include "state/fingerprint.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "state_scratch.h"
#include "util/strbuf.h"

static struct text text_of(const char *text)
{
	return (struct text){.bytes = text, .len = (uint32_t)strlen(text)};
}

static struct project project;

static uint64_t recipe_with(struct settings set, const char *run, const char *prompt)
{
	struct stream stream = {.name = "s", .set = &set};

	if (run)
		stream.run = text_of(run);
	if (prompt)
		stream.prompt = text_of(prompt);
	return fingerprint_recipe(&project, &stream);
}

static void test_recipe_counts_what_runs(void **state)
{
	static const char *const agents[] = {"claude", "codex"};
	static const struct env_entry env[] = {{"A", {"1", 1, false}}, {"B", {"2", 1, false}}};
	static const struct env_entry env_reversed[] = {{"B", {"2", 1, false}}, {"A", {"1", 1, false}}};
	struct settings plain = {0}, sets[12] = {0};
	uint64_t digests[12];

	(void)state;
	sets[1].check = text_of("make");
	sets[2].setup = text_of("make");
	sets[3].isolate = ISOLATE_WORKTREE;
	sets[4].isolate = ISOLATE_NONE;
	sets[5].env = env;
	sets[5].env_count = 1;
	sets[6].env = env;
	sets[6].env_count = 2;
	sets[7].unset = (struct words){agents, 1};
	sets[8].unset = (struct words){agents, 2};
	sets[9].dotenv = (struct words){agents, 1};
	sets[10].check = text_of("");
	sets[11].setup = text_of("");
	for (int i = 0; i < 12; i++) {
		digests[i] = recipe_with(sets[i], "make", NULL);
		for (int j = 0; j < i; j++)
			assert_true(digests[i] != digests[j]);
	}
	sets[0] = sets[6];
	sets[0].env = env_reversed;
	assert_true(recipe_with(sets[0], "make", NULL) == digests[6]);
	/* what does not change what runs */
	plain.timeout_ms = 5;
	plain.retries = 3;
	plain.priority = 4;
	plain.tags = (struct words){agents, 2};
	assert_true(recipe_with(plain, "make", NULL) == digests[0]);
	/* an agent counts only where there is a prompt for it */
	plain.agent = (struct words){agents, 1};
	assert_true(recipe_with(plain, "make", NULL) == recipe_with((struct settings){0}, "make", NULL));
	assert_true(recipe_with(plain, NULL, "make") != recipe_with((struct settings){0}, NULL, "make"));
	assert_true(recipe_with(plain, NULL, "make") != recipe_with(plain, "make", NULL));
}

static void test_shell_counts_for_scripts(void **state)
{
	struct settings set = {0};
	uint64_t run = recipe_with(set, "make", NULL), prompt = recipe_with(set, NULL, "make");

	(void)state;
	project.set.shell = "bash -e";
	assert_true(recipe_with(set, "make", NULL) != run);
	assert_true(recipe_with(set, NULL, "make") == prompt);
	project.set.shell = NULL;
}

static void test_prompt_file_counts_by_content(void **state)
{
	struct settings set = {.prompt_file = "p.md"};
	uint64_t absent = recipe_with(set, NULL, NULL), one, two;

	(void)state;
	scratch_write("p.md", "one");
	one = recipe_with(set, NULL, NULL);
	scratch_write("p.md", "two");
	two = recipe_with(set, NULL, NULL);
	assert_true(absent != one && one != two);
	scratch_write("other.md", "two");
	set.prompt_file = "other.md";
	assert_true(recipe_with(set, NULL, NULL) == two);
}

static void test_recipe_text(void **state)
{
	static const char *const agents[] = {"claude", "codex"};
	static const struct env_entry env[] = {{"A", {"1", 1, false}}, {"MY_TOKEN", {"hunter2", 7, false}}};
	struct settings set = {.agent = {agents, 2}, .env = env, .env_count = 2, .isolate = ISOLATE_WORKTREE};
	struct stream stream = {.name = "s", .set = &set, .prompt = text_of("do\nit")};
	struct strbuf out = {0};
	char *big;

	(void)state;
	set.check = text_of("true\n");
	project.set.shell = "sh -eu";
	fingerprint_recipe_text(&project, &stream, &out);
	assert_string_equal(out.data,
		"shell: sh -eu\nprompt:\ndo\nit\nagent: claude codex\ncheck:\ntrue\nisolate: worktree\nenv: A=1\nenv: MY_TOKEN=(hidden)\n");
	strbuf_release(&out);
	project.set.shell = NULL;
	big = calloc(1, 200001);
	assert_non_null(big);
	memset(big, 'p', 200000);
	stream.prompt = text_of(big);
	fingerprint_recipe_text(&project, &stream, &out);
	assert_true(out.len < 70000);
	assert_non_null(strstr(out.data, "(134464 bytes more, digest "));
	strbuf_release(&out);
	free(big);
}

static void age(const char *path)
{
	const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

struct opened {
	struct statedir dir;
	struct file_cache *cache;
};

static struct opened open_cache(void)
{
	struct opened opened;

	assert_int_equal(statedir_claim(&opened.dir, ".", NULL), 0);
	assert_int_equal(file_cache_open(&opened.cache, &opened.dir, NULL), 0);
	return opened;
}

static void close_cache(struct opened *opened)
{
	assert_int_equal(file_cache_save(opened->cache, NULL), 0);
	file_cache_close(opened->cache);
	statedir_release(&opened->dir);
}

static uint64_t digest_of(struct file_cache *cache, const char *path)
{
	uint64_t digest;

	assert_int_equal(file_cache_digest(cache, path, &digest, NULL), 0);
	return digest;
}

static void test_file_digest(void **state)
{
	struct opened opened = open_cache();
	struct orch_error err = {0};
	uint64_t one, digest;

	(void)state;
	assert_int_equal(file_cache_digest(opened.cache, "a", &digest, NULL), 1);
	scratch_write("a", "one");
	one = digest_of(opened.cache, "a");
	/* same size, same moment: the times prove nothing yet */
	scratch_write("a", "two");
	assert_true(digest_of(opened.cache, "a") != one);
	scratch_write("a", "one");
	assert_true(digest_of(opened.cache, "a") == one);
	assert_int_equal(symlink("a", "link"), 0);
	assert_true(digest_of(opened.cache, "link") == one);
	assert_int_equal(symlink("nowhere", "broken"), 0);
	assert_int_equal(file_cache_digest(opened.cache, "broken", &digest, NULL), 1);
	assert_int_equal(file_cache_digest(opened.cache, "a/b", &digest, NULL), 1);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_cache_digest(opened.cache, "fifo", &digest, &err), -1);
	close_cache(&opened);
}

static void test_saved_cache(void **state)
{
	struct opened opened = open_cache();
	char *cache_file;
	uint64_t one, digest;
	size_t len;

	(void)state;
	scratch_write("a", "one");
	one = digest_of(opened.cache, "a");
	close_cache(&opened);
	for (int round = 0; round < 3; round++) {
		opened = open_cache();
		assert_true(digest_of(opened.cache, "a") == one);
		close_cache(&opened);
	}
	cache_file = scratch_read(".orch/files", &len);
	for (size_t i = 0; i < len; i++) {
		cache_file[i] ^= 0x21;
		scratch_write_bytes(".orch/files", cache_file, len);
		cache_file[i] ^= 0x21;
		opened = open_cache();
		assert_true(digest_of(opened.cache, "a") == one);
		file_cache_close(opened.cache);
		statedir_release(&opened.dir);
	}
	free(cache_file);
	/* without a state directory nothing is written */
	assert_int_equal(mkdir("elsewhere", 0700), 0);
	assert_int_equal(statedir_open(&opened.dir, "elsewhere", NULL), 0);
	assert_int_equal(file_cache_open(&opened.cache, &opened.dir, NULL), 0);
	assert_int_equal(file_cache_digest(opened.cache, "a", &digest, NULL), 0);
	close_cache(&opened);
	assert_int_equal(access("elsewhere/.orch", F_OK), -1);
}

static void test_tree(void **state)
{
	struct opened opened = open_cache();
	uint64_t before, after, digest;
	char path[600] = "deep";

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(mkdir("d/e", 0700), 0);
	before = digest_of(opened.cache, "d");
	scratch_write("d/e/f", "x");
	after = digest_of(opened.cache, "d");
	assert_true(before != after);
	assert_true(after == digest_of(opened.cache, "d"));
	assert_int_equal(rename("d/e/f", "d/e/g"), 0);
	assert_true(digest_of(opened.cache, "d") != after);
	assert_int_equal(rename("d/e/g", "d/f"), 0);
	assert_true(digest_of(opened.cache, "d") != after);
	before = digest_of(opened.cache, "d");
	/* not part of it */
	assert_int_equal(mkdir("d/.git", 0700), 0);
	scratch_write("d/.git/x", "x");
	assert_true(digest_of(opened.cache, "d") == before);
	/* a circle, a broken link, a fifo */
	assert_int_equal(symlink("..", "d/e/up"), 0);
	assert_int_equal(symlink("nowhere", "d/broken"), 0);
	assert_int_equal(mkfifo("d/fifo", 0600), 0);
	assert_true(digest_of(opened.cache, "d") != before);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(mkdir(path, 0700), 0);
		strcat(path, "/x");
	}
	assert_int_equal(file_cache_digest(opened.cache, "deep", &digest, NULL), -1);
	close_cache(&opened);
}

static uint64_t inputs_of(struct file_cache *cache, const char *const *words, uint32_t count,
	struct stamp_detail *detail, const char **missing)
{
	struct settings set = {.inputs = {words, count}};
	struct stream stream = {.name = "s", .set = &set};
	uint64_t digest;

	assert_int_equal(fingerprint_inputs(cache, &stream, &digest, detail, missing, NULL), 0);
	return digest;
}

static void test_inputs(void **state)
{
	static const char *const words[] = {"*.c", "conf", "gone"};
	struct opened opened = open_cache();
	struct stamp_detail detail = {0};
	const char *missing = "x";
	uint64_t first;

	(void)state;
	assert_int_equal(inputs_of(opened.cache, NULL, 0, NULL, &missing), 0);
	assert_null(missing);
	assert_int_not_equal(inputs_of(opened.cache, words, 1, NULL, NULL), 0);
	scratch_write("a.c", "a");
	scratch_write("b.c", "b");
	scratch_write("conf", "c");
	age("a.c");
	first = inputs_of(opened.cache, words, 3, &detail, &missing);
	assert_ptr_equal(missing, words[2]);
	assert_int_equal(detail.part_count, 4);
	assert_string_equal(detail.parts[0].name, "a.c");
	assert_int_equal(detail.parts[0].kind, 'i');
	assert_string_equal(detail.parts[3].name, "gone");
	assert_int_equal(detail.parts[3].digest, 0);
	stamp_detail_release(&detail);
	assert_true(inputs_of(opened.cache, words, 3, NULL, NULL) == first);
	scratch_write("b.c", "B");
	assert_true(inputs_of(opened.cache, words, 3, NULL, NULL) != first);
	scratch_write("b.c", "b");
	assert_true(inputs_of(opened.cache, words, 3, NULL, NULL) == first);
	scratch_write("c.c", "");
	assert_true(inputs_of(opened.cache, words, 3, NULL, NULL) != first);
	assert_int_equal(unlink("c.c"), 0);
	scratch_write("gone", "");
	assert_true(inputs_of(opened.cache, words, 3, NULL, &missing) != first);
	assert_null(missing);
	close_cache(&opened);
}

static void test_outputs(void **state)
{
	static const char *const words[] = {"out/x", "*.o"};
	struct settings set = {.outputs = {words, 2}};
	struct stream stream = {.name = "s", .set = &set};
	struct opened opened = open_cache();
	struct stamp_detail detail = {0};
	uint64_t digest;

	(void)state;
	assert_string_equal(fingerprint_missing_output(&stream, NULL), "out/x");
	assert_int_equal(mkdir("out", 0700), 0);
	assert_int_equal(mkdir("out/x", 0700), 0);
	assert_string_equal(fingerprint_missing_output(&stream, NULL), "*.o");
	assert_string_equal(fingerprint_missing_output(&stream, "out"), "out/x");
	scratch_write("a.o", "");
	assert_null(fingerprint_missing_output(&stream, NULL));
	assert_int_equal(fingerprint_outputs(opened.cache, &stream, &digest, &detail, NULL), 0);
	assert_int_not_equal(digest, 0);
	assert_int_equal(detail.part_count, 2);
	assert_int_equal(detail.parts[1].kind, 'o');
	stamp_detail_release(&detail);
	set.outputs.count = 0;
	assert_int_equal(fingerprint_outputs(opened.cache, &stream, &digest, NULL, NULL), 0);
	assert_int_equal(digest, 0);
	assert_null(fingerprint_missing_output(&stream, NULL));
	close_cache(&opened);
}

static void test_dep(void **state)
{
	(void)state;
	assert_true(fingerprint_dep("a", 1) != fingerprint_dep("a", 2));
	assert_true(fingerprint_dep("a", 1) != fingerprint_dep("b", 1));
	assert_true(
		fingerprint_dep("a", 1) + fingerprint_dep("b", 2) != fingerprint_dep("a", 2) + fingerprint_dep("b", 1));
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipe_counts_what_runs),
		cmocka_unit_test(test_shell_counts_for_scripts),
		SCRATCH_TEST(test_prompt_file_counts_by_content),
		cmocka_unit_test(test_recipe_text),
		SCRATCH_TEST(test_file_digest),
		SCRATCH_TEST(test_saved_cache),
		SCRATCH_TEST(test_tree),
		SCRATCH_TEST(test_inputs),
		SCRATCH_TEST(test_outputs),
		cmocka_unit_test(test_dep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
