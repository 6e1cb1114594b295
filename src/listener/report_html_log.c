/* Logs in the HTML report: colours become spans, all else is text. */
#include "config.h"

#include "listener/ansi.h"
#include "listener/markup.h"
#include "listener/report_html.h"
#include "listener/report_log.h"
#include "util/strbuf.h"
#include "util/units.h"

static void add_class(struct strbuf *out, bool *first, const char *format, int color)
{
	strbuf_addstr(out, *first ? "<span class=\"" : " ");
	strbuf_addf(out, *format == 'f' ? "f%d" : "k%d", color);
	*first = false;
}

static void add_word(struct strbuf *out, bool *first, const char *word)
{
	strbuf_addstr(out, *first ? "<span class=\"" : " ");
	strbuf_addstr(out, word);
	*first = false;
}

static void add_piece(void *data, const char *text, size_t len, const struct ansi_style *style)
{
	struct html *html = data;
	int fg = style->inverse ? style->bg : style->fg, bg = style->inverse ? style->fg : style->bg;
	bool first = true;

	/* the terminal's own colours, exchanged */
	if (style->inverse && fg == ANSI_DEFAULT)
		add_word(html->out, &first, "fd");
	if (style->inverse && bg == ANSI_DEFAULT)
		add_word(html->out, &first, "kd");
	if (fg != ANSI_DEFAULT) {
		html->used_fg[fg] = true;
		add_class(html->out, &first, "f", fg);
	}
	if (bg != ANSI_DEFAULT) {
		html->used_bg[bg] = true;
		add_class(html->out, &first, "k", bg);
	}
	if (style->bold)
		add_word(html->out, &first, "b");
	if (style->dim)
		add_word(html->out, &first, "d");
	if (style->italic)
		add_word(html->out, &first, "i");
	if (style->underline)
		add_word(html->out, &first, "u");
	if (style->strike)
		add_word(html->out, &first, "s");
	if (!first)
		strbuf_addstr(html->out, "\">");
	markup_add(html->out, text, len, MARKUP_TEXT);
	if (!first)
		strbuf_addstr(html->out, "</span>");
}

static void add_where(struct html *html, const struct report_attempt *attempt)
{
	strbuf_addstr(html->out, "<code>orch logs ");
	markup_addstr(html->out, html->report->status.run ? html->report->status.run : "", MARKUP_ONE_LINE);
	strbuf_addch(html->out, ':');
	markup_addstr(html->out, html->report->status.streams[attempt->stream].name, MARKUP_ONE_LINE);
	strbuf_addf(html->out, ".%lld</code>", (long long)attempt->number);
}

void html_add_log(struct html *html, const struct report_attempt *attempt, unsigned lines, size_t max)
{
	struct report_log log;
	char shown[UNITS_TEXT_MAX], whole[UNITS_TEXT_MAX];

	if (!attempt->log)
		return;
	if (max == 0) {
		strbuf_addstr(html->out, "<p class=\"note\">Its log: ");
		add_where(html, attempt);
		strbuf_addstr(html->out, "</p>\n");
		return;
	}
	if (report_log_read(&log, attempt, lines, max)) {
		/* an end of line right behind <pre> would be lost */
		strbuf_addstr(html->out, "<pre>\n");
		ansi_split(log.text, log.len, add_piece, html);
		strbuf_addstr(html->out, "</pre>\n");
	} else {
		strbuf_addf(html->out, "<p class=\"note\">%s</p>\n",
			log.size < 0 ? "Its log is no longer there." : "It printed nothing.");
	}
	if (log.is_cut) {
		strbuf_addf(html->out,
			"<p class=\"note\">The last %s of %s; all of it: ", units_size(shown, (int64_t)log.len),
			units_size(whole, log.size));
		add_where(html, attempt);
		strbuf_addstr(html->out, "</p>\n");
	}
	report_log_release(&log);
}
