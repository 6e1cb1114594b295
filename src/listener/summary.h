/*
 * The text at the end of a run: what completed, failed (in words, with the end of its log), was skipped and why; times;
 * the next step. How foreign text is made fit for where it goes, and what an outcome is in words, is handed down by the
 * program (ui/term.h, ui/words.h), since folders of one layer do not know each other.
 */
#ifndef LISTENER_SUMMARY_H
#define LISTENER_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/status.h"

struct strbuf;

enum { SUMMARY_LOG_LINES = 10, SUMMARY_SKIPPED = 20, SUMMARY_FAILED = 100, SUMMARY_NAMED = 5, SUMMARY_COMMAND = 80 };
/* of so few streams everything that was printed during the run is still on the screen */
enum { SUMMARY_IN_SIGHT = 10 };

struct summary_options {
	unsigned log_lines;  /* of each failed stream; 0: only the command that shows its log, e.g. because it was
				printed */
	const char *command; /* what was typed, to be typed again: "orch -k check"; NULL: "orch". More than SUMMARY_COMMAND bytes
				are not repeated */
	/* adds `text` as it may be shown; NULL: as it is */
	void (*clean)(struct strbuf *out, const char *text, size_t len, void *data);
	void *clean_data;
	/* adds the last attempt's outcome in words; NULL: its name */
	void (*outcome)(struct strbuf *out, const struct orch_stream_status *stream, bool unicode);
	bool unicode;
	const char *good, *bad, *warn, *bold, *reset; /* control sequences; NULL: none */
};

/* `status` of a run that ended; nothing is left out that failed, up to SUMMARY_FAILED streams */
void summary_write(struct strbuf *out, const struct orch_status *status, const struct summary_options *options);
/* when there was nothing to run: "nothing to do: 7 streams are complete" */
void summary_nothing(struct strbuf *out, size_t complete);

#endif
