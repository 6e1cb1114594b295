/*
 * Preloaded into the program under test: makes the n-th call of a family fail. Only in the process that was started with
 * it: the variables are taken out of the environment, so what that process starts is left alone.
 *
 * FAULT_REPORT=FILE    where it says how many calls of each family there were, see struct report
 * FAULT_FAMILY=NAME    open (every one), create (those that may make a file), write (to files), sync, rename, spawn, mkdir
 * FAULT_NTH=N          from 1; 0 or not given: none fails
 * FAULT_ERRNO=NUMBER   what it fails with
 * FAULT_LASTING=1      every call after it fails as well, as on a disk that stays full
 * FAULT_SHORT=1        a write writes half of its bytes, and it is the next one that fails
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum family { OPEN, CREATE, WRITE, SYNC, RENAME, SPAWN, MKDIR, FAMILIES };

static const char *const names[FAMILIES] = {"open", "create", "write", "sync", "rename", "spawn", "mkdir"};

/* the report is this struct as it lies in memory; tests/fault/inject.py reads it */
struct report {
	_Atomic uint64_t counts[FAMILIES];
	_Atomic uint64_t failed; /* calls that were made to fail */
	int64_t fd;              /* of the first: the descriptor written to or synced, else -1 */
	char path[200];          /* of the first: what it was about, as far as it is known */
};

static struct report none, *report = &none;
static enum family family = FAMILIES;
static uint64_t nth;
static int number;
static bool lasting, halve;
static pid_t owner;
static int (*next_execve)(const char *path, char *const argv[], char *const env[]);

static long number_of(const char *name)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : 0;
}

#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

__attribute__((constructor)) static void begin(void)
{
	const char *chosen = getenv("FAULT_FAMILY"), *path = getenv("FAULT_REPORT");
	void *memory;
	int fd;

	next_execve = NEXT(execve);
	if (!path)
		return;
	fd = NEXT(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof *report) != 0)
		_exit(99);
	memory = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		_exit(99);
	report = memory;
	report->fd = -1;
	nth = (uint64_t)number_of("FAULT_NTH");
	number = (int)number_of("FAULT_ERRNO");
	lasting = number_of("FAULT_LASTING") != 0;
	halve = number_of("FAULT_SHORT") != 0;
	for (int i = 0; chosen && i < FAMILIES; i++) {
		if (strcmp(chosen, names[i]) == 0)
			family = (enum family)i;
	}
	owner = getpid();
	unsetenv("LD_PRELOAD");
	unsetenv("FAULT_REPORT");
	unsetenv("FAULT_FAMILY");
	unsetenv("FAULT_NTH");
	unsetenv("FAULT_ERRNO");
	unsetenv("FAULT_LASTING");
	unsetenv("FAULT_SHORT");
}

/* counts a call of `process`; its number if it is one of the chosen family in the right process, else 0 */
static uint64_t count_of(pid_t process, enum family which)
{
	uint64_t now;

	if (owner == 0 || process != owner)
		return 0;
	now = atomic_fetch_add(&report->counts[which], 1) + 1;
	return which == family && nth > 0 ? now : 0;
}

static uint64_t count(enum family which)
{
	return count_of(getpid(), which);
}

static bool due(uint64_t now, uint64_t when)
{
	return now > 0 && (lasting ? now >= when : now == when);
}

/* true: it fails, and errno is set. `now`: see count_of() */
static bool fails_as(uint64_t now, int fd, const char *path)
{
	if (!due(now, nth))
		return false;
	if (atomic_fetch_add(&report->failed, 1) == 0) {
		report->fd = fd;
		if (path)
			strncpy(report->path, path, sizeof report->path - 1);
	}
	errno = number;
	return true;
}

static bool fails(enum family which, int fd, const char *path)
{
	return fails_as(count(which), fd, path);
}

static bool open_fails(const char *path, int flags)
{
	bool failed = fails(OPEN, -1, path);

	if (flags & O_CREAT)
		failed |= fails(CREATE, -1, path);
	return failed;
}

/* a mode is there only with flags that say so */
static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(args, mode_t) : 0;
}

#define OPEN_FUNCTION(name)                                 \
	int name(const char *path, int flags, ...)          \
	{                                                   \
		va_list args;                               \
		mode_t mode;                                \
                                                            \
		va_start(args, flags);                      \
		mode = mode_of(flags, args);                \
		va_end(args);                               \
		if (open_fails(path, flags))                \
			return -1;                          \
		return NEXT(name)(path, flags, mode);       \
	}
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)

