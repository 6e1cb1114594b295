#include "config.h"

#include "cli/draw.h"

#include "util/alloc.h"
#include "util/json.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* levels of indentation that are drawn; what is deeper says its level in figures */
enum { TREE_DEPTH_MAX = 24, TREE_OTHERS_MAX = 4 };

static bool is_drawn(const struct orch_plan *plan, size_t stream)
{
	return !plan || orch_plan_action(plan, stream) != ORCH_PLAN_NOT_WANTED;
}

static bool is_stale(const struct orch_plan *plan, size_t stream)
{
	return plan &&
		(orch_plan_action(plan, stream) == ORCH_PLAN_RUN ||
			orch_plan_action(plan, stream) == ORCH_PLAN_PERHAPS);
}

static char printable(char c)
{
	return (unsigned char)c < ' ' ? ' ' : c;
}

/* text inside quotes of dot */
static void add_dot_label(struct strbuf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			strbuf_addch(out, '\\');
		strbuf_addch(out, printable(*c));
	}
}

/* text inside quotes of mermaid, which takes it for HTML and for its own names of characters, as #quot; is one */
static void add_mermaid_label(struct strbuf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (strchr("\"#&<>", *c))
			strbuf_addf(out, "#%d;", *c);
		else
			strbuf_addch(out, printable(*c));
	}
}

void draw_dot(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan)
{
	strbuf_addstr(out, "digraph \"");
	add_dot_label(out, orch_name(orch));
	strbuf_addstr(out, "\" {\n\trankdir=LR;\n\tnode [shape=box];\n");
	for (size_t s = 0; s < orch_stream_count(orch); s++) {
		const char *title = orch_stream_title(orch, s);

		if (!is_drawn(plan, s))
			continue;
		strbuf_addf(out, "\t\"%s\" [label=\"%s", orch_stream_name(orch, s), orch_stream_name(orch, s));
		if (title) {
			strbuf_addstr(out, "\\n");
			add_dot_label(out, title);
		}
		strbuf_addch(out, '"');
		if (orch_stream_is_group(orch, s))
			strbuf_addstr(out, ", shape=ellipse");
		if (is_stale(plan, s))
			strbuf_addstr(out, ", style=filled, fillcolor=lightyellow");
		strbuf_addstr(out, "];\n");
	}
	for (size_t s = 0; s < orch_stream_count(orch); s++) {
		for (size_t d = 0; is_drawn(plan, s) && d < orch_stream_dep_count(orch, s); d++) {
			bool order_only;
			size_t dep = orch_stream_dep(orch, s, d, &order_only);

			if (is_drawn(plan, dep))
				strbuf_addf(out, "\t\"%s\" -> \"%s\"%s;\n", orch_stream_name(orch, dep),
					orch_stream_name(orch, s), order_only ? " [style=dashed]" : "");
		}
	}
	strbuf_addstr(out, "}\n");
}

void draw_mermaid(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan)
{
	bool marked = false;

	strbuf_addstr(out, "flowchart LR\n");
	/* ids are numbers: names may be words that mean something to mermaid, such as "end" */
	for (size_t s = 0; s < orch_stream_count(orch); s++) {
		const char *title = orch_stream_title(orch, s);
		bool group = orch_stream_is_group(orch, s);

		if (!is_drawn(plan, s))
			continue;
		strbuf_addf(out, "\ts%zu%s\"%s", s, group ? "([" : "[", orch_stream_name(orch, s));
		if (title) {
			strbuf_addstr(out, "<br/>");
			add_mermaid_label(out, title);
		}
		strbuf_addf(out, "\"%s%s\n", group ? "])" : "]", is_stale(plan, s) ? ":::stale" : "");
		marked = marked || is_stale(plan, s);
	}
	for (size_t s = 0; s < orch_stream_count(orch); s++) {
		for (size_t d = 0; is_drawn(plan, s) && d < orch_stream_dep_count(orch, s); d++) {
			bool order_only;
			size_t dep = orch_stream_dep(orch, s, d, &order_only);

			if (is_drawn(plan, dep))
				strbuf_addf(out, "\ts%zu %s s%zu\n", dep, order_only ? "-.->" : "-->", s);
		}
	}
	if (marked)
		strbuf_addstr(out, "\tclassDef stale fill:#ffd,stroke:#aa0\n");
}

