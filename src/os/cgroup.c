#include "config.h"

#include "os/cgroup.h"

#ifdef __linux__
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/proc.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

enum {
	FILE_MAX = 1 << 20, /* of /proc/self/mountinfo; beyond it nothing is looked for */
	REMOVE_TRIES = 50,  /* what was killed is counted until it has given back its memory */
	NAME_MAX_LEN = 96,
};

struct cgroup {
	char *dirs[CGROUP_DIRS];
	unsigned count;
	int memory; /* which of them limits memory; -1: none */
	int kill;   /* which has cgroup.kill; -1: none */
	bool memory_v1;
	char name[NAME_MAX_LEN];
};

/* --- files --- */

static bool read_text(const char *path, struct strbuf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	strbuf_truncate(out, 0);
	if (fd < 0)
		return false;
	while (out->len < FILE_MAX) {
		got = read(fd, strbuf_reserve(out, 4096), 4096);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		strbuf_grown(out, (size_t)got);
	}
	close(fd);
	return got == 0;
}

static bool read_in(const char *dir, const char *file, struct strbuf *out)
{
	char *path = xasprintf("%s/%s", dir, file);
	bool done = read_text(path, out);

	free(path);
	return done;
}

/* 0, or -1 with errno */
static int write_in(const char *dir, const char *file, const char *text)
{
	char *path = xasprintf("%s/%s", dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC), result = -1, number;

	free(path);
	if (fd < 0)
		return -1;
	if (write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		result = 0;
	number = errno;
	close(fd);
	errno = number;
	return result;
}

static bool exists_in(const char *dir, const char *file)
{
	char *path = xasprintf("%s/%s", dir, file);
	bool exists = access(path, F_OK) == 0;

	free(path);
	return exists;
}

/* the number behind `word` and a space at the start of a line; 0: there is none */
static uint64_t number_of(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (; text; text = strchr(text, '\n')) {
		if (*text == '\n')
			text++;
		if (strncmp(text, word, len) == 0 && text[len] == ' ')
			return strtoull(text + len + 1, NULL, 10);
	}
	return 0;
}

static bool has_word(const char *text, const char *word, const char *separators)
{
	size_t len = strlen(word);

	while (*text) {
		size_t here = strcspn(text, separators);

		if (here == len && memcmp(text, word, len) == 0)
			return true;
		text += here + (text[here] != '\0');
	}
	return false;
}

/* --- where we are --- */

/* the path of our own group in the hierarchy of `controller` ("" for that of version 2), as /proc/self/cgroup has it;
 * the caller frees. NULL: there is no such hierarchy */
static char *own_path(const char *cgroups, const char *controller)
{
	for (const char *line = cgroups; *line;) {
		size_t len = strcspn(line, "\n");
		const char *list = memchr(line, ':', len), *path = NULL;

		if (list)
			path = memchr(list + 1, ':', len - (size_t)(list + 1 - line));
		if (path) {
			char *names = xstrndup(list + 1, (size_t)(path - list - 1));
			bool found = *controller ? has_word(names, controller, ",") : *names == '\0';

			free(names);
			if (found)
				return xstrndup(path + 1, len - (size_t)(path + 1 - line));
		}
		line += len + (line[len] == '\n');
	}
	return NULL;
}

/* \040 and its like, in place */
static void decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' &&
			text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* the directory of group `path` in the hierarchy of `controller` (as own_path()), and where that is mounted; the caller
 * frees both. NULL: it is not mounted where we could see it */
static char *find_dir(const char *mounts, const char *controller, const char *path, char **mounted_at)
{
	for (const char *line = mounts; *line;) {
		size_t len = strcspn(line, "\n");
		char *copy = xstrndup(line, len), *at = copy, *words[5] = {NULL}, *type, *options, *result = NULL;

		/* number, parent, device, root, mount point ... - type, source, options */
		for (size_t i = 0; i < sizeof words / sizeof *words && at; i++)
			words[i] = strsep(&at, " ");
		at = at ? strstr(at, " - ") : NULL;
		if (at) {
			at += 3;
			type = strsep(&at, " ");
			strsep(&at, " ");
			options = at ? at : copy + len;
			decode(words[3]);
			decode(words[4]);
			if (*controller ? strcmp(type, "cgroup") == 0 && has_word(options, controller, ",")
					: strcmp(type, "cgroup2") == 0) {
				size_t root = strcmp(words[3], "/") == 0 ? 0 : strlen(words[3]);

				/* what is mounted may be a part of the hierarchy that we are not in */
				if (strncmp(path, words[3], root) == 0 && (path[root] == '/' || !path[root]) &&
					strncmp(path, "/..", 3) != 0) {
					const char *below = strcmp(path + root, "/") == 0 ? "" : path + root;

					result = xasprintf("%s%s", words[4], below);
					*mounted_at = xstrdup(words[4]);
				}
			}
		}
		free(copy);
		if (result)
			return result;
		line += len + (line[len] == '\n');
	}
	return NULL;
}

/* may we make groups in it, and move what we start into them? */
static bool may_use(const char *dir)
{
	char *procs = xasprintf("%s/cgroup.procs", dir);
	bool may = access(dir, W_OK | X_OK) == 0 && access(procs, W_OK) == 0;

	free(procs);
	return may;
}

static bool is_unlimited(const char *dir, const char *file, struct strbuf *text)
{
	return !read_in(dir, file, text) || strcmp(strbuf_cstr(text), "max\n") == 0;
}

/*
 * The nearest group, from our own upwards, below which memory can be limited; a limit that is set on one that is passed
 * over is not to be escaped from. In a group of version 2 with processes in it, as ours is, no controller can be
 * switched on for what is below, except at the very top: so it is mostly the one above.
 */
static char *find_memory_v2(const char *own, const char *top, char *why, size_t why_size)
{
	struct strbuf text = {0};
	char *dir = xstrdup(own), *found = NULL;

	snprintf(why, why_size, "the memory controller is not available here (%s/cgroup.controllers)", top);
	if (read_in(own, "cgroup.controllers", &text) && has_word(strbuf_cstr(&text), "memory", " \n"))
		snprintf(why, why_size, "this user may not make control groups with a memory limit at or above '%s'",
			own);
	while (!found && strlen(dir) >= strlen(top)) {
		char *slash;

		if (may_use(dir) && read_in(dir, "cgroup.controllers", &text) &&
			has_word(strbuf_cstr(&text), "memory", " \n") &&
			((read_in(dir, "cgroup.subtree_control", &text) &&
				 has_word(strbuf_cstr(&text), "memory", " \n")) ||
				(strcmp(dir, own) == 0 && write_in(dir, "cgroup.subtree_control", "+memory") == 0)))
			found = xstrdup(dir);
		if (!is_unlimited(dir, "memory.max", &text) || !is_unlimited(dir, "memory.high", &text)) {
			if (!found)
				snprintf(why, why_size,
					"no group can be made below '%s', which has a memory limit itself", dir);
			break;
		}
		slash = strrchr(dir, '/');
		if (!slash || slash == dir)
			break;
		*slash = '\0';
	}
	free(dir);
	strbuf_release(&text);
	return found;
}

void cgroup_find(struct cgroup_places *out, const char *proc)
{
	struct strbuf cgroups = {0}, mounts = {0};
	char *path, *dir, *top = NULL;

	*out = (struct cgroup_places){0};
	snprintf(out->why, sizeof out->why, "no control groups are mounted");
	if (!read_in(proc, "cgroup", &cgroups) || !read_in(proc, "mountinfo", &mounts))
		goto done;
	path = own_path(strbuf_cstr(&cgroups), "");
	dir = path ? find_dir(strbuf_cstr(&mounts), "", path, &top) : NULL;
	if (dir) {
		out->memory = find_memory_v2(dir, top, out->why, sizeof out->why);
		if (may_use(dir))
			out->kill = xstrdup(dir);
	}
	free(path);
	free(dir);
	free(top);
	top = NULL;
	path = out->memory ? NULL : own_path(strbuf_cstr(&cgroups), "memory");
	dir = path ? find_dir(strbuf_cstr(&mounts), "memory", path, &top) : NULL;
	if (dir && may_use(dir)) {
		out->memory = dir;
		out->memory_v1 = true;
		dir = NULL;
	} else if (dir) {
		snprintf(out->why, sizeof out->why, "this user may not make control groups in '%s'", dir);
	}
	free(path);
	free(dir);
	free(top);
done:
	if (out->memory)
		out->why[0] = '\0';
	strbuf_release(&cgroups);
	strbuf_release(&mounts);
}

void cgroup_places_release(struct cgroup_places *places)
{
	free(places->memory);
	free(places->kill);
	*places = (struct cgroup_places){0};
}

/* --- names --- */

/* process ids mean something within their namespace only; 0: unknown */
static unsigned long pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long)st.st_ino : 0;
}

