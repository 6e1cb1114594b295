#include "config.h"

#include "listener/jsonl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"

struct jsonl {
	struct orch_listener listener;
	FILE *file;
	struct loop_idle *idle;
	bool closed; /* nobody reads any more, or writing failed */
	int error;   /* errno of the failure */
};

/* `ok`: of the call of stdio before; its errno is still there */
static void check(struct jsonl *jsonl, bool ok)
{
	int saved = errno;

	if (ok || jsonl->closed)
		return;
	jsonl->closed = true;
	if (saved != EPIPE)
		jsonl->error = saved != 0 ? saved : EIO;
}

static void flush(struct jsonl *jsonl)
{
	if (jsonl->closed)
		return;
	errno = 0;
	check(jsonl, fflush(jsonl->file) == 0);
}

static int result(const struct jsonl *jsonl, struct orch_error *err)
{
	if (jsonl->error == 0)
		return 0;
	return error_set(err, "cannot write the events (--json): %s", strerror(jsonl->error));
}

static void on_idle(void *data)
{
	flush(data);
}

static int on_event(void *data, const struct orch_event *event, struct orch_error *err)
{
	struct jsonl *jsonl = data;
	char *line;

	if (jsonl->closed)
		return result(jsonl, err);
	line = orch_event_json(event);
	errno = 0;
	check(jsonl, fputs(line, jsonl->file) != EOF && putc('\n', jsonl->file) != EOF);
	free(line);
	if (jsonl->idle == NULL || event->type == ORCH_EVENT_RUN_FINISHED)
		flush(jsonl);
	else if (!jsonl->closed)
		loop_idle_arm(jsonl->idle);
	return result(jsonl, err);
}

struct jsonl *jsonl_new(FILE *file, struct loop *loop)
{
	struct jsonl *jsonl = xcalloc(1, sizeof *jsonl);

	jsonl->listener = (struct orch_listener){.name = "json", .required = true, .notify = on_event, .data = jsonl};
	jsonl->file = file;
	if (loop != NULL)
		jsonl->idle = loop_idle_new(loop, on_idle, jsonl);
	return jsonl;
}

const struct orch_listener *jsonl_listener(struct jsonl *jsonl)
{
	return &jsonl->listener;
}

int jsonl_close(struct jsonl *jsonl, struct orch_error *err)
{
	flush(jsonl);
	jsonl->closed = true;
	return result(jsonl, err);
}

void jsonl_free(struct jsonl *jsonl)
{
	if (jsonl == NULL)
		return;
	if (jsonl->idle != NULL)
		loop_idle_free(jsonl->idle);
	free(jsonl);
}
