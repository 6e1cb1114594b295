#include "config.h"

#include "web/picture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "orch/history.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/proc.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/json.h"
#include "util/path.h"
#include "util/strbuf.h"

enum {
	SOON_MS = 100,        /* changes within it are told together */
	LINES_MS = 400,       /* logs are looked at at most so often */
	LOOK_MS = 1000,       /* where the system cannot tell that a file has changed, or that a process has ended */
	ATTEMPTS_MAX = 24,    /* of a stream: the last ones */
	LINE_BYTES = 4096,    /* of the end of a log, to find its last line */
	LINE_MAX_BYTES = 300, /* of a last line */
};

/* no stream */
#define NONE UINT32_MAX

struct attempt {
	int64_t number, slot, started_ms, ended_ms; /* ended: 0 while it runs */
	int outcome;
};

/* what the status does not have; one for each of its streams */
struct extra {
	uint64_t version;
	uint32_t before, after; /* in order of their last changes */
	ARRAY(struct attempt) attempts;
};

struct picture {
	struct picture *next; /* of all there are */
	unsigned users;
	struct loop *loop;
	char *dir, *run;
	struct orch_status status;
	uint64_t offset, version, head_version;
	ARRAY(struct extra) extras;
	uint32_t newest; /* the stream that changed last, or NONE */
	struct loop_watch *journal, *logs;
	struct loop_timer *tell, *lines, *look;
	struct loop_fd *ended; /* the run's process */
	int process;
	bool running;
	char *problem;
	struct picture_reader *readers;
};

static struct picture *pictures;

/* --- changes --- */

static void touch(struct picture *picture, uint32_t at)
{
	struct extra *extra = &picture->extras.items[at];

	extra->version = ++picture->version;
	if (picture->newest == at)
		return;
	if (extra->before != NONE)
		picture->extras.items[extra->before].after = extra->after;
	if (extra->after != NONE)
		picture->extras.items[extra->after].before = extra->before;
	extra->before = picture->newest;
	extra->after = NONE;
	if (picture->newest != NONE)
		picture->extras.items[picture->newest].after = at;
	picture->newest = at;
}

size_t picture_changes(const struct picture *picture, uint64_t *version, size_t *streams, size_t max)
{
	uint32_t at = picture->newest, first = NONE;
	size_t count = 0;

	for (; at != NONE && picture->extras.items[at].version > *version; at = picture->extras.items[at].before)
		first = at;
	for (at = first; at != NONE && count < max; at = picture->extras.items[at].after) {
		*version = picture->extras.items[at].version;
		streams[count++] = at;
	}
	return count;
}

static void changed(struct picture *picture)
{
	if (picture->readers)
		loop_timer_arm_if_idle(picture->tell, SOON_MS);
}

static void head_changed(struct picture *picture)
{
	picture->head_version++;
	changed(picture);
}

static void on_tell(void *data)
{
	struct picture *picture = data;
	struct picture_reader *next;

	for (struct picture_reader *reader = picture->readers; reader; reader = next) {
		next = reader->next;
		reader->changed(reader->data);
	}
}

/* --- the journal --- */

static void add_attempt(struct extra *extra, const struct orch_event *event)
{
	if (extra->attempts.count == ATTEMPTS_MAX) {
		extra->attempts.count--;
		memmove(extra->attempts.items, extra->attempts.items + 1,
			extra->attempts.count * sizeof *extra->attempts.items);
	}
	*ARRAY_PUSH(&extra->attempts) = (struct attempt){.number = event->attempt,
		.slot = event->slot,
		.started_ms = event->time_ms - (event->duration_ms > 0 ? event->duration_ms : 0),
		.outcome = -1};
}

static int on_event(void *data, const struct orch_event *event)
{
	struct picture *picture = data;
	const struct orch_stream_status *stream;
	struct extra *extra;
	uint32_t at;

	orch_status_apply(&picture->status, event);
	while (picture->extras.count < picture->status.stream_count) {
		extra = ARRAY_PUSH(&picture->extras);
		extra->before = extra->after = NONE;
		touch(picture, (uint32_t)(picture->extras.count - 1));
	}
	stream = event->stream ? orch_status_find(&picture->status, event->stream) : NULL;
	if (!stream)
		return 0;
	at = (uint32_t)(stream - picture->status.streams);
	extra = &picture->extras.items[at];
	if (event->type == ORCH_EVENT_ATTEMPT_STARTED) {
		add_attempt(extra, event);
	} else if (event->type == ORCH_EVENT_ATTEMPT_FINISHED && extra->attempts.count) {
		struct attempt *last = &extra->attempts.items[extra->attempts.count - 1];

		last->ended_ms = event->time_ms;
		last->outcome = event->outcome;
	}
	touch(picture, at);
	return 0;
}

