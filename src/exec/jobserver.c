#include "config.h"

#include "exec/jobserver.h"

#include <stdlib.h>
#include <string.h>

#include "exec/attempt.h"
#include "exec/makeclient.h"
#include "graph/project.h"
#include "os/child.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/tokens.h"
#include "runner/runner.h"
#include "sched/lend.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/makeflags.h"
#include "util/strbuf.h"
#include "util/strvec.h"

struct slot {
	struct jobserver *all;
	unsigned number;
	bool has_pipes;
	struct tokens pipes;
	struct loop_fd *give, *back; /* NULL: not watched yet */
	bool watches_give;           /* for being emptied */
};

struct jobserver {
	struct jobserver_calls calls;
	struct loop *loop;
	struct lending lending;
	struct loop_timer *wake;
	struct slot slots[LEND_SLOTS_MAX];
	unsigned jobs;
	bool is_wanted; /* by some stream */
	bool failed;    /* there are no pipes to be had, and that has been told */
	const struct makeclient *around; /* NULL: none */
	char *flags;       /* MAKEFLAGS=... of those that share */
	char *other_flags; /* of the others; NULL: not set */
};

/* --- events --- */

static void on_wake(void *data)
{
	struct jobserver *all = data;

	all->calls.changed(all->calls.data);
}

static void watch_give(struct slot *slot, bool watch);

/* what was given has all been taken */
static void on_emptied(void *data)
{
	struct slot *slot = data;

	watch_give(slot, false);
	lend_emptied(&slot->all->lending, slot->number);
	slot->all->calls.changed(slot->all->calls.data);
}

static void on_returned(void *data)
{
	struct slot *slot = data;

	lend_returned(&slot->all->lending, slot->number, tokens_returned(&slot->pipes));
	slot->all->calls.changed(slot->all->calls.data);
}

/* the end that is written to is never readable: it is in trouble, which the next write will tell */
static void on_give_trouble(void *data)
{
	watch_give(data, false);
}

static void watch_give(struct slot *slot, bool watch)
{
	if (watch && !slot->give)
		slot->give = loop_fd_new(slot->all->loop, slot->pipes.give, on_give_trouble, slot);
	if (slot->give && watch != slot->watches_give)
		loop_fd_on_writable(slot->give, watch ? on_emptied : NULL);
	slot->watches_give = watch;
}

/* --- pipes --- */

static void open_pipes(struct jobserver *all, struct slot *slot, const char *stream)
{
	struct orch_error err = {0};
	char *message;

	if (slot->has_pipes || all->failed)
		return;
	if (tokens_pipes(&slot->pipes, &err) == 0) {
		slot->has_pipes = true;
		return;
	}
	all->failed = true;
	message = xasprintf("streams cannot share their slots with a make or cargo in them: %s", err.message);
	all->calls.warning(all->calls.data, stream, message);
	free(message);
}

static void close_pipes(struct slot *slot)
{
	loop_fd_free(slot->give);
	loop_fd_free(slot->back);
	slot->give = slot->back = NULL;
	slot->watches_give = false;
	if (slot->has_pipes)
		tokens_close(&slot->pipes);
	slot->has_pipes = false;
}

/* --- of an attempt's commands --- */

/* an agent's programs close what they inherit, and so does a sandbox */
static bool may_share(const struct stream *stream)
{
	return stream->set->jobserver == JOBSERVER_PIPE && stream->run.bytes && stream->set->sandbox == SANDBOX_OFF;
}

/* does it run below a supervisor of this machine, which hands it what it is to inherit? */
static bool inherits(const struct attempt *attempt)
{
	static const char *const names[] = {"process", "pty", "tmux"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(attempt->ops->name, names[i]) == 0)
			return true;
	}
	return false;
}

static bool is_sharing(const struct jobserver *all)
{
	return all->is_wanted && all->jobs > 1 && !all->failed;
}

void jobserver_prepare(struct jobserver *all, const struct attempt *attempt, struct command *command)
{
	bool has_no_slot_yet = attempt->slot == NO_SLOT_YET;

	if (!is_sharing(all) || (!has_no_slot_yet && attempt->slot >= LEND_SLOTS_MAX) || !inherits(attempt))
		return;
	if (all->around) {
		command->tokens = has_no_slot_yet ? NULL : makeclient_descriptors(all->around);
		if (!makeclient_descriptors(all->around))
			return;
	} else if (!has_no_slot_yet) {
		struct slot *slot = &all->slots[attempt->slot];

		/* also where this one has no use for them: what is started there next, without us, may have */
		open_pipes(all, slot, attempt->stream->name);
		if (!slot->has_pipes)
			return;
		command->tokens = slot->pipes.client;
	}
	command->has_tokens = may_share(attempt->stream);
}

void jobserver_environment(const struct jobserver *all, const struct command *command, struct strvec *env)
{
	if (command && command->has_tokens)
		strvec_push(env, all->flags);
	else if (all->other_flags)
		strvec_push(env, all->other_flags);
}

