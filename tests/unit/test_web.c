/* The dashboard's HTTP: who may ask, whole answers, requests out of bounds, streams, clients that take nothing. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/loop.h"
#include "util/strbuf.h"
#include "web/guard.h"
#include "web/http.h"

enum { DEADLINE_MS = 30 * 1000 };

/* --- who may ask --- */

static void only_names_of_this_machine(void **state)
{
	static const char *const good[] = {"127.0.0.1", "127.0.0.1:6724", "localhost", "LocalHost:1", "[::1]:65535"};
	static const char *const bad[] = {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:6724",
		"127.0.0.1:", "127.0.0.1:6724x", "127.0.0.1:123456", "127.0.0.10", "127.0.0.1@evil.example", "[::1",
		"localhost:6724:1", "0.0.0.0:6724", "localhost:-1"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(guard_host(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(guard_host(bad[i]));
	assert_false(guard_host(NULL));
}

static void only_pages_of_this_server(void **state)
{
	(void)state;
	assert_true(guard_origin(NULL, "localhost:1"));
	assert_true(guard_origin("http://localhost:1", "localhost:1"));
	assert_true(guard_origin("http://LOCALHOST:1", "localhost:1"));
	assert_false(guard_origin("http://localhost:2", "localhost:1"));
	assert_false(guard_origin("http://127.0.0.1:1", "localhost:1"));
	assert_false(guard_origin("https://localhost:1", "localhost:1"));
	assert_false(guard_origin("null", "localhost:1"));
	assert_false(guard_origin("", "localhost:1"));
	assert_false(guard_origin("http://localhost:1.evil.example", "localhost:1"));
	assert_false(guard_origin("http://localhost:1", NULL));
	assert_true(guard_site(NULL));
	assert_true(guard_site("same-origin"));
	assert_true(guard_site("none"));
	assert_false(guard_site("same-site"));
	assert_false(guard_site("cross-site"));
	assert_false(guard_site(""));
}

static void only_the_token(void **state)
{
	(void)state;
	assert_true(guard_token("Bearer 0123abcd", "0123abcd"));
	assert_true(guard_token("bearer 0123abcd", "0123abcd"));
	assert_false(guard_token(NULL, "0123abcd"));
	assert_false(guard_token("", "0123abcd"));
	assert_false(guard_token("0123abcd", "0123abcd"));
	assert_false(guard_token("Bearer ", "0123abcd"));
	assert_false(guard_token("Bearer 0123abc", "0123abcd"));
	assert_false(guard_token("Bearer 0123abcde", "0123abcd"));
	assert_false(guard_token("Bearer 0123abce", "0123abcd"));
	assert_false(guard_token("Basic 0123abcd", "0123abcd"));
	/* no token at all is none that can be known */
	assert_false(guard_token("Bearer ", ""));
}

/* --- a server, and clients on the same loop --- */

struct source_state {
	struct http_stream *stream;
	size_t left; /* bytes to tell */
	bool ends, closed;
};

struct server {
	struct loop *loop;
	struct http *http;
	struct loop_timer *timer, *late;
	struct http_request *held;
	struct source_state source;
	char *path, *name;
	size_t body;
	unsigned requests;
	bool in_time;
	/* what is waited for */
	bool (*is_done)(struct server *server, void *data);
	void *data;
};

static int fill(void *data, struct strbuf *out)
{
	struct source_state *source = data;
	size_t piece = source->left < 60000 ? source->left : 60000;

	for (size_t i = 0; i < piece; i++)
		strbuf_addch(out, 'x');
	source->left -= piece;
	return source->ends && !source->left ? -1 : 0;
}

static void closed(void *data)
{
	((struct source_state *)data)->closed = true;
}

static void on_request(void *data, struct http_request *request)
{
	static const struct http_source source = {fill, closed};
	struct server *server = data;
	const char *name = http_query(request, "name");
	size_t len;

	server->requests++;
	free(server->path);
	free(server->name);
	server->path = strdup(http_path(request));
	server->name = name ? strdup(name) : NULL;
	http_body(request, &len);
	server->body = len;
	if (strcmp(http_path(request), "/hold") == 0) {
		server->held = request;
		http_hold(request);
	} else if (strcmp(http_path(request), "/stream") == 0) {
		server->source.stream = http_answer_stream(request, &source, &server->source);
	} else {
		http_add_header(request, "X-Test", "yes");
		http_answer(request, 200, "text/plain", "hello\n", 6);
	}
}

static int setup(void **state)
{
	struct server *server = calloc(1, sizeof *server);
	struct http_options options = {
		.connections = 8, .body = 1000, .beat_ms = 50, .stalls = 3, .handle = on_request, .data = server};
	struct orch_error err;

	assert_int_equal(loop_new(&server->loop, &err), 0);
	assert_int_equal(http_new(&server->http, server->loop, &options, &err), 0);
	*state = server;
	return 0;
}

static int teardown(void **state)
{
	struct server *server = *state;

	http_free(server->http);
	loop_free(server->loop);
	free(server->path);
	free(server->name);
	free(server);
	return 0;
}

static void on_tick(void *data)
{
	struct server *server = data;

	server->in_time = server->is_done(server, server->data);
	if (server->in_time)
		loop_stop(server->loop);
	else
		loop_timer_arm(server->timer, 5);
}

static void on_late(void *data)
{
	loop_stop(((struct server *)data)->loop);
}

/* runs the server until it is so */
static void until(struct server *server, bool (*is_done)(struct server *server, void *data), void *data)
{
	server->is_done = is_done;
	server->data = data;
	server->timer = loop_timer_new(server->loop, on_tick, server);
	server->late = loop_timer_new(server->loop, on_late, server);
	loop_timer_arm(server->timer, 0);
	loop_timer_arm(server->late, DEADLINE_MS);
	loop_run(server->loop);
	loop_timer_free(server->timer);
	loop_timer_free(server->late);
	assert_true(server->in_time);
}

static int client(struct server *server, const char *request)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server->http))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	return fd;
}

