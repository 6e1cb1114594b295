#include "config.h"

#include "util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct orch_error *err, enum orch_error_code code, const char *format, va_list args)
{
	err->code = code;
	vsnprintf(err->message, sizeof err->message, format, args);
}

int error_set(struct orch_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (err)
		fill(err, ORCH_EFAILED, format, args);
	va_end(args);
	return -1;
}

int error_code(struct orch_error *err, enum orch_error_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (err)
		fill(err, code, format, args);
	va_end(args);
	return -1;
}

int error_errno(struct orch_error *err, const char *format, ...)
{
	int number = errno;
	va_list args;

	va_start(args, format);
	if (err) {
		size_t len;

		fill(err, ORCH_EFAILED, format, args);
		len = strlen(err->message);
		snprintf(err->message + len, sizeof err->message - len, ": %s", strerror(number));
	}
	va_end(args);
	errno = number;
	return -1;
}

int error_prefix(struct orch_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (err) {
		char prefix[sizeof err->message];
		size_t room = sizeof err->message, len, kept;
		int printed = vsnprintf(prefix, sizeof prefix - 2, format, args);

		/* where both are too long the end of the message goes */
		len = printed < 0 ? 0 : strlen(prefix);
		memcpy(prefix + len, ": ", 2);
		len += 2;
		kept = strnlen(err->message, room - 1 - len);
		memmove(err->message + len, err->message, kept);
		memcpy(err->message, prefix, len);
		err->message[len + kept] = '\0';
	}
	va_end(args);
	return -1;
}
