#include "config.h"

#include "state/fingerprint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fs.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/arena.h"
#include "util/array.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/map.h"
#include "util/strbuf.h"
#include "util/strvec.h"

/*
 * .orch/files: a header with a checksum, then for each file a struct record and its path with a NUL. A damaged one is
 * as good as none.
 */
#define CACHE_NAME "files"
#define CACHE_MAGIC "orchfil"

enum {
	CACHE_FORMAT = 1,
	CACHE_BYTE_ORDER = 0x01020304,
	CACHE_SIZE_MAX = 1 << 30,
	CACHE_AGE_MAX = 50, /* saves without a use, after which a file is forgotten */
	HASH_BLOCK = 128 * 1024,
	TREE_DEPTH_MAX = 128,
};

/* a clock that ticks so slowly could give two contents the same time */
#define RACY_NS INT64_C(2000000000)

struct header {
	char magic[8];
	uint32_t byte_order, format;
	uint64_t checksum; /* of what follows */
};

struct record {
	uint64_t digest, size, inode;
	int64_t mtime_ns, ctime_ns;
	uint32_t age; /* saves since it was last used */
	uint32_t path_length;
};

struct entry {
	struct record record;
	const char *path;
	bool used;
	bool racy; /* changed so lately that its times prove nothing: it is hashed again, and not saved */
};

struct file_cache {
	int dir_fd; /* borrowed; -1: there is no state directory */
	bool loaded, changed;
	char *file;         /* as read: paths point into it */
	struct arena arena; /* entries and paths made since */
	struct entry *from_file;
	struct map entries;
	char *block; /* for reading files */
};

int file_cache_open(struct file_cache **out, const struct statedir *dir, struct orch_error *err)
{
	struct file_cache *cache = xcalloc(1, sizeof *cache);

	(void)err;
	cache->dir_fd = dir->fd;
	*out = cache;
	return 0;
}

void file_cache_close(struct file_cache *cache)
{
	if (!cache)
		return;
	map_release(&cache->entries);
	arena_release(&cache->arena);
	free(cache->from_file);
	free(cache->file);
	free(cache->block);
	free(cache);
}

