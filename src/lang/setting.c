#include "config.h"

#include "lang/setting.h"

#include <inttypes.h>
#include <string.h>

#include "lang/value.h"
#include "util/strbuf.h"
#include "util/template.h"
#include "util/units.h"

static const char *const when_choices[] = {"success", "failure", "always", NULL};
static const char *const changes_choices[] = {"optional", "required", "forbidden", NULL};
static const char *const isolate_choices[] = {"none", "worktree", NULL};
static const char *const keep_choices[] = {"never", "failed", "always", NULL};
static const char *const jobserver_choices[] = {"pipe", "fifo", "off", NULL};
static const char *const sandbox_choices[] = {"off", "worktree", "offline", NULL};
static const char *const rerun_choices[] = {"recipe", "inputs", "deps", "missing", NULL};
static const char *const merge_choices[] = {"manual", "auto", "squash", NULL};
static const char *const overlap_choices[] = {"warn", "serialize", NULL};
static const char *const schedule_choices[] = {"planned", "critical-path", "fifo", NULL};
static const char *const escape_choices[] = {"warn", "fail", NULL};
static const char *const kind_choices[] = {"exit", "signal", "timeout", "stalled", "check", "spawn", "merge", "outputs",
	"changes", "memory", "node", "preempted", "cancelled", NULL};
static const char *const channel_choices[] = {"own", "all", NULL};
static const char *const counts_choices[] = {"last", "session", "sum", NULL};
static const char *const account_choices[] = {"stream", "account", NULL};

#define BOTH (SCOPE_STREAM | SCOPE_DEFAULTS)
#define AT(field) offsetof(struct settings, field)
#define IN_PROJECT(field) offsetof(struct project_settings, field)
/* a field of struct stream, or of no struct (agent and recover keep their values as text) */
#define ELSEWHERE ((size_t)-1)

