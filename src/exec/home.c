#include "config.h"

#include "exec/home.h"

#include "exec/workspace.h"
#include "graph/graph.h"
#include "graph/project.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/map.h"
#include "util/strbuf.h"
#include "util/units.h"
#include "vcs/merge.h"
#include "vcs/push.h"
#include "vcs/refs.h"
#include "vcs/repo.h"

#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 40 }; /* streams named in one message */

struct home {
	struct home_spec spec;
	uint32_t *streams; /* those to bring home, in the order of the graph */
	size_t count, next;
	uint32_t *seen;   /* [stream]: looked at for the item of that number, from 1 */
	struct map would; /* branch -> what it would be after those before; with dry_run */
	bool ended_badly, stopped;
	/* of the stream at hand */
	struct stamp_detail stamp;
	const char *branch, *commit, *into; /* in the stamp, or the option */
	char tip[GIT_OID_MAX];              /* what is merged */
	ARRAY(uint32_t) carried;            /* other streams whose work is in it, nearest first */
	bool carries_more;
};

static void bring_next(struct home *home);

bool *home_leaves(const struct project *project, const struct graph *graph)
{
	bool *leaf = xcalloc(project->stream_count ? project->stream_count : 1, sizeof *leaf);
	bool *carried = xcalloc(project->stream_count ? project->stream_count : 1, sizeof *carried);

	/* dependents first: a group hands on that something goes on from it */
	for (uint32_t i = graph->count; i-- > 0;) {
		uint32_t id = graph->order[i];
		const struct stream *stream = &project->streams[id];
		bool group = stream_is_group(stream), works = !group && workspace_is_wanted(stream);
		const edge *deps = graph_deps(graph, id);

		leaf[id] = works && !carried[id];
		/* what is called complete carries nothing that it depends on: it need not have run */
		if (group ? !carried[id] : !works || stream->set->base || stream->set->complete)
			continue;
		for (uint32_t d = 0; d < graph_dep_count(graph, id); d++) {
			if (!EDGE_ORDER_ONLY(deps[d]))
				carried[EDGE_STREAM(deps[d])] = true;
		}
	}
	free(carried);
	return leaf;
}

/* --- texts --- */

/* what git has of a stream, in its stamp: "commit OID"; NULL: nothing of that name */
static const char *git_part(const struct stamp_detail *detail, const char *what)
{
	size_t len = strlen(what);

	for (size_t i = 0; i < detail->part_count; i++) {
		if (detail->parts[i].kind == 'g' && strncmp(detail->parts[i].name, what, len) == 0 &&
			detail->parts[i].name[len] == ' ')
			return detail->parts[i].name + len + 1;
	}
	return NULL;
}

/* whose work the branch has besides its own: an edge carries code, also through groups */
static void find_carried(struct home *home)
{
	const struct project *project = home->spec.project;
	const struct graph *graph = home->spec.graph;
	uint32_t mark = (uint32_t)home->next;
	ARRAY(uint32_t) stack = {0};

	home->carried.count = 0;
	home->carries_more = false;
	*ARRAY_PUSH(&stack) = home->streams[home->next - 1];
	home->seen[stack.items[0]] = mark;
	for (size_t at = 0; at < stack.count && !home->carries_more; at++) {
		uint32_t id = stack.items[at];
		const edge *deps = graph_deps(graph, id);

		if (project->streams[id].set->base)
			continue;
		for (uint32_t i = 0; i < graph_dep_count(graph, id) && !home->carries_more; i++) {
			uint32_t dep = EDGE_STREAM(deps[i]);
			const struct stream *stream = &project->streams[dep];
			bool group = stream_is_group(stream);

			if (EDGE_ORDER_ONLY(deps[i]) || home->seen[dep] == mark ||
				(!group && !workspace_is_wanted(stream)))
				continue;
			home->seen[dep] = mark;
			*ARRAY_PUSH(&stack) = dep;
			if (!group && home->carried.count == NAMED_MAX)
				home->carries_more = true;
			else if (!group)
				*ARRAY_PUSH(&home->carried) = dep;
		}
	}
	ARRAY_RELEASE(&stack);
}

