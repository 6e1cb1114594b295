#include "config.h"

#include "web/overview.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "orch/history.h"
#include "os/fs.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/json.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "web/picture.h"

enum {
	SOON_MS = 200,
	PROJECTS_MAX = 200,
	RUNS_MAX = 30,                     /* whose numbers are told */
	RUNS_BYTES_MAX = 64 * 1024 * 1024, /* of journals read for that */
};

struct project {
	struct overview *overview;
	char id[17], *dir;
	char *newest;            /* id of its newest run; NULL: none */
	struct picture *picture; /* of the newest run, while it is under way and somebody looks */
	struct picture_reader reader;
	uint64_t head;         /* version of the picture that was told */
	struct strbuf summary; /* members of the newest run, as JSON, once it has ended */
	struct loop_watch *runs;
	bool listed, stale;
};

struct overview {
	struct loop *loop;
	overview_list *list;
	void *data;
	struct loop_watch *watch;
	struct loop_timer *tell;
	ARRAY(struct project *) projects;
	struct overview_reader *readers;
	uint64_t version;
	bool stale; /* the list */
};

static void overview_changed(struct overview *overview)
{
	loop_timer_arm_if_idle(overview->tell, SOON_MS);
}

static void on_picture(void *data)
{
	struct project *project = data;

	/* what its streams say is for those who look at the run */
	if (project->picture && picture_head_version(project->picture) != project->head)
		overview_changed(project->overview);
}

static void on_runs(void *data)
{
	struct project *project = data;

	project->stale = true;
	overview_changed(project->overview);
}

static void on_list(void *data)
{
	struct overview *overview = data;

	overview->stale = true;
	overview_changed(overview);
}

static bool is_watched(const struct overview *overview)
{
	for (const struct overview_reader *reader = overview->readers; reader; reader = reader->next) {
		if (reader->whole)
			return true;
	}
	return false;
}

/* --- a project --- */

static void forget_run(struct project *project)
{
	picture_drop(project->picture, project->picture ? &project->reader : NULL);
	project->picture = NULL;
	strbuf_release(&project->summary);
}

static void project_free(struct project *project)
{
	forget_run(project);
	loop_watch_free(project->runs);
	free(project->newest);
	free(project->dir);
	free(project);
}

/* the directory of runs, or that in which it will be made; *missed: what is waited for was made in this moment */
static struct loop_watch *watch_nearest(struct project *project, bool *missed)
{
	static const char *const places[] = {"/.orch/runs", "/.orch", ""};
	struct loop_watch *watch = NULL;
	char *nearer = NULL;

	*missed = false;
	for (size_t i = 0; !watch && i < sizeof places / sizeof *places; i++) {
		char *path = xasprintf("%s%s", project->dir, places[i]);

		watch = loop_watch_new(project->overview->loop, path, on_runs, project);
		*missed = watch && nearer && fs_is_directory(nearer);
		free(nearer);
		nearer = path;
	}
	free(nearer);
	return watch;
}

/* Anew each time: where .orch was removed and made again, who watches the old one hears nothing of it */
static void watch_runs(struct project *project)
{
	struct loop_watch *before = project->runs;
	bool missed;

	project->runs = watch_nearest(project, &missed);
	loop_watch_free(before);
	if (missed) {
		before = project->runs;
		project->runs = watch_nearest(project, &missed);
		loop_watch_free(before);
	}
	project->stale = !project->runs;
}

static void find_newest(struct project *project)
{
	struct orch_history *history;
	const char *newest = NULL;

	watch_runs(project);
	if (orch_history_open(&history, project->dir, NULL) < 0)
		return;
	if (orch_history_count(history))
		newest = orch_history_id(history, 0);
	if (newest && (!project->newest || strcmp(project->newest, newest) != 0)) {
		forget_run(project);
		free(project->newest);
		project->newest = xstrdup(newest);
	} else if (!newest) {
		forget_run(project);
		free(project->newest);
		project->newest = NULL;
	}
	orch_history_close(history);
}

