#include "config.h"

#include "runner/tmux_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/child.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/socket.h"
#include "os/supervised.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strvec.h"

enum {
	LOOK_MS = 10, /* for its socket, while it starts */
	START_MAX_MS = 20000,
	AGAIN_MS = 50, /* a server that is about to end takes nothing more; the next one does */
	TRIES_MAX = 40,
	SAID_MAX = 1024,
	FAREWELL_MS = 500, /* for a server without windows to end, and leave nothing */
};

/* in the runner's home: its socket, which is named from within, since an address cannot have any length */
#define SOCKET_NAME RUNNER_TMUX
#define RECORD_NAME "tmux"

enum server_state { SERVER_GONE, SERVER_STARTS, SERVER_RUNS };

struct command_line {
	struct tmux *tmux;
	struct command_line *next;
	struct strvec words;
	struct child *child; /* NULL: it waits */
	int said;            /* what it prints; -1: none yet */
	unsigned tries;
	void (*done)(void *data, const char *problem); /* NULL: nobody wants to know any more */
	void *data;
};

struct tmux {
	struct runner *runner;
	enum server_state state;
	struct supervised *tree;
	char *record, *socket;
	struct strvec env;
	int said; /* what the server prints; -1: none */
	int64_t started_ms;
	bool has_had_window; /* it ends by itself */
	struct loop_timer *pump, *look;
	struct command_line *first;
};

static void on_pump(void *data);

/* a file without a name, for what a program says */
static int open_nameless(const struct tmux *tmux)
{
	char *path = xasprintf("%s/tmux-XXXXXX", tmux->runner->home);
	int fd = mkostemp(path, O_CLOEXEC | O_APPEND);

	if (fd >= 0)
		unlink(path);
	free(path);
	return fd;
}

/* its last line; the caller frees */
static char *read_said(int fd)
{
	char text[SAID_MAX + 1];
	ssize_t got = fd >= 0 ? pread(fd, text, SAID_MAX, 0) : 0;
	char *last;

	text[got > 0 ? got : 0] = '\0';
	while (got > 0 && text[got - 1] == '\n')
		text[--got] = '\0';
	last = strrchr(text, '\n');
	return xstrdup(last ? last + 1 : *text ? text : "it does not say why");
}

/* --- the commands --- */

static void command_free(struct command_line *command)
{
	struct command_line **link = &command->tmux->first;

	while (*link != command)
		link = &(*link)->next;
	*link = command->next;
	if (command->said >= 0)
		close(command->said);
	strvec_release(&command->words);
	free(command);
}

static void command_done(struct command_line *command, const char *problem)
{
	void (*done)(void *, const char *) = command->done;
	void *data = command->data;

	if (!problem)
		command->tmux->has_had_window = true;
	command_free(command);
	if (done)
		done(data, problem);
}

static bool says_server_is_gone(const char *said)
{
	return strstr(said, "no server running") || strstr(said, "server exited") || strstr(said, "lost server") ||
		strstr(said, "error connecting to");
}

static void on_command_exit(void *data, const struct child_exit *how)
{
	struct command_line *command = data;
	struct tmux *tmux = command->tmux;
	char *said;

	command->child = NULL;
	if (!how->signalled && how->code == 0) {
		command_done(command, NULL);
		return;
	}
	said = read_said(command->said);
	if (says_server_is_gone(said) && command->tries < TRIES_MAX) {
		loop_timer_arm_if_idle(tmux->pump, AGAIN_MS);
	} else {
		char *problem = xasprintf("tmux (3.2 or newer is needed): %s", said);

		command_done(command, problem);
		free(problem);
	}
	free(said);
}

