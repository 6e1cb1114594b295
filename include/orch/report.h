/*
 * What the work of a stream says of itself while it runs: how far it is, which of its tasks are done, what it is at,
 * which values it hands on. For programs that orch runs; also as `orch report`.
 */
#ifndef ORCH_REPORT_H
#define ORCH_REPORT_H

#include "orch/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum orch_report_kind {
	ORCH_REPORT_PROGRESS, /* "3/7", or "45%" */
	ORCH_REPORT_DONE,     /* "2": the second task of its `tasks:` is done; "2 3": several */
	ORCH_REPORT_NOTE,     /* what it is doing; made one line of at most 1 KiB */
	ORCH_REPORT_OUTPUT,   /* "key=value": as a line in the file that ORCH_OUTPUT names */
};
enum { ORCH_REPORT_KINDS = ORCH_REPORT_OUTPUT + 1 };

/* "progress", "done", "note", "output" */
const char *orch_report_kind_name(enum orch_report_kind kind);

/*
 * From inside an attempt, which is known by the variables ORCH_REPORT and ORCH_OUTPUT of its environment: appends a
 * line to the file that orch follows. Needs no orch that runs, and waits for nothing. Processes of one attempt may call
 * it at the same time. ORCH_ENOTFOUND: this is no attempt; ORCH_EUSAGE: the text is none of that kind; ORCH_EFAILED:
 * the file cannot be written.
 */
int orch_report(enum orch_report_kind kind, const char *text, struct orch_error *err);

#ifdef __cplusplus
}
#endif
#endif
