#include "config.h"

#include "lang/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"

extern char **environ;

static int start(pid_t *pid, char *const *argv, const char *dir, int out)
{
	posix_spawn_file_actions_t actions;
	int error;

	error = posix_spawn_file_actions_init(&actions);
	if (error)
		return error;
	error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (!error && dir)
		error = posix_spawn_file_actions_addchdir_np(&actions, dir);
	if (!error)
		error = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static int read_all(int fd, struct strbuf *out)
{
	for (;;) {
		ssize_t n = read(fd, strbuf_reserve(out, 4096), 4096);

		if (n > 0)
			strbuf_grown(out, (size_t)n);
		else if (n == 0)
			return 0;
		else if (errno != EINTR)
			return -1;
		if (out->len > COMMAND_OUTPUT_MAX) {
			errno = EFBIG;
			return -1;
		}
	}
}

int command_output(const char *shell, const char *command, const char *dir, struct strbuf *out, struct orch_error *err)
{
	struct strvec argv = {0};
	int fds[2], error, status = 0, result, read_error = 0;
	pid_t pid;

	strvec_split(&argv, shell);
	strvec_push(&argv, "-c");
	strvec_push(&argv, command);
	if (pipe2(fds, O_CLOEXEC) != 0) {
		strvec_release(&argv);
		return error_errno(err, "cannot make a pipe");
	}
	error = start(&pid, argv.items, dir, fds[1]);
	close(fds[1]);
	if (error) {
		close(fds[0]);
		errno = error;
		error_errno(err, "cannot run '%s'", argv.items[0]);
		strvec_release(&argv);
		return -1;
	}
	strvec_release(&argv);
	result = read_all(fds[0], out);
	read_error = errno;
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (result != 0) {
		errno = read_error;
		return error_errno(err, "the command's output cannot be read");
	}
	if (WIFSIGNALED(status))
		return error_set(
			err, "the command was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		return error_set(err, "the command failed with status %d", WEXITSTATUS(status));
	while (out->len && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r'))
		strbuf_truncate(out, out->len - 1);
	return 0;
}
