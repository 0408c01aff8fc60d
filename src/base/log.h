/* The log: one line an event on standard error, text or JSON. Any thread; lines never interleave.
 * Lines are masked as mask.h masks the words of others, a net under what should not be said here at all; a
 * secret never comes here. Control characters in the arguments are escaped, so that a line is a line. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARN_LEVEL, LOG_ERROR_LEVEL };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level level, enum log_format format); /* default: info, text */
void log_mask(bool mask);                                     /* default: true */
int log_enabled(enum log_level level);

/* `area` names the part that speaks: "relay", "pipeline email", "admin". */
void log_line(enum log_level level, const char *area, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

#define log_debug(area, ...) log_line(LOG_DEBUG_LEVEL, area, __VA_ARGS__)
#define log_info(area, ...) log_line(LOG_INFO_LEVEL, area, __VA_ARGS__)
#define log_warn(area, ...) log_line(LOG_WARN_LEVEL, area, __VA_ARGS__)
#define log_error(area, ...) log_line(LOG_ERROR_LEVEL, area, __VA_ARGS__)

#endif