/* name, type, scope, choices, min, max, offset, default, help, unavailable, available */
const struct setting setting_table[] = {
	/* blocks of a stream */
	{"run", SETTING_BLOCK, SCOPE_STREAM, NULL, 0, 0, ELSEWHERE, "",
		"the script of the stream, for the shell or for the interpreter its #! names", false, NULL},
	{"prompt", SETTING_BLOCK, SCOPE_STREAM, NULL, 0, 0, AT(prompt_file), "",
		"the text for the agent; 'prompt = FILE' reads a file", false, NULL},
	{"check", SETTING_BLOCK, BOTH, NULL, 0, 0, AT(check), "",
		"run after success; the stream is complete only if it exits 0", false, NULL},
	{"setup", SETTING_BLOCK, BOTH, NULL, 0, 0, AT(setup), "",
		"run once in a fresh worktree, before the first attempt", false, NULL},
	{"env", SETTING_ENV, BOTH, NULL, 0, 0, AT(env), "",
		"NAME=value for the environment; those of the defaults stay, the same name wins", false, NULL},
	{"dotenv", SETTING_WORDS, BOTH, NULL, 0, 0, AT(dotenv), "", "files of NAME=value lines for the environment",
		false, NULL},
	{"unset", SETTING_WORDS, BOTH, NULL, 0, 0, AT(unset), "", "names removed from the environment", false, NULL},
	{"tasks", SETTING_TASKS, SCOPE_STREAM, NULL, 0, 0, AT(tasks), "", "the stream's checklist, one a line", false,
		NULL},
	{"every", SETTING_EVERY, BOTH, NULL, 0, 0, AT(every), "",
		"a script run, or a message sent, at that interval while the stream runs", false, NULL},
	/* settings of a stream */
	{"agent", SETTING_WORDS, BOTH, NULL, 0, 0, AT(agent), "",
		"who works on the prompt; several are a fallback chain", false, NULL},
	{"inputs", SETTING_WORDS, BOTH, NULL, 0, 0, AT(inputs), "",
		"files (globs) whose content makes the stream stale when it changes", false, NULL},
	{"outputs", SETTING_WORDS, BOTH, NULL, 0, 0, AT(outputs), "", "paths that must exist after success", false,
		NULL},
	{"touches", SETTING_WORDS, BOTH, NULL, 0, 0, AT(touches), "", "files (globs) the stream expects to change",
		false, NULL},
	{"changes", SETTING_ENUM, BOTH, changes_choices, 0, 0, AT(changes), "optional",
		"what the stream must have done to the tree", false, NULL},
	{"after", SETTING_WORDS, SCOPE_STREAM, NULL, 0, 0, ELSEWHERE, "",
		"dependencies, the same as names behind the colon", false, NULL},
	{"when", SETTING_ENUM, BOTH, when_choices, 0, 0, AT(when), "success",
		"which end of its dependencies lets the stream start", false, NULL},
	{"timeout", SETTING_DURATION, BOTH, NULL, 0, 0, AT(timeout_ms), "", "longest time of one attempt", false, NULL},
	{"idle", SETTING_DURATION, BOTH, NULL, 0, 0, AT(idle_ms), "", "longest time without output", false, NULL},
	{"linger", SETTING_DURATION, BOTH, NULL, 0, 0, AT(linger_ms), "60s",
		"how long a process may stay after its agent has said it is done", false, NULL},
	{"kill", SETTING_KILL, BOTH, NULL, 0, 0, AT(kill), "TERM 10s KILL",
		"how an attempt is ended: signals and waits", false, NULL},
	{"grace", SETTING_DURATION, BOTH, NULL, 0, 0, AT(grace_ms), "10s", "the wait before the last signal of kill",
		false, NULL},
	{"detach", SETTING_BOOL, BOTH, NULL, 0, 0, AT(detach), "",
		"whether a running attempt goes on when orch is killed", false, NULL},
	{"retries", SETTING_INT, BOTH, NULL, 0, 1000, AT(retries), "0", "attempts after the first", false, NULL},
	{"backoff", SETTING_BACKOFF, BOTH, NULL, 0, 0, AT(backoff_ms), "5s 5m",
		"wait before a retry, doubled each time, up to the second duration", false, NULL},
	{"isolate", SETTING_ENUM, BOTH, isolate_choices, 0, 0, AT(isolate), "",
		"where the stream runs: worktree for an agent's in a git repository, else none", false, NULL},
	{"branch", SETTING_TEXT, BOTH, NULL, 0, 0, AT(branch), "", "branch of its worktree", false, NULL},
	{"base", SETTING_TEXT, BOTH, NULL, 0, 0, AT(base), "", "what its worktree is cut from", false, NULL},
	{"copy", SETTING_WORDS, BOTH, NULL, 0, 0, AT(copy), "", "untracked files (globs) copied into a fresh worktree",
		false, NULL},
	{"commit", SETTING_COMMIT, BOTH, NULL, 0, 0, AT(commit), "auto",
		"what happens to changes left uncommitted at success: auto, off or a message", false, NULL},
	{"keep", SETTING_ENUM, BOTH, keep_choices, 0, 0, AT(keep), "failed", "whether the worktree stays", false, NULL},
	{"runner", SETTING_WORD, BOTH, NULL, 0, 0, AT(runner), "process",
		"what runs the attempt: process, pty, tmux, slurm, or a runner that is declared", false, NULL},
	{"slurm", SETTING_TEXT, BOTH, NULL, 0, 0, AT(slurm), "", "options for sbatch, as written", false, NULL},
	{"job-options", SETTING_TEXT, BOTH, NULL, 0, 0, AT(job_options), "",
		"options for whatever hands the stream to its runner, as written", false, NULL},
	{"pool", SETTING_WORD, BOTH, NULL, 0, 0, AT(pool), "", "the pool whose slots the stream takes too", false,
		NULL},
	{"weight", SETTING_INT, BOTH, NULL, 1, 1000, AT(weight), "1", "slots the stream takes", false, NULL},
	{"priority", SETTING_INT, BOTH, NULL, -1000000, 1000000, AT(priority), "0", "higher starts first", false, NULL},
	{"jobserver", SETTING_ENUM, BOTH, jobserver_choices, 0, 0, AT(jobserver), "pipe",
		"whether, and how, a make or cargo in its commands shares the run's slots", false, NULL},
	{"estimate", SETTING_DURATION, BOTH, NULL, 0, 0, AT(estimate_ms), "", "expected time, until a run was recorded",
		false, NULL},
	{"memory", SETTING_MEMORY, BOTH, NULL, 0, 0, AT(memory), "",
		"most memory of the attempt's whole process tree; 'SIZE rlimit': else of each process", false, NULL},
	{"sandbox", SETTING_ENUM, BOTH, sandbox_choices, 0, 0, AT(sandbox), "off",
		"what the attempt may write and reach", false, NULL},
	{"approve", SETTING_BOOL, BOTH, NULL, 0, 0, AT(approve), "no", "wait for 'orch approve' before the start",
		false, NULL},
	{"complete", SETTING_BOOL, SCOPE_STREAM, NULL, 0, 0, AT(complete), "no",
		"it is done already: nothing is run for it, unless forced", false, NULL},
	{"rerun", SETTING_RERUN, BOTH, rerun_choices, 0, 0, AT(rerun), "recipe inputs deps",
		"what makes a completed stream stale", false, NULL},
	{"tags", SETTING_WORDS, BOTH, NULL, 0, 0, AT(tags), "", "words for selection: orch tag:WORD", false, NULL},
	{"orchfile", SETTING_TEXT, SCOPE_STREAM, NULL, 0, 0, AT(orchfile), "", "another Orchfile that the stream is",
		false, NULL},
	{"generates", SETTING_TEXT, SCOPE_STREAM, NULL, 0, 0, AT(generates), "",
		"a fragment read after success, whose streams join the run", false, NULL},
	/* project: */
	{"name", SETTING_TEXT, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(name), "",
		"name of the project; default: its directory's", false, NULL},
	{"jobs", SETTING_INT, SCOPE_PROJECT, NULL, 1, 10000, IN_PROJECT(jobs), "4", "slots, without -j", false, NULL},
	{"default", SETTING_WORDS, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(default_targets), "",
		"what a bare orch builds; default: everything", false, NULL},
	{"base", SETTING_TEXT, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(base), "", "branch that worktrees are cut from",
		false, NULL},
	{"merge", SETTING_ENUM, SCOPE_PROJECT, merge_choices, 0, 0, IN_PROJECT(merge), "manual",
		"whether finished work is merged at the end of a run that succeeded", false, NULL},
	{"overlap", SETTING_ENUM, SCOPE_PROJECT, overlap_choices, 0, 0, IN_PROJECT(overlap), "warn",
		"streams that may run together and expect to change the same files: say so, or keep them apart", false,
		NULL},
	{"schedule", SETTING_ENUM, SCOPE_PROJECT, schedule_choices, 0, 0, IN_PROJECT(schedule), "planned",
		"which of several streams that are ready starts first", false, NULL},
	{"repository", SETTING_TEXT, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(repository), "",
		"directory of the git repository that streams in worktrees work on; default: that of the Orchfile",
		false, NULL},
	{"escape", SETTING_ENUM, SCOPE_PROJECT, escape_choices, 0, 0, IN_PROJECT(escape), "warn",
		"what it is when a stream in a worktree writes into the checkout", false, NULL},
	{"worktrees", SETTING_TEXT, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(worktrees), "", "directory of the worktrees",
		false, NULL},
	{"budget", SETTING_MONEY, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(budget), "",
		"nothing new starts once the cost reaches it", false, NULL},
	{"limit-wait", SETTING_DURATION, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(limit_wait_ms), "",
		"longest wait for a usage limit", false, NULL},
	{"preamble", SETTING_TEXT, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(preamble), "",
		"file with what agents are told before their prompts; an empty one: nothing", false, NULL},
	{"shell", SETTING_TEXT, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(shell), "sh -eu",
		"the shell of run, check and hooks, with its options", false, NULL},
	{"runner", SETTING_WORD, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(runner), "process",
		"what runs attempts of streams that do not say", false, NULL},
	{"redact", SETTING_PATTERN, SCOPE_PROJECT, NULL, 0, 0, IN_PROJECT(redact), "",
		"patterns whose matches reach no log, event or view", false, NULL},
	/* agent NAME: */
	{"run", SETTING_BLOCK, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "the command that starts the agent", false,
		NULL},
	{"resume", SETTING_BLOCK, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "the command that continues a session", false,
		NULL},
	{"limit", SETTING_INT, SCOPE_AGENT, NULL, 1, 10000, ELSEWHERE, "", "how many run at once", false, NULL},
	{"account", SETTING_WORD, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "agents of one account share its usage limit",
		false, NULL},
	{"args", SETTING_TEXT, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "more arguments: {{args}} of its commands",
		false, NULL},
	{"prompt-max", SETTING_SIZE, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "the longest prompt it takes", false,
		NULL},
	{"own", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "",
		"pattern of the lines that its own machinery prints: its channel", false, NULL},
	{"session", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "pattern with the group 'session'", false,
		NULL},
	{"cost", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "pattern with the group 'cost'", false, NULL},
	{"tokens", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "",
		"pattern with the group 'tokens', or the groups 'input' and 'output'", false, NULL},
	{"counts", SETTING_ENUM, SCOPE_AGENT, counts_choices, 0, 0, ELSEWHERE, "last",
		"what a report of cost or tokens is of: the attempt, the whole session, or a part to be added up",
		false, NULL},
	{"estimate", SETTING_MONEY, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "",
		"what an attempt costs, of an agent that does not say", false, NULL},
	{"progress", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "pattern with the group 'progress'",
		false, NULL},
	{"note", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "pattern with the group 'note'", false, NULL},
	{"summary", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "",
		"pattern with the group 'summary': its final message", false, NULL},
	{"done", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "pattern that must match for a success",
		false, NULL},
	{"failed", SETTING_PATTERN, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "pattern that must not match for a success",
		false, NULL},
	{"kill", SETTING_KILL, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "",
		"how an attempt is ended, of streams that do not say", false, NULL},
	{"linger", SETTING_DURATION, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "",
		"how long it may stay after it has said that it is done, of streams that do not say", false, NULL},
	{"idle", SETTING_DURATION, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "",
		"longest time without output, of streams that do not say", false, NULL},
	{"env", SETTING_ENV, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "NAME=value for its environment", false, NULL},
	{"unset", SETTING_WORDS, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "", "names removed from its environment", false,
		NULL},
	{"state", SETTING_WORDS, SCOPE_AGENT, NULL, 0, 0, ELSEWHERE, "",
		"what its program keeps of its own, below the home directory, and so may write in a sandbox too", false,
		NULL},
	/* recover NAME: */
	{"kind", SETTING_WORDS, SCOPE_RECOVER, kind_choices, 0, 0, ELSEWHERE, "", "kinds of failure the rule is for",
		false, NULL},
	{"match", SETTING_PATTERN, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "", "pattern that the log must match", false,
		NULL},
	{"wait", SETTING_TEXT, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "", "a time or duration to wait for, then go on",
		false, NULL},
	{"agent", SETTING_WORD, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "", "the agent that works on the failure first",
		false, NULL},
	{"prompt", SETTING_BLOCK, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "", "its prompt", false, NULL},
	{"run", SETTING_BLOCK, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "", "a script that works on the failure first",
		false, NULL},
	{"retries", SETTING_INT, SCOPE_RECOVER, NULL, 0, 1000, ELSEWHERE, "", "attempts by this rule", false, NULL},
	{"backoff", SETTING_BACKOFF, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "", "wait before such an attempt", false,
		NULL},
	{"margin", SETTING_DURATION, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "5m",
		"how much longer than is said an account is held", false, NULL},
	{"fail", SETTING_BOOL, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "no", "end the stream at once", false, NULL},
	{"fresh", SETTING_BOOL, SCOPE_RECOVER, NULL, 0, 0, ELSEWHERE, "no", "the next attempt starts a new session",
		false, NULL},
	{"channel", SETTING_ENUM, SCOPE_RECOVER, channel_choices, 0, 0, ELSEWHERE, "",
		"what the pattern is matched against", false, NULL},
	{"scope", SETTING_ENUM, SCOPE_RECOVER, account_choices, 0, 0, ELSEWHERE, "stream", "who is held", false, NULL},
	/* runner NAME: */
	{"submit", SETTING_BLOCK, SCOPE_RUNNER, NULL, 0, 0, ELSEWHERE, "",
		"the script that hands a job over and prints its id", false, NULL},
	{"poll", SETTING_BLOCK, SCOPE_RUNNER, NULL, 0, 0, ELSEWHERE, "",
		"the script that says of each job how it stands: ID STATE [REASON]", false, NULL},
	{"cancel", SETTING_BLOCK, SCOPE_RUNNER, NULL, 0, 0, ELSEWHERE, "",
		"the script that takes the jobs back whose ids it reads", false, NULL},
	{"interval", SETTING_DURATION, SCOPE_RUNNER, NULL, 0, 0, ELSEWHERE, "5s",
		"time between two polls; grows while nothing changes", false, NULL},
	{"lost", SETTING_DURATION, SCOPE_RUNNER, NULL, 0, 0, ELSEWHERE, "2m",
		"how long a job that runs may give no sign of life", false, NULL},
	{"latency", SETTING_DURATION, SCOPE_RUNNER, NULL, 0, 0, ELSEWHERE, "30s",
		"how long what a job wrote may stay unseen here after its end", false, NULL},
};

