#include "config.h"

#include "exec/jobserver.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/attempt.h"
#include "exec/makeclient.h"
#include "exec/shims.h"
#include "graph/project.h"
#include "os/child.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/open_files.h"
#include "os/tokens.h"
#include "os/usage.h"
#include "runner/runner.h"
#include "sched/lend.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/makeflags.h"
#include "util/strbuf.h"
#include "util/strvec.h"

enum { SPARE_FILES = 64 }; /* that pipes leave to the streams themselves */

/* a slot's pipes, an agent's FIFOs, or the one FIFO of a command that finds it by its path */
struct channel {
	struct slot *slot;
	bool is_open, is_one;
	struct tokens tokens;
	struct loop_fd *give, *back; /* NULL: not watched yet */
	bool watches_give;           /* for being emptied */
	int usage;                   /* of the one FIFO: its watch */
	int ends[2];                 /* of the one FIFO: what keeps it open where we are gone */
};

struct slot {
	struct jobserver *all;
	unsigned number;
	struct channel pipes, fifos;
	char *path;          /* of the FIFOs; NULL: they are not open */
	struct channel *now; /* what the command that runs there has */
};

struct jobserver {
	struct jobserver_calls calls;
	struct loop *loop;
	struct lending lending;
	struct loop_timer *wake;
	struct slot slots[LEND_SLOTS_MAX];
	unsigned jobs;
	bool is_wanted;                  /* by some stream */
	bool failed;                     /* there are no pipes to be had, and that has been told */
	const struct makeclient *around; /* NULL: none */
	char *flags;                     /* MAKEFLAGS=... of those that share */
	char *other_flags;               /* of the others; NULL: not set */
	struct usage *usage;             /* of all that are one FIFO; NULL: there were none yet */
	bool fifo_failed;                /* one FIFO is not to be had, and that has been told */
	char *shims;                     /* the directory, see shims.h; NULL: not made yet */
};

/* --- events --- */

static void on_wake(void *data)
{
	struct jobserver *all = data;

	all->calls.changed(all->calls.data);
}

static void watch_give(struct channel *channel, bool watch);

/* what was given has all been taken */
static void on_emptied(void *data)
{
	struct channel *channel = data;
	struct jobserver *all = channel->slot->all;

	watch_give(channel, false);
	lend_emptied(&all->lending, channel->slot->number);
	all->calls.changed(all->calls.data);
}

static void on_returned(void *data)
{
	struct channel *channel = data;
	struct jobserver *all = channel->slot->all;

	lend_returned(&all->lending, channel->slot->number, tokens_returned(&channel->tokens));
	all->calls.changed(all->calls.data);
}

/* of its one FIFO: what is more than we gave has come back, and where nothing is left all has been taken */
static bool look_at(struct jobserver *all, struct slot *slot)
{
	const struct lend_client *client = &all->lending.clients[slot->number];
	unsigned lying;

	if (slot->now != &slot->fifos || !slot->fifos.is_one || !slot->fifos.is_open || !client->there)
		return false;
	lying = tokens_lying(&slot->fifos.tokens);
	if (lying > client->lies)
		lend_returned(&all->lending, slot->number,
			tokens_take_some(&slot->fifos.tokens, lying - client->lies));
	else if (lying == 0 && client->lies > 0)
		lend_emptied(&all->lending, slot->number);
	else
		return false;
	return true;
}

static void on_used(void *data)
{
	struct jobserver *all = data;
	bool changed = false;

	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++)
		changed |= look_at(all, &all->slots[i]);
	if (changed)
		all->calls.changed(all->calls.data);
}

/* the end that is written to is never readable: it is in trouble, which the next write will tell */
static void on_give_trouble(void *data)
{
	watch_give(data, false);
}

static void watch_give(struct channel *channel, bool watch)
{
	if (watch && !channel->give)
		channel->give = loop_fd_new(channel->slot->all->loop, channel->tokens.give, on_give_trouble, channel);
	if (channel->give && watch != channel->watches_give)
		loop_fd_on_writable(channel->give, watch ? on_emptied : NULL);
	channel->watches_give = watch;
}

/* --- pipes --- */

