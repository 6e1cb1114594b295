#include "config.h"

#include "sched/reload.h"

#include "sched/run_private.h"
#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

uint32_t *reload_map(const struct project *from, const struct project *to)
{
	uint32_t *map = xmalloc(((size_t)from->stream_count + 1) * sizeof *map);

	for (uint32_t s = 0; s < from->stream_count; s++)
		map[s] = project_find(to, from->streams[s].name);
	return map;
}

/* --- what is known --- */

static bool same_words(const struct words *a, const struct words *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	}
	return true;
}

/* It is complete: what has been written to its files since is not what the new Orchfile is about. Many streams change
 * their own inputs, or those of another one */
static void take_as_complete(struct plan_facts *fact, const struct stream *stream, const struct stream *was)
{
	fact->forced = false;
	if (same_words(&stream->set->inputs, &was->set->inputs)) {
		fact->inputs = fact->stamp.inputs;
		fact->unreadable = false;
	}
	if (same_words(&stream->set->outputs, &was->set->outputs) && (!stream->set->generates || stream->is_generated))
		fact->output_missing = false;
}

void reload_facts(
	struct plan_facts *facts, const struct project *project, const struct run *run, const uint32_t *before)
{
	for (uint32_t s = 0; s < project->stream_count; s++) {
		const struct stream *stream = &project->streams[s];
		const struct plan_item *item;
		const struct task *was;

		if (before[s] == NO_STREAM || stream_is_group(stream))
			continue;
		was = &run->tasks[before[s]];
		item = &run->plan->items[before[s]];
		/* that of a `when = failure` stream is nowhere else */
		if (was->in_run &&
			(was->state == ORCH_TASK_COMPLETED ||
				(was->state == ORCH_TASK_RUNNING && stream->set->when == WHEN_FAILURE)))
			facts[s].stamp = run->plan->facts[before[s]].stamp;
		if (was->in_run ? was->state == ORCH_TASK_COMPLETED : item->action == PLAN_COMPLETE) {
			take_as_complete(&facts[s], stream, &run->plan->project->streams[before[s]]);
			continue;
		}
		facts[s].forced |= run->plan->facts[before[s]].forced;
		/* what it waited for may be complete by now, and then nothing says that it is to run */
		if (was->in_run && (was->state == ORCH_TASK_RUNNING || item->reason == REASON_ALWAYS))
			facts[s].forced |= was->state < ORCH_TASK_COMPLETED;
	}
}

/* of the names of what it depends on, in any order */
static uint64_t deps_key(const struct plan *plan, uint32_t id)
{
	const edge *deps = graph_deps(plan->graph, id);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < graph_dep_count(plan->graph, id); i++)
		sum += plan->dep_keys[EDGE_STREAM(deps[i])] ^ (EDGE_ORDER_ONLY(deps[i]) ? UINT64_MAX : 0);
	return sum;
}

bool reload_is_changed(const struct plan *plan, uint32_t id, const struct plan *before, uint32_t was)
{
	return plan->facts[id].recipe != before->facts[was].recipe || deps_key(plan, id) != deps_key(before, was);
}

/* --- the tasks --- */

/* one such change, under way */
struct reload {
	struct run *run;
	const struct run *old;
	const uint32_t *before; /* [stream] */
	bool *anew;             /* [stream]: its task begins, again or for the first time */
	bool *again;            /* [stream]: it had ended */
};

static bool is_wanted(const struct reload *reload, uint32_t id)
{
	return reload->run->plan->items[id].action >= PLAN_PERHAPS;
}

static bool depends_on_again(const struct reload *reload, uint32_t id)
{
	const struct graph *graph = reload->run->plan->graph;
	const edge *deps = graph_deps(graph, id);

	for (uint32_t i = 0; i < graph_dep_count(graph, id); i++) {
		if (!EDGE_ORDER_ONLY(deps[i]) && reload->again[EDGE_STREAM(deps[i])])
			return true;
	}
	return false;
}

static bool waits_for_something(const struct reload *reload, uint32_t id)
{
	const struct graph *graph = reload->run->plan->graph;
	const edge *deps = graph_deps(graph, id);

	for (uint32_t i = 0; i < graph_dep_count(graph, id); i++) {
		const struct task *dep = &reload->run->tasks[EDGE_STREAM(deps[i])];

		if (dep->in_run && dep->state < ORCH_TASK_COMPLETED)
			return true;
	}
	return false;
}

