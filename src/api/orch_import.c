#include "config.h"

#include <stdlib.h>

#include "api/orch.h"
#include "lang/load.h"
#include "orch/project.h"
#include "os/fs.h"
#include "util/error.h"
#include "util/strbuf.h"

static bool file_exists(const char *name)
{
	return fs_exists(name);
}

int orch_import(const char *const *files, bool color, char **out, char **told, struct orch_error *err)
{
	struct strbuf written = {0}, canonical = {0}, said = {0};
	struct project project;
	struct graph graph = {0};
	struct diag_list diags = {0};
	struct source_set sources = {0};
	char *dir = fs_cwd();
	struct load_options load = {.path = "import", .dir = dir, .inspect = true};
	int status;

	*out = *told = NULL;
	if (!dir)
		return error_errno(err, "the current directory");
	project_init(&project);
	status = load_files(&project, &load, files, &written, &diags, err);
	if (status == 0 || diags.errors) {
		if (status == 0)
			status = graph_build(&graph, &project, file_exists, &diags);
		diag_sort(&diags);
		diag_render(&diags, &project.sources, color, &said);
		*told = strbuf_detach(&said);
		if (status < 0)
			error_code(err, ORCH_EPARSE, "%zu error%s: nothing is imported", diags.errors,
				diags.errors == 1 ? "" : "s");
	}
	if (status == 0) {
		struct diag_list none = {0};

		status = format_text(&sources, "import", strbuf_cstr(&written), written.len, &none, &canonical);
		if (status == 0)
			*out = strbuf_detach(&canonical);
		diag_list_release(&none);
	}
	strbuf_release(&written);
	strbuf_release(&canonical);
	source_set_release(&sources);
	diag_list_release(&diags);
	graph_release(&graph);
	project_release(&project);
	free(dir);
	return status;
}
