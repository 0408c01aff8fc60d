/* Joining what stands in a DLQ with the rows it stands for: which copy is the one, which are surplus, and
 * which no row answers for. On the db's thread. */
#include "store/failed.h"
#include "store/ledger_parts.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

/* How far the broker's clock may be behind the database's. An older copy that is taken for the redriven one
 * makes its row dead again; the other mistake would delete the message. */
#define REDRIVE_SLACK_MS 60000

bool dlq_copy_returned(wall_time sent_at, wall_time redriven_at)
{
	return sent_at.ms > redriven_at.ms - REDRIVE_SLACK_MS;
}

struct row {               /* of the ledger, with its failed row and the copy that stands for it */
	int64_t failed_id; /* 0: none */
	enum failed_status status;
	enum delivery_state state;
	wall_time updated_at, noted_expires_at;
	const char *noted_id; /* NULL: no copy was seen yet; borrowed from the result or a copy */
	struct dlq_copy *standing;
};

struct notes { /* for the database */
	int64_t *ids;
	const char **message_ids;
	wall_time *expires_at;
	size_t n;
	int64_t *gone; /* rows whose noted copy is surplus: none stands for them any more */
	size_t gone_n;
};

static bool is_noted(const struct row *row, const struct dlq_copy *copy)
{
	return row->noted_id != NULL && strcmp(row->noted_id, copy->message_id) == 0;
}

/* The newest copy of a dead row stands for it. */
static void judge_dead(struct row *row, struct dlq_copy *copy)
{
	copy->known = true;
	if (row->noted_id != NULL && !is_noted(row, copy) &&
	        copy->expires_at.ms <= row->noted_expires_at.ms) {
		copy->surplus = true;
		return;
	}
	if (row->standing != NULL && row->standing != copy)
		row->standing->surplus = true;
	row->standing = copy;
	row->noted_id = copy->message_id;
	row->noted_expires_at = copy->expires_at;
}

/* A redriven row: its old copies are surplus. But the fresh copy may itself have come to the DLQ by the
 * queue's own policy; deleting that one would lose the message. */
static void judge_queued(const struct row *row, struct dlq_copy *copy)
{
	copy->returned =
	        !copy->marked && !is_noted(row, copy) && dlq_copy_returned(copy->sent_at, row->updated_at);
	copy->known = copy->surplus = !copy->returned;
}

static void judge(struct row *row, struct dlq_copy *copy)
{
	if (row->failed_id == 0) {
		copy->known = copy->surplus =
		        row->state == DELIVERY_DELIVERED || row->state == DELIVERY_CANCELLED;
		return;
	}
	switch (row->status) {
	case FAILED_DEAD:
		judge_dead(row, copy);
		break;
	case FAILED_QUEUED:
		judge_queued(row, copy);
		break;
	case FAILED_DELIVERED:
	case FAILED_CANCELLED:
	case FAILED_STATUS_COUNT:
		copy->known = copy->surplus = true;
		break;
	}
}

static void read_row(const struct rows *rows, struct row *row)
{
	*row = (struct row){ .failed_id = row_int(rows, 2),
		.updated_at = row_time(rows, 4),
		.noted_id = row_text(rows, 5),
		.noted_expires_at = row_time(rows, 6) };
	if (!delivery_state_by_name(row_text(rows, 1), &row->state))
		row->state = DELIVERY_CLAIMED;
	if (row->failed_id != 0 && !failed_status_by_name(row_text(rows, 3), &row->status))
		row->status = FAILED_QUEUED;
}

static void join_row(const struct rows *rows, enum channel_id channel, struct dlq_copy *copies, size_t n,
        struct notes *notes)
{
	const char *event_id = row_text(rows, 0);
	struct row row;
	bool had_noted;

	read_row(rows, &row);
	had_noted = row.noted_id != NULL;
	for (size_t i = 0; i < n; i++)
		if (copies[i].channel == channel && strcmp(copies[i].event_id, event_id) == 0) {
			if (had_noted && row.status != FAILED_DEAD && is_noted(&row, &copies[i]))
				notes->gone[notes->gone_n++] = row.failed_id;
			judge(&row, &copies[i]);
		}
	if (row.standing == NULL)
		return;
	notes->ids[notes->n] = row.failed_id;
	notes->message_ids[notes->n] = row.standing->message_id;
	notes->expires_at[notes->n++] = row.standing->expires_at;
}

static int join_channel(struct db *db, enum channel_id channel, struct dlq_copy *copies, size_t n,
        struct notes *notes, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	size_t asked = 0;
	int code;

	sql_add(&sql,
	        "SELECT d.event_id, d.state, f.id, f.status, f.updated_at, f.dlq_message_id, "
	        "f.dlq_expires_at FROM delivery d "
	        "LEFT JOIN failed_notification f ON f.delivery_id = d.id WHERE d.channel = ?s AND d.event_id "
	        "IN (",
	        channel_name(channel));
	for (size_t i = 0; i < n; i++)
		if (copies[i].channel == channel)
			sql_add(&sql, asked++ == 0 ? "?s" : ",?s", copies[i].event_id);
	if (asked == 0) {
		sql_free(&sql);
		return 0;
	}
	sql_add(&sql, ")");
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	while (rows_next(rows))
		join_row(rows, channel, copies, n, notes);
	rows_free(rows);
	return 0;
}

/* -- Noting ---------------------------------------------------------------------------------------- */

static int note_standing(struct db *db, const struct notes *notes, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "UPDATE failed_notification SET dlq_seen_at = UTC_TIMESTAMP(3), dlq_message_id = ");
	sql_add_case_text(&sql, notes->ids, notes->message_ids, notes->n, WIDTH_MESSAGE_ID);
	sql_add(&sql, ", dlq_expires_at = CASE id");
	for (size_t i = 0; i < notes->n; i++)
		sql_add(&sql, " WHEN ?i THEN ?t", notes->ids[i], notes->expires_at[i]);
	sql_add(&sql, " END WHERE status = 'dead' AND id IN ");
	sql_add_ids(&sql, notes->ids, notes->n);
	return db_exec(db, &sql, NULL, err);
}

static int note_gone(struct db *db, const struct notes *notes, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "UPDATE failed_notification SET dlq_message_id = NULL, dlq_seen_at = NULL, "
	              "dlq_expires_at = NULL "
	              "WHERE status <> 'dead' AND id IN ");
	sql_add_ids(&sql, notes->gone, notes->gone_n);
	return db_exec(db, &sql, NULL, err);
}

int dlq_reconcile(struct db *db, struct dlq_copy *copies, size_t n, struct usher_error *err)
{
	OWNED int64_t *ids = mem_array(n, sizeof *ids), *gone = mem_array(n, sizeof *gone);
	OWNED const char **message_ids = mem_array(n, sizeof *message_ids);
	OWNED wall_time *expires_at = mem_array(n, sizeof *expires_at);
	struct notes notes = {
		.ids = ids, .message_ids = message_ids, .expires_at = expires_at, .gone = gone
	};
	int code = 0;

	for (size_t i = 0; i < n; i++)
		copies[i].known = copies[i].surplus = copies[i].returned = false;
	for (int c = 0; c < CHANNEL_COUNT && code == 0; c++)
		code = join_channel(db, (enum channel_id)c, copies, n, &notes, err);
	if (code == 0 && notes.n > 0)
		code = note_standing(db, &notes, err);
	if (code == 0 && notes.gone_n > 0)
		code = note_gone(db, &notes, err);
	return code;
}
