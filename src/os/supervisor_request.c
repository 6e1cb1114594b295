#include "config.h"

#include "os/supervisor_request.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/alloc.h"

/* the `count` texts at *at, as a vector with room for so many more; NULL: they do not end where they should */
static char **take_texts(char **at, char *end, uint32_t count, uint32_t more)
{
	char **items;

	if (count > (size_t)(end - *at) || more > (size_t)(end - *at))
		return NULL;
	items = xreallocarray(NULL, (size_t)count + more + 1, sizeof *items);
	for (uint32_t i = 0; i < count; i++) {
		char *stop = memchr(*at, '\0', (size_t)(end - *at));

		if (!stop) {
			free(items);
			return NULL;
		}
		items[i] = *at;
		*at = stop + 1;
	}
	items[count] = NULL;
	return items;
}

static bool take_text(const char **out, char **at, char *end)
{
	char *text = *at, *stop = memchr(text, '\0', (size_t)(end - text));

	if (!stop)
		return false;
	*at = stop + 1;
	*out = *text ? text : NULL;
	return true;
}

static bool add_slot(char **env, const struct request *request, int slot, char *at, char *end)
{
	char **texts, **to = env + request->envc;

	if (slot < 0 || (uint32_t)slot >= request->slots || request->per_slot > (size_t)(end - at) / request->slots)
		return false;
	texts = take_texts(&at, end, request->slots * request->per_slot, 0);
	if (!texts)
		return false;
	memcpy(to, texts + (uint32_t)slot * request->per_slot, request->per_slot * sizeof *to);
	to[request->per_slot] = NULL;
	free(texts);
	return true;
}

bool start_request_read(struct start_request *out, struct request *request, int slot)
{
	char *end = (char *)request + request->size, *at = (char *)(request + 1);
	size_t steps_size = (size_t)request->step_count * sizeof(struct end_step);

	*out = (struct start_request){.step_count = request->step_count};
	if (steps_size > (size_t)(end - at))
		return false;
	out->steps = xmalloc(steps_size ? steps_size : 1);
	memcpy(out->steps, at, steps_size);
	at += steps_size;
	out->argv = take_texts(&at, end, request->argc, 0);
	out->env = out->argv ? take_texts(&at, end, request->envc, request->per_slot) : NULL;
	if (!out->env || !take_text(&out->dir, &at, end) || !take_text(&out->mark, &at, end) ||
		!take_text(&out->record, &at, end) || !take_text(&out->terminal, &at, end) ||
		(request->terminal != REQUEST_NO_TERMINAL) != (out->terminal != NULL))
		return false;
	if (request->writec > 0 && !(out->writable = take_texts(&at, end, request->writec, 0)))
		return false;
	if (request->filterc > 0 && !(out->filter = take_texts(&at, end, request->filterc, 0)))
		return false;
	return (request->slots == 0 || add_slot(out->env, request, slot, at, end));
}

void start_request_release(struct start_request *start)
{
	free(start->steps);
	free(start->argv);
	free(start->env);
	free(start->writable);
	free(start->filter);
}

/* --- those that wait --- */

void waiting_line_init(struct waiting_line *line)
{
	*line = (struct waiting_line){0};
	line->last = &line->first;
}

void waiting_line_release(struct waiting_line *line)
{
	struct waiting *waiting;

	while ((waiting = waiting_line_leave(line)))
		waiting_free(waiting);
	ARRAY_RELEASE(&line->free_slots);
}

bool waiting_line_join(struct waiting_line *line, struct request *request, int in, int log)
{
	struct waiting *waiting = xmalloc(sizeof *waiting);

	*waiting = (struct waiting){.request = request, .in = in, .log = log};
	if (line->last_bad > request->seen) {
		waiting_free(waiting);
		return false;
	}
	*line->last = waiting;
	line->last = &waiting->next;
	line->count++;
	return true;
}

void waiting_line_end(struct waiting_line *line, int slot, bool well)
{
	line->ends++;
	if (well)
		*ARRAY_PUSH(&line->free_slots) = (struct free_slot){.slot = slot, .end = line->ends};
	else
		line->last_bad = line->ends;
}

void waiting_line_heard(struct waiting_line *line, uint64_t ends)
{
	size_t kept = 0;

	for (size_t i = 0; i < line->free_slots.count; i++) {
		if (line->free_slots.items[i].end > ends)
			line->free_slots.items[kept++] = line->free_slots.items[i];
	}
	line->free_slots.count = kept;
}

struct waiting *waiting_line_next(struct waiting_line *line, int *slot)
{
	if (!line->first || line->free_slots.count == 0)
		return NULL;
	*slot = line->free_slots.items[--line->free_slots.count].slot;
	return waiting_line_leave(line);
}

struct waiting *waiting_line_leave(struct waiting_line *line)
{
	struct waiting *first = line->first;

	if (!first)
		return NULL;
	line->first = first->next;
	if (!line->first)
		line->last = &line->first;
	line->count--;
	return first;
}

void waiting_free(struct waiting *waiting)
{
	if (waiting->in >= 0)
		close(waiting->in);
	close(waiting->log);
	free(waiting->request);
	free(waiting);
}
