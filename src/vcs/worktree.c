#include "config.h"

#include "vcs/worktree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/glob.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "vcs/copy.h"
#include "vcs/op.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/save.h"

enum { ASIDE_TRIES = 1000, ROUNDS_MAX = 6 };

struct add_op {
	struct op op;
	struct repo *repo;
	char *stream, *branch, *base, *reason, *copy_from;
	bool afresh, has_copy;
	struct strvec copy; /* globs; later the files that .worktreeinclude names */
	struct worktree_list list;
	const struct worktree *mine; /* in the list; NULL: none at our path */
	char tip[GIT_OID_MAX];       /* of the branch; "" if there is none */
	char head[GIT_OID_MAX];      /* of a worktree that is there */
	unsigned rounds;             /* of looking at what is there */
	struct orch_error work_error;
	int work_result;
	struct worktree_made made;
	worktree_added *done;
	void *data;
};

static void list_again(struct op *op, const struct git_result *result);
static void got_list(struct op *op, const struct git_result *result);
static void got_tip(struct op *op, const struct git_result *result);
static void on_saved(struct add_op *add, const struct vcs_end *end, const struct saved_work *work);

static void finish(struct op *op)
{
	struct add_op *add = (struct add_op *)op;

	repo_end_turn(add->repo, op);
	add->done(add->data, &op->end, op->end.status == VCS_OK ? &add->made : NULL);
	worktree_list_release(&add->list);
	strvec_release(&add->copy);
	strvec_release(&add->made.saved);
	strvec_release(&add->made.copied);
	free(add->made.path);
	free(add->made.git_dir);
	free(add->made.moved_aside);
	free(add->stream);
	free(add->branch);
	free(add->base);
	free(add->reason);
	free(add->copy_from);
	free(add);
}

static bool work_succeeded(struct add_op *add)
{
	if (add->work_result != 0)
		op_fail(&add->op, VCS_FAILED, "%s", add->work_error.message);
	return add->work_result == 0;
}

/* --- the end: what is checked out --- */

static void got_head(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	char *mark;

	if (!op_oid(result, add->made.oid)) {
		op_fail_git(op, result,
			"what is checked out in '%s' is no commit: check out '%s' there, or 'orch --fresh %s' keeps what is there "
			"and begins again",
			add->made.path, add->branch, add->stream);
		return;
	}
	mark = xasprintf("%s/orch-set-up", add->made.git_dir);
	add->made.set_up = fs_exists(mark);
	free(mark);
	op_end(op);
}

static void complete(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	struct strvec argv = {0};

	(void)result;
	strvec_push(&argv, "rev-parse");
	strvec_push(&argv, "--verify");
	strvec_push(&argv, "HEAD^{commit}");
	op_gitv(op, got_head, add->made.path, &argv, NULL, NULL);
}

/* --- a new one: checkout and copies --- */

static void on_copied(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	(void)result;
	if (!work_succeeded(add))
		return;
	if (worktree_write_reason(add->made.git_dir, "", add->stream, &op->end.err) != 0)
		op_fail(op, VCS_FAILED, "%s", op->end.err.message);
	else
		complete(op, NULL);
}

/* on another thread */
static void copy_files(struct op *op)
{
	struct add_op *add = (struct add_op *)op;
	struct strvec paths = {0};

	add->work_result = 0;
	for (size_t i = 0; i < add->copy.count && add->work_result == 0; i++) {
		if (add->has_copy)
			add->work_result = glob_files(add->copy_from, add->copy.items[i], &paths, &add->work_error);
		else
			strvec_push(&paths, add->copy.items[i]);
	}
	for (size_t i = 0; i < paths.count && add->work_result == 0; i++) {
		if (strncmp(paths.items[i], ".orch/", 6) != 0 && strcmp(paths.items[i], ".orch") != 0)
			add->work_result = copy_path(
				add->copy_from, add->made.path, paths.items[i], &add->made.copied, &add->work_error);
	}
	strvec_release(&paths);
}

static void got_included(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	const char *at = result->out;

	if (!op_succeeded(op, result, "cannot read '%s/.worktreeinclude'", add->copy_from))
		return;
	for (; at < result->out + result->out_len; at += strlen(at) + 1)
		strvec_push(&add->copy, at);
	op_work(op, on_copied, copy_files);
}

