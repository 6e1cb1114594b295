/* What a command is as words for execve(2), and as a script that somebody else runs. */
#ifndef RUNNER_SCRIPT_H
#define RUNNER_SCRIPT_H

#include "orch/error.h"

struct command;
struct strvec;

/* adds the words that run the command: what wraps it, then its script or its argv. -1 with errno */
int script_words(struct strvec *argv, const struct command *command, struct orch_error *err);
/* RECORD.TOKEN.sh (os/remote.h): what a scheduler runs. The program that it needs is put beside `scratch`, absolute */
int write_job_script(const char *record, const char *token, const char *scratch, struct orch_error *err);

#endif