/* it has ended; does that still hold? What it depends on is decided already */
static bool is_over(const struct reload *reload, uint32_t id, const struct task *was)
{
	struct run *run = reload->run;
	bool changed = reload_is_changed(run->plan, id, reload->old->plan, reload->before[id]);

	switch ((enum orch_task_state)was->state) {
	case ORCH_TASK_COMPLETED:
		return run->plan->items[id].action == PLAN_COMPLETE ||
			(is_wanted(reload, id) && run_is_cleanup(run, id) && !changed);
	case ORCH_TASK_FAILED:
		return is_wanted(reload, id) && !changed && !depends_on_again(reload, id);
	case ORCH_TASK_CANCELLED:
		return is_wanted(reload, id) && !changed && (!was->drained || run->stopping);
	case ORCH_TASK_SKIPPED:
		return is_wanted(reload, id) &&
			(run_is_cleanup(run, id) ? !changed && !waits_for_something(reload, id)
						 : run_bad_dep(run, id) != NO_STREAM);
	default:
		return false;
	}
}

static void carry_task(struct reload *reload, uint32_t id)
{
	uint32_t before = reload->before[id];
	const struct task *was = before == NO_STREAM ? NULL : &reload->old->tasks[before];
	struct task *task = &reload->run->tasks[id];

	*task = (struct task){0};
	reload->anew[id] = reload->again[id] = false;
	if (was) {
		/* the numbers of its attempts name their files */
		task->attempts = was->attempts;
		task->forgiven = was->forgiven;
		task->dep_ran = was->dep_ran;
	}
	if (was && was->in_run && is_over(reload, id, was)) {
		task->in_run = 1;
		task->state = was->state;
		task->dep_failed = was->dep_failed;
		task->drained = was->drained;
		return;
	}
	if (!is_wanted(reload, id))
		return;
	task->in_run = 1;
	if (was && was->in_run && was->state == ORCH_TASK_RUNNING) {
		task->state = ORCH_TASK_RUNNING;
		task->carried = 1;
	} else if (was && was->in_run && was->state == ORCH_TASK_BACKOFF) {
		task->state = ORCH_TASK_BACKOFF;
		task->wake_ms = was->wake_ms;
	} else if (!was || !was->in_run || was->state >= ORCH_TASK_COMPLETED) {
		task->forgiven = task->attempts;
		reload->anew[id] = true;
		reload->again[id] = was && was->in_run;
	}
}

static void carry_tasks(struct reload *reload)
{
	struct run *run = reload->run;
	const struct graph *graph = run->plan->graph;
	unsigned limit = run->options.max_failures;

	if (limit == 0 && !run->options.keep_going)
		limit = 1;
	/* each behind its dependencies; and once more if no failure keeps others from starting any more */
	run->stopping = reload->old->stopping;
	for (;;) {
		bool was_stopping = run->stopping;

		run->failures = 0;
		run->culprit = NO_STREAM;
		for (uint32_t i = 0; i < graph->count; i++) {
			uint32_t id = graph->order[i];

			carry_task(reload, id);
			if (!run->tasks[id].in_run || run->tasks[id].state != ORCH_TASK_FAILED)
				continue;
			run->failures++;
			if (run->culprit == NO_STREAM || reload->before[id] == reload->old->culprit)
				run->culprit = id;
		}
		run->stopping = was_stopping && limit > 0 && run->failures >= limit;
		if (run->stopping == was_stopping)
			break;
	}
}

/* what was under way without a part in the run, and has one now */
static void regain_attempts(struct reload *reload, const struct reload_attempt *attempts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t id = attempts[i].stream;
		struct task *task;

		if (id == NO_STREAM || !is_wanted(reload, id))
			continue;
		task = &reload->run->tasks[id];
		task->in_run = task->carried = 1;
		task->state = ORCH_TASK_RUNNING;
		task->attempts = attempts[i].number < UINT16_MAX ? (uint16_t)attempts[i].number : UINT16_MAX;
		task->forgiven = 0;
	}
}

static void count_tasks(struct reload *reload)
{
	struct run *run = reload->run;
	const struct graph *graph = run->plan->graph;
	size_t in_run = 0;

	for (uint32_t n = 0; n < graph->count; n++) {
		uint32_t id = graph->order[n];
		const edge *deps = graph_deps(graph, id);
		struct task *task = &run->tasks[id];
		bool failed = false;

		if (!task->in_run)
			continue;
		in_run++;
		run->count[task->state]++;
		run->running_not_plain += task->state == ORCH_TASK_RUNNING;
		for (uint32_t i = 0; i < graph_dep_count(graph, id); i++) {
			const struct task *dep = &run->tasks[EDGE_STREAM(deps[i])];

			task->blockers += dep->in_run && !dep->over;
			failed |= dep->over && run_is_bad(run, EDGE_STREAM(deps[i]));
		}
		if (task->state < ORCH_TASK_COMPLETED)
			task->dep_failed = failed;
		else
			task->over = task->blockers == 0;
	}
	run->settled = xmalloc((2 * in_run + 1) * sizeof *run->settled);
}

