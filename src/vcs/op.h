/*
 * An operation of several git commands, step by step: each step starts one command and names the step
 * that gets its result. Private to vcs/.
 *
 * A struct op is the first member of what an operation keeps. op_begin(), then from each step exactly
 * one of op_git(), op_later(), op_lock(), op_work(), op_end()/op_fail*(). `finish` gives the caller the end and the
 * result and frees what the operation kept; the op frees nothing of it.
 *
 * A lock is a file, locked as long as the operation lasts by an open file description that is also the
 * standard input of its commands: should orch be killed, it is held until the last of them has ended,
 * and what the next one finds written in it tells that the operation did not come to its end.
 */
#ifndef VCS_OP_H
#define VCS_OP_H

#include "util/strbuf.h"
#include "vcs/git.h"

struct op;
struct strvec;

typedef void op_step(struct op *op, const struct git_result *result);

struct op_lock {
	int fd; /* -1: not held */
	char *path;
};

struct op {
	struct git *git;
	void (*finish)(struct op *op);
	const char *dir; /* where commands run, unless they say otherwise */
	bool in_worktree; /* that is a worktree, which may have lost its .git: the checkout around it is not meant */
	op_step *next;
	struct vcs_end end;
	struct strbuf said;
	struct op_lock lock;
	bool borrowed;         /* the lock is another operation's, which waits for this one */
	bool interrupted;      /* the one before, under the same lock, was killed */
	struct strbuf unended; /* what it had noted */
	int64_t lock_until;
	struct {
		const struct repo *repo;
		const char *git_dir, *stream;
		char *branch_ref;
		unsigned tries;
		op_step *next;
	} stale;
	bool mended;         /* worktree_list_mended() was tried */
	unsigned list_tries; /* how often a list failed at a worktree that is just being made */
	bool keep_note; /* the lock's file stays as a note that work is not done */
	void (*work)(struct op *op);
};

void op_begin(struct op *op, struct git *git, const char *dir, void (*finish)(struct op *op), op_step *first);
/* arguments are given one by one, NULL at the end */
__attribute__((sentinel)) void op_git(struct op *op, op_step *next, ...);
/* `input` (may be NULL) is its standard input; `env` as in struct git_command; dir NULL: op->dir. The vector is
 * released */
void op_gitv(struct op *op, op_step *next, const char *dir, struct strvec *argv, const char *const *env,
	const struct strbuf *input);
/* off the loop's thread; the step then gets no result */
void op_work(struct op *op, op_step *next, void (*work)(struct op *op));
void op_later(struct op *op, op_step *next);
void op_pause(struct op *op, int64_t ms, op_step *next);
/* Removes lock files that were left behind (stale.h), waiting for those that may not have been; then `next`. git_dir
 * (may be NULL) has to live until then; branch may be NULL */
struct repo;
void op_clear_locks(struct op *op, const struct repo *repo, const char *git_dir, const char *branch, const char *stream,
	op_step *next);
/* takes the lock `path` (its directory is made); waits up to a minute while another holds it. `note` is written into
 * it: what is being done, for whoever finds it not done. The step gets no result */
void op_lock(struct op *op, const char *path, const char *note, op_step *next);

/* what the lock's note says from now on; false: the operation has been ended, since it cannot be written */
bool op_note(struct op *op, const char *note);
/* before the first step: works under the lock of `holder`, which waits for this one to end */
void op_share_lock(struct op *op, const struct op *holder);
/* ends it as another operation, which it waited for, ended: of the same status, with its message */
void op_fail_as(struct op *op, const struct vcs_end *end);

/* ends it well */
void op_end(struct op *op);
__attribute__((format(printf, 3, 4))) void op_fail(struct op *op, enum vcs_status status, const char *format, ...);
/* as git said it: "WHAT: MESSAGE" */
__attribute__((format(printf, 3, 4))) void op_fail_git(
	struct op *op, const struct git_result *result, const char *format, ...);
/* did the command exit with 0? Else the operation has been ended by op_fail_git() */
__attribute__((format(printf, 3, 4))) bool op_succeeded(
	struct op *op, const struct git_result *result, const char *format, ...);

/* the output without its last newline; the caller frees */
char *op_line(const struct git_result *result);
/* is it an object's name: 40 or 64 hexadecimal digits */
bool oid_is_valid(const char *text);
/* copies the first line if it is one; false: it is none */
bool op_oid(const struct git_result *result, char oid[GIT_OID_MAX]);

/* the identity to commit with if git has none configured */
extern const char *const op_fallback_identity[];

/* private to git.c and op.c */
void git_later(struct git *git, int64_t delay_ms, git_call *call, void *data);
bool git_is_stopping(const struct git *git);
void git_hold(struct git *git);
void git_release(struct git *git);
struct loop *git_loop(const struct git *git);

#endif
