#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/open_files.h"
#include "lib/unprivileged.h"

static char scratch[64];

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/test-fs-XXXXXX");
	return mkdtemp(scratch) && chdir(scratch) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return chdir("/") == 0 ? fs_remove_tree(scratch, NULL) : -1;
}

static void put(const char *name, const char *text)
{
	assert_int_equal(fs_replace(AT_FDCWD, name, text, strlen(text), false, NULL), 0);
}

static void reads_whole_files(void **state)
{
	struct orch_error err;
	char *text;
	size_t len;

	(void)state;
	put("a", "hello");
	assert_int_equal(fs_read("a", 0, &text, &len, &err), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(text, "hello\0\0", 7);
	free(text);
	put("empty", "");
	assert_int_equal(fs_read("empty", 10, &text, &len, &err), 0);
	assert_int_equal(len, 0);
	assert_memory_equal(text, "\0\0", 2);
	free(text);
	assert_int_equal(fs_read("a", 5, &text, &len, &err), 0);
	free(text);
	assert_int_equal(fs_read("a", 4, &text, &len, &err), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(fs_read(".", 0, &text, &len, &err), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(fs_read("absent", 0, &text, &len, &err), -1);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(err.message, "'absent'"));
}

static void reads_pipes(void **state)
{
	char *text;
	size_t len;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fs_write_all(ends[1], "through", 7), 0);
	close(ends[1]);
	assert_int_equal(fs_read_fd(ends[0], "pipe", 0, &text, &len, NULL), 0);
	assert_string_equal(text, "through");
	close(ends[0]);
	free(text);
}

static void replaces(void **state)
{
	struct orch_error err;
	struct stat st;
	char *text;
	size_t len;
	char name[256];

	(void)state;
	put("r", "one");
	assert_int_equal(fs_replace(AT_FDCWD, "r", "two!", 4, true, &err), 0);
	assert_int_equal(fs_read("r", 0, &text, &len, NULL), 0);
	assert_string_equal(text, "two!");
	free(text);
	assert_int_equal(stat("r", &st), 0);
	assert_int_equal(st.st_mode & 0077, 0);
	/* a name as long as names can be */
	memset(name, 'x', 255);
	name[255] = '\0';
	put(name, "long");
	assert_true(fs_exists(name));
	/* a failed one leaves nothing */
	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(mkdir("d/r", 0700), 0);
	put("d/r/x", "");
	assert_int_equal(fs_replace(AT_FDCWD, "d/r", "x", 1, false, &err), -1);
	assert_int_equal(unlink("d/r/x"), 0);
	assert_int_equal(rmdir("d/r"), 0);
	assert_int_equal(rmdir("d"), 0);
	assert_int_equal(fs_replace(AT_FDCWD, "no/r", "x", 1, false, &err), -1);
}

static void makes_directories(void **state)
{
	struct orch_error err;
	char *absolute;

	(void)state;
	assert_int_equal(fs_mkdirs("m/n//o/", 0755, &err), 0);
	assert_true(fs_is_directory("m/n/o"));
	assert_int_equal(fs_mkdirs("m/n/o", 0755, &err), 0);
	assert_true(asprintf(&absolute, "%s/abs/x", scratch) > 0);
	assert_int_equal(fs_mkdirs(absolute, 0755, &err), 0);
	assert_true(fs_is_directory(absolute));
	free(absolute);
	put("file", "");
	assert_int_equal(fs_mkdirs("file/x", 0755, &err), -1);
	assert_int_equal(fs_mkdirs("file", 0755, &err), -1);
	unprivileged_begin();
	assert_int_equal(mkdir("shut", 0500), 0);
	assert_int_equal(fs_mkdirs("shut/x/y", 0755, &err), -1);
	unprivileged_end();
	assert_string_equal(err.message, "cannot make directory 'shut/x': Permission denied");
}

static void removes_trees(void **state)
{
	struct orch_error err;

	(void)state;
	assert_int_equal(fs_mkdirs("t/a/b/c", 0755, NULL), 0);
	assert_int_equal(fs_mkdirs("t/d/e", 0755, NULL), 0);
	put("t/a/b/f", "");
	put("t/g", "");
	put("kept", "");
	assert_int_equal(mkdir("keep", 0700), 0);
	put("keep/x", "");
	assert_int_equal(symlink("../keep", "t/link"), 0);
	assert_int_equal(symlink("keep", "toplink"), 0);
	assert_int_equal(chmod("t/a/b", 0555), 0);
	assert_int_equal(chmod("t/d", 0), 0);
	assert_int_equal(fs_remove_tree("t/", &err), 0);
	assert_false(fs_exists("t"));
	assert_int_equal(fs_remove_tree("toplink/", &err), 0);
	assert_true(fs_exists("keep/x"));
	assert_int_equal(fs_remove_tree("absent", &err), 0);
	assert_int_equal(fs_remove_tree("kept", &err), 0);
	assert_false(fs_exists("kept"));
}

static void removes_deep_trees(void **state)
{
	struct orch_error err;
	int at = open(".", O_RDONLY | O_DIRECTORY);

	(void)state;
	/* deeper than a path can be long, and than there are descriptors */
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(at, "deep", 0700), 0);
		next = openat(at, "deep", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(fs_remove_tree("deep", &err), 0);
	assert_false(fs_exists("deep"));
}

static void looks_again_without_waiting(void **state)
{
	(void)state;
	assert_int_equal(mkdir("again", 0700), 0);
	assert_int_equal(mkfifo("again/fifo", 0600), 0);
	/* none of it blocks, makes anything, or leaves a descriptor */
	int before = dup(0);

	fs_look_again(NULL, "again/fifo");
	fs_look_again("again", "fifo/");
	fs_look_again(NULL, "again//fifo");
	fs_look_again(NULL, "again/absent/x");
	fs_look_again("absent", "x");
	fs_look_again(NULL, "/");
	fs_look_again(NULL, "");
	close(before);
	assert_int_equal(dup(0), before);
	close(before);
	assert_false(fs_exists("again/absent"));
}

static void knows_private_kinds(void **state)
{
	(void)state;
#ifdef __linux__
	/* made by the kernel, or by whoever made this container; what is not there yet is where it will be */
	assert_string_equal(fs_private_kind("/dev/shm"), "tmpfs");
	assert_string_equal(fs_private_kind("/dev/shm/absent/and/below"), "tmpfs");
#endif
	assert_null(fs_private_kind("/proc"));
}

static void knows_itself(void **state)
{
	char *cwd = fs_cwd(), *self = fs_self();

	(void)state;
	assert_string_equal(cwd, scratch);
#ifdef __linux__
	assert_true(fs_exists(self));
#endif
	free(cwd);
	free(self);
	assert_true(open_files_raise() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_whole_files),
		cmocka_unit_test(reads_pipes),
		cmocka_unit_test(replaces),
		cmocka_unit_test(makes_directories),
		cmocka_unit_test(removes_trees),
		cmocka_unit_test(removes_deep_trees),
		cmocka_unit_test(looks_again_without_waiting),
		cmocka_unit_test(knows_private_kinds),
		cmocka_unit_test(knows_itself),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
