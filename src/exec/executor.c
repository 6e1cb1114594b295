#include "config.h"

#include "exec/executor.h"

#include "event/bus.h"
#include "event/event.h"
#include "exec/attempt.h"
#include "exec/context.h"
#include "exec/facts.h"
#include "exec/hooks.h"
#include "exec/syncer.h"
#include "exec/values.h"
#include "graph/project.h"
#include "os/child.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/system.h"
#include "sched/sched.h"
#include "state/fingerprint.h"
#include "state/journal.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PRESSURE_INTERVAL_MS = 1000, /* how often load and memory are looked at while they keep a task from starting */
	SHORTAGE_WAIT_MS =
		1000, /* before starting again what could not be for want of processes, memory, descriptors */
};

struct executor {
	const struct orch_run_options *options;
	const char *targets;
	struct plan *plan;
	const struct project *project;
	struct statedir *dir;
	struct stamp_store *store;
	struct file_cache *cache;
	struct loop *loop;

	struct run *run;
	struct children *children;
	struct runner runner;
	struct context context;
	struct bus *bus;
	struct journal *journal;
	struct hooks *hooks;
	char *run_id;
	uint64_t seq;

	struct attempt **running; /* [stream], NULL: none */
	struct attempt *ended;    /* to be settled, newest first */
	struct loop_idle *settle;
	struct syncer *syncer;
	struct loop_timer *wake, *retry_start;
	uint32_t unchanged;      /* stream whose end as UNCHANGED is being told, else NO_STREAM */
	bool short_of_resources; /* nothing starts until retry_start fires or an attempt ends */

	int64_t started_ms, sum_ms;
	bool settling, finishing, finished, failed_itself;
	struct orch_error error; /* why, if failed_itself */
};

static void pump(struct executor *ex);
static void finish_run(struct executor *ex);

/* --- telling --- */

/* orch itself cannot go on: what runs is ended, what it did is kept */
static void fail_itself(struct executor *ex, const struct orch_error *err)
{
	if (ex->failed_itself)
		return;
	ex->failed_itself = true;
	ex->error = *err;
	executor_stop(ex, ORCH_STOP_TERM, err->message);
}

static void emit(struct executor *ex, struct orch_event *event)
{
	struct orch_error err = {0};

	event->time_ms = clock_wall_ms();
	if (event_is_durable(event->type)) {
		event->seq = ++ex->seq;
		if (journal_append(ex->journal, event, &err) < 0)
			fail_itself(ex, &err);
		if (!ex->settling)
			loop_idle_arm(ex->settle);
	}
	if (bus_publish(ex->bus, event, &err) < 0)
		fail_itself(ex, &err);
}

static void flush_journal(struct executor *ex, bool sync)
{
	struct orch_error err = {0};

	if (journal_flush(ex->journal, sync, &err) < 0)
		fail_itself(ex, &err);
}

static void warn(struct executor *ex, const char *stream, const char *message)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_WARNING);
	event.stream = stream;
	event.message = message;
	emit(ex, &event);
}

static void on_hook_warning(void *data, const char *message)
{
	warn(data, NULL, message);
}

/* why a stale stream is stale, as the first event of its task says it */
static char *stale_reason(const struct executor *ex, uint32_t stream)
{
	const struct plan_item *item = &ex->plan->items[stream];

	if (item->reason == REASON_DEP_RUNS && item->other != NO_STREAM)
		return xasprintf("depends on %s, which runs", ex->project->streams[item->other].name);
	return xstrdup(plan_reason_text(item->reason));
}