static void make_name(char out[NAME_MAX_LEN])
{
	static unsigned last;

	snprintf(out, NAME_MAX_LEN, "orch-%lu-%ld-%llu-%u", pid_namespace(), (long)getpid(),
		(unsigned long long)clock_process_start(getpid()), ++last);
}

/* has whoever made the group of that name ended? */
static bool is_left_behind(const char *name)
{
	unsigned long namespace;
	unsigned long long start;
	long pid;
	unsigned number;
	char rest;
	struct proc_stat maker;

	if (sscanf(name, "orch-%lu-%ld-%llu-%u%c", &namespace, &pid, &start, &number, &rest) != 4 || pid <= 0 ||
		namespace != pid_namespace())
		return false;
	return !proc_stat_read((pid_t)pid, &maker) || maker.start != start || maker.state == 'Z';
}

/* --- a group --- */

/* all that is in a group of that name, one by one. A pid may be somebody else's by now, so it is looked at again once
 * it is held */
static unsigned kill_listed(const char *dir, const char *name)
{
	struct strbuf list = {0}, groups = {0};
	char *mark = xasprintf("/%s\n", name);
	unsigned count = 0;

	if (!read_in(dir, "cgroup.procs", &list))
		list.len = 0;
	for (const char *at = strbuf_cstr(&list); *at; at += strcspn(at, "\n"), at += *at == '\n') {
		long pid = strtol(at, NULL, 10);
		char path[64];
		bool by_number;
		int fd;

		if (pid <= 0)
			continue;
		fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
		by_number = fd < 0 && errno == ENOSYS;
		snprintf(path, sizeof path, "/proc/%ld/cgroup", pid);
		if (read_text(path, &groups) && strstr(strbuf_cstr(&groups), mark)) {
			count++;
			if (fd >= 0)
				syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
			else if (by_number)
				kill((pid_t)pid, SIGKILL);
		}
		if (fd >= 0)
			close(fd);
	}
	free(mark);
	strbuf_release(&list);
	strbuf_release(&groups);
	return count;
}

