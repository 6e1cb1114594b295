#include "config.h"

#include "os/system.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/alloc.h"
#ifdef __linux__
#include <sched.h>
#endif

#ifdef __linux__
/* what taskset(1) or a container's cpuset leaves us; 0 if unknown */
static unsigned allowed_processors(void)
{
	/* the kernel refuses a set smaller than its own, whose size it does not tell */
	for (unsigned long size = 1024; size <= 1UL << 20; size *= 4) {
		cpu_set_t *set = CPU_ALLOC(size);
		unsigned count = 0;

		if (!set)
			return 0;
		if (sched_getaffinity(0, CPU_ALLOC_SIZE(size), set) == 0)
			count = (unsigned)CPU_COUNT_S(CPU_ALLOC_SIZE(size), set);
		CPU_FREE(set);
		if (count > 0)
			return count;
	}
	return 0;
}
#endif

unsigned system_processors(void)
{
	long online;

#ifdef __linux__
	unsigned allowed = allowed_processors();

	if (allowed > 0)
		return allowed;
#endif
	online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (unsigned)online : 1;
}

double system_load(void)
{
	double load[1];

	return getloadavg(load, 1) == 1 ? load[0] : -1;
}

int64_t system_free_memory(void)
{
	int64_t bytes = -1;
#ifdef __linux__
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long long kb;

	if (!file)
		return -1;
	while (bytes < 0 && fgets(line, sizeof line, file)) {
		if (sscanf(line, "MemAvailable: %lld kB", &kb) == 1)
			bytes = (int64_t)kb * 1024;
	}
	fclose(file);
#endif
	return bytes;
}

double system_pressure(const char *dir, const char **of)
{
	static const struct {
		const char *file, *name;
	} kinds[] = {{"cpu", "the processor"}, {"memory", "memory"}, {"io", "the disk"}};
	double most = -1, now;

	*of = NULL;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char path[256], line[128];
		FILE *file;

		if (snprintf(path, sizeof path, "%s/%s", dir, kinds[i].file) >= (int)sizeof path)
			return -1;
		file = fopen(path, "re");
		if (!file)
			continue;
		while (fgets(line, sizeof line, file)) {
			if (sscanf(line, "some avg10=%lf", &now) == 1 && now > most) {
				most = now;
				*of = kinds[i].name;
			}
		}
		fclose(file);
	}
	return most;
}

bool system_random_hex(char *text, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[128];
	size_t wanted = size / 2;

	text[0] = '\0';
	if (wanted > sizeof bytes || getentropy(bytes, wanted) < 0)
		return false;
	for (size_t i = 0; i + 1 < size; i++)
		text[i] = digits[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
	text[size - 1] = '\0';
	return true;
}

char *system_user_name(uid_t user)
{
	struct passwd entry, *found = NULL;
	char space[4096];

	if (getpwuid_r(user, &entry, space, sizeof space, &found) == 0 && found && *found->pw_name)
		return xstrdup(found->pw_name);
	return xasprintf("user %ld", (long)user);
}
