#include "config.h"

#include "util/when.h"

#include <string.h>

#include "util/units.h"

enum { TEXT_MAX_LEN = 4096, FILLERS_MAX = 6, DAY_S = 86400, NUMBER_DIGITS_MAX = 13 };

#define FARTHEST_MS (INT64_C(366) * DAY_S * 1000)

/* the text, in lower case; what is no ASCII (a middle dot, a narrow blank, a curly quote) counts as a blank */
struct reader {
	char text[TEXT_MAX_LEN + 1];
	const char *original;
	const char *at;
	int64_t now_ms;
	const struct when_zones *zones;
};

/* a moment as it was written: what is not given is -1 */
struct moment {
	int year, month, day, weekday; /* weekday: 0 is Sunday */
	int days_ahead;                /* today, tomorrow */
	int hour, minute, second;
	bool has_zone;
	bool fixed; /* zone is `offset_s`, not a name */
	int32_t offset_s;
	char zone[64];
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_word_char(char c)
{
	return is_digit(c) || is_letter(c);
}

static void skip_blanks(struct reader *r)
{
	while (*r->at == ' ')
		r->at++;
}

static void skip_gap(struct reader *r)
{
	while (*r->at == ' ' || *r->at == ',')
		r->at++;
}

/* takes the word if it stands here and ends here */
static bool take_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(r->at, word, len) != 0 || (is_word_char(word[len - 1]) && is_word_char(r->at[len])))
		return false;
	r->at += len;
	return true;
}

/* at most `max` digits; gives how many there were */
static unsigned take_int(struct reader *r, unsigned max, int64_t *value)
{
	unsigned count = 0;

	for (*value = 0; is_digit(*r->at) && count < max; r->at++, count++)
		*value = *value * 10 + (*r->at - '0');
	return count;
}

static unsigned take_small(struct reader *r, unsigned max, int *value)
{
	int64_t wide;
	unsigned count = take_int(r, max, &wide);

	*value = (int)wide;
	return count;
}

/* --- durations --- */

static const struct {
	const char *name;
	int64_t ms;
} units[] = {
	{"milliseconds", 1},
	{"millisecond", 1},
	{"msec", 1},
	{"ms", 1},
	{"seconds", 1000},
	{"second", 1000},
	{"secs", 1000},
	{"sec", 1000},
	{"s", 1000},
	{"minutes", 60000},
	{"minute", 60000},
	{"mins", 60000},
	{"min", 60000},
	{"m", 60000},
	{"hours", 3600000},
	{"hour", 3600000},
	{"hrs", 3600000},
	{"hr", 3600000},
	{"h", 3600000},
	{"days", 86400000},
	{"day", 86400000},
	{"d", 86400000},
	{"weeks", 604800000},
	{"week", 604800000},
	{"w", 604800000},
};

/* "1h", "12.5 s": the number and its unit, which ends where no letter follows */
static bool take_amount(struct reader *r, double *ms)
{
	const char *start = r->at;
	int64_t whole, fraction;
	double value, scale = 1;

	if (!take_int(r, NUMBER_DIGITS_MAX, &whole)) {
		r->at = start;
		return false;
	}
	value = (double)whole;
	if (r->at[0] == '.' && is_digit(r->at[1])) {
		r->at++;
		for (unsigned n = take_int(r, 9, &fraction); n > 0; n--)
			scale *= 10;
		while (is_digit(*r->at))
			r->at++;
		value += (double)fraction / scale;
	}
	skip_blanks(r);
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(r->at, units[i].name, len) == 0 && !is_letter(r->at[len])) {
			r->at += len;
			*ms = value * (double)units[i].ms;
			return true;
		}
	}
	r->at = start;
	return false;
}

static bool take_duration(struct reader *r, int64_t *epoch_ms)
{
	double total = 0, ms;

	if (!take_amount(r, &total))
		return false;
	for (;;) {
		const char *before = r->at;

		skip_gap(r);
		if (take_word(r, "and"))
			skip_blanks(r);
		if (!take_amount(r, &ms)) {
			r->at = before;
			break;
		}
		total += ms;
	}
	if (total > (double)FARTHEST_MS)
		return false;
	*epoch_ms = r->now_ms + (int64_t)(total + 0.5);
	return true;
}

