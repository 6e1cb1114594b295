/*
 * A run that pages look at: its journal folded, and followed while it goes on. Every change of a stream gets a number
 * (its version), so that each client is told what changed since it was told last, however slow it is.
 */
#ifndef WEB_PICTURE_H
#define WEB_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/status.h"

struct json_writer;
struct loop;
struct picture;

/* who is told that something has changed; embedded in whatever needs to know */
struct picture_reader {
	void (*changed)(void *data);
	void *data;
	struct picture_reader *next, **link; /* private */
};

/* The run `id` of the project in `dir`: the same picture for all who ask for it, until each has let go of it. With
 * `reader` (not NULL), which picture_drop() takes again */
int picture_get(struct picture **out, struct loop *loop, const char *dir, const char *id, struct picture_reader *reader,
	struct orch_error *err);
/* NULL is fine */
void picture_drop(struct picture *picture, struct picture_reader *reader);

const char *picture_dir(const struct picture *picture);
const char *picture_run(const struct picture *picture);
const struct orch_status *picture_status(const struct picture *picture);
/* "running", "paused", "stopping"; "completed", "failed", "stopped", "crashed" */
const char *picture_state(const struct picture *picture);
bool picture_is_running(const struct picture *picture);
/* why its journal cannot be read to its end; NULL: it can */
const char *picture_problem(const struct picture *picture);

/* the newest change of any stream, and of the run as a whole */
uint64_t picture_version(const struct picture *picture);
uint64_t picture_head_version(const struct picture *picture);
/* Streams that changed after `version`, the earliest change first, at most `max`; *version becomes that of the last one
 * given. A stream that has changed often is there once, with its last change */
size_t picture_changes(const struct picture *picture, uint64_t *version, size_t *streams, size_t max);

/* members of the run as a whole, and one stream as an object */
void picture_add_head(const struct picture *picture, struct json_writer *w);
void picture_add_stream(const struct picture *picture, struct json_writer *w, size_t stream);

#endif
