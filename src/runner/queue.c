#include "config.h"

#include "runner/queue_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "os/loop.h"
#include "runner/query.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/map.h"
#include "util/path.h"

enum {
	TICK_MS = 500,
	LOOK_DELAY_MS = 100, /* after a change of the directory: there may be more */
	SUBMITTING_MAX = 4,
	SUBMIT_TIMEOUT_MS = 60000,
	SUBMIT_WAIT_MS = 1000, /* or the interval of its polls, if that is shorter; doubled each time */
	SUBMIT_WAIT_MAX_MS = 60000,
	SUBMIT_TRIES = 3,
	SUBMIT_TRIES_BUSY = 20, /* of one that says that it may work later */
	TEMPORARY = 75,         /* sysexits.h EX_TEMPFAIL: the status by which it says so */
	POLL_TIMEOUT_MS = 60000,
	POLL_GAP_MS = 500, /* between an answer and the next question; more after failures */
	POLL_GAPS = 20,
	FAILURES_TOLD = 3,
	CANCEL_TIMEOUT_MS = 60000,
	CANCEL_WAIT_MS = 5000,
	CANCEL_TRIES = 5,
};

void queue_warn(struct queue *queue, const char *message)
{
	queue->all->warn(queue->all->data, message);
}

static char *describe(const struct query_answer *answer)
{
	if (answer->timed_out)
		return xstrdup("it did not answer in time");
	if (answer->code < 0)
		return xstrdup(answer->complaint);
	return xasprintf("%s %d%s%s", answer->signalled ? "killed by signal" : "exit status", answer->code,
		*answer->complaint ? ": " : "", answer->complaint);
}

/* --- handing over --- */

static void on_submitted(void *data, const struct query_answer *answer)
{
	struct job *job = data;
	struct queue *queue = job->queue;
	struct orch_error err = {0};
	const char *id;
	size_t len;
	bool may_work_later = answer->timed_out || answer->signalled || answer->code == TEMPORARY;
	char *problem = NULL, *message;
	int renewed;

	job->submission = NULL;
	queue->submitting--;
	if (!answer->timed_out && !answer->signalled && answer->code == 0) {
		if (queue_submitted_id(answer->out, answer->out_len, &id, &len) && len < REMOTE_ID_SIZE) {
			job_submitted(job, id, len);
			queue_pump(queue);
			return;
		}
		problem = xstrdup("it printed no id, which is one word in its last line");
	}
	if (!problem)
		problem = describe(answer);
	job->submit_failures++;
	/* it may have been handed over all the same: before the next try that one is made to run nothing */
	renewed = job_renew(job, &err);
	if (renewed == 0) {
		job_submitted(job, "", 0);
	} else if (job->withdrawn) {
		job->stage = JOB_SUBMITTED;
		loop_timer_arm(queue->tick, 0);
	} else if (renewed < 0 || job->submit_failures >= (may_work_later ? SUBMIT_TRIES_BUSY : SUBMIT_TRIES)) {
		message = xasprintf("it could not be handed to '%s': %s", queue->name, renewed < 0 ? err.message : problem);
		job_refused(job, message);
		free(message);
	} else {
		int64_t wait = queue->interval_ms < SUBMIT_WAIT_MS ? queue->interval_ms : SUBMIT_WAIT_MS;

		for (unsigned i = 1; i < job->submit_failures && wait < SUBMIT_WAIT_MAX_MS; i++)
			wait *= 2;
		if (job->submit_failures == 1) {
			message = xasprintf("%s could not be handed to '%s' yet, and is tried again: %s", job->label,
				queue->name, problem);
			queue_warn(queue, message);
			free(message);
		}
		job->stage = JOB_TO_SUBMIT;
		job->submit_at_ms = clock_mono_ms() + (wait < SUBMIT_WAIT_MAX_MS ? wait : SUBMIT_WAIT_MAX_MS);
	}
	free(problem);
	queue_pump(queue);
}

