#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/zone.h"
#include "util/json.h"
#include "util/units.h"
#include "util/when.h"

/* the zone of struct when_zones' `data` is local; each test has its own */
static bool offset(void *data, const char *name, int64_t epoch_s, int32_t *offset_s)
{
	return zone_offset(NULL, name ? name : data, epoch_s, offset_s);
}

static int64_t at(const char *time)
{
	char text[UNITS_TEXT_MAX];
	int64_t ms = 0;

	snprintf(text, sizeof text, "%s.000Z", time);
	if (!units_parse_time_utc(text, &ms))
		fail_msg("bad time in this test: %s", time);
	return ms;
}

struct sample {
	const char *now, *zone, *text, *expected; /* NULL: none */
};

static void check(const struct sample *samples, size_t count)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < count; i++) {
		const struct sample *s = &samples[i];
		char zone[64], got[UNITS_TEXT_MAX] = "none", want[UNITS_TEXT_MAX] = "none";
		struct when_zones zones = {offset, zone};
		int64_t found;

		snprintf(zone, sizeof zone, "%s", s->zone);
		if (when_parse(s->text, strlen(s->text), at(s->now), &zones, &found))
			units_time_utc(got, found);
		if (s->expected)
			units_time_utc(want, at(s->expected));
		if (strcmp(got, want) != 0) {
			print_error("'%s' at %s in %s: %s, expected %s\n", s->text, s->now, s->zone, got, want);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

#define CHECK(samples) check(samples, sizeof(samples) / sizeof(samples)[0])
/* a Saturday */
#define NOW "2026-11-21T10:00:00"

static void epochs_and_dates_are_read(void **state)
{
	static const struct sample samples[] = {
		{NOW, "UTC", "1795238165", "2026-11-21T05:16:05"},
		{NOW, "UTC", "1795238165000", "2026-11-21T05:16:05"},
		{NOW, "UTC", "Claude AI usage limit reached|1795238165", "2026-11-21T05:16:05"},
		{NOW, "UTC", "\"resetsAt\":1795238165,\"rateLimitType\":\"five_hour\"", "2026-11-21T05:16:05"},
		{NOW, "UTC", "2026-11-24T15:40:00Z", "2026-11-24T15:40:00"},
		{NOW, "UTC", "2026-11-24T15:40:00.250+02:00", "2026-11-24T13:40:00"},
		{NOW, "America/New_York", "2026-11-24 15:40", "2026-11-24T20:40:00"},
		{NOW, "UTC", "Tue, 24 Nov 2026 15:40:00 GMT", "2026-11-24T15:40:00"},
		{NOW, "Asia/Tokyo", "will reset at 11-24 15:12:00 UTC", "2026-11-24T15:12:00"},
		/* the year is the nearest: in December a January is the next one's, and the other way round */
		{"2026-12-30T10:00:00", "UTC", "reset at 01-02 15:12:00 UTC", "2027-01-02T15:12:00"},
		{"2027-01-01T00:00:05", "UTC", "reset at 12-31 23:59:00 UTC", "2026-12-31T23:59:00"},
		{NOW, "UTC", "2026-02-30T00:00:00Z", NULL},
		{NOW, "UTC", "2031-11-24T15:40:00Z", NULL},
		{NOW, "UTC", "17952381650", NULL},
		{NOW, "UTC", "", NULL},
	};

	(void)state;
	CHECK(samples);
}

static void durations_are_read_from_now(void **state)
{
	static const struct sample samples[] = {
		{NOW, "UTC", "in 1h 48min", "2026-11-21T11:48:00"},
		{NOW, "UTC", "resets in 59m21s", "2026-11-21T10:59:21"},
		{NOW, "UTC", "weekly standard usage limit (resets in 1 day).", "2026-11-22T10:00:00"},
		{NOW, "UTC", "resets in 2 days", "2026-11-23T10:00:00"},
		{NOW, "UTC", "try again in 3 days 6 hours 57 minutes.", "2026-11-24T16:57:00"},
		{NOW, "UTC", "try again in 1 hour, 5 minutes and 3 seconds", "2026-11-21T11:05:03"},
		{NOW, "UTC", "Suggested retry after 60s", "2026-11-21T10:01:00"},
		{NOW, "UTC", "retry-after: 30", "2026-11-21T10:00:30"},
		{NOW, "UTC", "30", "2026-11-21T10:00:30"},
		{NOW, "UTC", "45m", "2026-11-21T10:45:00"},
		{NOW, "UTC", "1h30m", "2026-11-21T11:30:00"},
		{NOW, "UTC", "Please retry in 30.0s", "2026-11-21T10:00:30"},
		{NOW, "UTC", "reached 40 retries in 10s. Your limit resets in 2h", "2026-11-21T12:00:00"},
		{NOW, "UTC", "in 500 days", NULL},
		{NOW, "UTC", "in 3 files", NULL},
	};
	static char half[] = "UTC";
	struct when_zones zones = {offset, half};
	int64_t found;

	(void)state;
	CHECK(samples);
	assert_true(when_parse("retry in 12.5s", 14, 0, &zones, &found));
	assert_int_equal(found, 12500);
}

static void times_of_day_are_the_next_ones(void **state)
{
	static const struct sample samples[] = {
		{NOW, "UTC", "3:45pm", "2026-11-21T15:45:00"},
		{NOW, "UTC", "resets 3:45pm", "2026-11-21T15:45:00"},
		{NOW, "UTC", "resets 9am", "2026-11-22T09:00:00"},
		{NOW, "UTC", "reset at 12am.", "2026-11-22T00:00:00"},
		{NOW, "UTC", "resets 12pm", "2026-11-21T12:00:00"},
		{NOW, "UTC", "try again at 3:28 PM.", "2026-11-21T15:28:00"},
		/* JavaScript puts a narrow blank before PM */
		{NOW, "UTC", "try again at 3:28\xe2\x80\xafPM.", "2026-11-21T15:28:00"},
		{NOW, "UTC", "at 15:28", "2026-11-21T15:28:00"},
		{NOW, "UTC", "until midnight", "2026-11-22T00:00:00"},
		{NOW, "UTC", "resets Mon 12:00am", "2026-11-23T00:00:00"},
		{NOW, "UTC", "resets Saturday 11am", "2026-11-21T11:00:00"},
		{NOW, "UTC", "resets Saturday 9am", "2026-11-28T09:00:00"},
		{NOW, "UTC", "tomorrow at 3pm", "2026-11-22T15:00:00"},
		{NOW, "UTC", "resets Nov 24, 3:40pm (UTC)", "2026-11-24T15:40:00"},
		{NOW, "UTC", "try again at Nov 24th, 2026 3:40 PM.", "2026-11-24T15:40:00"},
		{NOW, "UTC", "resets 1 Dec", "2026-12-01T00:00:00"},
		/* cut down to the minute, a time may have passed: that is now, not tomorrow */
		{"2026-11-21T04:20:40", "UTC", "resets 4:20am", "2026-11-21T04:20:00"},
		{"2026-11-21T00:00:40", "UTC", "resets 11:59pm", "2026-11-20T23:59:00"},
		{"2026-11-21T04:50:00", "UTC", "resets 4:20am", "2026-11-22T04:20:00"},
		{NOW, "UTC", "resets 13pm", NULL},
		{NOW, "UTC", "resets 25:10", NULL},
		{NOW, "UTC", "resets 5", NULL},
	};

	(void)state;
	CHECK(samples);
}

static void zones_have_their_daylight_saving_time(void **state)
{
	static const struct sample samples[] = {
		{NOW, "UTC", "resets 5:20am (America/Denver)", "2026-11-21T12:20:00"},
		{NOW, "UTC", "resets 7pm (America/Los_Angeles)", "2026-11-22T03:00:00"},
		{NOW, "UTC", "resets 11:50pm (Asia/Riyadh)", "2026-11-21T20:50:00"},
		{NOW, "UTC", "resets 6:40pm (Asia/Kolkata)", "2026-11-21T13:10:00"},
		{NOW, "America/New_York", "resets 3:45pm", "2026-11-21T20:45:00"},
		{NOW, "UTC", "resets 3:45pm PST", "2026-11-21T23:45:00"},
		{NOW, "UTC", "resets 15:45 GMT+2", "2026-11-21T13:45:00"},
		{"2026-07-01T10:00:00", "UTC", "resets 1pm (Europe/Lisbon)", "2026-07-01T12:00:00"},
		{"2026-12-01T10:00:00", "UTC", "resets 1pm (Europe/Lisbon)", "2026-12-01T13:00:00"},
		/* the night in which the clocks change in Berlin, 2026-03-29 02:00 to 03:00 and 2026-10-25 03:00 to
		   02:00 */
		{"2026-03-28T22:00:00", "Europe/Berlin", "resets 1:30am", "2026-03-29T00:30:00"},
		{"2026-03-28T22:00:00", "Europe/Berlin", "resets 2:30am", "2026-03-29T01:30:00"},
		{"2026-03-28T22:00:00", "Europe/Berlin", "resets 3:30am", "2026-03-29T01:30:00"},
		{"2026-10-24T22:30:00", "Europe/Berlin", "resets 2:30am", "2026-10-25T00:30:00"},
		{"2026-10-24T22:30:00", "Europe/Berlin", "resets 3:30am", "2026-10-25T02:30:00"},
		/* that zone is on the other side of the date line */
		{NOW, "UTC", "resets 1am (Pacific/Auckland)", "2026-11-21T12:00:00"},
		{NOW, "UTC", "resets 3pm (Mars/Olympus)", NULL},
		{NOW, "UTC", "resets 3pm (IST)", NULL},
		{NOW, "UTC", "resets 3pm (../../etc/passwd)", "2026-11-21T15:00:00"},
	};

	(void)state;
	CHECK(samples);
}

static void rules_of_zones_are_followed(void **state)
{
	static const struct {
		const char *rule, *time;
		int32_t offset;
	} cases[] = {
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2040-03-25T00:59:59", 3600},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2040-03-25T01:00:00", 7200},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2040-10-28T00:59:59", 7200},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2040-10-28T01:00:00", 3600},
		{"EST5EDT,M3.2.0,M11.1.0", "2040-07-01T00:00:00", -4 * 3600},
		{"EST5EDT,M3.2.0,M11.1.0", "2040-12-01T00:00:00", -5 * 3600},
		{"NZST-12NZDT,M9.5.0,M4.1.0/3", "2040-01-01T00:00:00", 13 * 3600},
		{"NZST-12NZDT,M9.5.0,M4.1.0/3", "2040-07-01T00:00:00", 12 * 3600},
		{"<+0330>-3:30", "2040-01-01T00:00:00", 12600},
		{"IST-1GMT0,M10.5.0,M3.5.0/1", "2040-01-01T00:00:00", 0},
		{"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2040-07-01T00:00:00", -3600},
		{"XXX0YYY,J60,J300", "2040-03-02T00:00:00", 3600},
	};
	static const char *const bad[] = {"", "X", "CET", "CET-1CEST", "CET-1CEST,M13.1.0,M1.1.0", "CET-1CEST,M3.5.0",
		"CET-1CEST,M3.5.0,M10.5.0/3,", "<CET-1"};
	int32_t got;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(zone_offset_by_rule(cases[i].rule, strlen(cases[i].rule), at(cases[i].time) / 1000, &got));
		assert_int_equal(got, cases[i].offset);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(zone_offset_by_rule(bad[i], strlen(bad[i]), 0, &got));
}

