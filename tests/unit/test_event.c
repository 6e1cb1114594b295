#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/bus.h"
#include "event/event.h"
#include "util/json.h"
#include "util/strbuf.h"

static struct orch_event read_back(const char *json, struct json_value **value)
{
	struct orch_event event;

	assert_int_equal(json_read(value, json, strlen(json), NULL), 0);
	assert_int_equal(event_read_json(&event, *value), 0);
	return event;
}

static int read_result(const char *json)
{
	struct json_value *value;
	struct orch_event event;
	int result;

	assert_int_equal(json_read(&value, json, strlen(json), NULL), 0);
	result = event_read_json(&event, value);
	json_value_free(value);
	return result;
}

static void test_every_type_has_a_row(void **state)
{
	(void)state;
	for (int i = 0; i < ORCH_EVENT_TYPES; i++) {
		assert_non_null(event_type_name((enum orch_event_type)i));
		assert_non_null(event_type_fields((enum orch_event_type)i));
		assert_non_null(event_type_fields((enum orch_event_type)i)[0]);
		assert_int_equal(event_is_durable((enum orch_event_type)i), i != ORCH_EVENT_OUTPUT);
	}
	assert_null(event_type_name((enum orch_event_type)ORCH_EVENT_TYPES));
	assert_null(event_type_fields((enum orch_event_type)ORCH_EVENT_TYPES));
	for (int i = 0; i < ORCH_TASK_STATES; i++)
		assert_string_not_equal(orch_task_state_name((enum orch_task_state)i), "unknown");
	for (int i = 0; i < ORCH_OUTCOMES; i++)
		assert_string_not_equal(orch_outcome_name((enum orch_outcome)i), "unknown");
}

static void test_absent_fields_are_left_out(void **state)
{
	struct orch_event event;
	char *json;

	(void)state;
	orch_event_init(&event, ORCH_EVENT_TASK);
	event.seq = 7;
	event.stream = "a";
	event.state = ORCH_TASK_READY;
	event.pid = 5; /* not a field of this type */
	json = orch_event_json(&event);
	assert_string_equal(json,
		"{\"v\":1,\"seq\":7,\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"task\",\"stream\":\"a\",\"state\":\"ready\"}");
	free(json);
}

static void test_all_fields_come_back(void **state)
{
	struct json_value *value;
	struct orch_event event, back;
	char *json;

	(void)state;
	orch_event_init(&event, ORCH_EVENT_ATTEMPT_FINISHED);
	event.seq = 12;
	event.time_ms = 1795239421123;
	event.stream = "x.y-z";
	event.attempt = 2;
	event.outcome = ORCH_OUTCOME_TIMEOUT;
	event.exit_code = 0;
	event.signal = 15;
	event.duration_ms = 1;
	event.user_ms = 2;
	event.system_ms = 3;
	event.max_rss_kb = 4;
	event.left_behind = 5;
	event.message = "a \"quoted\"\n\x1b[31mline\\";
	event.log = ".orch/x";
	json = orch_event_json(&event);
	back = read_back(json, &value);
	assert_int_equal(back.type, event.type);
	assert_int_equal(back.seq, 12);
	assert_int_equal(back.time_ms, event.time_ms);
	assert_int_equal(back.outcome, ORCH_OUTCOME_TIMEOUT);
	assert_int_equal(back.attempt, 2);
	assert_int_equal(back.exit_code, 0);
	assert_int_equal(back.signal, 15);
	assert_int_equal(back.left_behind, 5);
	assert_int_equal(back.max_rss_kb, 4);
	assert_int_equal(back.slot, -1);
	assert_int_equal(back.state, -1);
	assert_null(back.title);
	assert_string_equal(back.message, event.message);
	assert_string_equal(back.stream, "x.y-z");
	assert_string_equal(back.log, ".orch/x");
	json_value_free(value);
	free(json);
}

static void test_what_is_no_event(void **state)
{
	(void)state;
	assert_int_equal(read_result("{}"), -1);
	assert_int_equal(read_result("[]"), -1);
	assert_int_equal(read_result("{\"v\":1,\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\"}"), -1);
	assert_int_equal(read_result("{\"v\":1,\"seq\":1,\"time\":\"yesterday\",\"type\":\"task\"}"), -1);
	assert_int_equal(
		read_result("{\"v\":1,\"seq\":-1,\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"task\"}"), -1);
	assert_int_equal(
		read_result("{\"v\":2,\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"task\"}"), -1);
	assert_int_equal(
		read_result(
			"{\"v\":1,\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"task\",\"state\":\"odd\"}"),
		-1);
	assert_int_equal(
		read_result("{\"v\":1,\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"task\",\"state\":3}"),
		-1);
	assert_int_equal(
		read_result("{\"v\":1,\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"melted\"}"), 1);
	assert_int_equal(
		read_result(
			"{\"v\":1,\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"task\",\"stream\":5,\"other\":{}}"),
		0);
}

static char *read_document(void)
{
	const char *srcdir = getenv("srcdir");
	struct strbuf path = {0}, text = {0};
	FILE *file;
	char block[4096];
	size_t got;

	strbuf_addf(&path, "%s/doc/events.md", srcdir ? srcdir : ".");
	file = fopen(path.data, "r");
	if (!file)
		fail_msg("cannot open %s", path.data);
	while ((got = fread(block, 1, sizeof block, file)) > 0)
		strbuf_add(&text, block, got);
	fclose(file);
	strbuf_release(&path);
	return strbuf_detach(&text);
}

/* the table's types are the document's sections; a section names all its fields, and its example is an event of that
 * type with each of them */