static int submit(struct job *job, struct orch_error *err)
{
	struct queue *queue = job->queue;
	struct strvec env = {0};
	char *script = remote_path(job->record, job->note.token, "sh");
	char *output = remote_path(job->record, job->note.token, "out");
	struct query_spec spec = {.script = queue->submit,
		.dir = queue->all->dir,
		.input = "",
		.scratch = queue->all->scratch,
		.timeout_ms = SUBMIT_TIMEOUT_MS};
	int result;

	for (size_t i = 0; i < queue->all->env.count; i++)
		strvec_push(&env, queue->all->env.items[i]);
	strvec_pushf(&env, "ORCH_JOB_SCRIPT=%s", script);
	strvec_pushf(&env, "ORCH_JOB_OUTPUT=%s", output);
	strvec_pushf(&env, "ORCH_JOB_NAME=%s", job->label);
	strvec_pushf(&env, "ORCH_JOB_OPTIONS=%s", job->options ? job->options : "");
	spec.env = env.items;
	result = query_start(&job->submission, queue->all->runner, &spec, on_submitted, job, err);
	strvec_release(&env);
	free(script);
	free(output);
	if (result == 0) {
		job->stage = JOB_SUBMITTING;
		queue->submitting++;
	}
	return result;
}

void queue_pump(struct queue *queue)
{
	struct job *job, *next;
	int64_t now = clock_mono_ms();

	for (job = queue->jobs; job && queue->submitting < SUBMITTING_MAX; job = next) {
		struct orch_error err = {0};

		next = job->next;
		if (job->stage != JOB_TO_SUBMIT || job->submit_at_ms > now || job->withdrawn)
			continue;
		if (submit(job, &err) != 0)
			job_refused(job, err.message);
	}
}

/* --- asking --- */

static void set_ask_timer(struct queue *queue)
{
	bool some = false;

	for (const struct job *job = queue->jobs; job && !some; job = job->next)
		some = *job->note.id != '\0';
	if (some)
		loop_timer_arm(queue->ask, queue_interval(queue->interval_ms, queue->unchanged));
}

static void take_line(struct queue *queue, const struct map *ids, const struct queue_line *line)
{
	struct job *job = map_getn(ids, line->id, line->id_len);

	(void)queue;
	if (!job)
		return;
	job->answer = queue_word(line->state, line->state_len);
	snprintf(job->word, sizeof job->word, "%.*s", (int)(line->state_len < 31 ? line->state_len : 31), line->state);
	snprintf(job->reason, sizeof job->reason, "%.*s", (int)(line->reason_len < 127 ? line->reason_len : 127),
		line->reason);
	if (strcmp(job->reason, "None") == 0)
		*job->reason = '\0';
}

static void poll_failed(struct queue *queue, const struct query_answer *answer)
{
	char *problem, *message;

	if (++queue->failures < FAILURES_TOLD || queue->warned)
		return;
	queue->warned = true;
	problem = describe(answer);
	message = xasprintf("'%s' cannot be asked about its jobs, which are taken to go on: %s", queue->name, problem);
	queue_warn(queue, message);
	free(message);
	free(problem);
}

static void on_answer(void *data, const struct query_answer *answer)
{
	struct queue *queue = data;
	const char *at = answer->out, *end = answer->out + answer->out_len;
	int64_t now = clock_mono_ms();
	struct queue_line line;
	struct map ids = {0};

	queue->asking = NULL;
	queue->answered_ms = now;
	if (answer->timed_out || answer->signalled || answer->code != 0) {
		poll_failed(queue, answer);
		queue->unchanged++;
		set_ask_timer(queue);
		return;
	}
	queue->failures = 0;
	queue->warned = false;
	for (struct job *job = queue->jobs; job; job = job->next) {
		job->answer = QUEUE_NOTHING;
		if (*job->note.id && job->submitted_ms <= queue->asked_ms)
			map_set(&ids, job->note.id, job);
	}
	while (queue_line_next(&at, end, &line))
		take_line(queue, &ids, &line);
	map_release(&ids);
	for (struct job *job = queue->jobs; job; job = job->next) {
		if (!*job->note.id || job->submitted_ms > queue->asked_ms)
			continue;
		queue->changed |= job->answer != job->sight.word;
		sight_answer(&job->sight, job->answer, queue->asked_ms, now);
	}
	queue->unchanged = queue->changed ? 0 : queue->unchanged + 1;
	queue->changed = false;
	set_ask_timer(queue);
	loop_timer_arm(queue->tick, 0);
}

