#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/loop.h"
#include "os/socket.h"
#include "util/alloc.h"
#include "util/strbuf.h"

static const struct socket_limits limits = {.input = 1000, .output = 100 * 1024};

static struct loop *loop;
static char scratch[64], path[80];
static struct socket_server *server;
static struct socket_stream *stream;
static unsigned connections, ends;

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/test-socket-XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	snprintf(path, sizeof path, "%s/s", scratch);
	connections = ends = 0;
	stream = NULL;
	server = NULL;
	return loop_new(&loop, NULL);
}

static int teardown(void **state)
{
	(void)state;
	socket_stream_free(stream);
	socket_server_free(server);
	loop_free(loop);
	return fs_remove_tree(scratch, NULL);
}

static void on_received(void *data)
{
	(void)data;
	loop_stop(loop);
}

static void on_closed(void *data)
{
	(void)data;
	ends++;
	socket_stream_free(stream);
	stream = NULL;
	loop_stop(loop);
}

static void on_connected(void *data, struct socket_stream *got)
{
	assert_ptr_equal(data, &connections);
	connections++;
	stream = got;
	socket_stream_listen(got, on_received, on_closed, got);
	loop_stop(loop);
}

static int listen_at(const char *at, struct orch_error *err)
{
	return socket_listen(&server, loop, at, &limits, on_connected, &connections, err);
}

/* a client of the server, and the server's end of it in `stream` */
static int connect_client(void)
{
	int fd = socket_connect(path, NULL);

	assert_true(fd >= 0);
	loop_run(loop);
	assert_non_null(stream);
	return fd;
}

static void bytes_come_and_go(void **state)
{
	struct orch_error err;
	struct stat st;
	uid_t user = (uid_t)-1;
	char answer[16] = "";
	int fd;

	(void)state;
	assert_int_equal(listen_at(path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = connect_client();
	assert_int_equal(connections, 1);
	if (socket_stream_peer(stream, &user) == 0)
		assert_int_equal(user, geteuid());
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	loop_run(loop);
	assert_string_equal(strbuf_cstr(socket_stream_input(stream)), "hello");
	socket_stream_take(stream, 4);
	assert_int_equal(socket_stream_input(stream)->len, 1);
	assert_int_equal(socket_stream_send(stream, "world", 5), 0);
	assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL | MSG_DONTWAIT), 5);
	assert_string_equal(answer, "world");
	close(fd);
	loop_run(loop);
	assert_int_equal(ends, 1);
	socket_server_free(server);
	server = NULL;
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(socket_connect(path, &err), -1);
	assert_int_equal(err.code, ORCH_ENOTFOUND);
}

/* more than the kernel keeps: the rest goes when the peer takes it, up to the limit */
static void slow_readers_hold_up_nobody(void **state)
{
	char *block = xcalloc(1, limits.output), bytes[4096];
	size_t sent = 0, got = 0;
	int fd;

	(void)state;
	assert_int_equal(listen_at(path, NULL), 0);
	fd = connect_client();
	while (socket_stream_send(stream, block, limits.output / 4) == 0)
		sent += limits.output / 4;
	assert_true(sent >= limits.output);
	assert_int_equal(socket_stream_send(stream, block, limits.output + 1), -1);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (got < sent) {
		ssize_t n = recv(fd, bytes, sizeof bytes, 0);

		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		assert_int_equal(n, -1);
		assert_int_equal(errno, EAGAIN);
		/* a turn of the loop, in which more is sent */
		struct loop_timer *timer = loop_timer_new(loop, on_received, NULL);

		loop_timer_arm(timer, 1);
		loop_run(loop);
		loop_timer_free(timer);
	}
	assert_int_equal(got, sent);
	assert_int_equal(socket_stream_send(stream, block, limits.output / 4), 0);
	close(fd);
	free(block);
}

static void input_is_bounded(void **state)
{
	char block[3000] = {0};
	int fd;

	(void)state;
	assert_int_equal(listen_at(path, NULL), 0);
	fd = connect_client();
	assert_int_equal(send(fd, block, sizeof block, 0), sizeof block);
	loop_run(loop);
	assert_int_equal(socket_stream_input(stream)->len, limits.input);
	/* nobody took any of it out: the end, rather than being asked for ever */
	loop_run(loop);
	assert_int_equal(ends, 1);
	close(fd);
}

static void old_sockets_are_replaced_and_nothing_else(void **state)
{
	struct orch_error err;
	struct socket_server *old;
	char elsewhere[80];
	int fd;

	(void)state;
	assert_int_equal(listen_at(path, NULL), 0);
	old = server;
	assert_int_equal(listen_at(path, &err), 0);
	/* the socket is not its own any more: it stays */
	socket_server_free(old);
	close(connect_client());
	socket_server_free(server);
	server = NULL;
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "mine", 4), 4);
	close(fd);
	assert_int_equal(listen_at(path, &err), -1);
	assert_non_null(strstr(err.message, "in the way"));
	assert_int_equal(access(path, F_OK), 0);
	snprintf(elsewhere, sizeof elsewhere, "%s/none/s", scratch);
	assert_int_equal(listen_at(elsewhere, &err), -1);
	assert_int_equal(socket_connect(elsewhere, &err), -1);
	assert_int_equal(err.code, ORCH_ENOTFOUND);
}

static void paths_may_be_long(void **state)
{
	struct strbuf deep = {0};
	struct orch_error err;
	char answer[8];
	int fd;

	(void)state;
	strbuf_addstr(&deep, scratch);
	for (int i = 0; i < 5; i++)
		strbuf_addstr(&deep, "/a-directory-whose-name-is-long-enough-that-a-few-of-them-do-not-fit");
	assert_int_equal(fs_mkdirs(strbuf_cstr(&deep), 0700, &err), 0);
	strbuf_addstr(&deep, "/s");
	assert_true(deep.len > 300);
	assert_int_equal(listen_at(strbuf_cstr(&deep), &err), 0);
	fd = socket_connect(strbuf_cstr(&deep), &err);
	assert_true(fd >= 0);
	loop_run(loop);
	assert_int_equal(socket_stream_send(stream, "deep", 4), 0);
	assert_int_equal(recv(fd, answer, sizeof answer, 0), 4);
	close(fd);
	socket_server_free(server);
	server = NULL;
	assert_int_equal(access(strbuf_cstr(&deep), F_OK), -1);
	strbuf_release(&deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_readers_hold_up_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(input_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(old_sockets_are_replaced_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(paths_may_be_long, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
