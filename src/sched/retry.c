#include "config.h"

#include "sched/run_private.h"

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) */
uint64_t retry_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

bool retry_is_left(const struct run *run, uint32_t stream)
{
	int retries = run->options.retries >= 0 ? run->options.retries : run_settings(run, stream)->retries;

	return run->tasks[stream].attempts - run->tasks[stream].forgiven <= retries;
}

int64_t retry_backoff_ms(int64_t first, int64_t most, unsigned attempt, uint64_t *random)
{
	int64_t delay = first;

	if (delay <= 0)
		return 0;
	if (most < first)
		most = first;
	for (unsigned n = 1; n < attempt && delay < most; n++)
		delay = delay > most / 2 ? most : delay * 2;
	/* up to a fifth less, so that streams that failed together do not come back together; the limit is kept */
	return delay - (int64_t)(retry_random(random) % ((uint64_t)delay / 5 + 1));
}

int64_t retry_delay_ms(struct run *run, uint32_t stream)
{
	const struct settings *set = run_settings(run, stream);
	int attempts = run->tasks[stream].attempts - run->tasks[stream].forgiven;

	return retry_backoff_ms(
		set->backoff_ms, set->backoff_max_ms, attempts > 0 ? (unsigned)attempts : 0, &run->random);
}
