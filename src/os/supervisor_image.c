#include "config.h"

#include "os/supervisor_image.h"

#ifdef HAVE_SUPERVISOR_IMAGE
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/fs.h"

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
#else
int supervisor_image_open(void)
{
	return SUPERVISOR_IMAGE_NONE;
}
#endif
