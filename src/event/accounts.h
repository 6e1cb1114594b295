/*
 * The accounts of a run's picture: what the work on each has cost, which are held, and until when. In the order in
 * which the events named them; there are few.
 */
#ifndef EVENT_ACCOUNTS_H
#define EVENT_ACCOUNTS_H

#include "orch/status.h"

struct json_writer;

/* the event says something of an account */
void accounts_apply(struct orch_status *status, const struct orch_event *event);
/* `name` is held until then (0: until a person ends it), or not any more: reason NULL */
void accounts_hold(struct orch_status *status, const char *name, int64_t until_ms, const char *reason);
/* when the first hold ends by itself; 0: none does */
int64_t accounts_next_ms(const struct orch_status *status, int64_t now_ms);
/* the member `accounts`; nothing where there is none */
void accounts_write(struct json_writer *w, const struct orch_status *status);
void accounts_release(struct orch_status *status);

#endif