static void on_change(
	void *data, uint32_t stream, enum orch_task_state from, enum orch_task_state to, const char *reason)
{
	struct executor *ex = data;
	struct orch_event event;
	char *first = NULL;

	/* ready for a slot is told as waiting: most tasks are it for no time at all */
	if (to == ORCH_TASK_READY && from == ORCH_TASK_WAITING)
		return;
	orch_event_init(&event, ORCH_EVENT_TASK);
	event.stream = ex->project->streams[stream].name;
	event.state = (int)to;
	event.reason = reason;
	if (stream == ex->unchanged && to == ORCH_TASK_COMPLETED)
		event.outcome = ORCH_OUTCOME_UNCHANGED;
	if (to == ORCH_TASK_BACKOFF) {
		event.duration_ms = run_task(ex->run, stream)->wake_ms - clock_mono_ms();
		if (event.duration_ms < 0)
			event.duration_ms = 0;
	}
	if (from == to) {
		event.title = ex->project->streams[stream].title;
		if (!reason)
			event.reason = first = stale_reason(ex, stream);
	}
	emit(ex, &event);
	if (to == ORCH_TASK_FAILED)
		hooks_fire(ex->hooks, HOOK_STREAM_FAILURE, &event);
	else if (to == ORCH_TASK_COMPLETED && stream != ex->unchanged &&
		!stream_is_group(&ex->project->streams[stream]))
		hooks_fire(ex->hooks, HOOK_STREAM_SUCCESS, &event);
	free(first);
}

/* --- attempts --- */

static void on_attempt_ended(void *data, struct attempt *attempt)
{
	struct executor *ex = data;

	attempt->next = ex->ended;
	ex->ended = attempt;
	loop_idle_arm(ex->settle);
}

static void on_phase(void *data, struct attempt *attempt)
{
	struct executor *ex = data;
	struct orch_event event;

	if (attempt->phase == PHASE_RUN || !attempt->stream->run.bytes) {
		orch_event_init(&event, ORCH_EVENT_ATTEMPT_STARTED);
		event.slot = attempt->slot;
		event.pid = attempt->pid;
		event.log = attempt->log;
	} else {
		orch_event_init(&event, ORCH_EVENT_ATTEMPT_PHASE);
		event.phase = "check";
	}
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	emit(ex, &event);
}

static void on_output(void *data, struct attempt *attempt, const char *last_line, int64_t bytes)
{
	struct executor *ex = data;
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_OUTPUT);
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	event.message = last_line;
	event.bytes = bytes;
	event.log = attempt->log;
	emit(ex, &event);
}

/* must it run, now that its dependencies are done and its inputs are what they are? 1, 0, or -1 with *err */
static int must_run(struct executor *ex, uint32_t id, struct orch_error *err)
{
	const struct stream *stream = &ex->project->streams[id];
	uint64_t inputs = ex->plan->facts[id].inputs;
	const char *missing = NULL;

	if (stream->set->inputs.count && fingerprint_inputs(ex->cache, stream, &inputs, NULL, &missing, err) < 0)
		return -1;
	if (!plan_settle(ex->plan, id, ex->plan->facts[id].recipe, inputs))
		return 0;
	if (missing)
		return error_set(err, "input '%s' does not exist, and nothing that '%s' depends on has made it",
			missing, stream->name);
	return 1;
}

/* an attempt that ends before it began, for a reason of its own */
static struct attempt *stillborn(struct executor *ex, uint32_t id, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = xcalloc(1, sizeof *attempt);

	attempt->stream = &ex->project->streams[id];
	attempt->id = id;
	attempt->number = run_task(ex->run, id)->attempts;
	attempt->log_fd = -1;
	attempt->exit_code = attempt->signal = -1;
	attempt->done = true;
	attempt->outcome = outcome;
	attempt->message = message ? xstrdup(message) : NULL;
	return attempt;
}

