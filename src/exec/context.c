#include "config.h"

#include "exec/context.h"

#include "exec/attempt.h"
#include "exec/jobserver.h"
#include "exec/nested.h"
#include "exec/stint.h"
#include "exec/stint_prompt.h"
#include "exec/workspace.h"
#include "graph/graph.h"
#include "graph/project.h"
#include "os/fs.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/template.h"
#include "util/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

enum {
	DOTENV_MAX = 1 << 20,
	READ_MAX = 16 << 20,
	FIRST_PORT = 20000,
	PORTS_PER_SLOT = 100,
	PORT_SLOTS = 400, /* beyond, port ranges repeat: 60000 is the end of what is safe to use */
};

/* set by an agent around us: ours would take it for its own session */
static const char *const markers[] = {
	"CLAUDECODE",
	"CLAUDE_CODE_ENTRYPOINT",
	"CLAUDE_CODE_SSE_PORT",
	"CODEX_SANDBOX",
	"CODEX_SANDBOX_NETWORK_DISABLED",
	"GEMINI_CLI",
	"QWEN_CODE",
	"OPENCODE",
	"CURSOR_AGENT",
	"AGENT",
	/* and by a git around us (a hook, `rebase --exec`): a stream's git would work on that repository, wherever it
	 * is called */
	"GIT_DIR",
	"GIT_WORK_TREE",
	"GIT_INDEX_FILE",
	"GIT_PREFIX",
	"GIT_COMMON_DIR",
	"GIT_NAMESPACE",
	"GIT_OBJECT_DIRECTORY",
	"GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_QUARANTINE_PATH",
};

static bool is_marker(const char *entry)
{
	for (size_t i = 0; i < sizeof markers / sizeof markers[0]; i++) {
		size_t len = strlen(markers[i]);

		if (strncmp(entry, markers[i], len) == 0 && entry[len] == '=')
			return true;
	}
	return strncmp(entry, "ORCH_", 5) == 0;
}

/* what a make or cargo around us says of its jobserver: each command is told anew, see jobserver_environment() */
static bool is_of_jobserver(const char *entry)
{
	return strncmp(entry, "MAKEFLAGS=", 10) == 0 ||
		((strncmp(entry, "MFLAGS=", 7) == 0 || strncmp(entry, "CARGO_MAKEFLAGS=", 16) == 0) &&
			strstr(entry, "--jobserver"));
}

void context_init(struct context *context, const struct project *project, const struct graph *graph,
	struct stamp_store *store, const char *run)
{
	*context = (struct context){.project = project, .graph = graph, .store = store, .run = run};
	for (char **entry = environ; *entry; entry++) {
		if (!is_marker(*entry) && !is_of_jobserver(*entry))
			strvec_push(&context->environment, *entry);
	}
}

void context_release(struct context *context)
{
	strvec_release(&context->environment);
	strvec_release(&context->slots);
}

static int slot_port(unsigned slot)
{
	return FIRST_PORT + (int)(slot % PORT_SLOTS) * PORTS_PER_SLOT;
}

static void add_slot(struct strvec *env, unsigned slot)
{
	strvec_pushf(env, "ORCH_SLOT=%u", slot);
	strvec_pushf(env, "ORCH_PORT=%d", slot_port(slot));
}

char *const *context_slots(struct context *context, unsigned count)
{
	for (unsigned slot = (unsigned)context->slots.count / CONTEXT_SLOT_VARIABLES; slot < count; slot++)
		add_slot(&context->slots, slot);
	return context->slots.items;
}

