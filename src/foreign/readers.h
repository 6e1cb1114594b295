/* What reads which kind of file into a model. */
#ifndef FOREIGN_READERS_H
#define FOREIGN_READERS_H

#include <stdbool.h>
#include <stddef.h>

#include "foreign/model.h"

/* tasks.c: task lists, and the files of Task Master. `root`: the tree of a JSON or YAML file */
bool tasks_are(const struct node *root);
void tasks_read(struct model *model, const struct node *root);

/* the key of a task where several lists have theirs: "TAG.ID"; `prefix` NULL: as it is. In the model's arena */
char *tasks_key(struct model *model, const char *prefix, const char *key);
/* subtasks.c: the checklist of the stream of task `id`, of a list of subtasks */
void subtasks_read(struct model *model, struct foreign_stream *stream, const char *prefix, const char *id,
	const struct node *list);

/* streams.c: stream metadata: streams, or tasks that say which stream they belong to */
bool streams_are(const struct node *root);
void streams_read(struct model *model, const struct node *root);
/* a task of the stream that its metadata name; `metadata` may be NULL, and a task of no stream is a stream then */
void streams_read_task(struct model *model, const struct node *task, const struct node *metadata);
/* after all tasks: which streams are complete, and their prompts */
void streams_finish(struct model *model);

/* batch.c: lists of specifications, each a prompt in a file */
bool batch_is(const struct node *root);
void batch_read(struct model *model, const struct node *root);

/* markdown.c */
bool markdown_has_front_matter(const char *text, size_t len);
bool markdown_is(const char *text, size_t len);
/* a prompt or a list of prompts; `path` is the file's, for a prompt without a name */
void markdown_read(struct model *model, const char *path, const char *text, size_t len, struct place start);

/* database.c: a SQLite task database. Its rows have no lines: they are written into *listing, which places are in */
void database_read(struct model *model, const char *path, struct strbuf *listing, struct place start);

#endif