static void start_task(struct executor *ex, uint32_t id)
{
	const struct stream *stream = &ex->project->streams[id];
	struct orch_error err = {0};
	struct attempt *attempt;
	int must = must_run(ex, id, &err);

	if (must < 0) {
		on_attempt_ended(ex, stillborn(ex, id, ORCH_OUTCOME_SPAWN, err.message));
		return;
	}
	if (must == 0 && run_task(ex->run, id)->attempts == 1) {
		ex->unchanged = id;
		sched_finish(ex->run, id, ORCH_OUTCOME_UNCHANGED, "its dependencies made the same as before",
			clock_mono_ms());
		ex->unchanged = NO_STREAM;
		return;
	}
	/* from here on what it made before may be half overwritten: if it does not complete now, it is not complete */
	if (ex->plan->facts[id].stamp.present && stamp_store_remove(ex->store, stream->name, &err) < 0) {
		on_attempt_ended(ex, stillborn(ex, id, ORCH_OUTCOME_INTERNAL, err.message));
		return;
	}
	attempt = xcalloc(1, sizeof *attempt);
	attempt->stream = stream;
	attempt->id = id;
	attempt->number = run_task(ex->run, id)->attempts;
	attempt->slot = sched_slot(ex->run, id);
	attempt->context = &ex->context;
	attempt->runner = &ex->runner;
	attempt->ops = &runner_process;
	attempt->log = statedir_log(ex->run_id, stream->name, attempt->number);
	attempt->log_fd = -1;
	attempt->timeout_ms = ex->options->timeout_ms >= 0 ? ex->options->timeout_ms : stream->set->timeout_ms;
	attempt->ended = on_attempt_ended;
	attempt->phase_began = on_phase;
	attempt->output = ex->options->follow_output ? on_output : NULL;
	attempt->data = ex;
	ex->running[id] = attempt;
	if (attempt_start(attempt, ex->options->follow_output, &err) == 0)
		return;

	/* short of processes, memory or descriptors: fewer at a time, and again later */
	ex->running[id] = NULL;
	attempt_free(attempt);
	sched_put_back(ex->run, id);
	if (!ex->short_of_resources)
		warn(ex, stream->name, err.message);
	ex->short_of_resources = true;
	loop_timer_arm(ex->retry_start, SHORTAGE_WAIT_MS);
}

/* --- settling --- */

static void tell_finished(struct executor *ex, const struct attempt *attempt)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_ATTEMPT_FINISHED);
	event.stream = attempt->stream->name;
	event.attempt = attempt->number;
	event.outcome = (int)attempt->outcome;
	event.exit_code = attempt->exit_code;
	event.signal = attempt->signal;
	event.duration_ms = attempt->duration_ms;
	event.user_ms = attempt->user_us / 1000;
	event.system_ms = attempt->system_us / 1000;
	event.max_rss_kb = attempt->max_rss_kb;
	event.left_behind = attempt->left_behind ? (int64_t)attempt->left_behind : -1;
	event.message = attempt->message;
	event.log = attempt->log;
	emit(ex, &event);
	if (attempt->unkillable) {
		char *message = xasprintf(
			"%u of its processes could not be ended, even by SIGKILL; see 'ps'", attempt->unkillable);

		warn(ex, attempt->stream->name, message);
		free(message);
	}
}

/* what it declared is there, and its stamp says what it was made from. On failure the outcome becomes one */
static void complete(struct executor *ex, struct attempt *attempt)
{
	struct plan_facts *fact = &ex->plan->facts[attempt->id];
	struct stamp_detail detail = {0};
	const char *missing = fingerprint_missing_output(attempt->stream);
	struct orch_error err = {0};
	struct orch_event event;
	struct strbuf text = {0};

	if (missing) {
		attempt->outcome = ORCH_OUTCOME_OUTPUTS;
		attempt->message = xasprintf("it succeeded, but its output '%s' does not exist", missing);
		return;
	}
	if (values_read(&detail, ex->run_id, attempt->stream->name, attempt->number, &err) < 0) {
		attempt->outcome = ORCH_OUTCOME_OUTPUTS;
		attempt->message = xstrdup(err.message);
	} else if (facts_describe(&detail, ex->plan, attempt->id, ex->cache, ex->run_id, attempt->number,
			   attempt->duration_ms, &err) < 0 ||
		(attempt->stream->set->when != WHEN_FAILURE &&
			stamp_store_put(ex->store, attempt->stream->name, &detail, &err) < 0)) {
		attempt->outcome = ORCH_OUTCOME_INTERNAL;
		attempt->message = xasprintf("its work succeeded, but that could not be recorded: %s", err.message);
	} else {
		fact->stamp = detail.stamp;
		if (attempt->stream->set->when != WHEN_FAILURE) {
			stamp_write(&text, attempt->stream->name, &detail);
			orch_event_init(&event, ORCH_EVENT_STAMPED);
			event.stream = attempt->stream->name;
			event.attempt = attempt->number;
			event.stamp = strbuf_cstr(&text);
			emit(ex, &event);
			strbuf_release(&text);
		}
	}
	stamp_detail_release(&detail);
}

