#include "config.h"

#include "ui/live.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fs.h"
#include "os/loop.h"
#include "ui/announce.h"
#include "ui/ci.h"
#include "ui/plain.h"
#include "ui/screen.h"
#include "ui/statusline.h"
#include "ui/term.h"
#include "ui/words.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/log.h"
#include "util/strbuf.h"
#include "util/units.h"

enum {
	FRAME_MS = 67,
	TICK_MS = 1000,
	NAME_COLUMNS = 32, /* at most, and a third of the screen */
	HELD_LINES = 4,
	LEFT_EVERY_MS = 1000, /* it takes a look at every stream */
	ABOVE_MAX = 64 << 10, /* what waits to be printed above, before a frame is drawn early */
};

/* in status->streams */
struct positions {
	size_t *items, count, capacity;
};

struct live {
	struct live_options options;
	struct screen *screen;
	struct ci no_ci;
	struct loop_timer *timer;
	struct loop_signal *resized, *suspended, *continued;
	struct positions running, held; /* in order of their start */
	struct announce announce;
	const char *format;          /* of the line of the whole; NULL: our own */
	int64_t last_frame_ms;       /* of the loop's clock */
	int64_t due_ms;              /* when the timer comes; 0: not armed */
	int64_t clock_offset_ms;     /* wall minus monotonic at the start, so that elapsed times never jump */
	int64_t left_ms, left_at_ms; /* until the end, -1: not known; as of when */
	size_t above;
	unsigned paused;
	bool away; /* the shell has the terminal, and that counts among `paused` */
	bool finished, dead;
};

static int64_t now_ms(const struct live *live)
{
	return live->options.now != NULL ? live->options.now() : clock_mono_ms() + live->clock_offset_ms;
}

/* ---- lines ---- */

/* a line of the frame while it is made: never wider than `left` columns more */
struct line {
	const struct term *term;
	struct strbuf text;
	unsigned left, width;
};

static void line_add(struct line *line, const char *text)
{
	unsigned width = term_line(&line->text, text, strlen(text), line->left, line->term->unicode);

	line->left -= width;
	line->width += width;
}

/* blanks are not for term_line(), which drops them at the end */
static void line_pad(struct line *line, unsigned columns)
{
	for (; columns > 0 && line->left > 0; columns--, line->left--, line->width++)
		strbuf_addch(&line->text, ' ');
}

static void line_style(struct line *line, enum term_style style)
{
	strbuf_addstr(&line->text, term_style(line->term, style));
}

__attribute__((format(printf, 2, 3))) static void line_addf(struct line *line, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	line_add(line, text);
	free(text);
}

static void line_show(struct line *line, struct screen *screen)
{
	line_style(line, TERM_RESET);
	screen_add(screen, strbuf_cstr(&line->text), line->text.len, line->width);
	strbuf_release(&line->text);
}

static const struct orch_stream_status *stream_at(const struct live *live, const struct positions *positions, size_t i)
{
	return &live->options.status->streams[positions->items[i]];
}

static void line_elapsed(struct line *line, int64_t ms, unsigned columns)
{
	char text[UNITS_TEXT_MAX];
	size_t len;

	statusline_elapsed(text, sizeof text, ms);
	len = strlen(text);
	if (len < columns)
		line_pad(line, columns - (unsigned)len);
	line_add(line, text);
}

static void draw_stream(struct live *live, const struct orch_stream_status *stream, unsigned columns,
	unsigned name_columns, int64_t now)
{
	const struct term *term = live->options.term;
	struct line line = {.term = term, .left = columns - 1};
	const char *said = words_noted(stream);
	struct strbuf name = {0}, progress = {0};
	unsigned width = term_line(&name, stream->name, strlen(stream->name), name_columns, term->unicode);

	line_style(&line, TERM_WARN);
	line_add(&line, term->unicode ? "\xe2\x96\xb8" : ">");
	line_style(&line, TERM_RESET);
	line_pad(&line, 1);
	line_style(&line, TERM_BOLD);
	line_add(&line, strbuf_cstr(&name));
	line_style(&line, TERM_RESET);
	strbuf_release(&name);
	line_pad(&line, name_columns - width);
	line_pad(&line, 1);
	line_elapsed(&line, stream->started_ms > 0 ? now - stream->started_ms : 0, 6);
	if (stream->agent != NULL) {
		line_pad(&line, 2);
		line_add(&line, stream->agent);
	}
	if (words_progress(&progress, stream, term->unicode)) {
		line_pad(&line, 2);
		line_style(&line, TERM_GOOD);
		line_add(&line, strbuf_cstr(&progress));
		line_style(&line, TERM_RESET);
	}
	strbuf_release(&progress);
	if (stream->attempt > 1) {
		line_pad(&line, 2);
		line_style(&line, TERM_WARN);
		line_addf(&line, "attempt %lld", (long long)stream->attempt);
		line_style(&line, TERM_RESET);
	}
	if (stream->phase != NULL && strcmp(stream->phase, "run") != 0) {
		line_pad(&line, 2);
		line_addf(&line, "(%s)", stream->phase);
	}
	if (said == NULL)
		said = stream->last_line;
	if (said != NULL && *said != '\0') {
		line_pad(&line, 2);
		line_style(&line, TERM_DIM);
		line_add(&line, said);
	}
	line_show(&line, live->screen);
}

