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
#include <sys/wait.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/lockfile.h"

static char scratch[64], path[80];

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/test-lock-XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	snprintf(path, sizeof path, "%s/lock", scratch);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return fs_remove_tree(scratch, NULL);
}

static void is_taken_once(void **state)
{
	struct lockfile lock, other;
	struct orch_error err;
	char pid_text[32];
	int pid = -1;

	(void)state;
	assert_false(lockfile_is_held(path, &pid));
	assert_int_equal(lockfile_take(&lock, path, &err), 0);
	assert_true(lockfile_is_held(path, &pid));
	assert_int_equal(pid, getpid());
	assert_int_equal(lockfile_take(&other, path, &err), -1);
	assert_int_equal(err.code, ORCH_EBUSY);
	snprintf(pid_text, sizeof pid_text, "process %d", (int)getpid());
	assert_non_null(strstr(err.message, pid_text));
	assert_non_null(strstr(err.message, "UTC"));
	assert_int_equal(other.fd, -1);
	lockfile_drop(&other);
	/* closing another descriptor of the file does not lose it */
	close(open(path, O_RDONLY));
	assert_true(lockfile_is_held(path, NULL));
	lockfile_drop(&lock);
	lockfile_drop(&lock);
	assert_false(lockfile_is_held(path, &pid));
	assert_int_equal(pid, 0);
	assert_int_equal(lockfile_take(&lock, path, &err), 0);
	lockfile_drop(&lock);
}

static void goes_with_its_process(void **state)
{
	struct lockfile lock;
	struct orch_error err;
	int ends[2], pid = 0;
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		if (lockfile_take(&lock, path, &err) != 0 || write(ends[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_true(lockfile_is_held(path, &pid));
	assert_int_equal(pid, child);
	assert_int_equal(lockfile_take(&lock, path, &err), -1);
	assert_int_equal(err.code, ORCH_EBUSY);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(lockfile_is_held(path, NULL));
	assert_int_equal(lockfile_take(&lock, path, &err), 0);
	lockfile_drop(&lock);
	close(ends[0]);
	close(ends[1]);
}

static void does_not_believe_old_text(void **state)
{
	static const char text[] = "1 12345 some-other-boot\nheld since long ago\n";
	struct lockfile lock;
	struct orch_error err;
	int pid = -1;

	(void)state;
	assert_int_equal(lockfile_take(&lock, path, &err), 0);
	assert_int_equal(ftruncate(lock.fd, 0), 0);
	assert_int_equal(pwrite(lock.fd, text, sizeof text - 1, 0), sizeof text - 1);
	assert_true(lockfile_is_held(path, &pid));
	assert_int_equal(pid, 0);
	/* of another machine nothing is known */
	assert_false(lockfile_is_left(path));
	lockfile_drop(&lock);
}

static void is_waited_for_where_its_holder_is_gone(void **state)
{
	struct lockfile lock;
	struct orch_error err;
	int ends[2], pid = -1, status;
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		close(ends[1]);
		if (lockfile_take(&lock, path, &err) != 0)
			_exit(1);
		/* who keeps it open goes some time after it is told to */
		if (fork() == 0) {
			while (read(ends[0], &byte, 1) > 0)
				;
			usleep(50000);
		}
		_exit(0);
	}
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(lockfile_is_held(path, &pid), 1);
	assert_int_equal(pid, 0);
	assert_true(lockfile_is_left(path));
	close(ends[1]);
	assert_int_equal(lockfile_is_held_still(path, &pid), 0);
	assert_int_equal(lockfile_take(&lock, path, &err), 0);
	/* a holder that is there is not waited for */
	assert_int_equal(lockfile_is_held_still(path, &pid), 1);
	assert_int_equal(pid, getpid());
	assert_false(lockfile_is_left(path));
	lockfile_drop(&lock);
}

static void reports_what_cannot_be_opened(void **state)
{
	struct lockfile lock;
	struct orch_error err;

	(void)state;
	assert_int_equal(lockfile_take(&lock, "/nonexistent/lock", &err), -1);
	assert_int_equal(err.code, ORCH_EFAILED);
	assert_int_equal(lock.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_taken_once),
		cmocka_unit_test(goes_with_its_process),
		cmocka_unit_test(does_not_believe_old_text),
		cmocka_unit_test(is_waited_for_where_its_holder_is_gone),
		cmocka_unit_test(reports_what_cannot_be_opened),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
