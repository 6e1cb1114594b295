/* A model as an Orchfile, and where each part of it stands in the foreign file. */
#ifndef FOREIGN_WRITE_H
#define FOREIGN_WRITE_H

#include "util/array.h"
#include "util/source.h"
#include "util/strbuf.h"

struct model;

struct written {
	struct strbuf text;
	ARRAY(struct source_link) links;
	size_t streams; /* how many are in the text */
};

/* the streams of a settled model; each text is written so that it is read as it stands there, whatever is in it */
void write_streams(const struct model *model, struct written *out);
void written_release(struct written *written);

#endif
