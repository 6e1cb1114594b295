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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "os/child.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/proc.h"
#include "os/supervised.h"
#include "os/supervisor.h"
#include "util/alloc.h"
#include "util/strvec.h"

enum {
	DEADLINE_MS = 60000,
	TICK_MS = 5, /* how often what no call tells of is looked at */
	MANY = 1000,
	MANY_ANSWERS = 2000,
	BIG_ARGUMENT = 100000,
	BIG_ARGUMENTS = 10,
};

static struct loop *loop;
static struct children *children;
static struct supervision *supervision;
static struct loop_timer *tick;
static char scratch[64], self[4096];
static int log_fd;

struct run {
	struct supervised *tree;
	unsigned started, failed, ended;
	int number;
	char message[256];
	struct child_exit how;
};

static void on_started(void *data, pid_t pid, int slot)
{
	struct run *run = data;

	assert_true(pid > 0);
	assert_int_equal(slot, -1); /* none of these waits for one */
	assert_int_equal(supervised_pid(run->tree), pid);
	run->started++;
	loop_stop(loop);
}

static void on_failed(void *data, int number, const char *message)
{
	struct run *run = data;

	run->failed++;
	run->number = number;
	snprintf(run->message, sizeof run->message, "%s", message);
	loop_stop(loop);
}

static void on_ended(void *data, const struct child_exit *how)
{
	struct run *run = data;

	run->ended++;
	run->how = *how;
	loop_stop(loop);
}

static void on_tick(void *data)
{
	(void)data;
	loop_stop(loop);
}

