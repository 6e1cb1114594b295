#include "config.h"

#include "runner/queue_state.h"

#include <string.h>
#include <strings.h>

enum {
	ABSENCES = 2,          /* so many answers in a row must leave it out */
	LATE_WAIT_MS = 30000,  /* for the reason of a bad end */
	FINAL_WAIT_MS = 15000, /* for the files of a job that the scheduler has done with: they may be late */
	INTERVAL_STEPS = 6,    /* after so many it grows no more */
};

static const struct {
	const char *name;
	enum queue_word word;
} words[] = {
	/* doc/runners.md */
	{"queued", QUEUE_WAITING},
	{"waiting", QUEUE_WAITING},
	{"held", QUEUE_WAITING},
	{"running", QUEUE_RUNNING},
	{"done", QUEUE_DONE},
	{"failed", QUEUE_FAILED},
	{"cancelled", QUEUE_CANCELLED},
	{"canceled", QUEUE_CANCELLED},
	{"timeout", QUEUE_TIME_LIMIT},
	{"memory", QUEUE_MEMORY},
	{"node", QUEUE_NODE},
	{"preempted", QUEUE_PREEMPTED},
	/* Slurm, squeue(1) JOB STATE CODES. One that is completing has an end, but its processes may not */
	{"PENDING", QUEUE_WAITING},
	{"CONFIGURING", QUEUE_WAITING},
	{"REQUEUED", QUEUE_WAITING},
	{"REQUEUE_FED", QUEUE_WAITING},
	{"REQUEUE_HOLD", QUEUE_WAITING},
	{"RESV_DEL_HOLD", QUEUE_WAITING},
	{"SPECIAL_EXIT", QUEUE_WAITING},
	{"COMPLETING", QUEUE_RUNNING},
	{"STAGE_OUT", QUEUE_RUNNING},
	{"SIGNALING", QUEUE_RUNNING},
	{"RESIZING", QUEUE_RUNNING},
	{"SUSPENDED", QUEUE_RUNNING},
	{"STOPPED", QUEUE_RUNNING},
	{"COMPLETED", QUEUE_DONE},
	{"BOOT_FAIL", QUEUE_NODE},
	{"NODE_FAIL", QUEUE_NODE},
	{"DEADLINE", QUEUE_TIME_LIMIT},
	{"REVOKED", QUEUE_CANCELLED},
	{"OUT_OF_MEMORY", QUEUE_MEMORY},
};

enum queue_word queue_word(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strlen(words[i].name) == len && strncasecmp(words[i].name, text, len) == 0)
			return words[i].word;
	}
	return QUEUE_STRANGE;
}

/* --- answers --- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && is_space(*at))
		at++;
	return at;
}

static const char *skip_word(const char *at, const char *end)
{
	while (at < end && !is_space(*at))
		at++;
	return at;
}

bool queue_line_next(const char **at, const char *end, struct queue_line *out)
{
	while (*at < end) {
		const char *stop = memchr(*at, '\n', (size_t)(end - *at)), *rest;

		if (!stop)
			stop = end;
		out->id = skip_space(*at, stop);
		rest = skip_word(out->id, stop);
		out->id_len = (size_t)(rest - out->id);
		out->state = skip_space(rest, stop);
		rest = skip_word(out->state, stop);
		out->state_len = (size_t)(rest - out->state);
		out->reason = skip_space(rest, stop);
		rest = stop;
		while (rest > out->reason && is_space(rest[-1]))
			rest--;
		out->reason_len = (size_t)(rest - out->reason);
		*at = stop < end ? stop + 1 : end;
		if (out->id_len > 0 && out->state_len > 0)
			return true;
	}
	return false;
}

bool queue_submitted_id(const char *text, size_t len, const char **id, size_t *id_len)
{
	while (len > 0 && (is_space(text[len - 1]) || text[len - 1] == '\n'))
		len--;
	*id = text;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			*id = text + i + 1;
	}
	*id = skip_space(*id, text + len);
	*id_len = (size_t)(text + len - *id);
	for (size_t i = 0; i < *id_len; i++) {
		unsigned char c = (unsigned char)(*id)[i];

		if (c <= ' ' || c == 127)
			return false;
	}
	return *id_len > 0;
}

/* --- what was seen --- */

