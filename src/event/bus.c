#include "config.h"

#include "event/bus.h"

#include <stdlib.h>

#include "util/alloc.h"
#include "util/array.h"
#include "util/log.h"

struct bus {
	ARRAY(const struct orch_listener *) listeners; /* NULL: removed during a delivery */
	unsigned delivering;
};

struct bus *bus_new(void)
{
	return xcalloc(1, sizeof(struct bus));
}

void bus_add(struct bus *bus, const struct orch_listener *listener)
{
	*ARRAY_PUSH(&bus->listeners) = listener;
}

static void drop_removed(struct bus *bus)
{
	size_t kept = 0;

	for (size_t i = 0; i < bus->listeners.count; i++) {
		if (bus->listeners.items[i])
			bus->listeners.items[kept++] = bus->listeners.items[i];
	}
	bus->listeners.count = kept;
}

void bus_remove(struct bus *bus, const struct orch_listener *listener)
{
	for (size_t i = 0; i < bus->listeners.count; i++) {
		if (bus->listeners.items[i] == listener)
			bus->listeners.items[i] = NULL;
	}
	if (!bus->delivering)
		drop_removed(bus);
}

int bus_publish(struct bus *bus, const struct orch_event *event, struct orch_error *err)
{
	size_t count = bus->listeners.count;
	int result = 0;

	bus->delivering++;
	for (size_t i = 0; i < count; i++) {
		const struct orch_listener *listener = bus->listeners.items[i];
		struct orch_error problem = {0};
		bool required;

		if (!listener)
			continue;
		required = listener->required;
		if (listener->notify(listener->data, event, &problem) == 0)
			continue;
		if (required && result == 0) {
			result = -1;
			if (err)
				*err = problem;
		} else if (bus->listeners.items[i]) {
			log_warn("%s: %s", listener->name, problem.message);
		} else {
			log_warn("a listener that removed itself: %s", problem.message);
		}
	}
	bus->delivering--;
	if (!bus->delivering)
		drop_removed(bus);
	return result;
}

void bus_free(struct bus *bus)
{
	if (!bus)
		return;
	ARRAY_RELEASE(&bus->listeners);
	free(bus);
}
