#include "config.h"

#include "vcs/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"
#include "vcs/op.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/status.h"

enum { REF_TRIES = 20 };

#define NESTED_REFS "refs/orch/nested/"

struct save_op {
	struct op op;
	struct repo *repo;
	char *stream, *dir, *reason;
	bool no_ref, commit_only, deep;
	char *git_dir;
	char *index, *nested_index;         /* temporary ones, in git_dir */
	char *index_env, *nested_index_env; /* "GIT_INDEX_FILE=..." */
	struct checkout_status *status;
	char index_tree[GIT_OID_MAX], index_commit[GIT_OID_MAX], merge_head[GIT_OID_MAX], tree[GIT_OID_MAX];
	char nested_tree[GIT_OID_MAX];
	size_t at;       /* of work.nested: the one at hand */
	unsigned number; /* of the ref */
	unsigned tries;
	struct saved_work work;
	save_done *done;
	void *data;
};

static void list_refs(struct op *op, const struct git_result *result);
static void next_nested(struct op *op, const struct git_result *result);

static void finish(struct op *op)
{
	struct save_op *save = (struct save_op *)op;

	if (save->index) {
		unlink(save->index);
		unlink(save->nested_index);
	}
	save->done(save->data, &op->end, op->end.status == VCS_OK ? &save->work : NULL);
	checkout_status_free(save->status);
	strvec_release(&save->work.nested);
	free(save->work.ref);
	free(save->work.missing);
	free(save->stream);
	free(save->dir);
	free(save->reason);
	free(save->git_dir);
	free(save->index);
	free(save->nested_index);
	free(save->index_env);
	free(save->nested_index_env);
	free(save);
}

/* a command with a temporary index. `env2` may be NULL */
static void with_index(struct save_op *save, op_step *next, const char *dir, struct strvec *argv, const char *index_env,
	const char *env2, const char *env3, const struct strbuf *input)
{
	const char *env[] = {index_env, env2, env3, NULL};

	op_gitv(&save->op, next, dir, argv, env, input);
}

/* --- the ref --- */

static void on_ref_made(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	/* somebody else took the number */
	if (refs_changed_meanwhile(result) && ++save->tries < REF_TRIES)
		list_refs(op, NULL);
	else if (op_succeeded(op, result, "cannot save the work of '%s'", save->stream)) {
		save->work.saved = true;
		op_end(op);
	}
}

static void make_ref(struct save_op *save)
{
	struct strvec argv = {0};
	struct strbuf input = {0};

	free(save->work.ref);
	save->work.ref = xasprintf(REFS_WIP "%s/%u", save->stream, save->number);
	refs_add_change(&input, &(struct ref_change){.name = save->work.ref, .new_oid = save->work.oid, .old_oid = ""});
	strvec_push(&argv, "update-ref");
	strvec_push(&argv, "--stdin");
	strvec_push(&argv, "-z");
	op_gitv(&save->op, on_ref_made, save->repo->git_dir, &argv, NULL, &input);
	strbuf_release(&input);
}

/* the next free number; returns true if a ref of the stream is `oid` already */
static bool take_numbers(struct save_op *save, const char *listed)
{
	bool there = false;

	save->number = 1;
	for (const char *at = listed; *at; at += *at == '\n') {
		size_t len = strcspn(at, "\n"), oid = strcspn(at, " ");
		char *line = xstrndup(at, len), *slash = strrchr(line, '/');
		unsigned long number = slash ? strtoul(slash + 1, NULL, 10) : 0;

		if (number >= save->number && number < 1000000000)
			save->number = (unsigned)number + 1;
		if (save->work.oid[0] && oid < len && strncmp(line, save->work.oid, oid) == 0 &&
			save->work.oid[oid] == '\0') {
			there = true;
			free(save->work.ref);
			save->work.ref = xstrdup(line + oid + 1);
		}
		free(line);
		at += len;
	}
	return there;
}

static void got_refs(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	if (!op_succeeded(op, result, "cannot list the saved work of '%s'", save->stream))
		return;
	if (take_numbers(save, result->out))
		op_end(op);
	else if (save->work.oid[0])
		make_ref(save);
	else
		next_nested(op, NULL);
}

static void list_refs(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	char *prefix = xasprintf(REFS_WIP "%s/", save->stream);

	(void)result;
	op_git(op, got_refs, "for-each-ref", "--format=%(objectname) %(refname)", prefix, NULL);
	free(prefix);
}

/* --- the commit --- */

static void got_commit(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	if (!op_oid(result, save->work.oid)) {
		op_fail_git(op, result, "cannot save the work of '%s'", save->stream);
	} else if (save->no_ref) {
		save->work.saved = true;
		op_end(op);
	} else {
		make_ref(save);
	}
}