static void set_problem(struct picture *picture, const char *text)
{
	if (text && picture->problem && strcmp(text, picture->problem) == 0)
		return;
	if (text || picture->problem)
		picture->head_version++;
	free(picture->problem);
	picture->problem = text ? xstrdup(text) : NULL;
}

static void watch_process(struct picture *picture);

/* is it under way? Its process holds the lock, and the journal has no end */
static void look_for_process(struct picture *picture)
{
	bool running = !picture->status.finished_ms && orch_history_running_pid(picture->dir) != 0;

	/* a later run may be the one that holds it */
	if (running) {
		struct orch_history *history;

		if (orch_history_open(&history, picture->dir, NULL) == 0) {
			running = orch_history_count(history) > 0 &&
				strcmp(orch_history_id(history, 0), picture->run) == 0;
			orch_history_close(history);
		}
	}
	if (running != picture->running) {
		picture->running = running;
		head_changed(picture);
	}
	if (running && !picture->ended)
		watch_process(picture);
	/* the lock may be there for a moment longer than the process, and the process longer than we can see it */
	if (running && !picture->ended)
		loop_timer_arm_if_idle(picture->look, LOOK_MS);
}

static void read_on(struct picture *picture)
{
	uint64_t before = picture->offset;
	struct orch_error err;

	if (orch_history_follow(picture->dir, picture->run, &picture->offset, on_event, picture, &err) < 0)
		set_problem(picture, err.message);
	else
		set_problem(picture, NULL);
	if (picture->offset == before)
		return;
	head_changed(picture);
	if (picture->status.finished_ms && picture->running)
		look_for_process(picture);
}

static void on_journal(void *data)
{
	/* once for many lines */
	loop_timer_arm_if_idle(((struct picture *)data)->look, 30);
}

static void stop_watching_process(struct picture *picture)
{
	loop_fd_free(picture->ended);
	picture->ended = NULL;
	if (picture->process >= 0)
		close(picture->process);
	picture->process = -1;
}

static void on_process_ended(void *data)
{
	struct picture *picture = data;

	stop_watching_process(picture);
	read_on(picture);
	look_for_process(picture);
}

static void watch_process(struct picture *picture)
{
	int pid = orch_history_running_pid(picture->dir);

	picture->process = pid > 0 ? proc_open(pid, clock_process_start(pid)) : -1;
	if (picture->process >= 0)
		picture->ended = loop_fd_new(picture->loop, picture->process, on_process_ended, picture);
}

static void on_look(void *data)
{
	struct picture *picture = data;

	read_on(picture);
	if (!picture->running)
		return;
	if (!picture->ended)
		look_for_process(picture);
	if (picture->running && (!picture->journal || !picture->ended))
		loop_timer_arm_if_idle(picture->look, LOOK_MS);
}

/* --- last lines --- */

/* the last line that is not empty, without what a terminal would have done with it */
static char *last_line(const char *text, size_t len)
{
	size_t from;

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
		len--;
	for (from = len; from && text[from - 1] != '\n' && text[from - 1] != '\r';)
		from--;
	if (len - from > LINE_MAX_BYTES)
		len = from + LINE_MAX_BYTES;
	return xstrndup(text + from, len - from);
}

static void look_at_log(struct picture *picture, uint32_t at)
{
	struct orch_stream_status *stream = &picture->status.streams[at];
	char *path = path_join(picture->dir, stream->log), *text, *line;
	struct stat st;
	int64_t size;
	size_t len;

	if (path_is_inside(stream->log) && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		st.st_size != stream->log_bytes) {
		text = orch_log_end(path, 4, LINE_BYTES, &len, &size);
		if (text) {
			line = last_line(text, len);
			free(stream->last_line);
			stream->last_line = line;
			free(text);
		}
		stream->log_bytes = st.st_size;
		touch(picture, at);
	}
	free(path);
}

static void on_lines(void *data)
{
	struct picture *picture = data;
	uint64_t before = picture->version;

	for (uint32_t i = 0; i < picture->status.stream_count; i++) {
		if (picture->status.streams[i].state == ORCH_TASK_RUNNING && picture->status.streams[i].log)
			look_at_log(picture, i);
	}
	if (picture->version != before)
		changed(picture);
}

static void on_logs(void *data)
{
	struct picture *picture = data;

	if (picture->readers)
		loop_timer_arm_if_idle(picture->lines, LINES_MS);
}

/* --- life --- */