#define OPENAT_FUNCTION(name)                                    \
	int name(int at, const char *path, int flags, ...)       \
	{                                                        \
		va_list args;                                    \
		mode_t mode;                                     \
                                                                 \
		va_start(args, flags);                           \
		mode = mode_of(flags, args);                     \
		va_end(args);                                    \
		if (open_fails(path, flags))                     \
			return -1;                               \
		return NEXT(name)(at, path, flags, mode);        \
	}
OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

FILE *fopen(const char *path, const char *mode)
{
	return open_fails(path, mode[0] == 'r' ? 0 : O_CREAT) ? NULL : NEXT(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	return open_fails(path, mode[0] == 'r' ? 0 : O_CREAT) ? NULL : NEXT(fopen64)(path, mode);
}

DIR *opendir(const char *path)
{
	return open_fails(path, 0) ? NULL : NEXT(opendir)(path);
}

int creat(const char *path, mode_t mode)
{
	return open_fails(path, O_CREAT) ? -1 : NEXT(creat)(path, mode);
}

/* pipes and sockets between threads and processes never are, and whoever writes to one of its own relies on that */
static bool can_be_full(int fd)
{
	struct stat st;

	return fd == STDOUT_FILENO || fd == STDERR_FILENO || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
}

/* what the kernel calls the file, for the report */
static bool write_fails(int fd, bool *half)
{
	char link[64] = "/proc/self/fd/", digits[24], path[200];
	size_t at = sizeof digits;
	uint64_t now, when = nth;
	int rest = fd;
	ssize_t len;

	*half = false;
	/* a disk that stays full is not where the messages go */
	if (!can_be_full(fd) || (lasting && fd == STDERR_FILENO))
		return false;
	now = count(WRITE);
	if (halve && now == nth) {
		*half = true;
		return false;
	}
	if (halve)
		when = nth + 1;
	if (!due(now, when))
		return false;
	digits[--at] = '\0';
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	memcpy(link + strlen(link), digits + at, sizeof digits - at);
	len = readlink(link, path, sizeof path - 1);
	if (atomic_fetch_add(&report->failed, 1) == 0) {
		report->fd = fd;
		memcpy(report->path, path, len > 0 ? (size_t)len : 0);
	}
	errno = number;
	return true;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	bool half;

	if (write_fails(fd, &half))
		return -1;
	return NEXT(write)(fd, bytes, half && size > 1 ? size / 2 : size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	bool half;

	if (write_fails(fd, &half))
		return -1;
	return NEXT(pwrite)(fd, bytes, half && size > 1 ? size / 2 : size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int parts_count)
{
	bool half;

	return write_fails(fd, &half) ? -1 : NEXT(writev)(fd, parts, half && parts_count > 1 ? 1 : parts_count);
}

int fsync(int fd)
{
	return fails(SYNC, fd, "fsync") ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
	return fails(SYNC, fd, "fdatasync") ? -1 : NEXT(fdatasync)(fd);
}

int syncfs(int fd)
{
	return fails(SYNC, fd, "syncfs") ? -1 : NEXT(syncfs)(fd);
}

int rename(const char *from, const char *to)
{
	return fails(RENAME, -1, to) ? -1 : NEXT(rename)(from, to);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
	return fails(RENAME, -1, to) ? -1 : NEXT(renameat)(from_at, from, to_at, to);
}

int mkdir(const char *path, mode_t mode)
{
	return fails(MKDIR, -1, path) ? -1 : NEXT(mkdir)(path, mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
	return fails(MKDIR, -1, path) ? -1 : NEXT(mkdirat)(at, path, mode);
}

pid_t fork(void)
{
	return fails(SPAWN, -1, "fork") ? -1 : NEXT(fork)();
}

/* vfork(2) cannot be stood in for: what it has made has its parent's memory until it gets here */
int execve(const char *path, char *const argv[], char *const env[])
{
	return fails_as(count_of(getppid(), SPAWN), -1, path) ? -1 : next_execve(path, argv, env);
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *how,
	char *const argv[], char *const env[])
{
	return fails(SPAWN, -1, path) ? number : NEXT(posix_spawn)(pid, path, actions, how, argv, env);
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *how,
	char *const argv[], char *const env[])
{
	return fails(SPAWN, -1, file) ? number : NEXT(posix_spawnp)(pid, file, actions, how, argv, env);
}
