#include "config.h"

#include "ui/statusline.h"

#include <stdio.h>
#include <time.h>

#include "ui/plain.h"
#include "util/strbuf.h"
#include "util/units.h"

void statusline_elapsed(char *buffer, size_t size, int64_t ms)
{
	char text[UNITS_TEXT_MAX];

	if (ms < 60000)
		snprintf(buffer, size, "%ds", ms > 0 ? (int)(ms / 1000) : 0);
	else
		snprintf(buffer, size, "%s", units_duration(text, ms / 1000 * 1000));
}

void statusline_cost(char *buffer, size_t size, int64_t micros)
{
	if (micros < 0)
		micros = 0;
	snprintf(buffer, size, "%lld.%02lld", (long long)(micros / 1000000), (long long)(micros / 10000 % 100));
}

static void add_cost(struct strbuf *out, const struct orch_status *status)
{
	char text[UNITS_TEXT_MAX] = "-";

	if (status->has_cost)
		statusline_cost(text, sizeof text, status->cost_micros);
	strbuf_addstr(out, text);
}

static void add_elapsed(struct strbuf *out, int64_t ms)
{
	char text[UNITS_TEXT_MAX];

	statusline_elapsed(text, sizeof text, ms);
	strbuf_addstr(out, text);
}

static void add_clock(struct strbuf *out, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[16];
	struct tm tm;

	if (localtime_r(&seconds, &tm) != NULL && strftime(text, sizeof text, "%H:%M", &tm) > 0)
		strbuf_addstr(out, text);
	else
		strbuf_addch(out, '?');
}

static bool add_number(struct strbuf *out, char letter, const struct orch_status *status)
{
	size_t ended = plain_ended(status), all = plain_total(status);
	const size_t *count = status->count;
	size_t value;

	switch (letter) {
	case 'd':
		value = ended;
		break;
	case 't':
		value = all;
		break;
	case 'u':
		value = all > ended ? all - ended : 0;
		break;
	case 'p':
		value = all > 0 ? ended * 100 / all : 100;
		break;
	case 'r':
		value = count[ORCH_TASK_RUNNING];
		break;
	case 'w':
		value = count[ORCH_TASK_WAITING] + count[ORCH_TASK_READY] + count[ORCH_TASK_BACKOFF];
		break;
	case 'h':
		value = count[ORCH_TASK_HELD];
		break;
	case 'f':
		value = count[ORCH_TASK_FAILED];
		break;
	case 's':
		value = count[ORCH_TASK_SKIPPED] + count[ORCH_TASK_CANCELLED];
		break;
	case 'j':
		value = status->jobs > 0 ? (size_t)status->jobs : 0;
		break;
	default:
		return false;
	}
	strbuf_addf(out, "%zu", value);
	return true;
}

void statusline_format(
	struct strbuf *out, const char *format, const struct orch_status *status, int64_t now_ms, int64_t left_ms)
{
	for (const char *at = format; *at != '\0'; at++) {
		if (*at != '%' || at[1] == '\0') {
			strbuf_addch(out, *at);
			continue;
		}
		at++;
		if (*at == '%')
			strbuf_addch(out, '%');
		else if (*at == 'e')
			add_elapsed(out, now_ms - status->started_ms);
		else if ((*at == 'l' || *at == 'E') && left_ms < 0)
			strbuf_addch(out, '?');
		else if (*at == 'l')
			add_elapsed(out, left_ms);
		else if (*at == 'E')
			add_clock(out, now_ms + left_ms);
		else if (*at == 'c')
			add_cost(out, status);
		else if (*at == 'P')
			strbuf_addstr(out, status->project != NULL ? status->project : "");
		else if (!add_number(out, *at, status))
			strbuf_addf(out, "%%%c", *at);
	}
}
