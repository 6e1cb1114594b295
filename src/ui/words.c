#include "config.h"

#include "ui/words.h"

#include <signal.h>
#include <string.h>

#include "ui/term.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/units.h"

enum { MESSAGE_COLUMNS = 400, PROGRESS_COLUMNS = 20 };

static const struct {
	int number;
	const char *name;
} signals[] = {
	{SIGHUP, "SIGHUP"},
	{SIGINT, "SIGINT"},
	{SIGQUIT, "SIGQUIT"},
	{SIGILL, "SIGILL"},
	{SIGTRAP, "SIGTRAP"},
	{SIGABRT, "SIGABRT"},
	{SIGBUS, "SIGBUS"},
	{SIGFPE, "SIGFPE"},
	{SIGKILL, "SIGKILL"},
	{SIGUSR1, "SIGUSR1"},
	{SIGSEGV, "SIGSEGV"},
	{SIGUSR2, "SIGUSR2"},
	{SIGPIPE, "SIGPIPE"},
	{SIGALRM, "SIGALRM"},
	{SIGTERM, "SIGTERM"},
	{SIGSTOP, "SIGSTOP"},
	{SIGXCPU, "SIGXCPU"},
	{SIGXFSZ, "SIGXFSZ"},
	{SIGSYS, "SIGSYS"},
};

void words_signal(struct strbuf *out, int64_t signo)
{
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		if (signals[i].number == signo) {
			strbuf_addstr(out, signals[i].name);
			return;
		}
	}
	strbuf_addf(out, "signal %lld", (long long)signo);
}

static void add_message(struct strbuf *out, const char *before, const char *message, bool unicode)
{
	if (message == NULL || *message == '\0')
		return;
	strbuf_addstr(out, before);
	term_line(out, message, strlen(message), MESSAGE_COLUMNS, unicode);
}

static void add_after(struct strbuf *out, const char *what, int64_t ms)
{
	char text[UNITS_TEXT_MAX];

	strbuf_addstr(out, what);
	if (ms >= 0)
		strbuf_addf(out, " after %s", units_duration(text, ms));
}

/* the fixed part of the words; NULL: made of numbers, or of the message alone */
static const char *const texts[ORCH_OUTCOMES] = {
	[ORCH_OUTCOME_SUCCESS] = "completed",
	[ORCH_OUTCOME_UNCHANGED] = "unchanged",
	[ORCH_OUTCOME_TIMEOUT] = "timed out",
	[ORCH_OUTCOME_STALLED] = "stalled",
	[ORCH_OUTCOME_CHECK] = "check failed",
	[ORCH_OUTCOME_SPAWN] = "cannot run",
	[ORCH_OUTCOME_MEMORY] = "out of memory",
	[ORCH_OUTCOME_MERGE] = "conflict",
	[ORCH_OUTCOME_CHANGES] = "wrong changes",
	[ORCH_OUTCOME_OUTPUTS] = "output missing",
	[ORCH_OUTCOME_NODE] = "its node failed",
	[ORCH_OUTCOME_PREEMPTED] = "it had to make room for another job",
	[ORCH_OUTCOME_CANCELLED] = "its job was cancelled by somebody else",
	[ORCH_OUTCOME_STOPPED] = "stopped",
	[ORCH_OUTCOME_INTERNAL] = "orch could not do its part",
};

