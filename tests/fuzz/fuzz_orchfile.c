/*
 * Any bytes as an Orchfile: reading them must neither crash nor hang, and what `orch fmt` makes of a good file must be
 * good, mean as many streams, and be left as it is by a second `orch fmt`. Nothing outside is touched: no command, no
 * other file.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "graph/project.h"
#include "lang/load.h"
#include "util/diag.h"
#include "util/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -1 if it does not load, else the number of streams */
static int64_t load(const char *text, size_t len)
{
	struct load_options options = {.path = "Orchfile", .dir = "/", .isolated = true, .inspect = true};
	struct diag_list diags = {0};
	struct strbuf out = {0};
	struct graph graph = {0};
	struct project project;
	int64_t result = -1;

	project_init(&project);
	if (load_text(&project, &options, text, len, &diags, NULL) == 0) {
		result = project.stream_count;
		if (graph_build(&graph, &project, NULL, &diags) == 0)
			load_check(&project, &graph, &diags);
		graph_release(&graph);
	}
	diag_render(&diags, &project.sources, true, &out);
	strbuf_release(&out);
	diag_list_release(&diags);
	project_release(&project);
	return result;
}

static int format(const char *text, size_t len, struct strbuf *out)
{
	struct source_set sources = {0};
	struct diag_list diags = {0};
	int result = format_text(&sources, "Orchfile", text, len, &diags, out);

	diag_list_release(&diags);
	source_set_release(&sources);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf once = {0}, twice = {0};
	const char *text = (const char *)data;
	int64_t streams = load(text, size);

	if (format(text, size, &once) == 0) {
		if (format(strbuf_cstr(&once), once.len, &twice) != 0 || once.len != twice.len ||
			memcmp(strbuf_cstr(&once), strbuf_cstr(&twice), once.len) != 0)
			abort();
		if (streams >= 0 && load(strbuf_cstr(&once), once.len) != streams)
			abort();
	} else if (streams >= 0) {
		abort();
	}
	strbuf_release(&once);
	strbuf_release(&twice);
	return 0;
}
