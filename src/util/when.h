/*
 * When a text says that something will be: "resets 3:45pm (Europe/Lisbon)", "try again in 1h 48min", an epoch. Pure:
 * the time now and what is known of time zones are arguments.
 *
 * Understood, alone or behind "resets", "try again", "retry after", "wait", "until", "available" or '|' in a longer
 * text:
 *   - an epoch in seconds or milliseconds;
 *   - ISO 8601 and the date of HTTP headers, "2026-11-24T15:40:00Z", "Tue, 24 Nov 2026 15:40:00 GMT"; a day without a
 *     year, "11-24 15:40:00 UTC", which is the one nearest to now;
 *   - a time of day, "3:45pm", "9am", "15:40", "noon", "midnight", also with a day: "Mon 12:00am", "tomorrow at 3 PM",
 *     "Nov 24, 3:40pm", "Aug 18th, 2026 12:30 PM"; behind it a zone: "(America/Chicago)", "UTC", "PST", "+02:00";
 *     without one it is local;
 *   - a duration: "in 1h 48min", "59m21s", "3 days 6 hours 57 minutes", "12.5s"; "retry-after: 30" is in seconds.
 *
 * Such times are printed to the minute and cut down: one that has passed by less than WHEN_SLACK_MS is meant, and not
 * the same time tomorrow. Zones follow their daylight-saving rules; a time that a change of clocks leaves out is the
 * one as long after the change, of one that comes twice it is the first.
 */
#ifndef UTIL_WHEN_H
#define UTIL_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEN_SLACK_MS = 15 * 60 * 1000 };

struct when_zones {
	/* seconds east of UTC that zone `name` (NULL: local time) has at `epoch_s`; false: there is no such zone */
	bool (*offset)(void *data, const char *name, int64_t epoch_s, int32_t *offset_s);
	void *data;
};

/* the time, in ms since 1970. False: the text names none that is understood, its zone is unknown, or it is more than a
 * year away. Of a longer text only the first 4 KiB are looked at */
bool when_parse(const char *text, size_t len, int64_t now_ms, const struct when_zones *zones, int64_t *epoch_ms);

#endif