/* STREAM.key: what the dependency wrote, from its stamp. 0: known; 1: the name has no such form; -1 with *err */
static int dependency_value(
	const struct context *context, const char *name, size_t len, struct strbuf *value, struct orch_error *err)
{
	/* a stream's name may hold dots itself: the longest that is a stream's wins */
	for (size_t dot = len; dot-- > 0;) {
		struct stamp_detail detail = {0};
		struct orch_error cause = {0};
		const char *key = name + dot + 1;
		size_t key_len = len - dot - 1;
		const struct stream *stream;
		uint32_t id;
		bool found = false;

		if (name[dot] != '.')
			continue;
		id = project_findn(context->project, name, dot);
		if (id == NO_STREAM)
			continue;
		stream = &context->project->streams[id];
		if (key_len == 3 && memcmp(key, "log", 3) == 0) {
			char *path;

			if (stamp_store_read(context->store, stream->name, &detail, &cause) < 0)
				return cause.code == ORCH_ENOTFOUND
					? error_set(
						  err, "'%s' has not completed, so it has no log to name", stream->name)
					: error_set(err, "%s", cause.message);
			path = statedir_log(detail.run, stream->name, detail.attempt);
			strbuf_addstr(value, path);
			free(path);
			stamp_detail_release(&detail);
			return 0;
		}
		if (stamp_store_read(context->store, stream->name, &detail, &cause) < 0)
			return cause.code == ORCH_ENOTFOUND
				? error_set(err, "'%s' has not completed, so '%.*s' has no value", stream->name,
					  (int)len, name)
				: error_set(err, "%s", cause.message);
		if (key_len == 7 && memcmp(key, "summary", 7) == 0) {
			int status = stint_read_summary(value, detail.run, stream->name, detail.attempt, err);

			stamp_detail_release(&detail);
			return status;
		}
		for (size_t i = 0; i < detail.part_count; i++) {
			const struct stamp_part *part = &detail.parts[i];

			/* the last one written counts */
			if (part->kind == 'g' && strncmp(part->name, key, key_len) == 0 && part->name[key_len] == ' ') {
				strbuf_truncate(value, 0);
				strbuf_addstr(value, part->name + key_len + 1);
				found = true;
			}
			if (part->kind == 'v' && strncmp(part->name, key, key_len) == 0 && part->name[key_len] == '=') {
				strbuf_truncate(value, 0);
				strbuf_addstr(value, part->name + key_len + 1);
				found = true;
			}
		}
		stamp_detail_release(&detail);
		if (!found)
			return error_set(
				err, "'%s' did not write '%.*s=...' to $ORCH_OUTPUT", stream->name, (int)key_len, key);
		return 0;
	}
	return 1;
}

static bool part_is(const struct template_part *part, const char *name)
{
	return part->name_len == strlen(name) && memcmp(part->name, name, part->name_len) == 0;
}

static const char *directory_of(const struct context *context, const struct attempt *attempt)
{
	return attempt->workspace && attempt->workspace->cwd ? attempt->workspace->cwd : context->project->dir;
}

/* the files of an agent's command, which the shell has to see as one word each */
static void prompt_path(const struct context *context, const struct stint *stint, bool is_script, struct strbuf *value)
{
	char *path = path_join(context->project->dir, stint->prompt);

	if (is_script)
		path_quote(value, path);
	else
		strbuf_addstr(value, path);
	free(path);
}

static int late_value(const struct context *context, const struct attempt *attempt, const struct template_part *part,
	bool is_script, bool *from_stream, struct strbuf *value, struct orch_error *err)
{
	const struct stint *stint = attempt->stint;
	char *path = NULL;
	int status = 0;

	*from_stream = false;
	if (part_is(part, "stream"))
		strbuf_addstr(value, attempt->stream->name);
	else if (part_is(part, "title"))
		strbuf_addstr(value, attempt->stream->title ? attempt->stream->title : attempt->stream->name);
	else if (part_is(part, "attempt"))
		strbuf_addf(value, "%u", attempt->number);
	else if (part_is(part, "run"))
		strbuf_addstr(value, attempt->run);
	else if (part_is(part, "slot"))
		strbuf_addf(value, "%u", attempt->slot);
	else if (part_is(part, "port"))
		strbuf_addf(value, "%d", slot_port(attempt->slot));
	else if (part_is(part, "dir"))
		strbuf_addstr(value, directory_of(context, attempt));
	else if (part_is(part, "log"))
		strbuf_addstr(value, path = path_join(context->project->dir, attempt->log));
	else if (part_is(part, "branch")) /* a stream without a worktree has neither */
		strbuf_addstr(value, attempt->workspace ? attempt->workspace->branch : "");
	else if (part_is(part, "base"))
		strbuf_addstr(value, attempt->workspace ? attempt->workspace->base : "");
	else if (stint && part_is(part, "prompt"))
		prompt_path(context, stint, is_script, value);
	else if (stint && part_is(part, "session"))
		strbuf_addstr(value, stint->session ? stint->session : "");
	else if (stint && part_is(part, "args"))
		strbuf_addstr(value, stint->agent->args);
	else {
		*from_stream = true;
		if (stint_rule_value(attempt, part->name, part->name_len, value))
			return 0;
		status = dependency_value(context, part->name, part->name_len, value, err);
		if (status > 0)
			status = error_set(err, "'{{%.*s}}' has no value here", (int)part->name_len, part->name);
	}
	free(path);
	return status;
}

