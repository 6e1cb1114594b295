#include "config.h"

#include "sched/run.h"

#include "sched/run_private.h"
#include "util/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BIT(state) (1u << ORCH_TASK_##state)

/* what may follow a state; waiting -> completed is for groups, which have nothing to run */
__attribute__((unused)) static const unsigned legal_next[ORCH_TASK_STATES] = {
	[ORCH_TASK_WAITING] = BIT(READY) | BIT(SKIPPED) | BIT(CANCELLED) | BIT(HELD) | BIT(COMPLETED),
	[ORCH_TASK_HELD] = BIT(READY) | BIT(CANCELLED) | BIT(SKIPPED) | BIT(FAILED),
	[ORCH_TASK_READY] = BIT(RUNNING) | BIT(HELD) | BIT(CANCELLED) | BIT(SKIPPED) | BIT(WAITING),
	[ORCH_TASK_RUNNING] =
		BIT(COMPLETED) | BIT(FAILED) | BIT(BACKOFF) | BIT(HELD) | BIT(CANCELLED) | BIT(READY) | BIT(WAITING),
	[ORCH_TASK_BACKOFF] = BIT(READY) | BIT(CANCELLED) | BIT(FAILED) | BIT(WAITING) | BIT(SKIPPED),
	[ORCH_TASK_COMPLETED] = 0,
	[ORCH_TASK_FAILED] = BIT(WAITING),
	[ORCH_TASK_SKIPPED] = BIT(WAITING),
	[ORCH_TASK_CANCELLED] = BIT(WAITING),
};

static bool is_final(unsigned state)
{
	return state >= ORCH_TASK_COMPLETED;
}

static void tell(
	const struct run *run, uint32_t stream, enum orch_task_state from, enum orch_task_state to, const char *reason)
{
	if (run->options.on_change)
		run->options.on_change(run->options.data, stream, from, to, reason);
}

void run_set_state(struct run *run, uint32_t stream, enum orch_task_state to, const char *reason)
{
	struct task *task = &run->tasks[stream];
	enum orch_task_state from = task->state;

	assert(task->in_run);
	assert(legal_next[from] & (1u << to));
	assert(from != ORCH_TASK_WAITING || to != ORCH_TASK_COMPLETED || run_is_group(run, stream));
	run->count[from]--;
	run->count[to]++;
	if (from == ORCH_TASK_READY)
		pool_count_ready(run, stream, -1);
	if (to == ORCH_TASK_READY)
		pool_count_ready(run, stream, 1);
	if (from == ORCH_TASK_RUNNING)
		standby_count_running(run, stream, -1);
	if (from == ORCH_TASK_RUNNING)
		task->carried = 0;
	if (to == ORCH_TASK_RUNNING)
		task->approved = 1;
	if (to == ORCH_TASK_RUNNING)
		standby_count_running(run, stream, 1);
	task->state = (uint8_t)to;
	tell(run, stream, from, to, reason);
	/* whoever was told could see that it did */
	if (from == ORCH_TASK_HELD && task->asks) {
		task->asks = 0;
		run->asking--;
	}
}

/* a `when = failure` stream that was not needed stops nobody */
static bool was_needless(const struct run *run, uint32_t stream)
{
	const struct task *task = &run->tasks[stream];

	return task->state == ORCH_TASK_SKIPPED && !task->dep_failed && run_settings(run, stream)->when == WHEN_FAILURE;
}

bool run_is_bad(const struct run *run, uint32_t stream)
{
	const struct task *task = &run->tasks[stream];

	if (!task->in_run || !is_final(task->state))
		return false;
	return task->state != ORCH_TASK_COMPLETED && !was_needless(run, stream);
}

uint32_t run_bad_dep(const struct run *run, uint32_t stream)
{
	const edge *deps = graph_deps(run->plan->graph, stream);

	for (uint32_t i = 0; i < graph_dep_count(run->plan->graph, stream); i++) {
		if (run_is_bad(run, EDGE_STREAM(deps[i])))
			return EDGE_STREAM(deps[i]);
	}
	return NO_STREAM;
}

static void end(struct run *run, uint32_t stream, enum orch_task_state to, const char *reason)
{
	run_set_state(run, stream, to, reason);
	run->settled[run->settled_tail++] = stream;
}

/* true: it is HELD now, since nobody has approved of it yet */
static bool ask(struct run *run, uint32_t stream)
{
	struct task *task = &run->tasks[stream];
	const char *what = NULL;

	if (run_settings(run, stream)->approve && !task->approved && run->options.approval)
		what = run->options.approval(run->options.data, stream);
	if (!what)
		return false;
	task->asks = 1;
	run->asking++;
	run_set_state(run, stream, ORCH_TASK_HELD, what);
	return true;
}

void run_release(struct run *run, uint32_t stream)
{
	struct task *task = &run->tasks[stream];
	bool is_group = run_is_group(run, stream);

	if (task->state != ORCH_TASK_WAITING)
		return;
	if (is_group && run->results)
		run->results->facts[stream].stamp.result = plan_deps_digest(run->plan, stream);
	if (run_settings(run, stream)->when == WHEN_FAILURE && !task->dep_failed) {
		end(run, stream, ORCH_TASK_SKIPPED, "nothing it depends on failed");
	} else if (is_group) {
		end(run, stream, ORCH_TASK_COMPLETED, NULL);
	} else if ((!run->stopping || run_is_cleanup(run, stream)) && !ask(run, stream)) {
		run_set_state(run, stream, ORCH_TASK_READY, NULL);
		sched_enqueue(run, stream);
	}
}

