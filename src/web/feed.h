/* What a page is told as it happens, as server-sent events: all projects, or one run. A client that is slow is told
 * less often, never more at once: it gets what changed since the last time. */
#ifndef WEB_FEED_H
#define WEB_FEED_H

#include "orch/error.h"

struct overview;
struct http_request;
struct loop;

/* answers with the stream of the projects ("projects") */
void feed_overview(struct http_request *request, struct overview *overview);
/* Answers with the stream of a run: "run" (the whole), "streams" (first all, by parts, then those that changed),
 * "newer" (the project has a newer run). -1: it has not been answered */
int feed_run(struct http_request *request, struct overview *overview, struct loop *loop, const char *project,
	const char *run, struct orch_error *err);

#endif
