#include "config.h"

#include "graph/project.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/digest.h"
#include "util/path.h"
#include "util/suggest.h"

enum { FIRST_CAPACITY = 64 };

void project_init(struct project *project)
{
	memset(project, 0, sizeof *project);
	project->set.limit_wait_ms = -1;
}

void project_release(struct project *project)
{
	free(project->streams);
	free(project->deps);
	free(project->symbols);
	free(project->symbol_slots);
	free(project->refs);
	source_set_release(&project->sources);
	arena_release(&project->arena);
	memset(project, 0, sizeof *project);
}

static uint32_t hash_name(const char *name, size_t len)
{
	return (uint32_t)digest_bytes(name, len);
}

/* half as much again: at 100 000 streams the unused end of the array stays small, and is never touched */
static uint32_t grown(uint32_t capacity)
{
	return capacity ? capacity + capacity / 2 : FIRST_CAPACITY;
}

/* the slot where `name` is or would be */
static uint32_t find_slot(const struct project *project, const char *name, size_t len, uint32_t hash)
{
	uint32_t mask = project->slot_count - 1;
	uint32_t slot = hash & mask;

	for (; project->symbol_slots[slot]; slot = (slot + 1) & mask) {
		const struct symbol *symbol = &project->symbols[project->symbol_slots[slot] - 1];

		if (symbol->hash == hash && strncmp(symbol->name, name, len) == 0 && !symbol->name[len])
			break;
	}
	return slot;
}

static void rehash(struct project *project, uint32_t slot_count)
{
	uint32_t mask = slot_count - 1;

	free(project->symbol_slots);
	project->symbol_slots = xcalloc(slot_count, sizeof *project->symbol_slots);
	project->slot_count = slot_count;
	for (uint32_t i = 0; i < project->symbol_count; i++) {
		uint32_t slot = project->symbols[i].hash & mask;

		while (project->symbol_slots[slot])
			slot = (slot + 1) & mask;
		project->symbol_slots[slot] = i + 1;
	}
}

char *project_repository(const struct project *project)
{
	char *joined, *clean;

	if (!project->set.repository)
		return xstrdup(project->dir);
	joined = path_join(project->dir, project->set.repository);
	clean = path_clean(joined);
	free(joined);
	return clean;
}

uint32_t project_symbol(struct project *project, const char *name, size_t len)
{
	uint32_t hash = hash_name(name, len), slot;
	struct symbol *symbol;

	if ((project->symbol_count + 1) * (uint64_t)3 > project->slot_count * (uint64_t)2)
		rehash(project, project->slot_count ? project->slot_count * 2 : 2 * FIRST_CAPACITY);
	slot = find_slot(project, name, len, hash);
	if (project->symbol_slots[slot])
		return project->symbol_slots[slot] - 1;
	if (project->symbol_count == project->symbol_capacity) {
		project->symbol_capacity = grown(project->symbol_capacity);
		project->symbols = xreallocarray(project->symbols, project->symbol_capacity, sizeof *project->symbols);
	}
	symbol = &project->symbols[project->symbol_count];
	symbol->name = arena_strndup(&project->arena, name, len);
	symbol->stream = NO_STREAM;
	symbol->hash = hash;
	project->symbol_slots[slot] = ++project->symbol_count;
	return project->symbol_count - 1;
}

uint32_t project_findn(const struct project *project, const char *name, size_t len)
{
	uint32_t slot;

	if (!project->slot_count)
		return NO_STREAM;
	slot = find_slot(project, name, len, hash_name(name, len));
	return project->symbol_slots[slot] ? project->symbols[project->symbol_slots[slot] - 1].stream : NO_STREAM;
}

uint32_t project_find(const struct project *project, const char *name)
{
	return project_findn(project, name, strlen(name));
}

const struct agent *project_agent(const struct project *project, const char *name)
{
	for (uint32_t i = 0; i < project->profile_count; i++) {
		if (strcmp(project->profiles[i].name, name) == 0)
			return &project->profiles[i];
	}
	return NULL;
}

const struct queue_runner *project_runner(const struct project *project, const char *name)
{
	for (uint32_t i = 0; i < project->runner_count; i++) {
		if (strcmp(project->runners[i].name, name) == 0)
			return &project->runners[i];
	}
	return NULL;
}

const char *project_runner_name(const struct project *project, const struct settings *set)
{
	if (set->runner)
		return set->runner;
	return project->set.runner ? project->set.runner : "process";
}

const struct pool *project_pool(const struct project *project, const char *name)
{
	for (uint32_t i = 0; i < project->pool_count; i++) {
		if (strcmp(project->pools[i].name, name) == 0)
			return &project->pools[i];
	}
	return NULL;
}

struct stream *project_add_stream(struct project *project, const char *name, size_t len)
{
	uint32_t number = project_symbol(project, name, len);
	struct symbol *symbol = &project->symbols[number];
	struct stream *stream;

	if (symbol->stream != NO_STREAM)
		return NULL;
	if (project->stream_count == project->stream_capacity) {
		project->stream_capacity = grown(project->stream_capacity);
		project->streams = xreallocarray(project->streams, project->stream_capacity, sizeof *project->streams);
	}
	symbol->stream = project->stream_count;
	stream = &project->streams[project->stream_count++];
	memset(stream, 0, sizeof *stream);
	stream->name = symbol->name;
	stream->first_dep = project->dep_count;
	stream->generated_by = NO_STREAM;
	return stream;
}

void project_add_dep(struct project *project, struct stream *stream, uint32_t symbol, uint32_t offset, bool order_only)
{
	if (project->dep_count == project->dep_capacity) {
		project->dep_capacity = grown(project->dep_capacity);
		project->deps = xreallocarray(project->deps, project->dep_capacity, sizeof *project->deps);
	}
	project->deps[project->dep_count++] =
		(struct dep_ref){.symbol = symbol, .offset = offset, .order_only = order_only};
	stream->dep_count++;
}

const char *project_suggest(const struct project *project, const char *name)
{
	struct suggest suggest = {.wanted = name};

	for (uint32_t i = 0; i < project->stream_count; i++)
		suggest_offer(&suggest, project->streams[i].name);
	return suggest.best;
}
