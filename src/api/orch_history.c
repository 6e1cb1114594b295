#include "config.h"

#include "orch/history.h"

#include "exec/resume.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/lockfile.h"
#include "os/socket.h"
#include "event/accounts.h"
#include "state/holdfile.h"
#include "state/detached.h"
#include "state/journal.h"
#include "state/logfile.h"
#include "state/prune.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct orch_history {
	char *dir;  /* of the project */
	char **ids; /* oldest first */
	size_t count;
	bool running;
	struct orch_status sums; /* its accounts only: of all runs that were asked for */
};

int orch_find_project(const char *dir, const char *file, char **out, struct orch_error *err)
{
	char *cwd = fs_cwd(), *start, *here;

	*out = NULL;
	if (!cwd)
		return error_errno(err, "the current directory");
	start = dir ? path_join(cwd, dir) : xstrdup(cwd);
	here = path_clean(start);
	free(cwd);
	free(start);
	if (file) {
		*out = here;
		return 0;
	}
	for (;;) {
		char *orchfile = path_join(here, "Orchfile"), *state = path_join(here, ".orch"), *parent;
		bool found = fs_exists(orchfile) || fs_is_directory(state);

		free(orchfile);
		free(state);
		if (found) {
			*out = here;
			return 0;
		}
		parent = path_dir(here);
		if (strcmp(parent, here) == 0) {
			free(parent);
			free(here);
			return error_code(
				err, ORCH_ENOTFOUND, "no Orchfile and no .orch here or in any directory above");
		}
		free(here);
		here = parent;
	}
}

static char *in_project(const char *project_dir, char *relative)
{
	char *path = path_join(project_dir, relative);

	free(relative);
	return path;
}

int orch_history_open(struct orch_history **out, const char *project_dir, struct orch_error *err)
{
	struct orch_history *history = xcalloc(1, sizeof *history);
	struct statedir dir = {.fd = -1, .stamps_fd = -1, .lock = {.fd = -1}};

	*out = NULL;
	if (statedir_open(&dir, project_dir, err) < 0) {
		free(history);
		return -1;
	}
	if (dir.fd >= 0 && statedir_runs(&dir, &history->ids, &history->count, err) < 0) {
		statedir_release(&dir);
		free(history);
		return -1;
	}
	statedir_release(&dir);
	history->dir = xstrdup(project_dir);
	history->running = orch_history_running_pid(project_dir) != 0;
	*out = history;
	return 0;
}

size_t orch_history_count(const struct orch_history *history)
{
	return history->count;
}

const char *orch_history_id(const struct orch_history *history, size_t index)
{
	return history->ids[history->count - 1 - index];
}

struct fold {
	struct orch_run_info *info;
	struct orch_status *sums;
};

static int fold_info(void *data, const struct orch_event *event)
{
	struct fold *fold = data;
	struct orch_run_info *info = fold->info;

	if (event->type == ORCH_EVENT_ATTEMPT_FINISHED) {
		accounts_apply(fold->sums, event);
		return 0;
	}
	if (event->type == ORCH_EVENT_RUN_STARTED) {
		info->started_ms = event->time_ms;
		info->wanted = event->count;
		info->stale = event->stale;
	} else if (event->type == ORCH_EVENT_RUN_FINISHED) {
		info->finished_ms = event->time_ms;
		info->duration_ms = event->duration_ms;
		info->sum_ms = event->sum_ms;
		info->cost_micros = event->cost_micros;
		info->tokens = event->tokens;
		info->exit_code = event->exit_code;
		info->completed = event->completed;
		info->failed = event->failed;
		info->skipped = event->skipped;
		info->cancelled = event->cancelled;
	}
	return 0;
}

int orch_history_run(struct orch_history *history, size_t index, struct orch_run_info *info, struct orch_error *err)
{
	const char *id = orch_history_id(history, index);
	char *path = in_project(history->dir, statedir_journal(id));
	struct fold fold = {info, &history->sums};
	int status;

	*info = (struct orch_run_info){.id = id, .exit_code = -1, .cost_micros = -1, .tokens = -1};
	status = journal_read(path, 0, fold_info, &fold, NULL, err);
	free(path);
	if (status < 0)
		return error_prefix(err, "run %s", id);
	if (!info->finished_ms) {
		info->running = history->running && index == 0;
		info->crashed = !info->running;
	}
	return 0;
}

