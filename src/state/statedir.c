#include "config.h"

#include "state/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/units.h"

enum {
	RUN_TIME_LENGTH = 15, /* "20261121-053701" */
	RUN_TRIES = 10000,
	LINK_SHOWN_MAX = 512,
};

static int open_directory(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* what to do about errno `number`, as the end of a message */
static const char *advice(int number)
{
	switch (number) {
	case EACCES:
	case EPERM:
		return "; orch keeps its state there: check the owner and the permissions of the directory";
	case EROFS:
		return "; orch must be able to write beside the Orchfile: mount it for writing, or work on a copy";
	case ENOSPC:
	case EDQUOT:
		return "; free some space, then run orch again: nothing that was completed is lost";
	default:
		return "";
	}
}

/* -1 with the text of errno and what to do; `what` says what could not be done */
static int state_errno(struct orch_error *err, const char *what, const char *path)
{
	int number = errno;

	error_code(err, ORCH_ESTATE, "%s '%s': %s%s", what, path, strerror(number), advice(number));
	errno = number;
	return -1;
}

/* the message of another layer, with the code and the advice of this one */
static int state_wrap(struct orch_error *err, struct orch_error *cause, int number)
{
	return error_code(err, ORCH_ESTATE, "%.900s%s", cause->message, advice(number));
}

static void init_closed(struct statedir *dir)
{
	*dir = (struct statedir){.fd = -1, .stamps_fd = -1, .lock = {.fd = -1}};
}

static char *absolute_path(const char *project_dir)
{
	char *cwd = fs_cwd(), *base, *path;

	base = path_join(cwd ? cwd : ".", project_dir);
	path = path_join(base, ".orch");
	free(base);
	free(cwd);
	return path;
}

static int refuse_link(const char *path, struct orch_error *err)
{
	char target[LINK_SHOWN_MAX + 1];
	ssize_t len = readlink(path, target, LINK_SHOWN_MAX);

	target[len > 0 ? len : 0] = '\0';
	return error_code(err, ORCH_ESTATE,
		"'.orch' is a symbolic link to %s: orch keeps its state only in a directory of the project's own; remove the link",
		target);
}

/* a missing or empty file is a directory that was being made when its orch was ended: still of this format */
static int check_format(const struct statedir *dir, struct orch_error *err)
{
	struct orch_error cause;
	char *text = NULL;
	size_t len;
	int64_t format;
	int fd = openat(dir->fd, "format", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), number;

	if (fd < 0)
		return errno == ENOENT ? 0 : state_errno(err, "cannot read", ".orch/format");
	if (fs_read_fd(fd, ".orch/format", 64, &text, &len, &cause) < 0) {
		number = errno;
		close(fd);
		return state_wrap(err, &cause, number);
	}
	close(fd);
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		text[--len] = '\0';
	if (len == 0) {
		free(text);
		return 0;
	}
	if (!units_parse_int(text, 1, INT32_MAX, &format)) {
		free(text);
		return error_code(err, ORCH_ESTATE,
			"'.orch/format' is damaged: write %d into it, or remove '.orch' to begin anew", STATE_FORMAT);
	}
	free(text);
	if (format > STATE_FORMAT)
		return error_code(err, ORCH_ESTATE,
			"'.orch' was written by a newer orch (format %d, this one knows %d): use that one, or remove '.orch' to begin anew",
			(int)format, STATE_FORMAT);
	return 0;
}

/* opens what there is; fd stays -1 if there is nothing */
static int open_existing(struct statedir *dir, struct orch_error *err)
{
	struct stat st;

	if (lstat(dir->path, &st) < 0)
		return errno == ENOENT ? 0 : state_errno(err, "cannot look at", dir->path);
	if (S_ISLNK(st.st_mode))
		return refuse_link(dir->path, err);
	if (!S_ISDIR(st.st_mode))
		return error_code(
			err, ORCH_ESTATE, "'.orch' is not a directory: orch keeps its state there; move it away");
	dir->fd = open_directory(AT_FDCWD, dir->path);
	if (dir->fd < 0)
		return state_errno(err, "cannot open", dir->path);
	if (check_format(dir, err) < 0)
		return -1;
	dir->stamps_fd = open_directory(dir->fd, "stamps");
	if (dir->stamps_fd < 0 && errno != ENOENT)
		return state_errno(err, "cannot open", ".orch/stamps");
	return 0;
}

int statedir_open(struct statedir *dir, const char *project_dir, struct orch_error *err)
{
	init_closed(dir);
	dir->path = absolute_path(project_dir);
	if (open_existing(dir, err) < 0) {
		statedir_release(dir);
		return -1;
	}
	return 0;
}

/* writes a small file that is only looked at, if it is not there or empty */
static int ensure_file(const struct statedir *dir, const char *name, const char *text, struct orch_error *err)
{
	struct orch_error cause;
	struct stat st;

	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
		return 0;
	if (fs_replace(dir->fd, name, text, strlen(text), false, &cause) < 0)
		return state_wrap(err, &cause, errno);
	return 0;
}

static int ensure_directory(const struct statedir *dir, const char *name, struct orch_error *err)
{
	if (mkdirat(dir->fd, name, 0700) < 0 && errno != EEXIST)
		return state_errno(err, "cannot make", name);
	return 0;
}

static int take_lock(struct statedir *dir, struct orch_error *err)
{
	struct orch_error cause = {0};
	char *path = path_join(dir->path, "lock");
	int result = lockfile_take(&dir->lock, path, &cause), number = errno;

	free(path);
	if (result == 0)
		return 0;
	if (cause.code == ORCH_EBUSY)
		return error_code(err, ORCH_EBUSY, "another orch is at work on this project: %s; 'orch status' shows it",
			cause.message);
	return state_wrap(err, &cause, number);
}

static int fill_claimed(struct statedir *dir, struct orch_error *err)
{
	char format[16];

	snprintf(format, sizeof format, "%d\n", STATE_FORMAT);
	if (take_lock(dir, err) < 0 || ensure_file(dir, "format", format, err) < 0 ||
		ensure_file(dir, ".gitignore", "*\n", err) < 0 || ensure_directory(dir, "stamps", err) < 0 ||
		ensure_directory(dir, "runs", err) < 0)
		return -1;
	if (dir->stamps_fd < 0)
		dir->stamps_fd = open_directory(dir->fd, "stamps");
	return dir->stamps_fd < 0 ? state_errno(err, "cannot open", ".orch/stamps") : 0;
}

int statedir_claim(struct statedir *dir, const char *project_dir, struct orch_error *err)
{
	int result;

	init_closed(dir);
	dir->path = absolute_path(project_dir);
	if (mkdir(dir->path, 0700) < 0 && errno != EEXIST)
		result = state_errno(err, "cannot make", dir->path);
	else
		result = open_existing(dir, err);
	if (result == 0 && dir->fd < 0)
		result = error_code(err, ORCH_ESTATE, "'.orch' was removed while orch began: run it again");
	if (result == 0)
		result = fill_claimed(dir, err);
	if (result < 0)
		statedir_release(dir);
	return result;
}

void statedir_release(struct statedir *dir)
{
	if (!dir->path)
		return;
	if (dir->lock.fd >= 0)
		lockfile_drop(&dir->lock);
	if (dir->stamps_fd >= 0)
		close(dir->stamps_fd);
	if (dir->fd >= 0)
		close(dir->fd);
	free(dir->path);
	init_closed(dir);
}

/* "YYYYMMDD-HHMMSS" with "-N", N from 2, behind it or not: N, or 1; 0 if `name` is no run's id */
static long run_number(const char *name)
{
	char *end;
	long number;

	for (int i = 0; i < RUN_TIME_LENGTH; i++) {
		if (i == 8 ? name[i] != '-' : (name[i] < '0' || name[i] > '9'))
			return 0;
	}
	if (name[RUN_TIME_LENGTH] == '\0')
		return 1;
	if (name[RUN_TIME_LENGTH] != '-' || name[RUN_TIME_LENGTH + 1] < '1' || name[RUN_TIME_LENGTH + 1] > '9')
		return 0;
	errno = 0;
	number = strtol(name + RUN_TIME_LENGTH + 1, &end, 10);
	return *end || errno || number < 2 || number > INT32_MAX ? 0 : number;
}

/* by time, then by number: "-10" is behind "-9" */
static int compare_runs(const void *a, const void *b)
{
	const char *left = *(const char *const *)a, *right = *(const char *const *)b;
	int order = memcmp(left, right, RUN_TIME_LENGTH);
	long left_number, right_number;

	if (order != 0)
		return order;
	left_number = run_number(left);
	right_number = run_number(right);
	return (left_number > right_number) - (left_number < right_number);
}

int statedir_runs(const struct statedir *dir, char ***ids, size_t *count, struct orch_error *err)
{
	size_t capacity = 0;
	struct dirent *entry;
	DIR *stream;
	int fd;

	*ids = NULL;
	*count = 0;
	if (dir->fd < 0)
		return 0;
	fd = open_directory(dir->fd, "runs");
	if (fd < 0)
		return errno == ENOENT ? 0 : state_errno(err, "cannot open", ".orch/runs");
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return state_errno(err, "cannot list", ".orch/runs");
	}
	for (errno = 0; (entry = readdir(stream)) != NULL; errno = 0) {
		if (run_number(entry->d_name) == 0)
			continue;
		if (*count == capacity) {
			capacity = capacity ? capacity * 2 : 64;
			*ids = xreallocarray(*ids, capacity, sizeof **ids);
		}
		(*ids)[(*count)++] = xstrdup(entry->d_name);
	}
	if (errno != 0) {
		state_errno(err, "cannot list", ".orch/runs");
		closedir(stream);
		for (size_t i = 0; i < *count; i++)
			free((*ids)[i]);
		free(*ids);
		*ids = NULL;
		*count = 0;
		return -1;
	}
	closedir(stream);
	if (*count > 1)
		qsort(*ids, *count, sizeof **ids, compare_runs);
	return 0;
}

