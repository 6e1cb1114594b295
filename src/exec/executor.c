#include "config.h"

#include "exec/executor_private.h"

#include "event/bus.h"
#include "event/event.h"
#include "exec/agents.h"
#include "exec/attempt.h"
#include "exec/confine.h"
#include "exec/context.h"
#include "exec/home.h"
#include "exec/hooks.h"
#include "exec/jobserver.h"
#include "exec/makeclient.h"
#include "exec/reporting.h"
#include "exec/runners.h"
#include "exec/syncer.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/child.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/open_files.h"
#include "os/supervised.h"
#include "os/system.h"
#include "sched/sched.h"
#include "state/fingerprint.h"
#include "state/journal.h"
#include "state/stamp.h"
#include "runner/queue.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/redact.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FILES_KEPT = 16, /* descriptors that no attempt may take: what has ended must be written down */
	EXIT_HELD = 75,  /* EX_TEMPFAIL: try again later */
};

static void on_hook_warning(void *data, const char *message)
{
	tell_warning(data, NULL, message);
}

/* --- attempts --- */

static void on_put_off(void *data, struct attempt *attempt, const char *why)
{
	struct executor *ex = data;
	uint32_t id = attempt->task;

	if (id == NO_STREAM) {
		outside_over(ex, attempt, ORCH_TASK_SKIPPED, "it is in the Orchfile no more, and had not begun");
		executor_drop(ex, attempt);
		return;
	}
	ex->running[id] = NULL;
	executor_drop(ex, attempt);
	slots_put_off(ex, id, why);
}

static void on_attempt_warning(void *data, struct attempt *attempt, const char *message)
{
	tell_warning(data, attempt->stream->name, message);
}

int executor_must_run(struct executor *ex, uint32_t id, struct orch_error *err)
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
struct attempt *executor_stillborn(struct executor *ex, uint32_t id, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = xcalloc(1, sizeof *attempt);

	attempt->stream = &ex->project->streams[id];
	attempt->id = attempt->task = id;
	attempt->plan = ex->plan;
	attempt->number = run_task(ex->run, id)->attempts;
	attempt->run = ex->run_id;
	attempt->log_fd = -1;
	attempt->exit_code = attempt->signal = -1;
	attempt->done = true;
	attempt->outcome = outcome;
	attempt->message = message ? xstrdup(message) : NULL;
	return attempt;
}

struct attempt *executor_new_attempt(struct executor *ex, uint32_t id, const char *run, unsigned number, unsigned slot)
{
	const struct stream *stream = &ex->project->streams[id];
	struct attempt *attempt = xcalloc(1, sizeof *attempt);

	attempt->stream = stream;
	attempt->id = attempt->task = id;
	attempt->plan = ex->plan;
	attempt->number = number;
	attempt->slot = slot;
	attempt->weight = sched_weight(ex->run, id);
	attempt->context = &ex->generation->context;
	attempt->runner = &ex->runner;
	attempt->workspaces = ex->workspaces;
	attempt->confiner = ex->confiner;
	attempt->jobserver = ex->jobserver;
	attempt->follow_output = ex->options->follow_output;
	attempt->works_by = attempt->ops = runner_of_stream(ex->project, stream);
	attempt->own_run = run ? xstrdup(run) : NULL;
	attempt->run = run ? attempt->own_run : ex->run_id;
	attempt->log = statedir_log(attempt->run, stream->name, attempt->number);
	attempt->log_fd = -1;
	attempt->timeout_ms = ex->options->timeout_ms >= 0 ? ex->options->timeout_ms : stream->set->timeout_ms;
	attempt->ended = settle_later;
	attempt->phase_began = tell_phase;
	attempt->put_off = on_put_off;
	attempt->warn = on_attempt_warning;
	attempt->output = ex->options->follow_output ? tell_output : NULL;
	attempt->messaged = tell_message;
	attempt->news = hold_news;
	attempt->agents = ex->agents;
	attempt->check_from = -1;
	if (agents_are_wanted(ex->agents, stream))
		attempt->memory = agents_memory(ex->agents, id, ex->plan->facts[id].recipe, ex->options->fresh);
	attempt->data = ex;
	attempt->may_write = !workspace_is_wanted(stream);
	if (attempt->may_write)
		workspaces_note_others(ex->workspaces, +1);
	return attempt;
}

