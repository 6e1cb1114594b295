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
#include "os/exit_text.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/remote.h"
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
	result = exit_text_parse(text, out) ? 1 : error_set(err, "'%s.exit' is not what a supervisor writes", record);
	free(text);
	return result;
}

/* whether one that has not ended goes on is for its scheduler to say, and for whoever adopts it to find out */
static int look_at_remote(
	const char *record, enum supervised_state *state, struct supervised_record *out, struct orch_error *err)
{
	struct remote_note note;
	enum remote_claimed claimed;
	int result = remote_note_read(record, &note, err);

	if (result <= 0)
		return result;
	remote_refresh(record);
	if (remote_claimed(record, note.token, &claimed, out, NULL, err) != 0)
		return -1;
	result = remote_ended(record, note.token, out, err);
	if (result < 0)
		return -1;
	out->remote = true;
	out->unclaimed = claimed != REMOTE_CLAIMED && result == 0;
	if (claimed != REMOTE_CLAIMED)
		out->started_ms = note.submitted_ms;
	/* what they are there says nothing here */
	out->supervisor = out->leader = 0;
	*out->boot = '\0';
	out->mono_ms = clock_mono_ms() - (clock_wall_ms() - out->started_ms);
	*state = result > 0 ? SUPERVISED_ENDED : SUPERVISED_RUNNING;
	return 0;
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
		return look_at_remote(record, state, out, err);
	if (!job_text_parse(text, out)) {
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
	if (result == 0)
		result = remote_note_remove(record, err);
	return result;
}

/* one on another machine, by lines of its own; before it has begun, it is not to begin. 1: there is none */
static int tell_remote(const char *record, const char *line, struct orch_error *err)
{
	struct child_exit never = {.signalled = true, .code = SIGTERM};
	struct strbuf text = {0};
	struct remote_note note;
	int result = remote_note_read(record, &note, err);

	if (result <= 0)
		return result < 0 ? -1 : 1;
	result = remote_claim(record, note.token, REMOTE_NEVER, err);
	if (result < 0)
		return -1;
	if (result == 0)
		return remote_ask(record, note.token, line, err);
	exit_text_begin(&text, &never, 0);
	exit_text_end(&text);
	result = remote_write_exit(record, note.token, strbuf_cstr(&text), err);
	strbuf_release(&text);
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

	int result;

	snprintf(line, sizeof line, "signal %d", signo);
	result = tell_remote(record, signo == SIGKILL ? "revoke" : line, err);
	snprintf(line, sizeof line, "signal %d\n", signo);
	return result > 0 ? write_control(record, line, err) : result;
}

int supervised_end(const char *record, struct orch_error *err)
{
	int result = tell_remote(record, "end", err);

	return result > 0 ? write_control(record, "end\n", err) : result;
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
