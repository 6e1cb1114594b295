#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orch/status.h"
#include "util/json.h"

static struct orch_event make(enum orch_event_type type, uint64_t seq, const char *stream)
{
	struct orch_event event;

	orch_event_init(&event, type);
	event.seq = seq;
	event.time_ms = 1000000 + (int64_t)seq;
	event.stream = stream;
	return event;
}

static void apply_task(
	struct orch_status *status, uint64_t seq, const char *stream, enum orch_task_state state, const char *reason)
{
	struct orch_event event = make(ORCH_EVENT_TASK, seq, stream);

	event.state = (int)state;
	event.reason = reason;
	orch_status_apply(status, &event);
}

static void start_attempt(struct orch_status *status, uint64_t seq, const char *stream, int64_t attempt)
{
	struct orch_event event = make(ORCH_EVENT_ATTEMPT_STARTED, seq, stream);

	event.attempt = attempt;
	event.slot = 0;
	event.pid = 99;
	event.log = "log";
	orch_status_apply(status, &event);
}

static void finish_attempt(
	struct orch_status *status, uint64_t seq, const char *stream, int64_t attempt, enum orch_outcome outcome)
{
	struct orch_event event = make(ORCH_EVENT_ATTEMPT_FINISHED, seq, stream);

	event.attempt = attempt;
	event.outcome = (int)outcome;
	event.exit_code = outcome == ORCH_OUTCOME_SUCCESS ? 0 : 3;
	event.duration_ms = 40;
	event.message = "exit status 3";
	orch_status_apply(status, &event);
}

static void play(struct orch_status *status)
{
	struct orch_event event = make(ORCH_EVENT_RUN_STARTED, 1, NULL);

	event.run = "20261121-053701";
	event.project = "demo";
	event.pid = 4;
	event.jobs = 2;
	event.count = 5;
	event.stale = 2;
	orch_status_apply(status, &event);
	apply_task(status, 2, "a", ORCH_TASK_WAITING, "never completed");
	apply_task(status, 3, "b", ORCH_TASK_WAITING, "a runs");
	apply_task(status, 4, "a", ORCH_TASK_RUNNING, NULL);
	start_attempt(status, 5, "a", 1);
	event = make(ORCH_EVENT_ATTEMPT_PHASE, 6, "a");
	event.phase = "run";
	orch_status_apply(status, &event);
	event = make(ORCH_EVENT_OUTPUT, 6, "a");
	event.message = "hello";
	event.bytes = 6;
	orch_status_apply(status, &event);
}

static void test_fold(void **state)
{
	struct orch_status status;
	const struct orch_stream_status *a;
	struct orch_event event;

	(void)state;
	orch_status_init(&status);
	play(&status);
	assert_int_equal(status.stream_count, 2);
	assert_int_equal(status.count[ORCH_TASK_WAITING], 1);
	assert_int_equal(status.count[ORCH_TASK_RUNNING], 1);
	a = orch_status_find(&status, "a");
	assert_non_null(a);
	assert_string_equal(a->phase, "run");
	assert_string_equal(a->last_line, "hello");
	assert_int_equal(a->log_bytes, 6);
	assert_int_equal(a->slot, 0);
	assert_int_equal(a->outcome, -1);
	assert_null(a->reason);
	finish_attempt(&status, 7, "a", 1, ORCH_OUTCOME_EXIT);
	apply_task(&status, 8, "a", ORCH_TASK_BACKOFF, "again in 2s");
	assert_null(a->phase);
	assert_int_equal(a->pid, -1);
	assert_int_equal(a->exit_code, 3);
	assert_string_equal(a->message, "exit status 3");
	apply_task(&status, 9, "a", ORCH_TASK_RUNNING, NULL);
	start_attempt(&status, 10, "a", 2);
	assert_null(a->last_line);
	assert_int_equal(a->outcome, -1);
	finish_attempt(&status, 11, "a", 2, ORCH_OUTCOME_SUCCESS);
	apply_task(&status, 12, "a", ORCH_TASK_COMPLETED, NULL);
	assert_int_equal(a->total_ms, 80);
	assert_int_equal(status.unchanged, 0);
	finish_attempt(&status, 13, "b", 1, ORCH_OUTCOME_UNCHANGED);
	apply_task(&status, 14, "b", ORCH_TASK_COMPLETED, NULL);
	assert_int_equal(status.unchanged, 1);
	apply_task(&status, 15, "b", ORCH_TASK_WAITING, NULL);
	assert_int_equal(status.unchanged, 0);
	assert_int_equal(status.count[ORCH_TASK_COMPLETED], 1);
	assert_int_equal(status.exit_code, -1);
	event = make(ORCH_EVENT_RUN_FINISHED, 16, NULL);
	event.exit_code = 0;
	event.sum_ms = 80;
	orch_status_apply(&status, &event);
	assert_int_equal(status.exit_code, 0);
	assert_int_equal(status.sum_ms, 80);
	assert_int_equal(status.finished_ms, 1000016);
	assert_int_equal(status.seq, 16);
	assert_null(orch_status_find(&status, "c"));
	orch_status_release(&status);
	orch_status_release(&status);
}

