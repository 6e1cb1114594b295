/*
 * What a terminal tells of a run outside its text: the title of its window while the run goes on, and a bell or a
 * notification of the desktop when a long one is over.
 *
 * ORCH_TITLE=no leaves the title alone. ORCH_NOTIFY is "auto" (the default), "none", "bell", "osc9", "osc777", and
 * behind a comma how long a run is at least that is announced (default 1m): "osc9,10m".
 */
#ifndef UI_ANNOUNCE_H
#define UI_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/status.h"

struct strbuf;
struct term;

enum announce_by { ANNOUNCE_AUTO, ANNOUNCE_NONE, ANNOUNCE_BELL, ANNOUNCE_OSC9, ANNOUNCE_OSC777 };

struct announce {
	enum announce_by by; /* never AUTO after announce_init() */
	int64_t from_ms;     /* of a run */
	bool title;
};

/* looks at the environment; false: ORCH_NOTIFY says something that is not known, and "auto" is taken */
bool announce_init(struct announce *announce, const struct term *term);
/* "orch 3/12 shop" */
void announce_title(struct strbuf *out, const struct orch_status *status);
/* the control sequences for the end of the run; nothing if it was a short one */
void announce_end(const struct announce *announce, struct strbuf *out, const struct orch_status *status);

#endif
