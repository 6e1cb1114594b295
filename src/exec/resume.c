#include "config.h"

#include "exec/executor_private.h"

#include "exec/attempt.h"
#include "exec/resume.h"
#include "graph/project.h"
#include "os/supervised.h"
#include "sched/sched.h"
#include "state/detached.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* how many of them there are, for the one line */
struct found {
	unsigned adopted, settled, interrupted, elsewhere, outdated;
};

static const enum attempt_phase phases[] = {PHASE_CHECK, PHASE_RUN, PHASE_RECOVER};
enum { PHASES = sizeof phases / sizeof *phases };

/* first that it is to be looked for, then its files */
static void forget(struct executor *ex, const char *run, const char *stream, unsigned attempt)
{
	struct orch_error err = {0};
	int result = detached_remove(ex->dir, stream, &err);

	for (size_t i = 0; i < PHASES && result == 0; i++) {
		char *path = attempt_record(run, stream, attempt, phases[i]);

		result = supervised_forget(path, &err);
		free(path);
	}
	if (result != 0)
		tell_warning(ex, stream, err.message);
}

static void forget_one(struct executor *ex, const struct detached *one)
{
	forget(ex, one->run, one->stream, one->attempt);
}

int resume_look(const char *dir, const struct detached *one, enum supervised_state *state,
	struct supervised_record *record, struct orch_error *err)
{
	*state = SUPERVISED_NONE;
	for (size_t i = 0; i < PHASES && *state == SUPERVISED_NONE; i++) {
		char *relative = attempt_record(one->run, one->stream, one->attempt, phases[i]);
		char *path = dir ? path_join(dir, relative) : xstrdup(relative);
		int result = supervised_look(path, state, record, err);

		free(relative);
		free(path);
		if (result != 0)
			return -1;
	}
	return 0;
}

/* does it run what the stream is now? */
static bool is_current(const struct executor *ex, uint32_t id, const struct detached *one)
{
	const struct plan_facts *fact = &ex->plan->facts[id];

	return !fact->forced && fact->recipe == one->recipe && fact->inputs == one->inputs &&
		plan_deps_digest(ex->plan, id) == one->deps;
}

/* the machine went down, or its supervisor was killed: what may be left of it is ended */
static int clear_lost(const struct detached *one, const struct supervised_record *record, struct orch_error *err)
{
	char *mark = xasprintf("ORCH_JOB=%s:%s:%u", one->run, one->stream, one->attempt);
	int result = supervised_clear(record, mark, err);

	free(mark);
	return result < 0 ? -1 : 0;
}

/* 1: it goes on in the place of the running task's new attempt; 0: there is nothing to go on with */
static int go_on(struct executor *ex, uint32_t id, const struct detached *one, struct orch_error *err)
{
	struct attempt *attempt = executor_new_attempt(ex, id, one->run, one->attempt, sched_slot(ex->run, id));
	int result;

	attempt->outdated = !is_current(ex, id, one);
	ex->running[id] = attempt;
	result = attempt_adopt(attempt, err);
	if (result == 0)
		return 1;
	ex->running[id] = NULL;
	executor_drop(ex, attempt);
	return result > 0 ? 0 : -1;
}

bool resume_attempt(struct executor *ex, uint32_t id)
{
	const struct detached *one = ex->open ? ex->open[id] : NULL;
	struct supervised_record record;
	struct orch_error err = {0};
	enum supervised_state state;
	int result;

	if (!one)
		return false;
	ex->open[id] = NULL;
	result = resume_look(NULL, one, &state, &record, &err);
	/* what ended and was of another recipe, or of other inputs, is of no use */
	if (result == 0 && (state == SUPERVISED_RUNNING || (state == SUPERVISED_ENDED && is_current(ex, id, one))))
		result = go_on(ex, id, one, &err);
	else if (result == 0 && state == SUPERVISED_LOST)
		result = clear_lost(one, &record, &err);
	if (result < 0) {
		/* it may be running: it is not started a second time */
		settle_later(ex, executor_stillborn(ex, id, ORCH_OUTCOME_INTERNAL, err.message));
		return true;
	}
	return result > 0;
}

/* one of a task of this run */
static void take(struct executor *ex, uint32_t id, const struct detached *one, enum supervised_state state,
	const struct supervised_record *record, struct found *found)
{
	sched_set_attempts(ex->run, id, one->attempt - 1);
	switch (state) {
	case SUPERVISED_NONE:
		forget_one(ex, one);
		return;
	case SUPERVISED_LOST:
		if (clear_lost(one, record, NULL) < 0)
			break; /* its start says why it cannot be */
		forget_one(ex, one);
		found->interrupted++;
		return;
	case SUPERVISED_ENDED:
		if (run_task(ex->run, id)->state == ORCH_TASK_READY && !is_current(ex, id, one)) {
			forget_one(ex, one);
			found->outdated++;
			return;
		}
		found->settled++;
		break;
	default:
		found->adopted++;
		break;
	}
	ex->open[id] = one;
}