static void commit_tree(
	struct save_op *save, op_step *next, const char *tree, const char *what, const char *const *parents)
{
	struct strvec argv = {0};
	struct strbuf message = {0};

	strvec_push(&argv, "commit-tree");
	for (; *parents; parents++) {
		if (!(*parents)[0])
			continue;
		strvec_push(&argv, "-p");
		strvec_push(&argv, *parents);
	}
	strvec_push(&argv, tree);
	strbuf_addf(&message, "orch: %s of %s %s\n\nOrch-Stream: %s\n", what, save->stream, save->reason, save->stream);
	op_gitv(&save->op, next, NULL, &argv, repo_identity(save->repo), &message);
	strbuf_release(&message);
}

static void got_index_commit(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	const char *parents[] = {save->status->oid, save->merge_head, save->index_commit, NULL};

	if (result && !op_oid(result, save->index_commit))
		op_fail_git(op, result, "cannot save the index of '%s'", save->stream);
	else
		commit_tree(save, got_commit, save->tree, "work", parents);
}

static void got_merge_head(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	const char *parents[] = {save->status->oid, NULL};

	op_oid(result, save->merge_head); /* there may be none */
	if (save->index_tree[0] && strcmp(save->index_tree, save->tree) != 0)
		commit_tree(save, got_index_commit, save->index_tree, "index", parents);
	else
		got_index_commit(op, NULL);
}

static void got_tree(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	if (!op_oid(result, save->tree))
		op_fail_git(op, result, "cannot save the work of '%s'", save->stream);
	else
		op_git(op, got_merge_head, "rev-parse", "--quiet", "--verify", "MERGE_HEAD", NULL);
}

/* --- repositories within --- */

static void on_nested_fetched(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	if (!op_succeeded(op, result, "cannot save the commits of the repository '%s' in '%s'",
		    save->work.nested.items[save->at], save->dir))
		return;
	save->at++;
	next_nested(op, NULL);
}

static void got_nested_head(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	struct strvec argv = {0};
	char oid[GIT_OID_MAX];

	if (!op_oid(result, oid)) { /* no commit yet */
		save->at++;
		next_nested(op, NULL);
		return;
	}
	strvec_push(&argv, "fetch");
	strvec_push(&argv, "--quiet");
	strvec_push(&argv, "--no-tags");
	strvec_push(&argv, "--no-write-fetch-head");
	strvec_push(&argv, "--no-recurse-submodules");
	strvec_pushf(&argv, "%s/%s", save->dir, save->work.nested.items[save->at]);
	strvec_pushf(&argv, "+HEAD:" NESTED_REFS "%s/%u.%zu/HEAD", save->stream, save->number, save->at + 1);
	strvec_pushf(&argv, "+refs/*:" NESTED_REFS "%s/%u.%zu/*", save->stream, save->number, save->at + 1);
	op_gitv(op, on_nested_fetched, NULL, &argv, NULL, NULL);
}

static void on_nested_read(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	struct strvec argv = {0};
	char *path;

	if (!op_succeeded(op, result, "cannot save the files of the repository '%s' in '%s'",
		    save->work.nested.items[save->at], save->dir))
		return;
	if (save->no_ref) {
		save->at++;
		next_nested(op, NULL);
		return;
	}
	path = xasprintf("%s/%s", save->dir, save->work.nested.items[save->at]);
	strvec_push(&argv, "rev-parse");
	strvec_push(&argv, "--quiet");
	strvec_push(&argv, "--verify");
	strvec_push(&argv, "HEAD^{commit}");
	op_gitv(op, got_nested_head, path, &argv, NULL, NULL);
	free(path);
}

static void on_gitlink_removed(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	struct strvec argv = {0};

	if (!op_succeeded(op, result, "cannot save the files of the repository '%s' in '%s'",
		    save->work.nested.items[save->at], save->dir))
		return;
	strvec_push(&argv, "read-tree");
	strvec_pushf(&argv, "--prefix=%s", save->work.nested.items[save->at]);
	strvec_push(&argv, save->nested_tree);
	with_index(save, on_nested_read, NULL, &argv, save->index_env, NULL, NULL, NULL);
}

static void got_nested_tree(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	struct strvec argv = {0};
	char *name;

	if (!op_oid(result, save->nested_tree)) {
		op_fail_git(op, result, "cannot save the files of the repository '%s' in '%s'",
			save->work.nested.items[save->at], save->dir);
		return;
	}
	/* a submodule has an entry of its own there */
	name = xstrndup(save->work.nested.items[save->at], strlen(save->work.nested.items[save->at]) - 1);
	strvec_push(&argv, "update-index");
	strvec_push(&argv, "--force-remove");
	strvec_push(&argv, "--");
	strvec_push(&argv, name);
	with_index(save, on_gitlink_removed, NULL, &argv, save->index_env, NULL, NULL, NULL);
	free(name);
}

