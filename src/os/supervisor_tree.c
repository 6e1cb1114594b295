#include "config.h"

#include "os/supervisor_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/exit_text.h"
#include "os/filter.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/terminal.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"

enum {
	WRITE_AGAIN_MS = 1000, /* a .exit that could not be written; doubled each time */
	WRITE_AGAIN_MAX_MS = 60000,
	CONTROL_LINE_MAX = 64,
	HANGUP_MS = 1000, /* for what has lost its terminal, before the steps of its end */
};

static char *path_of(const struct tree *tree, const char *ending)
{
	return xasprintf("%s.%s", tree->record, ending);
}

void supervisor_tree_free(struct tree *tree)
{
	struct supervisor *all = tree->all;

	*tree->link = tree->next;
	if (tree->next)
		tree->next->link = tree->link;
	end_steps_over(&tree->end);
	loop_timer_free(tree->again);
	loop_fd_free(tree->control_watch);
	if (tree->control >= 0) {
		char *path = path_of(tree, "control");

		unlink(path);
		free(path);
		close(tree->control);
	}
	terminal_free(tree->terminal);
	filter_leave(tree->filter);
	if (tree->waiting)
		close(tree->waiting_log);
	free(tree->waiting);
	(void)cgroup_free(tree->group); /* what cannot be removed is left to whoever makes the next */
	strbuf_release(&tree->control_line);
	strbuf_release(&tree->exit_text);
	free(tree->steps);
	free(tree->record);
	free(tree);
	supervisor_leave_if_done(all);
}

