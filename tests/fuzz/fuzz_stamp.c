/* Stamp files: what is read is written again to the same, and nothing else is read. */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "state/stamp.h"
#include "util/alloc.h"
#include "util/digest.h"
#include "util/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_and_write(const char *text, size_t len)
{
	struct stamp_detail first = {0}, second = {0};
	struct strbuf written = {0}, again = {0};

	if (stamp_parse(&first, text, len) == 0) {
		stamp_write(&written, "name", &first);
		if (stamp_parse(&second, strbuf_cstr(&written), written.len) != 0)
			abort();
		stamp_write(&again, "name", &second);
		if (again.len != written.len || memcmp(again.data, written.data, again.len) != 0)
			abort();
	}
	strbuf_release(&written);
	strbuf_release(&again);
	stamp_detail_release(&first);
	stamp_detail_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char last[] = "\nend ";
	char *text = xstrndup("", 0), *end;
	struct strbuf mended = {0};

	text = xrealloc(text, size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	read_and_write(text, size);
	/* the same with a checksum that is right: else nothing behind it would ever be reached */
	end = strstr(text, last);
	if (end) {
		size_t covered = (size_t)(end - text) + 1;

		strbuf_add(&mended, text, covered);
		strbuf_addf(&mended, "end %016llx\n", (unsigned long long)digest_bytes(text, covered));
		read_and_write(mended.data, mended.len);
	}
	strbuf_release(&mended);
	free(text);
	return 0;
}
