#include "config.h"

#include "os/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "os/loop.h"
#include "os/supervisor_private.h"
#include "util/alloc.h"
#include "util/error.h"

enum {
	RECEIVE_SIZE = 64 * 1024,
	FDS_LOST = -1,
};

/* --- answers --- */

void supervisor_leave_if_done(struct supervisor *all)
{
	if (!all->connected && !all->trees)
		loop_stop(all->loop);
}

void supervisor_answer(struct supervisor *all, const struct answer *answer)
{
	strbuf_add(&all->answers, answer,
		answer->type == ANSWER_FAILED ? sizeof *answer : offsetof(struct answer, message));
}

void supervisor_send_answers(void *data)
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

void supervisor_send_answers_in_time(struct supervisor *all)
{
	if (all->answers.len == 0)
		return;
	if (all->line.count > SUPERVISED_WAITING_MAX / 2)
		loop_timer_arm_if_idle(all->send_late, SUPERVISED_TOLD_LATE_MS);
	else
		supervisor_send_answers(all);
}

void supervisor_refuse(struct supervisor *all, uint64_t id, int number, const char *message)
{
	struct answer said = {.type = ANSWER_FAILED, .number = number, .id = id, .slot = -1};

	snprintf(said.message, sizeof said.message, "%s", message);
	supervisor_answer(all, &said);
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

const int *supervisor_tokens_of(const struct supervisor *all, int slot)
{
	int at = slot < 0 ? 0 : slot;

	if (!all->tokens || at >= SUPERVISED_TOKENS_MAX || all->tokens[at][0] < 0 || all->tokens[at][1] < 0)
		return NULL;
	return all->tokens[at];
}

/* --- slots --- */

static void refuse_late(struct supervisor *all, uint64_t id)
{
	supervisor_refuse(all, id, ECANCELED, "it waited for a slot, and is not to start any more");
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
		if (!supervisor_tree_start(supervisor_tree_new(all, waiting->request->id, slot), waiting->request,
			    waiting->in, waiting->log))
			refuse_waiting(all);
		waiting_free(waiting);
	}
}

void supervisor_slot_ended(struct supervisor *all, int slot, bool well)
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
		supervisor_refuse(all, id, EMFILE, "its supervisor has too many open files");
		free(request);
		return;
	}
	if (request->has_input)
		in = fds[0];
	log = fds[request->has_input ? 1 : 0];
	if (request->terminal != REQUEST_NO_TERMINAL) {
		supervisor_tree_start_in_terminal(all, request, in, log);
		return;
	}
	if (request->slots > 0) {
		if (!waiting_line_join(&all->line, request, in, log))
			refuse_late(all, id);
		start_waiting(all);
		return;
	}
	supervisor_tree_start(supervisor_tree_new(all, id, request->slot), request, in, log);
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
		supervisor_answer(all, &withdrawn);
		supervisor_send_answers(all);
		free(request);
		return;
	}
	free(request);
	for (struct tree *tree = all->trees; tree; tree = tree->next) {
		if (tree->id == id && tree->waiting) {
			supervisor_tree_take_back(tree, "it was ended before its window was there");
			supervisor_send_answers(all);
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
			supervisor_tree_free(tree);
		else if (!tree->record)
			supervisor_tree_end(tree);
	}
	supervisor_leave_if_done(all);
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
	supervisor_send_answers_in_time(all);
}

/* somebody wants all of it to end: the machine goes down */
static void on_term(void *data)
{
	struct supervisor *all = data;
	struct tree *tree, *next;

	refuse_waiting(all);
	supervisor_send_answers(all);
	for (tree = all->trees; tree; tree = next) {
		next = tree->next;
		/* of one that has ended its filter will say so */
		if (!tree->child && !tree->ended)
			supervisor_tree_free(tree);
		else
			supervisor_tree_end(tree);
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
	all.send_late = loop_timer_new(all.loop, supervisor_send_answers, &all);
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
