/*
 * What an agent is given to read: a preamble that says where it is and what is expected, the prompt of the stream, and,
 * when it was tried before, what failed. Pure: everything is in a struct, the text goes into a buffer.
 *
 * The preamble is a template; `project: preamble = FILE` replaces it. Its names: task (name and title), stream, title,
 * dir, branch, base, deps (what the dependencies said in the end), checks, tasks, inbox (where messages are), report
 * (how to report progress). A paragraph in which one of its names has no value is left out.
 */
#ifndef EXEC_PROMPT_H
#define EXEC_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct strbuf;

struct prompt_dep {
	const char *name, *branch, *summary; /* branch and summary: NULL without */
};

/* an attempt that failed */
struct prompt_failure {
	unsigned attempt;
	const char *what;        /* "its check failed with status 1" */
	const char *log, *check; /* the end of its log, what the check printed; NULL: nothing */
	size_t log_len, check_len;
	bool found_wrong; /* `check` is what was found wrong with what it made, and no check printed it */
};

struct prompt_parts {
	const char *stream, *title; /* title, dir, branch, base: NULL without */
	const char *dir, *branch, *base;
	const struct prompt_dep *deps;
	size_t dep_count;
	const char *check; /* the script; NULL: none */
	size_t check_len;
	const char *const *tasks;
	const bool *task_done; /* NULL: none is */
	size_t task_count;
	const char *orch;     /* the program by which it says how far it is; NULL: it cannot */
	const char *inbox;    /* path of the file with messages for it; NULL: it gets them otherwise */
	const char *preamble; /* a template; NULL: the one that is built in, "": none */
	const char *prompt;
	size_t prompt_len;
	const struct prompt_failure *failure; /* what came before; NULL: nothing failed */
	bool resumed; /* the session goes on: it has the preamble and the prompt already, only the news is written */
};

/* the template that is built in */
extern const char prompt_preamble[];

/* -1: the preamble has a name that there is not, or is no template; the message says which */
int prompt_build(struct strbuf *out, const struct prompt_parts *parts, struct orch_error *err);
/* is it a preamble? For the time when the Orchfile is read */
int prompt_check_preamble(const char *text, struct orch_error *err);
/* the end of a text that somebody printed: its last lines, at most 8 KiB, without control sequences, as UTF-8 */
void prompt_add_tail(struct strbuf *out, const char *text, size_t len);

#endif