/* one that waits for a person or a usage limit: until when is said by its reason */
static void draw_held(struct live *live, const struct orch_stream_status *stream, unsigned columns, unsigned names)
{
	const struct term *term = live->options.term;
	struct line line = {.term = term, .left = columns - 1};
	struct strbuf name = {0};
	unsigned width = term_line(&name, stream->name, strlen(stream->name), names, term->unicode);

	line_style(&line, TERM_WARN);
	line_add(&line, term->unicode ? "\xe2\x80\x96" : "=");
	line_style(&line, TERM_RESET);
	line_pad(&line, 1);
	line_add(&line, strbuf_cstr(&name));
	strbuf_release(&name);
	line_pad(&line, names - width + 3);
	line_style(&line, TERM_WARN);
	line_add(&line, "held");
	line_style(&line, TERM_RESET);
	if (stream->reason != NULL) {
		line_pad(&line, 2);
		line_add(&line, stream->reason);
	}
	line_show(&line, live->screen);
}

static void draw_more(struct live *live, size_t count, const char *what, unsigned columns)
{
	struct line line = {.term = live->options.term, .left = columns - 1};

	line_pad(&line, 2);
	line_addf(&line, "... and %zu more%s", count, what);
	line_show(&line, live->screen);
}

static void draw_formatted(struct live *live, unsigned columns, int64_t now)
{
	struct line line = {.term = live->options.term, .left = columns - 1};
	struct strbuf text = {0};

	statusline_format(&text, live->format, live->options.status, now, live->left_ms);
	line_add(&line, strbuf_cstr(&text));
	strbuf_release(&text);
	line_show(&line, live->screen);
}

static void draw_whole(struct live *live, unsigned columns, int64_t now)
{
	const struct orch_status *status = live->options.status;
	struct line line = {.term = live->options.term, .left = columns - 1};
	size_t waiting =
		status->count[ORCH_TASK_WAITING] + status->count[ORCH_TASK_READY] + status->count[ORCH_TASK_BACKOFF];
	const struct {
		size_t count;
		const char *what;
		enum term_style style;
	} parts[] = {
		{status->count[ORCH_TASK_RUNNING], "running", TERM_RESET},
		{waiting, "waiting", TERM_RESET},
		{status->count[ORCH_TASK_HELD], "held", TERM_WARN},
		{status->count[ORCH_TASK_FAILED], "failed", TERM_BAD},
		{status->count[ORCH_TASK_SKIPPED], "skipped", TERM_WARN},
		{status->count[ORCH_TASK_CANCELLED], "cancelled", TERM_WARN},
	};
	bool first = true;
	char *holds;

	line_style(&line, TERM_BOLD);
	line_addf(&line, "[%zu/%zu]", plain_ended(status), plain_total(status));
	line_style(&line, TERM_RESET);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (parts[i].count == 0)
			continue;
		line_add(&line, first ? "" : ",");
		line_pad(&line, 1);
		line_style(&line, parts[i].style);
		line_addf(&line, "%zu %s", parts[i].count, parts[i].what);
		line_style(&line, TERM_RESET);
		first = false;
	}
	line_pad(&line, 2);
	line_elapsed(&line, now - status->started_ms, 0);
	if (live->left_ms > 0 && status->stopping == NULL && status->paused == NULL) {
		line_add(&line, ", about");
		line_pad(&line, 1);
		line_elapsed(&line, live->left_ms + 999, 0);
		line_pad(&line, 1);
		line_add(&line, "left");
	}
	if (status->has_cost) {
		char cost[UNITS_TEXT_MAX];

		statusline_cost(cost, sizeof cost, status->cost_micros);
		line_addf(&line, ", cost %s", cost);
	}
	if (status->stopping != NULL) {
		line_pad(&line, 2);
		line_style(&line, TERM_WARN);
		line_addf(&line, "stopping: %s", status->stopping);
	} else if (status->paused != NULL) {
		line_pad(&line, 2);
		line_style(&line, TERM_WARN);
		line_add(&line, "paused");
	} else if (status->strained != NULL) {
		line_pad(&line, 2);
		line_style(&line, TERM_WARN);
		line_addf(&line, "%lld of %lld slots: %s", (long long)status->usable, (long long)status->jobs,
			status->strained);
	} else if ((holds = orch_status_holds(status, now)) != NULL) {
		line_pad(&line, 2);
		line_style(&line, TERM_WARN);
		line_add(&line, holds);
		free(holds);
	}
	line_show(&line, live->screen);
}

