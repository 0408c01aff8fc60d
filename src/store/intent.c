/* The table redrive_intent: copies of messages, redriven or sent before they were due, that the broker must
 * still be given. Uses store/db.h; blocks; on its db's thread. */
#include "store/failed.h"

#include "base/mem.h"

#define LAST_ERROR_WIDTH 500 /* characters, as in the schema */

struct take {
	int max;
	int64_t lease_ms;
	struct intent *intents;
	size_t n;
};

static void intent_read(const struct rows *rows, struct intent *intent)
{
	const char *payload = row_bytes(rows, 5, &intent->payload_len);

	intent->id = row_int(rows, 0);
	intent->failed_id = row_int(rows, 1);
	channel_by_name(row_text(rows, 2), &intent->channel);
	intent->event_id = mem_string(row_text(rows, 3));
	intent->source_queue = mem_string(row_text(rows, 4));
	intent->payload = mem_stringn(payload, intent->payload_len);
	intent->attributes = mem_string(row_text(rows, 6));
	intent->attempts = (int)row_int(rows, 7);
	intent->edits = (int)row_int(rows, 8);
}

void intents_free(struct intent *intents, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(intents[i].event_id);
		free(intents[i].source_queue);
		free(intents[i].payload);
		free(intents[i].attributes);
	}
	free(intents);
}

static int take_lease(struct db *db, const struct take *take, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "UPDATE redrive_intent SET next_at = UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND WHERE id IN "
	        "(0",
	        take->lease_ms * 1000);
	for (size_t i = 0; i < take->n; i++)
		sql_add(&sql, ",?i", take->intents[i].id);
	sql_add(&sql, ")");
	return db_exec(db, &sql, NULL, err);
}

static int take_work(struct db *db, void *arg, struct usher_error *err)
{
	struct take *take = arg;
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	intents_free(take->intents, take->n); /* of a try that was rolled back */
	take->intents = NULL;
	take->n = 0;
	sql_add(&sql,
	        "SELECT i.id, i.failed_id, d.channel, d.event_id, COALESCE(f.source_queue, m.source_queue), "
	        "COALESCE(f.payload, m.payload), COALESCE(f.attributes, m.attributes), i.attempts, d.edits "
	        "FROM redrive_intent i FORCE INDEX (due) LEFT JOIN failed_notification f ON f.id = "
	        "i.failed_id "
	        "LEFT JOIN retry_message m ON m.delivery_id = i.delivery_id "
	        "STRAIGHT_JOIN delivery d ON d.id = COALESCE(f.delivery_id, m.delivery_id) "
	        "WHERE i.next_at <= UTC_TIMESTAMP(3) ORDER BY i.next_at, i.id LIMIT ?i FOR UPDATE SKIP "
	        "LOCKED",
	        (int64_t)take->max);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	take->intents = mem_array(rows_count(rows) + 1, sizeof *take->intents);
	while (rows_next(rows))
		intent_read(rows, &take->intents[take->n++]);
	rows_free(rows);
	return take->n ? take_lease(db, take, err) : 0;
}

int intents_take(struct db *db, int max, int64_t lease_ms, struct intent **ret_intents, size_t *ret_n,
        struct usher_error *err)
{
	struct take take = { .max = max, .lease_ms = lease_ms };
	int rc = db_transaction(db, take_work, &take, err);

	if (rc < 0) {
		intents_free(take.intents, take.n);
		return rc;
	}
	*ret_intents = take.intents;
	*ret_n = take.n;
	return 0;
}

int intent_state_get(struct db *db, int64_t failed_id, int64_t delivery_id, struct intent_state *ret,
        struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int rc;

	sql_add(&sql,
	        "SELECT attempts, next_at, last_error FROM redrive_intent WHERE failed_id = ?i "
	        "OR delivery_id = ?i LIMIT 1",
	        failed_id, delivery_id);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	if (rows_next(rows))
		*ret = (struct intent_state){ .attempts = (int)row_int(rows, 0),
			.next_at = row_time(rows, 1),
			.last_error = mem_string(row_text(rows, 2)) };
	rows_free(rows);
	return 0;
}

int intents_done(struct db *db, const int64_t *ids, size_t n, struct usher_error *err)
{
	struct sql sql;

	if (n == 0)
		return 0;
	sql = sql_new(db);
	sql_add(&sql, "DELETE FROM redrive_intent WHERE id IN ");
	sql_add_ids(&sql, ids, n);
	return db_exec(db, &sql, NULL, err);
}

int intents_failed(struct db *db, const int64_t *ids, size_t n, int64_t retry_ms, const char *why,
        struct usher_error *err)
{
	struct sql sql;

	if (n == 0)
		return 0;
	sql = sql_new(db);
	sql_add(&sql,
	        "UPDATE redrive_intent SET next_at = UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND, "
	        "attempts = attempts + 1, last_error = ",
	        retry_ms * 1000);
	sql_add_clipped(&sql, why, LAST_ERROR_WIDTH);
	sql_add(&sql, " WHERE id IN ");
	sql_add_ids(&sql, ids, n);
	return db_exec(db, &sql, NULL, err);
}
