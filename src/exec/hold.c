/* Where agents meet the schedule: who may start, what is held and for how long, what becomes of a task whose attempt
 * has failed. */
#include "config.h"

#include "exec/executor_private.h"

#include "exec/agents.h"
#include "exec/attempt.h"
#include "exec/context.h"
#include "exec/hooks.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/loop.h"
#include "sched/sched.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/units.h"

#include <stdlib.h>

enum { LOOK_AGAIN_MS = 60 * 1000 }; /* the wall clock may be set, and machines sleep */

const char *hold_admit(void *data, uint32_t id)
{
	struct executor *ex = data;
	const char *why;
	uint32_t profile;

	if (!agents_are_wanted(ex->agents, &ex->project->streams[id]))
		return NULL;
	/* one that goes on already needs nobody's leave */
	if (ex->open && ex->open[id])
		return NULL;
	agents_memory(ex->agents, id, ex->plan->facts[id].recipe, ex->options->fresh);
	why = agents_admit(ex->agents, id, &profile);
	if (!why && profile != UINT32_MAX)
		sched_set_agent(ex->run, id, profile);
	return why;
}

void hold_tell(struct executor *ex)
{
	const struct holds *holds = agents_holds(ex->agents);

	for (size_t i = 0; i < holds->count; i++)
		tell_hold(ex, &holds->items[i]);
}

/* how many have ended */
static size_t end_holds(struct executor *ex, bool every, const char *why)
{
	const struct holds *holds = agents_holds(ex->agents);
	struct strvec before = {0};
	size_t ended;

	for (size_t i = 0; i < holds->count; i++)
		strvec_push(&before, holds->items[i].account);
	ended = agents_end_holds(ex->agents, every);
	for (size_t i = 0; i < before.count && ended; i++) {
		if (!holds_find(holds, before.items[i]))
			tell_free(ex, before.items[i], why);
	}
	strvec_release(&before);
	return ended;
}

void hold_release(struct executor *ex, bool every, const char *why)
{
	uint32_t profile;

	if (end_holds(ex, every, why) == 0 || run_count(ex->run, ORCH_TASK_HELD) == 0)
		return;
	executor_withdraw(ex);
	for (uint32_t s = 0; s < ex->project->stream_count; s++) {
		const struct task *task = run_task(ex->run, s);

		if (task->state == ORCH_TASK_HELD && !task->asks && !agents_admit(ex->agents, s, &profile))
			sched_release(ex->run, s, why);
	}
	loop_idle_arm(ex->settle);
}

/* none of them waits for another one, so their order is no matter */
static void cancel_held(struct executor *ex)
{
	for (uint32_t s = 0; s < ex->project->stream_count; s++) {
		const struct task *task = run_task(ex->run, s);
		char *reason;

		if (task->state != ORCH_TASK_HELD)
			continue;
		reason = task->asks ? xasprintf("not approved: 'orch approve %s', and the next run goes on with it",
					      ex->project->streams[s].name)
				    : xstrdup("held by a usage limit: the next run goes on with it");
		sched_cancel(ex->run, &s, 1, reason);
		free(reason);
	}
}

void hold_wait(struct executor *ex)
{
	bool alone = run_count(ex->run, ORCH_TASK_RUNNING) + run_count(ex->run, ORCH_TASK_READY) +
			run_count(ex->run, ORCH_TASK_BACKOFF) ==
		0;
	size_t held = run_count(ex->run, ORCH_TASK_HELD);
	int64_t left = -1;
	bool may_wait = false;

	if (held == 0 || !alone)
		approve_need_not_wait(ex);
	if (held == 0 || ex->ended)
		return;
	if (held > sched_asking(ex->run))
		may_wait = agents_may_wait(ex->agents, &left);
	if (alone && !may_wait && !approve_may_wait(ex)) {
		ex->held_to_the_end = true;
		cancel_held(ex);
	} else if (left >= 0) {
		loop_timer_arm_if_idle(ex->hold_end, left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS);
	}
}

