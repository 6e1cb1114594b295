/* The machine: processors, load, free memory. */
#ifndef OS_SYSTEM_H
#define OS_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* processors this process may use; at least 1 */
unsigned system_processors(void);
/* one-minute load average; negative if unknown */
double system_load(void);
/* memory that can be had without swapping, in bytes (Linux: MemAvailable); -1 if unknown */
int64_t system_free_memory(void);
/* where the kernel tells of pressure (Linux: PSI) */
#define SYSTEM_PRESSURE "/proc/pressure"
/* of the last ten seconds, how many percent some process waited for the processor, memory or the disk: the most of the
 * three, and which that is, as files below `dir` say it (*of: static). Negative: unknown */
double system_pressure(const char *dir, const char **of);
/* fills `text` with size - 1 hexadecimal digits that nobody can guess (at most 256 of them), and a NUL; false: the
 * system gives none, and the text is empty */
bool system_random_hex(char *text, size_t size);
/* the name of that user, or "user NUMBER" if none is known; malloc'd */
char *system_user_name(uid_t user);

#endif