static unsigned widest(const struct live *live, const struct positions *positions, size_t shown, unsigned most)
{
	struct strbuf name = {0};
	unsigned result = 0;

	for (size_t i = 0; i < shown; i++) {
		const char *text = stream_at(live, positions, i)->name;
		unsigned width = term_line(&name, text, strlen(text), most, live->options.term->unicode);

		strbuf_truncate(&name, 0);
		if (width > result)
			result = width;
	}
	strbuf_release(&name);
	return result;
}

static unsigned name_column(const struct live *live, size_t shown, size_t held, unsigned columns)
{
	unsigned most = columns / 3 < NAME_COLUMNS ? columns / 3 : NAME_COLUMNS, least = 4;
	unsigned running = widest(live, &live->running, shown, most), other = widest(live, &live->held, held, most);
	unsigned width = running > other ? running : other;

	if (width < least)
		width = least;
	return width < most || most < least ? width : most;
}

static void died(struct live *live)
{
	if (!live->dead)
		log_warn("the terminal cannot be written any more; the run goes on without a view");
	live->dead = true;
}

/* how many of `count` lines fit into *room, with one that says how many more there are; takes them from it */
static size_t take_room(size_t count, size_t *room)
{
	size_t shown = count <= *room ? count : *room > 0 ? *room - 1 : 0;

	*room -= count <= *room ? count : *room;
	return shown;
}

static void draw_streams(struct live *live, unsigned columns, size_t room, int64_t now)
{
	size_t all = room, held_room, shown, held, running = live->running.count;
	unsigned names;

	/* those that are held get what is left, and a line at least */
	if (live->held.count > 0 && room > 2)
		room--;
	shown = take_room(running, &room);
	held_room = live->held.count > 0 && all > 2 ? room + 1 : 0;
	if (held_room > HELD_LINES)
		held_room = HELD_LINES;
	held = take_room(live->held.count, &held_room);
	names = name_column(live, shown, held, columns);
	for (size_t i = 0; i < shown; i++)
		draw_stream(live, stream_at(live, &live->running, i), columns, names, now);
	if (shown < running && all > 0)
		draw_more(live, running - shown, "", columns);
	for (size_t i = 0; i < held; i++)
		draw_held(live, stream_at(live, &live->held, i), columns, names);
	if (held < live->held.count && all > 2)
		draw_more(live, live->held.count - held, " held", columns);
}

static void draw(struct live *live)
{
	unsigned columns, rows;
	int64_t now = now_ms(live);

	if (live->paused > 0 || live->finished || live->dead)
		return;
	screen_size(live->screen, &columns, &rows);
	if (live->left_at_ms == 0 || now - live->left_at_ms >= LEFT_EVERY_MS) {
		live->left_ms = orch_status_left_ms(live->options.status, now);
		live->left_at_ms = now;
	}
	/* the line of the whole, and one above that can be scrolled */
	draw_streams(live, columns, rows > 2 ? rows - 2 : 0, now);
	if (live->format != NULL)
		draw_formatted(live, columns, now);
	else
		draw_whole(live, columns, now);
	if (live->announce.title) {
		struct strbuf title = {0};

		announce_title(&title, live->options.status);
		screen_title(live->screen, strbuf_cstr(&title));
		strbuf_release(&title);
	}
	if (screen_show(live->screen) != 0)
		died(live);
	live->above = 0;
	live->last_frame_ms = loop_now(live->options.loop);
}

/* ---- when to draw ---- */

static void arm(struct live *live, int64_t delay_ms)
{
	int64_t now = loop_now(live->options.loop), due;

	if (delay_ms < 0)
		delay_ms = 0;
	due = now + delay_ms;
	if (live->due_ms != 0 && live->due_ms <= due)
		return;
	live->due_ms = due > 0 ? due : 1;
	loop_timer_arm(live->timer, delay_ms);
}

