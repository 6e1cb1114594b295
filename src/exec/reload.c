/* The Orchfile was read again: the run goes on by it. */
#include "config.h"

#include "exec/executor_private.h"

#include "exec/agents.h"
#include "exec/attempt.h"
#include "exec/hooks.h"
#include "exec/redaction.h"
#include "exec/jobserver.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/loop.h"
#include "sched/reload.h"
#include "sched/sched.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_SHOWN = 5 };

/* of the command line, or of the Orchfile; 0: none */
static double budget_of(const struct executor *ex, const struct project *project)
{
	return ex->options->budget > 0 ? ex->options->budget : project->set.budget;
}

/* --- generations --- */

struct generation *generation_new(struct executor *ex, struct plan *plan, void (*release)(void *owner), void *owner,
	struct orch_error *err)
{
	struct generation *generation = xcalloc(1, sizeof *generation);
	const struct project_settings *set = &plan->project->set;
	const struct agents_options agents = {
		.project = plan->project,
		.dir = ex->dir,
		.limit_wait_ms = ex->options->limit_wait_ms >= 0 ? ex->options->limit_wait_ms : set->limit_wait_ms,
		.budget = budget_of(ex, plan->project),
		.warn = tell_warning_to,
		.data = ex,
	};

	if (redaction_add_project(&ex->redact, plan->project, err) < 0 ||
		agents_new(&generation->agents, &agents, ex->agents, err) < 0) {
		free(generation);
		return NULL;
	}
	generation->plan = plan;
	generation->release = release;
	generation->owner = owner;
	context_init(&generation->context, plan->project, plan->graph, ex->store, ex->run_id);
	generation->context.redact = plan->project->set.redact.count ? ex->redact : NULL;
	hooks_set_redact(ex->hooks, ex->redact);
	return generation;
}

static void generation_free(struct generation *generation)
{
	context_release(&generation->context);
	agents_free(generation->agents);
	if (generation->release)
		generation->release(generation->owner);
	free(generation);
}

void generations_free(struct executor *ex)
{
	while (ex->generation) {
		struct generation *before = ex->generation->before;

		generation_free(ex->generation);
		ex->generation = before;
	}
}

void generation_leave(struct executor *ex, const struct plan *plan)
{
	struct generation **link = &ex->generation->before, *generation;

	while (*link && (*link)->plan != plan)
		link = &(*link)->before;
	generation = *link;
	if (!generation || --generation->attempts > 0)
		return;
	*link = generation->before;
	generation_free(generation);
}

/* it is the present one no more */
static void retire(struct executor *ex, struct generation *generation)
{
	for (uint32_t s = 0; s < ex->project->stream_count; s++)
		generation->attempts += ex->running[s] && ex->running[s]->plan == generation->plan;
	for (size_t i = 0; i < ex->outside.count; i++)
		generation->attempts += ex->outside.items[i]->plan == generation->plan;
	if (generation->attempts == 0) {
		ex->generation->before = generation->before;
		generation_free(generation);
	}
}

/* --- what is in the run no more --- */

static void add_gone(struct executor *ex, const char *name, unsigned attempts, enum orch_task_state state)
{
	*ARRAY_PUSH(&ex->gone) = (struct gone){.name = xstrdup(name), .attempts = attempts, .state = state};
}

size_t gone_count(const struct executor *ex, enum orch_task_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < ex->gone.count; i++)
		count += ex->gone.items[i].state == state;
	return count;
}

static void tell_task(
	struct executor *ex, const char *stream, enum orch_task_state state, int outcome, const char *reason)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_TASK);
	event.stream = stream;
	event.state = (int)state;
	event.outcome = outcome;
	event.reason = reason;
	tell(ex, &event);
	if (ex->settled)
		event.log = ex->settled->log;
	if (state == ORCH_TASK_FAILED)
		hooks_fire(ex->hooks, HOOK_STREAM_FAILURE, &event);
	else if (state == ORCH_TASK_COMPLETED && outcome < 0)
		hooks_fire(ex->hooks, HOOK_STREAM_SUCCESS, &event);
}

