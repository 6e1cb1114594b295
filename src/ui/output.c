#include "config.h"

#include "ui/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fs.h"
#include "ui/ci.h"
#include "ui/term.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/map.h"
#include "util/strbuf.h"

enum {
	BLOCK = 1 << 20,
	LINE_MAX_BYTES = 64 << 10, /* a longer line is printed in parts */
	NAME_COLUMNS = 60,
};

/* a log that is followed */
struct follower {
	char *stream; /* the map's key */
	char *path;
	off_t offset;
	struct term_filter filter;
	struct strbuf line; /* what came since the last newline */
};

struct output {
	enum output_mode mode;
	const struct term *term;
	struct ci *ci;
	bool closed; /* nobody reads any more */
	bool lone;   /* the run has one stream: a group would only hide it */
	bool filtered;
	bool in_short; /* agents: output_agents_in_short() */
	char *block; /* BLOCK bytes, made when first needed */
	struct map followers;
};

struct output *output_new(enum output_mode mode, const struct term *term, struct ci *ci)
{
	struct output *output = xcalloc(1, sizeof *output);

	output->mode = mode;
	output->term = term;
	output->ci = ci;
	/* sections of GitLab are made by control characters, so output must not have any */
	output->filtered = term->tty || ci->service == CI_GITLAB;
	return output;
}

void output_agents_in_short(struct output *output)
{
	output->in_short = true;
}

static int put(struct output *output, const void *bytes, size_t len, struct orch_error *err)
{
	if (output->closed || len == 0)
		return 0;
	if (fs_write_all(output->term->fd, bytes, len) == 0)
		return 0;
	output->closed = true;
	if (errno == EPIPE)
		return 0;
	return error_errno(err, "cannot write the output of streams");
}

static int put_buffer(struct output *output, struct strbuf *text, struct orch_error *err)
{
	int result = put(output, strbuf_cstr(text), text->len, err);

	strbuf_truncate(text, 0);
	return result;
}

static void filter_start(const struct output *output, struct term_filter *filter)
{
	memset(filter, 0, sizeof *filter);
	filter->keep_sgr = output->term->color || output->ci->service == CI_GITLAB;
	filter->unicode = output->term->unicode || output->ci->service == CI_GITLAB;
}

static ssize_t read_block(struct output *output, int fd)
{
	ssize_t got;

	if (output->block == NULL)
		output->block = xmalloc(BLOCK);
	do
		got = read(fd, output->block, BLOCK);
	while (got < 0 && errno == EINTR);
	return got;
}

static int open_log(const char *path, struct orch_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd >= 0 ? fd : error_errno(err, "cannot read the log '%s'", path);
}

/* ---- whole logs ---- */

static void add_header(struct output *output, struct strbuf *out, const struct orch_event *event)
{
	if (output->ci->service != CI_NONE && !output->lone) {
		ci_group(output->ci, out, event->stream, event->attempt, clock_wall_ms());
		return;
	}
	ci_neutral(output->ci, out);
	strbuf_addf(out, "%s==> ", term_style(output->term, TERM_BOLD));
	term_line(out, event->stream, strlen(event->stream), NAME_COLUMNS * 4, output->term->unicode);
	if (event->attempt > 1)
		strbuf_addf(out, " (attempt %lld)", (long long)event->attempt);
	strbuf_addf(out, " <==%s\n", term_style(output->term, TERM_RESET));
}

/* of a log that comes in blocks: within a line of JSON, at the start of one */
struct skipper {
	bool skips, in_line;
};

/* takes lines that begin with { from the block; how much is left */
static size_t skip_json(struct skipper *skipper, char *block, size_t len)
{
	size_t kept = 0;

	for (size_t at = 0; at < len;) {
		const char *newline = memchr(block + at, '\n', len - at);
		size_t part = newline ? (size_t)(newline - block) + 1 - at : len - at;

		if (!skipper->in_line)
			skipper->skips = block[at] == '{';
		skipper->in_line = newline == NULL;
		if (!skipper->skips) {
			memmove(block + kept, block + at, part);
			kept += part;
		}
		at += part;
	}
	return kept;
}