#define WAIT(condition) \
	do { \
		int64_t until = clock_mono_ms() + DEADLINE_MS; \
		while (!(condition)) { \
			if (clock_mono_ms() > until) \
				fail_msg("never: %s", #condition); \
			loop_timer_arm_if_idle(tick, TICK_MS); \
			loop_run(loop); \
		} \
	} while (0)

/* the path of `name` in the scratch directory; valid to the end of the test */
static const char *file(const char *name)
{
	static char paths[16][128];
	char path[sizeof paths[0]];
	size_t i = 0;

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	/* those of an earlier test are overwritten */
	while (i < 15 && strncmp(paths[i], scratch, strlen(scratch)) == 0 && strcmp(paths[i], path) != 0)
		i++;
	assert_true(i < 15);
	strcpy(paths[i], path);
	return paths[i];
}

static int open_all(void)
{
	if (loop_new(&loop, NULL) != 0 || children_new(&children, loop, NULL) != 0 ||
		supervision_new(&supervision, loop, children, NULL) != 0)
		return -1;
	tick = loop_timer_new(loop, on_tick, NULL);
	return 0;
}

static void close_all(void)
{
	supervision_free(supervision);
	children_free(children);
	loop_timer_free(tick);
	loop_free(loop);
}

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/test-supervised-XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	log_fd = open(file("log"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return log_fd < 0 ? -1 : open_all();
}

static int teardown(void **state)
{
	(void)state;
	close_all();
	close(log_fd);
	return fs_remove_tree(scratch, NULL);
}

static int start_as(struct run *run, struct supervised_spec spec, const char *mark)
{
	static const struct supervised_calls calls = {.started = on_started, .failed = on_failed, .ended = on_ended};
	struct supervised_calls own = calls;
	struct strvec env = {0};
	struct orch_error err = {0};
	int number = 0, result;

	strvec_push(&env, "PATH=/usr/local/bin:/usr/bin:/bin");
	strvec_pushf(&env, "DIR=%s", scratch);
	if (mark)
		strvec_push(&env, mark);
	spec.env = spec.env ? spec.env : env.items;
	spec.mark = mark;
	spec.in = -1;
	spec.log = log_fd;
	spec.linger_ms = spec.linger_ms ? spec.linger_ms : 2000;
	own.data = run;
	*run = (struct run){0};
	result = supervised_start(&run->tree, supervision, &spec, &own, &number, &err);
	if (result != 0)
		print_message("%s\n", err.message);
	strvec_release(&env);
	return result;
}

static void start_shell(struct run *run, const char *record, const char *script)
{
	static unsigned count;
	char sh[] = "sh", c[] = "-c", *text = xstrdup(script), *argv[] = {sh, c, text, NULL}, mark[32];

	/* as with orch, nothing else has the mark of a tree */
	snprintf(mark, sizeof mark, "MARK=%u", ++count);
	assert_int_equal(start_as(run, (struct supervised_spec){.argv = argv, .record = record}, mark), 0);
	free(text);
}

static char *text_of(const char *path)
{
	char *text;
	size_t len;

	return fs_read(path, 0, &text, &len, NULL) == 0 ? text : xstrdup("");
}

/* it is whole when it ends with a newline */
static long number_in(const char *path)
{
	char *text = text_of(path);
	long number = strchr(text, '\n') ? atol(text) : 0;

	free(text);
	return number;
}

static bool is_alive(pid_t pid)
{
	struct proc_stat stat;

	return proc_stat_read(pid, &stat) && stat.state != 'Z' && stat.state != 'X';
}

static pid_t supervisor_of(pid_t leader)
{
	struct proc_stat stat;

	assert_true(proc_stat_read(leader, &stat));
	return stat.ppid;
}

static enum supervised_state look(const char *record, struct supervised_record *out)
{
	enum supervised_state state;

	assert_int_equal(supervised_look(record, &state, out, NULL), 0);
	return state;
}

/* --- start, end, signals --- */

static void starts_and_tells_the_end(void **state)
{
	struct run run;
	char *text;

	(void)state;
	start_shell(&run, NULL, "echo out; echo err >&2; exit 3");
	assert_int_equal(supervised_pid(run.tree), 0);
	WAIT(run.ended);
	assert_int_equal(run.started, 1);
	assert_int_equal(run.failed, 0);
	assert_false(run.how.signalled);
	assert_int_equal(run.how.code, 3);
	assert_int_equal(run.how.left_behind, 0);
	assert_true(run.how.max_rss_kb > 0);
	text = text_of(file("log"));
	assert_string_equal(text, "out\nerr\n");
	free(text);
}

static void tells_what_cannot_start(void **state)
{
	char name[] = "nothing-of-that-name", *argv[] = {name, NULL};
	struct run run, later;

	(void)state;
	assert_int_equal(start_as(&run, (struct supervised_spec){.argv = argv}, NULL), 0);
	WAIT(run.failed);
	assert_int_equal(run.number, ENOENT);
	assert_string_equal(run.message, "cannot run 'nothing-of-that-name': No such file or directory");
	assert_int_equal(run.started + run.ended, 0);
	/* with a record too, which is then gone */
	assert_int_equal(start_as(&run, (struct supervised_spec){.argv = argv, .record = file("job")}, NULL), 0);
	WAIT(run.failed);
	assert_false(fs_exists(file("job.job")));
	assert_false(fs_exists(file("job.control")));
	start_shell(&later, NULL, "exit 0");
	WAIT(later.ended);
}

static void tells_where_no_record_can_be(void **state)
{
	char name[] = "true", *argv[] = {name, NULL};
	struct run run;

	(void)state;
	assert_int_equal(start_as(&run, (struct supervised_spec){.argv = argv, .record = "/nowhere/at/all"}, NULL), 0);
	WAIT(run.failed);
	assert_int_equal(run.number, ENOENT);
	assert_non_null(strstr(run.message, "/nowhere/at/all.job"));
}

static void takes_a_signal_before_it_has_started(void **state)
{
	struct run run;

	(void)state;
	start_shell(&run, NULL, "exec sleep 1000");
	supervised_signal(run.tree, SIGTERM);
	WAIT(run.ended);
	assert_int_equal(run.started, 1);
	assert_true(run.how.signalled);
	assert_int_equal(run.how.code, SIGTERM);
}

static void ends_and_counts_what_was_left_behind(void **state)
{
	struct run run;
	char expected[64];
	pid_t left;

	(void)state;
	start_shell(&run, NULL,
		"setsid sh -c 'echo $$ >$DIR/pid; exec sleep 1000' & "
		"while [ ! -s $DIR/pid ] || kill -0 $! && [ $(cat /proc/$!/comm) != sleep ]; do :; done");
	WAIT(run.ended);
	left = (pid_t)number_in(file("pid"));
	assert_false(is_alive(left));
	assert_int_equal(run.how.code, 0);
	assert_int_equal(run.how.left_behind, 1);
	assert_int_equal(run.how.unkillable, 0);
	snprintf(expected, sizeof expected, "%ld (sleep)", (long)left);
	assert_string_equal(run.how.names, expected);
}

static void names_as_many_as_there_is_room_for(void **state)
{
	struct run run;
	size_t len;

	(void)state;
	start_shell(&run, NULL, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1000 & done");
	WAIT(run.ended);
	len = strlen(run.how.names);
	assert_int_equal(run.how.left_behind, 20);
	assert_true(len < sizeof run.how.names);
	assert_string_equal(run.how.names + len - 6, "), ...");
}

static void keeps_apart_a_thousand(void **state)
{
	struct run *runs = xcalloc(MANY, sizeof *runs);
	unsigned started = 0, ended = 0, next = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		start_shell(&runs[i], NULL, "exec sleep 1000");
	while (started < MANY) {
		WAIT(runs[started].started);
		started++;
	}
	for (unsigned i = 0; i < MANY; i++)
		supervised_signal(runs[i].tree, i % 2 ? SIGTERM : SIGKILL);
	for (; next < MANY; next++) {
		WAIT(runs[next].ended);
		assert_int_equal(runs[next].how.code, next % 2 ? SIGTERM : SIGKILL);
		ended++;
	}
	assert_int_equal(ended, MANY);
	free(runs);
}

static void takes_a_request_bigger_than_the_sockets_buffer(void **state)
{
	char *argv[BIG_ARGUMENTS + 5], sh[] = "sh", c[] = "-c", script[] = "echo $# ${#5}";
	struct run run;
	char *text;

	(void)state;
	argv[0] = sh;
	argv[1] = c;
	argv[2] = script;
	for (int i = 3; i < BIG_ARGUMENTS + 4; i++) {
		argv[i] = xmalloc(BIG_ARGUMENT + 1);
		memset(argv[i], 'x', BIG_ARGUMENT);
		argv[i][BIG_ARGUMENT] = '\0';
	}
	argv[BIG_ARGUMENTS + 4] = NULL;
	assert_int_equal(start_as(&run, (struct supervised_spec){.argv = argv}, NULL), 0);
	WAIT(run.ended || run.failed);
	assert_int_equal(run.failed, 0);
	text = text_of(file("log"));
	assert_string_equal(text, "10 100000\n");
	free(text);
	for (int i = 3; i < BIG_ARGUMENTS + 4; i++)
		free(argv[i]);
}

/* its answers fill their side of the socket, and nobody reads them but he who sends */
static void answers_while_requests_are_sent(void **state)
{
	struct run *runs = xcalloc(MANY_ANSWERS, sizeof *runs);
	char name[] = "nothing-of-that-name", *argv[] = {name, NULL};

	(void)state;
	for (unsigned i = 0; i < MANY_ANSWERS; i++)
		assert_int_equal(start_as(&runs[i], (struct supervised_spec){.argv = argv}, NULL), 0);
	/* none from within */
	for (unsigned i = 0; i < MANY_ANSWERS; i++)
		assert_int_equal(runs[i].failed, 0);
	for (unsigned i = 0; i < MANY_ANSWERS; i++)
		WAIT(runs[i].failed == 1);
	free(runs);
}

/* --- supervisors that are stopped, killed, or short of something --- */

static void wakes_a_supervisor_that_was_stopped(void **state)
{
	struct run first, *more = xcalloc(MANY, sizeof *more);
	pid_t supervisor;

	(void)state;
	start_shell(&first, NULL, "exec sleep 1000");
	WAIT(first.started);
	supervisor = supervisor_of(supervised_pid(first.tree));
	assert_int_equal(kill(supervisor, SIGSTOP), 0);
	/* more than the socket takes */
	for (unsigned i = 0; i < MANY; i++)
		start_shell(&more[i], NULL, "exit 0");
	for (unsigned i = 0; i < MANY; i++)
		WAIT(more[i].ended);
	supervised_signal(first.tree, SIGKILL);
	WAIT(first.ended);
	free(more);
}

static void ends_the_trees_of_a_supervisor_that_was_killed(void **state)
{
	struct run runs[3], later, other;
	pid_t supervisor, own, leaders[3];

	(void)state;
	start_shell(&runs[0], NULL, "exec sleep 1000");
	start_shell(&runs[1], NULL, "trap '' TERM; setsid sleep 1000 & wait");
	start_shell(&runs[2], file("job"), "exec sleep 1000");
	start_shell(&other, file("other"), "exec sleep 1000");
	WAIT(other.started);
	for (int i = 0; i < 3; i++) {
		WAIT(runs[i].started);
		leaders[i] = supervised_pid(runs[i].tree);
	}
	supervisor = supervisor_of(leaders[0]);
	own = supervisor_of(leaders[2]);
	assert_int_equal(supervisor_of(leaders[1]), supervisor);
	assert_int_not_equal(own, supervisor);
	kill(supervisor, SIGKILL);
	kill(own, SIGKILL);
	for (int i = 0; i < 3; i++) {
		WAIT(runs[i].ended);
		assert_true(runs[i].how.signalled);
		assert_int_equal(runs[i].how.code, SIGKILL);
		assert_false(is_alive(leaders[i]));
	}
	/* those of others go on, and the next one can be started */
	assert_int_equal(other.ended, 0);
	assert_true(is_alive(supervised_pid(other.tree)));
	start_shell(&later, NULL, "exit 0");
	WAIT(later.ended);
	assert_int_equal(later.how.code, 0);
	supervised_signal(other.tree, SIGKILL);
	WAIT(other.ended);
}

#ifdef __linux__
static void refuses_what_it_has_no_descriptors_for(void **state)
{
	struct rlimit few = {5, 5}, before;
	struct run first, refused, later;
	pid_t supervisor;

	(void)state;
	start_shell(&first, NULL, "exec sleep 1000");
	WAIT(first.started);
	supervisor = supervisor_of(supervised_pid(first.tree));
	assert_int_equal(prlimit(supervisor, RLIMIT_NOFILE, NULL, &before), 0);
	few.rlim_max = before.rlim_max;
	assert_int_equal(prlimit(supervisor, RLIMIT_NOFILE, &few, NULL), 0);
	start_shell(&refused, NULL, "exit 0");
	WAIT(refused.failed || refused.ended);
	assert_int_equal(refused.failed, 1);
	assert_int_equal(refused.number, EMFILE);
	assert_int_equal(prlimit(supervisor, RLIMIT_NOFILE, &before, NULL), 0);
	start_shell(&later, NULL, "exit 4");
	WAIT(later.ended);
	assert_int_equal(later.how.code, 4);
	supervised_signal(first.tree, SIGKILL);
	WAIT(first.ended);
}

static long status_number(pid_t pid, const char *name)
{
	char path[64], *text, *at;
	long number;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	text = text_of(path);
	at = strstr(text, name);
	assert_non_null(at);
	number = atol(at + strlen(name));
	free(text);
	return number;
}

static void is_small_and_sleeps(void **state)
{
#ifdef HAVE_SUPERVISOR_IMAGE
	struct run own, *runs = xcalloc(MANY, sizeof *runs);
	long rss[2], before = -1, now;
	pid_t supervisors[2];

	(void)state;
	start_shell(&own, file("job"), "exec sleep 1000");
	for (unsigned i = 0; i < MANY; i++)
		start_shell(&runs[i], NULL, "exec sleep 1000");
	for (unsigned i = 0; i < MANY; i++)
		WAIT(runs[i].started);
	WAIT(own.started);
	supervisors[0] = supervisor_of(supervised_pid(own.tree));
	supervisors[1] = supervisor_of(supervised_pid(runs[0].tree));
	for (int i = 0; i < 2; i++)
		rss[i] = status_number(supervisors[i], "\nVmRSS:");
	print_message("resident: %ld KiB with a tree of its own, %ld KiB with %d trees\n", rss[0], rss[1], MANY);
	assert_true(rss[0] < 1024);
	assert_true(rss[1] < 2048);
	/* it comes to rest, and does not stir then */
	WAIT((now = status_number(supervisors[0], "\nvoluntary_ctxt_switches:") +
			     status_number(supervisors[1], "\nvoluntary_ctxt_switches:")) == before ||
		(before = now, usleep(500000), false));
	supervised_signal(own.tree, SIGKILL);
	for (unsigned i = 0; i < MANY; i++)
		supervised_signal(runs[i].tree, SIGKILL);
	for (unsigned i = 0; i < MANY; i++)
		WAIT(runs[i].ended);
	WAIT(own.ended);
	free(runs);
#else
	(void)state;
	skip();
#endif
}
#endif

/* --- what is in the files --- */

static void writes_down_how_it_goes(void **state)
{
	struct supervised_record record;
	const char *path = file("job");
	struct stat st;
	struct run run;

	(void)state;
	assert_int_equal(look(path, &record), SUPERVISED_NONE);
	assert_int_equal(supervised_forget(path, NULL), 0);
	start_shell(&run, path, "trap 'exit 7' TERM; echo 1 >$DIR/ready; while :; do sleep 0.01; done");
	WAIT(run.started && number_in(file("ready")));
	assert_int_equal(look(path, &record), SUPERVISED_RUNNING);
	assert_int_equal(record.leader, supervised_pid(run.tree));
	assert_int_equal(record.supervisor, supervisor_of(record.leader));
	assert_int_equal(record.leader_start, clock_process_start(record.leader));
	assert_string_equal(record.boot, clock_boot_id());
	assert_int_equal(stat(file("job.control"), &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	/* what is no such line is passed over */
	{
		int fd = open(file("job.control"), O_WRONLY | O_CLOEXEC);
		static const char noise[] =
			"signal\nsignal 0\nsignal 9999\nsignal -9\n\nendless\n"
			"0123456789012345678901234567890123456789012345678901234567890123456789 9\n";

		assert_true(fd >= 0);
		assert_int_equal(fs_write_all(fd, noise, strlen(noise)), 0);
		close(fd);
	}
	assert_int_equal(supervised_tell(path, SIGTERM, NULL), 0);
	WAIT(run.ended);
	assert_int_equal(run.how.code, 7);
	assert_int_equal(look(path, &record), SUPERVISED_ENDED);
	assert_false(record.how.signalled);
	assert_int_equal(record.how.code, 7);
	assert_true(record.duration_ms >= 0);
	assert_true(record.ended_ms >= record.started_ms);
	assert_false(fs_exists(file("job.control")));
	assert_int_equal(supervised_tell(path, SIGTERM, NULL), -1);
	assert_int_equal(supervised_forget(path, NULL), 0);
	assert_int_equal(look(path, &record), SUPERVISED_NONE);
}

static void takes_no_file_that_is_cut_or_changed(void **state)
{
	struct supervised_record record;
	enum supervised_state found;
	struct run run;
	const char *record_path = file("job"), *names[] = {"job.job", "job.exit"};

	(void)state;
	start_shell(&run, record_path, "setsid sleep 1000 & exit 5");
	WAIT(run.ended);
	assert_int_equal(look(record_path, &record), SUPERVISED_ENDED);
	assert_int_equal(record.how.code, 5);
	assert_int_equal(record.how.left_behind, 1);
	assert_non_null(strstr(record.how.names, " (sleep)"));
	for (int i = 0; i < 2; i++) {
		char *text = text_of(file(names[i]));

		assert_true(strlen(text) > 0);
		for (size_t len = 0; len < strlen(text); len++) {
			assert_int_equal(fs_replace(AT_FDCWD, file(names[i]), text, len, false, NULL), 0);
			assert_int_equal(supervised_look(record_path, &found, &record, NULL), -1);
		}
		assert_int_equal(fs_replace(AT_FDCWD, file(names[i]), text, strlen(text), false, NULL), 0);
		free(text);
	}
	assert_int_equal(look(record_path, &record), SUPERVISED_ENDED);
}

static void lets_go_on_what_is_to(void **state)
{
	struct supervised_record record;
	struct run run;

	(void)state;
	start_shell(&run, file("job"), "exec sleep 1000");
	WAIT(run.started);
	supervised_leave(run.tree);
	close_all();
	assert_int_equal(open_all(), 0);
	assert_int_equal(look(file("job"), &record), SUPERVISED_RUNNING);
	assert_true(is_alive(record.leader));
	assert_int_equal(supervised_tell(file("job"), SIGKILL, NULL), 0);
	WAIT(look(file("job"), &record) == SUPERVISED_ENDED);
	assert_true(record.how.signalled);
	assert_int_equal(record.how.code, SIGKILL);
	assert_false(is_alive(record.leader));
	WAIT(!is_alive(record.supervisor));
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* --- the trees of another process, which is this program too: see main() --- */

/* starts it and waits until its tree has said so in the file "ready" */
static pid_t start_other(const char *what)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(self, self, what, scratch, (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static int other_end(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

static pid_t kill_other_with_tree(void)
{
	pid_t other = start_other("own");

	WAIT(number_in(file("ready")));
	kill(other, SIGKILL);
	other_end(other);
	return (pid_t)number_in(file("ready"));
}

static void takes_over_what_somebody_left(void **state)
{
	static const struct supervised_calls calls = {.ended = on_ended};
	struct supervised_calls own = calls;
	struct supervised_record record;
	struct orch_error err = {0};
	struct run run = {0};
	pid_t leader = kill_other_with_tree();

	(void)state;
	assert_int_equal(look(file("job"), &record), SUPERVISED_RUNNING);
	WAIT(look(file("job"), &record) == SUPERVISED_RUNNING && record.leader > 0);
	assert_int_equal(record.leader, leader);
	own.data = &run;
	assert_int_equal(supervised_adopt(&run.tree, supervision, file("job"), &own, &err), 0);
	assert_int_equal(supervised_pid(run.tree), leader);
	supervised_signal(run.tree, SIGUSR1);
	WAIT(run.ended);
	assert_int_equal(run.how.code, 9);
	assert_false(run.how.signalled);
	assert_false(is_alive(leader));
	assert_int_equal(supervised_adopt(&run.tree, supervision, file("job"), &own, &err), -1);
	assert_int_equal(err.code, ORCH_ENOTFOUND);
}

static void tells_of_an_adopted_one_whose_supervisor_is_killed(void **state)
{
	struct supervised_calls calls = {.ended = on_ended};
	struct supervised_record record;
	struct run run = {0};
	pid_t leader = kill_other_with_tree();

	(void)state;
	WAIT(look(file("job"), &record) == SUPERVISED_RUNNING && record.leader > 0);
	calls.data = &run;
	assert_int_equal(supervised_adopt(&run.tree, supervision, file("job"), &calls, NULL), 0);
	kill(record.supervisor, SIGKILL);
	WAIT(run.ended);
	assert_true(run.how.signalled);
	assert_int_equal(run.how.code, SIGKILL);
	assert_false(is_alive(leader));
	assert_int_equal(look(file("job"), &record), SUPERVISED_LOST);
}

static void clears_what_a_lost_one_left(void **state)
{
	struct supervised_record record;
	pid_t leader = kill_other_with_tree(), outside = (pid_t)number_in(file("outside"));

	(void)state;
	WAIT(look(file("job"), &record) == SUPERVISED_RUNNING && record.leader > 0);
	kill(record.supervisor, SIGKILL);
	WAIT(look(file("job"), &record) == SUPERVISED_LOST);
	assert_true(is_alive(leader));
	assert_true(is_alive(outside));
	assert_true(supervised_clear(&record, "MARK=own", NULL) >= 2);
	WAIT(!is_alive(leader));
	WAIT(!is_alive(outside));
	assert_int_equal(supervised_clear(&record, "MARK=own", NULL), 0);
}

/* its numbers are somebody else's by now */
static void clears_nothing_of_another_boot(void **state)
{
	char sh[] = "sleep", seconds[] = "1000", *argv[] = {sh, seconds, NULL};
	struct supervised_record record;
	struct run run;

	(void)state;
	assert_int_equal(start_as(&run, (struct supervised_spec){.argv = argv, .record = file("job")}, "MARK=boot"), 0);
	WAIT(run.started);
	assert_int_equal(look(file("job"), &record), SUPERVISED_RUNNING);
	record.boot[0] = record.boot[0] == '0' ? '1' : '0';
	assert_int_equal(supervised_clear(&record, "MARK=boot", NULL), 0);
	assert_true(is_alive(supervised_pid(run.tree)));
	supervised_signal(run.tree, SIGKILL);
	WAIT(run.ended);
}

/* the steps, in their order, then nothing is left */
static void ends_step_by_step_what_does_not_outlive_us(void **state)
{
	pid_t other = start_other("shared");
	char *text;

	(void)state;
	WAIT(number_in(file("ready")) && number_in(file("outside")));
	kill(other, SIGKILL);
	other_end(other);
	WAIT(!is_alive((pid_t)number_in(file("ready"))));
	WAIT(!is_alive((pid_t)number_in(file("outside"))));
	text = text_of(file("signals"));
	assert_string_equal(text, "INT\nTERM\n");
	free(text);
}

#ifdef __linux__
/* memfd_create(2) fails for the other process: its own program stands in */
static void is_its_own_supervisor_where_there_is_no_other(void **state)
{
	(void)state;
	assert_int_equal(other_end(start_other("fallback")), 0);
}
#endif

/* the program's mode, as it is spoken to */
static void speaks_over_its_socket(void **state)
{
	struct {
		struct request head;
		struct end_step step;
		char texts[64];
	} request = {.step = {.signo = SIGTERM, .wait_ms = 100}};
	static const char texts[] = "sh\0-c\0exit 6\0PATH=/bin:/usr/bin\0\0\0\0";
	union {
		struct cmsghdr aligned;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {{0}};
	struct iovec part = {.iov_base = &request};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	struct cmsghdr *fds = CMSG_FIRSTHDR(&message);
	struct answer answer;
	int pair[2], null = open("/dev/null", O_RDWR | O_CLOEXEC), both[2] = {null, log_fd};
	size_t size = offsetof(struct answer, message);
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pair[1], 0);
		dup2(null, 1);
		execl(self, self, SUPERVISOR_WORD, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	memcpy(request.texts, texts, sizeof texts);
	request.head = (struct request){.size = (uint32_t)(offsetof(__typeof__(request), texts) + sizeof texts),
		.type = REQUEST_START,
		.id = 77,
		.step_count = 1,
		.argc = 3,
		.envc = 1};
	part.iov_len = request.head.size;
	fds->cmsg_level = SOL_SOCKET;
	fds->cmsg_type = SCM_RIGHTS;
	fds->cmsg_len = CMSG_LEN(sizeof both);
	memcpy(CMSG_DATA(fds), both, sizeof both);
	assert_int_equal(sendmsg(pair[0], &message, 0), request.head.size);
	assert_int_equal(recv(pair[0], &answer, size, MSG_WAITALL), size);
	assert_int_equal(answer.type, ANSWER_STARTED);
	assert_int_equal(answer.id, 77);
	assert_int_equal(recv(pair[0], &answer, size, MSG_WAITALL), size);
	assert_int_equal(answer.type, ANSWER_ENDED);
	assert_int_equal(answer.how.code, 6);
	/* one whose texts do not end is refused, not believed */
	request.head.argc = 1000;
	assert_int_equal(sendmsg(pair[0], &message, 0), request.head.size);
	assert_int_equal(recv(pair[0], &answer, sizeof answer, MSG_WAITALL), sizeof answer);
	assert_int_equal(answer.type, ANSWER_FAILED);
	assert_string_equal(answer.message, "a request to start something is malformed");
	close(pair[0]);
	close(null);
	assert_int_equal(other_end(pid), 0);
}

/* --- the other process --- */

static void other_starts(struct run *run, const char *record)
{
	static const char script[] =
		"trap 'exit 9' USR1; trap 'echo INT >>$DIR/signals' INT; trap 'echo TERM >>$DIR/signals' TERM;"
		"setsid sh -c 'trap \"\" INT TERM; echo $$ >$DIR/outside; exec sleep 1000' &"
		"while [ ! -s $DIR/outside ]; do :; done; echo $$ >$DIR/ready; while :; do sleep 0.01; done";
	static const struct end_step steps[] = {{SIGINT, 300}, {SIGTERM, 300}, {SIGKILL, 0}};
	char sh[] = "sh", c[] = "-c", *text = xstrdup(script), *argv[] = {sh, c, text, NULL};
	struct supervised_spec spec = {.argv = argv, .record = record, .steps = steps, .step_count = 3};

	if (start_as(run, spec, "MARK=own") != 0)
		exit(1);
	free(text);
}

#ifdef __linux__
static void forbid_memfd(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		exit(2);
}

static int fall_back(void)
{
	char path[64], program[4096] = "";
	struct run run;
	ssize_t len;

	forbid_memfd();
	/* without leave there is nothing, and it says so */
	{
		char name[] = "true", *argv[] = {name, NULL};

		if (start_as(&run, (struct supervised_spec){.argv = argv}, NULL) != -1)
			return 3;
	}
	supervision_allow_self();
	start_shell(&run, NULL, "exec sleep 1000");
	WAIT(run.started || run.failed);
	if (!run.started)
		return 4;
	snprintf(path, sizeof path, "/proc/%ld/exe", (long)supervisor_of(supervised_pid(run.tree)));
	len = readlink(path, program, sizeof program - 1);
	if (len <= 0 || strcmp(program, self) != 0)
		return 5;
	supervised_signal(run.tree, SIGTERM);
	WAIT(run.ended);
	close_all();
	return run.how.code == SIGTERM ? 0 : 6;
}
#endif

static int other(const char *what, const char *dir)
{
	struct run run;

	snprintf(scratch, sizeof scratch, "%s", dir);
	log_fd = open(file("log"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0 || open_all() != 0)
		return 1;
#ifdef __linux__
	if (strcmp(what, "fallback") == 0)
		return fall_back();
#endif
	other_starts(&run, strcmp(what, "own") == 0 ? file("job") : NULL);
	for (;;)
		loop_run(loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_and_tells_the_end),
		TEST(tells_what_cannot_start),
		TEST(tells_where_no_record_can_be),
		TEST(takes_a_signal_before_it_has_started),
		TEST(ends_and_counts_what_was_left_behind),
		TEST(names_as_many_as_there_is_room_for),
		TEST(keeps_apart_a_thousand),
		TEST(takes_a_request_bigger_than_the_sockets_buffer),
		TEST(answers_while_requests_are_sent),
		TEST(wakes_a_supervisor_that_was_stopped),
		TEST(ends_the_trees_of_a_supervisor_that_was_killed),
		TEST(writes_down_how_it_goes),
		TEST(takes_no_file_that_is_cut_or_changed),
		TEST(lets_go_on_what_is_to),
		TEST(takes_over_what_somebody_left),
		TEST(tells_of_an_adopted_one_whose_supervisor_is_killed),
		TEST(clears_what_a_lost_one_left),
		TEST(clears_nothing_of_another_boot),
		TEST(ends_step_by_step_what_does_not_outlive_us),
		TEST(speaks_over_its_socket),
#ifdef __linux__
		TEST(refuses_what_it_has_no_descriptors_for),
		TEST(is_small_and_sleeps),
		TEST(is_its_own_supervisor_where_there_is_no_other),
#endif
	};
	char *program = fs_self();

	snprintf(self, sizeof self, "%s", program ? program : argv[0]);
	free(program);
	if (argc == 2 && strcmp(argv[1], SUPERVISOR_WORD) == 0)
		return supervisor_main();
	if (argc == 3)
		return other(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