/* what its work says of itself: the last counts, and a new attempt has said nothing; but what is ticked stays */
static void test_reports(void **state)
{
	struct orch_status status;
	const struct orch_stream_status *stream;
	struct orch_event event;

	(void)state;
	orch_status_init(&status);
	event = make(ORCH_EVENT_TASK, 1, "a");
	event.state = ORCH_TASK_WAITING;
	event.tasks = 3;
	event.ticked = 0;
	orch_status_apply(&status, &event);
	stream = orch_status_find(&status, "a");
	assert_int_equal(stream->tasks, 3);
	assert_int_equal(stream->done, -1);
	start_attempt(&status, 2, "a", 1);
	event = make(ORCH_EVENT_PROGRESS, 3, "a");
	event.message = "nearly";
	orch_status_apply(&status, &event);
	assert_string_equal(stream->progress, "nearly");
	event = make(ORCH_EVENT_PROGRESS, 4, "a");
	event.done = 3;
	event.total = 7;
	orch_status_apply(&status, &event);
	assert_null(stream->progress);
	assert_int_equal(stream->done, 3);
	event = make(ORCH_EVENT_TASK_DONE, 5, "a");
	event.item = 2;
	event.ticked = 1;
	event.tasks = 3;
	event.message = "two";
	orch_status_apply(&status, &event);
	event = make(ORCH_EVENT_NOTE, 6, "a");
	event.message = "at work";
	orch_status_apply(&status, &event);
	event = make(ORCH_EVENT_VALUE, 7, "a");
	event.message = "k=v";
	orch_status_apply(&status, &event);
	assert_int_equal(stream->ticked, 1);
	assert_string_equal(stream->note, "at work");
	finish_attempt(&status, 8, "a", 1, ORCH_OUTCOME_EXIT);
	assert_int_equal(stream->done, 3);
	start_attempt(&status, 9, "a", 2);
	assert_int_equal(stream->done, -1);
	assert_int_equal(stream->total, -1);
	assert_null(stream->note);
	assert_int_equal(stream->ticked, 1);
	assert_int_equal(stream->tasks, 3);
	/* of one that goes on it is known what it had said */
	event = make(ORCH_EVENT_ATTEMPT_STARTED, 10, "a");
	event.attempt = 2;
	event.done = 5;
	event.total = 9;
	event.message = "further";
	event.ticked = 0;
	event.tasks = 3;
	orch_status_apply(&status, &event);
	assert_int_equal(stream->done, 5);
	assert_string_equal(stream->note, "further");
	assert_int_equal(stream->ticked, 0);
	orch_status_release(&status);
}

