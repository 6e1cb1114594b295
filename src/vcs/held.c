#include "config.h"

#include "vcs/held.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/strvec.h"
#include "vcs/op.h"
#include "vcs/repo.h"

struct held_op {
	struct op op;
	struct repo *repo;
	struct strvec argv;    /* of the first command */
	struct strbuf input;   /* of rev-list */
	struct strvec refs;    /* the answer is this, */
	size_t count;          /* or this, */
	char oid[GIT_OID_MAX]; /* or this, */
	const char *text;      /* or this */
	size_t len;
	char *ref; /* whose log */
	held_refs *refs_done;
	held_count *count_done;
	held_commit *commit_done;
	held_text *text_done;
	void *data;
};

static void finish(struct op *op)
{
	struct held_op *held = (struct held_op *)op;

	if (held->refs_done)
		held->refs_done(held->data, &op->end, &held->refs);
	else if (held->count_done)
		held->count_done(held->data, &op->end, held->count);
	else if (held->commit_done)
		held->commit_done(held->data, &op->end, held->oid);
	else
		held->text_done(held->data, &op->end, held->text, held->len);
	strvec_release(&held->argv);
	strvec_release(&held->refs);
	strbuf_release(&held->input);
	free(held->ref);
	free(held);
}

/* but those of edges, "-OID" */
static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		count += *text != '-';
	return count;
}

static struct held_op *held_new(struct repo *repo, void *data)
{
	struct held_op *held = xcalloc(1, sizeof *held);

	held->repo = repo;
	held->data = data;
	return held;
}

static void take_lines(struct held_op *held, const struct git_result *result)
{
	for (const char *at = result->out; *at; at += strcspn(at, "\n"), at += *at == '\n')
		strvec_pushn(&held->refs, at, strcspn(at, "\n"));
}

static void got_refs(struct op *op, const struct git_result *result)
{
	struct held_op *held = (struct held_op *)op;

	if (!op_succeeded(op, result, "cannot look for branches with a commit"))
		return;
	take_lines(held, result);
	op_end(op);
}

static void ask_refs(struct op *op, const struct git_result *result)
{
	(void)result;
	op_gitv(op, got_refs, NULL, &((struct held_op *)op)->argv, NULL, NULL);
}

void held_by(struct repo *repo, const char *oid, held_refs *done, void *data)
{
	struct held_op *held = held_new(repo, data);

	held->refs_done = done;
	strvec_push(&held->argv, "for-each-ref");
	strvec_push(&held->argv, "--format=%(refname)");
	strvec_pushf(&held->argv, "--contains=%s", oid);
	strvec_push(&held->argv, "refs/heads/");
	strvec_push(&held->argv, "refs/remotes/");
	strvec_push(&held->argv, "refs/tags/");
	op_begin(&held->op, repo->git, repo->git_dir, finish, ask_refs);
}

static void got_list(struct op *op, const struct git_result *result)
{
	if (!op_succeeded(op, result, "cannot compare commits"))
		return;
	((struct held_op *)op)->count = count_lines(result->out);
	op_end(op);
}

static void ask_list(struct op *op, const struct git_result *result)
{
	struct held_op *held = (struct held_op *)op;

	(void)result;
	op_gitv(op, got_list, NULL, &held->argv, NULL, &held->input);
}

/* `input` of rev-list: what is looked at, and what is not */
static void begin_list(struct held_op *held, const char *oid, const struct strvec *by, held_count *done)
{
	held->count_done = done;
	strvec_push(&held->argv, "--stdin");
	strbuf_addf(&held->input, "%s\n", oid);
	for (size_t i = 0; i < by->count; i++)
		strbuf_addf(&held->input, "^%s\n", by->items[i]);
	op_begin(&held->op, held->repo->git, held->repo->git_dir, finish, ask_list);
}

void held_commits(struct repo *repo, const char *oid, const struct strvec *by, held_count *done, void *data)
{
	struct held_op *held = held_new(repo, data);

	strvec_push(&held->argv, "rev-list");
	begin_list(held, oid, by, done);
}

