#include "config.h"

#include "event/event.h"

#include <stddef.h>
#include <string.h>

#include "util/json.h"
#include "util/strbuf.h"
#include "util/units.h"

enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_TIME, FIELD_STATE, FIELD_OUTCOME };

/* every field there is: its name in JSON is its name in struct orch_event */
#define FIELDS(F) \
	F(run, TEXT) F(project, TEXT) F(stream, TEXT) F(title, TEXT) F(phase, TEXT) F(reason, TEXT) F(message, TEXT) \
	F(log, TEXT) F(stamp, TEXT) F(boot, TEXT) F(agent, TEXT) F(session, TEXT) F(asks, TEXT) F(from, TEXT) \
	F(state, STATE) F(outcome, OUTCOME) \
	F(attempt, NUMBER) F(slot, NUMBER) F(pid, NUMBER) F(jobs, NUMBER) F(count, NUMBER) F(stale, NUMBER) \
	F(exit_code, NUMBER) F(signal, NUMBER) F(bytes, NUMBER) F(left_behind, NUMBER) F(completed, NUMBER) \
	F(failed, NUMBER) F(skipped, NUMBER) F(cancelled, NUMBER) F(added, NUMBER) F(removed, NUMBER) \
	F(changed, NUMBER) F(done, NUMBER) F(total, NUMBER) F(item, NUMBER) F(ticked, NUMBER) F(tasks, NUMBER) \
	F(duration_ms, NUMBER) F(queued_ms, NUMBER) F(expected_ms, NUMBER) F(sum_ms, NUMBER) F(user_ms, NUMBER) \
	F(system_ms, NUMBER) F(max_rss_kb, NUMBER) F(memory_peak_kb, NUMBER) F(cost_micros, NUMBER) F(tokens, NUMBER) \
	F(budget_micros, NUMBER) F(account, TEXT) F(until, TIME) F(said, TEXT)

/* THE table: a type's name, whether the journal has it, its fields in the order in which they are written */
#define TYPES(T) \
	T(RUN_STARTED, "run_started", true, \
		N(run) N(pid) N(boot) N(jobs) N(project) N(count) N(stale) N(expected_ms) \
			N(budget_micros) N(message)) \
	T(TASK, "task", true, N(stream) N(title) N(state) N(reason) N(outcome) N(expected_ms) N(asks) N(ticked) N(tasks)) \
	T(ATTEMPT_STARTED, "attempt_started", true, \
		N(stream) N(attempt) N(slot) N(pid) N(log) N(agent) N(ticked) N(tasks) N(run) N(duration_ms) N(done) \
			N(total) N(message)) \
	T(ATTEMPT_PHASE, "attempt_phase", true, N(stream) N(attempt) N(phase) N(pid)) \
	T(OUTPUT, "output", false, N(stream) N(attempt) N(message) N(bytes)) \
	T(ATTEMPT_FINISHED, "attempt_finished", true, \
		N(stream) N(attempt) N(outcome) N(exit_code) N(signal) N(duration_ms) N(queued_ms) N(user_ms) \
			N(system_ms) N(max_rss_kb) N(memory_peak_kb) N(left_behind) N(message) N(log) N(agent) \
				N(account) N(session) N(said) N(cost_micros) N(tokens)) \
	T(STAMPED, "stamped", true, N(stream) N(attempt) N(stamp)) \
	T(WARNING, "warning", true, N(stream) N(message)) \
	T(MERGED, "merged", true, N(stream) N(message)) \
	T(STOPPING, "stopping", true, N(message)) \
	T(RESUMED, "resumed", true, N(message)) \
	T(PAUSED, "paused", true, N(message)) \
	T(UNPAUSED, "unpaused", true, N(message)) \
	T(JOBS, "jobs", true, N(jobs) N(message)) \
	T(SLOTS, "slots", true, N(jobs) N(message)) \
	T(RELOADED, "reloaded", true, N(count) N(added) N(removed) N(changed) N(budget_micros) N(message)) \
	T(RECOVERY, "recovery", true, N(stream) N(attempt) N(message)) \
	T(APPROVED, "approved", true, N(stream) N(message)) \
	T(PROGRESS, "progress", true, N(stream) N(attempt) N(done) N(total) N(message) N(bytes)) \
	T(TASK_DONE, "task_done", true, N(stream) N(attempt) N(item) N(message) N(ticked) N(tasks) N(bytes)) \
	T(NOTE, "note", true, N(stream) N(attempt) N(message) N(bytes)) \
	T(VALUE, "value", true, N(stream) N(attempt) N(message) N(bytes)) \
	T(MESSAGE, "message", true, N(stream) N(attempt) N(message) N(from)) \
	T(ACCOUNT_HELD, "account_held", true, N(account) N(until) N(message)) \
	T(ACCOUNT_FREE, "account_free", true, N(account) N(message)) \
	T(RUN_FINISHED, "run_finished", true, \
		N(run) N(exit_code) N(completed) N(failed) N(skipped) N(cancelled) N(duration_ms) N(sum_ms) \
			N(cost_micros) N(tokens) N(message))