void jobserver_join(struct jobserver *all, const struct attempt *attempt)
{
	unsigned own = attempt->stream->set->weight > 1 ? (unsigned)attempt->stream->set->weight - 1 : 0;

	if (attempt->slot < LEND_SLOTS_MAX && !all->around && is_sharing(all) &&
		all->slots[attempt->slot].has_pipes && may_share(attempt->stream) && inherits(attempt))
		lend_join(&all->lending, attempt->slot, own < all->jobs ? own : all->jobs - 1, clock_mono_ms());
}

void jobserver_leave(struct jobserver *all, const struct attempt *attempt)
{
	struct slot *slot;

	if (attempt->slot >= LEND_SLOTS_MAX || !all->lending.clients[attempt->slot].there)
		return;
	slot = &all->slots[attempt->slot];
	/* nobody is left who could have one, or write there; what it never had cannot be there either */
	if (slot->give) {
		(void)tokens_take(&slot->pipes);
		(void)tokens_returned(&slot->pipes);
		watch_give(slot, false);
	}
	lend_leave(&all->lending, attempt->slot);
}

/* --- slots --- */

unsigned jobserver_lent(const struct jobserver *all)
{
	return all->lending.lent;
}

static bool give(struct jobserver *all, struct slot *slot, int64_t now_ms)
{
	if (!slot->back)
		slot->back = loop_fd_new(all->loop, slot->pipes.back, on_returned, slot);
	/* it is empty, unless somebody wrote into it what was not given */
	if (!slot->back || !tokens_give(&slot->pipes))
		return false;
	lend_given(&all->lending, slot->number, now_ms);
	watch_give(slot, true);
	return true;
}

bool jobserver_balance(struct jobserver *all, int spare, bool wanted)
{
	unsigned before = all->lending.lent;
	int64_t now_ms, wake_ms;
	bool freed = false;

	if (all->lending.count == 0)
		return false;
	now_ms = clock_mono_ms();
	for (;;) {
		struct lend_action next =
			lend_next(&all->lending, spare - (int)all->lending.lent + (int)before, wanted, now_ms);
		struct slot *slot = &all->slots[next.slot];

		if (next.what == LEND_NOTHING)
			break;
		if (next.what == LEND_GIVE && !give(all, slot, now_ms)) {
			/* not again before something happens to it */
			lend_leave(&all->lending, slot->number);
		} else if (next.what == LEND_TAKE) {
			unsigned lent = all->lending.lent;

			watch_give(slot, false);
			lend_took(&all->lending, slot->number, tokens_take(&slot->pipes), wanted, now_ms);
			freed |= all->lending.lent < lent;
		}
	}
	wake_ms = lend_wake(&all->lending, spare - (int)all->lending.lent + (int)before, wanted, now_ms);
	if (wake_ms < 0)
		loop_timer_disarm(all->wake);
	else
		loop_timer_arm(all->wake, wake_ms > now_ms ? wake_ms - now_ms : 1);
	return freed && all->lending.lent < before;
}

/* --- life --- */

static bool is_wanted_by_some(const struct project *project)
{
	for (uint32_t s = 0; s < project->stream_count; s++) {
		if (may_share(&project->streams[s]))
			return true;
	}
	return false;
}

static void make_flags(struct jobserver *all)
{
	const char *found = getenv("MAKEFLAGS");
	struct makeflags read;
	struct strbuf text = {0};
	char *add = xasprintf("-j%u --jobserver-auth=%d,%d", all->jobs, CHILD_TOKENS, CHILD_TOKENS + 1);

	free(all->flags);
	free(all->other_flags);
	all->other_flags = NULL;
	strbuf_addstr(&text, "MAKEFLAGS=");
	makeflags_write(&text, found, add);
	all->flags = strbuf_detach(&text);
	free(add);
	if (!found)
		return;
	/* without a jobserver that they could reach */
	makeflags_read(&read, found);
	strbuf_addstr(&text, "MAKEFLAGS=");
	if (read.has_jobserver && !(all->around && !makeclient_descriptors(all->around)))
		makeflags_write(&text, found, NULL);
	else
		strbuf_addstr(&text, found);
	all->other_flags = strbuf_detach(&text);
}

struct jobserver *jobserver_new(
	struct loop *loop, const struct project *project, struct makeclient *around,
	const struct jobserver_calls *calls)
{
	struct jobserver *all = xcalloc(1, sizeof *all);

	all->calls = *calls;
	all->loop = loop;
	all->around = around;
	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++)
		all->slots[i] = (struct slot){.all = all, .number = i, .pipes = TOKENS_NONE};
	all->wake = loop_timer_new(loop, on_wake, all);
	jobserver_set(all, project, 1);
	return all;
}

void jobserver_set(struct jobserver *all, const struct project *project, unsigned jobs)
{
	all->jobs = jobs;
	all->is_wanted = is_wanted_by_some(project);
	make_flags(all);
}

void jobserver_free(struct jobserver *all)
{
	if (!all)
		return;
	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++)
		close_pipes(&all->slots[i]);
	loop_timer_free(all->wake);
	free(all->flags);
	free(all->other_flags);
	free(all);
}
