#include "config.h"

#include "lang/scope.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"

const struct scope_variable *scope_variable(const struct scope *scope, const char *name, size_t len)
{
	return map_getn(&scope->by_name, name, len);
}

static const struct scope_loop *find_loop(const struct scope *scope, const char *name, size_t len)
{
	const struct scope_loop *loop = scope->loop;

	while (loop && !(strncmp(loop->name, name, len) == 0 && !loop->name[len]))
		loop = loop->outer;
	return loop;
}

bool scope_is_loop_name(const struct scope *scope, const char *name, size_t len)
{
	return find_loop(scope, name, len) != NULL;
}

const char *scope_get(const struct scope *scope, const char *name, size_t len)
{
	const struct scope_loop *loop = find_loop(scope, name, len);
	const struct scope_variable *variable;

	if (loop)
		return loop->value;
	variable = scope_variable(scope, name, len);
	return variable ? variable->value : NULL;
}

void scope_set(struct scope *scope, const char *name, size_t name_len, const char *value, size_t len,
	struct place place, bool fixed)
{
	struct scope_variable *variable = map_getn(&scope->by_name, name, name_len);
	char *copy;

	if (variable && variable->fixed && !fixed)
		return;
	copy = xstrndup(value, len);
	if (!variable) {
		variable = xcalloc(1, sizeof *variable);
		variable->name = xstrndup(name, name_len);
		map_set(&scope->by_name, variable->name, variable);
		if (scope->last)
			scope->last->next = variable;
		else
			scope->first = variable;
		scope->last = variable;
		scope->count++;
	}
	free(variable->value);
	variable->value = copy;
	variable->len = len;
	variable->place = place;
	variable->fixed = fixed;
}

void scope_offer(const struct scope *scope, struct suggest *suggest)
{
	for (const struct scope_loop *loop = scope->loop; loop; loop = loop->outer)
		suggest_offer(suggest, loop->name);
	for (const struct scope_variable *variable = scope->first; variable; variable = variable->next)
		suggest_offer(suggest, variable->name);
}

void scope_copy(struct scope *to, const struct scope *from)
{
	for (const struct scope_variable *variable = from->first; variable; variable = variable->next)
		scope_set(to, variable->name, strlen(variable->name), variable->value, variable->len, variable->place,
			variable->fixed);
}

void scope_export(const struct scope *scope, struct project *project)
{
	uint32_t count = 0;

	project->variables = arena_alloc(&project->arena, scope->count * sizeof *project->variables + 1);
	for (const struct scope_variable *variable = scope->first; variable; variable = variable->next) {
		struct variable *out = &project->variables[count++];

		out->name = arena_strdup(&project->arena, variable->name);
		out->value = arena_strndup(&project->arena, variable->value, variable->len);
		out->place = variable->place;
	}
	project->variable_count = count;
}

void scope_release(struct scope *scope)
{
	struct scope_variable *next;

	for (struct scope_variable *variable = scope->first; variable; variable = next) {
		next = variable->next;
		free(variable->name);
		free(variable->value);
		free(variable);
	}
	map_release(&scope->by_name);
	memset(scope, 0, sizeof *scope);
}
