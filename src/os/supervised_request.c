#include "config.h"

#include "os/supervised_request.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/supervisor.h"
#include "util/alloc.h"
#include "util/strbuf.h"

static uint32_t add_texts(struct strbuf *out, char *const *items)
{
	uint32_t count = 0;

	for (; *items; items++, count++)
		strbuf_add(out, *items, strlen(*items) + 1);
	return count;
}

static void add_text(struct strbuf *out, const char *text)
{
	strbuf_add(out, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* the program that is the filter: this one, also where its file has gone */
static uint32_t add_filter(struct strbuf *out, char *const *redact)
{
	char *program = supervision_self();

	if (!program || access(program, X_OK) != 0) {
		free(program);
		program = xasprintf("/proc/%ld/exe", (long)getpid());
	}
	add_text(out, program);
	free(program);
	return 1 + add_texts(out, redact);
}

void supervised_write_start(
	struct strbuf *out, const struct supervised_spec *spec, uint64_t id, bool waits, uint64_t ends_seen)
{
	struct request head = {.type = REQUEST_START,
		.id = id,
		.step_count = spec->step_count,
		.linger_ms = spec->linger_ms,
		.memory = spec->memory,
		.memory_each = spec->memory_each,
		/* what may run for hours without us is worth a group that makes sure of its end */
		.own_group = spec->record != NULL,
		.wraps = spec->wraps,
		.slot = spec->slot ? spec->slot->number : -1,
		.seen = ends_seen,
		.has_tokens = spec->has_tokens,
		.has_input = spec->terminal || spec->in >= 0};

	if (spec->terminal) {
		head.terminal = spec->terminal->window ? REQUEST_TERMINAL_WINDOW : REQUEST_TERMINAL;
		head.columns = spec->terminal->columns;
		head.rows = spec->terminal->rows;
	}

	strbuf_add(out, &head, sizeof head);
	for (unsigned i = 0; i < spec->step_count; i++) {
		struct end_step step;

		/* what is between its members goes too */
		memset(&step, 0, sizeof step);
		step.signo = spec->steps[i].signo;
		step.wait_ms = spec->steps[i].wait_ms;
		strbuf_add(out, &step, sizeof step);
	}
	head.argc = add_texts(out, spec->argv);
	head.envc = add_texts(out, spec->env);
	add_text(out, spec->dir);
	add_text(out, spec->mark);
	add_text(out, spec->record);
	add_text(out, spec->terminal ? spec->terminal->path : NULL);
	head.writec = spec->writable ? add_texts(out, spec->writable) : 0;
	head.filterc = spec->redact ? add_filter(out, spec->redact) : 0;
	if (waits) {
		head.slots = spec->slot->slots;
		head.per_slot = spec->slot->per_slot;
		for (unsigned i = 0; i < head.slots * head.per_slot; i++)
			add_text(out, spec->slot->env[i]);
	}
	head.size = (uint32_t)out->len;
	memcpy(out->data, &head, sizeof head);
}
