/* `orch why`: why a stream would run, or why not, in full. */
#include "config.h"

#include "api/orch.h"
#include "exec/redaction.h"
#include "graph/project.h"
#include "orch/plan.h"
#include "state/fingerprint.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/map.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>

/* one thing that a fingerprint is made of, as it was and as it is */
struct change {
	char kind; /* 'i' input, 'd' dependency */
	const char *name;
	bool before, now; /* was it there, is it there */
	bool differs;
	const char *what; /* "changed", "new", "gone", "same", "runs" */
};

struct why {
	struct orch_plan *plan;
	uint32_t id;
	const struct stream *stream;
	bool stamped;
	struct stamp_detail before, now;
	struct strbuf recipe;
	struct change *changes;
	size_t change_count;
};

static void add_changes(struct why *why)
{
	struct map seen = {0};

	why->changes = xcalloc(why->before.part_count + why->now.part_count + 1, sizeof *why->changes);
	for (size_t i = 0; i < why->now.part_count; i++) {
		const struct stamp_part *part = &why->now.parts[i];
		struct change *change = &why->changes[why->change_count++];

		*change = (struct change){
			.kind = part->kind, .name = part->name, .now = true, .what = "new", .differs = true};
		/* a file and a dependency may have one name: what tells them apart is looked at below */
		map_set(&seen, part->name, change);
	}
	for (size_t i = 0; i < why->before.part_count; i++) {
		const struct stamp_part *part = &why->before.parts[i];
		struct change *change = map_get(&seen, part->name);

		if (part->kind != 'i' && part->kind != 'd')
			continue;
		if (change && change->kind == part->kind) {
			const struct stamp_part *now = &why->now.parts[change - why->changes];

			change->before = true;
			change->differs = now->digest != part->digest;
			change->what = change->differs ? "changed" : "same";
		} else if (why->stamped) {
			why->changes[why->change_count++] = (struct change){.kind = part->kind,
				.name = part->name,
				.before = true,
				.what = "gone",
				.differs = true};
		}
	}
	for (size_t i = 0; i < why->change_count; i++) {
		uint32_t dep = why->changes[i].kind == 'd'
			? project_find(&why->plan->orch->project, why->changes[i].name)
			: NO_STREAM;

		/* a group has no stamp that could tell */
		if (stream_is_group(why->stream))
			why->changes[i].what = "same";
		if (dep != NO_STREAM &&
			(why->plan->plan.items[dep].action == PLAN_RUN ||
				why->plan->plan.items[dep].action == PLAN_PERHAPS))
			why->changes[i].what = "runs";
	}
	map_release(&seen);
}

static void why_init(struct why *why, struct orch_plan *plan, uint32_t id)
{
	const struct project *project = &plan->orch->project;
	const edge *deps = graph_deps(&plan->orch->graph, id);
	uint64_t digest;

	*why = (struct why){.plan = plan, .id = id, .stream = &project->streams[id]};
	why->stamped = stamp_store_read(plan->store, why->stream->name, &why->before, NULL) == 0;
	if (why->stream->set->inputs.count)
		fingerprint_inputs(plan->cache, why->stream, &digest, &why->now, NULL, NULL);
	for (uint32_t i = 0; i < graph_dep_count(&plan->orch->graph, id); i++) {
		uint32_t dep = EDGE_STREAM(deps[i]);

		if (!EDGE_ORDER_ONLY(deps[i]))
			stamp_detail_add(
				&why->now, 'd', plan->plan.facts[dep].stamp.result, project->streams[dep].name);
	}
	redaction_recipe_text(project, why->stream, &why->recipe);
	add_changes(why);
}

static void why_release(struct why *why)
{
	stamp_detail_release(&why->before);
	stamp_detail_release(&why->now);
	strbuf_release(&why->recipe);
	free(why->changes);
}

static const char *line_end(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end : line + strlen(line);
}

/* the lines that differ, between a common beginning and a common end */
static void add_recipe_difference(struct strbuf *out, const char *before, const char *now)
{
	const char *before_end = before + strlen(before), *now_end = now + strlen(now);

	while (*before && *now) {
		const char *b = line_end(before), *n = line_end(now);

		if (b - before != n - now || memcmp(before, now, (size_t)(b - before)) != 0)
			break;
		before = *b ? b + 1 : b;
		now = *n ? n + 1 : n;
	}
	for (;;) {
		const char *b = before_end, *n = now_end;

		while (b > before && (b == before_end || b[-1] != '\n'))
			b--;
		while (n > now && (n == now_end || n[-1] != '\n'))
			n--;
		if (b == before_end || n == now_end || before_end - b != now_end - n ||
			memcmp(b, n, (size_t)(before_end - b)) != 0)
			break;
		before_end = b > before ? b - 1 : b;
		now_end = n > now ? n - 1 : n;
		if (before_end <= before || now_end <= now)
			break;
	}
	for (int side = 0; side <= 1; side++) {
		const char *line = side ? now : before, *end = side ? now_end : before_end;

		while (line < end) {
			const char *stop = line_end(line);

			strbuf_addf(out, "      %c %.*s\n", side ? '+' : '-', (int)(stop - line), line);
			line = *stop ? stop + 1 : stop;
		}
	}
}

