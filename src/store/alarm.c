/* The table alarm: raising, clearing, listing, acknowledging. Uses store/db.h; blocks; on its db's thread. */
#include "store/alarm_parts.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/audit.h"
#include "store/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST_ALARMS 'A'
#define STATE_RAISED 1 /* as MariaDB numbers the words of an ENUM */
#define TEXT_WIDTH (ALARM_TEXT_SIZE - 1)
#define OPERATOR_WIDTH 64
#define REASON_WIDTH 500
#define TARGET_SIZE 40
#define VALUE_MAX 1e15

static void copy(char *out, size_t size, const char *text)
{
	utf8_copy(out, size, text ? text : "", text ? strlen(text) : 0);
}

void alarm_row_read(const struct rows *rows, unsigned first, struct alarm_row *row)
{
	*row = (struct alarm_row){
		.id = row_int(rows, first),
		.severity = strcmp(row_text(rows, first + 3), "critical") == 0 ? SEVERITY_CRITICAL
		                                                               : SEVERITY_WARNING,
		.raised = strcmp(row_text(rows, first + 4), "raised") == 0,
		.raised_at = row_time(rows, first + 5),
		.cleared_at = row_time(rows, first + 6),
		.value = (double)row_int(rows, first + 7) / ALARM_VALUE_SCALE,
		.acked_at = row_time(rows, first + 10),
	};
	copy(row->name, sizeof row->name, row_text(rows, first + 1));
	copy(row->channel, sizeof row->channel, row_text(rows, first + 2));
	copy(row->text, sizeof row->text, row_text(rows, first + 8));
	copy(row->acked_by, sizeof row->acked_by, row_text(rows, first + 9));
}

void alarm_rows_free(struct alarm_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(rows[i].ack_reason);
	free(rows);
}

/* -- Raising ------------------------------------------------------------------------------------------ */

static int64_t scaled(double value)
{
	value *= ALARM_VALUE_SCALE;
	return value > VALUE_MAX    ? (int64_t)VALUE_MAX
	       : value < -VALUE_MAX ? (int64_t)-VALUE_MAX
	                            : (int64_t)value;
}

static int insert_id(struct db *db, struct sql *sql, int64_t *ret_id, struct usher_error *err)
{
	struct rows *rows;
	int rc = db_query(db, sql, &rows, err);

	if (rc)
		return rc;
	*ret_id = rows_next(rows) ? row_int(rows, 0) : 0;
	rows_free(rows);
	return 0;
}

static int insert_alarm(struct db *db, struct alarm_row *row, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "INSERT INTO alarm (name, channel, severity, raised_at, value, text) VALUES (?s, ?s, ?s, ?t, "
	        "?i / 1000, ",
	        row->name, row->channel, alarm_severity_name(row->severity), row->raised_at,
	        scaled(row->value));
	sql_add_clipped(&sql, row->text, TEXT_WIDTH);
	sql_add(&sql, ") RETURNING id");
	return insert_id(db, &sql, &row->id, err);
}

static int insert_notice(struct db *db, int64_t alarm_id, struct notice_row *n, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	n->alarm_id = alarm_id;
	sql_add(&sql,
	        "INSERT INTO alarm_notice (alarm_id, notify, what, created_at, next_at, attempts, "
	        "settled_at, sent, "
	        "last_error) VALUES (?i, ?s, ?s, ?t, UTC_TIMESTAMP(3), ?i, ?t, ?i, ",
	        alarm_id, n->notify, notice_what_name(n->what), n->created_at, (int64_t)n->attempts,
	        n->settled_at, (int64_t)n->sent);
	sql_add_clipped(&sql, n->last_error[0] ? n->last_error : NULL, NOTICE_ERROR_SIZE - 1);
	sql_add(&sql, ") RETURNING id");
	return insert_id(db, &sql, &n->id, err);
}

struct raise {
	struct alarm_row *row;
	struct notice_row *notices;
	size_t n;
};

static int raise_work(struct db *db, void *arg, struct usher_error *err)
{
	struct raise *r = arg;
	int rc = insert_alarm(db, r->row, err);

	for (size_t i = 0; i < r->n && !rc; i++)
		rc = insert_notice(db, r->row->id, &r->notices[i], err);
	return rc;
}

int alarm_raise(
        struct db *db, struct alarm_row *row, struct notice_row *notices, size_t n, struct usher_error *err)
{
	struct raise r = { .row = row, .notices = notices, .n = n };
	int rc = db_transaction(db, raise_work, &r, err);

	if (rc)
		row->id = 0;
	for (size_t i = 0; i < n && rc; i++)
		notices[i].id = 0;
	return rc;
}

/* -- Clearing ----------------------------------------------------------------------------------------- */

struct clear {
	int64_t id;
	wall_time at;
};

static int clear_work(struct db *db, void *arg, struct usher_error *err)
{
	const struct clear *c = arg;
	struct sql sql = sql_new(db);
	uint64_t matched = 0;

	sql_add(&sql,
	        "UPDATE alarm SET state = 'cleared', cleared_at = ?t WHERE id = ?i AND state = 'raised'",
	        c->at, c->id);
	int rc = db_exec(db, &sql, &matched, err);
	if (rc)
		return rc;
	if (matched == 0)
		return error_set(err, USHER_ECONFLICT, "alarm %" PRId64 " is not raised any more", c->id);
	sql = sql_new(db);
	sql_add(&sql,
	        "INSERT INTO alarm_notice (alarm_id, notify, what, created_at, next_at) SELECT alarm_id, "
	        "notify, "
	        "'cleared', ?t, UTC_TIMESTAMP(3) FROM alarm_notice WHERE alarm_id = ?i AND what = 'raised'",
	        c->at, c->id);
	return db_exec(db, &sql, NULL, err);
}

