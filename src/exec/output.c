#include "config.h"

#include "exec/output.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/json.h"
#include "util/regex.h"
#include "util/textwatch.h"

enum { GROUPS_MAX = 32 };

/* what a pattern means: one of the agent's, or a rule's */
enum meaning {
	MEANS_DONE,
	MEANS_FAILED,
	MEANS_SESSION,
	MEANS_COST,
	MEANS_TOKENS,
	MEANS_PROGRESS,
	MEANS_NOTE,
	MEANS_SUMMARY,
	MEANS_RULE
};

struct compiled {
	struct regex *regex;
	const char *name;
	enum meaning meaning;
	uint32_t rule;
};

struct output_patterns {
	const struct rule *rules;
	uint32_t rule_count;
	enum agent_counts counts;
	ARRAY(struct compiled) compiled;
	ARRAY(struct textwatch_pattern) watched;
	struct regex *own;
	bool notes_sum_up; /* the agent has no pattern for a summary: its last note is one */
};

static const struct {
	const char *name;
	size_t offset;
	enum meaning meaning;
} agent_patterns[] = {
	{"done", offsetof(struct agent, done), MEANS_DONE},
	{"failed", offsetof(struct agent, failed), MEANS_FAILED},
	{"session", offsetof(struct agent, session), MEANS_SESSION},
	{"cost", offsetof(struct agent, cost), MEANS_COST},
	{"tokens", offsetof(struct agent, tokens), MEANS_TOKENS},
	{"progress", offsetof(struct agent, progress), MEANS_PROGRESS},
	{"note", offsetof(struct agent, note), MEANS_NOTE},
	{"summary", offsetof(struct agent, summary), MEANS_SUMMARY},
};

static int compile(struct regex **regex, const char *name, const char *pattern, struct orch_error *err)
{
	size_t where;

	if (regex_new(regex, pattern, strlen(pattern), &where, err) < 0)
		return error_prefix(err, "the pattern of '%s'", name);
	return 0;
}

static int add(struct output_patterns *all, const char *name, const char *pattern, enum meaning meaning, uint32_t rule,
	bool own, struct orch_error *err)
{
	struct regex *regex;
	struct compiled *compiled;
	struct textwatch_pattern *watched;

	if (compile(&regex, name, pattern, err) < 0)
		return -1;
	compiled = ARRAY_PUSH(&all->compiled);
	*compiled = (struct compiled){regex, name, meaning, rule};
	watched = ARRAY_PUSH(&all->watched);
	*watched = (struct textwatch_pattern){
		.regex = regex, .own = own, .once = meaning == MEANS_DONE || meaning == MEANS_FAILED};
	return 0;
}

static int add_rules(struct output_patterns *all, bool agent, enum output_of of, struct orch_error *err)
{
	const unsigned check = 1u << FAILURE_CHECK;

	for (uint32_t i = 0; i < all->rule_count; i++) {
		const struct rule *rule = &all->rules[i];
		bool own = rule->channel == CHANNEL_OWN || (rule->channel == CHANNEL_DEFAULT && agent);

		if (!rule->match || (rule->kinds && !(rule->kinds & (of == OUTPUT_OF_CHECK ? check : ~check))))
			continue;
		if (add(all, rule->name, rule->match, MEANS_RULE, i, own && of == OUTPUT_OF_WORK, err) < 0)
			return -1;
	}
	return 0;
}

int output_patterns_new(struct output_patterns **out, const struct agent *agent, const struct rule *rules,
	uint32_t rule_count, enum output_of of, struct orch_error *err)
{
	struct output_patterns *all = xcalloc(1, sizeof *all);
	int status = 0;

	all->rules = rules;
	all->rule_count = rule_count;
	if (agent && of == OUTPUT_OF_WORK) {
		all->counts = agent->counts;
		all->notes_sum_up = agent->note && !agent->summary;
		if (agent->own)
			status = compile(&all->own, "own", agent->own, err);
		for (size_t i = 0; i < sizeof agent_patterns / sizeof agent_patterns[0] && status == 0; i++) {
			const char *pattern;

			memcpy(&pattern, (const char *)agent + agent_patterns[i].offset, sizeof pattern);
			if (pattern)
				status = add(
					all, agent_patterns[i].name, pattern, agent_patterns[i].meaning, 0, false, err);
		}
	}
	if (status == 0)
		status = add_rules(all, agent != NULL, of, err);
	if (status < 0) {
		output_patterns_free(all);
		all = NULL;
	}
	*out = all;
	return status;
}

