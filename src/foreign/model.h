/*
 * What a foreign task file means, whatever its format: streams with their names, texts and dependencies. The readers
 * fill it, one after the other; model_settle() finds out which stream a dependency means; write.c makes an Orchfile of
 * it. Texts are data: nothing in here is ever a command.
 */
#ifndef FOREIGN_MODEL_H
#define FOREIGN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "foreign/node.h"
#include "util/arena.h"
#include "util/array.h"
#include "util/map.h"
#include "util/source.h"
#include "util/strbuf.h"

struct diag_list;

/* a word of a list, as it was written there */
struct foreign_word {
	const char *text;
	struct place place;
};

/* a dependency */
struct foreign_dep {
	struct foreign_word word;
	const char *name; /* of the stream, once settled; NULL: none (its own, or an error) */
};

/* a setting that goes into the Orchfile as it is: words, each to be written so that it is read as one */
struct foreign_setting {
	const char *name;
	bool whole; /* one value, not words */
	struct foreign_word *words;
	uint32_t count;
	struct place place;
};

struct foreign_stream {
	const char *key;  /* what the file calls it */
	const char *name; /* what its stream is called: the key, made fit */
	const char *title;
	struct place place;
	struct strbuf prompt;
	const char *prompt_file; /* NULL: the prompt is the text */
	struct place prompt_place;
	ARRAY(struct foreign_dep) deps;
	ARRAY(struct foreign_word) tasks; /* the checklist */
	ARRAY(struct foreign_word) touches;
	ARRAY(struct foreign_word) tags;
	ARRAY(struct foreign_setting) settings;
	int priority;
	int64_t estimate_ms; /* 0: not said */
	bool complete;       /* it is done there */
	bool held;           /* it is not to start by itself there: put off, blocked, in review */
	bool is_group;       /* it stands for its dependencies */
	bool left_out;       /* it is switched off there */
};

struct model {
	struct arena arena;
	struct diag_list *diags;
	const char *kind;   /* what the file is, for people: "a task list" */
	const char *dir;    /* of the file, for the paths in it; "." */
	bool look;          /* whether files are looked for */
	struct place place; /* of the whole */
	ARRAY(struct foreign_stream *) streams;
	struct map keys;  /* key -> stream; of Task Master's subtasks ("1.2") too */
	struct map names; /* name -> stream */
	struct map said;  /* what was warned of already */
	bool has_deps;    /* it says something of dependencies */
	bool takes_deps;  /* the format could */
};

void model_init(struct model *model, struct diag_list *diags);
void model_release(struct model *model);

/* a stream of that key; NULL after an error: it is there already */
struct foreign_stream *model_add(struct model *model, const char *key, struct place place);
/* another name for it, that dependencies may use */
void model_alias(struct model *model, const char *key, struct foreign_stream *stream);
struct foreign_stream *model_find(const struct model *model, const char *key);
/* the key of "Stream-A: title", and the title in *title (NULL: none); in the model's arena */
const char *model_split_key(struct model *model, const char *text, const char **title);

void model_dep(struct model *model, struct foreign_stream *stream, const char *key, struct place place);
/* dependencies as lists are written: a list of texts, one text, or null */
void model_deps(struct model *model, struct foreign_stream *stream, const struct node *list);
/* a paragraph of the prompt, behind a blank line; `heading` may be NULL */
void model_paragraph(struct foreign_stream *stream, const char *heading, const char *text);
/* the same of a list: "- item" lines; of a text: as it is */
void model_paragraph_node(struct foreign_stream *stream, const char *heading, const struct node *node);
void model_task(struct model *model, struct foreign_stream *stream, const char *title, struct place place);
/* the texts of a list, or one text, each added once */
void model_touches(struct model *model, struct foreign_stream *stream, const struct node *list);
void model_tag(struct model *model, struct foreign_stream *stream, const char *tag, struct place place);
void model_tags(struct model *model, struct foreign_stream *stream, const struct node *list);
/* done, pending, deferred, ... as people write it */
void model_status(struct model *model, struct foreign_stream *stream, const struct node *status);
/* "high", 2, ...: a number where the smaller comes first */
void model_priority(struct model *model, struct foreign_stream *stream, const struct node *priority);
/* who works on it there: a word to select by and a line of the prompt */
void model_role(struct model *model, struct foreign_stream *stream, const struct node *role);
/* a file that holds the prompt, as it is written there; looked for beside the file and in `prompts/` */
void model_prompt_file(struct model *model, struct foreign_stream *stream, const char *path, struct place place);

/* warns of members that no reader uses, each name once; `known` is NULL-terminated */
void model_warn_unknown(struct model *model, const struct node *map, const char *const *known);
/* the same, of one that orch knows but does not carry out */
__attribute__((format(printf, 4, 5))) void model_warn_once(
	struct model *model, const char *what, struct place place, const char *format, ...);

/* is that node true: true, yes, 1? `fallback` if it is absent or neither */
bool model_truth(const struct node *node, bool fallback);
/* a status that says that nothing is left to do */
bool model_is_done(const char *status);
bool model_is_dropped(const char *status);

/* names of streams, dependencies to names; what names nothing is an error */
void model_settle(struct model *model);

#endif
