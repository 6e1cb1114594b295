/* What is asked of a supervisor, as the bytes that it reads (os/supervisor_request.h). Private to os/. */
#ifndef OS_SUPERVISED_REQUEST_H
#define OS_SUPERVISED_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "os/supervised.h"

struct strbuf;

/* to start what `spec` says, under the name `id`, at once or (`waits`) when a slot is free. `ends_seen`: how many ends
 * of what was in a slot have been told of so far */
void supervised_write_start(
	struct strbuf *out, const struct supervised_spec *spec, uint64_t id, bool waits, uint64_t ends_seen);

#endif
