#include "config.h"

#include "orch/work.h"

#include "api/orch.h"
#include "exec/clean.h"
#include "exec/compare.h"
#include "os/clock.h"
#include "os/lockfile.h"
#include "state/detached.h"
#include "state/prune.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/strvec.h"

const char *orch_remnant_name(enum orch_remnant kind)
{
	static const char *const names[ORCH_REMNANTS] = {
		[ORCH_REMNANT_WORKTREE] = "worktree",
		[ORCH_REMNANT_DIRECTORY] = "directory",
		[ORCH_REMNANT_BRANCH] = "branch",
		[ORCH_REMNANT_SAVED] = "saved",
		[ORCH_REMNANT_RUN] = "run",
	};

	return names[kind];
}

/* --- clean --- */

static int list_busy(const struct statedir *dir, struct strvec *busy, struct orch_error *err)
{
	struct detached *items;
	size_t count;

	if (dir->fd < 0)
		return 0;
	if (detached_list(dir, &items, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		strvec_push(busy, items[i].stream);
	detached_list_free(items, count);
	return 0;
}

static int clean_runs(const struct clean_spec *spec, const struct statedir *dir, struct orch_error *err)
{
	const struct prune_limits limits = {.empty = true, .keep = 1};
	struct prune prune;
	int result;

	if (dir->fd < 0)
		return 0;
	if (prune_plan(&prune, dir, &limits, clock_wall_ms(), err) < 0)
		return -1;
	result = spec->dry_run ? 0 : prune_remove(&prune, dir, err);
	for (size_t i = 0; i < prune.count; i++) {
		const struct prune_run *run = &prune.runs[i];
		const struct orch_cleaned cleaned = {.kind = ORCH_REMNANT_RUN,
			.name = run->id,
			.removed = run->remove,
			.failed = result < 0 && run->exceeds && !run->remove,
			.why = run->why};

		spec->each(spec->data, &cleaned);
	}
	prune_release(&prune);
	return result;
}

int orch_clean(struct orch *orch, bool dry_run, void (*each)(void *data, const struct orch_cleaned *item), void *data,
	struct orch_error *err)
{
	struct statedir dir = {.fd = -1, .stamps_fd = -1, .lock = {.fd = -1}};
	struct stamp_store *store = NULL;
	struct strvec busy = {0};
	struct clean_spec spec = {
		.project = &orch->project, .busy = &busy, .dry_run = dry_run, .each = each, .data = data};
	int result;

	/* looked at first: claiming would make one */
	if (statedir_open(&dir, orch->project.dir, err) < 0)
		return -1;
	if (dir.fd >= 0 && dry_run)
		spec.running = lockfile_is_held(".orch/lock", NULL) != 0;
	if (dir.fd >= 0 && !dry_run) {
		statedir_release(&dir);
		if (statedir_claim(&dir, orch->project.dir, err) < 0)
			return -1;
	}
	result = stamp_store_open(&store, &dir, err);
	if (result == 0)
		result = list_busy(&dir, &busy, err);
	spec.store = store;
	if (result == 0) {
		struct orch_error cause = {0};

		/* what could not be removed in git is no reason to leave runs */
		result = clean_git(&spec, &cause);
		if (clean_runs(&spec, &dir, result < 0 ? NULL : err) < 0)
			result = result < 0 ? result : -1;
		if (cause.message[0] && err)
			*err = cause;
	}
	strvec_release(&busy);
	if (store)
		stamp_store_close(store);
	statedir_release(&dir);
	return result;
}

/* --- diff, conflicts --- */

static int open_stamps(struct orch *orch, struct statedir *dir, struct stamp_store **store, struct orch_error *err)
{
	*store = NULL;
	*dir = (struct statedir){.fd = -1, .stamps_fd = -1, .lock = {.fd = -1}};
	if (statedir_open(dir, orch->project.dir, err) < 0)
		return -1;
	if (stamp_store_open(store, dir, err) < 0) {
		statedir_release(dir);
		return -1;
	}
	return 0;
}

int orch_diff(
	struct orch *orch, size_t stream, const struct orch_diff_options *options, char **text, struct orch_error *err)
{
	struct statedir dir;
	struct stamp_store *store;
	int result;

	*text = NULL;
	if (open_stamps(orch, &dir, &store, err) < 0)
		return -1;
	result = compare_diff(&orch->project, store, &orch->project.streams[stream], options, text, err);
	stamp_store_close(store);
	statedir_release(&dir);
	return result;
}

int orch_conflicts(struct orch *orch, void (*each)(void *data, const struct orch_collision *collision), void *data,
	size_t *compared, struct orch_error *err)
{
	struct statedir dir;
	struct stamp_store *store;
	int result;

	*compared = 0;
	if (open_stamps(orch, &dir, &store, err) < 0)
		return -1;
	result = compare_conflicts(&orch->project, store, each, data, compared, err);
	stamp_store_close(store);
	statedir_release(&dir);
	return result;
}
