#include "config.h"

#include "cli/follow.h"

#include "cli/cmd.h"
#include "cli/say.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/regex.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* a longer line is printed in pieces of that length */
enum { CHUNK = 65536, LINE_MAX_BYTES = 1 << 20 };

struct follow {
	int fd;
	char *path, *prefix;
	struct regex *grep;
	bool by_lines, filtered;
	bool at_line_start; /* of what was printed raw */
	struct strbuf line; /* a line whose end has not come yet */
	struct term_filter filter;
	char chunk[CHUNK];
};

struct follow *follow_new(const char *path, const char *prefix, struct regex *grep, struct orch_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct follow *follow;

	if (fd < 0) {
		error_errno(err, "cannot read the log '%s'", path);
		return NULL;
	}
	follow = xcalloc(1, sizeof *follow);
	follow->fd = fd;
	follow->path = xstrdup(path);
	follow->prefix = prefix ? xstrdup(prefix) : NULL;
	follow->grep = grep;
	follow->by_lines = prefix || grep;
	follow->filtered = say_out()->tty;
	follow->filter = (struct term_filter){.keep_sgr = say_out()->color, .unicode = say_out()->unicode};
	follow->at_line_start = true;
	return follow;
}

static void add_prefixed(const struct follow *follow, struct strbuf *out, const char *text, size_t len)
{
	if (follow->prefix) {
		strbuf_addstr(out, term_style(say_out(), TERM_DIM));
		strbuf_addf(out, "%s | ", follow->prefix);
		strbuf_addstr(out, term_style(say_out(), TERM_RESET));
	}
	strbuf_add(out, text, len);
	strbuf_addch(out, '\n');
}

/* as a terminal may have it: what a CR parts are lines of their own */
static void add_filtered(struct follow *follow, struct strbuf *out, const char *text, size_t len)
{
	struct strbuf clean = {0};
	const char *at, *end, *next;

	term_filter_feed(&follow->filter, text, len, &clean);
	term_filter_end(&follow->filter, &clean);
	at = strbuf_cstr(&clean);
	end = at + clean.len;
	do {
		next = memchr(at, '\n', (size_t)(end - at));
		add_prefixed(follow, out, at, (size_t)((next ? next : end) - at));
		at = next ? next + 1 : end;
	} while (at < end);
	strbuf_release(&clean);
}

/* one line with or without its newline, to `out`; those of a terminal end in CR LF */
static void add_line(struct follow *follow, struct strbuf *out, const char *text, size_t len)
{
	bool ended = len && text[len - 1] == '\n';
	bool has_cr = ended && len > 1 && text[len - 2] == '\r';

	len -= ended;
	if (follow->grep && !regex_matches(follow->grep, text, len - has_cr))
		return;
	if (follow->filtered)
		add_filtered(follow, out, text, len - has_cr);
	else
		add_prefixed(follow, out, text, len);
}

static void feed_lines(struct follow *follow, struct strbuf *out, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t part = end ? (size_t)(end - text) + 1 : len;

		if (end && !follow->line.len) {
			add_line(follow, out, text, part);
		} else {
			strbuf_add(&follow->line, text, part);
			if (end || follow->line.len >= LINE_MAX_BYTES) {
				add_line(follow, out, follow->line.data, follow->line.len);
				strbuf_truncate(&follow->line, 0);
			}
		}
		text += part;
		len -= part;
	}
}

static int print_chunk(struct follow *follow, const char *text, size_t len)
{
	struct strbuf out = {0};

	if (!follow->by_lines && !follow->filtered) {
		follow->at_line_start = text[len - 1] == '\n';
		return say_bytes(text, len);
	}
	if (follow->by_lines)
		feed_lines(follow, &out, text, len);
	else
		term_filter_feed(&follow->filter, text, len, &out);
	if (out.len)
		follow->at_line_start = out.data[out.len - 1] == '\n';
	return say_output(&out);
}

static int print_rest(struct follow *follow)
{
	struct strbuf out = {0};

	if (follow->line.len) {
		add_line(follow, &out, follow->line.data, follow->line.len);
		strbuf_truncate(&follow->line, 0);
	}
	if (follow->filtered && !follow->by_lines) {
		term_filter_end(&follow->filter, &out);
		/* the shell's prompt gets a line of its own */
		if (!follow->at_line_start)
			strbuf_addch(&out, '\n');
		follow->at_line_start = true;
	}
	return say_output(&out);
}

int follow_print(struct follow *follow, bool at_end)
{
	int status;

	for (;;) {
		ssize_t got = read(follow->fd, follow->chunk, sizeof follow->chunk);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return say_usage("cannot read the log '%s': %s", follow->path, strerror(errno));
		if (got == 0)
			return at_end ? print_rest(follow) : EXIT_COMPLETE;
		status = print_chunk(follow, follow->chunk, (size_t)got);
		if (status != EXIT_COMPLETE)
			return status;
	}
}

void follow_free(struct follow *follow)
{
	if (!follow)
		return;
	close(follow->fd);
	strbuf_release(&follow->line);
	free(follow->path);
	free(follow->prefix);
	free(follow);
}
