#include "config.h"

#include "state/stamp_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/stamp_text.h"
#include "util/strbuf.h"

enum {
	CHUNK = 256 * 1024,
	LENGTH_BITS = 20,
	WASTE_MIN = 64 * 1024, /* less is left alone */
};

_Static_assert(STAMP_PACK_ONE_MAX < 1 << LENGTH_BITS, "a place has room for the length");

static uint64_t place_of(uint64_t offset, size_t len)
{
	return offset << LENGTH_BITS | len;
}

static uint64_t offset_of(uint64_t place)
{
	return place >> LENGTH_BITS;
}

uint64_t stamp_pack_length(uint64_t place)
{
	return place & ((1 << LENGTH_BITS) - 1);
}

/* takes over `fd`; -1 with errno */
static int take(struct stamp_pack *pack, int fd, bool is_writable)
{
	struct stat st;
	char last = '\n';
	int number;

	if (fstat(fd, &st) < 0)
		goto failed;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto failed;
	}
	if (is_writable && st.st_size > 0 && fs_read_at(fd, &last, 1, (uint64_t)st.st_size - 1) < 0)
		goto failed;
	pack->fd = fd;
	pack->size = (uint64_t)st.st_size;
	pack->is_writable = is_writable;
	pack->is_torn = last != '\n';
	return 0;
failed:
	number = errno;
	close(fd);
	errno = number;
	return -1;
}

