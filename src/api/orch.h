/* The handles behind the public API: what each owns. */
#ifndef API_ORCH_H
#define API_ORCH_H

#include "graph/graph.h"
#include "graph/project.h"
#include "orch/plan.h"
#include "sched/plan.h"
#include "state/approval.h"
#include "state/statedir.h"
#include "util/diag.h"
#include "util/strvec.h"

struct orch {
	struct project project;
	struct graph graph;
	struct diag_list diags;

	/* options, copied: it can be read again */
	struct strvec assignments;
	bool inspect, agents;
	struct strvec left_out; /* streams whose fragments (state/fragment.h) do not fit any more: they are not read */
};

/* The same again, during a run: nothing that was read before is left out now, what does not fit is an error. As with
 * orch_open(), *out is set where there are errors. `generator` NULL: from its files, as they are now; else only what
 * that stream has generated is new, and all else as it was read, files that have changed since and outputs of commands
 * too. `fragment`: that, if it is not kept yet; else NULL */
struct load_fragment;
int open_again(struct orch **out, const struct orch *before, const char *generator,
	const struct load_fragment *fragment, struct orch_error *err);

struct orch_plan {
	struct orch *orch;
	struct statedir dir; /* for looking */
	struct stamp_store *store;
	struct file_cache *cache;
	struct plan plan;
	bool built;

	/* options, copied: a run that finds the state changed plans again */
	struct strvec targets, only, except, what_if;
	bool always;
	unsigned jobs;

	/* worked out when first asked for */
	char *reason; /* the text given out last */
	uint32_t *order, *critical;
	size_t order_count, critical_count;
	uint32_t *phases;
	unsigned phase_count;
	int64_t stamps_changed_ns; /* when the directory of stamps last changed, as the plan saw it; 0: there was none
				    */
};

/* facts, selection and plan anew, from `store` (owned by the plan from now on, which may be the plan's own already) */
int plan_rebuild(struct orch_plan *plan, struct orch_error *err);
/* A plan by the same options of `orch`, an Orchfile that was read since. `adjust` is called with the facts before they
 * are used. Files that were to count as changed did so before. plan_release() frees it */
int plan_again(struct plan *out, const struct orch_plan *plan, struct orch *orch,
	void (*adjust)(void *data, struct plan_facts *facts, const struct project *project), void *data,
	struct orch_error *err);
/* what an approval of the stream given now would be for; `by` and the time are the caller's */
void plan_approval(struct approval *out, const struct plan *plan, uint32_t id);
/* groups left out; dependencies first */
uint32_t *plan_stale_streams(const struct orch_plan *plan, size_t *count);

#endif