static void test_events_without_their_fields(void **state)
{
	struct orch_status status;

	(void)state;
	orch_status_init(&status);
	assert_null(orch_status_find(&status, "a"));
	for (int type = 0; type < ORCH_EVENT_TYPES; type++) {
		struct orch_event event = make((enum orch_event_type)type, 1, NULL);

		orch_status_apply(&status, &event);
		event.stream = "a";
		orch_status_apply(&status, &event);
	}
	assert_int_equal(status.stream_count, 1);
	assert_int_equal(status.count[ORCH_TASK_WAITING], 1);
	orch_status_release(&status);
}

static void test_warnings_are_bounded(void **state)
{
	struct orch_status status;
	char text[32];

	(void)state;
	orch_status_init(&status);
	for (unsigned i = 0; i < 250; i++) {
		struct orch_event event = make(ORCH_EVENT_WARNING, i, i % 2 ? "a" : NULL);

		snprintf(text, sizeof text, "warning %u", i);
		event.message = text;
		orch_status_apply(&status, &event);
	}
	assert_int_equal(status.warning_count, 100);
	assert_string_equal(status.warnings[0], "warning 150");
	assert_string_equal(status.warnings[99], "a: warning 249");
	orch_status_release(&status);
}

static void test_json(void **state)
{
	struct orch_status status;
	struct json_value *value;
	const struct json_value *stream;
	char *json;

	(void)state;
	orch_status_init(&status);
	play(&status);
	json = orch_status_json(&status);
	assert_int_equal(json_read(&value, json, strlen(json), NULL), 0);
	assert_int_equal(json_member_int(value, "v", 0), 1);
	assert_string_equal(json_member_string(value, "run"), "20261121-053701");
	assert_int_equal(json_member_int(value, "count", 0), 5);
	assert_int_equal(json_member_int(json_member(value, "states"), "running", 0), 1);
	assert_null(json_member(value, "exit_code"));
	assert_int_equal(json_item_count(json_member(value, "streams")), 2);
	stream = json_item(json_member(value, "streams"), 0);
	assert_string_equal(json_member_string(stream, "stream"), "a");
	assert_string_equal(json_member_string(stream, "state"), "running");
	assert_string_equal(json_member_string(stream, "last_line"), "hello");
	assert_int_equal(json_member_int(stream, "slot", -1), 0);
	json_value_free(value);
	free(json);
	orch_status_release(&status);
}

static void test_many_streams(void **state)
{
	struct orch_status status;
	char name[32];

	(void)state;
	orch_status_init(&status);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 100000; i++) {
			snprintf(name, sizeof name, "stream-%u", i);
			apply_task(&status, i, name, round == 2 ? ORCH_TASK_COMPLETED : ORCH_TASK_WAITING,
				"never completed");
		}
	}
	assert_int_equal(status.stream_count, 100000);
	assert_int_equal(status.count[ORCH_TASK_COMPLETED], 100000);
	assert_string_equal(orch_status_find(&status, "stream-77777")->name, "stream-77777");
	orch_status_release(&status);
}

/* why not all slots are used, until they are again */
static void strained(void **state)
{
	struct orch_status status;
	struct orch_event event;
	char *json;

	(void)state;
	orch_status_init(&status);
	orch_event_init(&event, ORCH_EVENT_RUN_STARTED);
	event.run = "r";
	event.jobs = 8;
	orch_status_apply(&status, &event);
	orch_event_init(&event, ORCH_EVENT_SLOTS);
	event.jobs = 2;
	event.message = "busy";
	orch_status_apply(&status, &event);
	event.jobs = 3;
	event.message = NULL;
	orch_status_apply(&status, &event);
	assert_string_equal(status.strained, "busy");
	assert_int_equal(status.usable, 3);
	json = orch_status_json(&status);
	assert_non_null(strstr(json, "\"usable\""));
	assert_non_null(strstr(json, "\"strained\""));
	free(json);
	event.jobs = 8;
	orch_status_apply(&status, &event);
	assert_null(status.strained);
	orch_status_release(&status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strained),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_events_without_their_fields),
		cmocka_unit_test(test_warnings_are_bounded),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_many_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
