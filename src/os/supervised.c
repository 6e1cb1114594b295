#include "config.h"

#include "os/supervised.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/cgroup.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/proc.h"
#include "os/supervised_request.h"
#include "os/supervisor.h"
#include "os/supervisor_image.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/strbuf.h"

enum {
	RECEIVE_SIZE = 16 * 1024,
	LOOKS_MAX = 20, /* at a record that cannot be read */
	LOOK_AGAIN_MS = 250,
	STUCK_MS = 1000, /* a supervisor that takes nothing for so long has been stopped */
};

/* a supervisor, and our end of its socket */
struct link {
	struct supervision *all;
	struct child *child; /* NULL: it is gone */
	int fd;
	struct loop_fd *watch;
	struct strbuf received;
	size_t taken; /* of `received` */
	struct supervised *trees;
	uint64_t ends_seen; /* in slots */
	uint64_t tokens;    /* a bit for each slot whose tokens it has */
	bool own;
	bool withdrawing; /* until the answer to that comes */
};

struct supervised {
	struct link *link; /* NULL: adopted */
	struct supervised *next, **prev;
	uint64_t id;
	pid_t pid;
	bool waits; /* or has waited, for a slot */
	struct supervised_calls calls;
	/* of an adopted one */
	struct supervision *all;
	char *record;
	int pidfd;
	struct loop_fd *watch;
	struct loop_timer *look_again;
	unsigned looks; /* at its record, in vain */
};

struct supervision {
	struct loop *loop;
	struct children *children;
	struct link *shared;       /* NULL: not started yet, or gone */
	struct loop_idle *deliver; /* answers that came while a request was being sent */
	int image;                 /* see supervisor_image.h */
	struct cgroup_places places;
	bool places_found;
	int keep_open, null; /* descriptors; -1: none */
	uint64_t last_id;
	struct link **items;
	size_t count;
	size_t capacity;
};

static bool self_is_allowed;

/* --- trees in the list of their supervisor --- */

static void tree_add(struct link *link, struct supervised *tree)
{
	tree->link = link;
	tree->next = link->trees;
	tree->prev = &link->trees;
	if (link->trees)
		link->trees->prev = &tree->next;
	link->trees = tree;
}

static void tree_free(struct supervised *tree)
{
	if (tree->link) {
		*tree->prev = tree->next;
		if (tree->next)
			tree->next->prev = tree->prev;
	}
	loop_fd_free(tree->watch);
	loop_timer_free(tree->look_again);
	if (tree->pidfd >= 0)
		close(tree->pidfd);
	free(tree->record);
	free(tree);
}

static struct supervised *tree_find(const struct link *link, uint64_t id)
{
	struct supervised *tree = link->trees;

	while (tree && tree->id != id)
		tree = tree->next;
	return tree;
}

/* --- supervisors --- */

static void link_close(struct link *link)
{
	loop_fd_free(link->watch);
	link->watch = NULL;
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	if (link->all->shared == link)
		link->all->shared = NULL;
}

static void link_free(struct link *link)
{
	struct supervision *all = link->all;

	link_close(link);
	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i] == link) {
			all->items[i] = all->items[--all->count];
			break;
		}
	}
	strbuf_release(&link->received);
	free(link);
}

static void take_answer(struct link *link, const struct answer *answer)
{
	struct supervised *tree = tree_find(link, answer->id);

	if (answer->type == ANSWER_WITHDRAWN)
		link->withdrawing = false;
	if (answer->type == ANSWER_ENDED && answer->slot >= 0)
		link->ends_seen++;
	if (!tree)
		return;
	switch (answer->type) {
	case ANSWER_STARTED:
		tree->pid = (pid_t)answer->number;
		tree->calls.started(tree->calls.data, tree->pid, tree->waits ? answer->slot : -1);
		return;
	case ANSWER_FAILED:
		tree->calls.failed(tree->calls.data, answer->number, answer->message);
		break;
	default:
		tree->calls.ended(tree->calls.data, &answer->how);
		break;
	}
	tree_free(tree);
	/* its one tree is gone: it goes when it sees us go */
	if (link->own)
		link_close(link);
}

/* may be called again from within itself, by what is told */
static void take_answers(struct link *link)
{
	struct answer answer;

	while (link->received.len - link->taken >= offsetof(struct answer, message)) {
		size_t size = offsetof(struct answer, message);

		memcpy(&answer, link->received.data + link->taken, size);
		if (answer.type == ANSWER_FAILED) {
			size = sizeof answer;
			if (link->received.len - link->taken < size)
				return;
			memcpy(&answer, link->received.data + link->taken, size);
			answer.message[sizeof answer.message - 1] = '\0';
		}
		link->taken += size;
		take_answer(link, &answer);
	}
}

