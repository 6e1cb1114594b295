/* Time zones: local time as the C library has it, others from the system's zone files (TZif, RFC 8536), so that one
 * zone can be asked about without changing TZ for the whole process. */
#ifndef OS_ZONE_H
#define OS_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* seconds east of UTC that zone `name` ("Europe/Lisbon"; NULL: local time) has at `epoch_s`. False: there is no such
 * zone, or no zone files. `data` is not used: this is the callback of struct when_zones */
bool zone_offset(void *data, const char *name, int64_t epoch_s, int32_t *offset_s);
/* the same from the bytes of a zone file; false if they are none */
bool zone_offset_in(const unsigned char *bytes, size_t len, int64_t epoch_s, int32_t *offset_s);
/* the same from a rule as TZ has it: "CET-1CEST,M3.5.0,M10.5.0/3" */
bool zone_offset_by_rule(const char *rule, size_t len, int64_t epoch_s, int32_t *offset_s);

#endif