static void got_git_dir(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	struct strvec argv = {0};
	char *include = NULL;

	if (!op_succeeded(op, result, "cannot use the worktree '%s'", add->made.path))
		return;
	free(add->made.git_dir);
	add->made.git_dir = op_line(result);
	if (add->copy_from && !add->has_copy)
		include = xasprintf("%s/.worktreeinclude", add->copy_from);
	if (include && fs_exists(include)) {
		strvec_push(&argv, "ls-files");
		strvec_push(&argv, "--others");
		strvec_push(&argv, "--ignored");
		strvec_push(&argv, "-z");
		strvec_pushf(&argv, "--exclude-from=%s", include);
		op_gitv(op, got_included, add->copy_from, &argv, NULL, NULL);
	} else {
		op_work(op, on_copied, copy_files);
	}
	free(include);
}

static void ask_git_dir(struct add_op *add, op_step *next)
{
	struct strvec argv = {0};

	strvec_push(&argv, "rev-parse");
	strvec_push(&argv, "--absolute-git-dir");
	op_gitv(&add->op, next, add->made.path, &argv, NULL, NULL);
}

static void on_checked_out(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	if (op_succeeded(op, result, "cannot check out '%s' for stream '%s'", add->branch, add->stream))
		ask_git_dir(add, got_git_dir);
}

static void on_added(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	struct strvec argv = {0};

	repo_end_turn(add->repo, op);
	if (!op_succeeded(op, result, "cannot add a worktree for stream '%s'", add->stream))
		return;
	add->made.fresh = true;
	/* hooks, filters and sparse patterns as with any checkout */
	strvec_push(&argv, "checkout");
	strvec_push(&argv, "--quiet");
	strvec_push(&argv, "--force");
	op_gitv(op, on_checked_out, add->made.path, &argv, NULL, NULL);
}

static void on_my_turn(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	char *reason = xasprintf("orch: making %s", add->stream);

	(void)result;
	op_git(op, on_added, "worktree", "add", "--quiet", "--no-checkout", "--lock", "--reason", reason,
		add->made.path, add->branch, NULL);
	free(reason);
}

/* --- the branch --- */

static void add_worktree(struct add_op *add)
{
	repo_take_turn(add->repo, &add->op, on_my_turn);
}

static void clean(struct add_op *add, op_step *next)
{
	struct strvec argv = {0};

	strvec_push(&argv, "clean");
	strvec_push(&argv, "--quiet");
	strvec_push(&argv, "--force");
	strvec_push(&argv, "--force"); /* repositories in it too: they are saved */
	strvec_push(&argv, "-d");
	op_gitv(&add->op, next, add->made.path, &argv, NULL, NULL);
}

static void on_cleaned_again(struct op *op, const struct git_result *result)
{
	if (op_succeeded(op, result, "cannot clean the worktree of '%s'", ((struct add_op *)op)->stream))
		complete(op, NULL);
}

static void on_rest_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct add_op *add = data;

	on_saved(add, end, work);
	if (end->status != VCS_OK || work->missing)
		return;
	if (work->saved)
		clean(add, on_cleaned_again);
	else
		complete(&add->op, NULL);
}

/* what the work's own rules ignored, the base's may not: it would be taken for new work */
static void on_reset(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	if (op_succeeded(op, result, "cannot reset the worktree of '%s'", add->stream))
		save_work_locked(add->repo,
			&(struct save_spec){.stream = add->stream, .dir = add->made.path, .reason = "that was ignored"},
			op, on_rest_saved, add);
}

static void on_cleaned(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	struct strvec argv = {0};

	if (!op_succeeded(op, result, "cannot clean the worktree of '%s'", add->stream))
		return;
	strvec_push(&argv, "checkout");
	strvec_push(&argv, "--quiet");
	strvec_push(&argv, "--force");
	strvec_push(&argv, "--no-track");
	strvec_push(&argv, "-B");
	strvec_push(&argv, add->branch);
	strvec_push(&argv, add->base);
	op_gitv(op, on_reset, add->made.path, &argv, NULL, NULL);
}