void words_outcome(struct strbuf *out, const struct orch_stream_status *stream, bool unicode)
{
	if (stream->outcome < 0 || stream->outcome >= ORCH_OUTCOMES) {
		if (stream->message != NULL && *stream->message != '\0')
			add_message(out, "", stream->message, unicode);
		else
			add_message(out, "",
				stream->reason != NULL ? stream->reason : orch_task_state_name(stream->state), unicode);
		return;
	}
	switch ((enum orch_outcome)stream->outcome) {
	case ORCH_OUTCOME_EXIT:
		/* the status of an agent's program says little, and may be 0 */
		if (stream->agent != NULL && stream->message != NULL && *stream->message != '\0') {
			add_message(out, "", stream->message, unicode);
			break;
		}
		strbuf_addf(out, "exit status %lld", (long long)stream->exit_code);
		break;
	case ORCH_OUTCOME_SIGNAL:
		strbuf_addstr(out, "killed by ");
		words_signal(out, stream->signal);
		/* most messages only say the same */
		if (stream->message != NULL && strstr(stream->message, "killed by") == NULL)
			add_message(out, ": ", stream->message, unicode);
		break;
	case ORCH_OUTCOME_TIMEOUT:
	case ORCH_OUTCOME_STALLED:
		add_after(out, texts[stream->outcome], stream->duration_ms);
		add_message(out, ": ", stream->message, unicode);
		break;
	case ORCH_OUTCOME_CHECK:
	case ORCH_OUTCOME_SPAWN:
	case ORCH_OUTCOME_MEMORY:
	case ORCH_OUTCOME_MERGE:
	case ORCH_OUTCOME_CHANGES:
	case ORCH_OUTCOME_OUTPUTS:
	case ORCH_OUTCOME_NODE:
	case ORCH_OUTCOME_PREEMPTED:
	case ORCH_OUTCOME_CANCELLED:
	case ORCH_OUTCOME_STOPPED:
	case ORCH_OUTCOME_INTERNAL:
		/* a message may well begin with the same words */
		if (stream->message != NULL &&
			strncmp(stream->message, texts[stream->outcome], strlen(texts[stream->outcome])) == 0) {
			add_message(out, "", stream->message, unicode);
			break;
		}
		strbuf_addstr(out, texts[stream->outcome]);
		add_message(out, ": ", stream->message, unicode);
		break;
	case ORCH_OUTCOME_SUCCESS:
	case ORCH_OUTCOME_UNCHANGED:
		strbuf_addstr(out, texts[stream->outcome]);
		break;
	}
}

bool words_progress(struct strbuf *out, const struct orch_stream_status *stream, bool unicode)
{
	bool said = stream->total > 0 || stream->progress != NULL, ended = stream->state == ORCH_TASK_COMPLETED;

	if (stream->tasks > 0 && (stream->ticked > 0 || ended || !said))
		strbuf_addf(out, "%lld/%lld", (long long)stream->ticked, (long long)stream->tasks);
	else if (!said || ended)
		return false;
	else if (stream->total == 100)
		strbuf_addf(out, "%lld%%", (long long)stream->done);
	else if (stream->total > 0)
		strbuf_addf(out, "%lld/%lld", (long long)stream->done, (long long)stream->total);
	else
		term_line(out, stream->progress, strlen(stream->progress), PROGRESS_COLUMNS, unicode);
	return true;
}

const char *words_noted(const struct orch_stream_status *stream)
{
	return stream->agent != NULL ? stream->note : NULL;
}

void words_count(struct strbuf *out, size_t count, const char *noun)
{
	strbuf_addf(out, "%zu %s%s", count, noun, count == 1 ? "" : "s");
}

bool words_is_bad(const struct orch_stream_status *stream)
{
	return stream->state == ORCH_TASK_FAILED || stream->state == ORCH_TASK_SKIPPED ||
		stream->state == ORCH_TASK_CANCELLED;
}

const char *words_left(enum orch_left left)
{
	switch (left) {
	case ORCH_LEFT_RUNNING:
		return "goes on by itself; 'orch' adopts it";
	case ORCH_LEFT_ENDED:
		return "has ended since; 'orch' settles it";
	case ORCH_LEFT_LOST:
		return "was lost with the machine or its supervisor; 'orch' tries it again";
	default:
		return "was ended when the run crashed";
	}
}

void words_logs_command(struct strbuf *out, const char *stream)
{
	strbuf_addstr(out, "orch logs ");
	path_quote(out, stream);
}
