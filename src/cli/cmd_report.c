#include "config.h"

#include "cli/find.h"
#include "cli/reports.h"
#include "cli/say.h"
#include "orch/project.h"
#include "orch/report.h"
#include "os/fs.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOT_GIVEN = -1 };

struct report_options {
	struct common common;
	const char *output;
	int format; /* enum report_format, or NOT_GIVEN */
};

static const struct report_options report_defaults = {.format = NOT_GIVEN};

static const struct opt report_table[] = {
	{'o', "output", OPT_TEXT, offsetof(struct report_options, output), .what = "FILE",
		.help = "write it there instead of to standard output; the ending says the format:\n"
			".html, .xml (JUnit), .json, .md, .trace.json, .tsv"},
	{0, "format", OPT_CHOICE, offsetof(struct report_options, format), .what = "FORM",
		.help = "html, junit, json, md, trace (for chrome://tracing and its like) or\n"
			"tsv (the columns of GNU parallel's joblog)",
		.choices = report_format_names},
	CMD_COMMON_OPTIONS,
	{0},
};

/* on a terminal text is for reading */
static enum report_format default_format(void)
{
	return isatty(STDOUT_FILENO) ? REPORT_MARKDOWN : REPORT_HTML;
}

static int choose_format(const struct report_options *options, enum report_format *format)
{
	if (options->format != NOT_GIVEN)
		*format = (enum report_format)options->format;
	else if (!options->output)
		*format = default_format();
	else if (!report_format_of(options->output, format))
		return say_usage(
			"'%s' does not say which format: end it in .html, .xml, .json, .md, .trace.json or .tsv, or use --format",
			options->output);
	return EXIT_COMPLETE;
}

/* what the Orchfile says now, if it can be read; the graph of a past run is mostly in its journal */
static struct orch *open_quietly(const struct common *common)
{
	const struct orch_open_options options = {
		.file = common->file ? path_file(common->file) : NULL, .inspect = true};
	struct orch *orch = NULL;

	if (orch_open(&orch, &options, NULL) < 0) {
		orch_close(orch);
		orch = NULL;
	}
	return orch;
}

/* --- from inside an attempt --- */

/* the names of enum orch_report_kind */
static const char *const sayings[] = {"progress", "done", "note", "output", NULL};

/* `words`: what was said, the first the kind of it */
static int say_report(const struct strvec *words)
{
	static const char *const examples[ORCH_REPORT_KINDS] = {
		[ORCH_REPORT_PROGRESS] = "3/7",
		[ORCH_REPORT_DONE] = "2",
		[ORCH_REPORT_NOTE] = "\"what it is doing\"",
		[ORCH_REPORT_OUTPUT] = "version=1.2",
	};
	enum orch_report_kind kind = ORCH_REPORT_PROGRESS;
	struct strbuf text = {0};
	struct orch_error err;
	int status = EXIT_COMPLETE;

	while (strcmp(orch_report_kind_name(kind), words->items[0]) != 0)
		kind++;
	if (words->count < 2)
		return say_usage("orch report %s: what? For example: orch report %s %s", words->items[0], words->items[0],
			examples[kind]);
	/* several words are one text, as for echo */
	for (size_t i = 1; i < words->count; i++) {
		if (i > 1)
			strbuf_addch(&text, ' ');
		strbuf_addstr(&text, words->items[i]);
	}
	if (orch_report(kind, strbuf_cstr(&text), &err) < 0)
		status = err.code == ORCH_ENOTFOUND
			? say_usage("orch report %s: %s. A report of a run is 'orch report [RUN]'", words->items[0],
				  err.message)
			: say_usage("orch report %s: %s", words->items[0], err.message);
	strbuf_release(&text);
	return status;
}

/* --- of a run --- */

static int report_run(void *data, const struct operands *operands)
{
	const struct report_options *options = data;
	const char *id = operands->words.count ? operands->words.items[0] : NULL;
	enum report_format format = REPORT_HTML;
	struct orch *orch = NULL;
	struct report report;
	char *dir = NULL, *from = fs_cwd();
	int status;

	if (id && cmd_has_text(&cmd_report, id)) {
		free(from);
		return say_report(&operands->words);
	}
	status = operands->words.count > 1
		? say_usage("orch report takes one RUN, but '%s' is given too", operands->words.items[1])
		: choose_format(options, &format);
	if (status == EXIT_COMPLETE)
		status = find_project(&dir, &options->common);
	if (status == EXIT_COMPLETE) {
		orch = open_quietly(&options->common);
		if (chdir(dir) < 0)
			status = say_usage("cannot enter '%s'", dir);
	}
	if (status == EXIT_COMPLETE) {
		status = reports_read(&report, id, orch);
		if (status == EXIT_COMPLETE)
			status = reports_save(
				&report, options->output ? options->output : "-", format, from ? from : ".");
		report_release(&report);
	}
	orch_close(orch);
	free(dir);
	free(from);
	return status;
}

const struct cmd cmd_report = {
	.name = "report",
	.operands = "[RUN | progress N/N | done N... | note TEXT | output key=TEXT]",
	.summary = "A run as a page, JUnit, JSON or Markdown; or, inside a stream's work, how far it is",
	.about =
		"RUN is one of those that 'orch history' lists; without it: the run under way, or the last one. To a pipe or a file it\n"
		"is HTML if nothing says otherwise, on a terminal Markdown.\n"
		"\n"
		"The others are said by the work of a stream itself, from inside an attempt, and are shown wherever the run is:\n"
		"  progress 3/7       how far it is; also 45%\n"
		"  done 2             the second task of its 'tasks:' is done; several numbers are several tasks\n"
		"  note TEXT          what it is doing: one line\n"
		"  output key=TEXT    a value for the streams that depend on it, as a line in the file $ORCH_OUTPUT\n"
		"They are appended to the file $ORCH_REPORT. What follows the word is text, and no option.\n",
	.group = CMD_LOOKING,
	.options = report_table,
	.size = sizeof(struct report_options),
	.defaults = &report_defaults,
	.max = CMD_ANY,
	.texts = sayings,
	.run = report_run,
};