void sight_claimed(struct sight *sight, int64_t now_ms)
{
	if (!sight->claimed)
		sight->beat_ms = now_ms;
	sight->claimed = true;
}

void sight_beat(struct sight *sight, uint64_t beat, int64_t now_ms)
{
	if (beat == 0 || beat == sight->beat)
		return;
	sight->beat = beat;
	sight->beat_ms = now_ms;
}

void sight_ended(struct sight *sight, bool badly, int64_t now_ms)
{
	if (!sight->ended)
		sight->ended_ms = now_ms;
	sight->ended = true;
	sight->ended_badly = badly;
}

void sight_answer(struct sight *sight, enum queue_word word, int64_t asked_ms, int64_t now_ms)
{
	/* what is still being cleared away has its reason only afterwards */
	if (sight->ended && asked_ms >= sight->ended_ms && (word == QUEUE_NOTHING || word >= QUEUE_DONE))
		sight->late_words++;
	if (word == QUEUE_NOTHING) {
		sight->absences++;
		return;
	}
	sight->absences = 0;
	/* one that was put into the queue again is not at its end any more */
	if (word < QUEUE_DONE)
		sight->final_ms = 0;
	else if (sight->word < QUEUE_DONE)
		sight->final_ms = now_ms;
	sight->word = word;
}

/* --- what follows --- */

static enum sight_step decide_ended(const struct sight *sight, int64_t now_ms)
{
	if (!sight->ended_badly || sight->asked || sight->revoked || sight->word >= QUEUE_DONE ||
		sight->word == QUEUE_WAITING || sight->late_words >= ABSENCES ||
		now_ms - sight->ended_ms > LATE_WAIT_MS)
		return SIGHT_SETTLE;
	return SIGHT_ASK;
}

static enum sight_step decide_unclaimed(const struct sight *sight, int64_t lost_ms, int64_t now_ms)
{
	int64_t patience = lost_ms < FINAL_WAIT_MS ? lost_ms : FINAL_WAIT_MS;

	if (sight->absences >= ABSENCES)
		return SIGHT_TAKE;
	if (sight->absences > 0)
		return SIGHT_ASK;
	if (sight->word >= QUEUE_DONE)
		return now_ms - sight->final_ms >= patience / 4 ? SIGHT_TAKE : SIGHT_WAIT;
	return SIGHT_WAIT;
}

enum sight_step sight_decide(const struct sight *sight, int64_t lost_ms, int64_t now_ms)
{
	int64_t silent = now_ms - sight->beat_ms;
	bool has_lost_its_node = sight->word == QUEUE_NODE || sight->word == QUEUE_PREEMPTED;

	if (sight->ended)
		return decide_ended(sight, now_ms);
	if (!sight->claimed)
		return decide_unclaimed(sight, lost_ms, now_ms);
	if (silent > lost_ms) {
		/* its own supervisor has ended it by now, wherever it is */
		if (sight->word >= QUEUE_DONE || sight->word == QUEUE_WAITING || sight->absences >= ABSENCES ||
			sight->revoked)
			return SIGHT_GIVE_UP;
		return SIGHT_ASK;
	}
	if (sight->word < QUEUE_DONE)
		return silent > lost_ms / 2 ? SIGHT_ASK : SIGHT_WAIT;
	/* what a scheduler has ended on a node that it can reach is gone */
	if (!has_lost_its_node && silent > lost_ms / 4 && now_ms - sight->final_ms > lost_ms / 4)
		return SIGHT_GIVE_UP;
	if (!sight->revoked && now_ms - sight->final_ms > lost_ms / 8)
		return SIGHT_REVOKE;
	return SIGHT_WAIT;
}

int64_t queue_interval(int64_t base_ms, unsigned unchanged)
{
	return base_ms * (1 + (unchanged < INTERVAL_STEPS ? unchanged : INTERVAL_STEPS));
}
