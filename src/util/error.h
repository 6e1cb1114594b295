/* Filling a struct orch_error, see orch/error.h. A NULL error is accepted everywhere and filled nowhere. */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include "orch/error.h"

/* fills `err` (its code becomes ORCH_EFAILED) and returns -1, so that `return error_set(...)` reads well */
__attribute__((format(printf, 2, 3))) int error_set(struct orch_error *err, const char *format, ...);
__attribute__((format(printf, 3, 4))) int error_code(
	struct orch_error *err, enum orch_error_code code, const char *format, ...);
/* as error_set(), with ": " and the text of errno behind the message */
__attribute__((format(printf, 2, 3))) int error_errno(struct orch_error *err, const char *format, ...);
/* puts "PREFIX: " before the message that is there */
__attribute__((format(printf, 2, 3))) int error_prefix(struct orch_error *err, const char *format, ...);

#endif
