#include "config.h"

#include "exec/executor_private.h"

#include "exec/attempt.h"
#include "os/loop.h"
#include "os/supervised.h"
#include "sched/sched.h"
#include "util/error.h"

#include <unistd.h>

enum { FILES_EACH_STANDS_BY = 16 };

/* never started: as if it had not been prepared */
static void stand_down(struct executor *ex, struct attempt *attempt)
{
	uint32_t id = attempt->task;

	if (attempt->log_fd >= 0)
		unlink(attempt->log);
	ex->running[id] = NULL;
	executor_drop(ex, attempt);
	sched_stand_down(ex->run, id);
}

static void on_refused(void *data, struct attempt *attempt, const char *why)
{
	struct executor *ex = data;

	(void)why; /* whatever it is, it is found again when the task is started in its turn */
	stand_down(ex, attempt);
	loop_idle_arm(ex->settle);
}

static void on_got_slot(void *data, struct attempt *attempt)
{
	struct executor *ex = data;

	/* whoever had the slot is told of first */
	settle_ended(ex);
	sched_standby_began(ex->run, attempt->task, attempt->slot);
}

static bool prepare(struct executor *ex, uint32_t id, unsigned jobs)
{
	struct attempt *attempt = executor_new_attempt(ex, id, NULL, run_task(ex->run, id)->attempts + 1u, NO_SLOT_YET);

	attempt->put_off = on_refused;
	attempt->got_slot = on_got_slot;
	ex->running[id] = attempt;
	if (executor_must_run(ex, id, NULL) == 1 && attempt_stand_by(attempt, jobs, NULL) == 0)
		return true;
	stand_down(ex, attempt);
	return false;
}

void executor_stand_by(struct executor *ex)
{
	unsigned jobs = sched_jobs(ex->run);
	size_t standing_by = sched_standing_by(ex->run);
	uint32_t id;

	/* what the machine can bear is asked for every start; what somebody else has started says its end to us alone;
	 * and a slot of a make around us is given back as soon as we hear that it is free */
	if (ex->ended || ex->around || ex->short_of_resources || ex->finishing || jobs > CONTEXT_SLOTS_MAX ||
		ex->detached_count > 0 || ex->options->max_load > 0 || ex->options->min_free > 0 ||
		ex->options->max_pressure > 0)
		return;
	/* each has its log open, here and in the supervisor: most of what may be open is for those that run */
	while (standing_by < SUPERVISED_WAITING_MAX && (long)standing_by < ex->files / FILES_EACH_STANDS_BY &&
		sched_stand_by(ex->run, &id)) {
		if (!prepare(ex, id, jobs))
			return;
		standing_by++;
	}
}

void executor_withdraw(struct executor *ex)
{
	if (sched_standing_by(ex->run) > 0)
		supervision_withdraw(ex->supervision);
}
