#include "config.h"

#include "exec/facts.h"

#include "exec/nested.h"
#include "exec/redaction.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/clock.h"
#include "state/fingerprint.h"
#include "util/alloc.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* is `file` one of the files that the stream's `inputs` name? */
static bool names_input(const struct stream *stream, const char *file)
{
	for (uint32_t i = 0; i < stream->set->inputs.count; i++) {
		const char *pattern = stream->set->inputs.items[i];
		size_t len = strlen(pattern);

		if (strcmp(pattern, file) == 0 || path_match(pattern, file))
			return true;
		/* an input that is a directory stands for all that is in it */
		if (strncmp(pattern, file, len) == 0 && (file[len] == '/' || (len && pattern[len - 1] == '/')))
			return true;
	}
	return false;
}

static int force_users_of(
	struct plan_facts *facts, const struct project *project, const char *file, struct orch_error *err)
{
	char *clean = path_clean(file);
	bool found = false;

	for (uint32_t s = 0; s < project->stream_count; s++) {
		if (project->streams[s].set->inputs.count && names_input(&project->streams[s], clean))
			found = facts[s].forced = true;
	}
	free(clean);
	if (!found)
		return error_code(err, ORCH_EUSAGE, "no stream has '%s' among its inputs", file);
	return 0;
}

int facts_gather(struct plan_facts **out, const struct project *project, struct stamp_store *store,
	struct file_cache *cache, const struct facts_options *options, struct orch_error *err)
{
	struct plan_facts *facts = xcalloc(project->stream_count ? project->stream_count : 1, sizeof *facts);

	for (uint32_t s = 0; s < project->stream_count; s++) {
		const struct stream *stream = &project->streams[s];
		struct plan_facts *fact = &facts[s];
		const char *missing = NULL;

		if (stream_is_group(stream))
			continue;
		stamp_store_get(store, stream->name, &fact->stamp);
		fact->recipe = fingerprint_recipe(project, stream);
		fact->forced = options->always;
		if (stream->set->inputs.count &&
			fingerprint_inputs(cache, stream, &fact->inputs, NULL, &missing, NULL) < 0)
			fact->unreadable = true;
		if (stream->set->outputs.count && !workspace_is_wanted(stream))
			fact->output_missing = fingerprint_missing_output(stream, NULL) != NULL;
		fact->output_missing |= stream->set->generates && !stream->is_generated;
		/* one that was never complete is to run anyway */
		if (stream->set->orchfile && fact->stamp.present && !fact->output_missing)
			fact->output_missing = nested_is_stale(project, stream);
	}
	if (stamp_store_check(store, err) < 0) {
		free(facts);
		return -1;
	}
	for (const char *const *file = options->what_if; file && *file; file++) {
		if (force_users_of(facts, project, *file, err) < 0) {
			free(facts);
			return -1;
		}
	}
	*out = facts;
	return 0;
}

static void add_dep_parts(struct stamp_detail *detail, const struct plan *plan, uint32_t stream)
{
	const edge *deps = graph_deps(plan->graph, stream);

	for (uint32_t i = 0; i < graph_dep_count(plan->graph, stream); i++) {
		uint32_t dep = EDGE_STREAM(deps[i]);

		if (!EDGE_ORDER_ONLY(deps[i]))
			stamp_detail_add(detail, 'd', plan->facts[dep].stamp.result, plan->project->streams[dep].name);
	}
}

static void add_git_part(struct stamp_detail *detail, const char *what, const char *value)
{
	char *name = xasprintf("%s %s", what, value);

	stamp_detail_add(detail, 'g', digest_bytes(value, strlen(value)), name);
	free(name);
}

