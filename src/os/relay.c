#include "config.h"

#include "os/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/socket.h"
#include "os/terminal_frame.h"
#include "os/tty.h"
#include "util/error.h"
#include "util/strbuf.h"

enum {
	READ_SIZE = 16 * 1024,
	SEND_MAX = 256 * 1024, /* typed, and not taken by the other end: then nothing more is read */
};

struct relay {
	int fd, key;
	bool window;
	bool replaying; /* what comes first was meant for somebody before us */
	bool over;
	enum relay_end end;
	struct strbuf in, out;
};

static volatile sig_atomic_t size_changed, told_to_go;

static void on_signal(int signo)
{
	if (signo == SIGWINCH)
		size_changed = 1;
	else
		told_to_go = 1;
}

/* what it may have switched on: mouse, paste brackets, focus, another screen, colours; and the cursor is seen */
static const char tidy[] = "\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?1004l\033[?2004l\033[?1049l\033[>4m\033[<u"
			   "\033[0m\033[?25h\r\n";

static bool is_over(const struct relay *relay)
{
	return relay->over || told_to_go;
}

static void finish(struct relay *relay, enum relay_end end)
{
	relay->over = true;
	relay->end = end;
}

static void send_what_goes(struct relay *relay)
{
	size_t at = 0;

	while (at < relay->out.len) {
		ssize_t sent =
			send(relay->fd, relay->out.data + at, relay->out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			break; /* if the other end is gone, reading says so */
		at += (size_t)sent;
	}
	if (at == 0)
		return;
	memmove(relay->out.data, relay->out.data + at, relay->out.len - at);
	strbuf_truncate(&relay->out, relay->out.len - at);
}

static void send_size(struct relay *relay)
{
	unsigned columns, rows;
	uint32_t size[2];

	tty_size(STDIN_FILENO, &columns, &rows);
	size[0] = columns;
	size[1] = rows;
	terminal_frame_add(&relay->out, FRAME_SIZE, size, sizeof size);
}

static void say_hello(struct relay *relay)
{
	struct terminal_hello hello = {
		.version = TERMINAL_VERSION, .kind = relay->window ? TERMINAL_WINDOW : TERMINAL_VIEW};
	unsigned columns, rows;

	tty_size(STDIN_FILENO, &columns, &rows);
	hello.columns = columns;
	hello.rows = rows;
	terminal_frame_add(&relay->out, FRAME_HELLO, &hello, sizeof hello);
}

/* is it a question to the terminal, "CSI ... c", "CSI ... n" and the like? Its answer would be typed now, when nobody
 * waits for it any more */
static bool is_question(const char *sequence, size_t len)
{
	char last = sequence[len - 1];

	return last == 'c' || last == 'n' || last == 't' || (last == 'p' && sequence[len - 2] == '$') ||
		(len > 3 && sequence[2] == '?' && last == 'u') || (len > 3 && sequence[2] == '>' && last == 'q');
}

/* of the past, without its questions, and without strings for the terminal itself (OSC, DCS), which may be some */
static void show_past(const char *bytes, size_t len)
{
	struct strbuf out = {0};
	size_t at = 0;

	while (at < len) {
		size_t end = at + 1;

		if (bytes[at] != '\033' || at + 1 == len) {
			strbuf_addch(&out, bytes[at++]);
			continue;
		}
		if (bytes[at + 1] == '[') {
			for (end = at + 2; end < len && (bytes[end] < '@' || bytes[end] > '~'); end++)
				;
			if (end < len && !is_question(bytes + at, end + 1 - at))
				strbuf_add(&out, bytes + at, end + 1 - at);
		} else if (strchr("]PX^_", bytes[at + 1])) {
			for (end = at + 2; end < len && bytes[end] != '\a' && bytes[end] != '\033'; end++)
				;
			if (end < len && bytes[end] == '\033')
				end++;
		} else {
			strbuf_add(&out, bytes + at, 2);
			end = at + 1;
		}
		at = end + 1;
	}
	(void)fs_write_all(STDOUT_FILENO, strbuf_cstr(&out), out.len);
	strbuf_release(&out);
}

static void take_frame(struct relay *relay, const struct terminal_frame *head, const char *bytes)
{
	if (head->type == FRAME_END) {
		finish(relay, RELAY_ENDED);
	} else if (head->type == FRAME_OUTPUT) {
		if (relay->replaying && !relay->window)
			show_past(bytes, head->len);
		else if (fs_write_all(STDOUT_FILENO, bytes, head->len) != 0)
			finish(relay, RELAY_DETACHED);
		relay->replaying = false;
	}
}

static void receive(struct relay *relay)
{
	ssize_t got = recv(relay->fd, strbuf_reserve(&relay->in, READ_SIZE), READ_SIZE, MSG_DONTWAIT);
	struct terminal_frame head;
	const char *bytes;
	size_t at = 0;
	int status;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		finish(relay, RELAY_LOST);
		return;
	}
	strbuf_grown(&relay->in, (size_t)got);
	while (!relay->over &&
		(status = terminal_frame_read(relay->in.data + at, relay->in.len - at, &head, &bytes)) != 0) {
		if (status < 0) {
			finish(relay, RELAY_LOST);
			return;
		}
		take_frame(relay, &head, bytes);
		at += sizeof head + head.len;
	}
	memmove(relay->in.data, relay->in.data + at, relay->in.len - at);
	strbuf_truncate(&relay->in, relay->in.len - at);
}

