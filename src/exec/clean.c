#include "config.h"

#include "exec/clean.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "exec/repository.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"
#include "vcs/held.h"
#include "vcs/refs.h"

#define OURS "orch/"
#define NESTED "refs/orch/nested/"

struct clean;

struct item {
	struct clean *clean;
	enum orch_remnant kind;
	char *name, *stream;
	char *ref, *path; /* of a branch or saved work; of a worktree */
	char oid[GIT_OID_MAX];
	char *branch; /* of a worktree; NULL: detached */
	char *why;    /* once it is decided */
	bool safe;
	bool removed, failed;

	/* what git said */
	char *home;     /* a branch of the user's that has it; NULL: none */
	size_t commits; /* that the base has not */
	size_t log;     /* commits that only its log has */
	size_t files;   /* contents that neither the base has nor what stays of its stream */
	bool removable; /* a worktree: nothing is in it that is not on its branch */
	char *said;     /* of a worktree: why it is, or is not */
	char *problem;  /* it could not be asked: it stays */
};

struct clean {
	const struct clean_spec *spec;
	struct repository *repository;
	ARRAY(struct item *) items;
	struct strvec base;     /* the base's commit, or nothing */
	struct map mine;        /* branches, in full, that streams of the project give themselves by `branch =` */
	struct map busy;        /* streams */
	struct map squashed;    /* streams to the commit that was squashed */
	struct map with_nested; /* saved work (as "STREAM/N") that has repositories within */
	struct map checked_out; /* branches to the item of the worktree that has them; or to `elsewhere` */
	struct map by_branch;   /* branches (short) to their item */
	struct item elsewhere;
	size_t failed;
};

static struct item *add_item(struct clean *clean, enum orch_remnant kind, const char *name, const char *stream)
{
	struct item *item = xcalloc(1, sizeof *item);

	item->clean = clean;
	item->kind = kind;
	item->name = xstrdup(name);
	item->stream = stream ? xstrdup(stream) : NULL;
	*ARRAY_PUSH(&clean->items) = item;
	return item;
}

static void free_item(struct item *item)
{
	free(item->name);
	free(item->stream);
	free(item->ref);
	free(item->path);
	free(item->branch);
	free(item->why);
	free(item->home);
	free(item->said);
	free(item->problem);
	free(item);
}

static void keep(struct item *item, char *why)
{
	item->why = why;
}

static void let_go(struct item *item, char *why)
{
	item->safe = true;
	item->why = why;
}

static const struct stream *stream_of(const struct clean *clean, const char *name)
{
	uint32_t id = name ? project_find(clean->spec->project, name) : NO_STREAM;

	return id == NO_STREAM ? NULL : &clean->spec->project->streams[id];
}

/* will a run go on with what there is of it? What completed begins again from its base */
static bool is_unfinished(const struct clean *clean, const char *name)
{
	struct stamp stamp;

	return stream_of(clean, name) && !stamp_store_get(clean->spec->store, name, &stamp);
}

/* --- what there is --- */

