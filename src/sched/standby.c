#include "config.h"

#include "sched/run_private.h"

/* Its end, if it is a good one, frees a slot and has no other consequence */
static bool is_plain(const struct run *run, uint32_t stream)
{
	const struct settings *set = run_settings(run, stream);
	const struct stream *what = &run->plan->project->streams[stream];
	bool is_bare = what->run.bytes && !what->prompt.bytes && !set->prompt_file && !set->check.bytes &&
		!set->setup.bytes && !set->runner && !run->plan->project->set.runner &&
		set->outputs.count == 0 && set->memory == 0 && set->every_count == 0 && !set->generates &&
		!set->orchfile && set->jobserver != JOBSERVER_FIFO;

	return is_bare && graph_user_count(run->plan->graph, stream) == 0 && set->weight <= 1 && !set->pool &&
		set->when == WHEN_SUCCESS && set->isolate != ISOLATE_WORKTREE && set->sandbox == SANDBOX_OFF &&
		set->detach != TRI_YES && !apart_has_peers(run, stream);
}

/* nothing about it has to be looked at in the moment in which it starts */
static bool may_stand_by(const struct run *run, uint32_t stream)
{
	const struct settings *set = run_settings(run, stream);

	if (!is_plain(run, stream) || set->inputs.count > 0 || set->approve ||
		run->plan->items[stream].action != PLAN_RUN || run->plan->facts[stream].stamp.present ||
		run->plan->project->streams[stream].run.late)
		return false;
	for (uint32_t i = 0; i < set->env_count; i++) {
		if (set->env[i].value.late)
			return false;
	}
	return true;
}

void standby_count_running(struct run *run, uint32_t stream, int change)
{
	if (run->tasks[stream].carried || !is_plain(run, stream))
		run->running_not_plain += (size_t)change;
}

bool sched_stand_by(struct run *run, uint32_t *stream)
{
	if (run->stopping || run->paused || run->used != run->jobs || run->lent > 0 || run->running_not_plain > 0 ||
		run->backoff.count > 0)
		return false;
	while (run->ready.count > 0) {
		uint32_t top = run->ready.items[0].stream;

		if (run->tasks[top].state != ORCH_TASK_READY) {
			queue_pop(&run->ready);
			pool_unblock(run, top);
			continue;
		}
		if (!may_stand_by(run, top))
			return false;
		queue_pop(&run->ready);
		run->tasks[top].standby = 1;
		run->standing_by++;
		*stream = top;
		return true;
	}
	return false;
}

static void leave(struct run *run, uint32_t stream)
{
	run->tasks[stream].standby = 0;
	run->standing_by--;
}

void sched_standby_began(struct run *run, uint32_t stream, unsigned slot)
{
	leave(run, stream);
	pool_hand_over(run, stream, slot);
	run_begin(run, stream, NULL);
}

void sched_stand_down(struct run *run, uint32_t stream)
{
	leave(run, stream);
	if (run->tasks[stream].state == ORCH_TASK_READY)
		sched_enqueue(run, stream);
}

size_t sched_standing_by(const struct run *run)
{
	return run->standing_by;
}
