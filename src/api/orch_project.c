#include "config.h"

#include "orch/project.h"

#include "api/orch.h"
#include "lang/load.h"
#include "lang/setting.h"
#include "os/fs.h"
#include "state/fragment.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/json.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_file[] = "Orchfile";

/* the directory at `dir` or above that holds an Orchfile; malloc'd, NULL: none */
static char *find_upwards(const char *dir)
{
	char *here = path_clean(dir);

	for (;;) {
		char *candidate = path_join(here, default_file), *parent;
		bool found = fs_exists(candidate);

		free(candidate);
		if (found)
			return here;
		parent = path_dir(here);
		if (strcmp(parent, here) == 0) {
			free(parent);
			free(here);
			return NULL;
		}
		free(here);
		here = parent;
	}
}

/* where the project is, and the Orchfile's path as seen from there */
static int locate(const struct orch_open_options *options, char **dir, char **file, struct orch_error *err)
{
	char *cwd = fs_cwd(), *start;

	if (!cwd)
		return error_errno(err, "the current directory");
	start = options->dir ? path_join(cwd, options->dir) : xstrdup(cwd);
	free(cwd);
	if (options->file) {
		/* as with make -f: the file may be anywhere, the work is done here */
		*dir = path_clean(start);
		*file = xstrdup(options->file);
	} else {
		*dir = find_upwards(start);
		*file = xstrdup(default_file);
	}
	if (!*dir) {
		error_code(err, ORCH_ENOTFOUND,
			"no Orchfile in '%s' or any directory above it; 'orch init' writes a first one, -f names another",
			start);
		free(*file);
		free(start);
		return -1;
	}
	free(start);
	return 0;
}

static bool file_exists(const char *name)
{
	return fs_exists(name);
}

/* reads it all; *status is -1 with *err where there are errors. NULL: it cannot be read */
static struct orch *read_project(const struct load_options *options, bool none, int *status, struct orch_error *err)
{
	struct orch *orch = xcalloc(1, sizeof *orch);
	struct project *project = &orch->project;

	project_init(project);
	for (const char *const *word = options->assignments; word && *word; word++)
		strvec_push(&orch->assignments, *word);
	for (const char *const *word = options->left_out; word && *word; word++)
		strvec_push(&orch->left_out, *word);
	orch->inspect = options->inspect;
	orch->agents = options->agents;
	if (none)
		*status = load_text(project, options, "", 0, &orch->diags, err);
	else
		*status = load_project(project, options, &orch->diags, err);
	if (*status < 0 && !orch->diags.errors) {
		orch_close(orch);
		return NULL;
	}
	/* names and cycles are looked at even when something else is wrong: all errors at once */
	if (graph_build(&orch->graph, project, file_exists, &orch->diags) == 0 &&
		load_check(project, &orch->graph, &orch->diags) < 0)
		*status = -1;
	diag_sort(&orch->diags);
	if (orch->diags.errors)
		*status = error_code(err, ORCH_EPARSE, "%s has %zu error%s", project->file, orch->diags.errors,
			orch->diags.errors == 1 ? "" : "s");
	return orch;
}

/* is there an error in the file of that name? NULL: in any; the first one */
static const struct diag *find_error(const struct orch *orch, const char *name)
{
	for (size_t i = 0; i < orch->diags.count; i++) {
		const struct diag *diag = &orch->diags.items[i];
		const struct source *source = source_get(&orch->project.sources, diag->place.source);

		if (diag->severity == DIAG_ERROR && (!name || (source && strcmp(source->name, name) == 0)))
			return diag;
	}
	return NULL;
}

/* an error as one line */
static char *error_line(const struct orch *orch, const struct diag *diag)
{
	struct place place = source_origin(&orch->project.sources, diag->place);
	const struct source *source = source_get(&orch->project.sources, place.source);
	uint32_t line, column;

	if (!source)
		return xstrdup(diag->message);
	source_position(&orch->project.sources, place, &line, &column);
	return xasprintf("%s:%u:%u: %s", source->name, line, column, diag->message);
}

/* With errors: which of what was generated does not fit? Those with an error in them; all, if there is none (a cycle
 * may be found anywhere). Added to `left_out`, with why to `why`; false: nothing was generated */
static bool leave_out(const struct orch *orch, struct strvec *left_out, struct strvec *why)
{
	size_t before = left_out->count;

	for (int all = 0; all < 2 && left_out->count == before; all++) {
		for (uint32_t s = 0; s < orch->project.stream_count; s++) {
			const struct stream *stream = &orch->project.streams[s];
			const struct diag *diag = NULL;
			char *path, *line;

			if (!stream->is_generated)
				continue;
			path = fragment_path(stream->name);
			diag = find_error(orch, all ? NULL : path);
			free(path);
			if (!diag)
				continue;
			strvec_push(left_out, stream->name);
			line = error_line(orch, diag);
			strvec_push(why, line);
			free(line);
		}
	}
	return left_out->count > before;
}

