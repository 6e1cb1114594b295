#include "config.h"

#include "web/feed.h"

#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "web/overview.h"
#include "web/http.h"
#include "web/picture.h"

/* streams told at once */
enum { BATCH = 256 };

static void begin_event(struct strbuf *out, const char *type)
{
	strbuf_addf(out, "event: %s\ndata: ", type);
}

static void end_event(struct strbuf *out)
{
	strbuf_addstr(out, "\n\n");
}

/* --- the projects --- */

struct overview_feed {
	struct overview *overview;
	struct http_stream *stream;
	struct overview_reader reader;
	uint64_t version; /* that was told; 0: none */
};

static void on_overview(void *data)
{
	http_stream_wake(((struct overview_feed *)data)->stream);
}

static int fill_overview(void *data, struct strbuf *out)
{
	struct overview_feed *feed = data;
	struct json_writer w = {.out = out};

	if (feed->version == overview_version(feed->overview))
		return 0;
	feed->version = overview_version(feed->overview);
	begin_event(out, "projects");
	json_begin_object(&w);
	json_add_key(&w, "now");
	json_add_int(&w, clock_wall_ms());
	json_add_key(&w, "projects");
	overview_add(feed->overview, &w);
	json_end_object(&w);
	end_event(out);
	return 0;
}

static void close_overview(void *data)
{
	struct overview_feed *feed = data;

	overview_leave(feed->overview, &feed->reader);
	free(feed);
}

void feed_overview(struct http_request *request, struct overview *overview)
{
	static const struct http_source source = {fill_overview, close_overview};
	struct overview_feed *feed = xcalloc(1, sizeof *feed);

	feed->overview = overview;
	feed->reader = (struct overview_reader){.changed = on_overview, .data = feed, .whole = true};
	overview_listen(overview, &feed->reader);
	feed->stream = http_answer_stream(request, &source, feed);
}

/* --- a run --- */

struct run_feed {
	struct overview *overview;
	struct picture *picture;
	struct http_stream *stream;
	struct picture_reader reader;
	struct overview_reader overview_reader;
	char *project, *newest; /* that the client was told of */
	bool head_told;
	uint64_t head;    /* version that was told */
	uint64_t changes; /* told up to this one, once all streams were */
	size_t next, all; /* streams that are told first, whatever changes */
};

static void on_run(void *data)
{
	http_stream_wake(((struct run_feed *)data)->stream);
}

static void add_head(struct run_feed *feed, struct strbuf *out)
{
	struct json_writer w = {.out = out};

	feed->head = picture_head_version(feed->picture);
	feed->head_told = true;
	begin_event(out, "run");
	json_begin_object(&w);
	picture_add_head(feed->picture, &w);
	json_end_object(&w);
	end_event(out);
}

static void add_newest(struct run_feed *feed, struct strbuf *out)
{
	const char *newest = overview_newest(feed->overview, feed->project);
	struct json_writer w = {.out = out};

	if (!newest || strcmp(newest, feed->newest) == 0)
		return;
	free(feed->newest);
	feed->newest = xstrdup(newest);
	begin_event(out, "newer");
	json_begin_object(&w);
	json_add_key(&w, "run");
	json_add_string(&w, newest);
	json_end_object(&w);
	end_event(out);
}

static void add_streams(struct run_feed *feed, struct strbuf *out)
{
	size_t streams[BATCH], count = 0;
	struct json_writer w = {.out = out};

	if (feed->next < feed->all) {
		while (count < BATCH && feed->next < feed->all)
			streams[count++] = feed->next++;
	} else {
		count = picture_changes(feed->picture, &feed->changes, streams, BATCH);
	}
	if (!count)
		return;
	begin_event(out, "streams");
	json_begin_object(&w);
	if (feed->next == feed->all) {
		json_add_key(&w, "whole");
		json_add_bool(&w, true);
	}
	json_add_key(&w, "streams");
	json_begin_array(&w);
	for (size_t i = 0; i < count; i++)
		picture_add_stream(feed->picture, &w, streams[i]);
	json_end_array(&w);
	json_end_object(&w);
	end_event(out);
}

static int fill_run(void *data, struct strbuf *out)
{
	struct run_feed *feed = data;

	if (!feed->head_told || feed->head != picture_head_version(feed->picture))
		add_head(feed, out);
	add_newest(feed, out);
	add_streams(feed, out);
	return 0;
}

static void close_run(void *data)
{
	struct run_feed *feed = data;

	overview_leave(feed->overview, &feed->overview_reader);
	picture_drop(feed->picture, &feed->reader);
	free(feed->project);
	free(feed->newest);
	free(feed);
}

int feed_run(struct http_request *request, struct overview *overview, struct loop *loop, const char *project,
	const char *run, struct orch_error *err)
{
	static const struct http_source source = {fill_run, close_run};
	struct run_feed *feed = xcalloc(1, sizeof *feed);

	feed->reader = (struct picture_reader){.changed = on_run, .data = feed};
	if (picture_get(&feed->picture, loop, overview_dir(overview, project), run, &feed->reader, err) < 0) {
		free(feed);
		return -1;
	}
	feed->overview = overview;
	feed->project = xstrdup(project);
	feed->newest = xstrdup(run);
	feed->all = picture_status(feed->picture)->stream_count;
	feed->changes = picture_version(feed->picture);
	feed->overview_reader = (struct overview_reader){.changed = on_run, .data = feed};
	overview_listen(overview, &feed->overview_reader);
	feed->stream = http_answer_stream(request, &source, feed);
	return 0;
}