/* in the order in which they ended */
static struct attempt *take_ended(struct executor *ex)
{
	struct attempt *list = NULL;

	while (ex->ended) {
		struct attempt *attempt = ex->ended;

		ex->ended = attempt->next;
		attempt->next = list;
		list = attempt;
	}
	return list;
}

static const char *failure_reason(const struct attempt *attempt)
{
	if (attempt->message)
		return attempt->message;
	return attempt->outcome == ORCH_OUTCOME_SUCCESS ? NULL : orch_outcome_name(attempt->outcome);
}

/* before the loop sleeps, see executor.h */
static void settle(void *data)
{
	struct executor *ex = data;
	struct attempt *list = take_ended(ex), *attempt;
	bool at_once = false;

	ex->settling = true;
	for (attempt = list; attempt; attempt = attempt->next) {
		if (attempt->outcome == ORCH_OUTCOME_SUCCESS)
			complete(ex, attempt);
		ex->sum_ms += attempt->duration_ms;
		at_once |= attempt->duration_ms >= SYNC_AT_ONCE_MS;
		tell_finished(ex, attempt);
	}
	if (list) {
		if (at_once) {
			flush_journal(ex, true);
			syncer_done(ex->syncer);
		} else {
			syncer_request(ex->syncer);
		}
		ex->short_of_resources = false;
	}
	while (list) {
		attempt = list;
		list = attempt->next;
		ex->running[attempt->id] = NULL;
		sched_finish(ex->run, attempt->id, attempt->outcome, failure_reason(attempt), clock_mono_ms());
		attempt_free(attempt);
	}
	pump(ex);
	flush_journal(ex, false);
	ex->settling = false;
	/* what ended while tasks were being started */
	if (ex->ended)
		loop_idle_arm(ex->settle);
}

/* --- starting --- */

/* one always runs, or nothing ever would */
static bool may_start(struct executor *ex)
{
	int64_t available;

	if (ex->short_of_resources)
		return false;
	if (run_count(ex->run, ORCH_TASK_RUNNING) == 0)
		return true;
	if (ex->options->max_load > 0 && system_load() > ex->options->max_load)
		return false;
	if (ex->options->min_free > 0) {
		available = system_free_memory();
		if (available >= 0 && available < ex->options->min_free)
			return false;
	}
	return true;
}

static void pump(struct executor *ex)
{
	int64_t wake;
	uint32_t stream;

	if (ex->finished)
		return;
	/* what the machine can bear is asked anew for every start */
	while (may_start(ex)) {
		if (!sched_next(ex->run, clock_mono_ms(), &stream))
			break;
		start_task(ex, stream);
	}
	if (run_is_done(ex->run) && !ex->ended) {
		finish_run(ex);
		return;
	}
	if (sched_ready(ex->run) && !ex->short_of_resources && !may_start(ex))
		loop_timer_arm_if_idle(ex->retry_start, PRESSURE_INTERVAL_MS);
	wake = sched_next_wake(ex->run);
	if (wake >= 0) {
		int64_t delay = wake - clock_mono_ms();

		loop_timer_arm(ex->wake, delay > 0 ? delay : 0);
	}
}

static void on_wake(void *data)
{
	struct executor *ex = data;

	ex->short_of_resources = false;
	loop_idle_arm(ex->settle);
}

