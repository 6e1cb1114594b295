#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/map.h"
#include "vcs/merge.h"
#include "vcs/op.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/save.h"
#include "vcs/status.h"
#include "vcs/worktree.h"

enum { TRIES_MAX = 5 };

struct home_op {
	struct op op;
	struct repo *repo;
	char *stream, *into, *into_ref, *merged_ref, *name, *work, *message;
	char *onto; /* NULL: the branch as it is */
	bool squash, dry_run;
	bool sign; /* commit.gpgSign */
	char was[GIT_OID_MAX], was_tree[GIT_OID_MAX], tree[GIT_OID_MAX];
	char *git_dir; /* of the checkout */
	unsigned tries;
	/* of a merge that was cut short: what it was bringing the checkout to */
	char *cut_dir, *cut_git_dir;
	char cut_old[GIT_OID_MAX], cut_new[GIT_OID_MAX];
	struct checkout_status *cut_status;
	struct merge_home_result result;
	merge_home_done *done;
	void *data;
};

static void find_checkout(struct op *op, const struct git_result *result);
static void ask_was(struct op *op);

static void finish(struct op *op)
{
	struct home_op *home = (struct home_op *)op;
	bool has_result = op->end.status == VCS_OK || op->end.status == VCS_CONFLICT;

	home->done(home->data, &op->end, has_result ? &home->result : NULL);
	merge_conflict_release(&home->result.conflict);
	free(home->result.checkout);
	free(home->result.saved);
	checkout_status_free(home->cut_status);
	free(home->cut_dir);
	free(home->cut_git_dir);
	free(home->git_dir);
	free(home->stream);
	free(home->into);
	free(home->into_ref);
	free(home->merged_ref);
	free(home->name);
	free(home->work);
	free(home->onto);
	free(home->message);
	free(home);
}

/* --- moving the branch --- */

static void on_noted(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (op_succeeded(op, result, "'%s' has the work of '%s', but that cannot be noted", home->into, home->stream))
		op_end(op);
}

/* a squashed branch does not show that it was merged: a ref does */
static void note_squashed(struct home_op *home)
{
	if (home->squash && !home->dry_run)
		op_git(&home->op, on_noted, "update-ref", home->merged_ref, home->work, NULL);
	else
		op_end(&home->op);
}

/* the branch was moved by somebody else meanwhile: from its new tip, then */
static void try_again(struct home_op *home)
{
	if (++home->tries < TRIES_MAX)
		find_checkout(&home->op, NULL);
	else
		op_fail(&home->op, VCS_FAILED, "'%s' changes all the time: '%s' is not merged", home->into, home->name);
}

static void on_ref_moved(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (refs_changed_meanwhile(result))
		try_again(home);
	else if (op_succeeded(op, result, "cannot move '%s' on", home->into))
		note_squashed(home);
}

static void move_ref(struct home_op *home)
{
	struct strvec argv = {0};
	struct strbuf input = {0};

	refs_add_change(&input,
		&(struct ref_change){.name = home->into_ref, .new_oid = home->result.oid, .old_oid = home->was});
	strvec_push(&argv, "update-ref");
	strvec_push(&argv, "-m");
	strvec_pushf(&argv, "orch: merge %s", home->stream);
	strvec_push(&argv, "--stdin");
	strvec_push(&argv, "-z");
	op_gitv(&home->op, on_ref_moved, NULL, &argv, NULL, &input);
	strbuf_release(&input);
}

static void got_where(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	char oid[GIT_OID_MAX];

	if (op_oid(result, oid) && strcmp(oid, home->was) != 0)
		try_again(home);
	else
		op_fail(op, VCS_REFUSED, "'%s' stays as it was: the checkout '%s' cannot be brought up to date: %s",
			home->into, home->result.checkout, strbuf_cstr(&op->said));
}

static void on_forwarded(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (!result->problem && result->code == 0)
		note_squashed(home);
	else if (result->problem)
		op_fail_git(op, result, "cannot bring the checkout '%s' up to date", home->result.checkout);
	else
		op_git(op, got_where, "rev-parse", "--verify", home->into_ref, NULL);
}

