#include "config.h"

#include "vcs/push.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/strvec.h"
#include "vcs/op.h"
#include "vcs/refs.h"
#include "vcs/repo.h"

struct push_op {
	struct op op;
	char *branch, *oid, *into;
	bool dry_run;
	char *remote, *url;
	push_done *done;
	void *data;
};

static void finish(struct op *op)
{
	struct push_op *push = (struct push_op *)op;
	struct push_result result = {.remote = push->remote, .url = push->url};

	push->done(push->data, &op->end, op->end.status == VCS_OK ? &result : NULL);
	free(push->branch);
	free(push->oid);
	free(push->into);
	free(push->remote);
	free(push->url);
	free(push);
}

static void on_pushed(struct op *op, const struct git_result *result)
{
	struct push_op *push = (struct push_op *)op;

	if (op_succeeded(op, result, "cannot push '%s' to '%s'", push->branch, push->remote))
		op_end(op);
}

static void got_url(struct op *op, const struct git_result *result)
{
	struct push_op *push = (struct push_op *)op;
	struct strvec argv = {0};

	if (!op_succeeded(op, result, "cannot tell where '%s' is", push->remote))
		return;
	push->url = op_line(result);
	strvec_push(&argv, "push");
	strvec_push(&argv, "--quiet");
	if (push->dry_run)
		strvec_push(&argv, "--dry-run");
	strvec_push(&argv, push->remote);
	strvec_pushf(&argv, "%s:" REFS_BRANCH "%s", push->oid, push->branch);
	op_gitv(op, on_pushed, NULL, &argv, NULL, NULL);
}

static void got_remotes(struct op *op, const struct git_result *result)
{
	struct push_op *push = (struct push_op *)op;
	const char *only = NULL;
	size_t count = 0, len;

	if (!op_succeeded(op, result, "cannot list the remotes"))
		return;
	for (const char *at = result->out; *at; at += len + (at[len] == '\n'), count++) {
		len = strcspn(at, "\n");
		if (!only || (len == strlen("origin") && memcmp(at, "origin", len) == 0))
			only = at;
	}
	if (!push->remote && only && (count == 1 || strncmp(only, "origin", strcspn(only, "\n")) == 0))
		push->remote = xstrndup(only, strcspn(only, "\n"));
	if (push->remote)
		op_git(op, got_url, "remote", "get-url", "--push", push->remote, NULL);
	else if (count == 0)
		op_fail(op, VCS_ABSENT, "the repository has no remote to push '%s' to: 'git remote add origin URL'",
			push->branch);
	else
		op_fail(op, VCS_ABSENT,
			"'%s' has no remote, and there are several to push '%s' to: 'git config branch.%s.remote NAME'",
			push->into, push->branch, push->into);
}

/* as git-push(1) would choose for `into`: branch.INTO.pushRemote, remote.pushDefault, branch.INTO.remote */
static void got_config(struct op *op, const struct git_result *result)
{
	struct push_op *push = (struct push_op *)op;
	char *own_push = xasprintf("branch.%s.pushremote", push->into),
	     *own = xasprintf("branch.%s.remote", push->into);
	const char *keys[] = {own_push, "remote.pushdefault", own};
	size_t best = sizeof keys / sizeof keys[0];

	if (result->problem || result->code > 1) {
		op_fail_git(op, result, "cannot read the configuration");
	} else {
		for (const char *at = result->out; at < result->out + result->out_len; at += strlen(at) + 1) {
			size_t len = strcspn(at, "\n");

			for (size_t i = 0; i <= best && i < sizeof keys / sizeof keys[0]; i++) {
				if (at[len] != '\n' || strlen(keys[i]) != len || memcmp(at, keys[i], len) != 0)
					continue;
				free(push->remote);
				push->remote = xstrdup(at + len + 1);
				best = i;
			}
		}
		/* "." is this repository itself */
		if (push->remote && strcmp(push->remote, ".") == 0) {
			free(push->remote);
			push->remote = NULL;
		}
		op_git(op, got_remotes, "remote", NULL);
	}
	free(own_push);
	free(own);
}

static void begin(struct op *op, const struct git_result *result)
{
	(void)result;
	op_git(op, got_config, "config", "--null", "--get-regexp",
		"^(branch\\..*\\.(push)?remote|remote\\.pushdefault)$", NULL);
}

void push_branch(struct repo *repo, const struct push_spec *spec, push_done *done, void *data)
{
	struct push_op *push = xcalloc(1, sizeof *push);

	push->branch = xstrdup(spec->branch);
	push->oid = xstrdup(spec->oid);
	push->into = xstrdup(spec->into);
	push->dry_run = spec->dry_run;
	push->done = done;
	push->data = data;
	op_begin(&push->op, repo->git, repo->git_dir, finish, begin);
}