static void on_ask(void *data)
{
	struct queue *queue = data;
	struct strbuf ids = {0};
	struct query_spec spec = {.script = queue->poll,
		.dir = queue->all->dir,
		.env = queue->all->env.items,
		.scratch = queue->all->scratch,
		.timeout_ms = POLL_TIMEOUT_MS};
	struct orch_error err = {0};

	if (queue->asking)
		return;
	for (const struct job *job = queue->jobs; job; job = job->next) {
		if (*job->note.id)
			strbuf_addf(&ids, "%s\n", job->note.id);
	}
	if (ids.len > 0) {
		spec.input = ids.data;
		spec.input_len = ids.len;
		queue->asked_ms = clock_mono_ms();
		if (query_start(&queue->asking, queue->all->runner, &spec, on_answer, queue, &err) != 0) {
			queue->asking = NULL;
			if (!queue->warned)
				queue_warn(queue, err.message);
			queue->warned = true;
			set_ask_timer(queue);
		}
	}
	strbuf_release(&ids);
}

void queue_ask_soon(struct queue *queue)
{
	unsigned failures = queue->failures < POLL_GAPS ? queue->failures : POLL_GAPS;
	int64_t gap = queue->answered_ms + POLL_GAP_MS * (1 + failures) - clock_mono_ms();

	if (queue->asking)
		return;
	queue->unchanged = 0;
	if (gap <= 0)
		on_ask(queue);
	else
		loop_timer_arm(queue->ask, gap);
}

/* --- taking back --- */

static void cancel_now(void *data);

static void on_cancelled(void *data, const struct query_answer *answer)
{
	struct queue *queue = data;
	bool ok = !answer->timed_out && !answer->signalled && answer->code == 0;
	char *problem, *message;

	queue->cancelling = NULL;
	if (ok || queue->cancel_failures + 1 >= CANCEL_TRIES)
		queue->cancelled = queue->cancels;
	if (!ok && ++queue->cancel_failures < CANCEL_TRIES) {
		strbuf_add(&queue->to_cancel, queue->cancelling_ids.data, queue->cancelling_ids.len);
		loop_timer_arm(queue->cancel_again, CANCEL_WAIT_MS);
	} else if (!ok) {
		problem = describe(answer);
		message = xasprintf("jobs could not be taken back from '%s', and may still be in its queue, where they will do nothing when their turn comes: %s",
			queue->name, problem);
		queue_warn(queue, message);
		free(message);
		free(problem);
		queue->cancel_failures = 0;
	} else {
		queue->cancel_failures = 0;
		queue_ask_soon(queue);
	}
	strbuf_truncate(&queue->cancelling_ids, 0);
	if (ok && queue->to_cancel.len > 0)
		cancel_now(queue);
	/* some may have waited for that */
	loop_timer_arm(queue->tick, 0);
}

/* as many as have gathered, by one call */
static void cancel_now(void *data)
{
	struct queue *queue = data;
	struct query_spec spec = {.script = queue->cancel,
		.dir = queue->all->dir,
		.env = queue->all->env.items,
		.scratch = queue->all->scratch,
		.timeout_ms = CANCEL_TIMEOUT_MS};
	struct orch_error err = {0};

	if (queue->cancelling || queue->to_cancel.len == 0)
		return;
	strbuf_add(&queue->cancelling_ids, queue->to_cancel.data, queue->to_cancel.len);
	strbuf_truncate(&queue->to_cancel, 0);
	queue->cancels++;
	spec.input = queue->cancelling_ids.data;
	spec.input_len = queue->cancelling_ids.len;
	if (query_start(&queue->cancelling, queue->all->runner, &spec, on_cancelled, queue, &err) != 0) {
		queue->cancelling = NULL;
		strbuf_truncate(&queue->cancelling_ids, 0);
		queue->cancelled = queue->cancels;
		queue_warn(queue, err.message);
	}
}

