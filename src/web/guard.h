/* Who may ask: decisions about a request's headers. Text in, answer out. */
#ifndef WEB_GUARD_H
#define WEB_GUARD_H

#include <stdbool.h>

/* Does `host`, a Host header (NULL: none), name this machine's loopback, with or without a port? A page whose name was
 * made to point here has another one */
bool guard_host(const char *host);
/* Does `origin`, an Origin header, name the server that `host` does? NULL is no page's, and fine */
bool guard_origin(const char *origin, const char *host);
/* Is it a request of another site, by what browsers say in Sec-Fetch-Site (NULL: not a browser that does)? */
bool guard_site(const char *site);
/* is `authorization` "Bearer TOKEN"? Takes as long whatever is wrong */
bool guard_token(const char *authorization, const char *token);

#endif
