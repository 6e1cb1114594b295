/* The files by which a tree on another machine and we know of each other: os/remote.h. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/exit_text.h"
#include "os/fs.h"
#include "os/remote.h"
#include "os/supervisor.h"
#include "util/alloc.h"
#include "util/strbuf.h"

struct place {
	char dir[64];
	char *record, *log, *results;
};

static int begin(void **state)
{
	struct place *place = xcalloc(1, sizeof *place);

	snprintf(place->dir, sizeof place->dir, "/tmp/orch-remote-XXXXXX");
	if (!mkdtemp(place->dir))
		return -1;
	place->record = xasprintf("%s/a.1.running", place->dir);
	place->log = xasprintf("%s/log", place->dir);
	place->results = xasprintf("%s/results", place->dir);
	*state = place;
	return 0;
}

static int finish(void **state)
{
	struct place *place = *state;
	int result = fs_remove_tree(place->dir, NULL);

	free(place->record);
	free(place->log);
	free(place->results);
	free(place);
	return result;
}

static void notes(void **state)
{
	const struct place *place = *state;
	struct remote_note note = {.runner = "slurm", .token = "0123456789abcdef", .submitted_ms = 123}, read;
	struct orch_error err;

	assert_int_equal(remote_note_read(place->record, &read, &err), 0);
	assert_int_equal(remote_note_write(place->record, &note, &err), 0);
	assert_int_equal(remote_note_read(place->record, &read, &err), 1);
	assert_string_equal(read.runner, "slurm");
	assert_string_equal(read.token, note.token);
	assert_string_equal(read.id, "");
	assert_int_equal(read.submitted_ms, 123);
	strcpy(note.id, "4711");
	assert_int_equal(remote_note_write(place->record, &note, &err), 0);
	assert_int_equal(remote_note_read(place->record, &read, &err), 1);
	assert_string_equal(read.id, "4711");
	assert_int_equal(remote_note_remove(place->record, &err), 0);
	assert_int_equal(remote_note_remove(place->record, &err), 0);
	assert_int_equal(remote_note_read(place->record, &read, &err), 0);
}

static void tokens(void **state)
{
	char one[REMOTE_TOKEN_SIZE], two[REMOTE_TOKEN_SIZE];

	(void)state;
	remote_token(one);
	remote_token(two);
	assert_int_equal(strlen(one), REMOTE_TOKEN_SIZE - 1);
	assert_string_not_equal(one, two);
}

static char words[][64] = {"sh", "-c", "echo hello; exit 3", "PATH=/usr/bin:/bin", "ORCH_X=two words"};

static struct remote_spec some_spec(const struct place *place, char **argv, char **env, struct end_step *steps)
{
	argv[0] = words[0];
	argv[1] = words[1];
	argv[2] = words[2];
	argv[3] = NULL;
	env[0] = words[3];
	env[1] = words[4];
	env[2] = NULL;
	steps[0] = (struct end_step){.signo = SIGTERM, .wait_ms = 10000};
	steps[1] = (struct end_step){.signo = SIGKILL};
	return (struct remote_spec){.argv = argv,
		.env = env,
		.log = place->log,
		.dir = place->dir,
		.results = place->results,
		.label = "run.a.1",
		.steps = steps,
		.step_count = 2,
		.linger_ms = 100,
		.memory = 12345678901,
		.memory_each = true,
		.lease_ms = 5000};
}

static void specs(void **state)
{
	const struct place *place = *state;
	char *argv[4], *env[3], *path;
	struct end_step steps[2];
	struct remote_spec spec = some_spec(place, argv, env, steps), *read;
	struct orch_error err;
	struct stat st;

	assert_int_equal(remote_spec_write(place->record, "t", &spec, &err), 0);
	path = remote_path(place->record, "t", "spec");
	assert_int_equal(stat(path, &st), 0);
	/* it has the environment, which may hold secrets */
	assert_int_equal(st.st_mode & 0777, 0600);
	read = remote_spec_read(place->record, "t", &err);
	assert_non_null(read);
	assert_string_equal(read->argv[2], words[2]);
	assert_null(read->argv[3]);
	assert_string_equal(read->env[1], words[4]);
	assert_null(read->env[2]);
	assert_null(read->writable);
	assert_null(read->mark);
	assert_null(read->options);
	assert_string_equal(read->dir, place->dir);
	assert_string_equal(read->log, place->log);
	assert_string_equal(read->results, place->results);
	assert_string_equal(read->label, "run.a.1");
	assert_int_equal(read->step_count, 2);
	assert_int_equal(read->steps[0].wait_ms, 10000);
	assert_int_equal(read->steps[1].signo, SIGKILL);
	assert_int_equal(read->memory, 12345678901);
	assert_true(read->memory_each);
	assert_false(read->wraps);
	free(read);

	assert_int_equal(remote_spec_again(place->record, "t", "u", &err), 0);
	read = remote_spec_read(place->record, "u", &err);
	assert_non_null(read);
	free(read);
	free(path);
}

