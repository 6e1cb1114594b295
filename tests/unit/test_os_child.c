#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/child.h"
#include "os/fs.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/strvec.h"

enum { MANY = 500 };

static struct loop *loop;
static struct children *children;
static char scratch[64];
/* in the environment of all that these tests start */
static char everywhere[64];

struct run {
	struct child *child;
	struct child_exit how;
	int exits;
};

static unsigned wanted; /* the loop stops after so many exits */

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/test-child-XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	if (loop_new(&loop, NULL) != 0)
		return -1;
	return children_new(&children, loop, NULL);
}

/* how many processes have `text` among the variables they were started with */
static int count_processes(const char *text)
{
	int count = 0;
#ifdef __linux__
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[300], *environment;
		size_t len, used;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || atoi(entry->d_name) == getpid())
			continue;
		snprintf(path, sizeof path, "/proc/%s/environ", entry->d_name);
		if (fs_read(path, 0, &environment, &len, NULL) != 0)
			continue;
		for (used = 0; used < len; used += strlen(environment + used) + 1) {
			if (strcmp(environment + used, text) == 0) {
				count++;
				break;
			}
		}
		free(environment);
	}
	closedir(dir);
#else
	(void)text;
#endif
	return count;
}

static int teardown(void **state)
{
	(void)state;
	children_free(children);
	loop_free(loop);
	assert_int_equal(count_processes(everywhere), 0);
	/* no zombie either */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return fs_remove_tree(scratch, NULL);
}

static void on_exit_of_run(void *data, const struct child_exit *how)
{
	struct run *run = data;

	run->how = *how;
	run->exits++;
	if (--wanted == 0)
		loop_stop(loop);
}

static int start(struct run *run, const char *mark, int out, const char *const *argv)
{
	struct strvec env = {0};
	struct child_spec spec = {.argv = (char *const *)argv,
		.in = -1,
		.out = out,
		.err = -1,
		.mark = mark,
		.on_exit = on_exit_of_run,
		.data = run};
	struct orch_error err;
	int result;

	strvec_push(&env, "PATH=/usr/local/bin:/usr/bin:/bin");
	strvec_push(&env, everywhere);
	strvec_pushf(&env, "DIR=%s", scratch);
	if (mark)
		strvec_push(&env, mark);
	spec.env = env.items;
	*run = (struct run){0};
	result = child_spawn(&run->child, children, &spec, NULL, &err);
	if (result != 0)
		print_message("%s\n", err.message);
	strvec_release(&env);
	return result;
}

static void start_shell(struct run *run, const char *mark, const char *script)
{
	const char *const argv[] = {"sh", "-c", script, NULL};

	assert_int_equal(start(run, mark, -1, argv), 0);
}

static void wait_for(unsigned exits)
{
	wanted = exits;
	loop_run(loop);
}

static void run_shell(struct run *run, const char *script)
{
	start_shell(run, "MARK=1", script);
	wait_for(1);
	assert_int_equal(run->exits, 1);
}

/* --- waiting for what a script says it has done --- */

static char *ready_path;
static struct loop_timer *ready_timer;

static void look_whether_ready(void *data)
{
	(void)data;
	if (fs_exists(ready_path))
		loop_stop(loop);
	else
		loop_timer_arm(ready_timer, 5);
}

static void wait_until_exists(const char *name)
{
	ready_path = xasprintf("%s/%s", scratch, name);
	ready_timer = loop_timer_new(loop, look_whether_ready, NULL);
	loop_timer_arm(ready_timer, 0);
	wanted = 0;
	loop_run(loop);
	loop_timer_free(ready_timer);
	free(ready_path);
}