void executor_drop(struct executor *ex, struct attempt *attempt)
{
	const struct plan *plan = attempt->plan;

	attempt_free(attempt);
	if (plan != ex->plan)
		generation_leave(ex, plan);
}

/* a limit that cannot be kept is said, once a run */
static void look_at_memory(struct executor *ex, const struct stream *stream)
{
	const char *why;
	char *message;

	if (!stream->set->memory || ex->memory_looked_at)
		return;
	ex->memory_looked_at = true;
	why = supervision_memory(ex->supervision);
	if (!why)
		return;
	message = stream->set->memory_rlimit
		? xasprintf("'memory' cannot be limited for all of a stream here: %s; so each process of it may have "
			    "that much address space",
			  why)
		: xasprintf(
			  "'memory' cannot be limited here, so this stream and others run without: %s; 'memory = SIZE "
			  "rlimit' would limit each of their processes",
			  why);
	tell_warning(ex, stream->name, message);
	free(message);
}

void executor_start_task(struct executor *ex, uint32_t id)
{
	const struct stream *stream = &ex->project->streams[id];
	struct orch_error err = {0};
	struct attempt *attempt;
	int must = executor_must_run(ex, id, &err);

	if (must < 0) {
		settle_later(ex, executor_stillborn(ex, id, ORCH_OUTCOME_SPAWN, err.message));
		return;
	}
	if (must == 0 && run_task(ex->run, id)->attempts - run_task(ex->run, id)->forgiven == 1) {
		ex->unchanged = id;
		sched_finish(ex->run, id, ORCH_OUTCOME_UNCHANGED, "its dependencies made the same as before",
			clock_mono_ms());
		ex->unchanged = NO_STREAM;
		return;
	}
	if (resume_attempt(ex, id))
		return;
	if (run_count(ex->run, ORCH_TASK_RUNNING) > 1 && open_files_left() < FILES_KEPT) {
		slots_put_off(ex, id, strerror(EMFILE));
		return;
	}
	/* from here on what it made before may be half overwritten: if it does not complete now, it is not complete */
	if (ex->plan->facts[id].stamp.present && stamp_store_remove(ex->store, stream->name, &err) < 0) {
		settle_later(ex, executor_stillborn(ex, id, ORCH_OUTCOME_INTERNAL, err.message));
		return;
	}
	attempt = executor_new_attempt(ex, id, NULL, run_task(ex->run, id)->attempts, sched_slot(ex->run, id));
	/* what completed once begins again from its base; what did not goes on with what there is of it */
	ex->afresh[id] |= ex->plan->facts[id].stamp.present;
	attempt->afresh = ex->afresh[id];
	ex->plan->facts[id].stamp.present = false;
	if (attempt_outlives_us(attempt) && resume_note(ex, attempt, &err) < 0) {
		executor_drop(ex, attempt);
		settle_later(ex, executor_stillborn(ex, id, ORCH_OUTCOME_INTERNAL, err.message));
		return;
	}
	ex->running[id] = attempt;
	look_at_memory(ex, stream);
	run_queues_look_at_sharing(ex, stream);
	if (attempt_start(attempt, &err) == 0)
		return;
	ex->running[id] = NULL;
	executor_drop(ex, attempt);
	slots_put_off(ex, id, err.message);
}

static void finish_run(struct executor *ex);
static bool bring_home(struct executor *ex);

void executor_pump(struct executor *ex)
{
	int64_t wake;

	if (ex->finished)
		return;
	slots_pump(ex);
	executor_stand_by(ex);
	hold_wait(ex);
	if (ex->coming_home)
		return;
	if (run_is_done(ex->run) && !ex->ended && ex->outside.count == 0) {
		if (!bring_home(ex))
			finish_run(ex);
		return;
	}
	wake = sched_next_wake(ex->run);
	if (wake >= 0) {
		int64_t delay = wake - clock_mono_ms();

		loop_timer_arm(ex->wake, delay > 0 ? delay : 0);
	}
}

static void on_wake(void *data)
{
	struct executor *ex = data;

	loop_idle_arm(ex->settle);
}

/* --- the ends of a run --- */

