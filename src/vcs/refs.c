#include "config.h"

#include "vcs/refs.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/array.h"
#include "util/strvec.h"
#include "vcs/op.h"
#include "vcs/repo.h"

const char *ref_problem(const char *branch)
{
	size_t len = strlen(branch);

	if (len == 0)
		return "it is empty";
	if (branch[0] == '-' || branch[0] == '/')
		return "it starts with '-' or '/'";
	if (branch[len - 1] == '.' || branch[len - 1] == '/')
		return "it ends with '.' or '/'";
	if (strcmp(branch, "HEAD") == 0)
		return "HEAD is no branch";
	for (size_t i = 0; i < len; i++) {
		bool starts = i == 0 || branch[i - 1] == '/';

		if ((unsigned char)branch[i] <= ' ' || branch[i] == 0x7f || strchr("~^:?*[\\", branch[i]))
			return "a blank or one of ~^:?*[\\ is in it";
		if (branch[i] == '.' && (starts || branch[i - 1] == '.'))
			return starts ? "a part of it starts with '.'" : "'..' is in it";
		if (branch[i] == '/' && starts)
			return "'//' is in it";
		if (branch[i] == '{' && i > 0 && branch[i - 1] == '@')
			return "'@{' is in it";
		if (strncmp(branch + i, ".lock", 5) == 0 && (branch[i + 5] == '\0' || branch[i + 5] == '/'))
			return "a part of it ends with '.lock'";
	}
	return NULL;
}

/* --- one name --- */

struct resolve_op {
	struct op op;
	char *name;
	char oid[GIT_OID_MAX];
	ref_resolved *done;
	void *data;
};

static void finish_resolve(struct op *op)
{
	struct resolve_op *resolve = (struct resolve_op *)op;

	resolve->done(resolve->data, &op->end, op->end.status == VCS_OK ? resolve->oid : "");
	free(resolve->name);
	free(resolve);
}

static void got_oid(struct op *op, const struct git_result *result)
{
	struct resolve_op *resolve = (struct resolve_op *)op;

	if (op_oid(result, resolve->oid))
		op_end(op);
	else if (!result->problem && result->code == 1)
		op_fail(op, VCS_ABSENT, "'%s' is no branch, tag or commit", resolve->name);
	else
		op_fail_git(op, result, "cannot look up '%s'", resolve->name);
}

static void ask_oid(struct op *op, const struct git_result *result)
{
	struct resolve_op *resolve = (struct resolve_op *)op;
	char *commit;

	(void)result;
	if (resolve->name[0] == '-' || resolve->name[0] == '\0') {
		op_fail(op, VCS_ABSENT, "'%s' is no branch, tag or commit", resolve->name);
		return;
	}
	commit = xasprintf("%s^{commit}", resolve->name);
	op_git(op, got_oid, "rev-parse", "--quiet", "--verify", commit, NULL);
	free(commit);
}

void ref_resolve(struct repo *repo, const char *name, ref_resolved *done, void *data)
{
	struct resolve_op *resolve = xcalloc(1, sizeof *resolve);

	resolve->name = xstrdup(name);
	resolve->done = done;
	resolve->data = data;
	op_begin(&resolve->op, repo->git, repo->git_dir, finish_resolve, ask_oid);
}

/* --- changes --- */

struct change_op {
	struct op op;
	struct strbuf input;
	char *message;
	vcs_done *done;
	void *data;
};

void refs_add_change(struct strbuf *input, const struct ref_change *change)
{
	bool create = change->new_oid && change->old_oid && !change->old_oid[0];

	strbuf_addf(input, "%s %s", !change->new_oid ? "delete" : create ? "create" : "update", change->name);
	strbuf_addch(input, '\0');
	if (change->new_oid) {
		strbuf_addstr(input, change->new_oid);
		strbuf_addch(input, '\0');
	}
	if (!create) {
		strbuf_addstr(input, change->old_oid ? change->old_oid : "");
		strbuf_addch(input, '\0');
	}
}

static void finish_change(struct op *op)
{
	struct change_op *change = (struct change_op *)op;

	change->done(change->data, &op->end);
	strbuf_release(&change->input);
	free(change->message);
	free(change);
}

/* does git say that a ref is not what it was expected to be */
bool refs_changed_meanwhile(const struct git_result *result)
{
	return !result->problem && result->code != 0 &&
		(strstr(result->said, "but expected") || strstr(result->said, "reference already exists") ||
			strstr(result->said, "unable to resolve reference"));
}

