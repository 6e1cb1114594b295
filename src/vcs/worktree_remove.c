#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/map.h"
#include "util/path.h"
#include "vcs/op.h"
#include "vcs/repo.h"
#include "vcs/save.h"
#include "vcs/status.h"
#include "vcs/worktree.h"

enum { MOVE_TRIES = 100 };

struct remove_op {
	struct op op;
	struct repo *repo;
	char *stream, *path;
	bool save, save_log, dry_run;
	bool would_save; /* a dry run found something */
	struct worktree_list list;
	const struct worktree *mine;
	char *git_dir;
	struct strvec tips; /* commits that only the worktree's log has */
	struct orch_error work_error;
	int work_result;
	struct worktree_removed removed;
	worktree_removed_done *done;
	void *data;
};

static void finish(struct op *op)
{
	struct remove_op *remove = (struct remove_op *)op;

	remove->done(remove->data, &op->end, op->end.status == VCS_OK ? &remove->removed : NULL);
	worktree_list_release(&remove->list);
	strvec_release(&remove->tips);
	strvec_release(&remove->removed.saved);
	free(remove->removed.why);
	free(remove->git_dir);
	free(remove->stream);
	free(remove->path);
	free(remove);
}

/* --- removing, when nothing can be lost --- */

/* Others that are being removed at the same time take `base` away when it is empty, perhaps between its making and the
 * move: then it is made again */
static int move_away(const char *git_dir, const char *base, const char *gone, struct orch_error *err)
{
	char *above = path_dir(base);
	int result = fs_mkdirs(above, 0777, err), number = ENOENT;

	free(above);
	if (result < 0)
		return -1;
	for (int i = 0; i < MOVE_TRIES && number == ENOENT; i++) {
		if (mkdir(base, 0777) != 0 && errno != EEXIST)
			return error_errno(err, "cannot make directory '%s'", base);
		if (rename(git_dir, gone) == 0)
			return 0;
		number = errno;
		if (!fs_exists(git_dir))
			break;
	}
	errno = number;
	return error_errno(err, "cannot move '%s' to '%s'", git_dir, gone);
}

/*
 * On another thread: half made, or removed by half, and so without anything that somebody made. The git directory goes
 * last, and is moved out of git's sight before: half of one would be listed by nobody and stay.
 */
static void remove_trees(struct op *op)
{
	struct remove_op *remove = (struct remove_op *)op;
	struct orch_error *err = &remove->work_error;
	char *base = path_join(remove->repo->common_dir, "orch/removed"), *gone = path_join(base, remove->stream);
	int result = remove->mine ? fs_remove_tree(remove->path, err) : 0;

	if (result == 0)
		result = fs_remove_tree(gone, err);
	if (result == 0 && remove->git_dir) {
		result = move_away(remove->git_dir, base, gone, err);
		if (result == 0)
			result = fs_remove_tree(gone, err);
	}
	rmdir(base); /* if it is empty */
	remove->work_result = result;
	free(base);
	free(gone);
}

static void on_trees_removed(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;

	(void)result;
	if (remove->work_result != 0)
		op_fail(op, VCS_FAILED, "%s", remove->work_error.message);
	else
		op_end(op);
}

/* the git directory of a worktree that may be too broken for git to tell; NULL: there is none */
static char *find_git_dir(const struct remove_op *remove)
{
	char *base = path_join(remove->repo->common_dir, "worktrees"), *git_file = path_join(remove->path, ".git");
	char *found = NULL;
	DIR *dir = opendir(base);
	struct dirent *entry;

	while (!found && dir && (entry = readdir(dir))) {
		char *admin, *link;

		if (entry->d_name[0] == '.')
			continue;
		admin = path_join(base, entry->d_name);
		link = worktree_file_text(admin, "gitdir");
		if (strcmp(link, git_file) == 0) {
			found = admin;
			admin = NULL;
		}
		free(link);
		free(admin);
	}
	if (dir)
		closedir(dir);
	free(base);
	free(git_file);
	return found;
}

static void remove_by_hand(struct remove_op *remove)
{
	if (!remove->git_dir)
		remove->git_dir = find_git_dir(remove);
	op_work(&remove->op, on_trees_removed, remove_trees);
}