/* what the agent said in the end, above what is left of its log */
static bool add_said(struct output *output, struct strbuf *out, const struct orch_event *event)
{
	struct term_filter filter;

	if (event->said == NULL)
		return false;
	add_header(output, out, event);
	filter_start(output, &filter);
	term_filter_feed(&filter, event->said, strlen(event->said), out);
	term_filter_end(&filter, out);
	if (event->said[0] && event->said[strlen(event->said) - 1] != '\n')
		strbuf_addch(out, '\n');
	return true;
}

static int copy_log(
	struct output *output, int fd, const struct orch_event *event, const char *path, struct orch_error *err)
{
	bool in_short = output->in_short && event->agent != NULL;
	struct skipper skipper = {0};
	struct term_filter filter;
	struct strbuf text = {0};
	char last = '\n';
	bool any = false;
	ssize_t got = 0;
	int result = 0;

	if (in_short)
		any = add_said(output, &text, event);
	filter_start(output, &filter);
	while (result == 0 && !output->closed && (got = read_block(output, fd)) > 0) {
		if (in_short)
			got = (ssize_t)skip_json(&skipper, output->block, (size_t)got);
		if (got == 0)
			continue;
		if (!any) /* a stream that said nothing gets no header */
			add_header(output, &text, event);
		any = true;
		if (output->filtered) {
			term_filter_feed(&filter, output->block, (size_t)got, &text);
			result = put_buffer(output, &text, err);
		} else if ((result = put_buffer(output, &text, err)) == 0) {
			result = put(output, output->block, (size_t)got, err);
		}
		last = output->block[got - 1];
	}
	if (result == 0 && got < 0)
		result = error_errno(err, "cannot read the log '%s'", path);
	if (any) {
		if (output->filtered)
			term_filter_end(&filter, &text);
		if (last != '\n')
			strbuf_addch(&text, '\n');
		ci_group_end(output->ci, &text, clock_wall_ms());
		if (put_buffer(output, &text, result == 0 ? err : NULL) != 0)
			result = -1;
	}
	strbuf_release(&text);
	return result;
}

static int print_whole(struct output *output, const struct orch_event *event, const char *path, struct orch_error *err)
{
	int fd = open_log(path, err), result;

	if (fd < 0)
		return -1;
	result = copy_log(output, fd, event, path, err);
	close(fd);
	return result;
}

/* ---- line by line ---- */

static void add_line(struct output *output, struct follower *follower, struct strbuf *out)
{
	strbuf_addstr(out, term_style(output->term, TERM_DIM));
	term_line(out, follower->stream, strlen(follower->stream), NAME_COLUMNS, output->term->unicode);
	strbuf_addf(out, " |%s ", term_style(output->term, TERM_RESET));
	strbuf_add(out, strbuf_cstr(&follower->line), follower->line.len);
	if (follower->filter.colored) /* it must not colour the next line's name, nor another stream's line */
		strbuf_addstr(out, "\033[0m");
	strbuf_addch(out, '\n');
	strbuf_truncate(&follower->line, 0);
}

static void add_lines(
	struct output *output, struct follower *follower, const char *text, size_t len, struct strbuf *out)
{
	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t part = newline != NULL ? (size_t)(newline - text) : len;

		strbuf_add(&follower->line, text, part);
		if (newline != NULL || follower->line.len >= LINE_MAX_BYTES)
			add_line(output, follower, out);
		part += newline != NULL;
		text += part;
		len -= part;
	}
}

