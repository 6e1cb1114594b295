/*
 * Slots that nobody needs just now, lent to the makes (and cargos, ...) inside of streams: as tokens, each of which one
 * of them may take to run one job more. Who is offered one, and whose is taken back. Pure: what happened comes in, what
 * is to be done comes out, time is an argument.
 *
 * A client is the command that runs in a slot. Whether there is a make in it nobody says; but that it has taken what
 * lay before it is known (os/tokens.h). So one token is offered at a time: to who has taken the last one another at
 * once, to others when it is their turn; what is left lying is taken back as soon as somebody else may have use for it,
 * and offered there again later, each time after twice the wait. Short commands are never offered one.
 */
#ifndef SCHED_LEND_H
#define SCHED_LEND_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LEND_SLOTS_MAX = 64, /* what runs in slots above has no part in it */
	LEND_PATIENCE_MS = 10, /* before the first token; and how long one lies before it is taken for not wanted */
	LEND_WAIT_MAX_MS = 4000,
};

struct lend_client {
	bool there;
	bool hungry;   /* it took the last one */
	unsigned own;  /* tokens that its stream's weight has paid for, beside its first slot */
	unsigned has;  /* tokens that it was given and that have not come back; with those that lie there */
	unsigned lies; /* of them: as far as is known, not taken yet */
	int64_t due_ms;   /* when it is offered one without having taken one before */
	int64_t since_ms; /* since when something lies there */
	int64_t wait_ms;
};

struct lending {
	struct lend_client clients[LEND_SLOTS_MAX];
	unsigned lent;  /* slots that all of them have, without `own` */
	unsigned count; /* clients that are there */
};

enum lend_do { LEND_NOTHING, LEND_GIVE, LEND_TAKE };

struct lend_action {
	enum lend_do what;
	unsigned slot;
};

/* a command has begun in `slot`, or has ended with all that it started: nothing is lent to it any more */
void lend_join(struct lending *all, unsigned slot, unsigned own, int64_t now_ms);
void lend_leave(struct lending *all, unsigned slot);

/*
 * What is to be done next, until it is LEND_NOTHING. `spare`: slots that are free and not lent; below 0: some must come
 * back. `wanted`: streams wait for slots, so nothing is lent, and what lies anywhere comes back. After LEND_GIVE comes
 * lend_given(), after LEND_TAKE lend_took()
 */
struct lend_action lend_next(const struct lending *all, int spare, bool wanted, int64_t now_ms);
void lend_given(struct lending *all, unsigned slot, int64_t now_ms);
/* `count` were found lying, and are ours again; the rest had been taken */
void lend_took(struct lending *all, unsigned slot, unsigned count, bool wanted, int64_t now_ms);
/* when lend_next() will say something else though nothing happens meanwhile; -1: never */
int64_t lend_wake(const struct lending *all, int spare, bool wanted, int64_t now_ms);

/* all that lay there has been taken */
void lend_emptied(struct lending *all, unsigned slot);
/* so many have come back. More than it had are no tokens, and count for nothing */
void lend_returned(struct lending *all, unsigned slot, unsigned count);

#endif
