/*
 * Task files of other programs, as Orchfiles: what kind of file it is (by what is in it, not by its name), and the
 * Orchfile that says the same. See README.md.
 */
#ifndef FOREIGN_FOREIGN_H
#define FOREIGN_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "foreign/write.h"
#include "util/source.h"

struct diag_list;

enum foreign_kind { FOREIGN_NONE, FOREIGN_JSON, FOREIGN_YAML, FOREIGN_MARKDOWN, FOREIGN_DATABASE };

enum { FOREIGN_SIZE_MAX = 16 * 1024 * 1024 };

struct foreign_file {
	const char *path;  /* as it is shown, and opened if it is a database */
	struct place from; /* the include that names it; source 0: none */
	bool look;         /* files that it names are looked for */
};

/* the kind of a text that has two NUL bytes behind it; FOREIGN_NONE: it is taken for an Orchfile */
enum foreign_kind foreign_kind(const char *text, size_t len);

/*
 * Adds the file to `sources` (taking over `text`, malloc'd, two NUL bytes behind it), and writes its streams into *out,
 * which the caller releases. What it does not say, and what orch does not do, are warnings in diags; -1 after errors.
 * `needs_agent`: there are prompts that no agent is named for. `kind`: what it is, for people; static.
 */
int foreign_read(struct source_set *sources, const struct foreign_file *file, char *text, size_t len,
	struct diag_list *diags, struct written *out, bool *needs_agent, const char **kind);

/* the lines that stand before the streams of files that make up a whole Orchfile: who works on the prompts */
void foreign_header(struct strbuf *out, const char *path, const char *kind, bool needs_agent);

const char *foreign_agent_lines(bool needed);

/* what `agent ?= ` of foreign_header() says */
#define FOREIGN_AGENT "claude"

#endif
