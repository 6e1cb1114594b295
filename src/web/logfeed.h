/* The output of an attempt: its end at once and what is added to it as it comes, or any part of it. Bytes as they are,
 * but for what is no UTF-8: the page makes text of them. */
#ifndef WEB_LOGFEED_H
#define WEB_LOGFEED_H

#include <stdint.h>

#include "orch/error.h"

struct http_request;
struct loop;

/* Answers with the stream of the log of attempt `attempt` (0: the last) of a stream: "log" {at, end, text}, from byte
 * `at` to `end`; a gap between two is what was left out. -1: it has not been answered */
int logfeed_open(struct http_request *request, struct loop *loop, const char *dir, const char *run, const char *stream,
	int64_t attempt, struct orch_error *err);
/* answers with the part of it that ends at byte `end`, as a document {at, end, text} */
int logfeed_part(struct http_request *request, const char *dir, const char *run, const char *stream, int64_t attempt,
	int64_t end, struct orch_error *err);

#endif
