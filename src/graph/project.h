/*
 * All that is declared: streams, pools, agents, recovery rules, hooks, settings of the run. What was *meant*, where the
 * AST is what was written. Everything lives in `arena` and in the sources; stream ids are dense and follow the order of
 * the file.
 */
#ifndef GRAPH_PROJECT_H
#define GRAPH_PROJECT_H

#include "graph/agent.h"
#include "graph/stream.h"
#include "util/arena.h"
#include "util/source.h"

#include <stddef.h>

#define NO_STREAM UINT32_MAX

/* a name that was mentioned, as a stream or as a dependency */
struct symbol {
	const char *name;
	uint32_t stream; /* NO_STREAM while it is only mentioned */
	uint32_t hash;
};

struct pool {
	const char *name;
	uint32_t limit;
	struct place place;
};

enum hook_event { HOOK_START, HOOK_STREAM_SUCCESS, HOOK_STREAM_FAILURE, HOOK_PAUSE, HOOK_FINISH, HOOK_EVENTS };

struct hook {
	enum hook_event event;
	struct text script;
	struct place place;
};

/* key and value of an agent or a recovery rule, checked against the settings table, stored as written (expanded) */
struct property {
	uint16_t row;
	struct text value;
	struct place place;
	bool block; /* it was written as one */
};

/* agent NAME [: BASE]: (base already applied), recover NAME: */
struct declaration {
	const char *name;
	const char *base; /* of an agent; NULL: none */
	enum agent_origin origin;
	const struct property *properties;
	uint32_t property_count;
	struct place place;
};

struct variable {
	const char *name, *value;
	struct place place; /* source 0: command line or environment */
};

/* `{{STREAM.key}}` in a text of `user`: checked against the graph by load_check() */
struct value_ref {
	const char *name; /* of STREAM */
	uint32_t user;
	struct place place;
};

/* runner NAME: of the Orchfile, of the user, or one that ships; scripts for sh -eu */
struct queue_runner {
	const char *name;
	struct text submit, poll, cancel;
	int64_t interval_ms, lost_ms, latency_ms;
	enum agent_origin origin;
	struct place place;
};

enum merge_mode { MERGE_MANUAL, MERGE_AUTO, MERGE_SQUASH };

/* project: */
struct project_settings {
	const char *name; /* default: the directory's name */
	struct words default_targets;
	int64_t jobs;      /* 0: not given */
	const char *shell; /* "sh -eu" */
	const char *base, *worktrees, *runner;
	const char *repository; /* NULL: the one that the Orchfile is in */
	const char *preamble;   /* a file; NULL: the one that is built in */
	enum merge_mode merge;
	const char *overlap, *escape, *schedule; /* as written; NULL: the default */
	double budget;
	int64_t limit_wait_ms; /* -1: not given */
	struct words redact;
	const struct setting_origin *origins;
	uint32_t origin_count;
};

struct project {
	struct arena arena;
	struct source_set sources;
	const char *dir;  /* absolute: where the Orchfile is, and every stream runs */
	const char *file; /* the Orchfile as the user named it */
	struct project_settings set;
	const struct settings *defaults; /* what every stream starts from */
	struct stream *streams;
	uint32_t stream_count, stream_capacity;
	struct dep_ref *deps;
	uint32_t dep_count, dep_capacity;
	struct symbol *symbols;
	uint32_t symbol_count, symbol_capacity;
	uint32_t *symbol_slots; /* open addressing over symbols, number + 1; 0 is free */
	uint32_t slot_count;
	struct pool *pools;
	uint32_t pool_count;
	struct hook *hooks;
	uint32_t hook_count;
	struct declaration *agents, *rules, *queues; /* of the Orchfile, as declared */
	uint32_t agent_count, rule_count, queue_count;
	/* what counts: of the Orchfile, of the user and those that ship, where the Orchfile uses any agent. Rules in
	 * the order in which they are tried */
	struct agent *profiles;
	uint32_t profile_count;
	struct rule *recoveries;
	uint32_t recovery_count;
	struct queue_runner *runners; /* those that count */
	uint32_t runner_count;
	struct variable *variables;
	uint32_t variable_count;
	struct value_ref *refs;
	uint32_t ref_count, ref_capacity;
};

void project_init(struct project *project);
void project_release(struct project *project);

/* a directory in the git repository whose branches the streams work on, absolute; the caller frees */
char *project_repository(const struct project *project);
/* the symbol of `name`, made if it is new; the name is copied then */
uint32_t project_symbol(struct project *project, const char *name, size_t len);
/* the stream of that name, or NO_STREAM */
uint32_t project_find(const struct project *project, const char *name);
uint32_t project_findn(const struct project *project, const char *name, size_t len);
/* the agent of that name, or NULL */
const struct agent *project_agent(const struct project *project, const char *name);
/* the runner of that name that is declared, or NULL */
const struct queue_runner *project_runner(const struct project *project, const char *name);
/* what runs the attempts of a stream with these settings: "process", ... or the name of one that is declared */
const char *project_runner_name(const struct project *project, const struct settings *set);
/* the pool of that name, or NULL */
const struct pool *project_pool(const struct project *project, const char *name);
/* adds a stream with the next id; its deps are added with project_add_dep() before the next stream is. NULL if one of
 * that name is there */
struct stream *project_add_stream(struct project *project, const char *name, size_t len);
void project_add_dep(struct project *project, struct stream *stream, uint32_t symbol, uint32_t offset, bool order_only);
/* nearest stream name, or NULL */
const char *project_suggest(const struct project *project, const char *name);

#endif
