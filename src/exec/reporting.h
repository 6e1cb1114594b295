/*
 * What work says of itself while it runs (state/reportfile.h): each running attempt's file is followed, and read to its
 * end when the attempt ends; also of an attempt that an orch before this one started, from where that one had come. One
 * watch on the run's directory serves all. What an agent's profile finds in its output comes the same way.
 */
#ifndef EXEC_REPORTING_H
#define EXEC_REPORTING_H

#include <stdint.h>

#include "orch/error.h"
#include "orch/report.h"

struct attempt;
struct loop;
struct reportfile_line;
struct reporting;
struct reportings;
struct statedir;

struct reportings_options {
	struct loop *loop;
	const struct statedir *dir;
	const char *run; /* id of this run */
	/* a line was said; `end`: offset in the file behind it, -1: it was not in the file. Of progress that is neither
	 * N/M nor a percentage `line->text` is what was said */
	void (*said)(void *data, struct attempt *attempt, const struct reportfile_line *line, int64_t end);
	void (*warn)(void *data, struct attempt *attempt, const char *message);
	void *data;
};

/* of a run; borrows what the options name */
struct reportings *reportings_new(const struct reportings_options *options);
void reportings_free(struct reportings *all);

/* the attempt has begun; its file need not be there. NULL with *err: it was adopted, and how far its file had been read
 * cannot be told */
struct reporting *reporting_new(struct reportings *all, struct attempt *attempt, struct orch_error *err);
/* of one that was adopted: what was said last before; -1 and NULL: nothing */
void reporting_recalled(const struct reporting *reporting, int64_t *done, int64_t *total, const char **note);
/* what its agent said otherwise (PROGRESS, NOTE): told unless it was told last, and not more often than once a second.
 * `reporting` may be NULL */
void reporting_add(struct reporting *reporting, enum orch_report_kind kind, const char *text);
/* its processes are gone: the rest of the file is read and told. NULL is fine */
void reporting_end(struct reporting *reporting);
void reporting_free(struct reporting *reporting);

#endif
