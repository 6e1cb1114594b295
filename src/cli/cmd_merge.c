/* merge: work that has been done in worktrees comes home, or is proposed to others. */
#include "config.h"

#include "cli/find.h"
#include "cli/forge.h"
#include "cli/say.h"
#include "orch/merge.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

struct merge_options {
	struct common common;
	const char *into;
	bool squash, dry_run, pr;
};

#define FIELD(name) offsetof(struct merge_options, name)

static const struct opt merge_table[] = {
	{0, "into", OPT_TEXT, FIELD(into), .what = "BRANCH",
		.help = "into that branch; default: the one its run began on"},
	{0, "squash", OPT_FLAG, FIELD(squash), .help = "one commit for each, without the branch's own"},
	{'n', "dry-run", OPT_FLAG, FIELD(dry_run), .help = "say what would be merged, or collide; change nothing"},
	{0, "pr", OPT_FLAG, FIELD(pr),
		.help = "instead: push each branch and open a pull request, with your own gh or glab"},
	CMD_COMMON_OPTIONS,
	{0},
};

/* a branch that was pushed, and is to be proposed */
struct proposal {
	char *stream, *branch, *into, *url, *title, *body;
};

struct merging {
	const struct merge_options *options;
	struct strbuf out;
	size_t told;
	ARRAY(struct proposal) proposals;
};

static void add_line(struct merging *merging, const char *what, const char *stream)
{
	say_padded(&merging->out, what, 12);
	strbuf_addstr(&merging->out, stream);
	strbuf_addstr(&merging->out, ": ");
}

static char *short_oid(const char *oid)
{
	return xstrndup(oid, strlen(oid) > 10 ? 10 : strlen(oid));
}

static void propose_later(struct merging *merging, const struct orch_merged *merged)
{
	struct proposal *proposal = ARRAY_PUSH(&merging->proposals);

	proposal->stream = xstrdup(merged->stream);
	proposal->branch = xstrdup(merged->branch);
	proposal->into = xstrdup(merged->into);
	proposal->url = xstrdup(merged->url);
	proposal->title = xstrdup(merged->title ? merged->title : merged->stream);
	proposal->body = xstrdup(merged->body);
}

static void on_merged(void *data, const struct orch_merged *merged)
{
	struct merging *merging = data;
	bool dry = merging->options->dry_run;
	char *oid = merged->commit ? short_oid(merged->commit) : NULL;

	merging->told++;
	switch (merged->end) {
	case ORCH_MERGE_DONE:
		add_line(merging, dry ? "would merge" : "merged", merged->stream);
		strbuf_addf(&merging->out, dry ? "%s into %s" : "%s into %s, which is %s now", merged->branch,
			merged->into, oid);
		if (merged->checkout)
			strbuf_addf(&merging->out, ", also in %s", merged->checkout);
		strbuf_addch(&merging->out, '\n');
		if (merged->message)
			say("%s: %s", merged->stream, merged->message);
		break;
	case ORCH_MERGE_NOTHING:
		add_line(merging, "nothing", merged->stream);
		strbuf_addf(&merging->out, "%s has all of %s\n", merged->into, merged->branch);
		break;
	case ORCH_MERGE_PUSHED:
		add_line(merging, dry ? "would push" : "pushed", merged->stream);
		strbuf_addf(&merging->out, "%s, %s, to %s (%s)\n", merged->branch, oid, merged->remote, merged->url);
		propose_later(merging, merged);
		break;
	case ORCH_MERGE_CONFLICT:
	case ORCH_MERGE_REFUSED:
	case ORCH_MERGE_LEFT:
		say("%s: %s%s", merged->stream, merged->end == ORCH_MERGE_CONFLICT ? "conflict: " : "",
			merged->message);
		break;
	}
	free(oid);
}

/* --- pull requests --- */

