#include "config.h"

#include "vcs/status.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/alloc.h"
#include "util/array.h"
#include "util/digest.h"
#include "util/strvec.h"
#include "vcs/op.h"
#include "vcs/repo.h"

enum { NAMES_SHOWN = 3 };

void status_command(struct strvec *argv, const struct strvec *exclude)
{
	static const char *const words[] = {"status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all",
		"--ignore-submodules=none", "--no-renames", "--no-ahead-behind", NULL};

	for (size_t i = 0; words[i]; i++)
		strvec_push(argv, words[i]);
	if (!exclude || exclude->count == 0)
		return;
	strvec_push(argv, "--");
	strvec_push(argv, ":(top)");
	for (size_t i = 0; i < exclude->count; i++)
		strvec_pushf(argv, ":(top,exclude,literal)%s", exclude->items[i]);
}

/* the `n`th blank-separated field from here */
static const char *field(const char *at, unsigned n)
{
	while (n-- > 0) {
		at += strcspn(at, " ");
		at += *at == ' ';
	}
	return at;
}

static uint64_t file_digest(uint64_t seed, const char *top, const char *path)
{
	char *full = xasprintf("%s/%s", top, path);
	struct stat st;
	int64_t facts[6] = {0};

	if (lstat(full, &st) == 0) {
		facts[0] = (int64_t)st.st_size;
		facts[1] = (int64_t)st.st_mtim.tv_sec;
		facts[2] = (int64_t)st.st_mtim.tv_nsec;
		facts[3] = (int64_t)st.st_ino;
		facts[4] = (int64_t)st.st_mode;
		facts[5] = 1;
		/* what is in a nested repository is its own business: its directory's times say little */
		if (S_ISDIR(st.st_mode))
			facts[0] = facts[1] = facts[2] = 0;
	}
	free(full);
	return digest_chain(seed, facts, sizeof facts);
}

static void take_header(struct checkout_status *status, const char *line)
{
	if (strncmp(line, "# branch.oid ", 13) == 0) {
		if (oid_is_valid(line + 13))
			memcpy(status->oid, line + 13, strlen(line + 13) + 1);
	} else if (strncmp(line, "# branch.head ", 14) == 0 && strcmp(line + 14, "(detached)") != 0) {
		status->branch = xstrdup(line + 14);
	}
}

static void take_entry(struct checkout_status *status, const char *line, const char *top)
{
	struct status_entry entry = {.xy = "??"};
	const char *path;

	switch (line[0]) {
	case '1':
		entry.kind = STATUS_CHANGED;
		path = field(line, 8);
		status->changed++;
		break;
	case 'u':
		entry.kind = STATUS_UNMERGED;
		path = field(line, 10);
		status->unmerged++;
		break;
	case '?':
		path = field(line, 1);
		entry.kind = path[0] && path[strlen(path) - 1] == '/' ? STATUS_NESTED : STATUS_UNTRACKED;
		if (entry.kind == STATUS_NESTED)
			status->nested++;
		else
			status->untracked++;
		break;
	default:
		return;
	}
	if (line[0] != '?') {
		memcpy(entry.xy, line + 2, 2);
		entry.submodule = line[5] == 'S';
	}
	entry.path = xstrdup(path);
	entry.digest = file_digest(digest_bytes(line, strlen(line)), top, path);
	*ARRAY_PUSH(status) = entry;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct status_entry *)a)->path, ((const struct status_entry *)b)->path);
}

struct checkout_status *status_parse(const struct git_result *result, const char *top)
{
	struct checkout_status *status = xcalloc(1, sizeof *status);
	const char *at = result->out, *end = at + result->out_len;

	for (; at < end; at += strlen(at) + 1) {
		if (at[0] == '#')
			take_header(status, at);
		else if (strlen(at) > 2)
			take_entry(status, at, top);
	}
	if (status->count > 1)
		qsort(status->items, status->count, sizeof *status->items, by_path);
	return status;
}

void checkout_status_free(struct checkout_status *status)
{
	if (!status)
		return;
	for (size_t i = 0; i < status->count; i++)
		free(status->items[i].path);
	array_free(status->items);
	free(status->branch);
	free(status);
}

bool checkout_status_same_head(const struct checkout_status *before, const struct checkout_status *after)
{
	if (strcmp(before->oid, after->oid) != 0 || !before->branch != !after->branch)
		return false;
	return !before->branch || strcmp(before->branch, after->branch) == 0;
}

size_t checkout_status_differences(
	const struct checkout_status *before, const struct checkout_status *after, struct strvec *paths)
{
	size_t i = 0, j = 0, found = 0;

	while (i < before->count || j < after->count) {
		const struct status_entry *was = i < before->count ? &before->items[i] : NULL;
		const struct status_entry *is = j < after->count ? &after->items[j] : NULL;
		int order = !was ? 1 : !is ? -1 : strcmp(was->path, is->path);

		if (order != 0 || was->digest != is->digest) {
			strvec_push(paths, order <= 0 ? was->path : is->path);
			found++;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return found;
}

char *checkout_status_text(const struct checkout_status *status)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "%zu changed, %zu untracked", status->changed + status->unmerged,
		status->untracked + status->nested);
	for (size_t i = 0; i < status->count && i < NAMES_SHOWN; i++)
		strbuf_addf(&text, "%s%s", i == 0 ? ": " : ", ", status->items[i].path);
	if (status->count > NAMES_SHOWN)
		strbuf_addstr(&text, ", ...");
	return strbuf_detach(&text);
}

/* --- reading it --- */

struct status_op {
	struct op op;
	char *dir;
	struct strvec exclude;
	struct checkout_status *status;
	status_done *done;
	void *data;
};

static void finish(struct op *op)
{
	struct status_op *read = (struct status_op *)op;

	read->done(read->data, &op->end, read->status);
	strvec_release(&read->exclude);
	free(read->dir);
	free(read);
}

static void got_status(struct op *op, const struct git_result *result)
{
	struct status_op *read = (struct status_op *)op;

	if (!op_succeeded(op, result, "cannot look at the checkout '%s'", read->dir))
		return;
	read->status = status_parse(result, read->dir);
	op_end(op);
}

static void ask_status(struct op *op, const struct git_result *result)
{
	struct status_op *read = (struct status_op *)op;
	struct strvec argv = {0};

	(void)result;
	status_command(&argv, &read->exclude);
	op_gitv(op, got_status, NULL, &argv, NULL, NULL);
}

void checkout_status_read(
	struct repo *repo, const char *dir, const struct strvec *exclude, status_done *done, void *data)
{
	struct status_op *read = xcalloc(1, sizeof *read);

	read->dir = xstrdup(dir);
	for (size_t i = 0; exclude && i < exclude->count; i++)
		strvec_push(&read->exclude, exclude->items[i]);
	read->done = done;
	read->data = data;
	op_begin(&read->op, repo->git, read->dir, finish, ask_status);
}
