#include "config.h"

#include "state/stamp_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/strbuf.h"

#define TEMPORARY_START ".tmp"

enum { TEMPORARY_TRIES = 1000, TEMPORARY_NAME_SIZE = 64 };

int stamp_file_read(int dir_fd, const char *stream, struct strbuf *text)
{
	int fd = openat(dir_fd, stream, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), number;
	struct stat st;

	strbuf_truncate(text, 0);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		goto failed;
	if (!S_ISREG(st.st_mode) || st.st_size > STAMP_FILE_MAX) {
		errno = EINVAL;
		goto failed;
	}
	for (;;) {
		/* one byte more than there should be, so that the end is seen with the last read */
		size_t room = (size_t)st.st_size > text->len ? (size_t)st.st_size - text->len + 1 : 4096;
		ssize_t got = read(fd, strbuf_reserve(text, room), room);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			goto failed;
		strbuf_grown(text, (size_t)got);
		if ((size_t)got < room || text->len > STAMP_FILE_MAX)
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

static int create_temporary(int dir_fd, char name[TEMPORARY_NAME_SIZE])
{
	static unsigned long next;
	int fd = -1;

	for (int i = 0; i < TEMPORARY_TRIES; i++) {
		snprintf(name, TEMPORARY_NAME_SIZE, TEMPORARY_START ".%ld.%lu", (long)getpid(), next++);
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd;
}

int stamp_file_write(int dir_fd, const char *stream, const char *text, size_t len, uint64_t *inode)
{
	char temporary[TEMPORARY_NAME_SIZE];
	const char *name = stream;
	struct stat st;
	int fd, result, number;

	/* where there is none, a torn one is as good as none (it carries a checksum): only an older one must not be
	 * lost halfway */
	fd = openat(dir_fd, stream, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST) {
		fd = create_temporary(dir_fd, temporary);
		name = temporary;
	}
	if (fd < 0)
		return -1;
	result = fs_write_all(fd, text, len);
	if (result == 0)
		result = fstat(fd, &st);
	number = errno;
	if (close(fd) < 0 && result == 0) {
		result = -1;
		number = errno;
	}
	if (result == 0 && name == temporary && renameat(dir_fd, temporary, dir_fd, stream) < 0) {
		result = -1;
		number = errno;
	}
	if (result == 0) {
		*inode = (uint64_t)st.st_ino;
		return 0;
	}
	unlinkat(dir_fd, name, 0);
	errno = number;
	return -1;
}

bool stamp_file_is_temporary(const char *name)
{
	return strncmp(name, TEMPORARY_START, sizeof TEMPORARY_START - 1) == 0;
}

void stamp_file_remove_temporaries(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(stream)) != NULL) {
		if (stamp_file_is_temporary(entry->d_name))
			unlinkat(fd, entry->d_name, 0);
	}
	closedir(stream);
}