static void tell_cannot_share(struct jobserver *all, const char *stream, const struct orch_error *err)
{
	char *message = xasprintf("streams cannot share their slots with a make or cargo in them: %s", err->message);

	all->calls.warning(all->calls.data, stream, message);
	free(message);
}

static void cannot_share(struct jobserver *all, const char *stream, const struct orch_error *err)
{
	all->failed = true;
	tell_cannot_share(all, stream, err);
}

static void open_pipes(struct jobserver *all, struct slot *slot, const char *stream)
{
	struct orch_error err = {0};

	if (slot->pipes.is_open || all->failed)
		return;
	/* the streams themselves need them more */
	if (open_files_left() < SPARE_FILES)
		error_set(&err, "too few files may be open ('ulimit -n' allows %ld more)", open_files_left());
	else if (tokens_pipes(&slot->pipes.tokens, &err) == 0)
		slot->pipes.is_open = true;
	else
		cannot_share(all, stream, &err);
}

/* those of a command before are gone with it, or were left by an orch that was killed */
static void open_fifos(struct jobserver *all, struct slot *slot, const struct attempt *attempt)
{
	char *path = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, "tokens");
	char *back = xasprintf("%s.back", path);
	struct orch_error err = {0};

	if (!all->shims && shims_make(&all->shims, attempt->run, &err) != 0) {
		cannot_share(all, attempt->stream->name, &err);
	} else {
		unlink(path);
		unlink(back);
		if (tokens_fifos(&slot->fifos.tokens, path, back, &err) == 0) {
			slot->fifos.is_open = true;
			slot->path = path;
			path = NULL;
		} else {
			cannot_share(all, attempt->stream->name, &err);
		}
	}
	free(path);
	free(back);
}

/* what stands in MAKEFLAGS as it is */
static char *path_for_all(const char *path, struct orch_error *err)
{
	char *cwd = fs_cwd(), *full = xasprintf("%s/%s", cwd, path);

	free(cwd);
	if (!strpbrk(full, " \t\n\v\f\r\\$"))
		return full;
	error_set(err, "their FIFO's path '%s' has a character that cannot stand in MAKEFLAGS ('jobserver = pipe' needs none)",
		full);
	free(full);
	return NULL;
}

static int make_fifo(struct jobserver *all, struct slot *slot, char *path, struct orch_error *err)
{
	struct channel *channel = &slot->fifos;

	unlink(path);
	if ((!all->usage && usage_new(&all->usage, all->loop, on_used, all, err) != 0) ||
		tokens_fifo(&channel->tokens, path, err) != 0)
		return -1;
	channel->usage = usage_watch(all->usage, path, err);
	if (channel->usage < 0) {
		tokens_close(&channel->tokens);
		unlink(path);
		return -1;
	}
	channel->is_open = channel->is_one = true;
	channel->ends[0] = channel->tokens.take;
	channel->ends[1] = channel->tokens.give;
	return 0;
}

static void open_fifo(struct jobserver *all, struct slot *slot, const struct attempt *attempt)
{
	char *relative = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, "tokens"), *path;
	struct orch_error err = {0};

	if (all->fifo_failed) {
		free(relative);
		return;
	}
	path = path_for_all(relative, &err);
	free(relative);
	if (path && make_fifo(all, slot, path, &err) == 0) {
		slot->path = path;
		return;
	}
	free(path);
	tell_cannot_share(all, attempt->stream->name, &err);
	all->fifo_failed = true;
}

static void close_channel(struct channel *channel)
{
	loop_fd_free(channel->give);
	loop_fd_free(channel->back);
	channel->give = channel->back = NULL;
	channel->watches_give = false;
	if (channel->is_open && channel->is_one)
		usage_ignore(channel->slot->all->usage, channel->usage);
	if (channel->is_open)
		tokens_close(&channel->tokens);
	channel->is_open = channel->is_one = false;
}

static void close_fifos(struct slot *slot)
{
	char *back;

	close_channel(&slot->fifos);
	if (!slot->path)
		return;
	back = xasprintf("%s.back", slot->path);
	/* of one FIFO there is no other */
	unlink(slot->path);
	unlink(back);
	free(back);
	free(slot->path);
	slot->path = NULL;
}