/* of its outputs and values; one that is never repeated where there is neither */
static int describe_result(struct stamp_detail *detail, const struct stream *stream, struct file_cache *cache,
	const char *run, unsigned attempt, const struct workspace *workspace, struct orch_error *err)
{
	uint64_t result = 0;
	bool known = false;

	for (size_t i = 0; i < detail->part_count; i++) {
		if (detail->parts[i].kind == 'v') {
			result = digest_field(result, detail->parts[i].name, strlen(detail->parts[i].name));
			known = true;
		}
	}
	if (workspace) {
		result = digest_field(result, workspace->tree, strlen(workspace->tree));
		add_git_part(detail, "commit", workspace->commit);
		add_git_part(detail, "tree", workspace->tree);
		add_git_part(detail, "branch", workspace->branch);
		add_git_part(detail, "@base", workspace->base);
		/* no key that a stream could write, or a value be asked for by */
		if (workspace->into)
			add_git_part(detail, "@into", workspace->into);
		known = true;
	} else if (stream->set->outputs.count) {
		uint64_t outputs;

		if (fingerprint_outputs(cache, stream, &outputs, detail, err) < 0)
			return -1;
		result = digest_chain(result, &outputs, sizeof outputs);
		known = true;
	}
	/* what it has generated has recipes of its own */
	if (!known && !stream->set->generates) {
		int64_t now = clock_wall_ms();

		result = digest_field(result, run, strlen(run));
		result = digest_field(result, stream->name, strlen(stream->name));
		result = digest_chain(result, &attempt, sizeof attempt);
		result = digest_chain(result, &now, sizeof now);
	}
	detail->stamp.result = result;
	return 0;
}

int facts_describe(struct stamp_detail *detail, const struct plan *plan, uint32_t id, struct file_cache *cache,
	const char *run, unsigned attempt, int64_t duration_ms, const struct workspace *workspace,
	struct orch_error *err)
{
	const struct stream *stream = &plan->project->streams[id];
	const struct plan_facts *fact = &plan->facts[id];
	struct strbuf text = {0};
	uint64_t inputs_now = 0;

	/* the parts name the files as they are now; what counts is the digest taken before the stream ran: where both
	 * differ, the stream changed its own inputs, or somebody did meanwhile, and the next run finds it stale */
	if (stream->set->inputs.count && fingerprint_inputs(cache, stream, &inputs_now, detail, NULL, err) < 0)
		return -1;
	add_dep_parts(detail, plan, id);
	if (describe_result(detail, stream, cache, run, attempt, workspace, err) < 0)
		return -1;
	redaction_recipe_text(plan->project, stream, &text);
	detail->recipe_text = strbuf_detach(&text);
	detail->run = xstrdup(run);
	detail->attempt = attempt;
	detail->stamp.recipe = fact->recipe;
	detail->stamp.inputs = fact->inputs;
	detail->stamp.deps = plan_deps_digest(plan, id);
	detail->stamp.finished_ms = clock_wall_ms();
	detail->stamp.duration_ms = duration_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)duration_ms;
	detail->stamp.present = true;
	return 0;
}

int facts_touch(struct plan *plan, const uint32_t *streams, size_t count, struct stamp_store *store,
	struct file_cache *cache, struct orch_error *err)
{
	/* all are looked at before any is touched */
	for (size_t i = 0; i < count; i++) {
		const struct stream *stream = &plan->project->streams[streams[i]];
		const char *missing = fingerprint_missing_output(stream, NULL);

		if (missing)
			return error_set(err, "stream '%s' cannot be called complete: its output '%s' does not exist",
				stream->name, missing);
		if (stream->set->generates && !stream->is_generated)
			return error_set(err, "stream '%s' cannot be called complete: it has generated nothing yet",
				stream->name);
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t id = streams[i];
		const struct stream *stream = &plan->project->streams[id];
		struct stamp_detail detail = {0}, before = {0};
		struct orch_error cause = {0};
		int status;

		if (stream_is_group(stream))
			continue;
		/* values it once wrote go on being its values: dependents may ask for them */
		if (stamp_store_read(store, stream->name, &before, &cause) < 0) {
			if (cause.code != ORCH_ENOTFOUND) {
				if (err)
					*err = cause;
				return -1;
			}
		} else {
			for (size_t p = 0; p < before.part_count; p++) {
				if (before.parts[p].kind == 'v')
					stamp_detail_add(&detail, 'v', before.parts[p].digest, before.parts[p].name);
			}
		}
		status = facts_describe(
			&detail, plan, id, cache, "touch", 0, plan->facts[id].stamp.duration_ms, NULL, err);
		if (status == 0)
			status = stamp_store_put(store, stream->name, &detail, err);
		if (status == 0)
			plan->facts[id].stamp = detail.stamp;
		stamp_detail_release(&detail);
		stamp_detail_release(&before);
		if (status < 0)
			return error_prefix(err, "stream '%s'", stream->name);
	}
	return 0;
}
