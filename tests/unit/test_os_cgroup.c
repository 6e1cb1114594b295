#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/cgroup.h"
#include "os/child.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/loop.h"
#include "util/alloc.h"

enum { MIB = 1 << 20 };

static char scratch[64];

/* --- finding, in a made-up /proc/self and made-up hierarchies --- */

static char *in_scratch(const char *path)
{
	return xasprintf("%s/%s", scratch, path);
}

static void put(const char *path, const char *text)
{
	char *full = in_scratch(path);
	FILE *file;

	for (char *at = full + strlen(scratch) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		*at = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	free(full);
}

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/test-cgroup-XXXXXX");
	return mkdtemp(scratch) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return fs_remove_tree(scratch, NULL);
}

/* a group of version 2 at v2/PATH */
static void put_group(const char *path, const char *below, const char *limit)
{
	static const char *const files[] = {"cgroup.procs", "cgroup.controllers"};
	char name[128];

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(name, sizeof name, "v2/%s%s", path, files[i]);
		put(name, i == 1 ? "cpu memory pids\n" : "");
	}
	snprintf(name, sizeof name, "v2/%scgroup.subtree_control", path);
	put(name, below);
	if (limit) {
		snprintf(name, sizeof name, "v2/%smemory.max", path);
		put(name, limit);
	}
}

static void put_proc(const char *cgroup, const char *root)
{
	char text[512];

	put("proc/cgroup", cgroup);
	snprintf(text, sizeof text,
		"22 1 0:20 / / rw - ext4 /dev/sda rw\n"
		"31 22 0:28 %s %s/v2 rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		"32 22 0:29 / %s/v1\\040memory rw shared:5 - cgroup cgroup rw,memory\n",
		root, scratch, scratch);
	put("proc/mountinfo", text);
}

static void find(struct cgroup_places *places)
{
	char *proc = in_scratch("proc");

	cgroup_find(places, proc);
	free(proc);
}

static void assert_place(const char *place, const char *path)
{
	char *full = path ? in_scratch(path) : NULL;

	if (path)
		assert_string_equal(place, full);
	else
		assert_null(place);
	free(full);
}

/* processes are in our own group, so its controllers cannot be switched on: but they are in the one above */
static void test_find_above(void **state)
{
	struct cgroup_places places;

	(void)state;
	put_proc("4:cpu:/other\n0::/user/app/scope\n", "/");
	put_group("", "memory\n", NULL);
	put_group("user/", "cpu memory\n", "max\n");
	put_group("user/app/", "cpu memory pids\n", "max\n");
	put_group("user/app/scope/", "", "max\n");
#ifdef __linux__
	/* made-up files take any text: the real one refuses this one */
	char *control = in_scratch("v2/user/app/scope/cgroup.subtree_control");

	assert_int_equal(unlink(control), 0);
	free(control);
	find(&places);
	assert_place(places.memory, "v2/user/app");
	assert_false(places.memory_v1);
	assert_place(places.kill, "v2/user/app/scope");
	assert_string_equal(places.why, "");
	cgroup_places_release(&places);
#else
	find(&places);
	assert_null(places.memory);
#endif
}

#ifdef __linux__
static void test_find_does_not_escape_a_limit(void **state)
{
	struct cgroup_places places;
	char *control = in_scratch("v2/app/scope/cgroup.subtree_control");

	(void)state;
	put_proc("0::/app/scope\n", "/");
	put_group("", "memory\n", NULL);
	put_group("app/", "memory\n", "max\n");
	put_group("app/scope/", "", "1048576\n");
	assert_int_equal(unlink(control), 0);
	free(control);
	find(&places);
	assert_null(places.memory);
	assert_non_null(strstr(places.why, "which has a memory limit itself"));
	cgroup_places_release(&places);
}

/* what is mounted is a part of the hierarchy, as in a container */
static void test_find_below_a_root(void **state)
{
	struct cgroup_places places;

	(void)state;
	put_proc("0::/docker/abc/inner\n", "/docker/abc");
	put_group("inner/", "memory\n", "max\n");
	find(&places);
	assert_place(places.memory, "v2/inner");
	cgroup_places_release(&places);

	put_proc("0::/docker/abcd\n", "/docker/abc");
	find(&places);
	assert_null(places.memory);
	assert_null(places.kill);
	cgroup_places_release(&places);

	put_proc("0::/../elsewhere\n", "/");
	find(&places);
	assert_null(places.kill);
	cgroup_places_release(&places);
}