static void run_command(struct command_line *command)
{
	struct tmux *tmux = command->tmux;
	struct child_spec spec = {.argv = command->words.items,
		.env = tmux->env.items,
		.dir = tmux->runner->home,
		.in = -1,
		.on_exit = on_command_exit,
		.data = command};
	struct orch_error err = {0};
	int number;

	if (command->said >= 0)
		close(command->said);
	command->said = open_nameless(tmux);
	if (command->said < 0) {
		error_errno(&err, "cannot make a file in '%s'", tmux->runner->home);
		command_done(command, err.message);
		return;
	}
	command->tries++;
	spec.out = spec.err = command->said;
	if (child_spawn(&command->child, tmux->runner->children, &spec, &number, &err) != 0) {
		command->child = NULL;
		command_done(command, err.message);
	}
}

static void refuse_all(struct tmux *tmux, const char *problem)
{
	struct command_line *command, *next;

	for (command = tmux->first; command; command = next) {
		next = command->next;
		if (!command->child)
			command_done(command, problem);
	}
}

/* --- the server --- */

static void on_server_started(void *data, pid_t pid, int slot)
{
	(void)data, (void)pid, (void)slot;
}

static void server_is_gone(struct tmux *tmux, const char *why)
{
	bool was_starting = tmux->state == SERVER_STARTS;
	char *problem = xasprintf("the tmux server could not be started: %s", why);

	tmux->state = SERVER_GONE;
	tmux->tree = NULL;
	tmux->has_had_window = false;
	loop_timer_disarm(tmux->look);
	if (was_starting)
		refuse_all(tmux, problem);
	else if (tmux->first)
		loop_timer_arm_if_idle(tmux->pump, 0);
	free(problem);
}

static void on_server_failed(void *data, int error_number, const char *message)
{
	(void)error_number;
	server_is_gone(data, message);
}

static void on_server_ended(void *data, const struct child_exit *how)
{
	struct tmux *tmux = data;
	char *said = read_said(tmux->said);

	(void)how;
	server_is_gone(tmux, said);
	free(said);
}

static void on_look(void *data)
{
	struct tmux *tmux = data;
	struct orch_error err = {0};
	int fd = socket_connect(tmux->socket, &err);

	if (fd >= 0) {
		close(fd);
		tmux->state = SERVER_RUNS;
		loop_timer_arm(tmux->pump, 0);
	} else if (clock_mono_ms() - tmux->started_ms < START_MAX_MS) {
		loop_timer_arm(tmux->look, LOOK_MS);
	} else {
		/* its end says so to all that wait */
		supervised_signal(tmux->tree, SIGKILL);
	}
}

static int start_server(struct tmux *tmux, struct orch_error *err)
{
	const struct supervised_calls calls = {.started = on_server_started,
		.failed = on_server_failed,
		.ended = on_server_ended,
		.data = tmux};
	const struct end_step term = {.signo = SIGTERM, .wait_ms = 2000};
	char *argv[] = {"tmux", "-D", "-S", SOCKET_NAME, "-f", "/dev/null", NULL};
	struct supervised_spec spec = {.argv = argv,
		.env = tmux->env.items,
		.dir = tmux->runner->home,
		.in = -1,
		.steps = &term,
		.step_count = 1,
		.record = tmux->record};
	struct supervised_record record;
	enum supervised_state state;
	int number;

	if (supervised_look(tmux->record, &state, &record, err) != 0)
		return -1;
	tmux->state = SERVER_STARTS;
	tmux->started_ms = clock_mono_ms();
	loop_timer_arm(tmux->look, LOOK_MS);
	/* left by an orch that is gone: its windows are still in it */
	if (state == SUPERVISED_RUNNING &&
		supervised_adopt(&tmux->tree, tmux->runner->supervision, tmux->record, &calls, err) == 0) {
		tmux->has_had_window = true;
		return 0;
	}
	if (supervised_forget(tmux->record, err) != 0)
		return -1;
	if (tmux->said >= 0)
		close(tmux->said);
	tmux->said = open_nameless(tmux);
	if (tmux->said < 0)
		return error_errno(err, "cannot make a file in '%s'", tmux->runner->home);
	spec.log = tmux->said;
	return supervised_start(&tmux->tree, tmux->runner->supervision, &spec, &calls, &number, err);
}