int stamp_pack_open(struct stamp_pack *pack, int dir_fd)
{
	int fd = openat(dir_fd, STAMP_PACK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*pack = (struct stamp_pack){.fd = -1};
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	return take(pack, fd, false);
}

void stamp_pack_close(struct stamp_pack *pack)
{
	if (pack->fd >= 0)
		close(pack->fd);
	*pack = (struct stamp_pack){.fd = -1};
}

struct stamp_pack_identity stamp_pack_identify(const struct stamp_pack *pack)
{
	struct stat st;

	if (pack->fd < 0 || fstat(pack->fd, &st) < 0)
		return (struct stamp_pack_identity){0};
	return (struct stamp_pack_identity){
		.inode = (uint64_t)st.st_ino,
		.size = (uint64_t)st.st_size,
		.changed_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
	};
}

struct scan {
	void (*found)(void *data, const char *stream, const struct stamp *stamp, uint64_t place);
	void *data;
	struct strbuf stream;
};

static void scan_one(struct scan *scan, const char *text, size_t len, uint64_t offset)
{
	struct stamp_detail detail = {0};

	if (len > STAMP_PACK_ONE_MAX || !stamp_stream_of(text, len, &scan->stream))
		return;
	if (stamp_parse_of(&detail, strbuf_cstr(&scan->stream), text, len, false) == 0 ||
		stamp_is_removal(strbuf_cstr(&scan->stream), text, len))
		scan->found(scan->data, strbuf_cstr(&scan->stream), &detail.stamp, place_of(offset, len));
}

/* all whole stamps in `text`, which lies at `offset` of the file; how much of it is not needed any more */
static size_t scan_text(struct scan *scan, const char *text, size_t len, uint64_t offset)
{
	size_t at = 0, start = 0;
	bool is_within = false;
	const char *newline;

	while ((newline = memchr(text + at, '\n', len - at)) != NULL) {
		size_t next = (size_t)(newline - text) + 1;

		if (stamp_is_first_line(text + at, next - at)) {
			is_within = true;
			start = at;
		} else if (is_within && stamp_is_last_line(text + at, next - at)) {
			scan_one(scan, text + start, next - start, offset + start);
			is_within = false;
		}
		at = next;
	}
	if (is_within && len - start <= STAMP_PACK_ONE_MAX)
		return start;
	/* no line of a stamp is longer than a stamp */
	return len - at <= STAMP_PACK_ONE_MAX ? at : len;
}

int stamp_pack_scan(const struct stamp_pack *pack,
	void (*found)(void *data, const char *stream, const struct stamp *stamp, uint64_t place), void *data)
{
	struct scan scan = {.found = found, .data = data};
	struct strbuf buffer = {0};
	uint64_t offset = 0; /* of the buffer */
	ssize_t got = 0;

	while (pack->fd >= 0) {
		size_t used;

		got = fs_read_at(pack->fd, strbuf_reserve(&buffer, CHUNK), CHUNK, offset + buffer.len);
		if (got <= 0)
			break;
		strbuf_grown(&buffer, (size_t)got);
		used = scan_text(&scan, buffer.data, buffer.len, offset);
		memmove(buffer.data, buffer.data + used, buffer.len - used);
		strbuf_truncate(&buffer, buffer.len - used);
		offset += used;
	}
	strbuf_release(&buffer);
	strbuf_release(&scan.stream);
	return got < 0 ? -1 : 0;
}

int stamp_pack_read(const struct stamp_pack *pack, uint64_t place, struct strbuf *text)
{
	size_t len = (size_t)stamp_pack_length(place);
	ssize_t got;

	if (pack->fd < 0) {
		errno = ENOENT;
		return -1;
	}
	got = fs_read_at(pack->fd, strbuf_reserve(text, len), len, offset_of(place));
	if (got < 0)
		return -1;
	strbuf_grown(text, (size_t)got);
	return 0;
}

/* -1 with errno. The file that is there is opened again for writing, if it is there still */
static int make_writable(struct stamp_pack *pack, int dir_fd)
{
	struct stamp_pack opened = *pack;
	int fd;

	if (pack->is_writable)
		return 0;
	fd = openat(dir_fd, STAMP_PACK_NAME, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || take(&opened, fd, true) < 0)
		return -1;
	if (pack->fd >= 0)
		close(pack->fd);
	*pack = opened;
	return 0;
}

int stamp_pack_append(struct stamp_pack *pack, int dir_fd, const char *text, size_t len, uint64_t *place)
{
	int number;

	if (make_writable(pack, dir_fd) < 0)
		return -1;
	if (pack->is_torn) {
		if (fs_write_all(pack->fd, "\n", 1) < 0)
			return -1;
		pack->size++;
		pack->is_torn = false;
	}
	pack->is_unsynced = true;
	if (fs_write_all(pack->fd, text, len) == 0) {
		*place = place_of(pack->size, len);
		pack->size += len;
		return 0;
	}
	number = errno;
	if (ftruncate(pack->fd, (off_t)pack->size) < 0) {
		/* half a stamp stays: what comes next begins on a line of its own */
		struct stat st;

		pack->is_torn = true;
		if (fstat(pack->fd, &st) == 0)
			pack->size = (uint64_t)st.st_size;
	}
	errno = number;
	return -1;
}

int stamp_pack_sync(struct stamp_pack *pack)
{
	if (pack->is_unsynced && fdatasync(pack->fd) < 0)
		return -1;
	pack->is_unsynced = false;
	return 0;
}

bool stamp_pack_is_wasteful(const struct stamp_pack *pack, uint64_t live)
{
	return pack->size > 0 && (live == 0 || pack->size > 2 * live + WASTE_MIN);
}

int stamp_pack_replace(struct stamp_pack *pack, int dir_fd, uint64_t *places, size_t count)
{
	struct strbuf text = {0};
	uint64_t offset = 0;
	int result = 0;

	if (count == 0) {
		if (unlinkat(dir_fd, STAMP_PACK_NAME, 0) < 0 && errno != ENOENT)
			return -1;
		stamp_pack_close(pack);
		return 0;
	}
	for (size_t i = 0; i < count && result == 0; i++) {
		size_t expected = text.len + (size_t)stamp_pack_length(places[i]);

		result = stamp_pack_read(pack, places[i], &text);
		if (result == 0 && text.len != expected) {
			errno = EIO;
			result = -1;
		}
	}
	if (result == 0)
		result = fs_replace(dir_fd, STAMP_PACK_NAME, text.data, text.len, true, NULL);
	strbuf_release(&text);
	if (result < 0)
		return -1;
	stamp_pack_close(pack);
	if (stamp_pack_open(pack, dir_fd) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		size_t len = (size_t)stamp_pack_length(places[i]);

		places[i] = place_of(offset, len);
		offset += len;
	}
	return 0;
}
