/*
 * One stream as declared. Read-only once the Orchfile has been read. Built for 100 000 of them: text that
 * needs no change points into the source, settings are shared while they are equal to the defaults.
 */
#ifndef GRAPH_STREAM_H
#define GRAPH_STREAM_H

#include "util/source.h"

#include <stdbool.h>
#include <stdint.h>

/* text of a block or value; not NUL-terminated (it may lie inside a source). `late`: it holds `{{...}}` that only an
 * attempt can fill in (a dependency's value, the attempt's number); otherwise it is final */
struct text {
	const char *bytes; /* NULL: not given */
	uint32_t len;
	bool late;
};

/* words, in an arena; each NUL-terminated */
struct words {
	const char *const *items;
	uint32_t count;
};

/* NAME=value pairs of the environment */
struct env_entry {
	const char *name;
	struct text value;
};

struct kill_step {
	int signo;
	int64_t wait_ms; /* before the next step; -1: the `grace` of the stream */
};

/* every DURATION: */
struct checkin {
	int64_t interval_ms;
	struct text script, send;
};

enum when { WHEN_SUCCESS, WHEN_FAILURE, WHEN_ALWAYS };
enum changes { CHANGES_OPTIONAL, CHANGES_REQUIRED, CHANGES_FORBIDDEN };
enum isolate { ISOLATE_DEFAULT, ISOLATE_NONE, ISOLATE_WORKTREE };
enum keep { KEEP_NEVER, KEEP_FAILED, KEEP_ALWAYS };
enum sandbox { SANDBOX_OFF, SANDBOX_WORKTREE, SANDBOX_OFFLINE };
enum jobserver_form { JOBSERVER_PIPE, JOBSERVER_FIFO, JOBSERVER_OFF };
enum tristate { TRI_DEFAULT, TRI_NO, TRI_YES };
/* what makes a completed stream stale: bits */
enum rerun { RERUN_RECIPE = 1, RERUN_INPUTS = 2, RERUN_DEPS = 4, RERUN_ALL = 7, RERUN_MISSING = 0 };

/* one field per row of the settings table (lang/setting.c) that a stream can have */
struct settings {
	struct words agent, inputs, outputs, touches, copy, tags, dotenv, unset, rerun_words;
	const struct env_entry *env;
	uint32_t env_count;
	const struct kill_step *kill;
	uint32_t kill_count;
	const struct checkin *every;
	uint32_t every_count;
	struct words tasks;
	struct text check, setup;
	const char *prompt_file, *branch, *base, *commit, *runner, *slurm, *job_options, *pool, *orchfile, *generates;
	/* what names in the file of the prompt mean, of those that were known when the Orchfile was read */
	const struct env_entry *prompt_values;
	uint32_t prompt_value_count;
	int64_t timeout_ms, idle_ms; /* 0: none */
	int64_t linger_ms, grace_ms, backoff_ms, backoff_max_ms;
	int64_t estimate_ms; /* expected time until a run was recorded; 0: not given */
	int64_t memory;      /* bytes, 0: none */
	bool memory_rlimit;  /* where the tree cannot be limited: each process, by RLIMIT_AS */
	int32_t retries, weight, priority;
	enum when when;
	enum changes changes;
	enum isolate isolate;
	enum keep keep;
	enum sandbox sandbox;
	enum jobserver_form jobserver;
	enum tristate detach;
	unsigned rerun;
	bool approve;
	bool complete; /* it is done: nothing is run for it, and it needs no stamp */
};

/* where a setting that a stream was given itself, or that defaults gave it, was written */
struct setting_origin {
	uint16_t row; /* of the settings table */
	bool from_defaults;
	struct place place;
};

/* a dependency as written */
struct dep_ref {
	uint32_t symbol; /* of the project's name table */
	uint32_t offset; /* in the source of the stream's own place */
	bool order_only;
};

struct stream {
	const char *name;
	const char *title; /* NULL: none */
	const struct settings *set;
	struct text run;    /* bytes NULL: none */
	struct text prompt; /* bytes NULL: none (set->prompt_file may be) */
	const struct setting_origin *origins;
	uint32_t origin_count;
	uint32_t first_dep, dep_count; /* in project->deps */
	struct place place;            /* of its name */
	uint32_t generated_by;         /* the stream whose `generates` it is of, or NO_STREAM (project.h) */
	bool is_generated;             /* of one with `generates`: what it has generated is read */
	bool outside_repository;       /* the project is in no git repository: an agent's stream has no worktree */
};

/* has it work of its own? if not it is a group */
static inline bool stream_is_group(const struct stream *stream)
{
	return !stream->run.bytes && !stream->prompt.bytes && !stream->set->prompt_file && !stream->set->orchfile &&
		!stream->set->check.bytes;
}

#endif
