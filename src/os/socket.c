#include "config.h"

#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

enum {
	BACKLOG = 128,
	READ_SIZE = 16 * 1024,
	SHORTAGE_WAIT_MS = 1000, /* before the next client is taken when there are no descriptors */
};

struct socket_server {
	struct loop *loop;
	int fd;
	char *path;
	dev_t device; /* of the socket, to know it again */
	ino_t inode;
	struct socket_limits limits;
	struct loop_fd *watch;
	struct loop_timer *again;
	void (*connected)(void *data, struct socket_stream *stream);
	void *data;
};

struct socket_stream {
	int fd;
	struct loop_fd *watch;
	struct socket_limits limits;
	struct strbuf input, output;
	void (*received)(void *data);
	void (*closed)(void *data);
	void *data;
};

/* --- addresses --- */

typedef int address_call(int fd, const struct sockaddr *address, socklen_t len);

static int call_with(address_call *call, int fd, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, name, strlen(name) + 1);
	return call(fd, (const struct sockaddr *)(const void *)&address, sizeof address);
}

/* by way of the directory, where there is no /proc: nobody else may look at relative paths meanwhile */
static int call_from_within(address_call *call, int fd, int directory, const char *name)
{
	int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = -1, number;

	if (before < 0)
		return -1;
	if (fchdir(directory) == 0) {
		result = call_with(call, fd, name);
		number = errno;
		if (fchdir(before) < 0)
			result = -1;
		else
			errno = number;
	}
	number = errno;
	close(before);
	errno = number;
	return result;
}

/* bind(2) or connect(2) with a path of any length; -1 with errno */
static int call_with_path(address_call *call, int fd, const char *path)
{
	char name[sizeof((struct sockaddr_un *)NULL)->sun_path];
	const char *file = path_file(path);
	char *directory;
	int directory_fd, len, result, number;

	if (strlen(path) < sizeof name)
		return call_with(call, fd, path);
	directory = path_dir(path);
	directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(directory);
	if (directory_fd < 0)
		return -1;
	len = snprintf(name, sizeof name, "/proc/self/fd/%d/%s", directory_fd, file);
	if (len > 0 && (size_t)len < sizeof name && access("/proc/self/fd", X_OK) == 0) {
		result = call_with(call, fd, name);
	} else if (strlen(file) < sizeof name) {
		result = call_from_within(call, fd, directory_fd, file);
	} else {
		errno = ENAMETOOLONG;
		result = -1;
	}
	number = errno;
	close(directory_fd);
	errno = number;
	return result;
}

int socket_connect(const char *path, struct orch_error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_errno(err, "cannot make a socket");
	if (call_with_path(connect, fd, path) == 0)
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
		error_code(err, ORCH_ENOTFOUND, "nobody listens at '%s'", path);
	else
		error_errno(err, "cannot connect to '%s'", path);
	close(fd);
	return -1;
}

/* --- streams --- */

static void on_readable(void *data)
{
	struct socket_stream *stream = data;
	size_t room = stream->limits.input > stream->input.len ? stream->limits.input - stream->input.len : 0;
	ssize_t got;

	if (room > READ_SIZE)
		room = READ_SIZE;
	/* a receiver that leaves a full buffer as it is would be asked for ever */
	if (room == 0) {
		stream->closed(stream->data);
		return;
	}
	got = recv(stream->fd, strbuf_reserve(&stream->input, room), room, MSG_DONTWAIT);
	if (got > 0) {
		strbuf_grown(&stream->input, (size_t)got);
		stream->received(stream->data);
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		stream->closed(stream->data);
	}
}