static void tells_how_it_ended(void **state)
{
	struct run run;

	(void)state;
	run_shell(&run, "exit 0");
	assert_false(run.how.signalled);
	assert_int_equal(run.how.code, 0);
	assert_int_equal(run.how.left_behind, 0);
	assert_true(run.how.max_rss_kb > 0);
	run_shell(&run, "exit 37");
	assert_int_equal(run.how.code, 37);
	run_shell(&run, "kill -TERM $$");
	assert_true(run.how.signalled);
	assert_int_equal(run.how.code, SIGTERM);
	run_shell(&run, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
	assert_true(run.how.user_us + run.how.system_us > 0);
	assert_int_equal(children_running(children), 0);
}

static void says_why_it_cannot_start(void **state)
{
	static const char *const absent[] = {"no-such-program-here", NULL}, *const truth[] = {"true", NULL};
	struct child_spec spec = {
		.argv = (char *const *)absent, .in = -1, .out = -1, .err = -1, .on_exit = on_exit_of_run};
	struct orch_error err;
	struct child *child;
	char *script = xasprintf("%s/script", scratch), *none = xasprintf("%s/none", scratch), *argv[] = {script, NULL};
	int number = 0;

	(void)state;
	assert_int_equal(child_spawn(&child, children, &spec, &number, &err), -1);
	assert_int_equal(number, ENOENT);
	assert_string_equal(err.message, "cannot run 'no-such-program-here': No such file or directory");
	spec.argv = (char *const *)truth;
	spec.dir = none;
	assert_int_equal(child_spawn(&child, children, &spec, &number, &err), -1);
	assert_int_equal(number, ENOENT);
	assert_non_null(strstr(err.message, none));
	spec.dir = NULL;
	spec.argv = argv;
	assert_int_equal(fs_replace(AT_FDCWD, script, "#!/no/interpreter\n", 18, false, NULL), 0);
	assert_int_equal(child_spawn(&child, children, &spec, &number, &err), -1);
	assert_int_equal(number, EACCES);
	assert_int_equal(chmod(script, 0700), 0);
	assert_int_equal(child_spawn(&child, children, &spec, &number, &err), -1);
	assert_int_equal(number, ENOENT);
	assert_non_null(strstr(err.message, "interpreter"));
	assert_int_equal(children_running(children), 0);
	free(none);
	free(script);
}

/* where a program was found is remembered, but not believed */
static void finds_what_was_moved(void **state)
{
	static const char program[] = "#!/bin/sh\nexit 7\n";
	const char *const argv[] = {"moved-program", NULL};
	char *first = xasprintf("%s/first", scratch), *second = xasprintf("%s/second", scratch),
	     *from = xasprintf("%s/moved-program", first), *to = xasprintf("%s/moved-program", second),
	     *path = xasprintf("PATH=%s:%s", first, second), *env[] = {path, everywhere, NULL};
	struct child_spec spec = {
		.argv = (char *const *)argv, .env = env, .in = -1, .out = -1, .err = -1, .on_exit = on_exit_of_run};
	struct orch_error err;
	int number;

	(void)state;
	assert_int_equal(mkdir(first, 0700) | mkdir(second, 0700), 0);
	assert_int_equal(fs_replace(AT_FDCWD, from, program, sizeof program - 1, false, NULL), 0);
	assert_int_equal(chmod(from, 0700), 0);
	for (int i = 0; i < 3; i++) {
		struct run run = {0};

		spec.data = &run;
		assert_int_equal(child_spawn(&run.child, children, &spec, &number, &err), 0);
		wait_for(1);
		assert_int_equal(run.how.code, 7);
		if (i == 1)
			assert_int_equal(rename(from, to), 0);
	}
	assert_int_equal(unlink(to), 0);
	assert_int_equal(child_spawn(&(struct run){0}.child, children, &spec, &number, &err), -1);
	assert_int_equal(number, ENOENT);
	free(path);
	free(to);
	free(from);
	free(second);
	free(first);
}

/* what a shell writes on its output */
static char *output_of(const char *script, const char *dir)
{
	char *path = xasprintf("%s/out", scratch), *text;
	char *argv[] = {"sh", "-c", (char *)script, NULL};
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct run run = {0};
	struct child_spec spec = {
		.argv = argv, .dir = dir, .in = -1, .out = fd, .err = fd, .on_exit = on_exit_of_run, .data = &run};
	size_t len;

	assert_int_equal(child_spawn(&run.child, children, &spec, NULL, NULL), 0);
	wait_for(1);
	assert_int_equal(fs_read(path, 0, &text, &len, NULL), 0);
	close(fd);
	free(path);
	return text;
}

static void starts_clean(void **state)
{
	sigset_t blocked, before;
	char *text;

	(void)state;
	text = output_of("pwd; cat; echo err >&2", "/usr/bin");
	assert_string_equal(text, "/usr/bin\nerr\n");
	free(text);
#ifdef __linux__
	/* its own session, no signal blocked or ignored, whatever ours are */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	text = output_of("exec grep -E '^Sig(Blk|Ign)|^NSsid' /proc/self/status", NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
	/* but for the two that libc keeps for itself, which whoever started us may have ignored */
	assert_non_null(strstr(text, "SigIgn:\t"));
	assert_true((strtoull(strstr(text, "SigIgn:\t") + 8, NULL, 16) & ~UINT64_C(0x180000000)) == 0);
	free(text);
	text = output_of(
		"ls /proc/self/fd | wc -l; set -- $(cat /proc/$$/stat); [ $6 = $$ ] && [ $5 = $$ ] && echo leader",
		NULL);
	assert_non_null(strstr(text, "leader"));
	free(text);
#else
	(void)blocked, (void)before;
#endif
}

#ifdef __linux__
static void ends_what_was_left_in_the_group(void **state)
{
	struct run run;

	(void)state;
	run_shell(&run, "sleep 1000 & sleep 1000 & exit 3");
	assert_int_equal(run.how.code, 3);
	assert_int_equal(run.how.left_behind, 2);
	assert_int_equal(run.how.unkillable, 0);
	assert_int_equal(count_processes(everywhere), 0);
}

static void ends_what_left_the_session(void **state)
{
	struct run run;

	(void)state;
	run_shell(&run, "setsid sleep 1000 & exit 0");
	assert_int_equal(run.how.left_behind, 1);
	assert_int_equal(count_processes(everywhere), 0);
	/* a daemon: session left, two forks, no parent, children of its own */
	run_shell(&run,
		"setsid sh -c '(sleep 1000 & sleep 1000 & echo > $DIR/up; wait) & exit 0' & while [ ! -e $DIR/up ]; do sleep 0.01; done");
	assert_true(run.how.left_behind >= 2);
	assert_int_equal(count_processes(everywhere), 0);
}

static void knows_whose_it_is(void **state)
{
	struct run first, second;

	(void)state;
	/* both have daemons; only those of the first go when it ends */
	start_shell(&first, "MARK=first", "(setsid sleep 1001 &) ; while [ ! -e $DIR/go ]; do sleep 0.01; done");
	start_shell(&second, "MARK=second", "(setsid sleep 1002 &) ; echo > $DIR/second; exec sleep 1003");
	wait_until_exists("second");
	free(output_of("echo > go", scratch));
	/* the one just run had the loop stopped: now the first */
	if (first.exits == 0)
		wait_for(1);
	assert_int_equal(first.exits, 1);
	assert_int_equal(first.how.left_behind, 1);
	assert_int_equal(count_processes("MARK=first"), 0);
	assert_int_equal(count_processes("MARK=second"), 2);
	child_signal(second.child, SIGTERM);
	wait_for(1);
	assert_int_equal(second.exits, 1);
	assert_int_equal(second.how.code, SIGTERM);
	assert_int_equal(count_processes(everywhere), 0);
}

static void ends_what_hides(void **state)
{
	struct run run;

	(void)state;
	/* no mark, another session, no parent: nobody can say whose it is, so it goes with the last */
	start_shell(&run, NULL, "(setsid sleep 1000 &); sleep 0.2; exit 0");
	wait_for(1);
	assert_int_equal(run.how.left_behind, 1);
	assert_int_equal(count_processes(everywhere), 0);
}

static void kills_what_ignores_term(void **state)
{
	struct run run;

	(void)state;
	start_shell(&run, "MARK=1",
		"(trap '' TERM; echo > $DIR/trapped; while :; do sleep 1000; done) & while [ ! -e $DIR/trapped ]; do sleep 0.01; done");
	child_set_linger(run.child, 100);
	wait_for(1);
	assert_int_equal(run.how.code, 0);
	assert_true(run.how.left_behind >= 1);
	assert_int_equal(run.how.unkillable, 0);
	start_shell(&run, "MARK=1", "sleep 1000 & exit 0");
	child_set_linger(run.child, 0);
	wait_for(1);
	assert_int_equal(run.how.left_behind, 1);
}

static void lets_readers_finish(void **state)
{
	struct run run;

	(void)state;
	run_shell(&run, "(sleep 0.01; exit 0) & exit 0");
	assert_int_equal(run.how.left_behind, 0);
}
#endif

static void signals_reach_the_tree(void **state)
{
	struct run run;

	(void)state;
	start_shell(
		&run, "MARK=1", "setsid sleep 1000 & sleep 1000 & sh -c 'sleep 1000 & wait' & echo > $DIR/up; wait");
	wait_until_exists("up");
	child_signal(run.child, SIGTERM);
	wait_for(1);
	assert_true(run.how.signalled);
	assert_int_equal(run.how.code, SIGTERM);
	assert_int_equal(run.how.unkillable, 0);
}

static void wakes_what_is_stopped(void **state)
{
	struct run run;

	(void)state;
	start_shell(&run, "MARK=1", "echo > $DIR/up; kill -STOP $$; exit 0");
	wait_until_exists("up");
	child_signal(run.child, SIGTERM);
	wait_for(1);
	assert_true(run.how.signalled);
	/* stopped by us and continued */
	start_shell(&run, "MARK=1", "exec sleep 0.05");
	child_signal(run.child, SIGSTOP);
	child_signal(run.child, SIGCONT);
	wait_for(1);
	assert_int_equal(run.how.code, 0);
}

static void kills_fork_bombs(void **state)
{
	struct run run;

	(void)state;
	/* each step in a session of its own, as fast as it goes */
	start_shell(&run, "MARK=1",
		"cat > $DIR/hop <<'E'\n#!/bin/sh\necho > $DIR/up\nsetsid $DIR/hop &\nsleep 0.02\nE\nchmod 700 $DIR/hop; setsid $DIR/hop & sleep 1000");
	wait_until_exists("up");
	child_signal(run.child, SIGKILL);
	wait_for(1);
	assert_int_equal(run.how.code, SIGKILL);
	assert_int_equal(run.how.unkillable, 0);
	assert_int_equal(count_processes(everywhere), 0);
}

static void carries_many(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	struct run *runs = xcalloc(MANY, sizeof *runs);

	(void)state;
	for (int i = 0; i < MANY; i++) {
		char *mark = xasprintf("MARK=%d", i);

		assert_int_equal(start(&runs[i], mark, -1, argv), 0);
		free(mark);
	}
	assert_int_equal(children_running(children), MANY);
	for (int i = 0; i < MANY; i++)
		child_signal(runs[i].child, SIGTERM);
	wait_for(MANY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(runs[i].exits, 1);
		assert_int_equal(runs[i].how.code, SIGTERM);
		assert_int_equal(runs[i].how.left_behind, 0);
	}
	assert_int_equal(children_running(children), 0);
	free(runs);
}

static void carries_busy_shells(void **state)
{
	enum { SHELLS = 20 };
	struct run runs[SHELLS];

	(void)state;
	for (int i = 0; i < SHELLS; i++) {
		char mark[32];

		snprintf(mark, sizeof mark, "MARK=busy%d", i);
		start_shell(&runs[i], mark,
			"i=0; while [ $i -lt 30 ]; do (true | cat) & i=$((i+1)); done; wait; setsid sleep 1000 & exit 5");
	}
	wait_for(SHELLS);
	for (int i = 0; i < SHELLS; i++) {
		assert_int_equal(runs[i].exits, 1);
		assert_int_equal(runs[i].how.code, 5);
#ifdef __linux__
		assert_int_equal(runs[i].how.left_behind, 1);
#endif
	}
}

static struct run next_run;

static void start_next(void *data, const struct child_exit *how)
{
	assert_int_equal(how->code, 0);
	(void)data;
	start_shell(&next_run, "MARK=same", "exit 9");
}

static void starts_the_next_from_on_exit(void **state)
{
	static const char *const argv[] = {"true", NULL};
	struct child_spec spec = {.argv = (char *const *)argv,
		.in = -1,
		.out = -1,
		.err = -1,
		.mark = "MARK=same",
		.on_exit = start_next};
	struct child *child;

	(void)state;
	assert_int_equal(child_spawn(&child, children, &spec, NULL, NULL), 0);
	wait_for(1);
	assert_int_equal(next_run.how.code, 9);
}

static void frees_what_still_runs(void **state)
{
	struct run runs[2];

	(void)state;
	start_shell(&runs[0], "MARK=a",
		"trap '' TERM INT; (setsid sleep 1000 &); setsid sleep 1000 & echo > $DIR/up; wait; sleep 1000");
	start_shell(&runs[1], "MARK=b", "sleep 1000 & exit 0");
	wait_until_exists("up");
	/* teardown sees that nothing is left */
	assert_int_equal(runs[0].exits, 0);
}

static void leaves_alone_what_is_not_its_own(void **state)
{
	struct run run;
	int status;
	pid_t stranger = fork();

	(void)state;
	/* in our session: not started by children, and no descendant of what it started */
	if (stranger == 0) {
		pause();
		_exit(0);
	}
	run_shell(&run, "exit 0");
	assert_int_equal(run.how.left_behind, 0);
	assert_int_equal(kill(stranger, 0), 0);
	kill(stranger, SIGKILL);
	assert_int_equal(waitpid(stranger, &status, 0), stranger);
}

#ifdef __linux__
/* as a process of another user is, to whom we may send nothing */
static void names_what_it_cannot_end(void **state)
{
	char expected[64], *path = xasprintf("%s/pid", scratch), *text = NULL;
	struct run run;
	size_t len;
	long pid;

	(void)state;
	if (geteuid() != 0) {
		free(path);
		skip();
	}
	start_shell(&run, "MARK=1", "sleep 1000 & echo $! >$DIR/pid");
	child_set_linger(run.child, 0);
	assert_int_equal(setresuid(65534, 65534, 0), 0);
	wait_for(1);
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(fs_read(path, 0, &text, &len, NULL), 0);
	pid = atol(text);
	/* given up: it is ours no more, and still ours to reap */
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
	assert_int_equal(waitpid((pid_t)pid, NULL, 0), pid);
	assert_int_equal(run.how.code, 0);
	assert_int_equal(run.how.left_behind, 1);
	assert_int_equal(run.how.unkillable, 1);
	snprintf(expected, sizeof expected, "%ld (sleep)", pid);
	assert_string_equal(run.how.names, expected);
	free(text);
	free(path);
}
#endif

int main(void)
{
	const struct CMUnitTest all[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(tells_how_it_ended),
		TEST(says_why_it_cannot_start),
		TEST(finds_what_was_moved),
		TEST(starts_clean),
#ifdef __linux__
		TEST(ends_what_was_left_in_the_group),
		TEST(ends_what_left_the_session),
		TEST(knows_whose_it_is),
		TEST(ends_what_hides),
		TEST(kills_what_ignores_term),
		TEST(lets_readers_finish),
#endif
		TEST(signals_reach_the_tree),
		TEST(wakes_what_is_stopped),
		TEST(kills_fork_bombs),
		TEST(carries_many),
		TEST(carries_busy_shells),
		TEST(starts_the_next_from_on_exit),
		TEST(frees_what_still_runs),
		TEST(leaves_alone_what_is_not_its_own),
#ifdef __linux__
		TEST(names_what_it_cannot_end),
#endif
	};

	snprintf(everywhere, sizeof everywhere, "ORCH_TEST_CHILD=%ld", (long)getpid());
	return cmocka_run_group_tests(all, NULL, NULL);
}
