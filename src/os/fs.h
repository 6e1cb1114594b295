/* Files: whole reads, atomic replacement, directories. Paths of any length that the kernel takes. All descriptors are
 * close-on-exec. */
#ifndef OS_FS_H
#define OS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "orch/error.h"

struct strbuf;

/* the whole file, malloc'd, two NUL bytes behind it; a directory, or more than `max` bytes (0: no limit), is an error.
 * errno is kept for the caller (ENOENT, EISDIR, EFBIG, ...) */
int fs_read(const char *path, size_t max, char **text, size_t *len, struct orch_error *err);
int fs_read_fd(int fd, const char *name, size_t max, char **text, size_t *len, struct orch_error *err);
/* reads `len` bytes from `offset`, over short reads and EINTR; fewer where the file ends before. -1 with errno */
ssize_t fs_read_at(int fd, void *bytes, size_t len, uint64_t offset);
/* writes all of it, over short writes and EINTR; -1 with errno */
int fs_write_all(int fd, const void *bytes, size_t len);
/* a temporary beside it, written, (fsync,) renamed over it; mode 0600 before umask. The directory is not synced */
int fs_replace(int dir_fd, const char *name, const void *bytes, size_t len, bool sync, struct orch_error *err);
int fs_mkdirs(const char *path, mode_t mode, struct orch_error *err);
/* removes a tree, never following a symbolic link; absent is fine */
int fs_remove_tree(const char *path, struct orch_error *err);
/* what a tree takes on disk, in bytes, without following symbolic links; what goes away meanwhile does not count */
int fs_tree_size(const char *path, int64_t *bytes, struct orch_error *err);
int fs_sync_dir(int dir_fd);
/* everything of the file system that `fd` is on (Linux syncfs; elsewhere sync) */
int fs_sync_filesystem(int fd);
/* is it on a file system on which others may write without our being told of it? True where that cannot be known */
bool fs_may_be_remote(const char *path);
/* the kind of file system that `path` is on, or will be once it is made, if it is one that no other machine can have:
 * "tmpfs", "ramfs", "overlay"; NULL: others may have it too, or it cannot be known */
const char *fs_private_kind(const char *path);
/* Opens each directory on the way to `path`, relative to `dir` (NULL: the current), and what is there, so that a file
 * system over a network that remembers what there is, and what is not, looks again */
void fs_look_again(const char *dir, const char *path);
bool fs_exists(const char *path);
bool fs_is_directory(const char *path);
/* the current directory, malloc'd */
char *fs_cwd(void);
/* where PATH of this process has a program of that name, or the name itself if it has a '/' and is one; malloc'd, NULL:
 * nowhere */
char *fs_find_program(const char *name);
/* the path of this program, for starting itself; malloc'd, NULL if unknown */
char *fs_self(void);

#endif
