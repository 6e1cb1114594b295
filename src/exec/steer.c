#include "config.h"

#include "exec/executor_private.h"

#include "exec/attempt.h"
#include "exec/hooks.h"
#include "graph/project.h"
#include "os/loop.h"
#include "sched/sched.h"

#include <signal.h>

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
	tell(ex, &event);
	sched_stop(ex->run, why);
	if (how != ORCH_STOP_DRAIN) {
		for (uint32_t s = 0; s < ex->project->stream_count; s++) {
			/* what can go on without us has no part in our own trouble: settle() lets it go */
			if (ex->running[s] && !(ex->failed_itself && attempt_outlives_us(ex->running[s])))
				attempt_end(ex->running[s], ORCH_OUTCOME_STOPPED, how == ORCH_STOP_KILL);
		}
	}
	loop_idle_arm(ex->settle);
}