/* --- zones --- */

/* abbreviations that mean one thing only, or nearly so; an Indian, Israeli and Irish IST is none of them */
static const struct {
	const char *name;
	int16_t minutes;
} abbreviations[] = {{"utc", 0}, {"gmt", 0}, {"z", 0}, {"pst", -480}, {"pdt", -420}, {"mst", -420}, {"mdt", -360},
	{"cst", -360}, {"cdt", -300}, {"est", -300}, {"edt", -240}, {"wet", 0}, {"west", 60}, {"cet", 60},
	{"cest", 120}, {"eet", 120}, {"eest", 180}, {"bst", 60}, {"msk", 180}, {"jst", 540}, {"kst", 540},
	{"aest", 600}, {"aedt", 660}};

/* "+02:00", "+0200", "+2" */
static bool take_offset(struct reader *r, int32_t *offset_s)
{
	const char *start = r->at;
	int sign = *start == '-' ? -1 : 1, hours, minutes = 0;

	if (*start != '+' && *start != '-')
		return false;
	r->at++;
	if (!take_small(r, 2, &hours) || hours > 14) {
		r->at = start;
		return false;
	}
	if (*r->at == ':')
		r->at++;
	if (is_digit(*r->at) && (take_small(r, 2, &minutes) != 2 || minutes > 59)) {
		r->at = start;
		return false;
	}
	*offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* a zone, with or without parentheses. Nothing there is fine; one that is not known is not */
static bool take_zone(struct reader *r, struct moment *m)
{
	const char *start = r->at, *name;
	bool slash = false, parenthesis;
	size_t len = 0;

	skip_blanks(r);
	parenthesis = *r->at == '(';
	if (parenthesis)
		r->at++;
	if (take_offset(r, &m->offset_s)) {
		m->has_zone = m->fixed = true;
		goto close;
	}
	name = r->at;
	while (is_letter(name[len]) || (len && (name[len] == '_' || name[len] == '/' || name[len] == '-'))) {
		slash |= name[len] == '/';
		len++;
	}
	if (slash && len < sizeof m->zone) {
		memcpy(m->zone, r->original + (name - r->text), len);
		m->zone[len] = '\0';
		m->has_zone = true;
		r->at = name + len;
		goto close;
	}
	for (size_t i = 0; i < sizeof abbreviations / sizeof abbreviations[0]; i++) {
		if (strlen(abbreviations[i].name) == len && memcmp(name, abbreviations[i].name, len) == 0) {
			int32_t further;

			r->at = name + len;
			m->has_zone = m->fixed = true;
			m->offset_s = abbreviations[i].minutes * 60;
			/* UTC+2 */
			if (take_offset(r, &further))
				m->offset_s += further;
			goto close;
		}
	}
	/* what looks like a zone and is none that is known: a guess could be wrong by a day */
	if (slash || (parenthesis && len >= 2 && len <= 5 && name[len] == ')'))
		return false;
	r->at = start;
	return true;
close:
	if (parenthesis && *r->at == ')')
		r->at++;
	return true;
}

/* --- moments --- */

static const char *const months[] = {"january", "february", "march", "april", "may", "june", "july", "august",
	"september", "october", "november", "december"};
static const char *const weekdays[] = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};

/* the name or its first three letters or more ("sept", "tues"), a dot behind it */
static bool take_name(struct reader *r, const char *const *names, int count, int *index)
{
	size_t len = 0;

	while (is_letter(r->at[len]))
		len++;
	if (len < 3)
		return false;
	for (int i = 0; i < count; i++) {
		if (len <= strlen(names[i]) && memcmp(r->at, names[i], len) == 0) {
			r->at += len;
			if (*r->at == '.')
				r->at++;
			*index = i;
			return true;
		}
	}
	return false;
}

