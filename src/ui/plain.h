/*
 * A run as lines, one per change, each "orch: TAG NAME..." with a fixed tag, for pipes, CI and `grep`:
 *
 *   orch: run    ID: 7 of 12 streams, 4 at once         orch: retry  c attempt 1: exit status 3 after 1.2s; again in 5s
 *   orch: start  a (1/7): REASON                        orch: skip   d (5/7): REASON
 *   orch: done   a (1/7) in 1.2s                        orch: cancel e (6/7): REASON
 *   orch: same   b (2/7): REASON                        orch: hold   f: REASON
 *   orch: FAILED c (3/7): exit status 3 after 1.2s      orch: warn   [NAME: ]MESSAGE
 *       | the last lines of its log                     orch: stop   MESSAGE: nothing new starts
 *       orch logs c
 *
 * No control codes unless colour was forced.
 */
#ifndef UI_PLAIN_H
#define UI_PLAIN_H

#include <stdbool.h>

#include "orch/event.h"
#include "orch/status.h"
#include "util/map.h"

struct ci;
struct strbuf;
struct term;

struct plain {
	const struct term *term;
	const struct ci *ci;
	unsigned log_lines; /* of a failed stream's log; 0: none, e.g. because it is printed anyway */
	int verbosity;      /* below 0: failures and warnings only; above 0: phases and readiness too */
	/* private; zero at first */
	size_t started;
	size_t note_count;
	struct plain_note *notes; /* by position in status->streams */
	struct map reasons;       /* each text once */
};

void plain_release(struct plain *plain);
/* adds the lines for the event, which `status` has folded in already; adds nothing for most */
void plain_event(
	struct plain *plain, struct strbuf *out, const struct orch_event *event, const struct orch_status *status);
/* streams that came to an end, and all that take part in the run */
size_t plain_ended(const struct orch_status *status);
size_t plain_total(const struct orch_status *status);
/* it has been tried and failed, and will be tried again: `event` is its first change of state since */
bool plain_is_retry(const struct orch_event *event, const struct orch_stream_status *stream);
/* it completed without having been run, since nothing had changed (or it is a group, which has nothing to run: *group)
 */
bool plain_is_unchanged(const struct orch_stream_status *stream, bool *group);
/* adds "; again in 5s", or the reason if that says more than the outcome does */
void plain_retry_text(const struct term *term, struct strbuf *out, const struct orch_event *event,
	const struct orch_stream_status *stream);
/* the last `lines` lines of its log, indented, and the command that shows the rest; nothing if it has no log */
void plain_tail(const struct term *term, const struct ci *ci, struct strbuf *out,
	const struct orch_stream_status *stream, unsigned lines);

#endif