/* id of the newest run, "" if there is none */
static int newest_run(const struct statedir *dir, char id[64], struct orch_error *err)
{
	char **ids;
	size_t count;

	if (statedir_runs(dir, &ids, &count, err) < 0)
		return -1;
	snprintf(id, 64, "%s", count > 0 ? ids[count - 1] : "");
	for (size_t i = 0; i < count; i++)
		free(ids[i]);
	free(ids);
	return 0;
}

/* makes runs/ID and what is in it; 1: there is one of that name */
static int make_run(const struct statedir *dir, int runs_fd, const char *id, struct orch_error *err)
{
	int fd;

	if (mkdirat(runs_fd, id, 0700) < 0)
		return errno == EEXIST ? 1 : state_errno(err, "cannot make a run's directory in", dir->path);
	fd = open_directory(runs_fd, id);
	if (fd >= 0 && mkdirat(fd, "logs", 0700) == 0 && mkdirat(fd, "attempts", 0700) == 0 &&
		fs_sync_dir(runs_fd) == 0) {
		close(fd);
		return 0;
	}
	state_errno(err, "cannot make a run's directory in", dir->path);
	if (fd >= 0) {
		unlinkat(fd, "logs", AT_REMOVEDIR);
		unlinkat(fd, "attempts", AT_REMOVEDIR);
		close(fd);
	}
	unlinkat(runs_fd, id, AT_REMOVEDIR);
	return -1;
}

