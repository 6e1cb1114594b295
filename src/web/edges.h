/* Who waits for whom in a run: what the stamps in its journal say of streams that completed, what the Orchfile says now
 * of the others. */
#ifndef WEB_EDGES_H
#define WEB_EDGES_H

#include "orch/error.h"

struct json_writer;
struct picture;

/* An array of [stream, dependency], positions in the run. *note (malloc'd, NULL: nothing): why it may lack some.
 * Opening the Orchfile changes the current directory */
int edges_add(struct json_writer *w, const struct picture *picture, char **note, struct orch_error *err);

#endif
