/* How a filter on failed_notification is answered: which index is walked or looked up, and which conditions
 * are left to be checked row by row. For store/failed*.c and
 * redrive_find.c only; no I/O but find_choose. */
#ifndef STORE_FAILED_PLAN_H
#define STORE_FAILED_PLAN_H

#include "store/failed.h"

/* A filter found by index in so few rows that all of them are read and sorted. */
#define FIND_FOUND_MAX 15000

enum find_set { SET_STATUS, SET_CHANNEL, SET_CLASS, SET_DLQ, SET_CAUSE, SET_COUNT };

struct find_index;

enum find_found { /* what is looked up instead of walking */
	FOUND_NOTHING,
	FOUND_EXACT, /* what the text matches whole */
	FOUND_TEXT,  /* what begins with it */
	FOUND_TERM,
	FOUND_SETS
};

struct find_plan {
	const struct failed_filter *filter;
	/* the conditions, put together */
	unsigned words[SET_COUNT];       /* bits; SET_CAUSE: of the values of `cause` */
	const struct filter_term *cause; /* NULL: any */
	wall_time since, until;          /* of dead_at: from, and before; 0: any */
	const char *text;                /* NULL: any */
	/* the order */
	enum failed_sort sort;
	bool ascending;
	/* one of the segments of which the list consists, one behind the other: a word, or a half */
	bool exact, inexact, null, not_null;
	/* the way */
	const struct find_index *index;
	enum find_found found;
	const struct filter_term *term; /* FOUND_TERM */
};

void find_make(struct find_plan *plan, const struct failed_filter *filter);
bool find_is_empty(const struct find_plan *plan); /* no row can match */
/* Walking the index that serves the order, or looking up, when that finds few rows. */
int find_choose(struct db *db, struct find_plan *plan, struct usher_error *err);

/* After find_choose: a way that is one range only, for those who need the newest rows in one go. */
void find_narrow(struct find_plan *plan);
/* Nothing but statuses, channels, classes, causes and moments of death. */
bool find_is_plain(const struct find_plan *plan);

/* The list's segments, in its order: words of a sorted set, matched whole before others, null last. */
int find_segments(const struct find_plan *plan);
struct find_plan find_segment(const struct find_plan *plan, int segment);

/* Are there conditions that the index does not know? Then rows are looked at one by one. */
bool find_has_rest(const struct find_plan *plan);

/* The column of the order; NULL: the id alone. */
const char *find_column(const struct find_plan *plan);
bool find_column_is_text(const struct find_plan *plan);
bool find_column_is_time(const struct find_plan *plan);

/* SQL, beginning with a blank or FROM. The table's alias is f. */
int find_branches(const struct find_plan *plan);                   /* ranges walked side by side */
void find_add_from(struct sql *sql, const struct find_plan *plan); /* FROM ... WHERE TRUE */
void find_add_branch(struct sql *sql, const struct find_plan *plan, int branch); /* AND ... of one range */
void find_add_all_branches(struct sql *sql, const struct find_plan *plan);       /* AND ... IN (...) */
void find_add_rest(struct sql *sql, const struct find_plan *plan);               /* AND ... */

/* Begins every statement over the table: the server gives it up after FAILED_STATEMENT_S. */
void find_begin(struct sql *sql);

/* -- Terms: failed_terms.c ------------------------------------------------------------------------- */
void find_fold(struct find_plan *plan, const struct filter *f); /* ages, causes and a free word */
void term_add_cause(struct sql *sql, int64_t cause);
void term_add(struct sql *sql, const struct filter *f, const struct filter_term *term); /* A OR B */
void term_add_text(struct sql *sql, const char *text, bool wild); /* an id or the recipient begins with it */
void term_add_text_exact(struct sql *sql, const char *text);      /* or is it */
void term_add_found_text(struct sql *sql, const char *text, bool exact); /* SELECT id ... */
/* The index that finds a term's rows; NULL: none does. */
const char *term_index(const struct filter *f, const struct filter_term *term);

#endif