static char *subject_of(const struct home *home, const struct stream *stream)
{
	return xasprintf("%s%s%s%s", home->spec.options->squash ? "" : "Merge ", stream->name,
		stream->title ? ": " : "", stream->title ? stream->title : "");
}

static char *message_body(const struct home *home, const struct stream *stream)
{
	struct strbuf text = {0};

	for (size_t i = 0; i < home->carried.count; i++)
		strbuf_addf(&text, "%s%s", i ? ", " : "With the work of ",
			home->spec.project->streams[home->carried.items[i]].name);
	if (home->carried.count)
		strbuf_addf(&text, "%s.\n\n", home->carries_more ? " and others" : "");
	strbuf_addf(&text, "Orch-Stream: %s\nOrch-Run: %s\n", stream->name, home->stamp.run);
	return strbuf_detach(&text);
}

/* a title in a cell of a table */
static void add_cell(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("|\\`<", *text))
			strbuf_addch(out, '\\');
		strbuf_addch(out, (unsigned char)*text < ' ' ? ' ' : *text);
	}
}

static void add_cost(struct strbuf *out, int64_t micros)
{
	strbuf_addf(out, "%lld.%02lld", (long long)(micros / 1000000), (long long)(micros / 10000 % 100));
}

/* what the streams of a description have taken together */
struct total {
	size_t streams;
	int64_t ms, cost_micros;
};

static void add_row(const struct home *home, struct strbuf *out, const struct stream *stream,
	const struct stamp_detail *stamp, struct total *total)
{
	const struct orch_stream_status *past =
		home->spec.past ? home->spec.past(home->spec.data, stamp->run, stream->name) : NULL;
	/* with the attempts before the one that succeeded */
	int64_t ms = past && past->total_ms > 0 ? past->total_ms : stamp->stamp.duration_ms;
	char time[UNITS_TEXT_MAX];

	total->streams++;
	total->ms += ms;
	strbuf_addf(out, "| `%s` | ", stream->name);
	add_cell(out, stream->title ? stream->title : "");
	strbuf_addf(out, " | %s | %u | %s | ", stream->set->check.bytes ? "passed" : "none", stamp->attempt,
		units_duration(time, ms));
	if (past && past->cost_micros > 0) {
		total->cost_micros += past->cost_micros;
		add_cost(out, past->cost_micros);
	}
	strbuf_addstr(out, " |\n");
}

/* for whoever is asked to take the branch */
static char *describe(const struct home *home, const struct stream *stream)
{
	struct strbuf text = {0};
	struct total total = {0};
	char time[UNITS_TEXT_MAX];

	strbuf_addf(&text, "What `%s` has in place of `%s`, by stream:\n\n", home->branch, home->into);
	strbuf_addstr(
		&text, "| stream | what | check | attempt | time | cost |\n| --- | --- | --- | --- | --- | --- |\n");
	for (size_t i = home->carried.count; i-- > 0;) {
		const struct stream *other = &home->spec.project->streams[home->carried.items[i]];
		struct stamp_detail stamp = {0};

		if (stamp_store_read(home->spec.store, other->name, &stamp, NULL) == 0)
			add_row(home, &text, other, &stamp, &total);
		stamp_detail_release(&stamp);
	}
	add_row(home, &text, stream, &home->stamp, &total);
	strbuf_addf(&text, "\n%zu stream%s%s, %s of work", total.streams, total.streams == 1 ? "" : "s",
		home->carries_more ? " and others" : "", units_duration(time, total.ms));
	if (total.cost_micros > 0) {
		strbuf_addstr(&text, ", cost ");
		add_cost(&text, total.cost_micros);
	}
	strbuf_addf(&text, "; completed in run %s of orch.\n", home->stamp.run);
	return strbuf_detach(&text);
}

