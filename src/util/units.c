#include "config.h"

#include "util/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *name;
	int64_t ms;
} duration_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};

/* digits with at most one dot; false if there are none or the number is too large. Divided once at the end, so that 0.3
 * becomes the double nearest to it */
static bool parse_number(const char **text, double *value)
{
	enum { PLACES_MAX = 15 };
	const char *at = *text;
	double scale = 1;
	unsigned places = 0;
	bool dot = false, digits = false;

	for (*value = 0; (*at >= '0' && *at <= '9') || (*at == '.' && !dot); at++) {
		if (*at == '.') {
			dot = true;
			continue;
		}
		digits = true;
		if (dot && places++ >= PLACES_MAX)
			continue;
		if (dot)
			scale *= 10;
		*value = *value * 10 + (*at - '0');
	}
	*text = at;
	*value /= scale;
	return digits && isfinite(*value);
}

bool units_parse_duration(const char *text, int64_t *ms)
{
	double total = 0;

	if (strcmp(text, "0") == 0) {
		*ms = 0;
		return true;
	}
	if (!*text)
		return false;
	while (*text) {
		double value;
		size_t unit, len;

		if (!parse_number(&text, &value))
			return false;
		len = strspn(text, "abcdefghijklmnopqrstuvwxyz");
		for (unit = 0; unit < sizeof duration_units / sizeof duration_units[0]; unit++) {
			if (strlen(duration_units[unit].name) == len &&
				memcmp(duration_units[unit].name, text, len) == 0)
				break;
		}
		if (unit == sizeof duration_units / sizeof duration_units[0])
			return false;
		text += len;
		total += value * (double)duration_units[unit].ms;
	}
	/* a hundred years: beyond it nobody means what is written, and sums stay far from overflow */
	if (total > 3.2e12)
		return false;
	*ms = (int64_t)(total + 0.5);
	return true;
}

bool units_parse_size(const char *text, int64_t *bytes)
{
	static const char letters[] = "bkmgtp";
	const char *letter;
	double value;

	if (!parse_number(&text, &value))
		return false;
	if (*text) {
		char lower = (char)(*text >= 'A' && *text <= 'Z' ? *text + 32 : *text);

		letter = strchr(letters, lower);
		if (!letter)
			return false;
		value *= pow(1024, (double)(letter - letters));
		text++;
		if (letter != letters && *text == 'i')
			text++;
		if (letter != letters && (*text == 'B' || *text == 'b'))
			text++;
	}
	if (*text || value >= 9.2e18)
		return false;
	*bytes = (int64_t)value;
	return true;
}

bool units_parse_int(const char *text, int64_t min, int64_t max, int64_t *value)
{
	char *end;
	long long number;

	if (!(*text == '-' || (*text >= '0' && *text <= '9')))
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || *end || end == text || number < min || number > max)
		return false;
	*value = number;
	return true;
}

bool units_parse_double(const char *text, double *value)
{
	bool negative = *text == '-';

	text += negative;
	if (!parse_number(&text, value) || *text || !isfinite(*value))
		return false;
	if (negative)
		*value = -*value;
	return true;
}

