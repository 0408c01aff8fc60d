/* The table alarm_notice, what is forgotten with it, and figures for alarms that the database alone knows.
 * Uses store/db.h; blocks; on its db's thread. */
#include "store/alarm_parts.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define NOTICE_COLUMNS                                                                                       \
	"n.id, n.alarm_id, n.notify, n.what, n.created_at, n.settled_at, "                                   \
	"GREATEST(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), n.next_at) DIV 1000, 0), n.attempts, "        \
	"n.last_error, n.sent"
#define NOTICE_COLUMN_COUNT 10
#define BOTH " FROM alarm_notice n JOIN alarm a ON a.id = n.alarm_id "
#define JOINED "SELECT " NOTICE_COLUMNS ", " ALARM_COLUMNS BOTH

const char *notice_what_name(enum notice_what what)
{
	return what == NOTICE_RAISED ? "raised" : "cleared";
}

static void copy(char *out, size_t size, const char *text)
{
	utf8_copy(out, size, text ? text : "", text ? strlen(text) : 0);
}

static void notice_read(const struct rows *rows, struct notice_row *n)
{
	*n = (struct notice_row){
		.id = row_int(rows, 0),
		.alarm_id = row_int(rows, 1),
		.what = strcmp(row_text(rows, 3), "raised") == 0 ? NOTICE_RAISED : NOTICE_CLEARED,
		.created_at = row_time(rows, 4),
		.settled_at = row_time(rows, 5),
		.wait_ms = row_int(rows, 6),
		.attempts = (int)row_int(rows, 7),
		.sent = row_int(rows, 9) != 0,
	};
	copy(n->notify, sizeof n->notify, row_text(rows, 2));
	copy(n->last_error, sizeof n->last_error, row_text(rows, 8));
}

int notices_unsettled(struct db *db, int64_t given_up_ms, struct notice_row out[NOTICES_UNSETTLED_MAX],
        size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	size_t n = 0;

	sql_add(&sql,
	        "(" JOINED "WHERE n.settled_at IS NULL ORDER BY n.id LIMIT ?i) UNION ALL "
	        "(" JOINED "WHERE n.settled_at > UTC_TIMESTAMP(3) - INTERVAL ?i MICROSECOND AND n.sent = 0 "
	        "ORDER BY n.id LIMIT ?i) LIMIT ?i",
	        (int64_t)NOTICES_UNSETTLED_MAX, given_up_ms * 1000, (int64_t)NOTICES_UNSETTLED_MAX,
	        (int64_t)NOTICES_UNSETTLED_MAX);
	int rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	for (; n < NOTICES_UNSETTLED_MAX && rows_next(rows); n++) {
		notice_read(rows, &out[n]);
		alarm_row_read(rows, NOTICE_COLUMN_COUNT, &out[n].alarm);
	}
	rows_free(rows);
	*ret_n = n;
	return 0;
}

int notices_of(struct db *db, const int64_t *alarm_ids, size_t count, struct notice_row **ret_rows,
        size_t *ret_n, struct usher_error *err)
{
	struct sql sql;
	struct rows *rows;
	size_t n = 0;

	*ret_rows = NULL;
	*ret_n = 0;
	if (count == 0)
		return 0;
	sql = sql_new(db);
	sql_add(&sql, "SELECT " NOTICE_COLUMNS " FROM alarm_notice n WHERE n.alarm_id IN ");
	sql_add_ids(&sql, alarm_ids, count);
	sql_add(&sql, " ORDER BY n.id");
	int rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	*ret_rows = mem_array(rows_count(rows) + 1, sizeof **ret_rows);
	while (rows_next(rows))
		notice_read(rows, &(*ret_rows)[n++]);
	rows_free(rows);
	*ret_n = n;
	return 0;
}

int notice_note(struct db *db, const struct notice_row *row, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "UPDATE alarm_notice SET attempts = ?i, settled_at = ?t, sent = ?i, next_at = "
	        "UTC_TIMESTAMP(3) + "
	        "INTERVAL ?i MICROSECOND, last_error = ",
	        (int64_t)row->attempts, row->settled_at, (int64_t)row->sent, row->wait_ms * 1000);
	sql_add_clipped(&sql, row->last_error[0] ? row->last_error : NULL, NOTICE_ERROR_SIZE - 1);
	sql_add(&sql, " WHERE id = ?i AND settled_at IS NULL", row->id);
	return db_exec(db, &sql, NULL, err);
}

/* -- Forgetting --------------------------------------------------------------------------------------- */

struct prune {
	int64_t keep_ms;
	int max, deleted;
};

static int prune_work(struct db *db, void *arg, struct usher_error *err)
{
	struct prune *p = arg;
	OWNED int64_t *ids = mem_array((size_t)p->max, sizeof *ids);
	struct sql sql = sql_new(db);
	struct rows *rows;
	size_t n = 0;

	sql_add(&sql,
	        "SELECT id FROM alarm WHERE cleared_at < UTC_TIMESTAMP(3) - INTERVAL ?i MICROSECOND ORDER BY "
	        "cleared_at LIMIT ?i FOR UPDATE",
	        p->keep_ms * 1000, (int64_t)p->max);
	int rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	while (rows_next(rows))
		ids[n++] = row_int(rows, 0);
	rows_free(rows);
	p->deleted = (int)n;
	if (n == 0)
		return 0;
	sql = sql_new(db);
	sql_add(&sql, "DELETE FROM alarm_notice WHERE alarm_id IN ");
	sql_add_ids(&sql, ids, n);
	rc = db_exec(db, &sql, NULL, err);
	if (rc)
		return rc;
	sql = sql_new(db);
	sql_add(&sql, "DELETE FROM alarm WHERE id IN ");
	sql_add_ids(&sql, ids, n);
	return db_exec(db, &sql, NULL, err);
}

int alarm_prune(struct db *db, int64_t keep_ms, int max, int *ret_n, struct usher_error *err)
{
	struct prune p = { .keep_ms = keep_ms, .max = max };
	int rc = db_transaction(db, prune_work, &p, err);

	if (!rc)
		*ret_n = p.deleted;
	return rc;
}

/* -- Figures ------------------------------------------------------------------------------------------ */

static int figure(struct db *db, struct sql *sql, int64_t none, int64_t *ret, struct usher_error *err)
{
	struct rows *rows;
	int rc = db_query(db, sql, &rows, err);

	if (rc)
		return rc;
	*ret = rows_next(rows) && row_text(rows, 0) ? row_int(rows, 0) : none;
	rows_free(rows);
	return 0;
}

int alarm_deaths(
        struct db *db, enum channel_id channel, int64_t window_ms, int64_t *ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "SELECT COUNT(*) FROM (SELECT 1 FROM failed_notification FORCE INDEX (list_channel_status) "
	        "WHERE "
	        "channel = ?s AND status = 'dead' AND dead_at > UTC_TIMESTAMP(3) - INTERVAL ?i MICROSECOND "
	        "LIMIT ?i) AS died",
	        channel_name(channel), window_ms * 1000, (int64_t)FAILED_COUNT_CAP);
	return figure(db, &sql, 0, ret, err);
}

int alarm_retention(struct db *db, enum channel_id channel, int64_t *ret_ms, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	/* One that has expired is gone: there is nothing left to save. */
	sql_add(&sql,
	        "SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), MIN(dlq_expires_at)) DIV 1000 FROM "
	        "failed_notification FORCE INDEX (expires_first) WHERE channel = ?s AND status = 'dead' AND "
	        "dlq_expires_at > UTC_TIMESTAMP(3)",
	        channel_name(channel));
	return figure(db, &sql, -1, ret_ms, err);
}
