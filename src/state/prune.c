#include "config.h"

#include "state/prune.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "orch/event.h"
#include "os/fs.h"
#include "state/detached.h"
#include "state/journal.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/map.h"
#include "util/units.h"

/* a run is renamed to this before it is removed, so that no half of one is ever taken for a run */
#define GONE_PREFIX ".pruned-"

struct planner {
	struct prune *prune;
	const struct statedir *dir;
	struct map by_id;    /* to struct prune_run */
	const char *reading; /* id of the run whose journal is read */
};

static char *run_path(const struct statedir *dir, const char *id)
{
	return xasprintf("%s/runs/%s", dir->path, id);
}

static void set_why(struct prune_run *run, char *why)
{
	free(run->why);
	run->why = why;
}

/* --- what there is --- */

static int look_at_run(struct prune_run *run, const struct statedir *dir, bool *has_journal, struct orch_error *err)
{
	char *path = run_path(dir, run->id), *journal = xasprintf("%s/journal.jsonl", path);
	struct stat st;
	int result = 0;

	*has_journal = stat(journal, &st) == 0 && st.st_size > 0;
	if (!*has_journal && stat(path, &st) < 0)
		result = error_errno(err, "cannot look at '%s'", path);
	else
		run->ended_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	if (result == 0)
		result = fs_tree_size(path, &run->bytes, err);
	free(journal);
	free(path);
	return result;
}

/* --- what is needed --- */

/* the first reason stays */
static void need(struct planner *planner, const char *id, char *why)
{
	struct prune_run *run = map_get(&planner->by_id, id);

	if (run && !run->why)
		run->why = why;
	else
		free(why);
}