/* the work is committed, so this is fast-forward: files, index and branch, or nothing */
static void move_checkout(struct home_op *home)
{
	char *note = xasprintf("home\n%s\n%s\n%s", home->was, home->result.oid, home->result.checkout);
	char *action = xasprintf("GIT_REFLOG_ACTION=orch merge %s", home->stream);
	const char *env[] = {action, NULL};
	struct strvec argv = {0};

	if (op_note(&home->op, note)) {
		strbuf_truncate(&home->op.said, 0);
		strvec_push(&argv, "merge");
		strvec_push(&argv, "--quiet");
		strvec_push(&argv, "--ff-only");
		strvec_push(&argv, "--no-squash");
		strvec_push(&argv, "--no-autostash");
		strvec_push(&argv, "--no-stat");
		strvec_push(&argv, home->result.oid);
		op_gitv(&home->op, on_forwarded, home->result.checkout, &argv, env, NULL);
	}
	free(note);
	free(action);
}

static void got_status(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	struct checkout_status *status;
	const char *doing = repo_doing_text(repo_doing_in(home->git_dir));

	if (!op_succeeded(op, result, "cannot look at '%s'", home->result.checkout))
		return;
	status = status_parse(result, home->result.checkout);
	if (doing) {
		op_fail(op, VCS_REFUSED, "%s is under way in '%s': end it, then merge '%s'", doing,
			home->result.checkout, home->stream);
	} else if (status->changed + status->unmerged > 0) {
		char *text = checkout_status_text(status);

		op_fail(op, VCS_REFUSED,
			"'%s' is checked out in '%s' with uncommitted changes (%s): commit or stash them, then merge '%s'",
			home->into, home->result.checkout, text, home->stream);
		free(text);
	} else {
		move_checkout(home);
	}
	checkout_status_free(status);
}

static void got_git_dir(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	struct strvec argv = {0};

	if (!op_succeeded(op, result, "cannot look at '%s'", home->result.checkout))
		return;
	free(home->git_dir);
	home->git_dir = op_line(result);
	status_command(&argv, NULL);
	op_gitv(op, got_status, home->result.checkout, &argv, NULL, NULL);
}

static void move(struct home_op *home)
{
	struct strvec argv = {0};

	if (home->dry_run) {
		op_end(&home->op);
	} else if (home->result.checkout) {
		strvec_push(&argv, "rev-parse");
		strvec_push(&argv, "--absolute-git-dir");
		op_gitv(&home->op, got_git_dir, home->result.checkout, &argv, NULL, NULL);
	} else {
		move_ref(home);
	}
}

/* --- the merge --- */

static void got_commit(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (!op_oid(result, home->result.oid))
		op_fail_git(op, result, "cannot commit the merge of '%s'", home->name);
	else
		move(home);
}

static void got_merge(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	struct merge_conflict *conflict = &home->result.conflict;
	struct strvec argv = {0};
	struct strbuf message = {0};
	int merges;

	merge_conflict_release(conflict);
	merges = merge_tree_read(result, home->tree, conflict);
	if (merges < 0) {
		op_fail_git(op, result, "cannot merge '%s' into '%s'", home->name, home->into);
		return;
	}
	if (merges > 0) {
		conflict->ours = home->into;
		conflict->theirs = home->name;
		op_fail(op, VCS_CONFLICT, "%s and %s do not merge: conflict%s in %s%s", home->into, home->name,
			conflict->files.count == 1 ? "" : "s",
			conflict->files.count > 0 ? conflict->files.items[0] : "the tree",
			conflict->files.count > 1 ? ", ..." : "");
		return;
	}
	if (home->squash && strcmp(home->tree, home->was_tree) == 0) {
		home->result.nothing = true;
		memcpy(home->result.oid, home->was, GIT_OID_MAX);
		note_squashed(home);
		return;
	}
	strvec_push(&argv, "commit-tree");
	if (home->sign)
		strvec_push(&argv, "-S");
	strvec_push(&argv, "-p");
	strvec_push(&argv, home->was);
	if (!home->squash) {
		strvec_push(&argv, "-p");
		strvec_push(&argv, home->work);
	}
	strvec_push(&argv, home->tree);
	strbuf_addstr(&message, home->message);
	op_gitv(op, got_commit, NULL, &argv, repo_identity(home->repo), &message);
	strbuf_release(&message);
}

static void merge_trees(struct op *op)
{
	struct home_op *home = (struct home_op *)op;

	op_git(op, got_merge, "merge-tree", "--write-tree", "-z", home->was, home->work, NULL);
}

static void got_was_tree(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (op_oid(result, home->was_tree))
		merge_trees(op);
	else
		op_fail_git(op, result, "cannot read the tree of '%s'", home->into);
}