int alarm_clear(struct db *db, int64_t id, wall_time at, struct usher_error *err)
{
	struct clear c = { .id = id, .at = at };

	return db_transaction(db, clear_work, &c, err);
}

int alarm_renew(struct db *db, int64_t id, double value, const char *text, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "UPDATE alarm SET value = ?i / ?i, text = ?s WHERE id = ?i AND state = 'raised'",
	        scaled(value), (int64_t)ALARM_VALUE_SCALE, text, id);
	return db_exec(db, &sql, NULL, err);
}

/* -- Looking ------------------------------------------------------------------------------------------ */

int alarm_raised(
        struct db *db, struct alarm_row out[ALARM_RAISED_MAX], size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	size_t n = 0;

	sql_add(&sql, "SELECT " ALARM_COLUMNS " FROM alarm a WHERE a.state = 'raised' ORDER BY a.id LIMIT ?i",
	        (int64_t)ALARM_RAISED_MAX);
	int rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	while (n < ALARM_RAISED_MAX && rows_next(rows))
		alarm_row_read(rows, 0, &out[n++]);
	rows_free(rows);
	*ret_n = n;
	return 0;
}

int alarm_get(struct db *db, int64_t id, struct alarm_row *ret_row, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;

	sql_add(&sql, "SELECT " ALARM_COLUMNS " FROM alarm a WHERE a.id = ?i", id);
	int rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	if (rows_next(rows)) {
		alarm_row_read(rows, 0, ret_row);
		ret_row->ack_reason = mem_string(row_text(rows, ALARM_COLUMN_REASON));
	} else {
		rc = error_set(err, USHER_ENOTFOUND, "there is no alarm %" PRId64, id);
	}
	rows_free(rows);
	return rc;
}

int alarm_list(struct db *db, const char *cursor, int limit, struct alarm_row **ret_rows, size_t *ret_n,
        char ret_next[CURSOR_SIZE], struct usher_error *err)
{
	int64_t state = STATE_RAISED, before = INT64_MAX;
	struct sql sql;
	struct rows *rows;
	size_t n = 0;
	int rc = cursor_parse(cursor, LIST_ALARMS, &state, &before, err);

	if (rc < 0)
		return rc;
	sql = sql_new(db);
	sql_add(&sql,
	        "SELECT " ALARM_COLUMNS
	        " FROM alarm a WHERE a.state + 0 > ?i OR (a.state + 0 = ?i AND a.id < ?i) "
	        "ORDER BY a.state, a.id DESC LIMIT ?i",
	        state, state, before, (int64_t)limit + 1);
	rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	struct alarm_row *list = mem_array(rows_count(rows) + 1, sizeof *list);
	while (n < (size_t)limit && rows_next(rows)) {
		alarm_row_read(rows, 0, &list[n]);
		list[n++].ack_reason = mem_string(row_text(rows, ALARM_COLUMN_REASON));
	}
	ret_next[0] = '\0';
	if (rows_count(rows) > (size_t)limit)
		cursor_print(ret_next, LIST_ALARMS, list[n - 1].raised ? STATE_RAISED : STATE_RAISED + 1,
		        list[n - 1].id);
	rows_free(rows);
	*ret_rows = list;
	*ret_n = n;
	return 0;
}

/* -- Acknowledging ------------------------------------------------------------------------------------ */

struct acking {
	int64_t id;
	const struct act *act;
};

static int audit(struct db *db, const struct acking *a, const char *outcome, const char *detail,
        struct usher_error *err)
{
	char target[TARGET_SIZE];

	snprintf(target, sizeof target, "alarms/%" PRId64, a->id);
	return audit_add(db,
	        &(struct audit_entry){ .operator= a->act->operator,
	                .role = a->act->role,
	                .act = "ack",
	                .target = target,
	                .outcome = outcome,
	                .reason = a->act->reason,
	                .detail = detail },
	        err);
}

/* Why nothing matched. */
static int ack_refusal(struct db *db, int64_t id, struct usher_error *err)
{
	struct alarm_row row = { 0 };
	char at[WALL_TEXT_SIZE];
	int rc = alarm_get(db, id, &row, err);

	if (rc)
		return rc;
	free(row.ack_reason);
	if (!row.raised)
		return error_set(err, USHER_ECONFLICT, "alarm %" PRId64 " is over: %s was cleared at %s", id,
		        row.name, wall_format(row.cleared_at, at));
	return error_set(err, USHER_ECONFLICT, "alarm %" PRId64 " is acknowledged already: by %.100s at %s",
	        id, row.acked_by, wall_format(row.acked_at, at));
}

static int ack_work(struct db *db, void *arg, struct usher_error *err)
{
	const struct acking *a = arg;
	struct sql sql = sql_new(db);
	uint64_t matched = 0;

	sql_add(&sql, "UPDATE alarm SET acked_at = UTC_TIMESTAMP(3), acked_by = ");
	sql_add_clipped(&sql, a->act->operator, OPERATOR_WIDTH);
	sql_add(&sql, ", ack_reason = ");
	sql_add_clipped(&sql, a->act->reason, REASON_WIDTH);
	sql_add(&sql, " WHERE id = ?i AND state = 'raised' AND acked_by IS NULL", a->id);
	int rc = db_exec(db, &sql, &matched, err);
	if (rc)
		return rc;
	return matched ? audit(db, a, "done", NULL, err) : ack_refusal(db, a->id, err);
}

int alarm_ack(struct db *db, int64_t id, const struct act *act, struct usher_error *err)
{
	struct acking a = { .id = id, .act = act };
	int rc = db_transaction(db, ack_work, &a, err);

	if (rc == USHER_ECONFLICT)
		audit(db, &a, "conflict", err->message, NULL);
	return rc;
}
