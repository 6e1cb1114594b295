#include "config.h"

#include "os/redactor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "os/clock.h"
#include "os/fs.h"
#include "util/alloc.h"
#include "util/redact.h"
#include "util/strbuf.h"

extern char **environ;

enum {
	READ_SIZE = 64 * 1024,
	LAST_MAX = 1024 * 1024, /* more than a pipe holds: what comes behind that is printed by somebody who stays */
};

struct redactor {
	struct redact *redact;
	struct strbuf out;
	char *buffer;
	bool told, alone; /* that no more is printed; that nobody will tell */
	size_t last;      /* read since */
	int64_t part_at;  /* when an unfinished line is looked at; -1: there is none */
};

static int add_secrets(struct redact *redact)
{
	static const char pattern[] = REDACTOR_PATTERN, value[] = REDACTOR_VALUE;

	for (char **entry = environ; *entry; entry++) {
		if (strncmp(*entry, pattern, sizeof pattern - 1) == 0) {
			if (redact_add_pattern(redact, *entry + sizeof pattern - 1, NULL) < 0)
				return -1;
		} else if (strncmp(*entry, value, sizeof value - 1) == 0) {
			redact_add_value(redact, *entry + sizeof value - 1);
		}
	}
	return 0;
}

/* 0, or an errno */
static int write_out(struct redactor *all)
{
	int result = 0;

	if (all->out.len > 0 && fs_write_all(REDACTOR_LOG, all->out.data, all->out.len) != 0)
		result = errno ? errno : EIO;
	strbuf_truncate(&all->out, 0);
	return result;
}

/* false: there is no more to come */
static bool take(struct redactor *all)
{
	ssize_t got = read(REDACTOR_INPUT, all->buffer, READ_SIZE);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (got <= 0)
		return false;
	redact_feed(all->redact, all->buffer, (size_t)got, &all->out);
	if (all->told)
		all->last += (size_t)got;
	if (!redact_has_part(all->redact))
		all->part_at = -1;
	else if (all->part_at < 0)
		all->part_at = clock_mono_ms() + REDACTOR_PART_MS;
	return all->last < LAST_MAX;
}

static void take_word(struct redactor *all)
{
	char word;
	ssize_t got = read(REDACTOR_CONTROL, &word, 1);

	if (got > 0)
		all->told = true;
	else if (got == 0 || (errno != EINTR && errno != EAGAIN))
		all->alone = true;
}

static int wait_ms(const struct redactor *all)
{
	int64_t left;

	if (all->told)
		return 0;
	if (all->part_at < 0)
		return -1;
	left = all->part_at - clock_mono_ms();
	return left > 0 ? (int)left : 0;
}

/* until nothing more is printed; 0, or an errno of the log */
static int work(struct redactor *all)
{
	bool more = true;
	int problem = 0;

	while (more && problem == 0) {
		struct pollfd both[2] = {
			{.fd = REDACTOR_INPUT, .events = POLLIN},
			{.fd = all->told || all->alone ? -1 : REDACTOR_CONTROL, .events = POLLIN},
		};
		int ready = poll(both, 2, wait_ms(all));

		if (ready < 0 && errno != EINTR)
			return errno;
		if (ready > 0 && both[0].revents)
			more = take(all);
		else if (ready > 0 && both[1].revents)
			take_word(all);
		else if (ready == 0 && all->told)
			more = false;
		if (more && all->part_at >= 0 && clock_mono_ms() >= all->part_at) {
			redact_flush(all->redact, &all->out);
			all->part_at = -1;
		}
		problem = write_out(all);
	}
	redact_finish(all->redact, &all->out);
	return problem ? problem : write_out(all);
}

int redactor_main(void)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ, SIGTSTP, SIGUSR1, SIGUSR2};
	struct redactor all = {.part_at = -1};
	int problem;

#ifdef PR_SET_NAME
	prctl(PR_SET_NAME, "orch-redact", 0, 0, 0);
#endif
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	all.redact = redact_new();
	all.buffer = xmalloc(READ_SIZE);
	/* rather no log than one with secrets */
	problem = add_secrets(all.redact) < 0 ? EINVAL : work(&all);
	redact_free(all.redact);
	strbuf_release(&all.out);
	free(all.buffer);
	return problem;
}
