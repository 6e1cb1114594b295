#include "config.h"

#include "vcs/commit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "vcs/op.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/save.h"
#include "vcs/status.h"

enum { MARKED_FILE_MAX = 256 << 20 };

struct commit_op {
	struct op op;
	struct repo *repo;
	char *stream, *dir, *branch, *message;
	bool look_only;
	char *git_dir;
	char *head_ref; /* NULL: detached */
	struct checkout_status *status;
	char branch_oid[GIT_OID_MAX];
	struct commit_result result;
	commit_done *done;
	void *data;
};

static void finish(struct op *op)
{
	struct commit_op *commit = (struct commit_op *)op;
	bool has_result = op->end.status == VCS_OK || op->end.status == VCS_CONFLICT;

	commit->done(commit->data, &op->end, has_result ? &commit->result : NULL);
	checkout_status_free(commit->status);
	strvec_release(&commit->result.nested);
	strvec_release(&commit->result.unresolved);
	free(commit->result.saved_ref);
	free(commit->result.strayed);
	free(commit->stream);
	free(commit->dir);
	free(commit->branch);
	free(commit->message);
	free(commit->git_dir);
	free(commit->head_ref);
	free(commit);
}

/* --- last: the branch and the tree --- */

static void got_tree(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;

	if (!op_oid(result, commit->result.tree))
		op_fail_git(op, result, "cannot read the tree of '%s'", commit->stream);
	else
		op_end(op);
}

static void ask_tree(struct op *op)
{
	op_git(op, got_tree, "rev-parse", "--verify", "HEAD^{tree}", NULL);
}

static void on_head_moved(struct op *op, const struct git_result *result)
{
	if (op_succeeded(op, result, "cannot put the worktree back on its branch"))
		ask_tree(op);
}

static void on_branch_moved(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;
	char *ref;

	if (!op_succeeded(op, result, "cannot move branch '%s' on", commit->branch))
		return;
	ref = xasprintf(REFS_BRANCH "%s", commit->branch);
	op_git(op, on_head_moved, "symbolic-ref", "-m", "orch: back on the stream's branch", "HEAD", ref, NULL);
	free(ref);
}

static void got_ancestry(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;
	struct strbuf input = {0};
	struct strvec argv = {0};
	char *ref;

	if (!result->problem && result->code == 1) {
		op_fail(op, VCS_REFUSED,
			"the work of '%s' left its branch '%s' for %s, and does not go on from it; merge the two in '%s'",
			commit->stream, commit->branch, commit->head_ref ? commit->head_ref : "a detached HEAD",
			commit->dir);
		return;
	}
	if (!op_succeeded(op, result, "cannot compare HEAD of '%s' with its branch", commit->dir))
		return;
	ref = xasprintf(REFS_BRANCH "%s", commit->branch);
	refs_add_change(&input,
		&(struct ref_change){.name = ref, .new_oid = commit->result.oid, .old_oid = commit->branch_oid});
	strvec_push(&argv, "update-ref");
	strvec_push(&argv, "--stdin");
	strvec_push(&argv, "-z");
	op_gitv(op, on_branch_moved, NULL, &argv, NULL, &input);
	strbuf_release(&input);
	free(ref);
}

static void got_branch_oid(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;

	if (!op_oid(result, commit->branch_oid))
		op_fail_git(op, result, "the branch '%s' of stream '%s' is gone", commit->branch, commit->stream);
	else
		op_git(op, got_ancestry, "merge-base", "--is-ancestor", commit->branch_oid, commit->result.oid, NULL);
}

static void got_head(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;
	bool strayed;
	char *ref;

	if (!op_oid(result, commit->result.oid)) {
		op_fail_git(op, result, "cannot read HEAD of '%s'", commit->dir);
		return;
	}
	if (!commit->branch) {
		ask_tree(op);
		return;
	}
	ref = xasprintf(REFS_BRANCH "%s", commit->branch);
	strayed = !commit->head_ref || strcmp(commit->head_ref, ref) != 0;
	if (strayed) {
		const char *name = commit->head_ref ? commit->head_ref : "";

		if (strncmp(name, REFS_BRANCH, strlen(REFS_BRANCH)) == 0)
			name += strlen(REFS_BRANCH);
		commit->result.strayed = xstrdup(name);
		op_git(op, got_branch_oid, "rev-parse", "--quiet", "--verify", ref, NULL);
	} else {
		ask_tree(op);
	}
	free(ref);
}

static void ask_head(struct op *op)
{
	op_git(op, got_head, "rev-parse", "--verify", "HEAD^{commit}", NULL);
}

/* --- the commit --- */

