#include "config.h"

#include "exec/message.h"

#include "exec/attempt.h"
#include "os/clock.h"
#include "os/fs.h"
#include "runner/runner.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/units.h"
#include "util/utf8.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int message_clean(struct strbuf *out, const char *text, size_t len, struct orch_error *err)
{
	size_t start = out->len;

	if (len > RUNNER_MESSAGE_MAX)
		return error_code(err, ORCH_EUSAGE, "a message has at most %d KiB", RUNNER_MESSAGE_MAX / 1024);
	for (size_t at = 0; at < len;) {
		unsigned char c = (unsigned char)text[at];
		uint32_t code;
		size_t n;

		if (c < 0x80) {
			if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f))
				strbuf_addch(out, text[at]);
			at++;
			continue;
		}
		n = utf8_decode(text + at, len - at, &code);
		if (n == 1)
			strbuf_addstr(out, "\xef\xbf\xbd");
		else if (code >= 0xa0) /* those below are control characters too */
			strbuf_add(out, text + at, n);
		at += n;
	}
	while (out->len > start && strchr("\n\t ", out->data[out->len - 1]))
		strbuf_truncate(out, out->len - 1);
	if (out->len - start > RUNNER_MESSAGE_MAX)
		return error_code(err, ORCH_EUSAGE, "a message has at most %d KiB", RUNNER_MESSAGE_MAX / 1024);
	if (out->len == start)
		return error_code(err, ORCH_EUSAGE, "there is nothing in that message");
	return 0;
}

char *message_inbox(const struct attempt *attempt)
{
	if (attempt->works_by->send)
		return NULL;
	return statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, "inbox");
}

/* behind what is there, in one piece: whoever reads meanwhile sees all of it or nothing */
static int leave(const char *inbox, const char *text, const char *from, struct orch_error *err)
{
	int fd = open(inbox, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600), result = 0;
	struct strbuf entry = {0};
	char time[UNITS_TEXT_MAX];

	if (fd < 0)
		return error_errno(err, "cannot open '%s'", inbox);
	strbuf_addf(&entry, "--- from %s, %s ---\n%s\n\n", from, units_time_utc(time, clock_wall_ms()), text);
	if (fs_write_all(fd, entry.data, entry.len) != 0)
		result = error_errno(err, "cannot write '%s'", inbox);
	strbuf_release(&entry);
	close(fd);
	return result;
}

static int check_phase(const struct attempt *attempt, struct orch_error *err)
{
	const char *name = attempt->stream->name;

	if (attempt->done || attempt->ending)
		return error_code(err, ORCH_EUSAGE, "%s is being ended: nobody is there to read a message", name);
	if (attempt->phase > PHASE_RUN)
		return error_code(err, ORCH_EUSAGE,
			"the work of %s is done, it is at its %s: nobody is there to read a message", name,
			attempt_phase_name(attempt->phase));
	if (attempt->works_by->send && (attempt->phase < PHASE_RECOVER || !attempt->job))
		return error_code(err, ORCH_EUSAGE, "%s is at its %s: nobody is at its terminal yet; try again later",
			name, attempt_phase_name(attempt->phase));
	return 0;
}

int message_send(struct attempt *attempt, const char *text, size_t len, const char *from, bool *typed,
	struct orch_error *err)
{
	char *inbox = message_inbox(attempt);
	struct strbuf clean = {0};
	int result = check_phase(attempt, err);

	if (result == 0)
		result = message_clean(&clean, text, len, err);
	if (result == 0)
		result = inbox ? leave(inbox, strbuf_cstr(&clean), from, err)
			       : attempt->ops->send(attempt->job, clean.data, clean.len, err);
	if (result == 0) {
		if (typed)
			*typed = !inbox;
		attempt->messaged(attempt->data, attempt, strbuf_cstr(&clean), from);
	}
	strbuf_release(&clean);
	free(inbox);
	return result;
}