static void set_why(struct remove_op *remove)
{
	if (remove->would_save)
		remove->removed.why = xstrdup("what no branch has of its work would be saved");
	else if (remove->removed.saved.count > 0)
		remove->removed.why = xasprintf("its work is saved as %s", remove->removed.saved.items[0]);
	else if (remove->mine->branch)
		remove->removed.why = xasprintf("all its work is on branch '%s'", remove->mine->branch);
	else
		remove->removed.why = xstrdup("all its commits are on a branch or saved");
}

static void go(struct remove_op *remove)
{
	set_why(remove);
	if (remove->dry_run) {
		op_end(&remove->op);
		return;
	}
	/* from here on, whoever finds it knows that nothing in it is needed */
	if (worktree_write_reason(remove->git_dir, "removing ", remove->stream, &remove->op.end.err) != 0)
		op_fail(&remove->op, VCS_FAILED, "%s", remove->op.end.err.message);
	else
		remove_by_hand(remove);
}

/* --- what could be lost: commits that only its log has --- */

static void on_log_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct remove_op *remove = data;

	if (end->status != VCS_OK) {
		op_fail_as(&remove->op, end);
		return;
	}
	if (work->ref)
		strvec_push(&remove->removed.saved, work->ref);
	go(remove);
}

static void got_log_commit(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;
	char oid[GIT_OID_MAX];

	if (!op_oid(result, oid))
		op_fail_git(op, result, "cannot save the commits of '%s'", remove->stream);
	else
		save_commit_locked(remove->repo, remove->stream, oid, op, on_log_saved, remove);
}

/* one commit with all of them as parents */
static void save_log(struct remove_op *remove)
{
	struct strvec argv = {0};
	struct strbuf message = {0};
	char *tree;

	if ((remove->save || remove->save_log) && remove->dry_run) {
		remove->would_save = true;
		go(remove);
		return;
	}
	if (!remove->save && !remove->save_log) {
		op_fail(&remove->op, VCS_REFUSED, "'%s' has %zu commit%s in its log that no branch has, first %.12s",
			remove->path, remove->tips.count, remove->tips.count == 1 ? "" : "s", remove->tips.items[0]);
		return;
	}
	tree = xasprintf("%s^{tree}", remove->tips.items[0]);
	strvec_push(&argv, "commit-tree");
	for (size_t i = 0; i < remove->tips.count; i++) {
		strvec_push(&argv, "-p");
		strvec_push(&argv, remove->tips.items[i]);
	}
	strvec_push(&argv, tree);
	strbuf_addf(&message, "orch: commits that '%s' had made and left\n\nOrch-Stream: %s\n", remove->stream,
		remove->stream);
	op_gitv(&remove->op, got_log_commit, NULL, &argv, repo_identity(remove->repo), &message);
	strbuf_release(&message);
	free(tree);
}

/* lines of "COMMIT PARENT..." that no ref reaches: those that are nobody's parent hold the others */
static void got_unreachable(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;
	struct map parents = {0};
	struct strvec words = {0};
	const char *at;

	if (!op_succeeded(op, result, "cannot look for commits of '%s' that no branch has", remove->stream))
		return;
	map_init_owning(&parents);
	for (at = result->out; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		char *line = xstrndup(at, strcspn(at, "\n"));

		words = (struct strvec){0};
		strvec_split(&words, line);
		for (size_t i = 1; i < words.count; i++)
			map_set(&parents, words.items[i], remove);
		strvec_release(&words);
		free(line);
	}
	for (at = result->out; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		size_t len = strcspn(at, " \n");

		if (!map_getn(&parents, at, len))
			strvec_pushn(&remove->tips, at, len);
	}
	map_release(&parents);
	if (remove->tips.count > 0)
		save_log(remove);
	else
		go(remove);
}

static void got_log(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;
	struct strvec argv = {0};
	struct strbuf input = {0};

	if (!op_succeeded(op, result, "cannot read the log of '%s'", remove->path))
		return;
	strvec_push(&argv, "rev-list");
	strvec_push(&argv, "--parents");
	strvec_push(&argv, "--ignore-missing");
	strvec_push(&argv, "--stdin");
	strvec_push(&argv, "--not");
	strvec_push(&argv, "--glob=refs/*");
	strbuf_addstr(&input, result->out);
	op_gitv(op, got_unreachable, remove->repo->git_dir, &argv, NULL, &input);
	strbuf_release(&input);
}

