#include "config.h"

#include "os/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "os/cgroup.h"
#include "os/clock.h"
#include "os/end_steps.h"
#include "os/exit_text.h"
#include "os/filter.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/supervisor_request.h"
#include "os/terminal.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

enum {
	RECEIVE_SIZE = 64 * 1024,
	WRITE_AGAIN_MS = 1000, /* a .exit that could not be written; doubled each time */
	WRITE_AGAIN_MAX_MS = 60000,
	CONTROL_LINE_MAX = 64,
	FDS_LOST = -1,
	HANGUP_MS = 1000, /* for what has lost its terminal, before the steps of its end */
};

struct supervisor;

struct tree {
	struct supervisor *all;
	struct tree *next, **link;
	uint64_t id;
	int slot; /* -1: none */
	struct child *child;
	struct cgroup *group; /* NULL: none */
	struct end_step *steps;
	struct end_steps end;
	struct loop_timer *again;  /* the next try to write .exit; NULL: it was written, or there is nothing to write */
	bool signalled;            /* by the other end: whatever its status, it has not ended well */
	struct terminal *terminal; /* NULL: none */
	int lost;                  /* see child_exit; 0: it was not */
	struct filter *filter;     /* NULL: none, or it has ended */
	bool ended;                /* it has, as `how` says, and its filter not yet */
	struct child_exit how;
	struct request *waiting;   /* until its window is there; NULL: it has been started */
	int waiting_log;

	char *record; /* NULL: it does not outlive the other end */
	int64_t started_ms, mono_ms;
	pid_t leader;
	int control; /* -1: none */
	struct loop_fd *control_watch;
	struct strbuf control_line;
	struct strbuf exit_text; /* what is still to be written */
	int64_t again_ms;
};

struct supervisor {
	struct loop *loop;
	struct children *children;
	struct loop_fd *socket;
	bool connected, kept_open;
	struct strbuf received;
	/* descriptors that came, in the order of the requests that they came with; FDS_LOST: for some of a request
	 * there was no room */
	ARRAY(int) fds;
	struct tree *trees;
	struct cgroup_places places;
	bool places_found;

	int (*tokens)[2];         /* [SUPERVISED_TOKENS_MAX], of each slot; -1: none. NULL: no slot has any */
	struct waiting_line line; /* see supervised_slot */
	struct strbuf answers;    /* not sent yet */
	struct loop_timer *send_late;
};

static char *path_of(const struct tree *tree, const char *ending)
{
	return xasprintf("%s.%s", tree->record, ending);
}

/* --- the trees --- */

static void leave_if_done(struct supervisor *all)
{
	if (!all->connected && !all->trees)
		loop_stop(all->loop);
}

static void tree_free(struct tree *tree)
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
	leave_if_done(all);
}

/* without its message, unless it is one. It goes with the others, see send_answers() */
static void answer(struct supervisor *all, const struct answer *answer)
{
	strbuf_add(&all->answers, answer,
		answer->type == ANSWER_FAILED ? sizeof *answer : offsetof(struct answer, message));
}

static void send_answers(void *data)
{
	struct supervisor *all = data;
	size_t at = 0;

	loop_timer_disarm(all->send_late);
	while (all->connected && at < all->answers.len) {
		ssize_t sent = send(SUPERVISOR_SOCKET, all->answers.data + at, all->answers.len - at, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			break; /* the other end is gone, which its descriptor says too */
		at += (size_t)sent;
	}
	strbuf_truncate(&all->answers, 0);
}

/* at once, unless there is enough to start meanwhile: who is told often does nothing else */
static void send_answers_in_time(struct supervisor *all)
{
	if (all->answers.len == 0)
		return;
	if (all->line.count > SUPERVISED_WAITING_MAX / 2)
		loop_timer_arm_if_idle(all->send_late, SUPERVISED_TOLD_LATE_MS);
	else
		send_answers(all);
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

static void end_tree(struct tree *tree)
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
		tree_free(tree);
		return;
	}
	loop_timer_arm(tree->again, tree->again_ms);
	tree->again_ms = tree->again_ms * 2 < WRITE_AGAIN_MAX_MS ? tree->again_ms * 2 : WRITE_AGAIN_MAX_MS;
}

