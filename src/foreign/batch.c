/* A batch: {"specs": [{"spec_file", "priority", "dependencies", "enabled", "tags"}]}. A specification is a stream named
 * after its file, whose text is the prompt. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "foreign/readers.h"
#include "util/diag.h"
#include "util/path.h"

static const char *const known[] = {"spec_file", "priority", "dependencies", "enabled", "tags", "title", "name",
	"description", "project_directory", NULL};
static const char *const known_top[] = {"specs", "version", "description", "batch_config", "name", NULL};

bool batch_is(const struct node *root)
{
	const struct node *specs = node_member(root, "specs");

	return specs && specs->kind == NODE_LIST;
}

static void read_spec(struct model *model, const struct node *spec)
{
	const struct node *file = node_member(spec, "spec_file");
	struct foreign_stream *stream;
	char *stem;

	if (!file || file->kind != NODE_TEXT || !*file->text) {
		diag_error(model->diags, spec->place, "a specification without 'spec_file'");
		return;
	}
	stem = path_stem(file->text);
	stream = model_add(model, *stem ? stem : file->text, file->place);
	free(stem);
	if (!stream)
		return;
	stream->title =
		node_member_text(spec, "title") ? node_member_text(spec, "title") : node_member_text(spec, "name");
	model_deps(model, stream, node_member(spec, "dependencies"));
	model_priority(model, stream, node_member(spec, "priority"));
	model_tags(model, stream, node_member(spec, "tags"));
	stream->left_out = !model_truth(node_member(spec, "enabled"), true);
	if (stream->left_out)
		return;
	model_prompt_file(model, stream, file->text, file->place);
	if (node_member(spec, "project_directory"))
		model_warn_once(model, "project_directory", node_member(spec, "project_directory")->place,
			"'project_directory' is not carried out: all streams work in the directory of the Orchfile");
	model_warn_unknown(model, spec, known);
}

void batch_read(struct model *model, const struct node *root)
{
	const struct node *config = node_member(root, "batch_config");

	model->kind = "a batch of specifications";
	for (const struct node *spec = node_member(root, "specs")->first; spec; spec = spec->next)
		read_spec(model, spec);
	if (!model_truth(node_member(config, "parallel"), true))
		diag_warning(model->diags, node_member(config, "parallel")->place,
			"'parallel: false' is not carried out: 'orch -j1' runs one at a time");
	if (model_truth(node_member(config, "continue_on_error"), false))
		diag_warning(model->diags, node_member(config, "continue_on_error")->place,
			"'continue_on_error' is not carried out: 'orch -k' goes on after a failure");
	model_warn_unknown(model, root, known_top);
}