void draw_json(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan)
{
	struct json_writer w = {.out = out, .pretty = true};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "project");
	json_add_string(&w, orch_name(orch));
	json_add_key(&w, "streams");
	json_begin_array(&w);
	for (size_t s = 0; s < orch_stream_count(orch); s++) {
		if (!is_drawn(plan, s))
			continue;
		json_begin_object(&w);
		json_add_key(&w, "name");
		json_add_string(&w, orch_stream_name(orch, s));
		json_add_key(&w, "title");
		json_add_string(&w, orch_stream_title(orch, s));
		json_add_key(&w, "group");
		json_add_bool(&w, orch_stream_is_group(orch, s));
		for (int wanted = 0; wanted <= 1; wanted++) {
			json_add_key(&w, wanted ? "order_only" : "deps");
			json_begin_array(&w);
			for (size_t d = 0; d < orch_stream_dep_count(orch, s); d++) {
				bool order_only;
				size_t dep = orch_stream_dep(orch, s, d, &order_only);

				if (order_only == (wanted != 0) && is_drawn(plan, dep))
					json_add_string(&w, orch_stream_name(orch, dep));
			}
			json_end_array(&w);
		}
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(out, '\n');
}

/* --- the tree --- */

static const uint32_t NOBODY = UINT32_MAX;

/* all arrays have an item per stream; children of a stream are a list in the order of the file */
struct tree {
	const struct orch *orch;
	const struct orch_plan *plan;
	uint32_t count;
	uint32_t *rank; /* dependencies on the longest way to it */
	uint32_t *parent, *first_child, *next_sibling;
	uint32_t *level; /* of indentation */
	uint64_t *more;  /* bit L: there is another line at level L below this one */
};

/* ranks by counting down unmet dependencies: no recursion, whatever the depth */
static void find_ranks(struct tree *tree)
{
	const struct orch *orch = tree->orch;
	uint32_t *unmet = xcalloc((size_t)tree->count + 1, sizeof *unmet),
		 *first = xcalloc((size_t)tree->count + 2, sizeof *first);
	uint32_t *queue = xcalloc((size_t)tree->count + 1, sizeof *queue), *dependents, head = 0, tail = 0;
	size_t edges = 0;

	for (uint32_t s = 0; s < tree->count; s++) {
		unmet[s] = (uint32_t)orch_stream_dep_count(orch, s);
		edges += unmet[s];
		for (size_t d = 0; d < unmet[s]; d++)
			first[orch_stream_dep(orch, s, d, NULL) + 2]++;
		if (!unmet[s])
			queue[tail++] = s;
	}
	dependents = xcalloc(edges + 1, sizeof *dependents);
	for (uint32_t s = 2; s < tree->count + 2; s++)
		first[s] += first[s - 1];
	for (uint32_t s = 0; s < tree->count; s++) {
		for (size_t d = 0; d < orch_stream_dep_count(orch, s); d++)
			dependents[first[orch_stream_dep(orch, s, d, NULL) + 1]++] = s;
	}
	while (head < tail) {
		uint32_t s = queue[head++];

		for (uint32_t i = first[s]; i < first[s + 1]; i++) {
			uint32_t dependent = dependents[i];

			if (tree->rank[s] + 1 > tree->rank[dependent])
				tree->rank[dependent] = tree->rank[s] + 1;
			if (--unmet[dependent] == 0)
				queue[tail++] = dependent;
		}
	}
	free(unmet);
	free(first);
	free(queue);
	free(dependents);
}

static void find_parents(struct tree *tree)
{
	for (uint32_t s = 0; s < tree->count; s++)
		tree->parent[s] = tree->first_child[s] = tree->next_sibling[s] = NOBODY;
	/* from the last to the first, so that lists come out in the order of the file */
	for (uint32_t s = tree->count; s-- > 0;) {
		uint32_t parent = NOBODY;

		if (!is_drawn(tree->plan, s))
			continue;
		for (size_t d = 0; d < orch_stream_dep_count(tree->orch, s); d++) {
			uint32_t dep = (uint32_t)orch_stream_dep(tree->orch, s, d, NULL);

			if (is_drawn(tree->plan, dep) && (parent == NOBODY || tree->rank[dep] > tree->rank[parent]))
				parent = dep;
		}
		tree->parent[s] = parent;
		if (parent != NOBODY) {
			tree->next_sibling[s] = tree->first_child[parent];
			tree->first_child[parent] = s;
		}
	}
}

