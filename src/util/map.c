#include "config.h"

#include "util/map.h"

#include "util/alloc.h"
#include "util/digest.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

void map_init_owning(struct map *map)
{
	*map = (struct map){.owns_keys = true};
}

/* the slot that holds the key, or the free one where it would go */
static struct map_slot *find(struct map_slot *slots, size_t capacity, const char *key, size_t len, uint32_t hash)
{
	size_t at = hash & (capacity - 1);

	while (slots[at].key &&
		!(slots[at].hash == hash && slots[at].key_len == len && memcmp(slots[at].key, key, len) == 0))
		at = (at + 1) & (capacity - 1);
	return &slots[at];
}

static uint32_t hash_key(const char *key, size_t len)
{
	return (uint32_t)digest_bytes(key, len);
}

void *map_getn(const struct map *map, const char *key, size_t len)
{
	return map->count ? find(map->slots, map->capacity, key, len, hash_key(key, len))->value : NULL;
}

void *map_get(const struct map *map, const char *key)
{
	return map_getn(map, key, strlen(key));
}

static void grow(struct map *map)
{
	size_t capacity = map->capacity ? map->capacity * 2 : FIRST_CAPACITY;
	struct map_slot *slots = xcalloc(capacity, sizeof *slots);

	for (size_t i = 0; i < map->capacity; i++) {
		const struct map_slot *slot = &map->slots[i];

		if (slot->key)
			*find(slots, capacity, slot->key, slot->key_len, slot->hash) = *slot;
	}
	free(map->slots);
	map->slots = slots;
	map->capacity = capacity;
}

void *map_set(struct map *map, const char *key, void *value)
{
	size_t len = strlen(key);
	uint32_t hash = hash_key(key, len);
	struct map_slot *slot;
	void *before;

	if (map->count * 4 >= map->capacity * 3)
		grow(map);
	slot = find(map->slots, map->capacity, key, len, hash);
	before = slot->value;
	if (!slot->key) {
		slot->key = map->owns_keys ? xstrndup(key, len) : key;
		slot->key_len = (uint32_t)len;
		slot->hash = hash;
		map->count++;
	}
	slot->value = value;
	return before;
}

static void free_key(const struct map *map, struct map_slot *slot)
{
	/* an owning map has copied the key, so it may be freed though it is shown as const */
	if (map->owns_keys)
		free((void *)(uintptr_t)slot->key);
}

void *map_remove(struct map *map, const char *key)
{
	size_t len = strlen(key), hole, at;
	struct map_slot *slot;
	void *value;

	if (!map->count)
		return NULL;
	slot = find(map->slots, map->capacity, key, len, hash_key(key, len));
	if (!slot->key)
		return NULL;
	value = slot->value;
	free_key(map, slot);
	map->count--;
	/* close the gap, so that no tombstones are needed (Knuth, TAOCP 3, 6.4, algorithm R) */
	hole = at = (size_t)(slot - map->slots);
	for (;;) {
		size_t home;

		at = (at + 1) & (map->capacity - 1);
		if (!map->slots[at].key)
			break;
		home = map->slots[at].hash & (map->capacity - 1);
		if (((at - home) & (map->capacity - 1)) >= ((at - hole) & (map->capacity - 1))) {
			map->slots[hole] = map->slots[at];
			hole = at;
		}
	}
	map->slots[hole] = (struct map_slot){0};
	return value;
}

bool map_next(const struct map *map, size_t *position, const char **key, void **value)
{
	while (*position < map->capacity) {
		const struct map_slot *slot = &map->slots[(*position)++];

		if (slot->key) {
			*key = slot->key;
			*value = slot->value;
			return true;
		}
	}
	return false;
}

void map_release(struct map *map)
{
	for (size_t i = 0; map->owns_keys && i < map->capacity; i++)
		free_key(map, &map->slots[i]);
	free(map->slots);
	*map = (struct map){.owns_keys = map->owns_keys};
}