static void watch_files(struct picture *picture)
{
	char *run = path_join(picture->dir, ".orch/runs"), *place = path_join(run, picture->run);
	char *journal = path_join(place, "journal.jsonl"), *logs = path_join(place, "logs");

	picture->journal = loop_watch_new(picture->loop, journal, on_journal, picture);
	picture->logs = loop_watch_new(picture->loop, logs, on_logs, picture);
	free(run);
	free(place);
	free(journal);
	free(logs);
}

static void free_picture(struct picture *picture)
{
	struct picture **link = &pictures;

	while (*link != picture)
		link = &(*link)->next;
	*link = picture->next;
	stop_watching_process(picture);
	loop_watch_free(picture->journal);
	loop_watch_free(picture->logs);
	loop_timer_free(picture->tell);
	loop_timer_free(picture->lines);
	loop_timer_free(picture->look);
	for (size_t i = 0; i < picture->extras.count; i++)
		ARRAY_RELEASE(&picture->extras.items[i].attempts);
	ARRAY_RELEASE(&picture->extras);
	orch_status_release(&picture->status);
	free(picture->problem);
	free(picture->dir);
	free(picture->run);
	free(picture);
}

static void add_reader(struct picture *picture, struct picture_reader *reader)
{
	if (!reader)
		return;
	reader->next = picture->readers;
	reader->link = &picture->readers;
	if (picture->readers)
		picture->readers->link = &reader->next;
	picture->readers = reader;
}

int picture_get(struct picture **out, struct loop *loop, const char *dir, const char *id, struct picture_reader *reader,
	struct orch_error *err)
{
	struct picture *picture;

	*out = NULL;
	for (picture = pictures; picture; picture = picture->next) {
		if (strcmp(picture->dir, dir) == 0 && strcmp(picture->run, id) == 0) {
			picture->users++;
			add_reader(picture, reader);
			*out = picture;
			return 0;
		}
	}
	picture = xcalloc(1, sizeof *picture);
	*picture = (struct picture){.next = pictures,
		.users = 1,
		.loop = loop,
		.dir = xstrdup(dir),
		.run = xstrdup(id),
		.newest = NONE,
		.process = -1};
	pictures = picture;
	orch_status_init(&picture->status);
	picture->tell = loop_timer_new(loop, on_tell, picture);
	picture->lines = loop_timer_new(loop, on_lines, picture);
	picture->look = loop_timer_new(loop, on_look, picture);
	/* watched before it is read, so that nothing comes between */
	watch_files(picture);
	if (orch_history_follow(dir, id, &picture->offset, on_event, picture, err) < 0) {
		free_picture(picture);
		return -1;
	}
	look_for_process(picture);
	/* lines that were there before */
	on_lines(picture);
	if (!picture->status.finished_ms && !picture->running)
		(void)orch_history_left(dir, &picture->status, NULL, NULL);
	if (picture->running && (!picture->journal || !picture->ended))
		loop_timer_arm(picture->look, LOOK_MS);
	add_reader(picture, reader);
	*out = picture;
	return 0;
}

void picture_drop(struct picture *picture, struct picture_reader *reader)
{
	if (!picture)
		return;
	if (reader) {
		*reader->link = reader->next;
		if (reader->next)
			reader->next->link = reader->link;
	}
	if (--picture->users == 0)
		free_picture(picture);
}

const char *picture_dir(const struct picture *picture)
{
	return picture->dir;
}

const char *picture_run(const struct picture *picture)
{
	return picture->run;
}

const struct orch_status *picture_status(const struct picture *picture)
{
	return &picture->status;
}

bool picture_is_running(const struct picture *picture)
{
	return picture->running;
}

const char *picture_problem(const struct picture *picture)
{
	return picture->problem;
}

uint64_t picture_version(const struct picture *picture)
{
	return picture->version;
}

uint64_t picture_head_version(const struct picture *picture)
{
	return picture->head_version;
}

const char *picture_state(const struct picture *picture)
{
	const struct orch_status *status = &picture->status;

	if (!status->finished_ms) {
		if (!picture->running)
			return "crashed";
		return status->stopping ? "stopping" : status->paused ? "paused" : "running";
	}
	if (status->count[ORCH_TASK_FAILED])
		return "failed";
	return status->exit_code == 0 ? "completed" : "stopped";
}

/* --- JSON --- */

static void add_text(struct json_writer *w, const char *key, const char *value)
{
	if (!value)
		return;
	json_add_key(w, key);
	json_add_string(w, value);
}

static void add_number(struct json_writer *w, const char *key, int64_t value)
{
	json_add_key(w, key);
	json_add_int(w, value);
}

