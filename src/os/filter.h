/*
 * A process between what somebody prints and its log: os/redactor.h, as a supervisor starts it. It outlives the
 * supervisor too.
 */
#ifndef OS_FILTER_H
#define OS_FILTER_H

#include "orch/error.h"

struct children;
struct filter;

/* how child_exit.lost says that it was ended by somebody, besides an errno of the log */
#define FILTER_LOST ECHILD

/* it has ended: 0, or why what was printed since is lost: an errno of the log, or FILTER_LOST. Frees the filter */
typedef void filter_ended(void *data, int error_number);

/* `texts`: the program, then entries for its environment; `log` is borrowed. -1 with *error_number */
int filter_start(struct filter **out, struct children *children, char *const *texts, int log, filter_ended *ended,
	void *data, int *error_number, struct orch_error *err);
/* where to print, borrowed, until filter_close(): whoever prints has a copy of its own then */
int filter_input(const struct filter *filter);
void filter_close(struct filter *filter);
/* Whoever was to print is gone: it ends when it has read what there is, even if somebody still could */
void filter_finish(struct filter *filter);
/* nobody wants to know any more: it ends by itself. NULL is fine */
void filter_leave(struct filter *filter);

#endif
