/* Time. Intervals are measured on the monotonic clock, wall time is only printed. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdint.h>

/* monotonic, does not count a suspended machine's sleep; milliseconds, microseconds */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* since 1970, UTC */
int64_t clock_wall_ms(void);
/* this boot's identity (Linux: /proc/sys/kernel/random/boot_id); static. CLOCK_BOOT_UNKNOWN elsewhere, and for as long
 * as that file cannot be read */
#define CLOCK_BOOT_UNKNOWN "unknown"
const char *clock_boot_id(void);
/* when process `pid` was started, in clock ticks since boot (Linux: /proc/PID/stat field 22); 0 if there is none such
 */
uint64_t clock_process_start(int pid);

#endif
