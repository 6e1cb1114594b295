#include "config.h"

#include "os/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"

enum { READ_CHUNK = 65536, TEMPORARY_TRIES = 1000 };

/* close(2) that leaves errno as it was */
static void close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* error_errno() that leaves errno as it was */
static int fail(struct orch_error *err, const char *what, const char *name)
{
	int saved = errno;

	error_errno(err, "%s '%s'", what, name);
	errno = saved;
	return -1;
}

int fs_read_fd(int fd, const char *name, size_t max, char **text, size_t *len, struct orch_error *err)
{
	struct strbuf sb = {0};
	struct stat st;
	size_t chunk = READ_CHUNK;

	if (fstat(fd, &st) != 0)
		return fail(err, "cannot read", name);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return fail(err, "cannot read", name);
	}
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		/* one more, so that the end is seen without growing */
		chunk = (size_t)st.st_size + 1;
		if (max > 0 && chunk > max + 1)
			chunk = max + 1;
	}
	for (;;) {
		char *room = strbuf_reserve(&sb, chunk + 2);
		ssize_t got = read(fd, room, chunk);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			strbuf_release(&sb);
			return fail(err, "cannot read", name);
		}
		if (got == 0)
			break;
		strbuf_grown(&sb, (size_t)got);
		if (max > 0 && sb.len > max) {
			strbuf_release(&sb);
			error_set(err, "'%s' is too large: more than %zu bytes", name, max);
			errno = EFBIG;
			return -1;
		}
		chunk = READ_CHUNK;
	}
	memset(strbuf_reserve(&sb, 2), 0, 2);
	*len = sb.len;
	*text = sb.data; /* not detached: the second NUL lies behind what the buffer counts */
	return 0;
}

int fs_read(const char *path, size_t max, char **text, size_t *len, struct orch_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int result;

	if (fd < 0)
		return fail(err, "cannot open", path);
	result = fs_read_fd(fd, path, max, text, len, err);
	close_quietly(fd);
	return result;
}

ssize_t fs_read_at(int fd, void *bytes, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = pread(fd, (char *)bytes + done, len - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

int fs_write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t wrote = write(fd, at, len);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -1;
		at += wrote;
		len -= (size_t)wrote;
	}
	return 0;
}

/* opens a new file beside `name`; *temporary is its name, the caller frees. -1 with errno */
static int open_temporary(int dir_fd, const char *name, char **temporary)
{
	static unsigned counter;
	const char *slash = strrchr(name, '/');
	int dir_len = slash ? (int)(slash + 1 - name) : 0;

	/* a name may be there: left by a crash of an earlier process with our pid */
	for (int i = 0; i < TEMPORARY_TRIES; i++) {
		int fd;

		/* not made from the name, which may be as long as names can be */
		*temporary = xasprintf("%.*s.tmp-%ld-%u", dir_len, name, (long)getpid(), counter++);
		fd = openat(dir_fd, *temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			return fd;
		free(*temporary);
		if (errno != EEXIST)
			break;
	}
	*temporary = NULL;
	return -1;
}

int fs_replace(int dir_fd, const char *name, const void *bytes, size_t len, bool sync, struct orch_error *err)
{
	char *temporary;
	int fd = open_temporary(dir_fd, name, &temporary);
	bool ok;

	if (fd < 0)
		return fail(err, "cannot make a temporary file beside", name);
	ok = fs_write_all(fd, bytes, len) == 0 && (!sync || fsync(fd) == 0);
	if (ok)
		ok = close(fd) == 0;
	else
		close_quietly(fd);
	ok = ok && renameat(dir_fd, temporary, dir_fd, name) == 0;
	if (!ok) {
		fail(err, "cannot write", name);
		int saved = errno;
		unlinkat(dir_fd, temporary, 0);
		errno = saved;
	}
	free(temporary);
	return ok ? 0 : -1;
}

int fs_mkdirs(const char *path, mode_t mode, struct orch_error *err)
{
	char *copy;
	size_t at = 0;
	int result = 0;

	if (fs_is_directory(path))
		return 0;
	copy = xstrdup(path);
	while (copy[at] != '\0' && result == 0) {
		bool last;
		char kept;
		int number;

		at += strspn(copy + at, "/");
		at += strcspn(copy + at, "/");
		kept = copy[at];
		copy[at] = '\0';
		last = path[at] == '\0' || path[at + strspn(path + at, "/")] == '\0';
		/* those on the way must be passable for what comes below them */
		if (copy[0] != '\0' && mkdir(copy, last ? mode : mode | 0300) != 0 && errno != EEXIST) {
			number = errno;
			if (!fs_is_directory(copy)) {
				errno = number;
				result = fail(err, "cannot make directory", copy);
			}
		}
		copy[at] = kept;
	}
	free(copy);
	if (result == 0 && !fs_is_directory(path)) {
		errno = ENOTDIR;
		return fail(err, "cannot make directory", path);
	}
	return result;
}

/* a directory on the way down: what is still to be removed in it, and who it was, since it is come back to by ".." */
struct level {
	dev_t device;
	ino_t inode;
	struct strvec subdirectories; /* the last one is the one being removed */
};

struct removal {
	struct level *items;
	size_t count;
	size_t capacity;
};

static int open_directory(int at, const char *name)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	struct stat st;
	int fd = openat(at, name, FLAGS);

	/* read-only trees are common: caches of modules */
	if (fd < 0 && errno == EACCES && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
		fchmodat(at, name, 0700, 0) == 0)
		fd = openat(at, name, FLAGS);
	return fd;
}

