/*
 * The check-ins of an attempt: its `every DURATION:` blocks. A text to send (message.h) is sent at its interval,
 * counted from the attempt's start, while the work itself is under way. A script runs at its interval, in the attempt's
 * environment; what is still running when its next turn comes misses that turn. Scripts print into a log of their own.
 * A check-in that fails ends nothing: it is warned of, once for each.
 */
#ifndef EXEC_CHECKIN_H
#define EXEC_CHECKIN_H

#include <stdbool.h>

struct attempt;
struct checkins;

/* The first turns are set up; nothing runs yet. NULL: its stream has none. `attempt` outlives it, and its `warn` is
 * called */
struct checkins *checkins_new(struct attempt *attempt, void (*gone)(void *data), void *data);
/* No turn comes any more, and what runs is ended. True: nothing does; false: `gone` is called when nothing is left. May
 * be asked again */
bool checkins_end(struct checkins *all);
/* what still runs is killed, and nobody is told. NULL is fine */
void checkins_free(struct checkins *all);

#endif
