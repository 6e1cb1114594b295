/*
 * What is known of jobs that a scheduler runs, and what follows from it. Pure: what was seen is a value, the time is an
 * argument.
 *
 * The truth about a job is in its own files (os/remote.h): it has begun when somebody has the claim, it lives while its
 * beat changes, it has ended when .exit is there. The scheduler is asked why one that has ended badly did, where one is
 * that has not begun, and whether one that is silent may still come. A question that fails says nothing, and neither
 * does an answer that leaves out a job once.
 */
#ifndef RUNNER_QUEUE_STATE_H
#define RUNNER_QUEUE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* what a scheduler says of a job; those from QUEUE_DONE on are final */
enum queue_word {
	QUEUE_NOTHING, /* it was not asked, or did not answer, since the job is there */
	QUEUE_STRANGE, /* a word that is not known: as good as `running` */
	QUEUE_WAITING,
	QUEUE_RUNNING,
	QUEUE_DONE,
	QUEUE_FAILED,
	QUEUE_CANCELLED,
	QUEUE_TIME_LIMIT,
	QUEUE_MEMORY,
	QUEUE_NODE,
	QUEUE_PREEMPTED,
};

/* of "PENDING", "completing", ...; in any case, of Slurm's words and those of doc/runners.md */
enum queue_word queue_word(const char *text, size_t len);

/* a line of an answer: ID STATE [REASON]; not NUL-terminated */
struct queue_line {
	const char *id, *state, *reason;
	size_t id_len, state_len, reason_len;
};
/* the next line that has an id and a state, from *at on; false: there is none before `end` */
bool queue_line_next(const char **at, const char *end, struct queue_line *out);
/* the id in what `submit` printed: its last line that is not empty, without white space around it. False: there is
 * none, or none that could stand in a line of an answer */
bool queue_submitted_id(const char *text, size_t len, const char **id, size_t *id_len);

/* all that was seen of a job; a zeroed one is new */
struct sight {
	bool claimed, ended;
	bool ended_badly; /* in a way that the scheduler may know the reason of */
	bool asked;       /* to end, by us */
	bool revoked;
	uint64_t beat;
	int64_t beat_ms; /* when it changed last, or when the claim was seen */
	enum queue_word word;
	int64_t final_ms;    /* since when the word is final */
	int64_t ended_ms;    /* when .exit was seen */
	unsigned absences;   /* answers in a row that left it out */
	unsigned late_words; /* answers to questions that were asked after .exit was seen */
};

/* monotonic times */
void sight_claimed(struct sight *sight, int64_t now_ms);
void sight_beat(struct sight *sight, uint64_t beat, int64_t now_ms);
void sight_ended(struct sight *sight, bool badly, int64_t now_ms);
/* an answer to a question that was asked after the job was handed over, at `asked_ms`; `word` QUEUE_NOTHING: it was
 * left out */
void sight_answer(struct sight *sight, enum queue_word word, int64_t asked_ms, int64_t now_ms);

enum sight_step {
	SIGHT_WAIT,
	SIGHT_ASK,      /* the scheduler, soon: its answer would decide something */
	SIGHT_TAKE,     /* the claim: it has not begun, and never will by itself */
	SIGHT_REVOKE,   /* its scheduler has given it up, and yet it lives */
	SIGHT_GIVE_UP,  /* it is gone without having said how */
	SIGHT_SETTLE,   /* .exit says how */
};

/* `lost_ms`: how long one may be silent (its supervisor ends it by itself after that, see remote_spec.lease_ms) */
enum sight_step sight_decide(const struct sight *sight, int64_t lost_ms, int64_t now_ms);

/* how long until the next question: from `base_ms` on it grows while nothing changes */
int64_t queue_interval(int64_t base_ms, unsigned unchanged);

#endif
