#include "config.h"

#include "exec/attempt_private.h"

#include "exec/checkin.h"
#include "exec/stint.h"
#include "exec/workspace.h"
#include "lang/setting.h"
#include "os/loop.h"

#include <signal.h>
#include <string.h>

/* --- what its agent's profile says, where the stream does not --- */

static bool stream_says(const struct stream *stream, const char *name)
{
	const struct setting *row = setting_find(name, strlen(name), SCOPE_STREAM);

	for (uint32_t i = 0; i < stream->origin_count; i++) {
		if (&setting_table[stream->origins[i].row] == row)
			return true;
	}
	return false;
}

/* the agent at work, if the stream leaves `name` to it */
static const struct agent *profile_for(const struct attempt *attempt, const char *name)
{
	if (!attempt->stint || (attempt->phase != PHASE_RUN && attempt->phase != PHASE_RECOVER) ||
		stream_says(attempt->stream, name))
		return NULL;
	return attempt->stint->agent;
}

const struct kill_step *attempt_kill_steps(const struct attempt *attempt, uint32_t *count)
{
	const struct agent *agent = profile_for(attempt, "kill");

	*count = agent && agent->kill ? agent->kill_count : attempt->stream->set->kill_count;
	return agent && agent->kill ? agent->kill : attempt->stream->set->kill;
}

int64_t attempt_idle_limit(const struct attempt *attempt)
{
	const struct agent *agent = profile_for(attempt, "idle");

	return agent && agent->idle_ms >= 0 ? agent->idle_ms : attempt->stream->set->idle_ms;
}

int64_t attempt_linger_ms(const struct attempt *attempt)
{
	const struct agent *agent = profile_for(attempt, "linger");

	return agent && agent->linger_ms >= 0 ? agent->linger_ms : attempt->stream->set->linger_ms;
}

static void next_kill_step(void *data)
{
	struct attempt *attempt = data;
	const struct settings *set = attempt->stream->set;
	const struct kill_step *steps, *step;
	uint32_t count;

	if (!attempt->job)
		return;
	steps = attempt_kill_steps(attempt, &count);
	if (attempt->kill_step >= count) {
		attempt->ops->stop(attempt->job, SIGKILL);
		return;
	}
	step = &steps[attempt->kill_step++];
	if (step->signo != SIGKILL)
		loop_timer_arm(attempt->kill, step->wait_ms >= 0 ? step->wait_ms : set->grace_ms);
	attempt->ops->stop(attempt->job, step->signo);
}

static void begin_killing(struct attempt *attempt, bool now)
{
	/* one that lingers is being ended already */
	if (attempt->kill)
		return;
	attempt->kill = loop_timer_new(attempt->runner->loop, next_kill_step, attempt);
	if (!now)
		next_kill_step(attempt);
}

void attempt_end_lingering(struct attempt *attempt)
{
	if (!attempt->job || attempt->ending || attempt->done)
		return;
	attempt->kill_step = 0;
	begin_killing(attempt, false);
}

void attempt_end(struct attempt *attempt, enum orch_outcome outcome, bool now)
{
	uint32_t count;

	if (attempt->done || attempt_end_looking(attempt, outcome))
		return;
	if (!attempt->job) {
		/* git is at work: when that is done, it ends; work that is being committed is done */
		attempt->ending = attempt->phase == PHASE_WORKTREE;
		attempt->ended_by = outcome;
		return;
	}
	if (!attempt->ending) {
		attempt->ending = true;
		attempt->ended_by = outcome;
		if (attempt->checkins)
			(void)checkins_end(attempt->checkins);
		begin_killing(attempt, now);
	}
	if (now) {
		(void)attempt_kill_steps(attempt, &count);
		attempt->kill_step = count;
		loop_timer_disarm(attempt->kill);
		next_kill_step(attempt);
	}
}

bool attempt_leave(struct attempt *attempt)
{
	if (!attempt_outlives_us(attempt) || attempt->done || attempt->ending || !attempt->job)
		return false;
	attempt_disarm(attempt);
	if (attempt->may_write)
		workspaces_note_others(attempt->workspaces, -1);
	checkins_free(attempt->checkins);
	attempt->checkins = NULL;
	attempt->ops->leave(attempt->job);
	attempt->job = NULL;
	return true;
}
