#include "config.h"

#include "web/route.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "orch/project.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "web/act.h"
#include "web/assets.h"
#include "web/overview.h"
#include "web/edges.h"
#include "web/feed.h"
#include "web/guard.h"
#include "web/http.h"
#include "web/logfeed.h"
#include "web/picture.h"

static const char json_type[] = "application/json";

static void answer_error(struct http_request *request, unsigned status, const char *message)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out};

	json_begin_object(&w);
	json_add_key(&w, "ok");
	json_add_bool(&w, false);
	json_add_key(&w, "error");
	json_add_string(&w, message);
	json_end_object(&w);
	http_answer(request, status, json_type, out.data, out.len);
	strbuf_release(&out);
}

static void answer_failure(struct http_request *request, const struct orch_error *err)
{
	unsigned status = err->code == ORCH_ENOTFOUND ? 404
		: err->code == ORCH_EUSAGE            ? 400
		: err->code == ORCH_EBUSY             ? 503
						      : 500;

	answer_error(request, status, err->message);
}

static void answer_json(struct http_request *request, struct strbuf *out)
{
	http_answer(request, 200, json_type, out->data, out->len);
	strbuf_release(out);
}

/* --- what a request is about --- */

/* its project; NULL: it has been answered */
static const char *project_of(const struct route_context *context, struct http_request *request)
{
	const char *id = http_query(request, "project");

	if (id && overview_dir(context->overview, id))
		return id;
	answer_error(request, 404, id ? "there is no such project here" : "which project? '?project=ID' is missing");
	return NULL;
}

/* and its run, "last" is the newest; NULL: it has been answered */
static const char *run_of(const struct route_context *context, struct http_request *request, const char *project)
{
	const char *run = http_query(request, "run");

	if (run && strcmp(run, "last") != 0)
		return run;
	run = overview_newest(context->overview, project);
	if (!run)
		answer_error(request, 404, "nothing has run here yet");
	return run;
}

static int64_t number_of(struct http_request *request, const char *name, int64_t fallback)
{
	const char *text = http_query(request, name);

	return text && *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 19
		? strtoll(text, NULL, 10)
		: fallback;
}

/* --- the routes --- */

static void route_hello(const struct route_context *context, struct http_request *request)
{
	const char *here = context->here ? overview_id(context->overview, context->here) : NULL;
	struct strbuf out = {0};
	struct json_writer w = {.out = &out};

	json_begin_object(&w);
	json_add_key(&w, "version");
	json_add_string(&w, orch_version());
	json_add_key(&w, "here");
	json_add_string(&w, here);
	json_add_key(&w, "acts");
	json_begin_array(&w);
	for (size_t i = 0; context->requests && context->requests[i]; i++)
		json_add_string(&w, context->requests[i]);
	json_end_array(&w);
	json_end_object(&w);
	answer_json(request, &out);
}

static void route_projects(const struct route_context *context, struct http_request *request)
{
	feed_overview(request, context->overview);
}

static void route_runs(const struct route_context *context, struct http_request *request)
{
	const char *project = project_of(context, request);
	struct strbuf out = {0};
	struct json_writer w = {.out = &out};

	if (!project)
		return;
	overview_add_runs(context->overview, project, &w);
	answer_json(request, &out);
}

static void route_run(const struct route_context *context, struct http_request *request)
{
	const char *project = project_of(context, request);
	const char *run = project ? run_of(context, request, project) : NULL;
	struct orch_error err;

	if (run && feed_run(request, context->overview, context->loop, project, run, &err) < 0)
		answer_failure(request, &err);
}

static void route_graph(const struct route_context *context, struct http_request *request)
{
	const char *project = project_of(context, request);
	const char *run = project ? run_of(context, request, project) : NULL;
	struct strbuf out = {0};
	struct json_writer w = {.out = &out};
	struct picture *picture;
	struct orch_error err;
	char *note = NULL;
	int result;

	if (!run)
		return;
	if (picture_get(&picture, context->loop, overview_dir(context->overview, project), run, NULL, &err) < 0) {
		answer_failure(request, &err);
		return;
	}
	json_begin_object(&w);
	json_add_key(&w, "edges");
	result = edges_add(&w, picture, &note, &err);
	json_add_key(&w, "note");
	json_add_string(&w, note);
	json_end_object(&w);
	free(note);
	picture_drop(picture, NULL);
	if (result == 0)
		http_answer(request, 200, json_type, out.data, out.len);
	else
		answer_failure(request, &err);
	strbuf_release(&out);
}

