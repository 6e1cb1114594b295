/* How calls of this library fail. */
#ifndef ORCH_ERROR_H
#define ORCH_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum orch_error_code {
	ORCH_OK = 0,
	ORCH_EFAILED,   /* anything without a code of its own; the message says what */
	ORCH_EUSAGE,    /* an argument is wrong: unknown target, bad value */
	ORCH_EPARSE,    /* the Orchfile has errors: see orch_diagnostics_*() */
	ORCH_EBUSY,     /* another run holds the project */
	ORCH_ENOTFOUND, /* no Orchfile, no such run, no such log */
	ORCH_ESTATE,    /* the state directory cannot be used */
};

enum { ORCH_ERROR_MESSAGE_MAX = 1024 };

/*
 * Filled by a call that failed (returned -1); its last argument. Pass NULL if the message is of no
 * interest. Nothing in it is allocated. The message is complete enough to print, in one line,
 * without a full stop.
 */
struct orch_error {
	enum orch_error_code code;
	char message[ORCH_ERROR_MESSAGE_MAX];
};

#ifdef __cplusplus
}
#endif
#endif
