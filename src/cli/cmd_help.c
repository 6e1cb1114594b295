/* help and version. */
#include "config.h"

#include "cli/cmd.h"
#include "cli/say.h"
#include "orch/project.h"
#include "util/strbuf.h"
#include "util/suggest.h"

#include <string.h>

struct help_options {
	struct common common;
};

static const struct opt help_table[] = {CMD_COMMON_OPTIONS, {0}};

static const struct topic {
	const char *name, *text; /* text NULL: made when asked for */
} topics[] = {
	{"settings", NULL},
	{"targets",
		"Targets name streams on the command line:\n"
		"  NAME         a stream, or a group: complete when all it depends on is\n"
		"  'AUTH-*'     a glob over names (quoted, since the shell has globs of its own)\n"
		"  /^AUTH-/     a pattern (PCRE) found in names\n"
		"  tag:backend  streams with that word in 'tags'\n"
		"  TARGET+      these, and everything that depends on them\n"
		"What targets depend on belongs to them, unless --only is used. --except takes streams away.\n"
		"Without a target: 'default' of 'project:', else everything. A stream that is named like a command: orch run NAME.\n"
		"NAME=value sets a variable, over every assignment in the Orchfile.\n"},
	{"exit",
		"Exit status:\n"
		"  0      complete, or nothing to do\n"
		"  1      a stream failed; with -q something is to do; with fmt --check something would change\n"
		"  2      wrong usage, errors in the Orchfile, or orch could not do its part (disk full, ...)\n"
		"  3      another run holds the project\n"
		"  75     what is left is held by a usage limit or for an approval, and nothing failed: try again later\n"
		"  128+N  ended by signal N\n"},
};

enum { TOPICS = sizeof topics / sizeof topics[0] };

const char *cmd_topic(size_t index)
{
	return index < TOPICS ? topics[index].name : NULL;
}

static int unknown_topic(const char *name)
{
	struct suggest near = {.wanted = name};

	for (size_t i = 0; i < TOPICS; i++)
		suggest_offer(&near, topics[i].name);
	for (size_t i = 0; cmd_table[i]; i++)
		suggest_offer(&near, cmd_table[i]->name);
	if (near.best)
		return say_usage("no help on '%s'; did you mean 'orch help %s'?", name, near.best);
	return say_usage("no help on '%s'; topics are the commands, settings, targets and exit", name);
}

static int help_run(void *data, const struct operands *operands)
{
	const char *name = operands->words.count ? operands->words.items[0] : NULL;
	const struct cmd *cmd = name ? cmd_find(name) : NULL;
	struct strbuf out = {0};

	(void)data;
	if (!name || cmd) {
		if (cmd)
			cmd_usage(cmd, &out);
		else
			cmd_overview(&out);
		return say_output(&out);
	}
	for (size_t i = 0; i < TOPICS; i++) {
		if (strcmp(topics[i].name, name) != 0)
			continue;
		if (!topics[i].text)
			return say_text(orch_settings_help());
		strbuf_addstr(&out, topics[i].text);
		return say_output(&out);
	}
	return unknown_topic(name);
}

static int version_run(void *data, const struct operands *operands)
{
	struct strbuf out = {0};

	(void)data;
	(void)operands;
	strbuf_addf(&out, "orch %s\n", orch_version());
	return say_output(&out);
}

const struct cmd cmd_help = {
	.name = "help",
	.operands = "[TOPIC]",
	.summary = "This overview, a command, settings, targets or exit",
	.group = CMD_OTHER,
	.options = help_table,
	.size = sizeof(struct help_options),
	.max = 1,
	.run = help_run,
};

const struct cmd cmd_version = {
	.name = "version",
	.operands = "",
	.summary = "The version of orch",
	.group = CMD_OTHER,
	.options = help_table,
	.size = sizeof(struct help_options),
	.run = version_run,
};