/* --- the ends of a run --- */

static int exit_status(const struct executor *ex)
{
	/* a clean-up stream that was not needed is skipped, which is no failure; what a failure skipped comes with that
	 * failure */
	return run_count(ex->run, ORCH_TASK_FAILED) || run_count(ex->run, ORCH_TASK_CANCELLED);
}

static void end_loop(struct executor *ex)
{
	if (!ex->finished && !hooks_running(ex->hooks) && !syncer_is_busy(ex->syncer)) {
		ex->finished = true;
		loop_stop(ex->loop);
	}
}

/* the last hook has ended, or a sync that was under way */
static void on_idle(void *data)
{
	struct executor *ex = data;

	if (ex->finishing)
		end_loop(ex);
}

static void on_sync_failed(void *data, const struct orch_error *err)
{
	fail_itself(data, err);
}

static void finish_run(struct executor *ex)
{
	struct orch_error err = {0};
	struct orch_event event;

	if (ex->finishing)
		return;
	ex->finishing = true;
	/* stamps first: the event says that they are safe */
	if (stamp_store_sync(ex->store, &err) < 0 || file_cache_save(ex->cache, &err) < 0)
		fail_itself(ex, &err);
	orch_event_init(&event, ORCH_EVENT_RUN_FINISHED);
	event.run = ex->run_id;
	event.exit_code = ex->failed_itself ? 2 : exit_status(ex);
	event.completed = (int64_t)run_count(ex->run, ORCH_TASK_COMPLETED);
	event.failed = (int64_t)run_count(ex->run, ORCH_TASK_FAILED);
	event.skipped = (int64_t)run_count(ex->run, ORCH_TASK_SKIPPED);
	event.cancelled = (int64_t)run_count(ex->run, ORCH_TASK_CANCELLED);
	event.duration_ms = clock_mono_ms() - ex->started_ms;
	event.sum_ms = ex->sum_ms;
	if (ex->failed_itself)
		event.message = ex->error.message;
	emit(ex, &event);
	flush_journal(ex, true);
	syncer_done(ex->syncer);
	if (!ex->failed_itself && statedir_mark_synced(ex->dir, ex->run_id, &err) < 0)
		fail_itself(ex, &err);
	hooks_fire(ex->hooks, HOOK_FINISH, &event);
	end_loop(ex);
}

void executor_stop(struct executor *ex, enum orch_stop how, const char *why)
{
	struct orch_event event;

	if (ex->finishing) {
		/* only hooks can be left */
		if (how != ORCH_STOP_DRAIN)
			hooks_stop(ex->hooks, how == ORCH_STOP_KILL ? SIGKILL : SIGTERM);
		return;
	}
	if (!ex->run)
		return; /* nothing has begun: executor_execute() looks again */
	orch_event_init(&event, ORCH_EVENT_STOPPING);
	event.message = why;
	emit(ex, &event);
	sched_stop(ex->run, why);
	if (how != ORCH_STOP_DRAIN) {
		for (uint32_t s = 0; s < ex->project->stream_count; s++) {
			if (ex->running[s])
				attempt_end(ex->running[s], ORCH_OUTCOME_STOPPED, how == ORCH_STOP_KILL);
		}
	}
	loop_idle_arm(ex->settle);
}

/* --- life --- */

