#include "config.h"

#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/filter.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/terminal_frame.h"
#include "os/typing.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

enum {
	READ_SIZE = 64 * 1024,
	INPUT_MAX = 256 * 1024,   /* that the program has not taken: nobody is listened to until it has */
	OUTPUT_MAX = 1024 * 1024, /* that a client has not taken: it is shown no more until it has */
	REPLAY_MAX = 64 * 1024,   /* of the log, for who comes later */
	DRAIN_MAX_MS = 1000,
	FAREWELL_MS = 200,
	SHORTAGE_WAIT_MS = 1000, /* before the next client is taken when there are no descriptors */
	SIDE_MAX = 10000, /* columns or rows */
};

struct client {
	struct terminal *terminal;
	struct client *next, **link;
	int fd;
	struct loop_fd *watch;    /* NULL: it is not listened to now */
	enum terminal_client kind; /* 0: it has not said yet */
	bool lagging;             /* it has been left out */
	struct strbuf in, out;
};

struct terminal {
	struct loop *loop;
	int master, slave, listener, log;
	int diverted; /* -1: what comes out goes to the log */
	struct loop_fd *master_watch, *listener_watch;
	struct loop_timer *tell;  /* `ready` and `lost`: not from within anything of ours */
	struct loop_timer *again; /* the next client is taken when there may be a descriptor for it */
	struct terminal_calls calls;
	struct client *clients;
	struct strbuf input; /* for the program */
	struct typing *typing;
	char *path, *buffer;
	off_t log_start;
	bool window, has_window, told_ready, told_lost;
	int lost; /* errno */
};

static void on_client(void *data);
static void on_client_writable(void *data);

/* --- to the clients --- */

static void lose(struct terminal *terminal, int error_number)
{
	if (terminal->lost)
		return;
	terminal->lost = error_number;
	loop_timer_arm(terminal->tell, 0);
}

static void on_tell(void *data)
{
	struct terminal *terminal = data;

	if (terminal->lost && !terminal->told_lost) {
		terminal->told_lost = true;
		terminal->calls.lost(terminal->calls.data, terminal->lost);
	} else if (terminal->has_window && !terminal->told_ready) {
		terminal->told_ready = true;
		terminal->calls.ready(terminal->calls.data);
	}
}

static void client_free(struct client *client)
{
	struct terminal *terminal = client->terminal;

	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	typing_forget(terminal->typing, client);
	loop_fd_free(client->watch);
	close(client->fd);
	strbuf_release(&client->in);
	strbuf_release(&client->out);
	if (client->kind == TERMINAL_WINDOW)
		lose(terminal, TERMINAL_LOST_WINDOW);
	free(client);
}

static void set_size(struct terminal *terminal, unsigned columns, unsigned rows)
{
	struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};

	if (columns > 0 && rows > 0 && columns <= SIDE_MAX && rows <= SIDE_MAX)
		(void)ioctl(terminal->master, TIOCSWINSZ, &size);
}

/* a program draws its screen again when it finds that this has changed */
static void redraw(struct terminal *terminal)
{
	struct winsize size;

	if (ioctl(terminal->master, TIOCGWINSZ, &size) != 0)
		return;
	set_size(terminal, size.ws_col, size.ws_row + 1u);
	set_size(terminal, size.ws_col, size.ws_row);
}

