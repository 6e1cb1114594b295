#include "config.h"

#include "ui/term.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "os/tty.h"
#include "util/strbuf.h"
#include "util/utf8.h"

enum { SEQUENCE_MAX = 4096, MARKS_MAX = 4, LINE_INPUT_MAX = 4096 };

static bool env_is_set(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0';
}

/* set, and not to something that says no */
static bool env_is_on(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' && strcmp(value, "0") != 0 && strcasecmp(value, "false") != 0;
}

static bool locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (env_is_set(names[i])) {
			const char *value = getenv(names[i]);
			return strcasestr(value, "UTF-8") != NULL || strcasestr(value, "UTF8") != NULL;
		}
	}
	return false;
}

static bool wants_color(const struct term *term, enum term_color color)
{
	const char *clicolor = getenv("CLICOLOR");

	if (color != TERM_COLOR_AUTO)
		return color == TERM_COLOR_ALWAYS;
	if (env_is_set("NO_COLOR"))
		return false;
	if (env_is_on("CLICOLOR_FORCE"))
		return true;
	return term->tty && !term->dumb && (clicolor == NULL || strcmp(clicolor, "0") != 0);
}

void term_init(struct term *term, int fd, enum term_color color)
{
	const char *name = getenv("TERM");

	if (name == NULL)
		name = "";
	memset(term, 0, sizeof *term);
	term->fd = fd;
	term->tty = tty_is(fd);
	term->dumb = *name == '\0' || strcmp(name, "dumb") == 0;
	term->ci = env_is_on("CI");
	term->unicode = locale_is_utf8();
	term->color = wants_color(term, color);
	/* the few that cut lines instead; GNU screen calls itself what tmux does */
	term->reflows = !env_is_set("XTERM_VERSION") && strcmp(name, "linux") != 0 &&
		(strncmp(name, "screen", 6) != 0 || env_is_set("TMUX"));
}

bool term_parse_color(const char *text, enum term_color *color)
{
	static const char *const names[] = {"auto", "always", "never"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(text, names[i]) == 0) {
			*color = (enum term_color)i;
			return true;
		}
	}
	return false;
}

const char *term_style(const struct term *term, enum term_style style)
{
	static const char *const codes[TERM_STYLES] = {
		[TERM_RESET] = "\033[0m",
		[TERM_BOLD] = "\033[1m",
		[TERM_DIM] = "\033[2m",
		[TERM_GOOD] = "\033[32m",
		[TERM_BAD] = "\033[1;31m",
		[TERM_WARN] = "\033[33m",
	};

	return term->color ? codes[style] : "";
}

/* ---- the filter ---- */

enum { GROUND, ESCAPE, CSI, STRING, STRING_ESCAPE };

/* invisible, and able to change how what stands around them looks */
static bool is_unsafe(uint32_t code)
{
	return (code >= 0x80 && code < 0xa0) || (code >= 0x200b && code <= 0x200c) ||
		(code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
		(code >= 0x2060 && code <= 0x206f) || code == 0xfeff || code == 0x61c ||
		(code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe0fff);
}

static void put_replacement(struct term_filter *filter, struct strbuf *out)
{
	filter->marks = 0;
	strbuf_addstr(out, filter->unicode ? "\xef\xbf\xbd" : "?");
}

static void put_character(struct term_filter *filter, const char *bytes, size_t len, uint32_t code, struct strbuf *out)
{
	if (is_unsafe(code))
		return;
	if (!filter->unicode) {
		strbuf_addch(out, '?');
		return;
	}
	if (utf8_width(code) == 0) {
		/* joiners and variation selectors make one wide picture of several in some terminals and not in others
		 */
		if (filter->one_line && (code == 0x200d || (code >= 0xfe00 && code <= 0xfe0f)))
			return;
		if (++filter->marks > MARKS_MAX) {
			filter->marks = MARKS_MAX;
			return;
		}
	} else {
		filter->marks = 0;
	}
	strbuf_add(out, bytes, len);
}

static void put_newline(struct term_filter *filter, struct strbuf *out)
{
	filter->cr = false;
	strbuf_addch(out, filter->one_line ? ' ' : '\n');
}

/* true: the byte is used up; false: it is to be looked at again in the new state */
static bool in_escape(struct term_filter *filter, unsigned char c)
{
	if (c == '[') {
		filter->state = CSI;
		filter->seq_len = 0;
	} else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
		filter->state = STRING;
		filter->seq_len = 0;
	} else if (c >= 0x20 && c < 0x30 && filter->seq_len < 4) {
		filter->seq_len++;
	} else {
		filter->state = GROUND;
		return c >= 0x30 && c < 0x7f;
	}
	return true;
}

