/* Rows of failed_notification: reading them, one with its attempts, and what became of its event elsewhere.
 * Uses store/db.h; blocks; on its db's thread. */
#include "store/failed.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/failed_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -- Rows ------------------------------------------------------------------------------------ */

#define ROW_PAYLOAD FAILED_ROW_COLUMN_COUNT /* the columns that only failed_get asks for */
#define ROW_ATTRIBUTES (FAILED_ROW_COLUMN_COUNT + 1)

void failed_row_read(const struct rows *rows, struct failed_row *row)
{
	enum delivery_state state = DELIVERY_DEAD;

	row->id = row_int(rows, 0);
	row->delivery_id = row_int(rows, 1);
	row->event_id = mem_string(row_text(rows, 2));
	row->reason = mem_string(row_text(rows, 3));
	row->user_id = mem_string(row_text(rows, 4));
	row->recipient = mem_string(row_text(rows, 5));
	row->name = mem_string(row_text(rows, 6));
	row->source_queue = mem_string(row_text(rows, 7));
	row->message_id = mem_string(row_text(rows, 8));
	row->dlq_message_id = mem_string(row_text(rows, 9));
	row->settled_by = mem_string(row_text(rows, 10));
	row->settled_reason = mem_string(row_text(rows, 11));
	channel_by_name(row_text(rows, 12), &row->channel);
	failed_status_by_name(row_text(rows, 13), &row->status);
	if (row_text(rows, 14))
		delivery_state_by_name(row_text(rows, 14), &state);
	row->delivery_state = state;
	row->class = failure_by_name(row_text(rows, 15));
	row->version = (int)row_int(rows, 16);
	row->attempts = (int)row_int(rows, 17);
	row->redrives = (int)row_int(rows, 18);
	row->first_at = row_time(rows, 19);
	row->dead_at = row_time(rows, 20);
	row->updated_at = row_time(rows, 21);
	row->dlq_seen_at = row_time(rows, 22);
	row->dlq_expires_at = row_time(rows, 23);
	row->cause = row_int(rows, 24);
	row->job_id = row_int(rows, 25);
	row->auto_redrives = (int)row_int(rows, 26);
}

void failed_row_free(struct failed_row *row)
{
	free(row->event_id);
	free(row->reason);
	free(row->user_id);
	free(row->recipient);
	free(row->name);
	free(row->source_queue);
	free(row->message_id);
	free(row->dlq_message_id);
	free(row->settled_by);
	free(row->settled_reason);
	free(row->payload);
	free(row->attributes);
}

void failed_rows_free(struct failed_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		failed_row_free(&rows[i]);
	free(rows);
}

/* -- One row --------------------------------------------------------------------------------- */

int failed_get(struct db *db, int64_t id, struct failed_row **ret_row, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	struct failed_row *row;
	const char *payload;
	int rc;

	sql_add(&sql,
	        "SELECT " FAILED_ROW_COLUMNS ", f.payload, f.attributes FROM failed_notification f "
	        "LEFT JOIN delivery d ON d.id = f.delivery_id WHERE f.id = ?i",
	        id);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	if (!rows_next(rows)) {
		rows_free(rows);
		return error_set(err, USHER_ENOTFOUND, "there is no failed row %" PRId64, id);
	}
	row = mem_alloc(sizeof *row);
	failed_row_read(rows, row);
	payload = row_bytes(rows, ROW_PAYLOAD, &row->payload_len);
	row->payload = mem_stringn(payload, row->payload_len);
	row->attributes = mem_string(row_text(rows, ROW_ATTRIBUTES));
	rows_free(rows);
	*ret_row = row;
	return 0;
}

int failed_siblings(struct db *db, const struct failed_row *row,
        struct failed_sibling ret_list[CHANNEL_COUNT], size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	size_t n = 0;
	int rc;

	sql_add(&sql,
	        "SELECT d.channel, d.state, f.id, f.status FROM delivery d LEFT JOIN failed_notification f "
	        "ON f.delivery_id = d.id WHERE d.event_id = ?s AND d.id <> ?i ORDER BY d.channel LIMIT ?i",
	        row->event_id, row->delivery_id, (int64_t)CHANNEL_COUNT);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	for (; rows_next(rows); n++) {
		ret_list[n] = (struct failed_sibling){ .id = row_int(rows, 2) };
		channel_by_name(row_text(rows, 0), &ret_list[n].channel);
		delivery_state_by_name(row_text(rows, 1), &ret_list[n].state);
		if (ret_list[n].id)
			failed_status_by_name(row_text(rows, 3), &ret_list[n].status);
	}
	rows_free(rows);
	*ret_n = n;
	return 0;
}

int attempts_of(struct db *db, int64_t delivery_id, struct attempt_row **ret_rows, size_t *ret_n,
        struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	struct attempt_row *list;
	size_t n = 0;
	int rc;

	sql_add(&sql,
	        "SELECT id, number, redrive, code, at, latency_ms, class, reply, effect FROM "
	        "delivery_attempt "
	        "WHERE delivery_id = ?i ORDER BY id DESC LIMIT ?i",
	        delivery_id, (int64_t)ATTEMPTS_SHOWN_MAX);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	list = mem_array(rows_count(rows) + 1, sizeof *list);
	n = rows_count(rows);
	for (size_t i = n; i > 0 && rows_next(rows); i--) { /* oldest first */
		list[i - 1] = (struct attempt_row){
			.id = row_int(rows, 0),
			.number = (int)row_int(rows, 1),
			.redrive = (int)row_int(rows, 2),
			.code = (int)row_int(rows, 3),
			.at = row_time(rows, 4),
			.latency_ms = row_int(rows, 5),
			.class = failure_by_name(row_text(rows, 6)),
			.reply = mem_string(row_text(rows, 7)),
			.effect = mem_string(row_text(rows, 8)),
		};
	}
	rows_free(rows);
	*ret_rows = list;
	*ret_n = n;
	return 0;
}

void attempts_free(struct attempt_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rows[i].reply);
		free(rows[i].effect);
	}
	free(rows);
}
