/* The supervisor of a tree on another machine than the one that asked for it: os/remote.h has the files by which the
 * two know of each other. */
#include "config.h"

#include "os/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "os/cgroup.h"
#include "os/clock.h"
#include "os/end_steps.h"
#include "os/exit_text.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/remote.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"

extern char **environ;

enum {
	TICK_MS = 1000,
	BEATS_IN_LEASE = 8,
	BEAT_MAX_MS = 10000,
	WRITE_AGAIN_MS = 1000,
	TOLD_LATE_MS = 200,
	ASK_LINE_MAX = 64,
};

struct remote_tree {
	const char *record, *token;
	struct remote_spec *spec;
	struct loop *loop;
	struct children *children;
	struct child *child; /* NULL: it has ended, or was not started */
	struct cgroup *group;
	struct cgroup_places places;
	struct loop_timer *tick, *late, *again;
	struct child_exit how;
	struct end_steps end;
	bool told, no_directory;
	int log;
	int64_t began_ms, beat_ms; /* monotonic; the last beat that was written */
	uint64_t beats;
	int64_t ask_at; /* how far .ask was read */
	struct strbuf ask_line, exit_text;
};

/* --- ending it --- */

static void end_tree(struct remote_tree *tree)
{
	end_steps_begin(&tree->end, tree->loop, tree->child, 0);
}

/* the scheduler, or somebody who goes round it, wants it to end */
static void on_term(void *data)
{
	struct remote_tree *tree = data;

	tree->told = true;
	end_tree(tree);
}

/* --- what it is asked --- */

static void obey(struct remote_tree *tree, const char *line)
{
	int signo;

	if (strcmp(line, "end") == 0) {
		end_tree(tree);
	} else if (strcmp(line, "revoke") == 0) {
		if (tree->child)
			child_signal(tree->child, SIGKILL);
	} else if (sscanf(line, "signal %d", &signo) == 1 && signo > 0 && signo < NSIG && tree->child) {
		child_signal(tree->child, signo);
	}
}

static void read_asked(struct remote_tree *tree)
{
	char *path = remote_path(tree->record, tree->token, "ask"), bytes[512];
	ssize_t got = 0;
	int fd;

	remote_refresh(tree->record);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	free(path);
	while (fd >= 0 && (got = pread(fd, bytes, sizeof bytes, (off_t)tree->ask_at)) > 0) {
		tree->ask_at += got;
		for (ssize_t i = 0; i < got; i++) {
			if (bytes[i] != '\n') {
				if (tree->ask_line.len < ASK_LINE_MAX)
					strbuf_addch(&tree->ask_line, bytes[i]);
				continue;
			}
			obey(tree, strbuf_cstr(&tree->ask_line));
			strbuf_truncate(&tree->ask_line, 0);
		}
	}
	if (fd >= 0)
		close(fd);
}

/* --- being alive --- */

/* opened and closed each time: over a network that is when others see it */
static bool write_beat(struct remote_tree *tree)
{
	char *path = remote_path(tree->record, tree->token, "beat"), text[32];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), len;
	bool ok;

	/* of one width, so that nobody reads half of a number */
	len = snprintf(text, sizeof text, "%020llu\n", (unsigned long long)++tree->beats);
	ok = fd >= 0 && pwrite(fd, text, (size_t)len, 0) == len;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	free(path);
	return ok;
}

static void on_tick(void *data)
{
	struct remote_tree *tree = data;
	int64_t now = clock_mono_ms(), every = tree->spec->lease_ms / BEATS_IN_LEASE;

	if (every > BEAT_MAX_MS)
		every = BEAT_MAX_MS;
	read_asked(tree);
	if ((tree->beats == 0 || now - tree->beat_ms >= every) && write_beat(tree))
		tree->beat_ms = now;
	/* whoever asked takes it for lost by now, and may have begun it anew: it must not go on beside that */
	if (now - tree->beat_ms > tree->spec->lease_ms && tree->child)
		child_signal(tree->child, SIGKILL);
	if (tree->child || tree->again)
		loop_timer_arm(tree->tick, every < TICK_MS ? every : TICK_MS);
}

/* --- the end --- */

