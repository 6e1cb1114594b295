#include "config.h"

#include "orch/run.h"

#include "api/orch_run_private.h"
#include "exec/clean.h"
#include "exec/executor.h"
#include "exec/facts.h"
#include "exec/repository.h"
#include "exec/workspace.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/open_files.h"
#include "state/approval.h"
#include "state/detached.h"
#include "state/fingerprint.h"
#include "state/fragment.h"
#include "state/holdfile.h"
#include "state/journal.h"
#include "state/stamp.h"
#include "state/ticks.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* what was planned before the lock was taken may have been done by another run since, or lost by a crash of the machine
 */
static int plan_under_lock(struct orch_run *run, struct orch_error *err)
{
	struct orch_plan *plan = run->plan;
	unsigned restored = 0;

	stamp_store_close(plan->store);
	plan->store = NULL;
	if (stamp_store_open(&plan->store, &run->dir, err) < 0)
		return -1;
	if (journal_recover_stamps(&run->dir, plan->store, &restored, err) < 0)
		return -1;
	if (!restored && stamp_store_changed_ns(&run->dir) == plan->stamps_changed_ns && plan->stamps_changed_ns)
		return 0;
	return plan_rebuild(plan, err);
}

static bool has_work(const struct orch_plan *plan)
{
	return plan->plan.run_count + plan->plan.perhaps_count > 0;
}

static char *join_targets(const struct orch_plan *plan)
{
	struct strbuf text = {0};

	for (size_t i = 0; i < plan->only.count; i++)
		strbuf_addf(&text, "%s--only %s", text.len ? " " : "", plan->only.items[i]);
	for (size_t i = 0; i < plan->targets.count; i++)
		strbuf_addf(&text, "%s%s", text.len ? " " : "", plan->targets.items[i]);
	for (size_t i = 0; i < plan->except.count; i++)
		strbuf_addf(&text, "%s--except %s", text.len ? " " : "", plan->except.items[i]);
	return text.len ? strbuf_detach(&text) : NULL;
}

int orch_run_new(struct orch_run **out, struct orch *orch, struct orch_plan *plan,
	const struct orch_run_options *options, struct orch_error *err)
{
	struct orch_run *run = xcalloc(1, sizeof *run);
	struct executor_options executor;
	bool owes_merge = !options->touch && orch_plan_owes_merge(plan);

	*out = NULL;
	run->orch = run->now = orch;
	run->plan = plan;
	run->options = *options;
	run->dir.fd = run->dir.stamps_fd = run->dir.lock.fd = -1;
	if (!has_work(plan) && !owes_merge) {
		int pid = 0, held = lockfile_is_held_still(".orch/lock", &pid);

		if (held < 0)
			error_errno(err, "cannot see whether another run holds this project: '.orch/lock'");
		else if (held && pid > 0)
			error_code(err, ORCH_EBUSY,
				"another run holds this project (process %d); 'orch status' shows it", pid);
		else if (held)
			error_code(err, ORCH_EBUSY, "another run holds this project; 'orch status' shows it");
		if (held) {
			orch_run_free(run);
			return -1;
		}
		*out = run;
		return 0;
	}
	if (statedir_claim(&run->dir, orch->project.dir, err) < 0 || plan_under_lock(run, err) < 0) {
		orch_run_free(run);
		return -1;
	}
	if ((has_work(plan) || owes_merge) && !options->touch) {
		open_files_raise();
		run->targets = join_targets(plan);
		if (!options->loop && loop_new(&run->own_loop, err) < 0) {
			orch_run_free(run);
			return -1;
		}
		executor = (struct executor_options){
			.plan = &plan->plan,
			.dir = &run->dir,
			.store = plan->store,
			.cache = plan->cache,
			.loop = options->loop ? options->loop : run->own_loop,
			.run = &run->options,
			.targets = run->targets,
			.generate = {.check = generated_check, .grow = generated_grow, .data = run},
		};
		if (executor_new(&run->executor, &executor, err) < 0) {
			orch_run_free(run);
			return -1;
		}
	}
	*out = run;
	return 0;
}

void orch_run_listen(struct orch_run *run, const struct orch_listener *listener)
{
	if (run->executor)
		executor_listen(run->executor, listener);
}

static int touch(struct orch_plan *plan, const uint32_t *streams, size_t count, struct orch_error *err)
{
	if (facts_touch(&plan->plan, streams, count, plan->store, plan->cache, err) < 0)
		return -1;
	if (stamp_store_sync(plan->store, err) < 0 || file_cache_save(plan->cache, err) < 0)
		return -1;
	return 0;
}