/* the numbers of the newest run: followed while it goes on, kept as text once it has ended */
static void look(struct project *project)
{
	struct orch_error err;

	if (project->stale)
		find_newest(project);
	if (!project->newest || project->summary.len)
		return;
	if (!project->picture &&
		picture_get(&project->picture, project->overview->loop, project->dir, project->newest, &project->reader,
			&err) < 0) {
		log_info("%s: %s", project->dir, err.message);
		return;
	}
	if (!picture_is_running(project->picture)) {
		struct json_writer w = {.out = &project->summary};

		json_begin_object(&w);
		picture_add_head(project->picture, &w);
		json_end_object(&w);
		picture_drop(project->picture, &project->reader);
		project->picture = NULL;
	}
}

/* --- the list --- */

static struct project *find_dir(struct overview *overview, const char *dir)
{
	for (size_t i = 0; i < overview->projects.count; i++) {
		if (strcmp(overview->projects.items[i]->dir, dir) == 0)
			return overview->projects.items[i];
	}
	return NULL;
}

static void add_project(struct overview *overview, const char *dir)
{
	static const char digits[] = "0123456789abcdef";
	struct project *project = xcalloc(1, sizeof *project);
	uint64_t hash = digest_bytes(dir, strlen(dir));

	for (int i = 0; i < 16; i++)
		project->id[i] = digits[hash >> (60 - 4 * i) & 15];
	project->overview = overview;
	project->dir = xstrdup(dir);
	project->listed = project->stale = true;
	project->reader = (struct picture_reader){.changed = on_picture, .data = project};
	*ARRAY_PUSH(&overview->projects) = project;
}

static void refresh(struct overview *overview)
{
	struct strvec dirs = {0};
	struct orch_error err;
	size_t kept = 0;

	if (!overview->stale)
		return;
	overview->stale = !overview->watch;
	if (overview->list(overview->data, &dirs, &err) < 0) {
		log_warn("the list of projects cannot be read: %s", err.message);
		strvec_release(&dirs);
		return;
	}
	for (size_t i = 0; i < overview->projects.count; i++)
		overview->projects.items[i]->listed = false;
	for (size_t i = 0; i < dirs.count; i++) {
		struct project *project = find_dir(overview, dirs.items[i]);

		if (project)
			project->listed = true;
		else if (overview->projects.count < PROJECTS_MAX)
			add_project(overview, dirs.items[i]);
	}
	for (size_t i = 0; i < overview->projects.count; i++) {
		struct project *project = overview->projects.items[i];

		if (project->listed)
			overview->projects.items[kept++] = project;
		else
			project_free(project);
	}
	overview->projects.count = kept;
	strvec_release(&dirs);
}

static struct project *find(struct overview *overview, const char *id)
{
	refresh(overview);
	for (size_t i = 0; id && i < overview->projects.count; i++) {
		if (strcmp(overview->projects.items[i]->id, id) == 0)
			return overview->projects.items[i];
	}
	return NULL;
}

const char *overview_dir(struct overview *overview, const char *id)
{
	struct project *project = find(overview, id);

	return project ? project->dir : NULL;
}

const char *overview_id(struct overview *overview, const char *dir)
{
	struct project *project;

	refresh(overview);
	project = find_dir(overview, dir);
	return project ? project->id : NULL;
}

const char *overview_newest(struct overview *overview, const char *id)
{
	struct project *project = find(overview, id);

	if (!project)
		return NULL;
	if (project->stale)
		find_newest(project);
	return project->newest;
}

void overview_add(struct overview *overview, struct json_writer *w)
{
	refresh(overview);
	json_begin_array(w);
	for (size_t i = 0; i < overview->projects.count; i++) {
		struct project *project = overview->projects.items[i];

		look(project);
		json_begin_object(w);
		json_add_key(w, "id");
		json_add_string(w, project->id);
		json_add_key(w, "dir");
		json_add_string(w, project->dir);
		if (project->picture || project->summary.len) {
			json_add_key(w, "last");
			if (project->picture) {
				json_begin_object(w);
				picture_add_head(project->picture, w);
				json_end_object(w);
				project->head = picture_head_version(project->picture);
			} else {
				strbuf_add(w->out, project->summary.data, project->summary.len);
				w->after_key = false;
			}
		}
		json_end_object(w);
	}
	json_end_array(w);
}

