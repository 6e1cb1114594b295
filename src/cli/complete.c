#include "config.h"

#include "cli/complete.h"

#include "cli/cmd.h"
#include "orch/history.h"
#include "orch/project.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* where the last word stands, from the words before it */
struct place {
	const struct cmd *cmd; /* NULL: its name could be the next word */
	bool ended;            /* -- was there: no more options */
	const struct opt *option; /* the last word is its value */
	size_t operands;       /* before it, NAME=value not counted */
	const char *file;      /* -f; NULL: not given */
};

/* an answer in the making */
struct answer {
	struct strbuf *out;
	const struct place *place;
	const char *before; /* of the last word: what stays in front of each candidate; not terminated */
	size_t before_len;
	const char *typed; /* the rest: what candidates begin with */
};

/* what a value or an operand is, by the word that usage has for it */
struct kind {
	const char *word;
	void (*add)(const struct answer *answer);
};

/* --- one candidate --- */

static void add_described(const struct answer *answer, const char *candidate, const char *end, const char *help)
{
	struct strbuf *out = answer->out;

	if (strncmp(candidate, answer->typed, strlen(answer->typed)) != 0)
		return;
	strbuf_add(out, answer->before, answer->before_len);
	strbuf_addf(out, "%s%s", candidate, end);
	if (help && *help) {
		strbuf_addch(out, '\t');
		for (; *help && *help != '\n'; help++)
			strbuf_addch(out, (unsigned char)*help < 0x20 || *help == 0x7f ? ' ' : *help);
	}
	strbuf_addch(out, '\n');
}

static void add(const struct answer *answer, const char *candidate)
{
	add_described(answer, candidate, "", NULL);
}

/* --- kinds of values --- */

static struct orch *open_project(const struct place *place)
{
	const struct orch_open_options options = {.file = place->file, .inspect = true};
	struct orch *orch = NULL;
	struct orch_error err;

	if (orch_open(&orch, &options, &err) == 0)
		return orch;
	orch_close(orch);
	return NULL;
}

static void add_streams(const struct answer *answer)
{
	struct orch *orch = open_project(answer->place);

	for (size_t s = 0; orch && s < orch_stream_count(orch); s++)
		add_described(answer, orch_stream_name(orch, s), "", orch_stream_title(orch, s));
	orch_close(orch);
}

static void add_variables(const struct answer *answer)
{
	struct orch *orch = open_project(answer->place);

	for (size_t v = 0; orch && v < orch_variable_count(orch); v++)
		add_described(answer, orch_variable_name(orch, v), "=", orch_variable_value(orch, v));
	orch_close(orch);
}

static void add_agents(const struct answer *answer)
{
	const struct orch_open_options options = {.file = answer->place->file, .inspect = true, .agents = true};
	struct orch *orch = NULL;
	struct orch_error err;

	if (orch_open(&orch, &options, &err) == 0) {
		for (size_t a = 0; a < orch_agent_count(orch); a++) {
			struct orch_agent agent;

			orch_agent_get(orch, a, &agent);
			add_described(answer, agent.name, "", agent.origin);
			orch_agent_release(&agent);
		}
	}
	orch_close(orch);
}

static void add_run_ids(const struct answer *answer, const char *end)
{
	struct orch_history *history = NULL;
	struct orch_error err;
	char *dir = NULL;

	if (orch_find_project(NULL, answer->place->file, &dir, &err) == 0 &&
		orch_history_open(&history, dir, &err) == 0) {
		for (size_t r = 0; r < orch_history_count(history); r++)
			add_described(answer, orch_history_id(history, r), end, NULL);
		orch_history_close(history);
	}
	free(dir);
}

static void add_runs(const struct answer *answer)
{
	add_run_ids(answer, "");
}

/* RUN:, and behind the colon the streams that have a log in that run */
static void add_logs(const struct answer *whole)
{
	const char *colon = strchr(whole->typed, ':');
	struct answer answer = *whole;
	struct orch_status status;
	struct strbuf run = {0};
	struct orch_error err;
	char *dir = NULL;

	if (!colon) {
		add_run_ids(whole, ":");
		return;
	}
	answer.before_len += (size_t)(colon + 1 - answer.typed);
	answer.typed = colon + 1;
	strbuf_add(&run, whole->typed, (size_t)(colon - whole->typed));
	orch_status_init(&status);
	if (orch_find_project(NULL, whole->place->file, &dir, &err) == 0 &&
		orch_history_replay(dir, strbuf_cstr(&run), &status, NULL, &err) == 0) {
		for (size_t s = 0; s < status.stream_count; s++) {
			if (status.streams[s].attempt)
				add_described(&answer, status.streams[s].name, "", status.streams[s].title);
		}
	}
	orch_status_release(&status);
	strbuf_release(&run);
	free(dir);
}

static void add_topics(const struct answer *answer)
{
	for (size_t t = 0; cmd_topic(t); t++)
		add(answer, cmd_topic(t));
	for (size_t c = 0; cmd_table[c]; c++)
		add_described(answer, cmd_table[c]->name, "", cmd_table[c]->summary);
}

static void add_shells(const struct answer *answer)
{
	for (size_t s = 0; cmd_shells[s]; s++)
		add(answer, cmd_shells[s]);
}

static void ask_for_files(const struct answer *answer)
{
	strbuf_truncate(answer->out, 0);
	strbuf_addf(answer->out, "files %.*s\n", (int)answer->before_len, answer->before);
}

static void ask_for_directories(const struct answer *answer)
{
	strbuf_truncate(answer->out, 0);
	strbuf_addf(answer->out, "directories %.*s\n", (int)answer->before_len, answer->before);
}