/* false: the supervisor's end is closed */
static bool receive(struct link *link)
{
	if (link->taken > 0) {
		memmove(link->received.data, link->received.data + link->taken, link->received.len - link->taken);
		strbuf_truncate(&link->received, link->received.len - link->taken);
		link->taken = 0;
	}
	for (;;) {
		ssize_t got = recv(link->fd, strbuf_reserve(&link->received, RECEIVE_SIZE), RECEIVE_SIZE, MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 && errno == EAGAIN;
		strbuf_grown(&link->received, (size_t)got);
		if (got < RECEIVE_SIZE)
			return true;
	}
}

static void on_answer(void *data)
{
	struct link *link = data;

	if (!receive(link)) {
		/* what becomes of its trees is known when its own end has been dealt with, see on_supervisor_exit() */
		loop_fd_free(link->watch);
		link->watch = NULL;
		if (link->all->shared == link)
			link->all->shared = NULL;
	}
	take_answers(link);
}

static void on_deliver(void *data)
{
	struct supervision *all = data;

	/* a link goes only with its supervisor's exit, which is another callback */
	for (size_t i = 0; i < all->count; i++)
		take_answers(all->items[i]);
}

/* it is gone, and all that it left: child.h */
static void on_supervisor_exit(void *data, const struct child_exit *how)
{
	struct link *link = data;
	struct child_exit killed = {.signalled = true, .code = SIGKILL};

	link->child = NULL;
	if (link->fd >= 0)
		(void)receive(link);
	take_answers(link);
	if (link->trees)
		supervised_clear_groups();
	killed.left_behind = how->left_behind;
	killed.unkillable = how->unkillable;
	memcpy(killed.names, how->names, sizeof killed.names);
	while (link->trees) {
		struct supervised *tree = link->trees;

		if (tree->pid > 0)
			tree->calls.ended(tree->calls.data, &killed);
		else
			tree->calls.failed(tree->calls.data, EAGAIN, "its supervisor was killed before it could start");
		tree_free(tree);
	}
	link_free(link);
}

/* the program itself, where there is no image or it may not be run */
static int start_program(
	struct supervision *all, struct child_spec *spec, struct link *link, int *number, struct orch_error *err)
{
	char name[] = "orch-supervisor", word[] = SUPERVISOR_WORD;
	char *argv[] = {name, word, NULL};
	char path[64];
	char *self;
	int result;

	spec->argv = argv;
	if (all->image == SUPERVISOR_IMAGE_UNKNOWN)
		all->image = supervisor_image_open();
	if (all->image >= 0) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", all->image);
		spec->file = path;
		result = child_spawn(&link->child, all->children, spec, number, err);
		if (result == 0 || (*number != EACCES && *number != ENOENT && *number != EPERM && *number != ENOEXEC))
			return result;
		close(all->image);
		all->image = SUPERVISOR_IMAGE_NONE;
	}
	self = supervision_self();
	if (!self) {
		*number = ENOENT;
		return error_set(err,
			"the supervisor that is carried inside cannot be run here, and there is nothing in its place");
	}
	spec->file = self;
	result = child_spawn(&link->child, all->children, spec, number, err);
	free(self);
	return result;
}

static int link_new(
	struct link **out, struct supervision *all, const char *mark, bool own, int *number, struct orch_error *err)
{
	struct link *link;
	struct child_spec spec = {.mark = mark, .keep = own, .reaps = true, .on_exit = on_supervisor_exit};
	int pair[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		*number = errno;
		return error_errno(err, "cannot make a socket to a supervisor");
	}
	link = xcalloc(1, sizeof *link);
	*link = (struct link){.all = all, .fd = pair[0], .own = own};
	spec.data = link;
	spec.in = pair[1];
	spec.out = all->keep_open >= 0 ? all->keep_open : all->null;
	spec.err = all->null;
	result = start_program(all, &spec, link, number, err);
	close(pair[1]);
	if (result != 0) {
		close(pair[0]);
		free(link);
		return -1;
	}
	*ARRAY_PUSH(all) = link;
	link->watch = loop_fd_new(all->loop, link->fd, on_answer, link);
	*out = link;
	return 0;
}

/* --- requests --- */

/* Sends it whole. A supervisor always reads, except while it waits for us to read: so that is done meanwhile. -1: it is
 * gone */
