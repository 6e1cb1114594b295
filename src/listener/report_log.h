/* The end of an attempt's log, for reports. */
#ifndef LISTENER_REPORT_LOG_H
#define LISTENER_REPORT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf;
struct report_attempt;

struct report_log {
	char *text;
	size_t len;
	int64_t size; /* of the whole file; -1: it is not there */
	bool is_cut;  /* there is more before it */
};

/* the last `lines` lines, at most `max` bytes; false if there is no log, or nothing in it. The log's path is relative
 * to the current directory, the project's */
bool report_log_read(struct report_log *log, const struct report_attempt *attempt, unsigned lines, size_t max);
/* without colours; `how`: enum markup */
void report_log_add_plain(struct strbuf *out, const struct report_log *log, unsigned how);
void report_log_release(struct report_log *log);

#endif
