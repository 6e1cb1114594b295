/*
 * What streams with `generates` have generated: the text as it was when it was found good, a file each under
 * .orch/generated/. It stays until the stream has generated another one, or is reset.
 */
#ifndef STATE_FRAGMENT_H
#define STATE_FRAGMENT_H

#include <stddef.h>

#include "orch/error.h"

struct statedir;

/* relative to the project's directory; malloc'd */
char *fragment_path(const char *stream);
/* replaces what there is for that stream; on the disk when it returns */
int fragment_keep(
	const struct statedir *dir, const char *stream, const char *text, size_t len, struct orch_error *err);
/* absent is fine */
int fragment_forget(const struct statedir *dir, const char *stream, struct orch_error *err);

#endif
