#include "config.h"

#include "os/exit_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "util/strbuf.h"

const char *record_value(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (text) {
		if (strncmp(text, word, len) == 0 && text[len] == ' ')
			return text + len + 1;
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return NULL;
}

static bool is_whole(const char *text, const char *first_line)
{
	size_t len = strlen(text);

	return strncmp(text, first_line, strlen(first_line)) == 0 && len > 5 && strcmp(text + len - 5, "\nend\n") == 0;
}

static long long number(const char *text, const char *word)
{
	const char *value = record_value(text, word);

	return value ? strtoll(value, NULL, 10) : 0;
}

static void copy_line(char *to, size_t size, const char *value)
{
	if (value)
		snprintf(to, size, "%.*s", (int)strcspn(value, "\n"), value);
}

void exit_text_begin(struct strbuf *out, const struct child_exit *how, int64_t duration_ms)
{
	strbuf_addf(out,
		"orch-exit 1\n%s %d\ncore %d\nended %lld\nduration %lld\nuser %lld\nsystem %lld\nrss %lld\n"
		"peak %lld\noom-kills %u\nleft-behind %u\nunkillable %u\nlost %d\nnames %s\n",
		how->signalled ? "signal" : "status", how->code, how->dumped_core ? 1 : 0, (long long)clock_wall_ms(),
		(long long)duration_ms, (long long)how->user_us, (long long)how->system_us,
		(long long)how->max_rss_kb, (long long)how->memory_peak, how->oom_kills, how->left_behind,
		how->unkillable, how->lost, how->names);
}

void exit_text_end(struct strbuf *out)
{
	strbuf_addstr(out, "end\n");
}

bool exit_text_parse(const char *text, struct supervised_record *out)
{
	const char *status = record_value(text, "status"), *killed = record_value(text, "signal");

	if (!is_whole(text, "orch-exit 1\n") || (!status && !killed))
		return false;
	out->how = (struct child_exit){
		.signalled = killed != NULL,
		.code = (int)strtol(killed ? killed : status, NULL, 10),
		.dumped_core = number(text, "core") != 0,
		.user_us = number(text, "user"),
		.system_us = number(text, "system"),
		.max_rss_kb = number(text, "rss"),
		.memory_peak = number(text, "peak"),
		.oom_kills = (unsigned)number(text, "oom-kills"),
		.left_behind = (unsigned)number(text, "left-behind"),
		.unkillable = (unsigned)number(text, "unkillable"),
		.lost = (int)number(text, "lost"),
	};
	copy_line(out->how.names, sizeof out->how.names, record_value(text, "names"));
	out->ended_ms = number(text, "ended");
	out->duration_ms = number(text, "duration");
	out->told = number(text, "told") != 0;
	out->not_started = (int)number(text, "not-started");
	out->no_directory = number(text, "no-directory") != 0;
	out->log_size = number(text, "log-size");
	out->results_size = number(text, "results-size");
	out->fate = (int)number(text, "fate");
	copy_line(out->message, sizeof out->message, record_value(text, "message"));
	return true;
}

bool job_text_parse(const char *text, struct supervised_record *out)
{
	const char *supervisor = record_value(text, "supervisor"), *leader = record_value(text, "leader"),
		   *boot = record_value(text, "boot"), *started = record_value(text, "started");
	unsigned long long start = 0, leader_start = 0;
	long long wall = 0, mono = 0;
	long pid = 0, leader_pid = 0;

	if (!is_whole(text, "orch-job 1\n") || !supervisor || !leader || !boot || !started ||
		sscanf(supervisor, "%ld %llu", &pid, &start) != 2 ||
		sscanf(leader, "%ld %llu", &leader_pid, &leader_start) != 2 || sscanf(boot, "%63s", out->boot) != 1 ||
		sscanf(started, "%lld %lld", &wall, &mono) != 2 || pid <= 0)
		return false;
	out->supervisor = (pid_t)pid;
	out->supervisor_start = start;
	out->leader = (pid_t)leader_pid;
	out->leader_start = leader_start;
	out->started_ms = wall;
	out->mono_ms = mono;
	return true;
}
