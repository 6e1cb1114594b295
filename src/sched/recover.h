/*
 * What is done about a failed attempt. Pure: the failure, what the rules' patterns found in its output, the time, and
 * the holds are values; the decision is one. The caller carries it out.
 *
 * The first rule whose kind and pattern both fit decides. Its budget is its own: `retries` are counted per stream and
 * rule, and do not take from the stream's. When they are used up the stream fails. Without a rule that fits the
 * stream's own retries decide.
 *
 *   fail      the stream ends. With scope = account nobody of that account starts any more: a person is needed
 *   wait      it goes on at the time that is said; where an account is held, five minutes later, or the `margin` of the
 *             rule; where none is said that is understood, after the rule's backoff (RECOVER_WAIT_BLIND_MS without).
 *             Waits take from no budget unless the rule has `retries`
 *   agent,    works on it first, then the stream is tried again; once, unless `retries` says otherwise
 *   run       the same. Together with `wait` or `fail` it only tells somebody
 *   retries   the stream is tried again, after the backoff
 *   neither   the stream's own retries decide, with the rule's backoff
 *
 * A stream with several agents goes on with the next one whose account is not held, in place of waiting or failing by a
 * rule of scope = account.
 */
#ifndef SCHED_RECOVER_H
#define SCHED_RECOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph/agent.h"
#include "util/when.h"

enum {
	RECOVER_MARGIN_MS = 5 * 60 * 1000, /* added to the end of a usage limit: clocks differ, some limits end late */
	RECOVER_WAIT_BLIND_MS = 30 * 60 * 1000,
	RECOVER_WAIT_BLIND_MAX_MS = 2 * 60 * 60 * 1000,
};

/* --- accounts that are over their limit --- */

struct hold {
	char *account;
	int64_t until_ms; /* INT64_MAX: until a person ends it */
	char *reason;
};

/* a zeroed struct has none */
struct holds {
	struct hold *items;
	size_t count, capacity;
};

/* both texts are copied. Of two holds on one account the longer one counts */
void holds_add(struct holds *holds, const char *account, int64_t until_ms, const char *reason);
/* ends those on `account` (NULL: all); how many there were */
size_t holds_end(struct holds *holds, const char *account);
/* ends those whose time has come; how many there were */
size_t holds_expire(struct holds *holds, int64_t now_ms);
/* the hold on the account, or NULL */
const struct hold *holds_find(const struct holds *holds, const char *account);
/* when the first one ends by itself; INT64_MAX: none does */
int64_t holds_next(const struct holds *holds);
void holds_release(struct holds *holds);

/* the first agent of the chain whose account is not held, or -1 */
int recover_pick_agent(const struct agent *const *chain, uint32_t count, const struct holds *holds);

/* --- a failure --- */

/* what the pattern of a rule found last: the values of its groups */
struct rule_group {
	char *name, *value;
};

struct rule_match {
	bool matched;
	struct rule_group *groups;
	uint32_t group_count;
};

struct recover_failure {
	enum failure_kind kind;
	const struct rule *rules;
	const struct rule_match *matches; /* of each rule, as far as it has a pattern; NULL: none of them matched */
	uint32_t rule_count;
	const struct agent *const *chain; /* the stream's agents, in order; empty for a command */
	uint32_t chain_count, agent;      /* the one that failed */
	const struct holds *holds;        /* as they are now; NULL: none */
	int64_t now_ms;                   /* wall time */
	const struct when_zones *zones;
};

/* how often each rule has acted for one stream; zeroed: never */
struct recovery {
	uint32_t *used; /* [rule]; NULL before the first */
	uint32_t count;
};

void recovery_release(struct recovery *recovery);

enum recover_action {
	RECOVER_BY_STREAM, /* the stream's own retries decide */
	RECOVER_RETRY,     /* again at wake_ms */
	RECOVER_FIX,       /* `fixer` or `script` first, then again at wake_ms */
	RECOVER_WAIT,      /* held until wake_ms; not an attempt that counts */
	RECOVER_NEXT,      /* again at once, with agent `next` of the chain; not an attempt that counts */
	RECOVER_FAIL,
};

struct recover_decision {
	enum recover_action action;
	const struct rule *rule; /* NULL: none fitted */
	const struct rule_match *match;
	int64_t wake_ms;    /* wall time */
	int64_t backoff_ms; /* of RECOVER_BY_STREAM: the rule's, with its most; -1: the stream's own */
	int64_t backoff_max_ms;
	const char *fixer; /* of RECOVER_FIX: the agent who gets rule->prompt; NULL: script */
	bool script;       /* rule->run is to be run; of RECOVER_FIX it must succeed */
	bool fresh;        /* the next attempt starts a new session */
	const char *hold;  /* the account that is to be held; NULL: none */
	int64_t hold_until_ms;
	uint32_t next;
	bool blind;       /* it waits, but no time was understood */
	bool used_up;     /* it fails because the rule's retries are */
	uint32_t attempt; /* which of the rule's attempts this is, from 1 */
};

/* `random` as in retry_random(): for the jitter of backoffs */
void recover_decide(const struct recover_failure *failure, struct recovery *recovery, uint64_t *random,
	struct recover_decision *out);

/* the kind's name as rules write it */
const char *failure_kind_name(enum failure_kind kind);

#endif