/* HEAD is the first in its log; its log may be off, so HEAD itself is asked for too */
static void ask_log(struct remove_op *remove)
{
	struct strvec argv = {0};
	char *dir = xasprintf("--git-dir=%s", remove->git_dir);

	strvec_push(&argv, dir);
	strvec_push(&argv, "log");
	strvec_push(&argv, "--no-show-signature");
	strvec_push(&argv, "--walk-reflogs");
	strvec_push(&argv, "--format=%H");
	strvec_push(&argv, "HEAD");
	strvec_push(&argv, "--");
	op_gitv(&remove->op, got_log, remove->repo->git_dir, &argv, NULL, NULL);
	free(dir);
}

static void on_head_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct remove_op *remove = data;

	if (end->status != VCS_OK) {
		op_fail_as(&remove->op, end);
		return;
	}
	if (work->ref)
		strvec_push(&remove->removed.saved, work->ref);
	ask_log(remove);
}

static void got_containing(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;

	if (!op_succeeded(op, result, "cannot look for branches with the commits of '%s'", remove->stream))
		return;
	if (!result->out[0] && remove->save && remove->dry_run) {
		remove->would_save = true;
		go(remove);
	} else if (result->out[0])
		ask_log(remove);
	else if (remove->save)
		save_commit_locked(remove->repo, remove->stream, remove->mine->oid, op, on_head_saved, remove);
	else
		op_fail(op, VCS_REFUSED, "'%s' has commit %.12s checked out, which no branch has", remove->path,
			remove->mine->oid);
}

static void check_commits(struct remove_op *remove)
{
	char *contains;

	if (!remove->mine->oid[0]) {
		go(remove);
		return;
	}
	contains = xasprintf("--contains=%s", remove->mine->oid);
	op_git(&remove->op, got_containing, "for-each-ref", "--count=1", contains, NULL);
	free(contains);
}

/* --- what could be lost: files --- */

static void on_work_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct remove_op *remove = data;
	struct op *op = &remove->op;

	if (end->status != VCS_OK) {
		op_fail_as(op, end);
	} else if (work->missing) {
		op_fail(op, VCS_REFUSED, "not all of the work in '%s' can be saved: %.*s", remove->path,
			(int)strcspn(work->missing, "\n"), work->missing);
	} else if (work->saved && !remove->save) {
		op_fail(op, VCS_REFUSED, "'%s' has work that is not committed; `git -C` there `status` shows it",
			remove->path);
	} else {
		if (work->ref)
			strvec_push(&remove->removed.saved, work->ref);
		remove->would_save = work->saved && remove->dry_run;
		check_commits(remove);
	}
}

/* its files are gone; what was staged is in its index alone */
static void got_index_tree(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;
	struct strvec argv = {0};
	struct strbuf message = {0};
	char oid[GIT_OID_MAX];

	if (!op_oid(result, oid)) { /* a conflict is in it: nobody has staged all of it */
		check_commits(remove);
		return;
	}
	strvec_push(&argv, "commit-tree");
	strvec_push(&argv, "-p");
	strvec_push(&argv, remove->mine->oid);
	strvec_push(&argv, oid);
	strbuf_addf(&message, "orch: index of %s, whose worktree is gone\n\nOrch-Stream: %s\n", remove->stream,
		remove->stream);
	/* as with the log, then */
	op_gitv(op, got_log_commit, NULL, &argv, repo_identity(remove->repo), &message);
	strbuf_release(&message);
}

static void got_index_changes(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;
	struct strvec argv = {0};

	if (!result->problem && result->code == 0) {
		check_commits(remove);
	} else if (!result->problem && result->code == 1 && !remove->save) {
		op_fail(op, VCS_REFUSED, "the files of '%s' are gone, but its index has changes that no commit has",
			remove->path);
	} else if (!result->problem && result->code == 1 && remove->dry_run) {
		remove->would_save = true;
		go(remove);
	} else if (!result->problem && result->code == 1) {
		strvec_pushf(&argv, "--git-dir=%s", remove->git_dir);
		strvec_push(&argv, "write-tree");
		op_gitv(op, got_index_tree, NULL, &argv, NULL, NULL);
	} else {
		check_commits(remove);
	}
}

