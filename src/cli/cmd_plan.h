/* Options by which run, plan and graph choose streams, and what they have in common. */
#ifndef CLI_CMD_PLAN_H
#define CLI_CMD_PLAN_H

#include "cli/cmd.h"
#include "orch/plan.h"

struct strbuf;
struct json_writer;

/* -j: 0 as it is declared, -1 bare */
enum { JOBS_PROCESSORS = -1, JOBS_MAX = 1000000 };

struct selection {
	struct strvec only, except, what_if;
	int64_t jobs;
	bool always;
};

/* rows for `member`, a struct selection in `type` */
#define SELECTION_OPTIONS(type, member) \
	{'j', "jobs", OPT_INT, offsetof(type, member.jobs), .what = "N", \
		.help = "at most N at once; alone: the number of processors.\nDefault: 'project: jobs', else 4", \
		.min = 1, .max = JOBS_MAX, .value = OPT_OR_DIGITS, .bare = JOBS_PROCESSORS}, \
		{'B', "always-make", OPT_FLAG, offsetof(type, member.always), \
			.help = "everything, also what is complete"}, \
		{'W', "what-if", OPT_LIST, offsetof(type, member.what_if), .what = "FILE", \
			.help = "as if FILE had changed; may be repeated"}, \
		{0, "only", OPT_LIST, offsetof(type, member.only), .what = "TARGET", \
			.help = "exactly these, without their dependencies; may be repeated"}, \
	{ \
		0, "except", OPT_LIST, offsetof(type, member.except), .what = "TARGET", \
								      .help = "all but these; may be repeated" \
	}

/* the number that -j asks for; 0: none */
unsigned selection_jobs(const struct selection *selection);
/* the plan for targets and selection; `from` is the directory the user stood in. An exit status */
int selection_plan(struct orch_plan **out, struct orch *orch, const struct selection *selection,
	const struct operands *operands, const char *from);

/* -n: what would run, in order */
int plan_print_dry_run(struct orch *orch, struct orch_plan *plan, bool scripts, bool json);
/* width for a column of these names: of the longest, within reason */
unsigned plan_name_width(const struct orch *orch, const uint32_t *streams, size_t count);
/* "run" or "perhaps" */
const char *plan_action_word(enum orch_plan_action action);
/* "7 streams", "1 stream" */
void plan_add_count(struct strbuf *out, size_t count, const char *noun);

#endif
