/*
 * Many allocations with one lifetime. A zeroed struct is an empty arena; arena_release() frees
 * everything at once and leaves an empty arena. Pointers stay valid until the release or until a
 * reset to a mark taken before them. Never fails (see alloc.h).
 */
#ifndef UTIL_ARENA_H
#define UTIL_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *head; /* the block being filled; older ones hang behind it */
	size_t used;              /* bytes used of head */
};

/* where an arena stood, to go back to */
struct arena_mark {
	struct arena_block *block;
	size_t used;
};

/* zeroed, aligned for any type */
void *arena_alloc(struct arena *arena, size_t size);
/* not aligned, not zeroed: for text */
char *arena_bytes(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *arena, const char *format, ...);
struct arena_mark arena_mark(const struct arena *arena);
/* frees what was allocated since `mark` */
void arena_reset(struct arena *arena, struct arena_mark mark);
void arena_release(struct arena *arena);

#endif
