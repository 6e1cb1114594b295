/*
 * HTTP on the loopback address, for the dashboard: requests with bounded heads and bodies, answers that are whole or go
 * on for as long as there is something to tell. All on the loop's thread. The only includer of libmicrohttpd.
 */
#ifndef WEB_HTTP_H
#define WEB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct http;
struct http_request;
struct http_stream;
struct loop;
struct strbuf;

struct http_options {
	unsigned port;        /* of 127.0.0.1; 0: any that is free */
	unsigned connections; /* at once; more wait until one ends */
	size_t body;          /* bytes; a longer one is answered with 413, or the connection is closed */
	int64_t beat_ms; /* a quiet stream is sent a comment in this interval, so that it is found out who is gone */
	unsigned stalls; /* a client that takes nothing of what there is for so many intervals is dropped */
	/* Answers, or holds, the request. GET, HEAD and POST only; others never get here */
	void (*handle)(void *data, struct http_request *request);
	void *data;
};

/* listens from now on. ORCH_EBUSY: somebody else has the port */
int http_new(struct http **out, struct loop *loop, const struct http_options *options, struct orch_error *err);
unsigned http_port(const struct http *http);
/* connections are closed; requests on hold must have been answered. NULL is fine */
void http_free(struct http *http);

/* --- a request: valid until it is answered --- */

const char *http_path(const struct http_request *request); /* begins with a slash, without the query */
bool http_is_post(const struct http_request *request);
/* NULL if there is none */
const char *http_header(const struct http_request *request, const char *name);
const char *http_query(const struct http_request *request, const char *name);
const char *http_body(const struct http_request *request, size_t *len);

/* a header of the answer; before it is answered. Both are copied */
void http_add_header(struct http_request *request, const char *name, const char *value);
/* the answer: copied, or (kept) valid for ever */
void http_answer(struct http_request *request, unsigned status, const char *type, const void *bytes, size_t len);
void http_answer_kept(struct http_request *request, unsigned status, const char *type, const void *bytes, size_t len);
/* it is answered later, from the loop. A client that goes away meanwhile changes nothing */
void http_hold(struct http_request *request);

/* --- an answer that goes on --- */

struct http_source {
	/* Adds what there is to tell now, some 100 KiB at most, when the client has taken all before; nothing: it is
	 * asked again after http_stream_wake(). -1: that was all */
	int (*fill)(void *data, struct strbuf *out);
	/* the client is gone, or was dropped; nothing is asked any more. `data` may be freed */
	void (*closed)(void *data);
};

/* answers 200 with a stream of server-sent events. The stream is valid until `closed` */
struct http_stream *http_answer_stream(struct http_request *request, const struct http_source *source, void *data);
void http_stream_wake(struct http_stream *stream);

/* how many streams there are, and how many were dropped because they took nothing */
size_t http_stream_count(const struct http *http);
size_t http_dropped_count(const struct http *http);

#endif
