#include "config.h"

#include "runner/tree.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/socket.h"
#include "os/supervised.h"
#include "runner/script.h"
#include "runner/typist.h"
#include "runner/window.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strvec.h"


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
		.env = command->env ? command->env : environ,
		.dir = command->dir,
		.in = -1,
		.log = command->log,
		.mark = command->mark,
		.redact = command->redact,
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
	result = script_words(&words, command, err);
	number = result == 0 ? 0 : errno;
	spec.argv = words.items;
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
