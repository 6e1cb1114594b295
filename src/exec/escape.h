/*
 * The user's checkout during a run (`project: escape`): what is uncommitted in it at the start, and who may have
 * written there since. Streams in worktrees have no business in it, so it is compared with before at the end of each
 * of their attempts. Nobody can say for sure who has written a file: streams without a worktree, hooks and the user do
 * so too. Where one of the first two has run since the last look nothing is said; and what is said names all that can
 * have done it.
 */
#ifndef EXEC_ESCAPE_H
#define EXEC_ESCAPE_H

#include <stdbool.h>

struct escape; /* of a run */
struct project;
struct repo;
struct suspect; /* an attempt that could write into the checkout, and should not */

struct escape_calls {
	void (*warning)(void *data, const char *stream, const char *message);
	bool (*others)(void *data); /* do hooks run? */
	void *data;
};

/* nothing is borrowed */
struct escape *escape_new(const struct project *project, const struct escape_calls *calls);
/* after the repository's commands have come to their end. NULL is fine */
void escape_free(struct escape *escape);
/* the first look: says what is uncommitted, and then calls `done` in any case. `base`: what the streams start from */
void escape_begin(
	struct escape *escape, struct repo *repo, const char *base, void (*done)(void *data), void *data);
/* one more (+1), or one fewer (-1), whose business it is to write there; or a hook has begun (0) */
void escape_note_others(struct escape *escape, int change);

/* If none of those is left: what is written from now on is not theirs, so it is good to know what there is */
void escape_look_if_quiet(struct escape *escape);

/* from now on; `fails`: it is to fail for it. `stream` is borrowed */
struct suspect *suspect_new(struct escape *escape, const char *stream, bool fails);
/* NULL is fine */
void suspect_free(struct suspect *suspect);
/* Its commands have ended: compares, warns, and calls `done` later. `finding`: NULL, or why it has failed, with
 * `escape = fail` */
void escape_look(struct suspect *suspect, void (*done)(void *data, const char *finding), void *data);

#endif