static bool in_csi(struct term_filter *filter, unsigned char c, struct strbuf *out)
{
	if (c >= 0x20 && c < 0x40) {
		if (filter->seq_len < sizeof filter->seq)
			filter->seq[filter->seq_len] = (char)c;
		if (++filter->seq_len <= SEQUENCE_MAX)
			return true;
		filter->state = GROUND;
		return false;
	}
	filter->state = GROUND;
	if (c < 0x40 || c >= 0x7f)
		return false;
	if (c == 'm' && filter->keep_sgr && filter->seq_len <= sizeof filter->seq) {
		for (unsigned i = 0; i < filter->seq_len; i++)
			if (strchr("0123456789;:", filter->seq[i]) == NULL)
				return true;
		strbuf_addstr(out, "\033[");
		strbuf_add(out, filter->seq, filter->seq_len);
		strbuf_addch(out, 'm');
		filter->colored = !(filter->seq_len == 0 || (filter->seq_len == 1 && filter->seq[0] == '0'));
	}
	return true;
}

static bool in_string(struct term_filter *filter, unsigned char c)
{
	if (filter->state == STRING_ESCAPE) {
		filter->state = c == '\\' ? GROUND : ESCAPE;
		filter->seq_len = 0;
		return c == '\\';
	}
	if (c == '\033') {
		filter->state = STRING_ESCAPE;
	} else if (c == '\a' || c == 0x18 || c == 0x1a) {
		filter->state = GROUND;
	} else if (c == '\n' || c == '\r' || ++filter->seq_len > SEQUENCE_MAX) {
		filter->state = GROUND;
		return false;
	}
	return true;
}

static void in_ground(struct term_filter *filter, unsigned char c, struct strbuf *out)
{
	if (c == '\n') {
		put_newline(filter, out);
		return;
	}
	if (c == '\r') {
		filter->cr = true;
		return;
	}
	if (filter->cr)
		put_newline(filter, out);
	if (c == '\t') {
		strbuf_addch(out, filter->one_line ? ' ' : '\t');
	} else if (c == '\033') {
		filter->state = ESCAPE;
		filter->seq_len = 0;
	} else if (c < 0x20 || c == 0x7f) {
		return;
	} else if (c < 0x80) {
		filter->marks = 0;
		strbuf_addch(out, (char)c);
	} else if (c >= 0xc2 && c < 0xf5) {
		filter->partial[0] = (char)c;
		filter->partial_len = 1;
		filter->partial_want = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	} else {
		put_replacement(filter, out);
	}
}

