/*
 * Stamps: what a completed stream was made from. A small text file per stream under .orch/stamps/, which a person can
 * read, and delete to say "again"; from the 65th of a run on, those of streams that took less than a second are in one
 * file (_pack), likewise text, since a file takes longer than they do; and an index beside them, so that the common
 * case is one listing and one read (RUNTIME.md).
 */
#ifndef STATE_STAMP_H
#define STATE_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

/* a value; all zero: there is none */
struct stamp {
	uint64_t recipe, inputs, deps; /* digests: which of these differ decides why a stream is stale */
	uint64_t result;               /* digest of what it made; what its dependents compare */
	int64_t finished_ms;           /* wall clock */
	uint32_t duration_ms;          /* of the attempt that completed it */
	bool present;
};

/* something a fingerprint was made from, for saying which one differs */
struct stamp_part {
	char kind; /* 'i' input file, 'd' dependency, 'o' output file, 'v' value written to $ORCH_OUTPUT (name is
		      "key=value"), 'g' what git has of it (name is "commit OID", "tree OID", "branch NAME", "@into BRANCH") */
	uint64_t digest;
	char *name;
};

/* the whole file */
struct stamp_detail {
	struct stamp stamp;
	char *run; /* id of the run that made it */
	unsigned attempt;
	struct stamp_part *parts;
	size_t part_count, part_capacity;
	char *recipe_text; /* the recipe as it was, for showing the line that differs */
};

void stamp_detail_add(struct stamp_detail *detail, char kind, uint64_t digest, const char *name);
void stamp_detail_release(struct stamp_detail *detail);

struct statedir;
struct stamp_store;

/* reads the listing and the index; nothing is opened for writing. A missing directory is an empty store */
int stamp_store_open(struct stamp_store **out, const struct statedir *dir, struct orch_error *err);
/* false if there is none. Reads the stream's file only when the index does not hold it as it is now (name, inode) */
bool stamp_store_get(struct stamp_store *store, const char *stream, struct stamp *out);
/* -1: stamp_store_get() said of some stream that it has none, where its file could not be read: for want of
 * descriptors, or an error of the disk. Who does not ask runs what may be complete */
int stamp_store_check(const struct stamp_store *store, struct orch_error *err);
/* the whole file of `stream`: -1 with ORCH_ENOTFOUND if there is none or it is damaged (which counts as none) */
int stamp_store_read(struct stamp_store *store, const char *stream, struct stamp_detail *out, struct orch_error *err);
/* temporary and rename where there is one already, appended to the pack where there are many; not synced: that is the
 * journal's part, see stamp_store_sync() */
int stamp_store_put(
	struct stamp_store *store, const char *stream, const struct stamp_detail *detail, struct orch_error *err);
/* the same for who has the text already, by stamp_write() */
int stamp_store_put_text(struct stamp_store *store, const char *stream, const struct stamp *stamp, const char *text,
	size_t len, struct orch_error *err);
int stamp_store_remove(struct stamp_store *store, const char *stream, struct orch_error *err);
/* everything put since open is on the disk when it returns (a file at a time for a few, the file system at once for
 * many); then the index is written anew */
int stamp_store_sync(struct stamp_store *store, struct orch_error *err);
/* the same at the end of a run whose journal has all stamps too: many are left to the system, which writes them within
 * seconds. `*synced`: none were; else the run is not to be called synced, so that journal_recover_stamps() of the next
 * one sees to them */
int stamp_store_finish(struct stamp_store *store, bool *synced, struct orch_error *err);
/* from now on a stamp is what its file says: after a power cut the index may be there, and the file not whole */
void stamp_store_distrust_index(struct stamp_store *store);
/* when a stamp of that directory was last made or removed, in ns; 0: unknown */
int64_t stamp_store_changed_ns(const struct statedir *dir);
void stamp_store_close(struct stamp_store *store);

/* the text of a stamp file, and back; used for the journal's copy too */
struct strbuf;
void stamp_write(struct strbuf *out, const char *stream, const struct stamp_detail *detail);
int stamp_parse(struct stamp_detail *out, const char *text, size_t len);

#endif