void held_files(struct repo *repo, const char *oid, const struct strvec *by, held_count *done, void *data)
{
	struct held_op *held = held_new(repo, data);

	strvec_push(&held->argv, "rev-list");
	/* all trees of `by` are looked at, not only those of commits that both have */
	strvec_push(&held->argv, "--objects-edge-aggressive");
	strvec_push(&held->argv, "--no-object-names");
	strvec_push(&held->argv, "--filter=object:type=blob");
	strvec_push(&held->argv, "--filter-provided-objects");
	begin_list(held, oid, by, done);
}

static void got_unheld(struct op *op, const struct git_result *result)
{
	struct held_op *held = (struct held_op *)op;

	if (!op_succeeded(op, result, "cannot compare the log of '%s' with refs", held->ref))
		return;
	take_lines(held, result);
	op_end(op);
}

static void got_log(struct op *op, const struct git_result *result)
{
	struct held_op *held = (struct held_op *)op;
	struct strvec argv = {0};

	if (!op_succeeded(op, result, "cannot read the log of '%s'", held->ref))
		return;
	strbuf_addstr(&held->input, result->out);
	strvec_push(&argv, "rev-list");
	strvec_push(&argv, "--ignore-missing");
	strvec_push(&argv, "--stdin");
	strvec_push(&argv, "--not");
	strvec_push(&argv, "--glob=refs/*");
	op_gitv(op, got_unheld, NULL, &argv, NULL, &held->input);
}

static void ask_log(struct op *op, const struct git_result *result)
{
	(void)result;
	op_gitv(op, got_log, NULL, &((struct held_op *)op)->argv, NULL, NULL);
}

void held_log(struct repo *repo, const char *ref, held_oids *done, void *data)
{
	struct held_op *held = held_new(repo, data);

	held->refs_done = done;
	strvec_push(&held->argv, "log");
	strvec_push(&held->argv, "--no-show-signature");
	strvec_push(&held->argv, "--walk-reflogs");
	strvec_push(&held->argv, "--format=%H");
	strvec_push(&held->argv, ref);
	strvec_push(&held->argv, "--");
	held->ref = xstrdup(ref);
	op_begin(&held->op, repo->git, repo->git_dir, finish, ask_log);
}

static void got_fork(struct op *op, const struct git_result *result)
{
	if (op_oid(result, ((struct held_op *)op)->oid))
		op_end(op);
	else if (!result->problem && result->code == 1)
		op_fail(op, VCS_ABSENT, "they have no commit in common");
	else
		op_fail_git(op, result, "cannot compare commits");
}

static void ask_fork(struct op *op, const struct git_result *result)
{
	(void)result;
	op_gitv(op, got_fork, NULL, &((struct held_op *)op)->argv, NULL, NULL);
}

void held_fork(struct repo *repo, const char *a, const char *b, held_commit *done, void *data)
{
	struct held_op *held = held_new(repo, data);

	held->commit_done = done;
	strvec_push(&held->argv, "merge-base");
	strvec_push(&held->argv, a);
	strvec_push(&held->argv, b);
	op_begin(&held->op, repo->git, repo->git_dir, finish, ask_fork);
}

static void got_text(struct op *op, const struct git_result *result)
{
	struct held_op *held = (struct held_op *)op;

	if (!op_succeeded(op, result, "cannot compare commits"))
		return;
	held->text = result->out;
	held->len = result->out_len;
	op_end(op); /* the output is valid until this step is over */
}

static void ask_text(struct op *op, const struct git_result *result)
{
	(void)result;
	op_gitv(op, got_text, NULL, &((struct held_op *)op)->argv, NULL, NULL);
}

void held_diff(
	struct repo *repo, const char *from, const char *to, const char *const *arguments, held_text *done, void *data)
{
	struct held_op *held = held_new(repo, data);

	held->text_done = done;
	strvec_push(&held->argv, "diff");
	for (; *arguments; arguments++)
		strvec_push(&held->argv, *arguments);
	strvec_push(&held->argv, from);
	strvec_push(&held->argv, to);
	strvec_push(&held->argv, "--");
	/* in the checkout, whose attributes say how a file is to be shown */
	op_begin(&held->op, repo->git, repo->top ? repo->top : repo->git_dir, finish, ask_text);
}
