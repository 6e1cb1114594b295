/* Attempts that outlived their orch, seen from outside a run. */
#include "config.h"

#include "orch/run.h"

#include "exec/attempt.h"
#include "os/lockfile.h"
#include "os/supervised.h"
#include "state/detached.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* how long the end of one is waited for; its own steps may be long */
enum { WAIT_MS = 24 * 60 * 60 * 1000 };

struct orphan_list {
	struct orch_orphan *items;
	size_t count;
	size_t capacity;
};

void orch_orphans_free(struct orch_orphan *orphans, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(orphans[i].run);
		free(orphans[i].stream);
		free(orphans[i].record);
	}
	free(orphans);
}

/* the phase of the attempt that is running, if one is */
static void look_at(struct orphan_list *list, const char *dir, const struct detached *attempt)
{
	for (int phase = PHASE_RUN; phase <= PHASE_CHECK; phase++) {
		char *name = attempt_record(attempt->run, attempt->stream, attempt->attempt, (enum attempt_phase)phase);
		char *record = path_join(dir, name);
		struct supervised_record found;
		enum supervised_state state = SUPERVISED_NONE;

		free(name);
		/* what cannot be read is nothing that could be ended */
		if (supervised_look(record, &state, &found, NULL) < 0 || state != SUPERVISED_RUNNING) {
			free(record);
			continue;
		}
		*ARRAY_PUSH(list) = (struct orch_orphan){
			.run = xstrdup(attempt->run),
			.stream = xstrdup(attempt->stream),
			.attempt = attempt->attempt,
			.pid = (int)found.leader,
			.started_ms = found.started_ms,
			.record = record,
		};
	}
}

static int look_everywhere(
	struct orphan_list *list, const struct statedir *state, const char *dir, struct orch_error *err)
{
	struct detached *attempts;
	size_t count;

	if (detached_list(state, &attempts, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		look_at(list, dir, &attempts[i]);
	detached_list_free(attempts, count);
	return 0;
}

int orch_orphans_find(struct orch_orphan **out, size_t *count, const char *dir, struct orch_error *err)
{
	struct orphan_list list = {0};
	struct statedir state;
	char *lock = path_join(dir, ".orch/lock");
	bool held = lockfile_is_held(lock, NULL);
	int result;

	free(lock);
	*out = NULL;
	*count = 0;
	if (held)
		return 0;
	if (statedir_open(&state, dir, err) < 0)
		return -1;
	result = look_everywhere(&list, &state, dir, err);
	statedir_release(&state);
	if (result < 0)
		return -1;
	*out = list.items;
	*count = list.count;
	return 0;
}

static bool is_named(const char *const *streams, const char *name)
{
	if (!streams)
		return true;
	for (; *streams; streams++) {
		if (strcmp(*streams, name) == 0 || (path_has_glob(*streams) && path_match(*streams, name)))
			return true;
	}
	return false;
}

static int stop_one(const struct orch_orphan *orphan, bool now, struct orch_error *err)
{
	int result = now ? supervised_tell(orphan->record, SIGKILL, err) : supervised_end(orphan->record, err);

	/* it has just ended by itself */
	if (result < 0 && err->code == ORCH_ENOTFOUND)
		return 0;
	return result < 0 ? error_prefix(err, "cannot stop %s", orphan->stream) : 0;
}

static int wait_for(const struct orch_orphan *orphan, struct orch_error *err)
{
	struct supervised_record record;
	enum supervised_state state;

	if (supervised_look(orphan->record, &state, &record, err) < 0)
		return -1;
	if (state == SUPERVISED_RUNNING && !supervised_wait(&record, WAIT_MS))
		return error_set(err, "%s does not end: see process %d", orphan->stream, orphan->pid);
	return 0;
}

int orch_orphans_stop(const char *dir, const char *const *streams, bool now,
	void (*told)(void *data, const struct orch_orphan *orphan), void *data, size_t *count, struct orch_error *err)
{
	struct orphan_list list = {0};
	struct orch_error own = {0};
	struct statedir state;
	int result;

	*count = 0;
	if (!err)
		err = &own;
	/* so that no run adopts what is being ended */
	if (statedir_claim(&state, dir, err) < 0)
		return -1;
	result = look_everywhere(&list, &state, dir, err);
	/* all are told before any is waited for */
	for (size_t i = 0; result == 0 && i < list.count; i++) {
		if (is_named(streams, list.items[i].stream))
			result = stop_one(&list.items[i], now, err);
	}
	for (size_t i = 0; result == 0 && i < list.count; i++) {
		if (!is_named(streams, list.items[i].stream))
			continue;
		result = wait_for(&list.items[i], err);
		/* a person ended it: the next run shall begin anew, and not take its end for a failure */
		if (result == 0)
			result = detached_remove(&state, list.items[i].stream, err);
		if (result == 0) {
			++*count;
			if (told)
				told(data, &list.items[i]);
		}
	}
	orch_orphans_free(list.items, list.count);
	statedir_release(&state);
	return result;
}
