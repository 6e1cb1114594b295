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

static void on_start_of_job(void *data, int pid, int slot)
{
	(void)data, (void)slot;
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

/* a job in a slot, or waiting for one of two, and what is told of it */
struct in_slot {
	struct job *job;
	int pid, slot, failed, ends;
	struct job_exit how;
};

static void on_slot_start(void *data, int pid, int slot)
{
	struct in_slot *in = data;

	in->pid = pid;
	in->slot = slot;
}

static void on_slot_failure(void *data, int error_number, const char *message)
{
	struct in_slot *in = data;

	(void)message;
	in->failed = error_number;
	in->job = NULL;
	loop_stop(runner.loop);
}

static void on_slot_exit(void *data, const struct job_exit *how)
{
	struct in_slot *in = data;

	in->how = *how;
	in->ends++;
	in->job = NULL;
	loop_stop(runner.loop);
}

static void start_in_slot(struct in_slot *in, int number, const char *script)
{
	char *env[] = {"PATH=/usr/bin:/bin", NULL};
	char *texts[] = {"S=zero", "T=null", "S=one", "T=eins"};
	struct supervised_slot slot = {.number = number, .env = texts, .slots = number < 0 ? 2 : 0, .per_slot = 2};
	struct job_callbacks on = {
		.started = on_slot_start, .failed = on_slot_failure, .ended = on_slot_exit, .data = in};
	struct command command = {.script = script, .env = env, .linger_ms = 100, .slot = &slot};
	struct orch_error err;

	*in = (struct in_slot){.slot = -1};
	command.log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_equal(ops->start(&in->job, &runner, &command, &on, NULL, &err), 0);
	close(command.log);
}

static void expect_log(const char *want)
{
	char *text;
	size_t len;

	assert_int_equal(fs_read(log_path, 0, &text, &len, NULL), 0);
	assert_string_equal(text, want);
	free(text);
}

/* without the loop, for 20 s at most */
static void until_log_is(const char *want)
{
	char *text;
	size_t len;

	for (int i = 0; i < 20000; i++) {
		bool is = fs_read(log_path, 0, &text, &len, NULL) == 0 && strcmp(text, want) == 0;

		free(text);
		if (is)
			return;
		usleep(1000);
	}
	fail_msg("the log has not become '%s'", want);
}

static void waits_for_a_slot(void **state)
{
	struct in_slot first, second, third, last;

	(void)state;
	start_in_slot(&first, 1, "echo first");
	start_in_slot(&second, -1, "echo $S $T; exit 3");
	start_in_slot(&third, -1, "echo never");
	while (!third.failed)
		loop_run(runner.loop);
	assert_int_equal(first.ends, 1);
	assert_int_equal(first.slot, -1);
	assert_int_equal(second.ends, 1);
	assert_int_equal(second.slot, 1);
	assert_int_equal(second.how.code, 3);
	/* the second did not end well */
	assert_int_equal(third.failed, ECANCELED);
	assert_int_equal(third.pid, 0);
	expect_log("first\none eins\n");

	/* a slot whose end we have been told of is ours to fill: nothing starts in it by itself */
	start_in_slot(&first, 0, "echo again");
	while (!first.ends)
		loop_run(runner.loop);
	start_in_slot(&last, -1, "echo never");
	supervision_withdraw(runner.supervision);
	assert_int_equal(last.failed, ECANCELED);
	expect_log("first\none eins\nagain\n");
}

static void takes_a_slot_that_is_free_already(void **state)
{
	struct in_slot first, last;

	(void)state;
	/* it has ended when the other is to wait, and we have not been told */
	start_in_slot(&first, 0, "echo first");
	until_log_is("first\n");
	start_in_slot(&last, -1, "echo $S $T");
	while (!first.ends || !last.ends)
		loop_run(runner.loop);
	assert_int_equal(last.slot, 0);
	expect_log("first\nzero null\n");
}

static void takes_back_what_waits(void **state)
{
	struct in_slot first, second;

	(void)state;
	start_in_slot(&first, 0, "exec 2>/dev/null; trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done");
	start_in_slot(&second, -1, "echo never");
	supervision_withdraw(runner.supervision);
	assert_int_equal(second.failed, ECANCELED);
	/* requests are dealt with in their order */
	assert_true(first.pid > 0);
	assert_int_equal(first.ends, 0);

	/* asked to end, it has not ended well, whatever it says */
	start_in_slot(&second, -1, "echo never");
	until_log_is("up\n");
	ops->stop(first.job, SIGTERM);
	while (!first.ends || !second.failed)
		loop_run(runner.loop);
	assert_int_equal(first.how.code, 0);
	assert_int_equal(second.failed, ECANCELED);
	expect_log("up\n");
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
		TEST(waits_for_a_slot),
		TEST(takes_a_slot_that_is_free_already),
		TEST(takes_back_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