/* what it takes now; a client whose end is closed is seen by its descriptor */
static void client_flush(struct client *client)
{
	size_t at = 0;

	while (at < client->out.len) {
		ssize_t sent = send(
			client->fd, client->out.data + at, client->out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			break;
		at += (size_t)sent;
	}
	memmove(client->out.data, client->out.data + at, client->out.len - at);
	strbuf_truncate(&client->out, client->out.len - at);
}

static void client_send(struct client *client, enum terminal_frame_type type, const void *bytes, size_t len)
{
	terminal_frame_add(&client->out, type, bytes, len);
	client_flush(client);
	if (client->out.len > 0 && client->watch)
		loop_fd_on_writable(client->watch, on_client_writable);
}

static void on_client_writable(void *data)
{
	struct client *client = data;

	client_flush(client);
	if (client->out.len > 0)
		return;
	loop_fd_on_writable(client->watch, NULL);
	if (client->lagging) {
		client->lagging = false;
		redraw(client->terminal);
	}
}

static void show(struct terminal *terminal, const char *bytes, size_t len)
{
	for (struct client *client = terminal->clients; client; client = client->next) {
		if (client->kind != TERMINAL_WINDOW && client->kind != TERMINAL_VIEW)
			continue;
		if (client->out.len > OUTPUT_MAX)
			client->lagging = true;
		if (!client->lagging)
			client_send(client, FRAME_OUTPUT, bytes, len);
	}
}

/* what came before it did */
static void replay(struct client *client)
{
	struct terminal *terminal = client->terminal;
	off_t end = lseek(terminal->log, 0, SEEK_END), from = terminal->log_start;
	char *bytes;
	ssize_t got;

	if (end - from > REPLAY_MAX)
		from = end - REPLAY_MAX;
	if (end <= from)
		return;
	bytes = xmalloc(REPLAY_MAX);
	got = pread(terminal->log, bytes, (size_t)(end - from), from);
	if (got > 0)
		client_send(client, FRAME_OUTPUT, bytes, (size_t)got);
	free(bytes);
}

/* --- from the clients --- */

static void listen_to_all(struct terminal *terminal)
{
	for (struct client *client = terminal->clients; client; client = client->next) {
		if (client->watch)
			continue;
		client->watch = loop_fd_new(terminal->loop, client->fd, on_client, client);
		if (client->out.len > 0)
			loop_fd_on_writable(client->watch, on_client_writable);
	}
}

static void write_input(struct terminal *terminal)
{
	size_t at = 0;

	while (at < terminal->input.len) {
		ssize_t wrote = write(terminal->master, terminal->input.data + at, terminal->input.len - at);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			break;
		at += (size_t)wrote;
	}
	memmove(terminal->input.data, terminal->input.data + at, terminal->input.len - at);
	strbuf_truncate(&terminal->input, terminal->input.len - at);
}

static void on_master_writable(void *data)
{
	struct terminal *terminal = data;

	write_input(terminal);
	if (terminal->input.len == 0)
		loop_fd_on_writable(terminal->master_watch, NULL);
	if (terminal->input.len < INPUT_MAX)
		listen_to_all(terminal);
}

static void take_input(void *data, const char *bytes, size_t len)
{
	struct terminal *terminal = data;

	strbuf_add(&terminal->input, bytes, len);
	write_input(terminal);
	if (terminal->input.len > 0)
		loop_fd_on_writable(terminal->master_watch, on_master_writable);
}

static size_t unwritten(void *data)
{
	const struct terminal *terminal = data;

	return terminal->input.len;
}

static void on_told(void *data, void *from, const char *problem)
{
	(void)data;
	client_send(from, problem ? FRAME_UNTYPED : FRAME_TYPED, problem, problem ? strlen(problem) : 0);
}

static bool welcome(struct client *client, const char *bytes, size_t len)
{
	struct terminal *terminal = client->terminal;
	struct terminal_hello hello;

	if (len != sizeof hello)
		return false;
	memcpy(&hello, bytes, sizeof hello);
	if (hello.version != TERMINAL_VERSION || client->kind || hello.kind < TERMINAL_WINDOW ||
		hello.kind > TERMINAL_TYPIST || (hello.kind == TERMINAL_WINDOW && terminal->has_window))
		return false;
	client->kind = hello.kind;
	set_size(terminal, hello.columns, hello.rows);
	if (client->kind == TERMINAL_WINDOW) {
		terminal->has_window = true;
		loop_timer_arm(terminal->tell, 0);
	}
	if (client->kind != TERMINAL_TYPIST)
		replay(client);
	if (client->kind == TERMINAL_VIEW)
		redraw(terminal);
	return true;
}

static bool take_frame(struct client *client, const struct terminal_frame *head, const char *bytes)
{
	struct terminal *terminal = client->terminal;
	uint32_t size[2];

	if (head->type == FRAME_HELLO)
		return welcome(client, bytes, head->len);
	if (!client->kind)
		return false;
	switch (head->type) {
	case FRAME_INPUT:
		take_input(terminal, bytes, head->len);
		return true;
	case FRAME_SIZE:
		if (head->len != sizeof size)
			return false;
		memcpy(size, bytes, sizeof size);
		set_size(terminal, size[0], size[1]);
		return true;
	case FRAME_TYPE:
		typing_add(terminal->typing, client, bytes, head->len);
		return true;
	default:
		return false;
	}
}

/* false: it says what nobody says here */
static bool take_frames(struct client *client)
{
	struct terminal_frame head;
	const char *bytes;
	size_t at = 0;
	int status;

	while ((status = terminal_frame_read(client->in.data + at, client->in.len - at, &head, &bytes)) > 0) {
		if (!take_frame(client, &head, bytes))
			return false;
		at += sizeof head + head.len;
	}
	memmove(client->in.data, client->in.data + at, client->in.len - at);
	strbuf_truncate(&client->in, client->in.len - at);
	return status == 0;
}

static void on_client(void *data)
{
	struct client *client = data;
	struct terminal *terminal = client->terminal;
	ssize_t got = recv(client->fd, strbuf_reserve(&client->in, READ_SIZE), READ_SIZE, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		strbuf_grown(&client->in, (size_t)got);
	if (got <= 0 || !take_frames(client)) {
		client_free(client);
		return;
	}
	if (terminal->input.len < INPUT_MAX)
		return;
	for (client = terminal->clients; client; client = client->next) {
		loop_fd_free(client->watch);
		client->watch = NULL;
	}
}

static void on_connection(void *data)
{
	struct terminal *terminal = data;
	int fd = accept(terminal->listener, NULL, NULL);
	struct client *client;

	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		loop_fd_free(terminal->listener_watch);
		terminal->listener_watch = NULL;
		loop_timer_arm(terminal->again, SHORTAGE_WAIT_MS);
	}
	if (fd < 0)
		return;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	client = xcalloc(1, sizeof *client);
	*client = (struct client){
		.terminal = terminal, .next = terminal->clients, .link = &terminal->clients, .fd = fd};
	if (client->next)
		client->next->link = &client->next;
	terminal->clients = client;
	client->watch = loop_fd_new(terminal->loop, fd, on_client, client);
}

static void on_again(void *data)
{
	struct terminal *terminal = data;

	terminal->listener_watch = loop_fd_new(terminal->loop, terminal->listener, on_connection, terminal);
}

/* --- what the program says --- */

/* false: there is nothing more now */
static bool copy(struct terminal *terminal)
{
	size_t len = 0;
	ssize_t got = 0;

	/* a terminal gives little at a time */
	while (len < READ_SIZE) {
		got = read(terminal->master, terminal->buffer + len, READ_SIZE - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	if (len == 0)
		return false;
	typing_see_output(terminal->typing, terminal->buffer, len);
	if (terminal->diverted >= 0 && fs_write_all(terminal->diverted, terminal->buffer, len) != 0)
		lose(terminal, FILTER_LOST);
	else if (terminal->diverted < 0 && fs_write_all(terminal->log, terminal->buffer, len) != 0)
		lose(terminal, errno);
	show(terminal, terminal->buffer, len);
	return got > 0;
}

static void on_master(void *data)
{
	(void)copy(data);
}

int terminal_drain(struct terminal *terminal)
{
	int64_t until = clock_mono_ms() + DRAIN_MAX_MS;

	while (copy(terminal) && clock_mono_ms() < until)
		;
	return terminal->told_lost ? 0 : terminal->lost;
}

/* --- life --- */

static int open_pair(struct terminal *terminal, int *number, struct orch_error *err)
{
	char name[64];

	terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal->master >= 0 && grantpt(terminal->master) == 0 && unlockpt(terminal->master) == 0 &&
		ptsname_r(terminal->master, name, sizeof name) == 0)
		terminal->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal->slave >= 0 && fcntl(terminal->master, F_SETFL, O_NONBLOCK) == 0)
		return 0;
	/* there are so many of them, and some time there is one again */
	*number = errno == ENOSPC ? EAGAIN : errno;
	return error_errno(err, "cannot have a pseudo-terminal");
}

int terminal_new(struct terminal **out, struct loop *loop, const struct terminal_spec *spec,
	const struct terminal_calls *calls, int *error_number, struct orch_error *err)
{
	struct terminal *terminal = xcalloc(1, sizeof *terminal);
	const struct typing_calls typing = {
		.write = take_input, .unwritten = unwritten, .told = on_told, .data = terminal};

	*terminal = (struct terminal){.loop = loop,
		.master = -1,
		.slave = -1,
		.diverted = -1,
		.listener = spec->listener,
		.calls = *calls,
		.window = spec->window,
		.path = xstrdup(spec->path)};
	terminal->tell = loop_timer_new(loop, on_tell, terminal);
	terminal->again = loop_timer_new(loop, on_again, terminal);
	terminal->log = fcntl(spec->log, F_DUPFD_CLOEXEC, 3);
	if (terminal->log < 0) {
		*error_number = errno;
		error_errno(err, "cannot keep the log of a terminal open");
		terminal_free(terminal);
		return -1;
	}
	if (open_pair(terminal, error_number, err) != 0) {
		terminal_free(terminal);
		return -1;
	}
	terminal->log_start = lseek(terminal->log, 0, SEEK_END);
	terminal->buffer = xmalloc(READ_SIZE);
	terminal->typing = typing_new(loop, terminal->slave, &typing);
	set_size(terminal, spec->columns, spec->rows);
	terminal->master_watch = loop_fd_new(loop, terminal->master, on_master, terminal);
	terminal->listener_watch = loop_fd_new(loop, terminal->listener, on_connection, terminal);
	*out = terminal;
	return 0;
}

int terminal_divert(struct terminal *terminal, int fd)
{
	terminal->diverted = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return terminal->diverted < 0 ? -1 : 0;
}

int terminal_slave(const struct terminal *terminal)
{
	return terminal->slave;
}

/* the end is told even to one that is slow, if it is not too slow */
static void say_farewell(struct client *client, int64_t until)
{
	loop_fd_free(client->watch);
	client->watch = NULL;
	client_send(client, FRAME_END, NULL, 0);
	while (client->out.len > 0) {
		struct pollfd taken = {.fd = client->fd, .events = POLLOUT};
		int64_t left = until - clock_mono_ms();

		if (left <= 0 || poll(&taken, 1, (int)left) <= 0 || (taken.revents & (POLLERR | POLLHUP)))
			break;
		client_flush(client);
	}
}

void terminal_free(struct terminal *terminal)
{
	int64_t until = clock_mono_ms() + FAREWELL_MS;

	if (!terminal)
		return;
	if (terminal->typing)
		typing_end(terminal->typing, "its program has ended before");
	while (terminal->clients) {
		say_farewell(terminal->clients, until);
		client_free(terminal->clients);
	}
	typing_free(terminal->typing);
	loop_fd_free(terminal->listener_watch);
	loop_fd_free(terminal->master_watch);
	loop_timer_free(terminal->tell);
	loop_timer_free(terminal->again);
	unlink(terminal->path);
	close(terminal->listener);
	if (terminal->master >= 0)
		close(terminal->master);
	if (terminal->slave >= 0)
		close(terminal->slave);
	if (terminal->log >= 0)
		close(terminal->log);
	if (terminal->diverted >= 0)
		close(terminal->diverted);
	strbuf_release(&terminal->input);
	free(terminal->buffer);
	free(terminal->path);
	free(terminal);
}