static void add_run(struct json_writer *w, const struct orch_run_info *info)
{
	json_add_key(w, "state");
	json_add_string(w,
		info->running                  ? "running"
			: info->crashed        ? "crashed"
			: info->failed         ? "failed"
			: info->exit_code == 0 ? "completed"
					       : "stopped");
	json_add_key(w, "started");
	json_add_int(w, info->started_ms);
	json_add_key(w, "duration");
	json_add_int(w, info->finished_ms ? info->duration_ms : -1);
	json_add_key(w, "sum");
	json_add_int(w, info->sum_ms);
	json_add_key(w, "count");
	json_add_int(w, info->stale);
	json_add_key(w, "completed");
	json_add_int(w, info->completed);
	json_add_key(w, "failed");
	json_add_int(w, info->failed);
	json_add_key(w, "skipped");
	json_add_int(w, info->skipped + info->cancelled);
}

static int64_t journal_size(const struct project *project, const char *run)
{
	char *name = xasprintf("%s/.orch/runs/%s/journal.jsonl", project->dir, run);
	struct stat st;
	int64_t size = stat(name, &st) == 0 ? (int64_t)st.st_size : 0;

	free(name);
	return size;
}

void overview_add_runs(struct overview *overview, const char *id, struct json_writer *w)
{
	struct project *project = find(overview, id);
	struct orch_history *history = NULL;
	int64_t bytes = 0;

	json_begin_array(w);
	if (project && orch_history_open(&history, project->dir, NULL) == 0) {
		for (size_t i = 0; i < orch_history_count(history) && i < 10 * RUNS_MAX; i++) {
			const char *run = orch_history_id(history, i);
			struct orch_run_info info;

			bytes += journal_size(project, run);
			json_begin_object(w);
			json_add_key(w, "run");
			json_add_string(w, run);
			if (i < RUNS_MAX && bytes <= RUNS_BYTES_MAX && orch_history_run(history, i, &info, NULL) == 0)
				add_run(w, &info);
			json_end_object(w);
		}
		orch_history_close(history);
	}
	json_end_array(w);
}

/* --- life --- */

static void on_tell(void *data)
{
	struct overview *overview = data;
	struct overview_reader *next;

	overview->version++;
	for (struct overview_reader *reader = overview->readers; reader; reader = next) {
		next = reader->next;
		reader->changed(reader->data);
	}
}

void overview_listen(struct overview *overview, struct overview_reader *reader)
{
	reader->next = overview->readers;
	reader->link = &overview->readers;
	if (overview->readers)
		overview->readers->link = &reader->next;
	overview->readers = reader;
}

void overview_leave(struct overview *overview, struct overview_reader *reader)
{
	*reader->link = reader->next;
	if (reader->next)
		reader->next->link = reader->link;
	if (is_watched(overview))
		return;
	/* nobody looks: nothing is followed */
	for (size_t i = 0; i < overview->projects.count; i++) {
		struct project *project = overview->projects.items[i];

		picture_drop(project->picture, project->picture ? &project->reader : NULL);
		project->picture = NULL;
	}
}

uint64_t overview_version(const struct overview *overview)
{
	return overview->version;
}

struct overview *overview_new(struct loop *loop, overview_list *list, void *data, const char *watched)
{
	struct overview *overview = xcalloc(1, sizeof *overview);

	*overview = (struct overview){.loop = loop, .list = list, .data = data, .version = 1, .stale = true};
	overview->tell = loop_timer_new(loop, on_tell, overview);
	if (watched)
		overview->watch = loop_watch_new(loop, watched, on_list, overview);
	return overview;
}

void overview_free(struct overview *overview)
{
	if (!overview)
		return;
	for (size_t i = 0; i < overview->projects.count; i++)
		project_free(overview->projects.items[i]);
	ARRAY_RELEASE(&overview->projects);
	loop_watch_free(overview->watch);
	loop_timer_free(overview->tell);
	free(overview);
}
