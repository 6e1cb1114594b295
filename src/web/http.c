#include "config.h"

#include "web/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

enum {
	BACKLOG = 64,
	HEAD_MAX = 32 * 1024,     /* of a request: its lines, and what is read of it */
	IDLE_S = 60,              /* a connection on which nothing is asked */
	SEND_BUFFER = 128 * 1024, /* the system's, of a connection */
	BLOCK = 16 * 1024,        /* of a stream, at once */
	PENDING_KEPT = 64 * 1024, /* larger buffers are not kept when they are empty */
};

/* What is used of the library, which is loaded by who serves: with what it needs itself it would take longer to link
 * than all else that happens at a start. Each with the type that its header declares */
#define FUNCTIONS(f) \
	f(MHD_add_response_header) f(MHD_create_response_from_buffer) f(MHD_create_response_from_callback) \
		f(MHD_destroy_response) f(MHD_get_connection_info) f(MHD_get_daemon_info) f(MHD_get_timeout) \
			f(MHD_lookup_connection_value) f(MHD_queue_response) f(MHD_resume_connection) f(MHD_run) \
				f(MHD_start_daemon) f(MHD_stop_daemon) f(MHD_suspend_connection)

#define DECLARE(name) __typeof__(name) *name;
static struct {
	void *handle;
	FUNCTIONS(DECLARE)
} lib;

struct http {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_fd *watch;
	struct loop_timer *timer, *beat;
	struct loop_idle *idle; /* after a stream was woken outside of the daemon */
	struct http_options options;
	struct http_stream *streams;
	size_t stream_count, dropped;
	unsigned port;
	bool stopping;
};

struct http_request {
	struct http *http;
	struct MHD_Connection *connection;
	const char *path;
	struct MHD_Response *answer; /* made, and not handed over yet */
	struct strbuf body;
	struct {
		char *name, *value;
	} headers[12];
	unsigned header_count, status;
	bool is_post, held, handled;
};

struct http_stream {
	struct http *http;
	struct http_stream *next, **link;
	struct MHD_Connection *connection;
	const struct http_source *source;
	void *data;
	struct strbuf pending;
	size_t taken;
	unsigned stalled; /* beats in which it took nothing */
	bool suspended, over, moved;
};

/* --- the daemon on the loop --- */

static void turn(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG wait;

	lib.MHD_run(http->daemon);
	if (lib.MHD_get_timeout(http->daemon, &wait) == MHD_YES)
		loop_timer_arm(http->timer, wait > INT_MAX ? INT_MAX : (int64_t)wait);
	else
		loop_timer_disarm(http->timer);
}

static void on_turn(void *data)
{
	turn(data);
}

/* one that takes nothing: its connection ends, which the daemon then finds out by itself */
static void drop(struct http_stream *stream)
{
	const union MHD_ConnectionInfo *info =
		lib.MHD_get_connection_info(stream->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	stream->http->dropped++;
	stream->over = true;
	if (info)
		shutdown(info->connect_fd, SHUT_RDWR);
}

static void on_beat(void *data)
{
	struct http *http = data;

	for (struct http_stream *stream = http->streams; stream; stream = stream->next) {
		if (stream->suspended) {
			strbuf_addstr(&stream->pending, ":\n\n");
			stream->stalled = 0;
			http_stream_wake(stream);
		} else if (stream->moved) {
			stream->stalled = 0;
		} else if (++stream->stalled >= http->options.stalls && !stream->over) {
			drop(stream);
		}
		stream->moved = false;
	}
	loop_idle_arm(http->idle);
	if (http->streams)
		loop_timer_arm(http->beat, http->options.beat_ms);
}

/* --- requests --- */

const char *http_path(const struct http_request *request)
{
	return request->path;
}

bool http_is_post(const struct http_request *request)
{
	return request->is_post;
}

const char *http_header(const struct http_request *request, const char *name)
{
	return lib.MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *request, const char *name)
{
	return lib.MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_body(const struct http_request *request, size_t *len)
{
	*len = request->body.len;
	return strbuf_cstr(&request->body);
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
	assert(request->header_count < sizeof request->headers / sizeof *request->headers);
	request->headers[request->header_count].name = xstrdup(name);
	request->headers[request->header_count++].value = xstrdup(value);
}

/* which is what the library's one failure is: the program ends, as util/alloc.h has it */
static void *out_of_memory(void)
{
	return xmalloc(PTRDIFF_MAX);
}

static void set_answer(struct http_request *request, unsigned status, const char *type, struct MHD_Response *answer)
{
	if (!answer)
		answer = out_of_memory();
	request->status = status;
	request->answer = answer;
	lib.MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (unsigned i = 0; i < request->header_count; i++)
		lib.MHD_add_response_header(answer, request->headers[i].name, request->headers[i].value);
	if (request->held) {
		request->held = false;
		lib.MHD_resume_connection(request->connection);
		loop_idle_arm(request->http->idle);
	}
}

void http_answer(struct http_request *request, unsigned status, const char *type, const void *bytes, size_t len)
{
	set_answer(request, status, type,
		lib.MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY));
}

void http_answer_kept(struct http_request *request, unsigned status, const char *type, const void *bytes, size_t len)
{
	set_answer(request, status, type,
		lib.MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes, MHD_RESPMEM_PERSISTENT));
}