/* soon, but not more than 15 times a second */
static void wake(struct live *live)
{
	if (live->paused == 0 && !live->finished && !live->dead)
		arm(live, live->last_frame_ms + FRAME_MS - loop_now(live->options.loop));
}

static void on_timer(void *data)
{
	struct live *live = data;

	live->due_ms = 0;
	draw(live);
	if (live->running.count > 0 && live->paused == 0 && !live->finished && !live->dead)
		arm(live, TICK_MS);
}

static void on_resize(void *data)
{
	wake(data);
}

/* The terminal goes back to the shell as it was found. Until it is ours again nothing is drawn: a timer that became due
 * meanwhile is called before on_continue() */
static void on_suspend(void *data)
{
	struct live *live = data;

	if (!live->away)
		live_pause(live);
	live->away = true;
	kill(getpid(), SIGSTOP);
}

static void on_continue(void *data)
{
	struct live *live = data;

	if (live->away) {
		live->away = false;
		live_resume(live);
		return;
	}
	/* stopped without a word: where the block is now is not known */
	screen_forget(live->screen);
	wake(live);
}

static bool is_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* ---- events ---- */

static void positions_add(struct positions *positions, size_t position)
{
	for (size_t i = 0; i < positions->count; i++)
		if (positions->items[i] == position)
			return;
	*ARRAY_PUSH(positions) = position;
}

/* was it there? */
static bool positions_remove(struct positions *positions, size_t position)
{
	for (size_t i = 0; i < positions->count; i++) {
		if (positions->items[i] == position) {
			positions->count--;
			memmove(&positions->items[i], &positions->items[i + 1],
				(positions->count - i) * sizeof *positions->items);
			return true;
		}
	}
	return false;
}

/* "GLYPH NAME" in the glyph's colour */
static void add_head(const struct live *live, struct strbuf *out, enum term_style style, const char *glyph,
	const char *ascii, const char *name)
{
	const struct term *term = live->options.term;

	strbuf_addf(out, "%s%s ", term_style(term, style), term->unicode ? glyph : ascii);
	term_line(out, name, strlen(name), NAME_COLUMNS * 4, term->unicode);
	strbuf_addstr(out, term_style(term, TERM_RESET));
}

static void print_ended(struct live *live, const struct orch_event *event, const struct orch_stream_status *stream)
{
	const struct term *term = live->options.term;
	struct strbuf out = {0};
	char time[UNITS_TEXT_MAX];
	bool good = stream->state == ORCH_TASK_COMPLETED, group, unchanged = plain_is_unchanged(stream, &group);

	if (group || (good && live->options.verbosity < 0))
		return;
	if (good)
		add_head(live, &out, TERM_GOOD, "\xe2\x9c\x93", "+", stream->name);
	else
		add_head(live, &out, TERM_BAD, "\xe2\x9c\x97", "!", stream->name);
	if (stream->attempt > 1)
		strbuf_addf(&out, "  attempt %lld", (long long)stream->attempt);
	if (!good) {
		strbuf_addstr(&out, "  ");
		words_outcome(&out, stream, term->unicode);
	} else if (unchanged) {
		strbuf_addstr(&out, "  unchanged");
	}
	if (stream->attempt > 0 && !unchanged && stream->outcome != ORCH_OUTCOME_TIMEOUT &&
		stream->outcome != ORCH_OUTCOME_STALLED)
		strbuf_addf(&out, "  %s", units_duration(time, stream->duration_ms > 0 ? stream->duration_ms : 0));
	strbuf_addch(&out, '\n');
	if (event->state == ORCH_TASK_FAILED)
		plain_tail(term, &live->no_ci, &out, stream, live->options.log_lines);
	live_print(live, strbuf_cstr(&out));
	strbuf_release(&out);
}

static void print_retry(struct live *live, const struct orch_event *event, const struct orch_stream_status *stream)
{
	const struct term *term = live->options.term;
	struct strbuf out = {0};

	add_head(live, &out, TERM_WARN, "\xe2\x86\xbb", "~", stream->name);
	strbuf_addf(&out, "  attempt %lld  ", (long long)stream->attempt);
	words_outcome(&out, stream, term->unicode);
	plain_retry_text(term, &out, event, stream);
	strbuf_addch(&out, '\n');
	live_print(live, strbuf_cstr(&out));
	strbuf_release(&out);
}

