#include "config.h"

#include "os/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/error.h"

static volatile sig_atomic_t copy_pid;

static void pass_on(int signo)
{
	int saved = errno;

	if (copy_pid > 0)
		kill((pid_t)copy_pid, signo);
	errno = saved;
}

/* what the terminal sends to both is for the copy alone; what is sent to this process is for the copy too */
static void take_signals(void)
{
	static const int ignored[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTOU, SIGTTIN, SIGWINCH};
	static const int passed[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_handler = SIG_IGN};

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		sigaction(ignored[i], &action, NULL);
	action.sa_handler = pass_on;
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		sigaction(passed[i], &action, NULL);
}

static int wait_for_copy(pid_t copy)
{
	int status = 0;

	for (;;) {
		pid_t got = waitpid(copy, &status, WUNTRACED);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return 0;
		if (!WIFSTOPPED(status))
			return status;
		/* the shell is told by a stop of our own; who continues one of us, continues both */
		kill(getpid(), SIGSTOP);
		kill(copy, SIGCONT);
	}
}

int guard_terminal(struct guard *guard, int fd, const char *restore, int *status, struct orch_error *err)
{
	struct termios modes;
	bool has_modes = tcgetattr(fd, &modes) == 0;
	int ends[2], result;
	pid_t copy;

	guard->parent = -1;
	if (pipe(ends) != 0)
		return error_errno(err, "cannot make a pipe");
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	copy = fork();
	if (copy < 0) {
		int saved = errno;

		close(ends[0]);
		close(ends[1]);
		errno = saved;
		return error_errno(err, "cannot start a process for the view");
	}
	if (copy == 0) {
		close(ends[1]);
		guard->parent = ends[0];
		return 0;
	}
	close(ends[0]);
	copy_pid = copy;
	take_signals();
	result = wait_for_copy(copy);
	copy_pid = 0;
	close(ends[1]);
	*status = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
	if (WIFSIGNALED(result)) {
		/* a terminal that is gone needs nothing */
		if (has_modes)
			(void)!tcsetattr(fd, TCSAFLUSH, &modes);
		(void)!fs_write_all(fd, restore, strlen(restore));
	}
	return 1;
}
