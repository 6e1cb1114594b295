#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "lib/unprivileged.h"
#include "os/glob.h"
#include "util/strbuf.h"
#include "util/strvec.h"

static char scratch[64];

static int setup(void **state)
{
	static const char *const files[] = {"a.c", "b.h", ".hidden.c", "src/x.c", "src/y.h", "src/deep/z.c",
		"src/deep/er/w.c", ".git/config.c", ".orch/log.c", "src/.git/q.c", "other/src/v.c", "[odd]"};

	(void)state;
	strcpy(scratch, "/tmp/test-glob-XXXXXX");
	if (!mkdtemp(scratch) || chdir(scratch) != 0)
		return -1;
	if (fs_mkdirs("src/deep/er", 0755, NULL) || fs_mkdirs(".git", 0755, NULL) || fs_mkdirs(".orch", 0755, NULL) ||
		fs_mkdirs("src/.git", 0755, NULL) || fs_mkdirs("other/src", 0755, NULL))
		return -1;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (fs_replace(AT_FDCWD, files[i], "", 0, false, NULL) != 0)
			return -1;
	}
	/* round and round */
	return symlink("..", "src/up") != 0 || symlink("src", "link") != 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return chdir("/") == 0 ? fs_remove_tree(scratch, NULL) : -1;
}

static void expect(const char *dir, const char *pattern, const char *expected)
{
	struct strvec found = {0};
	struct strbuf text = {0};
	struct orch_error err;

	strvec_push(&found, "first");
	assert_int_equal(glob_files(dir, pattern, &found, &err), 0);
	for (size_t i = 1; i < found.count; i++)
		strbuf_addf(&text, "%s%s", i > 1 ? " " : "", found.items[i]);
	assert_string_equal(found.items[0], "first");
	assert_string_equal(strbuf_cstr(&text), expected);
	strbuf_release(&text);
	strvec_release(&found);
}

static void matches_parts(void **state)
{
	(void)state;
	expect(NULL, "*.c", "a.c");
	expect(NULL, ".*.c", ".hidden.c");
	expect(NULL, "[ab].?", "a.c b.h");
	expect(NULL, "src/*.[ch]", "src/x.c src/y.h");
	expect(NULL, "*/x.c", "link/x.c src/x.c");
	expect(NULL, "absent/*.c", "");
	expect(NULL, "*.zip", "");
	expect("src", "*.c", "x.c");
	expect(scratch, "src/*.c", "src/x.c");
}

static void takes_plain_names(void **state)
{
	(void)state;
	expect(NULL, "a.c", "a.c");
	expect(NULL, "src", "src");
	expect(NULL, "src/", "src");
	expect(NULL, "./a.c", "./a.c");
	expect("src", "../a.c", "../a.c");
	expect(NULL, "absent", "");
	expect(NULL, "a.c/x", "");
	expect(NULL, "", "");
	expect(NULL, ".git/config.c", ".git/config.c");
}

static void goes_deep(void **state)
{
	(void)state;
	expect(NULL, "**/*.c", "a.c other/src/v.c src/deep/er/w.c src/deep/z.c src/x.c");
	expect(NULL, "src/**", "src/deep/er/w.c src/deep/z.c src/x.c src/y.h");
	expect(NULL, "src/**/*.c", "src/deep/er/w.c src/deep/z.c src/x.c");
	expect(NULL, "**/src/*.c", "other/src/v.c src/x.c");
	expect(NULL, "**/**/z.c", "src/deep/z.c");
	expect(NULL, "**/deep/**/*.c", "src/deep/er/w.c src/deep/z.c");
	expect("src/deep", "**", "er/w.c z.c");
	/* a link that is named is followed, those met on the way are not */
	expect(NULL, "link/**/*.h", "link/y.h");
	/* nor is one that leads back, where a double star could go round and round */
	expect(NULL, "**/up/a.c", "");
	expect(NULL, "src/*/a.c", "src/up/a.c");
}

static void works_with_absolute_paths(void **state)
{
	char *pattern, *expected;

	(void)state;
	assert_true(asprintf(&pattern, "%s/src/*.c", scratch) > 0);
	assert_true(asprintf(&expected, "%s/src/x.c", scratch) > 0);
	expect("/usr", pattern, expected);
	free(pattern);
	free(expected);
}

static void refuses_endless_patterns(void **state)
{
	struct strvec found = {0};
	struct strbuf pattern = {0};
	struct orch_error err;

	(void)state;
	for (int i = 0; i < 100; i++)
		strbuf_addstr(&pattern, "*/");
	assert_int_equal(glob_files(NULL, strbuf_cstr(&pattern), &found, &err), -1);
	assert_int_equal(found.count, 0);
	strbuf_truncate(&pattern, 0);
	/* as many ways to match as there are: still one visit each */
	for (int i = 0; i < 30; i++)
		strbuf_addstr(&pattern, "**/*/");
	strbuf_addstr(&pattern, "x");
	assert_int_equal(glob_files(NULL, strbuf_cstr(&pattern), &found, &err), 0);
	strbuf_release(&pattern);
	strvec_release(&found);
}

static void reports_what_cannot_be_read(void **state)
{
	struct strvec found = {0};
	struct orch_error err;

	(void)state;
	unprivileged_begin();
	assert_int_equal(mkdir("closed", 0), 0);
	assert_int_equal(glob_files(NULL, "closed/*", &found, &err), -1);
	unprivileged_end();
	assert_non_null(strstr(err.message, "closed"));
	strvec_release(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_parts),
		cmocka_unit_test(takes_plain_names),
		cmocka_unit_test(goes_deep),
		cmocka_unit_test(works_with_absolute_paths),
		cmocka_unit_test(refuses_endless_patterns),
		cmocka_unit_test(reports_what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
