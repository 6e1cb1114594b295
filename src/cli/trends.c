#include "config.h"

#include "cli/trends.h"

#include "cli/cmd.h"
#include "cli/say.h"
#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

static struct trend *find_or_add(struct trends *trends, const char *stream)
{
	size_t at = (size_t)map_get(&trends->index, stream);
	struct trend *trend;

	if (at)
		return &trends->streams.items[at - 1];
	trend = ARRAY_PUSH(&trends->streams);
	trend->stream = xstrdup(stream);
	trend->median_ms = trend->last_ms = -1;
	/* position + 1, since NULL is "not there" */
	map_set(&trends->index, trend->stream, (void *)trends->streams.count);
	return trend;
}

/* what says nothing of the stream itself does not count: not started, unchanged, ended by a person */
static bool counts(const struct orch_stream_status *stream)
{
	if (stream->attempt == 0 || stream->outcome == ORCH_OUTCOME_UNCHANGED ||
		stream->outcome == ORCH_OUTCOME_STOPPED)
		return false;
	return stream->state == ORCH_TASK_COMPLETED || stream->state == ORCH_TASK_FAILED;
}

static void add_run(struct trends *trends, const struct orch_status *status, const char *only)
{
	uint32_t run = (uint32_t)trends->runs.count - 1;

	for (size_t i = 0; i < status->stream_count; i++) {
		const struct orch_stream_status *stream = &status->streams[i];

		if (!counts(stream) || (only && strcmp(only, stream->name) != 0))
			continue;
		*ARRAY_PUSH(&find_or_add(trends, stream->name)->runs) = (struct trend_run){
			.run = run,
			.state = stream->state,
			.outcome = stream->outcome,
			.attempts = stream->attempt,
			.ms = stream->total_ms,
			.cost_micros = stream->cost_micros,
			.message = stream->message ? xstrdup(stream->message) : NULL,
		};
	}
}

static int compare_times(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void sum_up(struct trend *trend)
{
	int64_t *times = xcalloc(trend->runs.count + 1, sizeof *times);

	for (size_t i = 0; i < trend->runs.count; i++) {
		const struct trend_run *run = &trend->runs.items[i];

		trend->retried += run->attempts > 1;
		trend->cost_micros += run->cost_micros;
		if (run->state == ORCH_TASK_FAILED) {
			trend->failed++;
			continue;
		}
		if (trend->completed == 0)
			trend->last_ms = run->ms;
		times[trend->completed++] = run->ms;
	}
	if (trend->completed) {
		size_t middle = trend->completed / 2;

		qsort(times, trend->completed, sizeof *times, compare_times);
		trend->median_ms = trend->completed % 2 ? times[middle]
							: times[middle - 1] + (times[middle] - times[middle - 1]) / 2;
	}
	free(times);
}

int trends_read(struct trends *trends, struct orch_history *history, size_t max, const char *only)
{
	size_t count = orch_history_count(history);
	int result = EXIT_COMPLETE;

	*trends = (struct trends){0};
	for (size_t i = 0; i < count && (max == 0 || i < max); i++) {
		const char *id = orch_history_id(history, i);
		struct orch_status status;
		struct orch_error err;

		orch_status_init(&status);
		if (orch_history_replay(".", id, &status, NULL, &err) < 0) {
			result = say_error(&err);
		} else {
			*ARRAY_PUSH(&trends->runs) = (struct trends_source){id, status.started_ms};
			add_run(trends, &status, only);
		}
		orch_status_release(&status);
	}
	for (size_t i = 0; i < trends->streams.count; i++)
		sum_up(&trends->streams.items[i]);
	return result;
}

const struct trend *trends_find(const struct trends *trends, const char *stream)
{
	size_t at = (size_t)map_get(&trends->index, stream);

	return at ? &trends->streams.items[at - 1] : NULL;
}

double trend_failure_rate(const struct trend *trend)
{
	return trend->runs.count ? (double)trend->failed / (double)trend->runs.count : 0;
}

void trends_release(struct trends *trends)
{
	for (size_t i = 0; i < trends->streams.count; i++) {
		struct trend *trend = &trends->streams.items[i];

		for (size_t r = 0; r < trend->runs.count; r++)
			free(trend->runs.items[r].message);
		ARRAY_RELEASE(&trend->runs);
		free(trend->stream);
	}
	ARRAY_RELEASE(&trends->streams);
	ARRAY_RELEASE(&trends->runs);
	map_release(&trends->index);
	*trends = (struct trends){0};
}
