#include "config.h"

#include "cli/cmd.h"
#include "cli/draw.h"
#include "cli/find.h"
#include "cli/say.h"
#include "util/strbuf.h"

struct graph_options {
	struct common common;
	int format;
	bool json;
};

enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_DOT, FORMAT_MERMAID };
static const char *const format_choices[] = {"text", "json", "dot", "mermaid", NULL};

static const struct opt graph_table[] = {
	{0, "format", OPT_CHOICE, offsetof(struct graph_options, format), .what = "FORM",
		.help = "text, json, dot (Graphviz) or mermaid", .choices = format_choices},
	{0, "json", OPT_FLAG, offsetof(struct graph_options, json), .help = "the same as --format=json"},
	CMD_COMMON_OPTIONS,
	{0},
};

static int graph_run(void *data, const struct operands *operands)
{
	struct graph_options *options = data;
	struct orch_plan_options targets = {.targets = (const char *const *)operands->words.items};
	struct orch *orch = NULL;
	struct orch_plan *plan = NULL;
	struct strbuf out = {0};
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT | FIND_WARN);

	if (status == EXIT_COMPLETE && operands->words.count)
		status = find_plan(&plan, orch, &targets, operands);
	if (status == EXIT_COMPLETE) {
		if (options->json || options->format == FORMAT_JSON)
			draw_json(&out, orch, plan);
		else if (options->format == FORMAT_DOT)
			draw_dot(&out, orch, plan);
		else if (options->format == FORMAT_MERMAID)
			draw_mermaid(&out, orch, plan);
		else
			draw_tree(&out, orch, plan, say_out()->unicode);
		status = say_output(&out);
	}
	orch_plan_free(plan);
	orch_close(orch);
	return status;
}

const struct cmd cmd_graph = {
	.name = "graph",
	.operands = "[TARGET | NAME=value]...",
	.summary = "The graph: drawn, or as dot, mermaid, JSON",
	.about =
		"Each stream stands once, below the one it depends on that comes last; others that it waits for are named behind it.\n"
		"With targets, only they and what they depend on.\n",
	.group = CMD_LOOKING,
	.options = graph_table,
	.size = sizeof(struct graph_options),
	.max = CMD_ANY,
	.assigns = true,
	.run = graph_run,
};
