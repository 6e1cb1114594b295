#include "config.h"

#include "state/stamp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/stamp_file.h"
#include "state/stamp_index.h"
#include "state/stamp_pack.h"
#include "state/stamp_text.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"

enum {
	FEW_MAX = 64,    /* of one run, each synced; more are with the whole file system at once */
	QUICK_MS = 1000, /* of the more, those of streams that took less time go into the pack */
	INDEX_STALE_MAX = 100,
};

struct stamp_store {
	const struct statedir *dir;
	struct stamp_index index;
	struct stamp_pack pack;
	struct strbuf text;     /* of the stamp being read or written */
	struct strvec unsynced; /* names put since the last sync, the first FEW_MAX */
	size_t puts, removals;  /* since the last sync */
	size_t stale;           /* records that the index on the disk lacked or had in vain */
	bool index_discarded;
	bool temporaries; /* the listing had files that a killed orch left */
	char *unread;      /* the first stream whose stamp is there and could not be read; NULL: none */
	int unread_number; /* errno: why */
};

static uint64_t name_hash(const char *name)
{
	return digest_bytes(name, strlen(name));
}

/* a stream's name is a file's name as it is; nothing else is ever opened or written */
static bool is_stream_name(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) <= 255 &&
		strcmp(name, STAMP_PACK_NAME) != 0;
}

