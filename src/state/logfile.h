/* An attempt's output on disk, written by the attempt itself; here it is made and its end is read. */
#ifndef STATE_LOGFILE_H
#define STATE_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct strbuf;

/* made (0600), opened for appending and reading, close-on-exec; -1 with errno */
int logfile_create(const char *path, struct orch_error *err);
/* the last `lines` lines, at most `max` bytes of them, as they are; the count of lines cut off before is not known.
 * *size (may be NULL): of the whole file. ORCH_ENOTFOUND: there is no such log */
int logfile_end(
	const char *path, unsigned lines, size_t max, struct strbuf *out, int64_t *size, struct orch_error *err);
/* the same, at most 64 KiB */
int logfile_tail(const char *path, unsigned lines, struct strbuf *out, struct orch_error *err);

#endif
