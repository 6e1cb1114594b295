#include "config.h"

#include "exec/executor_private.h"

#include "event/event.h"
#include "exec/jobserver.h"
#include "exec/makeclient.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/system.h"
#include "sched/sched.h"
#include "util/alloc.h"
#include "util/units.h"

#include <stdlib.h>

enum {
	/* how often load, memory and pressure are looked at while they keep a task waiting */
	STRAIN_INTERVAL_MS = 1000,
	/* before starting again what could not be for want of processes, memory, descriptors */
	SHORTAGE_WAIT_MS = 1000,
};

static unsigned running(const struct executor *ex)
{
	return (unsigned)run_count(ex->run, ORCH_TASK_RUNNING);
}

/* --- fewer slots than there are --- */

static void tell_slots(struct executor *ex, const char *why)
{
	unsigned jobs = sched_jobs(ex->run);
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_SLOTS);
	event.jobs = ex->room.limit && ex->room.limit < jobs ? ex->room.limit : jobs;
	event.message = why;
	tell(ex, &event);
}

static void shrink(struct executor *ex, const char *why)
{
	if (room_shrink(&ex->room, running(ex)))
		tell_slots(ex, why);
}

void slots_put_off(struct executor *ex, uint32_t id, const char *why)
{
	sched_put_back(ex->run, id);
	if (!ex->room.limit) {
		char *message = xasprintf("cannot be started now: %s; fewer run at once until there is room", why);

		tell_warning(ex, ex->project->streams[id].name, message);
		free(message);
	}
	shrink(ex, why);
	ex->short_of_resources = true;
	loop_timer_arm(ex->retry_start, SHORTAGE_WAIT_MS);
}

/* what the machine says against one more; the caller frees. NULL: nothing */
static char *find_strain(const struct executor *ex)
{
	const struct orch_run_options *options = ex->options;
	char free_text[UNITS_TEXT_MAX], least[UNITS_TEXT_MAX];
	const char *of;
	int64_t available;
	double now;

	if (options->max_load > 0 && (now = system_load()) > options->max_load)
		return xasprintf("the load average is %.2f, above %g", now, options->max_load);
	if (options->min_free > 0) {
		available = system_free_memory();
		if (available >= 0 && available < options->min_free)
			return xasprintf("%s of memory are free, less than %s", units_size(free_text, available),
				units_size(least, options->min_free));
	}
	if (options->max_pressure > 0 &&
		(now = system_pressure(SYSTEM_PRESSURE, &of)) > options->max_pressure)
		return xasprintf("processes have waited for %s for %.2f %% of the last ten seconds, above %g %%", of,
			now, options->max_pressure);
	return NULL;
}

/* one always runs, or nothing ever would */
static bool may_start(struct executor *ex)
{
	char *strain;

	if (ex->short_of_resources)
		return false;
	if (running(ex) == 0)
		return true;
	if (!room_is_left(&ex->room, running(ex)))
		return false;
	strain = find_strain(ex);
	if (!strain)
		return true;
	shrink(ex, strain);
	free(strain);
	return false;
}

void slots_on_retry(void *data)
{
	struct executor *ex = data;
	char *strain = find_strain(ex);

	ex->short_of_resources = false;
	if (!strain && room_grow(&ex->room, sched_jobs(ex->run)))
		tell_slots(ex, NULL);
	if (ex->room.limit && !ex->finishing)
		loop_timer_arm(ex->retry_start, STRAIN_INTERVAL_MS);
	free(strain);
	loop_idle_arm(ex->settle);
}

/* --- filling them --- */

/* where they are those of a make around us, one more of its tokens is taken as long as that lets something start */
void executor_fill_slots(struct executor *ex)
{
	uint32_t stream;

	for (;;) {
		if (ex->around)
			sched_set_room(ex->run, makeclient_slots(ex->around));
		/* what the machine can bear is asked anew for every start */
		while (may_start(ex) && sched_next(ex->run, clock_mono_ms(), &stream))
			executor_start_task(ex, stream);
		if (!ex->around || !sched_wants_slots(ex->run) || sched_is_stopped(ex->run) ||
			makeclient_slots(ex->around) >= sched_jobs(ex->run) || !may_start(ex) ||
			!makeclient_take(ex->around))
			break;
	}
	if (ex->around) {
		unsigned used = sched_used(ex->run);
		bool wants = sched_wants_slots(ex->run) && !sched_is_stopped(ex->run) && may_start(ex) && used > 0 &&
			makeclient_slots(ex->around) < sched_jobs(ex->run);

		/* what is there for a weight that does not fit yet is kept */
		if (!wants)
			makeclient_keep(ex->around, used > 0 ? used : 1);
		sched_set_room(ex->run, makeclient_slots(ex->around));
		makeclient_wait(ex->around, wants);
	}
}

/* slots that nobody needs are lent; true: some that were lent can be used again */
static bool lend(struct executor *ex)
{
	bool freed;

	sched_set_lent(ex->run, jobserver_lent(ex->jobserver));
	freed = jobserver_balance(ex->jobserver, sched_spare(ex->run),
		sched_wants_slots(ex->run) || ex->short_of_resources || ex->room.limit || ex->finishing);
	sched_set_lent(ex->run, jobserver_lent(ex->jobserver));
	return freed;
}

void slots_pump(struct executor *ex)
{
	executor_fill_slots(ex);
	while (lend(ex))
		executor_fill_slots(ex);
	if (ex->room.limit || (sched_ready(ex->run) && !sched_is_paused(ex->run) && !ex->short_of_resources &&
				      !may_start(ex)))
		loop_timer_arm_if_idle(ex->retry_start, STRAIN_INTERVAL_MS);
}
