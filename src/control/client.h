/* The other end of a run's socket (control/control.h): for subcommands. It waits, so it is for programs without a loop.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stdbool.h>

#include "orch/error.h"

struct json_value;
struct strbuf;

/* the run at the socket `path`: a descriptor for the calls below, which the caller closes. ORCH_ENOTFOUND: nobody
 * listens */
int client_connect(const char *path, struct orch_error *err);
/* Sends the request, a JSON object without a newline, and waits for its answer. -1: the run says no (ORCH_EUSAGE), has
 * just ended (ORCH_ENOTFOUND), or does not answer. *answer is freed by the caller; NULL: there is none */
int client_ask(int fd, const struct strbuf *request, struct json_value **answer, struct orch_error *err);
/* waits until the run closes its end: it is over. Whatever comes until then is not looked at */
void client_wait_for_end(int fd);

#endif
