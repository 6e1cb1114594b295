/* What is known of every stream before a plan: its stamp, and its fingerprint as of now. */
#ifndef EXEC_FACTS_H
#define EXEC_FACTS_H

#include "graph/graph.h"
#include "orch/error.h"
#include "sched/plan.h"

struct file_cache;
struct project;
struct stamp_detail;
struct stamp_store;
struct workspace;

struct facts_options {
	const char *const *what_if; /* files that count as changed; NULL-terminated, or NULL */
	bool always;                /* every stream counts as stale */
};

/* one per stream, malloc'd. ORCH_EUSAGE: a `what_if` file is no stream's input */
int facts_gather(struct plan_facts **out, const struct project *project, struct stamp_store *store,
	struct file_cache *cache, const struct facts_options *options, struct orch_error *err);

/*
 * Fills `detail` with what `stream` is made from and made, as of now: parts, digests, recipe text, times. The inputs
 * digest is `inputs` if `inputs_known` (it was taken before the stream ran); the result is that of its outputs and of
 * the values in `detail` (parts 'v', added by the caller), or, where it declares nothing by which its result could be
 * known, one that is never repeated, made from `run` and `attempt`. That of a stream in a worktree (`workspace` is not
 * NULL) is the tree that it left.
 */
int facts_describe(struct stamp_detail *detail, const struct plan *plan, uint32_t stream, struct file_cache *cache,
	const char *run, unsigned attempt, int64_t duration_ms, const struct workspace *workspace,
	struct orch_error *err);

/* stamps `streams` (ids, dependencies first) as if each had completed now; the plan's facts follow */
int facts_touch(struct plan *plan, const uint32_t *streams, size_t count, struct stamp_store *store,
	struct file_cache *cache, struct orch_error *err);

#endif
