#include "config.h"

#include "vcs/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/array.h"
#include "vcs/op.h"
#include "vcs/repo.h"
#include "vcs/save.h"
#include "vcs/status.h"

/* --- what merge-tree prints: TREE, (MODE OID STAGE TAB PATH)*, "", (COUNT PATH* TYPE MESSAGE)* --- */

static void add_file(struct strvec *files, const char *path)
{
	if (files->count == 0 || strcmp(files->items[files->count - 1], path) != 0)
		strvec_push(files, path);
}

int merge_tree_read(const struct git_result *result, char tree[GIT_OID_MAX], struct merge_conflict *conflict)
{
	const char *at = result->out, *end = at + result->out_len;
	struct strbuf text = {.limit = 64 << 10};

	if (result->problem || result->code > 1 || strlen(at) >= GIT_OID_MAX || !oid_is_valid(at))
		return -1;
	memcpy(tree, at, strlen(at) + 1);
	if (result->code == 0)
		return 0;
	for (at += strlen(at) + 1; at < end && *at; at += strlen(at) + 1) {
		const char *tab = strchr(at, '\t');

		if (tab)
			add_file(&conflict->files, tab + 1);
	}
	at += at < end;
	while (at < end) {
		unsigned long paths = strtoul(at, NULL, 10);
		const char *type;

		at += strlen(at) + 1;
		while (at < end && paths-- > 0)
			at += strlen(at) + 1;
		type = at;
		if (at < end)
			at += strlen(at) + 1;
		if (at < end && strncmp(type, "CONFLICT", 8) == 0)
			strbuf_addstr(&text, at);
		if (at < end)
			at += strlen(at) + 1;
	}
	conflict->text = strbuf_detach(&text);
	return 1;
}

void merge_conflict_release(struct merge_conflict *conflict)
{
	strvec_release(&conflict->files);
	free(conflict->text);
	conflict->text = NULL;
}

/* --- the base of several --- */

struct side {
	char *name, *oid;
	bool used; /* no other contains it */
};

struct base_op {
	struct op op;
	struct repo *repo;
	char *what;
	ARRAY(struct side) sides;
	size_t at; /* the side being added; in a conflict: the one compared with it */
	char tree[GIT_OID_MAX];
	struct merge_base_result result;
	merge_base_done *done;
	void *data;
};

static void add_next(struct op *op);

static void finish_base(struct op *op)
{
	struct base_op *base = (struct base_op *)op;
	bool has_result = op->end.status == VCS_OK || op->end.status == VCS_CONFLICT;

	base->done(base->data, &op->end, has_result ? &base->result : NULL);
	for (size_t i = 0; i < base->sides.count; i++) {
		free(base->sides.items[i].name);
		free(base->sides.items[i].oid);
	}
	ARRAY_RELEASE(&base->sides);
	merge_conflict_release(&base->result.conflict);
	free(base->what);
	free(base);
}

static void fail_conflict(struct base_op *base)
{
	const struct merge_conflict *conflict = &base->result.conflict;

	op_fail(&base->op, VCS_CONFLICT, "%s and %s do not merge: conflict%s in %s%s", conflict->ours, conflict->theirs,
		conflict->files.count == 1 ? "" : "s",
		conflict->files.count > 0 ? conflict->files.items[0] : "the tree",
		conflict->files.count > 1 ? ", ..." : "");
}

/* which of those before does it collide with? */
static void find_other_side(struct base_op *base);

static void on_compared(struct op *op, const struct git_result *result)
{
	struct base_op *base = (struct base_op *)op;
	struct merge_conflict conflict = {0};
	char tree[GIT_OID_MAX];

	if (merge_tree_read(result, tree, &conflict) == 1) {
		base->result.conflict.ours = base->sides.items[base->at].name;
		merge_conflict_release(&conflict);
		fail_conflict(base);
		return;
	}
	merge_conflict_release(&conflict);
	base->at++;
	find_other_side(base);
}