const unsigned setting_count = sizeof setting_table / sizeof setting_table[0];

const struct setting *setting_find(const char *name, size_t len, unsigned scope)
{
	for (unsigned i = 0; i < setting_count; i++) {
		const struct setting *row = &setting_table[i];

		if ((row->scope & scope) && strncmp(row->name, name, len) == 0 && !row->name[len])
			return row;
	}
	return NULL;
}

/* a word as it must be written to be read as one */
static void print_word(const char *word, struct strbuf *out)
{
	if (*word && !strpbrk(word, " \t\"'#\\") && !strstr(word, "{{")) {
		strbuf_addstr(out, word);
		return;
	}
	strbuf_addch(out, '"');
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			strbuf_addch(out, '\\');
		if (word[0] == '{' && word[1] == '{') {
			strbuf_addstr(out, "{{{{");
			word++;
			continue;
		}
		strbuf_addch(out, *word);
	}
	strbuf_addch(out, '"');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* does a value that is read as one text need quotes? */
static bool needs_quotes(const char *text, size_t len)
{
	if (!len || is_blank(text[0]) || is_blank(text[len - 1]) || text[len - 1] == '\\')
		return true;
	for (size_t i = 0; i < len; i++) {
		bool quote = text[i] == '"' || text[i] == '\'';

		if ((quote || text[i] == '#') && (i == 0 || is_blank(text[i - 1])))
			return true;
		if (quote && text[i - 1] == '=')
			return true;
	}
	return false;
}