bool units_parse_bool(const char *text, bool *value)
{
	static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false", "off"};

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*value = strcmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

char *units_duration(char buffer[UNITS_TEXT_MAX], int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 0)
		ms = s = 0;
	if (ms < 10000)
		snprintf(buffer, UNITS_TEXT_MAX, "%.2fs", (double)(ms / 10) / 100);
	else if (ms < 60000)
		snprintf(buffer, UNITS_TEXT_MAX, "%.1fs", (double)(ms / 100) / 10);
	else if (s < 3600)
		snprintf(buffer, UNITS_TEXT_MAX, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(buffer, UNITS_TEXT_MAX, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(buffer, UNITS_TEXT_MAX, "%lldd%02dh", (long long)(s / 86400), (int)(s / 3600 % 24));
	return buffer;
}

char *units_duration_exact(char buffer[UNITS_TEXT_MAX], int64_t ms)
{
	size_t len = 0;

	if (ms == 0)
		snprintf(buffer, UNITS_TEXT_MAX, "0s");
	for (size_t unit = sizeof duration_units / sizeof duration_units[0] - 1; unit-- > 0 && ms;) {
		int64_t count = ms / duration_units[unit].ms;

		if (!count)
			continue;
		ms -= count * duration_units[unit].ms;
		len += (size_t)snprintf(
			buffer + len, UNITS_TEXT_MAX - len, "%lld%s", (long long)count, duration_units[unit].name);
	}
	return buffer;
}

char *units_cost(char buffer[UNITS_TEXT_MAX], int64_t millionths)
{
	bool small = millionths > 0 && millionths < 100000;

	snprintf(buffer, UNITS_TEXT_MAX, small ? "%.4f" : "%.2f", (double)millionths / 1e6);
	return buffer;
}

char *units_clock(char buffer[UNITS_TEXT_MAX], int64_t epoch_ms, int64_t now_ms)
{
	time_t then = (time_t)(epoch_ms / 1000), now = (time_t)(now_ms / 1000);
	struct tm parts = {0}, today = {0};

	localtime_r(&then, &parts);
	localtime_r(&now, &today);
	strftime(buffer, UNITS_TEXT_MAX,
		parts.tm_yday == today.tm_yday && parts.tm_year == today.tm_year ? "%H:%M:%S" : "%Y-%m-%d %H:%M",
		&parts);
	return buffer;
}

char *units_size(char buffer[UNITS_TEXT_MAX], int64_t bytes)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1024 && unit + 1 < sizeof names / sizeof names[0]) {
		value /= 1024;
		unit++;
	}
	snprintf(buffer, UNITS_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", value, names[unit]);
	return buffer;
}

/* civil date from days since 1970 (Hinnant, chrono-compatible low-level date algorithms) */
void units_civil_from_days(int64_t days, int *year, int *month, int *day)
{
	int64_t era, day_of_era, year_of_era, day_of_year, shifted;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	day_of_era = days - era * 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	shifted = (5 * day_of_year + 2) / 153;
	*day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
	*month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

int64_t units_days_from_civil(int64_t year, int month, int day)
{
	int64_t era, year_of_era, day_of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void put_digits(char *at, int count, int value)
{
	while (count-- > 0) {
		at[count] = (char)('0' + value % 10);
		value /= 10;
	}
}

char *units_number(char buffer[UNITS_TEXT_MAX], unsigned value)
{
	int digits = 1;

	for (unsigned rest = value / 10; rest; rest /= 10)
		digits++;
	buffer[digits] = '\0';
	while (digits-- > 0) {
		buffer[digits] = (char)('0' + value % 10);
		value /= 10;
	}
	return buffer;
}

char *units_time_utc(char buffer[UNITS_TEXT_MAX], int64_t epoch_ms)
{
	int64_t days = epoch_ms / 86400000, rest = epoch_ms % 86400000;
	int year, month, day;

	if (rest < 0) {
		rest += 86400000;
		days--;
	}
	units_civil_from_days(days, &year, &month, &day);
	memcpy(buffer, "0000-00-00T00:00:00.000Z", 25);
	put_digits(buffer, 4, year < 0 || year > 9999 ? 0 : year);
	put_digits(buffer + 5, 2, month);
	put_digits(buffer + 8, 2, day);
	put_digits(buffer + 11, 2, (int)(rest / 3600000));
	put_digits(buffer + 14, 2, (int)(rest / 60000 % 60));
	put_digits(buffer + 17, 2, (int)(rest / 1000 % 60));
	put_digits(buffer + 20, 3, (int)(rest % 1000));
	return buffer;
}

static bool take_digits(const char *text, int count, int *value)
{
	for (*value = 0; count-- > 0; text++) {
		if (*text < '0' || *text > '9')
			return false;
		*value = *value * 10 + (*text - '0');
	}
	return true;
}

bool units_parse_time_utc(const char *text, int64_t *epoch_ms)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";
	int year, month, day, hour, minute, second, milli;
	char again[UNITS_TEXT_MAX];

	if (strlen(text) != sizeof shape - 1)
		return false;
	for (size_t i = 0; i < sizeof shape - 1; i++) {
		if (shape[i] != '0' && text[i] != shape[i])
			return false;
	}
	if (!take_digits(text, 4, &year) || !take_digits(text + 5, 2, &month) || !take_digits(text + 8, 2, &day) ||
		!take_digits(text + 11, 2, &hour) || !take_digits(text + 14, 2, &minute) ||
		!take_digits(text + 17, 2, &second) || !take_digits(text + 20, 3, &milli))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
		return false;
	*epoch_ms = units_days_from_civil(year, month, day) * 86400000 + (int64_t)hour * 3600000 + minute * 60000 +
		second * 1000 + milli;
	/* a day that the month does not have has become another day */
	return strcmp(units_time_utc(again, *epoch_ms), text) == 0;
}