/* on another thread: what a person or an agent had begun there and not ended */
static void forget_begun(struct op *op)
{
	static const char *const names[] = {"rebase-merge", "rebase-apply", "sequencer"};
	struct add_op *add = (struct add_op *)op;

	add->work_result = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names && add->work_result == 0; i++) {
		char *path = xasprintf("%s/%s", add->made.git_dir, names[i]);

		add->work_result = fs_remove_tree(path, &add->work_error);
		free(path);
	}
}

/* first by the rules for ignoring that it was saved by */
static void on_forgotten(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	(void)result;
	if (work_succeeded(add))
		clean(add, on_cleaned);
}

/* all that could be lost is held by refs now */
static void start_afresh(struct add_op *add)
{
	struct strvec argv = {0};
	struct strbuf input = {0};
	char *ref;

	if (add->mine) {
		op_work(&add->op, on_forgotten, forget_begun);
		return;
	}
	ref = xasprintf(REFS_BRANCH "%s", add->branch);
	refs_add_change(&input, &(struct ref_change){.name = ref, .new_oid = add->base, .old_oid = add->tip});
	strvec_push(&argv, "update-ref");
	strvec_push(&argv, "-m");
	strvec_push(&argv, add->tip[0] ? "orch: start again" : "orch: start");
	strvec_push(&argv, "--stdin");
	strvec_push(&argv, "-z");
	/* then everything is as if the branch had been there */
	memcpy(add->tip, add->base, strlen(add->base) + 1);
	add->afresh = false;
	op_gitv(&add->op, got_tip, NULL, &argv, NULL, &input);
	strbuf_release(&input);
	free(ref);
}

static void on_saved(struct add_op *add, const struct vcs_end *end, const struct saved_work *work)
{
	if (end->status != VCS_OK)
		op_fail_as(&add->op, end);
	else if (work->missing)
		op_fail(&add->op, VCS_REFUSED, "not all of the work in '%s' can be saved, so it is left as it is: %.*s",
			add->made.path, (int)strcspn(work->missing, "\n"), work->missing);
	else if (work->saved && work->ref)
		strvec_push(&add->made.saved, work->ref);
}

static void on_tip_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct add_op *add = data;

	on_saved(add, end, work);
	if (end->status == VCS_OK)
		start_afresh(add);
}

static void got_tip_ancestry(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	if (!result->problem && result->code == 0)
		start_afresh(add); /* the base has it all */
	else if (!result->problem && result->code == 1)
		save_commit_locked(add->repo, add->stream, add->tip, op, on_tip_saved, add);
	else
		op_fail_git(op, result, "cannot compare '%s' with its base", add->branch);
}

static void save_tip(struct add_op *add)
{
	if (!add->tip[0])
		start_afresh(add);
	else
		op_git(&add->op, got_tip_ancestry, "merge-base", "--is-ancestor", add->tip, add->base, NULL);
}

static void on_head_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct add_op *add = data;

	on_saved(add, end, work);
	if (end->status == VCS_OK)
		save_tip(add);
}

static void got_head_ancestry(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	/* commits that the work made off its branch */
	if (!result->problem && result->code == 1)
		save_commit_locked(add->repo, add->stream, add->head, op, on_head_saved, add);
	else if (op_succeeded(op, result, "cannot compare '%s' with its worktree", add->branch))
		save_tip(add);
}

static void on_work_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct add_op *add = data;

	on_saved(add, end, work);
	if (end->status != VCS_OK || work->missing)
		return;
	if (work->saved && strcmp(add->head, add->tip) == 0)
		start_afresh(add); /* what was saved has it as its parent */
	else if (!add->head[0] || strcmp(add->head, add->tip) == 0)
		save_tip(add);
	else
		op_git(&add->op, got_head_ancestry, "merge-base", "--is-ancestor", add->head,
			add->tip[0] ? add->tip : add->base, NULL);
}

