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
#include "state/stamp_index.h"
#include "state/stamp_text.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"

#define TEMPORARY_START ".tmp."

enum {
	SYNC_EACH_MAX = 64, /* more files than that are synced with the whole file system at once */
	INDEX_STALE_MAX = 100,
	STAMP_SIZE_MAX = 64 * 1024 * 1024,
	TEMPORARY_TRIES = 1000,
};

struct stamp_store {
	const struct statedir *dir;
	struct stamp_index index;
	struct strbuf text;     /* of the file being read or written */
	struct strvec unsynced; /* names put since the last sync, the first SYNC_EACH_MAX */
	size_t puts, removals;  /* since the last sync */
	size_t stale;           /* records that the index on the disk lacked or had in vain */
	bool index_discarded;
	bool temporaries; /* the listing had files that a killed orch left */
	unsigned long next_temporary;
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
	return name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) <= 255;
}

/* one pass; the names are hashed where they lie */
static int read_listing(struct stamp_store *store, struct orch_error *err)
{
	struct dirent *entry;
	DIR *stream;
	uint32_t known = store->index.count - 1, listed = 0;
	int fd = openat(store->dir->stamps_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		error_errno(err, "cannot list the stamps in '%s/stamps'", store->dir->path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (errno = 0; (entry = readdir(stream)) != NULL; errno = 0) {
		struct stamp_record *record;

		if (entry->d_name[0] == '.') {
			if (strncmp(entry->d_name, TEMPORARY_START, sizeof TEMPORARY_START - 1) == 0)
				store->temporaries = true;
			continue;
		}
		record = stamp_index_obtain(&store->index, name_hash(entry->d_name));
		if (record->inode != (uint64_t)entry->d_ino || !(record->flags & STAMP_KNOWN)) {
			record->inode = (uint64_t)entry->d_ino;
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
	store->stale = known - listed;
	return 0;
}

int stamp_store_open(struct stamp_store **out, const struct statedir *dir, struct orch_error *err)
{
	struct stamp_store *store = xcalloc(1, sizeof *store);

	*out = NULL;
	store->dir = dir;
	stamp_index_load(&store->index, dir->fd);
	if (dir->stamps_fd >= 0 && read_listing(store, err) < 0) {
		stamp_store_close(store);
		return -1;
	}
	*out = store;
	return 0;
}

/* the file of `stream` into store->text; -1 with errno */
static int read_text(struct stamp_store *store, const char *stream)
{
	int fd = openat(store->dir->stamps_fd, stream, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), number;
	struct stat st;

	strbuf_truncate(&store->text, 0);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		goto failed;
	if (!S_ISREG(st.st_mode) || st.st_size > STAMP_SIZE_MAX) {
		errno = EINVAL;
		goto failed;
	}
	for (;;) {
		/* one byte more than there should be, so that the end is seen with the last read */
		size_t room = (size_t)st.st_size > store->text.len ? (size_t)st.st_size - store->text.len + 1 : 4096;
		ssize_t got = read(fd, strbuf_reserve(&store->text, room), room);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			goto failed;
		strbuf_grown(&store->text, (size_t)got);
		if ((size_t)got < room || store->text.len > STAMP_SIZE_MAX)
			break;
	}
	close(fd);
	return 0;
failed:
	number = errno;
	close(fd);
	errno = number;
	return -1;
}

static void remember(struct stamp_record *record, const struct stamp *stamp)
{
	record->recipe = stamp->recipe;
	record->inputs = stamp->inputs;
	record->deps = stamp->deps;
	record->result = stamp->result;
	record->finished_ms = stamp->finished_ms;
	record->duration_ms = stamp->duration_ms;
	record->flags = STAMP_KNOWN | STAMP_LISTED;
}

/* always true. A stamp that says nothing is none; but of one that cannot be read just now nobody knows what it says */
static bool note_unread(struct stamp_store *store, const char *stream)
{
	bool passing = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO;

	if (passing && !store->unread) {
		store->unread_number = errno;
		store->unread = xstrdup(stream);
	}
	return true;
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
		errno = 0;
		if (!is_stream_name(stream) || (read_text(store, stream) < 0 && note_unread(store, stream)) ||
			stamp_parse_of(&detail, stream, strbuf_cstr(&store->text), store->text.len, false) < 0) {
			record->flags |= STAMP_BAD;
			return false;
		}
		remember(record, &detail.stamp);
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

/* removes what a killed orch left; the lock is held by who writes, so nobody else is using them */
static void remove_temporaries(struct stamp_store *store)
{
	int fd = openat(store->dir->stamps_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	store->temporaries = false;
	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(stream)) != NULL) {
		if (strncmp(entry->d_name, TEMPORARY_START, sizeof TEMPORARY_START - 1) == 0)
			unlinkat(fd, entry->d_name, 0);
	}
	closedir(stream);
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
		remove_temporaries(store);
	store->index_discarded = true;
	return 0;
}

static int write_failed(struct orch_error *err, const char *stream)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return error_errno(err, "cannot write the stamp of %s (free some space, then run orch again)", stream);
	return error_errno(err, "cannot write the stamp of %s", stream);
}

static int create_temporary(struct stamp_store *store, char name[64])
{
	int fd = -1;

	for (int i = 0; i < TEMPORARY_TRIES; i++) {
		snprintf(name, 64, TEMPORARY_START "%ld.%lu", (long)getpid(), store->next_temporary++);
		fd = openat(store->dir->stamps_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd;
}

int stamp_store_put(
	struct stamp_store *store, const char *stream, const struct stamp_detail *detail, struct orch_error *err)
{
	struct stamp_record *record;
	char temporary[64];
	const char *name = stream;
	struct stat st;
	int fd, result, number;

	if (begin_change(store, stream, err) < 0)
		return -1;
	strbuf_truncate(&store->text, 0);
	stamp_write(&store->text, stream, detail);
	if (store->text.len > STAMP_SIZE_MAX)
		return error_set(err,
			"cannot write the stamp of %s: it would be larger than %d MiB; name fewer inputs and outputs",
			stream, STAMP_SIZE_MAX >> 20);
	/* where there is none, a torn one is as good as none (it carries a checksum): only an older one must not be
	 * lost halfway */
	fd = openat(store->dir->stamps_fd, stream, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST) {
		fd = create_temporary(store, temporary);
		name = temporary;
	}
	if (fd < 0)
		return write_failed(err, stream);
	result = fs_write_all(fd, store->text.data, store->text.len);
	if (result == 0)
		result = fstat(fd, &st);
	number = errno;
	if (close(fd) < 0 && result == 0) {
		result = -1;
		number = errno;
	}
	if (result == 0 && name == temporary &&
		renameat(store->dir->stamps_fd, temporary, store->dir->stamps_fd, stream) < 0) {
		result = -1;
		number = errno;
	}
	if (result < 0) {
		unlinkat(store->dir->stamps_fd, name, 0);
		errno = number;
		return write_failed(err, stream);
	}
	record = stamp_index_obtain(&store->index, name_hash(stream));
	remember(record, &detail->stamp);
	record->inode = (uint64_t)st.st_ino;
	store->puts++;
	if (store->puts <= SYNC_EACH_MAX)
		strvec_push(&store->unsynced, stream);
	return 0;
}

int stamp_store_remove(struct stamp_store *store, const char *stream, struct orch_error *err)
{
	struct stamp_record *record;

	if (store->dir->stamps_fd < 0)
		return 0;
	if (begin_change(store, stream, err) < 0)
		return -1;
	if (unlinkat(store->dir->stamps_fd, stream, 0) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove the stamp of %s", stream);
	record = stamp_index_find(&store->index, name_hash(stream));
	if (record)
		record->flags = 0;
	store->removals++;
	return 0;
}

static int sync_each(const struct stamp_store *store)
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
	return fs_sync_dir(store->dir->stamps_fd);
}

static int save(struct stamp_store *store, bool sync_many, bool *synced, struct orch_error *err)
{
	bool is_changed = store->puts > 0 || store->removals > 0, is_few = store->puts <= SYNC_EACH_MAX;

	*synced = true;
	if (store->dir->stamps_fd < 0)
		return 0;
	if (!is_changed && !store->index_discarded && store->stale <= INDEX_STALE_MAX)
		return 0;
	if (is_changed && (is_few ? sync_each(store) : sync_many ? fs_sync_filesystem(store->dir->stamps_fd) : 0) < 0)
		return error_errno(err, "cannot write the stamps in '%s/stamps' to the disk", store->dir->path);
	*synced = !is_changed || is_few || sync_many;
	store->puts = store->removals = 0;
	strvec_release(&store->unsynced);
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
}

void stamp_store_close(struct stamp_store *store)
{
	if (!store)
		return;
	stamp_index_release(&store->index);
	strbuf_release(&store->text);
	strvec_release(&store->unsynced);
	free(store->unread);
	free(store);
}
