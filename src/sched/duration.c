#include "config.h"

#include "sched/plan.h"

#include "graph/project.h"
#include "util/alloc.h"
#include "util/digest.h"

#include <stdlib.h>
#include <string.h>

#define NO_KIND 0
#define KIND_OF_AGENT (UINT64_C(1) << 63)

struct known_time {
	uint64_t kind;
	int64_t ms;
};

/* the k-th smallest (Hoare, Commun. ACM 4(7), 1961); the values are moved about */
static uint32_t select_kth(uint32_t *values, ptrdiff_t count, ptrdiff_t k)
{
	ptrdiff_t low = 0, high = count - 1;

	while (low < high) {
		uint32_t pivot = values[k];
		ptrdiff_t i = low, j = high;

		do {
			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i <= j) {
				uint32_t moved = values[i];

				values[i++] = values[j];
				values[j--] = moved;
			}
		} while (i <= j);
		if (j < k)
			low = i;
		if (k < i)
			high = j;
	}
	return values[k];
}

static void find_median(struct plan *plan, ptrdiff_t known)
{
	uint32_t *values = xmalloc((size_t)known * sizeof *values);
	ptrdiff_t total = 0;

	for (uint32_t s = 0; s < plan->graph->count; s++) {
		if (plan->facts[s].stamp.present)
			values[total++] = plan->facts[s].stamp.duration_ms;
	}
	plan->median_ms = select_kth(values, total, (total - 1) / 2);
	free(values);
}

/* NO_KIND: it was not read from a file, or has no work of its own */
static uint64_t kind_of(const struct stream *stream)
{
	if (stream_is_group(stream))
		return NO_KIND;
	if ((stream->prompt.bytes || stream->set->prompt_file) && stream->set->agent.count > 0)
		return digest_bytes(stream->set->agent.items[0], strlen(stream->set->agent.items[0])) | KIND_OF_AGENT;
	return (uint64_t)stream->place.source << 32 | stream->place.offset;
}

static int compare(const void *a, const void *b)
{
	const struct known_time *left = a, *right = b;

	if (left->kind != right->kind)
		return left->kind < right->kind ? -1 : 1;
	return (left->ms > right->ms) - (left->ms < right->ms);
}

/* the first of `kind`, or where it would be */
static size_t find(const struct known_time *times, size_t count, uint64_t kind)
{
	size_t low = 0;

	while (low < count) {
		size_t middle = low + (count - low) / 2;

		if (times[middle].kind < kind)
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

static void find_kinds(struct plan *plan, size_t known)
{
	const struct stream *streams = plan->project->streams;
	struct known_time *times = xmalloc(known * sizeof *times);
	size_t total = 0;

	for (uint32_t s = 0; s < plan->graph->count; s++) {
		uint64_t kind = plan->facts[s].stamp.present ? kind_of(&streams[s]) : NO_KIND;

		if (kind != NO_KIND)
			times[total++] = (struct known_time){.kind = kind, .ms = plan->facts[s].stamp.duration_ms};
	}
	qsort(times, total, sizeof *times, compare);
	plan->kind_ms = xcalloc((size_t)plan->graph->count + 1, sizeof *plan->kind_ms);
	for (uint32_t s = 0; s < plan->graph->count; s++) {
		uint64_t kind = plan->facts[s].stamp.present ? NO_KIND : kind_of(&streams[s]);
		size_t first = find(times, total, kind), end = find(times, total, kind + 1);

		/* a time of nothing is a time too */
		if (kind != NO_KIND && end > first)
			plan->kind_ms[s] = times[first + (end - first - 1) / 2].ms > 0
				? times[first + (end - first - 1) / 2].ms
				: 1;
	}
	free(times);
}

/* all durations are known in the common case of nothing to do: then nobody asks for a median, and it costs nothing */
void plan_find_times(struct plan *plan)
{
	uint32_t count = plan->graph->count;
	ptrdiff_t known = 0;

	plan->median_ms = 1;
	for (uint32_t s = 0; s < count; s++)
		known += plan->facts[s].stamp.present;
	if (known == 0 || known == count)
		return;
	find_median(plan, known);
	find_kinds(plan, (size_t)known);
}

int64_t plan_expected_ms(const struct plan *plan, uint32_t stream)
{
	const struct stream *what = &plan->project->streams[stream];

	if (stream_is_group(what))
		return 0;
	if (plan->facts[stream].stamp.present)
		return plan->facts[stream].stamp.duration_ms;
	if (plan->kind_ms && plan->kind_ms[stream] > 0)
		return plan->kind_ms[stream];
	return what->set->estimate_ms > 0 ? what->set->estimate_ms : plan->median_ms;
}

bool plan_knows_time(const struct plan *plan, uint32_t stream)
{
	const struct stream *what = &plan->project->streams[stream];

	return !stream_is_group(what) &&
		(plan->facts[stream].stamp.present || (plan->kind_ms && plan->kind_ms[stream] > 0) ||
			what->set->estimate_ms > 0);
}
