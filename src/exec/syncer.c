#include "config.h"

#include "exec/syncer.h"

#include "os/loop.h"
#include "state/journal.h"
#include "util/alloc.h"
#include "util/error.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct syncer {
	struct loop *loop;
	struct journal *journal;
	struct loop_timer *timer;
	void (*idle)(void *data);
	void (*failed)(void *data, const struct orch_error *err);
	void *data;
	bool requested, busy;
	/* the other thread's: nothing else of this struct is touched there */
	int fd, error_number;
};

static void sync_file(void *data)
{
	struct syncer *syncer = data;

	syncer->error_number = fdatasync(syncer->fd) == 0 ? 0 : errno;
}

static void on_synced(void *data)
{
	struct syncer *syncer = data;
	struct orch_error err;

	syncer->busy = false;
	if (syncer->error_number) {
		errno = syncer->error_number;
		error_errno(&err, "cannot bring the journal to the disk");
		syncer->failed(syncer->data, &err);
	} else if (syncer->requested) {
		loop_timer_arm_if_idle(syncer->timer, SYNC_GROUP_MS);
	}
	syncer->idle(syncer->data);
}

static void on_timer(void *data)
{
	struct syncer *syncer = data;

	if (!syncer->requested || syncer->busy)
		return;
	syncer->requested = false;
	syncer->busy = true;
	syncer->fd = journal_fd(syncer->journal);
	loop_work(syncer->loop, sync_file, on_synced, syncer);
}

struct syncer *syncer_new(struct loop *loop, struct journal *journal, void (*idle)(void *data),
	void (*failed)(void *data, const struct orch_error *err), void *data)
{
	struct syncer *syncer = xcalloc(1, sizeof *syncer);

	*syncer = (struct syncer){.loop = loop, .journal = journal, .idle = idle, .failed = failed, .data = data};
	syncer->timer = loop_timer_new(loop, on_timer, syncer);
	return syncer;
}

void syncer_request(struct syncer *syncer)
{
	syncer->requested = true;
	if (!syncer->busy)
		loop_timer_arm_if_idle(syncer->timer, SYNC_GROUP_MS);
}

void syncer_done(struct syncer *syncer)
{
	syncer->requested = false;
	loop_timer_disarm(syncer->timer);
}

bool syncer_is_busy(const struct syncer *syncer)
{
	return syncer->busy;
}

void syncer_free(struct syncer *syncer)
{
	if (!syncer)
		return;
	loop_timer_free(syncer->timer);
	free(syncer);
}
