/* `name != command`: runs a command and takes its output. */
#ifndef LANG_COMMAND_H
#define LANG_COMMAND_H

#include <stddef.h>

#include "orch/error.h"

struct strbuf;

enum { COMMAND_OUTPUT_MAX = 16 * 1024 * 1024 };

/* SHELL -c COMMAND in `dir`, standard input /dev/null, standard error ours; the output without its trailing newlines
 * goes to `out`. -1 if it could not be run or did not exit with 0 */
int command_output(const char *shell, const char *command, const char *dir, struct strbuf *out, struct orch_error *err);

#endif