static void warn_left_out(struct orch *orch, const struct strvec *left_out, const struct strvec *why)
{
	for (size_t i = 0; i < left_out->count; i++) {
		uint32_t id = project_find(&orch->project, left_out->items[i]);
		struct place none = {0};

		diag_warning(&orch->diags, id == NO_STREAM ? none : orch->project.streams[id].place,
			"what '%s' has generated does not fit any more, so it is left out until '%s' has run again: %s",
			left_out->items[i], left_out->items[i], why->items[i]);
	}
	if (left_out->count)
		diag_sort(&orch->diags);
}

static int read_what_fits(struct orch **out, struct load_options *options, bool none, struct orch_error *err)
{
	struct strvec left_out = {0}, why = {0};
	struct orch_error cause = {0};
	int status;

	options->fragment_path = fragment_path;
	for (;;) {
		options->left_out = (const char *const *)left_out.items;
		*out = read_project(options, none, &status, &cause);
		if (!*out || status == 0 || !leave_out(*out, &left_out, &why))
			break;
		orch_close(*out);
		cause = (struct orch_error){0};
	}
	if (*out)
		warn_left_out(*out, &left_out, &why);
	if (status < 0 && err)
		*err = cause;
	strvec_release(&left_out);
	strvec_release(&why);
	return status;
}

int orch_open(struct orch **out, const struct orch_open_options *options, struct orch_error *err)
{
	struct load_options load = {
		.assignments = options->assignments, .inspect = options->inspect, .agents = options->agents};
	char *dir = NULL, *file = NULL;
	bool none = false;
	int status;

	*out = NULL;
	if (locate(options, &dir, &file, err) < 0) {
		if (!options->agents || options->file)
			return -1;
		none = true;
		dir = fs_cwd();
		file = xstrdup(default_file);
		if (!dir) {
			free(file);
			return error_errno(err, "the current directory");
		}
	}
	if (chdir(dir) < 0) {
		error_errno(err, "cannot enter '%s'", dir);
		free(dir);
		free(file);
		return -1;
	}
	load.dir = dir;
	load.path = file;
	status = read_what_fits(out, &load, none, err);
	free(dir);
	free(file);
	return status;
}

int open_again(struct orch **out, const struct orch *before, const char *generator,
	const struct load_fragment *fragment, struct orch_error *err)
{
	struct strvec left_out = {0};
	struct load_options options = {.path = before->project.file,
		.dir = before->project.dir,
		.assignments = (const char *const *)before->assignments.items,
		.inspect = before->inspect,
		.agents = before->agents,
		.fragment_path = fragment_path,
		.fragment = fragment,
		.before = generator ? &before->project : NULL};
	int status;

	/* what was left out stays so until its stream has generated something that fits */
	for (size_t i = 0; i < before->left_out.count; i++) {
		if (!generator || strcmp(before->left_out.items[i], generator) != 0)
			strvec_push(&left_out, before->left_out.items[i]);
	}
	options.left_out = (const char *const *)left_out.items;
	*out = read_project(&options, false, &status, err);
	strvec_release(&left_out);
	return status;
}

void orch_close(struct orch *orch)
{
	if (!orch)
		return;
	graph_release(&orch->graph);
	diag_list_release(&orch->diags);
	project_release(&orch->project);
	strvec_release(&orch->assignments);
	strvec_release(&orch->left_out);
	free(orch);
}

const char *orch_dir(const struct orch *orch)
{
	return orch->project.dir;
}

const char *orch_file(const struct orch *orch)
{
	return orch->project.file;
}

const char *orch_name(const struct orch *orch)
{
	return orch->project.set.name;
}

unsigned orch_project_jobs(const struct orch *orch)
{
	return (unsigned)orch->project.set.jobs;
}

size_t orch_error_count(const struct orch *orch)
{
	return orch->diags.errors;
}

size_t orch_warning_count(const struct orch *orch)
{
	return orch->diags.warnings;
}

char *orch_diagnostics_text(const struct orch *orch, bool color)
{
	struct strbuf out = {0};

	diag_render(&orch->diags, &orch->project.sources, color, &out);
	return strbuf_detach(&out);
}

static void diagnostic_json(struct json_writer *w, const struct orch *orch, const struct diag *diag)
{
	static const char *const names[] = {[DIAG_NOTE] = "note", [DIAG_WARNING] = "warning", [DIAG_ERROR] = "error"};
	struct place place = source_origin(&orch->project.sources, diag->place);
	const struct source *source = source_get(&orch->project.sources, place.source);

	json_add_key(w, "severity");
	json_add_string(w, names[diag->severity]);
	if (source) {
		struct place end = place;
		uint32_t line, column;

		end.offset += end.length;
		source_position(&orch->project.sources, place, &line, &column);
		json_add_key(w, "file");
		json_add_string(w, source->name);
		json_add_key(w, "line");
		json_add_int(w, line);
		json_add_key(w, "column");
		json_add_int(w, column);
		source_position(&orch->project.sources, end, &line, &column);
		json_add_key(w, "end_line");
		json_add_int(w, line);
		json_add_key(w, "end_column");
		json_add_int(w, column);
	}
	json_add_key(w, "message");
	json_add_string(w, diag->message);
}

