/* Tokens of a jobserver in pipes, and what MAKEFLAGS says of them. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "os/loop.h"
#include "os/tokens.h"
#include "os/usage.h"
#include "util/makeflags.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_ready(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	return poll(&one, 1, 0) == 1 && (one.revents & events);
}

static void emptiness_is_seen(void **state)
{
	struct tokens tokens;
	char byte;

	(void)state;
	assert_int_equal(tokens_pipes(&tokens, NULL), 0);
	assert_true(is_ready(tokens.give, POLLOUT));
	assert_true(tokens_give(&tokens));
	assert_false(is_ready(tokens.give, POLLOUT));
	/* theirs block, ours do not */
	assert_int_equal(fcntl(tokens.client[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(tokens.client[1], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(read(tokens.client[0], &byte, 1), 1);
	assert_true(is_ready(tokens.give, POLLOUT));
	assert_int_equal(tokens_take(&tokens), 0);
	/* given back: by the other pipe, so nobody but us can have it */
	assert_int_equal(tokens_returned(&tokens), 0);
	assert_false(is_ready(tokens.back, POLLIN));
	assert_int_equal(write(tokens.client[1], "++", 2), 2);
	assert_true(is_ready(tokens.back, POLLIN));
	assert_true(is_ready(tokens.give, POLLOUT));
	assert_int_equal(tokens_returned(&tokens), 2);
	/* taken back before anybody has read it */
	assert_true(tokens_give(&tokens));
	assert_int_equal(tokens_take(&tokens), 1);
	assert_true(is_ready(tokens.give, POLLOUT));
	tokens_close(&tokens);
	tokens_close(&tokens);
}

static void fifos_do_the_same(void **state)
{
	char dir[] = "/tmp/test-tokens-XXXXXX", forth[64], back[64], byte;
	struct orch_error err = {0};
	struct tokens tokens;
	int in, out;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(forth, sizeof forth, "%s/forth", dir);
	snprintf(back, sizeof back, "%s/back", dir);
	assert_int_equal(tokens_fifos(&tokens, forth, back, NULL), 0);
	in = open(forth, O_RDWR);
	out = open(back, O_WRONLY);
	assert_true(in >= 0 && out >= 0);
	assert_true(tokens_give(&tokens));
	assert_false(is_ready(tokens.give, POLLOUT));
	assert_int_equal(read(in, &byte, 1), 1);
	assert_true(is_ready(tokens.give, POLLOUT));
	assert_int_equal(write(out, "+", 1), 1);
	assert_int_equal(tokens_returned(&tokens), 1);
	close(in);
	close(out);
	/* somebody else's file is there */
	tokens_close(&tokens);
	assert_int_equal(tokens_fifos(&tokens, forth, back, &err), -1);
	assert_non_null(strstr(err.message, "File exists"));
	assert_int_equal(tokens.give, -1);
	unlink(forth);
	unlink(back);
	rmdir(dir);
}

static void one_fifo_for_both_ways(void **state)
{
	char dir[] = "/tmp/test-tokens-XXXXXX", path[64], bytes[9000];
	struct orch_error err = {0};
	struct tokens tokens;
	int client;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(tokens_fifo(&tokens, path, NULL), 0);
	assert_int_equal(tokens_lying(&tokens), 0);
	client = open(path, O_RDWR);
	assert_true(client >= 0);
	assert_true(tokens_give(&tokens));
	assert_int_equal(tokens_lying(&tokens), 1);
	assert_int_equal(write(client, "++", 2), 2);
	assert_int_equal(tokens_lying(&tokens), 3);
	assert_int_equal(tokens_take_some(&tokens, 2), 2);
	assert_int_equal(tokens_lying(&tokens), 1);
	assert_int_equal(tokens_take_some(&tokens, 2), 1);
	/* who gives back never waits, also where something lies there for ever */
	assert_true(tokens_give(&tokens));
	for (size_t i = 0; i < sizeof bytes; i++) {
		assert_true(is_ready(client, POLLOUT));
		assert_int_equal(write(client, "+", 1), 1);
		assert_int_equal(read(client, bytes, 1), 1);
	}
	assert_int_equal(tokens_take(&tokens), 1);
	assert_int_equal(tokens_take(&tokens), 0);
	close(client);
	tokens_close(&tokens);
	assert_int_equal(tokens_fifo(&tokens, path, &err), -1);
	assert_non_null(strstr(err.message, "File exists"));
	unlink(path);
	rmdir(dir);
}

static void on_use(void *data)
{
	loop_stop(data);
}

static void use_is_seen(void **state)
{
	char dir[] = "/tmp/test-tokens-XXXXXX", path[64], byte;
	struct orch_error err = {0};
	struct tokens tokens;
	struct usage *usage;
	struct loop *loop;
	int client, watch;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(loop_new(&loop, NULL), 0);
	assert_int_equal(usage_new(&usage, loop, on_use, loop, NULL), 0);
	assert_int_equal(usage_watch(usage, path, &err), -1);
	assert_non_null(strstr(err.message, "/fifo'"));
	assert_int_equal(tokens_fifo(&tokens, path, NULL), 0);
	watch = usage_watch(usage, path, NULL);
	assert_true(watch >= 0);
	client = open(path, O_RDWR);
	assert_true(client >= 0);
	/* each returns once it has been said */
	assert_int_equal(write(client, "++", 2), 2);
	loop_run(loop);
	assert_int_equal(read(client, &byte, 1), 1);
	loop_run(loop);
	assert_int_equal(tokens_lying(&tokens), 1);
	usage_ignore(usage, watch);
	usage_ignore(usage, watch);
	close(client);
	tokens_close(&tokens);
	usage_free(usage);
	usage_free(NULL);
	loop_free(loop);
	unlink(path);
	rmdir(dir);
}

static void somebody_elses(void **state)
{
	struct orch_error err = {0};
	int ends[2], in, out;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	in = tokens_reopen(ends[0], false, NULL);
	out = tokens_reopen(ends[1], true, NULL);
	assert_true(in >= 0 && out >= 0);
	assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(tokens_read_one(in), -1);
	assert_int_equal(tokens_write_one(out, 'x'), 0);
	assert_int_equal(tokens_read_one(in), 'x');
	close(in);
	close(out);
	/* the wrong end, a file, nothing at all */
	assert_int_equal(tokens_reopen(ends[1], false, &err), -1);
	close(ends[0]);
	assert_int_equal(tokens_reopen(ends[0], false, &err), -1);
	in = open("/dev/null", O_RDWR);
	assert_int_equal(tokens_reopen(in, false, &err), -1);
	assert_non_null(strstr(err.message, "no pipe"));
	close(in);
	close(ends[1]);
}

static void check_read(const char *text, int in, int out, const char *fifo, unsigned jobs)
{
	struct makeflags flags;

	makeflags_read(&flags, text);
	assert_int_equal(flags.has_jobserver, in >= 0 || fifo);
	assert_int_equal(flags.read, in);
	assert_int_equal(flags.write, out);
	assert_int_equal(flags.jobs, jobs);
	assert_int_equal(flags.fifo != NULL, fifo != NULL);
	if (fifo) {
		assert_int_equal(flags.fifo_len, strlen(fifo));
		assert_memory_equal(flags.fifo, fifo, strlen(fifo));
	}
}

static void makeflags_are_read(void **state)
{
	struct makeflags flags;

	(void)state;
	check_read(NULL, -1, -1, NULL, 0);
	check_read("", -1, -1, NULL, 0);
	check_read("w", -1, -1, NULL, 0);
	check_read(" -j8 --jobserver-auth=3,4", 3, 4, NULL, 8);
	check_read("kw -j --jobserver-fds=5,6 -- CC=gcc", 5, 6, NULL, 0);
	check_read("w -j4 --jobserver-auth=fifo:/tmp/GMfifo12 -l3", -1, -1, "/tmp/GMfifo12", 4);
	check_read("kj12", -1, -1, NULL, 12);
	/* the last one counts; what stands behind -- is no option, and nor is what a backslash makes one word */
	check_read(" --jobserver-auth=3,4 --jobserver-auth=7,8 -- X=--jobserver-auth=1,2", 7, 8, NULL, 0);
	check_read(" -- --jobserver-auth=1,2", -1, -1, NULL, 0);
	check_read("A=b\\ --jobserver-auth=1,2", -1, -1, NULL, 0);
	makeflags_read(&flags, " --jobserver-auth=none");
	assert_true(flags.has_jobserver);
	assert_int_equal(flags.read, -1);
}

static void check_write(const char *text, const char *add, const char *expected)
{
	struct strbuf out = {0};

	makeflags_write(&out, text, add);
	assert_string_equal(strbuf_cstr(&out), expected);
	strbuf_release(&out);
}

static void makeflags_are_written(void **state)
{
	(void)state;
	check_write(NULL, "-j4", " -j4");
	check_write(NULL, NULL, "");
	check_write("w", "-j4", "w -j4");
	check_write("kw -j8 --jobserver-auth=3,4 -l2 -- CC=a\\ b D=--jobserver-fds=1,2", "-j4 --jobserver-auth=98,99",
		"kw -j4 --jobserver-auth=98,99 -l2 -- CC=a\\ b D=--jobserver-fds=1,2");
	check_write("kw -j8 --jobserver-fds=3,4 -- CC=gcc", NULL, "kw -- CC=gcc");
	check_write("-j8", NULL, "");
	check_write("-j 8 -k", "-j2", " -j2 -k");
	check_write("--jobs=8 -k", NULL, " -k");
	check_write("kj8s", NULL, "ks");
	check_write("CC=gcc", "-j2", " -j2 CC=gcc");
	check_write("-jobless", NULL, " -jobless");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(emptiness_is_seen),
		cmocka_unit_test(fifos_do_the_same),
		cmocka_unit_test(one_fifo_for_both_ways),
		cmocka_unit_test(use_is_seen),
		cmocka_unit_test(somebody_elses),
		cmocka_unit_test(makeflags_are_read),
		cmocka_unit_test(makeflags_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
