#include "config.h"

#include "os/zone.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/fs.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/units.h"

enum { HEADER = 44, ZONE_FILE_MAX = 1 << 20, DAY_S = 86400 };

/* --- rules: POSIX.1-2017, 8.3, with the wider hours of RFC 8536 --- */

struct rule_reader {
	const char *at, *end;
};

static bool take(struct rule_reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool take_number(struct rule_reader *r, int *value)
{
	const char *start = r->at;

	for (*value = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9' && r->at - start < 4; r->at++)
		*value = *value * 10 + (*r->at - '0');
	return r->at > start;
}

static bool skip_name(struct rule_reader *r)
{
	const char *start = r->at;

	if (take(r, '<')) {
		while (r->at < r->end && *r->at != '>')
			r->at++;
		return take(r, '>');
	}
	while (r->at < r->end && ((*r->at >= 'A' && *r->at <= 'Z') || (*r->at >= 'a' && *r->at <= 'z')))
		r->at++;
	return r->at - start >= 3;
}

/* [+-]hh[:mm[:ss]] in seconds */
static bool take_time(struct rule_reader *r, int32_t *seconds)
{
	int sign = 1, value, scale = 3600;

	if (take(r, '-'))
		sign = -1;
	else
		take(r, '+');
	*seconds = 0;
	do {
		if (!take_number(r, &value))
			return false;
		*seconds += value * scale;
		scale /= 60;
	} while (scale && take(r, ':'));
	*seconds *= sign;
	return true;
}

/* when, in seconds of `year` as its clocks say, the change happens */
static bool take_change(struct rule_reader *r, int year, int64_t *civil)
{
	int64_t first = units_days_from_civil(year, 1, 1), day;
	bool leap = units_days_from_civil(year + 1, 1, 1) - first == 366;
	int32_t time = 2 * 3600;
	int n;

	if (take(r, 'M')) {
		int month, week, weekday;
		int64_t start, next;

		if (!take_number(r, &month) || !take(r, '.') || !take_number(r, &week) || !take(r, '.') ||
			!take_number(r, &weekday) || month < 1 || month > 12 || week < 1 || week > 5 || weekday > 6)
			return false;
		start = units_days_from_civil(year, month, 1);
		next = month == 12 ? units_days_from_civil(year + 1, 1, 1) : units_days_from_civil(year, month + 1, 1);
		/* 1970-01-01 was a Thursday */
		day = start + ((weekday - (start + 4) % 7) % 7 + 7) % 7 + (week - 1) * 7;
		while (day >= next)
			day -= 7;
	} else if (take(r, 'J')) {
		if (!take_number(r, &n) || n < 1 || n > 365)
			return false;
		day = first + n - 1 + (leap && n >= 60);
	} else {
		if (!take_number(r, &n) || n > 365)
			return false;
		day = first + n;
	}
	if (take(r, '/') && !take_time(r, &time))
		return false;
	*civil = day * DAY_S + time;
	return true;
}

bool zone_offset_by_rule(const char *rule, size_t len, int64_t epoch_s, int32_t *offset_s)
{
	struct rule_reader r = {rule, rule + len};
	int32_t standard, summer;
	int64_t start, end, days;
	int year, month, day;
	bool in_summer;

	if (!skip_name(&r) || !take_time(&r, &standard))
		return false;
	standard = -standard;
	*offset_s = standard;
	if (r.at == r.end)
		return true;
	if (!skip_name(&r))
		return false;
	summer = standard + 3600;
	if (r.at < r.end && *r.at != ',') {
		if (!take_time(&r, &summer))
			return false;
		summer = -summer;
	}
	days = (epoch_s + standard) / DAY_S - ((epoch_s + standard) % DAY_S < 0);
	units_civil_from_days(days, &year, &month, &day);
	if (!take(&r, ',') || !take_change(&r, year, &start) || !take(&r, ',') || !take_change(&r, year, &end) ||
		r.at != r.end)
		return false;
	start -= standard;
	end -= summer;
	in_summer = start < end ? epoch_s >= start && epoch_s < end : epoch_s >= start || epoch_s < end;
	if (in_summer)
		*offset_s = summer;
	return true;
}

/* --- files --- */

static int64_t big_endian(const unsigned char *bytes, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return count == 4 ? (int32_t)(uint32_t)value : (int64_t)value;
}

/* the six counts of a header */
struct counts {
	size_t isut, isstd, leap, time, type, chars;
};

static bool read_header(const unsigned char *bytes, size_t len, struct counts *out)
{
	size_t values[6];

	if (len < HEADER || memcmp(bytes, "TZif", 4) != 0)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		values[i] = (size_t)(uint32_t)big_endian(bytes + 20 + 4 * i, 4);
		if (values[i] > ZONE_FILE_MAX)
			return false;
	}
	*out = (struct counts){values[0], values[1], values[2], values[3], values[4], values[5]};
	return true;
}

static size_t block_size(const struct counts *c, unsigned width)
{
	return c->time * width + c->time + c->type * 6 + c->chars + c->leap * (width + 4) + c->isstd + c->isut;
}

bool zone_offset_in(const unsigned char *bytes, size_t len, int64_t epoch_s, int32_t *offset_s)
{
	const unsigned char *end = bytes + len, *types, *kinds;
	struct counts c;
	unsigned width = 4;
	size_t low = 0, high, kind = 0;

	if (!read_header(bytes, len, &c))
		return false;
	if (bytes[4] >= '2') {
		/* behind the old block is one with 64 bits, and behind that the rule for what comes after its end */
		size_t skip = HEADER + block_size(&c, 4);

		if (skip > len || !read_header(bytes + skip, len - skip, &c))
			return false;
		bytes += skip;
		width = 8;
	}
	bytes += HEADER;
	if (block_size(&c, width) > (size_t)(end - bytes) || !c.type)
		return false;
	kinds = bytes + c.time * width;
	types = kinds + c.time;
	high = c.time;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (big_endian(bytes + middle * width, width) <= epoch_s)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c.time && width == 8) {
		const char *rule = (const char *)bytes + block_size(&c, width), *stop;

		if (rule < (const char *)end && *rule == '\n') {
			rule++;
			stop = memchr(rule, '\n', (size_t)((const char *)end - rule));
			if (stop && stop > rule && zone_offset_by_rule(rule, (size_t)(stop - rule), epoch_s, offset_s))
				return true;
		}
	}
	if (low)
		kind = kinds[low - 1];
	if (kind >= c.type)
		return false;
	*offset_s = (int32_t)big_endian(types + kind * 6, 4);
	return true;
}

static bool local_offset(int64_t epoch_s, int32_t *offset_s)
{
	time_t time = (time_t)epoch_s;
	struct tm tm;

	if (!localtime_r(&time, &tm))
		return false;
	*offset_s = (int32_t)tm.tm_gmtoff;
	return true;
}

bool zone_offset(void *data, const char *name, int64_t epoch_s, int32_t *offset_s)
{
	static const char *const places[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"};
	bool found = false;

	(void)data;
	if (!name)
		return local_offset(epoch_s, offset_s);
	/* it comes from an agent's output: it must not lead out of the directory */
	if (!*name || *name == '/' || !path_is_inside(name) ||
		name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/")])
		return false;
	for (size_t i = 0; i < sizeof places / sizeof places[0] && !found; i++) {
		char *path = path_join(places[i], name), *bytes;
		size_t len;

		if (fs_read(path, ZONE_FILE_MAX, &bytes, &len, NULL) == 0) {
			found = zone_offset_in((const unsigned char *)bytes, len, epoch_s, offset_s);
			free(bytes);
		}
		free(path);
	}
	return found;
}