int executor_new(struct executor **out, const struct executor_options *options, struct orch_error *err)
{
	struct executor *ex = xcalloc(1, sizeof *ex);
	char *journal_path;
	int status;

	*out = NULL;
	ex->options = options->run;
	ex->targets = options->targets;
	ex->plan = options->plan;
	ex->project = options->plan->project;
	ex->dir = options->dir;
	ex->store = options->store;
	ex->cache = options->cache;
	ex->loop = options->loop;
	ex->unchanged = NO_STREAM;
	ex->run_id = statedir_new_run(ex->dir, err);
	if (!ex->run_id || children_new(&ex->children, ex->loop, err) < 0) {
		free(ex->run_id);
		free(ex);
		return -1;
	}
	journal_path = statedir_journal(ex->run_id);
	status = journal_create(&ex->journal, journal_path, err);
	free(journal_path);
	if (status < 0) {
		children_free(ex->children);
		free(ex->run_id);
		free(ex);
		return -1;
	}
	ex->runner = (struct runner){.loop = ex->loop, .children = ex->children};
	context_init(&ex->context, ex->project, ex->plan->graph, ex->store, ex->run_id);
	ex->bus = bus_new();
	ex->hooks = hooks_new(ex->project, ex->run_id, ex->loop, ex->children, on_hook_warning, on_idle, ex);
	ex->running = xcalloc(ex->project->stream_count, sizeof(struct attempt *));
	ex->settle = loop_idle_new(ex->loop, settle, ex);
	ex->syncer = syncer_new(ex->loop, ex->journal, on_idle, on_sync_failed, ex);
	ex->wake = loop_timer_new(ex->loop, on_wake, ex);
	ex->retry_start = loop_timer_new(ex->loop, on_wake, ex);
	*out = ex;
	return 0;
}

void executor_listen(struct executor *ex, const struct orch_listener *listener)
{
	bus_add(ex->bus, listener);
}

int executor_execute(struct executor *ex, struct orch_error *err)
{
	const struct orch_run_options *options = ex->options;
	unsigned jobs = options->jobs ? options->jobs : ex->project->set.jobs ? (unsigned)ex->project->set.jobs : 4;
	struct orch_event event;
	uint64_t seed = options->seed ? options->seed : (uint64_t)clock_mono_us() ^ (uint64_t)getpid() << 32;
	struct run_options sched = {
		.jobs = jobs,
		.keep_going = options->keep_going,
		.max_failures = options->max_failures,
		.policy = options->shuffle ? SCHED_SHUFFLE : SCHED_CRITICAL_PATH,
		.seed = seed,
		.retries = options->retries,
		.on_change = on_change,
		.data = ex,
	};
	char *message = NULL;

	ex->started_ms = clock_mono_ms();
	orch_event_init(&event, ORCH_EVENT_RUN_STARTED);
	event.run = ex->run_id;
	event.pid = getpid();
	event.project = ex->project->set.name;
	event.boot = clock_boot_id();
	event.jobs = jobs;
	event.count = (int64_t)ex->plan->wanted_count;
	event.stale = (int64_t)(ex->plan->run_count + ex->plan->perhaps_count);
	if (options->shuffle)
		event.message = message = xasprintf("%s%sshuffled with seed %llu", ex->targets ? ex->targets : "",
			ex->targets ? "; " : "", (unsigned long long)seed);
	else
		event.message = ex->targets;
	emit(ex, &event);
	hooks_fire(ex->hooks, HOOK_START, &event);
	free(message);
	ex->run = run_new(ex->plan, &sched);
	if (ex->failed_itself)
		executor_stop(ex, ORCH_STOP_TERM, ex->error.message);
	loop_idle_arm(ex->settle);
	loop_run(ex->loop);
	if (ex->failed_itself) {
		if (err)
			*err = ex->error;
		return -1;
	}
	return exit_status(ex);
}

const char *executor_run_id(const struct executor *ex)
{
	return ex->run_id;
}

void executor_free(struct executor *ex)
{
	if (!ex)
		return;
	for (uint32_t s = 0; s < ex->project->stream_count; s++)
		attempt_free(ex->running[s]);
	hooks_free(ex->hooks);
	children_free(ex->children);
	loop_idle_free(ex->settle);
	syncer_free(ex->syncer);
	loop_timer_free(ex->wake);
	loop_timer_free(ex->retry_start);
	run_free(ex->run);
	context_release(&ex->context);
	bus_free(ex->bus);
	journal_close(ex->journal);
	free(ex->running);
	free(ex->run_id);
	free(ex);
}