static void on_nested_added(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	struct strvec argv = {0};

	if (!op_succeeded(op, result, "cannot save the files of the repository '%s' in '%s'",
		    save->work.nested.items[save->at], save->dir))
		return;
	strvec_push(&argv, "write-tree");
	with_index(save, got_nested_tree, NULL, &argv, save->nested_index_env, NULL, NULL, NULL);
}

/* the files of each repository within become a part of the tree, as if it were none */
static void next_nested(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	struct strvec argv = {0};
	char *dir, *git_dir, *work_tree;

	(void)result;
	if (save->at >= save->work.nested.count) {
		strvec_push(&argv, "write-tree");
		with_index(save, got_tree, NULL, &argv, save->index_env, NULL, NULL, NULL);
		return;
	}
	unlink(save->nested_index);
	dir = xasprintf("%s/%s", save->dir, save->work.nested.items[save->at]);
	git_dir = xasprintf("GIT_DIR=%s", save->git_dir);
	work_tree = xasprintf("GIT_WORK_TREE=%s", dir);
	strvec_push(&argv, "add");
	strvec_push(&argv, "--all");
	strvec_push(&argv, ".");
	with_index(save, on_nested_added, dir, &argv, save->nested_index_env, git_dir, work_tree, NULL);
	free(dir);
	free(git_dir);
	free(work_tree);
}

/* --- the files --- */

/* submodules that have a repository in place */
static void take_gitlinks(struct save_op *save, const struct git_result *result)
{
	const char *at = result->out, *end = at + result->out_len;

	for (; at < end; at += strlen(at) + 1) {
		const char *path = strchr(at, '\t');
		char *inside;

		if (strncmp(at, "160000 ", 7) != 0 || !path)
			continue;
		inside = xasprintf("%s/%s/.git", save->dir, path + 1);
		if (fs_exists(inside))
			strvec_pushf(&save->work.nested, "%s/", path + 1);
		free(inside);
	}
}

static void got_index_list(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	if (!op_succeeded(op, result, "cannot list the files of '%s'", save->dir))
		return;
	take_gitlinks(save, result);
	if (save->status->count == 0 && save->work.nested.count == 0) {
		memcpy(save->work.oid, save->status->oid, GIT_OID_MAX);
		op_end(op);
	} else if (save->no_ref)
		next_nested(op, NULL);
	else
		list_refs(op, NULL);
}

static void on_added(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	struct strvec argv = {0};

	/* --ignore-errors: all but what cannot be read is there; 128 means that nothing is */
	if (!result->problem && result->code == 1)
		save->work.missing = xstrdup(result->said);
	else if (!op_succeeded(op, result, "cannot save the work of '%s'", save->stream))
		return;
	strvec_push(&argv, "ls-files");
	strvec_push(&argv, "--stage");
	strvec_push(&argv, "-z");
	with_index(save, got_index_list, NULL, &argv, save->index_env, NULL, NULL, NULL);
}

static void add_all(struct save_op *save)
{
	struct strvec argv = {0};
	struct strbuf input = {0};

	strvec_push(&argv, "add");
	strvec_push(&argv, "--all");
	strvec_push(&argv, "--sparse");
	strvec_push(&argv, "--ignore-errors");
	strvec_push(&argv, "--pathspec-from-file=-");
	strvec_push(&argv, "--pathspec-file-nul");
	strbuf_addstr(&input, ":(top)");
	for (size_t i = 0; i < save->work.nested.count; i++) {
		strbuf_addch(&input, '\0');
		strbuf_addf(&input, ":(top,exclude,literal)%s", save->work.nested.items[i]);
	}
	with_index(save, on_added, NULL, &argv, save->index_env, NULL, NULL, &input);
	strbuf_release(&input);
}

static void got_index_tree(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	if (!op_oid(result, save->index_tree))
		op_fail_git(op, result, "cannot save the index of '%s'", save->dir);
	else
		add_all(save);
}

/* A copy of the index, with which the times of the files are known: only what has changed is read. Its own time is the
 * original's: by that git knows which files may have changed in the moment in which it was written, and reads those too
 * (gitformat-index(5), "racy git") */
