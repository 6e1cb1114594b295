/*
 * A process tree on another machine that has our files: its supervisor there (os/supervisor_remote.h) and we know of
 * each other by files alone, since nothing else passes through every scheduler. RECORD is the path of the attempt's
 * files without an ending:
 *
 *   RECORD.remote      by us: who was asked to run it, under which token, and what it is called there
 *   RECORD.TOKEN.spec  by us, mode 0600: what is to be run
 *   RECORD.TOKEN.job   the claim, made by link(2), so by one alone: by a supervisor, which then runs it; or by us, and
 *                      then nobody ever runs it
 *   RECORD.TOKEN.beat  by the supervisor, again and again: a number that grows
 *   RECORD.TOKEN.ask   by us, lines: "signal N", "end", "revoke" (it is to be gone at once, and is no good any more)
 *   RECORD.TOKEN.exit  by the supervisor, when all of the tree is gone
 *
 * Each time something is handed to a scheduler it gets a token of its own, after the claim of the one before was taken
 * away from it: so whatever a scheduler forgets, repeats or finds again, a thing runs once, and what an old copy writes
 * is read by nobody.
 */
#ifndef OS_REMOTE_H
#define OS_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "os/supervised.h"

enum { REMOTE_TOKEN_SIZE = 17, REMOTE_NAME_SIZE = 129, REMOTE_ID_SIZE = 256 };

struct remote_note {
	char runner[REMOTE_NAME_SIZE];
	char token[REMOTE_TOKEN_SIZE];
	char id[REMOTE_ID_SIZE]; /* what the scheduler calls it; empty: not known (yet) */
	int64_t submitted_ms;    /* wall clock */
};

/* a token that nobody has */
void remote_token(char out[REMOTE_TOKEN_SIZE]);
int remote_note_write(const char *record, const struct remote_note *note, struct orch_error *err);
/* 1; 0: there is none; -1: it cannot be read, or is not one */
int remote_note_read(const char *record, struct remote_note *out, struct orch_error *err);
int remote_note_remove(const char *record, struct orch_error *err);

/* RECORD.TOKEN.ENDING; the caller frees */
char *remote_path(const char *record, const char *token, const char *ending);

/* --- what is to be run --- */

/* all paths absolute; as in supervised_spec */
struct remote_spec {
	char **argv, **env, **writable; /* writable NULL: anything */
	const char *dir, *mark, *log;   /* dir and mark NULL: none */
	const char *results; /* a file whose size .exit is to tell too, as that of the log; empty: none */
	struct end_step *steps;
	unsigned step_count;
	int64_t linger_ms, memory;
	bool memory_each, wraps;
	const char *label, *options; /* for whoever hands it over, see struct command in runner/runner.h */
	int64_t lease_ms; /* a supervisor that could not write its beat for so long ends its tree */
};

int remote_spec_write(const char *record, const char *token, const struct remote_spec *spec, struct orch_error *err);
/* one block of memory, for free(); NULL: it cannot be read, or is not one */
struct remote_spec *remote_spec_read(const char *record, const char *token, struct orch_error *err);
/* the same under another token too */
int remote_spec_again(const char *record, const char *from, const char *to, struct orch_error *err);

/* --- who runs it --- */

/* 1: the claim is ours, with this text (or has been, if it is REMOTE_NEVER); 0: somebody else has it; -1 */
int remote_claim(const char *record, const char *token, const char *text, struct orch_error *err);
/* the text of a claim that we make so that nobody runs it */
#define REMOTE_NEVER "orch-never 1\nend\n"
enum remote_claimed { REMOTE_UNCLAIMED, REMOTE_CLAIMED, REMOTE_NEVER_RUN };
/* who has it; -1: it cannot be told. *job (may be NULL) is filled if a supervisor has, its `boot` and processes are
 * those of another machine; `host` as well */
int remote_claimed(const char *record, const char *token, enum remote_claimed *out, struct supervised_record *job,
	char host[REMOTE_NAME_SIZE], struct orch_error *err);

/* --- while it runs --- */

/* `line` without its newline */
int remote_ask(const char *record, const char *token, const char *line, struct orch_error *err);
/* the number of its last beat; 0: none yet, or it cannot be read */
uint64_t remote_beat(const char *record, const char *token);
/* so that a file system that remembers what is not there looks again */
void remote_refresh(const char *record);

/* 1: it has ended, and how; *out->told says that somebody else asked it to. 0: it has not. -1: it cannot be read */
int remote_ended(const char *record, const char *token, struct supervised_record *out, struct orch_error *err);
/* in place of a supervisor that never was, or is gone: `text` is what exit_text.h makes */
int remote_write_exit(const char *record, const char *token, const char *text, struct orch_error *err);
/* all files of that token but the claim and .exit */
void remote_tidy(const char *record, const char *token);

#endif
