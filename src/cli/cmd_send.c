/* send: a message to whoever works on a stream of the run under way. */
#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "cli/steer.h"
#include "control/client.h"
#include "control/control.h"
#include "orch/run.h"
#include "os/fs.h"
#include "os/tty.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct send_options {
	struct common common;
};

static const struct opt send_table[] = {CMD_COMMON_OPTIONS, {0}};

/* JSON has only UTF-8: what is none becomes U+FFFD. The run leaves control characters out; NUL does not get there */
static void add_valid(struct strbuf *out, const char *text, size_t len)
{
	while (len > 0) {
		uint32_t code;
		size_t taken = utf8_decode(text, len, &code);

		if (taken == 1 && (unsigned char)*text >= 0x80)
			strbuf_addstr(out, "\xef\xbf\xbd");
		else if (*text)
			strbuf_add(out, text, taken);
		text += taken;
		len -= taken;
	}
}

/* standard input, to its end */
static int read_text(struct strbuf *out)
{
	struct orch_error err;
	char *text;
	size_t len;

	if (tty_is(STDIN_FILENO))
		say("the message, up to Ctrl-D at the start of a line:");
	if (fs_read_fd(STDIN_FILENO, "standard input", ORCH_MESSAGE_MAX, &text, &len, &err) < 0)
		return say_error(&err);
	add_valid(out, text, len);
	free(text);
	return EXIT_COMPLETE;
}

/* the words behind the stream with blanks between, as echo has it */
static int take_text(struct strbuf *out, const struct strvec *words)
{
	bool from_input = words->count == 1 || (words->count == 2 && strcmp(words->items[1], "-") == 0);
	int status = from_input ? read_text(out) : EXIT_COMPLETE;

	for (size_t i = 1; !from_input && i < words->count; i++) {
		strbuf_addstr(out, i > 1 ? " " : "");
		add_valid(out, words->items[i], strlen(words->items[i]));
	}
	if (status == EXIT_COMPLETE && out->len > ORCH_MESSAGE_MAX)
		return say_usage("a message has at most %d KiB: put more into a file, and send where it is",
			ORCH_MESSAGE_MAX / 1024);
	return status;
}

static void write_request(struct strbuf *out, const char *stream, const struct strbuf *text)
{
	struct json_writer w = {.out = out};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, CONTROL_VERSION);
	json_add_key(&w, "request");
	json_add_string(&w, "send");
	json_add_key(&w, "streams");
	json_begin_array(&w);
	json_add_string(&w, stream);
	json_end_array(&w);
	json_add_key(&w, "text");
	json_add_string(&w, strbuf_cstr(text));
	json_end_object(&w);
}

static int send_run(void *data, const struct operands *operands)
{
	const struct send_options *options = data;
	const char *stream = operands->words.items[0];
	struct strbuf text = {0}, request = {0};
	struct json_value *answer = NULL;
	struct orch_error err;
	char *dir = NULL;
	int status = find_project(&dir, &options->common), fd = -1;

	free(dir);
	if (status == EXIT_COMPLETE)
		status = take_text(&text, &operands->words);
	if (status == EXIT_COMPLETE) {
		fd = steer_connect(&status);
		if (fd < 0 && status == EXIT_COMPLETE)
			status = steer_nothing_runs();
	}
	if (status == EXIT_COMPLETE) {
		write_request(&request, stream, &text);
		if (client_ask(fd, &request, &answer, &err) < 0)
			status = err.code == ORCH_ENOTFOUND ? (say_error(&err), EXIT_STREAM_FAILED) : say_error(&err);
		else if (json_member_bool(answer, "typed", false))
			say("the message is typed into the terminal of %s", stream);
		else
			say("the message is in the inbox of %s, which is read when whoever works there looks", stream);
	}
	if (fd >= 0)
		close(fd);
	json_value_free(answer);
	strbuf_release(&request);
	strbuf_release(&text);
	return status;
}

const struct cmd cmd_send = {
	.name = "send",
	.operands = "STREAM [TEXT]...",
	.summary = "Say something to the agent that works on a stream",
	.about =
		"TEXT, or standard input where there is none, or '-', is typed into the agent's terminal (runner = pty or tmux),\n"
		"or put into the file $ORCH_INBOX of its attempt, where the agent is told to look. At most 64 KiB; control\n"
		"characters but newlines and tabs are left out. Exit status 1 if nothing is running, 2 if the stream is not.\n",
	.group = CMD_STEERING,
	.options = send_table,
	.size = sizeof(struct send_options),
	.min = 1,
	.max = CMD_ANY,
	.run = send_run,
};
