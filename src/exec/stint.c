#include "config.h"

#include "exec/stint.h"

#include "exec/agents.h"
#include "exec/attempt.h"
#include "exec/context.h"
#include "exec/reporting.h"
#include "exec/stint_prompt.h"
#include "graph/project.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/system.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOOK_INTERVAL_MS = 100,   /* between two looks at a log that grows */
	BLIND_INTERVAL_MS = 2000, /* where nothing tells that it does */
	PIECE = 256 * 1024,
	PIECES_AT_ONCE = 16, /* then others have their turn */
	NOTE_MAX = 4096,
	WORD_MAX = 255,
};

/* --- what it is told --- */

/* a version 4 UUID, which the programs that let us choose ask for */
static char *new_session(void)
{
	char hex[33];

	if (!system_random_hex(hex, sizeof hex))
		return NULL;
	hex[12] = '4';
	hex[16] = "89ab"[(unsigned char)hex[16] & 3];
	return xasprintf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static char *file_of(const struct attempt *attempt, const char *what)
{
	return statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, what);
}

/* for the orch that adopts the attempt if this one is killed */
static int write_note(const struct stint *stint, struct orch_error *err)
{
	char *path = file_of(stint->attempt, "agent"), *text;
	const struct meter *before = &stint->attempt->memory->before;
	int result;

	text = xasprintf("orch-agent 1\nagent %s\nfrom %" PRId64 "\nresumed %d\nbefore %" PRId64 " %" PRId64
			 "\nsession %s\nmends %s\nend\n",
		stint->agent->name, stint->from, stint->resumed, before->cost.of_session, before->tokens.of_session,
		stint->session ? stint->session : "-", stint->fix ? stint->fix->name : "-");
	result = fs_replace(AT_FDCWD, path, text, strlen(text), false, err);
	free(text);
	free(path);
	return result;
}

static struct stint *make(struct attempt *attempt, const struct agent *agent, const struct rule *fix)
{
	struct stint *stint = xcalloc(1, sizeof *stint);

	stint->attempt = attempt;
	stint->agent = agent;
	stint->fix = fix;
	stint->to = -1;
	stint->prompt = file_of(attempt, fix ? "mend" : "prompt");
	return stint;
}

static int listen(struct stint *stint, struct agents *agents, struct orch_error *err)
{
	const struct output_patterns *patterns = agents_patterns(agents, stint->agent, OUTPUT_OF_WORK, err);

	if (!patterns)
		return -1;
	output_init(&stint->output, patterns, stint->resumed ? &stint->attempt->memory->before : NULL);
	return 0;
}

static int write_prompt(struct stint *stint, const struct strbuf *text, struct orch_error *err)
{
	const struct agent *agent = stint->agent;

	if (agent->prompt_max && text->len > (size_t)agent->prompt_max)
		return error_set(err, "its prompt has %zu bytes, and %s takes at most %" PRId64, text->len, agent->name,
			       agent->prompt_max),
		       1;
	return fs_replace(AT_FDCWD, stint->prompt, text->data ? text->data : "", text->len, false, err);
}

int stint_new(struct stint **out, struct attempt *attempt, struct agents *agents, const struct agent *agent,
	const struct rule *fix, struct orch_error *err)
{
	struct memory *memory = attempt->memory;
	struct stint *stint = make(attempt, agent, fix);
	struct strbuf text = {0};
	struct stat st;
	int result;

	*out = NULL;
	if (!fix && !attempt->afresh && memory->session && memory->session_agent == agent && agent->resume.bytes) {
		stint->session = xstrdup(memory->session);
		stint->resumed = true;
	} else if (agent->chooses_session) {
		stint->session = new_session();
	}
	stint->from = stint->read = fstat(attempt->log_fd, &st) == 0 ? st.st_size : 0;
	attempt->stint = stint;
	result = stint_prompt(&text, stint, agents, err);
	if (result == 0)
		result = write_prompt(stint, &text, err);
	if (result == 0)
		result = write_note(stint, err);
	if (result == 0)
		result = listen(stint, agents, err);
	strbuf_release(&text);
	attempt->stint = NULL;
	if (result != 0) {
		stint_free(stint);
		return result;
	}
	*out = stint;
	return 0;
}

static const struct rule *find_rule(const struct project *project, const char *name)
{
	for (uint32_t i = 0; i < project->recovery_count; i++) {
		if (strcmp(project->recoveries[i].name, name) == 0)
			return &project->recoveries[i];
	}
	return NULL;
}

