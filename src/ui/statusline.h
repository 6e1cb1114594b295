/*
 * The line of the whole in a form of the user's own: $ORCH_STATUS, as ninja has NINJA_STATUS. In it stand for
 *
 *   %d  streams that ended          %f  failed                     %e  time since the start
 *   %t  all                         %s  skipped or cancelled       %l  time left, "?" if not known
 *   %r  running                     %u  to go (not yet ended)      %E  when it will end, "14:05", "?" if not known
 *   %w  waiting                     %p  percent that ended         %P  the project's name
 *   %h  held                        %j  slots                      %c  cost, "-" if none is known
 *   %%  a percent sign
 */
#ifndef UI_STATUSLINE_H
#define UI_STATUSLINE_H

#include <stdint.h>

#include "orch/status.h"

struct strbuf;

/* adds the text; anything else behind a '%' stays as it is. Times in ms since 1970, left_ms -1: not known */
void statusline_format(
	struct strbuf *out, const char *format, const struct orch_status *status, int64_t now_ms, int64_t left_ms);
/* "1.23", of millionths */
void statusline_cost(char *buffer, size_t size, int64_t micros);
/* time that passes on a screen: whole seconds, "7s", "1m05s", "2h07m" */
void statusline_elapsed(char *buffer, size_t size, int64_t ms);

#endif