void output_patterns_free(struct output_patterns *patterns)
{
	if (!patterns)
		return;
	for (size_t i = 0; i < patterns->compiled.count; i++)
		regex_free(patterns->compiled.items[i].regex);
	ARRAY_RELEASE(&patterns->compiled);
	ARRAY_RELEASE(&patterns->watched);
	regex_free(patterns->own);
	free(patterns);
}

/* --- what is found --- */

/* the text of a group goes behind what is in `out`, JSON without its escapes; `max` bytes in all at most */
static bool add_text(
	struct strbuf *out, const struct regex *regex, const struct regex_search *match, const char *group, size_t max)
{
	const char *value;
	size_t len;

	if (!regex_found(regex, match, group, &value, &len))
		return false;
	out->limit = max;
	if (match->text[match->start] == '{')
		json_unescape(out, value, len);
	else
		strbuf_add(out, value, len);
	/* not half a character at the cut */
	while (out->truncated && out->len && ((unsigned char)out->data[out->len - 1] & 0xc0) == 0x80)
		strbuf_truncate(out, out->len - 1);
	if (out->truncated && out->len && (unsigned char)out->data[out->len - 1] >= 0xc0)
		strbuf_truncate(out, out->len - 1);
	out->truncated = false;
	return true;
}

static bool take_text(
	struct strbuf *out, const struct regex *regex, const struct regex_search *match, const char *group, size_t max)
{
	const char *value;
	size_t len;

	if (!regex_found(regex, match, group, &value, &len))
		return false;
	strbuf_truncate(out, 0);
	return add_text(out, regex, match, group, max);
}

/* A note comes whole, or in pieces: `more`. A match with neither ends it, so that the next piece begins another one */
static void take_note(struct output *output, const struct regex *regex, const struct regex_search *match)
{
	struct strbuf *summary = output->patterns->notes_sum_up ? &output->summary : NULL;

	if (take_text(&output->note, regex, match, "note", OUTPUT_NOTE_MAX)) {
		if (summary)
			take_text(summary, regex, match, "note", OUTPUT_SUMMARY_MAX);
		output->note_goes_on = false;
		output->news |= OUTPUT_NOTE;
		return;
	}
	if (!output->note_goes_on) {
		/* what was said last stays until there is something new */
		const char *piece;
		size_t len;

		if (!regex_found(regex, match, "more", &piece, &len))
			return;
		strbuf_truncate(&output->note, 0);
		if (summary)
			strbuf_truncate(summary, 0);
	}
	output->note_goes_on = add_text(&output->note, regex, match, "more", OUTPUT_NOTE_MAX);
	if (!output->note_goes_on)
		return;
	if (summary)
		add_text(summary, regex, match, "more", OUTPUT_SUMMARY_MAX);
	output->news |= OUTPUT_NOTE;
}

static bool is_session(const char *text, size_t len)
{
	static const char inner[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-";

	if (!len || len > OUTPUT_SESSION_MAX || strchr(".:@-", *text))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!text[i] || !strchr(inner, text[i]))
			return false;
	}
	return true;
}

static void take_session(struct output *output, const struct regex *regex, const struct regex_search *match)
{
	const char *value;
	size_t len;

	if (output->session.len || !regex_found(regex, match, "session", &value, &len) || !is_session(value, len))
		return;
	strbuf_add(&output->session, value, len);
	output->news |= OUTPUT_SESSION;
}

static char *copy_group(const struct regex *regex, const struct regex_search *match, const char *group)
{
	const char *value;
	size_t len;

	return regex_found(regex, match, group, &value, &len) ? xstrndup(value, len) : NULL;
}

static void take_cost(struct output *output, const struct regex *regex, const struct regex_search *match)
{
	char *cost = copy_group(regex, match, "cost");
	int64_t grown;

	if (cost && meter_add_cost(&output->meter, cost, &grown)) {
		output->cost_grown += grown;
		output->news |= OUTPUT_COST;
	}
	free(cost);
}

static void take_tokens(struct output *output, const struct regex *regex, const struct regex_search *match)
{
	char *tokens = copy_group(regex, match, "tokens"), *more = NULL;
	int64_t grown;

	if (!tokens) {
		tokens = copy_group(regex, match, "input");
		more = copy_group(regex, match, "output");
	}
	if (tokens && meter_add_tokens(&output->meter, tokens, more, &grown))
		output->news |= OUTPUT_TOKENS;
	free(tokens);
	free(more);
}

static void forget_groups(struct rule_match *match)
{
	for (uint32_t i = 0; i < match->group_count; i++) {
		free(match->groups[i].name);
		free(match->groups[i].value);
	}
	free(match->groups);
	match->groups = NULL;
	match->group_count = 0;
}

