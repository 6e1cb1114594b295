/* What a supervisor leaves in files for those who come when the one that started it is gone: os/supervised.h. */
#include "config.h"

#include "os/supervised.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/cgroup.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/proc.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/strbuf.h"

enum {
	FILE_MAX = 4096,
	LOOK_AGAIN_MS = 20,
	CLEAR_ROUNDS = 100, /* what is killed may have started others meanwhile */
	EMPTY_ROUNDS = 2,   /* in the middle of execve(2) a process has no variables that could be seen */
};

/* the text of one of the files; NULL and 0: there is none; -1: it cannot be read */
static int read_file(const char *record, const char *ending, char **text, struct orch_error *err)
{
	char *path = xasprintf("%s.%s", record, ending);
	size_t len;
	int result = 0;

	*text = NULL;
	if (fs_read(path, FILE_MAX, text, &len, err) != 0) {
		*text = NULL;
		result = errno == ENOENT ? 0 : -1;
	}
	free(path);
	return result;
}

/* the rest of the line that begins with `word` and a space; NULL: there is none */
static const char *value_of(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (text) {
		if (strncmp(text, word, len) == 0 && text[len] == ' ')
			return text + len + 1;
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return NULL;
}

static bool is_whole(const char *text, const char *first_line)
{
	size_t len = strlen(text);

	return strncmp(text, first_line, strlen(first_line)) == 0 && len > 5 && strcmp(text + len - 5, "\nend\n") == 0;
}

static long long number(const char *text, const char *word)
{
	const char *value = value_of(text, word);

	return value ? strtoll(value, NULL, 10) : 0;
}

static bool parse_job(const char *text, struct supervised_record *out)
{
	const char *supervisor = value_of(text, "supervisor"), *leader = value_of(text, "leader"),
		   *boot = value_of(text, "boot"), *started = value_of(text, "started");
	unsigned long long start = 0, leader_start = 0;
	long long wall = 0, mono = 0;
	long pid = 0, leader_pid = 0;

	if (!is_whole(text, "orch-job 1\n") || !supervisor || !leader || !boot || !started ||
		sscanf(supervisor, "%ld %llu", &pid, &start) != 2 ||
		sscanf(leader, "%ld %llu", &leader_pid, &leader_start) != 2 || sscanf(boot, "%63s", out->boot) != 1 ||
		sscanf(started, "%lld %lld", &wall, &mono) != 2 || pid <= 0)
		return false;
	out->supervisor = (pid_t)pid;
	out->supervisor_start = start;
	out->leader = (pid_t)leader_pid;
	out->leader_start = leader_start;
	out->started_ms = wall;
	out->mono_ms = mono;
	return true;
}

static bool parse_exit(const char *text, struct supervised_record *out)
{
	const char *status = value_of(text, "status"), *killed = value_of(text, "signal"), *names;

	if (!is_whole(text, "orch-exit 1\n") || (!status && !killed))
		return false;
	out->how = (struct child_exit){
		.signalled = killed != NULL,
		.code = (int)strtol(killed ? killed : status, NULL, 10),
		.dumped_core = number(text, "core") != 0,
		.user_us = number(text, "user"),
		.system_us = number(text, "system"),
		.max_rss_kb = number(text, "rss"),
		.memory_peak = number(text, "peak"),
		.oom_kills = (unsigned)number(text, "oom-kills"),
		.left_behind = (unsigned)number(text, "left-behind"),
		.unkillable = (unsigned)number(text, "unkillable"),
		.lost = (int)number(text, "lost"),
	};
	names = value_of(text, "names");
	if (names)
		snprintf(out->how.names, sizeof out->how.names, "%.*s", (int)strcspn(names, "\n"), names);
	out->ended_ms = number(text, "ended");
	out->duration_ms = number(text, "duration");
	return true;
}

/* 1, 0; -1: it cannot be known, and who takes it for gone would start its work a second time */
static int is_running(const struct supervised_record *record, struct orch_error *err)
{
	struct proc_stat now;

	if (strcmp(record->boot, clock_boot_id()) != 0) {
		if (strcmp(clock_boot_id(), CLOCK_BOOT_UNKNOWN) == 0)
			return error_set(err,
				"cannot read when the machine was booted, so not whether process %ld goes on",
				(long)record->supervisor);
		return 0;
	}
	errno = 0;
	if (proc_stat_read(record->supervisor, &now))
		return now.start == record->supervisor_start && now.state != 'Z';
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO)
		return error_errno(err, "cannot see whether process %ld goes on", (long)record->supervisor);
	return 0;
}

/* 1: there is a .exit, and it says how */
static int look_at_exit(const char *record, struct supervised_record *out, struct orch_error *err)
{
	char *text;
	int result;

	if (read_file(record, "exit", &text, err) != 0)
		return -1;
	if (!text)
		return 0;
	result = parse_exit(text, out) ? 1 : error_set(err, "'%s.exit' is not what a supervisor writes", record);
	free(text);
	return result;
}

