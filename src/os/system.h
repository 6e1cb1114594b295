/* The machine: processors, load, free memory. */
#ifndef OS_SYSTEM_H
#define OS_SYSTEM_H

#include <stdint.h>

/* processors this process may use; at least 1 */
unsigned system_processors(void);
/* one-minute load average; negative if unknown */
double system_load(void);
/* memory that can be had without swapping, in bytes (Linux: MemAvailable); -1 if unknown */
int64_t system_free_memory(void);

#endif
