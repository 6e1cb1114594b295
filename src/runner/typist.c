#include "config.h"

#include "runner/typist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/loop.h"
#include "os/socket.h"
#include "os/terminal_frame.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

enum { READ_SIZE = 4096, OUTPUT_MAX = 4 * 1024 * 1024 };

struct typist {
	int fd; /* -1: the connection is gone */
	struct loop_fd *watch;
	struct strbuf in, out;
	size_t waiting; /* messages of which nothing is known yet */
	void (*unsent)(void *data, const char *why);
	void *data;
};

static void hang_up(struct typist *typist)
{
	loop_fd_free(typist->watch);
	typist->watch = NULL;
	if (typist->fd >= 0)
		close(typist->fd);
	typist->fd = -1;
}

static void lose(struct typist *typist)
{
	hang_up(typist);
	for (; typist->waiting > 0; typist->waiting--)
		typist->unsent(typist->data, "its program has ended before");
}

/* -1: the other end is gone */
static int flush(struct typist *typist)
{
	size_t at = 0;

	while (at < typist->out.len) {
		ssize_t sent = send(
			typist->fd, typist->out.data + at, typist->out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			return -1;
		if (sent < 0)
			break;
		at += (size_t)sent;
	}
	if (at == 0)
		return 0;
	memmove(typist->out.data, typist->out.data + at, typist->out.len - at);
	strbuf_truncate(&typist->out, typist->out.len - at);
	return 0;
}

static void on_writable(void *data)
{
	struct typist *typist = data;

	if (flush(typist) != 0)
		lose(typist);
	else if (typist->out.len == 0)
		loop_fd_on_writable(typist->watch, NULL);
}

static void take_frame(struct typist *typist, const struct terminal_frame *head, const char *bytes)
{
	if ((head->type != FRAME_TYPED && head->type != FRAME_UNTYPED) || typist->waiting == 0)
		return;
	typist->waiting--;
	if (head->type == FRAME_UNTYPED) {
		char *why = xstrndup(bytes, head->len);

		typist->unsent(typist->data, why);
		free(why);
	}
}

static void on_answer(void *data)
{
	struct typist *typist = data;
	ssize_t got = recv(typist->fd, strbuf_reserve(&typist->in, READ_SIZE), READ_SIZE, MSG_DONTWAIT);
	struct terminal_frame head;
	const char *bytes;
	size_t at = 0;
	int status;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		lose(typist);
		return;
	}
	strbuf_grown(&typist->in, (size_t)got);
	while ((status = terminal_frame_read(typist->in.data + at, typist->in.len - at, &head, &bytes)) > 0) {
		take_frame(typist, &head, bytes);
		at += sizeof head + head.len;
	}
	if (status < 0) {
		lose(typist);
		return;
	}
	memmove(typist->in.data, typist->in.data + at, typist->in.len - at);
	strbuf_truncate(&typist->in, typist->in.len - at);
}

int typist_new(struct typist **out, struct loop *loop, const char *path, void (*unsent)(void *data, const char *why),
	void *data, struct orch_error *err)
{
	const struct terminal_hello hello = {.version = TERMINAL_VERSION, .kind = TERMINAL_TYPIST};
	struct typist *typist;
	int fd = socket_connect(path, err);

	if (fd < 0)
		return -1;
	typist = xcalloc(1, sizeof *typist);
	*typist = (struct typist){.fd = fd, .unsent = unsent, .data = data};
	typist->watch = loop_fd_new(loop, fd, on_answer, typist);
	terminal_frame_add(&typist->out, FRAME_HELLO, &hello, sizeof hello);
	*out = typist;
	return 0;
}

int typist_type(struct typist *typist, const char *text, size_t len, struct orch_error *err)
{
	if (typist->fd < 0)
		return error_set(err, "its terminal is gone");
	if (typist->out.len > OUTPUT_MAX)
		return error_set(err, "its terminal has not taken the messages before this one yet");
	terminal_frame_add(&typist->out, FRAME_TYPE, text, len);
	if (flush(typist) != 0) {
		lose(typist);
		return error_set(err, "its terminal is gone");
	}
	typist->waiting++;
	if (typist->out.len > 0)
		loop_fd_on_writable(typist->watch, on_writable);
	return 0;
}

void typist_free(struct typist *typist)
{
	if (!typist)
		return;
	hang_up(typist);
	strbuf_release(&typist->in);
	strbuf_release(&typist->out);
	free(typist);
}