/* the next step for all that wait */
static void on_pump(void *data)
{
	struct tmux *tmux = data;
	struct command_line *command, *next;
	struct orch_error err = {0};

	if (tmux->state == SERVER_GONE && tmux->first && start_server(tmux, &err) != 0) {
		server_is_gone(tmux, err.message);
		return;
	}
	if (tmux->state != SERVER_RUNS)
		return;
	for (command = tmux->first; command; command = next) {
		next = command->next;
		if (!command->child)
			run_command(command);
	}
}

/* --- calls from outside --- */

struct tmux *tmux_of(struct runner *runner)
{
	extern char **environ;
	struct tmux *tmux = runner->tmux;

	if (tmux)
		return tmux;
	runner->tmux = tmux = xcalloc(1, sizeof *tmux);
	tmux->runner = runner;
	tmux->said = -1;
	tmux->record = xasprintf("%s/" RECORD_NAME, runner->home);
	tmux->socket = xasprintf("%s/" SOCKET_NAME, runner->home);
	tmux->pump = loop_timer_new(runner->loop, on_pump, tmux);
	tmux->look = loop_timer_new(runner->loop, on_look, tmux);
	/* it is not to think that it is inside another */
	for (char **entry = environ; *entry; entry++) {
		if (strncmp(*entry, "TMUX=", 5) != 0 && strncmp(*entry, "TMUX_PANE=", 10) != 0)
			strvec_push(&tmux->env, *entry);
	}
	return tmux;
}

void tmux_run(struct tmux *tmux, char *const *words, void (*done)(void *data, const char *problem), void *data)
{
	static const char *const first[] = {"tmux", "-N", "-S", SOCKET_NAME};
	struct command_line *command = xcalloc(1, sizeof *command), **link = &tmux->first;

	*command = (struct command_line){.tmux = tmux, .said = -1, .done = done, .data = data};
	for (size_t i = 0; i < sizeof first / sizeof *first; i++)
		strvec_push(&command->words, first[i]);
	for (; *words; words++)
		strvec_push(&command->words, *words);
	while (*link)
		link = &(*link)->next;
	*link = command;
	loop_timer_arm_if_idle(tmux->pump, 0);
}

void tmux_forget(struct tmux *tmux, const void *data)
{
	struct command_line *command, *next;

	for (command = tmux->first; command; command = next) {
		next = command->next;
		if (command->data != data)
			continue;
		command->done = NULL;
		if (!command->child)
			command_free(command);
	}
}

/* what the server and its supervisor have left, if they are gone by now, or in a moment */
static void clear_files(const struct tmux *tmux)
{
	static const char *const endings[] = {"exit", "job", "sock"};
	struct supervised_record record;
	enum supervised_state state;

	if (supervised_look(tmux->record, &state, &record, NULL) != 0 || state == SUPERVISED_NONE ||
		!supervised_wait(&record, FAREWELL_MS))
		return;
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		char *path = xasprintf("%s.%s", tmux->record, endings[i]);

		unlink(path);
		free(path);
	}
}

void tmux_free(struct tmux *tmux)
{
	if (!tmux)
		return;
	while (tmux->first)
		command_free(tmux->first);
	loop_timer_free(tmux->pump);
	loop_timer_free(tmux->look);
	if (tmux->tree) {
		/* one that has had no window does not know that it has had its last */
		if (!tmux->has_had_window)
			supervised_signal(tmux->tree, SIGTERM);
		supervised_leave(tmux->tree);
	}
	clear_files(tmux);
	if (tmux->said >= 0)
		close(tmux->said);
	strvec_release(&tmux->env);
	free(tmux->record);
	free(tmux->socket);
	free(tmux);
}
