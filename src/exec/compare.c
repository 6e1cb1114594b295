#include "config.h"

#include "exec/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/repository.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/fs.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "vcs/forecast.h"
#include "vcs/held.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/save.h"

/* an answer that is one commit */
struct found {
	enum vcs_status status;
	struct orch_error err;
	char oid[GIT_OID_MAX];
	bool yes;
};

static void on_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct found *found = data;

	found->status = end->status;
	found->err = end->err;
	if (work)
		memcpy(found->oid, work->oid, sizeof found->oid);
}

static void on_commit(void *data, const struct vcs_end *end, const char *oid)
{
	struct found *found = data;

	found->status = end->status;
	found->err = end->err;
	if (end->status == VCS_OK)
		memcpy(found->oid, oid, strlen(oid) + 1);
}

/* what lies in a worktree now, as a commit that only this process knows of */
static void begin_reading(
	struct repository *repository, const char *stream, const struct worktree *worktree, struct found *found)
{
	const struct save_spec spec = {
		.stream = stream, .dir = worktree->path, .reason = "as it was looked at", .no_ref = true};

	save_work(repository->repo, &spec, on_saved, found);
}

/* the commits that a completed stream came from and to; "" where that is not known */
static int read_stamp(struct stamp_store *store, const struct stream *stream, char from[GIT_OID_MAX],
	char to[GIT_OID_MAX], struct orch_error *err)
{
	struct stamp_detail detail = {0};
	struct orch_error cause = {0};
	const char *base, *commit;

	*from = *to = '\0';
	if (stamp_store_read(store, stream->name, &detail, &cause) < 0) {
		if (cause.code == ORCH_ENOTFOUND)
			return 0;
		if (err)
			*err = cause;
		return -1;
	}
	base = workspace_stamped(&detail, "@base");
	commit = workspace_stamped(&detail, "commit");
	if (commit && strlen(commit) < GIT_OID_MAX)
		memcpy(to, commit, strlen(commit) + 1);
	if (commit && base && strlen(base) < GIT_OID_MAX)
		memcpy(from, base, strlen(base) + 1);
	stamp_detail_release(&detail);
	return 0;
}

/* --- diff --- */

struct diff {
	struct repository *repository;
	const struct stream *stream;
	struct stamp_store *store;
	char from[GIT_OID_MAX], to[GIT_OID_MAX];
	char *text;
	enum vcs_status status;
	struct orch_error err;
};

static void on_text(void *data, const struct vcs_end *end, const char *text, size_t len)
{
	struct diff *diff = data;

	diff->status = end->status;
	diff->err = end->err;
	if (end->status == VCS_OK)
		diff->text = xstrndup(text, len);
}

static void on_saved_refs(void *data, const struct vcs_end *end, const struct ref *refs, size_t count)
{
	struct diff *diff = data;

	(void)end;
	if (count > 0)
		memcpy(diff->to, refs[count - 1].oid, sizeof diff->to);
}

/* the worktree as it is now, from what it was cut from */
static int read_worktree(struct diff *diff, const struct worktree *worktree, struct orch_error *err)
{
	struct found found = {0};
	char *git_dir = worktree_git_dir(worktree->path);

	(void)workspace_read_base(git_dir, diff->from); /* without a note: from where it left the base */
	free(git_dir);
	begin_reading(diff->repository, diff->stream->name, worktree, &found);
	repository_wait(diff->repository);
	if (found.status != VCS_OK)
		return error_set(err, "%s", found.err.message);
	memcpy(diff->to, found.oid, sizeof diff->to);
	return 0;
}

static void on_is_ancestor(void *data, const struct vcs_end *end, bool yes)
{
	((struct found *)data)->yes = end->status == VCS_OK && yes;
}

/* its branch, or what was saved last, if that was made from it */
static void find_what_was_kept(struct diff *diff)
{
	struct repository *repository = diff->repository;
	char *branch = workspace_branch(diff->stream), *prefix = xasprintf(REFS_WIP "%s/", diff->stream->name);
	const char *tip = repository_branch(repository, branch);
	struct found found = {0};

	refs_list(repository->repo, prefix, on_saved_refs, diff);
	repository_wait(repository);
	if (tip && diff->to[0]) {
		ref_is_ancestor(repository->repo, tip, diff->to, on_is_ancestor, &found);
		repository_wait(repository);
	}
	if (tip && !found.yes)
		memcpy(diff->to, tip, strlen(tip) + 1);
	free(branch);
	free(prefix);
}