/* between double quotes */
static void write_quoted(struct strbuf *out, const char *text, size_t len)
{
	strbuf_addch(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			strbuf_addch(out, '\\');
		strbuf_addch(out, text[i]);
	}
	strbuf_addch(out, '"');
}

void setting_write_text(struct strbuf *out, const char *text, size_t len)
{
	struct strbuf escaped = {0};

	template_escape(&escaped, text, len);
	if (needs_quotes(strbuf_cstr(&escaped), escaped.len))
		write_quoted(out, strbuf_cstr(&escaped), escaped.len);
	else
		strbuf_add(out, strbuf_cstr(&escaped), escaped.len);
	strbuf_release(&escaped);
}

static void print_words(const struct words *words, struct strbuf *out)
{
	for (uint32_t i = 0; i < words->count; i++) {
		if (i)
			strbuf_addch(out, ' ');
		print_word(words->items[i], out);
	}
}

static void print_duration(int64_t ms, struct strbuf *out)
{
	char text[UNITS_TEXT_MAX];

	strbuf_addstr(out, units_duration_exact(text, ms));
}

static void print_memory(const struct settings *values, struct strbuf *out)
{
	static const char letters[] = "KMG";
	int64_t number = values->memory;
	int unit = -1;

	if (!number)
		return;
	while (unit < 2 && number % 1024 == 0) {
		number /= 1024;
		unit++;
	}
	strbuf_addf(out, "%" PRId64, number);
	if (unit >= 0)
		strbuf_addch(out, letters[unit]);
	if (values->memory_rlimit)
		strbuf_addstr(out, " rlimit");
}