unsigned queue_cancel(struct queue *queue, const char *id)
{
	strbuf_addf(&queue->to_cancel, "%s\n", id);
	/* others may follow in the same turn of the loop */
	if (!queue->cancelling && queue->cancel_failures == 0)
		loop_timer_arm(queue->cancel_again, 0);
	return queue->cancels + 1;
}

/* --- looking at the jobs' files --- */

static void look_at_jobs(struct queue *queue, bool closely)
{
	int64_t now = clock_mono_ms();
	struct job *job, *next;

	if (queue->jobs)
		remote_refresh(queue->jobs->record);
	for (job = queue->jobs; job; job = next) {
		next = job->next;
		job_look(job, closely, now);
	}
	queue_pump(queue);
	if (queue->jobs)
		loop_timer_arm_if_idle(queue->tick, TICK_MS);
}

static void on_tick(void *data)
{
	look_at_jobs(data, true);
}

static void on_look(void *data)
{
	struct queues *all = data;

	for (struct queue *queue = all->first; queue; queue = queue->next)
		look_at_jobs(queue, false);
}

static void on_change(void *data)
{
	struct queues *all = data;

	loop_timer_arm_if_idle(all->look, LOOK_DELAY_MS);
}

void queues_watch(struct queues *all, const char *record)
{
	char *dir;

	if (all->watch)
		return;
	dir = path_dir(record);
	all->watch = loop_watch_new(all->runner->loop, dir, on_change, all);
	free(dir);
}

/* --- life --- */

struct queue *queues_find(struct queues *all, const char *name)
{
	struct queue *queue = all ? all->first : NULL;

	while (queue && strcmp(queue->name, name) != 0)
		queue = queue->next;
	return queue;
}

struct queues *queues_new(struct runner *runner, const char *dir, const char *scratch,
	void (*warn)(void *data, const char *message), void *data)
{
	extern char **environ;
	struct queues *all = xcalloc(1, sizeof *all);

	all->runner = runner;
	all->dir = xstrdup(dir);
	all->scratch = path_join(dir, scratch);
	all->warn = warn;
	all->data = data;
	all->look = loop_timer_new(runner->loop, on_look, all);
	for (char **item = environ; *item; item++)
		strvec_push(&all->env, *item);
	return all;
}

void queues_declare(struct queues *all, const struct queue_spec *spec)
{
	struct queue *queue = queues_find(all, spec->name);

	if (!queue) {
		queue = xcalloc(1, sizeof *queue);
		queue->all = all;
		queue->next = all->first;
		all->first = queue;
		queue->last = &queue->jobs;
		queue->name = xstrdup(spec->name);
		queue->tick = loop_timer_new(all->runner->loop, on_tick, queue);
		queue->ask = loop_timer_new(all->runner->loop, on_ask, queue);
		queue->cancel_again = loop_timer_new(all->runner->loop, cancel_now, queue);
	}
	free(queue->submit);
	free(queue->poll);
	free(queue->cancel);
	queue->submit = xstrdup(spec->submit);
	queue->poll = xstrdup(spec->poll);
	queue->cancel = xstrdup(spec->cancel);
	queue->interval_ms = spec->interval_ms;
	queue->lost_ms = spec->lost_ms;
	queue->latency_ms = spec->latency_ms;
}

static void queue_free(struct queue *queue)
{
	while (queue->jobs)
		job_free(queue->jobs);
	query_drop(queue->asking);
	query_drop(queue->cancelling);
	loop_timer_free(queue->tick);
	loop_timer_free(queue->ask);
	loop_timer_free(queue->cancel_again);
	strbuf_release(&queue->to_cancel);
	strbuf_release(&queue->cancelling_ids);
	free(queue->name);
	free(queue->submit);
	free(queue->poll);
	free(queue->cancel);
	free(queue);
}

void queues_free(struct queues *all)
{
	struct queue *queue, *next;

	if (!all)
		return;
	for (queue = all->first; queue; queue = next) {
		next = queue->next;
		queue_free(queue);
	}
	loop_watch_free(all->watch);
	loop_timer_free(all->look);
	strvec_release(&all->env);
	free(all->dir);
	free(all->scratch);
	free(all);
}
