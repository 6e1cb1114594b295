#include "config.h"

#include "state/stamp_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/digest.h"

#define INDEX_NAME "stamps.index"
#define INDEX_MAGIC "orchidx"

enum {
	INDEX_FORMAT = 2,
	INDEX_BYTE_ORDER = 0x01020304,
	INDEX_RECORDS_MAX = 1 << 28,
	SLOTS_MIN = 64,
};

/* lies where records[0] would be */
struct header {
	char magic[8];
	uint32_t byte_order, format, record_size, count; /* count without the header */
	uint64_t checksum;                               /* of the pack's identity and the records */
	struct stamp_pack_identity pack;
	char unused[8];
};

_Static_assert(sizeof(struct stamp_record) == 64, "the file's records have no holes");
_Static_assert(sizeof(struct header) == sizeof(struct stamp_record), "the header takes the place of one record");

static size_t bytes_of(uint32_t count)
{
	return (size_t)count * sizeof(struct stamp_record);
}

static void make_header(const struct stamp_index *index, struct header *header)
{
	*header = (struct header){
		.magic = INDEX_MAGIC,
		.byte_order = INDEX_BYTE_ORDER,
		.format = INDEX_FORMAT,
		.record_size = sizeof(struct stamp_record),
		.count = index->count - 1,
		.checksum = digest_chain(
			digest_bytes(&index->pack, sizeof index->pack), index->records + 1, bytes_of(index->count - 1)),
		.pack = index->pack,
	};
}

static void insert_slot(struct stamp_index *index, uint32_t number)
{
	uint32_t mask = index->slot_count - 1, at = (uint32_t)index->records[number].hash & mask;

	while (index->slots[at])
		at = (at + 1) & mask;
	index->slots[at] = number;
}

/* makes the table anew, with room for `count` records at half its size */
static void build_slots(struct stamp_index *index, uint32_t count)
{
	index->slot_count = SLOTS_MIN;
	while (index->slot_count / 2 < count)
		index->slot_count *= 2;
	free(index->slots);
	index->slots = xcalloc(index->slot_count, sizeof *index->slots);
	for (uint32_t i = 1; i < index->count; i++)
		insert_slot(index, i);
}

/* the file's records into index->records; false if it is not a good index */
static bool read_file(struct stamp_index *index, int fd)
{
	struct header header, expected;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof header ||
		st.st_size % (off_t)sizeof header != 0 || st.st_size / (off_t)sizeof header > INDEX_RECORDS_MAX)
		return false;
	index->count = (uint32_t)(st.st_size / (off_t)sizeof header);
	index->capacity = index->count;
	index->records = xmalloc(bytes_of(index->count));
	if (fs_read_at(fd, index->records, bytes_of(index->count), 0) != (ssize_t)bytes_of(index->count))
		return false;
	memcpy(&header, index->records, sizeof header);
	index->pack = header.pack;
	make_header(index, &expected);
	return memcmp(&header, &expected, sizeof header) == 0;
}

void stamp_index_load(struct stamp_index *index, int dir_fd)
{
	int fd = dir_fd < 0 ? -1 : openat(dir_fd, INDEX_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*index = (struct stamp_index){0};
	if (fd < 0 || !read_file(index, fd)) {
		free(index->records);
		*index = (struct stamp_index){
			.count = 1, .capacity = SLOTS_MIN, .records = xmalloc(bytes_of(SLOTS_MIN))};
	}
	if (fd >= 0)
		close(fd);
	for (uint32_t i = 1; i < index->count; i++)
		index->records[i].flags &= STAMP_KNOWN | STAMP_PACKED;
	build_slots(index, index->count);
}

struct stamp_record *stamp_index_find(const struct stamp_index *index, uint64_t hash)
{
	uint32_t mask = index->slot_count - 1, at = (uint32_t)hash & mask;

	for (; index->slots[at]; at = (at + 1) & mask) {
		if (index->records[index->slots[at]].hash == hash)
			return &index->records[index->slots[at]];
	}
	return NULL;
}

struct stamp_record *stamp_index_obtain(struct stamp_index *index, uint64_t hash)
{
	struct stamp_record *record = stamp_index_find(index, hash);

	if (record)
		return record;
	if (index->count == index->capacity) {
		index->capacity += index->capacity / 2;
		if (index->capacity < SLOTS_MIN)
			index->capacity = SLOTS_MIN;
		index->records = xreallocarray(index->records, index->capacity, sizeof *index->records);
	}
	record = &index->records[index->count++];
	*record = (struct stamp_record){.hash = hash};
	if (index->count > index->slot_count / 2)
		build_slots(index, index->count);
	else
		insert_slot(index, index->count - 1);
	return record;
}

int stamp_index_save(struct stamp_index *index, int dir_fd, struct orch_error *err)
{
	uint32_t kept = 1;
	struct header header;

	for (uint32_t i = 1; i < index->count; i++) {
		if (index->records[i].flags & STAMP_LISTED)
			index->records[kept++] = index->records[i];
	}
	if (kept < index->count) {
		index->count = kept;
		build_slots(index, kept);
	}
	make_header(index, &header);
	memcpy(index->records, &header, sizeof header);
	/* not synced: what a power cut leaves of it is known by its checksum, and is as good as none */
	return fs_replace(dir_fd, INDEX_NAME, index->records, bytes_of(index->count), false, err);
}

int stamp_index_discard(int dir_fd)
{
	return unlinkat(dir_fd, INDEX_NAME, 0) == 0 || errno == ENOENT ? 0 : -1;
}

void stamp_index_release(struct stamp_index *index)
{
	free(index->records);
	free(index->slots);
	*index = (struct stamp_index){0};
}
