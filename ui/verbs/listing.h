/* One list of the API: its pages joined, and printed as a table, as JSON or as CSV. Main thread. */
#ifndef UI_VERBS_LISTING_H
#define UI_VERBS_LISTING_H

#include "verbs.h"

#include "../format.h"

#include "base/json.h"

/* What one list said, its pages joined. */
struct listing {
	cJSON *json; /* the first page, its items replaced by those of all pages */
	const cJSON *items;
	bool more;
	bool again; /* what has changed since the last look: below the same header */
	int width;  /* a line is cut to so many columns; 0: not cut */
};

#define LISTING_PAGE_MAX 500 /* of the API */

/* The words from `first` on as one filter; EXIT_USAGE where it is too long. */
int filter_of(struct verb_call *call, int first, struct buf *ret);
int limit_of(struct verb_call *call, int *ret); /* --limit; EXIT_USAGE */
/* Follows `next` until `limit` items are there, through pages without items too while the daemon searches. 0,
 * or the exit status with everything said; on 0 the caller deletes ret->json. */
int listing_get(struct verb_call *call, const char *path, int limit, struct listing *ret);

typedef void print_fn(const struct listing *l, wall_time now);
/* As --json or --csv want it, else by `print`; what there is beyond it goes to standard error. `none` says,
 * in the user's language, that there is nothing: "no alarms". */
void listing_output(struct verb_call *call, struct listing *l, const char *none, print_fn *print);
/* The end of a print_fn: prints the table as the listing wants it, and frees it. */
void listing_table(const struct listing *l, struct table *t);
/* A list that needs nothing but its path and its printer. */
int listing_print(struct verb_call *call, const char *path, const char *none, print_fn *print);
print_fn print_failed;

/* RFC 4180: a header, then a record an item with all its members, those of objects in it as OUTER.INNER. A
 * text that a spreadsheet would take for a formula has an apostrophe in front. */
void print_csv(const cJSON *items, bool header);

/* -- watch.c -- */
struct watch {
	bool screen; /* drawn anew each time; else what has changed is added */
	int round;   /* looks that were answered */
	uint64_t *seen;
	size_t seen_count; /* items of the last look, sorted */
	uint64_t said;
};
/* Calls `once` again and again, as --watch wants; a screen is cleared before. Without --watch: once. */
int verb_watch(struct verb_call *call, int (*once)(struct verb_call *call));
int watch_every(const struct verb_call *call, int *ret_ms);  /* of --watch; EXIT_USAGE */
void watch_keep_changed(struct watch *w, cJSON *items);      /* takes out those that were there as they are */
bool watch_says_the_same(struct watch *w, const char *text); /* as the time before, but for how long ago */
int watch_screen_rows(const struct watch *w);                /* rows of a table that fit; 0: no screen */

void add_age(struct table *t, wall_time at, wall_time now);
void add_int(struct table *t, const cJSON *item, const char *key);

#endif
