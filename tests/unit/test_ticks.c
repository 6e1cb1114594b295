/* Which tasks are ticked: written, read, found again in a list that was edited, and files that say nothing. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/statedir.h"
#include "state/ticks.h"
#include "util/alloc.h"

static char place[] = "/tmp/test_ticks.XXXXXX";
static struct statedir dir;

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(place))
		return -1;
	dir.fd = open(place, O_RDONLY | O_DIRECTORY);
	return dir.fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(dir.fd);
	return fs_remove_tree(place, NULL);
}

/* ticked as "x.x" */
static void assert_ticked(const char *const *tasks, size_t count, const char *want)
{
	struct orch_error err;
	size_t ticked, expected = 0;
	bool *done;

	assert_int_equal(ticks_read(&dir, "a", tasks, count, &done, &ticked, &err), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(done && done[i], want[i] == 'x');
		expected += want[i] == 'x';
	}
	assert_int_equal(ticked, expected);
	free(done);
}

static void write_them(const char *const *tasks, size_t count, const char *which)
{
	bool *done = xcalloc(count + 1, sizeof *done);
	struct orch_error err;

	for (size_t i = 0; i < count; i++)
		done[i] = which[i] == 'x';
	assert_int_equal(ticks_write(&dir, "a", tasks, count, done, &err), 0);
	free(done);
}

static void ticks_are_kept(void **state)
{
	static const char *const tasks[] = {"one", "two", "three"};
	struct orch_error err;

	(void)state;
	assert_ticked(tasks, 3, "...");
	write_them(tasks, 3, "x.x");
	assert_ticked(tasks, 3, "x.x");
	assert_int_equal(ticks_remove(&dir, "a", &err), 0);
	assert_int_equal(ticks_remove(&dir, "a", &err), 0);
	assert_ticked(tasks, 3, "...");
	write_them(tasks, 3, "xxx");
	write_them(tasks, 3, "...");
	assert_int_equal(faccessat(dir.fd, "ticks/a", F_OK, 0), -1);
}

static void an_edited_list_keeps_its_ticks(void **state)
{
	static const char *const before[] = {"one", "two", "same", "same", "last"};
	static const char *const inserted[] = {"zero", "one", "two", "same", "same", "last"};
	static const char *const shorter[] = {"last", "other"};
	static const char *const reworded[] = {"One", "two", "same", "same", "last"};

	(void)state;
	write_them(before, 5, "x..xx");
	assert_ticked(before, 5, "x..xx");
	assert_ticked(inserted, 6, ".x.x.x");
	assert_ticked(shorter, 2, "x.");
	assert_ticked(reworded, 5, "...xx");
	assert_ticked(NULL, 0, "");
}

static void damage_is_no_tick(void **state)
{
	static const char *const tasks[] = {"one", "two"};
	static const char *const damaged[] = {"", "end\n", "orch-ticks 1\n", "orch-ticks 1\n1 one\n", "orch-ticks 2\n1 one\nend\n",
		"orch-ticks 1\nend\n", "orch-ticks 1\n1one\n\n-1 x\n99999999999999999999 y\nend\n"};
	char *path = xasprintf("%s/ticks/a", place);

	(void)state;
	write_them(tasks, 2, "x.");
	for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
		assert_int_equal(fs_replace(AT_FDCWD, path, damaged[i], strlen(damaged[i]), false, NULL), 0);
		assert_ticked(tasks, 2, "..");
	}
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_are_kept),
		cmocka_unit_test(an_edited_list_keeps_its_ticks),
		cmocka_unit_test(damage_is_no_tick),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