char *statedir_new_run(struct statedir *dir, struct orch_error *err)
{
	char newest[64], id[64], when[RUN_TIME_LENGTH + 1];
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;
	long number = 1;
	int fd, result = 1;

	if (newest_run(dir, newest, err) < 0)
		return NULL;
	gmtime_r(&now, &tm);
	if (strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm) != RUN_TIME_LENGTH) {
		error_set(err, "the clock is set to a year that cannot be written: set it right");
		return NULL;
	}
	if (newest[0] && memcmp(newest, when, RUN_TIME_LENGTH) >= 0) {
		memcpy(when, newest, RUN_TIME_LENGTH);
		number = run_number(newest) + 1;
	}
	fd = open_directory(dir->fd, "runs");
	if (fd < 0) {
		state_errno(err, "cannot open", ".orch/runs");
		return NULL;
	}
	for (int tries = 0; tries < RUN_TRIES && result == 1; tries++, number++) {
		if (number == 1)
			snprintf(id, sizeof id, "%s", when);
		else
			snprintf(id, sizeof id, "%s-%ld", when, number);
		result = make_run(dir, fd, id, err);
	}
	close(fd);
	if (result == 1)
		error_code(err, ORCH_ESTATE, "no name is left for a run at %s in '.orch/runs'", when);
	return result == 0 ? xstrdup(id) : NULL;
}

int statedir_mark_synced(const struct statedir *dir, const char *run, struct orch_error *err)
{
	char *name = xasprintf("runs/%s/synced", run);
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), result = 0;

	if (fd < 0)
		result = state_errno(err, "cannot write", name);
	else
		close(fd);
	free(name);
	return result;
}

bool statedir_is_synced(const struct statedir *dir, const char *run)
{
	char *name = xasprintf("runs/%s/synced", run);
	bool synced = faccessat(dir->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	free(name);
	return synced;
}

char *statedir_journal(const char *run)
{
	return xasprintf(".orch/runs/%s/journal.jsonl", run);
}

char *statedir_log(const char *run, const char *stream, unsigned attempt)
{
	char number[UNITS_TEXT_MAX];

	return xconcat(".orch/runs/", run, "/logs/", stream, ".", units_number(number, attempt), ".log", NULL);
}

char *statedir_attempt_file(const char *run, const char *stream, unsigned attempt, const char *what)
{
	char number[UNITS_TEXT_MAX];

	return xconcat(".orch/runs/", run, "/attempts/", stream, ".", units_number(number, attempt), ".", what, NULL);
}

char *statedir_shims(const char *run)
{
	return xasprintf(".orch/runs/%s/shims", run);
}