/* what cannot be sent because the peer is gone is lost: reading will say so */
static void flush(struct socket_stream *stream)
{
	size_t sent = 0;

	while (sent < stream->output.len) {
		ssize_t wrote = send(stream->fd, stream->output.data + sent, stream->output.len - sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (wrote > 0)
			sent += (size_t)wrote;
		else if (wrote < 0 && errno == EAGAIN)
			break;
		else if (wrote < 0 && errno != EINTR)
			sent = stream->output.len;
	}
	if (sent > 0)
		memmove(stream->output.data, stream->output.data + sent, stream->output.len - sent);
	strbuf_truncate(&stream->output, stream->output.len - sent);
}

static void on_writable(void *data)
{
	struct socket_stream *stream = data;

	flush(stream);
	if (stream->output.len == 0)
		loop_fd_on_writable(stream->watch, NULL);
}

void socket_stream_listen(
	struct socket_stream *stream, void (*received)(void *data), void (*closed)(void *data), void *data)
{
	stream->received = received;
	stream->closed = closed;
	stream->data = data;
}

struct strbuf *socket_stream_input(struct socket_stream *stream)
{
	return &stream->input;
}

void socket_stream_take(struct socket_stream *stream, size_t len)
{
	memmove(stream->input.data, stream->input.data + len, stream->input.len - len);
	strbuf_truncate(&stream->input, stream->input.len - len);
}

int socket_stream_send(struct socket_stream *stream, const void *bytes, size_t len)
{
	if (len > stream->limits.output || stream->output.len > stream->limits.output - len)
		return -1;
	strbuf_add(&stream->output, bytes, len);
	flush(stream);
	if (stream->output.len > 0)
		loop_fd_on_writable(stream->watch, on_writable);
	return 0;
}

int socket_stream_peer(const struct socket_stream *stream, uid_t *user)
{
#ifdef SO_PEERCRED
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(stream->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	*user = peer.uid;
	return 0;
#elif defined(HAVE_GETPEEREID)
	gid_t group;

	return getpeereid(stream->fd, user, &group);
#else
	(void)stream, (void)user;
	return -1;
#endif
}

void socket_stream_free(struct socket_stream *stream)
{
	if (!stream)
		return;
	loop_fd_free(stream->watch);
	close(stream->fd);
	strbuf_release(&stream->input);
	strbuf_release(&stream->output);
	free(stream);
}

/* --- the listening end --- */

static void on_client(void *data);

static void watch_clients(void *data)
{
	struct socket_server *server = data;

	server->watch = loop_fd_new(server->loop, server->fd, on_client, server);
}

static void on_client(void *data)
{
	struct socket_server *server = data;
	struct socket_stream *stream;
	int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		/* it would be told again at once, and again */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			loop_fd_free(server->watch);
			server->watch = NULL;
			loop_timer_arm(server->again, SHORTAGE_WAIT_MS);
		}
		return;
	}
	stream = xcalloc(1, sizeof *stream);
	stream->fd = fd;
	stream->limits = server->limits;
	stream->watch = loop_fd_new(server->loop, fd, on_readable, stream);
	if (!stream->watch) {
		socket_stream_free(stream);
		return;
	}
	server->connected(server->data, stream);
}

/* a socket that its owner left behind goes; what is no socket stays, and is an error */
static int clear_path(const char *path, struct orch_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot look at '%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, "'%s' is in the way: it is no socket; remove it", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove the old socket '%s'", path);
	return 0;
}

static int bind_private(int fd, const char *path, struct orch_error *err)
{
	/* on the socket itself first, so that it is never open to others (Linux; elsewhere it does nothing) */
	(void)!fchmod(fd, 0600);
	if (call_with_path(bind, fd, path) < 0)
		return error_errno(err, "cannot make the socket '%s'", path);
	if (chmod(path, 0600) < 0) {
		error_errno(err, "cannot protect the socket '%s'", path);
		unlink(path);
		return -1;
	}
	if (listen(fd, BACKLOG) < 0) {
		error_errno(err, "cannot listen at '%s'", path);
		unlink(path);
		return -1;
	}
	return 0;
}

int socket_open(const char *path, struct orch_error *err)
{
	int fd, number;

	if (clear_path(path, err) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, "cannot make a socket");
	if (bind_private(fd, path, err) == 0)
		return fd;
	number = errno;
	close(fd);
	errno = number;
	return -1;
}

int socket_listen(struct socket_server **out, struct loop *loop, const char *path, const struct socket_limits *limits,
	void (*connected)(void *data, struct socket_stream *stream), void *data, struct orch_error *err)
{
	struct socket_server *server;
	struct stat st;
	int fd;

	*out = NULL;
	fd = socket_open(path, err);
	if (fd < 0)
		return -1;
	if (lstat(path, &st) < 0) {
		error_errno(err, "cannot look at the socket '%s'", path);
		close(fd);
		return -1;
	}
	server = xcalloc(1, sizeof *server);
	*server = (struct socket_server){
		.loop = loop, .fd = fd, .limits = *limits, .connected = connected, .data = data};
	server->path = xstrdup(path);
	server->device = st.st_dev;
	server->inode = st.st_ino;
	server->again = loop_timer_new(loop, watch_clients, server);
	watch_clients(server);
	*out = server;
	return 0;
}

void socket_server_free(struct socket_server *server)
{
	struct stat st;

	if (!server)
		return;
	loop_fd_free(server->watch);
	loop_timer_free(server->again);
	if (lstat(server->path, &st) == 0 && st.st_dev == server->device && st.st_ino == server->inode)
		unlink(server->path);
	close(server->fd);
	free(server->path);
	free(server);
}
