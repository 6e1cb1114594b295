/*
 * Stream metadata: {"streams": [{"streamId", "streamName", "dependencies"}]}, and tasks that name their stream in
 * `streamId`, by themselves or in `metadata`. A stream's tasks become its checklist; what they say of dependencies,
 * files and agents is united.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "foreign/readers.h"
#include "util/alloc.h"
#include "util/diag.h"

static const char *const known[] = {"streamId", "streamName", "streamPhase", "dependencies", "streamDependencies",
	"files", "streamPaths", "tasks", "status", "title", "description", "name", "id", "assignedAgent",
	"assigned_agent", "agent", "metadata", "phase", "complexity", "priority", "notes", "prdId", "prd_id",
	"parentId", "createdAt", "updatedAt", "created_at", "updated_at", NULL};

/* what is known of a stream beside the model: how many tasks it has, and how many are not open any more */
struct tally {
	uint32_t tasks, closed, done;
};

static const struct node *stream_id(const struct node *item)
{
	const struct node *id = node_member(item, "streamId");

	return id ? id : node_member(node_member(item, "metadata"), "streamId");
}

static const struct node *list_at(const struct node *root, const char *key)
{
	const struct node *list = root && root->kind == NODE_LIST ? root : node_member(root, key);

	return list && list->kind == NODE_LIST ? list : NULL;
}

bool streams_are(const struct node *root)
{
	const struct node *streams = list_at(root, "streams"), *tasks = list_at(root, "tasks");

	for (const struct node *item = streams ? streams->first : NULL; item; item = item->next) {
		if (stream_id(item))
			return true;
	}
	for (const struct node *item = tasks ? tasks->first : NULL; item; item = item->next) {
		if (stream_id(item))
			return true;
	}
	return false;
}

/* the stream of that id, new or known already; what it is called may come in any of its tasks */
static struct foreign_stream *stream_of(struct model *model, const struct node *id, const char *name)
{
	const char *title, *key;
	struct foreign_stream *stream;

	if (id->kind != NODE_TEXT || !*id->text) {
		diag_error(model->diags, id->place, "expected the id of a stream");
		return NULL;
	}
	key = model_split_key(model, id->text, &title);
	stream = model_find(model, key);
	if (!stream)
		stream = model_add(model, key, id->place);
	if (name)
		title = name;
	if (title && stream->title && strcmp(title, stream->title) != 0)
		diag_warning(model->diags, id->place, "stream '%s' is called '%s' here, and '%s' before: that stays",
			stream->key, title, stream->title);
	else if (title)
		stream->title = title;
	return stream;
}

/* what a stream and each of its tasks may say of it */
static void take_metadata(struct model *model, struct foreign_stream *stream, const struct node *metadata)
{
	model_deps(model, stream, node_member(metadata, "dependencies"));
	model_deps(model, stream, node_member(metadata, "streamDependencies"));
	model_touches(model, stream, node_member(metadata, "files"));
	model_touches(model, stream, node_member(metadata, "streamPaths"));
	if (node_member_text(metadata, "streamPhase"))
		model_tags(model, stream, node_member(metadata, "streamPhase"));
	model_warn_unknown(model, metadata, known);
}

static const struct node *agent_of(const struct node *item)
{
	static const char *const names[] = {"assignedAgent", "assigned_agent", "agent"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (node_member(item, names[i]))
			return node_member(item, names[i]);
	}
	return NULL;
}

static struct tally *tally_of(struct model *model, const struct foreign_stream *stream)
{
	char *mark = xasprintf("tally %p", (const void *)stream);
	struct tally *tally = map_get(&model->said, mark);

	if (!tally) {
		tally = arena_alloc(&model->arena, sizeof *tally);
		map_set(&model->said, mark, tally);
	}
	free(mark);
	return tally;
}

