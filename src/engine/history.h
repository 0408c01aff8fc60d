/* What the last minute and the last day looked like: a point each depth interval, and one each minute, of
 * every series of every channel. Points are told apart from gaps: what was not measured, as while the daemon
 * was down, is no zero. Fixed size. Pure; one owner, any thread. */
#ifndef ENGINE_HISTORY_H
#define ENGINE_HISTORY_H

#include "base/clock.h"
#include "model/delivery.h"

#include <stdbool.h>
#include <stdint.h>

enum series {
	SERIES_IN, /* flows: in the time since the point before */
	SERIES_OUT,
	SERIES_FAIL,
	SERIES_DEPTH, /* levels: at the end of it; of a minute, the highest */
	SERIES_DLQ,
	SERIES_RETRYING,
	SERIES_COUNT
};
const char *series_name(enum series series); /* as in the API */

#define HISTORY_RECENT 60       /* points a depth interval apart */
#define HISTORY_MINUTES 1440    /* points a minute apart */
#define HISTORY_GAP UINT32_MAX  /* not measured */
#define HISTORY_GAP_STEPS 5     /* a point later than this many intervals, */
#define HISTORY_GAP_MIN_MS 2000 /* and than a hiccup of the machine, leaves a gap */

struct history_point {
	uint32_t value[CHANNEL_COUNT][SERIES_COUNT];
};

struct history {
	int64_t step_ms; /* between recent points: the depth interval */
	wall_time at;    /* of the newest point; 0: there is none */
	int64_t minute;  /* of the newest minute, since 1970; it still grows */
	int32_t recent_len, minutes_len;
	struct history_point recent[HISTORY_RECENT]; /* oldest first, like the next */
	struct history_point minutes[HISTORY_MINUTES];
};

/* The point to a value that may be unknown (below 0) or larger than fits. */
uint32_t history_value(int64_t value);
void history_add(struct history *h, wall_time at, const struct history_point *point);
/* Goes on with what an earlier daemon left: false when that cannot be true, such as points from the future.
 * Of another depth interval only the minutes are kept. */
bool history_resume(struct history *h, int64_t step_ms, wall_time now);

/* -- history_file.c: between two runs. Reads and writes files, and blocks for them; any thread ----------- */

struct history_file;
struct history_file *history_pack(const struct history *h); /* as it stands in the file; free() it */
/* Makes `directory`/history anew, whole or not at all. Allocates nothing: the threads that wait for a disk
 * need no heap of their own. */
int history_save(const char *directory, const struct history_file *file, struct usher_error *err);
/* 0; USHER_ENOTFOUND: there is none; another code: there is something that is no history of this version,
 * whole and unchanged: *ret_history is not touched. */
int history_load(const char *directory, struct history *ret_history, struct usher_error *err);

#endif
