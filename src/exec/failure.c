/* What is done about an attempt that has failed: its failure as sched/recover.h wants it, and what follows from the
 * decision for the next attempt, for the account and for people. */
#include "config.h"

#include "exec/agents.h"

#include "exec/agents_private.h"
#include "exec/attempt.h"
#include "exec/stint.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/zone.h"
#include "util/alloc.h"
#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PIECE = 256 * 1024,
	/* of a command's log, or a check's, no more than the end of that length is looked at when it has failed */
	LOOKED_AT_MAX = 64 * 1024 * 1024,
};

static const struct when_zones zones = {zone_offset, NULL};

/* false: no rule is asked about such an end */
static bool kind_of(enum orch_outcome outcome, enum failure_kind *kind)
{
	static const signed char kinds[ORCH_OUTCOMES] = {
		[ORCH_OUTCOME_SUCCESS] = -1,
		[ORCH_OUTCOME_UNCHANGED] = -1,
		[ORCH_OUTCOME_EXIT] = FAILURE_EXIT,
		[ORCH_OUTCOME_SIGNAL] = FAILURE_SIGNAL,
		[ORCH_OUTCOME_TIMEOUT] = FAILURE_TIMEOUT,
		[ORCH_OUTCOME_STALLED] = FAILURE_STALLED,
		[ORCH_OUTCOME_CHECK] = FAILURE_CHECK,
		[ORCH_OUTCOME_SPAWN] = FAILURE_SPAWN,
		[ORCH_OUTCOME_MEMORY] = FAILURE_MEMORY,
		[ORCH_OUTCOME_MERGE] = FAILURE_MERGE,
		[ORCH_OUTCOME_CHANGES] = FAILURE_CHANGES,
		[ORCH_OUTCOME_OUTPUTS] = FAILURE_OUTPUTS,
		[ORCH_OUTCOME_NODE] = FAILURE_NODE,
		[ORCH_OUTCOME_PREEMPTED] = FAILURE_PREEMPTED,
		[ORCH_OUTCOME_CANCELLED] = FAILURE_CANCELLED,
		[ORCH_OUTCOME_STOPPED] = -1,
		[ORCH_OUTCOME_INTERNAL] = -1,
	};

	if (kinds[outcome] < 0)
		return false;
	*kind = (enum failure_kind)kinds[outcome];
	return true;
}

/* what the rules find in a part of the log that nobody has followed */
static int look_through(struct agents *all, const struct attempt *attempt, enum output_of of, int64_t from,
	struct output *output, struct orch_error *err)
{
	const struct output_patterns *patterns = agents_patterns(all, NULL, of, err);
	char *buffer;
	struct stat st;
	ssize_t got = 1;

	if (!patterns)
		return -1;
	output_init(output, patterns, NULL);
	if (attempt->log_fd < 0)
		return 0;
	if (fstat(attempt->log_fd, &st) == 0 && st.st_size - from > LOOKED_AT_MAX)
		from = st.st_size - LOOKED_AT_MAX;
	buffer = xmalloc(PIECE);
	while (got > 0) {
		got = pread(attempt->log_fd, buffer, PIECE, (off_t)from);
		if (got > 0) {
			from += got;
			output_feed(output, buffer, (size_t)got);
		}
	}
	free(buffer);
	output_finish(output);
	return 0;
}

/* the session was to be gone on with, and there was none: nothing of it was ever seen */
static bool lost_session(const struct attempt *attempt)
{
	const struct stint *stint = attempt->stint;

	return stint && !stint->fix && stint->resumed && !stint->output.session.len && stint->agent->session &&
		!stint->output.done && attempt->outcome == ORCH_OUTCOME_EXIT;
}

/* what the next attempt is told, and its session */
static void remember(struct agents *all, const struct attempt *attempt, enum failure_kind kind,
	const struct recover_decision *decision)
{
	struct memory *memory = attempt->memory;
	const struct stint *stint = attempt->stint;

	/* a fixer that has not come to its end is still to do its work, and knows of nothing else */
	if (attempt->mending && decision->action != RECOVER_FIX)
		return;
	free(memory->what);
	free(memory->log);
	memory->kind = kind;
	memory->what = xstrdup(attempt->message ? attempt->message : orch_outcome_name(attempt->outcome));
	memory->log = attempt->log ? xstrdup(attempt->log) : NULL;
	memory->attempt = attempt->number;
	memory->check_from = attempt->check_from;
	memory->found_wrong = attempt->found_wrong;
	memory->interrupted = decision->action == RECOVER_WAIT || decision->action == RECOVER_NEXT;
	memory->rule = decision->rule;
	agents_copy_match(&memory->match, decision->match);
	if (stint && !stint->fix && stint->session_seen && memory->session) {
		memory->before.cost.of_session = stint->output.meter.cost.of_session;
		memory->before.tokens.of_session = stint->output.meter.tokens.of_session;
	}
	memory->fix = decision->action == RECOVER_FIX;
	if (decision->action == RECOVER_NEXT) {
		memory->agent = decision->next;
		agents_forget_session(all, attempt->stream, memory);
	} else if (decision->fresh || lost_session(attempt)) {
		agents_forget_session(all, attempt->stream, memory);
	} else if (memory->session) {
		agents_write_session(all, attempt->stream, memory);
	}
}