static void print_kill(const struct settings *values, struct strbuf *out)
{
	for (uint32_t i = 0; i < values->kill_count; i++) {
		const struct kill_step *step = &values->kill[i];
		const char *name = signal_name(step->signo);

		strbuf_addf(out, "%s%s", i ? " " : "", name ? name : "?");
		if (i + 1 < values->kill_count) {
			strbuf_addch(out, ' ');
			print_duration(step->wait_ms >= 0 ? step->wait_ms : values->grace_ms, out);
		}
	}
}

static void print_env(const struct settings *values, struct strbuf *out)
{
	for (uint32_t i = 0; i < values->env_count; i++) {
		const struct text *value = &values->env[i].value;
		struct strbuf written = {0};

		strbuf_addf(out, "%s%s=", i ? " " : "", values->env[i].name);
		if (value->late)
			strbuf_add(&written, value->bytes, value->len);
		else
			template_escape(&written, value->bytes, value->len);
		if (!written.len || strpbrk(written.data, " \t\"'\\"))
			write_quoted(out, strbuf_cstr(&written), written.len);
		else
			strbuf_add(out, written.data, written.len);
		strbuf_release(&written);
	}
}

static void print_enum(const struct setting *setting, const struct settings *values, struct strbuf *out)
{
	const void *field = (const char *)values + setting->offset;
	unsigned value;

	memcpy(&value, field, sizeof value);
	if (setting->offset == AT(isolate)) {
		if (value == ISOLATE_DEFAULT)
			return;
		value--;
	}
	strbuf_addstr(out, setting->choices[value]);
}