static void test_find_v1(void **state)
{
	struct cgroup_places places;

	(void)state;
	put_proc("9:name=systemd:/x\n4:cpu,memory:/job\n0::/nowhere\n", "/");
	put("v1 memory/job/cgroup.procs", "");
	find(&places);
	assert_place(places.memory, "v1 memory/job");
	assert_true(places.memory_v1);
	assert_null(places.kill);
	cgroup_places_release(&places);
}

static void test_find_nothing(void **state)
{
	struct cgroup_places places;
	struct cgroup *group;
	struct orch_error err = {0};

	(void)state;
	find(&places);
	assert_null(places.memory);
	assert_string_equal(places.why, "no control groups are mounted");
	assert_int_equal(cgroup_new(&group, &places, 0, &err), 0);
	assert_null(group);
	assert_int_equal(cgroup_new(&group, &places, MIB, &err), -1);
	assert_string_equal(err.message, "memory cannot be limited: no control groups are mounted");
	put_proc("0::/\n", "/");
	put("proc/mountinfo", "22 1 0:20\n31 22 0:28 / /x rw\n- cgroup2\n\n - cgroup2 - -\n");
	put("proc/cgroup", "0:\n:::\n0\n\n0::/");
	find(&places);
	assert_null(places.memory);
	cgroup_places_release(&places);
}
#endif

/* --- groups of this machine, where it lets us have them --- */

static struct cgroup_places real;
static struct loop *loop;
static struct children *children;
static struct child_exit last;

static int setup_real(void **state)
{
	(void)state;
	cgroup_find(&real, "/proc/self");
	return loop_new(&loop, NULL) == 0 && children_new(&children, loop, NULL) == 0 ? 0 : -1;
}

static int teardown_real(void **state)
{
	(void)state;
	children_free(children);
	loop_free(loop);
	cgroup_places_release(&real);
	return 0;
}

static void on_exit_of_child(void *data, const struct child_exit *how)
{
	(void)data;
	last = *how;
	loop_stop(loop);
}

static struct child *start(const struct cgroup *group, const char *script, int64_t address_space, int out)
{
	char shell[] = "sh", option[] = "-c", *text = xstrdup(script), *argv[] = {shell, option, text, NULL};
	struct child_spec spec = {.argv = argv,
		.in = -1,
		.out = out,
		.err = -1,
		.group = group,
		.address_space = address_space,
		.on_exit = on_exit_of_child};
	struct orch_error err = {0};
	struct child *child;

	if (child_spawn(&child, children, &spec, NULL, &err) != 0)
		fail_msg("%s", err.message);
	free(text);
	return child;
}

/* more than there is, and less */
#define HOLD(mib) "x=$(head -c " #mib "000000 /dev/zero | tr '\\0' x) && [ ${#x} -gt 0 ]"

static void test_memory_is_limited(void **state)
{
	struct cgroup *group;

	(void)state;
	if (!real.memory)
		skip();
	assert_int_equal(cgroup_new(&group, &real, 32 * MIB, NULL), 0);
	start(group, HOLD(100), 0, -1);
	loop_run(loop);
	assert_true(last.signalled || last.code != 0);
	assert_true(cgroup_oom_kills(group) > 0);
	assert_true(cgroup_memory_peak(group) == 0 || cgroup_memory_peak(group) > 16 * MIB);
	assert_true(cgroup_memory_peak(group) <= 33 * MIB);
	assert_true(cgroup_free(group));

	assert_int_equal(cgroup_new(&group, &real, 256 * MIB, NULL), 0);
	start(group, HOLD(10), 0, -1);
	loop_run(loop);
	assert_int_equal(last.code, 0);
	assert_int_equal(cgroup_oom_kills(group), 0);
	assert_true(cgroup_free(group));
}

/* a program that cannot be run is told as it is without a group */
static void test_errors_come_through(void **state)
{
	struct cgroup *group;
	char name[] = "/nowhere/program", *argv[] = {name, NULL};
	struct child_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1, .on_exit = on_exit_of_child};
	struct orch_error err = {0};
	struct child *child;
	int number = 0;

	(void)state;
	spec.address_space = (int64_t)1 << 40;
	assert_int_equal(child_spawn(&child, children, &spec, &number, &err), -1);
	assert_int_equal(number, ENOENT);
	assert_string_equal(err.message, "cannot run '/nowhere/program': No such file or directory");
	spec.address_space = 0;
	if (cgroup_new(&group, &real, real.memory ? MIB * 64 : 0, NULL) == 0 && group) {
		spec.group = group;
		assert_int_equal(child_spawn(&child, children, &spec, &number, &err), -1);
		assert_int_equal(number, ENOENT);
		spec.dir = "/nowhere";
		assert_int_equal(child_spawn(&child, children, &spec, &number, &err), -1);
		assert_string_equal(err.message,
			"cannot run '/nowhere/program' in directory '/nowhere': No such file or directory");
		assert_true(cgroup_free(group));
	}
	assert_int_equal(children_running(children), 0);
}