static void check_section(char *document, enum orch_event_type type)
{
	const char *const *fields = event_type_fields(type);
	struct strbuf needle = {0};
	struct json_value *value;
	struct orch_event event;
	char *section, *end, *example, *line_end, saved;

	strbuf_addf(&needle, "\n### `%s`", event_type_name(type));
	section = strstr(document, needle.data);
	if (!section) {
		fail_msg("doc/events.md has no section for %s", event_type_name(type));
		return;
	}
	end = strstr(section + needle.len, "\n#");
	if (!end)
		end = section + strlen(section);
	saved = *end;
	*end = '\0';
	example = strstr(section, "\n{");
	assert_non_null(example);
	example++;
	line_end = strchr(example, '\n');
	assert_non_null(line_end);
	assert_int_equal(json_read(&value, example, (size_t)(line_end - example), NULL), 0);
	assert_int_equal(event_read_json(&event, value), 0);
	assert_int_equal(event.type, type);
	for (size_t i = 0; fields[i]; i++) {
		strbuf_truncate(&needle, 0);
		strbuf_addf(&needle, "`%s`", fields[i]);
		if (!strstr(section, needle.data))
			fail_msg("doc/events.md: %s lacks the field %s", event_type_name(type), fields[i]);
		if (!json_member(value, fields[i]))
			fail_msg("doc/events.md: the example of %s lacks the field %s", event_type_name(type),
				fields[i]);
	}
	json_value_free(value);
	*end = saved;
	strbuf_release(&needle);
}

static void check_names(const char *document, const char *(*name)(int), int count)
{
	struct strbuf needle = {0};

	for (int i = 0; i < count; i++) {
		strbuf_truncate(&needle, 0);
		strbuf_addf(&needle, "`%s`", name(i));
		if (!strstr(document, needle.data))
			fail_msg("doc/events.md lacks %s", needle.data);
	}
	strbuf_release(&needle);
}

static const char *state_name(int i)
{
	return orch_task_state_name((enum orch_task_state)i);
}

static const char *outcome_name(int i)
{
	return orch_outcome_name((enum orch_outcome)i);
}

static void test_document_has_the_table(void **state)
{
	char *document = read_document();

	(void)state;
	for (int i = 0; i < ORCH_EVENT_TYPES; i++)
		check_section(document, (enum orch_event_type)i);
	check_names(document, state_name, ORCH_TASK_STATES);
	check_names(document, outcome_name, ORCH_OUTCOMES);
	free(document);
}

struct probe {
	struct orch_listener listener;
	struct bus *bus;
	struct probe *removes, *adds;
	int told, result;
	int *clock, when;
};

static int probe_notify(void *data, const struct orch_event *event, struct orch_error *err)
{
	struct probe *probe = data;

	(void)event;
	probe->told++;
	probe->when = ++*probe->clock;
	if (probe->removes)
		bus_remove(probe->bus, &probe->removes->listener);
	if (probe->adds)
		bus_add(probe->bus, &probe->adds->listener);
	probe->adds = NULL;
	if (probe->result < 0) {
		err->code = ORCH_EFAILED;
		snprintf(err->message, sizeof err->message, "no");
	}
	return probe->result;
}

static void probe_init(struct probe *probe, struct bus *bus, int *clock)
{
	*probe = (struct probe){.listener = {.name = "probe", .notify = probe_notify}, .bus = bus, .clock = clock};
	probe->listener.data = probe;
}

static void test_bus_order_and_changes(void **state)
{
	struct bus *bus = bus_new();
	struct probe a, b, c, d;
	struct orch_event event;
	int clock = 0;

	(void)state;
	probe_init(&a, bus, &clock);
	probe_init(&b, bus, &clock);
	probe_init(&c, bus, &clock);
	probe_init(&d, bus, &clock);
	orch_event_init(&event, ORCH_EVENT_STOPPING);
	a.removes = &b;
	a.adds = &d;
	bus_add(bus, &a.listener);
	bus_add(bus, &b.listener);
	bus_add(bus, &c.listener);
	assert_int_equal(bus_publish(bus, &event, NULL), 0);
	assert_int_equal(a.told, 1);
	assert_int_equal(b.told, 0);
	assert_int_equal(c.told, 1);
	assert_int_equal(d.told, 0);
	assert_true(a.when < c.when);
	c.removes = &c;
	assert_int_equal(bus_publish(bus, &event, NULL), 0);
	assert_int_equal(bus_publish(bus, &event, NULL), 0);
	assert_int_equal(a.told, 3);
	assert_int_equal(c.told, 2);
	assert_int_equal(d.told, 2);
	bus_free(bus);
	bus_free(NULL);
}

static void test_bus_required_failure(void **state)
{
	struct bus *bus = bus_new();
	struct probe a, b, c;
	struct orch_event event;
	struct orch_error err = {0};
	int clock = 0;

	(void)state;
	probe_init(&a, bus, &clock);
	probe_init(&b, bus, &clock);
	probe_init(&c, bus, &clock);
	orch_event_init(&event, ORCH_EVENT_STOPPING);
	a.result = -1;
	bus_add(bus, &a.listener);
	bus_add(bus, &b.listener);
	bus_add(bus, &c.listener);
	assert_int_equal(bus_publish(bus, &event, &err), 0);
	b.result = -1;
	b.listener.required = true;
	assert_int_equal(bus_publish(bus, &event, &err), -1);
	assert_string_equal(err.message, "no");
	assert_int_equal(bus_publish(bus, &event, NULL), -1);
	assert_int_equal(c.told, 3);
	bus_free(bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_has_a_row),
		cmocka_unit_test(test_absent_fields_are_left_out),
		cmocka_unit_test(test_all_fields_come_back),
		cmocka_unit_test(test_what_is_no_event),
		cmocka_unit_test(test_document_has_the_table),
		cmocka_unit_test(test_bus_order_and_changes),
		cmocka_unit_test(test_bus_required_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