void hold_on_end(void *data)
{
	struct executor *ex = data;

	hold_release(ex, false, "its account is held no more");
	loop_idle_arm(ex->settle);
}

/* --- money --- */

void hold_news(void *data, struct attempt *attempt, unsigned what)
{
	struct executor *ex = data;

	if (what & ATTEMPT_NEWS_SESSION)
		agents_note_session(attempt->agents, attempt);
	if ((what & ATTEMPT_NEWS_COST) && agents_spend(ex->agents, attempt->spent_new)) {
		tell_warning(ex, NULL, "the budget is spent: what runs is let finish, and nothing new starts");
		executor_stop(ex, ORCH_STOP_DRAIN, "the budget is spent");
	}
}

/* --- a failure --- */

/* a rule that waits or fails has somebody told */
static void run_script(struct executor *ex, struct attempt *attempt, const struct rule *rule, const char *reason)
{
	struct strbuf script = {0};
	struct orch_error err = {0};
	struct orch_event event;

	if (context_expand(attempt->context, attempt, &rule->run, true, &script, &err) < 0) {
		tell_warning(ex, attempt->stream->name, err.message);
	} else {
		orch_event_init(&event, ORCH_EVENT_TASK);
		event.time_ms = clock_wall_ms();
		event.stream = attempt->stream->name;
		event.reason = reason;
		event.log = attempt->log;
		hooks_run(ex->hooks, rule->name, strbuf_cstr(&script), &event);
	}
	strbuf_release(&script);
}

/* the Orchfile was read again since it began */
static void hand_on(struct executor *ex, const struct attempt *attempt, struct recover_decision *decision)
{
	uint32_t id = attempt->task;
	uint64_t recipe = ex->plan->facts[id].recipe;
	bool another = attempt->memory->recipe != recipe;

	agents_carry(ex->agents, id, recipe, attempt->agents, attempt->id);
	/* what it is now has not failed yet, and who was to mend what it was has nothing to mend */
	if ((another && decision->action == RECOVER_FAIL) ||
		(decision->action == RECOVER_FIX && !agents_will_mend(ex->agents, id)))
		*decision = (struct recover_decision){.action = RECOVER_BY_STREAM, .backoff_ms = -1};
}

void hold_settle(struct executor *ex, struct attempt *attempt, const char *message)
{
	struct recover_decision decision;
	uint32_t id = attempt->task;
	char *reason;
	int64_t now = clock_mono_ms(), wake;

	/* what fails goes by the rules that it began with, what is tried next by those that there are now */
	agents_failed(attempt->agents, attempt, &decision, &reason);
	if (decision.hold && holds_find(agents_holds(ex->agents), decision.hold))
		tell_hold(ex, holds_find(agents_holds(ex->agents), decision.hold));
	if (attempt->agents != ex->agents)
		hand_on(ex, attempt, &decision);
	if (reason) {
		tell_recovery(ex, attempt, reason);
		message = reason;
	}
	if (decision.script && decision.action != RECOVER_FIX)
		run_script(ex, attempt, decision.rule, message);
	wake = now + (decision.wake_ms > clock_wall_ms() ? decision.wake_ms - clock_wall_ms() : 0);
	switch (decision.action) {
	case RECOVER_BY_STREAM:
		if (decision.backoff_ms >= 0 && sched_may_retry(ex->run, id))
			sched_again(ex->run, id, now + decision.backoff_ms, true, message);
		else
			sched_finish(ex->run, id, attempt->outcome, message, now);
		break;
	case RECOVER_WAIT:
		if (decision.hold) {
			sched_hold(ex->run, id, message);
			break;
		}
		/* fall through */
	case RECOVER_RETRY:
	case RECOVER_FIX:
	case RECOVER_NEXT:
		sched_again(ex->run, id, wake, false, message);
		break;
	case RECOVER_FAIL:
		sched_fail(ex->run, id, message);
		break;
	}
	free(reason);
}
