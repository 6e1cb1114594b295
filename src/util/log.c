#include "config.h"

#include "util/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static log_sink *sink;
static void *sink_data;
static enum log_level highest;

void log_set_sink(log_sink *to, void *data, enum log_level up_to)
{
	sink = to;
	sink_data = data;
	highest = up_to;
}

static void say(enum log_level level, const char *format, va_list args)
{
	char message[1024];

	if (!sink || level > highest)
		return;
	vsnprintf(message, sizeof message, format, args);
	sink(level, message, sink_data);
}

void log_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_WARN, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_DEBUG, format, args);
	va_end(args);
}