static int64_t to_ns(const struct timespec *time)
{
	return (int64_t)time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

/* adds the records of a file that was found whole; stops at one that does not fit */
static void add_records(struct file_cache *cache, const char *at, const char *end)
{
	size_t most = (size_t)(end - at) / (sizeof(struct record) + 1);

	cache->from_file = xcalloc(most + 1, sizeof *cache->from_file);
	for (size_t i = 0; i < most && (size_t)(end - at) > sizeof(struct record); i++) {
		struct entry *entry = &cache->from_file[i];

		memcpy(&entry->record, at, sizeof entry->record);
		at += sizeof entry->record;
		if (entry->record.path_length >= (size_t)(end - at) || at[entry->record.path_length] != '\0' ||
			strlen(at) != entry->record.path_length)
			return;
		entry->path = at;
		at += entry->record.path_length + 1;
		map_set(&cache->entries, entry->path, entry);
	}
}

/* only when it is first needed: a project without inputs never reads it */
static void load(struct file_cache *cache)
{
	struct header header;
	size_t len;
	int fd;

	cache->loaded = true;
	fd = cache->dir_fd < 0 ? -1 : openat(cache->dir_fd, CACHE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fs_read_fd(fd, ".orch/" CACHE_NAME, CACHE_SIZE_MAX, &cache->file, &len, NULL) < 0) {
		cache->file = NULL;
		len = 0;
	}
	close(fd);
	if (len < sizeof header)
		return;
	memcpy(&header, cache->file, sizeof header);
	if (memcmp(header.magic, CACHE_MAGIC, sizeof header.magic) == 0 && header.byte_order == CACHE_BYTE_ORDER &&
		header.format == CACHE_FORMAT &&
		header.checksum == digest_bytes(cache->file + sizeof header, len - sizeof header))
		add_records(cache, cache->file + sizeof header, cache->file + len);
}

static bool is_same_file(const struct record *record, const struct stat *st)
{
	return record->size == (uint64_t)st->st_size && record->inode == (uint64_t)st->st_ino &&
		record->mtime_ns == to_ns(&st->st_mtim) && record->ctime_ns == to_ns(&st->st_ctim);
}

static struct record make_record(const struct stat *st, uint64_t digest)
{
	return (struct record){
		.digest = digest,
		.size = (uint64_t)st->st_size,
		.inode = (uint64_t)st->st_ino,
		.mtime_ns = to_ns(&st->st_mtim),
		.ctime_ns = to_ns(&st->st_ctim),
	};
}

/* reads the open file to its end; *st is its state before, *steady whether it was the same behind */
static int hash_open_file(struct file_cache *cache, int fd, struct stat *st, uint64_t *digest, bool *steady)
{
	struct digest_stream *stream;
	struct record before;
	struct stat after;
	int result = 0, number;

	if (fstat(fd, st) < 0)
		return -1;
	before = make_record(st, 0);
	if (!cache->block)
		cache->block = xmalloc(HASH_BLOCK);
	stream = digest_stream_new();
	for (;;) {
		ssize_t got = read(fd, cache->block, HASH_BLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			result = -1;
		if (got <= 0)
			break;
		digest_stream_add(stream, cache->block, (size_t)got);
	}
	number = errno;
	*digest = digest_stream_value(stream);
	digest_stream_free(stream);
	errno = number;
	if (result < 0 || fstat(fd, &after) < 0)
		return -1;
	*steady = is_same_file(&before, &after);
	return 0;
}

static void store(struct file_cache *cache, struct entry *entry, const char *path, const struct stat *st,
	uint64_t digest, bool racy)
{
	if (!entry) {
		entry = arena_alloc(&cache->arena, sizeof *entry);
		entry->path = arena_strdup(&cache->arena, path);
		map_set(&cache->entries, entry->path, entry);
	}
	entry->record = make_record(st, digest);
	entry->used = true;
	entry->racy = racy;
	cache->changed = true;
}

/* `st` is of the file that the path leads to, a regular one. 1: it is gone meanwhile */
static int digest_file(
	struct file_cache *cache, const char *path, const struct stat *st, uint64_t *digest, struct orch_error *err)
{
	int64_t now_ns = clock_wall_ms() * INT64_C(1000000), newest;
	struct entry *entry;
	struct stat opened;
	bool steady;
	int fd, number;

	if (!cache->loaded)
		load(cache);
	entry = map_get(&cache->entries, path);
	if (entry && !entry->racy && is_same_file(&entry->record, st)) {
		entry->used = true;
		*digest = entry->record.digest;
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 1 : error_errno(err, "cannot read '%s'", path);
	if (hash_open_file(cache, fd, &opened, digest, &steady) < 0) {
		error_errno(err, "cannot read '%s'", path);
		close(fd);
		return -1;
	}
	number = close(fd);
	(void)number; /* it was only read */
	newest = to_ns(&opened.st_mtim) > to_ns(&opened.st_ctim) ? to_ns(&opened.st_mtim) : to_ns(&opened.st_ctim);
	store(cache, entry, path, &opened, *digest, !steady || newest > now_ns - RACY_NS);
	return 0;
}

/* a directory of a tree that is being hashed */
struct level {
	struct strvec names;
	size_t next;
	size_t path_length; /* of the directory's path */
	uint64_t digest;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_left_out(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0 ||
		strcmp(name, ".orch") == 0;
}

static int list_names(const char *path, struct strvec *names, struct orch_error *err)
{
	DIR *stream = opendir(path);
	struct dirent *entry;

	if (!stream)
		return errno == ENOENT ? 1 : error_errno(err, "cannot list '%s'", path);
	for (errno = 0; (entry = readdir(stream)) != NULL; errno = 0) {
		if (!is_left_out(entry->d_name))
			strvec_push(names, entry->d_name);
	}
	if (errno != 0) {
		error_errno(err, "cannot list '%s'", path);
		closedir(stream);
		return -1;
	}
	closedir(stream);
	if (names->count > 1)
		qsort(names->items, names->count, sizeof *names->items, compare_names);
	return 0;
}

static void add_to_level(struct level *level, char kind, const char *name, uint64_t digest)
{
	level->digest = digest_field(level->digest, &kind, 1);
	level->digest = digest_field(level->digest, name, strlen(name));
	level->digest = digest_field(level->digest, &digest, sizeof digest);
}

static int digest_link(const char *path, uint64_t *digest, struct orch_error *err)
{
	char target[4096];
	ssize_t len = readlink(path, target, sizeof target);

	if (len < 0)
		return errno == ENOENT ? 1 : error_errno(err, "cannot read '%s'", path);
	*digest = digest_bytes(target, (size_t)len);
	return 0;
}

/* An item of a tree that is no directory. Links to files count by the file's content, others by their text: following
 * links to directories could go round in circles */
static int add_item(struct file_cache *cache, struct level *level, const char *path, const char *name,
	const struct stat *st, struct orch_error *err)
{
	struct stat target = *st;
	uint64_t digest = 0;
	char kind = 's';
	int result = 0;

	if (S_ISLNK(st->st_mode) && stat(path, &target) < 0)
		target = *st;
	if (S_ISREG(target.st_mode)) {
		kind = 'f';
		result = digest_file(cache, path, &target, &digest, err);
	} else if (S_ISLNK(st->st_mode)) {
		kind = 'l';
		result = digest_link(path, &digest, err);
	}
	if (result == 0)
		add_to_level(level, kind, name, digest);
	return result < 0 ? -1 : 0;
}

/* the walk keeps its levels itself, so that a deep tree costs memory, not stack */
static int digest_tree(struct file_cache *cache, const char *root, uint64_t *digest, struct orch_error *err)
{
	ARRAY(struct level) levels = {0};
	struct strbuf path = {0};
	int result;

	strbuf_addstr(&path, root);
	*ARRAY_PUSH(&levels) = (struct level){.path_length = path.len};
	result = list_names(root, &levels.items[0].names, err);
	while (result == 0 && levels.count > 0) {
		struct level *level = &levels.items[levels.count - 1];
		const char *name;
		struct stat st;

		strbuf_truncate(&path, level->path_length);
		if (level->next == level->names.count) {
			uint64_t sum = level->digest;

			strvec_release(&level->names);
			levels.count--;
			if (levels.count == 0) {
				*digest = sum;
			} else {
				level = &levels.items[levels.count - 1];
				add_to_level(level, 'd', level->names.items[level->next - 1], sum);
			}
			continue;
		}
		name = level->names.items[level->next++];
		strbuf_addch(&path, '/');
		strbuf_addstr(&path, name);
		if (lstat(path.data, &st) < 0) {
			if (errno != ENOENT)
				result = error_errno(err, "cannot look at '%s'", path.data);
		} else if (!S_ISDIR(st.st_mode)) {
			result = add_item(cache, level, path.data, name, &st, err);
		} else if (levels.count == TREE_DEPTH_MAX) {
			result = error_set(err,
				"'%s' is nested deeper than %d directories: name the files that count instead", root,
				TREE_DEPTH_MAX);
		} else {
			struct level *inner = ARRAY_PUSH(&levels);

			inner->path_length = path.len;
			result = list_names(path.data, &inner->names, err) < 0 ? -1 : 0;
		}
	}
	for (size_t i = 0; i < levels.count; i++)
		strvec_release(&levels.items[i].names);
	ARRAY_RELEASE(&levels);
	strbuf_release(&path);
	return result;
}

int file_cache_digest(struct file_cache *cache, const char *path, uint64_t *digest, struct orch_error *err)
{
	struct stat st;

	*digest = 0;
	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 1 : error_errno(err, "cannot look at '%s'", path);
	if (S_ISREG(st.st_mode))
		return digest_file(cache, path, &st, digest, err);
	if (S_ISDIR(st.st_mode))
		return digest_tree(cache, path, digest, err);
	return error_set(err, "'%s' is neither a file nor a directory, so it has no content to compare", path);
}

int file_cache_save(struct file_cache *cache, struct orch_error *err)
{
	struct header header = {.magic = CACHE_MAGIC, .byte_order = CACHE_BYTE_ORDER, .format = CACHE_FORMAT};
	struct strbuf out = {0};
	size_t position = 0;
	const char *path;
	void *value;
	int result;

	if (!cache->changed || cache->dir_fd < 0)
		return 0;
	strbuf_add(&out, &header, sizeof header);
	while (map_next(&cache->entries, &position, &path, &value)) {
		const struct entry *entry = value;
		struct record record = entry->record;

		record.path_length = (uint32_t)strlen(path);
		record.age = entry->used ? 0 : record.age + 1;
		if (entry->racy || record.age > CACHE_AGE_MAX)
			continue;
		strbuf_add(&out, &record, sizeof record);
		strbuf_add(&out, path, record.path_length + 1);
	}
	header.checksum = digest_bytes(out.data + sizeof header, out.len - sizeof header);
	memcpy(out.data, &header, sizeof header);
	result = fs_replace(cache->dir_fd, CACHE_NAME, out.data, out.len, false, err);
	strbuf_release(&out);
	if (result == 0)
		cache->changed = false;
	return result;
}
