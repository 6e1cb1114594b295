#include "config.h"

#include "web/act.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "web/http.h"

enum { AT_ONCE_MAX = 8, STREAMS_MAX = 1000 };

struct act {
	struct acts *acts;
	struct act *next;
	struct http_request *request; /* NULL: it has been answered */
	struct strbuf line;
	char *run;
	int fd, result;
	int64_t count;
	struct orch_error err;
};

struct acts {
	struct loop *loop;
	const struct act_ops *ops;
	struct act *waiting;
	size_t count;
};

static void answer(struct http_request *request, unsigned status, const char *error, int64_t count)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out};

	json_begin_object(&w);
	json_add_key(&w, "ok");
	json_add_bool(&w, !error);
	if (error) {
		json_add_key(&w, "error");
		json_add_string(&w, error);
	} else if (count >= 0) {
		json_add_key(&w, "count");
		json_add_int(&w, count);
	}
	json_end_object(&w);
	http_answer(request, status, "application/json", out.data, out.len);
	strbuf_release(&out);
}

/* --- on the other thread --- */

static int is_same_run(struct act *act)
{
	struct strbuf line = {0};
	struct json_value *said;
	const char *run;
	int result;

	strbuf_addstr(&line, "{\"v\":1,\"request\":\"run\"}");
	result = act->acts->ops->ask(act->fd, &line, &said, &act->err);
	strbuf_release(&line);
	if (result < 0)
		return -1;
	run = json_member_string(said, "run");
	if (!run || strcmp(run, act->run) != 0)
		result = error_code(&act->err, ORCH_EUSAGE, "run %s is over; another one is under way", act->run);
	json_value_free(said);
	return result;
}

static void work(void *data)
{
	struct act *act = data;
	struct json_value *said;

	act->result = is_same_run(act);
	if (act->result == 0)
		act->result = act->acts->ops->ask(act->fd, &act->line, &said, &act->err);
	if (act->result < 0)
		return;
	act->count = json_member_int(said, "count", -1);
	json_value_free(said);
}

/* --- and back on the loop --- */

static void done(void *data)
{
	struct act *act = data, **link = &act->acts->waiting;

	while (*link != act)
		link = &(*link)->next;
	*link = act->next;
	act->acts->count--;
	if (act->request)
		answer(act->request, act->result < 0 ? 409 : 200, act->result < 0 ? act->err.message : NULL,
			act->count);
	act->acts->ops->close(act->fd);
	strbuf_release(&act->line);
	free(act->run);
	free(act);
}

/* --- what is asked --- */

static bool is_request(const struct acts *acts, const char *name)
{
	for (size_t i = 0; name && acts->ops->requests[i]; i++) {
		if (strcmp(acts->ops->requests[i], name) == 0)
			return true;
	}
	return false;
}

/* written anew, so that nothing gets through that is not known here */
static int write_line(struct strbuf *out, const struct json_value *body, struct orch_error *err)
{
	const struct json_value *streams = json_member(body, "streams");
	const char *text = json_member_string(body, "text");
	int64_t jobs = json_member_int(body, "jobs", 0);
	struct json_writer w = {.out = out};
	size_t count = json_item_count(streams);

	if (count > STREAMS_MAX)
		return error_code(err, ORCH_EUSAGE, "at most %d streams at once", STREAMS_MAX);
	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "request");
	json_add_string(&w, json_member_string(body, "request"));
	if (streams) {
		json_add_key(&w, "streams");
		json_begin_array(&w);
		for (size_t i = 0; i < count; i++) {
			const char *name = json_text(json_item(streams, i));

			if (!name || !*name)
				return error_code(err, ORCH_EUSAGE, "each of \"streams\" is the name of a stream");
			json_add_string(&w, name);
		}
		json_end_array(&w);
	}
	if (json_member_bool(body, "now", false)) {
		json_add_key(&w, "now");
		json_add_bool(&w, true);
	}
	if (text) {
		json_add_key(&w, "text");
		json_add_string(&w, text);
	}
	if (jobs > 0) {
		json_add_key(&w, "jobs");
		json_add_int(&w, jobs);
	}
	json_end_object(&w);
	return 0;
}

int acts_do(struct acts *acts, struct http_request *request, const struct json_value *body, const char *dir,
	struct orch_error *err)
{
	const char *name = json_member_string(body, "request"), *run = json_member_string(body, "run");
	struct act *act;
	int fd;

	if (!run)
		return error_code(err, ORCH_EUSAGE, "\"run\" is the id of the run that is meant");
	if (!is_request(acts, name))
		return error_code(err, ORCH_EUSAGE, "no request is called '%.64s'", name ? name : "");
	if (acts->count == AT_ONCE_MAX)
		return error_code(err, ORCH_EBUSY, "the run has not answered what was asked before; try again later");
	act = xcalloc(1, sizeof *act);
	if (write_line(&act->line, body, err) < 0 || (fd = acts->ops->connect(dir, err)) < 0) {
		strbuf_release(&act->line);
		free(act);
		return -1;
	}
	act->acts = acts;
	act->next = acts->waiting;
	act->request = request;
	act->run = xstrdup(run);
	act->fd = fd;
	acts->waiting = act;
	acts->count++;
	http_hold(request);
	loop_work(acts->loop, work, done, act);
	return 0;
}

/* --- life --- */

struct acts *acts_new(struct loop *loop, const struct act_ops *ops)
{
	struct acts *acts = xcalloc(1, sizeof *acts);

	*acts = (struct acts){.loop = loop, .ops = ops};
	return acts;
}

void acts_stop(struct acts *acts)
{
	for (struct act *act = acts->waiting; act; act = act->next) {
		if (act->request)
			answer(act->request, 503, "the dashboard was stopped", -1);
		act->request = NULL;
	}
}

void acts_free(struct acts *acts)
{
	free(acts);
}