static void read_keys(struct relay *relay)
{
	char keys[READ_SIZE];
	ssize_t got = read(STDIN_FILENO, keys, sizeof keys);
	const char *leave;
	size_t len;

	if (got < 0 && errno == EINTR)
		return;
	if (got <= 0) {
		finish(relay, RELAY_DETACHED);
		return;
	}
	len = (size_t)got;
	leave = relay->key >= 0 ? memchr(keys, relay->key, len) : NULL;
	if (leave) {
		len = (size_t)(leave - keys);
		finish(relay, RELAY_DETACHED);
	}
	if (len > 0)
		terminal_frame_add(&relay->out, FRAME_INPUT, keys, len);
}

static void relay_loop(struct relay *relay, const sigset_t *open)
{
	say_hello(relay);
	while (!is_over(relay)) {
		struct pollfd both[2] = {
			{.fd = relay->fd, .events = relay->out.len > 0 ? POLLIN | POLLOUT : POLLIN},
			{.fd = relay->out.len < SEND_MAX ? STDIN_FILENO : -1, .events = POLLIN},
		};
		int ready;

		send_what_goes(relay);
		if (relay->out.len == 0)
			both[0].events = POLLIN;
		ready = ppoll(both, 2, NULL, open);
		if (size_changed) {
			size_changed = 0;
			send_size(relay);
		}
		if (ready <= 0)
			continue;
		/* the last that was shown comes before the end of our own terminal */
		if (both[0].revents)
			receive(relay);
		if (!relay->over && both[1].revents)
			read_keys(relay);
	}
	if (!relay->over)
		finish(relay, RELAY_DETACHED);
	send_what_goes(relay);
}

static void catch_signals(sigset_t *open, sigset_t *before)
{
	static const int caught[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT};
	struct sigaction action;
	sigset_t blocked;

	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
		sigaddset(&blocked, caught[i]);
		sigaction(caught[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, before);
	*open = *before;
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
		sigdelset(open, caught[i]);
}

static int run(struct relay *relay, const char *path, enum relay_end *end, struct orch_error *err)
{
	struct termios before, raw;
	sigset_t open, mask;
	bool is_terminal;

	relay->fd = socket_connect(path, err);
	if (relay->fd < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	catch_signals(&open, &mask);
	is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	if (is_terminal) {
		raw = before;
		cfmakeraw(&raw);
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	relay->replaying = true;
	relay_loop(relay, &open);
	if (is_terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
		if (!relay->window)
			(void)fs_write_all(STDOUT_FILENO, tidy, sizeof tidy - 1);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	*end = relay->end;
	close(relay->fd);
	strbuf_release(&relay->in);
	strbuf_release(&relay->out);
	return 0;
}

int relay_run(const char *path, int key, enum relay_end *end, struct orch_error *err)
{
	struct relay relay = {.key = key};

	return run(&relay, path, end, err);
}

int relay_main(const char *path)
{
	struct relay relay = {.key = -1, .window = true};
	enum relay_end end;
	struct orch_error err = {0};

	if (run(&relay, path, &end, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.message);
	return 1;
}