static void find_other_side(struct base_op *base)
{
	while (base->at < base->result.stuck && !base->sides.items[base->at].used)
		base->at++;
	if (base->at < base->result.stuck)
		op_git(&base->op, on_compared, "merge-tree", "--write-tree", "-z", base->sides.items[base->at].oid,
			base->sides.items[base->result.stuck].oid, NULL);
	else /* only with several of them together */
		fail_conflict(base);
}

/* "orch: base of STREAM" and what was merged, NULL: as far as it came */
static void message_text(const struct base_op *base, size_t count, struct strbuf *out)
{
	strbuf_addf(out, "Merge the work that %s starts from\n\n", base->what);
	for (size_t i = 0; i < count; i++)
		strbuf_addf(out, "%s %s%s\n", base->sides.items[i].oid, base->sides.items[i].name,
			base->sides.items[i].used ? "" : " (in another)");
}

/* a commit of the tree so far, with the first `count` sides as parents */
static void commit_sides(struct base_op *base, op_step *next, size_t count)
{
	struct strvec argv = {0};
	struct strbuf message = {0};

	strvec_push(&argv, "commit-tree");
	for (size_t i = 0; i < count; i++) {
		if (!base->sides.items[i].used)
			continue;
		strvec_push(&argv, "-p");
		strvec_push(&argv, base->sides.items[i].oid);
	}
	strvec_push(&argv, base->tree);
	message_text(base, count, &message);
	op_gitv(&base->op, next, NULL, &argv, repo_identity(base->repo), &message);
	strbuf_release(&message);
}

static void on_side_committed(struct op *op, const struct git_result *result)
{
	struct base_op *base = (struct base_op *)op;

	if (!op_oid(result, base->result.oid)) {
		op_fail_git(op, result, "cannot commit the merge for %s", base->what);
		return;
	}
	base->result.made = true;
	base->at++;
	add_next(op);
}

static void on_side_merged(struct op *op, const struct git_result *result)
{
	struct base_op *base = (struct base_op *)op;

	switch (merge_tree_read(result, base->tree, &base->result.conflict)) {
	case 0:
		commit_sides(base, on_side_committed, base->at + 1);
		break;
	case 1:
		base->result.stuck = base->at;
		base->result.conflict.theirs = base->sides.items[base->at].name;
		base->result.conflict.ours = "the others before it";
		base->at = 0;
		find_other_side(base);
		break;
	default:
		op_fail_git(op, result, "cannot merge '%s' for %s", base->sides.items[base->at].name, base->what);
	}
}

static void add_next(struct op *op)
{
	struct base_op *base = (struct base_op *)op;

	while (base->at < base->sides.count && !base->sides.items[base->at].used)
		base->at++;
	if (base->at == base->sides.count) {
		op_end(op);
	} else if (!base->result.oid[0]) {
		memcpy(base->result.oid, base->sides.items[base->at].oid, strlen(base->sides.items[base->at].oid) + 1);
		base->at++;
		add_next(op); /* once: there is an oid now */
	} else {
		op_git(op, on_side_merged, "merge-tree", "--write-tree", "-z", base->result.oid,
			base->sides.items[base->at].oid, NULL);
	}
}

/* those that no other contains; of equal ones the first */
static void got_independent(struct op *op, const struct git_result *result)
{
	struct base_op *base = (struct base_op *)op;

	if (!op_succeeded(op, result, "cannot compare the branches that %s starts from", base->what))
		return;
	for (const char *at = result->out; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		size_t len = strcspn(at, "\n");

		for (size_t i = 0; i < base->sides.count; i++) {
			struct side *side = &base->sides.items[i];

			if (strncmp(side->oid, at, len) == 0 && side->oid[len] == '\0') {
				side->used = true;
				break;
			}
		}
	}
	add_next(op);
}

static void ask_independent(struct op *op, const struct git_result *result)
{
	struct base_op *base = (struct base_op *)op;
	struct strvec argv = {0};

	(void)result;
	strvec_push(&argv, "merge-base");
	strvec_push(&argv, "--independent");
	for (size_t i = 0; i < base->sides.count; i++) {
		if (!oid_is_valid(base->sides.items[i].oid)) {
			op_fail(op, VCS_ABSENT, "'%s' has no commit to start %s from", base->sides.items[i].name,
				base->what);
			strvec_release(&argv);
			return;
		}
		strvec_push(&argv, base->sides.items[i].oid);
	}
	op_gitv(op, got_independent, NULL, &argv, NULL, NULL);
}

