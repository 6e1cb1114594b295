/* serve: the dashboard. */
#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "control/client.h"
#include "control/control.h"
#include "control/registry.h"
#include "orch/history.h"
#include "os/loop.h"
#include "os/system.h"
#include "util/error.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "web/web.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DEFAULT_PORT = 6724, /* ORCH on a telephone */
	TOKEN_DIGITS = 64,
};

struct serve_options {
	struct common common;
	int64_t port;
	bool here, read_only;
};

static const struct serve_options serve_defaults = {.port = DEFAULT_PORT};

static const struct opt serve_table[] = {
	{0, "port", OPT_INT, offsetof(struct serve_options, port), .what = "N",
		.help = "listen at port N of 127.0.0.1 (6724); 0: any that is free", .max = 65535},
	{0, "here", OPT_FLAG, offsetof(struct serve_options, here), .help = "only the project here, not all of yours"},
	{0, "read-only", OPT_FLAG, offsetof(struct serve_options, read_only),
		.help = "show everything, and let nobody stop, retry, approve or pause"},
	CMD_COMMON_OPTIONS,
	{0},
};

struct serve {
	const struct serve_options *options;
	struct loop *loop;
	struct web *web;
	char *here, *watched;
	char token[TOKEN_DIGITS + 1];
};

/* --- handed down to the dashboard --- */

static int list_projects(void *data, struct strvec *dirs, struct orch_error *err)
{
	const struct serve *serve = data;

	if (serve->here)
		strvec_push(dirs, serve->here);
	if (serve->options->here)
		return 0;
	return registry_projects(dirs, err);
}

static int connect_run(const char *dir, struct orch_error *err)
{
	char *path = path_join(dir, CONTROL_PATH);
	struct orch_error why;
	int fd = client_connect(path, &why);

	free(path);
	if (fd >= 0)
		return fd;
	if (why.code != ORCH_ENOTFOUND) {
		*err = why;
		return -1;
	}
	return error_code(err, ORCH_ENOTFOUND, "nothing is running here any more");
}

static void close_run(int fd)
{
	close(fd);
}

static const char *const requests[] = {"stop", "retry", "approve", "send", "pause", "resume", "jobs", NULL};

static const struct act_ops ops = {
	.connect = connect_run,
	.ask = client_ask,
	.close = close_run,
	.requests = requests,
};

/* --- the command --- */

static void on_signal(void *data)
{
	loop_stop(((struct serve *)data)->loop);
}

static void on_log(enum log_level level, const char *message, void *data)
{
	(void)level, (void)data;
	say("%s", message);
}

/* the project here, if there is one */
static int find_here(struct serve *serve)
{
	const struct common *common = &serve->options->common;

	if (serve->options->here || common->file)
		return find_project(&serve->here, common);
	(void)orch_find_project(NULL, NULL, &serve->here, NULL);
	return EXIT_COMPLETE;
}

static int say_where(const struct serve *serve)
{
	struct strbuf out = {0};

	strbuf_addf(&out, "http://127.0.0.1:%u/#token=%s\n", web_port(serve->web), serve->token);
	return say_output(&out);
}

static int run_server(struct serve *serve)
{
	struct web_options options = {.port = (unsigned)serve->options->port,
		.read_only = serve->options->read_only,
		.token = serve->token,
		.here = serve->here,
		.watched = serve->watched,
		.list = list_projects,
		.list_data = serve,
		.ops = &ops};
	struct loop_signal *signals[3];
	static const int signos[] = {SIGINT, SIGTERM, SIGHUP};
	struct orch_error err;
	int status;

	if (loop_new(&serve->loop, &err) < 0)
		return say_error(&err);
	if (web_new(&serve->web, serve->loop, &options, &err) < 0) {
		loop_free(serve->loop);
		/* not a run that holds a project */
		say("%s", err.message);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < 3; i++)
		signals[i] = loop_signal_new(serve->loop, signos[i], on_signal, serve);
	status = say_where(serve);
	if (status == EXIT_COMPLETE) {
		say("the dashboard is at that address, for whoever knows it; Ctrl-C ends it, and no run");
		loop_run(serve->loop);
	}
	for (size_t i = 0; i < 3; i++)
		loop_signal_free(signals[i]);
	web_stop(serve->web);
	loop_free(serve->loop);
	web_free(serve->web);
	return status;
}

static int serve_command(void *data, const struct operands *operands)
{
	struct serve serve = {.options = data};
	struct orch_error err;
	int status;

	(void)operands;
	status = find_here(&serve);
	if (status == EXIT_COMPLETE && !system_random_hex(serve.token, sizeof serve.token))
		status = say_usage("the system gives no random numbers, so no token can be made that nobody guesses");
	if (status == EXIT_COMPLETE && !serve.options->here) {
		serve.watched = registry_projects_path(&err);
		if (!serve.watched)
			status = say_error(&err);
	}
	if (status == EXIT_COMPLETE) {
		signal(SIGPIPE, SIG_IGN);
		log_set_sink(on_log, NULL, LOG_WARN);
		status = run_server(&serve);
	}
	free(serve.watched);
	free(serve.here);
	return status;
}

const struct cmd cmd_serve = {
	.name = "serve",
	.operands = "",
	.summary = "The dashboard in a browser: all your projects, live",
	.about =
		"Prints the address to open, with the token that it asks for, and serves until it is ended; that ends no\n"
		"run. It listens on this machine's loopback only. 'ssh -L 6724:127.0.0.1:6724 HOST' brings it to another.\n",
	.group = CMD_LOOKING,
	.options = serve_table,
	.size = sizeof(struct serve_options),
	.defaults = &serve_defaults,
	.run = serve_command,
};
