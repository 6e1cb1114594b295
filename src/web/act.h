/* Doing something to a run under way, for a page: one request, asked of the run's own socket away from the loop, so
 * that a run that does not answer holds up nobody. */
#ifndef WEB_ACT_H
#define WEB_ACT_H

#include <stddef.h>

#include "orch/error.h"

struct acts;
struct http_request;
struct json_value;
struct loop;
struct strbuf;

/* how a run is reached: handed down by the program, since the run's socket is a neighbour's */
struct act_ops {
	/* the run under way in `dir`: a descriptor. ORCH_ENOTFOUND: none is */
	int (*connect)(const char *dir, struct orch_error *err);
	/* one request and its answer, which the caller frees; on a thread of its own */
	int (*ask)(int fd, const struct strbuf *request, struct json_value **answer, struct orch_error *err);
	void (*close)(int fd);
	/* names of the requests that pages may make, NULL-terminated */
	const char *const *requests;
};

struct acts *acts_new(struct loop *loop, const struct act_ops *ops);
/* those that wait are answered that it is over; their ends are waited for by loop_free(), after which acts_free() */
void acts_stop(struct acts *acts);
void acts_free(struct acts *acts);

/* The request's body is {"run", "request", "streams"?, "now"?, "text"?, "jobs"?}; it is held and answered. -1 with ORCH_EUSAGE:
 * it is none of these; ORCH_ENOTFOUND: nothing runs in `dir`; ORCH_EBUSY: too many at once. It has not been answered
 * then
 */
int acts_do(struct acts *acts, struct http_request *request, const struct json_value *body, const char *dir,
	struct orch_error *err);

#endif