void outside_over(struct executor *ex, struct attempt *attempt, enum orch_task_state state, const char *reason)
{
	size_t at = 0;

	while (ex->outside.items[at] != attempt)
		at++;
	ex->outside.items[at] = ex->outside.items[--ex->outside.count];
	reload_give_back(ex->run, attempt->slot);
	tell_task(ex, attempt->stream->name, state, -1, reason);
	add_gone(ex, attempt->stream->name, attempt->number, state);
	loop_idle_arm(ex->settle);
}

/* those that are back go on with the numbers of their attempts */
static void take_back(struct executor *ex)
{
	size_t kept = 0;

	for (size_t i = 0; i < ex->gone.count; i++) {
		struct gone *gone = &ex->gone.items[i];
		uint32_t id = project_find(ex->project, gone->name);

		if (id == NO_STREAM || !run_task(ex->run, id)->in_run) {
			ex->gone.items[kept++] = *gone;
			continue;
		}
		if (run_task(ex->run, id)->attempts < gone->attempts) {
			sched_set_attempts(ex->run, id, gone->attempts);
			sched_forgive(ex->run, id);
		}
		free(gone->name);
	}
	ex->gone.count = kept;
}

/* tasks of the run before that have no part in this one, and are not under way; `after`: reload_map() */
static void let_go(struct executor *ex, const struct plan *plan, const struct run *old, const uint32_t *after)
{
	for (uint32_t s = 0; s < plan->project->stream_count; s++) {
		const char *name = plan->project->streams[s].name;
		const struct task *task = run_task(old, s);
		enum orch_task_state state = (enum orch_task_state)task->state;
		bool is_complete = after[s] != NO_STREAM && ex->plan->items[after[s]].action == PLAN_COMPLETE;

		if (!task->in_run || state == ORCH_TASK_RUNNING)
			continue;
		if (after[s] != NO_STREAM && run_task(ex->run, after[s])->in_run)
			continue;
		if (is_complete && state != ORCH_TASK_COMPLETED) {
			state = ORCH_TASK_COMPLETED;
			tell_task(ex, name, state, ORCH_OUTCOME_UNCHANGED, "complete, as the Orchfile has it now");
		} else if (state < ORCH_TASK_COMPLETED) {
			state = ORCH_TASK_SKIPPED;
			tell_task(ex, name, state, -1,
				after[s] == NO_STREAM ? "it is in the Orchfile no more" : "it is not wanted any more");
		}
		add_gone(ex, name, task->attempts, state);
	}
}

/* --- what is said --- */

/* names for people: the first few */
struct names {
	struct strbuf text;
	size_t count;
};

static void add_name(struct names *names, const char *name)
{
	if (names->count++ < NAMES_SHOWN)
		strbuf_addf(&names->text, "%s%s", names->text.len ? ", " : "", name);
}

static void add_names(struct strbuf *out, struct names *names, const char *what)
{
	strbuf_addf(out, "%s%zu %s", out->data[out->len - 1] == ' ' ? "" : ", ", names->count, what);
	if (names->count)
		strbuf_addf(out, " (%s%s)", strbuf_cstr(&names->text), names->count > NAMES_SHOWN ? ", ..." : "");
	strbuf_release(&names->text);
}

static bool is_running(const struct executor *ex, const char *name)
{
	for (size_t i = 0; i < ex->outside.count; i++) {
		if (strcmp(ex->outside.items[i]->stream->name, name) == 0)
			return true;
	}
	return false;
}

