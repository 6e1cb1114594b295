/*
 * One row per setting or block of a stream, of project:, of agent, recover and runner. Parsing, checking, printing,
 * listing (`orch show`), help and the manual read the same rows.
 */
#ifndef LANG_SETTING_H
#define LANG_SETTING_H

#include "graph/project.h"

struct strbuf;

enum setting_type {
	SETTING_WORD,
	SETTING_WORDS,
	SETTING_TEXT,
	SETTING_BLOCK,
	SETTING_BOOL,
	SETTING_INT,
	SETTING_DURATION,
	SETTING_BACKOFF,
	SETTING_SIZE,
	SETTING_MEMORY,
	SETTING_ENUM,
	SETTING_KILL,
	SETTING_ENV,
	SETTING_RERUN,
	SETTING_PATTERN,
	SETTING_MONEY,
	SETTING_EVERY,
	SETTING_TASKS,
	SETTING_COMMIT
};

/* where a setting may stand: bits */
enum setting_scope {
	SCOPE_STREAM = 1,
	SCOPE_DEFAULTS = 2,
	SCOPE_PROJECT = 4,
	SCOPE_AGENT = 8,
	SCOPE_RECOVER = 16,
	SCOPE_RUNNER = 32,
};

struct setting {
	const char *name;
	enum setting_type type;
	unsigned scope;
	const char *const *choices; /* of SETTING_ENUM and SETTING_RERUN, NULL-terminated */
	int64_t min, max;           /* of SETTING_INT */
	size_t offset;              /* of its field in struct settings or struct project_settings */
	const char *default_text;   /* as shown; "" if none */
	const char *help;           /* one line */
	bool unavailable;           /* parsed and checked, but using it is an error in this version */
	const char *const *
		available; /* the only values of it that this version can carry out; NULL: all (unless `unavailable`) */
};

extern const struct setting setting_table[];
extern const unsigned setting_count;

/* NULL if there is none of that name in that scope */
const struct setting *setting_find(const char *name, size_t len, unsigned scope);
/* the value of a stream's setting as Orchfile text; nothing if it is not set and has no default */
void setting_print(const struct setting *setting, const struct settings *values, struct strbuf *out);
void setting_print_project(const struct setting *setting, const struct project_settings *values, struct strbuf *out);
/* adds a value that is one text, as what setting_print() gives for such a setting, in the form in which it must be
 * written to be read as that text: in quotes where it needs them, `{{` as `{{{{` */
void setting_write_text(struct strbuf *out, const char *text, size_t len);

#endif