static int propose(struct merging *merging, const struct proposal *proposal, const char *dir)
{
	const struct forge_request request = {.dir = dir,
		.url = proposal->url,
		.branch = proposal->branch,
		.into = proposal->into,
		.title = proposal->title,
		.body = proposal->body};
	struct orch_error err;
	char *page;
	bool existed;

	if (merging->options->dry_run) {
		add_line(merging, "would open", proposal->stream);
		strbuf_addf(&merging->out, "a pull request into %s with %s: %s\n\n%s\n", proposal->into,
			forge_program(proposal->url), proposal->title, proposal->body);
		return EXIT_COMPLETE;
	}
	if (forge_open(&request, &page, &existed, &err) < 0) {
		say("%s: '%s' is pushed, but there is no pull request for it: %s", proposal->stream, proposal->branch,
			err.message);
		return EXIT_STREAM_FAILED;
	}
	add_line(merging, existed ? "updated" : "opened", proposal->stream);
	strbuf_addf(&merging->out, "%s\n", page ? page : "a pull request");
	free(page);
	return EXIT_COMPLETE;
}

static int propose_all(struct merging *merging, const struct orch *orch)
{
	char *dir = orch_repository(orch);
	int status = EXIT_COMPLETE;

	for (size_t i = 0; i < merging->proposals.count; i++) {
		int one = propose(merging, &merging->proposals.items[i], dir);

		status = one == EXIT_COMPLETE ? status : one;
	}
	free(dir);
	return status;
}

static void release(struct merging *merging)
{
	for (size_t i = 0; i < merging->proposals.count; i++) {
		struct proposal *proposal = &merging->proposals.items[i];

		free(proposal->stream);
		free(proposal->branch);
		free(proposal->into);
		free(proposal->url);
		free(proposal->title);
		free(proposal->body);
	}
	ARRAY_RELEASE(&merging->proposals);
}

static int merge(const struct merge_options *options, struct orch *orch, const struct operands *operands)
{
	struct merging merging = {.options = options};
	const struct orch_merge_options wanted = {.targets = (const char *const *)operands->words.items,
		.into = options->into,
		.squash = options->squash,
		.dry_run = options->dry_run,
		.push = options->pr};
	struct orch_error err;
	int merged = orch_merge(orch, &wanted, on_merged, &merging, &err), status, printed;

	status = merged < 0 ? say_error(&err) : merged ? EXIT_STREAM_FAILED : EXIT_COMPLETE;
	if (merging.proposals.count) {
		int proposed = propose_all(&merging, orch);

		status = status == EXIT_COMPLETE ? proposed : status;
	}
	if (merged == 0 && !merging.told)
		say("nothing to merge");
	printed = say_output(&merging.out);
	release(&merging);
	return status == EXIT_COMPLETE ? printed : status;
}

static int merge_run(void *data, const struct operands *operands)
{
	const struct merge_options *options = data;
	struct orch *orch = NULL;
	struct orch_error err;
	int status;

	if (options->pr && options->squash)
		return say_usage("--squash does not go with --pr: how the request is merged is chosen there");
	if (options->pr && forge_check(&err) < 0)
		return say_error(&err);
	status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT);
	if (status == EXIT_COMPLETE)
		status = merge(options, orch, operands);
	orch_close(orch);
	return status;
}

const struct cmd cmd_merge = {
	.name = "merge",
	.operands = "[TARGET]...",
	.summary = "Bring the work of streams in worktrees home",
	.about =
		"Without TARGET the branches of all complete streams that no other stream goes on from: theirs have the work of those\n"
		"before. Each goes into the branch that its run began on and into no other, unless --into names one. A checkout of that\n"
		"branch is brought along if it has no uncommitted changes; if it has, nothing is merged. A conflict changes nothing and ends\n"
		"the command.\n",
	.group = CMD_STEERING,
	.options = merge_table,
	.size = sizeof(struct merge_options),
	.max = CMD_ANY,
	.assigns = true,
	.run = merge_run,
};
