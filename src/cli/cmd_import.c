#include "config.h"

#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/say.h"
#include "orch/project.h"
#include "util/strbuf.h"

struct import_options {
	struct common common;
};

static const struct opt import_table[] = {CMD_COMMON_OPTIONS, {0}};

static int import_run(void *data, const struct operands *operands)
{
	const struct import_options *options = data;
	struct orch_error err;
	char *text, *told;
	int status;

	if (options->common.file)
		return say_usage("the files to import are operands: orch import %s", options->common.file);
	status = orch_import((const char *const *)operands->words.items, say_err()->color, &text, &told, &err);
	say_rendered(told);
	if (status < 0)
		return say_error(&err);
	return say_text(text);
}

const struct cmd cmd_import = {
	.name = "import",
	.operands = "FILE...",
	.summary = "Print the Orchfile that says what task files of other programs say",
	.about =
		"FILE: a task list, stream metadata or a batch in JSON or YAML, a file of Task Master, a SQLite task database,\n"
		"a prompt in Markdown, or a list of prompts; it is told by what is in it. What a file does not say, and what\n"
		"it says that orch does not do, is told on standard error. Commands are never taken from such a file.\n",
	.group = CMD_WRITING,
	.options = import_table,
	.size = sizeof(struct import_options),
	.min = 1,
	.max = CMD_ANY,
	.run = import_run,
};