/* finds both ends. A worktree is what there is now; else what the stream completed with; else what was kept of it */
static int find_ends(struct diff *diff, struct orch_error *err)
{
	const char *name = diff->stream->name;
	const struct worktree *worktree = repository_worktree(diff->repository, name);
	struct found found = {0};

	if (worktree && !worktree->gone) {
		if (read_worktree(diff, worktree, err) < 0)
			return -1;
	} else if (read_stamp(diff->store, diff->stream, diff->from, diff->to, err) < 0) {
		return -1;
	}
	if (!diff->to[0])
		find_what_was_kept(diff);
	if (!diff->to[0])
		return error_code(err, ORCH_EUSAGE, "'%s' has not begun: it has neither a worktree nor a branch", name);
	if (diff->from[0])
		return 0;
	if (!diff->repository->base[0])
		return error_set(err, "'%s' has no commit to compare with", diff->repository->base_name);
	held_fork(diff->repository->repo, diff->repository->base, diff->to, on_commit, &found);
	repository_wait(diff->repository);
	if (found.status != VCS_OK)
		return error_set(err, "'%s' and '%s': %s", diff->repository->base_name, name, found.err.message);
	memcpy(diff->from, found.oid, sizeof diff->from);
	return 0;
}

static int show(struct diff *diff, const struct orch_diff_options *options, struct orch_error *err)
{
	char width[32];
	const char *arguments[8];
	size_t count = 0;

	arguments[count++] = options->color ? "--color=always" : "--color=never";
	/* also where the user has other ideas of a diff: it is to be read and applied */
	arguments[count++] = "--no-ext-diff";
	if (options->stat && options->width > 0) {
		snprintf(width, sizeof width, "--stat=%d", options->width);
		arguments[count++] = width;
	} else if (options->stat) {
		arguments[count++] = "--stat";
	}
	arguments[count] = NULL;
	held_diff(diff->repository->repo, diff->from, diff->to, arguments, on_text, diff);
	repository_wait(diff->repository);
	return diff->status == VCS_OK ? 0 : error_set(err, "%s", diff->err.message);
}

int compare_diff(const struct project *project, struct stamp_store *store, const struct stream *stream,
	const struct orch_diff_options *options, char **text, struct orch_error *err)
{
	struct diff diff = {.stream = stream, .store = store};
	int result;

	*text = NULL;
	if (!workspace_is_wanted(stream))
		return error_code(err, ORCH_EUSAGE,
			"'%s' works where the Orchfile is, with all others: only a stream with 'isolate = worktree' has changes of "
			"its own",
			stream->name);
	result = repository_open(&diff.repository, project, err);
	if (result == 0)
		result = repository_look(diff.repository, err);
	if (result == 0)
		result = find_ends(&diff, err);
	if (result == 0)
		result = show(&diff, options, err);
	repository_close(diff.repository);
	if (result == 0)
		*text = diff.text;
	return result;
}

/* --- conflicts --- */

struct side {
	char *name;
	uint32_t stream; /* NO_STREAM: the base */
	struct found tip, home;
	bool drop; /* the base has it */
};

struct conflicts {
	struct repository *repository;
	ARRAY(struct side *) sides;
	ARRAY(struct merge_side) compared;
	void (*each)(void *data, const struct orch_collision *collision);
	void *data;
	enum vcs_status status;
	struct orch_error err;
};

static struct side *add_side(struct conflicts *all, char *name, uint32_t stream, const char *oid)
{
	struct side *side = xcalloc(1, sizeof *side);

	side->name = name;
	side->stream = stream;
	if (oid)
		memcpy(side->tip.oid, oid, strlen(oid) + 1);
	*ARRAY_PUSH(&all->sides) = side;
	return side;
}

/* its run has removed the worktree while it was read, and all that was in it is on the branch now */
static void look_again(struct conflicts *all, struct side *side)
{
	const struct worktree *worktree;
	char *ref;

	if (side->tip.status == VCS_OK || side->stream == NO_STREAM)
		return;
	worktree = repository_worktree(all->repository, all->repository->project->streams[side->stream].name);
	if (!worktree || fs_is_directory(worktree->path))
		return;
	ref = xasprintf("%s%s", REFS_BRANCH, side->name);
	ref_resolve(all->repository->repo, ref, on_commit, &side->tip);
	free(ref);
}

/* every stream with a branch; where it has a worktree, what lies in that */
static int gather(
	struct conflicts *all, const struct project *project, struct stamp_store *store, struct orch_error *err)
{
	struct repository *repository = all->repository;