void run_skip(struct run *run, uint32_t stream, uint32_t dep)
{
	static const char *const fate[ORCH_TASK_STATES] = {
		[ORCH_TASK_FAILED] = "failed",
		[ORCH_TASK_SKIPPED] = "was skipped",
		[ORCH_TASK_CANCELLED] = "was cancelled",
	};
	char reason[256];

	/* a name has at most 128 bytes */
	snprintf(reason, sizeof reason, "depends on %s, which %s", run->plan->project->streams[dep].name,
		fate[run->tasks[dep].state]);
	end(run, stream, ORCH_TASK_SKIPPED, reason);
}

/* no user that needs the success of `stream` can have it any more */
static void skip_users(struct run *run, uint32_t stream)
{
	const edge *users = graph_users(run->plan->graph, stream);

	for (uint32_t i = 0; i < graph_user_count(run->plan->graph, stream); i++) {
		uint32_t id = EDGE_STREAM(users[i]);
		const struct task *user = &run->tasks[id];

		/* one that began before it had this dependency goes on */
		if (user->in_run && !is_final(user->state) && user->state != ORCH_TASK_RUNNING &&
			!run_is_cleanup(run, id))
			run_skip(run, id, stream);
	}
}

static void release_users(struct run *run, uint32_t stream, bool is_good)
{
	const struct task *task = &run->tasks[stream];
	const edge *users = graph_users(run->plan->graph, stream);
	uint32_t user_count = graph_user_count(run->plan->graph, stream);
	bool ran = run_is_group(run, stream) ? task->dep_ran : task->attempts > 0;

	for (uint32_t i = 0; i < user_count; i++) {
		uint32_t id = EDGE_STREAM(users[i]);
		struct task *user = &run->tasks[id];

		if (!user->in_run)
			continue;
		user->blockers--;
		if (!is_good)
			user->dep_failed = 1;
		else if (ran && !EDGE_ORDER_ONLY(users[i]))
			user->dep_ran = 1;
		if (user->blockers > 0)
			continue;
		if (is_final(user->state))
			run->settled[run->settled_tail++] = id;
		else
			run_release(run, id);
	}
}

static void tell_users(struct run *run, uint32_t stream)
{
	struct task *task = &run->tasks[stream];
	bool is_good = !run_is_bad(run, stream);

	if (task->over)
		return;
	if (!is_good)
		skip_users(run, stream);
	if (task->blockers > 0)
		return;
	task->over = 1;
	release_users(run, stream, is_good);
}

void run_work_off(struct run *run)
{
	while (run->settled_head < run->settled_tail)
		tell_users(run, run->settled[run->settled_head++]);
	run->settled_head = run->settled_tail = 0;
}

void run_settle(struct run *run, uint32_t stream)
{
	run->settled[run->settled_tail++] = stream;
	run_work_off(run);
}

static uint32_t add_task(struct run *run, uint32_t stream)
{
	const struct graph *graph = run->plan->graph;
	const edge *deps = graph_deps(graph, stream);
	struct task *task = &run->tasks[stream];

	if (run->plan->items[stream].action < PLAN_PERHAPS)
		return 0;
	task->in_run = 1;
	for (uint32_t i = graph_dep_count(graph, stream); i-- > 0;)
		task->blockers += run->plan->items[EDGE_STREAM(deps[i])].action >= PLAN_PERHAPS;
	return 1;
}

struct run *run_new_empty(const struct plan *plan, struct plan *results, const struct run_options *options)
{
	struct run *run = xcalloc(1, sizeof *run);

	run->plan = plan;
	run->results = results;
	run->options = *options;
	run->jobs = options->jobs > 0 ? options->jobs : 1;
	run->random = options->seed;
	run->culprit = NO_STREAM;
	run->tasks = xcalloc((size_t)plan->graph->count + 1, sizeof *run->tasks);
	pool_init(run);
	apart_init(run);
	return run;
}

static struct run *make(const struct plan *plan, struct plan *results, const struct run_options *options)
{
	struct run *run = run_new_empty(plan, results, options);
	uint32_t count = plan->graph->count;
	size_t in_run = 0;

	for (uint32_t s = 0; s < count; s++)
		in_run += add_task(run, s);
	run->count[ORCH_TASK_WAITING] = in_run;
	run->settled = xmalloc((2 * in_run + 1) * sizeof *run->settled);
	for (uint32_t s = 0; s < count; s++) {
		if (run->tasks[s].in_run)
			tell(run, s, ORCH_TASK_WAITING, ORCH_TASK_WAITING, NULL);
	}
	/* what they release in turn waits for run_work_off(): here each is looked at once */
	for (uint32_t s = 0; s < count; s++) {
		if (run->tasks[s].in_run && run->tasks[s].blockers == 0)
			run_release(run, s);
	}
	run_work_off(run);
	return run;
}

struct run *run_new(struct plan *plan, const struct run_options *options)
{
	return make(plan, plan, options);
}

struct run *run_new_virtual(const struct plan *plan, const struct run_options *options)
{
	return make(plan, NULL, options);
}

const struct task *run_task(const struct run *run, uint32_t stream)
{
	return &run->tasks[stream];
}

enum sched_policy run_policy(const struct run *run)
{
	return run->options.policy;
}

size_t run_count(const struct run *run, enum orch_task_state state)
{
	return run->count[state];
}

bool run_is_done(const struct run *run)
{
	const size_t *count = run->count;

	return count[ORCH_TASK_WAITING] + count[ORCH_TASK_HELD] + count[ORCH_TASK_READY] + count[ORCH_TASK_RUNNING] +
		count[ORCH_TASK_BACKOFF] ==
		0;
}

void run_free(struct run *run)
{
	if (!run)
		return;
	pool_finish(run);
	apart_finish(run);
	queue_release(&run->ready);
	queue_release(&run->backoff);
	free(run->settled);
	free(run->tasks);
	free(run);
}
