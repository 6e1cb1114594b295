#include "config.h"

#include "os/usage.h"

#include <stdlib.h>
#include <unistd.h>
#ifdef HAVE_SYS_INOTIFY_H
#include <sys/inotify.h>
#endif

#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"

struct usage {
	int fd;
	struct loop_fd *ready;
	void (*call)(void *data);
	void *data;
};

#ifdef HAVE_SYS_INOTIFY_H

static void on_ready(void *data)
{
	struct usage *usage = data;
	char events[4096];

	/* which of them it was does not matter; what is left makes another call */
	if (read(usage->fd, events, sizeof events) > 0)
		usage->call(usage->data);
}

int usage_new(struct usage **out, struct loop *loop, void (*call)(void *data), void *data, struct orch_error *err)
{
	struct usage *usage = xcalloc(1, sizeof *usage);

	*usage = (struct usage){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .call = call, .data = data};
	if (usage->fd >= 0)
		usage->ready = loop_fd_new(loop, usage->fd, on_ready, usage);
	if (usage->ready) {
		*out = usage;
		return 0;
	}
	error_errno(err, "cannot watch FIFOs (inotify)");
	usage_free(usage);
	return -1;
}

int usage_watch(struct usage *usage, const char *path, struct orch_error *err)
{
	int watch = inotify_add_watch(usage->fd, path, IN_ACCESS | IN_MODIFY);

	return watch < 0 ? error_errno(err, "cannot watch '%s' (inotify)", path) : watch;
}

void usage_ignore(struct usage *usage, int watch)
{
	/* it may have ended by itself */
	(void)inotify_rm_watch(usage->fd, watch);
}

#else

int usage_new(struct usage **out, struct loop *loop, void (*call)(void *data), void *data, struct orch_error *err)
{
	(void)out;
	(void)loop;
	(void)call;
	(void)data;
	return error_set(err, "this system does not say when FIFOs are used (inotify)");
}

int usage_watch(struct usage *usage, const char *path, struct orch_error *err)
{
	(void)usage;
	return error_set(err, "cannot watch '%s'", path);
}

void usage_ignore(struct usage *usage, int watch)
{
	(void)usage;
	(void)watch;
}

#endif

void usage_free(struct usage *usage)
{
	if (!usage)
		return;
	loop_fd_free(usage->ready);
	if (usage->fd >= 0)
		close(usage->fd);
	free(usage);
}
