/* See retry_message.h. Uses store/db.h; blocks; on its db's thread. */
#include "store/retry_message.h"

#include "base/mem.h"
#include "store/ledger_parts.h"

#define STATEMENT_MAX (1024 * 1024) /* bytes, before the last row */

static void add_row(struct sql *sql, const struct ledger_settle *e)
{
	const struct message *m = e->dead.message;
	OWNED char *attributes = message_attributes_print(&m->attributes);

	sql_add(sql, "(?i,", e->delivery_id);
	sql_add_clipped(sql, e->dead.name, WIDTH_NAME);
	sql_add(sql, ",");
	sql_add_clipped(sql, e->dead.source_queue, WIDTH_QUEUE);
	sql_add(sql, ",");
	sql_add_clipped(sql, m->id, WIDTH_MESSAGE_ID);
	sql_add(sql, ",?b,?s)", m->body_len > 0 ? m->body : "", m->body_len, attributes);
}

int retry_messages_keep(struct db *db, const struct ledger_settle *settles, const bool *moving, size_t n,
        struct usher_error *err)
{
	for (size_t i = 0; i < n;) {
		struct sql sql = sql_new(db);
		bool any = false;
		int code;

		sql_add(&sql, "INSERT INTO retry_message (delivery_id, name, source_queue, message_id, "
		              "payload, attributes) VALUES ");
		for (; i < n && sql.text.len < STATEMENT_MAX; i++) {
			if (!moving[i] || settles[i].to != DELIVERY_RETRYING)
				continue;
			sql_add(&sql, any ? "," : "");
			add_row(&sql, &settles[i]);
			any = true;
		}
		if (!any) {
			sql_free(&sql);
			break;
		}
		sql_add(&sql, " ON DUPLICATE KEY UPDATE name = VALUES(name), source_queue = "
		              "VALUES(source_queue), message_id = VALUES(message_id), payload = "
		              "VALUES(payload), attributes = VALUES(attributes)");
		code = db_exec(db, &sql, NULL, err);
		if (code != 0)
			return code;
	}
	return 0;
}

int retry_messages_forget(struct db *db, const int64_t *delivery_ids, size_t n, struct usher_error *err)
{
	static const char *const statements[] = {
		"DELETE FROM redrive_intent WHERE delivery_id IN ",
		"DELETE FROM retry_message WHERE delivery_id IN ",
	};
	int code = 0;

	for (size_t i = 0; i < ARRAY_LEN(statements) && n > 0 && code == 0; i++) {
		struct sql sql = sql_new(db);

		sql_add(&sql, statements[i]);
		sql_add_ids(&sql, delivery_ids, n);
		code = db_exec(db, &sql, NULL, err);
	}
	return code;
}

static struct retry_message *read_row(const struct rows *rows)
{
	struct retry_message *kept = mem_alloc(sizeof *kept);
	struct message *m = mem_alloc(sizeof *m);
	const char *payload = row_bytes(rows, 3, &m->body_len);

	kept->name = mem_string(row_text(rows, 0));
	kept->source_queue = mem_string(row_text(rows, 1));
	kept->message = m;
	m->id = mem_string(row_text(rows, 2));
	m->body = mem_stringn(payload, m->body_len);
	message_attributes_parse(row_text(rows, 4), &m->attributes);
	return kept;
}

int retry_message_get(struct db *db, int64_t delivery_id, struct retry_message **ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT name, source_queue, message_id, payload, attributes FROM retry_message WHERE "
	        "delivery_id = ?i",
	        delivery_id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	*ret = rows_next(rows) ? read_row(rows) : NULL;
	rows_free(rows);
	return 0;
}

void retry_message_free(struct retry_message *kept)
{
	if (kept == NULL)
		return;
	free(kept->name);
	free(kept->source_queue);
	message_free(kept->message);
	free(kept);
}
