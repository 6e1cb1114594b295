/*
 * What a checkout looks like, beside its branch's commit: to tell whether it is clean, and whether it
 * is as it was before. Ignored files are not looked at. Nothing is written, the index is not refreshed.
 */
#ifndef VCS_STATUS_H
#define VCS_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vcs/git.h"

struct repo;
struct strvec;

enum status_kind {
	STATUS_CHANGED,  /* tracked, and other than in the commit: in the index, the checkout or both */
	STATUS_UNMERGED, /* a conflict that is not resolved */
	STATUS_UNTRACKED,
	STATUS_NESTED, /* an untracked directory that is a repository of its own; its path ends with '/' */
};

struct status_entry {
	char *path; /* below the top, as it is: with newlines, quotes and all */
	enum status_kind kind;
	char xy[3]; /* as git-status(1) says it: index, checkout; "??" if untracked */
	bool submodule;
	uint64_t digest; /* of what git says of it and of the file's size, times, inode and mode */
};

struct checkout_status {
	char oid[GIT_OID_MAX];      /* HEAD's commit; "" if unborn */
	char *branch;               /* NULL: detached */
	struct status_entry *items; /* by path, as bytes */
	size_t count, capacity;
	size_t changed, unmerged, untracked, nested;
};

/* `status` is the caller's (checkout_status_free()), NULL unless VCS_OK */
typedef void status_done(void *data, const struct vcs_end *end, struct checkout_status *status);
/* of the checkout at `dir`. `exclude` (may be NULL): paths below its top that do not count, with all below them */
void checkout_status_read(
	struct repo *repo, const char *dir, const struct strvec *exclude, status_done *done, void *data);
/* adds the paths whose state differs between two readings of one checkout; returns how many. A file that was written
 * again with the same content counts */
size_t checkout_status_differences(
	const struct checkout_status *before, const struct checkout_status *after, struct strvec *paths);
/* is the same commit checked out, on the same branch */
bool checkout_status_same_head(const struct checkout_status *before, const struct checkout_status *after);
void checkout_status_free(struct checkout_status *status);
/* "3 files changed, 1 untracked", with the first names; the caller frees */
char *checkout_status_text(const struct checkout_status *status);

/* private to vcs/: the command, and reading what it prints about the checkout at `top` */
void status_command(struct strvec *argv, const struct strvec *exclude);
struct checkout_status *status_parse(const struct git_result *result, const char *top);

#endif