void streams_read_task(struct model *model, const struct node *task, const struct node *metadata)
{
	const struct node *id = stream_id(task), *status = node_member(task, "status");
	const char *title = node_member_text(task, "title"), *text = node_member_text(task, "description");
	struct foreign_stream *stream;
	struct tally *tally;
	bool closed;

	if (!id && metadata)
		id = node_member(metadata, "streamId");
	if (!id)
		id = node_member(task, "id");
	if (!title)
		title = text;
	if (!id || !title) {
		diag_error(model->diags, task->place,
			id ? "a task without a title" : "a task that says neither 'streamId' nor 'id'");
		return;
	}
	stream = stream_of(model, id, node_member_text(metadata ? metadata : task, "streamName"));
	if (!stream)
		return;
	take_metadata(model, stream, task);
	if (metadata)
		take_metadata(model, stream, metadata);
	if (agent_of(task))
		model_tags(model, stream, agent_of(task));
	closed = status && status->kind == NODE_TEXT && (model_is_done(status->text) || model_is_dropped(status->text));
	tally = tally_of(model, stream);
	tally->tasks++;
	tally->closed += closed;
	tally->done += closed && model_is_done(status->text);
	if (!closed) {
		struct foreign_stream probe = {.key = title};

		/* one that is put off puts its whole stream off */
		model_status(model, &probe, status);
		stream->held |= probe.held;
		model_task(model, stream, title, task->place);
	}
	strbuf_addf(&stream->prompt, "%s- %s%s", stream->prompt.len ? "\n" : "", title, closed ? " (done)" : "");
	for (const char *line = text && text != title ? text : NULL; line && *line;) {
		size_t len = strcspn(line, "\n");

		strbuf_addf(&stream->prompt, "\n  %.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
	if (agent_of(task) && agent_of(task)->kind == NODE_TEXT)
		strbuf_addf(&stream->prompt, "\n  Role: %s", agent_of(task)->text);
}

void streams_finish(struct model *model)
{
	for (size_t i = 0; i < model->streams.count; i++) {
		struct foreign_stream *stream = model->streams.items[i];
		const struct tally *tally = tally_of(model, stream);
		struct strbuf whole = {0};

		if (tally->tasks && tally->closed == tally->tasks) {
			stream->complete = true;
			if (!tally->done)
				diag_warning(model->diags, stream->place,
					"all tasks of '%s' are cancelled there: nothing is done for it, and what depends on it goes on",
					stream->key);
		}
		strbuf_addstr(&whole, stream->title ? stream->title : stream->key);
		if (stream->prompt.len)
			strbuf_addf(&whole, "\n\n%s", strbuf_cstr(&stream->prompt));
		strbuf_release(&stream->prompt);
		stream->prompt = whole;
	}
}

static void read_stream(struct model *model, const struct node *item)
{
	const struct node *id = stream_id(item), *tasks = node_member(item, "tasks");
	struct foreign_stream *stream;

	if (!id) {
		diag_error(model->diags, item->place, "a stream without 'streamId'");
		return;
	}
	if (id->kind == NODE_TEXT && model_find(model, id->text)) {
		diag_error(model->diags, id->place, "stream '%s' is there twice", id->text);
		diag_note(model->diags, model_find(model, id->text)->place, "the first time is here");
		return;
	}
	stream = stream_of(model, id, node_member_text(item, "streamName"));
	if (!stream)
		return;
	take_metadata(model, stream, item);
	model_status(model, stream, node_member(item, "status"));
	model_paragraph(stream, NULL, node_member_text(item, "description"));
	for (const struct node *task = tasks && tasks->kind == NODE_LIST ? tasks->first : NULL; task;
		task = task->next) {
		const char *title = task->kind == NODE_TEXT ? task->text : node_member_text(task, "title");
		const char *status = node_member_text(task, "status");
		bool closed = status && (model_is_done(status) || model_is_dropped(status));
		struct tally *tally = tally_of(model, stream);

		if (!title) {
			diag_error(model->diags, task->place, "a task without a title");
			continue;
		}
		tally->tasks++;
		tally->closed += closed;
		tally->done += closed && model_is_done(status);
		strbuf_addf(
			&stream->prompt, "%s- %s%s", stream->prompt.len ? "\n" : "", title, closed ? " (done)" : "");
		model_deps(model, stream, node_member(task, "dependencies"));
		model_touches(model, stream, node_member(task, "files"));
		if (!closed)
			model_task(model, stream, title, task->place);
	}
}

void streams_read(struct model *model, const struct node *root)
{
	const struct node *streams = list_at(root, "streams"), *tasks = list_at(root, "tasks");

	model->kind = "stream metadata";
	if (root->kind == NODE_LIST) {
		/* a list: of streams where each names another, of tasks where they name one together */
		bool are_tasks =
			root->first && (node_member(root->first, "title") || node_member(root->first, "metadata"));

		streams = are_tasks ? NULL : root;
		tasks = are_tasks ? root : NULL;
	}
	for (const struct node *item = streams ? streams->first : NULL; item; item = item->next)
		read_stream(model, item);
	for (const struct node *item = tasks ? tasks->first : NULL; item; item = item->next)
		streams_read_task(model, item, node_member(item, "metadata"));
	streams_finish(model);
}
