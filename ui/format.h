/* How figures, times and tables read. Pure functions of what the daemon said and of a `now` that is
 * passed in; everything comes out as clean text in a struct buf. Any thread. */
#ifndef UI_FORMAT_H
#define UI_FORMAT_H

#include "base/buf.h"
#include "base/clock.h"
#include "text.h"

#include "base/json.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FORMAT_NO_AGE ((int64_t)-1)

/* A number with how far it can be trusted, as the API sends it. */
struct figure {
	enum { FIGURE_NONE, FIGURE_EXACT, FIGURE_APPROXIMATE, FIGURE_STALE } kind;
	int64_t value;
	bool rough; /* approximate, however old */
};
struct figure figure_get(const cJSON *object, const char *key);
/* Seconds since it was taken, as its object says; FORMAT_NO_AGE where that is not known. */
int64_t figure_age(const cJSON *object, const char *key, wall_time now);
/* At least `least`, so far as is known: something may be wrong. */
bool figure_over(struct figure f, int64_t least);

/* "12", "~12", "12 (8s old)", "?"; shortened ("12 (8s)", "2.0M (8s)", "2.0M!") to fit `width` columns. */
void format_figure(struct buf *out, struct figure f, int64_t age_s, int width);

void format_count(struct buf *out, int64_t n);      /* 2,000,000 */
void format_compact(struct buf *out, int64_t n);    /* 2.0M */
void format_span(struct buf *out, int64_t seconds); /* 8s, 1m 12s, 3h 04m, 2d 5h; in the user's language */
void format_span_short(struct buf *out, int64_t seconds); /* 8s, 12m, 3h, 2d; "-" when negative */
void format_rate(struct buf *out, double per_s);          /* 0, 0.2/s, 12/s, 1,234/s */
void format_latency(struct buf *out, int64_t ms);         /* 42 ms, 3.1 s */

/* The same as a part of a sentence, which a translation may put elsewhere in it:
 * buf_printf(b, _("in %s"), part_span(s).text). */
struct part {
	char text[64];
};
struct part part_span(int64_t seconds);
struct part part_count(int64_t n);
struct part part_rate(double per_s);
struct part part_figure(struct figure f); /* of a sentence that says its age, if any: at most 16 columns */

/* Members of a JSON object as local time; "-" where null. `day`: with the date when not today. */
enum format_when { WHEN_CLOCK, WHEN_DAY, WHEN_FULL };
void format_when(struct buf *out, wall_time t, enum format_when how, wall_time now);
struct part part_when(wall_time t, enum format_when how, wall_time now);
wall_time time_get(const cJSON *object, const char *key); /* zero where null or unreadable */
/* Whole seconds between; never negative. 0 for no time. */
int64_t seconds_between(wall_time from, wall_time to);

/* The newest `width` numbers of an array as blocks from 0 to the greatest of them; a null leaves a gap. */
void format_spark(struct buf *out, const cJSON *numbers, int width);
enum trend { TREND_NONE, TREND_DOWN, TREND_LEVEL, TREND_UP };
/* Does it get worse? Compares the last quarter with the one before it; nulls do not count. */
enum trend trend_of(const cJSON *numbers);

/* JSON text re-spaced for reading, two columns a level; digits and strings untouched. */
void format_json(struct buf *out, const char *json, size_t len);

/* A table for people, its titles in the user's language: columns as wide as their widest cell (at most max),
 * two spaces between, header in capitals; no colour, no rules, the last left-aligned column not padded and
 * not cut. */
struct table_column {
	const char *title; /* English, marked with N_ */
	enum text_align align;
	int max; /* columns; 0: no limit */
};
struct table {
	const struct table_column *columns;
	int column_count;
	char **cells; /* row by row, owned */
	int cell_count, cell_cap;
	bool headless; /* rows only */
	int width;     /* lines are cut to so many columns; 0: they are not */
};
void table_add(struct table *t, const char *cell);
void table_take(struct table *t, struct buf *cell); /* adds its text and empties it */
void table_print(const struct table *t, FILE *to);
void table_free(struct table *t);

#endif