/* removes all but directories, whose names become the new level's. 0, or -1 with errno */
static int enter_level(struct removal *stack, int fd)
{
	struct level *level;
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int copy;

	if (fstat(fd, &st) != 0)
		return -1;
	if ((st.st_mode & 0300) != 0300 && fchmod(fd, 0700) != 0)
		return -1;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -1;
	dir = fdopendir(copy);
	if (!dir) {
		close_quietly(copy);
		return -1;
	}
	level = ARRAY_PUSH(stack);
	level->device = st.st_dev;
	level->inode = st.st_ino;
	while (errno = 0, (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (entry->d_type != DT_DIR && (unlinkat(fd, name, 0) == 0 || errno == ENOENT))
			continue;
		if (entry->d_type == DT_DIR || errno == EISDIR ||
			(errno == EPERM && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))) {
			strvec_push(&level->subdirectories, name);
			continue;
		}
		if (errno == 0)
			errno = EIO;
		break;
	}
	int saved = errno;
	closedir(dir);
	errno = saved;
	return saved == 0 ? 0 : -1;
}

static int leave_level(struct removal *stack, int *fd)
{
	struct level *parent;
	struct strvec *names;
	struct stat st;
	int up;

	strvec_release(&stack->items[--stack->count].subdirectories);
	if (stack->count == 0)
		return 0;
	parent = &stack->items[stack->count - 1];
	names = &parent->subdirectories;
	up = openat(*fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (up < 0)
		return -1;
	close(*fd);
	*fd = up;
	if (fstat(up, &st) != 0)
		return -1;
	if (st.st_dev != parent->device || st.st_ino != parent->inode) {
		errno = EBUSY; /* somebody moved it meanwhile: going on would remove something else */
		return -1;
	}
	if (unlinkat(up, names->items[names->count - 1], AT_REMOVEDIR) != 0 && errno != ENOENT)
		return -1;
	free(names->items[--names->count]);
	names->items[names->count] = NULL;
	return 0;
}

/* empties the directory *fd is; one descriptor whatever the depth. -1 with errno */
static int remove_below(int *fd)
{
	struct removal stack = {0};
	int result = enter_level(&stack, *fd);

	while (result == 0 && stack.count > 0) {
		struct strvec *names = &stack.items[stack.count - 1].subdirectories;
		const char *name;
		int down;

		if (names->count == 0) {
			result = leave_level(&stack, fd);
			continue;
		}
		name = names->items[names->count - 1];
		down = open_directory(*fd, name);
		if (down >= 0) {
			close(*fd);
			*fd = down;
			result = enter_level(&stack, down);
		} else if (errno == ENOENT) {
			free(names->items[--names->count]);
			names->items[names->count] = NULL;
		} else {
			result = -1;
		}
	}
	int saved = errno;
	while (stack.count > 0)
		strvec_release(&stack.items[--stack.count].subdirectories);
	ARRAY_RELEASE(&stack);
	errno = saved;
	return result;
}

int fs_remove_tree(const char *path, struct orch_error *err)
{
	char *name = xstrdup(path);
	size_t len = strlen(name);
	struct stat st;
	int result = -1, fd;

	/* a slash at the end would make a link be followed */
	while (len > 1 && name[len - 1] == '/')
		name[--len] = '\0';
	if (lstat(name, &st) != 0) {
		result = errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	} else if (!S_ISDIR(st.st_mode)) {
		result = unlink(name) == 0 || errno == ENOENT ? 0 : -1;
	} else {
		fd = open_directory(AT_FDCWD, name);
		if (fd >= 0) {
			result = remove_below(&fd);
			close_quietly(fd);
		}
		if (result == 0 && rmdir(name) != 0 && errno != ENOENT)
			result = -1;
	}
	if (result != 0)
		fail(err, "cannot remove", path);
	free(name);
	return result;
}

/* adds the entries of the directory `path`; directories are left in `below`. -1 with errno */
static int add_sizes(const char *path, int64_t *bytes, struct strvec *below)
{
	int fd = open_directory(AT_FDCWD, path);
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	dir = fdopendir(fd);
	if (!dir) {
		close_quietly(fd);
		return -1;
	}
	while (errno = 0, (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			if (errno == ENOENT)
				continue;
			break;
		}
		*bytes += (int64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode)) {
			char *down = path_join(path, entry->d_name);

			strvec_push(below, down);
			free(down);
		}
	}
	int saved = errno;
	closedir(dir);
	errno = saved;
	return saved == 0 ? 0 : -1;
}