static void hold(struct agents *all, const struct attempt *attempt, const struct recover_decision *decision)
{
	char *reason;

	if (!decision->hold)
		return;
	reason = xasprintf("rule '%s', by stream '%s'", decision->rule->name, attempt->stream->name);
	agents_hold(all, decision->hold, decision->hold_until_ms, reason);
	free(reason);
}

/* for people: what failed, and what is done about it; NULL: no rule has to do with it */
static char *explain(struct agents *all, const struct attempt *attempt, const struct recover_decision *decision)
{
	const char *what = attempt->message ? attempt->message : orch_outcome_name(attempt->outcome);
	const char *rule = decision->rule ? decision->rule->name : "";
	const char *blind = decision->blind ? " (no time was given that is understood)" : "";
	char *until, *text = NULL;
	uint32_t count;

	switch (decision->action) {
	case RECOVER_BY_STREAM:
		break;
	case RECOVER_RETRY:
		text = *rule ? xasprintf("%s; rule '%s': tried again, time %u", what, rule, decision->attempt)
			     : xasprintf("%s; its session is gone: a new one is begun", what);
		break;
	case RECOVER_FIX:
		text = xasprintf("%s; rule '%s': %s works on it first, time %u", what, rule,
			decision->fixer ? decision->fixer : "its script", decision->attempt);
		break;
	case RECOVER_WAIT:
		until = agents_until(decision->wake_ms);
		text = decision->hold ? xasprintf("%s; rule '%s': account '%s' is held %s%s", what, rule,
						decision->hold, until, blind)
				      : xasprintf("%s; rule '%s': waits %s%s", what, rule, until, blind);
		free(until);
		break;
	case RECOVER_NEXT:
		until = agents_until(decision->hold_until_ms);
		text = xasprintf("%s; rule '%s': account '%s' is held %s%s, and %s takes over", what, rule,
			decision->hold, until, blind, agents_chain(all, attempt->stream, &count)[decision->next]->name);
		free(until);
		break;
	case RECOVER_FAIL:
		text = xasprintf("%s; rule '%s'%s%s%s%s", what, rule,
			decision->used_up ? ": its retries are used up" : " ends it",
			decision->hold ? ", and account '" : "", decision->hold ? decision->hold : "",
			decision->hold ? "' is held until 'orch resume'" : "");
		break;
	}
	return text;
}

void agents_failed(struct agents *all, struct attempt *attempt, struct recover_decision *out, char **reason)
{
	struct memory *memory = attempt->memory;
	const struct stint *stint = attempt->stint;
	struct output output = {0};
	struct orch_error err = {0};
	struct recover_failure failure = {
		.rules = all->project->recoveries,
		.rule_count = all->project->recovery_count,
		.holds = &all->purse->holds,
		.now_ms = clock_wall_ms(),
		.zones = &zones,
	};
	int result = 0;

	*reason = NULL;
	*out = (struct recover_decision){.action = RECOVER_BY_STREAM, .backoff_ms = -1, .backoff_max_ms = -1};
	if (!memory || !kind_of(attempt->outcome, &failure.kind))
		return;
	if (attempt->outcome == ORCH_OUTCOME_CHECK && attempt->check_from >= 0) {
		result = look_through(all, attempt, OUTPUT_OF_CHECK, attempt->check_from, &output, &err);
		failure.matches = output.matches;
	} else if (stint) {
		failure.matches = stint->output.matches;
	} else if (failure.rule_count > 0 && !stream_has_prompt(attempt->stream)) {
		result = look_through(all, attempt, OUTPUT_OF_WORK, 0, &output, &err);
		failure.matches = output.matches;
	}
	if (result < 0)
		all->warn(all->data, attempt->stream->name, err.message);
	/* a fixer's account is its own, and nobody takes over from it */
	if (attempt->mending && stint) {
		failure.chain = &stint->agent;
		failure.chain_count = 1;
	} else {
		failure.chain = agents_chain(all, attempt->stream, &failure.chain_count);
		failure.agent = memory->agent;
	}
	recover_decide(&failure, &memory->recovery, &all->purse->random, out);
	if (out->action == RECOVER_BY_STREAM && lost_session(attempt)) {
		out->action = RECOVER_RETRY;
		out->wake_ms = failure.now_ms;
		out->rule = NULL;
	}
	remember(all, attempt, failure.kind, out);
	hold(all, attempt, out);
	*reason = explain(all, attempt, out);
	output_release(&output);
}
