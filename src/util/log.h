/* What a library has to say aside: the program supplies where it goes. Without a sink it is dropped. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

enum log_level { LOG_WARN, LOG_INFO, LOG_DEBUG };

typedef void log_sink(enum log_level level, const char *message, void *data);

void log_set_sink(log_sink *sink, void *data, enum log_level up_to);
__attribute__((format(printf, 1, 2))) void log_warn(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);

#endif
