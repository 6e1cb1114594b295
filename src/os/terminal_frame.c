#include "config.h"

#include "os/terminal_frame.h"

#include <string.h>

#include "util/strbuf.h"

void terminal_frame_add(struct strbuf *out, enum terminal_frame_type type, const void *bytes, size_t len)
{
	struct terminal_frame head = {.type = type, .len = (uint32_t)len};

	strbuf_add(out, &head, sizeof head);
	if (len > 0)
		strbuf_add(out, bytes, len);
}

int terminal_frame_read(const char *text, size_t len, struct terminal_frame *head, const char **bytes)
{
	if (len < sizeof *head)
		return 0;
	memcpy(head, text, sizeof *head);
	if (head->type < FRAME_HELLO || head->type > FRAME_END || head->len > TERMINAL_FRAME_MAX)
		return -1;
	*bytes = text + sizeof *head;
	return len - sizeof *head >= head->len ? 1 : 0;
}