void merge_base(struct repo *repo, const char *what, const struct merge_side *sides, size_t count,
	merge_base_done *done, void *data)
{
	struct base_op *base = xcalloc(1, sizeof *base);

	base->repo = repo;
	base->what = xstrdup(what);
	for (size_t i = 0; i < count; i++) {
		struct side *side = ARRAY_PUSH(&base->sides);

		side->name = xstrdup(sides[i].name);
		side->oid = xstrdup(sides[i].oid);
	}
	base->done = done;
	base->data = data;
	op_begin(&base->op, repo->git, repo->git_dir, finish_base, ask_independent);
}

/* --- in a worktree, with markers --- */

struct worktree_op {
	struct op op;
	struct repo *repo;
	char *stream, *dir, *name, *oid, *git_dir;
	struct merge_conflict conflict;
	bool merged; /* it was tried */
	bool again;  /* a killed merge was undone */
	merge_done *done;
	void *data;
};

static void ask_status(struct op *op, const struct git_result *result);

static void finish_worktree(struct op *op)
{
	struct worktree_op *merge = (struct worktree_op *)op;

	merge->done(merge->data, &op->end, op->end.status == VCS_CONFLICT ? &merge->conflict : NULL);
	merge_conflict_release(&merge->conflict);
	free(merge->stream);
	free(merge->dir);
	free(merge->name);
	free(merge->oid);
	free(merge->git_dir);
	free(merge);
}

static void on_merged(struct op *op, const struct git_result *result)
{
	struct worktree_op *merge = (struct worktree_op *)op;

	merge->merged = true;
	if (!result->problem && result->code == 0) {
		op_end(op);
	} else if (!result->problem && result->code == 1) {
		merge->conflict.text = xstrdup(result->out);
		ask_status(op, NULL);
	} else {
		op_fail_git(op, result, "cannot merge '%s' in the worktree of '%s'", merge->name, merge->stream);
	}
}

static void start_merge(struct worktree_op *merge)
{
	struct strvec argv = {0};

	strvec_push(&argv, "merge");
	strvec_push(&argv, "--quiet");
	strvec_push(&argv, "--no-edit");
	strvec_push(&argv, "--no-ff");
	strvec_push(&argv, "--no-squash");
	strvec_push(&argv, "--no-autostash");
	strvec_push(&argv, "--no-stat");
	strvec_push(&argv, "--commit");
	strvec_push(&argv, "-m");
	strvec_pushf(&argv, "Merge %s into the work of %s", merge->name, merge->stream);
	strvec_push(&argv, merge->oid);
	op_gitv(&merge->op, on_merged, NULL, &argv, repo_identity(merge->repo), NULL);
}

static void on_cleaned(struct op *op, const struct git_result *result)
{
	if (op_succeeded(
		    op, result, "cannot undo the merge in '%s' that was cut short", ((struct worktree_op *)op)->dir))
		ask_status(op, NULL);
}

static void on_undone(struct op *op, const struct git_result *result)
{
	if (op_succeeded(
		    op, result, "cannot undo the merge in '%s' that was cut short", ((struct worktree_op *)op)->dir))
		op_git(op, on_cleaned, "clean", "--quiet", "--force", "--force", "-d", NULL);
}

static void on_half_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct worktree_op *merge = data;

	if (end->status != VCS_OK)
		op_fail_as(&merge->op, end);
	else if (work->missing)
		op_fail(&merge->op, VCS_REFUSED, "not all of the work in '%s' can be saved: %.*s", merge->dir,
			(int)strcspn(work->missing, "\n"), work->missing);
	else
		op_git(&merge->op, on_undone, "reset", "--quiet", "--hard", NULL);
}