static void print_message(struct live *live, const struct orch_event *event, const char *tag)
{
	const struct term *term = live->options.term;
	struct strbuf out = {0};

	strbuf_addf(&out, "%s%s%s ", term_style(term, TERM_WARN), tag, term_style(term, TERM_RESET));
	if (event->stream != NULL) {
		term_line(&out, event->stream, strlen(event->stream), NAME_COLUMNS * 4, term->unicode);
		strbuf_addstr(&out, ": ");
	}
	if (event->message != NULL)
		term_line(&out, event->message, strlen(event->message), 1000, term->unicode);
	strbuf_addch(&out, '\n');
	live_print(live, strbuf_cstr(&out));
	strbuf_release(&out);
}

static void task_changed(struct live *live, const struct orch_event *event)
{
	const struct orch_stream_status *stream = orch_status_find(live->options.status, event->stream);
	size_t position;
	bool was_running = false;

	if (stream == NULL)
		return;
	position = (size_t)(stream - live->options.status->streams);
	if (event->state == ORCH_TASK_RUNNING)
		positions_add(&live->running, position);
	else
		was_running = positions_remove(&live->running, position);
	if (event->state == ORCH_TASK_HELD)
		positions_add(&live->held, position);
	else
		positions_remove(&live->held, position);
	if (event->state == ORCH_TASK_COMPLETED || event->state == ORCH_TASK_FAILED)
		print_ended(live, event, stream);
	else if (was_running && plain_is_retry(event, stream))
		print_retry(live, event, stream);
}

void live_event(struct live *live, const struct orch_event *event)
{
	if (event->type == ORCH_EVENT_TASK && event->stream != NULL)
		task_changed(live, event);
	else if (event->type == ORCH_EVENT_WARNING)
		print_message(live, event, "warning:");
	else if (event->type == ORCH_EVENT_RESUMED)
		print_message(live, event, "resume:");
	else if (event->type == ORCH_EVENT_STAMPED)
		return;
	wake(live);
}

void live_print(struct live *live, const char *text)
{
	size_t len = strlen(text);

	screen_print(live->screen, text, len);
	live->above += len;
	/* while the view is away (or a burst of events keeps the loop busy) lines do not wait for it */
	if (live->paused > 0 || live->finished || live->dead) {
		if (screen_clear(live->screen) != 0)
			died(live);
		live->above = 0;
	} else if (live->above > ABOVE_MAX) {
		draw(live);
	} else {
		wake(live);
	}
}

void live_pause(struct live *live)
{
	if (live->paused++ > 0 || live->finished)
		return;
	loop_timer_disarm(live->timer);
	live->due_ms = 0;
	if (screen_clear(live->screen) != 0)
		died(live);
}

void live_resume(struct live *live)
{
	if (live->paused > 0 && --live->paused == 0)
		wake(live);
}

static void announce(struct live *live)
{
	struct strbuf text = {0};

	announce_end(&live->announce, &text, live->options.status);
	/* a terminal that is gone hears nothing */
	if (text.len > 0 && !live->dead)
		(void)!fs_write_all(live->options.term->fd, strbuf_cstr(&text), text.len);
	strbuf_release(&text);
}

void live_finish(struct live *live)
{
	if (live->finished)
		return;
	live->finished = true;
	loop_timer_free(live->timer);
	loop_signal_free(live->resized);
	loop_signal_free(live->suspended);
	loop_signal_free(live->continued);
	if (screen_clear(live->screen) != 0)
		died(live);
	announce(live);
}

struct live *live_new(const struct live_options *options)
{
	struct live *live = xcalloc(1, sizeof *live);

	live->options = *options;
	live->left_ms = -1;
	live->format = getenv("ORCH_STATUS");
	if (!announce_init(&live->announce, options->term))
		log_warn("ORCH_NOTIFY is not auto, none, bell, osc9 or osc777, with ',10m' or another time behind it");
	live->screen = screen_new(options->term->fd, options->term->reflows);
	live->clock_offset_ms = clock_wall_ms() - clock_mono_ms();
	live->last_frame_ms = loop_now(options->loop) - FRAME_MS;
	live->timer = loop_timer_new(options->loop, on_timer, live);
	live->resized = loop_signal_new(options->loop, SIGWINCH, on_resize, live);
	if (!is_ignored(SIGTSTP))
		live->suspended = loop_signal_new(options->loop, SIGTSTP, on_suspend, live);
	live->continued = loop_signal_new(options->loop, SIGCONT, on_continue, live);
	return live;
}

void live_free(struct live *live)
{
	if (live == NULL)
		return;
	live_finish(live);
	ARRAY_RELEASE(&live->running);
	ARRAY_RELEASE(&live->held);
	screen_free(live->screen);
	free(live);
}