char *orch_diagnostics_json(const struct orch *orch)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out, .pretty = true};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "diagnostics");
	json_begin_array(&w);
	for (size_t i = 0; i < orch->diags.count; i++) {
		const struct diag *diag = &orch->diags.items[i];

		json_begin_object(&w);
		diagnostic_json(&w, orch, diag);
		json_add_key(&w, "notes");
		json_begin_array(&w);
		for (uint32_t n = 0; n < diag->notes; n++) {
			json_begin_object(&w);
			diagnostic_json(&w, orch, &diag[n + 1]);
			json_end_object(&w);
		}
		json_end_array(&w);
		json_end_object(&w);
		i += diag->notes;
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(&out, '\n');
	return strbuf_detach(&out);
}

size_t orch_variable_count(const struct orch *orch)
{
	return orch->project.variable_count;
}

const char *orch_variable_name(const struct orch *orch, size_t variable)
{
	return orch->project.variables[variable].name;
}

const char *orch_variable_value(const struct orch *orch, size_t variable)
{
	return orch->project.variables[variable].value;
}

size_t orch_stream_count(const struct orch *orch)
{
	return orch->project.stream_count;
}

const char *orch_stream_name(const struct orch *orch, size_t stream)
{
	return orch->project.streams[stream].name;
}

const char *orch_stream_title(const struct orch *orch, size_t stream)
{
	return orch->project.streams[stream].title;
}

int64_t orch_stream_find(const struct orch *orch, const char *name)
{
	uint32_t id = project_find(&orch->project, name);

	return id == NO_STREAM ? ORCH_NO_STREAM : (int64_t)id;
}

const char *orch_stream_suggest(const struct orch *orch, const char *name)
{
	return project_suggest(&orch->project, name);
}

size_t orch_stream_dep_count(const struct orch *orch, size_t stream)
{
	return graph_dep_count(&orch->graph, (uint32_t)stream);
}

size_t orch_stream_dep(const struct orch *orch, size_t stream, size_t index, bool *order_only)
{
	edge dep = graph_deps(&orch->graph, (uint32_t)stream)[index];

	if (order_only)
		*order_only = EDGE_ORDER_ONLY(dep);
	return EDGE_STREAM(dep);
}

bool orch_stream_is_group(const struct orch *orch, size_t stream)
{
	return stream_is_group(&orch->project.streams[stream]);
}

size_t orch_agent_count(const struct orch *orch)
{
	return orch->project.profile_count;
}

void orch_agent_get(const struct orch *orch, size_t index, struct orch_agent *out)
{
	const struct agent *agent = &orch->project.profiles[index];

	out->name = agent->name;
	out->account = agent->account;
	out->origin = agent->origin == SHIPPED ? NULL : source_get(&orch->project.sources, agent->place.source)->name;
	out->run = agent->run.bytes ? xstrndup(agent->run.bytes, agent->run.len) : xstrdup("");
	out->resume = agent->resume.bytes ? xstrndup(agent->resume.bytes, agent->resume.len) : NULL;
}

void orch_agent_release(struct orch_agent *agent)
{
	free(agent->run);
	free(agent->resume);
	agent->run = agent->resume = NULL;
}

size_t orch_file_count(const struct orch *orch)
{
	size_t count = 0;

	for (size_t i = 1; i <= orch->project.sources.count; i++)
		count += !source_is_made(&orch->project.sources, (uint16_t)i);
	return count;
}

const char *orch_file_name(const struct orch *orch, size_t index)
{
	uint16_t number = 0;

	/* what was made of a foreign file goes by that file's name, which is there already */
	for (size_t left = index + 1; left; left -= !source_is_made(&orch->project.sources, number))
		number++;
	return source_get(&orch->project.sources, number)->name;
}

int orch_format(const char *name, const char *text, size_t len, bool color, char **out, struct orch_error *err)
{
	struct source_set sources = {0};
	struct diag_list diags = {0};
	struct strbuf formatted = {0};
	int status = format_text(&sources, name, text, len, &diags, &formatted);

	if (status < 0) {
		strbuf_truncate(&formatted, 0);
		diag_sort(&diags);
		diag_render(&diags, &sources, color, &formatted);
		error_code(err, ORCH_EPARSE, "%s has %zu error%s", name, diags.errors, diags.errors == 1 ? "" : "s");
	}
	*out = strbuf_detach(&formatted);
	diag_list_release(&diags);
	source_set_release(&sources);
	return status;
}

const char *orch_version(void)
{
	return PACKAGE_VERSION;
}
