#include "config.h"

#include "ui/announce.h"

#include <stdlib.h>
#include <string.h>

#include "ui/plain.h"
#include "ui/term.h"
#include "util/strbuf.h"
#include "util/units.h"

enum { DEFAULT_FROM_MS = 60 * 1000, NAME_COLUMNS = 60 };

static bool starts_with(const char *name, const char *start)
{
	const char *value = getenv(name);

	return value != NULL && strncmp(value, start, strlen(start)) == 0;
}

/* a sequence that a terminal does not know is at best ignored, so only those get one that are known to have it */
static enum announce_by choose(void)
{
	if (starts_with("TERM_PROGRAM", "iTerm") || starts_with("TERM_PROGRAM", "WezTerm") ||
		starts_with("TERM_PROGRAM", "ghostty") || starts_with("TERM", "xterm-kitty"))
		return ANNOUNCE_OSC9;
	if (starts_with("TERM", "foot") || starts_with("TERM", "rxvt") || starts_with("VTE_VERSION", ""))
		return ANNOUNCE_OSC777;
	return ANNOUNCE_BELL;
}

static bool parse(struct announce *announce, const char *text)
{
	static const char *const names[] = {"auto", "none", "bell", "osc9", "osc777"};
	size_t len = strcspn(text, ",");

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i]) != len || strncmp(names[i], text, len) != 0)
			continue;
		announce->by = (enum announce_by)i;
		return text[len] == '\0' || units_parse_duration(text + len + 1, &announce->from_ms);
	}
	return false;
}

bool announce_init(struct announce *announce, const struct term *term)
{
	const char *text = getenv("ORCH_NOTIFY");
	bool good = true;

	*announce = (struct announce){.by = ANNOUNCE_AUTO, .from_ms = DEFAULT_FROM_MS};
	if (text != NULL && *text != '\0' && !parse(announce, text)) {
		*announce = (struct announce){.by = ANNOUNCE_AUTO, .from_ms = DEFAULT_FROM_MS};
		good = false;
	}
	if (announce->by == ANNOUNCE_AUTO)
		announce->by = choose();
	/* the console has no title, and shows what it does not know */
	announce->title = term->tty && !term->dumb && !starts_with("TERM", "linux") && !starts_with("ORCH_TITLE", "no");
	return good;
}

static void add_name(struct strbuf *out, const struct orch_status *status)
{
	size_t from;

	if (status->project == NULL)
		return;
	strbuf_addch(out, ' ');
	from = out->len;
	term_line(out, status->project, strlen(status->project), NAME_COLUMNS, true);
	/* a separator of OSC 777 must not stand in it */
	for (size_t i = from; i < out->len; i++) {
		if (out->data[i] == ';')
			out->data[i] = ',';
	}
}

void announce_title(struct strbuf *out, const struct orch_status *status)
{
	strbuf_addf(out, "orch %zu/%zu", plain_ended(status), plain_total(status));
	if (status->count[ORCH_TASK_FAILED] > 0)
		strbuf_addf(out, " %zu failed", status->count[ORCH_TASK_FAILED]);
	add_name(out, status);
}

void announce_end(const struct announce *announce, struct strbuf *out, const struct orch_status *status)
{
	int64_t took = status->finished_ms - status->started_ms;
	size_t failed = status->count[ORCH_TASK_FAILED];
	char time[UNITS_TEXT_MAX];
	struct strbuf text = {0};

	if (announce->by == ANNOUNCE_NONE || status->finished_ms == 0 || took < announce->from_ms)
		return;
	if (failed > 0)
		strbuf_addf(&text, "%zu failed, after %s", failed, units_duration(time, took));
	else if (status->exit_code != 0)
		strbuf_addf(&text, "ended with status %lld after %s", (long long)status->exit_code,
			units_duration(time, took));
	else
		strbuf_addf(&text, "complete after %s", units_duration(time, took));
	if (announce->by == ANNOUNCE_BELL) {
		strbuf_addch(out, '\a');
	} else if (announce->by == ANNOUNCE_OSC9) {
		strbuf_addstr(out, "\033]9;orch");
		add_name(out, status);
		strbuf_addf(out, ": %s\a", strbuf_cstr(&text));
	} else {
		strbuf_addstr(out, "\033]777;notify;orch");
		add_name(out, status);
		strbuf_addf(out, ";%s\a", strbuf_cstr(&text));
	}
	strbuf_release(&text);
}
