/* The tables users and signup_outbox. Uses store/db.h; blocks; on its db's thread. */
#include "store/outbox.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/cursor.h"

#include <stdio.h>
#include <string.h>

#define LAST_ERROR_WIDTH 500 /* characters, as in the schema */

/* -- Sign-ups -------------------------------------------------------------------------------- */

static int signup_work(struct db *db, void *arg, struct usher_error *err)
{
	const struct event *event = arg;
	struct buf payload = BUF(EVENT_BODY_MAX);
	struct sql sql = sql_new(db);
	int rc;

	sql_add(&sql, "INSERT INTO users (user_id, email, name, locale) VALUES (?s, ?s, ?s, ?s)",
	        event->user_id, event->email, event->name, event->locale);
	rc = db_exec(db, &sql, NULL, err);
	if (rc < 0)
		return rc;
	event_encode(event, &payload);
	sql = sql_new(db);
	sql_add(&sql, "INSERT INTO signup_outbox (event_id, payload) VALUES (?s, ?s)", event->event_id,
	        buf_str(&payload));
	buf_free(&payload);
	return db_exec(db, &sql, NULL, err);
}

/* Was it this very sign-up, told a second time because its first answer was lost? */
static int signed_up_before(struct db *db, const struct event *event, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct usher_error look = { 0 };
	struct rows *rows;
	bool same;

	sql_add(&sql,
	        "SELECT 1 FROM users u JOIN signup_outbox o ON o.event_id = ?s "
	        "WHERE u.user_id = ?s AND u.email = ?s AND u.name = ?s",
	        event->event_id, event->user_id, event->email, event->name);
	if (db_query(db, &sql, &rows, &look) < 0)
		return error_copy(err, &look);
	same = rows_next(rows);
	rows_free(rows);
	return same ? 0
	            : error_set(err, USHER_ECONFLICT, "this user id or e-mail address has signed up already");
}

int outbox_signup(struct db *db, const struct event *event, char ret_event_id[EVENT_ID_MAX + 1],
        struct usher_error *err)
{
	int rc = db_transaction(db, signup_work, (void *)event, err);

	if (rc == USHER_ECONFLICT)
		rc = signed_up_before(db, event, err);
	if (rc == 0)
		snprintf(ret_event_id, EVENT_ID_MAX + 1, "%s", event->event_id);
	return rc;
}

/* -- What the relay publishes ---------------------------------------------------------------- */

#define OUTBOX_COLUMNS "id, event_id, payload, attempts, created_at, published_at, next_at, last_error"

static struct outbox_row *rows_read(struct rows *rows, size_t *ret_n)
{
	struct outbox_row *list = mem_array(rows_count(rows) + 1, sizeof *list);
	size_t n = 0;

	for (; rows_next(rows); n++) {
		struct outbox_row *row = &list[n];
		const char *payload = row_bytes(rows, 2, &row->payload_len);

		row->id = row_int(rows, 0);
		row->event_id = mem_string(row_text(rows, 1));
		row->payload = mem_stringn(payload, row->payload_len);
		row->attempts = (int)row_int(rows, 3);
		row->created_at = row_time(rows, 4);
		row->published_at = row_time(rows, 5);
		row->next_at = row_time(rows, 6);
		row->last_error = mem_string(row_text(rows, 7));
	}
	*ret_n = n;
	return list;
}

static void row_free(struct outbox_row *row)
{
	free(row->event_id);
	free(row->payload);
	free(row->last_error);
}

void outbox_rows_free(struct outbox_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row_free(&rows[i]);
	free(rows);
}

struct take {
	int max;
	int64_t lease_ms;
	struct outbox_row *rows;
	size_t n;
};

static int take_work(struct db *db, void *arg, struct usher_error *err)
{
	struct take *take = arg;
	struct sql sql = sql_new(db);
	struct rows *rows;
	int64_t *ids;
	int rc;

	outbox_rows_free(take->rows, take->n); /* of a try that was rolled back */
	take->rows = NULL;
	take->n = 0;
	sql_add(&sql,
	        "SELECT " OUTBOX_COLUMNS " FROM signup_outbox FORCE INDEX (to_publish) "
	        "WHERE published_at IS NULL AND next_at <= UTC_TIMESTAMP(3) ORDER BY id LIMIT ?i "
	        "FOR UPDATE SKIP LOCKED",
	        (int64_t)take->max);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	take->rows = rows_read(rows, &take->n);
	rows_free(rows);
	if (take->n == 0)
		return 0;
	ids = mem_array(take->n, sizeof *ids);
	for (size_t i = 0; i < take->n; i++)
		ids[i] = take->rows[i].id;
	sql = sql_new(db);
	sql_add(&sql,
	        "UPDATE signup_outbox SET next_at = UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND WHERE id IN ",
	        take->lease_ms * 1000);
	sql_add_ids(&sql, ids, take->n);
	free(ids);
	return db_exec(db, &sql, NULL, err);
}

int outbox_take(struct db *db, int max, int64_t lease_ms, struct outbox_row **ret_rows, size_t *ret_n,
        struct usher_error *err)
{
	struct take take = { .max = max, .lease_ms = lease_ms };
	int rc = db_transaction(db, take_work, &take, err);

	if (rc < 0) {
		outbox_rows_free(take.rows, take.n);
		return rc;
	}
	*ret_rows = take.rows;
	*ret_n = take.n;
	return 0;
}

int outbox_published(struct db *db, const int64_t *ids, size_t n, struct usher_error *err)
{
	struct sql sql;

	if (n == 0)
		return 0;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE signup_outbox SET published_at = UTC_TIMESTAMP(3), attempts = attempts + 1, "
	              "last_error = NULL "
	              "WHERE id IN ");
	sql_add_ids(&sql, ids, n);
	return db_exec(db, &sql, NULL, err);
}

