/*
 * Child processes: started by vfork (no fork: its cost grows with our memory), each in a
 * session of its own, reaped here and nowhere else. This process makes itself the subreaper of its
 * descendants (Linux: prctl(2) PR_SET_CHILD_SUBREAPER; elsewhere what left its group is out of
 * reach), so that whatever a child leaves behind becomes ours and is ended.
 *
 * A child's leader is seen to have ended with waitid(WNOWAIT) and reaped only after its group has been
 * dealt with: as long as the zombie is there neither its pid nor its group's number can be given to
 * somebody else, so no signal ever hits a stranger.
 */
#ifndef OS_CHILD_H
#define OS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "orch/error.h"

struct cgroup;
struct loop;
struct children; /* all children of this process: one per process */
struct child;

/* how a child ended, with everything it had started */
struct child_exit {
	bool signalled;
	int code; /* exit status, or the signal's number */
	bool dumped_core;
	int64_t duration_ms;
	int64_t user_us, system_us; /* processor time of the leader and of what it waited for */
	int64_t max_rss_kb;         /* of the largest of these processes */
	int64_t memory_peak;  /* bytes that all of it had at once; 0: unknown. This, the next: of a tree in a group */
	unsigned oom_kills;   /* of its processes that were killed since no memory was left for them */
	unsigned left_behind; /* descendants that did not end with the leader (within 50 ms), and were ended */
	unsigned unkillable;  /* of them: still there after SIGKILL and a wait of 5 s */
	/* why it was ended by SIGHUP: an errno, see terminal_calls.lost and os/filter.h; 0: it was not */
	int lost;
	/* the unkillable ones, or else those left behind: "PID (NAME), PID (NAME)", in printable ASCII; "..." at its
	 * end says that there were more. Empty where that is not known */
	char names[160];
};

/* two descriptors by which a program shares slots (os/tokens.h): above what shells can name with one digit, and what
 * they use themselves, and below the lowest usual limit */
enum { CHILD_TOKENS = 98 };

struct child_spec {
	char *const *argv; /* argv[0] is looked up in PATH of `env` if it has no '/' */
	const char *file;  /* the program, if it is not argv[0]: a path; NULL: it is */
	char *const *env;  /* NULL: ours */
	const char *dir;   /* NULL: ours */
	int in, out, err;  /* descriptors to become 0, 1, 2; in < 0: /dev/null; out, err < 0: ours */
	const int *tokens; /* two descriptors above CHILD_TOKENS + 1, to become CHILD_TOKENS and the next; NULL: none */
	const char *mark;  /* "NAME=value" that is in env and in no other child's: how descendants that left the session
			    * are  recognised (/proc/PID/environ); NULL: not recognised */
	bool keep;         /* children_free() lets it be */
	/* it is in that group from its first moment, and SIGKILL goes to all that is in it; borrowed until on_exit.
	 * NULL: none. Linux only */
	const struct cgroup *group;
	int64_t address_space; /* RLIMIT_AS of it and what it starts, in bytes; 0: ours */
	/* it only wraps what it starts (a sandbox), and would take it along if it died of a signal: those go to its
	 * descendants alone, but for SIGKILL. It gets no descriptor but 0, 1, 2, and nor does one with `writable` */
	bool wraps;
	char *const *writable; /* all that it may write, by Landlock, see landlock_rules(); NULL: anything */
	bool terminal;         /* `in` is one that nobody has yet: it becomes its controlling terminal */
	bool reaps;            /* it is a subreaper too: as long as it runs, nothing that it started can become ours */
	/* called once, when the leader is reaped and every descendant that could be found is gone */
	void (*on_exit)(void *data, const struct child_exit *how);
	void *data;
};

int children_new(struct children **out, struct loop *loop, struct orch_error *err);
/* kills whatever is left, except those to be kept, waits for it (5 s at most), frees; on_exit is not called. Not from
 * within on_exit */
void children_free(struct children *all);
/* how many have not had their on_exit */
size_t children_running(const struct children *all);

/* -1: could not be started; err->message says why ("cannot run 'foo': No such file or directory"); *error_number has
 * errno if not NULL */
int child_spawn(struct child **out, struct children *all, const struct child_spec *spec, int *error_number,
	struct orch_error *err);
pid_t child_pid(const struct child *child);
/* sends `signo` to the child's group and to every descendant that left it; a stopped tree gets SIGCONT too. Does
 * nothing once the leader was reaped. SIGKILL is repeated until nothing is left (a fork bomb cannot outrun it) */
void child_signal(struct child *child, int signo);
/* how long the descendants that a leader left behind are given between SIGTERM and SIGKILL; 0: killed at once. Default
 * 2000 ms */
void child_set_linger(struct child *child, int64_t ms);
/* The child is freed by itself after on_exit returned. */

#endif