static void replace(struct strbuf *value, char *text)
{
	strbuf_truncate(value, 0);
	strbuf_addstr(value, text);
	free(text);
}

static bool function_is(const struct template_part *part, unsigned i, const char *name)
{
	return part->function_len[i] == strlen(name) && memcmp(part->function[i], name, part->function_len[i]) == 0;
}

static int apply_functions(
	const struct template_part *part, struct strbuf *value, bool *raw, bool *quoted, struct orch_error *err)
{
	for (unsigned i = 0; i < part->functions; i++) {
		if (function_is(part, i, "raw")) {
			*raw = true;
		} else if (function_is(part, i, "stem")) {
			replace(value, path_stem(strbuf_cstr(value)));
		} else if (function_is(part, i, "file")) {
			replace(value, xstrdup(path_file(strbuf_cstr(value))));
		} else if (function_is(part, i, "dir")) {
			replace(value, path_dir(strbuf_cstr(value)));
		} else if (function_is(part, i, "quote")) {
			struct strbuf out = {0};

			path_quote(&out, strbuf_cstr(value));
			replace(value, strbuf_detach(&out));
			*quoted = true;
		} else if (function_is(part, i, "read")) {
			char *text;
			size_t len;

			if (fs_read(strbuf_cstr(value), READ_MAX, &text, &len, err) < 0)
				return -1;
			strbuf_truncate(value, 0);
			strbuf_add(value, text, len);
			free(text);
		}
	}
	return 0;
}

/* --- the file of a prompt --- */

static bool depends_on(const struct graph *graph, uint32_t user, uint32_t target)
{
	bool *seen = xcalloc((size_t)graph->count + 1, sizeof *seen), found = false;
	uint32_t *queue = xcalloc((size_t)graph->count + 1, sizeof *queue), head = 0, tail = 0;

	queue[tail++] = user;
	seen[user] = true;
	while (head < tail && !found) {
		uint32_t at = queue[head++];
		const edge *deps = graph_deps(graph, at);

		for (uint32_t i = 0; i < graph_dep_count(graph, at); i++) {
			uint32_t dep = EDGE_STREAM(deps[i]);

			found |= dep == target;
			if (!seen[dep]) {
				seen[dep] = true;
				queue[tail++] = dep;
			}
		}
	}
	free(seen);
	free(queue);
	return found;
}

/* the stream that STREAM.key names, NO_STREAM: none. A stream's name may hold dots itself: the longest is it */
static uint32_t stream_of(const struct project *project, const char *name, size_t len)
{
	uint32_t id = NO_STREAM;

	while (len-- > 0 && id == NO_STREAM) {
		if (name[len] == '.')
			id = project_findn(project, name, len);
	}
	return id;
}

/* 1: it is none of those names; late_value() may know it */
static int early_value(const struct context *context, const struct attempt *attempt, const struct template_part *part,
	struct strbuf *value, struct orch_error *err)
{
	const struct settings *set = attempt->stream->set;
	const struct project *project = context->project;
	const char *name = part->name;
	size_t len = part->name_len;
	uint32_t id;

