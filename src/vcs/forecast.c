#include "config.h"

#include "vcs/forecast.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/array.h"
#include "vcs/lib2.h"
#include "vcs/op.h"
#include "vcs/repo.h"

enum { AT_ONCE = 8 };

struct forecast_op {
	struct op op;
	struct repo *repo;
	struct strvec names, oids;
	bool by_git;
	size_t a, b; /* the pair to be begun next */
	unsigned under_way;
	bool stopped;
	char *failure;
	bool refused; /* libgit2 does not take the repository, or there is none */
	struct forecast forecast;
	forecast_done *done;
	void *data;
};

/* one comparison under way */
struct comparison {
	struct forecast_op *op;
	size_t a, b;
};

static void compare_more(struct forecast_op *forecast);

static int by_number(const void *one, const void *other)
{
	const struct forecast_pair *x = one, *y = other;

	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return x->b < y->b ? -1 : x->b > y->b;
}

static void release_pairs(struct forecast *forecast)
{
	for (size_t i = 0; i < forecast->count; i++)
		strvec_release(&forecast->items[i].files);
	ARRAY_RELEASE(forecast);
}

static void finish(struct op *op)
{
	struct forecast_op *forecast = (struct forecast_op *)op;
	struct forecast *result = &forecast->forecast;

	if (result->count > 1)
		qsort(result->items, result->count, sizeof *result->items, by_number);
	forecast->done(forecast->data, &op->end, op->end.status == VCS_OK ? result : NULL);
	release_pairs(result);
	free(forecast->failure);
	strvec_release(&forecast->names);
	strvec_release(&forecast->oids);
	free(forecast);
}

static void on_compared(void *data, const struct git_result *result)
{
	struct comparison *comparison = data;
	struct forecast_op *forecast = comparison->op;
	struct merge_conflict conflict = {0};
	char tree[GIT_OID_MAX];
	int merges = merge_tree_read(result, tree, &conflict);

	forecast->under_way--;
	forecast->forecast.compared++;
	if (merges > 0) {
		struct forecast_pair *pair = ARRAY_PUSH(&forecast->forecast);

		pair->a = comparison->a;
		pair->b = comparison->b;
		pair->files = conflict.files;
		conflict.files = (struct strvec){0};
	} else if (merges < 0 && !forecast->failure) {
		/* told when the others have ended too */
		forecast->stopped = result->stopped;
		forecast->failure = xasprintf("cannot compare '%s' with '%s': %.*s",
			forecast->names.items[comparison->a], forecast->names.items[comparison->b],
			(int)strcspn(result->problem ? result->problem : result->said, "\n"),
			result->problem ? result->problem : result->said);
	}
	merge_conflict_release(&conflict);
	free(comparison);
	compare_more(forecast);
}

static void compare(struct forecast_op *forecast, size_t a, size_t b)
{
	const char *const argv[] = {
		"merge-tree", "--write-tree", "-z", forecast->oids.items[a], forecast->oids.items[b], NULL};
	struct comparison *comparison = xcalloc(1, sizeof *comparison);

	comparison->op = forecast;
	comparison->a = a;
	comparison->b = b;
	forecast->under_way++;
	git_start(forecast->op.git, &(struct git_command){.dir = forecast->op.dir, .argv = argv, .in = -1}, on_compared,
		comparison);
}

/* as many at once as make sense; the end, when there are no more */
static void compare_more(struct forecast_op *forecast)
{
	while (!forecast->failure && forecast->a + 1 < forecast->oids.count && forecast->under_way < AT_ONCE) {
		compare(forecast, forecast->a, forecast->b);
		if (++forecast->b == forecast->oids.count)
			forecast->b = ++forecast->a + 1;
	}
	if (forecast->under_way > 0)
		return;
	if (forecast->failure)
		op_fail(&forecast->op, forecast->stopped ? VCS_STOPPED : VCS_FAILED, "%s", forecast->failure);
	else
		op_end(&forecast->op);
}

static void compare_by_git(struct op *op, const struct git_result *result)
{
	struct forecast_op *forecast = (struct forecast_op *)op;

	(void)result;
	forecast->a = 0;
	forecast->b = 1;
	compare_more(forecast);
}

/* on another thread */
static void compare_by_library(struct op *op)
{
	struct forecast_op *forecast = (struct forecast_op *)op;

	forecast->refused = lib2_forecast(forecast->repo->common_dir, &forecast->oids, &forecast->forecast) != 0;
}

static void on_library_done(struct op *op, const struct git_result *result)
{
	struct forecast_op *forecast = (struct forecast_op *)op;

	(void)result;
	if (!forecast->refused) {
		forecast->forecast.by_library = true;
		op_end(op);
		return;
	}
	release_pairs(&forecast->forecast);
	forecast->forecast.compared = 0;
	compare_by_git(op, NULL);
}

static void begin(struct op *op, const struct git_result *result)
{
	struct forecast_op *forecast = (struct forecast_op *)op;

	(void)result;
	for (size_t i = 0; i < forecast->oids.count; i++) {
		if (!oid_is_valid(forecast->oids.items[i])) {
			op_fail(op, VCS_ABSENT, "'%s' has no commit", forecast->names.items[i]);
			return;
		}
	}
	if (forecast->by_git || forecast->oids.count < 2)
		compare_by_git(op, NULL);
	else
		op_work(op, on_library_done, compare_by_library);
}

void forecast_conflicts(
	struct repo *repo, const struct merge_side *sides, size_t count, bool by_git, forecast_done *done, void *data)
{
	struct forecast_op *forecast = xcalloc(1, sizeof *forecast);

	forecast->repo = repo;
	for (size_t i = 0; i < count; i++) {
		strvec_push(&forecast->names, sides[i].name);
		strvec_push(&forecast->oids, sides[i].oid);
	}
	forecast->by_git = by_git;
	forecast->done = done;
	forecast->data = data;
	op_begin(&forecast->op, repo->git, repo->git_dir, finish, begin);
}
