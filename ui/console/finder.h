/* How a list of failed rows is narrowed and sorted: the filter typed in place, which takes effect while it is
 * typed, the sort menu, the next match. Screens that list failed rows hold one each. Main thread. */
#ifndef UI_CONSOLE_FINDER_H
#define UI_CONSOLE_FINDER_H

#include "filter_words.h"
#include "list.h"

#define FINDER_PAUSE_MS 250 /* without a key, before what was typed takes effect */
#define NEEDLE_MAX 128
#define SORT_COUNT 9 /* columns that may be sorted by */
#define SORT_SHOWN_MAX 128

struct finder {
	struct console *console;
	struct list *list;          /* whose errors are the filter's */
	void (*changed)(void *arg); /* filter or sort: lists are to be fetched anew */
	void *arg;
	char filter[FILTER_BYTES_MAX + 1]; /* in force */
	char before[FILTER_BYTES_MAX + 1]; /* when the line was opened */
	char typed[FILTER_BYTES_MAX + 1];
	bool waiting; /* what is typed is not in force yet */
	mono_time typed_at;
	char needle[NEEDLE_MAX];                   /* the plain word of the last filter */
	int sort;                                  /* of the table in finder.c; 0: time of death */
	bool turned;                               /* the other way round than usual */
	struct dialog_item sort_items[SORT_COUNT]; /* of the menu, in the user's language */
	char sort_shown[SORT_COUNT][SORT_SHOWN_MAX];
};

void finder_add_query(const struct finder *f, struct buf *path); /* filter and sort */
void finder_fetch(struct finder *f);                             /* puts in force what was typed */
void finder_set(struct finder *f, const char *filter);           /* without changed() */
const char *finder_sort(const struct finder *f, char out[32]);   /* as the API takes it; "" by default */
void finder_set_sort(struct finder *f, const char *sort); /* likewise; what is unknown is the default */
/* "  filter: ...  sort: ...": what is in force, for the screen's line. */
void finder_describe(const struct finder *f, struct buf *out);
bool finder_key(struct finder *f, enum action action);
/* A line over a list: what is shown at the left, how much at the right, which stays whole. */
void finder_draw_line(const struct buf *left, const struct buf *right, struct rect area);
void finder_want_keys(struct console *c); /* console->filter_keys, for completions */
void finder_close(struct finder *f);
/* Marks the column in the header of the list. */
void finder_mark_sort(const struct finder *f, struct list *l);
/* The columns that may be sorted by, for a completion. */
void finder_offer_sorts(const char *word, struct offers *ret);

#endif