static bool write_exit(struct remote_tree *tree)
{
	char *path = remote_path(tree->record, tree->token, "exit"), *dir = path_dir(path);
	int fd = -1;
	bool ok = fs_replace(AT_FDCWD, path, tree->exit_text.data, tree->exit_text.len, true, NULL) == 0;

	if (ok && (fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
		ok = fs_sync_dir(fd) == 0;
	if (fd >= 0)
		close(fd);
	free(dir);
	free(path);
	return ok;
}

/* nobody waits for it any more, and the place where it would be is gone, with its run */
static bool is_forgotten(const struct remote_tree *tree)
{
	char *dir = path_dir(tree->record);
	bool gone = clock_mono_ms() - tree->beat_ms > tree->spec->lease_ms && access(dir, F_OK) != 0 && errno == ENOENT;

	free(dir);
	return gone;
}

static void on_again(void *data)
{
	struct remote_tree *tree = data;

	if (write_exit(tree) || is_forgotten(tree))
		loop_stop(tree->loop);
	else
		loop_timer_arm(tree->again, WRITE_AGAIN_MS);
}

/* nobody must take it for ended, and look at its log, before all of that is where others see it */
static void tell_end(struct remote_tree *tree, const struct child_exit *how, int not_started, const char *message)
{
	struct stat st;

	(void)fsync(tree->log);
	exit_text_begin(&tree->exit_text, how, clock_mono_ms() - tree->began_ms);
	if (tree->told)
		strbuf_addstr(&tree->exit_text, "told 1\n");
	if (not_started)
		strbuf_addf(&tree->exit_text, "not-started %d\nno-directory %d\nmessage %s\n", not_started,
			tree->no_directory ? 1 : 0, message);
	if (tree->log >= 0 && fstat(tree->log, &st) == 0)
		strbuf_addf(&tree->exit_text, "log-size %lld\n", (long long)st.st_size);
	if (*tree->spec->results && stat(tree->spec->results, &st) == 0 && S_ISREG(st.st_mode))
		strbuf_addf(&tree->exit_text, "results-size %lld\n", (long long)st.st_size);
	exit_text_end(&tree->exit_text);
	if (write_exit(tree)) {
		loop_stop(tree->loop);
		return;
	}
	tree->again = loop_timer_new(tree->loop, on_again, tree);
	loop_timer_arm(tree->again, WRITE_AGAIN_MS);
}

static void on_exit_of_child(void *data, const struct child_exit *how)
{
	struct remote_tree *tree = data;
	struct child_exit end = *how;

	tree->child = NULL;
	end_steps_over(&tree->end);
	if (tree->group) {
		end.memory_peak = cgroup_memory_peak(tree->group);
		end.oom_kills = cgroup_oom_kills(tree->group);
		end.left_behind += cgroup_kill(tree->group);
		(void)cgroup_free(tree->group);
		tree->group = NULL;
	}
	tree->how = end;
	/* what ends all of a job sends its signal to the tree and to us, one after the other: that it came is part of
	 * how the tree ended */
	if (!tree->told && (end.signalled || end.code != 0))
		loop_timer_arm(tree->late, TOLD_LATE_MS);
	else
		tell_end(tree, &tree->how, 0, "");
}

static void on_late(void *data)
{
	struct remote_tree *tree = data;

	tell_end(tree, &tree->how, 0, "");
}

/* --- the start --- */

/* what the scheduler has set here (its job's id, the devices it may use) goes with what was asked for */
static void add_local_environment(struct strvec *env, const struct remote_spec *spec)
{
	for (char **item = spec->env; *item; item++)
		strvec_push(env, *item);
	for (char **item = environ; *item; item++) {
		char *name = xstrndup(*item, strcspn(*item, "="));

		if (!strvec_getenv(env, name))
			strvec_push(env, *item);
		free(name);
	}
}

static int start(struct remote_tree *tree, int *number, struct orch_error *err)
{
	const struct remote_spec *spec = tree->spec;
	struct strvec env = {0};
	struct child_spec what = {
		.argv = spec->argv,
		.dir = spec->dir,
		.in = -1,
		.out = tree->log,
		.err = tree->log,
		.mark = spec->mark,
		.wraps = spec->wraps,
		.writable = spec->writable,
		.on_exit = on_exit_of_child,
		.data = tree,
	};
	int result;

	cgroup_find(&tree->places, "/proc/self");
	if (cgroup_new(&tree->group, &tree->places, tree->places.memory ? spec->memory : 0, err) < 0) {
		*number = errno;
		/* without a limit to be kept it does without */
		if (spec->memory > 0)
			return -1;
	}
	what.group = tree->group;
	if (spec->memory_each && !tree->places.memory)
		what.address_space = spec->memory;
	add_local_environment(&env, spec);
	what.env = env.items;
	result = child_spawn(&tree->child, tree->children, &what, number, err);
	if (result != 0 && tree->group && spec->memory <= 0) {
		(void)cgroup_free(tree->group);
		what.group = tree->group = NULL;
		result = child_spawn(&tree->child, tree->children, &what, number, err);
	}
	strvec_release(&env);
	if (result == 0)
		child_set_linger(tree->child, spec->linger_ms);
	return result;
}

/* 1: it is ours to run */
static int claim(const struct remote_tree *tree, struct orch_error *err)
{
	char host[REMOTE_NAME_SIZE] = "";
	struct strbuf text = {0};
	int result;

	if (gethostname(host, sizeof host - 1) != 0 || !*host)
		snprintf(host, sizeof host, "unknown");
	strbuf_addf(&text, "orch-job 1\nsupervisor %ld %llu\nleader 0 0\nboot %s\nstarted %lld %lld\nhost %s\nend\n",
		(long)getpid(), (unsigned long long)clock_process_start(getpid()), clock_boot_id(),
		(long long)clock_wall_ms(), (long long)tree->began_ms, host);
	result = remote_claim(tree->record, tree->token, strbuf_cstr(&text), err);
	strbuf_release(&text);
	return result;
}

/* whoever asked has made it, but maybe where it is not to be seen from here */
static int look_for_directory(struct remote_tree *tree, int *number, struct orch_error *err)
{
	const char *dir = tree->spec->dir;

	if (!dir)
		return 0;
	fs_look_again("/", dir);
	if (fs_is_directory(dir))
		return 0;
	errno = *number = fs_exists(dir) ? ENOTDIR : errno;
	tree->no_directory = true;
	return error_errno(err, "its directory '%s' is not there", dir);
}

static void run(struct remote_tree *tree)
{
	struct child_exit none = {.code = 127};
	struct orch_error err = {0};
	int number = 0;

	tree->log = open(tree->spec->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (tree->log < 0) {
		number = errno;
		error_errno(&err, "cannot open its log '%s'", tree->spec->log);
		tell_end(tree, &none, number, err.message);
	} else if (look_for_directory(tree, &number, &err) != 0 || start(tree, &number, &err) != 0) {
		tell_end(tree, &none, number ? number : EIO, err.message);
	}
	tree->beat_ms = clock_mono_ms();
	on_tick(tree);
	loop_run(tree->loop);
}

static int complain(const char *message)
{
	fprintf(stderr, "orch: %s\n", message);
	return 1;
}

int supervisor_remote_main(const char *record, const char *token)
{
	struct remote_tree tree = {.record = record, .token = token, .log = -1, .began_ms = clock_mono_ms()};
	struct orch_error err = {0};
	struct loop_signal *term;
	int won;

#ifdef PR_SET_NAME
	prctl(PR_SET_NAME, "orch-supervisor", 0, 0, 0);
#endif
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	remote_refresh(record);
	tree.spec = remote_spec_read(record, token, &err);
	if (!tree.spec)
		return complain(err.message);
	if (loop_new(&tree.loop, &err) < 0 || children_new(&tree.children, tree.loop, &err) < 0)
		return complain(err.message);
	tree.tick = loop_timer_new(tree.loop, on_tick, &tree);
	tree.end.steps = tree.spec->steps;
	tree.end.count = tree.spec->step_count;
	tree.late = loop_timer_new(tree.loop, on_late, &tree);
	term = loop_signal_new(tree.loop, SIGTERM, on_term, &tree);
	won = term ? claim(&tree, &err) : error_set(&err, "cannot catch SIGTERM");
	if (won > 0)
		run(&tree);
	else
		complain(won < 0 ? err.message
				 : "nothing is run: another copy of this job has begun it, or it is wanted no more");
	loop_signal_free(term);
	loop_timer_free(tree.tick);
	end_steps_over(&tree.end);
	loop_timer_free(tree.late);
	loop_timer_free(tree.again);
	children_free(tree.children);
	loop_free(tree.loop);
	cgroup_places_release(&tree.places);
	strbuf_release(&tree.ask_line);
	strbuf_release(&tree.exit_text);
	if (tree.log >= 0)
		close(tree.log);
	free(tree.spec);
	return won > 0 ? 0 : 1;
}
