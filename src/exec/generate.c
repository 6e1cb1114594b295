/* `generates = FILE`: what a stream has written there joins the graph, the plan and the run when it has succeeded. */
#include "config.h"

#include "exec/executor_private.h"

#include "exec/attempt.h"
#include "exec/redaction.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/fs.h"
#include "sched/sched.h"
#include "state/fragment.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 16 * 1024 * 1024 };

/* the stream as it is now generates too; NULL: nothing is to be done */
static const char *file_of(const struct executor *ex, const struct attempt *attempt)
{
	if (attempt->task == NO_STREAM || !ex->project->streams[attempt->task].set->generates)
		return NULL;
	return attempt->stream->set->generates;
}

static void fail(struct attempt *attempt, enum orch_outcome outcome, char *message)
{
	attempt->outcome = outcome;
	attempt->message = message;
}

/* Reads it, from where the stream works. A symbolic link in its place may lead anywhere, so it must lead to a file
 * below. 1: it is not there, or none that could be read, with *err */
static int read_text(const struct attempt *attempt, const char *file, char **text, size_t *len, struct orch_error *err)
{
	const char *base = attempt->workspace ? attempt->workspace->cwd : ".";
	char *path = path_join(base, file), *real = realpath(path, NULL), *real_base = realpath(base, NULL);
	int result = 1;

	if (!real || !real_base) {
		error_set(err, errno == ENOENT ? "it does not exist" : "%s", strerror(errno));
	} else if (strncmp(real, real_base, strlen(real_base)) != 0 || real[strlen(real_base)] != '/') {
		error_set(err, "it is a link to '%s', outside of where the stream works", real);
	} else if (fs_read(real, TEXT_MAX, text, len, err) == 0) {
		result = 0;
	}
	free(path);
	free(real);
	free(real_base);
	return result;
}

/* what is wrong, into the log: for people, and for whoever works on it next */
static void write_to_log(struct attempt *attempt, const char *file, const char *text)
{
	char *title = xasprintf("orch: what it generated, '%s', is wrong:\n", file);
	struct stat st;

	if (attempt->log_fd < 0) {
		free(title);
		return;
	}
	if (fstat(attempt->log_fd, &st) == 0) {
		attempt->check_from = st.st_size;
		attempt->found_wrong = true;
	}
	if (redaction_write(attempt->context->redact, attempt->log_fd, title) < 0 ||
		redaction_write(attempt->context->redact, attempt->log_fd, text) < 0) {
		char *message = xasprintf("its log cannot be written: %s", strerror(errno));

		attempt->warn(attempt->data, attempt, message);
		free(message);
	}
	free(title);
}

bool generate_keep(struct executor *ex, struct attempt *attempt)
{
	const char *file = file_of(ex, attempt), *stream = attempt->stream->name;
	struct orch_error err = {0};
	char *text, *line, *all;
	size_t len;
	int result;

	if (!file)
		return true;
	result = read_text(attempt, file, &text, &len, &err);
	if (result > 0) {
		fail(attempt, ORCH_OUTCOME_OUTPUTS,
			xasprintf("it succeeded, but what it should have generated, '%s', cannot be read: %s", file,
				err.message));
		return false;
	}
	result = ex->generate.check(ex->generate.data, stream, file, text, len, &line, &all, &err);
	if (result > 0) {
		write_to_log(attempt, file, all);
		fail(attempt, ORCH_OUTCOME_OUTPUTS, xasprintf("what it generated is wrong: %s", line));
		free(line);
		free(all);
	} else if (result < 0 || fragment_keep(ex->dir, stream, text, len, &err) < 0) {
		fail(attempt, ORCH_OUTCOME_INTERNAL,
			xasprintf("its work succeeded, but what it generated cannot be taken in: %s", err.message));
		result = -1;
	}
	free(text);
	return result == 0;
}

void generate_grow(struct executor *ex, const struct attempt *attempt)
{
	struct orch_error err = {0};

	if (attempt->outcome != ORCH_OUTCOME_SUCCESS || attempt->outdated || !file_of(ex, attempt))
		return;
	/* the next run reads it */
	if (ex->finishing || ex->failed_itself || sched_is_stopped(ex->run))
		return;
	executor_withdraw(ex);
	if (ex->generate.grow(ex->generate.data, attempt->stream->name, &err) < 0) {
		error_prefix(&err, "what '%s' generated", attempt->stream->name);
		tell_failure(ex, &err);
	}
}
