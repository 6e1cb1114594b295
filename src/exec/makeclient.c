#include "config.h"

#include "exec/makeclient.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/loop.h"
#include "os/tokens.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/makeflags.h"
#include "util/strbuf.h"

struct makeclient {
	struct loop *loop;
	struct loop_fd *watch; /* NULL: nothing is waited for */
	void (*changed)(void *data);
	void *data;
	int in, out;      /* our own, that do not block */
	int theirs[2];    /* as they were inherited; -1: it is a FIFO */
	unsigned jobs;
	struct strbuf held; /* the bytes of its tokens */
};

static int open_fifo(struct makeclient *client, const struct makeflags *flags, struct orch_error *err)
{
	char *path = xasprintf("%.*s", (int)flags->fifo_len, flags->fifo);

	client->in = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	client->out = client->in < 0 ? -1 : open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (client->out < 0)
		error_errno(err, "'%s'", path);
	free(path);
	return client->out < 0 ? -1 : 0;
}

static int open_pipe(struct makeclient *client, const struct makeflags *flags, struct orch_error *err)
{
	client->in = tokens_reopen(flags->read, false, err);
	client->out = client->in < 0 ? -1 : tokens_reopen(flags->write, true, err);
	if (client->out < 0)
		return -1;
	client->theirs[0] = flags->read;
	client->theirs[1] = flags->write;
	/* they go where we send them, and nowhere else */
	for (int i = 0; i < 2; i++)
		(void)fcntl(client->theirs[i], F_SETFD, FD_CLOEXEC);
	return 0;
}

int makeclient_new(struct makeclient **out, struct loop *loop, void (*changed)(void *data), void *data,
	struct orch_error *err)
{
	struct orch_error cause = {0};
	struct makeclient *client;
	struct makeflags flags;
	int result;

	*out = NULL;
	makeflags_read(&flags, getenv("MAKEFLAGS"));
	if (!flags.has_jobserver)
		return 0;
	client = xcalloc(1, sizeof *client);
	*client = (struct makeclient){.loop = loop,
		.changed = changed,
		.data = data,
		.in = -1,
		.out = -1,
		.theirs = {-1, -1},
		.jobs = flags.jobs};
	result = flags.fifo ? open_fifo(client, &flags, &cause)
		: flags.read >= 0
		? open_pipe(client, &flags, &cause)
		: error_set(&cause, "MAKEFLAGS has another kind");
	if (result == 0) {
		*out = client;
		return 0;
	}
	makeclient_free(client);
	return error_set(err,
		"the jobserver of the make around it cannot be reached: %s; a '+' in front of the recipe's line hands it "
		"on, and -j N does without",
		cause.message);
}

unsigned makeclient_jobs(const struct makeclient *client)
{
	return client->jobs;
}

const int *makeclient_descriptors(const struct makeclient *client)
{
	return client->theirs[0] < 0 ? NULL : client->theirs;
}

unsigned makeclient_slots(const struct makeclient *client)
{
	return 1 + (unsigned)client->held.len;
}

bool makeclient_take(struct makeclient *client)
{
	int token = tokens_read_one(client->in);

	if (token < 0)
		return false;
	strbuf_addch(&client->held, (char)token);
	return true;
}

void makeclient_keep(struct makeclient *client, unsigned slots)
{
	while (makeclient_slots(client) > slots && client->held.len > 0) {
		/* a make that is gone needs it no more */
		(void)tokens_write_one(client->out, client->held.data[client->held.len - 1]);
		strbuf_truncate(&client->held, client->held.len - 1);
	}
}

static void on_readable(void *data)
{
	struct makeclient *client = data;

	client->changed(client->data);
}

void makeclient_wait(struct makeclient *client, bool wait)
{
	if (wait && !client->watch) {
		client->watch = loop_fd_new(client->loop, client->in, on_readable, client);
	} else if (!wait && client->watch) {
		loop_fd_free(client->watch);
		client->watch = NULL;
	}
}

void makeclient_free(struct makeclient *client)
{
	if (!client)
		return;
	makeclient_wait(client, false);
	makeclient_keep(client, 1);
	if (client->in >= 0)
		close(client->in);
	if (client->out >= 0)
		close(client->out);
	strbuf_release(&client->held);
	free(client);
}
