/* The small program that a supervisor is (os/supervisor.h), carried inside this one. */
#ifndef OS_SUPERVISOR_IMAGE_H
#define OS_SUPERVISOR_IMAGE_H

enum { SUPERVISOR_IMAGE_NONE = -1, SUPERVISOR_IMAGE_UNKNOWN = -2 };

/* a descriptor (close-on-exec) of a file in memory that holds it, to be run as /proc/self/fd/N; or
 * SUPERVISOR_IMAGE_NONE: this build carries none, or the system has no such files */
int supervisor_image_open(void);

struct orch_error;

/* writes it to `path` (mode 0700), unless there is a file already. 1: this build carries none; -1 with *err */
int supervisor_image_write(const char *path, struct orch_error *err);

#endif