static void got_merged(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	char oid[GIT_OID_MAX], *tree;

	/* squashed before, as it is now */
	if (op_oid(result, oid) && strcmp(oid, home->work) == 0) {
		home->result.nothing = true;
		memcpy(home->result.oid, home->was, GIT_OID_MAX);
		op_end(op);
		return;
	}
	tree = xasprintf("%s^{tree}", home->was);
	op_git(op, got_was_tree, "rev-parse", "--verify", tree, NULL);
	free(tree);
}

static void got_ancestry(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (!result->problem && result->code == 1) {
		op_git(op, got_merged, "rev-parse", "--quiet", "--verify", home->merged_ref, NULL);
	} else if (op_succeeded(op, result, "cannot compare '%s' with '%s'", home->name, home->into)) {
		home->result.nothing = true;
		memcpy(home->result.oid, home->was, GIT_OID_MAX);
		op_end(op);
	}
}

static void got_was(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (!op_oid(result, home->was)) {
		if (!result->problem && result->code == 1)
			op_fail(op, VCS_ABSENT, "there is no branch '%s' to merge '%s' into", home->into, home->stream);
		else
			op_fail_git(op, result, "cannot look up branch '%s'", home->into);
		return;
	}
	if (home->onto)
		memcpy(home->was, home->onto, strlen(home->onto) + 1);
	op_git(op, got_ancestry, "merge-base", "--is-ancestor", home->work, home->was, NULL);
}

static void ask_was(struct op *op)
{
	op_git(op, got_was, "rev-parse", "--quiet", "--verify", ((struct home_op *)op)->into_ref, NULL);
}

static void got_sign(struct op *op, const struct git_result *result)
{
	((struct home_op *)op)->sign = !result->problem && result->code == 0 && strncmp(result->out, "true", 4) == 0;
	ask_was(op);
}

/* --- the checkout that has the branch --- */

static void got_list(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	struct worktree_list list = {0};

	if (worktree_list_mended(op, home->repo, result)) {
		find_checkout(op, NULL);
		return;
	}
	if (!op_succeeded(op, result, "cannot list the worktrees"))
		return;
	worktree_list_read(&list, result);
	free(home->result.checkout);
	home->result.checkout = NULL;
	for (size_t i = 0; i < list.count && !home->result.checkout; i++) {
		const struct worktree *worktree = &list.items[i];

		if (!worktree->bare && !worktree->gone && worktree->branch && strcmp(worktree->branch, home->into) == 0)
			home->result.checkout = xstrdup(worktree->path);
	}
	worktree_list_release(&list);
	op_git(op, got_sign, "config", "--type=bool", "--get", "commit.gpgsign", NULL);
}

static void find_checkout(struct op *op, const struct git_result *result)
{
	(void)result;
	op_git(op, got_list, "worktree", "list", "--porcelain", "-z", NULL);
}

/* --- one that was cut short --- */

static void on_cut_ended(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (op_succeeded(op, result, "cannot end the merge that was cut short in '%s'", home->cut_dir))
		find_checkout(op, NULL);
}

static void on_cut_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct home_op *home = data;
	struct strvec argv = {0};

	if (end->status != VCS_OK) {
		op_fail_as(&home->op, end);
		return;
	}
	if (work->missing) {
		op_fail(&home->op, VCS_REFUSED,
			"a merge was cut short in '%s', and what is there cannot be saved: %.*s", home->cut_dir,
			(int)strcspn(work->missing, "\n"), work->missing);
		return;
	}
	if (work->ref)
		home->result.saved = xstrdup(work->ref);
	strvec_push(&argv, "reset");
	strvec_push(&argv, "--quiet");
	strvec_push(&argv, "--hard");
	strvec_push(&argv, home->cut_new);
	op_gitv(&home->op, on_cut_ended, home->cut_dir, &argv, NULL, NULL);
}

/* the files that the merge was changing; whatever else is changed is a person's */
static void got_cut_files(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	struct map files = {0};
	const char *foreign = NULL;

	if (!op_succeeded(op, result, "cannot end the merge that was cut short in '%s'", home->cut_dir))
		return;
	for (const char *at = result->out; at < result->out + result->out_len; at += strlen(at) + 1)
		map_set(&files, at, home);
	for (size_t i = 0; i < home->cut_status->count && !foreign; i++) {
		const struct status_entry *entry = &home->cut_status->items[i];

		if ((entry->kind == STATUS_CHANGED || entry->kind == STATUS_UNMERGED) && !map_get(&files, entry->path))
			foreign = entry->path;
	}
	map_release(&files);
	if (foreign) {
		op->keep_note = true;
		op_fail(op, VCS_REFUSED,
			"a merge was cut short in '%s', and '%s' has been changed there since: `git -C` there `reset "
			"--merge %s` ends it",
			home->cut_dir, foreign, home->cut_new);
	} else {
		save_work_locked(home->repo,
			&(struct save_spec){.stream = home->stream,
				.dir = home->cut_dir,
				.reason = "before a merge into it that was cut short is ended"},
			op, on_cut_saved, home);
	}
}

