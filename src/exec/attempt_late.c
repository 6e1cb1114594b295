/* What an attempt should have made, as it is seen here: what was written on another machine may be seen late. */
#include "config.h"

#include "exec/attempt_private.h"

#include <stdlib.h>

#include "exec/checkin.h"
#include "exec/workspace.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/loop.h"
#include "state/fingerprint.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/units.h"

enum { LOOK_AGAIN_MS = 250 };

static bool is_there(const char *dir, const char *file)
{
	char *path = path_join(dir ? dir : "", file);
	bool there = fs_exists(path);

	free(path);
	return there;
}

/* as a glob is looked for its directories are read anyway */
static void look_anew(const struct settings *set, const char *dir)
{
	for (uint32_t i = 0; i < set->outputs.count; i++) {
		if (!path_has_glob(set->outputs.items[i]))
			fs_look_again(dir, set->outputs.items[i]);
	}
	if (set->generates)
		fs_look_again(dir, set->generates);
}

const char *attempt_missing_output(const struct attempt *attempt)
{
	const struct settings *set = attempt->stream->set;
	const char *dir = attempt->workspace ? attempt->workspace->cwd : NULL, *missing;

	if (attempt->last.latency_ms > 0)
		look_anew(set, dir);
	missing = fingerprint_missing_output(attempt->stream, dir);
	if (!missing && attempt->last.latency_ms > 0 && set->generates && !is_there(dir, set->generates))
		missing = set->generates;
	return missing;
}

static void on_look_again(void *data)
{
	attempt_succeed(data);
}

bool attempt_looks_again(struct attempt *attempt)
{
	int64_t now = clock_mono_ms();

	if (attempt->last.latency_ms <= 0)
		return false;
	if (!attempt->look_again) {
		attempt->look_again = loop_timer_new(attempt->runner->loop, on_look_again, attempt);
		attempt->look_until_ms = now + attempt->last.latency_ms;
		/* its work is over: what is waited for is none of its time */
		attempt_pause_watch(attempt);
		if (attempt->checkins)
			(void)checkins_end(attempt->checkins);
	}
	if (now >= attempt->look_until_ms)
		return false;
	loop_timer_arm(attempt->look_again, LOOK_AGAIN_MS);
	return true;
}

char *attempt_missing_text(const struct attempt *attempt, const char *missing)
{
	const char *where = attempt->workspace ? " in its worktree" : "";
	char wait[UNITS_TEXT_MAX];

	if (attempt->last.latency_ms <= 0)
		return xasprintf("it succeeded, but its output '%s' does not exist%s", missing, where);
	return xasprintf(
		"it succeeded, but its output '%s' does not exist%s, or was not to be seen here within %s ('latency' "
		"of its runner)",
		missing, where, units_duration_exact(wait, attempt->last.latency_ms));
}

bool attempt_end_looking(struct attempt *attempt, enum orch_outcome outcome)
{
	if (!attempt->look_again)
		return false;
	/* once it goes on, it is as ever */
	if (attempt->job || attempt->phase == PHASE_COMMIT || attempt->phase == PHASE_SAVE)
		return false;
	if (!attempt->ending)
		attempt->ended_by = outcome;
	attempt->ending = true;
	loop_timer_arm(attempt->look_again, 0);
	return true;
}