/* the file of the system, cut short everywhere and with every byte changed: nothing is read past its end */
static void broken_zone_files_are_refused_or_read(void **state)
{
	FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
	unsigned char bytes[8192], *copy;
	size_t len;
	int32_t got;

	(void)state;
	if (!file)
		skip();
	len = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	assert_true(zone_offset_in(bytes, len, 1795238165, &got));
	assert_int_equal(got, 3600);
	assert_true(zone_offset_in(bytes, len, at("2060-07-01T00:00:00") / 1000, &got));
	assert_int_equal(got, 7200);
	for (size_t n = 0; n < len; n++) {
		copy = malloc(n ? n : 1);
		assert_non_null(copy);
		memcpy(copy, bytes, n);
		zone_offset_in(copy, n, 1795238165, &got);
		free(copy);
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, bytes, len);
		copy[n] ^= 0xff;
		zone_offset_in(copy, len, 1795238165, &got);
		free(copy);
	}
	assert_false(zone_offset_in((const unsigned char *)"TZif2", 5, 0, &got));
}

/* tests/data/limits: each message that says when, and when that is */
static void messages_of_agents_say_when(void **state)
{
	static const struct {
		const char *id, *expected;
	} known[] = {
		{"L001", "2025-06-14T18:00:00"},
		{"L003", "2025-10-09T09:00:00"},
		{"L005", "2026-11-21T15:00:00"},
		{"L007", "2026-11-22T00:00:00"},
		{"L009", "2026-11-22T08:50:00"},
		{"L011", "2026-11-21T12:20:00"},
		{"L013", "2026-11-21T20:50:00"},
		{"L015", "2026-11-21T13:10:00"},
		{"L017", "2026-11-22T05:50:00"},
		{"L019", "2026-11-21T20:50:00"},
		{"L023", "2026-11-21T10:00:30"},
		{"L025", "2026-07-04T14:00:00"},
		{"L027", "2026-11-21T14:00:00"},
		{"L033", "2026-11-24T16:57:00"},
	};
	static char utc[] = "UTC";
	struct when_zones zones = {offset, utc};
	char path[4096], line[8192];
	const char *srcdir = getenv("srcdir");
	unsigned wrong = 0, with_time = 0;
	FILE *file;

	(void)state;
	snprintf(path, sizeof path, "%s/tests/data/limits/messages.jsonl", srcdir ? srcdir : ".");
	file = fopen(path, "r");
	if (!file)
		fail_msg("cannot read %s", path);
	while (fgets(line, sizeof line, file)) {
		struct json_value *root;
		const char *id, *text, *want = NULL;
		int64_t found;
		bool has;

		assert_int_equal(json_read(&root, line, strlen(line), NULL), 0);
		id = json_member_string(root, "id");
		text = json_member_string(root, "text");
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
			if (strcmp(known[i].id, id) == 0)
				want = known[i].expected;
		}
		has = when_parse(text, strlen(text), at(NOW), &zones, &found);
		if (has != (want != NULL) || (has && found != at(want))) {
			char got[UNITS_TEXT_MAX] = "none";

			print_error("%s '%s': %s, expected %s\n", id, text, has ? units_time_utc(got, found) : "none",
				want ? want : "none");
			wrong++;
		}
		with_time += has;
		json_value_free(root);
	}
	fclose(file);
	assert_int_equal(wrong, 0);
	assert_int_equal(with_time, sizeof known / sizeof known[0]);
}