/* how to go on by hand, in the repository's own directory */
static char *conflict_text(const struct home *home, const struct merge_conflict *conflict)
{
	struct strbuf text = {0};
	const char *where = home->spec.project->set.repository;

	strbuf_addf(&text, "%s and %s do not go together in", home->into, home->branch);
	for (size_t i = 0; i < conflict->files.count && i < NAMED_MAX; i++)
		strbuf_addf(&text, "%s %s", i ? "," : "", conflict->files.items[i]);
	if (conflict->files.count > NAMED_MAX)
		strbuf_addf(&text, " and %zu more", conflict->files.count - NAMED_MAX);
	strbuf_addf(&text,
		"; both are as they were. 'git %s%s%smerge %s' on %s shows it in your checkout: put it right and "
		"commit it there, then go on with 'orch merge'",
		where ? "-C " : "", where ? where : "", where ? " " : "", home->branch, home->into);
	return strbuf_detach(&text);
}

/* --- one after the other --- */

static void tell(struct home *home, struct orch_merged *merged)
{
	const struct stream *stream = &home->spec.project->streams[home->streams[home->next - 1]];

	merged->stream = stream->name;
	merged->title = stream->title;
	merged->branch = home->branch;
	merged->into = home->into;
	if (merged->end >= ORCH_MERGE_CONFLICT)
		home->ended_badly = true;
	if (merged->end == ORCH_MERGE_CONFLICT || merged->end == ORCH_MERGE_REFUSED)
		home->stopped = true;
	home->spec.told(home->spec.data, merged);
}

static void tell_why_not(struct home *home, enum orch_merge_end end, const char *message)
{
	struct orch_merged merged = {.end = end, .message = message};

	tell(home, &merged);
}

static void note_would_be(struct home *home, const char *oid)
{
	free(map_set(&home->would, home->into, xstrdup(oid)));
}

static void on_merged(void *data, const struct vcs_end *end, const struct merge_home_result *result)
{
	struct home *home = data;
	struct orch_merged merged = {.end = ORCH_MERGE_REFUSED};
	char *text = NULL;

	if (end->status == VCS_OK) {
		merged.end = result->nothing ? ORCH_MERGE_NOTHING : ORCH_MERGE_DONE;
		merged.commit = result->oid;
		merged.checkout = result->nothing ? NULL : result->checkout;
		if (result->saved)
			merged.message = text = xasprintf(
				"a merge that was cut short was ended first; what the checkout had is kept as %s",
				result->saved);
		if (home->spec.options->dry_run)
			note_would_be(home, result->oid);
	} else if (end->status == VCS_CONFLICT && result) {
		merged.end = ORCH_MERGE_CONFLICT;
		merged.files = (const char *const *)result->conflict.files.items;
		merged.file_count = result->conflict.files.count;
		merged.message = text = conflict_text(home, &result->conflict);
	} else {
		merged.message = end->err.message;
	}
	tell(home, &merged);
	free(text);
	bring_next(home);
}

static void on_pushed(void *data, const struct vcs_end *end, const struct push_result *result)
{
	struct home *home = data;
	const struct stream *stream = &home->spec.project->streams[home->streams[home->next - 1]];
	struct orch_merged merged = {.end = ORCH_MERGE_PUSHED, .commit = home->tip};
	char *body;

	if (end->status != VCS_OK) {
		tell_why_not(home, ORCH_MERGE_REFUSED, end->err.message);
	} else {
		merged.remote = result->remote;
		merged.url = result->url;
		merged.body = body = describe(home, stream);
		tell(home, &merged);
		free(body);
	}
	bring_next(home);
}

static void bring(struct home *home)
{
	const struct stream *stream = &home->spec.project->streams[home->streams[home->next - 1]];
	const struct orch_merge_options *options = home->spec.options;
	struct push_spec push = {
		.branch = home->branch, .oid = home->tip, .into = home->into, .dry_run = options->dry_run};
	struct merge_home merge = {.stream = stream->name,
		.into = home->into,
		.work = {.name = home->branch, .oid = home->tip},
		.squash = options->squash,
		.dry_run = options->dry_run};
	char *subject, *body;

	find_carried(home);
	if (options->push) {
		push_branch(home->spec.repo, &push, on_pushed, home);
		return;
	}
	if (options->dry_run)
		merge.onto = map_get(&home->would, home->into);
	merge.subject = subject = subject_of(home, stream);
	merge.body = body = message_body(home, stream);
	merge_home(home->spec.repo, &merge, on_merged, home);
	free(subject);
	free(body);
}