/* the branch is known, and whether there is a worktree to take */
static void got_tip(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	(void)result;
	if (result && !add->tip[0] && !op_oid(result, add->tip) && (result->problem || result->code != 1)) {
		op_fail_git(op, result, "cannot look up branch '%s'", add->branch);
		return;
	}
	/* of update-ref, when the branch was made or moved */
	if (result && (result->problem || result->code > 1)) {
		op_fail_git(op, result, "cannot make branch '%s'", add->branch);
		return;
	}
	if (!add->mine && !add->tip[0])
		start_afresh(add);
	else if (!add->mine && (!add->afresh || strcmp(add->tip, add->base) == 0))
		add_worktree(add);
	else if (!add->mine)
		save_tip(add);
	else if (!add->afresh && add->tip[0])
		complete(op, NULL);
	else
		save_work_locked(add->repo,
			&(struct save_spec){
				.stream = add->stream, .dir = add->made.path, .reason = add->reason, .deep = true},
			op, on_work_saved, add);
}

static void ask_tip(struct op *op, const struct git_result *result)
{
	char *ref = xasprintf(REFS_BRANCH "%s", ((struct add_op *)op)->branch);

	(void)result;
	op_git(op, got_tip, "rev-parse", "--quiet", "--verify", ref, NULL);
	free(ref);
}

/* --- what is there already --- */

static void got_my_git_dir(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	if (!op_succeeded(op, result, "cannot use the worktree '%s'", add->made.path))
		return;
	add->made.git_dir = op_line(result);
	memcpy(add->head, add->mine->oid, GIT_OID_MAX);
	op_clear_locks(op, add->repo, add->made.git_dir, add->branch, add->stream, ask_tip);
}

/* out of the way, with all that is in it */
static int move_aside(struct add_op *add)
{
	for (int i = 1; i < ASIDE_TRIES; i++) {
		char *to = xasprintf("%s.aside-%d", add->made.path, i);

		if (!fs_exists(to)) {
			if (rename(add->made.path, to) == 0) {
				add->made.moved_aside = to;
				return 0;
			}
			if (errno != EEXIST && errno != ENOTEMPTY) {
				error_errno(&add->op.end.err, "cannot move '%s' to '%s'", add->made.path, to);
				free(to);
				return -1;
			}
		}
		free(to);
	}
	return error_set(&add->op.end.err, "cannot move '%s' aside: too many are there", add->made.path);
}

static void on_dropped(void *data, const struct vcs_end *end, const struct worktree_removed *removed)
{
	struct add_op *add = data;

	if (end->status != VCS_OK) {
		op_fail_as(&add->op, end);
		return;
	}
	for (size_t i = 0; i < removed->saved.count; i++)
		strvec_push(&add->made.saved, removed->saved.items[i]);
	list_again(&add->op, NULL);
}

static void drop(struct add_op *add)
{
	worktree_remove_locked(add->repo,
		&(struct worktree_removal){.stream = add->stream, .path = add->made.path, .save = true}, &add->op,
		on_dropped, add);
}

/* does `path`/.git lead to a worktree's git directory of this repository? */
static bool is_linked(const struct add_op *add)
{
	char *path = xasprintf("%s/.git", add->made.path), *text = NULL, *prefix;
	struct stat st;
	size_t len;
	bool linked = false;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && fs_read(path, 65536, &text, &len, NULL) == 0 &&
		strncmp(text, "gitdir: ", 8) == 0) {
		char *target, *real;

		if (len > 0 && text[len - 1] == '\n')
			text[len - 1] = '\0';
		target = path_join(add->made.path, text + 8);
		real = realpath(target, NULL);
		prefix = xasprintf("%s/worktrees/", add->repo->common_dir);
		linked = real && strncmp(real, prefix, strlen(prefix)) == 0;
		free(prefix);
		free(real);
		free(target);
	}
	free(text);
	free(path);
	return linked;
}

static void on_repaired(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	(void)result; /* what it could not do is seen by looking again */
	if (!is_linked(add) && move_aside(add) != 0)
		op_fail(op, VCS_FAILED, "%s", op->end.err.message);
	else
		list_again(op, NULL);
}

static bool is_empty_or_absent(const char *path)
{
	/* only an empty directory goes */
	return rmdir(path) == 0 || errno == ENOENT;
}

