#include "config.h"

#include "os/proc.h"

#ifdef __linux__
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/array.h"
#include "util/strbuf.h"

enum { CHUNK = 16384, LAST_READ_MAX = 2048 };

#define SKIP_5 " %*s %*s %*s %*s %*s"

static int open_proc(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* read(2) over EINTR */
static ssize_t read_some(int fd, char *buffer, size_t size)
{
	ssize_t got;

	do
		got = read(fd, buffer, size);
	while (got < 0 && errno == EINTR);
	return got;
}

bool proc_stat_read(pid_t pid, struct proc_stat *out)
{
	char path[64], text[1024];
	const char *fields;
	unsigned long long start;
	int ppid, pgrp, session, fd;
	ssize_t len;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	fd = open_proc(path);
	if (fd < 0)
		return false;
	len = read_some(fd, text, sizeof text - 1);
	close(fd);
	if (len <= 0)
		return false;
	text[len] = '\0';
	/* field 2, the name, is in parentheses and may have some itself */
	fields = strrchr(text, ')');
	/* state ppid pgrp session, then field 7 up to 21, then the start */
	if (!fields ||
		sscanf(fields + 1, " %c %d %d %d" SKIP_5 SKIP_5 SKIP_5 " %llu", &out->state, &ppid, &pgrp, &session,
			&start) != 5)
		return false;
	out->pid = pid;
	out->ppid = ppid;
	out->pgrp = pgrp;
	out->session = session;
	out->start = start;
	return true;
}

/* adds what is in a .../children file, read from its start; -1: it cannot be read */
static int read_text(int fd, struct strbuf *out)
{
	ssize_t len;

	if (lseek(fd, 0, SEEK_SET) != 0)
		return -1;
	do {
		len = read_some(fd, strbuf_reserve(out, CHUNK), CHUNK);
		if (len < 0)
			return -1;
		strbuf_grown(out, (size_t)len);
		/* seq_file(9) gives less than most of a page only where there is no more */
	} while (len >= LAST_READ_MAX);
	return 0;
}

static int read_children_text(const char *path, struct strbuf *out)
{
	int fd = open_proc(path), result;

	if (fd < 0)
		return -1;
	result = read_text(fd, out);
	close(fd);
	return result;
}

int proc_own_children_text(struct strbuf *out)
{
	/* kept open, since it is asked for at every end of a child; a process has one, and a fork another */
	static int own_fd = -1;
	static pid_t owner;
	/* children belong to the thread that started them; orphans come to the main thread as long as it lives */
	pid_t main_thread = getpid(), this_thread = (pid_t)syscall(SYS_gettid);
	char path[64];

	if (owner != main_thread) {
		if (own_fd >= 0)
			close(own_fd);
		snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)main_thread);
		own_fd = open_proc(path);
		owner = main_thread;
	}
	if (own_fd < 0 || read_text(own_fd, out) != 0)
		return -1;
	if (this_thread == main_thread)
		return 0;
	snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)this_thread);
	return read_children_text(path, out);
}

static void read_children(const char *path, struct pid_list *out)
{
	struct strbuf text = {0};
	char *end;

	/* the thread may have ended meanwhile */
	if (read_children_text(path, &text) == 0) {
		for (const char *at = text.data; *at; at = end + strspn(end, " "))
			*ARRAY_PUSH(out) = (pid_t)strtol(at, &end, 10);
	}
	strbuf_release(&text);
}

/* adds the children of all threads of a process */
static void children_of(pid_t pid, struct pid_list *out)
{
	char path[96];
	DIR *tasks;
	struct dirent *entry;

	snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
	tasks = opendir(path);
	if (!tasks)
		return;
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%ld/task/%.20s/children", (long)pid, entry->d_name);
		read_children(path, out);
	}
	closedir(tasks);
}

