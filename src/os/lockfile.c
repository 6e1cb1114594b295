#include "config.h"

#include "os/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fs.h"
#include "util/error.h"
#include "util/log.h"

enum {
	TEXT_MAX = 256,
	HEIRS_MAX_MS = 60000,
	HEIRS_QUIET_MS = 1000, /* before it is said that something is waited for */
	HEIRS_TURN_MS = 10,
};

enum answer { FREE, HELD, BROKEN };

#ifdef F_OFD_SETLK
/* locks of the open file description: unlike those of POSIX they are not lost when some other descriptor of the file is
 * closed, and unlike those of flock(2) they can be asked about without taking one */
static struct flock whole_file(void)
{
	struct flock lock;

	memset(&lock, 0, sizeof lock);
	lock.l_type = F_WRLCK;
	lock.l_whence = SEEK_SET;
	return lock;
}

static enum answer lock_fd(int fd)
{
	struct flock lock = whole_file();

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return FREE;
	return errno == EAGAIN || errno == EACCES ? HELD : BROKEN;
}

static enum answer query_fd(int fd)
{
	struct flock lock = whole_file();

	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return BROKEN;
	return lock.l_type == F_UNLCK ? FREE : HELD;
}
#else
static enum answer lock_fd(int fd)
{
	/* a query holds a shared lock for a moment: worth a few more tries */
	for (int i = 0; i < 10; i++) {
		struct timespec pause = {.tv_nsec = 2000000};

		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return FREE;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return BROKEN;
		nanosleep(&pause, NULL);
	}
	return HELD;
}

static enum answer query_fd(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? HELD : BROKEN;
	flock(fd, LOCK_UN);
	return FREE;
}
#endif

struct writer {
	int pid;
	unsigned long long start;
	char boot[TEXT_MAX], since[TEXT_MAX];
};

static bool read_text(int fd, struct writer *writer)
{
	char text[TEXT_MAX];
	ssize_t len = pread(fd, text, sizeof text - 1, 0);

	if (len <= 0)
		return false;
	text[len] = '\0';
	writer->since[0] = '\0';
	return sscanf(text, "%d %llu %255s held since %255[^\n]", &writer->pid, &writer->start, writer->boot,
		       writer->since) >= 3 &&
		writer->pid > 0;
}

/* what could not be read when it was written, or cannot be now, tells nothing */
static bool is_of_another_boot(const struct writer *writer)
{
	const char *now = clock_boot_id();

	return strcmp(writer->boot, CLOCK_BOOT_UNKNOWN) != 0 && strcmp(now, CLOCK_BOOT_UNKNOWN) != 0 &&
		strcmp(writer->boot, now) != 0;
}

static bool has_ended(const struct writer *writer)
{
	unsigned long long now;

	if (kill((pid_t)writer->pid, 0) != 0 && errno == ESRCH)
		return true;
	now = clock_process_start(writer->pid);
	return writer->start != 0 && now != 0 && now != writer->start;
}

/* who wrote the text, if that process still is: else 0. `since` (may be NULL) gets the time it wrote */
static int holder(int fd, char since[TEXT_MAX])
{
	struct writer writer;

	if (since)
		since[0] = '\0';
	/* the holder of now may not have written yet, and what is there is of one long gone */
	if (!read_text(fd, &writer) || is_of_another_boot(&writer) || has_ended(&writer))
		return 0;
	if (since)
		memcpy(since, writer.since, TEXT_MAX);
	return writer.pid;
}

static int write_text(int fd)
{
	char text[TEXT_MAX], when[64] = "";
	time_t now = time(NULL);
	struct tm utc;
	int len;

	if (gmtime_r(&now, &utc))
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &utc);
	len = snprintf(text, sizeof text, "%ld %llu %.64s\nheld since %s\n", (long)getpid(),
		(unsigned long long)clock_process_start(getpid()), clock_boot_id(), when);
	if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		return -1;
	return fs_write_all(fd, text, (size_t)len);
}

/* The lock is held, but who wrote its name there is gone: then a process that was to keep it open until it is done
 * does (os/supervised.h), or the new holder is about to write. So it is waited for */
static enum answer wait_for_heirs(int fd, const char *path)
{
	enum answer answer = HELD;

	for (int waited = 0; waited < HEIRS_MAX_MS && answer == HELD && holder(fd, NULL) == 0;
		waited += HEIRS_TURN_MS) {
		struct timespec pause = {.tv_nsec = HEIRS_TURN_MS * 1000000};

		if (waited == HEIRS_QUIET_MS)
			log_warn("waiting: what a run that was killed had started is being ended ('%s' is held)",
				path);
		nanosleep(&pause, NULL);
		answer = lock_fd(fd);
	}
	return answer;
}

int lockfile_take(struct lockfile *lock, const char *path, struct orch_error *err)
{
	char since[TEXT_MAX];
	enum answer answer;
	int fd, pid, result;

	lock->fd = -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, "cannot open the lock '%s'", path);
	answer = lock_fd(fd);
	if (answer == HELD)
		answer = wait_for_heirs(fd, path);
	switch (answer) {
	case FREE:
		break;
	case HELD:
		pid = holder(fd, since);
		close(fd);
		if (pid > 0)
			return error_code(err, ORCH_EBUSY, "'%s' is held by process %d, since %s", path, pid, since);
		return error_code(err, ORCH_EBUSY, "'%s' is held by another process", path);
	default:
		result = error_errno(err, "cannot lock '%s'", path);
		close(fd);
		return result;
	}
	if (write_text(fd) != 0) {
		result = error_errno(err, "cannot write the lock '%s'", path);
		close(fd);
		return result;
	}
	lock->fd = fd;
	return 0;
}

void lockfile_drop(struct lockfile *lock)
{
	if (lock->fd < 0)
		return;
	close(lock->fd);
	lock->fd = -1;
}

int lockfile_is_held(const char *path, int *pid)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), number;
	enum answer answer;

	if (pid)
		*pid = 0;
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	answer = query_fd(fd);
	number = errno;
	if (answer == HELD && pid)
		*pid = holder(fd, NULL);
	close(fd);
	errno = number;
	return answer == BROKEN ? -1 : answer == HELD;
}

bool lockfile_is_left(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct writer writer;
	bool is_left;

	if (fd < 0)
		return false;
	is_left = read_text(fd, &writer) && strcmp(writer.boot, clock_boot_id()) == 0 && has_ended(&writer);
	close(fd);
	return is_left;
}

int lockfile_is_held_still(const char *path, int *pid)
{
	int held = lockfile_is_held(path, pid);

	for (int waited = 0; waited < HEIRS_MAX_MS && held == 1 && *pid == 0; waited += HEIRS_TURN_MS) {
		struct timespec pause = {.tv_nsec = HEIRS_TURN_MS * 1000000};

		nanosleep(&pause, NULL);
		held = lockfile_is_held(path, pid);
	}
	return held;
}
