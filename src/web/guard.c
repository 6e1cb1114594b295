#include "config.h"

#include "web/guard.h"

#include <string.h>
#include <strings.h>

bool guard_host(const char *host)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

	if (!host)
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t len = strlen(names[i]);
		const char *port = host + len;

		if (strncasecmp(host, names[i], len) != 0)
			continue;
		if (!*port)
			return true;
		/* a tunnel may have another port at its end than the server has */
		return *port == ':' && port[1] && strlen(port + 1) <= 5 &&
			strspn(port + 1, "0123456789") == strlen(port + 1);
	}
	return false;
}

bool guard_origin(const char *origin, const char *host)
{
	static const char scheme[] = "http://";

	if (!origin)
		return true;
	return host && strncasecmp(origin, scheme, sizeof scheme - 1) == 0 &&
		strcasecmp(origin + sizeof scheme - 1, host) == 0;
}

bool guard_site(const char *site)
{
	return !site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
}

bool guard_token(const char *authorization, const char *token)
{
	static const char scheme[] = "Bearer ";
	size_t len = strlen(token), given;
	unsigned char differ = 0;

	if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
		return false;
	authorization += sizeof scheme - 1;
	given = strlen(authorization);
	for (size_t i = 0; i < len; i++)
		differ |=
			(unsigned char)((unsigned char)token[i] ^ (unsigned char)authorization[i < given ? i : given]);
	return len > 0 && given == len && differ == 0;
}
