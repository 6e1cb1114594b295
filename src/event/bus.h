/* Publishes events to listeners: synchronous, in order of registration. A listener removed during delivery is not told
 * again, and its place goes afterwards; one added during delivery waits for the next event. */
#ifndef EVENT_BUS_H
#define EVENT_BUS_H

#include "orch/event.h"

struct bus;

struct bus *bus_new(void);
void bus_add(struct bus *bus, const struct orch_listener *listener);
void bus_remove(struct bus *bus, const struct orch_listener *listener);
/* -1 if a required listener failed; its error is in *err. The others are told all the same */
int bus_publish(struct bus *bus, const struct orch_event *event, struct orch_error *err);
void bus_free(struct bus *bus);

#endif
