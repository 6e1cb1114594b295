/*
 * A typed growing array: ARRAY(int) a = {0}; *ARRAY_PUSH(&a) = 3; a.items[0]; a.count; ARRAY_RELEASE(&a).
 * The pointer given by ARRAY_PUSH is valid until the next push; the new item is zeroed.
 */
#ifndef UTIL_ARRAY_H
#define UTIL_ARRAY_H

#include <stddef.h>

#define ARRAY(type) \
	struct { \
		type *items; \
		size_t count; \
		size_t capacity; \
	}

#define ARRAY_PUSH(array) \
	((array)->items = array_grow((array)->items, &(array)->count, &(array)->capacity, sizeof *(array)->items), \
		&(array)->items[(array)->count - 1])

#define ARRAY_RELEASE(array) \
	do { \
		array_free((array)->items); \
		(array)->items = NULL; \
		(array)->count = (array)->capacity = 0; \
	} while (0)

/* one more zeroed item; returns where the items are now */
void *array_grow(void *items, size_t *count, size_t *capacity, size_t size);
void array_free(void *items);

#endif