/* what depends on something that has to run first is looked at when its turn comes */
static void begin_ready(struct executor *ex)
{
	for (uint32_t id = 0; id < ex->project->stream_count; id++) {
		const struct detached *one = ex->open[id];
		char *reason;

		if (!one || run_task(ex->run, id)->state != ORCH_TASK_READY)
			continue;
		reason = xasprintf("attempt %u of run %s goes on", one->attempt, one->run);
		sched_begin(ex->run, id, reason);
		free(reason);
		if (!resume_attempt(ex, id))
			sched_put_back(ex->run, id);
	}
}

static void add_count(struct strbuf *out, unsigned count, const char *what)
{
	if (count)
		strbuf_addf(out, "%s%u %s", out->len ? ", " : "", count, what);
}

static void tell_found(struct executor *ex, const struct found *found)
{
	struct strbuf text = {0};
	struct orch_event event;

	add_count(&text, found->adopted, found->adopted == 1 ? "attempt goes on" : "attempts go on");
	add_count(&text, found->settled, "ended meanwhile");
	add_count(&text, found->interrupted,
		found->interrupted == 1 ? "was interrupted and is tried again"
					: "were interrupted and are tried again");
	add_count(&text, found->outdated, "ended, but what it was made from has changed since");
	add_count(&text, found->elsewhere, "more of streams that are not in this run");
	if (text.len) {
		char *message = xasprintf("left by the run before: %s", strbuf_cstr(&text));

		orch_event_init(&event, ORCH_EVENT_RESUMED);
		event.message = message;
		tell(ex, &event);
		free(message);
	}
	strbuf_release(&text);
}

void resume_begin(struct executor *ex)
{
	struct orch_error err = {0};
	struct found found = {0};

	if (detached_list(ex->dir, &ex->detached, &ex->detached_count, &err) < 0) {
		/* whoever does not know what runs must start nothing */
		tell_failure(ex, &err);
		return;
	}
	if (ex->detached_count == 0)
		return;
	ex->open = xcalloc(ex->project->stream_count ? ex->project->stream_count : 1, sizeof *ex->open);
	for (size_t i = 0; i < ex->detached_count; i++) {
		const struct detached *one = &ex->detached[i];
		uint32_t id = project_findn(ex->project, one->stream, strlen(one->stream));
		struct supervised_record record;
		enum supervised_state state;

		if (resume_look(NULL, one, &state, &record, &err) < 0) {
			tell_failure(ex, &err);
			return;
		}
		if (id != NO_STREAM && run_task(ex->run, id)->in_run)
			take(ex, id, one, state, &record, &found);
		else if (state == SUPERVISED_RUNNING)
			found.elsewhere++;
		else if (id == NO_STREAM || ex->plan->items[id].action == PLAN_COMPLETE)
			forget_one(ex, one);
	}
	tell_found(ex, &found);
	begin_ready(ex);
}

int resume_note(struct executor *ex, const struct attempt *attempt, struct orch_error *err)
{
	const struct plan_facts *fact = &ex->plan->facts[attempt->id];
	char *stream = xstrdup(attempt->stream->name);
	struct detached note = {
		.stream = stream,
		.run = ex->run_id,
		.attempt = attempt->number,
		.recipe = fact->recipe,
		.inputs = fact->inputs,
		.deps = plan_deps_digest(ex->plan, attempt->id),
	};
	int result = detached_write(ex->dir, &note, err);

	free(stream);
	return result;
}

void resume_leave(struct executor *ex)
{
	for (uint32_t id = 0; id < ex->project->stream_count; id++) {
		struct attempt *attempt = ex->running[id];

		if (!attempt || !attempt_leave(attempt))
			continue;
		ex->running[id] = NULL;
		executor_drop(ex, attempt);
		sched_finish(ex->run, id, ORCH_OUTCOME_STOPPED, "goes on without orch: the next one adopts it", 0);
	}
	for (size_t i = ex->outside.count; i-- > 0;) {
		struct attempt *attempt = ex->outside.items[i];

		if (!attempt_leave(attempt))
			continue;
		outside_over(ex, attempt, ORCH_TASK_CANCELLED, "goes on without orch");
		executor_drop(ex, attempt);
	}
}

void resume_renumber(struct executor *ex, const struct run *old, const uint32_t *before)
{
	const struct detached **open;

	if (!ex->open)
		return;
	open = xcalloc((size_t)ex->project->stream_count + 1, sizeof *open);
	for (uint32_t id = 0; id < ex->project->stream_count; id++) {
		if (before[id] != NO_STREAM && run_task(ex->run, id)->in_run)
			open[id] = ex->open[before[id]];
	}
	/* what nobody has dealt with, since its stream was not in the run */
	for (size_t i = 0; i < ex->detached_count; i++) {
		const struct detached *one = &ex->detached[i];
		uint32_t id = project_find(ex->project, one->stream);

		if (id == NO_STREAM || !run_task(ex->run, id)->in_run || run_task(ex->run, id)->attempts > 0 ||
			(before[id] != NO_STREAM && run_task(old, before[id])->in_run))
			continue;
		sched_set_attempts(ex->run, id, one->attempt - 1);
		open[id] = one;
	}
	free(ex->open);
	ex->open = open;
}

void resume_forget(struct executor *ex, const struct attempt *attempt)
{
	forget(ex, attempt->run, attempt->stream->name, attempt->number);
}

void resume_release(struct executor *ex)
{
	detached_list_free(ex->detached, ex->detached_count);
	free(ex->open);
	ex->detached = NULL;
	ex->open = NULL;
}