	for (uint32_t i = 0; i < set->prompt_value_count; i++) {
		const struct env_entry *entry = &set->prompt_values[i];

		if (part_is(part, entry->name)) {
			strbuf_add(value, entry->value.bytes, entry->value.len);
			return 0;
		}
	}
	if (len > 4 && memcmp(name, "env.", 4) == 0) {
		char *variable = xstrndup(name + 4, len - 4);
		const char *found = getenv(variable);

		free(variable);
		if (found)
			strbuf_addstr(value, found);
		else if (part->fallback)
			strbuf_add(value, part->fallback, part->fallback_len);
		else
			return error_set(err, "'{{%.*s}}': the environment has no such variable", (int)len, name);
		return 0;
	}
	for (uint32_t i = 0; i < project->variable_count; i++) {
		if (part_is(part, project->variables[i].name)) {
			strbuf_addstr(value, project->variables[i].value);
			return 0;
		}
	}
	if (part_is(part, "dir")) {
		strbuf_addstr(value, project->dir);
		return 0;
	}
	id = stream_of(project, name, len);
	if (id != NO_STREAM && !depends_on(context->graph, attempt->id, id))
		return error_set(err, "'{{%.*s}}': '%s' is not among the dependencies of '%s'", (int)len, name,
			project->streams[id].name, attempt->stream->name);
	return 1;
}

static int expand(const struct context *context, const struct attempt *attempt, const struct text *text, bool is_script,
	bool is_file, struct strbuf *out, struct orch_error *err)
{
	const char *rest = text->bytes;
	size_t len = text->len;
	struct template_part part;
	int status = 0;

	while (status == 0 && template_next(&rest, &len, &part)) {
		struct strbuf value = {0};
		bool from_stream, raw = false, quoted = false;

		switch (part.kind) {
		case TEMPLATE_TEXT:
			strbuf_add(out, part.text, part.len);
			break;
		case TEMPLATE_LITERAL:
			strbuf_addstr(out, "{{");
			break;
		case TEMPLATE_BAD:
			status = error_set(err, "%s", part.problem);
			break;
		case TEMPLATE_NAME:
			from_stream = false;
			status = is_file ? early_value(context, attempt, &part, &value, err) : 1;
			if (status > 0)
				status = late_value(context, attempt, &part, is_script, &from_stream, &value, err);
			if (status == 0)
				status = apply_functions(&part, &value, &raw, &quoted, err);
			/* what a dependency wrote is data: it must not become shell text by itself */
			if (status == 0 && is_script && from_stream && !raw && !quoted)
				path_quote(out, strbuf_cstr(&value));
			else if (status == 0)
				strbuf_add(out, strbuf_cstr(&value), value.len);
			strbuf_release(&value);
			break;
		}
	}
	return status;
}

int context_expand(const struct context *context, const struct attempt *attempt, const struct text *text,
	bool is_script, struct strbuf *out, struct orch_error *err)
{
	if (text->late)
		return expand(context, attempt, text, is_script, false, out, err);
	strbuf_add(out, text->bytes, text->len);
	return 0;
}

int context_expand_prompt(const struct context *context, const struct attempt *attempt, const struct text *text,
	struct strbuf *out, struct orch_error *err)
{
	return expand(context, attempt, text, false, true, out, err);
}

/* the value of a line of a dotenv file, in its place: without quotes and what is a comment behind it. NULL, or what is
 * wrong with it */