char *orch_plan_why(struct orch_plan *plan, size_t stream)
{
	struct why why;
	struct strbuf out = {0};
	const char *reason = orch_plan_reason(plan, stream);
	const struct plan_facts *fact = &plan->plan.facts[stream];
	enum plan_action action = plan->plan.items[stream].action;
	const char *missing = NULL;
	char when[UNITS_TEXT_MAX], took[UNITS_TEXT_MAX];

	why_init(&why, plan, (uint32_t)stream);
	strbuf_addstr(&out, why.stream->name);
	if (stream_is_group(why.stream) && action == PLAN_COMPLETE)
		strbuf_addstr(&out, " is complete: it is a group, and all it depends on is complete\n");
	else if (action == PLAN_COMPLETE && why.stream->set->complete)
		strbuf_addstr(
			&out, " is complete: 'complete = yes' says that it is done; 'orch -B' runs it all the same\n");
	else if (plan_waits_for_failure(&plan->plan, (uint32_t)stream))
		strbuf_addf(&out, " runs only if something it depends on fails%s\n",
			action == PLAN_COMPLETE ? ", and nothing of that is to run" : "");
	else if (action == PLAN_COMPLETE)
		strbuf_addstr(&out, " is complete: nothing it is made from has changed\n");
	else if (action == PLAN_PERHAPS && stream_is_group(why.stream))
		strbuf_addstr(&out, " is a group, complete when all it depends on is: not yet\n");
	else if (action == PLAN_PERHAPS)
		strbuf_addf(
			&out, " runs perhaps: %s; if the result is the same as before, it stays complete\n", reason);
	else if (action == PLAN_RUN)
		strbuf_addf(&out, " would run: %s\n", reason);
	else
		strbuf_addstr(&out, " is not wanted by these targets\n");
	if (orch_plan_asks(plan, stream))
		strbuf_addf(&out, "  approval    it waits for 'orch approve %s' before it starts\n", why.stream->name);
	if (why.stamped)
		strbuf_addf(&out, "  completed   %s in %s, run %s\n",
			units_time_utc(when, why.before.stamp.finished_ms),
			units_duration(took, why.before.stamp.duration_ms), why.before.run);
	if (!stream_is_group(why.stream)) {
		if (why.stamped && why.before.stamp.recipe != fact->recipe) {
			strbuf_addstr(&out, "  recipe      changed\n");
			add_recipe_difference(
				&out, why.before.recipe_text ? why.before.recipe_text : "", strbuf_cstr(&why.recipe));
		} else {
			strbuf_addf(&out, "  recipe      %s (%016llx)\n", why.stamped ? "same" : "new",
				(unsigned long long)fact->recipe);
		}
	}
	for (size_t i = 0; i < why.change_count; i++)
		strbuf_addf(&out, "  %-11s %s: %s\n", why.changes[i].kind == 'i' ? "input" : "dependency",
			why.changes[i].name,
			why.stamped || stream_is_group(why.stream) || strcmp(why.changes[i].what, "runs") == 0
				? why.changes[i].what
				: "new");
	if (fact->output_missing)
		missing = fingerprint_missing_output(why.stream, NULL);
	if (why.stream->set->generates)
		strbuf_addf(&out, "  generates   %s%s\n", why.stream->set->generates,
			why.stream->is_generated ? "" : ": nothing that is there, and fits, so far");
	for (uint32_t i = 0; i < why.stream->set->outputs.count; i++) {
		const char *output = why.stream->set->outputs.items[i];

		strbuf_addf(&out, "  output      %s%s\n", output, output == missing ? ": does not exist" : "");
	}
	if (!stream_is_group(why.stream) && why.stream->set->rerun != RERUN_ALL)
		strbuf_addf(&out, "  rerun       only for:%s%s%s%s\n",
			why.stream->set->rerun & RERUN_RECIPE ? " recipe" : "",
			why.stream->set->rerun & RERUN_INPUTS ? " inputs" : "",
			why.stream->set->rerun & RERUN_DEPS ? " deps" : "",
			why.stream->set->rerun == RERUN_MISSING ? " missing outputs" : "");
	why_release(&why);
	return strbuf_detach(&out);
}

char *orch_plan_why_json(struct orch_plan *plan, size_t stream)
{
	static const char *const actions[] = {[PLAN_NOT_WANTED] = "not wanted",
		[PLAN_COMPLETE] = "complete",
		[PLAN_PERHAPS] = "perhaps",
		[PLAN_RUN] = "run"};
	struct why why;
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};
	char when[UNITS_TEXT_MAX];

	why_init(&why, plan, (uint32_t)stream);
	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "stream");
	json_add_string(&w, why.stream->name);
	json_add_key(&w, "action");
	json_add_string(&w, actions[plan->plan.items[stream].action]);
	json_add_key(&w, "reason");
	json_add_string(&w, orch_plan_reason(plan, stream));
	if (orch_plan_asks(plan, stream)) {
		json_add_key(&w, "asks");
		json_add_string(&w, "approval");
	}
	json_add_key(&w, "completed");
	json_add_string(&w, why.stamped ? units_time_utc(when, why.before.stamp.finished_ms) : NULL);
	if (why.stamped) {
		json_add_key(&w, "duration_ms");
		json_add_int(&w, why.before.stamp.duration_ms);
		json_add_key(&w, "run");
		json_add_string(&w, why.before.run);
		json_add_key(&w, "recipe_changed");
		json_add_bool(&w, why.before.stamp.recipe != plan->plan.facts[stream].recipe);
	}
	json_add_key(&w, "parts");
	json_begin_array(&w);
	for (size_t i = 0; i < why.change_count; i++) {
		json_begin_object(&w);
		json_add_key(&w, "kind");
		json_add_string(&w, why.changes[i].kind == 'i' ? "input" : "dependency");
		json_add_key(&w, "name");
		json_add_string(&w, why.changes[i].name);
		json_add_key(&w, "now");
		json_add_string(&w, why.changes[i].what);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(&out, '\n');
	why_release(&why);
	return strbuf_detach(&out);
}
