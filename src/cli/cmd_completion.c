/* completion: the script for a shell, and the answers to what it asks. */
#include "config.h"

#include "cli/cmd.h"
#include "cli/complete.h"
#include "cli/completion_assets.h"
#include "cli/say.h"
#include "util/strbuf.h"

#include <string.h>

struct completion_options {
	struct common common;
	bool candidates;
};

static const struct opt completion_table[] = {
	{0, "candidates", OPT_FLAG, offsetof(struct completion_options, candidates),
		.help = "what the scripts ask: what can stand at the place of the last WORD"},
	CMD_COMMON_OPTIONS,
	{0},
};

const char *const cmd_shells[] = {"bash", "zsh", "fish", NULL};

static const char *const *const scripts[] = {completion_bash, completion_zsh, completion_fish};

static int completion_run(void *data, const struct operands *operands)
{
	const struct completion_options *options = data;
	const struct strvec *words = &operands->words;
	struct strbuf out = {0};

	if (options->candidates) {
		complete_words(&out, words->items, words->count);
		return say_output(&out);
	}
	if (words->count > 1)
		return say_usage("orch completion takes one SHELL, but '%s' is given too", words->items[1]);
	for (size_t s = 0; cmd_shells[s]; s++) {
		if (strcmp(cmd_shells[s], words->items[0]) != 0)
			continue;
		for (size_t line = 0; scripts[s][line]; line++)
			strbuf_addstr(&out, scripts[s][line]);
		return say_output(&out);
	}
	return say_usage("no completion for '%s'; there is one for bash, zsh and fish", words->items[0]);
}

const struct cmd cmd_completion = {
	.name = "completion",
	.operands = "SHELL",
	.summary = "The script that completes orch's command lines in a shell",
	.about =
		"SHELL is bash, zsh or fish; 'make install' puts the scripts where these look. Without that:\n"
		"  bash   source <(orch completion bash), in ~/.bashrc\n"
		"  zsh    source <(orch completion zsh), in ~/.zshrc behind compinit\n"
		"  fish   orch completion fish | source, in ~/.config/fish/config.fish\n"
		"Commands, options, their values, streams, runs and files are completed as they are at that moment.\n",
	.group = CMD_WRITING,
	.options = completion_table,
	.size = sizeof(struct completion_options),
	.min = 1,
	.max = CMD_ANY,
	.run = completion_run,
};
