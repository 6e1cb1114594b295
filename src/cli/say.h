/*
 * How the program speaks: what was asked for goes to standard output, in one piece; everything else to standard error,
 * as "orch: MESSAGE". A failure to write the former is an error, except that a reader who went away ends the program as
 * SIGPIPE would.
 */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include <stdbool.h>

#include "orch/error.h"
#include "ui/term.h"

struct orch;
struct strbuf;

/* looks at the two descriptors; a closed one is made to fail instead of being taken by the next file that is opened */
void say_init(void);
void say_color(enum term_color color);
const struct term *say_out(void);
const struct term *say_err(void);

/* a message on standard error. Control characters in it are not shown raw */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/* the same; returns the exit status for wrong usage, so that `return say_usage(...)` reads well */
__attribute__((format(printf, 1, 2))) int say_usage(const char *format, ...);
/* the message of an error; returns the exit status that belongs to its code */
int say_error(const struct orch_error *err);
/* diagnostics of an Orchfile, as they are, on standard error */
void say_diagnostics(const struct orch *orch);
/* the same, rendered already; freed here; NULL: nothing */
void say_rendered(char *rendered);
/* writes the text to standard output and releases it; returns the exit status: 0 if it was written. say_text() takes a
 * malloc'd text */
int say_output(struct strbuf *text);
int say_text(char *text);
/* writes without releasing: for output in pieces; 0, or the exit status */
int say_bytes(const char *bytes, size_t len);
/* "NAME" padded to `width` columns */
void say_padded(struct strbuf *out, const char *text, unsigned width);
/* a file's name, or a text with one in it, which may have anything in it: on one line, nothing of it raw */
void say_name(struct strbuf *out, const char *name);
/* closes standard output: what went wrong with it late turns a good `status` into a bad one */
int say_close(int status);

#endif