static void decide(struct add_op *add)
{
	struct op *op = &add->op;
	enum worktree_state state = add->mine ? worktree_state(add->mine) : WORKTREE_COMPLETE;

	if (!add->mine) {
		if (!is_empty_or_absent(add->made.path) && move_aside(add) != 0)
			op_fail(op, VCS_FAILED, "%s", op->end.err.message);
		else
			op_clear_locks(op, add->repo, NULL, add->branch, add->stream, ask_tip);
	} else if (add->mine == &add->list.items[0]) {
		op_fail(op, VCS_REFUSED, "'%s' is the repository's main checkout", add->made.path);
	} else if (add->mine->gone || state == WORKTREE_MAKING || state == WORKTREE_REMOVING) {
		drop(add);
	} else if (!is_linked(add)) {
		op_git(op, on_repaired, "worktree", "repair", add->made.path, NULL);
	} else {
		ask_git_dir(add, got_my_git_dir);
	}
}

static void ask_list(struct op *op)
{
	op_git(op, got_list, "worktree", "list", "--porcelain", "-z", NULL);
}

static void got_list(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	int relinked;

	/* no round of ours: it is about another one, and has its own limit */
	if (worktree_list_mended(op, add->repo, result)) {
		ask_list(op);
		return;
	}
	if (!op_succeeded(op, result, "cannot list the worktrees"))
		return;
	worktree_list_release(&add->list);
	worktree_list_read(&add->list, result);
	add->mine = worktree_at(&add->list, add->made.path);
	relinked = add->mine ? 0 : worktree_relink(add->repo, add->stream, add->made.path, &op->end.err);
	if (relinked != 0) {
		if (relinked < 0)
			op_fail(op, VCS_FAILED, "%s", op->end.err.message);
		else
			list_again(op, NULL);
		return;
	}
	for (size_t i = 0; i < add->list.count; i++) {
		const struct worktree *other = &add->list.items[i];

		if (other == add->mine || !other->branch || strcmp(other->branch, add->branch) != 0)
			continue;
		op_fail(op, VCS_REFUSED,
			other->gone ? "branch '%s' is checked out in the worktree '%s', which is gone: `git worktree "
				      "prune` (after `git worktree unlock`) forgets it"
				    : "branch '%s' is checked out in '%s': remove that worktree, or give stream '%s' "
				      "another branch",
			add->branch, other->path, add->stream);
		return;
	}
	decide(add);
}

static void list_again(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	(void)result;
	if (++add->rounds > ROUNDS_MAX)
		op_fail(op, VCS_FAILED, "the worktree '%s' cannot be repaired; see `git worktree list`",
			add->made.path);
	else
		ask_list(op);
}

static void on_locked(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;

	(void)result;
	if (op->interrupted && worktree_clear_half_made(add->repo, add->stream, &op->end.err) < 0)
		op_fail(op, VCS_FAILED, "%s", op->end.err.message);
	else
		list_again(op, NULL);
}

static void begin(struct op *op, const struct git_result *result)
{
	struct add_op *add = (struct add_op *)op;
	const char *problem = ref_problem(add->branch);
	char *lock, *path;

	(void)result;
	if (problem) {
		op_fail(op, VCS_REFUSED, "'%s' cannot be a branch, since %s: give stream '%s' a `branch =`",
			add->branch, problem, add->stream);
		return;
	}
	path = worktree_real_path(add->made.path, &op->end.err);
	if (!path) {
		op_fail(op, VCS_FAILED, "%s", op->end.err.message);
		return;
	}
	free(add->made.path);
	add->made.path = path;
	lock = repo_stream_lock(add->repo, add->stream);
	op_lock(op, lock, "add\n", on_locked);
	free(lock);
}

void worktree_add(struct repo *repo, const struct worktree_spec *spec, worktree_added *done, void *data)
{
	struct add_op *add = xcalloc(1, sizeof *add);

	add->repo = repo;
	add->stream = xstrdup(spec->stream);
	add->branch = xstrdup(spec->branch);
	add->base = xstrdup(spec->base);
	add->made.path = xstrdup(spec->path);
	add->reason = xstrdup(spec->reason ? spec->reason : "before it starts again");
	add->copy_from = spec->copy_from ? xstrdup(spec->copy_from) : NULL;
	add->afresh = spec->afresh;
	add->has_copy = spec->copy != NULL;
	for (size_t i = 0; spec->copy && spec->copy_from && i < spec->copy->count; i++)
		strvec_push(&add->copy, spec->copy->items[i]);
	add->done = done;
	add->data = data;
	op_begin(&add->op, repo->git, repo->git_dir, finish, begin);
}