static unsigned count_processes(const char *dir)
{
	struct strbuf list = {0};
	unsigned count = 0;

	if (read_in(dir, "cgroup.procs", &list)) {
		for (size_t i = 0; i < list.len; i++)
			count += list.data[i] == '\n';
	}
	strbuf_release(&list);
	return count;
}

static unsigned kill_all_in(const char *dir, const char *name)
{
	unsigned count = count_processes(dir);

	if (count == 0)
		return 0;
	if (write_in(dir, "cgroup.kill", "1") != 0)
		kill_listed(dir, name);
	return count;
}

/* 0, or -1 with errno */
static int remove_dir(const char *dir, const char *name)
{
	struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; rmdir(dir) != 0; i++) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || i == REMOVE_TRIES)
			return -1;
		kill_all_in(dir, name);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int add_dir(struct cgroup *group, const char *place)
{
	char *dir = xasprintf("%s/%s", place, group->name);

	if (mkdir(dir, 0755) != 0) {
		int number = errno;

		free(dir);
		errno = number;
		return -1;
	}
	group->dirs[group->count] = dir;
	return (int)group->count++;
}

static int limit_memory(const struct cgroup *group, int64_t bytes)
{
	const char *dir = group->dirs[group->memory];
	char text[32];

	snprintf(text, sizeof text, "%" PRId64, bytes);
	if (write_in(dir, group->memory_v1 ? "memory.limit_in_bytes" : "memory.max", text) != 0)
		return -1;
	/* without this the limit would only move the rest into swap, for hours; kernels without swap have no such file
	 */
	if (group->memory_v1)
		(void)write_in(dir, "memory.memsw.limit_in_bytes", text);
	else
		(void)write_in(dir, "memory.swap.max", "0");
	return 0;
}

int cgroup_new(struct cgroup **out, const struct cgroup_places *places, int64_t memory, struct orch_error *err)
{
	struct cgroup *group;
	int number;

	*out = NULL;
	if (memory > 0 && !places->memory) {
		errno = ENOTSUP;
		return error_set(err, "memory cannot be limited: %s", places->why);
	}
	if (memory <= 0 && !places->kill)
		return 0;
	group = xcalloc(1, sizeof *group);
	group->memory = group->kill = -1;
	group->memory_v1 = places->memory_v1;
	make_name(group->name);
	if (memory > 0) {
		group->memory = add_dir(group, places->memory);
		if (group->memory < 0 || limit_memory(group, memory) != 0) {
			number = errno;
			error_errno(
				err, "memory cannot be limited: cannot make a control group in '%s'", places->memory);
			cgroup_free(group);
			errno = number;
			return -1;
		}
	}
	if (memory > 0 && !places->memory_v1)
		group->kill = group->memory;
	else if (places->kill)
		group->kill = add_dir(group, places->kill);
	if (group->kill >= 0 && !exists_in(group->dirs[group->kill], "cgroup.kill"))
		group->kill = -1;
	/* that one is a convenience: without it there are the other ways to end a tree */
	if (group->memory < 0 && group->kill < 0) {
		cgroup_free(group);
		return 0;
	}
	*out = group;
	return 0;
}

