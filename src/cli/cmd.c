#include "config.h"

#include "cli/cmd.h"

#include "util/strbuf.h"
#include "util/suggest.h"

#include <string.h>

const char *const cmd_color_choices[] = {"auto", "always", "never", NULL};

const struct cmd *const cmd_table[] = {
	&cmd_run,
	&cmd_status,
	&cmd_watch,
	&cmd_logs,
	&cmd_plan,
	&cmd_why,
	&cmd_graph,
	&cmd_list,
	&cmd_show,
	&cmd_history,
	&cmd_report,
	&cmd_diff,
	&cmd_conflicts,
	&cmd_ps,
	&cmd_serve,
	&cmd_stop,
	&cmd_pause,
	&cmd_resume,
	&cmd_retry,
	&cmd_approve,
	&cmd_send,
	&cmd_jobs,
	&cmd_reload,
	&cmd_attach,
	&cmd_merge,
	&cmd_touch,
	&cmd_reset,
	&cmd_clean,
	&cmd_prune,
	&cmd_init,
	&cmd_import,
	&cmd_draft,
	&cmd_check,
	&cmd_fmt,
	&cmd_dump,
	&cmd_agents,
	&cmd_doctor,
	&cmd_completion,
	&cmd_help,
	&cmd_version,
	NULL,
};

const struct cmd *cmd_find(const char *name)
{
	for (size_t i = 0; cmd_table[i]; i++) {
		if (strcmp(cmd_table[i]->name, name) == 0)
			return cmd_table[i];
	}
	return NULL;
}

const char *cmd_suggest(const char *name)
{
	struct suggest near = {.wanted = name};

	for (size_t i = 0; cmd_table[i]; i++)
		suggest_offer(&near, cmd_table[i]->name);
	return near.best;
}

void cmd_usage(const struct cmd *cmd, struct strbuf *out)
{
	strbuf_addf(out, "Usage: orch %s [OPTION]...%s%s\n", cmd->name, *cmd->operands ? " " : "", cmd->operands);
	if (cmd == &cmd_run)
		strbuf_addf(out, "   or: orch [OPTION]... %s\n", cmd->operands);
	strbuf_addf(out, "%s.\n", cmd->summary);
	if (cmd->about)
		strbuf_addf(out, "\n%s", cmd->about);
	strbuf_addstr(out, "\nOptions:\n");
	opt_usage(cmd->options, out);
}

void cmd_overview(struct strbuf *out)
{
	static const char *const titles[CMD_GROUPS] = {"Running", "Looking", "Steering", "Writing", "Other"};

	strbuf_addstr(out,
		"Usage: orch [OPTION]... [TARGET | NAME=value]...\n"
		"   or: orch COMMAND [OPTION]... [OPERAND]...\n"
		"Runs the streams of the Orchfile here, or in the nearest parent directory, that are not complete.\n");
	for (int group = 0; group < CMD_GROUPS; group++) {
		strbuf_addf(out, "\n%s:\n", titles[group]);
		for (size_t i = 0; cmd_table[i]; i++) {
			if ((int)cmd_table[i]->group == group)
				strbuf_addf(out, "  %-12s%s\n", cmd_table[i]->name, cmd_table[i]->summary);
		}
	}
	strbuf_addstr(out,
		"\nMost used options of run:\n"
		"  -j N  at most N at once                      -n  show what would run, and why\n"
		"  -k    keep going after a failure             -q  only ask whether something is to do\n"
		"  -B    everything, also what is complete      -v  say more\n"
		"\n'orch COMMAND --help' lists a command's options, 'orch help settings' the settings of an Orchfile,\n"
		"'orch help targets' the ways to name streams, 'orch help exit' the exit status.\n");
}

bool cmd_has_text(const struct cmd *cmd, const char *word)
{
	for (size_t i = 0; cmd->texts && cmd->texts[i]; i++) {
		if (strcmp(cmd->texts[i], word) == 0)
			return true;
	}
	return false;
}

bool cmd_is_assignment(const char *word)
{
	size_t len = 0;

	if (!((word[0] >= 'a' && word[0] <= 'z') || (word[0] >= 'A' && word[0] <= 'Z') || word[0] == '_'))
		return false;
	while ((word[len] >= 'a' && word[len] <= 'z') || (word[len] >= 'A' && word[len] <= 'Z') ||
		(word[len] >= '0' && word[len] <= '9') || (word[len] && strchr("_.-", word[len])))
		len++;
	return word[len] == '=';
}