static void take_rule(struct rule_match *out, const struct regex *regex, const struct regex_search *match)
{
	const char *names[GROUPS_MAX];
	size_t count = regex_group_names(regex, names, GROUPS_MAX);

	forget_groups(out);
	out->matched = true;
	out->groups = xcalloc(count ? count : 1, sizeof *out->groups);
	for (size_t i = 0; i < count; i++) {
		struct strbuf value = {0};

		if (!take_text(&value, regex, match, names[i], OUTPUT_NOTE_MAX)) {
			strbuf_release(&value);
			continue;
		}
		out->groups[out->group_count].name = xstrdup(names[i]);
		out->groups[out->group_count++].value = strbuf_detach(&value);
	}
}

static void found(void *data, unsigned pattern, const struct regex *regex, const struct regex_search *match)
{
	struct output *output = data;
	const struct compiled *compiled = &output->patterns->compiled.items[pattern];

	switch (compiled->meaning) {
	case MEANS_DONE:
		output->done = true;
		output->news |= OUTPUT_DONE;
		break;
	case MEANS_FAILED:
		output->failed = true;
		take_text(&output->why, regex, match, "why", OUTPUT_NOTE_MAX);
		output->news |= OUTPUT_FAILED;
		break;
	case MEANS_SESSION:
		take_session(output, regex, match);
		break;
	case MEANS_COST:
		take_cost(output, regex, match);
		break;
	case MEANS_TOKENS:
		take_tokens(output, regex, match);
		break;
	case MEANS_PROGRESS:
		if (take_text(&output->progress, regex, match, "progress", OUTPUT_NOTE_MAX))
			output->news |= OUTPUT_PROGRESS;
		break;
	case MEANS_NOTE:
		take_note(output, regex, match);
		break;
	case MEANS_SUMMARY:
		if (take_text(&output->summary, regex, match, "summary", OUTPUT_SUMMARY_MAX))
			output->news |= OUTPUT_SUMMARY;
		break;
	case MEANS_RULE:
		take_rule(&output->matches[compiled->rule], regex, match);
		break;
	}
}

void output_init(struct output *output, const struct output_patterns *patterns, const struct meter *before)
{
	memset(output, 0, sizeof *output);
	output->patterns = patterns;
	output->matches = xcalloc(patterns->rule_count ? patterns->rule_count : 1, sizeof *output->matches);
	meter_start(&output->meter, patterns->counts, before);
	output->watch =
		textwatch_new(patterns->watched.items, (unsigned)patterns->watched.count, patterns->own, found, output);
}

static unsigned take_news(struct output *output)
{
	unsigned news = output->news;

	output->news = 0;
	return news;
}

/* a terminal has lines end with \r\n; patterns see lines, however they end */
static void feed_lines(struct output *output, const char *bytes, size_t len)
{
	struct strbuf lines = {0};
	const char *end = bytes + len;

	while (bytes < end) {
		const char *cr = memchr(bytes, '\r', (size_t)(end - bytes));

		if (output->held_cr && *bytes != '\n')
			strbuf_addch(&lines, '\r');
		output->held_cr = cr != NULL;
		strbuf_add(&lines, bytes, (size_t)((cr ? cr : end) - bytes));
		bytes = cr ? cr + 1 : end;
	}
	if (lines.len > 0)
		textwatch_feed(output->watch, lines.data, lines.len);
	strbuf_release(&lines);
}

unsigned output_feed(struct output *output, const char *bytes, size_t len)
{
	if (output->held_cr || memchr(bytes, '\r', len))
		feed_lines(output, bytes, len);
	else
		textwatch_feed(output->watch, bytes, len);
	return take_news(output);
}

unsigned output_finish(struct output *output)
{
	if (output->held_cr)
		textwatch_feed(output->watch, "\r", 1);
	output->held_cr = false;
	textwatch_finish(output->watch);
	return take_news(output);
}

const char *output_gave_up(const struct output *output)
{
	for (size_t i = 0; i < output->patterns->compiled.count; i++) {
		if (textwatch_gave_up(output->watch, (unsigned)i))
			return output->patterns->compiled.items[i].name;
	}
	return NULL;
}

void output_release(struct output *output)
{
	if (!output->patterns)
		return;
	textwatch_free(output->watch);
	for (uint32_t i = 0; i < output->patterns->rule_count; i++)
		forget_groups(&output->matches[i]);
	free(output->matches);
	strbuf_release(&output->session);
	strbuf_release(&output->progress);
	strbuf_release(&output->note);
	strbuf_release(&output->summary);
	strbuf_release(&output->why);
	memset(output, 0, sizeof *output);
}
