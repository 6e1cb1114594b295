#include "config.h"

#include "os/typing.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/strbuf.h"

enum {
	TICK_MS = 20,
	CALM_MS = 200,       /* without output: it waits for us */
	BEGIN_MS = 2000,     /* one that has said nothing yet may still be starting */
	CALM_MAX_MS = 5000,  /* a clock on its screen is never calm */
	ECHO_MS = 300,       /* what it shows of a text comes sooner, if it shows any */
	SETTLED_MS = 50,     /* until what was written can be seen at the other end */
	READ_MAX_MS = 30000, /* a program that has not read by then does not */
	LINE_MAX_COOKED = 4095,
};

#define PASTE_BEGIN "\033[200~"
#define PASTE_END "\033[201~"
static const char paste_mode[] = "\033[?2004";

enum typing_step { IDLE, WAITING, TEXT, ENTER };

struct message {
	struct message *next;
	void *from;
	size_t len;
	char text[];
};

struct typing {
	struct loop *loop;
	int slave;
	struct typing_calls calls;
	struct loop_timer *tick;
	struct message *first, **last;
	enum typing_step step;
	int64_t step_ms, read_ms; /* read_ms -1: it has not been read yet */
	int64_t begun_ms, output_ms;
	bool has_output, bracketed;
	size_t matched; /* of paste_mode */
};

static void on_tick(void *data);

struct typing *typing_new(struct loop *loop, int slave, const struct typing_calls *calls)
{
	struct typing *typing = xcalloc(1, sizeof *typing);

	*typing = (struct typing){.loop = loop, .slave = slave, .calls = *calls, .begun_ms = clock_mono_ms()};
	typing->last = &typing->first;
	typing->tick = loop_timer_new(loop, on_tick, typing);
	return typing;
}

static void enter(struct typing *typing, enum typing_step step)
{
	typing->step = step;
	typing->step_ms = clock_mono_ms();
	typing->read_ms = -1;
	loop_timer_arm(typing->tick, TICK_MS);
}

void typing_add(struct typing *typing, void *from, const char *text, size_t len)
{
	struct message *message = xmalloc(sizeof *message + len);

	*message = (struct message){.from = from, .len = len};
	memcpy(message->text, text, len);
	*typing->last = message;
	typing->last = &message->next;
	if (typing->step == IDLE)
		enter(typing, WAITING);
}

/* the first one is done with */
static void tell(struct typing *typing, const char *problem)
{
	struct message *message = typing->first;

	typing->first = message->next;
	if (!typing->first)
		typing->last = &typing->first;
	typing->step = IDLE;
	if (message->from)
		typing->calls.told(typing->calls.data, message->from, problem);
	free(message);
	if (typing->first)
		enter(typing, WAITING);
}

static bool is_calm(const struct typing *typing, int64_t now)
{
	if (now - typing->step_ms >= CALM_MAX_MS)
		return true;
	return typing->has_output ? now - typing->output_ms >= CALM_MS : now - typing->begun_ms >= BEGIN_MS;
}

/* a line of which the terminal itself would leave out the end */
static bool has_long_line(const struct message *message)
{
	size_t start = 0;

	for (size_t i = 0; i <= message->len; i++) {
		if (i < message->len && message->text[i] != '\n')
			continue;
		if (i - start >= LINE_MAX_COOKED)
			return true;
		start = i + 1;
	}
	return false;
}

/* as the Enter key is seen: the terminal makes a newline of it, or the program has asked for it as it is */
static char enter_key(const struct termios *mode)
{
	return (mode->c_lflag & ICANON) && !(mode->c_iflag & ICRNL) ? '\n' : '\r';
}

static void write_text(struct typing *typing)
{
	const struct message *message = typing->first;
	struct strbuf out = {0};
	struct termios mode;

	if (tcgetattr(typing->slave, &mode) != 0) {
		tell(typing, "its terminal is gone");
		return;
	}
	if ((mode.c_lflag & ICANON) && has_long_line(message)) {
		tell(typing, "its program reads whole lines, and a terminal takes at most 4095 bytes of one");
		return;
	}
	if (typing->bracketed)
		strbuf_addstr(&out, PASTE_BEGIN);
	for (size_t i = 0; i < message->len; i++)
		strbuf_addch(&out, message->text[i] == '\n' ? enter_key(&mode) : message->text[i]);
	if (typing->bracketed)
		strbuf_addstr(&out, PASTE_END);
	enter(typing, TEXT);
	typing->calls.write(typing->calls.data, out.data, out.len);
	strbuf_release(&out);
}

static void write_enter(struct typing *typing)
{
	struct termios mode;
	char key;

	if (tcgetattr(typing->slave, &mode) != 0) {
		tell(typing, "its terminal is gone");
		return;
	}
	key = enter_key(&mode);
	enter(typing, ENTER);
	typing->calls.write(typing->calls.data, &key, 1);
}

/* 1: the program has read all that was written */
static int is_read(struct typing *typing, int64_t now)
{
	int unread = 0;

	if (ioctl(typing->slave, FIONREAD, &unread) != 0)
		return -1;
	if (unread > 0 || typing->calls.unwritten(typing->calls.data) > 0 || now - typing->step_ms < SETTLED_MS)
		return 0;
	if (typing->read_ms < 0)
		typing->read_ms = now;
	return 1;
}

/* has it shown the text, or had the time to? */
static bool is_shown(const struct typing *typing, int64_t now)
{
	return (typing->output_ms >= typing->step_ms && now - typing->output_ms >= SETTLED_MS) ||
		now - typing->read_ms >= ECHO_MS;
}

static void on_tick(void *data)
{
	struct typing *typing = data;
	int64_t now = clock_mono_ms();
	int read;

	if (!typing->first)
		return;
	if (typing->step == WAITING) {
		if (is_calm(typing, now))
			write_text(typing);
		else
			loop_timer_arm(typing->tick, TICK_MS);
		return;
	}
	read = is_read(typing, now);
	if (read < 0)
		tell(typing, "its terminal is gone");
	else if (read > 0 && typing->step == ENTER)
		tell(typing, NULL);
	else if (read > 0 && is_shown(typing, now))
		write_enter(typing);
	else if (read == 0 && now - typing->step_ms >= READ_MAX_MS)
		tell(typing, "its program has not read it for 30 s; it still stands in its terminal");
	else
		loop_timer_arm(typing->tick, TICK_MS);
}

void typing_see_output(struct typing *typing, const char *bytes, size_t len)
{
	const size_t whole = sizeof paste_mode - 1;

	typing->has_output = true;
	typing->output_ms = clock_mono_ms();
	for (size_t i = 0; i < len; i++) {
		if (typing->matched == whole) {
			if (bytes[i] == 'h' || bytes[i] == 'l')
				typing->bracketed = bytes[i] == 'h';
			typing->matched = 0;
		}
		if (bytes[i] == paste_mode[typing->matched])
			typing->matched++;
		else
			typing->matched = bytes[i] == paste_mode[0];
	}
}

void typing_forget(struct typing *typing, const void *from)
{
	for (struct message *message = typing->first; message; message = message->next) {
		if (message->from == from)
			message->from = NULL;
	}
}

void typing_end(struct typing *typing, const char *why)
{
	while (typing->first)
		tell(typing, why);
}

void typing_free(struct typing *typing)
{
	struct message *next;

	if (!typing)
		return;
	for (struct message *message = typing->first; message; message = next) {
		next = message->next;
		free(message);
	}
	loop_timer_free(typing->tick);
	free(typing);
}