int orch_run_execute(struct orch_run *run, struct orch_error *err)
{
	if (run->executor)
		return executor_execute(run->executor, err);
	if (run->options.touch && has_work(run->plan)) {
		size_t count;
		uint32_t *streams = plan_stale_streams(run->plan, &count);
		int status = touch(run->plan, streams, count, err);

		free(streams);
		return status;
	}
	return 0;
}

void orch_run_stop(struct orch_run *run, enum orch_stop how, const char *why)
{
	if (run->executor)
		executor_stop(run->executor, how, why);
}

int run_is_nothing(struct orch_error *err)
{
	return error_code(err, ORCH_EUSAGE, "nothing runs: there was nothing to do");
}

int orch_run_stop_streams(struct orch_run *run, const char *const *targets, bool now, const char *why, size_t *count,
	struct orch_error *err)
{
	return run->executor ? executor_stop_streams(run->executor, targets, now, why, count, err)
			     : run_is_nothing(err);
}

int orch_run_retry(
	struct orch_run *run, const char *const *targets, const char *why, size_t *count, struct orch_error *err)
{
	return run->executor ? executor_retry(run->executor, targets, why, count, err) : run_is_nothing(err);
}

int orch_run_approve(
	struct orch_run *run, const char *const *targets, const char *who, size_t *count, struct orch_error *err)
{
	return run->executor ? executor_approve(run->executor, targets, who, count, err) : run_is_nothing(err);
}

int orch_run_send(struct orch_run *run, const char *stream, const char *text, size_t len, const char *from, bool *typed,
	struct orch_error *err)
{
	return run->executor ? executor_send(run->executor, stream, text, len, from, typed, err) : run_is_nothing(err);
}

int orch_run_pause(struct orch_run *run, bool paused, const char *why, struct orch_error *err)
{
	return run->executor ? executor_pause(run->executor, paused, why, err) : run_is_nothing(err);
}

int orch_run_set_jobs(struct orch_run *run, unsigned jobs, const char *why, struct orch_error *err)
{
	return run->executor ? executor_set_jobs(run->executor, jobs, why, err) : run_is_nothing(err);
}

struct orch *orch_run_orchfile(const struct orch_run *run)
{
	return run->now;
}

const char *orch_run_id(const struct orch_run *run)
{
	return run->executor ? executor_run_id(run->executor) : NULL;
}

void orch_run_free(struct orch_run *run)
{
	if (!run)
		return;
	executor_free(run->executor);
	loop_free(run->own_loop);
	/* the plan's store was opened on our directory: it must not be used once that is closed */
	if (run->dir.fd >= 0 && run->plan->store) {
		stamp_store_close(run->plan->store);
		run->plan->store = NULL;
		if (stamp_store_open(&run->plan->store, &run->plan->dir, NULL) < 0)
			run->plan->store = NULL;
	}
	statedir_release(&run->dir);
	free(run->targets);
	free(run);
}

/* --- by hand --- */

int orch_holds_end(const char *path, size_t *count, struct orch_error *err)
{
	struct statedir dir;
	struct held_account *items;
	size_t bad;
	int status;

	*count = 0;
	if (statedir_claim(&dir, path, err) < 0)
		return -1;
	status = holdfile_read(&dir, &items, count, &bad, err);
	if (status == 0) {
		holdfile_free(items, *count);
		status = holdfile_write(&dir, NULL, 0, err);
	}
	statedir_release(&dir);
	return status;
}

/* the lock, and a plan of everything under it */
static int claim(struct orch *orch, struct statedir *dir, struct orch_plan **plan, struct orch_error *err)
{
	const struct orch_plan_options everything = {0};

	dir->fd = dir->stamps_fd = dir->lock.fd = -1;
	if (statedir_claim(dir, orch->project.dir, err) < 0)
		return -1;
	if (orch_plan_new(plan, orch, &everything, err) < 0) {
		statedir_release(dir);
		return -1;
	}
	stamp_store_close((*plan)->store);
	(*plan)->store = NULL;
	if (stamp_store_open(&(*plan)->store, dir, err) < 0) {
		orch_plan_free(*plan);
		statedir_release(dir);
		return -1;
	}
	return 0;
}

int orch_approve(struct orch *orch, const size_t *streams, size_t count, const char *who, size_t *approved,
	struct orch_error *err)
{
	struct statedir dir;
	struct orch_plan *plan;
	struct approval approval = {0};
	const char *one = NULL;
	int status = 0;