static size_t count_tasks(const struct executor *ex, enum orch_task_state state)
{
	return run_count(ex->run, state) + gone_count(ex, state);
}

static int exit_status(const struct executor *ex)
{
	/* a clean-up stream that was not needed is skipped, which is no failure; what a failure skipped comes with that
	 * failure */
	if (count_tasks(ex, ORCH_TASK_FAILED))
		return 1;
	if (ex->held_to_the_end)
		return EXIT_HELD;
	return count_tasks(ex, ORCH_TASK_CANCELLED) > 0 || ex->not_home;
}

static void end_loop(struct executor *ex)
{
	if (!ex->finished && !hooks_running(ex->hooks) && !syncer_is_busy(ex->syncer) &&
		!workspaces_are_busy(ex->workspaces)) {
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
	tell_failure(data, err);
}

/* --- the work comes home --- */

static void on_came_home(void *data, const struct orch_merged *merged)
{
	struct executor *ex = data;
	struct orch_event event;
	char *message = NULL;

	if (merged->end == ORCH_MERGE_NOTHING)
		return;
	if (merged->end == ORCH_MERGE_DONE) {
		orch_event_init(&event, ORCH_EVENT_MERGED);
		event.stream = merged->stream;
		event.message = message = xasprintf("%s into %s, which is %.10s now%s%s", merged->branch, merged->into,
			merged->commit, merged->checkout ? ", also in " : "", merged->checkout ? merged->checkout : "");
		tell(ex, &event);
		free(message);
		message = merged->message ? xstrdup(merged->message) : NULL;
	} else {
		ex->not_home = true;
		message = xasprintf("not merged: %s%s", merged->message,
			merged->end == ORCH_MERGE_REFUSED ? "; 'orch merge' tries again" : "");
	}
	if (message)
		tell_warning(ex, merged->stream, message);
	free(message);
}

static void on_home(void *data, bool well)
{
	struct executor *ex = data;

	(void)well;
	ex->coming_home = false;
	loop_idle_arm(ex->settle);
}

static void on_repository(void *data, struct repo *repo, const char *problem)
{
	struct executor *ex = data;
	struct home_spec spec = {.repo = repo,
		.project = ex->project,
		.graph = ex->plan->graph,
		.store = ex->store,
		.options = &ex->home_options,
		.told = on_came_home,
		.done = on_home,
		.data = ex};

	if (!repo) {
		ex->not_home = true;
		tell_warning(ex, NULL, problem);
		on_home(ex, false);
		return;
	}
	home_begin(&spec, ex->to_bring);
}

/* of those that were wanted */
static bool choose_what_to_bring(struct executor *ex)
{
	bool any = false;

	ex->to_bring = home_leaves(ex->project, ex->plan->graph);
	for (uint32_t id = 0; id < ex->project->stream_count; id++) {
		ex->to_bring[id] = ex->to_bring[id] && ex->plan->wanted[id] && ex->plan->facts[id].stamp.present &&
			ex->project->streams[id].set->when != WHEN_FAILURE;
		any |= ex->to_bring[id];
	}
	return any;
}

/* all went well, and `merge` asks for it; false: there is nothing to bring, or it has been brought */
static bool bring_home(struct executor *ex)
{
	enum merge_mode mode = ex->project->set.merge;

	if (ex->came_home || mode == MERGE_MANUAL || ex->failed_itself || ex->finishing || exit_status(ex) != 0)
		return false;
	ex->came_home = true;
	if (!choose_what_to_bring(ex))
		return false;
	ex->coming_home = true;
	ex->home_options.squash = mode == MERGE_SQUASH;
	/* what completed lies on the disk before anybody's branch shows it */
	tell_flush(ex, true);
	workspaces_open(ex->workspaces, on_repository, ex);
	return true;
}

static void finish_run(struct executor *ex)
{
	struct orch_error err = {0};
	struct orch_event event;
	bool synced = false;

	if (ex->finishing)
		return;
	ex->finishing = true;
	/* stamps first: the event says that they are made */
	if (stamp_store_finish(ex->store, &synced, &err) < 0 || file_cache_save(ex->cache, &err) < 0)
		tell_failure(ex, &err);
	orch_event_init(&event, ORCH_EVENT_RUN_FINISHED);
	event.run = ex->run_id;
	event.exit_code = ex->failed_itself ? 2 : exit_status(ex);
	event.completed = (int64_t)count_tasks(ex, ORCH_TASK_COMPLETED);
	event.failed = (int64_t)count_tasks(ex, ORCH_TASK_FAILED);
	event.skipped = (int64_t)count_tasks(ex, ORCH_TASK_SKIPPED);
	event.cancelled = (int64_t)count_tasks(ex, ORCH_TASK_CANCELLED);
	event.duration_ms = clock_mono_ms() - ex->started_ms;
	event.sum_ms = ex->sum_ms;
	event.cost_micros = ex->has_cost ? ex->cost_micros : -1;
	event.tokens = ex->has_tokens ? ex->tokens : -1;
	if (ex->failed_itself)
		event.message = ex->error.message;
	tell(ex, &event);
	tell_flush(ex, true);
	syncer_done(ex->syncer);
	if (!ex->failed_itself && synced && statedir_mark_synced(ex->dir, ex->run_id, &err) < 0)
		tell_failure(ex, &err);
	hooks_fire(ex->hooks, HOOK_FINISH, &event);
	end_loop(ex);
}

/* --- life --- */

static void on_tokens(void *data)
{
	struct executor *ex = data;

	loop_idle_arm(ex->settle);
}

static bool do_hooks_run(void *data)
{
	const struct executor *ex = data;

	return hooks_running(ex->hooks) > 0;
}

int executor_new(struct executor **out, const struct executor_options *options, struct orch_error *err)
{
	struct executor *ex = xcalloc(1, sizeof *ex);
	const struct jobserver_calls tokens = {.changed = on_tokens, .warning = tell_warning_to, .data = ex};
	const struct workspaces_calls workspaces = {
		.warning = tell_warning_to, .idle = on_idle, .hooks_run = do_hooks_run, .data = ex};
	struct reportings_options reportings = {
		.loop = options->loop,
		.dir = options->dir,
		.said = tell_said,
		.warn = on_attempt_warning,
		.data = ex,
	};
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
	ex->generate = options->generate;
	ex->files = open_files_left();
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
	if (supervision_new(&ex->supervision, ex->loop, ex->children, err) < 0) {
		journal_close(ex->journal);
		children_free(ex->children);
		free(ex->run_id);
		free(ex);
		return -1;
	}
	supervision_keep_open(ex->supervision, ex->dir->lock.fd);
	ex->runner = (struct runner){
		.loop = ex->loop, .supervision = ex->supervision, .children = ex->children, .home = ex->dir->path};
	ex->bus = bus_new();
	ex->workspaces = workspaces_new(ex->loop, ex->children, ex->project, ex->store, &workspaces);
	ex->confiner = confiner_new(ex->workspaces);
	if (ex->options->jobs == 0 && makeclient_new(&ex->around, ex->loop, on_tokens, ex, &ex->not_around) < 0)
		ex->around = NULL;
	ex->jobserver = jobserver_new(ex->loop, ex->project, ex->around, &tokens);
	ex->hooks = hooks_new(ex->project, ex->run_id, ex->loop, ex->supervision, on_hook_warning, on_idle, ex);
	ex->running = xcalloc(ex->project->stream_count, sizeof(struct attempt *));
	ex->afresh = xcalloc(ex->project->stream_count + 1, sizeof *ex->afresh);
	memset(ex->afresh, ex->options->fresh, ex->project->stream_count * sizeof *ex->afresh);
	ex->settle = loop_idle_new(ex->loop, settle, ex);
	ex->syncer = syncer_new(ex->loop, ex->journal, on_idle, on_sync_failed, ex);
	ex->wake = loop_timer_new(ex->loop, on_wake, ex);
	ex->retry_start = loop_timer_new(ex->loop, slots_on_retry, ex);
	ex->hold_end = loop_timer_new(ex->loop, hold_on_end, ex);
	ex->approval_end = loop_timer_new(ex->loop, approve_on_end, ex);
	reportings.run = ex->run_id;
	ex->reportings = reportings_new(&reportings);
	ex->generation = generation_new(ex, ex->plan, NULL, NULL, err);
	if (!ex->generation || runners_check(ex->project, ex->plan, err) < 0) {
		executor_free(ex);
		return -1;
	}
	run_queues_declare(ex, ex->project);
	ex->agents = ex->generation->agents;
	*out = ex;
	return 0;
}

void executor_listen(struct executor *ex, const struct orch_listener *listener)
{
	bus_add(ex->bus, listener);
}

/* -1: nothing that is to be run has a time */
static int64_t expected_ms(const struct plan *plan, unsigned jobs, enum sched_policy policy)
{
	for (uint32_t i = 0; i < plan->graph->count; i++) {
		if (plan->items[i].action >= PLAN_PERHAPS && plan_knows_time(plan, i))
			return plan_makespan(plan, jobs, policy);
	}
	return -1;
}

static unsigned count_slots(const struct executor *ex)
{
	if (ex->options->jobs)
		return ex->options->jobs;
	if (ex->around)
		return makeclient_jobs(ex->around) > 0 ? makeclient_jobs(ex->around) : system_processors() + 1;
	return ex->project->set.jobs ? (unsigned)ex->project->set.jobs : 4;
}

int executor_execute(struct executor *ex, struct orch_error *err)
{
	const struct orch_run_options *options = ex->options;
	unsigned jobs = count_slots(ex);
	struct orch_event event;
	uint64_t seed = options->seed ? options->seed : (uint64_t)clock_mono_us() ^ (uint64_t)getpid() << 32;
	struct run_options sched = {
		.jobs = jobs,
		.keep_going = options->keep_going,
		.max_failures = options->max_failures,
		.policy = options->shuffle ? SCHED_SHUFFLE : sched_policy_of(ex->project->set.schedule),
		.seed = seed,
		.retries = options->retries,
		.admit = hold_admit,
		.approval = approve_ask,
		.on_change = tell_change,
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
	if (options->budget > 0 || ex->project->set.budget > 0)
		event.budget_micros =
			budget_millionths(options->budget > 0 ? options->budget : ex->project->set.budget);
	if (sched.policy == SCHED_PLANNED)
		plan_improve(ex->plan, jobs);
	event.expected_ms = expected_ms(ex->plan, jobs, sched.policy);
	if (options->shuffle)
		event.message = message = xasprintf("%s%sshuffled with seed %llu", ex->targets ? ex->targets : "",
			ex->targets ? "; " : "", (unsigned long long)seed);
	else
		event.message = ex->targets;
	tell(ex, &event);
	tell_overlaps(ex, NULL, NULL);
	hold_tell(ex);
	hooks_fire(ex->hooks, HOOK_START, &event);
	if (hooks_running(ex->hooks) > 0)
		workspaces_note_others(ex->workspaces, 0);
	free(message);
	jobserver_set(ex->jobserver, ex->project, jobs);
	if (ex->not_around.message[0])
		tell_warning(ex, NULL, ex->not_around.message);
	ex->run = run_new(ex->plan, &sched);
	resume_begin(ex);
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
	for (size_t i = 0; i < ex->outside.count; i++)
		attempt_free(ex->outside.items[i]);
	hooks_free(ex->hooks);
	queues_free(ex->runner.queues);
	runner_release(&ex->runner);
	supervision_free(ex->supervision);
	children_free(ex->children);
	confiner_free(ex->confiner);
	jobserver_free(ex->jobserver);
	makeclient_free(ex->around);
	workspaces_free(ex->workspaces);
	loop_idle_free(ex->settle);
	syncer_free(ex->syncer);
	loop_timer_free(ex->wake);
	loop_timer_free(ex->retry_start);
	loop_timer_free(ex->hold_end);
	loop_timer_free(ex->approval_end);
	reportings_free(ex->reportings);
	run_free(ex->run);
	generations_free(ex);
	redact_free(ex->redact);
	bus_free(ex->bus);
	journal_close(ex->journal);
	free(ex->running);
	free(ex->afresh);
	free(ex->to_bring);
	free(ex->asked);
	ARRAY_RELEASE(&ex->outside);
	for (size_t i = 0; i < ex->gone.count; i++)
		free(ex->gone.items[i].name);
	ARRAY_RELEASE(&ex->gone);
	resume_release(ex);
	free(ex->run_id);
	free(ex);
}