static void on_changed(struct op *op, const struct git_result *result)
{
	if (refs_changed_meanwhile(result))
		op_fail(op, VCS_CONFLICT, "a branch has changed meanwhile: %.*s", (int)strcspn(result->said, "\n"),
			result->said);
	else if (op_succeeded(op, result, "cannot change refs"))
		op_end(op);
}

static void do_change(struct op *op, const struct git_result *result)
{
	struct change_op *change = (struct change_op *)op;
	struct strvec argv = {0};

	(void)result;
	strvec_push(&argv, "update-ref");
	strvec_push(&argv, "-m");
	strvec_push(&argv, change->message);
	strvec_push(&argv, "--stdin");
	strvec_push(&argv, "-z");
	op_gitv(op, on_changed, NULL, &argv, NULL, &change->input);
}

void refs_change(struct repo *repo, const struct ref_change *changes, size_t count, const char *message, vcs_done *done,
	void *data)
{
	struct change_op *op = xcalloc(1, sizeof *op);

	for (size_t i = 0; i < count; i++)
		refs_add_change(&op->input, &changes[i]);
	op->message = xstrdup(message);
	op->done = done;
	op->data = data;
	op_begin(&op->op, repo->git, repo->git_dir, finish_change, do_change);
}

/* --- ancestors --- */

struct ancestor_op {
	struct op op;
	char *ancestor, *descendant;
	bool yes;
	ref_answer *done;
	void *data;
};

static void finish_ancestor(struct op *op)
{
	struct ancestor_op *ask = (struct ancestor_op *)op;

	ask->done(ask->data, &op->end, ask->yes);
	free(ask->ancestor);
	free(ask->descendant);
	free(ask);
}

static void got_ancestor(struct op *op, const struct git_result *result)
{
	struct ancestor_op *ask = (struct ancestor_op *)op;

	ask->yes = !result->problem && result->code == 0;
	if (ask->yes || (!result->problem && result->code == 1))
		op_end(op);
	else
		op_fail_git(op, result, "cannot compare '%s' with '%s'", ask->ancestor, ask->descendant);
}

static void ask_ancestor(struct op *op, const struct git_result *result)
{
	struct ancestor_op *ask = (struct ancestor_op *)op;

	(void)result;
	op_git(op, got_ancestor, "merge-base", "--is-ancestor", ask->ancestor, ask->descendant, NULL);
}

void ref_is_ancestor(struct repo *repo, const char *ancestor, const char *descendant, ref_answer *done, void *data)
{
	struct ancestor_op *ask = xcalloc(1, sizeof *ask);

	ask->ancestor = xstrdup(ancestor);
	ask->descendant = xstrdup(descendant);
	ask->done = done;
	ask->data = data;
	op_begin(&ask->op, repo->git, repo->git_dir, finish_ancestor, ask_ancestor);
}

/* --- lists --- */

struct list_op {
	struct op op;
	char *prefix;
	ARRAY(struct ref) refs;
	refs_listed *done;
	void *data;
};

static void finish_list(struct op *op)
{
	struct list_op *list = (struct list_op *)op;

	list->done(list->data, &op->end, list->refs.items, list->refs.count);
	for (size_t i = 0; i < list->refs.count; i++)
		free((char *)list->refs.items[i].name);
	ARRAY_RELEASE(&list->refs);
	free(list->prefix);
	free(list);
}

static void got_list(struct op *op, const struct git_result *result)
{
	struct list_op *list = (struct list_op *)op;
	const char *at = result->out;

	if (!op_succeeded(op, result, "cannot list '%s'", list->prefix))
		return;
	while (*at) {
		size_t len = strcspn(at, "\n"), oid = strcspn(at, " ");

		if (oid < len && oid < GIT_OID_MAX) {
			struct ref *ref = ARRAY_PUSH(&list->refs);

			memcpy(ref->oid, at, oid);
			ref->name = xstrndup(at + oid + 1, len - oid - 1);
		}
		at += len;
		at += *at == '\n';
	}
	op_end(op);
}

static void ask_list(struct op *op, const struct git_result *result)
{
	struct list_op *list = (struct list_op *)op;

	(void)result;
	op_git(op, got_list, "for-each-ref", "--sort=version:refname", "--format=%(objectname) %(refname)",
		list->prefix, NULL);
}

void refs_list(struct repo *repo, const char *prefix, refs_listed *done, void *data)
{
	struct list_op *list = xcalloc(1, sizeof *list);

	list->prefix = xstrdup(prefix);
	list->done = done;
	list->data = data;
	op_begin(&list->op, repo->git, repo->git_dir, finish_list, ask_list);
}