#define FIELD_ID(name, kind) ID_##name,
enum field_id { FIELDS(FIELD_ID) FIELD_COUNT };

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
};

#define FIELD_ROW(name, kind) {#name, FIELD_##kind, offsetof(struct orch_event, name)},
static const struct field fields[FIELD_COUNT] = {FIELDS(FIELD_ROW)};

enum { FIELDS_OF_TYPE_MAX = 24 };

/* the fields of each type by name (NULL behind the last) and, in the same order, by number */
#define N(name) #name,
#define TYPE_NAMES(type, text, durable, list) [ORCH_EVENT_##type] = {list},
static const char *const type_field_names[ORCH_EVENT_TYPES][FIELDS_OF_TYPE_MAX] = {TYPES(TYPE_NAMES)};
#undef N

#define N(name) ID_##name,
#define TYPE_IDS(type, text, durable, list) [ORCH_EVENT_##type] = {list},
static const unsigned char type_field_ids[ORCH_EVENT_TYPES][FIELDS_OF_TYPE_MAX] = {TYPES(TYPE_IDS)};
#undef N

#define TYPE_TEXT(type, text, durable, list) [ORCH_EVENT_##type] = text,
static const char *const type_names[ORCH_EVENT_TYPES] = {TYPES(TYPE_TEXT)};

#define TYPE_DURABLE(type, text, durable, list) [ORCH_EVENT_##type] = durable,
static const bool type_durable[ORCH_EVENT_TYPES] = {TYPES(TYPE_DURABLE)};

static const char *const state_names[ORCH_TASK_STATES] = {
	[ORCH_TASK_WAITING] = "waiting",
	[ORCH_TASK_HELD] = "held",
	[ORCH_TASK_READY] = "ready",
	[ORCH_TASK_RUNNING] = "running",
	[ORCH_TASK_BACKOFF] = "backoff",
	[ORCH_TASK_COMPLETED] = "completed",
	[ORCH_TASK_FAILED] = "failed",
	[ORCH_TASK_SKIPPED] = "skipped",
	[ORCH_TASK_CANCELLED] = "cancelled",
};

static const char *const outcome_names[ORCH_OUTCOMES] = {
	[ORCH_OUTCOME_SUCCESS] = "success",
	[ORCH_OUTCOME_UNCHANGED] = "unchanged",
	[ORCH_OUTCOME_EXIT] = "exit",
	[ORCH_OUTCOME_SIGNAL] = "signal",
	[ORCH_OUTCOME_TIMEOUT] = "timeout",
	[ORCH_OUTCOME_STALLED] = "stalled",
	[ORCH_OUTCOME_CHECK] = "check",
	[ORCH_OUTCOME_SPAWN] = "spawn",
	[ORCH_OUTCOME_MEMORY] = "memory",
	[ORCH_OUTCOME_MERGE] = "merge",
	[ORCH_OUTCOME_CHANGES] = "changes",
	[ORCH_OUTCOME_OUTPUTS] = "outputs",
	[ORCH_OUTCOME_NODE] = "node",
	[ORCH_OUTCOME_PREEMPTED] = "preempted",
	[ORCH_OUTCOME_CANCELLED] = "cancelled",
	[ORCH_OUTCOME_STOPPED] = "stopped",
	[ORCH_OUTCOME_INTERNAL] = "internal",
};

/* number of `name` in a table of names, or -1 */
static int name_index(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

const char *event_type_name(enum orch_event_type type)
{
	return (unsigned)type < ORCH_EVENT_TYPES ? type_names[type] : NULL;
}

const char *const *event_type_fields(enum orch_event_type type)
{
	return (unsigned)type < ORCH_EVENT_TYPES ? type_field_names[type] : NULL;
}

bool event_is_durable(enum orch_event_type type)
{
	return (unsigned)type < ORCH_EVENT_TYPES && type_durable[type];
}

const char *orch_task_state_name(enum orch_task_state state)
{
	return (unsigned)state < ORCH_TASK_STATES ? state_names[state] : "unknown";
}

const char *orch_outcome_name(enum orch_outcome outcome)
{
	return (unsigned)outcome < ORCH_OUTCOMES ? outcome_names[outcome] : "unknown";
}

static const char **text_field(struct orch_event *event, const struct field *field)
{
	return (const char **)(void *)((char *)event + field->offset);
}

static int64_t *number_field(struct orch_event *event, const struct field *field)
{
	return (int64_t *)(void *)((char *)event + field->offset);
}

static int *name_field(struct orch_event *event, const struct field *field)
{
	return (int *)(void *)((char *)event + field->offset);
}

void orch_event_init(struct orch_event *event, enum orch_event_type type)
{
	*event = (struct orch_event){.type = type};
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		if (fields[i].kind == FIELD_NUMBER || fields[i].kind == FIELD_TIME)
			*number_field(event, &fields[i]) = -1;
		else if (fields[i].kind != FIELD_TEXT)
			*name_field(event, &fields[i]) = -1;
	}
}

