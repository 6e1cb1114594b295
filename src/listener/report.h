/*
 * A run as its reports need it: the status, every attempt with its times, who waited for whom, the longest chain, and
 * the run before. A fold over the events of the journal; each format is a file of its own (report_FORMAT.c) that only
 * reads this.
 */
#ifndef LISTENER_REPORT_H
#define LISTENER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/status.h"
#include "util/array.h"

struct strbuf;

enum { REPORT_VERSION = 1 };
#define REPORT_NONE UINT32_MAX

struct report_attempt {
	uint32_t stream; /* position in status.streams */
	uint32_t next;   /* the stream's next attempt, or REPORT_NONE */
	int64_t number, slot, pid;
	int64_t started_ms, ended_ms;                                        /* wall clock; ended: 0 while it runs */
	int64_t duration_ms, user_ms, system_ms, max_rss_kb, memory_peak_kb; /* -1: not known */
	int64_t exit_code, signal;
	int64_t cost_micros, tokens; /* cost in millionths; -1: not known */
	int outcome;                 /* enum orch_outcome, -1 while it runs */
	char *log, *message;
	char *agent; /* who worked; NULL: a command */
};

struct report_stream {
	uint32_t first, last; /* its attempts; REPORT_NONE: it had none */
	uint32_t level;       /* 0: waits for nothing in this run */
	bool has_stamp;       /* the journal says what it depends on */
	bool critical;        /* on the longest chain */
	/* of the run before: position in `before`, or REPORT_NONE */
	uint32_t before;
};

struct report_edge {
	uint32_t stream, dependency;
};

struct report {
	struct orch_status status;
	ARRAY(struct report_stream) streams;   /* one for each of status.streams */
	ARRAY(struct report_attempt) attempts; /* in order of their starts */
	ARRAY(struct report_edge) edges;       /* no two the same, once report_finish() was called; by stream */
	ARRAY(uint32_t) critical;              /* the longest chain by the times it took, first to last */
	int64_t critical_ms;
	unsigned slots;  /* highest slot that was in use, plus one */
	uint32_t levels; /* highest level plus one; 0 without streams */
	bool running;    /* the run is under way */
	bool crashed;    /* it has no end, and nobody runs it */
	int64_t end_ms;  /* wall clock: of the run's end, or what is now */
	int64_t wall_ms, sum_ms;
	struct orch_status before; /* before.run NULL: there is none */
};

void report_init(struct report *report);
void report_apply(struct report *report, const struct orch_event *event);
/* one more edge; streams that took no part in the run are ignored */
void report_add_dependency(struct report *report, const char *stream, const char *dependency);
/* after the last event: works out the rest. `running`: it is under way, and it is `now_ms`. `before` (all zero: none)
 * is owned by the report from now on */
void report_finish(struct report *report, bool running, int64_t now_ms, struct orch_status before);
void report_release(struct report *report);

/* time of a stream: all its attempts, with the running one */
int64_t report_stream_ms(const struct report *report, size_t stream);
/* when its first attempt began and its last one ended (or now); 0: it had none */
int64_t report_stream_started(const struct report *report, size_t stream);
int64_t report_stream_ended(const struct report *report, size_t stream);
/* where an attempt ends on the wall clock: its end, or now */
int64_t report_attempt_end(const struct report *report, const struct report_attempt *attempt);
/* "running", "crashed", "failed", "completed", "stopped", "unfinished": of the whole run */
const char *report_state(const struct report *report);
/* sum / wall; 0 if it cannot be said */
double report_speedup(const struct report *report);
/* how a stream ended, in words, of the events; "" if there is nothing to say. Not escaped */
void report_add_why(struct strbuf *out, const struct report *report, size_t stream);
bool report_is_bad(const struct report *report, size_t stream);
/* in order of interest: failed, what did not end well, running, waiting, then the rest as they were declared; the
 * caller frees */
uint32_t *report_order(const struct report *report);

/* --- the formats: each adds the whole document --- */

enum report_format { REPORT_HTML, REPORT_JUNIT, REPORT_JSON, REPORT_MARKDOWN, REPORT_TRACE, REPORT_TSV };
enum { REPORT_FORMATS = REPORT_TSV + 1 };

/* in the order of enum report_format, NULL-terminated: "html", "junit", ... */
extern const char *const report_format_names[];
/* by the ending of a file's name: .html .htm .xml .json .md .trace.json .tsv; false if it is none of these */
bool report_format_of(const char *path, enum report_format *format);
void report_write(struct strbuf *out, const struct report *report, enum report_format format);

void report_write_html(struct strbuf *out, const struct report *report);
void report_write_junit(struct strbuf *out, const struct report *report);
void report_write_json(struct strbuf *out, const struct report *report);
void report_write_markdown(struct strbuf *out, const struct report *report);
void report_write_trace(struct strbuf *out, const struct report *report);
void report_write_tsv(struct strbuf *out, const struct report *report);

#endif
