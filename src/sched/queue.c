#include "config.h"

#include "sched/queue.h"

#include "util/alloc.h"

#include <stdbool.h>
#include <stdlib.h>

static inline bool is_before(const struct queue_item *a, const struct queue_item *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->rank != b->rank)
		return a->rank > b->rank;
	return a->stream < b->stream;
}

void queue_push(struct queue *queue, struct queue_item item)
{
	size_t at = queue->count++;

	if (queue->count > queue->capacity) {
		queue->capacity = queue->capacity ? 2 * queue->capacity : 16;
		queue->items = xreallocarray(queue->items, queue->capacity, sizeof *queue->items);
	}
	while (at > 0 && is_before(&item, &queue->items[(at - 1) / 2])) {
		queue->items[at] = queue->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	queue->items[at] = item;
}

struct queue_item queue_pop(struct queue *queue)
{
	struct queue_item top = queue->items[0];
	struct queue_item last = queue->items[--queue->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= queue->count)
			break;
		if (child + 1 < queue->count && is_before(&queue->items[child + 1], &queue->items[child]))
			child++;
		if (!is_before(&queue->items[child], &last))
			break;
		queue->items[at] = queue->items[child];
		at = child;
	}
	queue->items[at] = last;
	return top;
}

void queue_release(struct queue *queue)
{
	free(queue->items);
	*queue = (struct queue){0};
}
