/* -O: how the output of streams is printed, as it is (a terminal: made fit for it), to one descriptor. */
#ifndef UI_OUTPUT_H
#define UI_OUTPUT_H

#include <stdbool.h>

#include "orch/event.h"
#include "orch/status.h"

struct ci;
struct output;
struct term;

enum output_mode {
	OUTPUT_NONE,
	OUTPUT_STREAM, /* whole, at the end of each attempt, below a line "==> NAME <==" */
	OUTPUT_LINE,   /* as it comes, "NAME | " before each line */
};

/* `term` describes where it goes (term->fd); both are borrowed. Groups are made in mode STREAM if `ci` names a service
 */
struct output *output_new(enum output_mode mode, const struct term *term, struct ci *ci);
/* Mode STREAM, of an agent: what it said in the end, and of its log the lines that are no JSON. Else all of it */
void output_agents_in_short(struct output *output);
/* does this event make it print something? (the caller may want to clear the way) */
bool output_would_print(const struct output *output, const struct orch_event *event);
/*
 * Prints what the event asks for. `status` has it folded in already: the path of a log is looked up there when the
 * event has none. -1: writing or reading failed; a reader that went away (EPIPE) is no failure, nothing is printed from
 * then on.
 */
int output_event(struct output *output, const struct orch_event *event, const struct orch_status *status,
	struct orch_error *err);
/* adds `text` between streams' outputs, after switching commands on: annotations */
int output_text(struct output *output, const char *text, size_t len, struct orch_error *err);
void output_free(struct output *output);

#endif