const struct orch_account_status *orch_history_accounts(const struct orch_history *history, size_t *count)
{
	*count = history->sums.account_count;
	return history->sums.accounts;
}

void orch_history_close(struct orch_history *history)
{
	if (!history)
		return;
	for (size_t i = 0; i < history->count; i++)
		free(history->ids[i]);
	accounts_release(&history->sums);
	free(history->ids);
	free(history->dir);
	free(history);
}

/* path of the journal of run `id`, NULL: the newest */
static int find_journal(const char *project_dir, const char *id, char **path, struct orch_error *err)
{
	struct orch_history *history;

	if (id) {
		if (strchr(id, '/') || *id == '.' || !*id)
			return error_code(err, ORCH_ENOTFOUND, "'%s' is no run; 'orch history' lists them", id);
		*path = in_project(project_dir, statedir_journal(id));
		if (!fs_exists(*path)) {
			free(*path);
			return error_code(err, ORCH_ENOTFOUND, "there is no run '%s'; 'orch history' lists them", id);
		}
		return 0;
	}
	if (orch_history_open(&history, project_dir, err) < 0)
		return -1;
	if (!history->count) {
		orch_history_close(history);
		return error_code(err, ORCH_ENOTFOUND, "nothing has run here yet");
	}
	*path = in_project(project_dir, statedir_journal(history->ids[history->count - 1]));
	orch_history_close(history);
	return 0;
}

static int apply(void *data, const struct orch_event *event)
{
	orch_status_apply(data, event);
	return 0;
}

int orch_history_replay(
	const char *project_dir, const char *id, struct orch_status *status, uint64_t *offset, struct orch_error *err)
{
	uint64_t good = 0;
	char *path;
	int result;

	if (find_journal(project_dir, id, &path, err) < 0)
		return -1;
	result = journal_read(path, offset ? *offset : 0, apply, status, &good, err);
	if (result == 0 && offset)
		*offset = good;
	free(path);
	return result;
}

int orch_history_left(const char *project_dir, struct orch_status *status, size_t *running, struct orch_error *err)
{
	static const enum orch_left of_state[] = {
		[SUPERVISED_NONE] = ORCH_LEFT_UNKNOWN,
		[SUPERVISED_RUNNING] = ORCH_LEFT_RUNNING,
		[SUPERVISED_ENDED] = ORCH_LEFT_ENDED,
		[SUPERVISED_LOST] = ORCH_LEFT_LOST,
	};
	struct statedir dir = {.fd = -1, .stamps_fd = -1, .lock = {.fd = -1}};
	struct detached *items = NULL;
	size_t count = 0;
	int result;

	if (running)
		*running = 0;
	if (statedir_open(&dir, project_dir, err) < 0)
		return -1;
	result = detached_list(&dir, &items, &count, err);
	for (size_t i = 0; i < count && result == 0; i++) {
		struct orch_stream_status *stream = NULL;
		struct supervised_record record;
		enum supervised_state state;

		result = resume_look(project_dir, &items[i], &state, &record, err);
		if (result < 0)
			break;
		if (running && state == SUPERVISED_RUNNING)
			++*running;
		if (status->run && strcmp(status->run, items[i].run) == 0)
			stream = (struct orch_stream_status *)orch_status_find(status, items[i].stream);
		if (stream && stream->attempt == (int64_t)items[i].attempt)
			stream->left = of_state[state];
	}
	detached_list_free(items, count);
	statedir_release(&dir);
	return result;
}

int orch_history_holds(const char *project_dir, struct orch_status *status, struct orch_error *err)
{
	struct statedir dir = {.fd = -1, .stamps_fd = -1, .lock = {.fd = -1}};
	struct held_account *items = NULL;
	size_t count = 0, bad;
	int result;

	if (statedir_open(&dir, project_dir, err) < 0)
		return -1;
	result = holdfile_read(&dir, &items, &count, &bad, err);
	for (size_t i = 0; i < status->account_count && result == 0; i++)
		accounts_hold(status, status->accounts[i].name, 0, NULL);
	for (size_t i = 0; i < count && result == 0; i++)
		accounts_hold(status, items[i].account, items[i].until_ms == INT64_MAX ? 0 : items[i].until_ms,
			items[i].reason);
	if (result == 0)
		holdfile_free(items, count);
	statedir_release(&dir);
	return result;
}

