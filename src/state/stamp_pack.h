/*
 * The pack: the stamps of runs with many short streams, one behind the other in one file (.orch/stamps/_pack), as git
 * has packed refs beside loose ones. A file of its own for each takes longer than what such a stream does, and a block
 * of the disk. They are as they would be in files of their own. The last one of a stream counts, a removal means that
 * there is none. The file is only ever appended to, or replaced as a whole; a stamp in it that is torn or damaged is as
 * good as none, and those behind it are found again by their first lines. Private to state/.
 */
#ifndef STATE_STAMP_PACK_H
#define STATE_STAMP_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* in the directory of the stamps; no stream can have that name */
#define STAMP_PACK_NAME "_pack"

enum { STAMP_PACK_ONE_MAX = 64 * 1024 }; /* a longer stamp has a file of its own */

struct strbuf;
struct stamp;

/* by which one sees that the file is still the same; all zero: there is none */
struct stamp_pack_identity {
	uint64_t inode, size, changed_ns;
};

struct stamp_pack {
	int fd; /* of the file as it was when it was opened; -1: there is none */
	uint64_t size;
	bool is_writable, is_torn /* the last line has no end */, is_unsynced;
};

/* opens it for reading; missing is no error. -1 with errno */
int stamp_pack_open(struct stamp_pack *pack, int dir_fd);
void stamp_pack_close(struct stamp_pack *pack);
/* as the file is now */
struct stamp_pack_identity stamp_pack_identify(const struct stamp_pack *pack);
/* calls `found` for each whole stamp in the order of the file; a removal has no `present`. `place` is for
 * stamp_pack_read(). -1 with errno */
int stamp_pack_scan(const struct stamp_pack *pack,
	void (*found)(void *data, const char *stream, const struct stamp *stamp, uint64_t place), void *data);
/* the text at `place` behind what is in `text`; it may have become another one, or none. -1 with errno */
int stamp_pack_read(const struct stamp_pack *pack, uint64_t place, struct strbuf *text);
/* at most STAMP_PACK_ONE_MAX bytes; makes the file if there is none. Not synced. -1 with errno: nothing was appended */
int stamp_pack_append(struct stamp_pack *pack, int dir_fd, const char *text, size_t len, uint64_t *place);
/* what was appended is on the disk when it returns. -1 with errno */
int stamp_pack_sync(struct stamp_pack *pack);
/* would it be worth replacing it by what counts of it, which takes `live` bytes? */
bool stamp_pack_is_wasteful(const struct stamp_pack *pack, uint64_t live);
/* replaces the file by one, on the disk, that holds only what is at `places`, in that order, and sets those to where it
 * is now; none: there is no file then. -1 with errno: as it was, or to be opened and scanned again */
int stamp_pack_replace(struct stamp_pack *pack, int dir_fd, uint64_t *places, size_t count);
/* the length of what is at `place`, in bytes */
uint64_t stamp_pack_length(uint64_t place);

#endif
