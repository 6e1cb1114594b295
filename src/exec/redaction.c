#include "config.h"

#include "exec/redaction.h"

#include <string.h>

#include "graph/project.h"
#include "os/fs.h"
#include "os/redactor.h"
#include "state/fingerprint.h"
#include "util/error.h"
#include "util/redact.h"

extern char **environ;

/* what only says where a file is, is no secret */
static bool is_secret(const char *name, size_t name_len, const char *value)
{
	return redact_is_secret_name(name, name_len) && strlen(value) >= REDACT_VALUE_MIN &&
		(*value != '/' || !fs_exists(value));
}

/* the value in "NAME=value"; NULL: it is no secret */
static const char *secret_of(const char *entry)
{
	const char *value = strchr(entry, '=');

	return value && is_secret(entry, (size_t)(value - entry), value + 1) ? value + 1 : NULL;
}

/* likewise */
static const char *secret_variable(const struct project *project, uint32_t number)
{
	const struct variable *variable = &project->variables[number];

	return is_secret(variable->name, strlen(variable->name), variable->value) ? variable->value : NULL;
}

int redaction_add_project(struct redact **redact, const struct project *project, struct orch_error *err)
{
	const struct words *patterns = &project->set.redact;

	if (patterns->count > 0 && !*redact) {
		*redact = redact_new();
		redaction_learn(*redact, environ);
	}
	for (uint32_t i = 0; i < patterns->count; i++) {
		if (redact_add_pattern(*redact, patterns->items[i], err) < 0)
			return error_prefix(err, "'redact'");
	}
	for (uint32_t i = 0; *redact && i < project->variable_count; i++) {
		if (secret_variable(project, i))
			redact_add_value(*redact, secret_variable(project, i));
	}
	return 0;
}

void redaction_learn(struct redact *redact, char *const *env)
{
	for (; redact && *env; env++) {
		const char *secret = secret_of(*env);

		if (secret)
			redact_add_value(redact, secret);
	}
}

char *const *redaction_entries(const struct project *project, char *const *env, struct strvec *out)
{
	const struct words *patterns = &project->set.redact;

	if (patterns->count == 0)
		return NULL;
	for (uint32_t i = 0; i < patterns->count; i++)
		strvec_pushf(out, REDACTOR_PATTERN "%s", patterns->items[i]);
	for (; *env; env++) {
		const char *secret = secret_of(*env);

		if (secret)
			strvec_pushf(out, REDACTOR_VALUE "%s", secret);
	}
	for (uint32_t i = 0; i < project->variable_count; i++) {
		if (secret_variable(project, i))
			strvec_pushf(out, REDACTOR_VALUE "%s", secret_variable(project, i));
	}
	return out->items;
}

void redaction_recipe_text(const struct project *project, const struct stream *stream, struct strbuf *out)
{
	struct redact *redact = NULL;
	struct strbuf text = {0};

	if (project->set.redact.count == 0) {
		fingerprint_recipe_text(project, stream, out);
		return;
	}
	/* the patterns were compiled when the Orchfile was read */
	fingerprint_recipe_text(project, stream, &text);
	if (redaction_add_project(&redact, project, NULL) == 0)
		(void)redact_text(redact, strbuf_cstr(&text), text.len, out);
	redact_free(redact);
	strbuf_release(&text);
}

static void redact_field(struct redact *redact, const char **field, struct strbuf *text)
{
	if (*field && redact_text(redact, *field, strlen(*field), text))
		*field = strbuf_cstr(text);
}

const struct orch_event *redacted_event_make(
	struct redacted_event *out, struct redact *redact, const struct orch_event *event)
{
	memset(out->texts, 0, sizeof out->texts);
	if (!redact)
		return event;
	out->event = *event;
	/* the others are names, paths and numbers, by which things are found again */
	redact_field(redact, &out->event.title, &out->texts[0]);
	redact_field(redact, &out->event.reason, &out->texts[1]);
	redact_field(redact, &out->event.message, &out->texts[2]);
	redact_field(redact, &out->event.from, &out->texts[3]);
	redact_field(redact, &out->event.said, &out->texts[4]);
	return &out->event;
}

void redacted_event_release(struct redacted_event *event)
{
	for (size_t i = 0; i < sizeof event->texts / sizeof *event->texts; i++)
		strbuf_release(&event->texts[i]);
}

int redaction_write(struct redact *redact, int fd, const char *text)
{
	struct strbuf clean = {0};
	int result;

	if (!redact)
		return fs_write_all(fd, text, strlen(text));
	(void)redact_text(redact, text, strlen(text), &clean);
	result = fs_write_all(fd, strbuf_cstr(&clean), clean.len);
	strbuf_release(&clean);
	return result;
}
