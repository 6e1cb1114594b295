/*
 * What the kernel tells of processes: Linux, /proc. Elsewhere, and where /proc is not mounted, every
 * call says "unknown", and callers make do with process groups. Private to os.
 */
#ifndef OS_PROC_H
#define OS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct strbuf;

struct proc_stat {
	pid_t pid, ppid, pgrp, session;
	char state;     /* 'R', 'S', 'Z', ... */
	uint64_t start; /* clock ticks since boot; with the pid it identifies a process */
};

/* a zeroed struct is empty; made for ARRAY_PUSH and ARRAY_RELEASE */
struct pid_list {
	pid_t *items;
	size_t count;
	size_t capacity;
};

/* a zeroed struct is empty */
struct proc_list {
	struct proc_stat *items;
	size_t count;
	size_t capacity;
};

/* false: there is no such process, or no /proc */
bool proc_stat_read(pid_t pid, struct proc_stat *out);
/* adds the process ids of our own children, zombies too, a blank behind each, in the order in which they became ours;
 * -1: unknown */
int proc_own_children_text(struct strbuf *out);
/* adds every descendant of `root` that is still there, zombies left out, parents before children. No pid in it is a
 * stranger's: each was seen as the child of a process that was verified the same way, up to `root`, which the caller
 * keeps from being reaped */
void proc_descendants(pid_t root, struct proc_list *out);
/* the environment it was started with, NUL between the variables; false: not readable */
bool proc_environ(pid_t pid, struct strbuf *out);
/* has it no command line: so it is in the middle of execve(2), where its environment cannot be seen either, or hides it
 */
bool proc_is_nameless(pid_t pid);
/* its name, as ps(1) has it, what is not printable ASCII replaced by '?'; empty if it is gone */
void proc_name(pid_t pid, char *name, size_t size);
/* adds every process there is, zombies left out; -1: unknown */
int proc_all(struct proc_list *out);
/* a descriptor of this very process (pidfd_open(2)), readable once it has ended; close-on-exec. -1: it is gone, or
 * there are no such descriptors */
int proc_open(pid_t pid, uint64_t start);
/* signals this very process, never a later one with the same pid; false: it is gone or out of reach */
bool proc_signal(const struct proc_stat *target, int signo);

#endif
