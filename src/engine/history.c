/* Points, gaps and minutes; see history.h. Pure. */
#include "engine/history.h"

#include <string.h>

const char *series_name(enum series series)
{
	static const char *const names[] = { [SERIES_IN] = "in",
		[SERIES_OUT] = "out",
		[SERIES_FAIL] = "fail",
		[SERIES_DEPTH] = "depth",
		[SERIES_DLQ] = "dlq",
		[SERIES_RETRYING] = "retrying" };
	return names[series];
}

uint32_t history_value(int64_t value)
{
	if (value < 0)
		return HISTORY_GAP;
	return value < HISTORY_GAP ? (uint32_t)value : HISTORY_GAP - 1;
}

static void push(struct history_point *points, int32_t *len, int32_t most, const struct history_point *point)
{
	if (*len == most)
		memmove(points, points + 1, (size_t)-- * len * sizeof *points);
	points[(*len)++] = *point;
}

static void push_gaps(struct history_point *points, int32_t *len, int32_t most, int64_t count)
{
	struct history_point gap;

	memset(&gap, 0xff, sizeof gap); /* HISTORY_GAP everywhere */
	for (count = count < most ? count : most; count > 0; count--)
		push(points, len, most, &gap);
}

static uint32_t merged(enum series series, uint32_t a, uint32_t b)
{
	if (a == HISTORY_GAP || b == HISTORY_GAP)
		return a == HISTORY_GAP ? b : a;
	if (series < SERIES_DEPTH)
		return history_value((int64_t)a + b);
	return a > b ? a : b;
}

static void merge(struct history_point *into, const struct history_point *point)
{
	for (int id = 0; id < CHANNEL_COUNT; id++)
		for (int s = 0; s < SERIES_COUNT; s++)
			into->value[id][s] = merged((enum series)s, into->value[id][s], point->value[id][s]);
}

/* When the clock was set back the minutes go on without a gap. */
static void minute_add(struct history *h, wall_time at, const struct history_point *point)
{
	int64_t minute = at.ms / 60000;

	if (h->minutes_len && minute == h->minute) {
		merge(&h->minutes[h->minutes_len - 1], point);
		return;
	}
	if (h->minutes_len)
		push_gaps(h->minutes, &h->minutes_len, HISTORY_MINUTES, minute - h->minute - 1);
	push(h->minutes, &h->minutes_len, HISTORY_MINUTES, point);
	h->minute = minute;
}

static int64_t missed(const struct history *h, wall_time at)
{
	int64_t passed = at.ms - h->at.ms;

	if (h->at.ms == 0 || passed <= HISTORY_GAP_STEPS * h->step_ms || passed <= HISTORY_GAP_MIN_MS)
		return 0;
	return passed / h->step_ms - 1;
}

void history_add(struct history *h, wall_time at, const struct history_point *point)
{
	push_gaps(h->recent, &h->recent_len, HISTORY_RECENT, missed(h, at));
	push(h->recent, &h->recent_len, HISTORY_RECENT, point);
	minute_add(h, at, point);
	h->at = at;
}

bool history_resume(struct history *h, int64_t step_ms, wall_time now)
{
	if (h->recent_len < 0 || h->recent_len > HISTORY_RECENT || h->minutes_len < 0 ||
	        h->minutes_len > HISTORY_MINUTES || h->at.ms <= 0 || h->at.ms > now.ms ||
	        h->minute > now.ms / 60000)
		return false;
	if (h->step_ms != step_ms)
		h->recent_len = 0;
	h->step_ms = step_ms;
	return true;
}
