/*
 * SQLite task databases: tasks whose `metadata` name their stream (Task Copilot), and those with a table of streams and
 * one of dependencies (tc). The library is loaded when a database is first read: most runs of orch never do. The file
 * may be hostile: nothing is written, nothing in it is run (views, triggers, functions of the schema), and every query
 * is bounded.
 */
#include "config.h"

#include <sqlite3.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign/readers.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/utf8.h"

#define FUNCTIONS(f) \
	f(sqlite3_open_v2) f(sqlite3_close) f(sqlite3_prepare_v2) f(sqlite3_step) f(sqlite3_finalize) \
		f(sqlite3_column_text) f(sqlite3_column_bytes) f(sqlite3_column_type) f(sqlite3_errmsg) \
			f(sqlite3_limit) f(sqlite3_progress_handler) f(sqlite3_db_config) f(sqlite3_busy_timeout)

#define DECLARE(name) __typeof__(name) *name;
static struct {
	void *handle;
	FUNCTIONS(DECLARE)
} lib;

enum {
	STEPS_MAX = 2000, /* times 10 000 instructions of its machine, for one query */
	ROWS_MAX = 100 * 1000,
	COLUMNS = 8,
};

/* never unloaded */
static bool load(void)
{
	bool complete;

	if (lib.handle)
		return true;
	lib.handle = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
	complete = lib.handle != NULL;
/* a pointer to a function cannot be made from one to data but by its bytes */
#define FIND(name) \
	if (complete) { \
		void *symbol = dlsym(lib.handle, #name); \
		complete = symbol != NULL; \
		memcpy(&lib.name, &symbol, sizeof symbol); \
	}
	FUNCTIONS(FIND)
	if (!complete && lib.handle) {
		dlclose(lib.handle);
		lib.handle = NULL;
	}
	return complete;
}

/* what the file has, of what is looked for */
struct columns {
	bool tasks, metadata, assigned_agent, archived, stream_id, streams, dependencies;
};

struct database {
	struct model *model;
	struct columns there;
	sqlite3 *db;
	struct strbuf *listing;
	struct place start;
	unsigned steps;
};

static int count_steps(void *data)
{
	struct database *database = data;

	return ++database->steps > STEPS_MAX;
}

/* a row of a result, as nodes and as a line of the listing, where its place is */
struct row {
	const char *texts[COLUMNS]; /* NULL: null */
	struct place place;
};

static void list_row(
	struct database *database, const char *table, struct row *row, const char *const *columns, int count)
{
	struct strbuf *out = database->listing;
	size_t from = out->len;

	strbuf_addf(out, "%s:", table);
	for (int i = 0; i < count; i++) {
		if (!row->texts[i])
			continue;
		strbuf_addf(out, " %s=", columns[i]);
		for (const char *at = row->texts[i]; *at && at - row->texts[i] < 200; at++)
			strbuf_addch(out, (unsigned char)*at < 0x20 ? ' ' : *at);
	}
	row->place = database->start;
	row->place.offset = (uint32_t)from;
	row->place.length = (uint16_t)(out->len - from > 2000 ? 2000 : out->len - from);
	strbuf_addch(out, '\n');
}

static void fail(struct database *database, const char *what)
{
	diag_error(database->model->diags, database->start, "cannot read the database: %s%s", what,
		database->steps > STEPS_MAX ? " (a query took too long)" : "");
}

/* each row of a query to `take`; -1 after an error */
static int each_row(struct database *database, const char *table, const char *query, const char *const *columns,
	void (*take)(struct database *database, const struct row *row))
{
	sqlite3_stmt *statement = NULL;
	int count = 0, rows = 0, result;

	while (columns[count])
		count++;
	database->steps = 0;
	if (lib.sqlite3_prepare_v2(database->db, query, -1, &statement, NULL) != SQLITE_OK) {
		fail(database, lib.sqlite3_errmsg(database->db));
		return -1;
	}
	while ((result = lib.sqlite3_step(statement)) == SQLITE_ROW) {
		struct row row = {.texts = {0}};
		bool sound = true;

		if (++rows > ROWS_MAX || database->listing->len > 16 * 1024 * 1024) {
			diag_error(database->model->diags, database->start,
				"too much in table '%s': at most %d rows are read", table, ROWS_MAX);
			break;
		}
		for (int i = 0; i < count; i++) {
			const unsigned char *text = lib.sqlite3_column_text(statement, i);

			if (text && lib.sqlite3_column_type(statement, i) != SQLITE_NULL)
				row.texts[i] = arena_strdup(&database->model->arena, (const char *)text);
			sound &= !row.texts[i] ||
				utf8_invalid_at(row.texts[i], strlen(row.texts[i])) == strlen(row.texts[i]);
		}
		list_row(database, table, &row, columns, count);
		if (sound)
			take(database, &row);
		else
			diag_error(database->model->diags, row.place, "invalid UTF-8 in this row");
	}
	if (result != SQLITE_DONE && result != SQLITE_ROW)
		fail(database, lib.sqlite3_errmsg(database->db));
	lib.sqlite3_finalize(statement);
	return result == SQLITE_DONE ? 0 : -1;
}

/* --- what there is --- */

static void take_column(struct database *database, const struct row *row)
{
	struct columns *there = &database->there;
	const char *table = row->texts[0], *column = row->texts[1];

	if (!table || !column)
		return;
	there->streams |= strcmp(table, "streams") == 0 && strcmp(column, "name") == 0;
	there->dependencies |= strcmp(table, "task_dependencies") == 0 && strcmp(column, "depends_on") == 0;
	if (strcmp(table, "tasks") != 0)
		return;
	there->tasks |= strcmp(column, "title") == 0;
	there->metadata |= strcmp(column, "metadata") == 0;
	there->assigned_agent |= strcmp(column, "assigned_agent") == 0;
	there->archived |= strcmp(column, "archived") == 0;
	there->stream_id |= strcmp(column, "stream_id") == 0;
}

/* --- tasks with metadata --- */

/* a map of what a row says, as a JSON file would */
static struct node *map_of(struct database *database, const struct row *row, const char *const *columns)
{
	struct arena *arena = &database->model->arena;
	struct node *map = arena_alloc(arena, sizeof *map);

	map->kind = NODE_MAP;
	map->place = row->place;
	for (int i = 0; columns[i]; i++) {
		struct node *node;

		if (!row->texts[i])
			continue;
		node = arena_alloc(arena, sizeof *node);
		*node = (struct node){.kind = NODE_TEXT,
			.text = row->texts[i],
			.key = columns[i],
			.place = row->place,
			.key_place = row->place};
		if (map->last)
			map->last->next = node;
		else
			map->first = node;
		map->last = node;
	}
	return map;
}

static const char *const task_columns[] = {
	"id", "title", "description", "status", "assignedAgent", "notes", "metadata", NULL};

static void take_task(struct database *database, const struct row *row)
{
	struct model *model = database->model;
	const struct node *metadata = NULL;
	struct node *task;

	if (row->texts[6] && *row->texts[6]) {
		struct node_text text = {
			row->texts[6], strlen(row->texts[6]), &model->arena, model->diags, row->place, true};

		metadata = node_read_json(&text);
		if (!metadata)
			return;
	}
	task = map_of(database, row, task_columns);
	streams_read_task(model, task, metadata);
}

/* --- tables of streams and dependencies --- */

static const char *const stream_columns[] = {"name", "status", NULL};

static void take_stream(struct database *database, const struct row *row)
{
	struct node *map = map_of(database, row, stream_columns);
	struct foreign_stream *stream;

	if (!row->texts[0])
		return;
	stream = model_add(database->model, row->texts[0], row->place);
	if (stream)
		model_status(database->model, stream, node_member(map, "status"));
}

static const char *const stream_task_columns[] = {
	"id", "title", "description", "status", "agent", "streamName", "streamId", NULL};

static void take_stream_task(struct database *database, const struct row *row)
{
	streams_read_task(database->model, map_of(database, row, stream_task_columns), NULL);
}

static const char *const dependency_columns[] = {"stream", "depends_on", NULL};

static void take_dependency(struct database *database, const struct row *row)
{
	struct foreign_stream *stream = row->texts[0] ? model_find(database->model, row->texts[0]) : NULL;

	if (!stream || !row->texts[1])
		diag_error(database->model->diags, row->place, "a dependency of or on a task that is not there");
	else if (strcmp(row->texts[0], row->texts[1]) != 0)
		model_dep(database->model, stream, row->texts[1], row->place);
}

static void read_tables(struct database *database)
{
	static const char *const column_columns[] = {"table", "column", NULL};
	const struct columns *there = &database->there;
	char *query;

	if (each_row(database, "schema",
		    "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name IN ('tasks', 'streams', 'task_dependencies')",
		    column_columns, take_column) != 0)
		return;
	strbuf_truncate(database->listing, 0);
	if (!there->tasks) {
		diag_error(database->model->diags, database->start,
			"no task database that orch knows: it has no table 'tasks' with the column 'title'");
		return;
	}
	database->model->takes_deps = true;
	if (there->streams && there->stream_id) {
		if (each_row(database, "stream",
			    "SELECT name, status FROM streams WHERE status IS NULL OR status != 'archived' ORDER BY id",
			    stream_columns, take_stream) != 0 ||
			each_row(database, "task",
				"SELECT t.id, t.title, t.description, t.status, t.agent, CASE WHEN s.id IS NULL THEN t.title END, coalesce(s.name, 'task-' || t.id) FROM tasks t LEFT JOIN streams s ON s.id = t.stream_id WHERE s.status IS NULL OR s.status != 'archived' ORDER BY t.id",
				stream_task_columns, take_stream_task) != 0)
			return;
		if (there->dependencies)
			each_row(database, "dependency",
				"SELECT coalesce(s.name, 'task-' || t.id), coalesce(r.name, 'task-' || d.depends_on) FROM task_dependencies d LEFT JOIN tasks t ON t.id = d.task_id LEFT JOIN streams s ON s.id = t.stream_id LEFT JOIN tasks u ON u.id = d.depends_on LEFT JOIN streams r ON r.id = u.stream_id WHERE s.status IS NULL OR s.status != 'archived' ORDER BY d.task_id, d.depends_on",
				dependency_columns, take_dependency);
		return;
	}
	query = xasprintf("SELECT id, title, description, status, %s, NULL, %s FROM tasks%s ORDER BY rowid",
		there->assigned_agent ? "assigned_agent" : "NULL", there->metadata ? "metadata" : "NULL",
		there->archived ? " WHERE archived IS NULL OR archived = 0" : "");
	each_row(database, "task", query, task_columns, take_task);
	free(query);
}

void database_read(struct model *model, const char *path, struct strbuf *listing, struct place start)
{
	struct database database = {.model = model, .listing = listing, .start = start};

	model->kind = "a task database";
	if (!load()) {
		diag_error(model->diags, start,
			"a SQLite database: reading it needs the library libsqlite3.so.0, which is not installed");
		return;
	}
	if (lib.sqlite3_open_v2(path, &database.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		fail(&database, database.db ? lib.sqlite3_errmsg(database.db) : "out of memory");
		lib.sqlite3_close(database.db);
		return;
	}
	lib.sqlite3_limit(database.db, SQLITE_LIMIT_LENGTH, 16 * 1024 * 1024);
	lib.sqlite3_db_config(database.db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	lib.sqlite3_db_config(database.db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	lib.sqlite3_busy_timeout(database.db, 5000);
	lib.sqlite3_progress_handler(database.db, 10000, count_steps, &database);
	read_tables(&database);
	streams_finish(model);
	lib.sqlite3_progress_handler(database.db, 0, NULL, NULL);
	lib.sqlite3_close(database.db);
}
