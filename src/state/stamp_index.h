/*
 * The index beside the stamps, in memory and on the disk (.orch/stamps.index): what each stamp says, by the hash of the
 * stream's name and the stamp's inode, or its place in the pack. The file is the array as it lies in memory, behind a
 * header with a checksum; one that is damaged, of another format or of another byte order is as good as none. Private
 * to state/.
 */
#ifndef STATE_STAMP_INDEX_H
#define STATE_STAMP_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "orch/error.h"
#include "state/stamp_pack.h"

enum {
	STAMP_KNOWN = 1,  /* the digests are those of the stamp with that inode, or at that place */
	STAMP_LISTED = 2, /* there is a stamp, with that inode, or at that place */
	STAMP_BAD = 4,    /* it was read and is damaged */
	STAMP_PACKED = 8, /* it is in the pack */
};

/* 64 bytes, no holes */
struct stamp_record {
	uint64_t hash;
	uint64_t where; /* inode, or place in the pack */
	uint64_t recipe, inputs, deps, result;
	int64_t finished_ms;
	uint32_t duration_ms;
	uint32_t flags;
};

struct stamp_index {
	struct stamp_pack_identity pack; /* of which the places are */
	struct stamp_record *records;    /* records[0] is the file's header; the first one is records[1] */
	uint32_t count, capacity;        /* with the header */
	uint32_t *slots;                 /* open addressing, 0 is free */
	uint32_t slot_count;             /* a power of two */
};

/* reads the file below `dir_fd` (-1: none); of the flags KNOWN and PACKED are left, where they were set */
void stamp_index_load(struct stamp_index *index, int dir_fd);
/* NULL if there is none */
struct stamp_record *stamp_index_find(const struct stamp_index *index, uint64_t hash);
/* the record of that hash, made if it is not there; valid until the next call of this */
struct stamp_record *stamp_index_obtain(struct stamp_index *index, uint64_t hash);
/* drops all that is not LISTED, and writes the file anew */
int stamp_index_save(struct stamp_index *index, int dir_fd, struct orch_error *err);
/* from now on the file would say what is not so any more */
int stamp_index_discard(int dir_fd);
void stamp_index_release(struct stamp_index *index);

#endif