int stint_adopt(struct stint **out, struct attempt *attempt, struct agents *agents, struct orch_error *err)
{
	char *path = file_of(attempt, "agent"), *text, name[WORD_MAX + 1], session[WORD_MAX + 1], mends[WORD_MAX + 1];
	const struct project *project = attempt->context->project;
	struct memory *memory = attempt->memory;
	const struct agent *agent;
	struct stint *stint;
	struct stat st;
	int64_t from, cost, tokens;
	char end[8];
	int resumed, found;
	size_t len;

	*out = NULL;
	if (!fs_exists(path)) {
		free(path);
		return 1;
	}
	if (fs_read(path, NOTE_MAX, &text, &len, err) < 0) {
		free(path);
		return -1;
	}
	free(path);
	found = sscanf(text,
		"orch-agent 1 agent %255s from %" SCNd64 " resumed %d before %" SCNd64 " %" SCNd64
		" session %255s mends %255s %7s",
		name, &from, &resumed, &cost, &tokens, session, mends, end);
	free(text);
	agent = found == 8 ? project_agent(project, name) : NULL;
	if (!agent)
		return error_set(err, "it was begun by the agent '%s', which there is no more",
			found == 8 ? name : "(its notes say nothing)");
	memory->before.cost.of_session = cost;
	memory->before.tokens.of_session = tokens;
	stint = make(attempt, agent, strcmp(mends, "-") == 0 ? NULL : find_rule(project, mends));
	stint->from = stint->read = from;
	stint->resumed = resumed;
	stint->told = fstat(attempt->log_fd, &st) == 0 ? st.st_size : 0;
	if (strcmp(session, "-") != 0)
		stint->session = xstrdup(session);
	if (listen(stint, agents, err) < 0) {
		stint_free(stint);
		return -1;
	}
	*out = stint;
	return 0;
}

const struct text *stint_command(const struct stint *stint)
{
	return stint->resumed ? &stint->agent->resume : &stint->agent->run;
}

/* --- what it says --- */

static void see_session(struct stint *stint)
{
	if (stint->session_seen)
		return;
	stint->session_seen = true;
	if (stint->output.session.len) {
		free(stint->session);
		stint->session = xstrdup(strbuf_cstr(&stint->output.session));
	}
	attempt_has_news(stint->attempt, ATTEMPT_NEWS_SESSION);
}

static void take_news(struct stint *stint, unsigned news)
{
	if ((news & OUTPUT_SESSION) || (!stint->agent->session && stint->read > stint->from))
		see_session(stint);
	if (news & OUTPUT_COST) {
		stint->attempt->spent_new += stint->output.cost_grown;
		stint->output.cost_grown = 0;
		attempt_has_news(stint->attempt, ATTEMPT_NEWS_COST);
	}
	if (stint->read < stint->told)
		news &= ~(unsigned)(OUTPUT_PROGRESS | OUTPUT_NOTE);
	if (news & OUTPUT_PROGRESS)
		reporting_add(stint->attempt->reporting, ORCH_REPORT_PROGRESS, strbuf_cstr(&stint->output.progress));
	if (news & OUTPUT_NOTE)
		reporting_add(stint->attempt->reporting, ORCH_REPORT_NOTE, strbuf_cstr(&stint->output.note));
	if ((news & (OUTPUT_DONE | OUTPUT_FAILED)) && stint->linger && !stint->over)
		loop_timer_arm_if_idle(stint->linger, attempt_linger_ms(stint->attempt));
}

/* up to `pieces` pieces; true: there may be more */
static bool read_log(struct stint *stint, unsigned pieces)
{
	char *buffer = xmalloc(PIECE);
	bool more = true;

	while (more && pieces-- > 0) {
		size_t most =
			stint->to >= 0 && stint->to - stint->read < PIECE ? (size_t)(stint->to - stint->read) : PIECE;
		ssize_t got = pread(stint->attempt->log_fd, buffer, most, (off_t)stint->read);

		more = got > 0;
		if (more) {
			stint->read += got;
			take_news(stint, output_feed(&stint->output, buffer, (size_t)got));
		}
	}
	free(buffer);
	return more;
}

static void on_look(void *data)
{
	struct stint *stint = data;

	if (read_log(stint, PIECES_AT_ONCE))
		loop_timer_arm(stint->look, 0);
	else if (!stint->watch)
		loop_timer_arm(stint->look, BLIND_INTERVAL_MS);
}

static void on_change(void *data)
{
	struct stint *stint = data;

	loop_timer_arm_if_idle(stint->look, LOOK_INTERVAL_MS);
}