/* one pass; the names are hashed where they lie */
static int read_listing(struct stamp_store *store, struct orch_error *err)
{
	struct dirent *entry;
	DIR *stream;
	uint32_t known = 0, listed = 0;
	int fd = openat(store->dir->stamps_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		error_errno(err, "cannot list the stamps in '%s/stamps'", store->dir->path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (uint32_t i = 1; i < store->index.count; i++)
		known += !(store->index.records[i].flags & STAMP_PACKED);
	for (errno = 0; (entry = readdir(stream)) != NULL; errno = 0) {
		struct stamp_record *record;

		if (entry->d_name[0] == '.') {
			store->temporaries |= stamp_file_is_temporary(entry->d_name);
			continue;
		}
		if (strcmp(entry->d_name, STAMP_PACK_NAME) == 0)
			continue;
		record = stamp_index_obtain(&store->index, name_hash(entry->d_name));
		if (record->flags & STAMP_PACKED)
			continue;
		if (record->where != (uint64_t)entry->d_ino || !(record->flags & STAMP_KNOWN)) {
			record->where = (uint64_t)entry->d_ino;
			record->flags = 0;
		} else {
			listed++;
		}
		record->flags |= STAMP_LISTED;
	}
	if (errno != 0) {
		error_errno(err, "cannot list the stamps in '%s/stamps'", store->dir->path);
		closedir(stream);
		return -1;
	}
	closedir(stream);
	store->stale += known - listed;
	return 0;
}

static void remember(struct stamp_record *record, const struct stamp *stamp, uint64_t where, uint32_t packed)
{
	record->where = where;
	record->recipe = stamp->recipe;
	record->inputs = stamp->inputs;
	record->deps = stamp->deps;
	record->result = stamp->result;
	record->finished_ms = stamp->finished_ms;
	record->duration_ms = stamp->duration_ms;
	record->flags = STAMP_KNOWN | STAMP_LISTED | packed;
}

/* Where there is a file too, put there by somebody, the pack counts: else one that was replaced could come back */
static void found_in_pack(void *data, const char *stream, const struct stamp *stamp, uint64_t place)
{
	struct stamp_store *store = data;
	uint64_t hash = name_hash(stream);
	struct stamp_record *record;

	store->stale++;
	if (stamp->present) {
		remember(stamp_index_obtain(&store->index, hash), stamp, place, STAMP_PACKED);
		return;
	}
	record = stamp_index_find(&store->index, hash);
	if (record && record->flags & STAMP_PACKED)
		record->flags = 0;
}

/* what the index says of the pack's stamps, if it is of this pack, else what the pack itself says. -1 with errno */
static int read_pack(struct stamp_store *store, bool trust_index)
{
	struct stamp_pack_identity is = stamp_pack_identify(&store->pack);
	struct stamp_index *index = &store->index;
	bool trusted = trust_index && memcmp(&index->pack, &is, sizeof is) == 0;

	for (uint32_t i = 1; i < index->count; i++) {
		if (index->records[i].flags & STAMP_PACKED)
			index->records[i].flags = trusted ? STAMP_KNOWN | STAMP_LISTED | STAMP_PACKED : 0;
	}
	return trusted ? 0 : stamp_pack_scan(&store->pack, found_in_pack, store);
}

int stamp_store_open(struct stamp_store **out, const struct statedir *dir, struct orch_error *err)
{
	struct stamp_store *store = xcalloc(1, sizeof *store);

	*out = NULL;
	store->dir = dir;
	store->pack.fd = -1;
	stamp_index_load(&store->index, dir->fd);
	if (dir->stamps_fd >= 0 && stamp_pack_open(&store->pack, dir->stamps_fd) < 0) {
		error_errno(err, "cannot open '%s/stamps/" STAMP_PACK_NAME "', the stamps of many streams (move it away, and they run again)",
			dir->path);
		stamp_store_close(store);
		return -1;
	}
	if (read_pack(store, true) < 0) {
		error_errno(err, "cannot read '%s/stamps/" STAMP_PACK_NAME "'", dir->path);
		stamp_store_close(store);
		return -1;
	}
	if (dir->stamps_fd >= 0 && read_listing(store, err) < 0) {
		stamp_store_close(store);
		return -1;
	}
	*out = store;
	return 0;
}

/* the stamp of `stream` into store->text; -1 with errno */
static int read_text(struct stamp_store *store, const char *stream)
{
	const struct stamp_record *record = stamp_index_find(&store->index, name_hash(stream));

	if (!record || !(record->flags & STAMP_PACKED))
		return stamp_file_read(store->dir->stamps_fd, stream, &store->text);
	strbuf_truncate(&store->text, 0);
	return stamp_pack_read(&store->pack, record->where, &store->text);
}

/* a stamp that says nothing is none; but of one that cannot be read just now nobody knows what it says */
static void note_unread(struct stamp_store *store, const char *stream)
{
	bool passing = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO;

	if (passing && !store->unread) {
		store->unread_number = errno;
		store->unread = xstrdup(stream);
	}
}

/* what its own file says, without what needs memory; false: nothing */
static bool look_into_file(struct stamp_store *store, const char *stream, struct stamp_detail *out)
{
	if (!is_stream_name(stream))
		return false;
	if (stamp_file_read(store->dir->stamps_fd, stream, &store->text) < 0) {
		note_unread(store, stream);
		return false;
	}
	return stamp_parse_of(out, stream, strbuf_cstr(&store->text), store->text.len, false) == 0;
}

int stamp_store_check(const struct stamp_store *store, struct orch_error *err)
{
	if (!store->unread)
		return 0;
	errno = store->unread_number;
	return error_errno(err, "cannot read the stamp of %s (where it cannot be helped, remove '.orch/stamps/%s': it runs again then)",
		store->unread, store->unread);
}

bool stamp_store_get(struct stamp_store *store, const char *stream, struct stamp *out)
{
	struct stamp_record *record = stamp_index_find(&store->index, name_hash(stream));
	struct stamp_detail detail;

	*out = (struct stamp){0};
	if (!record || !(record->flags & STAMP_LISTED) || (record->flags & STAMP_BAD))
		return false;
	if (!(record->flags & STAMP_KNOWN)) {
		if (!look_into_file(store, stream, &detail)) {
			record->flags |= STAMP_BAD;
			return false;
		}
		remember(record, &detail.stamp, record->where, 0);
		store->stale++;
	}
	*out = (struct stamp){
		.recipe = record->recipe,
		.inputs = record->inputs,
		.deps = record->deps,
		.result = record->result,
		.finished_ms = record->finished_ms,
		.duration_ms = record->duration_ms,
		.present = true,
	};
	return true;
}

int stamp_store_read(struct stamp_store *store, const char *stream, struct stamp_detail *out, struct orch_error *err)
{
	*out = (struct stamp_detail){0};
	if (store->dir->stamps_fd < 0 || !is_stream_name(stream))
		return error_code(err, ORCH_ENOTFOUND, "%s was never completed", stream);
	if (read_text(store, stream) < 0) {
		if (errno == ENOENT)
			return error_code(err, ORCH_ENOTFOUND, "%s was never completed", stream);
		return error_errno(err, "cannot read the stamp of %s", stream);
	}
	if (stamp_parse_of(out, stream, strbuf_cstr(&store->text), store->text.len, true) < 0)
		return error_code(
			err, ORCH_ENOTFOUND, "the stamp of %s is damaged, so it counts as never completed", stream);
	return 0;
}

/*
 * Before the first change: an inode that is given up can be given to the next file, also to one of the same name, so an
 * index that outlived a change could take a new stamp for the old one. It is written again by stamp_store_sync().
 */
static int begin_change(struct stamp_store *store, const char *stream, struct orch_error *err)
{
	if (!is_stream_name(stream))
		return error_set(err, "'%s' cannot have a stamp: it is no stream's name", stream);
	if (store->dir->stamps_fd < 0)
		return error_code(err, ORCH_ESTATE, "there is no '.orch/stamps' to write the stamp of %s to", stream);
	if (store->index_discarded)
		return 0;
	if (stamp_index_discard(store->dir->fd) < 0)
		return error_errno(err, "cannot write in '%s'", store->dir->path);
	if (store->temporaries)
		stamp_file_remove_temporaries(store->dir->stamps_fd);
	store->temporaries = false;
	store->index_discarded = true;
	return 0;
}

static int write_failed(struct orch_error *err, const char *stream)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return error_errno(err, "cannot write the stamp of %s (free some space, then run orch again)", stream);
	return error_errno(err, "cannot write the stamp of %s", stream);
}

/* -1 with errno */
static int remove_packed(struct stamp_store *store, const char *stream, struct stamp_record *record)
{
	struct strbuf text = {0};
	uint64_t place;
	int result;

	stamp_write_removal(&text, stream);
	result = stamp_pack_append(&store->pack, store->dir->stamps_fd, text.data, text.len, &place);
	strbuf_release(&text);
	if (result == 0)
		record->flags = 0;
	return result;
}

int stamp_store_put_text(struct stamp_store *store, const char *stream, const struct stamp *stamp, const char *text,
	size_t len, struct orch_error *err)
{
	struct stamp_record *record;
	bool is_packed, has_file, pack;
	uint64_t where;
	int result;

	if (begin_change(store, stream, err) < 0)
		return -1;
	if (len > STAMP_FILE_MAX)
		return error_set(err,
			"cannot write the stamp of %s: it would be larger than %d MiB; name fewer inputs and outputs",
			stream, STAMP_FILE_MAX >> 20);
	record = stamp_index_obtain(&store->index, name_hash(stream));
	is_packed = record->flags & STAMP_PACKED;
	has_file = record->flags & STAMP_LISTED && !is_packed;
	/* it stays where it is: never are there two */
	pack = len <= STAMP_PACK_ONE_MAX &&
		(is_packed || (!has_file && store->puts >= FEW_MAX && stamp->duration_ms < QUICK_MS));
	if (pack)
		result = stamp_pack_append(&store->pack, store->dir->stamps_fd, text, len, &where);
	else if (is_packed && remove_packed(store, stream, record) < 0)
		result = -1;
	else
		result = stamp_file_write(store->dir->stamps_fd, stream, text, len, &where);
	if (result < 0)
		return write_failed(err, stream);
	remember(record, stamp, where, pack ? STAMP_PACKED : 0);
	store->puts++;
	if (store->puts <= FEW_MAX)
		strvec_push(&store->unsynced, stream);
	return 0;
}

int stamp_store_put(
	struct stamp_store *store, const char *stream, const struct stamp_detail *detail, struct orch_error *err)
{
	strbuf_truncate(&store->text, 0);
	stamp_write(&store->text, stream, detail);
	return stamp_store_put_text(store, stream, &detail->stamp, store->text.data, store->text.len, err);
}

int stamp_store_remove(struct stamp_store *store, const char *stream, struct orch_error *err)
{
	struct stamp_record *record;

	if (store->dir->stamps_fd < 0)
		return 0;
	if (begin_change(store, stream, err) < 0)
		return -1;
	record = stamp_index_find(&store->index, name_hash(stream));
	if (record && record->flags & STAMP_PACKED && remove_packed(store, stream, record) < 0)
		return error_errno(err, "cannot remove the stamp of %s", stream);
	if (unlinkat(store->dir->stamps_fd, stream, 0) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove the stamp of %s", stream);
	if (record)
		record->flags = 0;
	store->removals++;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct stamp_record *const *left = a, *const *right = b;

	return (*left)->where < (*right)->where ? -1 : (*left)->where > (*right)->where;
}

/* Most of the pack does not count any more: what does is written anew. Where that fails the old one is as good */
static void repack(struct stamp_store *store)
{
	struct stamp_index *index = &store->index;
	struct stamp_record **records = xreallocarray(NULL, index->count, sizeof(struct stamp_record *));
	uint64_t live = 0, *places;
	size_t count = 0;

	for (uint32_t i = 1; i < index->count; i++) {
		if (index->records[i].flags & STAMP_PACKED) {
			records[count++] = &index->records[i];
			live += stamp_pack_length(index->records[i].where);
		}
	}
	if (stamp_pack_is_wasteful(&store->pack, live)) {
		qsort(records, count, sizeof(struct stamp_record *), by_place);
		places = xreallocarray(NULL, count, sizeof *places);
		for (size_t i = 0; i < count; i++)
			places[i] = records[i]->where;
		if (stamp_pack_replace(&store->pack, store->dir->stamps_fd, places, count) == 0) {
			for (size_t i = 0; i < count; i++)
				records[i]->where = places[i];
		}
		free(places);
	}
	free(records);
}

static int sync_each(struct stamp_store *store)
{
	for (size_t i = 0; i < store->unsynced.count; i++) {
		int fd = openat(store->dir->stamps_fd, store->unsynced.items[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW),
		    result, number;

		if (fd < 0 && errno == ENOENT)
			continue; /* removed since */
		result = fd < 0 ? -1 : fsync(fd);
		number = errno;
		if (fd >= 0)
			close(fd);
		errno = number;
		if (result < 0)
			return -1;
	}
	return stamp_pack_sync(&store->pack) < 0 ? -1 : fs_sync_dir(store->dir->stamps_fd);
}

static int save(struct stamp_store *store, bool sync_many, bool *synced, struct orch_error *err)
{
	bool is_changed = store->puts > 0 || store->removals > 0, is_few = store->puts <= FEW_MAX;

	*synced = true;
	if (store->dir->stamps_fd < 0)
		return 0;
	if (!is_changed && !store->index_discarded && store->stale <= INDEX_STALE_MAX)
		return 0;
	if (is_changed)
		repack(store);
	if (is_changed && (is_few ? sync_each(store) : sync_many ? fs_sync_filesystem(store->dir->stamps_fd) : 0) < 0)
		return error_errno(err, "cannot write the stamps in '%s/stamps' to the disk", store->dir->path);
	*synced = !is_changed || is_few || sync_many;
	store->puts = store->removals = 0;
	strvec_release(&store->unsynced);
	store->index.pack = stamp_pack_identify(&store->pack);
	if (stamp_index_save(&store->index, store->dir->fd, err) < 0)
		return error_prefix(err, "cannot write the index of the stamps");
	store->index_discarded = false;
	store->stale = 0;
	return 0;
}

int stamp_store_sync(struct stamp_store *store, struct orch_error *err)
{
	bool synced;

	return save(store, true, &synced, err);
}

int stamp_store_finish(struct stamp_store *store, bool *synced, struct orch_error *err)
{
	return save(store, false, synced, err);
}

void stamp_store_distrust_index(struct stamp_store *store)
{
	for (uint32_t i = 1; i < store->index.count; i++)
		store->index.records[i].flags &= (uint32_t)~STAMP_KNOWN;
	if (read_pack(store, false) < 0)
		note_unread(store, STAMP_PACK_NAME);
}

int64_t stamp_store_changed_ns(const struct statedir *dir)
{
	struct stat of_files, of_pack;
	int64_t files, pack;

	if (dir->stamps_fd < 0 || fstat(dir->stamps_fd, &of_files) < 0)
		return 0;
	files = (int64_t)of_files.st_mtim.tv_sec * 1000000000 + of_files.st_mtim.tv_nsec;
	if (fstatat(dir->stamps_fd, STAMP_PACK_NAME, &of_pack, AT_SYMLINK_NOFOLLOW) < 0)
		return files;
	pack = (int64_t)of_pack.st_mtim.tv_sec * 1000000000 + of_pack.st_mtim.tv_nsec;
	return files > pack ? files : pack;
}

void stamp_store_close(struct stamp_store *store)
{
	if (!store)
		return;
	stamp_index_release(&store->index);
	stamp_pack_close(&store->pack);
	strbuf_release(&store->text);
	strvec_release(&store->unsynced);
	free(store->unread);
	free(store);
}
