#include "config.h"

#include "web/web.h"

#include <stdlib.h>

#include "util/alloc.h"
#include "web/http.h"
#include "web/route.h"

struct web {
	struct http *http;
	struct route_context context;
};

static void on_request(void *data, struct http_request *request)
{
	struct web *web = data;

	route_request(&web->context, request);
}

int web_new(struct web **out, struct loop *loop, const struct web_options *options, struct orch_error *err)
{
	struct web *web = xcalloc(1, sizeof *web);
	struct http_options http = {.port = options->port,
		.connections = WEB_CONNECTIONS_MAX,
		.body = WEB_BODY_MAX,
		.beat_ms = WEB_BEAT_MS,
		.stalls = WEB_STALLS_MAX,
		.handle = on_request,
		.data = web};

	*out = NULL;
	web->context = (struct route_context){.loop = loop,
		.token = options->token,
		.here = options->here,
		.requests = options->read_only ? NULL : options->ops->requests};
	if (http_new(&web->http, loop, &http, err) < 0) {
		free(web);
		return -1;
	}
	web->context.overview = overview_new(loop, options->list, options->list_data, options->watched);
	if (!options->read_only)
		web->context.acts = acts_new(loop, options->ops);
	*out = web;
	return 0;
}

unsigned web_port(const struct web *web)
{
	return http_port(web->http);
}

void web_stop(struct web *web)
{
	if (!web)
		return;
	if (web->context.acts)
		acts_stop(web->context.acts);
	http_free(web->http);
	overview_free(web->context.overview);
}

void web_free(struct web *web)
{
	if (!web)
		return;
	acts_free(web->context.acts);
	free(web);
}