/* cut anywhere, it is refused */
static void torn_specs(void **state)
{
	const struct place *place = *state;
	char *argv[4], *env[3], *path = remote_path(place->record, "t", "spec"), *text;
	struct end_step steps[2];
	struct remote_spec spec = some_spec(place, argv, env, steps), *read;
	struct orch_error err;
	size_t len;

	assert_int_equal(remote_spec_write(place->record, "t", &spec, &err), 0);
	assert_int_equal(fs_read(path, 0, &text, &len, &err), 0);
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(fs_replace(-100, path, text, cut, false, &err), 0);
		read = remote_spec_read(place->record, "t", &err);
		assert_null(read);
	}
	free(text);
	free(path);
}

static void claims(void **state)
{
	const struct place *place = *state;
	enum remote_claimed claimed;
	struct orch_error err;

	assert_int_equal(remote_claimed(place->record, "t", &claimed, NULL, NULL, &err), 0);
	assert_int_equal(claimed, REMOTE_UNCLAIMED);
	assert_int_equal(remote_claim(place->record, "t", REMOTE_NEVER, &err), 1);
	assert_int_equal(remote_claimed(place->record, "t", &claimed, NULL, NULL, &err), 0);
	assert_int_equal(claimed, REMOTE_NEVER_RUN);
	/* to say so again is fine; to begin is not */
	assert_int_equal(remote_claim(place->record, "t", REMOTE_NEVER, &err), 1);
	assert_int_equal(remote_claim(place->record, "t", "orch-job 1\n", &err), 0);
	assert_int_equal(remote_claim(place->record, "u", "orch-job 1\n", &err), 1);
	assert_int_equal(remote_claim(place->record, "u", REMOTE_NEVER, &err), 0);
}

/* of many who want it at once one has it */
static void one_claim(void **state)
{
	const struct place *place = *state;
	enum { COUNT = 20 };
	pid_t pids[COUNT];
	int won = 0;

	for (int i = 0; i < COUNT; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char *text = xasprintf("orch-job 1\nsupervisor %d 1\n", i);
			int result = remote_claim(place->record, "t", text, NULL);

			free(text);
			_exit(result < 0 ? 2 : result);
		}
		assert_true(pids[i] > 0);
	}
	for (int i = 0; i < COUNT; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_not_equal(WEXITSTATUS(status), 2);
		won += WEXITSTATUS(status);
	}
	assert_int_equal(won, 1);
}

/* as a scheduler would start it */
static pid_t start_supervisor(const struct place *place, const char *token)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(3);
		_exit(supervisor_remote_main(place->record, token));
	}
	assert_true(pid > 0);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run_one(const struct place *place, const char *token, const char *script, char **env)
{
	char *argv[4], *own_env[3], *copy = xstrdup(script);
	struct end_step steps[2];
	struct remote_spec spec = some_spec(place, argv, own_env, steps);
	struct orch_error err;

	argv[2] = copy;
	spec.memory = 0;
	spec.memory_each = false;
	if (env)
		spec.env = env;
	assert_int_equal(remote_spec_write(place->record, token, &spec, &err), 0);
	free(copy);
}

static void a_tree_runs_once(void **state)
{
	const struct place *place = *state;
	struct supervised_record record = {0};
	enum remote_claimed claimed;
	char host[REMOTE_NAME_SIZE] = "", *text;
	struct orch_error err;
	size_t len;

	run_one(place, "t", "echo $ORCH_X $FROM_NODE; echo results >results; exit 3", NULL);
	assert_int_equal(setenv("FROM_NODE", "node7", 1), 0);
	assert_int_equal(setenv("ORCH_X", "not this", 1), 0);
	assert_int_equal(wait_for(start_supervisor(place, "t")), 0);
	/* the same again, as a scheduler that repeats a job does */
	assert_int_equal(wait_for(start_supervisor(place, "t")), 1);
	unsetenv("FROM_NODE");
	unsetenv("ORCH_X");
	assert_int_equal(remote_ended(place->record, "t", &record, &err), 1);
	assert_false(record.how.signalled);
	assert_int_equal(record.how.code, 3);
	assert_false(record.told);
	assert_int_equal(remote_claimed(place->record, "t", &claimed, &record, host, &err), 0);
	assert_int_equal(claimed, REMOTE_CLAIMED);
	assert_true(*host);
	assert_int_equal(fs_read(place->log, 0, &text, &len, &err), 0);
	assert_string_equal(text, "two words node7\n");
	assert_int_equal(record.log_size, (int64_t)len);
	assert_int_equal(record.results_size, 8);
	assert_true(remote_beat(place->record, "t") > 0);
	free(text);
}

static void nobody_runs_what_was_taken_back(void **state)
{
	const struct place *place = *state;
	struct supervised_record record;
	struct orch_error err;

	run_one(place, "t", "echo ran", NULL);
	assert_int_equal(remote_claim(place->record, "t", REMOTE_NEVER, &err), 1);
	assert_int_equal(wait_for(start_supervisor(place, "t")), 1);
	assert_false(fs_exists(place->log));
	assert_int_equal(remote_ended(place->record, "t", &record, &err), 0);
}