void proc_descendants(pid_t root, struct proc_list *out)
{
	struct pid_list pids = {0};
	struct proc_stat parent, check;
	size_t next = out->count;

	if (!proc_stat_read(root, &parent))
		return;
	for (;;) {
		size_t first = out->count;

		pids.count = 0;
		children_of(parent.pid, &pids);
		for (size_t i = 0; i < pids.count; i++) {
			struct proc_stat child;

			if (proc_stat_read(pids.items[i], &child) && child.ppid == parent.pid && child.state != 'Z')
				*ARRAY_PUSH(out) = child;
		}
		/* if the parent is gone, its pid may have been somebody else's when its children were listed */
		if (parent.pid != root && (!proc_stat_read(parent.pid, &check) || check.start != parent.start))
			out->count = first;
		if (next == out->count)
			break;
		parent = out->items[next++];
	}
	ARRAY_RELEASE(&pids);
}

bool proc_environ(pid_t pid, struct strbuf *out)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
	fd = open_proc(path);
	if (fd < 0)
		return false;
	while ((len = read_some(fd, strbuf_reserve(out, CHUNK), CHUNK)) > 0)
		strbuf_grown(out, (size_t)len);
	close(fd);
	return len == 0;
}

bool proc_is_nameless(pid_t pid)
{
	char path[64], byte;
	ssize_t len;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)pid);
	fd = open_proc(path);
	if (fd < 0)
		return false;
	len = read_some(fd, &byte, 1);
	close(fd);
	return len == 0;
}

void proc_name(pid_t pid, char *name, size_t size)
{
	char path[64];
	ssize_t len;
	int fd;

	name[0] = '\0';
	snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
	fd = open_proc(path);
	if (fd < 0)
		return;
	len = read_some(fd, name, size - 1);
	close(fd);
	if (len > 0 && name[len - 1] == '\n')
		len--;
	name[len > 0 ? len : 0] = '\0';
	for (char *at = name; *at; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

bool proc_signal(const struct proc_stat *target, int signo)
{
	struct proc_stat now;
	bool done = false;
#ifdef SYS_pidfd_open
	int fd = (int)syscall(SYS_pidfd_open, target->pid, 0);

	if (fd < 0 && errno != ENOSYS)
		return false;
	/* looked at after opening: if it is still the one that was found, the descriptor is its */
	if (proc_stat_read(target->pid, &now) && now.start == target->start) {
		if (fd >= 0)
			done = syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) == 0;
		else
			done = kill(target->pid, signo) == 0;
	}
	if (fd >= 0)
		close(fd);
#else
	if (proc_stat_read(target->pid, &now) && now.start == target->start)
		done = kill(target->pid, signo) == 0;
#endif
	return done;
}

int proc_all(struct proc_list *out)
{
	DIR *all = opendir("/proc");
	struct dirent *entry;
	struct proc_stat stat;

	if (!all)
		return -1;
	while ((entry = readdir(all))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			proc_stat_read((pid_t)strtol(entry->d_name, NULL, 10), &stat) && stat.state != 'Z')
			*ARRAY_PUSH(out) = stat;
	}
	closedir(all);
	return 0;
}

int proc_open(pid_t pid, uint64_t start)
{
	int fd = -1;
#ifdef SYS_pidfd_open
	struct proc_stat now;

	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* looked at after opening: if it is still the one that is meant, the descriptor is its */
	if (fd >= 0 && (!proc_stat_read(pid, &now) || now.start != start || now.state == 'Z')) {
		close(fd);
		fd = -1;
	}
#else
	(void)pid, (void)start;
#endif
	return fd;
}

#else /* not Linux */

int proc_all(struct proc_list *out)
{
	(void)out;
	return -1;
}

int proc_open(pid_t pid, uint64_t start)
{
	(void)pid, (void)start;
	return -1;
}

bool proc_stat_read(pid_t pid, struct proc_stat *out)
{
	(void)pid, (void)out;
	return false;
}

int proc_own_children_text(struct strbuf *out)
{
	(void)out;
	return -1;
}

void proc_descendants(pid_t root, struct proc_list *out)
{
	(void)root, (void)out;
}

bool proc_environ(pid_t pid, struct strbuf *out)
{
	(void)pid, (void)out;
	return false;
}

bool proc_is_nameless(pid_t pid)
{
	(void)pid;
	return false;
}

void proc_name(pid_t pid, char *name, size_t size)
{
	(void)pid, (void)size;
	name[0] = '\0';
}

bool proc_signal(const struct proc_stat *target, int signo)
{
	(void)target, (void)signo;
	return false;
}

#endif