static void on_end_in_slot(struct supervisor *all, int slot, bool well);

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
		tree_free(tree);
	answer(all, &end);
	if (end.slot >= 0)
		on_end_in_slot(all, end.slot, well);
	send_answers_in_time(all);
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

/* --- "signal N" lines, from whoever may write to the FIFO --- */

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
			end_tree(tree);
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

/* --- starting --- */

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

static void refuse(struct supervisor *all, uint64_t id, int number, const char *message)
{
	struct answer said = {.type = ANSWER_FAILED, .number = number, .id = id, .slot = -1};

	snprintf(said.message, sizeof said.message, "%s", message);
	answer(all, &said);
}

/* --- tokens --- */

/* out of the way of where they are to be in what starts */
static int move_up(int fd)
{
	int moved = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, CHILD_TOKENS + 2) : -1;

	if (fd >= 0)
		close(fd);
	return moved;
}

/* the `count` descriptors that came with a request, and had to come before its first byte. False: some did not, and
 * there are none to be closed */
static bool take_fds(struct supervisor *all, int *fds, size_t count)
{
	size_t taken = 0, got = 0;

	while (taken < all->fds.count && got < count && all->fds.items[taken] != FDS_LOST)
		fds[got++] = all->fds.items[taken++];
	if (taken < all->fds.count && got < count) {
		taken++;
		while (got > 0)
			close(fds[--got]);
	}
	all->fds.count -= taken;
	memmove(all->fds.items, all->fds.items + taken, all->fds.count * sizeof(int));
	return got == count;
}

static void take_tokens(struct supervisor *all, int slot)
{
	int fds[2];

	if (!take_fds(all, fds, 2) || slot < 0 || slot >= SUPERVISED_TOKENS_MAX)
		return; /* a make says so then, and runs one job */
	if (!all->tokens) {
		all->tokens = xmalloc(SUPERVISED_TOKENS_MAX * sizeof *all->tokens);
		memset(all->tokens, -1, SUPERVISED_TOKENS_MAX * sizeof *all->tokens);
	}
	for (int i = 0; i < 2; i++) {
		if (all->tokens[slot][i] >= 0)
			close(all->tokens[slot][i]);
		all->tokens[slot][i] = move_up(fds[i]);
	}
}

/* NULL: they did not come, or there was no room for them */
static const int *tokens_of(const struct supervisor *all, int slot)
{
	int at = slot < 0 ? 0 : slot;

	if (!all->tokens || at >= SUPERVISED_TOKENS_MAX || all->tokens[at][0] < 0 || all->tokens[at][1] < 0)
		return NULL;
	return all->tokens[at];
}

static struct tree *tree_new(struct supervisor *all, uint64_t id, int slot)
{
	struct tree *tree = xcalloc(1, sizeof *tree);

	*tree = (struct tree){
		.all = all, .next = all->trees, .link = &all->trees, .id = id, .slot = slot, .control = -1};
	if (all->trees)
		all->trees->link = &tree->next;
	all->trees = tree;
	return tree;
}

/* false: it could not be started, and is gone */
static bool start(struct tree *tree, struct request *request, int in, int log)
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
		spec.tokens = request->has_tokens ? tokens_of(all, tree->slot) : NULL;
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
		answer(all, &said);
		return true;
	}
	if (tree->record) {
		char *path = path_of(tree, "job");

		unlink(path);
		free(path);
	}
	tree_free(tree);
	refuse(all, request->id, number, err.message);
	return false;
}

/* --- terminals --- */

/* one that waits for its window is not to begin */
static void take_back(struct tree *tree, const char *why)
{
	struct supervisor *all = tree->all;
	uint64_t id = tree->id;

	tree_free(tree);
	refuse(all, id, ECANCELED, why);
}

