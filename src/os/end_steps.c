#include "config.h"

#include "os/end_steps.h"

#include <signal.h>
#include <stddef.h>

#include "os/child.h"
#include "os/loop.h"

static void step_on(void *data)
{
	struct end_steps *end = data;
	const struct end_step *step;

	if (end->next >= end->count) {
		child_signal(end->child, SIGKILL);
		return;
	}
	step = &end->steps[end->next++];
	/* from SIGKILL on all is done by child.h */
	if (step->signo != SIGKILL)
		loop_timer_arm(end->timer, step->wait_ms);
	child_signal(end->child, step->signo);
}

void end_steps_begin(struct end_steps *end, struct loop *loop, struct child *child, int64_t delay_ms)
{
	if (end->begun || !child)
		return;
	end->begun = true;
	end->child = child;
	end->timer = loop_timer_new(loop, step_on, end);
	if (delay_ms > 0)
		loop_timer_arm(end->timer, delay_ms);
	else
		step_on(end);
}

void end_steps_over(struct end_steps *end)
{
	loop_timer_free(end->timer);
	end->timer = NULL;
	end->child = NULL;
}