	if (repository->base[0])
		add_side(all, xstrdup(repository->base_name), NO_STREAM, repository->base);
	for (uint32_t s = 0; s < project->stream_count; s++) {
		const struct stream *stream = &project->streams[s];
		char from[GIT_OID_MAX], to[GIT_OID_MAX], *branch;
		const struct worktree *worktree;
		const char *tip;

		if (stream_is_group(stream) || !workspace_is_wanted(stream))
			continue;
		branch = workspace_branch(stream);
		tip = repository_branch(repository, branch);
		worktree = tip ? repository_worktree(repository, stream->name) : NULL;
		if (worktree && !worktree->gone) {
			begin_reading(repository, stream->name, worktree, &add_side(all, branch, s, NULL)->tip);
			continue;
		}
		if (tip && read_stamp(store, stream, from, to, err) < 0) {
			free(branch);
			return -1;
		}
		if (tip)
			add_side(all, branch, s, to[0] ? to : tip);
		else
			free(branch);
	}
	repository_wait(repository);
	for (size_t i = 0; i < all->sides.count; i++)
		look_again(all, all->sides.items[i]);
	repository_wait(repository);
	for (size_t i = 0; i < all->sides.count; i++) {
		if (all->sides.items[i]->tip.status != VCS_OK)
			return error_set(
				err, "'%s': %s", all->sides.items[i]->name, all->sides.items[i]->tip.err.message);
	}
	return 0;
}

static void on_is_home(void *data, const struct vcs_end *end, bool yes)
{
	((struct side *)data)->drop = end->status == VCS_OK && yes;
}

/* what the base has is home: only the base counts then */
static void drop_what_is_home(struct conflicts *all)
{
	for (size_t i = 1; all->repository->base[0] && i < all->sides.count; i++)
		ref_is_ancestor(all->repository->repo, all->sides.items[i]->tip.oid, all->repository->base, on_is_home,
			all->sides.items[i]);
	repository_wait(all->repository);
	for (size_t i = 0, kept = 0; i < all->sides.count; i++) {
		struct side *side = all->sides.items[i];

		if (side->drop)
			continue;
		/* those to be compared come first, so that their numbers are those of the forecast */
		all->sides.items[i] = all->sides.items[kept];
		all->sides.items[kept++] = side;
		*ARRAY_PUSH(&all->compared) = (struct merge_side){.name = side->name, .oid = side->tip.oid};
	}
}

static void on_forecast(void *data, const struct vcs_end *end, const struct forecast *forecast)
{
	struct conflicts *all = data;

	all->status = end->status;
	all->err = end->err;
	for (size_t i = 0; forecast && i < forecast->count; i++) {
		const struct forecast_pair *pair = &forecast->items[i];
		const struct side *ours = all->sides.items[pair->a], *theirs = all->sides.items[pair->b];
		const struct orch_collision collision = {
			.ours = ours->name,
			.theirs = theirs->name,
			.our_stream = ours->stream == NO_STREAM ? ORCH_NO_STREAM : (int64_t)ours->stream,
			.their_stream = theirs->stream,
			.files = (const char *const *)pair->files.items,
			.file_count = pair->files.count,
		};

		all->each(all->data, &collision);
	}
}

int compare_conflicts(const struct project *project, struct stamp_store *store,
	void (*each)(void *data, const struct orch_collision *collision), void *data, size_t *compared,
	struct orch_error *err)
{
	struct conflicts all = {.each = each, .data = data};
	struct orch_error cause = {0};
	int result = repository_open(&all.repository, project, &cause);

	*compared = 0;
	if (result < 0 && cause.code == ORCH_ENOTFOUND)
		return 0;
	if (result < 0 && err)
		*err = cause;
	if (result == 0)
		result = repository_look(all.repository, err);
	if (result == 0)
		result = gather(&all, project, store, err);
	if (result == 0) {
		drop_what_is_home(&all);
		forecast_conflicts(
			all.repository->repo, all.compared.items, all.compared.count, false, on_forecast, &all);
		repository_wait(all.repository);
		if (all.status != VCS_OK)
			result = error_set(err, "%s", all.err.message);
	}
	*compared = all.compared.count;
	for (size_t i = 0; i < all.sides.count; i++) {
		free(all.sides.items[i]->name);
		free(all.sides.items[i]);
	}
	ARRAY_RELEASE(&all.sides);
	ARRAY_RELEASE(&all.compared);
	repository_close(all.repository);
	return result;
}
