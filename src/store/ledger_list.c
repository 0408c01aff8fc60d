/* Looking at the ledger: counts by state and the Retrying list, both out of the index `live`. On the db's
 * thread. */
#include "store/ledger.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

#define LIST_RETRYING 'r'

int ledger_count(struct db *db, enum channel_id channel, struct ledger_counts *ret, struct usher_error *err)
{
	struct ledger_counts counts = { .next_due_ms = -1 };
	int64_t *const places[DELIVERY_STATE_COUNT] = {
		[DELIVERY_CLAIMED] = &counts.claimed,
		[DELIVERY_RETRYING] = &counts.retrying,
		[DELIVERY_DEAD] = &counts.dead,
		[DELIVERY_QUEUED] = &counts.queued,
		[DELIVERY_CANCELLED] = &counts.cancelled,
	};
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT state, COUNT(*), GREATEST(CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), "
	        "MIN(due_at)) / 1000), 0) "
	        "FROM delivery FORCE INDEX (live) WHERE state IN "
	        "('claimed','retrying','dead','queued','cancelled') "
	        "AND channel = ?s GROUP BY state",
	        channel_name(channel));
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	while (rows_next(rows)) {
		enum delivery_state state;

		if (!delivery_state_by_name(row_text(rows, 0), &state) || places[state] == NULL)
			continue;
		*places[state] = row_int(rows, 1);
		if (state == DELIVERY_RETRYING && row_text(rows, 2) != NULL)
			counts.next_due_ms = row_int(rows, 2);
	}
	rows_free(rows);
	*ret = counts;
	return 0;
}

/* -- The Retrying list --------------------------------------------------------------------------- */

/* One channel's page in the order of the index. */
static void add_page(
        struct sql *sql, enum channel_id channel, bool further, wall_time due, int64_t id, int limit)
{
	sql_add(sql,
	        "(SELECT id, event_id, user_id, recipient, channel, attempts, due_at, updated_at, "
	        "last_class, last_reply, version "
	        "FROM delivery FORCE INDEX (live) WHERE state = 'retrying' AND channel = ?s",
	        channel_name(channel));
	if (further)
		sql_add(sql, " AND due_at >= ?t AND (due_at > ?t OR id > ?i)", due, due, id);
	sql_add(sql, " ORDER BY due_at, id LIMIT ?i)", (int64_t)limit);
}

static struct retrying_row read_row(const struct rows *rows)
{
	struct retrying_row row = { .id = row_int(rows, 0),
		.event_id = mem_string(row_text(rows, 1)),
		.user_id = mem_string(row_text(rows, 2)),
		.recipient = mem_string(row_text(rows, 3)),
		.version = (int)row_int(rows, 10),
		.attempts = (int)row_int(rows, 5),
		.due_at = row_time(rows, 6),
		.updated_at = row_time(rows, 7),
		.last_class = row_text(rows, 8) != NULL ? failure_by_name(row_text(rows, 8)) : FAILURE_NONE,
		.last_reply = mem_string(row_text(rows, 9)) };

	channel_by_name(row_text(rows, 4), &row.channel);
	return row;
}

static void row_free(struct retrying_row *row)
{
	free(row->event_id);
	free(row->user_id);
	free(row->recipient);
	free(row->last_reply);
}

void retrying_rows_free(struct retrying_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row_free(&rows[i]);
	free(rows);
}

int retrying_list(struct db *db, const char *cursor, int limit, int channel, struct retrying_row **ret_rows,
        size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err)
{
	int64_t due_ms = 0, id = 0;
	int further = cursor_parse(cursor, LIST_RETRYING, &due_ms, &id, err), code;
	const char *joint = "";
	struct rows *rows = NULL;
	struct retrying_row *page;
	struct sql sql;
	size_t n = 0;

	if (further < 0)
		return further;
	sql = sql_new(db);
	for (int c = 0; c < CHANNEL_COUNT; c++) {
		if (channel >= 0 && c != channel)
			continue;
		sql_add(&sql, joint);
		add_page(&sql, (enum channel_id)c, further > 0, (wall_time){ due_ms }, id, limit + 1);
		joint = " UNION ALL ";
	}
	sql_add(&sql, " ORDER BY due_at, id LIMIT ?i", (int64_t)limit + 1);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	page = mem_array(rows_count(rows) + 1, sizeof *page);
	while (n < (size_t)limit && rows_next(rows))
		page[n++] = read_row(rows);
	ret_next[0] = '\0';
	if (rows_count(rows) > (size_t)limit)
		cursor_print(ret_next, LIST_RETRYING, page[n - 1].due_at.ms, page[n - 1].id);
	rows_free(rows);
	*ret_rows = page;
	*ret_n = n;
	return 0;
}

/* -- The latest deliveries ------------------------------------------------------------------- */

int ledger_last_delivered(struct db *db, wall_time ret_at[CHANNEL_COUNT], struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	enum channel_id channel;
	int code;

	sql_add(&sql,
	        "SELECT channel, MAX(delivered_at) FROM (SELECT channel, delivered_at FROM delivery FORCE "
	        "INDEX (prune) WHERE state = 'delivered' ORDER BY delivered_at DESC LIMIT ?i) AS latest "
	        "GROUP "
	        "BY channel",
	        (int64_t)LEDGER_LATEST);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	memset(ret_at, 0, CHANNEL_COUNT * sizeof *ret_at);
	while (rows_next(rows))
		if (channel_by_name(row_text(rows, 0), &channel))
			ret_at[channel] = row_time(rows, 1);
	rows_free(rows);
	return 0;
}