/* `before` and `after`: reload_map(), from the new project to the present one and back */
static void tell_reloaded(struct executor *ex, const struct plan *plan, const uint32_t *before, const uint32_t *after,
	const char *why, struct orch_reload *counts)
{
	struct names added = {0}, removed = {0}, changed = {0}, running = {0};
	struct strbuf text = {0};
	struct orch_event event;

	for (uint32_t s = 0; s < plan->project->stream_count; s++) {
		const char *name = plan->project->streams[s].name;

		if (before[s] == NO_STREAM)
			add_name(&added, name);
		else if (reload_is_changed(plan, s, ex->plan, before[s]))
			add_name(&changed, name);
		else
			continue;
		if (before[s] == NO_STREAM ? is_running(ex, name) : ex->running[before[s]] != NULL)
			add_name(&running, name);
	}
	for (uint32_t s = 0; s < ex->project->stream_count; s++) {
		if (after[s] != NO_STREAM)
			continue;
		add_name(&removed, ex->project->streams[s].name);
		if (ex->running[s])
			add_name(&running, ex->project->streams[s].name);
	}
	counts->added = added.count;
	counts->removed = removed.count;
	counts->changed = changed.count;
	strbuf_addf(&text, "%s: ", why);
	add_names(&text, &added, "added");
	add_names(&text, &removed, "removed");
	add_names(&text, &changed, "changed");
	if (running.count)
		add_names(&text, &running, running.count == 1 ? "goes on as it began" : "go on as they began");
	orch_event_init(&event, ORCH_EVENT_RELOADED);
	event.count = (int64_t)plan->wanted_count;
	event.added = (int64_t)added.count;
	event.removed = (int64_t)removed.count;
	event.changed = (int64_t)changed.count;
	if (budget_of(ex, plan->project) > 0 || budget_of(ex, ex->project) > 0)
		event.budget_micros = budget_millionths(budget_of(ex, plan->project));
	event.message = strbuf_cstr(&text);
	tell(ex, &event);
	strbuf_release(&text);
}

void executor_reload_refused(struct executor *ex, const char *const *messages)
{
	for (; *messages; messages++)
		tell_warning(ex, NULL, *messages);
}

/* --- the change --- */

int executor_reload_begin(struct executor *ex, struct orch_error *err)
{
	if (executor_is_under_way(ex, err) < 0)
		return -1;
	if (ex->coming_home || ex->came_home)
		return error_code(err, ORCH_EUSAGE, "the run is over: what it did is being merged");
	executor_withdraw(ex);
	/* what has ended is what it was when it began, and its stamp is looked at */
	while (ex->ended)
		settle_ended(ex);
	loop_idle_arm(ex->settle);
	if (sched_is_stopped(ex->run))
		return error_code(err, ORCH_EUSAGE, "the run is being stopped: its Orchfile is not read again");
	return 0;
}

void executor_reload_facts(struct executor *ex, struct plan_facts *facts, const struct project *project)
{
	uint32_t *before = reload_map(project, ex->project);

	reload_facts(facts, project, ex->run, before);
	free(before);
}

void executor_grow_facts(
	struct executor *ex, struct plan_facts *facts, const struct project *project, const char *generator)
{
	uint32_t *before = reload_map(project, ex->project), by = project_find(project, generator);

	reload_facts(facts, project, ex->run, before);
	/* files that they are made from may have changed in the meantime: that is for the next run */
	for (uint32_t s = 0; s < project->stream_count; s++) {
		if (before[s] != NO_STREAM && project->streams[s].generated_by != by)
			facts[s].recipe = ex->plan->facts[before[s]].recipe;
	}
	free(before);
}

/* Attempts under way, in the new run: those of its tasks, and those that have none. `after` is of the old run's
 * streams, whose attempts are `running` */
static void place_attempts(struct executor *ex, struct attempt **running, uint32_t count, const uint32_t *after,
	const struct reload_attempt *regained)
{
	size_t kept = 0;

	for (size_t i = 0; i < ex->outside.count; i++) {
		struct attempt *attempt = ex->outside.items[i];
		uint32_t id = regained[i].stream;

		if (id != NO_STREAM && run_task(ex->run, id)->in_run) {
			attempt->task = id;
			ex->running[id] = attempt;
		} else {
			ex->outside.items[kept++] = attempt;
		}
	}
	ex->outside.count = kept;
	for (uint32_t s = 0; s < count; s++) {
		struct attempt *attempt = running[s];
		uint32_t id = after[s];

		if (!attempt)
			continue;
		if (id != NO_STREAM && run_task(ex->run, id)->state == ORCH_TASK_RUNNING) {
			attempt->task = id;
			ex->running[id] = attempt;
		} else {
			attempt->task = NO_STREAM;
			*ARRAY_PUSH(&ex->outside) = attempt;
		}
	}
}

