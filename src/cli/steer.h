/* Requests to the run under way in the current directory (control/client.h), for the commands that make them. What goes
 * wrong is said here; the functions return an exit status, 0 if all is well. */
#ifndef CLI_STEER_H
#define CLI_STEER_H

#include <stddef.h>
#include <stdint.h>

struct strbuf;
struct strvec;

/* the run in the current directory: its descriptor, which the caller closes. -1: nothing runs (*status 0), or what is
 * wrong has been said */
int steer_connect(int *status);
int steer_nothing_runs(void);
/* {"v":1,"request":NAME,"streams":[...],KEY:NUMBER}; without streams (NULL, or none) or key (NULL) those are left out */
void steer_write_request(
	struct strbuf *out, const char *name, const struct strvec *streams, const char *key, int64_t number);
/* asks and waits for the answer; *count (may be NULL): how many streams it was done to */
int steer_ask(int fd, const struct strbuf *request, size_t *count);

#endif
