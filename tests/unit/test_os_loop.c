#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/loop.h"

static struct loop *loop;
static char order[64];

static int setup(void **state)
{
	(void)state;
	order[0] = '\0';
	return loop_new(&loop, NULL);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void note(void *data)
{
	strcat(order, data);
}

static void stop(void *data)
{
	if (data)
		note(data);
	loop_stop(loop);
}

static void stops_before_it_runs(void **state)
{
	(void)state;
	loop_stop(loop);
	loop_run(loop);
	loop_free(NULL);
}

static void calls_timers_in_order(void **state)
{
	struct loop_timer *a = loop_timer_new(loop, note, "a"), *b = loop_timer_new(loop, note, "b");
	struct loop_timer *c = loop_timer_new(loop, stop, "c"), *d = loop_timer_new(loop, note, "d");
	int64_t before = loop_now(loop);

	(void)state;
	loop_timer_arm(b, 10);
	loop_timer_arm(a, 0);
	loop_timer_arm_if_idle(a, 100000);
	loop_timer_arm(c, 20);
	loop_timer_arm(d, 1);
	loop_timer_disarm(d);
	loop_run(loop);
	assert_string_equal(order, "abc");
	assert_true(loop_now(loop) >= before);
	/* once per arming */
	loop_timer_arm(c, 1);
	loop_run(loop);
	assert_string_equal(order, "abcc");
	loop_timer_free(a);
	loop_timer_free(b);
	/* c and d are left to loop_free() */
}

static struct loop_timer *own, *others;

static void free_both(void *data)
{
	(void)data;
	loop_timer_free(own);
	loop_timer_free(others);
}

static void frees_inside_calls(void **state)
{
	struct loop_timer *end = loop_timer_new(loop, stop, NULL);

	(void)state;
	own = loop_timer_new(loop, free_both, NULL);
	others = loop_timer_new(loop, note, "never");
	loop_timer_arm(own, 1);
	loop_timer_arm(others, 2);
	loop_timer_arm(end, 10);
	loop_run(loop);
	assert_string_equal(order, "");
}

struct reader {
	int fd;
	struct loop_fd *watch;
};

static void on_readable(void *data)
{
	struct reader *reader = data;
	char bytes[16];
	ssize_t got = read(reader->fd, bytes, sizeof bytes - 1);

	assert_true(got >= 0);
	bytes[got] = '\0';
	strcat(order, bytes);
	if (got == 0) {
		loop_fd_free(reader->watch);
		close(reader->fd);
		loop_stop(loop);
	}
}

static int write_end;

static void write_and_close(void *data)
{
	(void)data;
	assert_int_equal(fs_write_all(write_end, "data", 4), 0);
	close(write_end);
}

static void watches_descriptors(void **state)
{
	struct loop_timer *timer = loop_timer_new(loop, write_and_close, NULL);
	struct reader reader;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	reader.fd = ends[0];
	write_end = ends[1];
	reader.watch = loop_fd_new(loop, reader.fd, on_readable, &reader);
	assert_non_null(reader.watch);
	/* who shares it does not find it changed */
	assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	loop_timer_arm(timer, 1);
	loop_run(loop);
	assert_string_equal(order, "data");
	assert_null(loop_fd_new(loop, -1, on_readable, NULL));
}

static void touch(void *data)
{
	assert_int_equal(fs_replace(AT_FDCWD, data, "new", 3, false, NULL), 0);
}

static struct loop_watch *watch;

static void on_change(void *data)
{
	loop_watch_free(watch);
	stop(data);
}

static void watches_files(void **state)
{
	char dir[] = "/tmp/test-loop-XXXXXX", file[64];
	struct loop_timer *timer = loop_timer_new(loop, touch, file);

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof file, "%s/file", dir);
	watch = loop_watch_new(loop, dir, on_change, "changed");
	if (watch) {
		loop_timer_arm(timer, 1);
		loop_run(loop);
		assert_string_equal(order, "changed");
	}
	assert_null(loop_watch_new(loop, "/nonexistent/x", on_change, NULL));
	assert_int_equal(fs_remove_tree(dir, NULL), 0);
}

static void send_signal(void *data)
{
	(void)data;
	raise(SIGUSR1);
}

static void calls_for_signals(void **state)
{
	struct loop_signal *first = loop_signal_new(loop, SIGUSR1, note, "1");
	struct loop_signal *second = loop_signal_new(loop, SIGUSR1, note, "1");
	struct loop_timer *timer = loop_timer_new(loop, send_signal, NULL), *end = loop_timer_new(loop, stop, NULL);

	(void)state;
	loop_timer_arm(timer, 0);
	loop_timer_arm(end, 50);
	loop_run(loop);
	assert_string_equal(order, "11");
	loop_signal_free(first);
	loop_signal_free(second);
	assert_null(loop_signal_new(loop, SIGKILL, note, NULL));
}

static struct loop_idle *idle;
static int idle_calls;

static void arm_idle(void *data)
{
	note(data);
	loop_idle_arm(idle);
	loop_idle_arm(idle);
}

static void on_idle(void *data)
{
	note(data);
	if (++idle_calls == 2)
		loop_idle_arm(idle);
	if (idle_calls == 3)
		loop_stop(loop);
}

static void groups_work_before_sleeping(void **state)
{
	struct loop_timer *a = loop_timer_new(loop, arm_idle, "a"), *b = loop_timer_new(loop, arm_idle, "b");
	struct loop_timer *c = loop_timer_new(loop, arm_idle, "c");

	(void)state;
	idle_calls = 0;
	idle = loop_idle_new(loop, on_idle, "!");
	loop_timer_arm(a, 0);
	loop_timer_arm(b, 0);
	loop_timer_arm(c, 30);
	loop_run(loop);
	/* once for a and b; after c once, and once more since it armed itself, without a sleep for want of anything to
	 * wait for */
	assert_string_equal(order, "ab!c!!");
	loop_idle_arm(idle);
	loop_idle_free(idle);
	loop_idle_free(NULL);
}

static struct loop_idle *idles[3];

static void free_next(void *data)
{
	note(data);
	loop_idle_free(idles[1]);
	loop_idle_free(idles[0]);
}

static void frees_idles_inside_calls(void **state)
{
	struct loop_timer *end = loop_timer_new(loop, stop, NULL);

	(void)state;
	idles[0] = loop_idle_new(loop, free_next, "0");
	idles[1] = loop_idle_new(loop, note, "1");
	idles[2] = loop_idle_new(loop, note, "2");
	for (int i = 0; i < 3; i++)
		loop_idle_arm(idles[i]);
	loop_timer_arm(end, 5);
	loop_run(loop);
	assert_string_equal(order, "02");
	loop_idle_free(idles[2]);
}

static void work(void *data)
{
	*(int *)data += 1;
}

static void work_done(void *data)
{
	*(int *)data += 10;
	loop_stop(loop);
}

static void works_off_the_thread(void **state)
{
	int value = 0;

	(void)state;
	loop_work(loop, work, work_done, &value);
	loop_run(loop);
	assert_int_equal(value, 11);
	/* under way when the loop is freed: waited for */
	loop_work(loop, work, work_done, &value);
	loop_free(loop);
	assert_int_equal(value, 22);
	assert_int_equal(loop_new(&loop, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stops_before_it_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_timers_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(frees_inside_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(watches_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(watches_files, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_for_signals, setup, teardown),
		cmocka_unit_test_setup_teardown(groups_work_before_sleeping, setup, teardown),
		cmocka_unit_test_setup_teardown(frees_idles_inside_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(works_off_the_thread, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
