/* Opening an Orchfile; what is wrong in it; its streams. */
#ifndef ORCH_PROJECT_H
#define ORCH_PROJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* an Orchfile that was read: the handle of everything else */
struct orch;

enum { ORCH_NO_STREAM = -1 };

struct orch_open_options {
	const char *file;               /* NULL: `Orchfile` in `dir` or the nearest directory above it */
	const char *dir;                /* NULL: the current directory */
	const char *const *assignments; /* "NAME=value", NULL-terminated; NULL: none */
	bool inspect;                   /* only to look: settings this version cannot carry out are warnings */
	/* the agents are wanted, also those that no stream names. Then it is no error that there is no Orchfile: there
	 * are no streams */
	bool agents;
};

/*
 * Reads the Orchfile and all it includes and builds the graph. The process changes its current directory to the
 * project's (the Orchfile's directory). On -1 with ORCH_EPARSE *out is set all the same, for its diagnostics; else it
 * is NULL. orch_close() frees it; NULL is fine.
 */
int orch_open(struct orch **out, const struct orch_open_options *options, struct orch_error *err);
void orch_close(struct orch *orch);

/* absolute directory of the project; the Orchfile as shown; the project's name */
const char *orch_dir(const struct orch *orch);
const char *orch_file(const struct orch *orch);
const char *orch_name(const struct orch *orch);
/* project: jobs, or 0 */
unsigned orch_project_jobs(const struct orch *orch);

size_t orch_error_count(const struct orch *orch);
size_t orch_warning_count(const struct orch *orch);
/* all diagnostics as text (file:line:column, the line, a caret), "" if none; the caller frees */
char *orch_diagnostics_text(const struct orch *orch, bool color);
/* as JSON: {"v":1,"diagnostics":[{"severity","file","line","column","end_line","end_column","message","notes":[...]}]} */
char *orch_diagnostics_json(const struct orch *orch);

/* variables of the Orchfile itself and of the command line, with their values */
size_t orch_variable_count(const struct orch *orch);
const char *orch_variable_name(const struct orch *orch, size_t variable);
const char *orch_variable_value(const struct orch *orch, size_t variable);

size_t orch_stream_count(const struct orch *orch);
const char *orch_stream_name(const struct orch *orch, size_t stream);
const char *orch_stream_title(const struct orch *orch, size_t stream); /* NULL: none */
/* position of the stream of that name, or ORCH_NO_STREAM */
int64_t orch_stream_find(const struct orch *orch, const char *name);
/* nearest stream name, or NULL */
const char *orch_stream_suggest(const struct orch *orch, const char *name);
size_t orch_stream_dep_count(const struct orch *orch, size_t stream);
size_t orch_stream_dep(const struct orch *orch, size_t stream, size_t index, bool *order_only);
bool orch_stream_is_group(const struct orch *orch, size_t stream);
/* every setting and block that has a value: "key = value" lines in the Orchfile's language, each followed by where it
 * comes from; the caller frees */
char *orch_stream_show(const struct orch *orch, size_t stream);
char *orch_stream_show_json(const struct orch *orch, size_t stream);
/* everything resolved: as an Orchfile, or as JSON ("v":1); the caller frees */
char *orch_dump(const struct orch *orch, bool json);
/* an agent that streams may name: those of the Orchfile and, if it names any or orch_open_options.agents is set, of the
 * user's agents.orch and those that ship */
struct orch_agent {
	const char *name, *account;
	const char *origin; /* the file it is declared in; NULL: it ships */
	char *run, *resume; /* its commands, with {{prompt}} and the like as they are; resume may be NULL */
};
size_t orch_agent_count(const struct orch *orch);
/* released by orch_agent_release(), before the handle is closed */
void orch_agent_get(const struct orch *orch, size_t index, struct orch_agent *out);
void orch_agent_release(struct orch_agent *agent);
/* names of all files that were read; agents.orch without a directory is the one that is built in */
size_t orch_file_count(const struct orch *orch);
const char *orch_file_name(const struct orch *orch, size_t index);

/* The canonical form of an Orchfile's text; `name` is for messages. -1 with ORCH_EPARSE: *out is then the diagnostics'
 * text. The caller frees *out */
int orch_format(const char *name, const char *text, size_t len, bool color, char **out, struct orch_error *err);

/*
 * Task files of other programs (paths, NULL-terminated; see Orchfile(5)) as one Orchfile. *out is its canonical text;
 * *told what there is to say of the files (warnings, or errors: then -1 with ORCH_EPARSE, and *out is NULL), "" if
 * nothing. The caller frees both. On any other error both are NULL
 */
int orch_import(const char *const *files, bool color, char **out, char **told, struct orch_error *err);

/* a document about the settings, for `orch help settings`: name, type, default, help, one a line; the caller frees */
char *orch_settings_help(void);

/* the version of this library, "1.2.3" */
const char *orch_version(void);

#ifdef __cplusplus
}
#endif
#endif