/* the log of a stream: followed, or a part of it */
static void answer_log(const struct route_context *context, struct http_request *request, bool part)
{
	const char *project = project_of(context, request), *stream = http_query(request, "stream");
	const char *run = project ? run_of(context, request, project) : NULL;
	int64_t attempt = number_of(request, "attempt", 0);
	struct orch_error err;
	int result;

	if (!run)
		return;
	if (!stream) {
		answer_error(request, 400, "which stream? '&stream=NAME' is missing");
		return;
	}
	result = part ? logfeed_part(request, overview_dir(context->overview, project), run, stream, attempt,
				number_of(request, "end", -1), &err)
		      : logfeed_open(request, context->loop, overview_dir(context->overview, project), run, stream,
				attempt, &err);
	if (result < 0)
		answer_failure(request, &err);
}

static void route_log(const struct route_context *context, struct http_request *request)
{
	answer_log(context, request, false);
}

static void route_part(const struct route_context *context, struct http_request *request)
{
	answer_log(context, request, true);
}

static void route_act(const struct route_context *context, struct http_request *request)
{
	const char *project = project_of(context, request), *type = http_header(request, "Content-Type");
	struct json_value *body = NULL;
	struct orch_error err;
	const char *text;
	size_t len;

	if (!project)
		return;
	if (!context->acts) {
		answer_error(request, 403, "this dashboard is read-only; 'orch serve' without --read-only is not");
		return;
	}
	/* a form of another site cannot send this type without being asked first */
	if (!type || strncmp(type, json_type, sizeof json_type - 1) != 0) {
		answer_error(request, 415, "the request is JSON, as its Content-Type says");
		return;
	}
	text = http_body(request, &len);
	if (json_read(&body, text, len, &err) < 0)
		answer_error(request, 400, err.message);
	else if (acts_do(context->acts, request, body, overview_dir(context->overview, project), &err) < 0)
		answer_failure(request, &err);
	json_value_free(body);
}

static const struct {
	const char *path;
	bool post;
	void (*call)(const struct route_context *context, struct http_request *request);
} routes[] = {
	{"/api/hello", false, route_hello},
	{"/api/projects", false, route_projects},
	{"/api/runs", false, route_runs},
	{"/api/run", false, route_run},
	{"/api/graph", false, route_graph},
	{"/api/log", false, route_log},
	{"/api/part", false, route_part},
	{"/api/act", true, route_act},
};

static const struct {
	const char *path, *type;
	const unsigned char *bytes;
	const size_t *len;
} files[] = {
	{"/", "text/html; charset=utf-8", asset_index_html, &asset_index_html_len},
	{"/app.js", "text/javascript; charset=utf-8", asset_app_js, &asset_app_js_len},
	{"/app.css", "text/css; charset=utf-8", asset_app_css, &asset_app_css_len},
	{"/icon.svg", "image/svg+xml", asset_icon_svg, &asset_icon_svg_len},
};

/* --- what must be so before --- */

static void add_headers(struct http_request *request)
{
	http_add_header(request, "Content-Security-Policy",
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
		"require-trusted-types-for 'script'; trusted-types 'none'");
	http_add_header(request, "X-Content-Type-Options", "nosniff");
	http_add_header(request, "X-Frame-Options", "DENY");
	http_add_header(request, "Referrer-Policy", "no-referrer");
	http_add_header(request, "Cross-Origin-Resource-Policy", "same-origin");
	http_add_header(request, "Cross-Origin-Opener-Policy", "same-origin");
	http_add_header(request, "Cache-Control", "no-store");
}

/* false: it has been answered */
static bool is_ours(struct http_request *request)
{
	const char *host = http_header(request, "Host");
	bool is_page = strcmp(http_path(request), "/") == 0;

	if (!guard_host(host)) {
		answer_error(request, 403, "this server answers to localhost and 127.0.0.1 only");
		return false;
	}
	/* a link to the page may be anywhere: the page itself knows nothing */
	if (!guard_origin(http_header(request, "Origin"), host) ||
		(!is_page && !guard_site(http_header(request, "Sec-Fetch-Site")))) {
		answer_error(request, 403, "the request comes from another site");
		return false;
	}
	return true;
}

void route_request(const struct route_context *context, struct http_request *request)
{
	const char *path = http_path(request);

	add_headers(request);
	if (!is_ours(request))
		return;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (strcmp(files[i].path, path) == 0 && !http_is_post(request)) {
			http_answer_kept(request, 200, files[i].type, files[i].bytes, *files[i].len);
			return;
		}
	}
	if (strncmp(path, "/api/", 5) != 0) {
		answer_error(request, 404, "there is nothing here");
		return;
	}
	if (!guard_token(http_header(request, "Authorization"), context->token)) {
		http_add_header(request, "WWW-Authenticate", "Bearer");
		answer_error(request, 401, "the token is missing or wrong; 'orch serve' prints it when it starts");
		return;
	}
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		if (routes[i].post == http_is_post(request))
			routes[i].call(context, request);
		else
			answer_error(request, 405, routes[i].post ? "POST only" : "GET only");
		return;
	}
	answer_error(request, 404, "there is nothing here");
}
