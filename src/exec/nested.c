#include "config.h"

#include "exec/nested.h"

#include <stdlib.h>
#include <string.h>

#include "graph/project.h"
#include "lang/command.h"
#include "lang/nested.h"
#include "os/fs.h"
#include "os/supervised.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"

/* this program, if it is orch, or the one that is installed */
static char *program(void)
{
	char *self = supervision_self();

	return self ? self : xstrdup("orch");
}

/* the Orchfiles that it is run from: those around this one, and this one */
static char *within(const struct project *project)
{
	const char *around = getenv("ORCH_WITHIN");
	char *path = path_join(project->dir, project->file), *real = realpath(path, NULL);
	char *text = xasprintf("%s%s%s", around ? around : "", around && *around ? "\n" : "", real ? real : path);

	free(path);
	free(real);
	return text;
}

void nested_environment(struct strvec *env, const struct project *project, unsigned weight)
{
	char *path = program(), *files = within(project);

	strvec_pushf(env, "ORCH_PROGRAM=%s", path);
	strvec_pushf(env, "ORCH_WITHIN=%s", files);
	strvec_pushf(env, "ORCH_WEIGHT=%u", weight);
	free(path);
	free(files);
}

bool nested_is_stale(const struct project *project, const struct stream *stream)
{
	/* its command, but that it only asks */
	static const char start[] = NESTED_START;
	struct strbuf command = {0}, answer = {0};
	struct strvec env = {0};
	bool stale = true;

	if (stream->run.len < sizeof start)
		return true;
	nested_environment(&env, project, 1);
	for (size_t i = 0; i < env.count; i++) {
		size_t name = strcspn(env.items[i], "=") + 1;

		strbuf_add(&command, env.items[i], name);
		path_quote(&command, env.items[i] + name);
		strbuf_addf(&command, "; export %.*s; ", (int)(name - 1), env.items[i]);
	}
	/* all but the first line, and the end of the last */
	strbuf_addstr(&command, "(\n");
	strbuf_add(&command, stream->run.bytes + sizeof start - 1, stream->run.len - (sizeof start - 1) - 1);
	strbuf_addstr(&command, " -q >/dev/null 2>&1\n) && echo complete");
	if (command_output("sh", strbuf_cstr(&command), project->dir, &answer, NULL) == 0)
		stale = strcmp(strbuf_cstr(&answer), "complete") != 0;
	strvec_release(&env);
	strbuf_release(&command);
	strbuf_release(&answer);
	return stale;
}
