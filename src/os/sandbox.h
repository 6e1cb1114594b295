/*
 * A command that may write only some places: by bubblewrap (bwrap(1)), a program that is put before it, or, where that
 * is not installed, by Landlock (os/landlock.h), which the child enters itself. Here is what the first needs: which
 * words, and what it said of a sandbox that it could not make.
 */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include <stdbool.h>

#include "orch/error.h"
#include "util/strvec.h"

/* what there is to confine with */
struct sandbox_means {
	char *bwrap;  /* the program; NULL: not in our PATH */
	int landlock; /* landlock_version() */
};

void sandbox_look(struct sandbox_means *out);
void sandbox_means_release(struct sandbox_means *means);
/* NULL: it can be tried. Else why nothing here can do it, for people, with what to do about it */
const char *sandbox_refusal(const struct sandbox_means *means, bool offline);

/* all paths are absolute */
struct sandbox_spec {
	const char *bwrap;
	const char *dir;         /* where it works */
	const char *status;      /* a file that is written, for sandbox_was_made() */
	bool offline;            /* it has no network */
	struct strvec visible;   /* what it sees although it lies where private directories are put, such as /tmp */
	struct strvec writable;  /* what it may write */
	struct strvec read_only; /* of that: what it may not; but for what of `writable` is inside */
};

/* What nobody else uses: private, empty, writable. NULL at the end */
extern const char *const sandbox_private[];
/* adds the words that come before the command's own */
void sandbox_words(struct strvec *out, const struct sandbox_spec *spec);
/* after its end: did the command run at all? False where bubblewrap ended before that */
bool sandbox_was_made(const char *status);
/* what it said then: the last line of the log open as `log` that is bubblewrap's; the caller frees */
char *sandbox_complaint(int log);

#endif