static void add_others(struct strbuf *out, const struct tree *tree, uint32_t stream)
{
	size_t others = 0;

	for (size_t d = 0; d < orch_stream_dep_count(tree->orch, stream); d++) {
		bool order_only;
		uint32_t dep = (uint32_t)orch_stream_dep(tree->orch, stream, d, &order_only);

		if (!is_drawn(tree->plan, dep) || (dep == tree->parent[stream] && !order_only))
			continue;
		if (others++ < TREE_OTHERS_MAX)
			strbuf_addf(out, "%s%s%s",
				others == 1 ? (dep == tree->parent[stream] ? "  (after " : "  (also after ") : ", ",
				orch_stream_name(tree->orch, dep), order_only ? " [order only]" : "");
	}
	if (others > TREE_OTHERS_MAX)
		strbuf_addf(out, " and %zu more", others - TREE_OTHERS_MAX);
	if (others)
		strbuf_addch(out, ')');
}

static void add_line(struct strbuf *out, const struct tree *tree, uint32_t stream, bool unicode)
{
	uint32_t level = tree->level[stream], shown = level < TREE_DEPTH_MAX ? level : TREE_DEPTH_MAX;

	for (uint32_t l = 1; l < shown; l++)
		strbuf_addstr(out, !(tree->more[stream] >> l & 1) ? "   " : unicode ? "│  " : "|  ");
	if (level > TREE_DEPTH_MAX)
		strbuf_addf(out, "%s%u: ", unicode ? "└─ … " : "`- ... ", level);
	else if (level)
		strbuf_addstr(
			out, tree->more[stream] >> level & 1 ? (unicode ? "├─ " : "|- ") : (unicode ? "└─ " : "`- "));
	strbuf_addstr(out, orch_stream_name(tree->orch, stream));
	if (orch_stream_title(tree->orch, stream))
		strbuf_addf(out, " \"%s\"", orch_stream_title(tree->orch, stream));
	if (orch_stream_is_group(tree->orch, stream))
		strbuf_addstr(out, " [group]");
	add_others(out, tree, stream);
	strbuf_addch(out, '\n');
}

void draw_tree(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan, bool unicode)
{
	size_t count = orch_stream_count(orch);
	struct tree tree = {.orch = orch, .plan = plan, .count = (uint32_t)count};

	tree.rank = xcalloc(count + 1, sizeof *tree.rank);
	tree.parent = xcalloc(count + 1, sizeof *tree.parent);
	tree.first_child = xcalloc(count + 1, sizeof *tree.first_child);
	tree.next_sibling = xcalloc(count + 1, sizeof *tree.next_sibling);
	tree.level = xcalloc(count + 1, sizeof *tree.level);
	tree.more = xcalloc(count + 1, sizeof *tree.more);
	find_ranks(&tree);
	find_parents(&tree);
	for (uint32_t root = 0; root < count; root++) {
		uint32_t s = root;

		if (tree.parent[root] != NOBODY || !is_drawn(plan, root))
			continue;
		while (s != NOBODY) {
			add_line(out, &tree, s, unicode);
			if (tree.first_child[s] != NOBODY) {
				s = tree.first_child[s];
			} else {
				while (s != NOBODY && s != root && tree.next_sibling[s] == NOBODY)
					s = tree.parent[s];
				s = s == root || s == NOBODY ? NOBODY : tree.next_sibling[s];
			}
			if (s != NOBODY) {
				uint32_t parent = tree.parent[s], level = tree.level[parent] + 1;

				tree.level[s] = level;
				tree.more[s] = tree.more[parent];
				if (level <= TREE_DEPTH_MAX && tree.next_sibling[s] != NOBODY)
					tree.more[s] |= UINT64_C(1) << level;
				else if (level <= TREE_DEPTH_MAX)
					tree.more[s] &= ~(UINT64_C(1) << level);
			}
		}
	}
	free(tree.rank);
	free(tree.parent);
	free(tree.first_child);
	free(tree.next_sibling);
	free(tree.level);
	free(tree.more);
}
