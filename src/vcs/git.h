/*
 * Git commands, run one after the other or side by side on the loop: at most so many at once, each
 * with its output and messages kept, in locale C, never asking anything. Everything in vcs/ goes
 * through here, and ends by calling back, from the loop, never before the call that began it returned.
 *
 * A command gets git's own environment variables (GIT_DIR and the like, as a hook has them) taken
 * away: it works where it is told to.
 */
#ifndef VCS_GIT_H
#define VCS_GIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct children;
struct git;
struct git_job;
struct loop;
struct strvec;

enum { GIT_VERSION_MAJOR = 2, GIT_VERSION_MINOR = 38, GIT_OID_MAX = 65 };

/* how an operation of vcs/ ended */
enum vcs_status {
	VCS_OK,
	VCS_CONFLICT, /* contents do not merge, or are not resolved; nothing but what the call says was changed */
	VCS_REFUSED,  /* it would not be safe: nothing was changed; the message says why and what to do */
	VCS_REJECTED, /* a hook said no; `said` is what it said */
	VCS_ABSENT,   /* no repository, no such branch */
	VCS_FAILED,
	VCS_STOPPED, /* git_stop() */
};

struct vcs_end {
	enum vcs_status status;
	struct orch_error err; /* one line, unless VCS_OK */
	const char *said;      /* all that git and its hooks said, many lines; "" if nothing; valid during the call */
};

/* how a command ended */
struct git_result {
	const char *problem; /* NULL: it ran to its end by itself; else why not (not found, stopped, too much output) */
	bool stopped;
	bool timed_out;
	int code; /* its exit status; -1 with a problem */
	const char *out;
	size_t out_len; /* out has a NUL behind it */
	const char *said;
};

struct git_command {
	const char *dir;         /* where, by -C; NULL: our directory */
	bool not_above;          /* if `dir` is no checkout, none above it is taken in its place */
	const char *const *argv; /* without "git"; NULL at the end */
	const char *const *env;  /* "NAME=value" to add, NULL at the end; or NULL */
	int in;                  /* its standard input; < 0: /dev/null. Stays the caller's */
	size_t out_max;          /* bytes of output; more is a problem. 0: 256 MiB */
	int64_t timeout_ms;      /* 0: none. A hook or a merge takes as long as it takes */
};

/* the result is valid during the call */
typedef void git_done(void *data, const struct git_result *result);
typedef void git_call(void *data);

/* `workers`: how many commands at once; 0: twice the processors, at least 4. Borrows loop and children */
struct git *git_new(struct loop *loop, struct children *children, unsigned workers);
/* from now on, no command runs a hook of the repository */
void git_leave_out_hooks(struct git *git);
/* after git_under_way() came to 0, or after children_free(): what is left is then dropped without calls. NULL is fine
 */
void git_free(struct git *git);
/* commands and operations that have not called back */
unsigned git_under_way(const struct git *git);
/* `idle` is called whenever the last of them has; NULL: nothing */
void git_on_idle(struct git *git, git_call *idle, void *data);
/* everything under way ends soon, as VCS_STOPPED: commands get SIGTERM (upon which git removes its lock files), after
 * 2 s SIGKILL. What is begun later ends so at once, until git_resume(): to save work after a stop, call it when idle */
void git_stop(struct git *git);
void git_resume(struct git *git);
/* runs the loop until nothing is under way: for a command line that has a loop of its own. The loop must have nothing
 * else that stops it */
void git_wait(struct git *git, struct loop *loop);

/* copies what it needs of `command` but `in` */
void git_start(struct git *git, const struct git_command *command, git_done *done, void *data);

struct git_version {
	int major, minor, patch;
	char text[64]; /* as git says it: "2.39.5" */
};

/* `version` is zeroed if there is no git. VCS_FAILED with what is needed if it is too old or not there */
typedef void git_version_done(void *data, const struct vcs_end *end, const struct git_version *version);
void git_check_version(struct git *git, git_version_done *done, void *data);

#endif
