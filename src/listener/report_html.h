/* The parts of the HTML report: each adds its own section. What is shared between them. */
#ifndef LISTENER_REPORT_HTML_H
#define LISTENER_REPORT_HTML_H

#include <stdbool.h>
#include <stddef.h>

#include "listener/report.h"

struct html {
	struct strbuf *out;
	const struct report *report;
	bool used_fg[256], used_bg[256]; /* colours beyond the sixteen that some log has: they get a rule each */
};

/* "good", "bad", "warn", "run", "idle": classes of the style sheet */
const char *html_state_class(const struct report *report, size_t stream);
const char *html_attempt_class(const struct report *report, const struct report_attempt *attempt);
/* a duration for people */
void html_add_duration(struct strbuf *out, int64_t ms);
/* the end of an attempt's log in <pre>, with its colours, and what is missing of it; nothing is said of a log that is
 * empty. `max` 0: only where it is */
void html_add_log(struct html *html, const struct report_attempt *attempt, unsigned lines, size_t max);

void html_add_timeline(struct html *html);
void html_add_chain(struct html *html);
void html_add_graph(struct html *html);
/* what the work of agents has cost, most first; nothing if none said */
void html_add_cost(struct html *html);
void html_add_comparison(struct html *html);
void html_add_failures(struct html *html);
void html_add_rows(struct html *html);

#endif