static void wait_until_it_runs(const struct place *place)
{
	struct timespec pause = {.tv_nsec = 20000000};

	for (int i = 0; i < 1500 && !fs_exists(place->log); i++)
		nanosleep(&pause, NULL);
	for (int i = 0; i < 1500; i++) {
		struct stat st;

		if (stat(place->log, &st) == 0 && st.st_size > 0)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("it does not run");
}

static void it_is_asked_to_end(void **state)
{
	const struct place *place = *state;
	struct supervised_record record;
	struct orch_error err;
	pid_t pid;

	run_one(place, "t", "trap 'echo term; exit 7' TERM; echo begun; while :; do sleep 0.05; done", NULL);
	pid = start_supervisor(place, "t");
	wait_until_it_runs(place);
	assert_int_equal(remote_ask(place->record, "t", "signal 15", &err), 0);
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(remote_ended(place->record, "t", &record, &err), 1);
	assert_int_equal(record.how.code, 7);
	assert_false(record.told);
}

static void its_scheduler_ends_it(void **state)
{
	const struct place *place = *state;
	struct supervised_record record;
	struct orch_error err;
	pid_t pid;

	run_one(place, "t", "echo begun; while :; do sleep 0.05; done", NULL);
	pid = start_supervisor(place, "t");
	wait_until_it_runs(place);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(remote_ended(place->record, "t", &record, &err), 1);
	assert_true(record.how.signalled);
	assert_int_equal(record.how.code, SIGTERM);
	assert_true(record.told);
}

static void it_is_revoked(void **state)
{
	const struct place *place = *state;
	struct supervised_record record;
	struct orch_error err;
	pid_t pid;

	run_one(place, "t", "trap '' TERM; echo begun; while :; do sleep 0.05; done", NULL);
	pid = start_supervisor(place, "t");
	wait_until_it_runs(place);
	assert_int_equal(remote_ask(place->record, "t", "revoke", &err), 0);
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(remote_ended(place->record, "t", &record, &err), 1);
	assert_int_equal(record.how.code, SIGKILL);
}

static void it_cannot_be_started(void **state)
{
	const struct place *place = *state;
	char *argv[4], *env[3];
	struct end_step steps[2];
	struct remote_spec spec = some_spec(place, argv, env, steps);
	struct supervised_record record;
	struct orch_error err;

	spec.memory = 0;
	spec.log = "/nowhere/at/all";
	assert_int_equal(remote_spec_write(place->record, "t", &spec, &err), 0);
	assert_int_equal(wait_for(start_supervisor(place, "t")), 0);
	assert_int_equal(remote_ended(place->record, "t", &record, &err), 1);
	assert_int_not_equal(record.not_started, 0);
	assert_non_null(strstr(record.message, "/nowhere/at/all"));
}

static void what_others_look_at(void **state)
{
	const struct place *place = *state;
	struct remote_note note = {.runner = "slurm", .token = "t", .submitted_ms = 5};
	struct supervised_record record;
	enum supervised_state found;
	struct orch_error err;

	assert_int_equal(remote_note_write(place->record, &note, &err), 0);
	assert_int_equal(supervised_look(place->record, &found, &record, &err), 0);
	assert_int_equal(found, SUPERVISED_RUNNING);
	assert_true(record.remote);
	assert_true(record.unclaimed);
	assert_int_equal(record.started_ms, 5);
	/* stopped before it began: it ends at once, and never begins */
	assert_int_equal(supervised_end(place->record, &err), 0);
	assert_int_equal(supervised_look(place->record, &found, &record, &err), 0);
	assert_int_equal(found, SUPERVISED_ENDED);
	assert_true(record.how.signalled);
	assert_int_equal(remote_claim(place->record, "t", "orch-job 1\n", &err), 0);
	assert_int_equal(supervised_forget(place->record, &err), 0);
	assert_int_equal(supervised_look(place->record, &found, &record, &err), 0);
	assert_int_equal(found, SUPERVISED_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(notes, begin, finish),
		cmocka_unit_test(tokens),
		cmocka_unit_test_setup_teardown(specs, begin, finish),
		cmocka_unit_test_setup_teardown(torn_specs, begin, finish),
		cmocka_unit_test_setup_teardown(claims, begin, finish),
		cmocka_unit_test_setup_teardown(one_claim, begin, finish),
		cmocka_unit_test_setup_teardown(a_tree_runs_once, begin, finish),
		cmocka_unit_test_setup_teardown(nobody_runs_what_was_taken_back, begin, finish),
		cmocka_unit_test_setup_teardown(it_is_asked_to_end, begin, finish),
		cmocka_unit_test_setup_teardown(its_scheduler_ends_it, begin, finish),
		cmocka_unit_test_setup_teardown(it_is_revoked, begin, finish),
		cmocka_unit_test_setup_teardown(it_cannot_be_started, begin, finish),
		cmocka_unit_test_setup_teardown(what_others_look_at, begin, finish),
	};

	return cmocka_run_group_tests_name("os_remote", tests, NULL, NULL);
}