static void renumber_afresh(struct executor *ex, const uint32_t *before)
{
	bool *afresh = xcalloc((size_t)ex->project->stream_count + 1, sizeof *afresh);

	for (uint32_t s = 0; s < ex->project->stream_count; s++)
		afresh[s] = before[s] == NO_STREAM ? ex->options->fresh : ex->afresh[before[s]];
	free(ex->afresh);
	ex->afresh = afresh;
}

static struct reload_attempt *find_regained(const struct executor *ex, const struct project *project)
{
	struct reload_attempt *regained = xreallocarray(NULL, ex->outside.count + 1, sizeof *regained);

	for (size_t i = 0; i < ex->outside.count; i++) {
		const struct attempt *attempt = ex->outside.items[i];

		regained[i] = (struct reload_attempt){.stream = project_find(project, attempt->stream->name),
			.slot = attempt->slot,
			.number = attempt->number};
	}
	return regained;
}

/* what is known of streams without an attempt under way; the others hand it on when that has ended */
static void carry_memories(struct executor *ex, const struct agents *from, const uint32_t *before)
{
	for (uint32_t s = 0; s < ex->project->stream_count; s++) {
		if (before[s] != NO_STREAM && !ex->running[s])
			agents_carry(ex->agents, s, ex->plan->facts[s].recipe, from, before[s]);
	}
}

/* it may be another one, that is spent already */
static void look_at_budget(struct executor *ex)
{
	if (agents_budget_is_reached(ex->agents)) {
		tell_warning(ex, NULL, "the budget, as it is now, is spent: what runs is let finish, and nothing new starts");
		executor_stop(ex, ORCH_STOP_DRAIN, "the budget is spent");
	}
}

int executor_reload(struct executor *ex, struct plan *plan, void (*release)(void *owner), void *owner, const char *why,
	struct orch_reload *counts, struct orch_error *err)
{
	struct plan *old_plan = ex->plan;
	struct run *old = ex->run;
	struct attempt **running = ex->running;
	struct generation *generation = generation_new(ex, plan, release, owner, err);
	const struct agents *agents = ex->agents;
	uint32_t *before, *after;
	struct reload_attempt *regained;

	if (!generation)
		return -1;
	run_queues_declare(ex, plan->project);
	before = reload_map(plan->project, ex->project);
	after = reload_map(ex->project, plan->project);
	regained = find_regained(ex, plan->project);
	if (run_policy(old) == SCHED_PLANNED)
		plan_improve(plan, sched_jobs(old));
	tell_reloaded(ex, plan, before, after, why, counts);
	/* while there is none, what goes wrong with telling waits */
	ex->run = NULL;
	generation->before = ex->generation;
	ex->generation = generation;
	ex->agents = generation->agents;
	ex->plan = plan;
	ex->project = plan->project;
	hooks_set_project(ex->hooks, ex->project);
	/* somebody has written the Orchfile, who is none of the streams */
	workspaces_note_others(ex->workspaces, 0);
	ex->run = reload_run(old, plan, regained, ex->outside.count);
	jobserver_set(ex->jobserver, ex->project, sched_jobs(ex->run));
	ex->running = xcalloc((size_t)ex->project->stream_count + 1, sizeof *ex->running);
	place_attempts(ex, running, old_plan->project->stream_count, after, regained);
	carry_memories(ex, agents, before);
	renumber_afresh(ex, before);
	take_back(ex);
	resume_renumber(ex, old, before);
	let_go(ex, old_plan, old, after);
	tell_overlaps(ex, old_plan, before);
	free(regained);
	free(running);
	free(before);
	free(after);
	run_free(old);
	retire(ex, generation->before);
	if (ex->failed_itself)
		executor_stop(ex, ORCH_STOP_TERM, ex->error.message);
	else
		look_at_budget(ex);
	loop_idle_arm(ex->settle);
	return 0;
}
