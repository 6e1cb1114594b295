/*
 * Many patterns over one text that grows: the log of an attempt. Each pattern reports its matches in order, none of
 * which overlap, the same ones in whatever pieces the text comes; a match may span lines and pieces.
 *
 * Bounds, against a log that is made to be slow:
 *   - of the text no more is kept than what a match that has begun may need, at most WATCH_KEEP_MAX bytes, and a match
 * that is longer is not found;
 *   - what was looked at is looked at again only when twice as much has come, or its first end of line: the work grows
 * with the text, not with its square;
 *   - one start of a match may take a million steps; a pattern that takes far longer for the text than patterns do is
 * given up (textwatch_gave_up()), and finds nothing from then on.
 *
 * Patterns of the agent's own channel see only lines that `own` matches (in their first 64 KiB): what the agent's
 * machinery says, not the prose, source texts and tool output that stand between.
 */
#ifndef UTIL_TEXTWATCH_H
#define UTIL_TEXTWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct regex;
struct regex_search;
struct textwatch;

enum { WATCH_KEEP_MAX = 4 * 1024 * 1024 };

struct textwatch_pattern {
	struct regex *regex; /* borrowed; may serve several watches */
	bool own;            /* only the agent's own channel */
	bool once;           /* only its first match is wanted */
};

/* a match of pattern `pattern`; its text is match->text + match->start to match->end, its groups come from
 * regex_found(). All of it is valid during the call */
typedef void textwatch_found(void *data, unsigned pattern, const struct regex *regex, const struct regex_search *match);

/* `own` is borrowed too; NULL: every line is of the own channel */
struct textwatch *textwatch_new(const struct textwatch_pattern *patterns, unsigned count, struct regex *own,
	textwatch_found *found, void *data);
/* the next piece of the text */
void textwatch_feed(struct textwatch *watch, const char *bytes, size_t len);
/* the text has ended: matches that only its end completes are reported now. Nothing may be fed after it */
void textwatch_finish(struct textwatch *watch);
/* the pattern took too long and finds nothing any more, or left out a part of the text that it took too long for */
bool textwatch_gave_up(const struct textwatch *watch, unsigned pattern);
/* bytes at which patterns were tried so far, each counted as often as it was looked at, by each pattern */
uint64_t textwatch_work(const struct textwatch *watch);
void textwatch_free(struct textwatch *watch);

#endif
