#include "config.h"

#include "control/control.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/socket.h"
#include "os/system.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/json.h"
#include "util/log.h"
#include "util/strbuf.h"
#include "util/strvec.h"

enum {
	OUTPUT_MAX = 256 * 1024,
	DIAGNOSTICS_MAX = 32 * 1024, /* of an Orchfile with errors: some of it may need six bytes for one */
};

struct client {
	struct control *control;
	struct socket_stream *stream;
	uint64_t last; /* the larger, the later it was heard of */
	uid_t user;
};

struct control {
	struct loop *loop;
	struct orch_run *run;
	struct socket_server *server;
	struct client *clients[CONTROL_CLIENTS_MAX];
	size_t count;
	uint64_t clock;
	uid_t asker;       /* whose request is being answered */
	char *diagnostics; /* that go with the answer to the present request, though it is an error; NULL: none */
};

/* --- requests --- */

/* 0, with members added to `answer`; or -1 */
typedef int answer_call(struct control *control, const struct json_value *request, struct json_writer *answer,
	struct orch_error *err);

/* member "streams": none is fine where `all` is; the caller releases */
static int read_streams(struct strvec *out, const struct json_value *request, bool all, struct orch_error *err)
{
	const struct json_value *streams = json_member(request, "streams");
	size_t count = json_item_count(streams);

	for (size_t i = 0; i < count; i++) {
		const char *name = json_text(json_item(streams, i));

		if (!name || !*name)
			return error_code(err, ORCH_EUSAGE, "each of \"streams\" is the name of a stream");
		strvec_push(out, name);
	}
	if (count == 0 && (streams || !all))
		return error_code(err, ORCH_EUSAGE, "\"streams\" is a list of at least one name");
	return 0;
}

static void add_count(struct json_writer *answer, size_t count)
{
	json_add_key(answer, "count");
	json_add_int(answer, (int64_t)count);
}

static int answer_run(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	(void)control, (void)request, (void)answer, (void)err;
	return 0;
}

static int answer_stop(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	bool now = json_member_bool(request, "now", false);
	const char *why = now ? "orch stop --now" : "orch stop";
	struct strvec streams = {0};
	size_t count = 0;
	int result = read_streams(&streams, request, true, err);

	if (result == 0 && streams.count == 0) {
		orch_run_stop(control->run, now ? ORCH_STOP_KILL : ORCH_STOP_TERM, why);
	} else if (result == 0) {
		result = orch_run_stop_streams(
			control->run, (const char *const *)streams.items, now, why, &count, err);
		add_count(answer, count);
	}
	strvec_release(&streams);
	return result;
}

static int answer_retry(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	struct strvec streams = {0};
	size_t count = 0;
	int result = read_streams(&streams, request, false, err);

	if (result == 0)
		result = orch_run_retry(
			control->run, (const char *const *)streams.items, "orch retry", &count, err);
	add_count(answer, count);
	strvec_release(&streams);
	return result;
}

static int answer_approve(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	struct strvec streams = {0};
	char *who = system_user_name(control->asker);
	size_t count = 0;
	int result = read_streams(&streams, request, false, err);

	if (result == 0)
		result = orch_run_approve(control->run, (const char *const *)streams.items, who, &count, err);
	add_count(answer, count);
	strvec_release(&streams);
	free(who);
	return result;
}

static int answer_send(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	const char *text = json_member_string(request, "text");
	struct strvec streams = {0};
	bool typed = false;
	int result = read_streams(&streams, request, false, err);

	if (result == 0 && streams.count > 1)
		result = error_code(err, ORCH_EUSAGE, "a message goes to one stream at a time");
	if (result == 0 && !text)
		result = error_code(err, ORCH_EUSAGE, "\"text\" is the message");
	if (result == 0) {
		char *from = system_user_name(control->asker);

		result = orch_run_send(control->run, streams.items[0], text, strlen(text), from, &typed, err);
		free(from);
	}
	json_add_key(answer, "typed");
	json_add_bool(answer, typed);
	strvec_release(&streams);
	return result;
}

static int answer_pause(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	(void)request, (void)answer;
	return orch_run_pause(control->run, true, "orch pause", err);
}

static int answer_resume(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	(void)request, (void)answer;
	return orch_run_pause(control->run, false, "orch resume", err);
}

static int answer_jobs(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	int64_t jobs = json_member_int(request, "jobs", 0);

	(void)answer;
	if (jobs < 1 || jobs > INT32_MAX)
		return error_code(err, ORCH_EUSAGE, "\"jobs\" is a number from 1 on");
	return orch_run_set_jobs(control->run, (unsigned)jobs, "orch jobs", err);
}

/* whole lines of it */
static char *cut_diagnostics(char *text)
{
	size_t len = strlen(text);

	if (len > DIAGNOSTICS_MAX) {
		len = DIAGNOSTICS_MAX;
		while (len > 0 && text[len - 1] != '\n')
			len--;
		text[len] = '\0';
	}
	return text;
}

static int answer_reload(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	struct orch_reload reload;
	int result = orch_run_reload(control->run, "orch reload", &reload, err);

	(void)request;
	if (reload.diagnostics)
		control->diagnostics = cut_diagnostics(reload.diagnostics);
	json_add_key(answer, "added");
	json_add_int(answer, (int64_t)reload.added);
	json_add_key(answer, "removed");
	json_add_int(answer, (int64_t)reload.removed);
	json_add_key(answer, "changed");
	json_add_int(answer, (int64_t)reload.changed);
	return result;
}

static const struct {
	const char *name;
	answer_call *call;
} requests[] = {
	{"run", answer_run},
	{"stop", answer_stop},
	{"pause", answer_pause},
	{"resume", answer_resume},
	{"retry", answer_retry},
	{"approve", answer_approve},
	{"send", answer_send},
	{"jobs", answer_jobs},
	{"reload", answer_reload},
};

