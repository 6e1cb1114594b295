/* What agents.c, agents_carry.c and failure.c share; nobody else includes it. */
#ifndef EXEC_AGENTS_PRIVATE_H
#define EXEC_AGENTS_PRIVATE_H

#include "exec/agents.h"

/* what a run has once, however often its Orchfile is read again */
struct purse {
	unsigned users; /* struct agents that have it */
	struct holds holds;
	struct budget budget;
	uint64_t random;
};

struct agents {
	const struct project *project;
	uint32_t stream_count, profile_count; /* of that project */
	struct statedir *dir;
	void (*warn)(void *data, const char *stream, const char *message);
	void *data;
	int64_t limit_wait_ms;
	struct purse *purse;
	struct memory **memories;                    /* [stream], NULL before the first attempt */
	struct output_patterns **of_work, *of_check; /* of_work: [profile], the last for commands; NULL until wanted */
	bool has_own_rules;                          /* some that do not ship: they count for commands too */
	const struct agent **chain;                  /* of the streams with these settings */
	const struct settings *chain_of;
	char *preamble;
	char *why; /* of agents_admit() */
};

void agents_hold(struct agents *agents, const char *account, int64_t until_ms, const char *reason);
void agents_forget_match(struct rule_match *match);
void agents_copy_match(struct rule_match *to, const struct rule_match *from);
/* "until 15:40:00"; the caller frees */
char *agents_until(int64_t until_ms);
void agents_write_session(struct agents *agents, const struct stream *stream, const struct memory *memory);
void agents_forget_session(struct agents *agents, const struct stream *stream, struct memory *memory);

#endif
