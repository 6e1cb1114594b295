/*
 * Schedulers, and whatever else runs commands somewhere for us: a queue is three scripts, which hand jobs over, ask
 * about them, and take them back. doc/runners.md has what each is given and what it says; `slurm` is one that ships.
 *
 * What becomes of a job is known from its own files (os/remote.h), and what follows from what is decided by
 * queue_state.h. A job is never waited for: each script runs beside the loop, with a time limit.
 */
#ifndef RUNNER_QUEUE_H
#define RUNNER_QUEUE_H

#include <stdint.h>

struct queues;
struct runner;

/* all is copied */
struct queue_spec {
	const char *name;
	const char *submit, *poll, *cancel;
	int64_t interval_ms; /* between two polls, while something changes */
	int64_t lost_ms;     /* how long a job may be silent */
	int64_t latency_ms;  /* how long what it wrote may be seen here too late; 0: it is not waited for */
};

/* Jobs run below `dir`, absolute; files are made in `scratch` below it, which exists by the time of the first job.
 * `warn` is told what somebody should know and ends nothing */
struct queues *queues_new(struct runner *runner, const char *dir, const char *scratch,
	void (*warn)(void *data, const char *message), void *data);
/* there is such a queue; one of that name takes over these scripts */
void queues_declare(struct queues *queues, const struct queue_spec *spec);
/* Jobs that there still are go on, and nothing is called. NULL is fine */
void queues_free(struct queues *queues);

#endif