static bool in_partial(struct term_filter *filter, unsigned char c, struct strbuf *out)
{
	uint32_t code;

	if ((c & 0xc0) != 0x80) {
		filter->partial_len = 0;
		put_replacement(filter, out);
		return false;
	}
	filter->partial[filter->partial_len++] = (char)c;
	if (filter->partial_len < filter->partial_want)
		return true;
	if (utf8_decode(filter->partial, filter->partial_len, &code) == filter->partial_len)
		put_character(filter, filter->partial, filter->partial_len, code, out);
	else
		put_replacement(filter, out);
	filter->partial_len = 0;
	return true;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

void term_filter_feed(struct term_filter *filter, const char *text, size_t len, struct strbuf *out)
{
	size_t i = 0;

	while (i < len) {
		unsigned char c = (unsigned char)text[i];
		bool used = true;

		if (filter->state == GROUND && filter->partial_len == 0 && !filter->cr && is_plain(c)) {
			size_t start = i;
			while (i < len && is_plain((unsigned char)text[i]))
				i++;
			filter->marks = 0;
			strbuf_add(out, text + start, i - start);
			continue;
		}
		if (filter->partial_len > 0)
			used = in_partial(filter, c, out);
		else if (filter->state == GROUND)
			in_ground(filter, c, out);
		else if (filter->state == ESCAPE)
			used = in_escape(filter, c);
		else if (filter->state == CSI)
			used = in_csi(filter, c, out);
		else
			used = in_string(filter, c);
		if (used)
			i++;
	}
}

void term_filter_end(struct term_filter *filter, struct strbuf *out)
{
	if (filter->partial_len > 0)
		put_replacement(filter, out);
	if (filter->cr && !filter->one_line)
		put_newline(filter, out);
	if (filter->colored)
		strbuf_addstr(out, "\033[0m");
	filter->state = GROUND;
	filter->partial_len = filter->marks = 0;
	filter->cr = filter->colored = false;
}

void term_clean(struct strbuf *out, const char *text, size_t len, bool unicode)
{
	struct term_filter filter = {.unicode = unicode};

	term_filter_feed(&filter, text, len, out);
	term_filter_end(&filter, out);
}

unsigned term_line(struct strbuf *out, const char *text, size_t len, unsigned columns, bool unicode)
{
	struct term_filter filter = {.unicode = unicode, .one_line = true};
	const char *ellipsis = unicode ? "\xe2\x80\xa6" : "...";
	unsigned ellipsis_width = unicode ? 1 : 3, width = 0;
	size_t at = 0, fits = 0;
	unsigned fits_width = 0;
	struct strbuf clean = {0};
	const char *cr;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len > 0 && (cr = memrchr(text, '\r', len)) != NULL) {
		len -= (size_t)(cr + 1 - text);
		text = cr + 1;
	}
	term_filter_feed(&filter, text, len < LINE_INPUT_MAX ? len : LINE_INPUT_MAX, &clean);
	term_filter_end(&filter, &clean);
	while (clean.len > 0 && clean.data[clean.len - 1] == ' ')
		strbuf_truncate(&clean, clean.len - 1);
	while (at < clean.len) {
		uint32_t code;
		size_t step = utf8_decode(clean.data + at, clean.len - at, &code);
		unsigned w = utf8_width(code);

		if (width + w > columns)
			break;
		width += w;
		at += step;
		if (width + ellipsis_width <= columns) {
			fits = at;
			fits_width = width;
		}
	}
	if (at == clean.len) {
		strbuf_add(out, strbuf_cstr(&clean), clean.len);
	} else if (columns >= ellipsis_width) {
		strbuf_add(out, clean.data, fits);
		strbuf_addstr(out, ellipsis);
		width = fits_width + ellipsis_width;
	} else {
		width = 0;
	}
	strbuf_release(&clean);
	return width;
}

/* ---- the way back ---- */

static volatile sig_atomic_t hidden_fd = -1, echo_stopped;

/* What is typed must not move the lines; it waits for the shell. Safe in a signal handler. */
static void set_echo(int fd, bool on)
{
	struct termios modes;

	/* in the background the modes are another program's, and changing them would stop this one */
	if (tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &modes) != 0)
		return;
	if (on)
		modes.c_lflag |= ECHO;
	else if (modes.c_lflag & ECHO)
		modes.c_lflag &= ~(tcflag_t)ECHO;
	else
		return;
	echo_stopped = tcsetattr(fd, TCSANOW, &modes) == 0 && !on;
}

void term_restore(void)
{
	static const char text[] = "\033[?2026l\033[?7h\033[?25h\033[0m\033[23;0t\r\n";
	int saved = errno, fd = (int)hidden_fd;

	if (fd < 0)
		return;
	hidden_fd = -1;
	if (echo_stopped)
		set_echo(fd, true);
	/* nothing can be done if this fails: the terminal is gone */
	if (write(fd, text, sizeof text - 1) < 0)
		errno = saved;
	errno = saved;
}

static void on_fatal_signal(int signo)
{
	term_restore();
	raise(signo);
}

/* those that end the program without a word, e.g. the terminal's quit key */
static void watch_fatal_signals(void)
{
	static const int signals[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	static bool watched;
	struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER}, old;

	if (watched)
		return;
	watched = true;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(signals[i], &action, NULL);
	}
}

void term_hidden(int fd)
{
	if (fd >= 0 && hidden_fd < 0) {
		watch_fatal_signals();
		set_echo(fd, false);
	}
	if (fd < 0 && hidden_fd >= 0 && echo_stopped)
		set_echo((int)hidden_fd, true);
	hidden_fd = fd;
}