static int copy_index(struct save_op *save)
{
	char *from = xasprintf("%s/index", save->git_dir), *lock = xasprintf("%s.lock", save->index), *text;
	struct stat st;
	size_t len;
	int result = 0;

	unlink(save->index);
	unlink(lock);
	/* the time of what is read, or an earlier one */
	if (stat(from, &st) == 0 && fs_read(from, 0, &text, &len, &save->op.end.err) == 0) {
		const struct timespec times[] = {st.st_mtim, st.st_mtim};

		result = fs_replace(AT_FDCWD, save->index, text, len, false, &save->op.end.err);
		if (result == 0 && utimensat(AT_FDCWD, save->index, times, 0) != 0)
			result = error_errno(&save->op.end.err, "cannot set the time of '%s'", save->index);
		free(text);
	} else if (errno != ENOENT) {
		result = error_errno(&save->op.end.err, "cannot read '%s'", from);
	}
	free(from);
	free(lock);
	return result;
}

static void got_status(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	bool staged = false;
	struct strvec argv = {0};

	if (!op_succeeded(op, result, "cannot look at '%s'", save->dir))
		return;
	save->status = status_parse(result, save->dir);
	memcpy(save->work.oid, save->status->oid, GIT_OID_MAX);
	if (save->status->count == 0 && !save->deep) {
		op_end(op);
		return;
	}
	save->work.oid[0] = '\0'; /* until it is made */
	for (size_t i = 0; i < save->status->count; i++) {
		const struct status_entry *entry = &save->status->items[i];

		if (entry->kind == STATUS_NESTED)
			strvec_push(&save->work.nested, entry->path);
		staged = staged || (entry->kind == STATUS_CHANGED && entry->xy[0] != '.');
	}
	if (copy_index(save) != 0) {
		op_fail(op, VCS_FAILED, "%s", op->end.err.message);
	} else if (staged && save->status->unmerged == 0) {
		strvec_push(&argv, "write-tree");
		with_index(save, got_index_tree, NULL, &argv, save->index_env, NULL, NULL, NULL);
	} else {
		add_all(save);
	}
}

static void ask_status(struct op *op, const struct git_result *result)
{
	struct strvec argv = {0};

	(void)result;
	status_command(&argv, NULL);
	op_gitv(op, got_status, NULL, &argv, NULL, NULL);
}

static void got_git_dir(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	if (!op_succeeded(op, result, "cannot save the work in '%s'", save->dir))
		return;
	save->git_dir = op_line(result);
	save->index = xasprintf("%s/orch-save-index", save->git_dir);
	save->nested_index = xasprintf("%s/orch-save-nested", save->git_dir);
	save->index_env = xasprintf("GIT_INDEX_FILE=%s", save->index);
	save->nested_index_env = xasprintf("GIT_INDEX_FILE=%s", save->nested_index);
	op_clear_locks(op, save->repo, NULL, NULL, save->stream, ask_status);
}

static void on_locked(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;

	(void)result;
	if (save->commit_only)
		list_refs(op, NULL);
	else
		op_git(op, got_git_dir, "rev-parse", "--absolute-git-dir", NULL);
}

static void take_lock(struct op *op, const struct git_result *result)
{
	struct save_op *save = (struct save_op *)op;
	char *lock = repo_stream_lock(save->repo, save->stream);

	(void)result;
	op_lock(op, lock, "save\n", on_locked);
	free(lock);
}

static void begin(struct save_op *save, struct repo *repo, const struct op *holder, save_done *done, void *data)
{
	save->repo = repo;
	save->done = done;
	save->data = data;
	op_begin(&save->op, repo->git, save->dir, finish, holder ? on_locked : take_lock);
	save->op.in_worktree = true;
	if (holder)
		op_share_lock(&save->op, holder);
}

void save_work_locked(
	struct repo *repo, const struct save_spec *spec, const struct op *holder, save_done *done, void *data)
{
	struct save_op *save = xcalloc(1, sizeof *save);

	save->stream = xstrdup(spec->stream);
	save->dir = xstrdup(spec->dir);
	save->reason = xstrdup(spec->reason ? spec->reason : "as it was");
	save->no_ref = spec->no_ref;
	save->deep = spec->deep;
	begin(save, repo, holder, done, data);
}

void save_work(struct repo *repo, const struct save_spec *spec, save_done *done, void *data)
{
	save_work_locked(repo, spec, NULL, done, data);
}

void save_commit_locked(
	struct repo *repo, const char *stream, const char *oid, const struct op *holder, save_done *done, void *data)
{
	struct save_op *save = xcalloc(1, sizeof *save);

	save->stream = xstrdup(stream);
	save->dir = xstrdup(repo->git_dir);
	save->commit_only = true;
	snprintf(save->work.oid, sizeof save->work.oid, "%s", oid);
	begin(save, repo, holder, done, data);
}

void save_commit(struct repo *repo, const char *stream, const char *oid, save_done *done, void *data)
{
	save_commit_locked(repo, stream, oid, NULL, done, data);
}
