#include "config.h"

#include "exec/attempt_private.h"

#include "exec/checkin.h"
#include "exec/stint.h"
#include "os/clock.h"
#include "os/loop.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	OUTPUT_INTERVAL_MS = 100, /* between two notices that a log grew */
	LAST_LINE_MAX = 4096,
};

/* --- its output --- */

/* the last line that says something, of a log of `size` bytes, into `buffer` */
static void read_last_line(int fd, int64_t size, char *buffer)
{
	int64_t from = size > LAST_LINE_MAX ? size - LAST_LINE_MAX : 0;
	ssize_t got = pread(fd, buffer, LAST_LINE_MAX, (off_t)from);
	size_t end = got > 0 ? (size_t)got : 0, start;

	while (end > 0 && strchr("\r\n\t ", buffer[end - 1]))
		end--;
	start = end;
	while (start > 0 && buffer[start - 1] != '\n' && buffer[start - 1] != '\r')
		start--;
	memmove(buffer, buffer + start, end - start);
	buffer[end - start] = '\0';
}

void attempt_tell_output(struct attempt *attempt)
{
	char line[LAST_LINE_MAX + 1];
	struct stat st;

	if (fstat(attempt->log_fd, &st) < 0 || st.st_size == attempt->seen_bytes)
		return;
	attempt->seen_bytes = st.st_size;
	/* an agent's last line is seldom for people */
	if (attempt->stint && !attempt->stint->over && *stint_last_words(attempt->stint)) {
		attempt->output(attempt->data, attempt, stint_last_words(attempt->stint), st.st_size);
		return;
	}
	read_last_line(attempt->log_fd, st.st_size, line);
	attempt->output(attempt->data, attempt, line, st.st_size);
}

static void on_output_timer(void *data)
{
	attempt_tell_output(data);
}

static void on_log_change(void *data)
{
	struct attempt *attempt = data;

	/* arming an armed timer would put a steady writer's notice off for ever */
	if (attempt->done || !attempt->output_timer)
		return;
	loop_timer_arm_if_idle(attempt->output_timer, OUTPUT_INTERVAL_MS);
}

void attempt_look_at_log(struct attempt *attempt)
{
	on_log_change(attempt);
	if (attempt->stint)
		stint_look(attempt->stint);
}

/* --- its time --- */

static void on_timeout(void *data)
{
	attempt_end(data, ORCH_OUTCOME_TIMEOUT, false);
}

/* no bytes for `idle`; nothing is looked at in between */
static void on_idle(void *data)
{
	struct attempt *attempt = data;
	int64_t limit = attempt_idle_limit(attempt), silent = limit;
	struct stat st;

	if (limit <= 0)
		return;
	if (fstat(attempt->log_fd, &st) == 0) {
		int64_t changed = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;

		silent = quiet_look(&attempt->quiet, st.st_size, changed, clock_mono_ms(), clock_wall_ms());
	}
	if (silent >= limit)
		attempt_end(attempt, ORCH_OUTCOME_STALLED, false);
	else
		loop_timer_arm(attempt->idle, limit - silent);
}

/* of the phase that has begun: what an agent is given is its own */
void attempt_watch_silence(struct attempt *attempt)
{
	int64_t limit = attempt_idle_limit(attempt);
	struct stat st;

	if (limit <= 0) {
		if (attempt->idle)
			loop_timer_disarm(attempt->idle);
		return;
	}
	quiet_begin(
		&attempt->quiet, fstat(attempt->log_fd, &st) == 0 ? st.st_size : 0, clock_mono_ms(), clock_wall_ms());
	if (!attempt->idle)
		attempt->idle = loop_timer_new(attempt->runner->loop, on_idle, attempt);
	loop_timer_arm(attempt->idle, limit);
}

static void arm_timeout(struct attempt *attempt)
{
	int64_t left = attempt->started_ms + attempt->queued_ms + attempt->timeout_ms - clock_mono_ms();

	loop_timer_arm(attempt->timeout, left > 0 ? left : 0);
}

void attempt_pause_watch(struct attempt *attempt)
{
	if (attempt->timeout)
		loop_timer_disarm(attempt->timeout);
	if (attempt->idle)
		loop_timer_disarm(attempt->idle);
}

void attempt_resume_watch(struct attempt *attempt)
{
	if (attempt->timeout)
		arm_timeout(attempt);
	if (attempt->watched)
		attempt_watch_silence(attempt);
}

/* the limits on its time, counted from its start, and its output */
void attempt_watch(struct attempt *attempt)
{
	struct loop *loop = attempt->runner->loop;

	if (attempt->watched)
		return;
	attempt->watched = true;
	if (attempt->timeout_ms > 0) {
		attempt->timeout = loop_timer_new(loop, on_timeout, attempt);
		arm_timeout(attempt);
	}
	attempt_watch_silence(attempt);
	attempt->checkins = checkins_new(attempt, attempt_checkins_gone, attempt);
	if (attempt->follow_output) {
		attempt->output_timer = loop_timer_new(loop, on_output_timer, attempt);
		attempt->watch = loop_watch_new(loop, attempt->log, on_log_change, attempt);
		/* what was written before anybody watched */
		on_log_change(attempt);
	}
}

void attempt_disarm(struct attempt *attempt)
{
	loop_timer_free(attempt->timeout);
	loop_timer_free(attempt->idle);
	loop_timer_free(attempt->kill);
	loop_timer_free(attempt->output_timer);
	loop_timer_free(attempt->look_again);
	loop_watch_free(attempt->watch);
	attempt->timeout = attempt->idle = attempt->kill = attempt->output_timer = attempt->look_again = NULL;
	attempt->watch = NULL;
}
