/* Time. Monotonic and wall time are different types so that one is never taken for the other.
 * Durations are plain int64_t with their unit in the name. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

typedef struct {
	int64_t ns;
} mono_time; /* CLOCK_MONOTONIC */
typedef struct {
	int64_t ms;
} wall_time; /* ms since 1970-01-01T00:00:00Z; 0 = none */

mono_time mono_now(void);
int64_t mono_since_ms(mono_time then, mono_time now); /* now - then */
mono_time mono_add_ms(mono_time t, int64_t ms);

wall_time wall_now(void);

#define WALL_TEXT_SIZE 32
/* RFC 3339 in UTC with milliseconds: 2026-11-22T21:23:11.042Z; "" for none. Returns text. */
const char *wall_format(wall_time t, char text[WALL_TEXT_SIZE]);
/* RFC 3339 with any offset; fractions beyond ms are cut. USHER_EINVAL if it is not one. */
int wall_parse(const char *text, wall_time *ret);

/* "500ms", "30s", "1m", "6h", "14d" -> ms; a bare number is refused. USHER_EINVAL if not one. */
int duration_parse(const char *text, int64_t *ret_ms);
#define DURATION_TEXT_SIZE 32
/* The largest unit that divides exactly: 90000 -> "90s", 60000 -> "1m". Returns text. */
const char *duration_format(int64_t ms, char text[DURATION_TEXT_SIZE]);

#endif