struct reading {
	int fd;
	const char *wanted; /* NULL: its end */
	struct strbuf text;
	bool ended;
};

static bool has_read(struct server *server, void *data)
{
	struct reading *reading = data;
	ssize_t got;

	(void)server;
	while ((got = recv(reading->fd, strbuf_reserve(&reading->text, 4096), 4096, MSG_DONTWAIT)) > 0)
		strbuf_grown(&reading->text, (size_t)got);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		reading->ended = true;
	return reading->wanted ? strstr(strbuf_cstr(&reading->text), reading->wanted) != NULL : reading->ended;
}

/* sends it, and gives the answer up to the end of the connection */
static char *exchange(struct server *server, const char *request)
{
	struct reading reading = {.fd = client(server, request)};

	until(server, has_read, &reading);
	close(reading.fd);
	return strbuf_detach(&reading.text);
}

static void answers_what_is_asked(void **state)
{
	struct server *server = *state;
	char *answer = exchange(server, "GET /a%20b?name=x%2Fy%00z HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

	assert_non_null(strstr(answer, "HTTP/1.1 200"));
	assert_non_null(strstr(answer, "X-Test: yes"));
	assert_non_null(strstr(answer, "\r\n\r\nhello\n"));
	assert_string_equal(server->path, "/a b");
	assert_non_null(server->name);
	assert_string_equal(server->name, "x/y");
	free(answer);
}

static void takes_a_body_within_bounds(void **state)
{
	struct server *server = *state;
	char *answer =
		exchange(server, "POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde");

	assert_non_null(strstr(answer, "HTTP/1.1 200"));
	assert_int_equal(server->body, 5);
	free(answer);
}

static void refuses_what_is_out_of_bounds(void **state)
{
	struct server *server = *state;
	struct strbuf request = {0};
	char *answer;

	answer = exchange(server, "POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5000\r\n\r\n");
	assert_non_null(strstr(answer, "HTTP/1.1 413"));
	free(answer);
	answer = exchange(server, "DELETE /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_non_null(strstr(answer, "HTTP/1.1 405"));
	free(answer);
	/* a head without an end */
	strbuf_addstr(&request, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ");
	for (int i = 0; i < 40000; i++)
		strbuf_addch(&request, 'a');
	answer = exchange(server, request.data);
	assert_null(strstr(answer, " 200 "));
	free(answer);
	/* a body that does not say how long it is, and is longer than it may be */
	strbuf_truncate(&request, 0);
	strbuf_addstr(&request, "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n");
	for (int i = 0; i < 2000; i++)
		strbuf_addch(&request, 'a');
	strbuf_addstr(&request, "\r\n0\r\n\r\n");
	answer = exchange(server, request.data);
	assert_null(strstr(answer, " 200 "));
	free(answer);
	/* no HTTP */
	answer = exchange(server, "\r\n\r\nno request\r\n\r\n");
	assert_null(strstr(answer, " 200 "));
	free(answer);
	assert_int_equal(server->requests, 0);
	strbuf_release(&request);
}

static bool is_held(struct server *server, void *data)
{
	(void)data;
	return server->held != NULL;
}

static void answers_later(void **state)
{
	struct server *server = *state;
	struct reading reading = {.fd = client(server, "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"),
		.wanted = "late\n"};
	char *answer;

	until(server, is_held, NULL);
	/* others are answered meanwhile */
	answer = exchange(server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_non_null(strstr(answer, "hello"));
	free(answer);
	http_answer(server->held, 409, "text/plain", "late\n", 5);
	until(server, has_read, &reading);
	assert_non_null(strstr(reading.text.data, "HTTP/1.1 409"));
	close(reading.fd);
	strbuf_release(&reading.text);
}

static void answers_later_when_the_client_is_gone(void **state)
{
	struct server *server = *state;
	int fd = client(server, "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	char *answer;

	until(server, is_held, NULL);
	close(fd);
	http_answer(server->held, 200, "text/plain", "late\n", 5);
	answer = exchange(server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_non_null(strstr(answer, "hello"));
	free(answer);
}

static void streams_what_comes(void **state)
{
	struct server *server = *state;
	struct reading reading = {.fd = client(server, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n"), .wanted = "xxxx"};

	server->source.left = 4;
	until(server, has_read, &reading);
	assert_non_null(strstr(reading.text.data, "text/event-stream"));
	assert_int_equal(http_stream_count(server->http), 1);
	/* a quiet one is sent comments, by which it is found out who is gone */
	reading.wanted = ":\n\n";
	until(server, has_read, &reading);
	/* more, and the end */
	strbuf_truncate(&reading.text, 0);
	reading.wanted = "xxxxxx";
	server->source.left = 6;
	server->source.ends = true;
	http_stream_wake(server->source.stream);
	until(server, has_read, &reading);
	close(reading.fd);
	strbuf_release(&reading.text);
}

static bool is_closed(struct server *server, void *data)
{
	(void)data;
	return server->source.closed;
}

static void finds_out_who_is_gone(void **state)
{
	struct server *server = *state;
	struct reading reading = {.fd = client(server, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n"), .wanted = "xxxx"};

	server->source.left = 4;
	until(server, has_read, &reading);
	close(reading.fd);
	until(server, is_closed, NULL);
	assert_int_equal(http_stream_count(server->http), 0);
	assert_int_equal(http_dropped_count(server->http), 0);
	strbuf_release(&reading.text);
}

static void drops_a_client_that_takes_nothing(void **state)
{
	struct server *server = *state;
	int fd;

	server->source.left = 64 * 1024 * 1024;
	fd = client(server, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
	until(server, is_closed, NULL);
	assert_int_equal(http_dropped_count(server->http), 1);
	/* most of it was never made */
	assert_true(server->source.left > 60 * 1024 * 1024);
	close(fd);
}

static void two_cannot_have_one_port(void **state)
{
	struct server *server = *state;
	struct http_options options = {.port = http_port(server->http), .connections = 1, .handle = on_request};
	struct http *other;
	struct orch_error err;

	assert_int_equal(http_new(&other, server->loop, &options, &err), -1);
	assert_int_equal(err.code, ORCH_EBUSY);
	assert_non_null(strstr(err.message, "in use"));
	assert_null(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_names_of_this_machine),
		cmocka_unit_test(only_pages_of_this_server),
		cmocka_unit_test(only_the_token),
		cmocka_unit_test_setup_teardown(answers_what_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_a_body_within_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_out_of_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_later, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_later_when_the_client_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(streams_what_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(finds_out_who_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(drops_a_client_that_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(two_cannot_have_one_port, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