static const char *dotenv_value(char **value)
{
	char *at = *value, *to = at, quote = *at;

	if (quote != '"' && quote != '\'') {
		for (; *at; at++) {
			if (*at == '#' && at > *value && isspace((unsigned char)at[-1]))
				break;
		}
		while (at > *value && isspace((unsigned char)at[-1]))
			at--;
		*at = '\0';
		return NULL;
	}
	for (at++; *at != quote; *to++ = *at++) {
		if (quote == '"' && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
			at++;
		if (!*at)
			return "a quote without its end on the same line";
	}
	*to = '\0';
	for (at++; isspace((unsigned char)*at); at++)
		;
	return *at && *at != '#' ? "text behind the end of a quote" : NULL;
}

static bool is_variable_name(const char *name)
{
	if (!isalpha((unsigned char)*name) && *name != '_')
		return false;
	while (isalnum((unsigned char)*name) || *name == '_')
		name++;
	return *name == '\0';
}

/* NAME=value lines; `export` before, quotes around, comments; no expansion */
static int add_dotenv(struct strvec *env, const char *path, struct orch_error *err)
{
	char *text, *line, *save = NULL;
	size_t len;
	unsigned number = 0;

	if (fs_read(path, DOTENV_MAX, &text, &len, err) < 0)
		return error_prefix(err, "dotenv");
	if (memchr(text, '\0', len)) {
		free(text);
		return error_set(err, "dotenv: '%s' has a NUL byte", path);
	}
	/* a byte-order mark is no part of the first name */
	for (line = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text; line && *line; line = save) {
		char *name, *value, *end;
		const char *problem;

		number++;
		save = strchr(line, '\n');
		if (save)
			*save++ = '\0';
		name = line + strspn(line, " \t");
		if (strncmp(name, "export ", 7) == 0)
			name += 7 + strspn(name + 7, " \t");
		end = name + strlen(name);
		while (end > name && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (*name == '#' || !*name)
			continue;
		value = strchr(name, '=');
		if (value)
			*value++ = '\0';
		if (!value || !is_variable_name(name)) {
			error_set(err, "dotenv: %s:%u: expected NAME=value, found '%.60s%s'", path, number, name,
				value ? "=..." : "");
			free(text);
			return -1;
		}
		problem = dotenv_value(&value);
		if (problem) {
			error_set(err, "dotenv: %s:%u: %s: %s", path, number, name, problem);
			free(text);
			return -1;
		}
		strvec_setenv(env, name, value);
	}
	free(text);
	return 0;
}

static void add_dependencies(const struct context *context, const struct attempt *attempt, struct strvec *env)
{
	const edge *deps = graph_deps(context->graph, attempt->id);
	uint32_t count = graph_dep_count(context->graph, attempt->id);
	struct strbuf names = {0};

	for (uint32_t i = 0; i < count; i++) {
		if (names.len)
			strbuf_addch(&names, ' ');
		strbuf_addstr(&names, context->project->streams[EDGE_STREAM(deps[i])].name);
	}
	strvec_pushenv(env, "ORCH_DEPS", strbuf_cstr(&names));
	strbuf_release(&names);
}

static void add_path(const struct context *context, const struct attempt *attempt, struct strvec *env,
	const char *variable, const char *what)
{
	char *path = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, what);
	char *full = xconcat(context->project->dir, "/", path, NULL);

	strvec_pushenv(env, variable, full);
	free(full);
	free(path);
}

/* does the stream give this variable another value, or none? */
static bool is_overridden(
	const char *entry, const struct strvec *own, const struct words *unset, const struct words *more)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < own->count; i++) {
		if (strncmp(own->items[i], entry, len) == 0 && own->items[i][len] == '=')
			return true;
	}
	for (uint32_t i = 0; i < unset->count; i++) {
		if (strncmp(unset->items[i], entry, len) == 0 && unset->items[i][len] == '\0')
			return true;
	}
	for (uint32_t i = 0; more && i < more->count; i++) {
		if (strncmp(more->items[i], entry, len) == 0 && more->items[i][len] == '\0')
			return true;
	}
	return false;
}

/* the run's entries before those of the stream */
static void join(struct environment *env, const struct strvec *base, const struct words *unset,
	const struct words *more, bool overrides)
{
	size_t count = 0;

	env->items = xmalloc((base->count + env->own.count + 1) * sizeof *env->items);
	for (size_t i = 0; i < base->count; i++) {
		if (!overrides || !is_overridden(base->items[i], &env->own, unset, more))
			env->items[count++] = base->items[i];
	}
	memcpy(env->items + count, env->own.items, (env->own.count + 1) * sizeof *env->items);
}

