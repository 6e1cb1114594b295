/*
 * Task lists: {"tasks": [{"key", "title", "description", "specialist", "priority", "dependencies"}]}, as a list or
 * under `tasks`; and Task Master's files, which are the same with numbers as keys, with subtasks and statuses, and
 * maybe with a list for each tag: {"master": {"tasks": [...]}, ...}. A task is a stream; its subtasks are the stream's
 * checklist.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "foreign/readers.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/units.h"

static const char *const known[] = {"key", "id", "name", "title", "description", "details", "testStrategy",
	"acceptanceCriteria", "specialist", "assignedAgent", "assigned_agent", "assignee", "agent", "priority",
	"dependencies", "depends_on", "dependsOn", "after", "estimatedHours", "status", "completed", "tags", "labels",
	"files", "touches", "subtasks", "parallel", "createdAt", "updatedAt", "completedAt", "created_at", "updated_at",
	"complexity", "complexityScore", "recommendedSubtasks", "expansionPrompt", "parentId", "parentTaskId",
	"metadata", NULL};

/* of the file itself: what it says of where it comes from */
static const char *const known_top[] = {"tasks", "source", "specId", "specName", "specType", "createdAt", "version",
	"lastUpdated", "updatedAt", "metadata", "meta", "estimatedTotalHours", "parallelizationFactor", "project",
	"name", "title", "description", "projectName", "sessionId", NULL};

static bool is_tagged(const struct node *root)
{
	if (!root || root->kind != NODE_MAP)
		return false;
	for (const struct node *tag = root->first; tag; tag = tag->next) {
		const struct node *tasks = node_member(tag, "tasks");

		if (tasks && tasks->kind == NODE_LIST)
			return true;
	}
	return false;
}

static bool is_task_like(const struct node *item)
{
	static const char *const marks[] = {"key", "id", "title", "name", NULL};

	for (const char *const *mark = marks; *mark; mark++) {
		if (node_member(item, *mark))
			return true;
	}
	return false;
}

bool tasks_are(const struct node *root)
{
	const struct node *tasks = node_member(root, "tasks");

	if (root && root->kind == NODE_LIST)
		return root->first && is_task_like(root->first);
	return (tasks && tasks->kind == NODE_LIST) || is_tagged(root);
}

char *tasks_key(struct model *model, const char *prefix, const char *key)
{
	return prefix ? arena_printf(&model->arena, "%s.%s", prefix, key) : arena_strdup(&model->arena, key);
}

static const struct node *first_of(const struct node *map, const char *const *keys)
{
	for (; *keys; keys++) {
		const struct node *node = node_member(map, *keys);

		if (node)
			return node;
	}
	return NULL;
}

static const char *task_key(struct model *model, const struct node *task, size_t number)
{
	static const char *const keys[] = {"key", "id", NULL};
	const struct node *key = first_of(task, keys);

	if (!key)
		key = node_member(task, "name");
	if (key && key->kind == NODE_TEXT && *key->text)
		return key->text;
	if (!node_member_text(task, "title") && !node_member_text(task, "description")) {
		diag_error(model->diags, task->place,
			"a task says neither what it is called ('key', 'id') nor what there is to do ('title', 'description')");
		return NULL;
	}
	model_warn_once(model, " keys", task->place,
		"a task without 'key' or 'id': it is called by its number, task-%zu; others may be too", number);
	return arena_printf(&model->arena, "task-%zu", number);
}

static void read_estimate(struct model *model, struct foreign_stream *stream, const struct node *hours)
{
	double value;

	if (!hours || hours->kind != NODE_TEXT)
		return;
	if (units_parse_double(hours->text, &value) && value > 0 && value < 100000)
		stream->estimate_ms = (int64_t)(value * 3600) * 1000;
	else
		diag_warning(model->diags, hours->place, "'%s' is no number of hours: it is left out", hours->text);
}