/* its window is there: it takes its place in it */
static void on_ready(void *data)
{
	struct tree *tree = data;
	struct supervisor *all = tree->all;
	struct request *request = tree->waiting;
	int log = tree->waiting_log;

	tree->waiting = NULL;
	start(tree, request, log, log);
	close(log);
	free(request);
	send_answers(all);
}

static void on_lost(void *data, int error_number)
{
	struct tree *tree = data;
	struct supervisor *all = tree->all;

	if (tree->waiting) {
		take_back(tree, "its window went before it could begin");
		send_answers(all);
	} else {
		hang_up(tree, error_number);
	}
}

/* takes over the request and its descriptors */
static void start_in_terminal(struct supervisor *all, struct request *request, int listener, int log)
{
	struct terminal_spec spec = {.listener = listener,
		.log = log,
		.columns = request->columns,
		.rows = request->rows,
		.window = request->terminal == REQUEST_TERMINAL_WINDOW};
	struct tree *tree = tree_new(all, request->id, request->slot);
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
		tree_free(tree);
		refuse(all, request->id, number, err.message);
	} else if (spec.window) {
		tree->waiting = request;
		tree->waiting_log = log;
		return;
	} else {
		start(tree, request, log, log);
	}
	close(log);
	free(request);
}

/* --- slots --- */

static void refuse_late(struct supervisor *all, uint64_t id)
{
	refuse(all, id, ECANCELED, "it waited for a slot, and is not to start any more");
}

static void refuse_waiting(struct supervisor *all)
{
	struct waiting *waiting;

	while ((waiting = waiting_line_leave(&all->line))) {
		refuse_late(all, waiting->request->id);
		waiting_free(waiting);
	}
}

static void start_waiting(struct supervisor *all)
{
	struct waiting *waiting;
	int slot;

	while ((waiting = waiting_line_next(&all->line, &slot))) {
		/* what keeps one from starting may keep the next: the other end decides */
		if (!start(tree_new(all, waiting->request->id, slot), waiting->request, waiting->in, waiting->log))
			refuse_waiting(all);
		waiting_free(waiting);
	}
}

static void on_end_in_slot(struct supervisor *all, int slot, bool well)
{
	waiting_line_end(&all->line, slot, well);
	if (well)
		start_waiting(all);
	else
		refuse_waiting(all);
}

/* --- what comes over the socket --- */

/* takes over the request */
static void handle_start(struct supervisor *all, struct request *request)
{
	uint64_t id = request->id;
	int fds[2], in = -1, log;

	waiting_line_heard(&all->line, request->seen);
	if (!take_fds(all, fds, request->has_input ? 2 : 1)) {
		refuse(all, id, EMFILE, "its supervisor has too many open files");
		free(request);
		return;
	}
	if (request->has_input)
		in = fds[0];
	log = fds[request->has_input ? 1 : 0];
	if (request->terminal != REQUEST_NO_TERMINAL) {
		start_in_terminal(all, request, in, log);
		return;
	}
	if (request->slots > 0) {
		if (!waiting_line_join(&all->line, request, in, log))
			refuse_late(all, id);
		start_waiting(all);
		return;
	}
	start(tree_new(all, id, request->slot), request, in, log);
	if (in >= 0)
		close(in);
	close(log);
	free(request);
}

/* takes over the request */
static void handle(struct supervisor *all, struct request *request)
{
	struct answer withdrawn = {.type = ANSWER_WITHDRAWN, .slot = -1};
	uint64_t id = request->id;
	int signo = request->signo;

	if (request->type == REQUEST_START) {
		handle_start(all, request);
		return;
	}
	if (request->type == REQUEST_TOKENS) {
		take_tokens(all, request->slot);
		free(request);
		return;
	}
	if (request->type == REQUEST_WITHDRAW) {
		refuse_waiting(all);
		answer(all, &withdrawn);
		send_answers(all);
		free(request);
		return;
	}
	free(request);
	for (struct tree *tree = all->trees; tree; tree = tree->next) {
		if (tree->id == id && tree->waiting) {
			take_back(tree, "it was ended before its window was there");
			send_answers(all);
			return;
		}
		if (tree->id == id && tree->child) {
			tree->signalled = true;
			child_signal(tree->child, signo);
			return;
		}
	}
}