int outbox_failed(struct db *db, const int64_t *ids, size_t n, int64_t delay_ms, const char *why,
        struct usher_error *err)
{
	struct sql sql;

	if (n == 0)
		return 0;
	sql = sql_new(db);
	sql_add(&sql,
	        "UPDATE signup_outbox SET next_at = UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND, "
	        "attempts = attempts + ?i, last_error = ",
	        delay_ms * 1000, (int64_t)(delay_ms > 0));
	sql_add_clipped(&sql, why, LAST_ERROR_WIDTH);
	sql_add(&sql, " WHERE published_at IS NULL AND id IN ");
	sql_add_ids(&sql, ids, n);
	return db_exec(db, &sql, NULL, err);
}

int outbox_count(struct db *db, struct outbox_counts *ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	sql_add(&sql,
	        "SELECT COUNT(*), (SELECT TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(3)) DIV 1000 "
	        "  FROM signup_outbox FORCE INDEX (to_publish) WHERE published_at IS NULL ORDER BY id LIMIT "
	        "1) "
	        "FROM signup_outbox FORCE INDEX (to_publish) WHERE published_at IS NULL");
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	rows_next(rows);
	ret->waiting = row_int(rows, 0);
	ret->oldest_age_ms = row_text(rows, 1) != NULL ? row_int(rows, 1) : -1;
	rows_free(rows);
	return 0;
}

int outbox_prune(struct db *db, int64_t keep_ms, int max, int *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	uint64_t deleted = 0;
	int rc;

	sql_add(&sql,
	        "DELETE FROM signup_outbox WHERE published_at < UTC_TIMESTAMP(3) - INTERVAL ?i MICROSECOND "
	        "ORDER BY published_at, id LIMIT ?i",
	        keep_ms * 1000, (int64_t)max);
	rc = db_exec(db, &sql, &deleted, err);
	if (rc == 0)
		*ret_n = (int)deleted;
	return rc;
}

/* -- For operators --------------------------------------------------------------------------- */

#define LIST_WAITING 'w'   /* by id: oldest first */
#define LIST_PUBLISHED 'p' /* by time of publication and id: newest first */

static int list_part(
        struct db *db, struct sql *sql, struct outbox_row **ret_rows, size_t *ret_n, struct usher_error *err)
{
	struct rows *rows;
	int rc = db_query(db, sql, &rows, err);

	if (rc < 0)
		return rc;
	*ret_rows = rows_read(rows, ret_n);
	rows_free(rows);
	return 0;
}

static int list_waiting(struct db *db, int64_t after_id, int limit, struct outbox_row **ret_rows,
        size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "SELECT " OUTBOX_COLUMNS " FROM signup_outbox FORCE INDEX (to_publish) "
	        "WHERE published_at IS NULL AND id > ?i ORDER BY id LIMIT ?i",
	        after_id, (int64_t)limit);
	return list_part(db, &sql, ret_rows, ret_n, err);
}

static int list_published(struct db *db, int64_t before_ms, int64_t before_id, int limit,
        struct outbox_row **ret_rows, size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "SELECT " OUTBOX_COLUMNS
	              " FROM signup_outbox FORCE INDEX (to_publish) WHERE published_at IS NOT NULL ");
	if (before_ms > 0)
		sql_add(&sql, "AND published_at <= ?t AND (published_at < ?t OR id < ?i) ",
		        (wall_time){ before_ms }, (wall_time){ before_ms }, before_id);
	sql_add(&sql, "ORDER BY published_at DESC, id DESC LIMIT ?i", (int64_t)limit);
	return list_part(db, &sql, ret_rows, ret_n, err);
}

static void append(struct outbox_row **rows, size_t *n, struct outbox_row *more, size_t more_n)
{
	*rows = mem_resize(*rows, *n + more_n + 1, sizeof **rows);
	if (more_n)
		memcpy(*rows + *n, more, more_n * sizeof *more);
	*n += more_n;
	free(more);
}

int outbox_list(struct db *db, bool waiting_only, const char *cursor, int limit, struct outbox_row **ret_rows,
        size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err)
{
	int64_t after_id = 0, none = 0, before_ms = 0, before_id = 0;
	bool in_published = !waiting_only && cursor != NULL && cursor[0] == LIST_PUBLISHED;
	struct outbox_row *rows = NULL, *more = NULL;
	size_t n = 0, more_n = 0;
	int rc = in_published ? cursor_parse(cursor, LIST_PUBLISHED, &before_ms, &before_id, err)
	                      : cursor_parse(cursor, LIST_WAITING, &after_id, &none, err);

	if (rc < 0)
		return rc;
	if (!in_published)
		rc = list_waiting(db, after_id, limit + 1, &rows, &n, err);
	if (rc >= 0 && !waiting_only && n <= (size_t)limit) {
		rc = list_published(db, before_ms, before_id, limit + 1 - (int)n, &more, &more_n, err);
		if (rc == 0)
			append(&rows, &n, more, more_n);
	}
	if (rc < 0) {
		outbox_rows_free(rows, n);
		return rc;
	}
	ret_next[0] = '\0';
	if (rows != NULL && n > (size_t)limit) {
		const struct outbox_row *last = &rows[limit - 1];

		if (last->published_at.ms)
			cursor_print(ret_next, LIST_PUBLISHED, last->published_at.ms, last->id);
		else
			cursor_print(ret_next, LIST_WAITING, last->id, 0);
		for (; n > (size_t)limit; n--)
			row_free(&rows[n - 1]);
	}
	*ret_rows = rows;
	*ret_n = n;
	return 0;
}
