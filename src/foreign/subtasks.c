/* Subtasks of a task: the checklist of its stream, in an order in which they can be done; a circle among them is an
 * error. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "foreign/readers.h"
#include "util/diag.h"

struct subtask {
	const struct node *node;
	const struct node *next_dep; /* to look at next, while they are put in order */
	enum { UNSEEN, OPEN, PLACED } state;
};

struct subtasks {
	struct model *model;
	struct foreign_stream *stream;
	const char *prefix, *id; /* of the task, and of its tag */
	struct subtask *items, **order, **stack;
	size_t count, placed;
	struct map by_id;
};

static struct subtask *sibling(const struct subtasks *all, const char *dep)
{
	size_t len = strlen(all->id);
	struct subtask *found = map_get(&all->by_id, dep);

	if (!found && strncmp(dep, all->id, len) == 0 && dep[len] == '.')
		found = map_get(&all->by_id, dep + len + 1);
	return found;
}

/* behind what it needs, as far as that is in the list; false: there is a circle */
static bool place(struct subtasks *all, struct subtask *first)
{
	size_t depth = 0;

	first->state = OPEN;
	all->stack[depth++] = first;
	while (depth) {
		struct subtask *top = all->stack[depth - 1], *other;
		const struct node *dep = top->next_dep;

		if (!dep) {
			top->state = PLACED;
			all->order[all->placed++] = top;
			depth--;
			continue;
		}
		top->next_dep = dep->next;
		other = dep->kind == NODE_TEXT ? sibling(all, dep->text) : NULL;
		if (other && other->state == OPEN) {
			diag_error(all->model->diags, dep->place,
				"circular dependency of subtasks: '%s' of '%s' is needed for what it needs itself",
				dep->text, all->id);
			return false;
		}
		if (other && other->state == UNSEEN) {
			other->state = OPEN;
			all->stack[depth++] = other;
		}
	}
	return true;
}

/* "(done)", ", after 1, 2" */
static void add_state(struct strbuf *out, const struct node *subtask)
{
	const char *status = node_member_text(subtask, "status");
	const struct node *deps = node_member(subtask, "dependencies");

	if (status && (model_is_done(status) || model_is_dropped(status))) {
		strbuf_addf(out, " (%s)", status);
		return;
	}
	for (const struct node *dep = deps ? deps->first : NULL; dep; dep = dep->next) {
		if (dep->kind == NODE_TEXT)
			strbuf_addf(out, "%s%s", dep == deps->first ? ", after " : ", ", dep->text);
	}
}

/* each line of a text, two blanks in */
static void add_further(struct strbuf *out, const char *text)
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		strbuf_addf(out, "\n  %.*s", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

/* a subtask waits for siblings, which its own stream does; for anything else the stream waits as a whole */
static void take_deps(struct subtasks *all, const struct node *deps)
{
	if (deps && deps->kind != NODE_LIST) {
		diag_error(all->model->diags, deps->place, "expected a list of what this subtask depends on");
		return;
	}
	for (const struct node *dep = deps ? deps->first : NULL; dep; dep = dep->next) {
		if (dep->kind != NODE_TEXT)
			diag_error(all->model->diags, dep->place, "expected the number of a subtask or task");
		else if (!sibling(all, dep->text))
			model_dep(all->model, all->stream, tasks_key(all->model, all->prefix, dep->text), dep->place);
	}
}

static void take(struct subtasks *all, struct strbuf *text, const struct node *subtask)
{
	const char *title = node_member_text(subtask, "title"), *number = node_member_text(subtask, "id");
	const char *status = node_member_text(subtask, "status"), *described = node_member_text(subtask, "description");

	take_deps(all, node_member(subtask, "dependencies"));
	if (!title)
		title = described;
	if (!title) {
		diag_warning(all->model->diags, subtask->place, "a subtask without a title: it is left out");
		return;
	}
	strbuf_addf(text, "%s- %s%s%s", text->len ? "\n" : "", number ? number : "", number ? " " : "", title);
	add_state(text, subtask);
	if (described != title)
		add_further(text, described);
	add_further(text, node_member_text(subtask, "details"));
	if (!status || !(model_is_done(status) || model_is_dropped(status)))
		model_task(all->model, all->stream, title, subtask->place);
}

void subtasks_read(
	struct model *model, struct foreign_stream *stream, const char *prefix, const char *id, const struct node *list)
{
	struct subtasks all = {.model = model, .stream = stream, .prefix = prefix, .id = id};
	struct strbuf text = {0};
	bool sound = true;

	if (list->kind != NODE_LIST) {
		diag_error(model->diags, list->place, "expected a list of subtasks");
		return;
	}
	all.items = arena_alloc(&model->arena, (list->count + 1) * sizeof *all.items);
	all.order = arena_alloc(&model->arena, (list->count + 1) * sizeof(struct subtask *));
	all.stack = arena_alloc(&model->arena, (list->count + 1) * sizeof(struct subtask *));
	for (const struct node *node = list->first; node; node = node->next) {
		struct subtask *subtask = &all.items[all.count++];
		const struct node *deps = node_member(node, "dependencies");
		const char *number = node_member_text(node, "id");

		subtask->node = node;
		subtask->next_dep = deps && deps->kind == NODE_LIST ? deps->first : NULL;
		if (!number)
			continue;
		map_set(&all.by_id, number, subtask);
		model_alias(model, arena_printf(&model->arena, "%s.%s", stream->key, number), stream);
	}
	for (size_t i = 0; i < all.count && sound; i++)
		sound = all.items[i].state != UNSEEN || place(&all, &all.items[i]);
	for (size_t i = 0; i < all.placed && sound; i++)
		take(&all, &text, all.order[i]->node);
	model_paragraph(stream, "Subtasks", strbuf_cstr(&text));
	strbuf_release(&text);
	map_release(&all.by_id);
}
