#include "config.h"

#include "web/logfeed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "orch/history.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/json.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "web/http.h"

enum {
	FIRST = 192 * 1024, /* of the end, told at once */
	PIECE = 48 * 1024,  /* told at a time */
	PART = 192 * 1024,
	SOON_MS = 80,
	/* a client that is so far behind is told the end, and that there is a gap */
	BEHIND_MAX = 2 * 1024 * 1024,
};

struct log_feed {
	struct http_stream *stream;
	struct loop_watch *watch;
	struct loop_timer *soon;
	int fd;
	int64_t at;
	bool told;
};

/* --- which file it is --- */

struct search {
	const char *stream;
	int64_t wanted;
	char *log;
};

static int on_event(void *data, const struct orch_event *event)
{
	struct search *search = data;

	if (event->type != ORCH_EVENT_ATTEMPT_STARTED || !event->stream || !event->log ||
		strcmp(event->stream, search->stream) != 0 || (search->wanted && event->attempt != search->wanted))
		return 0;
	free(search->log);
	search->log = xstrdup(event->log);
	return 0;
}

/* a journal is data: what it names is opened only where orch keeps its logs */
static bool is_log(const char *path)
{
	return strncmp(path, ".orch/runs/", 11) == 0 && path_is_inside(path) && !strstr(path, "..");
}

static int open_log(
	char **path, const char *dir, const char *run, const char *stream, int64_t attempt, struct orch_error *err)
{
	struct search search = {.stream = stream, .wanted = attempt};
	struct stat st;
	int fd;

	*path = NULL;
	if (orch_history_events(dir, run, on_event, &search, err) < 0)
		return -1;
	if (!search.log)
		return error_code(err, ORCH_ENOTFOUND, "there is no such attempt of '%s' in run %s", stream, run);
	if (!is_log(search.log)) {
		free(search.log);
		return error_set(err, "the journal names a log that is none of this project's runs");
	}
	*path = path_join(dir, search.log);
	free(search.log);
	fd = open(*path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
		errno = EINVAL;
	}
	if (fd < 0) {
		if (errno == ENOENT)
			error_code(err, ORCH_ENOTFOUND, "the log of '%s' is gone", stream);
		else
			error_errno(err, "cannot read the log of '%s'", stream);
		free(*path);
		*path = NULL;
	}
	return fd;
}

static int64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* bytes of an UTF-8 character at the end that has not come to its own end */
static size_t cut_character(const char *text, size_t len)
{
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		unsigned char c = (unsigned char)text[len - back];

		if (c < 0x80)
			return 0;
		if (c >= 0xc0)
			return (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) > back ? back : 0;
	}
	return 0;
}

/* up to `max` bytes from `at`: malloc'd; *len is how many there were */
static char *read_at(int fd, int64_t at, size_t max, size_t *len)
{
	char *bytes = xmalloc(max);
	ssize_t got;

	do
		got = pread(fd, bytes, max, (off_t)at);
	while (got < 0 && errno == EINTR);
	*len = got > 0 ? (size_t)got : 0;
	return bytes;
}

/* the first line that begins behind `at`, where it is not far */
static int64_t line_start(int fd, int64_t at)
{
	size_t len;
	char *bytes, *newline;

	if (at <= 0)
		return 0;
	bytes = read_at(fd, at, 16 * 1024, &len);
	newline = memchr(bytes, '\n', len);
	if (newline)
		at += newline - bytes + 1;
	free(bytes);
	return at;
}

/* --- the stream --- */

static int fill(void *data, struct strbuf *out)
{
	struct log_feed *feed = data;
	struct json_writer w = {.out = out};
	int64_t size = size_of(feed->fd);
	size_t len, cut;
	char *bytes;

	/* it was begun anew */
	if (size < feed->at)
		feed->at = 0;
	if (size - feed->at > BEHIND_MAX)
		feed->at = line_start(feed->fd, size - FIRST);
	bytes = read_at(feed->fd, feed->at, PIECE, &len);
	cut = cut_character(bytes, len);
	if (cut < len)
		len -= cut;
	/* an empty log is told once, so that the page knows that it is there */
	if (len || !feed->told) {
		strbuf_addstr(out, "event: log\ndata: ");
		json_begin_object(&w);
		json_add_key(&w, "at");
		json_add_int(&w, feed->at);
		json_add_key(&w, "end");
		json_add_int(&w, feed->at + (int64_t)len);
		json_add_key(&w, "text");
		json_add_stringn(&w, bytes, len);
		json_end_object(&w);
		strbuf_addstr(out, "\n\n");
		feed->told = true;
	}
	feed->at += (int64_t)len;
	free(bytes);
	return 0;
}

static void on_soon(void *data)
{
	http_stream_wake(((struct log_feed *)data)->stream);
}

static void on_change(void *data)
{
	loop_timer_arm_if_idle(((struct log_feed *)data)->soon, SOON_MS);
}

static void closed(void *data)
{
	struct log_feed *feed = data;

	loop_watch_free(feed->watch);
	loop_timer_free(feed->soon);
	close(feed->fd);
	free(feed);
}

int logfeed_open(struct http_request *request, struct loop *loop, const char *dir, const char *run, const char *stream,
	int64_t attempt, struct orch_error *err)
{
	static const struct http_source source = {fill, closed};
	struct log_feed *feed;
	char *path;
	int fd = open_log(&path, dir, run, stream, attempt, err);

	if (fd < 0)
		return -1;
	feed = xcalloc(1, sizeof *feed);
	feed->fd = fd;
	feed->soon = loop_timer_new(loop, on_soon, feed);
	/* watched before it is read, so that nothing comes between */
	feed->watch = loop_watch_new(loop, path, on_change, feed);
	free(path);
	if (!feed->watch) {
		closed(feed);
		return error_set(err, "the log cannot be followed: is the system's limit of inotify watches reached?");
	}
	feed->at = line_start(fd, size_of(fd) - FIRST);
	feed->stream = http_answer_stream(request, &source, feed);
	return 0;
}

int logfeed_part(struct http_request *request, const char *dir, const char *run, const char *stream, int64_t attempt,
	int64_t end, struct orch_error *err)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out};
	int64_t at, size;
	size_t len;
	char *path, *bytes;
	int fd = open_log(&path, dir, run, stream, attempt, err);

	if (fd < 0)
		return -1;
	free(path);
	size = size_of(fd);
	end = end < 0 || end > size ? size : end;
	at = end > PART ? line_start(fd, end - PART) : 0;
	if (at >= end)
		at = end > PART ? end - PART : 0;
	bytes = read_at(fd, at, (size_t)(end - at) + 1, &len);
	close(fd);
	len = len > (size_t)(end - at) ? (size_t)(end - at) : len;
	json_begin_object(&w);
	json_add_key(&w, "at");
	json_add_int(&w, at);
	json_add_key(&w, "end");
	json_add_int(&w, at + (int64_t)len);
	json_add_key(&w, "text");
	json_add_stringn(&w, bytes, len);
	json_end_object(&w);
	free(bytes);
	http_answer(request, 200, "application/json", out.data, out.len);
	strbuf_release(&out);
	return 0;
}