static int need_detached(struct planner *planner, struct orch_error *err)
{
	struct detached *items;
	size_t count;

	if (detached_list(planner->dir, &items, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		need(planner, items[i].run,
			xasprintf("its attempt of %s goes on, or is not settled yet", items[i].stream));
	detached_list_free(items, count);
	return 0;
}

/* an attempt of another run, which this one went on with */
static int on_event(void *data, const struct orch_event *event)
{
	struct planner *planner = data;

	if (event->type == ORCH_EVENT_ATTEMPT_STARTED && event->run && event->stream &&
		strcmp(event->run, planner->reading) != 0)
		need(planner, event->run,
			xasprintf("run %s went on with its attempt of %s", planner->reading, event->stream));
	return 0;
}

/* a journal that cannot be read is told: what it needs is not known */
static int need_of_run(struct planner *planner, const struct prune_run *run, struct orch_error *err)
{
	char *path = run_path(planner->dir, run->id), *journal = xasprintf("%s/journal.jsonl", path);
	struct orch_error cause = {0};
	int result = 0;

	planner->reading = run->id;
	if (journal_read(journal, 0, on_event, planner, NULL, &cause) < 0 && cause.code != ORCH_ENOTFOUND) {
		result = -1;
		if (err)
			*err = cause;
	}
	free(journal);
	free(path);
	return result;
}

/* --- deciding --- */

static char *too_old(int64_t age_ms)
{
	char text[UNITS_TEXT_MAX];

	return xasprintf("it ended %s ago", units_duration(text, age_ms));
}

static bool has_entries(const char *run, const char *name)
{
	char *path = xasprintf("%s/%s", run, name);
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool found = !dir && errno != ENOENT; /* what cannot be looked at may be something */

	while (dir && !found && (entry = readdir(dir)))
		found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (dir)
		closedir(dir);
	free(path);
	return found;
}

/* no attempt has left anything in it */
static bool is_empty(const struct statedir *dir, const char *id)
{
	char *path = run_path(dir, id), *console = xasprintf("%s/console.log", path);
	bool empty = !has_entries(path, "logs") && !has_entries(path, "attempts") && !fs_exists(console);

	free(console);
	free(path);
	return empty;
}

/* newest to oldest: what stays may need what is older. `sum`: of those that stay */
static int decide(struct planner *planner, const struct prune_limits *limits, int64_t now_ms, struct orch_error *err)
{
	struct prune *prune = planner->prune;
	int64_t sum = 0;
	bool full = false;

	for (size_t i = prune->count; i-- > 0;) {
		struct prune_run *run = &prune->runs[i];
		int64_t age = now_ms - run->ended_ms;
		bool old = limits->max_age_ms > 0 && age > limits->max_age_ms, empty;

		/* once one is too much, so is all that is older */
		full = full || (limits->max_bytes > 0 && sum + run->bytes > limits->max_bytes);
		empty = limits->empty && is_empty(planner->dir, run->id);
		run->exceeds = old || full || empty;
		run->remove = run->exceeds && !run->why;
		if (run->remove) {
			run->why = old ? too_old(age)
				: full ? xstrdup("the runs take more than they may, and it is among the oldest")
				       : xstrdup("nothing ran in it");
			continue;
		}
		if (!run->why)
			run->why = xstrdup(limits->empty ? "it has logs that are nowhere else; 'orch prune' removes old runs"
							 : "within the limits");
		sum += run->bytes;
		if (need_of_run(planner, run, err) < 0)
			return -1;
	}
	return 0;
}

int prune_plan(struct prune *prune, const struct statedir *dir, const struct prune_limits *limits, int64_t now_ms,
	struct orch_error *err)
{
	struct planner planner = {.prune = prune, .dir = dir};
	bool seen_journal = false;
	char **ids;
	int result = 0;

	*prune = (struct prune){0};
	if (statedir_runs(dir, &ids, &prune->count, err) < 0)
		return -1;
	prune->runs = xcalloc(prune->count + 1, sizeof *prune->runs);
	for (size_t i = 0; i < prune->count; i++) {
		prune->runs[i].id = ids[i];
		map_set(&planner.by_id, ids[i], &prune->runs[i]);
	}
	free(ids);
	for (size_t i = prune->count; i-- > 0 && result == 0;) {
		struct prune_run *run = &prune->runs[i];
		size_t place = prune->count - i;
		bool has_journal = false;

		result = look_at_run(run, dir, &has_journal, err);
		if (!seen_journal)
			set_why(run, xstrdup(place == 1 ? "it is the last run" : "the runs after it have no journal"));
		else if (place <= limits->keep)
			set_why(run, xasprintf("it is one of the last %u", limits->keep));
		seen_journal = seen_journal || has_journal;
	}
	if (result == 0)
		result = need_detached(&planner, err);
	if (result == 0)
		result = decide(&planner, limits, now_ms, err);
	map_release(&planner.by_id);
	if (result < 0)
		prune_release(prune);
	return result;
}

/* --- removing --- */

static int remove_gone(const struct statedir *dir, const char *name, struct orch_error *err)
{
	char *path = run_path(dir, name);
	int result = fs_remove_tree(path, err);

	free(path);
	return result;
}

/* what was renamed and not removed to its end */
static int remove_left(const struct statedir *dir, struct orch_error *err)
{
	char *path = run_path(dir, ".");
	DIR *stream = opendir(path);
	struct dirent *entry;
	int result = 0;

	if (!stream && errno != ENOENT)
		result = error_errno(err, "cannot list '%s'", path);
	free(path);
	if (!stream)
		return result;
	while (result == 0 && (entry = readdir(stream)) != NULL) {
		if (strncmp(entry->d_name, GONE_PREFIX, sizeof GONE_PREFIX - 1) == 0)
			result = remove_gone(dir, entry->d_name, err);
	}
	closedir(stream);
	return result;
}

static int remove_run(const struct statedir *dir, const char *id, struct orch_error *err)
{
	char *gone = xasprintf(GONE_PREFIX "%s", id), *from = run_path(dir, id), *to = run_path(dir, gone);
	int result = rename(from, to) < 0 ? error_errno(err, "cannot remove '%s'", from) : 0;

	if (result == 0)
		result = remove_gone(dir, gone, err);
	free(gone);
	free(from);
	free(to);
	return result;
}

int prune_remove(struct prune *prune, const struct statedir *dir, struct orch_error *err)
{
	int result = remove_left(dir, err);

	for (size_t i = 0; i < prune->count; i++) {
		struct prune_run *run = &prune->runs[i];

		if (!run->remove)
			continue;
		if (result == 0)
			result = remove_run(dir, run->id, err);
		run->remove = result == 0;
	}
	return result;
}

void prune_release(struct prune *prune)
{
	for (size_t i = 0; i < prune->count; i++) {
		free(prune->runs[i].id);
		free(prune->runs[i].why);
	}
	free(prune->runs);
	*prune = (struct prune){0};
}
