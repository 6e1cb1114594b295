/*
 * AST -> project. One struct eval reads one Orchfile with all it includes; statements are evaluated in the order in
 * which they stand. What needs the whole file (defaults, pools, bases of agents) is settled by eval_finish().
 */
#ifndef LANG_EVAL_H
#define LANG_EVAL_H

#include "graph/project.h"
#include "lang/ast.h"
#include "lang/load.h"
#include "lang/scope.h"
#include "lang/setting.h"
#include "util/array.h"
#include "util/diag.h"
#include "util/map.h"
#include "util/strbuf.h"

struct eval;

/* the file being read and those that include it */
struct eval_file {
	uint16_t number;
	const struct source *source;
	char *real; /* its canonical path, to see cycles */
	struct eval_file *outer;
	unsigned depth;
};

/* a setting of defaults:, as it will be given to each stream */
struct default_entry {
	const struct setting *row;
	char op;
	bool again; /* text has parts that differ from stream to stream */
	struct text text;
	const char *duration; /* of `every DURATION:` */
	struct place place, name_place;
};

struct unknown_name {
	char *name;
	char *best; /* nearest name known there, or NULL */
	struct place place;
};

/* `key += value` of a stream, to be joined with the default's */
struct append {
	uint32_t stream;
	uint16_t row;
};

/* a stream whose prompt is in a file: prompt_file.h */
struct noted_prompt {
	uint32_t stream;
	struct place place;
	struct scope_loop *loop; /* those around it, innermost first */
};

struct eval {
	struct project *project;
	const struct load_options *options;
	struct diag_list *diags;
	struct scope scope;
	struct eval_file *file;
	ARRAY(struct pool) pools;
	struct map pool_numbers; /* name -> its index in pools, and 1 */
	ARRAY(struct hook) hooks;
	ARRAY(struct declaration) agents;
	ARRAY(struct declaration) rules;
	ARRAY(struct declaration) queues;
	ARRAY(struct property) properties;    /* of the declaration being read */
	ARRAY(struct setting_origin) origins; /* of the stream being read */
	ARRAY(struct setting_origin) project_origins;
	ARRAY(struct default_entry) defaults;
	ARRAY(struct append) appends;
	ARRAY(struct unknown_name) unknown;
	ARRAY(struct noted_prompt) prompts;
	ARRAY(struct env_entry) prompt_values; /* used in the prompt's file that is looked at */
	struct map prompt_sources;             /* by path */
	bool in_prompt_file;
	struct settings builtin;
	struct map reported;         /* errors said already: a loop's body is read many times */
	struct strbuf scratch, flat; /* reused */
	uint64_t repetitions;        /* of loops, so far */
	uint64_t expanded;           /* bytes made by expansion, so far */
	struct place setting_place;  /* name of the setting being read, for what is said of it as a whole */
	enum agent_origin origin;    /* of the file being read */
	uint32_t generator;          /* stream whose fragment is being read, or NO_STREAM */
	bool wants_agents;           /* an agent was named: those of the user and those that ship are read */
	bool wants_runners;          /* the same of runners; they may stand in the same file */
	bool only_runners;           /* of the file being read nothing else counts */
	const char *groups;          /* pattern of the recovery rule being read */
	uint32_t groups_len;
};

enum {
	EVAL_TEXT_MAX = 16 * 1024 * 1024,      /* of one expanded text */
	EVAL_EXPANDED_MAX = 512 * 1024 * 1024, /* of all */
	EVAL_REPETITIONS_MAX = 4 * 1000 * 1000,
	EVAL_INCLUDE_DEPTH_MAX = 64,
	EVAL_NAME_MAX = 128,
};

void eval_init(struct eval *eval, struct project *project, const struct load_options *options, struct diag_list *diags);
void eval_release(struct eval *eval);
void eval_statement(struct eval *eval, const struct ast *node);
void eval_finish(struct eval *eval);

/* load.c: reads the fragments that an include names */
void load_include(struct eval *eval, const struct ast *node);
/* the same of what a stream has generated; takes the text (with two NUL bytes behind it) over */
void load_fragment_text(struct eval *eval, const char *name, char *text, size_t len);

/* nested.c: streams that are projects, after the defaults */
void nested_settle(struct eval *eval);

/* fragment.c: what streams with `generates` have generated */
void load_fragments(struct eval *eval);
/* is this statement one that a fragment can hold? Else that is an error */
bool fragment_may_hold(struct eval *eval, const struct ast *node);
/* streams that generate, and what they have generated, when all is settled */
void fragment_check(struct eval *eval);

/* eval_stream.c */
void eval_streams(struct eval *eval, const struct ast *node);
void eval_defaults(struct eval *eval, const struct ast *node);
void eval_settle_defaults(struct eval *eval);

/* eval_worktree.c: what streams say of worktrees and branches, after the defaults */
void eval_check_worktrees(struct eval *eval);

/* eval_declare.c */
void eval_project(struct eval *eval, const struct ast *node);
void eval_agent(struct eval *eval, const struct ast *node);
void eval_rule(struct eval *eval, const struct ast *node);
void eval_runner(struct eval *eval, const struct ast *node);
void eval_pool(struct eval *eval, const struct ast *node);
void eval_hook(struct eval *eval, const struct ast *node);
void eval_settle_declarations(struct eval *eval);

/* eval_agent.c: declarations, bases applied -> struct agent, struct rule */
void eval_settle_agents(struct eval *eval);
/* the first of each name, in the order Orchfile, user, shipped; *count is how many */
const struct declaration **eval_effective(
	struct eval *eval, const struct declaration *list, size_t all, uint32_t *count);
/* the value of a setting that must be known when the file is read; -1 after an error */
struct value;
int eval_known(struct eval *eval, const struct property *property, struct value *value);
/* eval_runner.c */
void eval_settle_runners(struct eval *eval);
/* what is named as a runner must be one; after the defaults */
void eval_check_runners(struct eval *eval);
/* who is named as an agent must be one; after the defaults */
void eval_check_agents(struct eval *eval);

/* an error once per place, however often a loop comes by */
__attribute__((format(printf, 3, 4))) bool eval_error(struct eval *eval, struct place place, const char *format, ...);
__attribute__((format(printf, 3, 4))) bool eval_warning(struct eval *eval, struct place place, const char *format, ...);
struct place eval_place(const struct eval *eval, struct span span);
static inline const char *eval_bytes(const struct eval *eval, struct span span)
{
	return eval->file->source->text + span.offset;
}
/* the row of a setting, or NULL after an error that offers the nearest name */
const struct setting *eval_find_setting(struct eval *eval, struct span name, unsigned scope, bool block);
/* no command may stand in this body */
void eval_no_script(struct eval *eval, const struct ast *node, const char *where);

#endif