/* other words are numbers, times and the like: nothing to offer */
static const struct kind kinds[] = {
	{"TARGET", add_streams},
	{"STREAM", add_streams},
	{"NAME=value", add_variables},
	{"AGENT", add_agents},
	{"RUN", add_runs},
	{"RUN:[STREAM[.N]]", add_logs},
	{"TOPIC", add_topics},
	{"SHELL", add_shells},
	{"FILE", ask_for_files},
	{"DIR", ask_for_directories},
};

static void add_kind(const struct answer *answer, const char *word, size_t len)
{
	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		if (strlen(kinds[k].word) == len && strncmp(kinds[k].word, word, len) == 0)
			kinds[k].add(answer);
	}
}

static void add_value(const struct answer *answer, const struct opt *option)
{
	for (size_t c = 0; option->choices && option->choices[c]; c++)
		add(answer, option->choices[c]);
	if (!option->choices && option->what)
		add_kind(answer, option->what, strlen(option->what));
}

/* --- options and operands --- */

static void add_options(const struct answer *answer, const struct opt *table)
{
	for (const struct opt *row = table; row->name; row++) {
		char letter[3] = {'-', row->letter, '\0'};
		struct strbuf name = {0};

		strbuf_addf(&name, "--%s", row->name);
		add_described(answer, strbuf_cstr(&name), "", row->help);
		strbuf_release(&name);
		if (row->letter)
			add_described(answer, letter, "", row->help);
	}
}

/* end of the operand that begins at `usage`: the next blank outside brackets */
static const char *operand_end(const char *usage)
{
	int depth = 0;

	for (; *usage && (depth || *usage != ' '); usage++)
		depth += (*usage == '[') - (*usage == ']');
	return usage;
}

static void add_alternatives(const struct answer *answer, const char *at, const char *end)
{
	if (at < end && *at == '[' && end[-1] == ']') {
		at++;
		end--;
	}
	while (at < end) {
		size_t len = strcspn(at, " ");

		if (len > (size_t)(end - at))
			len = (size_t)(end - at);
		add_kind(answer, at, len);
		at += len;
		while (at < end && strchr(" |", *at))
			at++;
	}
}

/* the operand with that number (from 0) as usage shows the operands: "[TARGET | NAME=value]...", "STREAM TEXT" */
static void add_operand(const struct answer *answer, const char *usage, size_t number)
{
	while (*usage) {
		const char *end = operand_end(usage), *next = *end ? end + 1 : end;
		bool repeated = end - usage > 3 && strncmp(end - 3, "...", 3) == 0;

		if (number == 0 || (repeated && !*next)) {
			add_alternatives(answer, usage, repeated ? end - 3 : end);
			return;
		}
		number--;
		usage = next;
	}
}

static void add_commands(const struct answer *answer)
{
	for (size_t c = 0; cmd_table[c]; c++)
		add_described(answer, cmd_table[c]->name, "", cmd_table[c]->summary);
}

/* --- the words before --- */

/* -C and -f work for completion as for the command */
static void take_value(struct place *place, const struct opt *option, const char *value)
{
	if (option->what && option->type == OPT_LIST && option->offset == offsetof(struct common, directories))
		(void)!chdir(value);
	else if (option->type == OPT_TEXT && option->offset == offsetof(struct common, file))
		place->file = value;
}

static void take_option(struct place *place, const char *word, const char *next)
{
	const struct opt *table = (place->cmd ? place->cmd : &cmd_run)->options, *option;
	const char *value = NULL;

	option = opt_look(table, word, &value);
	if (!option)
		return;
	/* what is no option of every command belongs to a run, which is `orch` without a command */
	if (!place->cmd && option->offset >= sizeof(struct common))
		place->cmd = &cmd_run;
	if (value)
		take_value(place, option, value);
	else if (option->type != OPT_FLAG &&
		(option->value == OPT_REQUIRED ||
			(option->value == OPT_OR_DIGITS && next[0] >= '0' && next[0] <= '9')))
		place->option = option;
}

static void take_word(struct place *place, const char *word, const char *next)
{
	if (place->option) {
		take_value(place, place->option, word);
		place->option = NULL;
	} else if (!place->ended && strcmp(word, "--") == 0) {
		place->ended = true;
		place->cmd = place->cmd ? place->cmd : &cmd_run;
	} else if (!place->ended && word[0] == '-' && word[1]) {
		take_option(place, word, next);
	} else if (!place->cmd && cmd_find(word)) {
		place->cmd = cmd_find(word);
	} else {
		place->cmd = place->cmd ? place->cmd : &cmd_run;
		if (!place->cmd->assigns || !cmd_is_assignment(word))
			place->operands++;
	}
}

void complete_words(struct strbuf *out, char *const *words, size_t count)
{
	const char *last = words[count - 1], *value = NULL;
	struct place place = {0};
	struct answer answer = {.out = out, .place = &place, .before = last, .typed = last};
	const struct cmd *cmd;
	const struct opt *option;

	for (size_t w = 0; w + 1 < count; w++)
		take_word(&place, words[w], words[w + 1]);
	cmd = place.cmd ? place.cmd : &cmd_run;
	strbuf_addstr(out, "words\n");
	if (place.option) {
		add_value(&answer, place.option);
	} else if (!place.ended && last[0] == '-') {
		option = opt_look(cmd->options, last, &value);
		if (option && value && option->type != OPT_FLAG) {
			answer.before_len = (size_t)(value - last);
			answer.typed = value;
			add_value(&answer, option);
		} else {
			add_options(&answer, cmd->options);
		}
	} else {
		if (!place.cmd)
			add_commands(&answer);
		add_operand(&answer, cmd->operands, place.operands);
		for (size_t t = 0; place.operands == 0 && cmd->texts && cmd->texts[t]; t++)
			add(&answer, cmd->texts[t]);
	}
}
