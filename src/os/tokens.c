#include "config.h"

#include "os/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"

#define ONE_PAGE 1 /* what is asked for is rounded up to that */

static int cannot(struct tokens *tokens, struct orch_error *err)
{
	error_errno(err, "a pipe for the tokens of a jobserver cannot be made");
	tokens_close(tokens);
	return -1;
}

/* the pipe's other open file, whose flags are its own */
static int open_again(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_CLOEXEC);
}

static int make_small(int fd)
{
#ifdef F_SETPIPE_SZ
	return fcntl(fd, F_SETPIPE_SZ, ONE_PAGE) < 0 ? -1 : 0;
#else
	(void)fd;
	errno = ENOSYS;
	return -1;
#endif
}

int tokens_pipes(struct tokens *tokens, struct orch_error *err)
{
	int forth[2], back[2];

	*tokens = TOKENS_NONE;
	if (pipe(forth) != 0)
		return cannot(tokens, err);
	tokens->client[0] = forth[0];
	tokens->give = forth[1];
	if (pipe(back) != 0)
		return cannot(tokens, err);
	tokens->back = back[0];
	tokens->client[1] = back[1];
	tokens->take = open_again(forth[0], O_RDONLY);
	if (tokens->take < 0 || make_small(tokens->give) != 0 || fcntl(forth[0], F_SETFD, FD_CLOEXEC) != 0 ||
		fcntl(forth[1], F_SETFD, FD_CLOEXEC) != 0 || fcntl(back[0], F_SETFD, FD_CLOEXEC) != 0 ||
		fcntl(back[1], F_SETFD, FD_CLOEXEC) != 0 || fcntl(forth[1], F_SETFL, O_NONBLOCK) != 0 ||
		fcntl(back[0], F_SETFL, O_NONBLOCK) != 0)
		return cannot(tokens, err);
	return 0;
}

int tokens_fifos(struct tokens *tokens, const char *forth, const char *back, struct orch_error *err)
{
	*tokens = TOKENS_NONE;
	if (mkfifo(forth, 0600) != 0 || mkfifo(back, 0600) != 0)
		return cannot(tokens, err);
	/* the reading ends first: nobody can open one for writing only, without waiting, before */
	tokens->take = open(forth, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	tokens->give = open(forth, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	/* for both ways, so that it is not at its end whenever nobody writes there */
	tokens->back = open(back, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tokens->take < 0 || tokens->give < 0 || tokens->back < 0 || make_small(tokens->give) != 0)
		return cannot(tokens, err);
	return 0;
}

int tokens_fifo(struct tokens *tokens, const char *path, struct orch_error *err)
{
	*tokens = TOKENS_NONE;
	if (mkfifo(path, 0600) != 0)
		return cannot(tokens, err);
	tokens->take = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	tokens->give = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (tokens->take < 0 || tokens->give < 0)
		return cannot(tokens, err);
	return 0;
}

bool tokens_give(const struct tokens *tokens)
{
	ssize_t wrote;

	do
		wrote = write(tokens->give, "+", 1);
	while (wrote < 0 && errno == EINTR);
	return wrote == 1;
}

static unsigned read_some(int fd, unsigned most)
{
	char bytes[256];
	unsigned count = 0;

	while (count < most) {
		ssize_t got = read(fd, bytes, most - count < sizeof bytes ? most - count : sizeof bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		count += (unsigned)got;
	}
	return count;
}

unsigned tokens_take(const struct tokens *tokens)
{
	return read_some(tokens->take, UINT_MAX);
}

unsigned tokens_returned(const struct tokens *tokens)
{
	return read_some(tokens->back, UINT_MAX);
}

unsigned tokens_lying(const struct tokens *tokens)
{
	int count;

	return ioctl(tokens->take, FIONREAD, &count) == 0 && count > 0 ? (unsigned)count : 0;
}

unsigned tokens_take_some(const struct tokens *tokens, unsigned most)
{
	return read_some(tokens->take, most);
}

void tokens_close(struct tokens *tokens)
{
	int *const fds[] = {&tokens->give, &tokens->take, &tokens->back, &tokens->client[0], &tokens->client[1]};
	int number = errno;

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	errno = number;
}

int tokens_reopen(int fd, bool writing, struct orch_error *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL), copy;

	if (flags < 0)
		return error_errno(err, "descriptor %d", fd);
	if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode) ||
		((flags & O_ACCMODE) != O_RDWR && (flags & O_ACCMODE) != (writing ? O_WRONLY : O_RDONLY)))
		return error_set(err, "descriptor %d is no pipe to %s", fd, writing ? "write to" : "read from");
	copy = open_again(fd, writing ? O_WRONLY : O_RDONLY);
	return copy < 0 ? error_errno(err, "descriptor %d", fd) : copy;
}

int tokens_read_one(int fd)
{
	unsigned char byte;
	ssize_t got;

	do
		got = read(fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	return got == 1 ? byte : -1;
}

int tokens_write_one(int fd, char byte)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	for (;;) {
		ssize_t wrote = write(fd, &byte, 1);

		if (wrote == 1)
			return 0;
		/* full: a pipe holds more tokens than any make has */
		if (wrote < 0 && errno == EAGAIN && poll(&room, 1, 1000) > 0)
			continue;
		if (wrote >= 0 || errno != EINTR)
			return -1;
	}
}
