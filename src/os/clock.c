#include "config.h"

#include "os/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "os/proc.h"

static int64_t read_us(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now) != 0)
		return 0;
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

const char *clock_boot_id(void)
{
	static char id[64];
	FILE *file;

	if (id[0] != '\0')
		return id;
	file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (!file || !fgets(id, sizeof id, file))
		id[0] = '\0';
	if (file)
		fclose(file);
	id[strcspn(id, " \t\n")] = '\0';
	/* not kept: it may have been for want of a descriptor */
	return id[0] ? id : CLOCK_BOOT_UNKNOWN;
}

uint64_t clock_process_start(int pid)
{
	struct proc_stat stat;

	return proc_stat_read(pid, &stat) ? stat.start : 0;
}