static int answer_request(
	struct control *control, const struct json_value *request, struct json_writer *answer, struct orch_error *err)
{
	const char *name = json_member_string(request, "request");

	if (json_member_int(request, "v", CONTROL_VERSION) > CONTROL_VERSION)
		return error_code(err, ORCH_EUSAGE, "this orch speaks version %d", CONTROL_VERSION);
	if (!name)
		return error_code(err, ORCH_EUSAGE, "a request is an object with a member \"request\"");
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		if (strcmp(requests[i].name, name) == 0)
			return requests[i].call(control, request, answer, err);
	}
	return error_code(err, ORCH_EUSAGE, "no request is called '%.64s'", name);
}

static void add_diagnostics(const struct control *control, struct json_writer *answer)
{
	if (!control->diagnostics || !*control->diagnostics)
		return;
	json_add_key(answer, "diagnostics");
	json_add_string(answer, control->diagnostics);
}

/* "{"v":1,"ok":true,...}" or "{"v":1,"ok":false,"error":"..."}", and a newline */
static void answer_line(struct control *control, struct strbuf *out, const char *line, size_t len)
{
	struct strbuf members = {0};
	struct json_writer inner = {.out = &members}, w = {.out = out};
	struct json_value *request = NULL;
	struct orch_error err = {0};
	int result = json_read(&request, line, len, &err);

	/* an answer that turns out an error has none of the members that were added before */
	json_begin_object(&inner);
	json_add_key(&inner, "v");
	json_add_int(&inner, CONTROL_VERSION);
	json_add_key(&inner, "ok");
	json_add_bool(&inner, true);
	json_add_key(&inner, "run");
	json_add_string(&inner, orch_run_id(control->run));
	json_add_key(&inner, "pid");
	json_add_int(&inner, getpid());
	if (result == 0)
		result = answer_request(control, request, &inner, &err);
	add_diagnostics(control, &inner);
	json_end_object(&inner);
	json_value_free(request);
	if (result == 0) {
		strbuf_add(out, strbuf_cstr(&members), members.len);
	} else {
		json_begin_object(&w);
		json_add_key(&w, "v");
		json_add_int(&w, CONTROL_VERSION);
		json_add_key(&w, "ok");
		json_add_bool(&w, false);
		json_add_key(&w, "error");
		json_add_string(&w, err.message);
		add_diagnostics(control, &w);
		json_end_object(&w);
	}
	strbuf_addch(out, '\n');
	strbuf_release(&members);
	free(control->diagnostics);
	control->diagnostics = NULL;
}

/* --- clients --- */

static void client_drop(struct client *client)
{
	struct control *control = client->control;

	for (size_t i = 0; i < control->count; i++) {
		if (control->clients[i] == client) {
			control->clients[i] = control->clients[--control->count];
			break;
		}
	}
	socket_stream_free(client->stream);
	free(client);
}

static void on_closed(void *data)
{
	client_drop(data);
}

static void on_received(void *data)
{
	struct client *client = data;
	struct strbuf *input = socket_stream_input(client->stream), answer = {0};
	const char *newline;
	bool good = true;

	client->last = ++client->control->clock;
	client->control->asker = client->user;
	while (good && input->len > 0 && (newline = memchr(input->data, '\n', input->len)) != NULL) {
		size_t len = (size_t)(newline - input->data);

		answer_line(client->control, &answer, input->data, len);
		socket_stream_take(client->stream, len + 1);
		/* one that asks and does not listen */
		good = socket_stream_send(client->stream, answer.data, answer.len) == 0;
		strbuf_truncate(&answer, 0);
	}
	if (good && input->len >= CONTROL_LINE_MAX) {
		strbuf_addf(&answer, "{\"v\":%d,\"ok\":false,\"error\":\"a request has at most %d bytes\"}\n",
			CONTROL_VERSION, CONTROL_LINE_MAX);
		(void)socket_stream_send(client->stream, answer.data, answer.len);
		good = false;
	}
	strbuf_release(&answer);
	if (!good)
		client_drop(client);
}

static struct client *quietest(const struct control *control)
{
	struct client *found = control->clients[0];

	for (size_t i = 1; i < control->count; i++) {
		if (control->clients[i]->last < found->last)
			found = control->clients[i];
	}
	return found;
}

static void on_connected(void *data, struct socket_stream *stream)
{
	struct control *control = data;
	struct client *client;
	uid_t user = geteuid();

	/* the file's mode says the same, where the system looks at it */
	if (socket_stream_peer(stream, &user) == 0 && user != geteuid() && user != 0) {
		log_warn("a process of user %ld tried to steer this run, and was refused", (long)user);
		socket_stream_free(stream);
		return;
	}
	if (control->count == CONTROL_CLIENTS_MAX)
		client_drop(quietest(control));
	client = xcalloc(1, sizeof *client);
	*client = (struct client){.control = control, .stream = stream, .user = user, .last = ++control->clock};
	control->clients[control->count++] = client;
	socket_stream_listen(stream, on_received, on_closed, client);
}

int control_new(struct control **out, struct loop *loop, struct orch_run *run, struct orch_error *err)
{
	const struct socket_limits limits = {.input = CONTROL_LINE_MAX, .output = OUTPUT_MAX};
	struct control *control = xcalloc(1, sizeof *control);

	*out = NULL;
	control->loop = loop;
	control->run = run;
	if (socket_listen(&control->server, loop, CONTROL_PATH, &limits, on_connected, control, err) < 0) {
		free(control);
		return -1;
	}
	*out = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	socket_server_free(control->server);
	while (control->count > 0)
		client_drop(control->clients[0]);
	free(control);
}
