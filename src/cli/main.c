/* The command line: global options, the command, its exit status. */
#include "config.h"

#include "cli/cmd.h"
#include "cli/find.h"
#include "cli/say.h"
#include "orch/project.h"
#include "os/supervised.h"
#include "os/redactor.h"
#include "os/relay.h"
#include "os/supervisor.h"
#include "util/alloc.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct opt front_options[] = {CMD_COMMON_OPTIONS, {0}};

static int enter_directories(const struct common *common)
{
	for (size_t i = 0; i < common->directories.count; i++) {
		if (chdir(common->directories.items[i]) < 0)
			return say_usage("-C %s: %s", common->directories.items[i], strerror(errno));
	}
	return EXIT_COMPLETE;
}

/* NAME=value apart from the rest, where the command wants that */
static void sort_words(const struct cmd *cmd, const struct strvec *words, struct operands *operands)
{
	for (size_t i = 0; i < words->count; i++) {
		bool assignment = cmd->assigns && cmd_is_assignment(words->items[i]);

		strvec_push(assignment ? &operands->assignments : &operands->words, words->items[i]);
	}
}

static int check_count(const struct cmd *cmd, const struct operands *operands)
{
	if (operands->words.count < cmd->min)
		return say_usage("orch %s needs %s; 'orch %s --help' says more", cmd->name, cmd->operands, cmd->name);
	if (operands->words.count > cmd->max && cmd->max == 0)
		return say_usage("orch %s takes no operand, but '%s' is given", cmd->name, operands->words.items[0]);
	if (operands->words.count > cmd->max)
		return say_usage("orch %s takes %s, but '%s' is given too", cmd->name, cmd->operands,
			operands->words.items[cmd->max]);
	return EXIT_COMPLETE;
}

static int say_version(void)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "orch %s\n", orch_version());
	return say_output(&text);
}

/* what follows such a word is handed on as it is; but for a lone --help, which somebody means as such */
static bool take_text(const struct cmd *cmd, char *const *argv, struct strvec *words)
{
	bool asks = argv[1] && argv[2] && !argv[3] && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);

	if (!argv[1] || !cmd_has_text(cmd, argv[1]) || asks)
		return false;
	for (char *const *word = argv + 1; *word; word++)
		strvec_push(words, *word);
	return true;
}

/* `argv[0]` is not looked at */
static int run_command(const struct cmd *cmd, bool no_command, struct common *front, char *const *argv)
{
	struct operands operands = {.no_command = no_command};
	struct strvec words = {0};
	struct orch_error err;
	void *options = xcalloc(1, cmd->size);
	struct common *common = options;
	int status;

	if (cmd->defaults)
		memcpy(options, cmd->defaults, cmd->size);
	*common = *front;
	front->directories = (struct strvec){0};
	if (!take_text(cmd, argv, &words) && opt_parse(cmd->options, options, argv, &words, &err) < 0) {
		status = say_usage("%s ('orch %s --help' lists the options)", err.message, cmd->name);
	} else if (common->help) {
		struct strbuf text = {0};

		cmd_usage(cmd, &text);
		status = say_output(&text);
	} else if (common->version) {
		status = say_version();
	} else {
		say_color((enum term_color)common->color);
		sort_words(cmd, &words, &operands);
		status = check_count(cmd, &operands);
		if (status == EXIT_COMPLETE)
			status = enter_directories(common);
		if (status == EXIT_COMPLETE)
			status = cmd->run(options, &operands);
	}
	strvec_release(&words);
	strvec_release(&operands.words);
	strvec_release(&operands.assignments);
	opt_release(cmd->options, options);
	free(options);
	return status;
}

int main(int argc, char **argv)
{
	struct common front = {0};
	struct orch_error err;
	const struct cmd *cmd;
	int at = 1, status;

	if (argc == 2 && strcmp(argv[1], SUPERVISOR_WORD) == 0)
		return supervisor_main();
	if (argc == 2 && strcmp(argv[1], REDACTOR_WORD) == 0)
		return redactor_main();
	if (argc == 3 && strcmp(argv[1], RELAY_WORD) == 0)
		return relay_main(argv[2]);
	if (argc == 4 && strcmp(argv[1], SUPERVISOR_REMOTE_WORD) == 0)
		return supervisor_remote_main(argv[2], argv[3]);
	supervision_allow_self();
	say_init();
	if (argc < 1)
		return EXIT_USAGE;
	if (opt_parse_front(front_options, &front, argv, &at, &err) < 0) {
		status = say_usage("%s ('orch help' says more)", err.message);
	} else if (!argv[at] && front.help) {
		struct strbuf text = {0};

		cmd_overview(&text);
		status = say_output(&text);
	} else if (!argv[at] && front.version) {
		status = say_version();
	} else {
		cmd = argv[at] ? cmd_find(argv[at]) : NULL;
		status = cmd ? run_command(cmd, false, &front, argv + at)
			     : run_command(&cmd_run, true, &front, argv + at - 1);
	}
	opt_release(front_options, &front);
	return say_close(status);
}