static void got_cut_status(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	struct checkout_status *status;

	if (!op_succeeded(op, result, "cannot look at '%s'", home->cut_dir))
		return;
	status = home->cut_status = status_parse(result, home->cut_dir);
	/* moved on since, or nothing had happened yet */
	if (!status->branch || strcmp(status->branch, home->into) != 0 || strcmp(status->oid, home->cut_old) != 0 ||
		status->count == 0)
		find_checkout(op, NULL);
	else
		op_git(op, got_cut_files, "diff-tree", "-r", "-z", "--name-only", "--no-renames", home->cut_old,
			home->cut_new, NULL);
}

static void ask_cut_status(struct op *op, const struct git_result *result)
{
	struct strvec argv = {0};

	(void)result;
	status_command(&argv, NULL);
	op_gitv(op, got_cut_status, ((struct home_op *)op)->cut_dir, &argv, NULL, NULL);
}

static void got_cut_git_dir(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;

	if (result->problem || result->code != 0) { /* that checkout is gone */
		find_checkout(op, NULL);
		return;
	}
	home->cut_git_dir = op_line(result);
	/* a person may be at work there: only what has been there for some time is ours */
	op->interrupted = false;
	op_clear_locks(op, home->repo, home->cut_git_dir, home->into, home->stream, ask_cut_status);
}

/* "home\nOLD\nNEW\nDIR" */
static bool read_note(struct home_op *home)
{
	const char *note = strbuf_cstr(&home->op.unended), *at = note + 5;
	size_t old = strcspn(at, "\n"), new;

	if (strncmp(note, "home\n", 5) != 0 || old >= GIT_OID_MAX || at[old] != '\n')
		return false;
	memcpy(home->cut_old, at, old);
	at += old + 1;
	new = strcspn(at, "\n");
	if (new >= GIT_OID_MAX || at[new] != '\n')
		return false;
	memcpy(home->cut_new, at, new);
	home->cut_dir = xstrdup(at + new + 1);
	return oid_is_valid(home->cut_old) && oid_is_valid(home->cut_new) && home->cut_dir[0] == '/';
}

static void on_locked(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	struct strvec argv = {0};

	(void)result;
	if (op->interrupted && read_note(home)) {
		/* until it is ended, the note stays */
		if (!op_note(op, strbuf_cstr(&op->unended)))
			return;
		strvec_push(&argv, "rev-parse");
		strvec_push(&argv, "--absolute-git-dir");
		op_gitv(op, got_cut_git_dir, home->cut_dir, &argv, NULL, NULL);
	} else {
		op_clear_locks(op, home->repo, NULL, home->into, home->stream, find_checkout);
	}
}

static void begin(struct op *op, const struct git_result *result)
{
	struct home_op *home = (struct home_op *)op;
	char *lock = xasprintf("%s/orch/locks/into.%s", home->repo->common_dir, home->into);

	(void)result;
	/* a file's name, not a path */
	for (char *at = lock + strlen(home->repo->common_dir) + strlen("/orch/locks/"); *at; at++) {
		if (*at == '/')
			*at = ':'; /* which no branch can have */
	}
	op_lock(op, lock, "merge\n", on_locked);
	free(lock);
}

void merge_home(struct repo *repo, const struct merge_home *spec, merge_home_done *done, void *data)
{
	struct home_op *home = xcalloc(1, sizeof *home);

	home->repo = repo;
	home->stream = xstrdup(spec->stream);
	home->into = xstrdup(spec->into);
	home->into_ref = xasprintf(REFS_BRANCH "%s", spec->into);
	home->merged_ref = xasprintf(REFS_MERGED "%s", spec->stream);
	home->name = xstrdup(spec->work.name);
	home->work = xstrdup(spec->work.oid);
	home->message = spec->body && spec->body[0] ? xasprintf("%s\n\n%s\n", spec->subject, spec->body)
						    : xasprintf("%s\n", spec->subject);
	home->squash = spec->squash;
	home->dry_run = spec->dry_run;
	home->onto = spec->dry_run && spec->onto ? xstrdup(spec->onto) : NULL;
	home->done = done;
	home->data = data;
	op_begin(&home->op, repo->git, repo->git_dir, finish, begin);
}
