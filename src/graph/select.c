#include "config.h"

#include "graph/select.h"

#include "graph/project.h"
#include "graph/topo.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/regex.h"
#include "util/suggest.h"

#include <stdlib.h>
#include <string.h>

/* the selectors mark into `hit` and return how many streams they named, or -1 */

static int64_t select_pattern(
	const struct project *project, const char *body, size_t len, bool *hit, struct orch_error *err)
{
	struct regex *regex;
	size_t where = 0;
	int64_t count = 0;

	if (regex_new(&regex, body, len, &where, err) != 0) {
		error_prefix(err, "pattern /%.*s/, at character %zu", (int)len, body, where + 1);
		if (err)
			err->code = ORCH_EUSAGE;
		return -1;
	}
	for (uint32_t s = 0; s < project->stream_count; s++) {
		if (regex_matches(regex, project->streams[s].name, strlen(project->streams[s].name))) {
			hit[s] = true;
			count++;
		}
	}
	regex_free(regex);
	if (count == 0)
		return error_code(err, ORCH_EUSAGE, "no stream's name matches /%.*s/", (int)len, body);
	return count;
}

static int64_t select_tag(const struct project *project, const char *tag, bool *hit, struct orch_error *err)
{
	struct suggest nearest = {.wanted = tag};
	int64_t count = 0;

	for (uint32_t s = 0; s < project->stream_count; s++) {
		const struct words *tags = &project->streams[s].set->tags;

		for (uint32_t i = 0; i < tags->count; i++) {
			suggest_offer(&nearest, tags->items[i]);
			if (!path_match(tag, tags->items[i]))
				continue;
			hit[s] = true;
			count++;
			break;
		}
	}
	if (count > 0)
		return count;
	if (nearest.best)
		return error_code(
			err, ORCH_EUSAGE, "no stream has the tag '%s'; did you mean 'tag:%s'?", tag, nearest.best);
	return error_code(err, ORCH_EUSAGE, "no stream has the tag '%s'", tag);
}

static int64_t select_glob(const struct project *project, const char *glob, bool *hit, struct orch_error *err)
{
	int64_t count = 0;

	for (uint32_t s = 0; s < project->stream_count; s++) {
		if (path_match(glob, project->streams[s].name)) {
			hit[s] = true;
			count++;
		}
	}
	return count > 0 ? count : error_code(err, ORCH_EUSAGE, "no stream's name matches '%s'", glob);
}

static int64_t select_name(const struct project *project, const char *name, bool *hit, struct orch_error *err)
{
	uint32_t s = project_find(project, name);
	const char *nearest;

	if (s != NO_STREAM) {
		hit[s] = true;
		return 1;
	}
	nearest = project_suggest(project, name);
	if (nearest)
		return error_code(err, ORCH_EUSAGE, "no stream is named '%s'; did you mean '%s'?", name, nearest);
	return error_code(err, ORCH_EUSAGE, "no stream is named '%s'", name);
}

int select_target(const struct project *project, const struct graph *graph, const char *target, bool *marked,
	struct orch_error *err)
{
	size_t len = strlen(target);
	/* the `+` of /a+/ is inside the pattern, and a name has none */
	bool users = len > 1 && target[len - 1] == '+';
	char *text = xstrndup(target, users ? len - 1 : len);
	bool *hit = xcalloc((size_t)project->stream_count + 1, sizeof *hit);
	int64_t count;

	len = strlen(text);
	if (len == 0)
		count = error_code(err, ORCH_EUSAGE, "a target is empty");
	else if (text[0] == '/' && len > 2 && text[len - 1] == '/')
		count = select_pattern(project, text + 1, len - 2, hit, err);
	else if (text[0] == '/')
		count = error_code(err, ORCH_EUSAGE, "'%s' is no target; a pattern is written /PATTERN/", target);
	else if (strncmp(text, "tag:", 4) == 0)
		count = select_tag(project, text + 4, hit, err);
	else if (path_has_glob(text))
		count = select_glob(project, text, hit, err);
	else
		count = select_name(project, text, hit, err);
	if (count > 0) {
		if (users)
			topo_close_users(graph, hit);
		for (uint32_t s = 0; s < project->stream_count; s++)
			marked[s] = marked[s] || hit[s];
	}
	free(hit);
	free(text);
	return count > 0 ? 0 : -1;
}
