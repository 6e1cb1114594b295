#include "config.h"

#include "os/detach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/error.h"
#include "util/strbuf.h"

/* what the copy says last; no line that it says is this */
#define BEGUN "begun\n"

enum { TEXT_MAX = 4096, FDS_MAX = 65536 };

/* whoever waits for the end of a pipe that was handed to us shall not have to wait for the copy's */
static void close_others(int keep)
{
#ifdef HAVE_CLOSE_RANGE
	if ((keep == 3 || close_range(3, (unsigned)keep - 1, 0) == 0) && close_range((unsigned)keep + 1, ~0u, 0) == 0)
		return;
#endif
	for (int fd = 3; fd < FDS_MAX; fd++) {
		if (fd != keep)
			close(fd);
	}
}

static void become_copy(struct detach *detach, int fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	close_others(fd);
	setsid();
	signal(SIGHUP, SIG_IGN);
	/* the caller may go before we say anything */
	signal(SIGPIPE, SIG_IGN);
	detach->pid = 0;
	detach->fd = fd;
}

int detach_start(struct detach *detach, struct orch_error *err)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0)
		return error_errno(err, "cannot make a pipe");
	fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	pid = fork();
	if (pid < 0) {
		error_errno(err, "cannot start a process for the background");
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (pid == 0) {
		become_copy(detach, fds[1]);
		return 0;
	}
	close(fds[1]);
	*detach = (struct detach){.fd = fds[0], .pid = pid};
	return 1;
}

static int ends_in(const struct strbuf *text, const char *ending)
{
	size_t len = strlen(ending);

	return text->len >= len && memcmp(text->data + text->len - len, ending, len) == 0 &&
		(text->len == len || text->data[text->len - len - 1] == '\n');
}

int detach_wait(struct detach *detach, char **text, int *status)
{
	struct strbuf said = {.limit = TEXT_MAX};
	char bytes[256];
	int begun;

	*status = 0;
	for (;;) {
		ssize_t got = read(detach->fd, bytes, sizeof bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		strbuf_add(&said, bytes, (size_t)got);
	}
	close(detach->fd);
	detach->fd = -1;
	begun = ends_in(&said, BEGUN);
	if (begun)
		strbuf_truncate(&said, said.len - strlen(BEGUN));
	*text = strbuf_detach(&said);
	if (begun)
		return 0;
	while (waitpid(detach->pid, status, 0) < 0 && errno == EINTR)
		;
	return 1;
}

int detach_redirect(const char *path, struct orch_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return error_errno(err, "cannot write '%s'", path);
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0) {
		error_errno(err, "cannot write '%s'", path);
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

int detach_say(const struct detach *detach, const char *line)
{
	struct strbuf text = {0};
	int result;

	strbuf_addf(&text, "%s\n", line);
	result = fs_write_all(detach->fd, text.data, text.len);
	strbuf_release(&text);
	return result;
}

void detach_let_go(struct detach *detach)
{
	/* a caller that is gone by now has been told enough */
	(void)!fs_write_all(detach->fd, BEGUN, strlen(BEGUN));
	close(detach->fd);
	detach->fd = -1;
}
