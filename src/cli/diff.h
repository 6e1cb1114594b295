/* The difference of two texts, line by line. */
#ifndef CLI_DIFF_H
#define CLI_DIFF_H

#include <stddef.h>

struct strbuf;

/* adds a unified diff that makes `after` of `before`: one hunk from the first line that differs to the last, with 3
 * lines around it; nothing if they are the same */
void diff_write(struct strbuf *out, const char *name, const char *before, size_t before_len, const char *after,
	size_t after_len);

#endif