/* "15:40", "3:45:10 pm", "9am", "noon" */
static bool take_clock(struct reader *r, struct moment *m)
{
	const char *start = r->at;
	bool colon = false, half_day = false, after_noon = false;

	if (take_word(r, "noon") || take_word(r, "midnight")) {
		m->hour = start[0] == 'n' ? 12 : 0;
		m->minute = m->second = 0;
		return true;
	}
	m->minute = m->second = 0;
	if (!take_small(r, 2, &m->hour))
		goto none;
	if (r->at[0] == ':' && is_digit(r->at[1])) {
		r->at++;
		colon = true;
		if (take_small(r, 2, &m->minute) != 2)
			goto none;
		if (r->at[0] == ':' && is_digit(r->at[1])) {
			r->at++;
			if (take_small(r, 2, &m->second) != 2)
				goto none;
			if (r->at[0] == '.' && is_digit(r->at[1])) {
				r->at++;
				while (is_digit(*r->at))
					r->at++;
			}
		}
	}
	if (is_digit(*r->at))
		goto none;
	for (const char *blank = r->at;; r->at = blank) {
		skip_blanks(r);
		if (take_word(r, "am") || take_word(r, "a.m.") || take_word(r, "a.m"))
			half_day = true;
		else if (take_word(r, "pm") || take_word(r, "p.m.") || take_word(r, "p.m"))
			half_day = after_noon = true;
		else
			r->at = blank;
		break;
	}
	if (!colon && !half_day)
		goto none;
	if (half_day) {
		if (m->hour < 1 || m->hour > 12)
			goto none;
		m->hour = m->hour % 12 + (after_noon ? 12 : 0);
	}
	if (m->hour > 23 || m->minute > 59 || m->second > 60)
		goto none;
	return true;
none:
	r->at = start;
	m->hour = -1;
	return false;
}

/* "2026-11-24", "11-24" */
static bool take_numeric_date(struct reader *r, struct moment *m)
{
	const char *start = r->at;
	int first;
	unsigned digits = take_small(r, 4, &first);

	if (digits == 4 && (*r->at == '-' || *r->at == '/')) {
		m->year = first;
		r->at++;
		if (take_small(r, 2, &m->month) != 2)
			goto none;
	} else if (digits == 2 && *r->at == '-') {
		m->month = first;
	} else {
		goto none;
	}
	if ((*r->at != '-' && *r->at != '/') || !is_digit(r->at[1]))
		goto none;
	r->at++;
	if (take_small(r, 2, &m->day) != 2 || is_digit(*r->at))
		goto none;
	return true;
none:
	r->at = start;
	m->year = m->month = m->day = -1;
	return false;
}

/* "18", "18th" */
static bool take_day(struct reader *r, int *day)
{
	static const char *const ordinals[] = {"st", "nd", "rd", "th"};

	if (!take_small(r, 2, day))
		return false;
	for (size_t i = 0; i < 4; i++) {
		if (take_word(r, ordinals[i]))
			break;
	}
	return !is_word_char(*r->at) && *r->at != ':';
}

/* "aug 18th", "18 aug"; behind it a year */
static bool take_named_date(struct reader *r, struct moment *m)
{
	const char *start = r->at;
	int month = -1, day = -1;
	int64_t year;
	bool day_first = take_day(r, &day);

	if (!day_first)
		r->at = start;
	skip_blanks(r);
	if (take_name(r, months, 12, &month) && !day_first) {
		skip_blanks(r);
		if (!take_day(r, &day))
			day = -1;
	}
	if (month < 0 || day < 0) {
		r->at = start;
		return false;
	}
	m->month = month + 1;
	m->day = day;
	start = r->at;
	skip_gap(r);
	if (take_int(r, 4, &year) == 4 && !is_word_char(*r->at) && *r->at != ':')
		m->year = (int)year;
	else
		r->at = start;
	return true;
}

static void skip_to_clock(struct reader *r)
{
	skip_gap(r);
	if (r->at[0] == 't' && is_digit(r->at[1]))
		r->at++;
	if (take_word(r, "at"))
		skip_blanks(r);
}

