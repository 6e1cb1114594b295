/* What a request to start something says, taken apart; and requests that wait for a slot (os/supervised.h). */
#ifndef OS_SUPERVISOR_REQUEST_H
#define OS_SUPERVISOR_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/supervisor.h"
#include "util/array.h"

struct start_request {
	struct end_step *steps; /* a copy, for whoever wants to keep it (NULL it then) */
	unsigned step_count;
	char **argv, **env, **writable;             /* the texts lie in the request; writable NULL: anything */
	char **filter;                              /* so do these; see supervisor.h. NULL: none */
	const char *dir, *mark, *record, *terminal; /* so do these; NULL: none */
};

/* `slot`: where it starts, whose variables it gets if it has waited for one. False: the request is malformed */
bool start_request_read(struct start_request *out, struct request *request, int slot);
void start_request_release(struct start_request *start);

/* --- those that wait --- */

struct waiting {
	struct waiting *next;
	struct request *request;
	int in, log; /* what came with it; in -1: nothing */
};

/* a slot that became free when nothing waited */
struct free_slot {
	int slot;
	uint64_t end; /* the number of the end by which it did */
};

struct waiting_line {
	struct waiting *first, **last; /* last: of the last one, its `next` */
	unsigned count;
	uint64_t ends;     /* how many trees in slots have ended */
	uint64_t last_bad; /* the last of them that ended badly; 0: none */
	ARRAY(struct free_slot) free_slots;
};

void waiting_line_init(struct waiting_line *line);
void waiting_line_release(struct waiting_line *line);
/* takes over the request and its descriptors, also where it is false: something has ended badly of which whoever asked
 * had not heard, so it is not to start */
bool waiting_line_join(struct waiting_line *line, struct request *request, int in, int log);
/* a tree in `slot` has ended */
void waiting_line_end(struct waiting_line *line, int slot, bool well);
/* whoever asks has heard of so many ends: slots that became free by them are its own to fill */
void waiting_line_heard(struct waiting_line *line, uint64_t ends);
/* the first that may start now, and where; NULL: none */
struct waiting *waiting_line_next(struct waiting_line *line, int *slot);
/* the first, whether it may start or not; NULL: none waits */
struct waiting *waiting_line_leave(struct waiting_line *line);
/* with its request and descriptors */
void waiting_free(struct waiting *waiting);

#endif
