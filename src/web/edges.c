#include "config.h"

#include "web/edges.h"

#include <stdlib.h>
#include <string.h>

#include "orch/history.h"
#include "orch/project.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/json.h"
#include "web/picture.h"

struct edges {
	const struct orch_status *status;
	struct json_writer *w;
	bool *stamped; /* a stamp said what the stream depends on */
	size_t stream; /* whose stamp is being read */
};

static void add_edge(struct edges *edges, size_t stream, const char *dependency)
{
	const struct orch_stream_status *found = orch_status_find(edges->status, dependency);

	/* what took no part in the run */
	if (!found)
		return;
	json_begin_array(edges->w);
	json_add_int(edges->w, (int64_t)stream);
	json_add_int(edges->w, found - edges->status->streams);
	json_end_array(edges->w);
}

static void on_dependency(void *data, const char *dependency)
{
	struct edges *edges = data;

	add_edge(edges, edges->stream, dependency);
}

static int on_event(void *data, const struct orch_event *event)
{
	struct edges *edges = data;
	const struct orch_stream_status *stream = event->type == ORCH_EVENT_STAMPED && event->stream
		? orch_status_find(edges->status, event->stream)
		: NULL;

	if (!stream)
		return 0;
	edges->stream = (size_t)(stream - edges->status->streams);
	if (edges->stamped[edges->stream])
		return 0;
	edges->stamped[edges->stream] = true;
	orch_event_dependencies(event, on_dependency, edges);
	return 0;
}

static void add_declared(struct edges *edges, const struct orch *orch)
{
	for (size_t i = 0; i < edges->status->stream_count; i++) {
		int64_t id = orch_stream_find(orch, edges->status->streams[i].name);

		for (size_t d = 0; id != ORCH_NO_STREAM && d < orch_stream_dep_count(orch, (size_t)id); d++) {
			bool order_only;
			size_t dependency = orch_stream_dep(orch, (size_t)id, d, &order_only);

			if (order_only || !edges->stamped[i])
				add_edge(edges, i, orch_stream_name(orch, dependency));
		}
	}
}

int edges_add(struct json_writer *w, const struct picture *picture, char **note, struct orch_error *err)
{
	struct orch_open_options options = {.dir = picture_dir(picture), .inspect = true};
	struct edges edges = {.status = picture_status(picture), .w = w};
	struct orch_error wrong;
	struct orch *orch;
	int result;

	*note = NULL;
	edges.stamped = xcalloc(edges.status->stream_count + 1, sizeof *edges.stamped);
	json_begin_array(w);
	result = orch_history_events(picture_dir(picture), picture_run(picture), on_event, &edges, err);
	if (result == 0) {
		if (orch_open(&orch, &options, &wrong) == 0)
			add_declared(&edges, orch);
		else
			*note = xasprintf(
				"The Orchfile cannot be read, so only what completed streams waited for is shown: %s",
				wrong.message);
		orch_close(orch);
	}
	json_end_array(w);
	free(edges.stamped);
	return result;
}