/* the agent's, which the stream may say otherwise */
static int add_agent(
	const struct context *context, const struct attempt *attempt, struct strvec *own, struct orch_error *err)
{
	const struct agent *agent = attempt->stint->agent;

	for (uint32_t i = 0; i < agent->env_count; i++) {
		struct strbuf value = {0};

		if (context_expand(context, attempt, &agent->env[i].value, false, &value, err) < 0) {
			strbuf_release(&value);
			return error_prefix(err, "agent %s: env %s", agent->name, agent->env[i].name);
		}
		strvec_setenv(own, agent->env[i].name, strbuf_cstr(&value));
		strbuf_release(&value);
	}
	return 0;
}

int context_environment(const struct context *context, const struct attempt *attempt, const char *part,
	const struct command *command, struct environment *env, struct orch_error *err)
{
	const struct settings *set = attempt->stream->set;
	struct strvec *own = &env->own;
	char number[UNITS_TEXT_MAX], *job;
	bool overrides;

	*env = (struct environment){0};
	if (attempt->stint && add_agent(context, attempt, own, err) < 0)
		return -1;
	for (uint32_t i = 0; i < set->dotenv.count; i++) {
		if (add_dotenv(own, set->dotenv.items[i], err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < set->env_count; i++) {
		struct strbuf value = {0};

		if (context_expand(context, attempt, &set->env[i].value, false, &value, err) < 0) {
			strbuf_release(&value);
			return error_prefix(err, "env %s", set->env[i].name);
		}
		strvec_setenv(own, set->env[i].name, strbuf_cstr(&value));
		strbuf_release(&value);
	}
	for (uint32_t i = 0; i < set->unset.count; i++)
		strvec_setenv(own, set->unset.items[i], NULL);
	overrides = own->count || set->unset.count || (attempt->stint && attempt->stint->agent->unset.count);

	if (!overrides ||
		!is_overridden("MAKEFLAGS=", own, &set->unset, attempt->stint ? &attempt->stint->agent->unset : NULL))
		jobserver_environment(attempt->jobserver, attempt, command, own);
	overrides |= jobserver_shims(attempt->jobserver, attempt, command, own);
	strvec_pushenv(own, "ORCH_RUN", attempt->run);
	strvec_pushenv(own, "ORCH_STREAM", attempt->stream->name);
	strvec_pushenv(own, "ORCH_ATTEMPT", units_number(number, attempt->number));
	strvec_pushenv(own, "ORCH_DIR", directory_of(context, attempt));
	if (attempt->workspace) {
		strvec_pushenv(own, "ORCH_BRANCH", attempt->workspace->branch);
		strvec_pushenv(own, "ORCH_BASE", attempt->workspace->base);
	}
	if (attempt->stint) {
		strvec_pushf(own, "ORCH_PROMPT=%s/%s", context->project->dir, attempt->stint->prompt);
		strvec_pushf(own, "ORCH_AGENT=%s", attempt->stint->agent->name);
	}
	add_path(context, attempt, own, "ORCH_OUTPUT", "output");
	add_path(context, attempt, own, "ORCH_INBOX", "inbox");
	add_path(context, attempt, own, "ORCH_REPORT", "report");
	if (attempt->slot != NO_SLOT_YET)
		add_slot(own, attempt->slot);
	add_dependencies(context, attempt, own);
	if (set->orchfile)
		nested_environment(own, context->project, attempt->weight);
	job = xconcat(attempt->run, ":", attempt->stream->name, ":", number, part ? ":" : "", part ? part : "", NULL);
	strvec_pushenv(own, "ORCH_JOB", job);
	free(job);
	env->mark = own->items[own->count - 1];
	join(env, &context->environment, &set->unset, attempt->stint ? &attempt->stint->agent->unset : NULL, overrides);
	return 0;
}

void environment_release(struct environment *env)
{
	free(env->items);
	strvec_release(&env->own);
}
