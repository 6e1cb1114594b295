#include "config.h"

#include "orch/plan.h"

#include "api/orch.h"
#include "exec/facts.h"
#include "graph/select.h"
#include "graph/topo.h"
#include "sched/overlap.h"
#include "sched/sched.h"
#include "state/fingerprint.h"
#include "state/stamp.h"
#include "state/ticks.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/log.h"
#include "util/map.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* --- building --- */

static void copy_words(struct strvec *to, const char *const *from)
{
	for (; from && *from; from++)
		strvec_push(to, *from);
}

/* what is wanted, NULL: everything; `only` tells whether dependencies are left out */
static int select_streams(
	const struct orch_plan *plan, const struct orch *orch, bool **out, bool *only, struct orch_error *err)
{
	const struct project *project = &orch->project;
	const struct graph *graph = &orch->graph;
	const struct words *defaults = &project->set.default_targets;
	bool all = !plan->targets.count && !plan->only.count && !defaults->count;
	bool *marked;

	*out = NULL;
	*only = plan->only.count > 0;
	if (all && !plan->except.count)
		return 0;
	marked = xcalloc(project->stream_count ? project->stream_count : 1, sizeof *marked);
	*out = marked;
	for (uint32_t s = 0; all && s < project->stream_count; s++)
		marked[s] = true;
	for (size_t i = 0; i < plan->only.count; i++) {
		if (select_target(project, graph, plan->only.items[i], marked, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < plan->targets.count; i++) {
		if (select_target(project, graph, plan->targets.items[i], marked, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < defaults->count && !plan->targets.count && !plan->only.count; i++) {
		if (select_target(project, graph, defaults->items[i], marked, err) < 0)
			return error_prefix(err, "project: default");
	}
	if (!*only && !all)
		topo_close_deps(graph, marked);
	if (plan->except.count) {
		bool *excepted = xcalloc(project->stream_count ? project->stream_count : 1, sizeof *excepted);
		int status = 0;

		for (size_t i = 0; i < plan->except.count && status == 0; i++)
			status = select_target(project, graph, plan->except.items[i], excepted, err);
		for (uint32_t s = 0; s < project->stream_count; s++)
			marked[s] = marked[s] && !excepted[s];
		free(excepted);
		/* what an excepted stream would have made is taken as it is */
		*only = true;
		return status;
	}
	return 0;
}

static void forget_derived(struct orch_plan *plan)
{
	free(plan->reason);
	free(plan->order);
	free(plan->critical);
	free(plan->phases);
	plan->reason = NULL;
	plan->order = plan->critical = plan->phases = NULL;
	plan->order_count = plan->critical_count = 0;
	plan->phase_count = 0;
}

int plan_rebuild(struct orch_plan *plan, struct orch_error *err)
{
	struct facts_options options = {.what_if = (const char *const *)plan->what_if.items, .always = plan->always};
	struct plan_facts *facts;
	bool *wanted = NULL, only;

	if (select_streams(plan, plan->orch, &wanted, &only, err) < 0 ||
		facts_gather(&facts, &plan->orch->project, plan->store, plan->cache, &options, err) < 0) {
		free(wanted);
		return -1;
	}
	forget_derived(plan);
	if (plan->built)
		plan_release(&plan->plan);
	plan_build(&plan->plan, &plan->orch->project, &plan->orch->graph, facts, wanted, only);
	plan->built = true;
	return 0;
}

int plan_again(struct plan *out, const struct orch_plan *plan, struct orch *orch,
	void (*adjust)(void *data, struct plan_facts *facts, const struct project *project), void *data,
	struct orch_error *err)
{
	const struct facts_options options = {.always = plan->always};
	struct plan_facts *facts;
	bool *wanted = NULL, only;

	if (select_streams(plan, orch, &wanted, &only, err) < 0 ||
		facts_gather(&facts, &orch->project, plan->store, plan->cache, &options, err) < 0) {
		free(wanted);
		return -1;
	}
	adjust(data, facts, &orch->project);
	plan_build(out, &orch->project, &orch->graph, facts, wanted, only);
	return 0;
}

int orch_plan_new(
	struct orch_plan **out, struct orch *orch, const struct orch_plan_options *options, struct orch_error *err)
{
	struct orch_plan *plan = xcalloc(1, sizeof *plan);

	*out = NULL;
	plan->orch = orch;
	plan->always = options->always;
	plan->jobs = options->jobs ? options->jobs : orch->project.set.jobs ? (unsigned)orch->project.set.jobs : 4;
	copy_words(&plan->targets, options->targets);
	copy_words(&plan->only, options->only);
	copy_words(&plan->except, options->except);
	copy_words(&plan->what_if, options->what_if);
	plan->dir.fd = plan->dir.stamps_fd = plan->dir.lock.fd = -1;
	if (statedir_open(&plan->dir, orch->project.dir, err) < 0 ||
		stamp_store_open(&plan->store, &plan->dir, err) < 0 ||
		file_cache_open(&plan->cache, &plan->dir, err) < 0 || plan_rebuild(plan, err) < 0) {
		orch_plan_free(plan);
		return -1;
	}
	plan->stamps_changed_ns = stamp_store_changed_ns(&plan->dir);
	*out = plan;
	return 0;
}

void orch_plan_free(struct orch_plan *plan)
{
	if (!plan)
		return;
	forget_derived(plan);
	if (plan->built)
		plan_release(&plan->plan);
	if (plan->cache)
		file_cache_close(plan->cache);
	if (plan->store)
		stamp_store_close(plan->store);
	statedir_release(&plan->dir);
	strvec_release(&plan->targets);
	strvec_release(&plan->only);
	strvec_release(&plan->except);
	strvec_release(&plan->what_if);
	free(plan);
}

/* --- asking --- */

enum orch_plan_action orch_plan_action(const struct orch_plan *plan, size_t stream)
{
	switch ((enum plan_action)plan->plan.items[stream].action) {
	case PLAN_COMPLETE:
		return ORCH_PLAN_COMPLETE;
	case PLAN_PERHAPS:
		return ORCH_PLAN_PERHAPS;
	case PLAN_RUN:
		return ORCH_PLAN_RUN;
	case PLAN_NOT_WANTED:
		break;
	}
	return ORCH_PLAN_NOT_WANTED;
}

static bool is_stale(const struct orch_plan *plan, size_t stream)
{
	return plan->plan.items[stream].action == PLAN_RUN || plan->plan.items[stream].action == PLAN_PERHAPS;
}

/* the parts of one kind by their names, which are borrowed */
static void map_parts(struct map *parts, struct stamp_detail *detail, char kind)
{
	for (size_t i = 0; i < detail->part_count; i++) {
		if (detail->parts[i].kind == kind)
			map_set(parts, detail->parts[i].name, &detail->parts[i]);
	}
}

static char *difference_of_parts(struct stamp_detail *before, struct stamp_detail *now, char kind)
{
	struct map then = {0}, here = {0};
	char *text = NULL;

	map_parts(&then, before, kind);
	map_parts(&here, now, kind);
	for (size_t i = 0; i < now->part_count && !text; i++) {
		const struct stamp_part *part = &now->parts[i], *old;

		if (part->kind != kind)
			continue;
		old = map_get(&then, part->name);
		if (!old)
			text = xasprintf(kind == 'i' ? "input %s is new" : "dependency %s is new", part->name);
		else if (old->digest != part->digest)
			text = xasprintf(kind == 'i' ? "input %s changed" : "the result of %s changed", part->name);
	}
	for (size_t i = 0; i < before->part_count && !text; i++) {
		const struct stamp_part *part = &before->parts[i];

		if (part->kind == kind && !map_get(&here, part->name))
			text = xasprintf(kind == 'i' ? "input %s is gone" : "it no longer depends on %s", part->name);
	}
	/* a stamp lists its inputs as they were at the end of the work, and is made from what they were before */
	if (!text && kind == 'i' && before->part_count)
		text = xstrdup("its inputs changed while it last ran");
	map_release(&then);
	map_release(&here);
	return text;
}

/* the first part of the stamp's kind 'i' or 'd' that is another now, or NULL; malloc'd: "input src/a.c changed" */
static char *first_difference(struct orch_plan *plan, uint32_t id, char kind)
{
	const struct stream *stream = &plan->orch->project.streams[id];
	struct stamp_detail before = {0}, now = {0};
	char *text = NULL;

	if (stamp_store_read(plan->store, stream->name, &before, NULL) < 0)
		return NULL;
	if (kind == 'i') {
		uint64_t digest;

		fingerprint_inputs(plan->cache, stream, &digest, &now, NULL, NULL);
	} else {
		const edge *deps = graph_deps(&plan->orch->graph, id);

		for (uint32_t i = 0; i < graph_dep_count(&plan->orch->graph, id); i++) {
			uint32_t dep = EDGE_STREAM(deps[i]);

			if (!EDGE_ORDER_ONLY(deps[i]))
				stamp_detail_add(&now, 'd', plan->plan.facts[dep].stamp.result,
					plan->orch->project.streams[dep].name);
		}
	}
	text = difference_of_parts(&before, &now, kind);
	stamp_detail_release(&before);
	stamp_detail_release(&now);
	return text;
}

static char *make_reason(struct orch_plan *plan, uint32_t id)
{
	const struct plan_item *item = &plan->plan.items[id];
	const struct stream *stream = &plan->orch->project.streams[id];
	const char *missing;
	char *text = NULL;

	switch ((enum plan_reason)item->reason) {
	case REASON_DEP_RUNS:
		if (item->other != NO_STREAM)
			return xasprintf("depends on %s, which runs", plan->orch->project.streams[item->other].name);
		break;
	case REASON_OUTPUT_MISSING:
		missing = fingerprint_missing_output(stream, NULL);
		if (missing)
			return xasprintf("output %s does not exist", missing);
		if (stream->set->generates && !stream->is_generated)
			return xstrdup("what it has generated is not there, or does not fit any more");
		if (stream->set->orchfile)
			return xasprintf("%s has streams to run", stream->set->orchfile);
		break;
	case REASON_INPUTS:
		text = first_difference(plan, id, 'i');
		break;
	case REASON_DEPS:
		text = first_difference(plan, id, 'd');
		break;
	default:
		break;
	}
	return text ? text : xstrdup(plan_reason_text(item->reason));
}

const char *orch_plan_reason(struct orch_plan *plan, size_t stream)
{
	if (!is_stale(plan, stream))
		return NULL;
	switch ((enum plan_reason)plan->plan.items[stream].reason) {
	case REASON_DEP_RUNS:
	case REASON_OUTPUT_MISSING:
	case REASON_INPUTS:
	case REASON_DEPS:
		free(plan->reason);
		plan->reason = make_reason(plan, (uint32_t)stream);
		return plan->reason;
	default:
		return plan_reason_text(plan->plan.items[stream].reason);
	}
}

static bool dep_runs(const struct plan *plan, uint32_t id)
{
	const edge *deps = graph_deps(plan->graph, id);

	for (uint32_t i = 0; i < graph_dep_count(plan->graph, id); i++) {
		if (plan->items[EDGE_STREAM(deps[i])].action >= PLAN_PERHAPS)
			return true;
	}
	return false;
}

void plan_approval(struct approval *out, const struct plan *plan, uint32_t id)
{
	out->recipe = plan->facts[id].recipe;
	out->made_known = !dep_runs(plan, id);
	out->inputs = plan->facts[id].inputs;
	out->deps = plan_deps_digest(plan, id);
}

bool orch_plan_asks(struct orch_plan *plan, size_t stream)
{
	const struct stream *declared = &plan->orch->project.streams[stream];
	struct approval given, now;
	bool asks;

	if (!is_stale(plan, stream) || !declared->set->approve || stream_is_group(declared))
		return false;
	/* one that cannot be read is none: the run says so, and asks */
	if (approval_read(&plan->dir, declared->name, &given, NULL) <= 0)
		return true;
	plan_approval(&now, &plan->plan, (uint32_t)stream);
	/* what it will start from is not known yet: the run looks again when it is */
	asks = now.made_known ? !approval_fits(&given, now.recipe, now.inputs, now.deps) : given.recipe != now.recipe;
	approval_release(&given);
	return asks;
}

static size_t count_action(const struct orch_plan *plan, enum plan_action action, bool if_something_fails)
{
	size_t count = 0;

	for (uint32_t s = 0; s < plan->orch->project.stream_count; s++)
		count += plan->plan.items[s].action == action && !stream_is_group(&plan->orch->project.streams[s]) &&
			plan_waits_for_failure(&plan->plan, s) == if_something_fails;
	return count;
}

size_t orch_plan_wanted(const struct orch_plan *plan)
{
	size_t wanted = 0;

	for (uint32_t s = 0; s < plan->orch->project.stream_count; s++)
		wanted += plan->plan.items[s].action != PLAN_NOT_WANTED &&
			!stream_is_group(&plan->orch->project.streams[s]);
	return wanted;
}

size_t orch_plan_run_count(const struct orch_plan *plan)
{
	return count_action(plan, PLAN_RUN, false);
}

size_t orch_plan_perhaps_count(const struct orch_plan *plan)
{
	return count_action(plan, PLAN_PERHAPS, false);
}

size_t orch_plan_failure_count(const struct orch_plan *plan)
{
	return count_action(plan, PLAN_RUN, true);
}

uint32_t *plan_stale_streams(const struct orch_plan *plan, size_t *count)
{
	const struct graph *graph = &plan->orch->graph;
	uint32_t *streams = xcalloc(graph->count ? graph->count : 1, sizeof *streams);

	*count = 0;
	for (uint32_t i = 0; i < graph->count; i++) {
		uint32_t s = graph->order[i];

		if (is_stale(plan, s) && !stream_is_group(&plan->orch->project.streams[s]))
			streams[(*count)++] = s;
	}
	return streams;
}

static bool has_phase(const struct orch_plan *plan, uint32_t stream)
{
	return !stream_is_group(&plan->orch->project.streams[stream]) && !plan_waits_for_failure(&plan->plan, stream);
}

/* phases over what is stale: groups, and what only a failure starts, take part in the counting and are left out of the
 * answer */
static void make_phases(struct orch_plan *plan)
{
	const struct graph *graph = &plan->orch->graph;

	if (plan->phases)
		return;
	plan->phases = xcalloc(graph->count ? graph->count : 1, sizeof *plan->phases);
	for (uint32_t i = 0; i < graph->count; i++) {
		uint32_t s = graph->order[i], phase = 0;
		const edge *deps = graph_deps(graph, s);

		if (!is_stale(plan, s))
			continue;
		for (uint32_t d = 0; d < graph_dep_count(graph, s); d++) {
			uint32_t dep = EDGE_STREAM(deps[d]), after;

			if (!is_stale(plan, dep))
				continue;
			after = plan->phases[dep] + has_phase(plan, dep);
			if (after > phase)
				phase = after;
		}
		plan->phases[s] = phase;
		if (has_phase(plan, s) && phase + 1 > plan->phase_count)
			plan->phase_count = phase + 1;
	}
}

size_t orch_plan_tasks(const struct orch_plan *plan, size_t stream, size_t *ticked)
{
	const struct stream *of = &plan->orch->project.streams[stream];
	const struct words *tasks = &of->set->tasks;
	struct orch_error err;
	bool *done;

	*ticked = 0;
	if (tasks->count && ticks_read(&plan->dir, of->name, tasks->items, tasks->count, &done, ticked, &err) < 0)
		log_warn("%s", err.message);
	else if (tasks->count)
		free(done);
	return tasks->count;
}

unsigned orch_plan_phase(struct orch_plan *plan, size_t stream)
{
	make_phases(plan);
	return plan->phases[stream];
}

unsigned orch_plan_phase_count(struct orch_plan *plan)
{
	make_phases(plan);
	return plan->phase_count;
}

const uint32_t *orch_plan_order(struct orch_plan *plan, size_t *count)
{
	if (!plan->order)
		plan->order = plan_run_order(&plan->plan, &plan->order_count);
	*count = plan->order_count;
	return plan->order;
}

const uint32_t *orch_plan_critical_path(struct orch_plan *plan, size_t *count)
{
	int64_t length;

	if (!plan->critical)
		plan->critical = plan_critical_path(&plan->plan, &plan->critical_count, &length);
	*count = plan->critical_count;
	return plan->critical;
}

int64_t orch_plan_expected_ms(struct orch_plan *plan, size_t stream)
{
	return plan_expected_ms(&plan->plan, (uint32_t)stream);
}

size_t orch_plan_overlaps(const struct orch_plan *plan, struct orch_overlap *out, size_t max, bool *complete)
{
	struct overlap *found = xcalloc(max + 1, sizeof *found);
	size_t count = overlap_find(&plan->plan, found, max, complete);

	for (size_t i = 0; i < count; i++)
		out[i] = (struct orch_overlap){
			found[i].first, found[i].second, found[i].first_glob, found[i].second_glob};
	free(found);
	return count;
}

void orch_plan_times(
	struct orch_plan *plan, int64_t *serial_ms, int64_t *at_jobs_ms, int64_t *critical_ms, size_t *known)
{
	enum sched_policy policy = sched_policy_of(plan->orch->project.set.schedule);
	size_t count, path;
	uint32_t *streams = plan_stale_streams(plan, &count), *critical;

	*serial_ms = 0;
	*known = 0;
	for (size_t i = 0; i < count; i++) {
		if (plan_waits_for_failure(&plan->plan, streams[i]))
			continue;
		*serial_ms += plan_expected_ms(&plan->plan, streams[i]);
		*known += plan_knows_time(&plan->plan, streams[i]);
	}
	if (policy == SCHED_PLANNED && !plan->plan.turn)
		plan_improve(&plan->plan, plan->jobs);
	*at_jobs_ms = plan_makespan(&plan->plan, plan->jobs, policy);
	critical = plan_critical_path(&plan->plan, &path, critical_ms);
	free(critical);
	free(streams);
}

int64_t orch_plan_completed_ms(const struct orch_plan *plan, size_t stream)
{
	return plan->plan.facts[stream].stamp.present ? plan->plan.facts[stream].stamp.finished_ms : 0;
}

int64_t orch_plan_last_duration_ms(const struct orch_plan *plan, size_t stream)
{
	return plan->plan.facts[stream].stamp.present ? plan->plan.facts[stream].stamp.duration_ms : 0;
}