static void on_committed(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;

	if (!result->problem && result->code == 1) {
		/* git says by 128 that it failed itself */
		op_fail_git(op, result, "a hook rejected the commit of '%s'", commit->stream);
		op->end.status = VCS_REJECTED;
		if (result->out[0])
			strbuf_addstr(&op->said, result->out);
		return;
	}
	if (!op_succeeded(op, result, "cannot commit the work of '%s'", commit->stream))
		return;
	commit->result.committed = true;
	ask_head(op);
}

static void got_staged(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;
	struct strvec argv = {0};
	struct strbuf message = {0};

	/* 0: nothing is different after all, such as line ends that are not kept */
	if (!result->problem && result->code == 0 && repo_doing_in(commit->git_dir) != REPO_MERGE) {
		ask_head(op);
		return;
	}
	if (result->problem || result->code > 1) {
		op_fail_git(op, result, "cannot look at the index of '%s'", commit->dir);
		return;
	}
	strvec_push(&argv, "commit");
	strvec_push(&argv, "--quiet");
	strvec_push(&argv, "--cleanup=whitespace");
	strvec_push(&argv, "--file=-");
	strbuf_addstr(&message, commit->message);
	op_gitv(op, on_committed, NULL, &argv, repo_identity(commit->repo), &message);
	strbuf_release(&message);
}

static void on_added(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;

	if (op_succeeded(op, result, "cannot add the files of '%s' to a commit", commit->stream))
		op_git(op, got_staged, "diff", "--cached", "--quiet", "--no-ext-diff", "HEAD", NULL);
}

static void add_all(struct op *op)
{
	struct commit_op *commit = (struct commit_op *)op;
	struct strvec argv = {0};
	struct strbuf input = {0};

	strvec_push(&argv, "add");
	strvec_push(&argv, "--all");
	strvec_push(&argv, "--sparse");
	strvec_push(&argv, "--pathspec-from-file=-");
	strvec_push(&argv, "--pathspec-file-nul");
	strbuf_addstr(&input, ":(top)");
	for (size_t i = 0; i < commit->result.nested.count; i++) {
		strbuf_addch(&input, '\0');
		strbuf_addf(&input, ":(top,exclude,literal)%s", commit->result.nested.items[i]);
	}
	op_gitv(op, on_added, NULL, &argv, NULL, &input);
	strbuf_release(&input);
}

static void on_first_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct commit_op *commit = data;

	if (end->status != VCS_OK) {
		op_fail_as(&commit->op, end);
		return;
	}
	if (work->ref)
		commit->result.saved_ref = xstrdup(work->ref);
	add_all(&commit->op);
}

/* is a conflict still in the file: its markers, or contents that markers cannot be in */
static bool has_markers(const char *path)
{
	char *text;
	size_t len;
	bool found = false;

	if (fs_read(path, MARKED_FILE_MAX, &text, &len, NULL) != 0)
		return true;
	if (memchr(text, '\0', len))
		found = true;
	for (const char *at = text; !found && at; at = strchr(at, '\n')) {
		at += *at == '\n';
		found = strncmp(at, "<<<<<<< ", 8) == 0 || strncmp(at, ">>>>>>> ", 8) == 0;
	}
	free(text);
	return found;
}

static bool is_resolved(const struct commit_op *commit, const struct status_entry *entry)
{
	char *path;
	bool resolved;

	/* one side removed it: which of the two is wanted only `git add` or `git rm` can say */
	if (strcmp(entry->xy, "UU") != 0 && strcmp(entry->xy, "AA") != 0)
		return false;
	path = xasprintf("%s/%s", commit->dir, entry->path);
	resolved = !has_markers(path);
	free(path);
	return resolved;
}

static void on_status(struct op *op)
{
	struct commit_op *commit = (struct commit_op *)op;
	const struct checkout_status *status = commit->status;
	bool overlaid = false; /* something was staged, and changed or removed again: the commit will not have it */

	for (size_t i = 0; i < status->count; i++) {
		const struct status_entry *entry = &status->items[i];

		if (entry->kind == STATUS_NESTED)
			strvec_push(&commit->result.nested, entry->path);
		else if (entry->kind == STATUS_UNMERGED && !is_resolved(commit, entry))
			strvec_push(&commit->result.unresolved, entry->path);
		else if (entry->kind == STATUS_CHANGED && entry->xy[0] != '.' && entry->xy[1] != '.')
			overlaid = true;
	}
	if (commit->result.unresolved.count > 0) {
		op_fail(op, VCS_CONFLICT, "conflicts are not resolved in %zu file%s of '%s': %s%s",
			commit->result.unresolved.count, commit->result.unresolved.count == 1 ? "" : "s",
			commit->stream, commit->result.unresolved.items[0],
			commit->result.unresolved.count == 1 ? "" : ", ...");
	} else if (commit->look_only && status->count > 0) {
		char *text = checkout_status_text(status);

		op_fail(op, VCS_REFUSED, "'%s' left work uncommitted: %s", commit->stream, text);
		free(text);
	} else if (commit->result.nested.count > 0 || overlaid) {
		save_work_locked(commit->repo,
			&(struct save_spec){
				.stream = commit->stream,
				.dir = commit->dir,
				.reason = overlaid ? "with what was staged and changed again" : "with the repositories in it",
			},
			op, on_first_saved, commit);
	} else if (status->count > 0 || repo_doing_in(commit->git_dir) == REPO_MERGE) {
		add_all(op);
	} else {
		ask_head(op);
	}
}