static int follow(struct output *output, struct follower *follower, bool at_end, struct orch_error *err)
{
	struct strbuf out = {0}, clean = {0};
	int fd = open_log(follower->path, err), result = 0;
	ssize_t got = 0;

	if (fd < 0)
		return -1;
	if (lseek(fd, follower->offset, SEEK_SET) < 0)
		result = error_errno(err, "cannot read the log '%s'", follower->path);
	while (result == 0 && !output->closed && (got = read_block(output, fd)) > 0) {
		follower->offset += got;
		ci_neutral(output->ci, &out);
		if (output->filtered) {
			term_filter_feed(&follower->filter, output->block, (size_t)got, &clean);
			add_lines(output, follower, strbuf_cstr(&clean), clean.len, &out);
			strbuf_truncate(&clean, 0);
		} else {
			add_lines(output, follower, output->block, (size_t)got, &out);
		}
		result = put_buffer(output, &out, err);
	}
	if (result == 0 && got < 0)
		result = error_errno(err, "cannot read the log '%s'", follower->path);
	if (at_end) {
		if (follower->line.len == 0)
			follower->filter.colored = false;
		term_filter_end(&follower->filter, &clean);
		add_lines(output, follower, strbuf_cstr(&clean), clean.len, &out);
		if (follower->line.len > 0)
			add_line(output, follower, &out);
		if (put_buffer(output, &out, result == 0 ? err : NULL) != 0)
			result = -1;
	}
	close(fd);
	strbuf_release(&out);
	strbuf_release(&clean);
	return result;
}

static void follower_free(struct follower *follower)
{
	if (follower == NULL)
		return;
	free(follower->stream);
	free(follower->path);
	strbuf_release(&follower->line);
	free(follower);
}

static struct follower *follower_get(struct output *output, const char *stream, const char *path)
{
	struct follower *follower = map_get(&output->followers, stream);

	if (follower != NULL && strcmp(follower->path, path) == 0)
		return follower;
	if (follower != NULL) {
		map_remove(&output->followers, stream);
		follower_free(follower);
	}
	follower = xcalloc(1, sizeof *follower);
	follower->stream = xstrdup(stream);
	follower->path = xstrdup(path);
	filter_start(output, &follower->filter);
	map_set(&output->followers, follower->stream, follower);
	return follower;
}

static int print_lines(struct output *output, const struct orch_event *event, const char *path, struct orch_error *err)
{
	bool at_end = event->type == ORCH_EVENT_ATTEMPT_FINISHED;
	struct follower *follower = follower_get(output, event->stream, path);
	int result = follow(output, follower, at_end, err);

	if (at_end) {
		map_remove(&output->followers, event->stream);
		follower_free(follower);
	}
	return result;
}

/* ---- events ---- */

bool output_would_print(const struct output *output, const struct orch_event *event)
{
	if (output->closed || event->stream == NULL)
		return false;
	return (output->mode != OUTPUT_NONE && event->type == ORCH_EVENT_ATTEMPT_FINISHED &&
		       event->outcome != ORCH_OUTCOME_UNCHANGED) ||
		(output->mode == OUTPUT_LINE && event->type == ORCH_EVENT_OUTPUT);
}

int output_event(
	struct output *output, const struct orch_event *event, const struct orch_status *status, struct orch_error *err)
{
	const struct orch_stream_status *stream;
	const char *path = event->log;

	if (event->type == ORCH_EVENT_RUN_STARTED)
		output->lone = event->stale == 1;
	if (!output_would_print(output, event))
		return 0;
	if (path == NULL && (stream = orch_status_find(status, event->stream)) != NULL)
		path = stream->log;
	if (path == NULL) /* it ended before it had a log */
		return 0;
	if (event->outcome == ORCH_OUTCOME_SPAWN && access(path, F_OK) != 0)
		return 0;
	return output->mode == OUTPUT_STREAM ? print_whole(output, event, path, err)
					     : print_lines(output, event, path, err);
}

int output_text(struct output *output, const char *text, size_t len, struct orch_error *err)
{
	return put(output, text, len, err);
}

void output_free(struct output *output)
{
	size_t position = 0;
	const char *key;
	void *value;

	if (output == NULL)
		return;
	while (map_next(&output->followers, &position, &key, &value))
		follower_free(value);
	map_release(&output->followers);
	free(output->block);
	free(output);
}
