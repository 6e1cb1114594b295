#include "config.h"

#include "util/array.h"

#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

void *array_grow(void *items, size_t *count, size_t *capacity, size_t size)
{
	if (*count == *capacity) {
		*capacity = *capacity ? *capacity * 2 : 8;
		items = xreallocarray(items, *capacity, size);
	}
	memset((char *)items + *count * size, 0, size);
	(*count)++;
	return items;
}

void array_free(void *items)
{
	free(items);
}