static int sync_directory_of(const char *path)
{
	char *dir = path_dir(path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = -1, number;

	if (fd >= 0)
		result = fs_sync_dir(fd);
	number = errno;
	if (fd >= 0)
		close(fd);
	free(dir);
	errno = number;
	return result;
}

static int write_record(const struct tree *tree, const char *ending, const struct strbuf *text, bool sync)
{
	char *path = path_of(tree, ending);
	int result = fs_replace(AT_FDCWD, path, text->data, text->len, sync, NULL);
	int number;

	if (result == 0 && sync)
		result = sync_directory_of(path);
	number = errno;
	free(path);
	errno = number;
	return result;
}

static int write_job(struct tree *tree)
{
	struct strbuf text = {0};
	int result, number;

	strbuf_addf(&text, "orch-job 1\nsupervisor %ld %llu\nleader %ld %llu\nboot %s\nstarted %lld %lld\nend\n",
		(long)getpid(), (unsigned long long)clock_process_start(getpid()), (long)tree->leader,
		(unsigned long long)(tree->leader > 0 ? clock_process_start(tree->leader) : 0), clock_boot_id(),
		(long long)tree->started_ms, (long long)tree->mono_ms);
	result = write_record(tree, "job", &text, false);
	number = errno;
	strbuf_release(&text);
	errno = number;
	return result;
}

void supervisor_tree_end(struct tree *tree)
{
	end_steps_begin(&tree->end, tree->all->loop, tree->child, 0);
}

static bool is_asked_for(const struct tree *tree)
{
	char *path = path_of(tree, "job");
	bool there = access(path, F_OK) == 0 || errno != ENOENT;

	free(path);
	return there;
}

/* how it ended must not be lost: a full disk may be full no more in a while. Whoever knows it removes .job */
static void write_exit(void *data)
{
	struct tree *tree = data;

	if (!is_asked_for(tree) || write_record(tree, "exit", &tree->exit_text, true) == 0) {
		supervisor_tree_free(tree);
		return;
	}
	loop_timer_arm(tree->again, tree->again_ms);
	tree->again_ms = tree->again_ms * 2 < WRITE_AGAIN_MAX_MS ? tree->again_ms * 2 : WRITE_AGAIN_MAX_MS;
}

/* what it tells is known only now; and what is still in it has escaped from its parents, but not from its group */
static const struct child_exit *close_group(struct tree *tree, struct child_exit *how)
{
	if (!tree->group)
		return how;
	how->memory_peak = cgroup_memory_peak(tree->group);
	how->oom_kills = cgroup_oom_kills(tree->group);
	how->left_behind += cgroup_kill(tree->group);
	(void)cgroup_free(tree->group);
	tree->group = NULL;
	return how;
}

static void drain_terminal(struct tree *tree)
{
	int number = tree->terminal ? terminal_drain(tree->terminal) : 0;

	terminal_free(tree->terminal);
	tree->terminal = NULL;
	if (tree->lost == 0)
		tree->lost = number;
}

/* all of it is gone, and its log is whole */
static void settle(struct tree *tree)
{
	struct supervisor *all = tree->all;
	struct answer end = {.type = ANSWER_ENDED, .id = tree->id, .slot = tree->slot, .how = tree->how};
	const struct child_exit *how = &end.how;
	bool written = true, well;

	/* however it took the loss of its terminal or log, that was its end */
	if (tree->lost != 0) {
		end.how.lost = tree->lost;
		end.how.signalled = true;
		end.how.code = SIGHUP;
	}
	well = !how->signalled && how->code == 0 && how->left_behind == 0 && !tree->signalled;
	if (tree->record) {
		exit_text_begin(&tree->exit_text, how, clock_mono_ms() - tree->mono_ms);
		exit_text_end(&tree->exit_text);
		written = write_record(tree, "exit", &tree->exit_text, true) == 0;
	}
	/* whoever is told finds its files as they stay */
	if (written)
		supervisor_tree_free(tree);
	supervisor_answer(all, &end);
	if (end.slot >= 0)
		supervisor_slot_ended(all, end.slot, well);
	supervisor_send_answers_in_time(all);
	if (written)
		return;
	tree->again = loop_timer_new(tree->all->loop, write_exit, tree);
	tree->again_ms = WRITE_AGAIN_MS;
	loop_timer_arm(tree->again, tree->again_ms);
}

static void on_exit_of_child(void *data, const struct child_exit *how)
{
	struct tree *tree = data;

	tree->child = NULL;
	end_steps_over(&tree->end);
	tree->how = *how;
	(void)close_group(tree, &tree->how);
	drain_terminal(tree);
	if (!tree->filter) {
		settle(tree);
		return;
	}
	tree->ended = true;
	filter_finish(tree->filter);
}

/* what it prints gets nowhere any more */
static void hang_up(struct tree *tree, int error_number)
{
	if (tree->lost == 0)
		tree->lost = error_number;
	if (!tree->child)
		return;
	child_signal(tree->child, SIGHUP);
	end_steps_begin(&tree->end, tree->all->loop, tree->child, HANGUP_MS);
}

static void on_filter_end(void *data, int error_number)
{
	struct tree *tree = data;

	tree->filter = NULL;
	if (error_number != 0)
		hang_up(tree, error_number);
	if (tree->ended) {
		tree->ended = false;
		settle(tree);
	}
}

/* what it prints goes through a filter on its way to the log. The descriptor to print to; -1 */
static int start_filter(struct tree *tree, char *const *texts, int log, int *number, struct orch_error *err)
{
	if (filter_start(&tree->filter, tree->all->children, texts, log, on_filter_end, tree, number, err) != 0)
		return -1;
	if (tree->terminal && terminal_divert(tree->terminal, filter_input(tree->filter)) != 0) {
		*number = errno;
		return error_errno(err, "cannot keep the pipe to a log open");
	}
	return filter_input(tree->filter);
}

static void on_control(void *data)
{
	struct tree *tree = data;
	char bytes[256];
	ssize_t got = read(tree->control, bytes, sizeof bytes);
	int signo;

	for (ssize_t i = 0; i < got; i++) {
		if (bytes[i] != '\n') {
			if (tree->control_line.len < CONTROL_LINE_MAX)
				strbuf_addch(&tree->control_line, bytes[i]);
			continue;
		}
		if (sscanf(strbuf_cstr(&tree->control_line), "signal %d", &signo) == 1 && signo > 0 && signo < NSIG &&
			tree->child)
			child_signal(tree->child, signo);
		else if (strcmp(strbuf_cstr(&tree->control_line), "end") == 0)
			supervisor_tree_end(tree);
		strbuf_truncate(&tree->control_line, 0);
	}
}

/* our end is open for writing too, so that it is never at its end */
static int open_control(struct tree *tree)
{
	char *path = path_of(tree, "control");
	int number;

	unlink(path);
	if (mkfifo(path, 0600) == 0)
		tree->control = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	number = errno;
	free(path);
	if (tree->control < 0) {
		errno = number;
		return -1;
	}
	tree->control_watch = loop_fd_new(tree->all->loop, tree->control, on_control, tree);
	return 0;
}

/* a group for what needs one, where it can be had. -1 with errno: it needs one, and cannot have it */
static int make_group(struct tree *tree, const struct request *request, struct orch_error *err)
{
	struct supervisor *all = tree->all;

	if (request->memory <= 0 && !request->own_group)
		return 0;
	if (!all->places_found) {
		cgroup_find(&all->places, "/proc/self");
		all->places_found = true;
		cgroup_clear(&all->places);
	}
	/* whoever asks has been told by cgroup_find() that there is no limit to be had */
	return cgroup_new(&tree->group, &all->places, all->places.memory ? request->memory : 0, err);
}

/* who looks for us finds us by what is written before anything runs */
static int prepare(struct tree *tree)
{
	int result = tree->record ? write_job(tree) : 0;

	if (result == 0 && tree->record)
		result = open_control(tree);
	if (tree->record && tree->all->kept_open) {
		close(SUPERVISOR_KEPT);
		tree->all->kept_open = false;
	}
	return result;
}

struct tree *supervisor_tree_new(struct supervisor *all, uint64_t id, int slot)
{
	struct tree *tree = xcalloc(1, sizeof *tree);

	*tree = (struct tree){
		.all = all, .next = all->trees, .link = &all->trees, .id = id, .slot = slot, .control = -1};
	if (all->trees)
		all->trees->link = &tree->next;
	all->trees = tree;
	return tree;
}

bool supervisor_tree_start(struct tree *tree, struct request *request, int in, int log)
{
	struct supervisor *all = tree->all;
	struct start_request what;
	struct answer said = {.id = request->id, .slot = tree->slot};
	struct orch_error err = {0};
	struct child_spec spec = {.in = in, .out = log, .err = log, .on_exit = on_exit_of_child, .data = tree};
	int number = EINVAL, result = -1, to = log;

	tree->started_ms = clock_wall_ms();
	tree->mono_ms = clock_mono_ms();
	if (tree->terminal) {
		spec.in = spec.out = spec.err = terminal_slave(tree->terminal);
		spec.terminal = true;
	}
	if (start_request_read(&what, request, tree->slot)) {
		spec.argv = what.argv;
		spec.env = what.env;
		spec.dir = what.dir;
		spec.mark = what.mark;
		spec.wraps = request->wraps != 0;
		spec.tokens = request->has_tokens ? supervisor_tokens_of(all, tree->slot) : NULL;
		spec.writable = what.writable;
		tree->record = what.record ? xstrdup(what.record) : NULL;
		tree->steps = what.steps;
		tree->end.steps = what.steps;
		tree->end.count = what.step_count;
		what.steps = NULL;
		if (prepare(tree) < 0) {
			number = errno;
			error_errno(&err, "cannot make the files '%s.job' and '.control'", tree->record);
		} else if (make_group(tree, request, &err) < 0) {
			number = errno;
		} else if (what.filter && (to = start_filter(tree, what.filter, log, &number, &err)) < 0) {
			;
		} else {
			if (!tree->terminal)
				spec.out = spec.err = to;
			spec.group = tree->group;
			if (request->memory_each && !all->places.memory)
				spec.address_space = request->memory;
			result = child_spawn(&tree->child, all->children, &spec, &number, &err);
			if (result != 0 && tree->group && request->memory <= 0) {
				/* it would have been better with one, but does without */
				(void)cgroup_free(tree->group);
				spec.group = tree->group = NULL;
				result = child_spawn(&tree->child, all->children, &spec, &number, &err);
			}
		}
	} else {
		error_set(&err, "a request to start something is malformed");
	}
	start_request_release(&what);
	if (result == 0) {
		if (tree->filter)
			filter_close(tree->filter);
		child_set_linger(tree->child, request->linger_ms);
		tree->leader = child_pid(tree->child);
		if (tree->record)
			(void)write_job(tree); /* only names the leader too; what counts is there already */
		said.type = ANSWER_STARTED;
		said.number = (int32_t)tree->leader;
		supervisor_answer(all, &said);
		return true;
	}
	if (tree->record) {
		char *path = path_of(tree, "job");

		unlink(path);
		free(path);
	}
	supervisor_tree_free(tree);
	supervisor_refuse(all, request->id, number, err.message);
	return false;
}

void supervisor_tree_take_back(struct tree *tree, const char *why)
{
	struct supervisor *all = tree->all;
	uint64_t id = tree->id;

	supervisor_tree_free(tree);
	supervisor_refuse(all, id, ECANCELED, why);
}

/* its window is there: it takes its place in it */
static void on_ready(void *data)
{
	struct tree *tree = data;
	struct supervisor *all = tree->all;
	struct request *request = tree->waiting;
	int log = tree->waiting_log;

	tree->waiting = NULL;
	supervisor_tree_start(tree, request, log, log);
	close(log);
	free(request);
	supervisor_send_answers(all);
}

static void on_lost(void *data, int error_number)
{
	struct tree *tree = data;
	struct supervisor *all = tree->all;

	if (tree->waiting) {
		supervisor_tree_take_back(tree, "its window went before it could begin");
		supervisor_send_answers(all);
	} else {
		hang_up(tree, error_number);
	}
}

void supervisor_tree_start_in_terminal(struct supervisor *all, struct request *request, int listener, int log)
{
	struct terminal_spec spec = {.listener = listener,
		.log = log,
		.columns = request->columns,
		.rows = request->rows,
		.window = request->terminal == REQUEST_TERMINAL_WINDOW};
	struct tree *tree = supervisor_tree_new(all, request->id, request->slot);
	const struct terminal_calls calls = {.ready = on_ready, .lost = on_lost, .data = tree};
	struct orch_error err = {0};
	struct start_request what;
	int number = EINVAL, result = -1;

	if (start_request_read(&what, request, tree->slot)) {
		spec.path = what.terminal;
		result = terminal_new(&tree->terminal, all->loop, &spec, &calls, &number, &err);
	} else {
		close(listener);
		error_set(&err, "a request to start something is malformed");
	}
	start_request_release(&what);
	if (result != 0) {
		supervisor_tree_free(tree);
		supervisor_refuse(all, request->id, number, err.message);
	} else if (spec.window) {
		tree->waiting = request;
		tree->waiting_log = log;
		return;
	} else {
		supervisor_tree_start(tree, request, log, log);
	}
	close(log);
	free(request);
}
