#include "config.h"

#include "runner/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/socket.h"
#include "os/supervised.h"
#include "runner/typist.h"
#include "runner/window.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strvec.h"

/* one argument may have 128 KiB (Linux: MAX_ARG_STRLEN), its end included; some room is left */
enum { SCRIPT_ARGUMENT_MAX = 100000 };

static void job_free(struct job *job)
{
	window_free(job->window);
	typist_free(job->typist);
	free(job->problem);
	free(job->socket);
	free(job);
}

static void on_started(void *data, pid_t pid, int slot)
{
	struct job *job = data;

	/* it is there: the command has its place in it */
	window_free(job->window);
	job->window = NULL;
	job->on.started(job->on.data, (int)pid, slot);
}

static void on_failed(void *data, int error_number, const char *message)
{
	struct job *job = data;

	job->tree = NULL;
	if (job->problem)
		job->on.failed(job->on.data, ECHILD, job->problem);
	else
		job->on.failed(job->on.data, error_number, message);
	job_free(job);
}

/* what waits for its window is taken back, which `failed` tells */
static void on_no_window(void *data, const char *why)
{
	struct job *job = data;

	free(job->problem);
	job->problem = xstrdup(why);
	supervised_signal(job->tree, SIGTERM);
}

static void on_ended(void *data, const struct child_exit *how)
{
	struct job *job = data;
	struct job_exit end = job_exit_of(how);

	job->tree = NULL;
	job->on.ended(job->on.data, &end);
	job_free(job);
}

static void on_unsent(void *data, const char *why)
{
	struct job *job = data;

	if (job->on.unsent)
		job->on.unsent(job->on.data, why);
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

/* --- a terminal of its own --- */

static bool is_variable(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* the environment, with the kind of terminal that it has, unless somebody gave it another than ours, and without what
 * is of the terminal that we have */
static void add_terminal(struct strvec *out, char *const *env, enum tree_terminal terminal)
{
	static const char *const ours[] = {"TMUX", "TMUX_PANE", "STY", "WINDOW", "COLUMNS", "LINES"};
	const char *term = getenv("TERM");
	bool has_term = false;

	for (; *env; env++) {
		bool keep = true;

		for (size_t i = 0; i < sizeof ours / sizeof *ours && keep; i++)
			keep = !is_variable(*env, ours[i]);
		if (is_variable(*env, "TERM")) {
			keep = !term || strcmp(*env + strlen("TERM="), term) != 0;
			has_term = has_term || keep;
		}
		if (keep)
			strvec_push(out, *env);
	}
	if (!has_term)
		strvec_pushf(out, "TERM=%s", terminal == TREE_IN_WINDOW ? "screen-256color" : "xterm-256color");
}

/* its socket, absolute: who connects may be elsewhere */
static int listen_for(struct job *job, const char *path, int *number, struct orch_error *err)
{
	char *cwd = fs_cwd();
	int fd;

	job->socket = path_join(cwd, path);
	free(cwd);
	fd = socket_open(job->socket, err);
	*number = fd < 0 ? errno : 0;
	return fd;
}

/* --- the functions of runners --- */

static int start(struct job *job, struct supervised_spec *spec, const struct command *command,
	enum tree_terminal terminal, int *number, struct orch_error *err)
{
	struct supervised_calls calls = calls_of(job);
	struct supervised_terminal own = {.listener = -1, .columns = TERMINAL_COLUMNS, .rows = TERMINAL_ROWS};
	struct strvec env = {0};
	int result = 0;

	if (terminal != TREE_WITHOUT) {
		add_terminal(&env, spec->env, terminal);
		own.window = terminal == TREE_IN_WINDOW;
		own.listener = listen_for(job, command->terminal, number, err);
		own.path = job->socket;
		spec->env = env.items;
		spec->terminal = &own;
		result = own.listener < 0 ? -1 : 0;
	}
	if (result == 0 && own.window) {
		result = window_open(&job->window, job->runner, command, job->socket, on_no_window, job, err);
		*number = result == 0 ? 0 : ECHILD;
	}
	if (result == 0)
		result = supervised_start(&job->tree, job->runner->supervision, spec, &calls, number, err);
	if (own.listener >= 0) {
		close(own.listener);
		if (result != 0)
			unlink(job->socket);
	}
	strvec_release(&env);
	return result;
}

int tree_start(struct job **out, struct runner *runner, const struct command *command, enum tree_terminal terminal,
	const struct job_callbacks *on, int *error_number, struct orch_error *err)
{
	extern char **environ;
	struct strvec words = {0};
	struct job *job = xcalloc(1, sizeof *job);
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
		.has_tokens = command->has_tokens,
		.tokens = command->tokens,
	};
	int number = 0, result = 0;

	job->on = *on;
	job->runner = runner;
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
		result = start(job, &spec, command, terminal, &number, err);
	strvec_release(&words);
	if (error_number)
		*error_number = number;
	if (result != 0) {
		job_free(job);
		return -1;
	}
	*out = job;
	return 0;
}

void tree_stop(struct job *job, int signo)
{
	if (job->tree)
		supervised_signal(job->tree, signo);
}

int tree_adopt(struct job **out, struct runner *runner, const char *record, const struct job_callbacks *on,
	struct orch_error *err)
{
	struct job *job = xcalloc(1, sizeof *job);
	struct supervised_calls calls = calls_of(job);

	job->on = *on;
	job->runner = runner;
	if (supervised_adopt(&job->tree, runner->supervision, record, &calls, err) != 0) {
		job_free(job);
		return -1;
	}
	*out = job;
	return 0;
}

int tree_adopt_terminal(struct job **out, struct runner *runner, const char *record, const struct job_callbacks *on,
	struct orch_error *err)
{
	char *cwd, *path;

	if (tree_adopt(out, runner, record, on, err) != 0)
		return -1;
	cwd = fs_cwd();
	path = xasprintf("%s" RUNNER_TERMINAL, record);
	(*out)->socket = path_join(cwd, path);
	free(path);
	free(cwd);
	return 0;
}

void tree_leave(struct job *job)
{
	if (job->tree)
		supervised_leave(job->tree);
	job_free(job);
}

int tree_send(struct job *job, const char *text, size_t len, struct orch_error *err)
{
	if (!job->typist && typist_new(&job->typist, job->runner->loop, job->socket, on_unsent, job, err) != 0)
		return -1;
	return typist_type(job->typist, text, len, err);
}
