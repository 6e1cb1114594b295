/*
 * String to pointer, open addressing. Keys are borrowed (the caller keeps them alive) unless the
 * map was made with map_init_owning(). A zeroed struct is an empty borrowing map.
 */
#ifndef UTIL_MAP_H
#define UTIL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	const char *key;
	void *value;
	uint32_t hash;
	uint32_t key_len;
};

struct map {
	struct map_slot *slots;
	size_t count;
	size_t capacity; /* a power of two, or 0 */
	bool owns_keys;
};

void map_init_owning(struct map *map);
/* the value of `key`, or NULL */
void *map_get(const struct map *map, const char *key);
void *map_getn(const struct map *map, const char *key, size_t len);
/* sets it, gives the value that was there before, or NULL */
void *map_set(struct map *map, const char *key, void *value);
void *map_remove(struct map *map, const char *key);
/* walks in no particular order: start with *position = 0; false at the end */
bool map_next(const struct map *map, size_t *position, const char **key, void **value);
void map_release(struct map *map);

#endif