static void handle_received(struct supervisor *all)
{
	size_t at = 0;
	struct request head;

	while (all->received.len - at >= sizeof head) {
		memcpy(&head, all->received.data + at, sizeof head);
		if (head.size < sizeof head || all->received.len - at < head.size)
			break;
		/* a copy of its own is aligned, and the texts in it may be pointed at */
		struct request *request = xmalloc(head.size);

		memcpy(request, all->received.data + at, head.size);
		at += head.size;
		handle(all, request);
	}
	if (at > 0) {
		memmove(all->received.data, all->received.data + at, all->received.len - at);
		strbuf_truncate(&all->received, all->received.len - at);
	}
}

static void disconnect(struct supervisor *all)
{
	struct tree *tree, *next;

	all->connected = false;
	refuse_waiting(all);
	loop_fd_free(all->socket);
	all->socket = NULL;
	for (tree = all->trees; tree; tree = next) {
		next = tree->next;
		if (tree->waiting)
			tree_free(tree);
		else if (!tree->record)
			end_tree(tree);
	}
	leave_if_done(all);
}

static void receive_fds(struct supervisor *all, struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++)
			memcpy(ARRAY_PUSH(&all->fds), CMSG_DATA(part) + i * sizeof(int), sizeof(int));
	}
	/* this process has as many open as it may: the request must not get those of the next one */
	if (message->msg_flags & MSG_CTRUNC)
		*ARRAY_PUSH(&all->fds) = FDS_LOST;
}

static void on_socket(void *data)
{
	struct supervisor *all = data;
	union {
		struct cmsghdr aligned;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct iovec room = {.iov_base = strbuf_reserve(&all->received, RECEIVE_SIZE), .iov_len = RECEIVE_SIZE};
	struct msghdr message = {.msg_iov = &room,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	int flags = MSG_DONTWAIT;
	ssize_t got;

#ifdef MSG_CMSG_CLOEXEC
	flags |= MSG_CMSG_CLOEXEC;
#endif
	got = recvmsg(SUPERVISOR_SOCKET, &message, flags);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		disconnect(all);
		return;
	}
	strbuf_grown(&all->received, (size_t)got);
	receive_fds(all, &message);
	handle_received(all);
	send_answers_in_time(all);
}

/* somebody wants all of it to end: the machine goes down */
static void on_term(void *data)
{
	struct supervisor *all = data;
	struct tree *tree, *next;

	refuse_waiting(all);
	send_answers(all);
	for (tree = all->trees; tree; tree = next) {
		next = tree->next;
		/* of one that has ended its filter will say so */
		if (!tree->child && !tree->ended)
			tree_free(tree);
		else
			end_tree(tree);
	}
}

int supervisor_main(void)
{
	struct supervisor all = {.connected = true, .kept_open = true};
	struct loop_signal *term;
	struct orch_error err = {0};

#ifdef PR_SET_NAME
	prctl(PR_SET_NAME, "orch-supervisor", 0, 0, 0);
#endif
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log that may not grow is said to be one */
	if (loop_new(&all.loop, &err) < 0 || children_new(&all.children, all.loop, &err) < 0)
		return 1;
	waiting_line_init(&all.line);
	all.send_late = loop_timer_new(all.loop, send_answers, &all);
	term = loop_signal_new(all.loop, SIGTERM, on_term, &all);
	all.socket = loop_fd_new(all.loop, SUPERVISOR_SOCKET, on_socket, &all);
	if (!term || !all.socket)
		return 1;
	loop_run(all.loop);
	loop_signal_free(term);
	loop_timer_free(all.send_late);
	children_free(all.children);
	loop_free(all.loop);
	strbuf_release(&all.received);
	strbuf_release(&all.answers);
	ARRAY_RELEASE(&all.fds);
	free(all.tokens);
	cgroup_places_release(&all.places);
	waiting_line_release(&all.line);
	return 0;
}
