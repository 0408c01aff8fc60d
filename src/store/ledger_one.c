/* See ledger_one.h. Uses store/db.h; blocks; on its db's thread. */
#include "store/ledger_one.h"

#include "base/error.h"
#include "base/mem.h"

#include <inttypes.h>

static struct delivery_row *row_read(const struct rows *rows)
{
	struct delivery_row *row = mem_alloc(sizeof *row);
	const char *payload = row_bytes(rows, 18, &row->payload_len);

	row->id = row_int(rows, 0);
	row->failed_id = row_int(rows, 1);
	row->event_id = mem_string(row_text(rows, 2));
	row->user_id = mem_string(row_text(rows, 3));
	row->recipient = mem_string(row_text(rows, 4));
	row->owner = mem_string(row_text(rows, 5));
	row->last_reply = mem_string(row_text(rows, 6));
	channel_by_name(row_text(rows, 7), &row->channel);
	if (!delivery_state_by_name(row_text(rows, 8), &row->state))
		row->state = DELIVERY_CLAIMED;
	row->version = (int)row_int(rows, 9);
	row->attempts = (int)row_int(rows, 10);
	row->redrives = (int)row_int(rows, 11);
	row->edits = (int)row_int(rows, 12);
	row->last_class = row_text(rows, 13) != NULL ? failure_by_name(row_text(rows, 13)) : FAILURE_NONE;
	row->due_at = row_time(rows, 14);
	row->created_at = row_time(rows, 15);
	row->updated_at = row_time(rows, 16);
	row->delivered_at = row_time(rows, 17);
	row->payload = payload != NULL ? mem_stringn(payload, row->payload_len) : NULL;
	row->name = mem_string(row_text(rows, 19));
	row->attributes = mem_string(row_text(rows, 20));
	return row;
}

int delivery_get(struct db *db, int64_t id, struct delivery_row **ret_row, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT d.id, f.id, d.event_id, d.user_id, d.recipient, d.owner, d.last_reply, d.channel, "
	        "d.state, d.version, d.attempts, d.redrives, d.edits, d.last_class, "
	        "IF(d.state = 'retrying', d.due_at, NULL), d.created_at, d.updated_at, d.delivered_at, "
	        "m.payload, m.name, m.attributes FROM delivery d "
	        "LEFT JOIN failed_notification f ON f.delivery_id = d.id "
	        "LEFT JOIN retry_message m ON m.delivery_id = d.id WHERE d.id = ?i",
	        id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	if (rows_next(rows))
		*ret_row = row_read(rows);
	else
		code = error_set(err, USHER_ENOTFOUND, "there is no delivery %" PRId64, id);
	rows_free(rows);
	return code;
}

void delivery_free(struct delivery_row *row)
{
	if (row == NULL)
		return;
	free(row->event_id);
	free(row->user_id);
	free(row->recipient);
	free(row->owner);
	free(row->last_reply);
	free(row->name);
	free(row->payload);
	free(row->attributes);
	free(row);
}
