#include "config.h"

#include "os/supervisor_image.h"

#ifdef HAVE_SUPERVISOR_IMAGE
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"

/* from supervisor_bytes.S */
extern const unsigned char supervisor_image_begin[], supervisor_image_end[];

int supervisor_image_open(void)
{
	int fd = memfd_create("orch-supervisor", MFD_CLOEXEC);
	size_t len = (size_t)(supervisor_image_end - supervisor_image_begin);

	if (fd < 0)
		return SUPERVISOR_IMAGE_NONE;
	if (fs_write_all(fd, supervisor_image_begin, len) != 0) {
		close(fd);
		return SUPERVISOR_IMAGE_NONE;
	}
	return fd;
}

int supervisor_image_write(const char *path, struct orch_error *err)
{
	size_t len = (size_t)(supervisor_image_end - supervisor_image_begin);
	char *new;
	int fd, result = 0;

	if (fs_exists(path))
		return 0;
	new = xasprintf("%s.%ld", path, (long)getpid());
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0700);
	if (fd < 0 || fs_write_all(fd, supervisor_image_begin, len) != 0 || fsync(fd) != 0)
		result = error_errno(err, "cannot write '%s'", new);
	if (fd >= 0 && close(fd) != 0 && result == 0)
		result = error_errno(err, "cannot write '%s'", new);
	/* who runs it finds it whole */
	if (result == 0 && rename(new, path) != 0)
		result = error_errno(err, "cannot rename '%s'", new);
	if (result != 0)
		unlink(new);
	free(new);
	return result;
}
#else
int supervisor_image_open(void)
{
	return SUPERVISOR_IMAGE_NONE;
}

int supervisor_image_write(const char *path, struct orch_error *err)
{
	(void)path, (void)err;
	return 1;
}
#endif
