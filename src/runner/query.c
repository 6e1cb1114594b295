#include "config.h"

#include "runner/query.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/loop.h"
#include "os/supervised.h"
#include "runner/runner.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"

struct query {
	struct supervised *tree;
	struct loop_timer *timeout;
	int out;            /* descriptor; what it prints */
	char *errors;       /* path; what it complains of */
	bool timed_out;
	void (*done)(void *data, const struct query_answer *answer);
	void *data;
};

static void query_free(struct query *query)
{
	loop_timer_free(query->timeout);
	if (query->out >= 0)
		close(query->out);
	if (query->errors)
		unlink(query->errors);
	free(query->errors);
	free(query);
}

/* a file that only the descriptor knows; -1 with errno */
static int scratch_file(const char *scratch, const char *what)
{
	char *path = xasprintf("%s.%s.%ld", scratch, what, (long)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600), number = errno;

	if (fd >= 0)
		unlink(path);
	free(path);
	errno = number;
	return fd;
}

/* the last line that says something, in `text`, cut to what a message can hold */
static const char *last_line(char *text, size_t len)
{
	char *from;

	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		len--;
	text[len] = '\0';
	from = strrchr(text, '\n');
	from = from ? from + 1 : text;
	if (strlen(from) > QUERY_COMPLAINT_MAX)
		from[QUERY_COMPLAINT_MAX] = '\0';
	for (char *c = from; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
	}
	return from;
}

/* tells what it knows, and frees it */
static void answer(struct query *query, struct query_answer *said, const char *problem)
{
	struct orch_error err = {0};
	char *out = NULL, *errors = NULL;
	size_t errors_len = 0;

	said->timed_out = query->timed_out;
	said->complaint = problem ? problem : "";
	said->out = "";
	if (!problem && (lseek(query->out, 0, SEEK_SET) != 0 || fs_read_fd(query->out, "its output", QUERY_OUTPUT_MAX,
			&out, &said->out_len, &err) != 0)) {
		said->code = -1;
		said->signalled = false;
		said->complaint = err.message;
		out = NULL;
		said->out_len = 0;
	} else if (!problem && fs_read(query->errors, QUERY_OUTPUT_MAX, &errors, &errors_len, NULL) == 0) {
		said->complaint = last_line(errors, errors_len);
	}
	if (out)
		said->out = out;
	query->done(query->data, said);
	free(out);
	free(errors);
	query_free(query);
}

static void on_started(void *data, pid_t pid, int slot)
{
	(void)data, (void)pid, (void)slot;
}

static void on_failed(void *data, int error_number, const char *message)
{
	struct query_answer said = {.code = -1};

	(void)error_number;
	answer(data, &said, message);
}

static void on_ended(void *data, const struct child_exit *how)
{
	struct query_answer said = {.signalled = how->signalled, .code = how->code};

	answer(data, &said, NULL);
}

static void on_timeout(void *data)
{
	struct query *query = data;

	query->timed_out = true;
	supervised_signal(query->tree, SIGKILL);
}

/* it is opened for reading anew, so that it begins at its start */
static int input_file(const struct query_spec *spec)
{
	int fd = scratch_file(spec->scratch, "in");

	if (fd >= 0 && (fs_write_all(fd, spec->input, spec->input_len) != 0 || lseek(fd, 0, SEEK_SET) != 0)) {
		int number = errno;

		close(fd);
		errno = number;
		return -1;
	}
	return fd;
}

int query_start(struct query **out, struct runner *runner, const struct query_spec *spec,
	void (*done)(void *data, const struct query_answer *answer), void *data, struct orch_error *err)
{
	static unsigned long count;
	struct query *query = xcalloc(1, sizeof *query);
	struct strvec argv = {0};
	const struct supervised_calls calls = {
		.started = on_started, .failed = on_failed, .ended = on_ended, .data = query};
	struct supervised_spec what = {.env = spec->env, .dir = spec->dir, .linger_ms = 100};
	int number = 0, result = 0;

	query->done = done;
	query->data = data;
	query->errors = xasprintf("%s.errors.%ld.%lu", spec->scratch, (long)getpid(), ++count);
	query->out = scratch_file(spec->scratch, "out");
	what.in = input_file(spec);
	what.log = query->out;
	if (query->out < 0 || what.in < 0)
		result = error_errno(err, "cannot make files beside '%s'", spec->scratch);
	/* its complaints are kept apart from its answer */
	strvec_push(&argv, "sh");
	strvec_push(&argv, "-euc");
	strvec_pushf(&argv, "exec 2>\"$0\"\n%s", spec->script);
	strvec_push(&argv, query->errors);
	what.argv = argv.items;
	if (result == 0)
		result = supervised_start(&query->tree, runner->supervision, &what, &calls, &number, err);
	strvec_release(&argv);
	if (what.in >= 0)
		close(what.in);
	if (result != 0) {
		query_free(query);
		return -1;
	}
	query->timeout = loop_timer_new(runner->loop, on_timeout, query);
	loop_timer_arm(query->timeout, spec->timeout_ms);
	*out = query;
	return 0;
}

void query_drop(struct query *query)
{
	if (!query)
		return;
	supervised_signal(query->tree, SIGKILL);
	supervised_leave(query->tree);
	query_free(query);
}
