/*
 * Projects from a few lines of text, and runs of them in virtual time. For tests: what is wrong fails the running
 * cmocka test.
 *
 *   a [ms=5 pool=p weight=2 priority=1 retries=2 fail=1 when=always recipe=1 keep group]: b c | d
 *
 * One stream a line; `pool NAME N` declares a pool, `serialize` keeps apart streams whose touches=GLOB meet. fail=N: the first N attempts fail; `keep`: running it does not
 * change its result; `group`: no work of its own.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "graph/graph.h"
#include "graph/project.h"
#include "sched/queue.h"
#include "sched/sched.h"
#include "util/diag.h"
#include "util/strbuf.h"

struct sim_stream {
	int64_t ms;
	unsigned fail;
	bool keep;
	uint64_t recipe;
	char reason[160]; /* of the last change that had one */
};

struct sim {
	struct project project;
	struct graph graph;
	struct diag_list diags;
	struct plan plan;
	struct plan_facts *facts; /* the plan's, once there is one */
	struct sim_stream *streams;
	struct run *run;
	struct run_options options;
	struct queue ends;
	int64_t now;
	struct strbuf order; /* names as they started, a space between: "a b c" */
	unsigned weight, most_weight, most_running;
	unsigned *pool_used;
	size_t changes;
	struct sim *next; /* that goes on in its place: sim_reload() */
	size_t outside;   /* slots of attempts whose stream it does not have */
	unsigned *outside_slots;
};

/* the project and its graph; 0, or -1 with diags */
int sim_build(struct sim *sim, const char *text);
/* the same, where it must work; facts are those of a first run */
void sim_init(struct sim *sim, const char *text);
uint32_t sim_id(const struct sim *sim, const char *name);
/* stamps as they are after everything was completed */
void sim_complete_all(struct sim *sim);
/* targets: names with spaces between; NULL: all */
void sim_plan(struct sim *sim, const char *targets, bool only);
/* options: from sim->options, set jobs and so on before */
void sim_start(struct sim *sim);
/* starts all that can start, then goes on to the next instant at which something ends; false: nothing runs or waits any
 * more */
bool sim_step(struct sim *sim);
void sim_run(struct sim *sim);
/* the run of `from` goes on in `to`, another text; stamps are kept by name. Both are released, `from` last */
void sim_reload(struct sim *to, struct sim *from, const char *text, const char *targets);
/* the attempts that went on without a stream end */
void sim_end_outside(struct sim *sim);
enum orch_task_state sim_state(const struct sim *sim, const char *name);
const char *sim_reason(const struct sim *sim, const char *name);
/* "a:run(never completed) b:complete c:perhaps(a)": wanted streams */
char *sim_plan_text(const struct sim *sim);
void sim_release(struct sim *sim);

#endif
