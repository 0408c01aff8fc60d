/* A paged list of the API in a scrolling table: one page of rows at a time, walked by keyset cursor, so
 * that two million rows cost what two hundred do. The selection goes by id and survives a refresh; so do
 * marks, across pages as well. Main thread. */
#ifndef UI_CONSOLE_LIST_H
#define UI_CONSOLE_LIST_H

#include "screen.h"

#define LIST_PAGE 200 /* rows asked for at a time */
#define LIST_MARKS_MAX 500
#define LIST_KEY_MAX 256
#define LIST_COLUMNS_MAX 16

struct list_column {
	const char *title; /* N_(): looked up when it is drawn */
	int width;         /* least columns */
	int grow;          /* share of what is left over */
	int most;          /* columns at most; 0: any */
	int from_width;    /* shown from this width of the screen on */
	enum text_align align;
	void (*cell)(const cJSON *row, wall_time now, struct buf *out);
	enum role (*role)(const cJSON *row); /* NULL: normal */
};

enum list_going { LIST_STAY, LIST_NEXT, LIST_BACK };

struct list {
	struct console *console;
	const struct list_column *columns;
	int column_count;
	bool paged, markable;
	bool whole;                               /* all rows come at once, and no limit is taken */
	void (*path)(void *arg, struct buf *out); /* of the list, with its filters */
	void (*key)(const cJSON *row, char out[LIST_KEY_MAX]);
	void *arg;
	void (*open)(struct console *c, const char *id); /* NULL: the detail of a failed row */

	cJSON *json; /* the page on show; rows point into it */
	const cJSON **rows;
	int count;
	bool loaded;
	bool narrowed; /* by a filter or a status that F clears: it says so when nothing is left */
	bool other;    /* the rows on show are of the filter before: the answer to the new one has not come */
	wall_time at, asked_at;
	wall_time seen; /* when what is on show was asked for: what died later is not in it */
	mono_time asked;
	char error[USHER_ERROR_MESSAGE_MAX];

	unsigned request;
	enum list_going going;
	bool due;
	/* A page that must be looked for row by row comes in parts; until it is full or the end is reached
	 * the next part is asked for. */
	bool searching;
	int64_t searched; /* rows looked at so */
	char *cursor;     /* of the page on show; NULL: the first */
	char **behind;    /* cursors of the pages before it */
	int behind_count;
	int64_t before; /* rows on the pages before it */

	int selected, top, height, first_y; /* first_y: the screen's line of the row at the top */
	char selected_key[LIST_KEY_MAX];
	struct row_ref *marks;
	int mark_count;
	char anchor[LIST_KEY_MAX]; /* the row marked last: ranges begin there */

	const char *sort_title; /* of the column it is sorted by; NULL: none is marked */
	bool sort_up;
};

void list_open(struct list *l);
void list_close(struct list *l);
void list_restart(struct list *l); /* something else: from the first page, nothing kept but marks */
/* Another filter or sort: the rows stay on show, as old, until the others come. */
void list_refilter(struct list *l);
/* Puts a list aside with its place, selection and marks, and begins anew; and brings it back, asked for
 * again. */
void list_park(struct list *l, struct list *ret_parked);
void list_unpark(struct list *l, struct list *parked);
void list_fetch(struct list *l); /* when due, and no request is under way */
void list_draw(struct list *l, struct rect area);
bool list_key(struct list *l, enum action action);
/* Ends a search with what was found so far; false when there is none. */
bool list_stop(struct list *l);
/* Selects the next row (step 1) or the one before (-1) of the page in which a text has the word. */
bool list_select_match(struct list *l, const char *word, int step);
bool list_point(struct list *l, int y); /* selects the row on that line of the screen; false: there is none */
/* Opens the selected row, or asks to act on the marked rows; false for other actions. */
bool list_act(struct list *l, enum action action);
const cJSON *list_selected(const struct list *l);

/* list_marks.c */
bool list_mark_key(struct list *l, enum action action);
int list_find_mark(const struct list *l, const char *id); /* -1: it is not marked */
void list_renew_marks(struct list *l);                    /* marked rows are acted on as they are seen now */
void list_unmark(struct list *l, const char *id);
void list_unmark_all(struct list *l);
/* Marked rows, or the selected one; the caller frees. */
int list_targets(const struct list *l, struct row_ref **ret_rows);

/* "1-200 of 12,345+, 3 marked, as of …": what the info line of a screen ends with. */
void list_summary(const struct list *l, struct buf *out);

/* rows.c: the columns of failed rows and of groups. */
extern const struct list_column failed_columns[], dlq_columns[], group_columns[], retrying_columns[];
extern const int failed_column_count, dlq_column_count, group_column_count, retrying_column_count;
void row_key(const cJSON *row, char out[LIST_KEY_MAX]);
void group_key(const cJSON *row, char out[LIST_KEY_MAX]);

#endif