static void got_status(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;

	if (!op_succeeded(op, result, "cannot look at the work of '%s'", commit->stream))
		return;
	commit->status = status_parse(result, commit->dir);
	on_status(op);
}

static void got_branch(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;
	struct strvec argv = {0};

	if (result->problem || result->code > 1) {
		op_fail_git(op, result, "cannot read HEAD of '%s'", commit->dir);
		return;
	}
	if (result->code == 0)
		commit->head_ref = op_line(result);
	status_command(&argv, NULL);
	op_gitv(op, got_status, NULL, &argv, NULL, NULL);
}

static void ask_branch(struct op *op, const struct git_result *result)
{
	(void)result;
	op_git(op, got_branch, "symbolic-ref", "--quiet", "HEAD", NULL);
}

static void got_git_dir(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;

	if (!op_succeeded(op, result, "cannot commit the work of '%s'", commit->stream))
		return;
	commit->git_dir = op_line(result);
	op_clear_locks(op, commit->repo, commit->git_dir, commit->branch, commit->stream, ask_branch);
}

static void on_locked(struct op *op, const struct git_result *result)
{
	(void)result;
	op_git(op, got_git_dir, "rev-parse", "--absolute-git-dir", NULL);
}

static void take_lock(struct op *op, const struct git_result *result)
{
	struct commit_op *commit = (struct commit_op *)op;
	char *lock = repo_stream_lock(commit->repo, commit->stream);

	(void)result;
	op_lock(op, lock, "commit\n", on_locked);
	free(lock);
}

static char *message_text(const struct commit_spec *spec)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "%s\n", spec->subject);
	if (spec->body && spec->body[0])
		strbuf_addf(&text, "\n%s\n", spec->body);
	if (spec->run)
		strbuf_addf(&text, "\nOrch-Stream: %s\nOrch-Run: %s\nOrch-Attempt: %u\n", spec->stream, spec->run,
			spec->attempt);
	return strbuf_detach(&text);
}

void commit_work(struct repo *repo, const struct commit_spec *spec, commit_done *done, void *data)
{
	struct commit_op *commit = xcalloc(1, sizeof *commit);

	commit->repo = repo;
	commit->stream = xstrdup(spec->stream);
	commit->dir = xstrdup(spec->dir);
	commit->branch = spec->branch ? xstrdup(spec->branch) : NULL;
	commit->message = message_text(spec);
	commit->look_only = spec->look_only;
	commit->done = done;
	commit->data = data;
	op_begin(&commit->op, repo->git, commit->dir, finish, take_lock);
	commit->op.in_worktree = true;
}

/* --- changed files --- */

struct changes_op {
	struct op op;
	char *from, *to;
	struct strvec paths;
	commit_changes_done *done;
	void *data;
};

static void finish_changes(struct op *op)
{
	struct changes_op *changes = (struct changes_op *)op;

	changes->done(changes->data, &op->end, op->end.status == VCS_OK ? &changes->paths : NULL);
	strvec_release(&changes->paths);
	free(changes->from);
	free(changes->to);
	free(changes);
}

static void got_changes(struct op *op, const struct git_result *result)
{
	struct changes_op *changes = (struct changes_op *)op;
	const char *at = result->out;

	if (!op_succeeded(op, result, "cannot compare '%s' with '%s'", changes->from, changes->to))
		return;
	for (; at < result->out + result->out_len; at += strlen(at) + 1)
		strvec_push(&changes->paths, at);
	op_end(op);
}

static void ask_changes(struct op *op, const struct git_result *result)
{
	struct changes_op *changes = (struct changes_op *)op;

	(void)result;
	op_git(op, got_changes, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options",
		changes->from, changes->to, NULL);
}

void commit_changes(struct repo *repo, const char *from, const char *to, commit_changes_done *done, void *data)
{
	struct changes_op *changes = xcalloc(1, sizeof *changes);

	changes->from = xstrdup(from);
	changes->to = xstrdup(to);
	changes->done = done;
	changes->data = data;
	op_begin(&changes->op, repo->git, repo->git_dir, finish_changes, ask_changes);
}
