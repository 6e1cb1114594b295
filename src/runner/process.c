#include "config.h"

#include "runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/supervised.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strvec.h"

/* one argument may have 128 KiB (Linux: MAX_ARG_STRLEN), its end included; some room is left */
enum { SCRIPT_ARGUMENT_MAX = 100000 };

struct job {
	struct supervised *tree;
	struct job_callbacks on;
};

static void on_started(void *data, pid_t pid, int slot)
{
	struct job *job = data;

	job->on.started(job->on.data, (int)pid, slot);
}

static void on_failed(void *data, int error_number, const char *message)
{
	struct job *job = data;

	job->on.failed(job->on.data, error_number, message);
	free(job);
}

static void on_ended(void *data, const struct child_exit *how)
{
	struct job *job = data;
	struct job_exit end = {
		.signalled = how->signalled,
		.code = how->code,
		.duration_ms = how->duration_ms,
		.user_us = how->user_us,
		.system_us = how->system_us,
		.max_rss_kb = how->max_rss_kb,
		.memory_peak = how->memory_peak,
		.oom_kills = how->oom_kills,
		.left_behind = how->left_behind,
		.unkillable = how->unkillable,
		.names = how->names,
	};

	job->tree = NULL;
	job->on.ended(job->on.data, &end);
	free(job);
}

/* the file is closed before anything is started: who runs a file that is open for writing gets ETXTBSY. -1 with errno
 */
static int write_script(const char *path, const char *script, struct orch_error *err)
{
	int fd, saved;
	bool ok;

	/* never into the file of an attempt before, which a process may still be reading */
	if (unlink(path) != 0 && errno != ENOENT)
		goto failed;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (fd < 0)
		goto failed;
	ok = fs_write_all(fd, script, strlen(script)) == 0 && fchmod(fd, 0700) == 0;
	saved = errno;
	if (close(fd) != 0 && ok) {
		saved = errno;
		ok = false;
	}
	if (ok)
		return 0;
	unlink(path);
	errno = saved;
failed:
	saved = errno;
	error_errno(err, "cannot write the script '%s'", path);
	errno = saved;
	return -1;
}

/* adds the words of the command line that runs the script. -1 with errno */
static int add_script_words(struct strvec *argv, const struct command *command, struct orch_error *err)
{
	const char *script = command->script;
	bool has_interpreter = strncmp(script, "#!", 2) == 0;
	size_t before = argv->count;
	char *cwd, *path;

	if (!has_interpreter) {
		strvec_split(argv, command->shell ? command->shell : "sh");
		if (argv->count == before) {
			error_set(err, "the shell's command line is empty");
			errno = EINVAL;
			return -1;
		}
		if (strlen(script) <= SCRIPT_ARGUMENT_MAX) {
			strvec_push(argv, "-c");
			strvec_push(argv, script);
			return 0;
		}
	}
	if (!command->script_path) {
		error_set(err, "a script that is %s needs a file, and there is no place for it",
			has_interpreter ? "its own program" : "this long");
		errno = EINVAL;
		return -1;
	}
	if (write_script(command->script_path, script, err) != 0)
		return -1;
	/* the command runs in a directory of its own */
	cwd = fs_cwd();
	path = path_join(cwd, command->script_path);
	strvec_push(argv, path);
	free(path);
	free(cwd);
	return 0;
}

static struct supervised_calls calls_of(struct job *job)
{
	return (struct supervised_calls){.started = on_started, .failed = on_failed, .ended = on_ended, .data = job};
}

static int process_start(struct job **out, struct runner *runner, const struct command *command,
	const struct job_callbacks *on, int *error_number, struct orch_error *err)
{
	extern char **environ;
	struct strvec words = {0};
	struct job *job = xcalloc(1, sizeof *job);
	struct supervised_calls calls = calls_of(job);
	struct supervised_spec spec = {
		.argv = command->argv,
		.env = command->env ? command->env : environ,
		.dir = command->dir,
		.in = -1,
		.log = command->log,
		.mark = command->mark,
		.linger_ms = command->linger_ms,
		.steps = command->steps,
		.step_count = command->step_count,
		.record = command->record,
		.memory = command->memory,
		.memory_each = command->memory_each,
		.wraps = command->wraps,
		.writable = command->writable,
		.slot = command->slot,
	};
	int number = 0, result = 0;

	job->on = *on;
	for (char *const *word = command->wrap; word && *word; word++)
		strvec_push(&words, *word);
	if (command->script) {
		result = add_script_words(&words, command, err);
		number = result == 0 ? 0 : errno;
		spec.argv = words.items;
	} else if (!command->argv || !command->argv[0]) {
		result = error_set(err, "there is no command to run");
		number = EINVAL;
	} else if (command->wrap) {
		for (char *const *word = command->argv; *word; word++)
			strvec_push(&words, *word);
		spec.argv = words.items;
	}
	if (result == 0)
		result = supervised_start(&job->tree, runner->supervision, &spec, &calls, &number, err);
	strvec_release(&words);
	if (error_number)
		*error_number = number;
	if (result != 0) {
		free(job);
		return -1;
	}
	*out = job;
	return 0;
}

static void process_stop(struct job *job, int signo)
{
	if (job->tree)
		supervised_signal(job->tree, signo);
}

static int process_adopt(struct job **out, struct runner *runner, const char *record, const struct job_callbacks *on,
	struct orch_error *err)
{
	struct job *job = xcalloc(1, sizeof *job);
	struct supervised_calls calls = calls_of(job);

	job->on = *on;
	if (supervised_adopt(&job->tree, runner->supervision, record, &calls, err) != 0) {
		free(job);
		return -1;
	}
	*out = job;
	return 0;
}

static void process_leave(struct job *job)
{
	if (job->tree)
		supervised_leave(job->tree);
	free(job);
}

const struct runner_ops runner_process = {
	.name = "process",
	.start = process_start,
	.stop = process_stop,
	.adopt = process_adopt,
	.leave = process_leave,
};
