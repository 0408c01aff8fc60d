/* The tables alarm and alarm_notice: what is raised and was, and who has been told. At most one alarm of a
 * name and channel is raised at a time, whoever tries. One db per thread. */
#ifndef STORE_ALARM_H
#define STORE_ALARM_H

#include "model/alarm.h"
#include "model/delivery.h"
#include "store/db.h"
#include "store/failed.h"

#define ALARM_TEXT_SIZE 301
#define ALARM_CHANNEL_SIZE 17
#define ALARM_OPERATOR_SIZE 65
#define NOTICE_ERROR_SIZE 301
#define ALARM_RAISED_MAX 256      /* raised alarms that are read */
#define NOTICES_UNSETTLED_MAX 256 /* notices that are read, oldest first */

struct alarm_row {
	int64_t id;
	char name[ALARM_NAME_MAX + 1], channel[ALARM_CHANNEL_SIZE]; /* channel "": of none */
	enum alarm_severity severity;
	bool raised;
	wall_time raised_at, cleared_at;
	double value;
	char text[ALARM_TEXT_SIZE];
	char acked_by[ALARM_OPERATOR_SIZE]; /* "": nobody */
	wall_time acked_at;
	char *ack_reason; /* owned; NULL: none. Only from alarm_list and alarm_get */
};

enum notice_what { NOTICE_RAISED, NOTICE_CLEARED };
const char *notice_what_name(enum notice_what what);

struct notice_row {
	int64_t id, alarm_id;
	char notify[ALARM_NAME_MAX + 1];
	enum notice_what what;
	wall_time created_at, settled_at;
	int64_t wait_ms; /* until it is tried, by the database's clock; 0 when due */
	int attempts;
	char last_error[NOTICE_ERROR_SIZE];
	bool sent;
	struct alarm_row alarm; /* only from notices_unsettled */
};

/* Raises it, with a notice for each name; *row's id is filled in. `notices`: one a name; their settled_at,
 * sent, attempts and last_error count (what was told while there was no database), their ids are filled in.
 * USHER_ECONFLICT: it is raised already. */
int alarm_raise(
        struct db *db, struct alarm_row *row, struct notice_row *notices, size_t n, struct usher_error *err);
/* Clears it, with a notice for each name that was told of the raise. USHER_ECONFLICT: it is not raised. */
int alarm_clear(struct db *db, int64_t id, wall_time at, struct usher_error *err);
/* How it stands now, while it is raised. */
int alarm_renew(struct db *db, int64_t id, double value, const char *text, struct usher_error *err);
/* All that are raised, oldest first. *ret_n <= ALARM_RAISED_MAX. */
int alarm_raised(
        struct db *db, struct alarm_row rows[ALARM_RAISED_MAX], size_t *ret_n, struct usher_error *err);
int alarm_get(
        struct db *db, int64_t id, struct alarm_row *ret_row, struct usher_error *err); /* USHER_ENOTFOUND */
/* Raised ones first, newest first in each half. */
int alarm_list(struct db *db, const char *cursor, int limit, struct alarm_row **ret_rows, size_t *ret_n,
        char ret_next[CURSOR_SIZE], struct usher_error *err);
void alarm_rows_free(struct alarm_row *rows, size_t n);
/* Audited in the same transaction. USHER_ENOTFOUND; USHER_ECONFLICT names who acknowledged it, or that it is
 * over; that is audited too. */
int alarm_ack(struct db *db, int64_t id, const struct act *act, struct usher_error *err);
/* Forgets at most `max` that were cleared longer ago, with their notices. */
int alarm_prune(struct db *db, int64_t keep_ms, int max, int *ret_n, struct usher_error *err);

/* What must still be sent, oldest first, and what was given up less than `given_up_ms` ago (sent false,
 * settled). *ret_n <= NOTICES_UNSETTLED_MAX. */
int notices_unsettled(struct db *db, int64_t given_up_ms, struct notice_row rows[NOTICES_UNSETTLED_MAX],
        size_t *ret_n, struct usher_error *err);
/* Of these alarms; the caller frees. */
int notices_of(struct db *db, const int64_t *alarm_ids, size_t n, struct notice_row **ret_rows, size_t *ret_n,
        struct usher_error *err);
/* What became of a try: attempts, last_error, settled_at and sent as the row has them, tried again after
 * wait_ms. */
int notice_note(struct db *db, const struct notice_row *row, struct usher_error *err);

/* -- Figures that only the database knows for all daemons ----------------------------------------- */
/* Deliveries of the channel that died within the window and are still dead; at most FAILED_COUNT_CAP. */
int alarm_deaths(
        struct db *db, enum channel_id channel, int64_t window_ms, int64_t *ret, struct usher_error *err);
/* Until the copy of a dead delivery that expires first is gone; -1: there is none. */
int alarm_retention(struct db *db, enum channel_id channel, int64_t *ret_ms, struct usher_error *err);

#endif
