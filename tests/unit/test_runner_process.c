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
#include <unistd.h>

#include "os/child.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/supervised.h"
#include "runner/runner.h"
#include "util/alloc.h"

static struct runner runner;
static struct children *children;
static int began_pid;
static char failure[256];
static int failure_number;
static const struct runner_ops *ops;
static char scratch[64], *log_path, *script_path;
static struct job_exit ended;
static int exits;

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/test-process-XXXXXX");
	if (!mkdtemp(scratch) || loop_new(&runner.loop, NULL) != 0 ||
		children_new(&children, runner.loop, NULL) != 0 ||
		supervision_new(&runner.supervision, runner.loop, children, NULL) != 0)
		return -1;
	log_path = xasprintf("%s/log", scratch);
	script_path = xasprintf("%s/script", scratch);
	ops = runner_find("process");
	exits = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	supervision_free(runner.supervision);
	children_free(children);
	loop_free(runner.loop);
	free(log_path);
	free(script_path);
	return fs_remove_tree(scratch, NULL);
}

static void on_exit_of_job(void *data, const struct job_exit *how)
{
	(void)data;
	ended = *how;
	exits++;
	loop_stop(runner.loop);
}

static void on_start_of_job(void *data, int pid)
{
	(void)data;
	began_pid = pid;
}

static void on_failure_of_job(void *data, int error_number, const char *message)
{
	(void)data;
	failure_number = error_number;
	snprintf(failure, sizeof failure, "%s", message);
	loop_stop(runner.loop);
}

static const struct job_callbacks callbacks = {
	.started = on_start_of_job, .failed = on_failure_of_job, .ended = on_exit_of_job};

/* runs it and gives what is in the log */
static char *run(struct command command)
{
	struct orch_error err;
	struct job *job;
	int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	char *text;
	size_t len;

	command.log = fd;
	command.script_path = script_path;
	command.linger_ms = 100;
	if (ops->start(&job, &runner, &command, &callbacks, NULL, &err) != 0) {
		print_message("%s\n", err.message);
		fail();
	}
	began_pid = 0;
	loop_run(runner.loop);
	assert_true(began_pid > 0);
	close(fd);
	assert_int_equal(fs_read(log_path, 0, &text, &len, &err), 0);
	return text;
}

static void is_found(void **state)
{
	(void)state;
	assert_ptr_equal(ops, &runner_process);
	assert_null(runner_find("nothing"));
}

static void runs_scripts(void **state)
{
	char *text = run((struct command){
		.script = "echo out; echo err >&2; pwd\nfalse\necho not reached", .shell = "sh  -eu", .dir = "/usr"});

	(void)state;
	assert_string_equal(text, "out\nerr\n/usr\n");
	assert_false(ended.signalled);
	assert_int_equal(ended.code, 1);
	assert_int_equal(exits, 1);
	assert_false(fs_exists(script_path));
	free(text);
}

static void runs_argv(void **state)
{
	char *argv[] = {"printf", "%s|", "a b", "*", NULL}, *env[] = {"PATH=/usr/bin:/bin", NULL};
	char *text = run((struct command){.argv = argv, .env = env});

	(void)state;
	assert_string_equal(text, "a b|*|");
	assert_int_equal(ended.code, 0);
	free(text);
}

static void runs_programs(void **state)
{
	struct stat st;
	char *text = run((struct command){.script = "#!/bin/cat\nitself\n", .shell = "sh -eu", .dir = "/"});

	(void)state;
	assert_string_equal(text, "#!/bin/cat\nitself\n");
	assert_int_equal(stat(script_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	free(text);
	/* again, into the same place */
	text = run((struct command){.script = "#!/bin/sh\necho $0\n", .shell = "sh"});
	assert_int_equal(strncmp(text, script_path, strlen(script_path)), 0);
	free(text);
}

static void runs_long_scripts(void **state)
{
	enum { LENGTH = 1000000 };
	char *script = xmalloc(LENGTH + 20), *text;

	(void)state;
	memset(script, '#', LENGTH);
	script[0] = ':';
	script[1] = ' ';
	strcpy(script + LENGTH, "\necho end; exit 4");
	text = run((struct command){.script = script, .shell = "sh -eu"});
	assert_string_equal(text, "end\n");
	assert_int_equal(ended.code, 4);
	free(text);
	free(script);
}

static void stops(void **state)
{
	struct command command = {.script = "trap 'echo asked; exit 6' TERM; echo up; while :; do sleep 0.01; done",
		.shell = "sh",
		.mark = "M=1"};
	struct orch_error err;
	struct job *job;
	char *text = NULL;
	size_t len = 0;

	(void)state;
	command.log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_equal(ops->start(&job, &runner, &command, &callbacks, NULL, &err), 0);
	while (len == 0) {
		free(text);
		usleep(2000);
		assert_int_equal(fs_read(log_path, 0, &text, &len, &err), 0);
	}
	free(text);
	ops->stop(job, SIGTERM);
	loop_run(runner.loop);
	assert_int_equal(ended.code, 6);
	assert_int_equal(fs_read(log_path, 0, &text, &len, &err), 0);
	/* the shell may have a word to say of what it was waiting for */
	assert_non_null(strstr(text, "asked\n"));
	free(text);
	close(command.log);
}

static void log_is_complete_at_exit(void **state)
{
	/* the one in the background holds the log open, and writes when it is asked to end */
	char *text =
		run((struct command){.script = "(trap 'echo last; exit' TERM; echo up; while :; do sleep 0.01; done) & "
					       "while ! grep -q up /proc/$$/fd/1; do sleep 0.01; done; exit 0",
			.shell = "sh",
			.mark = "M=1"});

	(void)state;
#ifdef __linux__
	assert_non_null(strstr(text, "last\n"));
	assert_true(ended.left_behind >= 1);
#endif
	free(text);
}

static void says_why_it_cannot_start(void **state)
{
	struct command command = {.script = "true", .shell = "no-such-shell -e", .log = -1};
	struct orch_error err;
	struct job *job;
	int number = 0;

	(void)state;
	assert_int_equal(ops->start(&job, &runner, &command, &callbacks, NULL, &err), 0);
	loop_run(runner.loop);
	assert_int_equal(failure_number, ENOENT);
	assert_non_null(strstr(failure, "no-such-shell"));
	command.shell = "  ";
	assert_int_equal(ops->start(&job, &runner, &command, &callbacks, &number, &err), -1);
	command.script = "#!/bin/sh\n";
	command.script_path = "/proc/nonexistent/script";
	assert_int_equal(ops->start(&job, &runner, &command, &callbacks, &number, &err), -1);
	assert_int_equal(number, ENOENT);
	assert_non_null(strstr(err.message, "/proc/nonexistent/script"));
	assert_int_equal(exits, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(is_found),
		TEST(runs_scripts),
		TEST(runs_argv),
		TEST(runs_programs),
		TEST(runs_long_scripts),
		TEST(stops),
		TEST(log_is_complete_at_exit),
		TEST(says_why_it_cannot_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
