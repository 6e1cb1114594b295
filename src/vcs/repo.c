#include "config.h"

#include "vcs/repo.h"

#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "vcs/op.h"

struct open_op {
	struct op op;
	char *dir;
	struct repo *repo;
	repo_opened *done;
	void *data;
};

enum repo_doing repo_doing_in(const char *git_dir)
{
	static const struct {
		const char *name;
		enum repo_doing doing;
	} signs[] = {{"rebase-merge", REPO_REBASE}, {"rebase-apply/applying", REPO_AM}, {"rebase-apply", REPO_REBASE},
		{"MERGE_HEAD", REPO_MERGE}, {"CHERRY_PICK_HEAD", REPO_CHERRY_PICK}, {"REVERT_HEAD", REPO_REVERT},
		{"BISECT_LOG", REPO_BISECT}};
	enum repo_doing doing = REPO_NOTHING;

	for (size_t i = 0; i < sizeof signs / sizeof *signs && doing == REPO_NOTHING; i++) {
		char *path = xasprintf("%s/%s", git_dir, signs[i].name);

		if (fs_exists(path))
			doing = signs[i].doing;
		free(path);
	}
	return doing;
}

const char *repo_doing_text(enum repo_doing doing)
{
	static const char *const texts[] = {
		NULL, "a merge", "a rebase", "an am", "a cherry-pick", "a revert", "a bisect"};

	return texts[doing];
}

static void finish(struct op *op)
{
	struct open_op *open = (struct open_op *)op;

	if (op->end.status != VCS_OK) {
		repo_free(open->repo);
		open->repo = NULL;
	}
	open->done(open->data, &op->end, open->repo);
	free(open->dir);
	free(open);
}

static void got_identity(struct op *op, const struct git_result *result)
{
	((struct open_op *)op)->repo->has_identity = !result->problem && result->code == 0;
	op_end(op);
}

static void got_head(struct op *op, const struct git_result *result)
{
	struct repo *repo = ((struct open_op *)op)->repo;

	/* status 1 and silent: the branch has no commit yet */
	if (!op_oid(result, repo->head) && (result->problem || result->code != 1)) {
		op_fail_git(op, result, "cannot read HEAD of '%s'", op->dir);
		return;
	}
	repo->doing = repo_doing_in(repo->git_dir);
	op_git(op, got_identity, "var", "GIT_COMMITTER_IDENT", NULL);
}

static void got_branch(struct op *op, const struct git_result *result)
{
	struct repo *repo = ((struct open_op *)op)->repo;

	if (result->problem || result->code > 1) {
		op_fail_git(op, result, "cannot read HEAD of '%s'", op->dir);
		return;
	}
	if (result->code == 0) {
		repo->head_ref = op_line(result);
		if (strncmp(repo->head_ref, "refs/heads/", 11) == 0)
			repo->branch = xstrdup(repo->head_ref + 11);
	}
	op_git(op, got_head, "rev-parse", "--quiet", "--verify", "HEAD^{commit}", NULL);
}

static void got_top(struct op *op, const struct git_result *result)
{
	struct repo *repo = ((struct open_op *)op)->repo;

	/* within a git directory there is no checkout */
	if (!result->problem && result->code == 0)
		repo->top = op_line(result);
	op_git(op, got_branch, "symbolic-ref", "--quiet", "HEAD", NULL);
}

static void got_common_dir(struct op *op, const struct git_result *result)
{
	struct repo *repo = ((struct open_op *)op)->repo;

	if (!op_succeeded(op, result, "cannot open the repository of '%s'", op->dir))
		return;
	repo->common_dir = op_line(result);
	if (repo->bare)
		op_git(op, got_branch, "symbolic-ref", "--quiet", "HEAD", NULL);
	else
		op_git(op, got_top, "rev-parse", "--show-toplevel", NULL);
}

static void got_kind(struct op *op, const struct git_result *result)
{
	struct repo *repo = ((struct open_op *)op)->repo;
	const char *at = result->out;
	char *rest = NULL;
	bool answers[2];

	if (!result->problem && result->code != 0 && strstr(result->said, "not a git repository")) {
		op_fail(op, VCS_ABSENT, "'%s' is in no git repository", op->dir);
		return;
	}
	if (!op_succeeded(op, result, "git refuses '%s'", op->dir))
		return;
	/* three lines, then the path, which may have newlines in it */
	for (int i = 0; i < 2; i++) {
		answers[i] = strncmp(at, "true\n", 5) == 0;
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	repo->bare = answers[0];
	repo->shallow = answers[1];
	repo->sha256 = strncmp(at, "sha256\n", 7) == 0;
	at += strcspn(at, "\n");
	at += *at == '\n';
	rest = xstrdup(at);
	if (rest[0] && rest[strlen(rest) - 1] == '\n')
		rest[strlen(rest) - 1] = '\0';
	repo->git_dir = rest;
	op_git(op, got_common_dir, "rev-parse", "--path-format=absolute", "--git-common-dir", NULL);
}

static void ask_kind(struct op *op, const struct git_result *result)
{
	(void)result;
	op_git(op, got_kind, "rev-parse", "--is-bare-repository", "--is-shallow-repository", "--show-object-format",
		"--absolute-git-dir", NULL);
}

void repo_open(struct git *git, const char *dir, repo_opened *done, void *data)
{
	struct open_op *open = xcalloc(1, sizeof *open);

	open->dir = xstrdup(dir);
	open->repo = xcalloc(1, sizeof *open->repo);
	open->repo->git = git;
	open->done = done;
	open->data = data;
	op_begin(&open->op, git, open->dir, finish, ask_kind);
}

struct repo_turn {
	struct repo_turn *next;
	struct op *op;
	op_step *step;
};

void repo_take_turn(struct repo *repo, struct op *op, op_step *next)
{
	struct repo_turn *turn = xcalloc(1, sizeof *turn);

	if (!repo->turns)
		repo->turns_end = &repo->turns;
	turn->op = op;
	turn->step = next;
	*repo->turns_end = turn;
	repo->turns_end = &turn->next;
	if (repo->turns == turn)
		op_later(op, next);
}

void repo_end_turn(struct repo *repo, const struct op *op)
{
	struct repo_turn *turn = repo->turns;

	if (!turn || turn->op != op)
		return;
	repo->turns = turn->next;
	free(turn);
	if (repo->turns)
		op_later(repo->turns->op, repo->turns->step);
}

const char *const *repo_identity(const struct repo *repo)
{
	return repo->has_identity ? NULL : op_fallback_identity;
}

char *repo_stream_lock(const struct repo *repo, const char *stream)
{
	return xasprintf("%s/orch/locks/stream.%s", repo->common_dir, stream);
}

void repo_free(struct repo *repo)
{
	if (!repo)
		return;
	free(repo->top);
	free(repo->git_dir);
	free(repo->common_dir);
	free(repo->branch);
	free(repo->head_ref);
	free(repo);
}
