/*
 * An agent as it was meant: how it is started, and what its output says. A recovery rule: what is done about one kind
 * of failure. Both are read-only once the Orchfile has been read, and live in the project's arena. Patterns are texts;
 * who uses them compiles them.
 */
#ifndef GRAPH_AGENT_H
#define GRAPH_AGENT_H

#include "graph/stream.h"

/* what several reports of cost or tokens in one attempt mean */
enum agent_counts {
	COUNTS_LAST,    /* the last one is the attempt's */
	COUNTS_SESSION, /* the last one is the whole session's: what earlier attempts of it cost is taken off */
	COUNTS_SUM,     /* each is a part: they are added up */
};

/* where an agent or a rule was declared; the first of a name wins */
enum agent_origin { FROM_ORCHFILE, FROM_USER, SHIPPED };

struct agent {
	const char *name;
	struct text run, resume; /* templates; bytes NULL: none */
	const char *args;        /* {{args}}; "" without */
	const char *account;     /* agents of one account share its usage limit; its own name without */
	int64_t limit;           /* how many run at once; 0: no limit of its own */
	int64_t prompt_max;      /* longest prompt it takes, in bytes; 0: no limit is known */
	/* patterns; NULL: none. own: lines of its own channel; the others have a group of their name (tokens: or
	 * `input` and `output`), but for done and failed */
	const char *own, *done, *failed, *session, *cost, *tokens, *progress, *note, *summary;
	enum agent_counts counts;
	double estimate;              /* what an attempt costs, where it does not say; below 0: not given */
	const struct kill_step *kill; /* NULL: the stream's */
	uint32_t kill_count;
	int64_t linger_ms, idle_ms; /* -1: the stream's */
	const struct env_entry *env;
	uint32_t env_count;
	struct words unset;
	/* What its program keeps of its own, and so may write in a sandbox: absolute, or below the home directory ("~/").
	 * One that ends in "/" is a directory, and is made if it is missing */
	struct words state;
	/* does orch choose the session's id, before the start? (`run` has {{session}}) */
	bool chooses_session;
	enum agent_origin origin;
	struct place place;
};

enum failure_kind {
	FAILURE_EXIT,
	FAILURE_SIGNAL,
	FAILURE_TIMEOUT,
	FAILURE_STALLED,
	FAILURE_CHECK,
	FAILURE_SPAWN,
	FAILURE_MERGE,
	FAILURE_OUTPUTS,
	FAILURE_CHANGES,
	FAILURE_MEMORY,
	FAILURE_NODE,      /* the machine that it ran on is gone, or it on it */
	FAILURE_PREEMPTED, /* it had to make room for another job */
	FAILURE_CANCELLED, /* its job was ended by somebody else than orch */
	FAILURE_KINDS
};

/* what a rule's pattern is matched against */
enum rule_channel {
	CHANNEL_DEFAULT, /* own for an agent's attempt, all for a command's; a check's output for kind `check` */
	CHANNEL_OWN,
	CHANNEL_ALL
};

struct rule {
	const char *name;
	unsigned kinds;    /* bits 1 << enum failure_kind; 0: every kind */
	const char *match; /* NULL: every failure of these kinds */
	enum rule_channel channel;
	struct text wait;   /* a time, {{group}} of the pattern; bytes NULL: none */
	const char *agent;  /* works on the failure first; NULL: none */
	struct text prompt; /* its prompt */
	struct text run;    /* a script that works on the failure first, or tells of it; bytes NULL: none */
	int32_t retries;    /* attempts by this rule; -1: not given */
	int64_t backoff_ms; /* -1: not given */
	int64_t backoff_max_ms;
	int64_t margin_ms; /* an account is held for so much longer than is said; -1: not given */
	bool fail;    /* ends the stream */
	bool fresh;   /* the next attempt starts a new session */
	bool account; /* scope = account */
	enum agent_origin origin;
	struct place place;
};

#endif