void stint_look(struct stint *stint)
{
	if (stint->look)
		on_change(stint);
}

static void on_linger(void *data)
{
	struct stint *stint = data;

	stint->lingered = true;
	attempt_end_lingering(stint->attempt);
}

void stint_follow(struct stint *stint)
{
	struct loop *loop = stint->attempt->runner->loop;

	stint->linger = loop_timer_new(loop, on_linger, stint);
	stint->look = loop_timer_new(loop, on_look, stint);
	stint->watch = loop_watch_new(loop, stint->attempt->log, on_change, stint);
	loop_timer_arm(stint->look, LOOK_INTERVAL_MS);
}

static void stop_following(struct stint *stint)
{
	loop_watch_free(stint->watch);
	loop_timer_free(stint->look);
	loop_timer_free(stint->linger);
	stint->watch = NULL;
	stint->look = stint->linger = NULL;
}

const char *stint_last_words(const struct stint *stint)
{
	return strbuf_cstr(stint->output.note.len ? &stint->output.note : &stint->output.summary);
}

/* what it said in the end, for its dependents' prompts */
static void write_summary(struct stint *stint)
{
	const struct strbuf *text = stint->output.summary.len ? &stint->output.summary : &stint->output.note;
	char *path = file_of(stint->attempt, "summary");
	struct orch_error err = {0};

	if (text->len && fs_replace(AT_FDCWD, path, text->data, text->len, false, &err) < 0)
		stint->attempt->warn(stint->attempt->data, stint->attempt, err.message);
	free(path);
}

void stint_end(struct stint *stint)
{
	struct attempt *attempt = stint->attempt;
	const char *slow;

	if (stint->over)
		return;
	stop_following(stint);
	stint->over = true;
	while (read_log(stint, PIECES_AT_ONCE))
		;
	take_news(stint, output_finish(&stint->output));
	if (!stint->output.meter.has_cost && stint->agent->estimate > 0) {
		attempt->spent_new += budget_millionths(stint->agent->estimate);
		attempt_has_news(attempt, ATTEMPT_NEWS_COST);
	}
	attempt->tokens += stint->output.meter.tokens.of_attempt;
	attempt->has_tokens |= stint->output.meter.has_tokens;
	slow = output_gave_up(&stint->output);
	if (slow) {
		char *message = xasprintf("the pattern of '%s' took too long for its log, and was given up", slow);

		attempt->warn(attempt->data, attempt, message);
		free(message);
	}
	/* one whose check is under way has written it */
	if (!stint->fix && stint->to < 0)
		write_summary(stint);
}

char *stint_said(const struct stint *stint)
{
	const struct strbuf *text = stint->output.summary.len ? &stint->output.summary : &stint->output.note;
	size_t len = text->len < STINT_SAID_MAX ? text->len : STINT_SAID_MAX;

	if (!stint->over || stint->output.failed || !len)
		return NULL;
	/* not half a character at the cut */
	while (len < text->len && len && ((unsigned char)text->data[len] & 0xc0) == 0x80)
		len--;
	return xstrndup(text->data, len);
}

char *stint_objection(const struct stint *stint)
{
	const struct output *output = &stint->output;
	const char *words = strbuf_cstr(output->why.len ? &output->why
			: output->summary.len            ? &output->summary
							 : &output->note);
	int len = (int)strcspn(words, "\n");

	if (len > 300)
		len = 300;
	if (output->failed)
		return xasprintf("%s said that it failed%s%.*s", stint->agent->name, *words ? ": " : "", len, words);
	if (stint->agent->done && !output->done)
		return xasprintf("%s ended without saying that it was done", stint->agent->name);
	return NULL;
}

void stint_carry_summary(struct attempt *attempt, unsigned from)
{
	char *path = statedir_attempt_file(attempt->run, attempt->stream->name, from, "summary");
	char *to = file_of(attempt, "summary"), *text;
	struct orch_error err = {0};
	size_t len;

	if (fs_exists(path)) {
		if (fs_read(path, 0, &text, &len, &err) < 0) {
			attempt->warn(attempt->data, attempt, err.message);
		} else {
			if (fs_replace(AT_FDCWD, to, text, len, false, &err) < 0)
				attempt->warn(attempt->data, attempt, err.message);
			free(text);
		}
	}
	free(path);
	free(to);
}

void stint_free(struct stint *stint)
{
	if (!stint)
		return;
	stop_following(stint);
	output_release(&stint->output);
	free(stint->session);
	free(stint->prompt);
	free(stint);
}
