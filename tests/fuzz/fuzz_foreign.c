/*
 * Any bytes as a task file in JSON, YAML or Markdown. What comes of a file without errors is an Orchfile that parses, in
 * canonical form after one `orch fmt`, with as many streams as there were in the file, and with nothing in it that is
 * run or expanded: no command, no hook, no variable, no agent, no value of another stream.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "foreign/foreign.h"
#include "graph/graph.h"
#include "graph/project.h"
#include "lang/load.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool truth)
{
	if (!truth)
		abort();
}

static void hold_harmless(const struct project *project, size_t streams)
{
	hold(project->stream_count == streams);
	hold(project->hook_count == 0 && project->agent_count == 0 && project->rule_count == 0 && project->pool_count == 0);
	hold(project->variable_count == 1 && project->ref_count == 0);
	for (uint32_t i = 0; i < project->stream_count; i++) {
		const struct stream *stream = &project->streams[i];

		hold(!stream->run.bytes && !stream->prompt.late && !stream->set->check.bytes && !stream->set->setup.bytes);
		hold(!stream->set->every_count && !stream->set->env_count && !stream->set->dotenv.count);
		hold(!stream->set->orchfile && !stream->set->generates && !stream->set->slurm);
	}
}

/* settings may have values that they cannot have, and names may be too long for the rest of a line: the parser itself must
 * find nothing */
static void hold_orchfile(const char *text, size_t len, size_t streams)
{
	struct load_options options = {.path = "Orchfile", .dir = "/", .isolated = true, .inspect = true};
	struct source_set sources = {0};
	struct diag_list diags = {0};
	struct strbuf formatted = {0}, again = {0};
	struct project project;

	hold(format_text(&sources, "Orchfile", text, len, &diags, &formatted) == 0);
	hold(format_text(&sources, "Orchfile", strbuf_cstr(&formatted), formatted.len, &diags, &again) == 0);
	hold(strcmp(strbuf_cstr(&formatted), strbuf_cstr(&again)) == 0);
	project_init(&project);
	if (load_text(&project, &options, text, len, &diags, NULL) == 0)
		hold_harmless(&project, streams);
	project_release(&project);
	diag_list_release(&diags);
	source_set_release(&sources);
	strbuf_release(&formatted);
	strbuf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct foreign_file file = {.path = "tasks"};
	char *text = xmalloc(size + 2);
	struct source_set sources = {0};
	struct diag_list diags = {0};
	struct written written = {0};
	struct strbuf whole = {0}, shown = {0};
	bool needs_agent;
	const char *kind;

	if (size)
		memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	/* what a database is, fuzz_database reads */
	if (foreign_kind(text, size) == FOREIGN_DATABASE || foreign_kind(text, size) == FOREIGN_NONE) {
		free(text);
		return 0;
	}
	if (foreign_read(&sources, &file, text, size, &diags, &written, &needs_agent, &kind) == 0) {
		foreign_header(&whole, "tasks", kind, true);
		strbuf_add(&whole, strbuf_cstr(&written.text), written.text.len);
		hold_orchfile(strbuf_cstr(&whole), whole.len, written.streams);
	}
	diag_render(&diags, &sources, false, &shown);
	strbuf_release(&shown);
	strbuf_release(&whole);
	written_release(&written);
	diag_list_release(&diags);
	source_set_release(&sources);
	return 0;
}