static void got_worktree_status(struct op *op, const struct git_result *result)
{
	struct worktree_op *merge = (struct worktree_op *)op;
	struct checkout_status *status;

	if (!op_succeeded(op, result, "cannot look at '%s'", merge->dir))
		return;
	status = status_parse(result, merge->dir);
	for (size_t i = 0; i < status->count; i++) {
		if (status->items[i].kind == STATUS_UNMERGED)
			strvec_push(&merge->conflict.files, status->items[i].path);
	}
	if (merge->conflict.files.count > 0) {
		op_fail(op, VCS_CONFLICT, "%s and %s do not merge: conflict%s in %s%s", merge->conflict.ours,
			merge->conflict.theirs, merge->conflict.files.count == 1 ? "" : "s",
			merge->conflict.files.items[0], merge->conflict.files.count > 1 ? ", ..." : "");
	} else if (merge->merged) {
		op_fail(op, VCS_FAILED, "cannot merge '%s' in the worktree of '%s': %.*s", merge->name, merge->stream,
			(int)strcspn(merge->conflict.text, "\n"), merge->conflict.text);
	} else if (op->interrupted && !merge->again &&
		(status->count > 0 || repo_doing_in(merge->git_dir) == REPO_MERGE)) {
		/* the merge that was killed had begun with a clean worktree */
		merge->again = true;
		save_work_locked(merge->repo,
			&(struct save_spec){.stream = merge->stream,
				.dir = merge->dir,
				.reason = "before a merge that was cut short is undone"},
			op, on_half_saved, merge);
	} else if (repo_doing_in(merge->git_dir) == REPO_MERGE) {
		op_fail(op, VCS_CONFLICT, "a merge in '%s' is resolved and not committed", merge->dir);
	} else if (status->changed > 0) {
		char *text = checkout_status_text(status);

		op_fail(op, VCS_REFUSED, "the worktree of '%s' has uncommitted changes (%s)", merge->stream, text);
		free(text);
	} else {
		start_merge(merge);
	}
	checkout_status_free(status);
}

static void ask_status(struct op *op, const struct git_result *result)
{
	struct strvec argv = {0};

	(void)result;
	status_command(&argv, NULL);
	op_gitv(op, got_worktree_status, NULL, &argv, NULL, NULL);
}

static void got_worktree_branch(struct op *op, const struct git_result *result)
{
	struct worktree_op *merge = (struct worktree_op *)op;
	char *branch = !result->problem && result->code == 0 ? op_line(result) : NULL; /* or detached */

	op_clear_locks(op, merge->repo, merge->git_dir, branch, merge->stream, ask_status);
	free(branch);
}

static void got_worktree_git_dir(struct op *op, const struct git_result *result)
{
	struct worktree_op *merge = (struct worktree_op *)op;

	if (!op_succeeded(op, result, "cannot merge in '%s'", merge->dir))
		return;
	merge->git_dir = op_line(result);
	op_git(op, got_worktree_branch, "symbolic-ref", "--quiet", "--short", "HEAD", NULL);
}

static void on_worktree_locked(struct op *op, const struct git_result *result)
{
	(void)result;
	op_git(op, got_worktree_git_dir, "rev-parse", "--absolute-git-dir", NULL);
}

static void begin_worktree(struct op *op, const struct git_result *result)
{
	struct worktree_op *merge = (struct worktree_op *)op;
	char *lock = repo_stream_lock(merge->repo, merge->stream);

	(void)result;
	op_lock(op, lock, "merge\n", on_worktree_locked);
	free(lock);
}

void merge_in_worktree(struct repo *repo, const char *stream, const char *dir, const struct merge_side *theirs,
	merge_done *done, void *data)
{
	struct worktree_op *merge = xcalloc(1, sizeof *merge);

	merge->repo = repo;
	merge->stream = xstrdup(stream);
	merge->dir = xstrdup(dir);
	merge->name = xstrdup(theirs->name);
	merge->oid = xstrdup(theirs->oid);
	merge->conflict.ours = merge->stream;
	merge->conflict.theirs = merge->name;
	merge->done = done;
	merge->data = data;
	op_begin(&merge->op, repo->git, merge->dir, finish_worktree, begin_worktree);
	merge->op.in_worktree = true;
}