static void set_tip(struct home *home, const char *oid)
{
	memcpy(home->tip, oid, strlen(oid) + 1);
}

/* what a person added to the branch since is its work too; a branch that went elsewhere is not */
static void on_contained(void *data, const struct vcs_end *end, bool yes)
{
	struct home *home = data;

	if (end->status != VCS_OK || !yes)
		set_tip(home, home->commit);
	bring(home);
}

static void on_tip(void *data, const struct vcs_end *end, const char *oid)
{
	struct home *home = data;

	set_tip(home, end->status == VCS_OK ? oid : home->commit);
	if (strcmp(home->tip, home->commit) == 0)
		bring(home);
	else
		ref_is_ancestor(home->spec.repo, home->commit, home->tip, on_contained, home);
}

/* false: it is told already why not */
static bool look_up(struct home *home, const struct stream *stream)
{
	struct orch_error err = {0};
	char *text;

	if (stamp_store_read(home->spec.store, stream->name, &home->stamp, &err) != 0) {
		text = err.code == ORCH_ENOTFOUND ? xstrdup("it has not completed") : xstrdup(err.message);
		tell_why_not(home, ORCH_MERGE_LEFT, text);
		free(text);
		return false;
	}
	home->branch = git_part(&home->stamp, "branch");
	home->commit = git_part(&home->stamp, "commit");
	home->into = home->spec.options->into ? home->spec.options->into : git_part(&home->stamp, "@into");
	if (!home->branch || !home->commit) {
		text = xasprintf("it completed without a branch; 'orch reset %s' makes it run again", stream->name);
		tell_why_not(home, ORCH_MERGE_LEFT, text);
		free(text);
		return false;
	}
	if (!home->into) {
		tell_why_not(home, ORCH_MERGE_REFUSED, "its run began on no branch: name one by --into");
		return false;
	}
	return true;
}

static void end(struct home *home)
{
	size_t position = 0;
	const char *key;
	void *value;

	home->spec.done(home->spec.data, !home->ended_badly);
	while (map_next(&home->would, &position, &key, &value))
		free(value);
	map_release(&home->would);
	stamp_detail_release(&home->stamp);
	ARRAY_RELEASE(&home->carried);
	free(home->streams);
	free(home->seen);
	free(home);
}

static void bring_next(struct home *home)
{
	while (home->next < home->count) {
		const struct stream *stream = &home->spec.project->streams[home->streams[home->next++]];
		char *ref;

		stamp_detail_release(&home->stamp);
		home->stamp = (struct stamp_detail){0};
		home->branch = home->commit = home->into = NULL;
		if (home->stopped) {
			tell_why_not(home, ORCH_MERGE_LEFT, "not tried, since the one before did not go well");
			continue;
		}
		if (!look_up(home, stream))
			continue;
		ref = xasprintf(REFS_BRANCH "%s", home->branch);
		ref_resolve(home->spec.repo, ref, on_tip, home);
		free(ref);
		return;
	}
	end(home);
}

static void on_begun(void *data, const struct vcs_end *end_of, const char *oid)
{
	(void)end_of;
	(void)oid;
	bring_next(data);
}

void home_begin(const struct home_spec *spec, const bool *chosen)
{
	struct home *home = xcalloc(1, sizeof *home);

	home->spec = *spec;
	home->streams = xcalloc(spec->graph->count ? spec->graph->count : 1, sizeof *home->streams);
	home->seen = xcalloc(spec->graph->count ? spec->graph->count : 1, sizeof *home->seen);
	map_init_owning(&home->would);
	for (uint32_t i = 0; i < spec->graph->count; i++) {
		if (chosen[spec->graph->order[i]])
			home->streams[home->count++] = spec->graph->order[i];
	}
	/* through git, so that `done` comes from the loop in every case */
	ref_resolve(spec->repo, "HEAD", on_begun, home);
}
