/* Durations, sizes, counts: read and print. Durations are milliseconds, sizes bytes. */
#ifndef UTIL_UNITS_H
#define UTIL_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "90s", "1h30m", "1d", "250ms", "1.5h"; false if it is none (a bare number but 0 is none) */
bool units_parse_duration(const char *text, int64_t *ms);
/* "512M", "2G", "100" (bytes), "64k", "1.5G", "2GiB"; powers of 1024 */
bool units_parse_size(const char *text, int64_t *bytes);
/* a decimal integer and nothing else, within min..max */
bool units_parse_int(const char *text, int64_t min, int64_t max, int64_t *value);
bool units_parse_double(const char *text, double *value);
/* yes, no (also true, false, on, off) */
bool units_parse_bool(const char *text, bool *value);

enum { UNITS_TEXT_MAX = 40 };
/* in decimal; returns buffer, as all of these do */
char *units_number(char buffer[UNITS_TEXT_MAX], unsigned value);
/* for people: "0.42s", "12.3s", "3m05s", "2h07m", "3d04h" */
char *units_duration(char buffer[UNITS_TEXT_MAX], int64_t ms);
/* that reads back exactly: "90s", "1h30m", "250ms" */
char *units_duration_exact(char buffer[UNITS_TEXT_MAX], int64_t ms);
/* money of an unknown currency from millionths: "1.25", "0.0042"; nothing below a ten-thousandth */
char *units_cost(char buffer[UNITS_TEXT_MAX], int64_t millionths);
/* "1.4 GiB", "512 B" */
char *units_size(char buffer[UNITS_TEXT_MAX], int64_t bytes);
/* ISO 8601, UTC, milliseconds: "2026-11-21T05:37:01.123Z" from ms since 1970 */
char *units_time_utc(char buffer[UNITS_TEXT_MAX], int64_t epoch_ms);
/* reads back what units_time_utc() wrote */
bool units_parse_time_utc(const char *text, int64_t *epoch_ms);
/* local time, for people: "16:40:39", on another day than that of `now_ms` "2026-11-24 15:40" */
char *units_clock(char buffer[UNITS_TEXT_MAX], int64_t epoch_ms, int64_t now_ms);
/* days since 1970-01-01 of a date of the Gregorian calendar, and back; month 1 to 12, day from 1 */
int64_t units_days_from_civil(int64_t year, int month, int day);
void units_civil_from_days(int64_t days, int *year, int *month, int *day);

#endif
