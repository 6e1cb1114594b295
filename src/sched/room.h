/*
 * How many of the slots may be used, where the machine cannot bear all: fewer at once when it says so, then, as long as
 * it does not say so again, some more each time that is looked. One may always be used, or nothing ever ran. Pure.
 */
#ifndef SCHED_ROOM_H
#define SCHED_ROOM_H

#include <stdbool.h>

struct room {
	unsigned limit; /* 0: all slots */
};

/* more cannot be borne than the `running` ones; true: that is fewer than could be used before */
bool room_shrink(struct room *room, unsigned running);
/* some more are tried, of `jobs`; true: the limit is another one, or gone */
bool room_grow(struct room *room, unsigned jobs);
/* may one more start beside `running`? */
bool room_is_left(const struct room *room, unsigned running);

#endif
