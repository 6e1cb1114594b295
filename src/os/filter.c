#include "config.h"

#include "os/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/child.h"
#include "os/redactor.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strvec.h"

extern char **environ;

struct filter {
	int input, control; /* -1: closed */
	filter_ended *ended; /* NULL: nobody wants to know */
	void *data;
};

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void filter_free(struct filter *filter)
{
	close_one(&filter->input);
	close_one(&filter->control);
	free(filter);
}

static void on_exit_of_child(void *data, const struct child_exit *how)
{
	struct filter *filter = data;
	filter_ended *ended = filter->ended;
	void *whose = filter->data;
	int number = how->signalled ? FILTER_LOST : how->code;

	filter_free(filter);
	if (ended)
		ended(whose, number);
}

static int open_pair(int pair[2], int *number, struct orch_error *err)
{
	int result = pipe2(pair, O_CLOEXEC);

	if (result == 0)
		return 0;
	*number = errno;
	return error_errno(err, "cannot make a pipe for its log");
}

static int spawn(struct children *children, char *const *texts, const struct child_spec *ends, int *number,
	struct orch_error *err)
{
	char name[] = "orch-redact", word[] = REDACTOR_WORD;
	char *argv[] = {name, word, NULL};
	struct strvec env = {0};
	struct child_spec spec = *ends;
	struct child *child;
	int result;

	for (char **entry = environ; *entry; entry++)
		strvec_push(&env, *entry);
	for (char *const *text = texts + 1; *text; text++)
		strvec_push(&env, *text);
	spec.argv = argv;
	spec.file = texts[0];
	spec.env = env.items;
	/* it starts nothing: what is left of others is none of its */
	spec.reaps = true;
	result = child_spawn(&child, children, &spec, number, err);
	strvec_release(&env);
	return result == 0 ? 0 : error_prefix(err, "the setting 'redact' needs a process for its log");
}

int filter_start(struct filter **out, struct children *children, char *const *texts, int log, filter_ended *ended,
	void *data, int *number, struct orch_error *err)
{
	struct filter *filter = xcalloc(1, sizeof *filter);
	int output[2] = {-1, -1}, control[2] = {-1, -1}, result;

	filter->ended = ended;
	filter->data = data;
	result = open_pair(output, number, err);
	if (result == 0)
		result = open_pair(control, number, err);
	filter->input = output[1];
	filter->control = control[1];
	if (result == 0) {
		const struct child_spec ends = {
			.in = output[0], .out = log, .err = control[0], .on_exit = on_exit_of_child, .data = filter};

		result = spawn(children, texts, &ends, number, err);
	}
	close_one(&output[0]);
	close_one(&control[0]);
	if (result != 0) {
		filter_free(filter);
		return -1;
	}
	*out = filter;
	return 0;
}

int filter_input(const struct filter *filter)
{
	return filter->input;
}

void filter_close(struct filter *filter)
{
	close_one(&filter->input);
}

void filter_finish(struct filter *filter)
{
	close_one(&filter->input);
	/* if it is gone, its exit says so */
	while (filter->control >= 0 && write(filter->control, "", 1) < 0 && errno == EINTR)
		;
	close_one(&filter->control);
}

void filter_leave(struct filter *filter)
{
	if (!filter)
		return;
	filter->ended = NULL;
	filter_finish(filter);
}