/* the epoch of a local time in the moment's zone */
static bool to_epoch(const struct reader *r, const struct moment *m, int64_t days, int64_t *epoch_s)
{
	int64_t civil = days * DAY_S + m->hour * 3600 + m->minute * 60 + m->second;
	const char *zone = m->has_zone ? m->zone : NULL;
	int32_t before, after, check;

	if (m->fixed) {
		*epoch_s = civil - m->offset_s;
		return true;
	}
	if (!r->zones->offset(r->zones->data, zone, civil - DAY_S, &before) ||
		!r->zones->offset(r->zones->data, zone, civil + DAY_S, &after) ||
		!r->zones->offset(r->zones->data, zone, civil - before, &check))
		return false;
	/* the first of a time that comes twice, and of one that is left out the one as long after the change */
	*epoch_s = civil - before;
	if (check == before || before == after)
		return true;
	if (!r->zones->offset(r->zones->data, zone, civil - after, &check))
		return false;
	if (check == after)
		*epoch_s = civil - after;
	return true;
}

static bool is_date(int64_t year, int month, int day)
{
	int again_year, again_month, again_day;

	if (month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	units_civil_from_days(units_days_from_civil(year, month, day), &again_year, &again_month, &again_day);
	return again_year == (int)year && again_month == month && again_day == day;
}

/* of days first..last counted from today, the first that fits and has not passed */
static bool next_day(
	const struct reader *r, const struct moment *m, int64_t today, int first, int last, int64_t *epoch_s)
{
	for (int64_t day = today + first; day <= today + last; day++) {
		/* 1970-01-01 was a Thursday */
		if (m->weekday >= 0 && ((day + 4) % 7 + 7) % 7 != m->weekday)
			continue;
		if (!to_epoch(r, m, day, epoch_s))
			return false;
		if (*epoch_s * 1000 >= r->now_ms - WHEN_SLACK_MS)
			return true;
	}
	return false;
}

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

static bool resolve(const struct reader *r, const struct moment *m, int64_t *epoch_ms)
{
	int64_t now_s = r->now_ms / 1000, today, epoch_s = 0, best = 0;
	int32_t offset = m->offset_s;
	int year, month, day;
	bool found = false;

	if (!m->fixed && !r->zones->offset(r->zones->data, m->has_zone ? m->zone : NULL, now_s, &offset))
		return false;
	today = (now_s + offset) / DAY_S;
	if (m->month < 0) {
		found = m->days_ahead >= 0 ? to_epoch(r, m, today + m->days_ahead, &best)
					   : next_day(r, m, today, -1, m->weekday >= 0 ? 7 : 1, &best);
	} else if (m->year >= 0) {
		found = is_date(m->year, m->month, m->day) &&
			to_epoch(r, m, units_days_from_civil(m->year, m->month, m->day), &best);
	} else {
		units_civil_from_days(today, &year, &month, &day);
		for (int y = year - 1; y <= year + 1; y++) {
			if (!is_date(y, m->month, m->day))
				continue;
			if (!to_epoch(r, m, units_days_from_civil(y, m->month, m->day), &epoch_s))
				return false;
			if (!found || distance(epoch_s, now_s) < distance(best, now_s))
				best = epoch_s;
			found = true;
		}
	}
	*epoch_ms = best * 1000;
	return found;
}

static bool take_moment(struct reader *r, int64_t *epoch_ms)
{
	struct moment m = {-1, -1, -1, -1, -1, -1, 0, 0, false, false, 0, ""};
	bool dated;

	if (take_name(r, weekdays, 7, &m.weekday))
		skip_gap(r);
	if (take_word(r, "today"))
		m.days_ahead = 0;
	else if (take_word(r, "tomorrow"))
		m.days_ahead = 1;
	dated = m.weekday >= 0 || m.days_ahead >= 0;
	if (take_numeric_date(r, &m) || take_named_date(r, &m))
		dated = true;
	if (dated)
		skip_to_clock(r);
	if (!take_clock(r, &m)) {
		if (!dated)
			return false;
		m.hour = m.minute = m.second = 0;
	}
	return take_zone(r, &m) && resolve(r, &m, epoch_ms);
}

/* ten digits are seconds since 1970, thirteen milliseconds */
static bool take_epoch(struct reader *r, int64_t *epoch_ms)
{
	const char *start = r->at;
	int64_t number;
	unsigned digits = take_int(r, NUMBER_DIGITS_MAX, &number);

	if (is_word_char(*r->at) || (digits != 10 && digits != 13)) {
		r->at = start;
		return false;
	}
	*epoch_ms = digits == 13 ? number : number * 1000;
	if (r->at[0] == '.' && is_digit(r->at[1])) {
		r->at++;
		while (is_digit(*r->at))
			r->at++;
	}
	return true;
}

/* a number alone: seconds, as in the header Retry-After */
static bool take_seconds(struct reader *r, int64_t *epoch_ms)
{
	const char *start = r->at;
	int64_t number;
	unsigned digits = take_int(r, 8, &number);

	if (!digits || is_word_char(*r->at) || (*r->at && strchr(":.-/", *r->at) && is_digit(r->at[1]))) {
		r->at = start;
		return false;
	}
	*epoch_ms = r->now_ms + number * 1000;
	return true;
}

static bool take_any(struct reader *r, bool seconds, int64_t *epoch_ms)
{
	static const char *const fillers[] = {"in", "at", "on", "after", "until", "for", "about", "around",
		"approximately", "again", "is", "will", "be", "available", "try", "retry", "the", ":", "=", "\"", "'",
		"|", "(", "[", "~", "-", "`", "*"};
	const char *start = r->at;
	bool filled = true;

	for (unsigned n = 0; n < FILLERS_MAX && filled; n++) {
		skip_gap(r);
		filled = false;
		for (size_t i = 0; i < sizeof fillers / sizeof fillers[0] && !filled; i++)
			filled = take_word(r, fillers[i]);
	}
	skip_gap(r);
	if (take_epoch(r, epoch_ms) || take_duration(r, epoch_ms) || take_moment(r, epoch_ms) ||
		(seconds && take_seconds(r, epoch_ms)))
		return true;
	r->at = start;
	return false;
}

/* nothing but punctuation behind it? */
static bool is_end(const char *at)
{
	while (*at && strchr(" .,;:!)]\"'`*", *at))
		at++;
	return !*at;
}

/* words behind which a time may stand; the weak ones only where none of the others leads to one */
static const char *const anchors[] = {"resets", "reset", "resetting", "resetsat", "reset_at", "resets_at", "again",
	"retry", "retry-after", "retry_after", "retryafter", "wait", "until", "available", NULL};
static const char *const weak_anchors[] = {"in", "after", NULL};

/* where the anchor that `word` begins with ends; NULL: it is none */
static const char *anchor_end(const char *word, const char *const *list)
{
	for (; *list; list++) {
		size_t len = strlen(*list);

		if (strncmp(word, *list, len) == 0 && !is_word_char(word[len]) && word[len] != '_')
			return word + len;
	}
	return NULL;
}

static bool take_behind_anchor(struct reader *r, const char *const *list, int64_t *epoch_ms)
{
	for (const char *at = r->text; *at; at++) {
		const char *end;

		if (*at == '|') {
			r->at = at + 1;
			if (take_epoch(r, epoch_ms))
				return true;
		}
		if (!is_letter(*at) || (at > r->text && (is_word_char(at[-1]) || at[-1] == '_')))
			continue;
		end = anchor_end(at, list);
		if (!end)
			continue;
		r->at = end;
		if (take_any(r, strncmp(at, "retry", 5) == 0, epoch_ms))
			return true;
	}
	return false;
}

bool when_parse(const char *text, size_t len, int64_t now_ms, const struct when_zones *zones, int64_t *epoch_ms)
{
	struct reader r = {.original = text, .now_ms = now_ms, .zones = zones};
	int64_t found;

	if (len > TEXT_MAX_LEN)
		len = TEXT_MAX_LEN;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		r.text[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c <= ' ' || c >= 0x7f ? ' ' : (char)c;
	}
	r.text[len] = '\0';
	r.at = r.text;
	if (!take_any(&r, true, &found) || !is_end(r.at)) {
		if (!take_behind_anchor(&r, anchors, &found) && !take_behind_anchor(&r, weak_anchors, &found))
			return false;
	}
	if (found > now_ms + FARTHEST_MS)
		return false;
	*epoch_ms = found;
	return true;
}