static void any_bytes_are_survived(void **state)
{
	static const char pieces[][12] = {"resets ", "in ", "1", "23", ":", "am", "pm ", "(", "utc", ")", "mon ",
		"nov ", "-", "2026", " ", "t", "z", "|", "99999999999", ".", "\xff", "h", "m ", "/", "+"};
	static char utc[] = "UTC";
	struct when_zones zones = {offset, utc};
	uint32_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char text[200] = "";
		size_t len = 0;
		int64_t found = 0;

		for (unsigned n = 0; n < 12; n++) {
			const char *piece;

			random = random * 1664525 + 1013904223;
			piece = pieces[(random >> 16) % (sizeof pieces / sizeof pieces[0])];
			memcpy(text + len, piece, strlen(piece));
			len += strlen(piece);
		}
		if (when_parse(text, len, at(NOW), &zones, &found))
			assert_true(found <= at(NOW) + INT64_C(366) * 86400000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(epochs_and_dates_are_read),
		cmocka_unit_test(durations_are_read_from_now),
		cmocka_unit_test(times_of_day_are_the_next_ones),
		cmocka_unit_test(zones_have_their_daylight_saving_time),
		cmocka_unit_test(rules_of_zones_are_followed),
		cmocka_unit_test(broken_zone_files_are_refused_or_read),
		cmocka_unit_test(messages_of_agents_say_when),
		cmocka_unit_test(any_bytes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
