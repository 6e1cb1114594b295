/*
 * Streams that are projects (`orchfile = PATH`, lang/nested.c): what the orch that runs them is told, and whether it
 * would have anything to do.
 */
#ifndef EXEC_NESTED_H
#define EXEC_NESTED_H

#include <stdbool.h>

struct project;
struct stream;
struct strvec;

/* adds to the environment of its command what that needs; `weight`: slots that the stream takes */
void nested_environment(struct strvec *env, const struct project *project, unsigned weight);
/* Has its project streams to run? It is asked (orch -q), which takes as long as that takes. Also where it cannot be
 * asked: then its run says why */
bool nested_is_stale(const struct project *project, const struct stream *stream);

#endif
