#include "config.h"

#include "util/arena.h"

#include "util/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 64 * 1024 };

struct arena_block {
	struct arena_block *older;
	size_t capacity;
	max_align_t data[];
};

static char *block_bytes(struct arena_block *block)
{
	return (char *)block->data;
}

static char *take(struct arena *arena, size_t size, size_t align)
{
	size_t start = (arena->used + align - 1) & ~(align - 1);
	struct arena_block *block;

	if (arena->head && start <= arena->head->capacity && size <= arena->head->capacity - start) {
		arena->used = start + size;
		return block_bytes(arena->head) + start;
	}
	block = xmalloc(sizeof *block + (size > BLOCK_SIZE ? size : BLOCK_SIZE));
	block->capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
	block->older = arena->head;
	arena->head = block;
	arena->used = size;
	return block_bytes(block);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return memset(take(arena, size, sizeof(max_align_t) < 16 ? sizeof(max_align_t) : 16), 0, size);
}

char *arena_bytes(struct arena *arena, size_t size)
{
	return take(arena, size, 1);
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_bytes(arena, len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	char *text;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = arena_bytes(arena, (size_t)(len < 0 ? 0 : len) + 1);
	text[0] = '\0';
	if (len >= 0)
		vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

struct arena_mark arena_mark(const struct arena *arena)
{
	return (struct arena_mark){.block = arena->head, .used = arena->used};
}

void arena_reset(struct arena *arena, struct arena_mark mark)
{
	while (arena->head != mark.block) {
		struct arena_block *older = arena->head->older;

		/* the first block of an emptied arena is kept: it is wanted again at once */
		if (!older && !mark.block) {
			arena->used = 0;
			if (arena->head->capacity == BLOCK_SIZE)
				return;
		}
		free(arena->head);
		arena->head = older;
	}
	arena->used = mark.used;
}

void arena_release(struct arena *arena)
{
	while (arena->head) {
		struct arena_block *older = arena->head->older;

		free(arena->head);
		arena->head = older;
	}
	arena->used = 0;
}
