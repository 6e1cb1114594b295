#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "orch/history.h"
#include "os/fs.h"
#include "os/relay.h"
#include "os/tty.h"
#include "util/alloc.h"
#include "util/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTROL_BITS = 0x1f, NOTE_MAX = 4096 };

struct attach_options {
	struct common common;
	const char *key;
};

static const struct attach_options attach_defaults = {.key = "^\\"};

static const struct opt attach_table[] = {
	{0, "detach-key", OPT_TEXT, offsetof(struct attach_options, key), .what = "KEY",
		.help = "the key, with Ctrl, that leaves it again; default: ^\\"},
	CMD_COMMON_OPTIONS,
	{0},
};

/* the newest run into *status, with what became of its attempts if it was killed */
static int look_at_run(struct orch_status *status, const char *dir)
{
	struct orch_error err;

	if (orch_history_replay(dir, NULL, status, NULL, &err) < 0)
		return err.code == ORCH_ENOTFOUND ? say_usage("nothing has run here yet, so nothing runs")
						  : say_error(&err);
	if (!status->finished_ms && orch_history_running_pid(dir) == 0 &&
		orch_history_left(dir, status, NULL, &err) < 0)
		return say_error(&err);
	return EXIT_COMPLETE;
}

static int unknown_stream(const struct orch_status *status, const char *name)
{
	struct suggest near = {.wanted = name};

	for (size_t i = 0; i < status->stream_count; i++)
		suggest_offer(&near, status->streams[i].name);
	if (near.best)
		return say_usage("'%s' has no part in the last run; did you mean '%s'?", name, near.best);
	return say_usage("'%s' has no part in the last run", name);
}

/* Where the log is .orch/runs/ID/logs/STREAM.N.log, what else its attempt has is beside that: attempts/STREAM.N.WHAT.
 * NULL: it has no such file */
static char *file_of_attempt(const char *log, const char *what)
{
	static const char *const phases[] = {"running", "mending"};
	const char *logs = strstr(log, "/logs/");
	size_t len = strlen(log);

	for (size_t i = 0; logs && len > strlen(".log") && i < sizeof phases / sizeof *phases; i++) {
		const char *name = logs + strlen("/logs/");
		char *path = xasprintf("%.*s/attempts/%.*s.%s.%s", (int)(logs - log), log,
			(int)(len - strlen(".log") - (size_t)(name - log)), name, phases[i], what);

		if (fs_exists(path))
			return path;
		free(path);
	}
	return NULL;
}

static bool is_running(const struct orch_stream_status *stream)
{
	return stream->state == ORCH_TASK_RUNNING && stream->log &&
		(stream->left == ORCH_LEFT_UNKNOWN || stream->left == ORCH_LEFT_RUNNING);
}

static int no_terminal(const struct orch_stream_status *stream)
{
	if (stream->phase && strcmp(stream->phase, "run") != 0 && strcmp(stream->phase, "recover") != 0)
		return say_usage("'%s' is in its phase '%s', which has no terminal; 'orch logs -f %s' shows what it says",
			stream->name, stream->phase, stream->name);
	return say_usage("'%s' has no terminal: 'runner = pty' or 'tmux' gives it one; 'orch logs -f %s' shows what it says",
		stream->name, stream->name);
}

static int attach_pty(const struct orch_stream_status *stream, const char *path, int key)
{
	struct orch_error err;
	enum relay_end end;

	say("this is the terminal of '%s'; Ctrl-%c leaves it", stream->name, key | 0x40);
	if (relay_run(path, key, &end, &err) < 0)
		return say_error(&err);
	if (end == RELAY_LOST) {
		say("the supervisor of '%s' is gone; 'orch logs %s' has what it said", stream->name, stream->name);
		return EXIT_USAGE;
	}
	say(end == RELAY_ENDED ? "'%s' has ended" : "left the terminal of '%s', which goes on", stream->name);
	return EXIT_COMPLETE;
}

/* it is tmux that shows it: in a client of its own, with its own keys */
static int attach_tmux(const char *name, const char *note)
{
	char client[] = "tmux", stay[] = "-N", at[] = "-S", socket[] = "tmux.sock", attach[] = "attach-session",
	     to[] = "-t";
	char *argv[] = {client, stay, at, socket, attach, to, NULL, NULL};
	struct orch_error err;
	char *session;
	size_t len;
	int status;

	if (fs_read(note, NOTE_MAX, &session, &len, &err) != 0)
		return say_error(&err);
	session[strcspn(session, "\n")] = '\0';
	argv[6] = xasprintf("=%s", session);
	free(session);
	/* the address of a socket must be short; and a terminal inside a tmux may well show another */
	unsetenv("TMUX");
	if (chdir(".orch") < 0)
		status = say_usage("cannot go to '.orch': %s", strerror(errno));
	else if (execvp(argv[0], argv) < 0)
		status = say_usage("'%s' is shown by tmux, which cannot be run here: %s", name, strerror(errno));
	else
		status = EXIT_USAGE;
	free(argv[6]);
	return status;
}

static int attach_to(const struct orch_status *status, const char *name, int key)
{
	const struct orch_stream_status *stream = orch_status_find(status, name);
	char *socket, *note;
	int result;

	if (!stream)
		return unknown_stream(status, name);
	if (!is_running(stream))
		return say_usage("'%s' does not run; 'orch logs %s' has what it said", name, name);
	socket = file_of_attempt(stream->log, "tty");
	if (!socket)
		return no_terminal(stream);
	note = file_of_attempt(stream->log, "window");
	result = note ? attach_tmux(name, note) : attach_pty(stream, socket, key);
	free(note);
	free(socket);
	return result;
}

static int attach_run(void *data, const struct operands *operands)
{
	const struct attach_options *options = data;
	const char *key = options->key;
	struct orch_status status;
	char *dir = NULL;
	int result;

	if (key[0] != '^' || key[1] < '?' || key[1] > 'z' || key[2])
		return say_usage("--detach-key: expected '^' and a letter or one of @[\\]^_, found '%s'", key);
	if (!tty_is(STDIN_FILENO) || !tty_is(STDOUT_FILENO))
		return say_usage("attach needs a terminal; 'orch logs -f %s' does not", operands->words.items[0]);
	result = find_project(&dir, &options->common);
	if (result != EXIT_COMPLETE)
		return result;
	orch_status_init(&status);
	result = look_at_run(&status, dir);
	if (result == EXIT_COMPLETE)
		result = attach_to(&status, operands->words.items[0], key[1] & CONTROL_BITS);
	orch_status_release(&status);
	free(dir);
	return result;
}

const struct cmd cmd_attach = {
	.name = "attach",
	.operands = "STREAM",
	.summary = "The terminal of a stream that runs in one, to look into and to type",
	.about = "For streams with 'runner = pty' or 'tmux'. What is typed goes to the program, Ctrl-C too. Ctrl-\\, or with tmux its own keys\n"
		 "Ctrl-b d, leave the terminal, and the stream goes on.\n",
	.group = CMD_STEERING,
	.options = attach_table,
	.size = sizeof(struct attach_options),
	.defaults = &attach_defaults,
	.min = 1,
	.max = 1,
	.run = attach_run,
};
