#include "config.h"

#include "cli/say.h"

#include "cli/cmd.h"
#include "orch/project.h"
#include "os/fs.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct term out_term, err_term;
/* said once is enough */
static bool output_failed;

void say_init(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* the lowest free descriptor is this one. Standard output for reading only: writing to it fails, as it
		 * should */
		if (open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_USAGE);
	}
	say_color(TERM_COLOR_AUTO);
}

void say_color(enum term_color color)
{
	term_init(&out_term, STDOUT_FILENO, color);
	term_init(&err_term, STDERR_FILENO, color);
}

const struct term *say_out(void)
{
	return &out_term;
}

const struct term *say_err(void)
{
	return &err_term;
}

/* standard error is the last resort: where it cannot be written there is nobody left to tell */
static void write_err(const struct strbuf *text)
{
	(void)!fs_write_all(STDERR_FILENO, strbuf_cstr(text), text->len);
}

__attribute__((format(printf, 1, 0))) static void say_list(const char *format, va_list args)
{
	struct strbuf message = {0}, clean = {0};

	strbuf_vaddf(&message, format, args);
	strbuf_addstr(&clean, "orch: ");
	term_clean(&clean, strbuf_cstr(&message), message.len, err_term.unicode);
	if (clean.data[clean.len - 1] != '\n')
		strbuf_addch(&clean, '\n');
	write_err(&clean);
	strbuf_release(&message);
	strbuf_release(&clean);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_list(format, args);
	va_end(args);
}

int say_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_list(format, args);
	va_end(args);
	return EXIT_USAGE;
}

int say_error(const struct orch_error *err)
{
	say("%s", err->message);
	return err->code == ORCH_EBUSY ? EXIT_HELD : EXIT_USAGE;
}

void say_rendered(char *rendered)
{
	struct strbuf text = {0};

	if (rendered)
		strbuf_addstr(&text, rendered);
	if (text.len)
		write_err(&text);
	free(rendered);
	strbuf_release(&text);
}

void say_diagnostics(const struct orch *orch)
{
	say_rendered(orch_diagnostics_text(orch, err_term.color));
}

static int output_error(int error)
{
	if (error == EPIPE)
		return EXIT_SIGNAL + SIGPIPE;
	if (!output_failed)
		say("cannot write to standard output: %s", strerror(error));
	output_failed = true;
	return EXIT_USAGE;
}

int say_bytes(const char *bytes, size_t len)
{
	return fs_write_all(STDOUT_FILENO, bytes, len) < 0 ? output_error(errno) : EXIT_COMPLETE;
}

int say_output(struct strbuf *text)
{
	int status = say_bytes(strbuf_cstr(text), text->len);

	strbuf_release(text);
	return status;
}

int say_text(char *text)
{
	size_t len = strlen(text);
	int status = say_bytes(text, len);

	if (status == EXIT_COMPLETE && len && text[len - 1] != '\n')
		status = say_bytes("\n", 1);
	free(text);
	return status;
}

void say_padded(struct strbuf *out, const char *text, unsigned width)
{
	unsigned columns = utf8_text_width(text, strlen(text));

	strbuf_addstr(out, text);
	for (; columns < width; columns++)
		strbuf_addch(out, ' ');
}

void say_name(struct strbuf *out, const char *name)
{
	struct term_filter filter = {.one_line = true, .unicode = out_term.unicode};

	term_filter_feed(&filter, name, strlen(name), out);
	term_filter_end(&filter, out);
}

int say_close(int status)
{
	/* EBADF: it was closed from the start, and nobody wrote to it */
	if (close(STDOUT_FILENO) < 0 && errno != EBADF && errno != EINTR) {
		int failed = output_error(errno);

		return status == EXIT_COMPLETE ? failed : status;
	}
	return status;
}
