/* A heap of streams: highest priority on top, then highest rank, then lowest id. The ready queues, the wake-ups and
 * virtual time are all this. */
#ifndef SCHED_QUEUE_H
#define SCHED_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue_item {
	int64_t rank;
	int32_t priority;
	uint32_t stream;
};

/* zeroed: empty. items[0] is the top */
struct queue {
	struct queue_item *items;
	size_t count, capacity;
};

void queue_push(struct queue *queue, struct queue_item item);
/* takes the top out of a queue that is not empty */
struct queue_item queue_pop(struct queue *queue);
void queue_release(struct queue *queue);

#endif
