/* The steps by which a process tree is ended: a signal, some time for it to take effect, the next signal; when none is
 * left, SIGKILL. */
#ifndef OS_END_STEPS_H
#define OS_END_STEPS_H

#include <stdbool.h>
#include <stdint.h>

struct child;
struct loop;
struct loop_timer;

/* one of them: the signal, then how long to wait for it to take effect */
struct end_step {
	int signo;
	int64_t wait_ms;
};

/* `steps` and `count` are the caller's, before it begins; a zeroed one is fine, and has SIGKILL as its only step */
struct end_steps {
	const struct end_step *steps;
	unsigned count;
	unsigned next;
	bool begun;
	struct child *child; /* NULL: they have not begun, or are over */
	struct loop_timer *timer;
};

/* The first step is done after `delay_ms`, at once if that is 0. Steps that have begun go on as they are; `child` NULL:
 * there is nothing to be ended, and they have not begun */
void end_steps_begin(struct end_steps *end, struct loop *loop, struct child *child, int64_t delay_ms);
/* the child has ended, or is let go: it gets no signal any more. May be called again, and before they begin */
void end_steps_over(struct end_steps *end);

#endif
