#include "config.h"

#include "sched/room.h"

enum { GROWTH = 4 }; /* a fourth more is tried each time, at least one */

bool room_shrink(struct room *room, unsigned running)
{
	unsigned limit = running > 0 ? running : 1;

	if (room->limit && room->limit <= limit)
		return false;
	room->limit = limit;
	return true;
}

bool room_grow(struct room *room, unsigned jobs)
{
	if (!room->limit)
		return false;
	room->limit += room->limit / GROWTH + 1;
	if (room->limit >= jobs)
		room->limit = 0;
	return true;
}

bool room_is_left(const struct room *room, unsigned running)
{
	return running == 0 || !room->limit || running < room->limit;
}
