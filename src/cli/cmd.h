/* A subcommand: what it is called, what it takes, what it does. One table of them (cmd.c). */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/opt.h"
#include "util/strvec.h"

struct strbuf;

enum cmd_group { CMD_RUNNING, CMD_LOOKING, CMD_STEERING, CMD_WRITING, CMD_OTHER };
enum { CMD_GROUPS = CMD_OTHER + 1 };

/* exit status, as CLI.md and orch(1) have it */
enum {
	EXIT_COMPLETE = 0,
	EXIT_STREAM_FAILED = 1, /* also: -q and something is to do, --check and something would change */
	EXIT_USAGE = 2,         /* wrong usage, wrong Orchfile, or orch itself could not do its part */
	EXIT_HELD = 3,
	EXIT_SIGNAL = 128,
};

/* options that every command has; the first member of every options struct */
struct common {
	struct strvec directories;
	const char *file;
	int color; /* enum term_color */
	bool help, version;
};

extern const char *const cmd_color_choices[];

/* rows for struct common, at the end of each table; the letter of --file is free where a command needs it */
#define CMD_COMMON_OPTIONS_BUT(file_letter) \
	{'C', "directory", OPT_LIST, offsetof(struct common, directories), .what = "DIR", \
		.help = "work in DIR; may be repeated"}, \
		{file_letter, "file", OPT_TEXT, offsetof(struct common, file), .what = "FILE", \
			.help = "the Orchfile; default: that here or in the nearest parent"}, \
		{0, "color", OPT_CHOICE, offsetof(struct common, color), .what = "WHEN", \
			.help = "auto, always or never", .choices = cmd_color_choices}, \
		{'h', "help", OPT_FLAG, offsetof(struct common, help), .help = "what this command takes"}, \
	{ \
		0, "version", OPT_FLAG, offsetof(struct common, version), .help = "the version of orch" \
	}
#define CMD_COMMON_OPTIONS CMD_COMMON_OPTIONS_BUT('f')

/* what stands on the command line besides options */
struct operands {
	struct strvec words;
	struct strvec assignments; /* NAME=value, for commands that read an Orchfile */
	bool no_command;           /* `orch ...` without the word `run` */
};

struct cmd {
	const char *name;
	const char *operands; /* as usage shows them */
	const char *summary;  /* one line for the overview */
	const char *about;    /* more, for --help: whole lines; NULL: nothing */
	enum cmd_group group;
	const struct opt *options;
	size_t size;          /* of the options' struct */
	const void *defaults; /* of it; NULL: all zero */
	size_t min, max;      /* words it takes */
	bool assigns;         /* takes NAME=value */
	/* first words behind which everything is somebody's text, and no option; NULL-terminated, or NULL: none */
	const char *const *texts;
	/* the exit status */
	int (*run)(void *options, const struct operands *operands);
};

enum { CMD_ANY = 0x7fffffff };

extern const struct cmd cmd_watch, cmd_reload, cmd_approve, cmd_attach, cmd_send, cmd_import, cmd_draft;
extern const struct cmd cmd_run, cmd_status, cmd_logs, cmd_plan, cmd_why, cmd_graph, cmd_list, cmd_show, cmd_history,
	cmd_report, cmd_ps, cmd_stop, cmd_pause, cmd_resume, cmd_retry, cmd_jobs, cmd_merge, cmd_touch, cmd_reset,
	cmd_prune, cmd_init, cmd_check, cmd_fmt, cmd_dump, cmd_agents, cmd_doctor, cmd_completion, cmd_help,
	cmd_version, cmd_clean,
	cmd_diff, cmd_conflicts, cmd_serve;

/* NULL-terminated */
extern const struct cmd *const cmd_table[];

const struct cmd *cmd_find(const char *name);
/* topics of `orch help` besides the commands, by position; NULL: no more */
const char *cmd_topic(size_t index);
/* shells that there are completions for, NULL-terminated */
extern const char *const cmd_shells[];
/* nearest command, or NULL */
const char *cmd_suggest(const char *name);
/* the text of `orch CMD --help`, and of `orch help` */
void cmd_usage(const struct cmd *cmd, struct strbuf *out);
void cmd_overview(struct strbuf *out);
/* is `word`, the first behind the command, one of its `texts`? */
bool cmd_has_text(const struct cmd *cmd, const char *word);
/* is it NAME=value? */
bool cmd_is_assignment(const char *word);

#endif