static void print_rerun(unsigned rerun, struct strbuf *out)
{
	const char *gap = "";

	if (rerun == RERUN_MISSING)
		strbuf_addstr(out, "missing");
	for (unsigned bit = 0; bit < 3; bit++) {
		if (rerun & (1u << bit)) {
			strbuf_addf(out, "%s%s", gap, rerun_choices[bit]);
			gap = " ";
		}
	}
}

void setting_print(const struct setting *setting, const struct settings *values, struct strbuf *out)
{
	const void *field;
	int64_t number;
	int32_t count;
	const char *string;

	if (setting->offset == ELSEWHERE)
		return;
	field = (const char *)values + setting->offset;
	switch (setting->type) {
	case SETTING_WORD:
	case SETTING_TEXT:
	case SETTING_COMMIT:
		memcpy(&string, field, sizeof string);
		strbuf_addstr(out, string ? string : setting->default_text);
		break;
	case SETTING_WORDS:
	case SETTING_TASKS:
		print_words(field, out);
		break;
	case SETTING_BLOCK:
		if (setting->offset == AT(prompt_file)) {
			strbuf_addstr(out, values->prompt_file ? values->prompt_file : "");
		} else {
			const struct text *text = field;

			strbuf_add(out, text->bytes ? text->bytes : "", text->len);
		}
		break;
	case SETTING_BOOL:
		if (setting->offset == AT(approve))
			strbuf_addstr(out, values->approve ? "yes" : "no");
		else if (setting->offset == AT(complete))
			strbuf_addstr(out, values->complete ? "yes" : "no");
		else if (values->detach != TRI_DEFAULT)
			strbuf_addstr(out, values->detach == TRI_YES ? "yes" : "no");
		break;
	case SETTING_INT:
		memcpy(&count, field, sizeof count);
		strbuf_addf(out, "%" PRId32, count);
		break;
	case SETTING_DURATION:
		memcpy(&number, field, sizeof number);
		if (number || *setting->default_text)
			print_duration(number, out);
		break;
	case SETTING_BACKOFF:
		print_duration(values->backoff_ms, out);
		strbuf_addch(out, ' ');
		print_duration(values->backoff_max_ms, out);
		break;
	case SETTING_SIZE:
		memcpy(&number, field, sizeof number);
		if (number)
			strbuf_addf(out, "%" PRId64, number);
		break;
	case SETTING_MEMORY:
		print_memory(values, out);
		break;
	case SETTING_ENUM:
		print_enum(setting, values, out);
		break;
	case SETTING_KILL:
		print_kill(values, out);
		break;
	case SETTING_ENV:
		print_env(values, out);
		break;
	case SETTING_RERUN:
		print_rerun(values->rerun, out);
		break;
	case SETTING_EVERY:
		for (uint32_t i = 0; i < values->every_count; i++) {
			if (i)
				strbuf_addch(out, ' ');
			print_duration(values->every[i].interval_ms, out);
		}
		break;
	case SETTING_PATTERN:
	case SETTING_MONEY:
		break;
	}
}

void setting_print_project(const struct setting *setting, const struct project_settings *values, struct strbuf *out)
{
	const void *field = (const char *)values + setting->offset;
	const char *string;

	switch (setting->type) {
	case SETTING_WORD:
	case SETTING_TEXT:
		memcpy(&string, field, sizeof string);
		strbuf_addstr(out, string ? string : setting->default_text);
		break;
	case SETTING_WORDS:
		print_words(field, out);
		break;
	case SETTING_PATTERN:
		for (uint32_t i = 0; i < values->redact.count; i++)
			strbuf_addf(out, "%s/%s/", i ? " " : "", values->redact.items[i]);
		break;
	case SETTING_INT:
		if (values->jobs)
			strbuf_addf(out, "%" PRId64, values->jobs);
		else
			strbuf_addstr(out, setting->default_text);
		break;
	case SETTING_DURATION:
		if (values->limit_wait_ms >= 0)
			print_duration(values->limit_wait_ms, out);
		break;
	case SETTING_MONEY:
		if (values->budget > 0)
			strbuf_addf(out, "%.2f", values->budget);
		break;
	case SETTING_ENUM:
		if (setting->offset == IN_PROJECT(merge)) {
			strbuf_addstr(out, merge_choices[values->merge]);
		} else {
			memcpy(&string, field, sizeof string);
			strbuf_addstr(out, string ? string : setting->default_text);
		}
		break;
	default:
		break;
	}
}