static int send_request(struct link *link, const struct strbuf *request, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr aligned;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	size_t sent = 0;

	while (sent < request->len) {
		struct iovec part = {.iov_base = request->data + sent, .iov_len = request->len - sent};
		struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
		ssize_t wrote;

		if (sent == 0 && fd_count > 0) {
			struct cmsghdr *head;

			memset(&control, 0, sizeof control);
			message.msg_control = control.bytes;
			message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
			head = CMSG_FIRSTHDR(&message);
			head->cmsg_level = SOL_SOCKET;
			head->cmsg_type = SCM_RIGHTS;
			head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
			memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
		}
		wrote = sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (wrote >= 0) {
			sent += (size_t)wrote;
		} else if (errno == EAGAIN) {
			struct pollfd both = {.fd = link->fd, .events = POLLIN | POLLOUT};

			if (poll(&both, 1, STUCK_MS) == 0 && link->child)
				/* it alone: what runs below it may have been stopped on purpose */
				kill(child_pid(link->child), SIGCONT);
			if (both.revents & POLLIN) {
				if (!receive(link))
					return -1;
				loop_idle_arm(link->all->deliver);
			}
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

/* once for each slot: they stay the same */
static void send_tokens(struct link *link, const struct supervised_spec *spec)
{
	struct request head = {.size = sizeof head, .type = REQUEST_TOKENS};
	struct strbuf request = {0};

	if (spec->slot && spec->slot->number > 0)
		head.slot = spec->slot->number;
	if (!spec->tokens || head.slot >= SUPERVISED_TOKENS_MAX || (link->tokens >> head.slot & 1))
		return;
	link->tokens |= UINT64_C(1) << head.slot;
	strbuf_add(&request, &head, sizeof head);
	(void)send_request(link, &request, spec->tokens, 2);
	strbuf_release(&request);
}

int supervised_start(struct supervised **out, struct supervision *all, const struct supervised_spec *spec,
	const struct supervised_calls *calls, int *number, struct orch_error *err)
{
	struct link *link = spec->record ? NULL : all->shared;
	struct supervised *tree;
	struct strbuf request = {0};
	int fds[2];
	size_t fd_count = 0;

	if (spec->redact && !self_is_allowed) {
		*number = ENOTSUP;
		return error_set(err, "the setting 'redact' needs the program orch: it is not carried out here");
	}
	if (spec->log < 0 && all->null < 0 && (all->null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0) {
		*number = errno;
		return error_errno(err, "cannot open '/dev/null'");
	}
	if (spec->terminal || spec->in >= 0)
		fds[fd_count++] = spec->terminal ? spec->terminal->listener : spec->in;
	fds[fd_count++] = spec->log < 0 ? all->null : spec->log;
	if (!link && link_new(&link, all, spec->record ? spec->mark : NULL, spec->record != NULL, number, err) != 0)
		return -1;
	if (!spec->record)
		all->shared = link;
	tree = xcalloc(1, sizeof *tree);
	*tree = (struct supervised){.id = ++all->last_id, .calls = *calls, .pidfd = -1, .all = all};
	tree->waits = spec->slot && spec->slot->number < 0;
	tree_add(link, tree);
	send_tokens(link, spec);
	supervised_write_start(&request, spec, tree->id, tree->waits, link->ends_seen);
	/* if it is gone, on_supervisor_exit() says so to each of its trees */
	(void)send_request(link, &request, fds, fd_count);
	strbuf_release(&request);
	*out = tree;
	return 0;
}

void supervised_signal(struct supervised *tree, int signo)
{
	struct request head = {.size = sizeof head, .type = REQUEST_SIGNAL, .id = tree->id, .signo = signo, .slot = -1};
	struct strbuf request = {0};

	if (!tree->link) {
		/* where it cannot be told there is no supervisor, whose end is seen by its descriptor */
		(void)supervised_tell(tree->record, signo, NULL);
		return;
	}
	if (tree->link->fd < 0)
		return;
	strbuf_add(&request, &head, sizeof head);
	(void)send_request(tree->link, &request, NULL, 0);
	strbuf_release(&request);
}

void supervised_leave(struct supervised *tree)
{
	struct link *link = tree->link;

	tree_free(tree);
	if (link && link->own)
		link_close(link);
}

void supervision_withdraw(struct supervision *all)
{
	struct request head = {.size = sizeof head, .type = REQUEST_WITHDRAW, .slot = -1};
	struct link *link = all->shared;
	struct strbuf request = {0};

	if (!link)
		return;
	strbuf_add(&request, &head, sizeof head);
	/* if it is gone, or goes now, on_supervisor_exit() says so to each of its trees */
	link->withdrawing = send_request(link, &request, NULL, 0) == 0;
	strbuf_release(&request);
	take_answers(link);
	while (link->withdrawing) {
		struct pollfd end = {.fd = link->fd, .events = POLLIN};

		if (poll(&end, 1, STUCK_MS) == 0)
			child_signal(link->child, SIGCONT);
		else if (!receive(link))
			link->withdrawing = false;
		take_answers(link);
	}
}

pid_t supervised_pid(const struct supervised *tree)
{
	return tree->pid;
}

/* --- trees of somebody who is gone --- */

static void settle_adopted(void *data)
{
	struct supervised *tree = data;
	struct supervised_record record;
	struct child_exit lost = {.signalled = true, .code = SIGKILL};
	enum supervised_state state = SUPERVISED_LOST;
	struct orch_error err = {0};
	int left = 0, result = supervised_look(tree->record, &state, &record, &err);

	if (result == 0 && state != SUPERVISED_ENDED)
		result = left = supervised_clear(&record, NULL, &err);
	if (result < 0) {
		/* for want of a descriptor, say: taking it for killed would throw its work away */
		if (++tree->looks < LOOKS_MAX) {
			loop_timer_arm(tree->look_again, LOOK_AGAIN_MS);
			return;
		}
		tree->calls.failed(tree->calls.data, EIO, err.message);
		tree_free(tree);
		return;
	}
	if (state == SUPERVISED_ENDED)
		lost = record.how;
	else
		lost.left_behind = (unsigned)left;
	tree->calls.ended(tree->calls.data, &lost);
	tree_free(tree);
}

static void on_adopted_end(void *data)
{
	struct supervised *tree = data;

	/* it stays readable */
	loop_fd_free(tree->watch);
	tree->watch = NULL;
	tree->look_again = loop_timer_new(tree->all->loop, settle_adopted, tree);
	settle_adopted(tree);
}

int supervised_adopt(struct supervised **out, struct supervision *all, const char *path,
	const struct supervised_calls *calls, struct orch_error *err)
{
	struct supervised_record record;
	enum supervised_state state;
	struct supervised *tree;
	int pidfd;

	if (supervised_look(path, &state, &record, err) != 0)
		return -1;
	errno = 0;
	pidfd = state == SUPERVISED_RUNNING ? proc_open(record.supervisor, record.supervisor_start) : -1;
	if (pidfd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO))
		return error_errno(err, "cannot watch process %ld, which goes on", (long)record.supervisor);
	if (pidfd < 0)
		return error_code(err, ORCH_ENOTFOUND, "'%s.job': its supervisor is not running", path);
	tree = xcalloc(1, sizeof *tree);
	*tree = (struct supervised){.pid = record.leader, .calls = *calls, .all = all, .pidfd = pidfd};
	tree->record = xstrdup(path);
	tree->watch = loop_fd_new(all->loop, pidfd, on_adopted_end, tree);
	*out = tree;
	return 0;
}

/* --- life --- */

void supervision_allow_self(void)
{
	self_is_allowed = true;
}

char *supervision_remote_program(const char *path, struct orch_error *err)
{
	int result = supervisor_image_write(path, err);
	char *self;

	if (result <= 0)
		return result == 0 ? xstrdup(path) : NULL;
	self = supervision_self();
	if (!self)
		error_set(err, "this build carries no supervisor that could be run on another machine");
	return self;
}

char *supervision_self(void)
{
	return self_is_allowed ? fs_self() : NULL;
}

int supervision_new(struct supervision **out, struct loop *loop, struct children *children, struct orch_error *err)
{
	struct supervision *all = xcalloc(1, sizeof *all);

	(void)err;
	all->loop = loop;
	all->children = children;
	all->image = SUPERVISOR_IMAGE_UNKNOWN;
	all->keep_open = all->null = -1;
	all->deliver = loop_idle_new(loop, on_deliver, all);
	*out = all;
	return 0;
}

const char *supervision_memory(struct supervision *all)
{
	if (!all->places_found)
		cgroup_find(&all->places, "/proc/self");
	all->places_found = true;
	return all->places.memory ? NULL : all->places.why;
}

void supervision_keep_open(struct supervision *all, int fd)
{
	all->keep_open = fd;
}

char *supervision_helper(struct supervision *all)
{
	if (all->image == SUPERVISOR_IMAGE_UNKNOWN)
		all->image = supervisor_image_open();
	if (all->image >= 0)
		return xasprintf("/proc/%ld/fd/%d", (long)getpid(), all->image);
	return self_is_allowed ? fs_self() : NULL;
}

void supervision_free(struct supervision *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->count; i++) {
		struct link *link = all->items[i];

		while (link->trees)
			tree_free(link->trees);
		link_close(link);
		strbuf_release(&link->received);
		free(link);
	}
	cgroup_places_release(&all->places);
	loop_idle_free(all->deliver);
	if (all->image >= 0)
		close(all->image);
	if (all->null >= 0)
		close(all->null);
	array_free(all->items);
	free(all);
}