	*approved = 0;
	if (claim(orch, &dir, &plan, err) < 0)
		return -1;
	approval.by = xstrdup(who);
	approval.at_ms = clock_wall_ms();
	for (size_t i = 0; i < count && status == 0; i++) {
		const struct stream *stream = &orch->project.streams[streams[i]];

		one = stream->name;
		if (!stream->set->approve || stream_is_group(stream))
			continue;
		plan_approval(&approval, &plan->plan, (uint32_t)streams[i]);
		status = approval_write(&dir, stream->name, &approval, err);
		*approved += status == 0;
	}
	if (status == 0 && *approved == 0)
		status = error_code(
			err, ORCH_EUSAGE, "%s needs no approval: it has no 'approve = yes'", one ? one : "it");
	approval_release(&approval);
	orch_plan_free(plan);
	statedir_release(&dir);
	return status;
}

int orch_touch(struct orch *orch, const size_t *streams, size_t count, struct orch_error *err)
{
	struct statedir dir;
	struct orch_plan *plan;
	uint32_t *ordered;
	bool *wanted;
	size_t found = 0;
	int status;

	if (claim(orch, &dir, &plan, err) < 0)
		return -1;
	wanted = xcalloc(orch->graph.count ? orch->graph.count : 1, sizeof *wanted);
	ordered = xcalloc(count ? count : 1, sizeof *ordered);
	for (size_t i = 0; i < count; i++)
		wanted[streams[i]] = true;
	for (uint32_t i = 0; i < orch->graph.count; i++) {
		uint32_t s = orch->graph.order[i];

		if (wanted[s])
			ordered[found++] = s;
	}
	status = touch(plan, ordered, found, err);
	free(ordered);
	free(wanted);
	orch_plan_free(plan);
	statedir_release(&dir);
	return status;
}

/* what a reset of streams in worktrees looks at, once for all of them */
struct forgetting {
	struct orch *orch;
	struct repository *repository; /* NULL: not opened yet, or there is none */
	bool opened;
	struct detached *attempts; /* that go on without orch */
	size_t attempt_count;
	void (*kept)(void *data, size_t stream, const char *ref);
	void *data;
};

/* an attempt of it that goes on without orch works in what is to be removed */
static int check_idle(const struct forgetting *all, const char *stream, struct orch_error *err)
{
	for (size_t i = 0; i < all->attempt_count; i++) {
		if (strcmp(all->attempts[i].stream, stream) == 0)
			return error_code(err, ORCH_EUSAGE,
				"attempt %u of '%s' goes on, or is not settled yet: 'orch stop %s' ends it, the next run settles it",
				all->attempts[i].attempt, stream, stream);
	}
	return 0;
}

static int open_work(struct forgetting *all, struct orch_error *err)
{
	struct orch_error cause = {0};
	int result = repository_open(&all->repository, &all->orch->project, &cause);

	all->opened = true;
	if (result == 0)
		result = repository_look(all->repository, &cause);
	/* without a repository nothing can have been made in one */
	if (result < 0 && cause.code == ORCH_ENOTFOUND)
		return 0;
	if (result < 0 && err)
		*err = cause;
	return result;
}

/* its worktree and its branch */
static int forget_work(struct forgetting *all, size_t stream, struct orch_error *err)
{
	const struct stream *declared = &all->orch->project.streams[stream];
	struct strvec refs = {0};
	int result = check_idle(all, declared->name, err);

	if (result == 0 && !all->opened)
		result = open_work(all, err);
	if (result == 0 && all->repository)
		result = clean_stream(all->repository, declared, &refs, err);
	for (size_t i = 0; all->kept && i < refs.count; i++)
		all->kept(all->data, stream, refs.items[i]);
	strvec_release(&refs);
	return result;
}

int orch_reset(struct orch *orch, const size_t *streams, size_t count,
	void (*kept)(void *data, size_t stream, const char *ref), void *data, struct orch_error *err)
{
	struct forgetting all = {.orch = orch, .kept = kept, .data = data};
	struct statedir dir;
	struct orch_plan *plan;
	int status;

	if (claim(orch, &dir, &plan, err) < 0)
		return -1;
	status = detached_list(&dir, &all.attempts, &all.attempt_count, err);
	for (size_t i = 0; i < count && status == 0; i++) {
		const struct stream *stream = &orch->project.streams[streams[i]];

		if (workspace_is_wanted(stream))
			status = forget_work(&all, streams[i], err);
		if (status == 0)
			status = stamp_store_remove(plan->store, stream->name, err);
		if (status == 0)
			status = ticks_remove(&dir, stream->name, err);
		/* what it has generated goes with it; the stamps of that stay, should it generate the same again */
		if (status == 0 && stream->set->generates)
			status = fragment_forget(&dir, stream->name, err);
	}
	/* those before one that could not be reset are */
	if (stamp_store_sync(plan->store, status == 0 ? err : NULL) < 0)
		status = -1;
	detached_list_free(all.attempts, all.attempt_count);
	repository_close(all.repository);
	orch_plan_free(plan);
	statedir_release(&dir);
	return status;
}
