/* The dashboard: an HTTP server on the loopback address that shows runs and passes on what is asked of them. It reads
 * the state directories of projects and writes nothing, so that it can end at any time. */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include <stdbool.h>

#include "web/act.h"
#include "web/overview.h"

struct loop;
struct web;

enum { WEB_BODY_MAX = 64 * 1024, WEB_CONNECTIONS_MAX = 256, WEB_BEAT_MS = 15 * 1000, WEB_STALLS_MAX = 3 };

struct web_options {
	unsigned port;       /* 0: any that is free */
	bool read_only;      /* nothing can be asked of a run */
	const char *token;   /* whoever does not know it gets no data; borrowed */
	const char *here;    /* directory of the project to show first; NULL: none */
	const char *watched; /* see overview_new() */
	overview_list *list;
	void *list_data;
	const struct act_ops *ops; /* not used with read_only */
};

int web_new(struct web **out, struct loop *loop, const struct web_options *options, struct orch_error *err);
unsigned web_port(const struct web *web);
/* two steps, since what was asked of runs is waited for by loop_free(), which comes between them. NULL is fine */
void web_stop(struct web *web);
void web_free(struct web *web);

#endif
