/* What is installed: programs are asked for their version and their flags, several at once, each for ten seconds and
 * 16 MiB of output at most, and without standard input. */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"
#include "util/strvec.h"

struct probe_result {
	char *program; /* the command's first word; NULL: no word of it is certain */
	char *path;    /* NULL: it is not in PATH */
	char *version; /* the line of --version with a number such as 1.2, else the first; NULL: it says nothing */
	bool hangs;    /* it did not end in time: nothing more is asked of it */
	char *problem; /* what went wrong when it was asked; NULL: nothing */
	struct strvec unknown_run, unknown_resume; /* flags of the commands that its --help does not mention */
};

struct probe_request {
	const char *run, *resume;    /* commands as profiles have them; resume may be NULL */
	bool flags;                  /* look at --help too */
	struct probe_result *result; /* zeroed by the caller, who releases it */
};

int probe_programs(const struct probe_request *requests, size_t count, struct orch_error *err);
/* Runs a command to its end, for ten seconds at most, without standard input. 0 and its exit status (-1: a signal, or
 * too late), with all that it printed in *text, which the caller frees; -1 with *err: it cannot be run */
int probe_command(char *const *argv, int *status, char **text, struct orch_error *err);
void probe_result_release(struct probe_result *result);

/* the words of the first command in a shell script that say what is started: the program, then its subcommands and
 * flags, without redirections and what is behind them. For looking at --help only */
void probe_words(const char *script, struct strvec *out);
/* is `flag` ("--name", "-n") in the text of a --help? */
bool probe_mentions(const char *help, const char *flag);

#endif