void http_hold(struct http_request *request)
{
	request->held = true;
}

static enum MHD_Result hand_over(struct http_request *request)
{
	enum MHD_Result result = lib.MHD_queue_response(request->connection, request->status, request->answer);

	lib.MHD_destroy_response(request->answer);
	request->answer = NULL;
	return result;
}

static enum MHD_Result refuse(struct http_request *request, unsigned status, const char *text)
{
	http_answer(request, status, "text/plain; charset=utf-8", text, strlen(text));
	return hand_over(request);
}

/* the head has come */
static enum MHD_Result begin(struct http_request *request, const char *method)
{
	const char *length;

	request->is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
	if (!request->is_post && strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
		strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		http_add_header(request, "Allow", "GET, HEAD, POST");
		return refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, HEAD and POST only\n");
	}
	length = http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
	if (length && strtoull(length, NULL, 10) > request->http->options.body)
		return refuse(request, 413, "the request is too long\n");
	return MHD_YES;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path, const char *method,
	const char *version, const char *bytes, size_t *len, void **own)
{
	struct http *http = data;
	struct http_request *request = *own;

	(void)version;
	if (!request) {
		request = xcalloc(1, sizeof *request);
		*request = (struct http_request){.http = http, .connection = connection, .path = path};
		*own = request;
		return begin(request, method);
	}
	request->path = path;
	if (*len > 0) {
		if (request->body.len + *len > http->options.body)
			return MHD_NO;
		strbuf_add(&request->body, bytes, *len);
		*len = 0;
		return MHD_YES;
	}
	if (!request->answer && !request->handled) {
		request->handled = true;
		http->options.handle(http->options.data, request);
	}
	if (request->answer)
		return hand_over(request);
	if (!request->held)
		return MHD_NO;
	lib.MHD_suspend_connection(connection);
	return MHD_YES;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **own, enum MHD_RequestTerminationCode why)
{
	struct http_request *request = *own;

	(void)data, (void)connection, (void)why;
	if (!request)
		return;
	if (request->answer)
		lib.MHD_destroy_response(request->answer);
	for (unsigned i = 0; i < request->header_count; i++) {
		free(request->headers[i].name);
		free(request->headers[i].value);
	}
	strbuf_release(&request->body);
	free(request);
	*own = NULL;
}

/* --- streams --- */

/* called when the client can take more */
static ssize_t read_stream(void *data, uint64_t position, char *buffer, size_t max)
{
	struct http_stream *stream = data;
	size_t len;

	(void)position;
	stream->moved = true;
	if (stream->taken == stream->pending.len) {
		if (stream->pending.capacity > PENDING_KEPT)
			strbuf_release(&stream->pending);
		else
			strbuf_truncate(&stream->pending, 0);
		stream->taken = 0;
		if (stream->over || stream->http->stopping)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (stream->source->fill(stream->data, &stream->pending) < 0)
			stream->over = true;
	}
	len = stream->pending.len - stream->taken;
	if (len == 0 && stream->over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (len == 0) {
		stream->suspended = true;
		lib.MHD_suspend_connection(stream->connection);
		return 0;
	}
	len = len < max ? len : max;
	memcpy(buffer, stream->pending.data + stream->taken, len);
	stream->taken += len;
	return (ssize_t)len;
}

static void free_stream(void *data)
{
	struct http_stream *stream = data;

	*stream->link = stream->next;
	if (stream->next)
		stream->next->link = stream->link;
	stream->http->stream_count--;
	stream->source->closed(stream->data);
	strbuf_release(&stream->pending);
	free(stream);
}

struct http_stream *http_answer_stream(struct http_request *request, const struct http_source *source, void *data)
{
	struct http *http = request->http;
	struct http_stream *stream = xcalloc(1, sizeof *stream);

	*stream = (struct http_stream){.http = http,
		.next = http->streams,
		.link = &http->streams,
		.connection = request->connection,
		.source = source,
		.data = data};
	if (http->streams)
		http->streams->link = &stream->next;
	http->streams = stream;
	http->stream_count++;
	loop_timer_arm_if_idle(http->beat, http->options.beat_ms);
	set_answer(request, MHD_HTTP_OK, "text/event-stream; charset=utf-8",
		lib.MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, free_stream));
	return stream;
}