static void gather_worktrees(struct clean *clean)
{
	const struct worktree_list *list = &clean->repository->list;

	for (size_t i = 0; i < list->count; i++) {
		const struct worktree *worktree = &list->items[i];
		const char *stream = worktree_stream(worktree);
		struct item *item = &clean->elsewhere;

		if (stream) {
			item = add_item(clean, ORCH_REMNANT_WORKTREE, worktree->path, stream);
			item->path = xstrdup(worktree->path);
			item->branch = worktree->branch ? xstrdup(worktree->branch) : NULL;
		}
		if (worktree->branch)
			map_set(&clean->checked_out, worktree->branch, item);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* what is where worktrees are made, and is none: moved out of the way of one, or forgotten by git */
static void gather_directories(struct clean *clean)
{
	char *place = workspace_path(clean->spec->project, "."), *real = realpath(place, NULL);
	DIR *dir = real ? opendir(real) : NULL;
	struct strvec found = {0};
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *path = path_join(real, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			!worktree_at(&clean->repository->list, path))
			strvec_push(&found, path);
		free(path);
	}
	if (dir)
		closedir(dir);
	if (found.count > 1)
		qsort(found.items, found.count, sizeof *found.items, by_name);
	for (size_t i = 0; i < found.count; i++)
		keep(add_item(clean, ORCH_REMNANT_DIRECTORY, found.items[i], NULL),
			xstrdup("it is no worktree of this repository: look into it, and remove it yourself"));
	strvec_release(&found);
	free(real);
	free(place);
}

static void gather_branches(struct clean *clean)
{
	const struct repository *repository = clean->repository;
	const struct project *project = clean->spec->project;

	for (uint32_t s = 0; s < project->stream_count; s++) {
		const char *branch = project->streams[s].set->branch;
		char *name;

		if (!branch || strncmp(branch, OURS, strlen(OURS)) == 0)
			continue;
		name = xasprintf(REFS_BRANCH "%s", branch);
		map_set(&clean->mine, name, clean);
		if (map_get(&repository->branches, name) && workspace_is_wanted(&project->streams[s]))
			keep(add_item(clean, ORCH_REMNANT_BRANCH, branch, project->streams[s].name),
				xstrdup("the Orchfile names it: orch removes only branches that it named itself"));
		free(name);
	}
	for (size_t i = 0; i < repository->names.count; i++) {
		const char *ref = repository->names.items[i], *branch = ref + strlen(REFS_BRANCH);
		struct item *item;

		if (strncmp(branch, OURS, strlen(OURS)) != 0)
			continue;
		item = add_item(clean, ORCH_REMNANT_BRANCH, branch, branch + strlen(OURS));
		item->ref = xstrdup(ref);
		memcpy(item->oid, repository->oids.items[i], strlen(repository->oids.items[i]) + 1);
		map_set(&clean->by_branch, item->name, item);
	}
}

static char *stream_in(const char *rest)
{
	return xstrndup(rest, strcspn(rest, "/"));
}

static void on_saved_refs(void *data, const struct vcs_end *end, const struct ref *refs, size_t count)
{
	struct clean *clean = data;

	(void)end;
	for (size_t i = 0; i < count; i++) {
		const char *name = refs[i].name, *rest = strchr(name + strlen("refs/orch/"), '/');
		char *stream = stream_in(rest ? rest + 1 : "");
		struct item *item = add_item(clean, ORCH_REMNANT_SAVED, name, stream);

		item->ref = xstrdup(name);
		memcpy(item->oid, refs[i].oid, sizeof item->oid);
		if (strncmp(name, REFS_MERGED, strlen(REFS_MERGED)) == 0)
			map_set(&clean->squashed, stream, item->oid);
		if (strncmp(name, NESTED, strlen(NESTED)) == 0) {
			const char *number = rest ? strchr(rest + 1, '/') : NULL;
			char *key = number ? xasprintf("%s%.*s", stream, (int)strcspn(number, "."), number) : NULL;

			if (key)
				map_set(&clean->with_nested, key, item);
			free(key);
		}
		free(stream);
	}
}

/* --- asking git --- */

static void note_problem(struct item *item, const struct vcs_end *end)
{
	if (end->status != VCS_OK && !item->problem)
		item->problem = xstrdup(end->err.message);
}

/* a remote's copies of orch's branches are no home of their work */
static bool is_home(const struct clean *clean, const char *ref)
{
	if (strncmp(ref, REFS_BRANCH OURS, strlen(REFS_BRANCH OURS)) == 0 || map_get(&clean->mine, ref))
		return false;
	return strncmp(ref, "refs/remotes/", 13) != 0 || !strstr(ref, "/" OURS);
}

/* as people say it: "main", "origin/main", "v1" */
static const char *short_name(const char *ref)
{
	const char *rest = strchr(ref + strlen("refs/"), '/');

	return rest ? rest + 1 : ref;
}

static void on_held(void *data, const struct vcs_end *end, const struct strvec *refs)
{
	struct item *item = data;
	const char *base = item->clean->repository->base_name;

	note_problem(item, end);
	for (size_t i = 0; i < refs->count; i++) {
		const char *name = short_name(refs->items[i]);

		/* the base, where it is among them, is the one to name */
		if (!is_home(item->clean, refs->items[i]) || (item->home && strcmp(name, base) != 0))
			continue;
		free(item->home);
		item->home = xstrdup(name);
	}
}

static void on_commits(void *data, const struct vcs_end *end, size_t count)
{
	note_problem(data, end);
	((struct item *)data)->commits = count;
}

static void on_log(void *data, const struct vcs_end *end, const struct strvec *oids)
{
	note_problem(data, end);
	((struct item *)data)->log = oids->count;
}

static void on_files(void *data, const struct vcs_end *end, size_t count)
{
	note_problem(data, end);
	((struct item *)data)->files = count;
}

static void on_looked_at(void *data, const struct vcs_end *end, const struct worktree_removed *removed)
{
	struct item *item = data;

	item->removable = end->status == VCS_OK;
	item->said = xstrdup(end->status == VCS_OK && removed->why ? removed->why : end->err.message);
}

static bool is_own_place(const struct clean *clean, const struct item *item)
{
	const struct worktree *own = repository_worktree(clean->repository, item->stream);

	return own && strcmp(own->path, item->path) == 0;
}

/* What stays of the stream's: its branch, what was squashed, work that was saved later. Each of these goes only if what
 * it has is in the base, or in what stays of those after it: so nothing goes with the last that has it */
static void ask_files(struct clean *clean, size_t at)
{
	struct item *item = clean->items.items[at];
	char *own = xasprintf(OURS "%s", item->stream);
	const struct item *branch = map_get(&clean->by_branch, own);
	const char *squashed = map_get(&clean->squashed, item->stream);
	struct strvec by = {0};

	for (size_t i = 0; i < clean->base.count; i++)
		strvec_push(&by, clean->base.items[i]);
	if (branch)
		strvec_push(&by, branch->oid);
	if (squashed)
		strvec_push(&by, squashed);
	/* by stream, then by number */
	for (size_t i = at + 1; i < clean->items.count && clean->items.items[i]->kind == ORCH_REMNANT_SAVED &&
		strcmp(clean->items.items[i]->stream, item->stream) == 0;
		i++)
		strvec_push(&by, clean->items.items[i]->oid);
	held_files(clean->repository->repo, item->oid, &by, on_files, item);
	strvec_release(&by);
	free(own);
}

static bool is_work(const struct item *item)
{
	return item->kind == ORCH_REMNANT_SAVED && strncmp(item->ref, REFS_WIP, strlen(REFS_WIP)) == 0;
}

static void ask(struct clean *clean)
{
	struct repo *repo = clean->repository->repo;

	for (size_t i = 0; i < clean->items.count; i++) {
		struct item *item = clean->items.items[i];

		if (item->ref)
			held_by(repo, item->oid, on_held, item);
		if (item->kind == ORCH_REMNANT_WORKTREE && !is_own_place(clean, item))
			keep(item, xstrdup("it is another project's, whose own 'orch clean' looks at it"));
		else if (item->kind == ORCH_REMNANT_WORKTREE && map_get(&clean->busy, item->stream))
			keep(item, xstrdup("an attempt in it goes on, or is not settled yet: the next run does that"));
		else if (item->kind == ORCH_REMNANT_WORKTREE)
			worktree_remove(repo,
				&(struct worktree_removal){
					.stream = item->stream, .path = item->path, .save_log = true, .dry_run = true},
				on_looked_at, item);
	}
	repository_wait(clean->repository);
	for (size_t i = 0; i < clean->items.count; i++) {
		struct item *item = clean->items.items[i];

		if (item->kind == ORCH_REMNANT_BRANCH && item->ref) {
			held_log(repo, item->ref, on_log, item);
			if (!item->home)
				held_commits(repo, item->oid, &clean->base, on_commits, item);
		} else if (is_work(item) && !item->home) {
			ask_files(clean, i);
		}
	}
	repository_wait(clean->repository);
}

/* --- deciding --- */

static void decide_worktree(struct clean *clean, struct item *item)
{
	const struct item *branch = item->branch ? map_get(&clean->by_branch, item->branch) : NULL;
	bool known = stream_of(clean, item->stream) != NULL;

	if (item->why)
		return;
	if (clean->spec->running && is_unfinished(clean, item->stream))
		keep(item, xstrdup("a run is under way, and its stream has not completed"));
	else if (!item->removable && known)
		keep(item,
			xasprintf("%s; 'orch reset %s' saves it and removes the worktree", item->said, item->stream));
	else if (!item->removable)
		keep(item,
			xasprintf("%s; no stream has its name any more: commit that, or 'git worktree remove -f -f' it",
				item->said));
	else if (is_unfinished(clean, item->stream) && branch && !branch->home)
		keep(item, xasprintf("'%s' has not completed: the next run goes on in it", item->stream));
	else
		let_go(item, xstrdup(item->said));
}

static char *log_text(const struct item *item)
{
	return xasprintf("its log has %zu commit%s that no branch has; 'git reflog %s' shows them", item->log,
		item->log == 1 ? "" : "s", item->name);
}

static void decide_branch(struct clean *clean, struct item *item)
{
	const struct item *worktree = map_get(&clean->checked_out, item->name);
	const char *squashed = map_get(&clean->squashed, item->stream);
	const char *base = clean->repository->base_name;

	if (item->why)
		return;
	if (clean->spec->running && is_unfinished(clean, item->stream))
		keep(item, xstrdup("a run is under way, and its stream has not completed"));
	else if (map_get(&clean->busy, item->stream))
		keep(item, xstrdup("an attempt of its stream goes on, or is not settled yet"));
	else if (worktree && !worktree->safe)
		keep(item,
			xasprintf("it is checked out in %s",
				worktree->path ? worktree->path : "a worktree that is not orch's"));
	else if (item->problem)
		keep(item, xstrdup(item->problem));
	else if (item->log > 0 && !worktree) /* else they are saved with it */
		keep(item, log_text(item));
	else if (item->home)
		let_go(item, xasprintf("all of it is in '%s'", item->home));
	else if (squashed && strcmp(squashed, item->oid) == 0)
		let_go(item,
			xasprintf("it was squashed into another branch; its commits stay as " REFS_MERGED "%s",
				item->stream));
	else if (!stream_of(clean, item->stream))
		keep(item,
			xasprintf(
				"%zu commit%s that '%s' has not, and no stream has its name any more: 'git branch -D %s' removes "
				"it for good",
				item->commits, item->commits == 1 ? "" : "s", base, item->name));
	else if (is_unfinished(clean, item->stream))
		keep(item,
			xasprintf("%zu commit%s that '%s' has not: the next run goes on with them", item->commits,
				item->commits == 1 ? "" : "s", base));
	else
		keep(item,
			xasprintf("%zu commit%s that '%s' has not: 'orch merge %s' brings them home", item->commits,
				item->commits == 1 ? "" : "s", base, item->stream));
}

static void decide_saved(struct clean *clean, struct item *item)
{
	if (item->problem)
		keep(item, xstrdup(item->problem));
	else if (is_work(item) && map_get(&clean->with_nested, item->ref + strlen(REFS_WIP)))
		keep(item, xstrdup("there were repositories in the worktree, whose commits belong to it"));
	else if (item->home)
		let_go(item, xasprintf("all of it is in '%s'", item->home));
	else if (!is_work(item) && strncmp(item->ref, NESTED, strlen(NESTED)) == 0)
		keep(item, xstrdup("commits of a repository that was in the worktree"));
	else if (!is_work(item))
		keep(item, xstrdup("the commits that were squashed: nothing else has them"));
	else if (item->files == 0)
		let_go(item,
			xasprintf("every file in it is in '%s', or in what has been kept of '%s' since",
				clean->repository->base_name, item->stream));
	else
		keep(item,
			xasprintf(
				"%zu file%s as nothing else has them; 'git show %s' shows it, 'git update-ref -d' removes "
				"it for good",
				item->files, item->files == 1 ? "" : "s", item->ref));
}

static void decide(struct clean *clean)
{
	for (size_t i = 0; i < clean->items.count; i++) {
		if (clean->items.items[i]->kind == ORCH_REMNANT_WORKTREE)
			decide_worktree(clean, clean->items.items[i]);
	}
	for (size_t i = 0; i < clean->items.count; i++) {
		if (clean->items.items[i]->kind == ORCH_REMNANT_BRANCH)
			decide_branch(clean, clean->items.items[i]);
		else if (clean->items.items[i]->kind == ORCH_REMNANT_SAVED)
			decide_saved(clean, clean->items.items[i]);
	}
}

/* --- doing it --- */

static void on_gone(struct item *item, const struct vcs_end *end)
{
	item->removed = end->status == VCS_OK;
	if (item->removed)
		return;
	item->failed = true;
	item->clean->failed++;
	free(item->why);
	item->why = xstrdup(end->err.message);
}

static void on_removed(void *data, const struct vcs_end *end, const struct worktree_removed *removed)
{
	struct item *item = data;

	on_gone(item, end);
	if (removed && removed->why) {
		free(item->why);
		item->why = xstrdup(removed->why);
	}
}

static void on_deleted(void *data, const struct vcs_end *end)
{
	on_gone(data, end);
}

static void remove_worktrees(struct clean *clean)
{
	for (size_t i = 0; i < clean->items.count; i++) {
		struct item *item = clean->items.items[i];

		if (item->kind == ORCH_REMNANT_WORKTREE && item->safe)
			worktree_remove(clean->repository->repo,
				&(struct worktree_removal){
					.stream = item->stream, .path = item->path, .save_log = true},
				on_removed, item);
	}
	repository_wait(clean->repository);
}

/* a branch goes with its log */
static void look_at_logs_again(struct clean *clean)
{
	for (size_t i = 0; i < clean->items.count; i++) {
		struct item *item = clean->items.items[i];

		if (item->kind == ORCH_REMNANT_BRANCH && item->safe && item->log > 0)
			held_log(clean->repository->repo, item->ref, on_log, item);
	}
	repository_wait(clean->repository);
	for (size_t i = 0; i < clean->items.count; i++) {
		struct item *item = clean->items.items[i];

		if (item->kind != ORCH_REMNANT_BRANCH || !item->safe || item->log == 0)
			continue;
		item->safe = false;
		free(item->why);
		item->why = log_text(item);
	}
}

static void remove_refs(struct clean *clean)
{
	for (size_t i = 0; i < clean->items.count; i++) {
		struct item *item = clean->items.items[i];
		const struct item *worktree =
			item->kind == ORCH_REMNANT_BRANCH ? map_get(&clean->checked_out, item->name) : NULL;
		const struct ref_change change = {.name = item->ref, .old_oid = item->oid};

		if (!item->ref || !item->safe)
			continue;
		if (worktree && !worktree->removed) {
			item->safe = false;
			free(item->why);
			item->why = xasprintf("it is checked out in %s", worktree->path);
		} else {
			refs_change(clean->repository->repo, &change, 1, "orch: clean", on_deleted, item);
		}
	}
	repository_wait(clean->repository);
}

static void tell(const struct clean *clean)
{
	for (int kind = 0; kind < ORCH_REMNANTS; kind++) {
		for (size_t i = 0; i < clean->items.count; i++) {
			const struct item *item = clean->items.items[i];
			const struct orch_cleaned cleaned = {
				.kind = item->kind,
				.name = item->name,
				.stream = item->stream,
				.removed = clean->spec->dry_run ? item->safe : item->removed,
				.failed = item->failed,
				.why = item->why,
			};

			if ((int)item->kind == kind)
				clean->spec->each(clean->spec->data, &cleaned);
		}
	}
}

static int look(struct clean *clean, struct orch_error *err)
{
	struct repo *repo = clean->repository->repo;

	if (repository_look(clean->repository, err) != 0)
		return -1;
	if (clean->repository->base[0])
		strvec_push(&clean->base, clean->repository->base);
	for (size_t i = 0; i < clean->spec->busy->count; i++)
		map_set(&clean->busy, clean->spec->busy->items[i], clean);
	gather_worktrees(clean);
	gather_directories(clean);
	gather_branches(clean);
	refs_list(repo, "refs/orch/", on_saved_refs, clean);
	repository_wait(clean->repository);
	ask(clean);
	decide(clean);
	return 0;
}

int clean_git(const struct clean_spec *spec, struct orch_error *err)
{
	struct clean clean = {.spec = spec};
	struct orch_error cause = {0};
	int result = repository_open(&clean.repository, spec->project, &cause);

	if (result < 0 && cause.code == ORCH_ENOTFOUND)
		return 0;
	if (result < 0) {
		if (err)
			*err = cause;
		return -1;
	}
	map_init_owning(&clean.mine);
	map_init_owning(&clean.squashed);
	map_init_owning(&clean.with_nested);
	result = look(&clean, err);
	if (result == 0 && !spec->dry_run) {
		remove_worktrees(&clean);
		look_at_logs_again(&clean);
		remove_refs(&clean);
	}
	if (result == 0)
		tell(&clean);
	if (result == 0 && clean.failed > 0)
		result = error_set(err, "%zu of them could not be removed", clean.failed);
	for (size_t i = 0; i < clean.items.count; i++)
		free_item(clean.items.items[i]);
	ARRAY_RELEASE(&clean.items);
	strvec_release(&clean.base);
	map_release(&clean.mine);
	map_release(&clean.busy);
	map_release(&clean.squashed);
	map_release(&clean.with_nested);
	map_release(&clean.checked_out);
	map_release(&clean.by_branch);
	repository_close(clean.repository);
	return result;
}