int cgroup_open_join(const struct cgroup *group, int fds[CGROUP_DIRS])
{
	for (unsigned i = 0; i < group->count; i++) {
		char *path = xasprintf("%s/cgroup.procs", group->dirs[i]);
		int number;

		fds[i] = open(path, O_WRONLY | O_CLOEXEC);
		number = errno;
		free(path);
		if (fds[i] < 0) {
			while (i > 0)
				close(fds[--i]);
			errno = number;
			return -1;
		}
	}
	return (int)group->count;
}

unsigned cgroup_kill(const struct cgroup *group)
{
	int which = group->kill >= 0 ? group->kill : group->memory;

	return kill_all_in(group->dirs[which], group->name);
}

int64_t cgroup_memory_peak(const struct cgroup *group)
{
	struct strbuf text = {0};
	int64_t peak = 0;

	if (group->memory >= 0 &&
		read_in(group->dirs[group->memory], group->memory_v1 ? "memory.max_usage_in_bytes" : "memory.peak",
			&text))
		peak = (int64_t)strtoll(strbuf_cstr(&text), NULL, 10);
	strbuf_release(&text);
	return peak;
}

unsigned cgroup_oom_kills(const struct cgroup *group)
{
	struct strbuf text = {0};
	uint64_t kills = 0;

	if (group->memory >= 0 &&
		read_in(group->dirs[group->memory], group->memory_v1 ? "memory.oom_control" : "memory.events", &text))
		kills = number_of(strbuf_cstr(&text), "oom_kill");
	strbuf_release(&text);
	return (unsigned)kills;
}

bool cgroup_free(struct cgroup *group)
{
	bool removed = true;

	if (!group)
		return true;
	for (unsigned i = 0; i < group->count; i++) {
		removed &= remove_dir(group->dirs[i], group->name) == 0;
		free(group->dirs[i]);
	}
	free(group);
	return removed;
}

static unsigned clear_in(const char *place)
{
	DIR *all = place ? opendir(place) : NULL;
	struct dirent *entry;
	unsigned count = 0;

	if (!all)
		return 0;
	while ((entry = readdir(all))) {
		char *dir;

		if (!is_left_behind(entry->d_name))
			continue;
		dir = xasprintf("%s/%s", place, entry->d_name);
		kill_all_in(dir, entry->d_name);
		count += remove_dir(dir, entry->d_name) == 0;
		free(dir);
	}
	closedir(all);
	return count;
}

unsigned cgroup_clear(const struct cgroup_places *places)
{
	return clear_in(places->memory) + clear_in(places->kill);
}

#else /* not Linux */

#include <errno.h>
#include <stdio.h>

#include "util/error.h"

void cgroup_find(struct cgroup_places *out, const char *proc)
{
	(void)proc;
	*out = (struct cgroup_places){0};
	snprintf(out->why, sizeof out->why, "this system has no control groups");
}

void cgroup_places_release(struct cgroup_places *places)
{
	(void)places;
}

int cgroup_new(struct cgroup **out, const struct cgroup_places *places, int64_t memory, struct orch_error *err)
{
	*out = NULL;
	if (memory <= 0)
		return 0;
	errno = ENOTSUP;
	return error_set(err, "memory cannot be limited: %s", places->why);
}

int cgroup_open_join(const struct cgroup *group, int fds[CGROUP_DIRS])
{
	(void)group, (void)fds;
	return 0;
}

unsigned cgroup_kill(const struct cgroup *group)
{
	(void)group;
	return 0;
}

int64_t cgroup_memory_peak(const struct cgroup *group)
{
	(void)group;
	return 0;
}

unsigned cgroup_oom_kills(const struct cgroup *group)
{
	(void)group;
	return 0;
}

bool cgroup_free(struct cgroup *group)
{
	(void)group;
	return true;
}

unsigned cgroup_clear(const struct cgroup_places *places)
{
	(void)places;
	return 0;
}

#endif
