/* From a request to what answers it: one table of paths, and what must be so before any of them is looked at. */
#ifndef WEB_ROUTE_H
#define WEB_ROUTE_H

struct acts;
struct overview;
struct http_request;
struct loop;

struct route_context {
	struct loop *loop;
	struct overview *overview;
	struct acts *acts;           /* NULL: only to look */
	const char *const *requests; /* that pages may make, NULL-terminated; NULL: none */
	const char *token, *here;
};

void route_request(const struct route_context *context, struct http_request *request);

#endif
