/*
 * Any bytes as a stamp, and any bytes between a good first line and a good checksum: what is read must, written again,
 * be read as the same. Any bytes as a file of many: what is found is there, and a good one behind them is found too.
 */
#include "config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state/stamp.h"
#include "state/stamp_pack.h"
#include "state/stamp_text.h"
#include "util/digest.h"
#include "util/strbuf.h"

#define STREAM "some-stream"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static void demand_same(const struct stamp *a, const struct stamp *b)
{
	demand(a->recipe == b->recipe && a->inputs == b->inputs && a->deps == b->deps && a->result == b->result);
	demand(a->finished_ms == b->finished_ms && a->duration_ms == b->duration_ms && a->present && b->present);
}

static void demand_same_details(const struct stamp_detail *a, const struct stamp_detail *b)
{
	demand_same(&a->stamp, &b->stamp);
	demand(a->attempt == b->attempt && a->part_count == b->part_count);
	demand(!a->run == !b->run && (!a->run || strcmp(a->run, b->run) == 0));
	/* the text is for showing: bytes that are no UTF-8 are not kept */
	demand(!a->recipe_text == !b->recipe_text &&
		(!a->recipe_text || strlen(a->recipe_text) == strlen(b->recipe_text)));
	for (size_t i = 0; i < a->part_count; i++) {
		demand(a->parts[i].kind == b->parts[i].kind && a->parts[i].digest == b->parts[i].digest);
		demand(strcmp(a->parts[i].name, b->parts[i].name) == 0);
	}
}

static void try_stamp(const char *text, size_t len)
{
	struct stamp_detail first, numbers, second;
	struct strbuf once = {0}, twice = {0};

	if (stamp_parse(&first, text, len) < 0) {
		demand(!first.parts && !first.run && !first.recipe_text);
		return;
	}
	/* the short way to read it must see the same */
	demand(stamp_parse_of(&numbers, NULL, text, len, false) == 0);
	demand_same(&first.stamp, &numbers.stamp);
	stamp_detail_release(&numbers);

	stamp_write(&once, STREAM, &first);
	demand(stamp_parse_of(&second, STREAM, once.data, once.len, true) == 0);
	demand_same_details(&first, &second);
	stamp_write(&twice, STREAM, &second);
	demand(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	stamp_detail_release(&second);
	demand(stamp_parse_of(&second, "another", once.data, once.len, true) < 0);
	stamp_detail_release(&first);
	strbuf_release(&once);
	strbuf_release(&twice);
}

/* the lines as they are, but with the frame that nobody guesses */
static void try_framed(const char *text, size_t len)
{
	struct strbuf framed = {0};

	strbuf_addstr(&framed, "orch-stamp 1\n");
	strbuf_add(&framed, text, len);
	strbuf_addf(&framed, "end %016" PRIx64 "\n", digest_bytes(framed.data, framed.len));
	try_stamp(framed.data, framed.len);
	strbuf_release(&framed);
}

struct found {
	const struct stamp_pack *pack;
	bool last; /* the last one was STREAM's, with this recipe */
};

enum { RECIPE = 77 };

static void on_found(void *data, const char *stream, const struct stamp *stamp, uint64_t place)
{
	struct found *found = data;
	struct stamp_detail detail;
	struct strbuf text = {0};

	demand(stamp_pack_read(found->pack, place, &text) == 0 && text.len == stamp_pack_length(place));
	if (stamp->present) {
		demand(stamp_parse_of(&detail, stream, text.data, text.len, true) == 0);
		demand_same(&detail.stamp, stamp);
		stamp_detail_release(&detail);
	} else {
		demand(stamp_is_removal(stream, text.data, text.len));
	}
	found->last = stamp->present && stamp->recipe == RECIPE && strcmp(stream, STREAM) == 0;
	strbuf_release(&text);
}

static void try_pack(const char *text, size_t len)
{
	const struct stamp_detail good = {.stamp = {.recipe = RECIPE}};
	struct stamp_pack pack = {.fd = memfd_create("pack", MFD_CLOEXEC)};
	struct found found = {.pack = &pack};
	struct strbuf all = {0};

	demand(pack.fd >= 0);
	strbuf_add(&all, text, len);
	strbuf_addch(&all, '\n');
	stamp_write(&all, STREAM, &good);
	demand(write(pack.fd, all.data, all.len) == (ssize_t)all.len);
	demand(stamp_pack_scan(&pack, on_found, &found) == 0 && found.last);
	stamp_pack_close(&pack);
	strbuf_release(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	try_stamp(text, size);
	try_framed(text, size);
	try_pack(text, size);
	return 0;
}
