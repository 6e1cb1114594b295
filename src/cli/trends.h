/* What past runs say of each stream: how long it takes, how often it fails. Folded over their journals, newest first.
 */
#ifndef CLI_TRENDS_H
#define CLI_TRENDS_H

#include <stddef.h>
#include <stdint.h>

#include "orch/history.h"
#include "util/array.h"
#include "util/map.h"

/* a stream in a run in which it ended, other than by a person or unchanged */
struct trend_run {
	uint32_t run; /* position in trends.runs */
	enum orch_task_state state;
	int outcome;          /* enum orch_outcome of its last attempt, or -1 */
	int64_t attempts, ms; /* of all its attempts */
	int64_t cost_micros;  /* of all its attempts, in millionths; 0: none said */
	char *message;        /* of its last failure; NULL */
};

struct trend {
	char *stream;
	ARRAY(struct trend_run) runs; /* newest first */
	/* counts of them, and the median of those that completed (-1: none did) and the last of those */
	size_t completed, failed, retried;
	int64_t median_ms, last_ms;
	int64_t cost_micros; /* of all of them */
};

struct trends_source {
	const char *id; /* the history's */
	int64_t started_ms;
};

struct trends {
	ARRAY(struct trends_source) runs; /* those that were read, newest first */
	ARRAY(struct trend) streams;      /* in order of their newest run */
	struct map index;
};

/* reads the newest `max` runs (0: all). `only` (NULL: all): of this stream. A run that cannot be read is said and left
 * out: then the result is not 0, an exit status, but the others are there. The history must outlive the trends */
int trends_read(struct trends *trends, struct orch_history *history, size_t max, const char *only);
/* NULL: it is in none */
const struct trend *trends_find(const struct trends *trends, const char *stream);
/* 0..1: failed of all */
double trend_failure_rate(const struct trend *trend);
void trends_release(struct trends *trends);

#endif