int fs_tree_size(const char *path, int64_t *bytes, struct orch_error *err)
{
	struct strvec below = {0};
	struct stat st;
	int result = 0;

	*bytes = 0;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : fail(err, "cannot look at", path);
	*bytes = (int64_t)st.st_blocks * 512;
	if (S_ISDIR(st.st_mode))
		strvec_push(&below, path);
	while (result == 0 && below.count > 0) {
		char *next = below.items[--below.count];

		below.items[below.count] = NULL;
		if (add_sizes(next, bytes, &below) < 0)
			result = fail(err, "cannot look at", next);
		free(next);
	}
	strvec_release(&below);
	return result;
}

int fs_sync_dir(int dir_fd)
{
	return fsync(dir_fd);
}

int fs_sync_filesystem(int fd)
{
#ifdef __linux__
	return syncfs(fd);
#else
	(void)fd;
	sync();
	return 0;
#endif
}

bool fs_may_be_remote(const char *path)
{
#ifdef __linux__
	/* as <linux/magic.h> has them, and those of systems that are not in it */
	static const uint32_t kinds[] = {
		0x6969,     /* NFS */
		0x517b,     /* SMB */
		0xff534d42, /* CIFS */
		0xfe534d42, /* SMB2 */
		0x65735546, /* FUSE: sshfs and many others */
		0x01021997, /* 9P */
		0x00c36400, /* Ceph */
		0x5346414f, /* AFS */
		0x0bd00bd0, /* Lustre */
		0x47504653, /* GPFS */
		0x19830326, /* BeeGFS */
		0xaad7aaea, /* PanFS */
	};
	struct statfs st;

	if (statfs(path, &st) != 0)
		return false;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if ((uint32_t)st.f_type == kinds[i])
			return true;
	}
	return false;
#else
	(void)path;
	return true;
#endif
}

const char *fs_private_kind(const char *path)
{
#ifdef __linux__
	/* as <linux/magic.h> has them */
	static const struct {
		uint32_t kind;
		const char *name;
	} kinds[] = {{0x01021994, "tmpfs"}, {0x858458f6, "ramfs"}, {0x794c7630, "overlay"}};
	char *there = xstrdup(path);
	struct statfs st;
	int result;

	while ((result = statfs(there, &st)) != 0 && errno == ENOENT && strcmp(there, "/") != 0 &&
		strcmp(there, ".") != 0) {
		char *above = path_dir(there);

		free(there);
		there = above;
	}
	free(there);
	for (size_t i = 0; result == 0 && i < sizeof kinds / sizeof *kinds; i++) {
		if ((uint32_t)st.f_type == kinds[i].kind)
			return kinds[i].name;
	}
#else
	(void)path;
#endif
	return NULL;
}

void fs_look_again(const char *dir, const char *path)
{
	char *part = xstrdup(path);
	int at = open(dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;

	for (size_t end = 0; at >= 0 && path[end]; end++) {
		end += strspn(path + end, "/");
		end += strcspn(path + end, "/");
		part[end] = '\0';
		/* nothing is waited for: not for the other end of a FIFO, nor for a device */
		next = openat(at, part, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		part[end] = path[end];
		if (next < 0)
			break;
		close(next);
		if (!path[end])
			break;
	}
	if (at >= 0)
		close(at);
	free(part);
}

bool fs_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

bool fs_is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* getcwd(3) and readlink(2) do not say how much room they need */
char *fs_cwd(void)
{
	for (size_t size = 4096; size <= (size_t)1 << 24; size *= 2) {
		char *path = xmalloc(size);

		if (getcwd(path, size))
			return path;
		free(path);
		if (errno != ERANGE)
			break;
	}
	/* it was removed, or is out of reach: "." is still true */
	return xstrdup(".");
}

char *fs_self(void)
{
#ifdef __linux__
	for (size_t size = 4096; size <= (size_t)1 << 24; size *= 2) {
		char *path = xmalloc(size);
		ssize_t len = readlink("/proc/self/exe", path, size);

		if (len > 0 && (size_t)len < size) {
			path[len] = '\0';
			return path;
		}
		free(path);
		if (len <= 0)
			break;
	}
#endif
	return NULL;
}

char *fs_find_program(const char *name)
{
	const char *path = getenv("PATH");
	struct stat st;

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? xstrdup(name) : NULL;
	while (path && *path) {
		size_t len = strcspn(path, ":");
		char *dir = len ? xstrndup(path, len) : xstrdup("."), *candidate = path_join(dir, name);

		free(dir);
		if (access(candidate, X_OK) == 0 && stat(candidate, &st) == 0 && S_ISREG(st.st_mode))
			return candidate;
		free(candidate);
		path += len + (path[len] == ':');
	}
	return NULL;
}