static void check_files(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;
	struct strvec argv = {0};

	(void)result;
	if (!remove->mine->gone) {
		save_work_locked(remove->repo,
			&(struct save_spec){.stream = remove->stream,
				.dir = remove->path,
				.reason = "before its worktree is removed",
				.deep = true,
				.no_ref = !remove->save || remove->dry_run},
			op, on_work_saved, remove);
	} else if (remove->mine->oid[0]) {
		strvec_pushf(&argv, "--git-dir=%s", remove->git_dir);
		strvec_push(&argv, "diff-index");
		strvec_push(&argv, "--cached");
		strvec_push(&argv, "--quiet");
		strvec_push(&argv, "HEAD");
		strvec_push(&argv, "--");
		op_gitv(op, got_index_changes, NULL, &argv, NULL, NULL);
	} else {
		go(remove);
	}
}

/* --- what is there --- */

static void on_locked(struct op *op, const struct git_result *result);

static void got_list(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;
	enum worktree_state state;

	if (worktree_list_mended(op, remove->repo, result)) {
		on_locked(op, NULL);
		return;
	}
	if (!op_succeeded(op, result, "cannot list the worktrees"))
		return;
	worktree_list_read(&remove->list, result);
	remove->mine = worktree_at(&remove->list, remove->path);
	if (!remove->mine) {
		if (fs_exists(remove->path))
			op_fail(op, VCS_REFUSED, "'%s' is no worktree of this repository", remove->path);
		else if (remove->dry_run)
			op_end(op);
		else
			op_work(op, on_trees_removed, remove_trees); /* what one that was cut short left */
		return;
	}
	remove->removed.there = true;
	state = worktree_state(remove->mine);
	remove->git_dir = find_git_dir(remove);
	if (remove->mine == &remove->list.items[0] || !remove->git_dir) {
		op_fail(op, VCS_REFUSED, "'%s' is the repository's main checkout", remove->path);
	} else if (state == WORKTREE_MAKING || state == WORKTREE_REMOVING) {
		remove->removed.why =
			xstrdup(state == WORKTREE_MAKING ? "it was never complete, and nothing has run in it"
							 : "its work is saved, and its removal has begun");
		if (remove->dry_run)
			op_end(op);
		else
			remove_by_hand(remove);
	} else {
		op_clear_locks(op, remove->repo, remove->git_dir, remove->mine->branch, remove->stream, check_files);
	}
}

static void on_locked(struct op *op, const struct git_result *result)
{
	(void)result;
	op_git(op, got_list, "worktree", "list", "--porcelain", "-z", NULL);
}

static void begin(struct op *op, const struct git_result *result)
{
	struct remove_op *remove = (struct remove_op *)op;
	char *path = worktree_real_path(remove->path, &op->end.err), *lock;

	(void)result;
	if (!path) {
		op_fail(op, VCS_FAILED, "%s", op->end.err.message);
		return;
	}
	free(remove->path);
	remove->path = path;
	if (op->borrowed) {
		on_locked(op, NULL);
		return;
	}
	lock = repo_stream_lock(remove->repo, remove->stream);
	op_lock(op, lock, "remove\n", on_locked);
	free(lock);
}

void worktree_remove_locked(struct repo *repo, const struct worktree_removal *spec, const struct op *holder,
	worktree_removed_done *done, void *data)
{
	struct remove_op *remove = xcalloc(1, sizeof *remove);

	remove->repo = repo;
	remove->stream = xstrdup(spec->stream);
	remove->path = xstrdup(spec->path);
	remove->save = spec->save;
	remove->save_log = spec->save_log;
	remove->dry_run = spec->dry_run;
	remove->done = done;
	remove->data = data;
	op_begin(&remove->op, repo->git, repo->git_dir, finish, begin);
	if (holder)
		op_share_lock(&remove->op, holder);
}

void worktree_remove(struct repo *repo, const struct worktree_removal *spec, worktree_removed_done *done, void *data)
{
	worktree_remove_locked(repo, spec, NULL, done, data);
}