/* --- of an attempt's commands --- */

/* a sandbox closes what is inherited, and lets nothing else be opened */
static bool may_share(const struct stream *stream)
{
	return stream->set->jobserver != JOBSERVER_OFF && stream->set->sandbox == SANDBOX_OFF;
}

/* is what it does now its agent's program, which closes what it inherits? */
static bool is_agents(const struct attempt *attempt)
{
	return attempt->stint && (attempt->phase == PHASE_RUN || attempt->phase == PHASE_RECOVER);
}

static bool is_sharing(const struct jobserver *all)
{
	return all->is_wanted && all->jobs > 1 && !all->failed;
}

void jobserver_prepare(struct jobserver *all, const struct attempt *attempt, struct command *command)
{
	bool has_no_slot_yet = attempt->slot == NO_SLOT_YET;

	if (attempt->slot < LEND_SLOTS_MAX)
		all->slots[attempt->slot].now = NULL;
	if (!is_sharing(all) || (!has_no_slot_yet && attempt->slot >= LEND_SLOTS_MAX) || !attempt->ops->hands_over)
		return;
	if (all->around) {
		command->tokens = has_no_slot_yet ? NULL : makeclient_descriptors(all->around);
		if (!makeclient_descriptors(all->around))
			return;
	} else if (!has_no_slot_yet && attempt->stream->set->jobserver == JOBSERVER_FIFO) {
		struct slot *slot = &all->slots[attempt->slot];

		if (!may_share(attempt->stream))
			return;
		close_fifos(slot);
		open_fifo(all, slot, attempt);
		slot->now = slot->fifos.is_open ? &slot->fifos : NULL;
		/* for the supervisor, that it can be opened also where we are gone; what runs there inherits nothing */
		if (slot->now && command->record)
			command->tokens = slot->fifos.ends;
		return;
	} else if (!has_no_slot_yet && is_agents(attempt)) {
		struct slot *slot = &all->slots[attempt->slot];

		if (!may_share(attempt->stream))
			return;
		close_fifos(slot);
		open_fifos(all, slot, attempt);
		slot->now = slot->fifos.is_open ? &slot->fifos : NULL;
		return;
	} else if (!has_no_slot_yet) {
		struct slot *slot = &all->slots[attempt->slot];

		/* also where this one has no use for them: what is started there next, without us, may have */
		open_pipes(all, slot, attempt->stream->name);
		if (!slot->pipes.is_open)
			return;
		slot->now = &slot->pipes;
		command->tokens = slot->pipes.tokens.client;
	}
	command->has_tokens = may_share(attempt->stream) && !is_agents(attempt);
}

__attribute__((format(printf, 2, 3))) static char *flags_for(const struct jobserver *all, const char *format, ...)
{
	struct strbuf add = {0}, text = {0};
	va_list args;

	strbuf_addf(&add, "-j%u --jobserver-auth=", all->jobs);
	va_start(args, format);
	strbuf_vaddf(&add, format, args);
	va_end(args);
	strbuf_addstr(&text, "MAKEFLAGS=");
	makeflags_write(&text, getenv("MAKEFLAGS"), strbuf_cstr(&add));
	strbuf_release(&add);
	return strbuf_detach(&text);
}

static const char *path_of(const struct strvec *env)
{
	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->items[i], "PATH=", 5) == 0)
			return env->items[i] + 5;
	}
	return getenv("PATH") ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin";
}

void jobserver_environment(const struct jobserver *all, const struct attempt *attempt, const struct command *command,
	struct strvec *env)
{
	const struct slot *slot = attempt->slot < LEND_SLOTS_MAX ? &all->slots[attempt->slot] : NULL;

	if (command && command->has_tokens) {
		strvec_push(env, all->flags);
	} else if (command && slot && slot->now == &slot->fifos && slot->fifos.is_one) {
		char *flags = flags_for(all, "fifo:%s", slot->path);

		strvec_push(env, flags);
		free(flags);
	}
	else if (all->other_flags)
		strvec_push(env, all->other_flags);
}