/* what it has cost, and what is held back by a usage limit; when it all ends */
static void add_money(const struct orch_status *status, struct json_writer *w)
{
	int64_t now = clock_wall_ms(), left = orch_status_left_ms(status, now);
	char *holds = status->finished_ms ? NULL : orch_status_holds(status, now);

	if (status->has_cost)
		add_number(w, "cost", status->cost_micros);
	if (status->budget_micros > 0)
		add_number(w, "budget", status->budget_micros);
	if (status->tokens > 0)
		add_number(w, "tokens", status->tokens);
	if (left > 0)
		add_number(w, "left", left);
	add_text(w, "holds", holds);
	free(holds);
}

void picture_add_head(const struct picture *picture, struct json_writer *w)
{
	const struct orch_status *status = &picture->status;

	add_text(w, "run", picture->run);
	add_text(w, "state", picture_state(picture));
	add_text(w, "project", status->project);
	add_text(w, "message", status->message);
	add_text(w, "stopping", status->stopping);
	add_text(w, "paused", status->paused);
	add_text(w, "strained", status->strained);
	add_text(w, "problem", picture->problem);
	add_number(w, "started", status->started_ms);
	add_number(w, "finished", status->finished_ms);
	add_number(w, "last", status->last_ms);
	add_number(w, "now", clock_wall_ms());
	add_number(w, "exit", status->exit_code);
	add_number(w, "jobs", status->jobs);
	add_number(w, "sum", status->sum_ms);
	add_number(w, "count", (int64_t)status->stream_count);
	add_number(w, "wanted", status->wanted);
	add_number(w, "unchanged", (int64_t)status->unchanged);
	add_money(status, w);
	json_add_key(w, "states");
	json_begin_object(w);
	for (int i = 0; i < ORCH_TASK_STATES; i++) {
		if (status->count[i])
			add_number(w, orch_task_state_name((enum orch_task_state)i), (int64_t)status->count[i]);
	}
	json_end_object(w);
	if (!status->warning_count)
		return;
	json_add_key(w, "warnings");
	json_begin_array(w);
	for (size_t i = 0; i < status->warning_count; i++)
		json_add_string(w, status->warnings[i]);
	json_end_array(w);
}

static void add_attempts(struct json_writer *w, const struct extra *extra)
{
	if (!extra->attempts.count)
		return;
	json_add_key(w, "a");
	json_begin_array(w);
	for (size_t i = 0; i < extra->attempts.count; i++) {
		const struct attempt *attempt = &extra->attempts.items[i];

		json_begin_array(w);
		json_add_int(w, attempt->number);
		json_add_int(w, attempt->slot);
		json_add_int(w, attempt->started_ms);
		json_add_int(w, attempt->ended_ms);
		json_add_string(
			w, attempt->outcome < 0 ? NULL : orch_outcome_name((enum orch_outcome)attempt->outcome));
		json_end_array(w);
	}
	json_end_array(w);
}

/* so many of that many; none of none is left out */
static void add_pair(struct json_writer *w, const char *key, int64_t done, int64_t all)
{
	if (all <= 0)
		return;
	json_add_key(w, key);
	json_begin_array(w);
	json_add_int(w, done);
	json_add_int(w, all);
	json_end_array(w);
}

void picture_add_stream(const struct picture *picture, struct json_writer *w, size_t at)
{
	const struct orch_stream_status *stream = &picture->status.streams[at];

	json_begin_object(w);
	add_number(w, "i", (int64_t)at);
	add_text(w, "n", stream->name);
	add_text(w, "s", orch_task_state_name(stream->state));
	add_text(w, "t", stream->title);
	add_text(w, "r", stream->reason);
	add_text(w, "as", stream->asks);
	add_text(w, "p", stream->phase);
	if (stream->outcome >= 0)
		add_text(w, "o", orch_outcome_name((enum orch_outcome)stream->outcome));
	if (stream->exit_code >= 0)
		add_number(w, "x", stream->exit_code);
	if (stream->signal > 0)
		add_number(w, "g", stream->signal);
	add_text(w, "m", stream->message);
	if (stream->left == ORCH_LEFT_RUNNING)
		add_text(w, "left", "running");
	add_attempts(w, &picture->extras.items[at]);
	if (stream->state == ORCH_TASK_RUNNING || stream->state == ORCH_TASK_FAILED)
		add_text(w, "l", stream->last_line);
	add_text(w, "y", stream->note);
	add_pair(w, "k", stream->ticked, stream->tasks);
	add_pair(w, "q", stream->done, stream->total);
	add_text(w, "qt", stream->progress);
	add_text(w, "w", stream->agent);
	if (stream->log_bytes > 0)
		add_number(w, "b", stream->log_bytes);
	add_text(w, "ag", stream->agent);
	if (stream->cost_micros > 0)
		add_number(w, "c", stream->cost_micros);
	if (stream->tokens > 0)
		add_number(w, "tk", stream->tokens);
	json_end_object(w);
}
