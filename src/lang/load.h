/*
 * An Orchfile and all it includes to a struct project. Statements are evaluated one after the other while the parser
 * reads, so that the AST of a file of 100 000 streams is never whole in memory. All errors of all files are collected.
 */
#ifndef LANG_LOAD_H
#define LANG_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"

struct diag_list;
struct project;
struct strbuf;

/* what a stream has generated, before it counts: it is read in the place of what it has generated before */
struct load_fragment {
	const char *stream, *name; /* the name of the file, for messages */
	const char *text;
	size_t len;
};

struct load_options {
	const char *path; /* of the Orchfile, as the user named it or as it was found; shown in messages */
	const char *dir;  /* absolute directory of the project: streams run there, inputs are relative to it */
	const char *const *assignments; /* "NAME=value" of the command line; NULL-terminated; may be NULL */
	bool inspect;                   /* settings that this version cannot carry out are warnings, not errors */
	bool agents;                    /* read the agents that ship and the user's even if no stream names one */
	/* Where what the stream with `generates` has generated is kept, malloc'd. NULL: nothing of that is read */
	char *(*fragment_path)(const char *stream);
	const struct load_fragment *fragment; /* NULL: none */
	const char *const *left_out; /* streams whose fragments are not read; NULL-terminated; may be NULL */
	/* The same project, as it was read before: its files are not read again, nor its `!=` commands run; what
	 * differs is what was generated since. NULL: everything is read */
	const struct project *before;
	bool isolated; /* run no command (`!=`), read no other file (include, read(), globs): each is an error then; for
			  fuzzing */
};

/* fills *project (initialised by the caller with project_init). -1: *err has ORCH_EPARSE and diags the errors; or
 * ORCH_ENOTFOUND / ORCH_EFAILED if the file itself cannot be read. Does not resolve dependencies: that is
 * graph_build()'s part */
int load_project(
	struct project *project, const struct load_options *options, struct diag_list *diags, struct orch_error *err);

/* the same, from a text in memory that goes by the name options->path */
int load_text(struct project *project, const struct load_options *options, const char *text, size_t len,
	struct diag_list *diags, struct orch_error *err);

/* Foreign task files (NULL-terminated; options->path is not read) as one Orchfile, whose text is added to *written. As
 * load_project() */
int load_files(struct project *project, const struct load_options *options, const char *const *files,
	struct strbuf *written, struct diag_list *diags, struct orch_error *err);

/* after graph_build(): whole-file checks that need edges: {{STREAM.key}} only of dependencies, pools known, ... ; adds
 * to diags; -1 if there were errors */
struct graph;
int load_check(const struct project *project, const struct graph *graph, struct diag_list *diags);

/* the canonical form of one Orchfile's text (comments kept); -1 with diagnostics if it does not parse */
struct source_set;
int format_text(struct source_set *sources, const char *name, const char *text, size_t len, struct diag_list *diags,
	struct strbuf *out);

#endif