bool jobserver_shims(
	const struct jobserver *all, const struct attempt *attempt, const struct command *command, struct strvec *env)
{
	const struct slot *slot = attempt->slot < LEND_SLOTS_MAX ? &all->slots[attempt->slot] : NULL;
	char *path, *cwd;

	if (!command || !slot || !slot->path || slot->now != &slot->fifos || slot->fifos.is_one || !is_agents(attempt))
		return false;
	cwd = fs_cwd();
	strvec_pushf(env, "ORCH_JOBSERVER=%s/%s", cwd, slot->path);
	path = xasprintf("%s:%s", all->shims, path_of(env));
	strvec_setenv(env, "PATH", path);
	free(path);
	free(cwd);
	return true;
}

void jobserver_join(struct jobserver *all, const struct attempt *attempt)
{
	unsigned own = attempt->stream->set->weight > 1 ? (unsigned)attempt->stream->set->weight - 1 : 0;
	struct slot *slot;

	if (attempt->slot >= LEND_SLOTS_MAX || all->around || !is_sharing(all) || !may_share(attempt->stream) ||
		!attempt->ops->hands_over)
		return;
	slot = &all->slots[attempt->slot];
	if (attempt->stood_by)
		slot->now = &slot->pipes;
	if (slot->now && slot->now->is_open)
		lend_join(&all->lending, attempt->slot, own < all->jobs ? own : all->jobs - 1, clock_mono_ms());
}

void jobserver_leave(struct jobserver *all, const struct attempt *attempt)
{
	struct slot *slot;

	if (attempt->slot >= LEND_SLOTS_MAX || !all->lending.clients[attempt->slot].there)
		return;
	slot = &all->slots[attempt->slot];
	/* nobody is left who could have one, or write there */
	if (slot->now && slot->now->give) {
		(void)tokens_take(&slot->now->tokens);
		(void)tokens_returned(&slot->now->tokens);
		watch_give(slot->now, false);
	}
	lend_leave(&all->lending, attempt->slot);
	close_fifos(slot);
}

/* --- slots --- */

unsigned jobserver_lent(const struct jobserver *all)
{
	return all->lending.lent;
}

static bool give(struct jobserver *all, struct slot *slot, int64_t now_ms)
{
	struct channel *channel = slot->now;

	/* what was written there before anything was given is worth nothing */
	if (all->lending.clients[slot->number].has == 0)
		(void)(channel->is_one ? tokens_take(&channel->tokens) : tokens_returned(&channel->tokens));
	if (!channel->is_one && !channel->back)
		channel->back = loop_fd_new(all->loop, channel->tokens.back, on_returned, channel);
	/* it is empty, unless somebody wrote into it what was not given */
	if ((!channel->is_one && !channel->back) || !tokens_give(&channel->tokens))
		return false;
	lend_given(&all->lending, slot->number, now_ms);
	if (!channel->is_one)
		watch_give(channel, true);
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

			watch_give(slot->now, false);
			lend_took(&all->lending, slot->number, tokens_take(&slot->now->tokens), wanted, now_ms);
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
		if (!stream_is_group(&project->streams[s]) && may_share(&project->streams[s]))
			return true;
	}
	return false;
}

static void make_flags(struct jobserver *all)
{
	const char *found = getenv("MAKEFLAGS");
	struct makeflags read;
	struct strbuf text = {0};

	free(all->flags);
	free(all->other_flags);
	all->other_flags = NULL;
	all->flags = flags_for(all, "%d,%d", CHILD_TOKENS, CHILD_TOKENS + 1);
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

struct jobserver *jobserver_new(struct loop *loop, const struct project *project, struct makeclient *around,
	const struct jobserver_calls *calls)
{
	struct jobserver *all = xcalloc(1, sizeof *all);

	all->calls = *calls;
	all->loop = loop;
	all->around = around;
	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		struct slot *slot = &all->slots[i];

		*slot = (struct slot){.all = all, .number = i};
		slot->pipes = slot->fifos = (struct channel){.slot = slot, .tokens = TOKENS_NONE};
	}
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
	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		close_channel(&all->slots[i].pipes);
		close_fifos(&all->slots[i]);
	}
	usage_free(all->usage);
	free(all->shims);
	loop_timer_free(all->wake);
	free(all->flags);
	free(all->other_flags);
	free(all);
}
