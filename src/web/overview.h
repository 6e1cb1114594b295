/*
 * The projects that are shown: those of the user, or one. Each with its newest run, whose numbers are kept up to date
 * while somebody looks.
 */
#ifndef WEB_OVERVIEW_H
#define WEB_OVERVIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct overview;
struct json_writer;
struct loop;
struct strvec;

/* absolute directories of the projects to show; 0, or -1 */
typedef int overview_list(void *data, struct strvec *dirs, struct orch_error *err);

/* `watched` (NULL: none): a directory in which something changes when the list may have */
struct overview *overview_new(struct loop *loop, overview_list *list, void *data, const char *watched);
void overview_free(struct overview *overview);

/* who is told when a project, or the list of them, has changed */
struct overview_reader {
	void (*changed)(void *data);
	void *data;
	bool whole; /* the numbers of running runs are wanted too, not only which run is the newest */
	struct overview_reader *next, **link; /* private */
};
void overview_listen(struct overview *overview, struct overview_reader *reader);
void overview_leave(struct overview *overview, struct overview_reader *reader);

uint64_t overview_version(const struct overview *overview);
/* directory of the project with that id; NULL: there is none */
const char *overview_dir(struct overview *overview, const char *id);
/* id of the project in that directory; NULL: it is none of those shown */
const char *overview_id(struct overview *overview, const char *dir);
/* id of its newest run; NULL: none has run */
const char *overview_newest(struct overview *overview, const char *id);
/* all projects, an array */
void overview_add(struct overview *overview, struct json_writer *w);
/* its runs, newest first: an array */
void overview_add_runs(struct overview *overview, const char *id, struct json_writer *w);

#endif