/* in a session of its own, with signals and descriptors as a new process expects them */
static void test_confined_like_any_other(void **state)
{
	static const char count_fds[] = "set -- /proc/self/fd/*; exit $#";
	int fds;

	(void)state;
	signal(SIGUSR1, SIG_IGN);
	start(NULL,
		"test \"$(ps -o sid= -p $$ | tr -d ' ')\" = $$ || exit 1\n"
		"test $(( 0x$(sed -n 's/^SigBlk:[[:space:]]*//p' /proc/self/status) )) -eq 0 || exit 2\n"
		/* 32 and 33 are the C library's own: no program can reset them, and some start with them ignored */
		"test $(( 0x$(sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status) & ~0x180000000 )) -eq 0 || exit 3\n"
		"test $(ulimit -v) -eq 1048576 || exit 4\n"
		"test $(ulimit -H -v) -eq 1048576 || exit 5",
		(int64_t)1 << 30, -1);
	loop_run(loop);
	signal(SIGUSR1, SIG_DFL);
	assert_false(last.signalled);
	assert_int_equal(last.code, 0);
	start(NULL, count_fds, 0, -1);
	loop_run(loop);
	fds = last.code;
	start(NULL, count_fds, (int64_t)1 << 30, -1);
	loop_run(loop);
	assert_int_equal(last.code, fds);
}

static bool is_dir_there(const char *place, const char *name)
{
	char *path = xasprintf("%s/%s", place, name);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

/* what left its session, and forgot who it is, is still in its group */
static void test_kill_reaches_all(void **state)
{
	struct cgroup *group;
	char byte;
	int fds[2];

	(void)state;
	assert_int_equal(cgroup_new(&group, &real, real.memory ? 64 * MIB : 0, NULL), 0);
	if (!group)
		skip();
	assert_int_equal(pipe(fds), 0);
	/* both hold the pipe open as long as they live */
	start(group, "setsid env -i sh -c 'setsid env -i sleep 1000 & echo; exec sleep 1000' & wait", 0, fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_true(cgroup_kill(group) >= 2);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	loop_run(loop);
	assert_true(cgroup_free(group));
}

/* the group of a maker that is gone is removed with what is in it; that of one who lives is not */
static void test_clear(void **state)
{
	struct cgroup *mine;
	int fds[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(cgroup_new(&mine, &real, real.memory ? 64 * MIB : 0, NULL), 0);
	if (!mine)
		skip();
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct cgroup *group;
		int join[CGROUP_DIRS], count;

		/* killed before it could clean up */
		if (cgroup_new(&group, &real, real.memory ? 64 * MIB : 0, NULL) != 0 ||
			(count = cgroup_open_join(group, join)) < 1)
			_exit(1);
		if (fork() == 0) {
			for (int i = 0; i < count; i++) {
				if (write(join[i], "0", 1) != 1)
					_exit(1);
			}
			if (write(fds[1], "x", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(cgroup_clear(&real) >= 1);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	assert_int_equal(cgroup_clear(&real), 0);
	{
		int join[CGROUP_DIRS], count = cgroup_open_join(mine, join);

		assert_true(count > 0);
		while (count > 0)
			close(join[--count]);
	}
	assert_true(cgroup_free(mine));
	assert_false(real.kill && is_dir_there(real.kill, "orch-0-1-1-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find_above, setup, teardown),
#ifdef __linux__
		cmocka_unit_test_setup_teardown(test_find_does_not_escape_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_below_a_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_nothing, setup, teardown),
#endif
		cmocka_unit_test(test_memory_is_limited),
		cmocka_unit_test(test_errors_come_through),
		cmocka_unit_test(test_confined_like_any_other),
		cmocka_unit_test_setup_teardown(test_kill_reaches_all, setup, teardown),
		cmocka_unit_test(test_clear),
	};

	return cmocka_run_group_tests(tests, setup_real, teardown_real);
}
