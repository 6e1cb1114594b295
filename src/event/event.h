/*
 * One table of event types and their fields (event.c): names, JSON both ways, durable or not. doc/events.md is checked
 * against it.
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include "orch/event.h"

struct strbuf;
struct json_value;

/* the event as one JSON object, no newline: {"v":1,"seq":N,"time":"...Z","type":"...", ...}; fields that are absent
 * (NULL, or -1 for numbers) are left out */
void event_write_json(struct strbuf *out, const struct orch_event *event);
/* strings point into `value`; -1: not an event, of a newer version, or of an unknown type (returns 1: skip it) */
int event_read_json(struct orch_event *event, const struct json_value *value);
/* goes to the journal? (`output` does not) */
bool event_is_durable(enum orch_event_type type);
/* the table, for documentation and tests: name of type i and its fields, or NULL at the end */
const char *event_type_name(enum orch_event_type type);
const char *const *event_type_fields(enum orch_event_type type);

#endif