static void write_name(struct json_writer *w, const struct field *field, int value, const char *const *names, int count)
{
	if (value < 0 || value >= count)
		return;
	json_add_key(w, field->name);
	json_add_string(w, names[value]);
}

static void write_field(struct json_writer *w, const struct orch_event *event, const struct field *field)
{
	const char *at = (const char *)event + field->offset;

	switch (field->kind) {
	case FIELD_TEXT: {
		const char *text = *(const char *const *)(const void *)at;

		if (text) {
			json_add_key(w, field->name);
			json_add_string(w, text);
		}
		break;
	}
	case FIELD_NUMBER: {
		int64_t number = *(const int64_t *)(const void *)at;

		if (number != -1) {
			json_add_key(w, field->name);
			json_add_int(w, number);
		}
		break;
	}
	case FIELD_TIME: {
		int64_t time_ms = *(const int64_t *)(const void *)at;
		char text[UNITS_TEXT_MAX];

		if (time_ms != -1) {
			json_add_key(w, field->name);
			json_add_string(w, units_time_utc(text, time_ms));
		}
		break;
	}
	case FIELD_STATE:
		write_name(w, field, *(const int *)(const void *)at, state_names, ORCH_TASK_STATES);
		break;
	case FIELD_OUTCOME:
		write_name(w, field, *(const int *)(const void *)at, outcome_names, ORCH_OUTCOMES);
		break;
	}
}

void event_write_json(struct strbuf *out, const struct orch_event *event)
{
	struct json_writer w = {.out = out};
	char time[UNITS_TEXT_MAX];
	const char *name = event_type_name(event->type);

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, ORCH_EVENT_VERSION);
	json_add_key(&w, "seq");
	json_add_int(&w, (int64_t)event->seq);
	json_add_key(&w, "time");
	json_add_string(&w, units_time_utc(time, event->time_ms));
	json_add_key(&w, "type");
	json_add_string(&w, name ? name : "unknown");
	if (name) {
		for (unsigned i = 0; type_field_names[event->type][i]; i++)
			write_field(&w, event, &fields[type_field_ids[event->type][i]]);
	}
	json_end_object(&w);
}

char *orch_event_json(const struct orch_event *event)
{
	struct strbuf out = {0};

	event_write_json(&out, event);
	return strbuf_detach(&out);
}

/* false: it is there, and is no name that this version knows */
static bool read_name(
	int *value, const struct json_value *object, const struct field *field, const char *const *names, int count)
{
	const char *text = json_member_string(object, field->name);

	if (!text)
		return json_member(object, field->name) == NULL;
	*value = name_index(names, count, text);
	return *value >= 0;
}

static bool read_field(struct orch_event *event, const struct json_value *object, const struct field *field)
{
	switch (field->kind) {
	case FIELD_TEXT:
		*text_field(event, field) = json_member_string(object, field->name);
		return true;
	case FIELD_NUMBER:
		*number_field(event, field) = json_member_int(object, field->name, -1);
		return true;
	case FIELD_TIME: {
		const char *text = json_member_string(object, field->name);

		return text ? units_parse_time_utc(text, number_field(event, field))
			    : json_member(object, field->name) == NULL;
	}
	case FIELD_STATE:
		return read_name(name_field(event, field), object, field, state_names, ORCH_TASK_STATES);
	case FIELD_OUTCOME:
		return read_name(name_field(event, field), object, field, outcome_names, ORCH_OUTCOMES);
	}
	return false;
}

int event_read_json(struct orch_event *event, const struct json_value *value)
{
	int64_t version = json_member_int(value, "v", -1), seq = json_member_int(value, "seq", -1), time_ms;
	const char *name = json_member_string(value, "type"), *time = json_member_string(value, "time");
	int type;

	if (version < 1 || version > ORCH_EVENT_VERSION || seq < 0 || !name || !time ||
		!units_parse_time_utc(time, &time_ms))
		return -1;
	type = name_index(type_names, ORCH_EVENT_TYPES, name);
	if (type < 0)
		return 1;
	orch_event_init(event, (enum orch_event_type)type);
	event->seq = (uint64_t)seq;
	event->time_ms = time_ms;
	for (unsigned i = 0; type_field_names[type][i]; i++) {
		if (!read_field(event, value, &fields[type_field_ids[type][i]]))
			return -1;
	}
	return 0;
}
