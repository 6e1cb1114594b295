#include "config.h"

#include "os/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>

/* The numbers are the same on all machines. What old headers do not have is said here: the kernel is asked what it
 * knows, not the machine that compiled us */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { ASK_VERSION = 1, RULE_PATH_BENEATH = 1 };

enum {
	WRITE_FILE = 1 << 1,
	REMOVE_DIR = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_CHAR = 1 << 6,
	MAKE_DIR = 1 << 7,
	MAKE_REG = 1 << 8,
	MAKE_SOCK = 1 << 9,
	MAKE_FIFO = 1 << 10,
	MAKE_BLOCK = 1 << 11,
	MAKE_SYM = 1 << 12,
	REFER = 1 << 13,
	TRUNCATE = 1 << 14,
	IN_FILE = WRITE_FILE | TRUNCATE,
	IN_DIRECTORY = IN_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO |
		MAKE_BLOCK | MAKE_SYM | REFER,
	SCOPE_ABSTRACT_SOCKETS = 1 << 0,
	SCOPE_SIGNALS = 1 << 1,
};

/* struct landlock_ruleset_attr and struct landlock_path_beneath_attr of the kernel */
struct rules {
	uint64_t files, network, scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

/* struct __user_cap_header_struct and __user_cap_data_struct */
struct capability_header {
	uint32_t version;
	int pid;
};

struct capability_data {
	uint32_t effective, permitted, inheritable;
};

enum { CAPABILITY_VERSION_3 = 0x20080522 };

static const char *const devices[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts", NULL};

int landlock_version(void)
{
	long version = syscall(CREATE_RULESET, NULL, (size_t)0, ASK_VERSION);

	return version > 0 ? (int)version : 0;
}

static int allow(int rules, const char *path)
{
	struct path_rule rule = {.parent = open(path, O_PATH | O_CLOEXEC)};
	struct stat st;
	int result = -1, saved;

	if (rule.parent < 0)
		return -1;
	if (fstat(rule.parent, &st) == 0) {
		rule.allowed = S_ISDIR(st.st_mode) ? IN_DIRECTORY : IN_FILE;
		result = (int)syscall(ADD_RULE, rules, RULE_PATH_BENEATH, &rule, 0);
	}
	saved = errno;
	close(rule.parent);
	errno = saved;
	return result;
}

int landlock_rules(char *const *writable, struct orch_error *err)
{
	int version = landlock_version(), rules;
	struct rules all = {.files = IN_DIRECTORY};
	size_t size = version >= LANDLOCK_SIGNALS ? sizeof all : sizeof all.files;

	if (version < LANDLOCK_ENOUGH) {
		errno = ENOSYS;
		return error_set(err, "this kernel's Landlock is none, or too old, to keep anything from being written");
	}
	if (version >= LANDLOCK_SIGNALS)
		all.scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
	rules = (int)syscall(CREATE_RULESET, &all, size, 0);
	if (rules < 0) {
		int saved = errno;

		error_errno(err, "cannot make the rules of Landlock");
		errno = saved;
		return -1;
	}
	for (size_t i = 0; writable[i]; i++) {
		if (allow(rules, writable[i]) != 0) {
			int saved = errno;

			error_errno(err, "cannot let '%s' be written", writable[i]);
			close(rules);
			errno = saved;
			return -1;
		}
	}
	/* what is not there cannot be written */
	for (size_t i = 0; devices[i]; i++)
		(void)allow(rules, devices[i]);
	return rules;
}

int landlock_enter(int rules)
{
	struct capability_header header = {.version = CAPABILITY_VERSION_3};
	struct capability_data none[2] = {{0}, {0}};

	/* with the first, a program that is started gets no capability that we do not have; so root has none either */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_capset, &header, none) != 0)
		return -1;
	return (int)syscall(RESTRICT_SELF, rules, 0);
}
#else
int landlock_version(void)
{
	return 0;
}

int landlock_rules(char *const *writable, struct orch_error *err)
{
	(void)writable;
	errno = ENOSYS;
	return error_set(err, "there is no Landlock here");
}

int landlock_enter(int rules)
{
	(void)rules;
	errno = ENOSYS;
	return -1;
}
#endif
