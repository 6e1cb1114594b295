#include "config.h"

#include "os/pidmap.h"

#include <stdint.h>
#include <stdlib.h>

#include "util/alloc.h"

enum { CAPACITY_MIN = 64 };

static size_t home(const struct pidmap *map, pid_t pid)
{
	return (size_t)(((uint32_t)pid * 2654435761u) >> 7) & (map->capacity - 1);
}

/* where it is, or where it would go; there is always a free slot */
static size_t place(const struct pidmap *map, pid_t pid)
{
	size_t i = home(map, pid);

	while (map->slots[i].pid != 0 && map->slots[i].pid != pid)
		i = (i + 1) & (map->capacity - 1);
	return i;
}

struct pid_slot *pidmap_get(const struct pidmap *map, pid_t pid)
{
	size_t i;

	if (map->count == 0 || pid <= 0)
		return NULL;
	i = place(map, pid);
	return map->slots[i].pid == pid ? &map->slots[i] : NULL;
}

static void grow(struct pidmap *map)
{
	struct pidmap larger = {.count = map->count, .capacity = map->capacity ? map->capacity * 2 : CAPACITY_MIN};

	larger.slots = xcalloc(larger.capacity, sizeof *larger.slots);
	for (size_t i = 0; i < map->capacity; i++) {
		if (map->slots[i].pid != 0)
			larger.slots[place(&larger, map->slots[i].pid)] = map->slots[i];
	}
	free(map->slots);
	*map = larger;
}

struct pid_slot *pidmap_add(struct pidmap *map, pid_t pid, enum pid_kind kind, struct child *owner)
{
	struct pid_slot *slot;

	if (map->count * 2 >= map->capacity)
		grow(map);
	slot = &map->slots[place(map, pid)];
	if (slot->pid == 0)
		map->count++;
	*slot = (struct pid_slot){.pid = pid, .kind = kind, .owner = owner};
	return slot;
}

void pidmap_remove(struct pidmap *map, pid_t pid)
{
	struct pid_slot *slot = pidmap_get(map, pid);
	size_t mask = map->capacity - 1, hole, i;

	if (!slot)
		return;
	hole = (size_t)(slot - map->slots);
	map->count--;
	/* those behind it that would not be found over the hole move up */
	for (i = (hole + 1) & mask; map->slots[i].pid != 0; i = (i + 1) & mask) {
		size_t wanted = home(map, map->slots[i].pid);

		if (((i - wanted) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole] = (struct pid_slot){0};
}

struct pid_slot *pidmap_next(const struct pidmap *map, size_t *position)
{
	while (*position < map->capacity) {
		struct pid_slot *slot = &map->slots[(*position)++];

		if (slot->pid != 0)
			return slot;
	}
	return NULL;
}

void pidmap_release(struct pidmap *map)
{
	free(map->slots);
	*map = (struct pidmap){0};
}