/* --- slots --- */

static uint32_t regained_by(
	const struct reload *reload, const struct reload_attempt *attempts, size_t count, uint32_t slot)
{
	for (size_t i = 0; i < count; i++) {
		if (attempts[i].slot == slot && attempts[i].stream != NO_STREAM &&
			reload->run->tasks[attempts[i].stream].state == ORCH_TASK_RUNNING)
			return attempts[i].stream;
	}
	return OUTSIDE;
}

static void carry_slots(struct reload *reload, const struct reload_attempt *attempts, size_t count)
{
	const struct run *old = reload->old;
	struct run *run = reload->run;
	uint32_t *after = reload_map(old->plan->project, run->plan->project);

	for (uint32_t i = 0; i < old->slot_count; i++) {
		const struct run_slot *slot = &old->slots[i];
		const struct words *touches = slot->touches;
		uint32_t id = slot->stream;

		if (id == NO_STREAM)
			continue;
		if (id != OUTSIDE)
			touches = &run_settings(old, id)->touches;
		if (id == OUTSIDE)
			id = regained_by(reload, attempts, count, i);
		else if (after[id] == NO_STREAM || run->tasks[after[id]].state != ORCH_TASK_RUNNING)
			id = OUTSIDE;
		else
			id = after[id];
		run->running_not_plain += id == OUTSIDE;
		pool_carry(run, id, i, old, touches);
	}
	free(after);
}

void reload_give_back(struct run *run, unsigned slot)
{
	pool_give_back_slot(run, slot);
	run->running_not_plain--;
}

/* --- going on --- */

static void tell_anew(const struct reload *reload, uint32_t id)
{
	const struct run_options *options = &reload->run->options;

	if (reload->anew[id] && options->on_change)
		options->on_change(options->data, id, ORCH_TASK_WAITING, ORCH_TASK_WAITING, NULL);
}

static void begin(struct reload *reload)
{
	struct run *run = reload->run;
	const struct graph *graph = run->plan->graph;

	for (uint32_t s = 0; s < graph->count; s++) {
		struct task *task = &run->tasks[s];

		tell_anew(reload, s);
		if (!task->in_run || task->state != ORCH_TASK_BACKOFF)
			continue;
		if (task->blockers > 0)
			run_set_state(run, s, ORCH_TASK_WAITING, NULL);
		else
			queue_push(&run->backoff, (struct queue_item){.stream = s, .rank = -task->wake_ms});
	}
	/* those that one of them has failed already, each behind its dependencies */
	for (uint32_t i = 0; i < graph->count; i++) {
		uint32_t id = graph->order[i], bad;

		if (!run->tasks[id].in_run || run->tasks[id].state != ORCH_TASK_WAITING || run_is_cleanup(run, id))
			continue;
		bad = run_bad_dep(run, id);
		if (bad != NO_STREAM)
			run_skip(run, id, bad);
	}
	for (uint32_t s = 0; s < graph->count; s++) {
		if (run->tasks[s].in_run && run->tasks[s].blockers == 0)
			run_release(run, s);
	}
	run_work_off(run);
	/* others may have joined since that was done */
	sched_drain(run);
}

struct run *reload_run(const struct run *old, struct plan *plan, const struct reload_attempt *attempts, size_t count)
{
	struct run *run = run_new_empty(plan, plan, &old->options);
	uint32_t *before = reload_map(plan->project, old->plan->project);
	struct reload reload = {.run = run, .old = old, .before = before};

	reload.anew = xcalloc((size_t)plan->graph->count + 1, sizeof *reload.anew);
	reload.again = xcalloc((size_t)plan->graph->count + 1, sizeof *reload.again);
	run->jobs = old->jobs;
	run->random = old->random;
	run->ready_seq = old->ready_seq;
	run->paused = old->paused;
	run->stopped = old->stopped;
	carry_tasks(&reload);
	regain_attempts(&reload, attempts, count);
	for (size_t i = 0; i < count; i++) {
		if (attempts[i].stream != NO_STREAM)
			reload.anew[attempts[i].stream] &= run->tasks[attempts[i].stream].state != ORCH_TASK_RUNNING;
	}
	count_tasks(&reload);
	carry_slots(&reload, attempts, count);
	begin(&reload);
	free(reload.again);
	free(reload.anew);
	free(before);
	return run;
}
