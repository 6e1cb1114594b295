#include "config.h"

#include "os/roster.h"

#include <string.h>

#include "os/proc.h"
#include "util/array.h"

enum roster_news roster_read(struct roster *roster)
{
	struct strbuf before = roster->expected;
	bool is_same;

	strbuf_truncate(&roster->seen, 0);
	if (proc_own_children_text(&roster->seen) != 0)
		return ROSTER_UNKNOWN;
	is_same = roster->seen.len == before.len && memcmp(roster->seen.data, strbuf_cstr(&before), before.len) == 0;
	roster->expected = roster->seen;
	roster->seen = before;
	return is_same ? ROSTER_AS_EXPECTED : ROSTER_OTHER;
}

void roster_list(const struct roster *roster, struct pid_list *out)
{
	pid_t pid = 0;

	for (const char *at = strbuf_cstr(&roster->expected); *at; at++) {
		if (*at >= '0' && *at <= '9') {
			pid = pid * 10 + (*at - '0');
		} else if (pid > 0) {
			*ARRAY_PUSH(out) = pid;
			pid = 0;
		}
	}
}

/* the kernel adds a new child, and an orphan that it gives us, at the end of its list */
void roster_started(struct roster *roster, pid_t pid)
{
	strbuf_addint(&roster->expected, pid);
	strbuf_addch(&roster->expected, ' ');
}

void roster_reaped(struct roster *roster, pid_t pid)
{
	struct strbuf *text = &roster->expected;
	struct strbuf word = {0};
	char *at = text->data;

	strbuf_addint(&word, pid);
	strbuf_addch(&word, ' ');
	while (at && (at = strstr(at, word.data)) && at > text->data && at[-1] != ' ')
		at++;
	if (at) {
		size_t after = text->len - (size_t)(at - text->data) - word.len;

		memmove(at, at + word.len, after);
		strbuf_truncate(text, text->len - word.len);
	}
	strbuf_release(&word);
}

void roster_release(struct roster *roster)
{
	strbuf_release(&roster->expected);
	strbuf_release(&roster->seen);
}
