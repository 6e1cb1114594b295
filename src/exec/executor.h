/*
 * A run on the loop: fills slots, settles ends, tells what happened. The one place where deciding (sched/) meets doing
 * (runner/, state/).
 *
 * One turn of the loop: children end -> their attempts are queued -> before the loop sleeps, executor_settle(): outputs
 * and checks were seen, stamps are written, events journaled, synced (syncer.h); only then are dependents released and
 * free slots filled.
 */
#ifndef EXEC_EXECUTOR_H
#define EXEC_EXECUTOR_H

#include "orch/event.h"
#include "orch/run.h"
#include "sched/plan.h"

struct executor;
struct file_cache;
struct stamp_store;
struct statedir;

/* What is done about a stream with `generates`, by whoever can read Orchfiles */
struct executor_generate {
	/* Does what it has generated fit? `name`: of its file, for messages. 0; 1 with *line, the first thing that is
	 * wrong, and *text, all of it for people, both malloc'd; -1 with *err: it cannot be told */
	int (*check)(void *data, const char *stream, const char *name, const char *text, size_t len, char **line,
		char **all, struct orch_error *err);
	/* it is kept: the run goes on with it, by executor_reload() */
	int (*grow)(void *data, const char *stream, struct orch_error *err);
	void *data;
};

struct executor_options {
	struct plan *plan;
	struct statedir *dir; /* claimed */
	struct stamp_store *store;
	struct file_cache *cache;
	struct loop *loop;
	const struct orch_run_options *run;
	const char *targets; /* as the user gave them, for the event; may be NULL */
	struct executor_generate generate;
};

/* all of `options` is borrowed until executor_free(). Makes the run's directory and journal */
int executor_new(struct executor **out, const struct executor_options *options, struct orch_error *err);
void executor_listen(struct executor *executor, const struct orch_listener *listener);
/* runs the loop to the end of the run: 0, 1 or -1 with *err */
int executor_execute(struct executor *executor, struct orch_error *err);
void executor_stop(struct executor *executor, enum orch_stop how, const char *why);
/* orch/run.h has what these do */
int executor_stop_streams(struct executor *executor, const char *const *targets, bool now, const char *why,
	size_t *count, struct orch_error *err);
int executor_retry(struct executor *executor, const char *const *targets, const char *why, size_t *count,
	struct orch_error *err);
int executor_approve(struct executor *executor, const char *const *targets, const char *who, size_t *count,
	struct orch_error *err);
int executor_send(struct executor *executor, const char *stream, const char *text, size_t len, const char *from,
	bool *typed, struct orch_error *err);
int executor_pause(struct executor *executor, bool paused, const char *why, struct orch_error *err);
int executor_set_jobs(struct executor *executor, unsigned jobs, const char *why, struct orch_error *err);
/* The same in three steps, since an Orchfile can only be read above: may it be read now? What has ended so far is
 * settled */
int executor_reload_begin(struct executor *executor, struct orch_error *err);
/* the facts of its streams, before plan_build(): what the run knows better */
void executor_reload_facts(struct executor *executor, struct plan_facts *facts, const struct project *project);
/* the same, where only what stream `generator` has generated is new: all other streams are what they were */
void executor_grow_facts(struct executor *executor, struct plan_facts *facts, const struct project *project,
	const char *generator);
/* Goes on by `plan`, which is borrowed, with its project and its graph, until `release` (may be NULL) is called with
 * `owner`: when nothing of it is used any more. -1 with *err: something that it names cannot be read, nothing has
 * changed, and nothing is borrowed */
int executor_reload(struct executor *executor, struct plan *plan, void (*release)(void *owner), void *owner,
	const char *why, struct orch_reload *counts, struct orch_error *err);
/* it cannot be read: that is told, one warning a message. NULL-terminated */
void executor_reload_refused(struct executor *executor, const char *const *messages);
const char *executor_run_id(const struct executor *executor);
void executor_free(struct executor *executor);

#endif