int orch_history_events(const char *project_dir, const char *id,
	int (*event)(void *data, const struct orch_event *event), void *data, struct orch_error *err)
{
	char *path;
	int result;

	if (find_journal(project_dir, id, &path, err) < 0)
		return -1;
	result = journal_read(path, 0, event, data, NULL, err);
	free(path);
	return result;
}

int orch_history_follow(const char *project_dir, const char *id, uint64_t *offset,
	int (*event)(void *data, const struct orch_event *event), void *data, struct orch_error *err)
{
	uint64_t good = *offset;
	char *path;
	int result;

	if (find_journal(project_dir, id, &path, err) < 0)
		return -1;
	result = journal_read(path, *offset, event, data, &good, err);
	if (result == 0)
		*offset = good;
	free(path);
	return result;
}

/* is there a process in a namespace of its own, whose id means nothing here? It can be asked all the same */
static bool somebody_listens(const char *project_dir)
{
	char *path = path_join(project_dir, ".orch/control.sock");
	struct orch_error err = {0};
	int fd = socket_connect(path, &err);

	free(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || err.code != ORCH_ENOTFOUND;
}

int orch_history_running_pid(const char *project_dir)
{
	char *path = path_join(project_dir, ".orch/lock");
	int pid = 0;
	bool held = lockfile_is_held(path, &pid);

	/* what a killed run has started keeps the lock until it has been ended, but the run is over */
	if (held && pid == 0 && lockfile_is_left(path) && !somebody_listens(project_dir))
		held = false;
	free(path);
	return held ? (pid ? pid : -1) : 0;
}

char *orch_log_tail(const char *path, unsigned lines)
{
	struct strbuf out = {0};

	if (logfile_tail(path, lines, &out, NULL) < 0)
		strbuf_truncate(&out, 0);
	return strbuf_detach(&out);
}

char *orch_log_end(const char *path, unsigned lines, size_t max, size_t *len, int64_t *size)
{
	struct strbuf out = {0};

	*len = 0;
	*size = -1;
	if (logfile_end(path, lines, max, &out, size, NULL) < 0) {
		strbuf_release(&out);
		*size = -1;
		return NULL;
	}
	*len = out.len;
	return strbuf_detach(&out);
}

void orch_event_dependencies(
	const struct orch_event *event, void (*found)(void *data, const char *dependency), void *data)
{
	struct stamp_detail detail;

	if (event->type != ORCH_EVENT_STAMPED || !event->stamp ||
		stamp_parse(&detail, event->stamp, strlen(event->stamp)) < 0)
		return;
	for (size_t i = 0; i < detail.part_count; i++) {
		if (detail.parts[i].kind == 'd')
			found(data, detail.parts[i].name);
	}
	stamp_detail_release(&detail);
}

int orch_prune(const char *project_dir, const struct orch_prune_options *options,
	void (*each)(void *data, const struct orch_pruned *run), void *data, struct orch_error *err)
{
	const struct prune_limits limits = {
		.max_age_ms = options->max_age_ms, .max_bytes = options->max_bytes, .keep = options->keep};
	struct statedir dir = {.fd = -1, .stamps_fd = -1, .lock = {.fd = -1}};
	struct prune prune;
	int result;

	/* looked at first: claiming would make one */
	if (statedir_open(&dir, project_dir, err) < 0)
		return -1;
	if (dir.fd < 0) {
		statedir_release(&dir);
		return 0;
	}
	if (!options->dry_run) {
		statedir_release(&dir);
		if (statedir_claim(&dir, project_dir, err) < 0)
			return -1;
	}
	result = prune_plan(&prune, &dir, &limits, clock_wall_ms(), err);
	if (result == 0) {
		if (!options->dry_run)
			result = prune_remove(&prune, &dir, err);
		for (size_t i = 0; i < prune.count; i++) {
			const struct prune_run *run = &prune.runs[i];
			const struct orch_pruned pruned = {.run = run->id,
				.ended_ms = run->ended_ms,
				.bytes = run->bytes,
				.removed = run->remove,
				.exceeds = run->exceeds,
				.why = run->why};

			each(data, &pruned);
		}
		prune_release(&prune);
	}
	statedir_release(&dir);
	return result;
}