int supervised_look(
	const char *record, enum supervised_state *state, struct supervised_record *out, struct orch_error *err)
{
	char *text;
	int running, found;

	*out = (struct supervised_record){0};
	*state = SUPERVISED_NONE;
	if (read_file(record, "job", &text, err) != 0)
		return -1;
	if (!text)
		return 0;
	if (!parse_job(text, out)) {
		free(text);
		return error_set(err, "'%s.job' is not what a supervisor writes", record);
	}
	free(text);
	/* asked before the file is looked for: it is written before the supervisor goes */
	running = is_running(out, err);
	if (running < 0)
		return -1;
	found = look_at_exit(record, out, err);
	if (found < 0)
		return -1;
	*state = found ? SUPERVISED_ENDED : running ? SUPERVISED_RUNNING : SUPERVISED_LOST;
	return 0;
}

int supervised_forget(const char *record, struct orch_error *err)
{
	char *path = xasprintf("%s.job", record);
	int result = unlink(path) == 0 || errno == ENOENT ? 0 : error_errno(err, "cannot remove '%s'", path);

	free(path);
	return result;
}

static int write_control(const char *record, const char *line, struct orch_error *err)
{
	char *path = xasprintf("%s.control", record);
	ssize_t len = (ssize_t)strlen(line);
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW), result = 0;

	if (fd < 0)
		result = errno == ENXIO || errno == ENOENT
			? error_code(err, ORCH_ENOTFOUND, "nobody reads '%s': its supervisor is gone", path)
			: error_errno(err, "cannot open '%s'", path);
	else if (write(fd, line, (size_t)len) != len)
		result = error_errno(err, "cannot write to '%s'", path);
	if (fd >= 0)
		close(fd);
	free(path);
	return result;
}

int supervised_tell(const char *record, int signo, struct orch_error *err)
{
	char line[32];

	snprintf(line, sizeof line, "signal %d\n", signo);
	return write_control(record, line, err);
}

int supervised_end(const char *record, struct orch_error *err)
{
	return write_control(record, "end\n", err);
}

bool supervised_wait(const struct supervised_record *record, int64_t timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms, left = timeout_ms;
	int fd = proc_open(record->supervisor, record->supervisor_start);

	/* without such descriptors it has to be looked at again and again */
	while (is_running(record, NULL) != 0 && left > 0) {
		struct pollfd gone = {.fd = fd, .events = POLLIN};
		int64_t wait = fd >= 0 || left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS;

		(void)poll(&gone, fd >= 0 ? 1 : 0, wait > INT_MAX ? INT_MAX : (int)wait);
		left = until - clock_mono_ms();
	}
	if (fd >= 0)
		close(fd);
	return is_running(record, NULL) == 0;
}

static bool has_variable(pid_t pid, const char *mark, struct strbuf *environment)
{
	size_t len = strlen(mark);
	const char *at, *end;

	strbuf_truncate(environment, 0);
	if (!proc_environ(pid, environment) || environment->len == 0)
		return false;
	end = environment->data + environment->len;
	for (at = environment->data; at < end; at += strnlen(at, (size_t)(end - at)) + 1) {
		if ((size_t)(end - at) >= len && strncmp(at, mark, len) == 0 && (at + len == end || at[len] == '\0'))
			return true;
	}
	return false;
}

void supervised_clear_groups(void)
{
	struct cgroup_places places;

	cgroup_find(&places, "/proc/self");
	(void)cgroup_clear(&places);
	cgroup_places_release(&places);
}

static bool is_listed(const struct proc_list *list, const struct proc_stat *one)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].pid == one->pid && list->items[i].start == one->start)
			return true;
	}
	return false;
}

int supervised_clear(const struct supervised_record *lost, const char *mark, struct orch_error *err)
{
	struct strbuf environment = {0};
	struct proc_list killed = {0};
	int count = 0;
	int empty = strcmp(lost->boot, clock_boot_id()) == 0 ? 0 : EMPTY_ROUNDS;

	for (int round = 0; empty < EMPTY_ROUNDS && round < CLEAR_ROUNDS; round++) {
		struct proc_list list = {0};
		struct timespec pause = {.tv_nsec = 5000000};

		empty++;
		if (proc_all(&list) != 0) {
			count = error_errno(err, "cannot list processes, to end what process %ld may have left",
				(long)lost->leader);
			break;
		}
		for (size_t i = 0; i < list.count; i++) {
			const struct proc_stat *one = &list.items[i];
			/* a session's number is nobody else's while somebody is in it; and who was there before the
			 * leader is none of its descendants */
			bool in_session =
				lost->leader > 0 && one->session == lost->leader && one->start >= lost->leader_start;

			if (one->pid == getpid() ||
				(!in_session &&
					(!mark || one->start < lost->supervisor_start ||
						!has_variable(one->pid, mark, &environment))))
				continue;
			if (proc_signal(one, SIGKILL)) {
				empty = 0;
				if (!is_listed(&killed, one))
					*ARRAY_PUSH(&killed) = *one;
			}
		}
		ARRAY_RELEASE(&list);
		if (empty < EMPTY_ROUNDS)
			nanosleep(&pause, NULL);
	}
	if (count == 0)
		count = (int)killed.count;
	ARRAY_RELEASE(&killed);
	strbuf_release(&environment);
	supervised_clear_groups();
	return count;
}
