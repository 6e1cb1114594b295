#include "config.h"

#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "os/clock.h"
#include "os/socket.h"
#include "util/error.h"
#include "util/json.h"
#include "util/strbuf.h"

enum {
	ANSWER_MAX = 256 * 1024,
	/* a run that hashes large trees may be busy for a while */
	ANSWER_WAIT_MS = 60 * 1000,
};

int client_connect(const char *path, struct orch_error *err)
{
	return socket_connect(path, err);
}

static int just_ended(struct orch_error *err)
{
	return error_code(err, ORCH_ENOTFOUND, "the run ended before it answered");
}

static int send_all(int fd, const struct strbuf *line, struct orch_error *err)
{
	size_t sent = 0;

	while (sent < line->len) {
		ssize_t wrote = send(fd, line->data + sent, line->len - sent, MSG_NOSIGNAL);

		if (wrote > 0)
			sent += (size_t)wrote;
		else if (wrote < 0 && (errno == EPIPE || errno == ECONNRESET))
			return just_ended(err);
		else if (wrote < 0 && errno != EINTR)
			return error_errno(err, "cannot send to the run");
	}
	return 0;
}

/* up to the newline, which is taken off */
static int receive_line(int fd, struct strbuf *line, struct orch_error *err)
{
	int64_t until = clock_mono_ms() + ANSWER_WAIT_MS;

	for (;;) {
		int64_t left = until - clock_mono_ms();
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		char *newline;
		ssize_t got;

		if (left <= 0)
			return error_set(err, "the run does not answer; is it stopped (SIGSTOP)?");
		if (poll(&wait, 1, (int)left) <= 0)
			continue;
		got = recv(fd, strbuf_reserve(line, 4096), 4096, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return just_ended(err);
		if (got < 0)
			return error_errno(err, "cannot read the run's answer");
		strbuf_grown(line, (size_t)got);
		newline = memchr(line->data, '\n', line->len);
		if (newline) {
			strbuf_truncate(line, (size_t)(newline - line->data));
			return 0;
		}
		if (line->len > ANSWER_MAX)
			return error_set(err, "the run's answer has no end");
	}
}

int client_ask(int fd, const struct strbuf *request, struct json_value **answer, struct orch_error *err)
{
	struct strbuf line = {0};
	int result;

	*answer = NULL;
	strbuf_add(&line, request->data, request->len);
	strbuf_addch(&line, '\n');
	result = send_all(fd, &line, err);
	strbuf_truncate(&line, 0);
	if (result == 0)
		result = receive_line(fd, &line, err);
	if (result == 0 && json_read(answer, strbuf_cstr(&line), line.len, err) < 0)
		result = error_prefix(err, "the run's answer cannot be read");
	strbuf_release(&line);
	if (result == 0 && !json_member_bool(*answer, "ok", false)) {
		const char *why = json_member_string(*answer, "error");

		result = error_code(err, ORCH_EUSAGE, "%s", why ? why : "the run says no, and not why");
	}
	return result;
}

void client_wait_for_end(int fd)
{
	char bytes[256];
	ssize_t got;

	do
		got = recv(fd, bytes, sizeof bytes, 0);
	while (got > 0 || (got < 0 && errno == EINTR));
}