static void read_task(struct model *model, const struct node *task, const char *prefix, size_t number)
{
	static const char *const dep_names[] = {"dependencies", "depends_on", "dependsOn", "after", NULL};
	static const char *const role_names[] = {
		"specialist", "assignedAgent", "assigned_agent", "assignee", "agent", NULL};
	const char *id, *title;
	struct foreign_stream *stream;
	const struct node *deps;

	if (task->kind != NODE_MAP) {
		diag_error(model->diags, task->place, "expected a task: {\"key\": ..., \"title\": ...}");
		return;
	}
	id = task_key(model, task, number);
	if (!id)
		return;
	id = model_split_key(model, id, &title);
	stream = model_add(model, tasks_key(model, prefix, id), task->place);
	if (!stream)
		return;
	if (node_member_text(task, "title"))
		title = node_member_text(task, "title");
	else if (node_member_text(task, "name") && strcmp(node_member_text(task, "name"), id) != 0)
		title = node_member_text(task, "name");
	stream->title = title;
	model_paragraph(stream, NULL, title ? title : stream->key);
	if (node_member_text(task, "description") &&
		(!title || strcmp(node_member_text(task, "description"), title) != 0))
		model_paragraph(stream, NULL, node_member_text(task, "description"));
	model_paragraph_node(stream, NULL, node_member(task, "details"));
	model_role(model, stream, first_of(task, role_names));
	model_paragraph_node(stream, "Acceptance criteria", node_member(task, "acceptanceCriteria"));
	model_paragraph_node(stream, "How it is tested", node_member(task, "testStrategy"));
	deps = first_of(task, dep_names);
	if (!prefix || !deps || deps->kind != NODE_LIST) {
		model_deps(model, stream, deps);
	} else {
		model->takes_deps = true;
		for (const struct node *dep = deps->first; dep; dep = dep->next) {
			if (dep->kind == NODE_TEXT)
				model_dep(model, stream, tasks_key(model, prefix, dep->text), dep->place);
			else
				diag_error(model->diags, dep->place, "expected the number of a task");
		}
	}
	model_priority(model, stream, node_member(task, "priority"));
	model_status(model, stream, node_member(task, "status"));
	if (model_truth(node_member(task, "completed"), false))
		stream->complete = true;
	read_estimate(model, stream, node_member(task, "estimatedHours"));
	model_tags(model, stream, node_member(task, "tags"));
	model_tags(model, stream, node_member(task, "labels"));
	model_touches(model, stream, node_member(task, "files"));
	model_touches(model, stream, node_member(task, "touches"));
	if (node_member(task, "subtasks"))
		subtasks_read(model, stream, prefix, id, node_member(task, "subtasks"));
	if (!model_truth(node_member(task, "parallel"), true))
		model_warn_once(model, "parallel", node_member(task, "parallel")->place,
			"'parallel' is not carried out: what runs together follows from the dependencies, and from 'touches' with 'project: overlap = serialize'");
	model_warn_unknown(model, task, known);
}

static void read_list(struct model *model, const struct node *tasks, const char *prefix)
{
	size_t number = 0;

	for (const struct node *task = tasks->first; task; task = task->next)
		read_task(model, task, prefix, ++number);
}

static void read_tagged(struct model *model, const struct node *root)
{
	size_t tags = 0;

	for (const struct node *tag = root->first; tag; tag = tag->next) {
		const struct node *tasks = node_member(tag, "tasks");

		tags += tasks && tasks->kind == NODE_LIST && tasks->first;
	}
	for (const struct node *tag = root->first; tag; tag = tag->next) {
		const struct node *tasks = node_member(tag, "tasks");

		if (tasks && tasks->kind == NODE_LIST)
			read_list(model, tasks, tags > 1 ? tag->key : NULL);
		else if (tag->kind != NODE_NULL)
			model_warn_once(model, tag->key, tag->key_place, "'%s' has no tasks: it is left out", tag->key);
	}
	/* of several lists each is for itself, and each can be asked for */
	for (size_t i = 0; tags > 1 && i < model->streams.count; i++) {
		const char *key = model->streams.items[i]->key, *dot = strchr(key, '.');

		if (dot) {
			char *tag = xstrndup(key, (size_t)(dot - key));

			model_tag(model, model->streams.items[i], tag, model->streams.items[i]->place);
			free(tag);
		}
	}
}

void tasks_read(struct model *model, const struct node *root)
{
	const struct node *tasks = root->kind == NODE_LIST ? root : node_member(root, "tasks");

	model->kind = "a task list";
	if (tasks && tasks->kind == NODE_LIST) {
		if (tasks->first && node_member(tasks->first, "subtasks"))
			model->kind = "a task list of Task Master";
		read_list(model, tasks, NULL);
		if (root->kind == NODE_MAP)
			model_warn_unknown(model, root, known_top);
	} else {
		model->kind = "a task list of Task Master";
		read_tagged(model, root);
	}
}