void http_stream_wake(struct http_stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	lib.MHD_resume_connection(stream->connection);
	loop_idle_arm(stream->http->idle);
}

size_t http_stream_count(const struct http *http)
{
	return http->stream_count;
}

size_t http_dropped_count(const struct http *http)
{
	return http->dropped;
}

/* --- life --- */

static int listen_on(unsigned port, unsigned *got, struct orch_error *err)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, buffer = SEND_BUFFER;

	if (fd < 0)
		return error_errno(err, "cannot make a socket");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* what is accepted has it too */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
		if (errno == EADDRINUSE)
			error_code(err, ORCH_EBUSY,
				"port %u is in use, perhaps by another 'orch serve'; '--port 0' takes a free one",
				port);
		else
			error_errno(err, "cannot listen at 127.0.0.1, port %u", port);
		close(fd);
		return -1;
	}
	*got = ntohs(address.sin_port);
	return fd;
}

/* never unloaded. -1: it is not there, or not the right one */
static int load(struct orch_error *err)
{
	const char *missing = NULL;

	if (lib.handle)
		return 0;
	lib.handle = dlopen(MICROHTTPD_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!lib.handle)
		return error_set(err, "the HTTP server needs a library: %s", dlerror());
/* a pointer to a function cannot be made from one to data but by its bytes */
#define FIND(name) \
	if (!missing) { \
		void *symbol = dlsym(lib.handle, #name); \
		missing = symbol ? NULL : #name; \
		memcpy(&lib.name, &symbol, sizeof symbol); \
	}
	FUNCTIONS(FIND)
	if (!missing)
		return 0;
	dlclose(lib.handle);
	lib.handle = NULL;
	return error_set(
		err, "the library '%s' is too old for the HTTP server: it has no %s()", MICROHTTPD_SONAME, missing);
}

int http_new(struct http **out, struct loop *loop, const struct http_options *options, struct orch_error *err)
{
	struct http *http;
	const union MHD_DaemonInfo *info;
	int fd;

	*out = NULL;
	if (load(err) < 0)
		return -1;
	http = xcalloc(1, sizeof *http);
	http->loop = loop;
	http->options = *options;
	fd = listen_on(options->port, &http->port, err);
	if (fd < 0) {
		free(http);
		return -1;
	}
	http->daemon = lib.MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, options->connections,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
	if (!http->daemon) {
		close(fd);
		free(http);
		return error_set(err, "the HTTP server cannot be started: is the limit of open files reached?");
	}
	http->timer = loop_timer_new(loop, on_turn, http);
	http->beat = loop_timer_new(loop, on_beat, http);
	http->idle = loop_idle_new(loop, on_turn, http);
	info = lib.MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	http->watch = info ? loop_fd_new(loop, info->epoll_fd, on_turn, http) : NULL;
	if (!http->watch) {
		http_free(http);
		return error_set(err, "the HTTP server cannot be waited for");
	}
	*out = http;
	return 0;
}

unsigned http_port(const struct http *http)
{
	return http->port;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	/* the daemon must not be stopped with connections that are suspended */
	http->stopping = true;
	for (struct http_stream *stream = http->streams; stream; stream = stream->next)
		http_stream_wake(stream);
	lib.MHD_run(http->daemon);
	loop_fd_free(http->watch);
	loop_timer_free(http->timer);
	loop_timer_free(http->beat);
	loop_idle_free(http->idle);
	lib.MHD_stop_daemon(http->daemon);
	free(http);
}
